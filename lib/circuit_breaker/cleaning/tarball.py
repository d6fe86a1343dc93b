"""Archives of `clean`: written, read back and compared with the originals, and restored.

A gzipped tar file that begins with a comment for `restore --list`. Each file has its times in nanoseconds and its inode, so that an
original is removed only if it is still the archived file.
"""

from __future__ import annotations

import contextlib
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
from tarfile import TarInfo
from typing import IO, Any

from circuit_breaker.janitor import disk
from circuit_breaker.janitor.archives import CHUNK, LEVEL, Damaged, restore_file
from circuit_breaker.runtime import files, json

RESERVE = 16 << 20  # bytes left free on the disk, so that Claude Code can still write its settings
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
NAMES: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}  # how names are written
OnBytes = Callable[[int, str], None]  # progress: so many more bytes, of this path


class NoRoom(OSError):
    """Raised if the disk is too full for the archive. missing: bytes, estimated from the compression so far."""

    def __init__(self, path: str, missing: int) -> None:
        super().__init__(errno.ENOSPC, "no room for the archive", path)
        self.missing = missing


def member(path: str, info: os.stat_result) -> TarInfo:
    """A file or folder as it is archived: its path below the folder, and what its `lstat` said."""
    found = TarInfo(path)
    found.type = tarfile.DIRTYPE if stat.S_ISDIR(info.st_mode) else tarfile.REGTYPE
    found.size = info.st_size if found.isreg() else 0
    found.mode, found.mtime = stat.S_IMODE(info.st_mode), info.st_mtime
    mtime, atime = (f"{Decimal(ns).scaleb(-9):f}" for ns in (info.st_mtime_ns, info.st_atime_ns))
    inode = {"SCHILY.ino": str(info.st_ino), "SCHILY.dev": str(info.st_dev)}
    found.pax_headers = {"mtime": mtime, "atime": atime, **inode}
    return found


def is_still(entry: TarInfo, info: os.stat_result) -> bool:
    """Whether this is the `lstat` of the file that was listed or archived, neither replaced nor written to."""
    now = member(entry.name, info).pax_headers
    same = all(now[key] == entry.pax_headers.get(key) for key in ("mtime", "SCHILY.ino", "SCHILY.dev"))
    return stat.S_ISREG(info.st_mode) and info.st_size == entry.size and same


def write_archive(
    fd: int, place: str, about: dict[str, Any], members: Iterable[TarInfo], on_bytes: OnBytes
) -> None:
    """Write the members to a new file in the folder `place`. about: what `summary` returns later. Files removed meanwhile are left out,
    though `about` counts them. Raises NoRoom, disk.Changed, OSError."""
    target, headers = _Disk(fd, place, about["bytes"]), {"comment": json.dump(about).decode("ascii")}
    pack: dict[str, Any] = {"compresslevel": LEVEL, "format": tarfile.PAX_FORMAT, "pax_headers": headers}
    with tarfile.open(mode="w:gz", fileobj=target, **pack, **NAMES) as tar:
        for entry in members:
            if entry.isdir():
                tar.addfile(entry)
                continue
            path = f"{about['folder']}/{entry.name}"
            with contextlib.suppress(FileNotFoundError), _original(entry, path) as original:
                tar.addfile(entry, original)
                target.packed += entry.size
                on_bytes(entry.size, entry.name)


def _original(entry: TarInfo, path: str) -> IO[bytes]:
    """The file on disk. Raises disk.Changed if it is not the file to archive any more, FileNotFoundError."""
    file = open(path, "rb", opener=disk.bare)  # noqa: SIM115
    if is_still(entry, os.fstat(file.fileno())):
        return file
    file.close()
    raise disk.Changed(0, "changed while it was archived", entry.name)


class _Disk(io.RawIOBase):
    """The archive's file, which leaves the reserve free. expected: bytes to be packed into it; packed: so far. Raises NoRoom."""

    def __init__(self, fd: int, place: str, expected: int) -> None:
        self.fd, self.place, self.expected = fd, place, expected
        self.packed = self.written = self.checked = 0

    def write(self, data: Any) -> int:
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

    def free(self) -> int:
        return shutil.disk_usage(self.place).free

    def no_room(self) -> NoRoom:
        ratio = self.written / self.packed if self.packed > CHUNK else 1.0
        left = max(CHUNK, self.expected * ratio - self.written)
        return NoRoom(self.place, int(max(left, left + RESERVE - self.free())))


def read_members(path: str) -> Iterator[tuple[TarInfo, IO[bytes]]]:
    """The members of an archive in order, each with its content. Raises Damaged, OSError."""
    with _damage_named(path), gzip.open(path, "rb") as plain:
        with tarfile.open(fileobj=plain, mode="r|", **NAMES) as tar:
            for found in tar:
                if not (found.isdir() or found.isfile()):
                    raise Damaged(0, "neither a file nor a folder in the archive", found.name)
                yield found, tar.extractfile(found) or io.BytesIO()
        while plain.read(CHUNK):  # to the end, so that the checksum is compared
            pass


@contextlib.contextmanager
def _damage_named(path: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile, ValueError, ArithmeticError) as error:
        raise Damaged(0, f"the archive is damaged: {error}", path) from error


def summary(path: str) -> dict[str, Any]:
    """The archive's comment: "kind", "folder", "files", "bytes", "oldest", "newest". Raises Damaged, OSError."""
    with _damage_named(path), tarfile.open(path, "r:gz", **NAMES) as tar:
        document = json.parse((tar.pax_headers or {}).get("comment", "{}"))
    if not isinstance(document, dict) or not isinstance(document.get("folder"), str):
        raise Damaged(0, "not an archive of `clean`", path)
    return document


def compare(path: str, folder: str, on_bytes: OnBytes) -> tuple[list[TarInfo], list[str]]:
    """Read an archive back and compare each file with its original in `folder`.

    Returns (entries whose original is unchanged and equal, folders included; paths whose original is another file now). A
    missing original is in neither. Raises Damaged if an unchanged original differs from the archive.
    """
    equal: list[TarInfo] = []
    changed: list[str] = []
    with _damage_named(path):
        for entry, content in read_members(path):
            if entry.isreg():
                try:
                    original = _original(entry, f"{folder}/{entry.name}")
                except FileNotFoundError:
                    continue
                except OSError:
                    changed.append(entry.name)
                    continue
                with original:
                    while chunk := content.read(CHUNK):
                        if original.read(len(chunk)) != chunk:
                            raise Damaged(0, f"the archive does not hold {entry.name} as it is", path)
                on_bytes(entry.size, entry.name)
            equal.append(entry)
    return equal, changed


def extract(
    path: str, folder: str, wanted: Callable[[str], bool], on_bytes: OnBytes
) -> tuple[list[TarInfo], list[str], list[str]]:
    """Restore the wanted files of an archive into `folder` with their times and modes; existing files are never overwritten.

    The whole archive is checked first: nothing is restored from a damaged one. Returns (entries of the restored files, paths
    that exist, sentences about files that could not be restored). Raises Damaged, OSError.
    """
    for entry, _ in read_members(path):
        on_bytes(0, entry.name)
    restored: list[TarInfo] = []
    existing: list[str] = []
    failed: list[str] = []
    made: list[str] = []
    folders: dict[str, TarInfo] = {}
    with _damage_named(path):
        for entry, content in read_members(path):
            if entry.name.startswith("/") or any(part in ("", ".", "..") for part in entry.name.split("/")):
                raise Damaged(0, "a path that leads out of the folder", entry.name)
            if entry.isdir():
                folders[entry.name] = entry
            if not wanted(entry.name):
                continue
            chunks = iter(partial(content.read, CHUNK), b"")
            try:
                _make_folders(folder, entry.name if entry.isdir() else os.path.dirname(entry.name), made)
                if entry.isreg():
                    restore_file(f"{folder}/{entry.name}", chunks, partial(_dress, entry))
                    restored.append(entry)
                    on_bytes(entry.size, entry.name)
            except FileExistsError:
                existing.append(entry.name)
            except Damaged:
                raise
            except OSError as error:
                failed.append(f"{entry.name}: {files.reason(error)}")
    for name in reversed(made):  # innermost first, because each write changes the parent's time
        if name in folders:
            _dress(folders[name], f"{folder}/{name}")
    return restored, existing, failed


def _make_folders(folder: str, path: str, made: list[str]) -> None:
    """Make the folder `path` and its parents, and add them to `made`; none may be a link. Raises files.Refused."""
    if not path:
        return
    _make_folders(folder, os.path.dirname(path), made)
    here = f"{folder}/{path}"
    if not files.exists(here):
        os.mkdir(here, 0o700)
        made.append(path)
    elif not disk.real_folder(here):
        raise files.Refused(0, "not a folder (a link or a file in its place)", here)


def _dress(entry: TarInfo, path: str) -> None:
    """Give a restored file or folder its mode and times."""
    mtime = entry.pax_headers.get("mtime", entry.mtime)
    atime, mtime = (int(Decimal(t).scaleb(9)) for t in (entry.pax_headers.get("atime", mtime), mtime))
    os.chmod(path, entry.mode & 0o7777)
    os.utime(path, ns=(atime, mtime))
