"""Archives of `clean`: written, read back and compared with the originals, and restored.

A gzipped tar file that begins with a comment for `restore --list`. Each file has its times in nanoseconds and its inode, so that an
original is removed only if it is still the archived file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gzip
import io
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from typing import IO, Any, NamedTuple

from circuit_breaker.janitor.archives import CHUNK, LEVEL, Damaged, bare, restore_file
from circuit_breaker.janitor.disk import real_folder
from circuit_breaker.runtime import files, json

RESERVE = 16 << 20  # bytes left free on the disk, so that Claude Code can still write its settings
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
OnBytes = Callable[[int, str], None]  # progress: so many more bytes, of this path


class NoRoom(OSError):
    """Raised if the disk is too full for the archive. missing: bytes, estimated from the compression so far."""

    def __init__(self, path: str, missing: int) -> None:
        super().__init__(errno.ENOSPC, "no room for the archive", path)
        self.missing = missing


class Changed(OSError):
    """Raised if a file was written to while it was archived."""


@dataclasses.dataclass
class Done:
    """What was removed or restored: files, bytes, the oldest modification time in epoch seconds. left: paths left as they are."""

    files: int = 0
    bytes: int = 0
    oldest: float = float("inf")
    left: list[str] = dataclasses.field(default_factory=list)

    def add(self, member: Member) -> None:
        self.files += 1
        self.bytes += member.size
        self.oldest = min(self.oldest, member.mtime_ns / 10**9)


class Member(NamedTuple):
    """A file or folder to archive, or in an archive: its path below the folder, and what its original's `lstat` said."""

    path: str
    mode: int
    atime_ns: int
    size: int
    mtime_ns: int
    ino: int
    dev: int

    @classmethod
    def on_disk(cls, path: str, info: os.stat_result) -> Member:
        size = 0 if stat.S_ISDIR(info.st_mode) else info.st_size
        return cls(path, info.st_mode, info.st_atime_ns, size, info.st_mtime_ns, info.st_ino, info.st_dev)

    @classmethod
    def in_archive(cls, found: tarfile.TarInfo) -> Member:
        keys, kind = found.pax_headers, stat.S_IFDIR if found.isdir() else stat.S_IFREG
        mtime = keys.get("mtime", str(found.mtime))
        atime, ino, dev = keys.get("atime", mtime), keys.get("SCHILY.ino", 0), keys.get("SCHILY.dev", 0)
        atime_ns, mtime_ns = (int(Decimal(seconds).scaleb(9)) for seconds in (atime, mtime))
        return cls(found.name, kind | found.mode & 0o7777, atime_ns, found.size, mtime_ns, int(ino), int(dev))

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def is_still(self, info: os.stat_result) -> bool:
        """Whether this is the `lstat` of the same file, neither replaced nor written to."""
        return stat.S_ISREG(info.st_mode) and Member.on_disk(self.path, info)[3:] == self[3:]

    def header(self) -> bytes:
        found = tarfile.TarInfo(self.path)
        found.type = tarfile.DIRTYPE if self.is_folder else tarfile.REGTYPE
        found.size, found.mode = self.size, self.mode & 0o7777
        mtime, atime = (f"{Decimal(ns).scaleb(-9):f}" for ns in (self.mtime_ns, self.atime_ns))
        inode = {"SCHILY.ino": str(self.ino), "SCHILY.dev": str(self.dev)}
        found.pax_headers = {"mtime": mtime, "atime": atime, **inode}
        return found.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def write_archive(
    path: str, folder: str, about: dict[str, Any], members: Iterable[Member], on_bytes: OnBytes
) -> None:
    """Write the members to a new file at `path` and sync it. about: what `summary` returns later, "bytes" among it.

    Files removed meanwhile are left out, though `about` counts them. Raises NoRoom, Changed, OSError.
    """
    comment = json.dump({**about, "folder": folder}).decode("ascii")
    with open(path, "xb", buffering=0, opener=bare) as file:
        disk = _Disk(file.fileno(), path, about["bytes"])
        with gzip.GzipFile("", "wb", LEVEL, disk, 0) as press:
            press.write(tarfile.TarInfo.create_pax_global_header({"comment": comment}))
            for member in members:
                with contextlib.suppress(FileNotFoundError):
                    disk.packed += _add(press, member, folder, on_bytes)
            press.write(b"\0" * 1024)
        os.fsync(file.fileno())


def _add(press: gzip.GzipFile, member: Member, folder: str, on_bytes: OnBytes) -> int:
    """Add a file or folder. Returns its bytes. Raises FileNotFoundError before anything is written, Changed."""
    if member.is_folder:
        return press.write(member.header())
    with _original(folder, member) as original:
        press.write(member.header())
        for chunk in _chunks(member, original, on_bytes):
            press.write(chunk)
    press.write(b"\0" * (-member.size % 512))
    return member.size


def _original(folder: str, member: Member) -> IO[bytes]:
    """The file on disk. Raises Changed if it is not the file to archive any more, FileNotFoundError."""
    file = open(f"{folder}/{member.path}", "rb", buffering=0, opener=bare)  # noqa: SIM115
    if member.is_still(os.fstat(file.fileno())):
        return file
    file.close()
    raise Changed(0, "changed while it was archived", member.path)


def _chunks(member: Member, content: IO[bytes], on_bytes: OnBytes) -> Iterator[bytes]:
    """The content of a file, on disk or in an archive, in pieces. Raises Changed if it is too short."""
    left = member.size
    while left:
        chunk = content.read(min(CHUNK, left))
        if not chunk:
            raise Changed(0, "changed while it was archived", member.path)
        yield chunk
        left -= len(chunk)
        on_bytes(len(chunk), member.path)


class _Disk:
    """The archive's file, which leaves the reserve free. expected: bytes to be packed into it; packed: so far. Raises NoRoom."""

    def __init__(self, fd: int, path: str, expected: int) -> None:
        self.fd, self.path, self.expected = fd, path, expected
        self.packed = self.written = self.checked = 0

    def write(self, data: bytes) -> int:
        if self.written >= self.checked:
            self.checked = self.written + RESERVE // 4
            if self.free() < RESERVE:
                raise self.no_room()
        try:
            files.write_all(self.fd, data)
        except OSError as error:
            raise (self.no_room() if error.errno in FULL else error) from error
        self.written += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered here."""

    def free(self) -> int:
        return shutil.disk_usage(os.path.dirname(self.path)).free

    def no_room(self) -> NoRoom:
        ratio = self.written / self.packed if self.packed > CHUNK else 1.0
        left = max(CHUNK, self.expected * ratio - self.written)
        return NoRoom(self.path, int(max(left, left + RESERVE - self.free())))


def entries(path: str) -> Iterator[tuple[Member, IO[bytes]]]:
    """The members of an archive in order, each with its content. Raises Damaged, OSError."""
    with _damage_named(path), gzip.open(path, "rb") as plain:
        with _reader(plain) as tar:
            for found in tar:
                if not (found.isdir() or found.isfile()):
                    raise Damaged(0, "neither a file nor a folder in the archive", found.name)
                yield Member.in_archive(found), tar.extractfile(found) or io.BytesIO()
        while plain.read(CHUNK):  # to the end, so that the checksum is compared
            pass


def _reader(plain: gzip.GzipFile) -> tarfile.TarFile:
    return tarfile.open(fileobj=plain, mode="r|", encoding="utf-8", errors="surrogateescape")


@contextlib.contextmanager
def _damage_named(path: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile, ValueError, ArithmeticError) as error:
        raise Damaged(0, f"the archive is damaged: {error}", path) from error


def summary(path: str) -> dict[str, Any]:
    """The archive's comment: "kind", "folder", "files", "bytes", "oldest", "newest". Raises Damaged, OSError."""
    with _damage_named(path), gzip.open(path, "rb") as plain, _reader(plain) as tar:
        tar.next()
        document = json.parse((tar.pax_headers or {}).get("comment", "{}"))
    if not isinstance(document, dict) or not isinstance(document.get("folder"), str):
        raise Damaged(0, "not an archive of `clean`", path)
    return document


def compare(path: str, folder: str, on_bytes: OnBytes) -> tuple[list[Member], list[str]]:
    """Read an archive back and compare each file with its original in `folder`.

    Returns (entries whose original is unchanged and equal, folders included; paths whose original is another file now). A
    missing original is in neither. Raises Damaged if an unchanged original differs from the archive.
    """
    equal: list[Member] = []
    changed: list[str] = []
    with _damage_named(path):
        for entry, content in entries(path):
            if entry.is_folder:
                equal.append(entry)
                continue
            try:
                original = _original(folder, entry)
            except FileNotFoundError:
                continue
            except OSError:
                changed.append(entry.path)
                continue
            with original:
                for chunk in _chunks(entry, original, on_bytes):
                    if content.read(len(chunk)) != chunk:
                        raise Damaged(0, f"the archive does not hold {entry.path} as it is", path)
            equal.append(entry)
    return equal, changed


def extract(path: str, folder: str, wanted: Callable[[str], bool], on_bytes: OnBytes) -> Done:
    """Restore the wanted files of an archive into `folder` with their times and modes; existing files are never overwritten.

    The whole archive is checked first: nothing is restored from a damaged one. Raises Damaged, OSError.
    """
    for entry, _ in entries(path):
        on_bytes(0, entry.path)
    done = Done()
    made: list[str] = []
    folders: dict[str, Member] = {}
    with _damage_named(path):
        for entry, content in entries(path):
            if entry.path.startswith("/") or any(part in ("", ".", "..") for part in entry.path.split("/")):
                raise Damaged(0, "a path that leads out of the folder", entry.path)
            if entry.is_folder:
                folders[entry.path] = entry
            if not wanted(entry.path):
                continue
            _make_folders(folder, entry.path if entry.is_folder else os.path.dirname(entry.path), made)
            if entry.is_folder:
                continue
            chunks = _chunks(entry, content, on_bytes)
            try:
                restore_file(f"{folder}/{entry.path}", chunks, partial(_dress, entry))
            except FileExistsError:
                done.left.append(entry.path)
                continue
            done.add(entry)
    for name in reversed(made):  # innermost first, because each write changes the parent's time
        if name in folders:
            _dress(folders[name], f"{folder}/{name}")
    return done


def _make_folders(folder: str, path: str, made: list[str]) -> None:
    """Make the folder `path` and its parents, and add them to `made`; none may be a link. Raises files.Refused."""
    if not path:
        return
    _make_folders(folder, os.path.dirname(path), made)
    here = f"{folder}/{path}"
    if not files.exists(here):
        os.mkdir(here, 0o700)
        made.append(path)
    elif not real_folder(here):
        raise files.Refused(0, "not a folder (a link or a file in its place)", here)


def _dress(entry: Member, path: str) -> None:
    """Give a restored file or folder its mode and times."""
    os.chmod(path, entry.mode & 0o7777)
    os.utime(path, ns=(entry.atime_ns, entry.mtime_ns))
