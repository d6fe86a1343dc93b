"""Copies of a file: new bytes with the same owner, mode and times, under a name that never replaces another file."""

from __future__ import annotations

from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import stat_result


def write(path: str, data: bytes, like: stat_result) -> None:
    """Write a new file with the owner, mode and times of `like`, and sync it. Raises OSError."""
    flags = files.system.O_WRONLY | files.system.O_CREAT | files.system.O_EXCL
    fd = files.system.open(path, flags, 0o600)
    try:
        files.write_all(fd, data)
        liken(fd, like)
        files.system.fsync(fd)
    finally:
        files.system.close(fd)
    files.system.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))


def liken(fd: int, like: stat_result) -> None:
    """Give an open file the owner and mode of `like`. Raises OSError if the owner cannot be set."""
    if not hasattr(files.system, "fchown"):
        return
    mine = files.system.fstat(fd)
    if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
        files.system.fchown(fd, like.st_uid, like.st_gid)
    files.system.fchmod(fd, like.st_mode & 0o7777)


def name(beside: str, path: str) -> None:
    """Give the finished file `beside` the name `path`; it may keep the first name too. Raises FileExistsError if `path` exists."""
    try:
        files.system.link(beside, path)
        return
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if files.exists(path):
            raise FileExistsError(17, "there is a file of that name", path) from None
    files.system.rename(beside, path)
