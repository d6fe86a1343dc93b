"""What the janitor and `clean` do with any file: list it, see whether it changed, make it completely or not at all."""

from __future__ import annotations

import time
from stat import S_ISDIR, S_ISREG

from circuit_breaker.janitor.retention import NEVER
from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import stat_result


class TooMany(Exception):
    """Raised when there is more to look at than the caller allows."""


class Changed(OSError):
    """Raised if a file was replaced or written to while it was archived."""


def attempt(what: str, act: Callable[[], object], errors: list[str]) -> None:
    """Call `act`; an error is added to `errors` as a sentence."""
    try:
        act()
    except (OSError, ValueError) as error:
        errors.append(f"{what}: {files.reason(error)}")


def listing(folder: str, most: float = NEVER) -> Iterator[tuple[str, str, stat_result]]:
    """What is directly in a folder as (path, name, `lstat` result), without what vanishes meanwhile; nothing of a missing folder or
    a link to one. Raises TooMany for more than `most` entries, OSError if the folder cannot be listed."""
    if not real_folder(folder):
        return
    with files.system.scandir(folder) as entries:
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
        return S_ISDIR(files.system.lstat(path).st_mode)
    except OSError:
        return False


def below(path: str, skip: str = "") -> Iterator[tuple[str, stat_result]]:
    """A file or folder and all that is below it, except `skip`, as (path, `lstat` result), a folder before its contents. No link
    is followed, and what cannot be read is left out."""
    if path == skip:
        return
    try:
        info = files.system.lstat(path)
        names = sorted(files.system.listdir(path)) if S_ISDIR(info.st_mode) else []
    except OSError:
        return
    yield path, info
    for name in names:
        yield from below(f"{path}/{name}", skip)


def file_version(info: stat_result) -> tuple[int, ...]:
    """What is different once a regular file was replaced or written to; () for anything else."""
    return (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns) if S_ISREG(info.st_mode) else ()


def create(
    path: str,
    fill: Callable[[int], object],
    finish: Callable[[str], object],
    beside: str = "",
    mode: int = 0o600,
) -> None:
    """Make a file that has its name only when it is complete: it is filled beside `path` (as `beside`), synced and then named.

    fill: writes the contents to a descriptor. finish: names the file that is at a path until then. If one of them raises,
    nothing is left behind. Raises Changed if another process put its file there meanwhile.
    """
    beside = beside or f"{path}.{files.system.getpid()}.tmp"
    fd = bare(beside, files.system.O_WRONLY | files.system.O_CREAT | files.system.O_EXCL, mode)
    try:
        try:
            fill(fd)
            files.system.fsync(fd)
            filled = files.system.fstat(fd).st_ino
        finally:
            files.system.close(fd)
        if not files.exists(beside) or files.system.lstat(beside).st_ino != filled:
            raise Changed(0, "another process was writing it", path)
        finish(beside)
    finally:
        files.remove(beside)


def bare(path: str, flags: int, mode: int = 0o600) -> int:
    """An opener for `open` that follows no link and waits for no pipe; new files are private."""
    return int(files.system.open(path, flags | files.READ | getattr(files.system, "O_NOFOLLOW", 0), mode))


def liken(path: str, like: stat_result) -> None:
    """Give a file the owner, mode and times of `like`. Raises OSError if the owner cannot be set."""
    if hasattr(files.system, "chown"):
        mine = files.system.stat(path)
        if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
            files.system.chown(path, like.st_uid, like.st_gid)
        files.system.chmod(path, like.st_mode & 0o7777)
    files.system.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))


def name(beside: str, path: str) -> None:
    """Give the finished file `beside` the name `path`; it may keep the first name too. Raises FileExistsError if `path` exists."""
    try:
        files.system.link(beside, path)
    except OSError:  # it exists, or the file system has no hard links
        if files.exists(path):
            raise FileExistsError(17, "there is a file of that name", path) from None
        files.system.rename(beside, path)


def archive_time(now: float) -> str:
    """The TIME in the names of archives made at `now` (epoch seconds)."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def unused(stem: str, *endings: str) -> str:
    """`stem`, or `stem`-02 and so on while a file is called that with one of the endings."""
    chosen, number = stem, 1
    while any(files.exists(chosen + ending) for ending in endings):
        number += 1
        chosen = f"{stem}-{number:02d}"
    return chosen
