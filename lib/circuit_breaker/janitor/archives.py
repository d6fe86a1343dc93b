"""Archived files: compressed, checked, and restored."""

from __future__ import annotations

import os
import time
import zlib

from circuit_breaker.janitor import copies, retention, survey
from circuit_breaker.janitor.retention import Archive
from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


LEVEL = 3  # for telemetry: less than half the time of gzip -6, a fifth more bytes
CHUNK = 1 << 20
DEADLINE = (
    120.0  # seconds that a compressing child may take; the next session start continues where it stopped
)
QUIET = (
    retention.HOUR
)  # without a write, where the kernel cannot tell whether a file is still open for writing
_BARE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
GZIP = 31  # zlib's word for its window of 32 kB inside a gzip header


class DeadlinePassed(Exception):
    """Raised when the deadline passes in the middle of a file."""


class Unfit(OSError):
    """Raised for an archive that does not contain what was compressed."""


def pending(folder: str) -> list[Archive]:
    """The archives in `folder`/archives that are not compressed yet, oldest first."""
    found = survey.archives_of(folder).archives.values()
    return sorted((a for a in found if a.plain), key=lambda a: (a.at, a.mtime, a.id))


def compress_all(
    folder: str, deadline: float, on_file: Callable[[Archive], None] | None = None
) -> tuple[int, int, list[str]]:
    """Compress what is pending, a file at a time, until `deadline` (time.monotonic). Files that are still held open for
    writing wait. Returns (compressed, waiting, errors); (0, 0, []) if another process is compressing."""
    waiting, done, errors = pending(folder), 0, []
    if not waiting:
        return 0, 0, []
    try:
        lock = files.Lock(f"{folder}/archives/.compress.lock", 0.001).__enter__()
    except (TimeoutError, ValueError):
        return 0, 0, []
    try:
        for archive in waiting:
            if time.monotonic() >= deadline:
                break
            if on_file:
                on_file(archive)
            try:
                done += compress(f"{folder}/archives/{archive.id}", deadline)
            except FileNotFoundError:
                continue  # removed meanwhile
            except DeadlinePassed:
                break
            except (OSError, zlib.error) as error:
                errors.append(f"{archive.id}: {files.why(error)}")
    finally:
        lock.__exit__(None, None, None)
    return done, len(waiting) - done, errors


def compress(path: str, deadline: float = float("inf")) -> bool:
    """Turn `path` into `path`.gz with the same mode and modification time. False if it is still being written.

    The plain file is removed only after the compressed one is on disk and reads back correctly, and if nothing was added to the
    plain file meanwhile. Raises OSError (full disk, Unfit), DeadlinePassed; both leave the plain file and no `.gz`.
    """
    packed, beside = path + ".gz", f"{path}.gz.{os.getpid()}.tmp"
    source = os.open(path, os.O_RDONLY | _BARE)
    try:
        before = os.fstat(source)
        if not retention.regular(before) or being_written(source, before):
            return False
        try:
            target = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BARE, 0o600)
            try:
                size = _deflate(source, target, deadline)
                _check(target, size, deadline)
                copies.liken(target, before)
                os.fsync(target)
            finally:
                os.close(target)
            os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns))
            after = os.stat(
                path, follow_symlinks=False
            )  # FileNotFoundError: it was removed meanwhile, so its archive must not reappear
            if (after.st_ino, after.st_size, after.st_mtime_ns) != (before.st_ino, size, before.st_mtime_ns):
                return False
            os.replace(beside, packed)
        finally:
            files.remove(beside)
    finally:
        os.close(source)
    sync_folder(os.path.dirname(path))
    os.unlink(path)
    return True


def being_written(fd: int, info: os.stat_result) -> bool:
    """Whether a process has this file (open for reading as `fd`) open for writing.

    Linux knows: it grants a read lease only if no process does. On other systems a file not written for an hour counts as closed.
    """
    ask = getattr(files.fcntl, "F_SETLEASE", None)
    if ask is not None:
        try:
            files.fcntl.fcntl(fd, ask, files.fcntl.F_RDLCK)
            files.fcntl.fcntl(fd, ask, files.fcntl.F_UNLCK)
            return False
        except BlockingIOError:
            return True
        except OSError:  # a file system without leases, or another user's file
            pass
    return time.time() - info.st_mtime < QUIET


def _deflate(source: int, target: int, deadline: float) -> int:
    """Compress one descriptor into another. Returns the bytes read."""
    press, size = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP), 0
    while True:
        chunk = os.read(source, CHUNK)
        if not chunk:
            break
        if time.monotonic() >= deadline:
            raise DeadlinePassed
        size += len(chunk)
        files.write_all(target, press.compress(chunk))
    files.write_all(target, press.flush())
    return size


def _check(target: int, size: int, deadline: float) -> None:
    """Read the result back and check its checksum (by zlib) and its length. Raises Unfit."""
    os.lseek(target, 0, os.SEEK_SET)
    total = 0
    for chunk in _inflated(target):
        total += len(chunk)
        if time.monotonic() >= deadline:
            raise DeadlinePassed
    if total != size:
        raise Unfit(0, f"reads back as {total} bytes instead of {size}")


def _inflated(fd: int):  # type: ignore[no-untyped-def]  # Iterator[bytes]
    """The decompressed bytes of a gzip descriptor, in pieces. Raises Unfit if it is truncated or altered."""
    unpress = zlib.decompressobj(GZIP)
    while not unpress.eof:
        data = unpress.unconsumed_tail or os.read(fd, CHUNK)
        if not data:
            raise Unfit(0, "the archive ends too early")
        try:
            yield unpress.decompress(data, 4 * CHUNK)
        except zlib.error as error:
            raise Unfit(0, f"the archive is damaged: {error}") from error
    if unpress.unused_data or os.read(fd, 1):
        raise Unfit(0, "something follows the archive's end")


def sync_folder(path: str) -> None:
    """Sync a folder, so that its names survive a power cut."""
    if files.fcntl is None:
        return  # Windows cannot open folders
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def restore_archive(folder: str, archive: Archive) -> str:
    """Restore an archive into `folder` under its original name and mode; the archive stays. Returns the path.

    The modification time is now, so that no age rule archives it again at once. Raises FileExistsError for an existing file,
    OSError for a damaged archive; both leave nothing behind.
    """
    path = f"{folder}/{archive.original}"
    if files.exists(path):
        raise FileExistsError(17, "there is a file of that name", path)
    stored = f"{folder}/archives/{archive.id}" + (".gz" if archive.packed else "")
    beside = f"{path}.{os.getpid()}.tmp"
    source = os.open(stored, os.O_RDONLY | _BARE)
    try:
        target = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BARE, 0o600)
        try:
            for chunk in _inflated(source) if archive.packed else _plain(source):
                files.write_all(target, chunk)
            copies.liken(target, os.fstat(source))
            os.fsync(target)
        finally:
            os.close(target)
        copies.name(beside, path)
    finally:
        os.close(source)
        files.remove(beside)
    return path


def _plain(fd: int):  # type: ignore[no-untyped-def]  # Iterator[bytes]
    while True:
        chunk = os.read(fd, CHUNK)
        if not chunk:
            return
        yield chunk
