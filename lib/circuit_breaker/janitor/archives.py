"""Archived files: compressed, checked, and restored."""

from __future__ import annotations

import gzip
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from circuit_breaker.breaker.config import HOUR
from circuit_breaker.janitor import disk, sweep
from circuit_breaker.janitor.retention import Archive
from circuit_breaker.runtime import files

LEVEL = 3  # for telemetry: less than half the time of gzip -6, a fifth more bytes
CHUNK = 1 << 20
QUIET = HOUR  # without a write, where the kernel cannot tell whether a file is open for writing
GZIP = 31  # zlib's word for its window of 32 kB inside a gzip header


class Damaged(OSError):
    """Raised for an archive that does not contain what was archived."""


def compress_all(folder: str, deadline: float, on_file: Callable[[Archive], None] | None = None) -> list[str]:
    """Compress the archives in `folder` that are not compressed yet, the oldest first, until `deadline` (time.monotonic). Files that
    are still held open for writing wait. Returns errors; does nothing while another process is compressing."""
    errors: list[str] = []
    waiting = [one for one in sweep.archives_of(folder).values() if one.plain]
    if not waiting:
        return errors
    try:
        with files.Lock(f"{folder}/archives/.compress.lock", 0.001):
            for archive in sorted(waiting, key=lambda one: one.age_order):
                if on_file:
                    on_file(archive)
                try:
                    compress(f"{folder}/archives/{archive.id}", deadline)
                except FileNotFoundError:
                    continue  # removed meanwhile
                except TimeoutError:
                    break
                except OSError as error:
                    errors.append(f"{archive.id}: {files.reason(error)}")
    except TimeoutError:
        pass
    return errors


def compress(path: str, deadline: float = float("inf")) -> bool:
    """Turn `path` into `path`.gz with the same mode and modification time. False if it is still being written.

    The plain file is removed only after the compressed one is on disk and reads back correctly, and if nothing was added to the
    plain file meanwhile. Raises OSError (full disk, Damaged, TimeoutError); each leaves the plain file and no `.gz`.
    """
    with open(path, "rb", buffering=0, opener=disk.bare) as plain:
        before = os.fstat(plain.fileno())
        if not disk.file_version(before) or being_written(plain.fileno(), before):
            return False

        def fill(fd: int) -> None:
            press = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
            for chunk in _chunks(plain, deadline):
                files.write_all(fd, press.compress(chunk))
            files.write_all(fd, press.flush())

        def finish(beside: str) -> None:
            with gzip.open(beside) as packed:
                found = sum(map(len, _chunks(packed, deadline)))
            # FileNotFoundError: it was removed meanwhile, so its archive must not reappear
            if disk.file_version(os.lstat(path)) != disk.file_version(before):
                raise disk.Changed
            if found != before.st_size:
                raise Damaged(0, f"reads back as {found} bytes instead of {before.st_size}")
            disk.liken(beside, before)
            os.replace(beside, path + ".gz")

        try:
            disk.create(path + ".gz", fill, finish)
        except disk.Changed:
            return False
    sync_folder(os.path.dirname(path))
    os.unlink(path)
    return True


def _chunks(file: IO[bytes] | gzip.GzipFile, deadline: float = float("inf")) -> Iterator[bytes]:
    """The contents of a file in pieces. Raises TimeoutError, and Damaged for a compressed one that is truncated or altered."""
    try:
        while chunk := file.read(CHUNK):
            if time.monotonic() >= deadline:
                raise TimeoutError
            yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(0, f"the archive is damaged: {error}") from error


def being_written(fd: int, info: os.stat_result) -> bool:
    """Whether a process has this file (open for reading as `fd`) open for writing. Linux knows: it grants a read lease only if no process
    does. On other systems a file not written for an hour counts as closed."""
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


def sync_folder(path: str) -> None:
    """Sync a folder, so that its names survive a power cut."""
    if files.fcntl is None:
        return  # Windows cannot open folders
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def restore_archive(archive: Archive) -> str:
    """Restore an archive under its original path and mode; the archive stays. Returns the path.

    The modification time is now, so that no age rule archives it again at once. Raises FileExistsError for an existing file,
    OSError for a damaged archive; both leave nothing behind.
    """
    path = f"{archive.home}/{archive.original}"
    with open(archive.path, "rb", buffering=0, opener=disk.bare) as source:
        like = os.fstat(source.fileno())
        if not like.st_size:
            raise Damaged(0, "the archive is empty")

        def dress(beside: str) -> None:
            disk.liken(beside, like)
            os.utime(beside)

        restore_file(path, _chunks(gzip.GzipFile(fileobj=source) if archive.packed else source), dress)
    return path


def restore_file(path: str, chunks: Iterable[bytes], dress: Callable[[str], None]) -> None:
    """Write a file that has its name only when it is complete. dress: gives the file at a path its mode and times. Raises FileExistsError
    if `path` exists, and whatever `chunks` raises."""
    folder, _, name = path.rpartition("/")
    beside = f"{folder}/{name[:50]}.restoring"  # a name may fill what a file system allows, 255 bytes
    files.remove(beside)  # left behind by a restore that was killed
    if files.exists(path):
        raise FileExistsError(17, "there is a file of that name", path)

    def fill(fd: int) -> None:
        for chunk in chunks:
            files.write_all(fd, chunk)

    def finish(beside: str) -> None:
        dress(beside)
        disk.name(beside, path)

    disk.create(path, fill, finish, beside)
