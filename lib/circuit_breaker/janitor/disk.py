"""What the janitor does with any file: list it, copy it, give it a name that no other file has."""

from __future__ import annotations

import time

from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import stat_result


NEVER = float("inf")


class TooMany(Exception):
    """Raised when there is more to look at than the caller allows."""


def listing(folder: str, most: float = NEVER) -> Iterator[tuple[str, str, stat_result]]:
    """What is directly in a folder as (path, name, `lstat` result), without what vanishes meanwhile; nothing of a missing folder or
    a link to one.

    Raises TooMany for more than `most` entries, OSError if the folder cannot be listed.
    """
    if not real_folder(folder):
        return
    try:
        entries = files.system.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for count, entry in enumerate(entries, 1):
            if count > most:
                raise TooMany
            try:
                yield f"{folder}/{entry.name}", entry.name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue


def real_folder(path: str) -> bool:
    """Whether it is a folder and not a link to one."""
    try:
        return files.system.lstat(path).st_mode & 0o170000 == 0o040000
    except OSError:
        return False


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


def liken(file: int | str, like: stat_result) -> None:
    """Give a file (descriptor or path) the owner and mode of `like`. Raises OSError if the owner cannot be set."""
    if not hasattr(files.system, "chown"):
        return
    mine = files.system.stat(file)
    if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
        files.system.chown(file, like.st_uid, like.st_gid)
    files.system.chmod(file, like.st_mode & 0o7777)


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


def moment(now: float) -> str:
    """The TIME in the names of archives made at `now` (epoch seconds)."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def unused(stem: str, *endings: str) -> str:
    """`stem`, or `stem`-02 and so on while a file is called that with one of the endings."""
    chosen, number = stem, 1
    while any(files.exists(chosen + ending) for ending in endings):
        number += 1
        chosen = f"{stem}-{number:02d}"
    return chosen
