"""Archives of `clean`: written, read back and compared with the originals, and restored.

A gzipped tar file. The first gzip member is a comment for `restore --list`; it is stored uncompressed, so that it can be filled in at the
end. Each file has its times in nanoseconds and its inode, so that an original is removed only if it is still the archived file.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import shutil
import tarfile
import zlib

from circuit_breaker.janitor import copies
from circuit_breaker.runtime import files, json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


LEVEL = 3  # of gzip: half the time of level 6, a fifth more bytes
CHUNK = 1 << 20
RESERVE = 16 << 20  # bytes left free on the disk, so that Claude Code can still write its settings
GZIP = 31  # zlib's word for its window of 32 kB inside a gzip header
_BARE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)  # in case a pipe is in the place of a file
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class NoRoom(OSError):
    """Raised if the disk is too full for the archive. missing: bytes, estimated from the compression so far."""

    def __init__(self, path: str, missing: int) -> None:
        super().__init__(errno.ENOSPC, "no room for the archive", path)
        self.missing = missing


class Changed(OSError):
    """Raised if a file was written to while it was archived."""


class Damaged(OSError):
    """Raised for an archive whose contents are wrong."""


def identity(info: os.stat_result) -> tuple[int, ...]:
    """Values that change if a file is replaced or written to."""
    return (info.st_mode & 0o170000, info.st_size, info.st_mtime_ns, info.st_ino, info.st_dev)


class Member:
    """A file or folder to archive: its path below the folder, and its `lstat` result."""

    __slots__ = ("path", "info", "size", "is_folder", "identity")

    def __init__(self, path: str, info: os.stat_result) -> None:
        self.path, self.info, self.size = path, info, info.st_size
        self.is_folder = info.st_mode & 0o170000 == 0o040000
        self.identity = identity(info)


def write_archive(
    path: str,
    folder: str,
    about: dict[str, Any],
    members: Iterable[Member],
    on_bytes: Callable[[int, str], None],
) -> None:
    """Write the members to a new file at `path` and sync it. about: what `summary` returns later; its "bytes" is the expected sum.
    Files removed meanwhile are left out. Raises NoRoom, Changed, OSError; then there is no file."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BARE, 0o600)
    try:
        try:
            _Writer(fd, path, folder, about, on_bytes).run(members)
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        files.remove(path)
        raise


class _Writer:
    """Writes one archive."""

    def __init__(
        self, fd: int, path: str, folder: str, about: dict[str, Any], on_bytes: Callable[[int, str], None]
    ) -> None:
        self.fd, self.path, self.folder, self.on_bytes = fd, path, folder, on_bytes
        self.about, self.expected = {**about, "folder": folder}, int(about["bytes"])
        self.room = len(json.dump(self.about)) + 64  # room for longer numbers
        self.press = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self.read = self.written = self.checked = 0

    def run(self, members: Iterable[Member]) -> None:
        self.about.update(files=0, bytes=0)
        self._out(self._comment())
        for member in members:
            self._add(member)
        self._tar(b"\0" * 1024)
        self._out(self.press.flush())
        os.lseek(self.fd, 0, os.SEEK_SET)
        files.write_all(self.fd, self._comment())

    def _comment(self) -> bytes:
        """The gzip member with the comment, stored uncompressed, so that its length does not depend on the numbers in it."""
        text = json.dump(self.about).decode("ascii").ljust(self.room)
        header = tarfile.TarInfo.create_pax_global_header({"comment": text})
        press = zlib.compressobj(0, zlib.DEFLATED, GZIP)
        return press.compress(header) + press.flush()

    def _add(self, member: Member) -> None:
        if member.is_folder:
            self._tar(_header(member))
            return
        try:
            source = os.open(f"{self.folder}/{member.path}", os.O_RDONLY | _BARE)
        except FileNotFoundError:
            return
        try:
            if identity(os.fstat(source)) != member.identity:
                raise Changed(0, "changed while it was archived", member.path)
            self._tar(_header(member))
            left = member.size
            while left:
                chunk = os.read(source, min(CHUNK, left))
                if not chunk:
                    raise Changed(0, "changed while it was archived", member.path)
                left -= len(chunk)
                self._tar(chunk)
                self.read += len(chunk)
                self.on_bytes(len(chunk), member.path)
        finally:
            os.close(source)
        self._tar(b"\0" * (-member.size % 512))
        self.about["files"] += 1
        self.about["bytes"] += member.size

    def _tar(self, data: bytes) -> None:
        self._out(self.press.compress(data))

    def _out(self, data: bytes) -> None:
        if self.written >= self.checked:
            self.checked = self.written + RESERVE // 4
            if _free(self.path) < RESERVE:
                raise self._no_room()
        try:
            files.write_all(self.fd, data)
        except OSError as error:
            if error.errno in FULL:
                raise self._no_room() from error
            raise
        self.written += len(data)

    def _no_room(self) -> NoRoom:
        ratio = self.written / self.read if self.read > CHUNK else 1.0
        left = max(CHUNK, self.expected * ratio - self.written)
        return NoRoom(self.path, int(max(left, left + RESERVE - _free(self.path))))


def _free(path: str) -> int:
    return shutil.disk_usage(os.path.dirname(path)).free


def _header(member: Member) -> bytes:
    info, found = member.info, tarfile.TarInfo(member.path)
    found.type = tarfile.DIRTYPE if member.is_folder else tarfile.REGTYPE
    found.size = 0 if member.is_folder else member.size
    found.mode, found.mtime = info.st_mode & 0o7777, max(0, info.st_mtime_ns // 10**9)
    found.pax_headers = {
        "mtime": _seconds(info.st_mtime_ns),
        "atime": _seconds(info.st_atime_ns),
        "SCHILY.ino": str(info.st_ino),
        "SCHILY.dev": str(info.st_dev),
    }
    return found.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _seconds(ns: int) -> str:
    whole, rest = divmod(abs(ns), 10**9)
    return f"{'-' * (ns < 0)}{whole}.{rest:09d}"


def _nanoseconds(text: str) -> int:
    whole, _, rest = text.lstrip("-").partition(".")
    ns = int(whole) * 10**9 + int(rest[:9].ljust(9, "0") or 0)
    return -ns if text.startswith("-") else ns


class Entry:
    """A file or folder in an archive. identity: that of the original when it was archived."""

    __slots__ = ("path", "size", "mode", "mtime_ns", "atime_ns", "is_folder", "identity")

    def __init__(self, found: tarfile.TarInfo) -> None:
        keys = found.pax_headers
        self.path, self.size, self.mode = found.name, found.size, found.mode & 0o7777
        self.mtime_ns = _nanoseconds(keys.get("mtime", str(found.mtime)))
        self.atime_ns = _nanoseconds(keys.get("atime", keys.get("mtime", str(found.mtime))))
        self.is_folder = found.isdir()
        ino, dev = int(keys.get("SCHILY.ino", 0)), int(keys.get("SCHILY.dev", 0))
        self.identity = (0o040000 if self.is_folder else 0o100000, self.size, self.mtime_ns, ino, dev)


def entries(path: str) -> Iterator[tuple[Entry, Callable[[int], bytes]]]:
    """The members of an archive in order, each with a function that reads the next bytes of its content. Raises Damaged, OSError."""
    with _damage_named(path), gzip.open(path, "rb") as plain:
        with _tar(plain) as tar:
            for found in tar:
                if not (found.isdir() or found.isfile()):
                    raise Damaged(0, "neither a file nor a folder in the archive", found.name)
                content = tar.extractfile(found)
                yield Entry(found), content.read if content is not None else _nothing
        while plain.read(CHUNK):  # to the end, so that the checksum is compared
            pass


def _tar(plain: gzip.GzipFile) -> tarfile.TarFile:
    return tarfile.open(fileobj=plain, mode="r|", encoding="utf-8", errors="surrogateescape")


def _nothing(size: int) -> bytes:
    return b""


@contextlib.contextmanager
def _damage_named(path: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile, ValueError) as error:
        raise Damaged(0, f"the archive is damaged: {error}", path) from error


def summary(path: str) -> dict[str, Any]:
    """The archive's comment: "kind", "folder", "files", "bytes", "oldest", "newest". Raises Damaged, OSError."""
    with _damage_named(path), gzip.open(path, "rb") as plain, _tar(plain) as tar:
        tar.next()
        document = json.parse((tar.pax_headers or {}).get("comment", "{}"))
    if not isinstance(document, dict) or not isinstance(document.get("folder"), str):
        raise Damaged(0, "not an archive of `clean`", path)
    return document


def compare(path: str, folder: str, on_bytes: Callable[[int, str], None]) -> tuple[list[Entry], list[str]]:
    """Read an archive back and compare each file with its original in `folder`.

    Returns (entries whose original is unchanged and equal, folders included; paths whose original is another file now). A
    missing original is in neither. Raises Damaged if an unchanged original differs from the archive.
    """
    equal: list[Entry] = []
    changed: list[str] = []
    with _damage_named(path):
        for entry, read in entries(path):
            if entry.is_folder:
                equal.append(entry)
                continue
            try:
                source = os.open(f"{folder}/{entry.path}", os.O_RDONLY | _BARE | _NO_WAITING)
            except OSError:
                if files.exists(f"{folder}/{entry.path}"):
                    changed.append(entry.path)
                continue
            try:
                if identity(os.fstat(source)) == entry.identity:
                    _compare_content(path, entry, read, source, on_bytes)
                    equal.append(entry)
                else:
                    changed.append(entry.path)
            finally:
                os.close(source)
    return equal, changed


def _compare_content(
    path: str, entry: Entry, read: Callable[[int], bytes], source: int, on_bytes: Callable[[int, str], None]
) -> None:
    left = entry.size
    while left:
        chunk = read(CHUNK)
        if not chunk or os.read(source, len(chunk)) != chunk:
            raise Damaged(0, f"the archive does not hold {entry.path} as it is", path)
        left -= len(chunk)
        on_bytes(len(chunk), entry.path)


def check(path: str, on_bytes: Callable[[int, str], None]) -> None:
    """Read an archive to its end to check its checksums. Raises Damaged, OSError."""
    for entry, _ in entries(path):
        on_bytes(0, entry.path)


class Restored:
    """files, bytes: what was written. existing: paths that existed and were left as they are. oldest: epoch seconds of the oldest
    modification time among the written files."""

    __slots__ = ("files", "bytes", "existing", "oldest")

    def __init__(self) -> None:
        self.files, self.bytes, self.oldest = 0, 0, float("inf")
        self.existing: list[str] = []


def extract(
    path: str, folder: str, wanted: Callable[[str], bool], on_bytes: Callable[[int, str], None]
) -> Restored:
    """Restore the wanted files of an archive into `folder` with their times and modes; existing files are never overwritten.

    The whole archive is checked first: nothing is restored from a damaged one. Raises Damaged, OSError.
    """
    check(path, on_bytes)
    done = Restored()
    made: dict[str, Entry | None] = {}  # folders made here -> their entry in the archive
    known: dict[str, Entry] = {}
    with _damage_named(path):
        for entry, read in entries(path):
            _refuse_outside(entry.path)
            if entry.is_folder:
                known[entry.path] = entry
            if not wanted(entry.path):
                continue
            _make_folders(folder, entry.path if entry.is_folder else _above(entry.path), known, made)
            if entry.is_folder:
                continue
            if _restore_file(f"{folder}/{entry.path}", entry, read, on_bytes):
                done.files += 1
                done.bytes += entry.size
                done.oldest = min(done.oldest, entry.mtime_ns / 10**9)
            else:
                done.existing.append(entry.path)
    for name in sorted(
        made, key=len, reverse=True
    ):  # innermost first, because each write changes the parent's time
        found = made[name]
        if found is not None:
            os.chmod(f"{folder}/{name}", found.mode)
            os.utime(f"{folder}/{name}", ns=(found.atime_ns, found.mtime_ns))
    return done


def _refuse_outside(path: str) -> None:
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise Damaged(0, "a path that leads out of the folder", path)


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _make_folders(folder: str, path: str, known: dict[str, Entry], made: dict[str, Entry | None]) -> None:
    """Make the folder `path` and its parents; none may be a link. Raises files.Refused."""
    if not path or path in made:
        return
    _make_folders(folder, _above(path), known, made)
    here = f"{folder}/{path}"
    if not files.exists(here):
        os.mkdir(here, 0o700)
        made[path] = known.get(path)
    elif os.path.islink(here) or not os.path.isdir(here):
        raise files.Refused(0, "not a folder (a link or a file in its place)", here)


def _restore_file(
    path: str, entry: Entry, read: Callable[[int], bytes], on_bytes: Callable[[int, str], None]
) -> bool:
    """Write one file; False if the path exists."""
    beside = path + ".restoring"
    files.remove(beside)  # left behind by a restore that was killed
    if files.exists(path):
        return False
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BARE, 0o600)
    try:
        try:
            left = entry.size
            while left:
                chunk = read(CHUNK)
                if not chunk:
                    raise Damaged(0, "the archive ends too early", path)
                files.write_all(fd, chunk)
                left -= len(chunk)
                on_bytes(len(chunk), entry.path)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.chmod(beside, entry.mode)
        os.utime(beside, ns=(entry.atime_ns, entry.mtime_ns))
        copies.name(beside, path)
    except FileExistsError:
        return False
    finally:
        files.remove(beside)
    return True
