"""File operations of the installer that leave files complete if killed at any point."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from circuit_breaker.janitor.disk import create
from circuit_breaker.runtime import files

SCRAP = ".circuit-breaker.tmp"
# Errors of renaming over a file that can still be written in place: bind-mounted, or in a folder that is not writable.
IN_PLACE = (errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM)


def error_text(error: Exception) -> str:
    """An error as text, of an OSError with its path and without its number: "/x/y: permission denied"."""
    what, path = files.reason(error).strip(), getattr(error, "filename", None)
    if isinstance(error, FileNotFoundError) and path is None:  # only of os.getcwd
        return "this folder no longer exists"
    what = what[:1].lower() + what[1:] if what[1:2].islower() else what
    return f"{os.fsdecode(path)}: {what}" if path else what


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """What fails inside says which file it was about, which the system says of names only (a full disk)."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def read_through(path: Path) -> bytes | None:
    """The bytes of the file at `path`, following links; None if there is none. Raises OSError for other errors."""
    target = Path(os.path.realpath(path))
    return files.read(str(target)) if target.parent.is_dir() else None


def checksum(data: bytes | None) -> str | None:
    """The SHA-256 as stored in receipts; None for a missing file."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def with_unix_ends(data: bytes) -> bytes:
    """`data` with LF for CRLF. (A checkout with core.autocrlf has CRLF, which `sh` cannot run.)"""
    return data.replace(b"\r\n", b"\n")


def text_checksum(data: bytes | None) -> str | None:
    """The checksum of a file of ours, independent of its line ends."""
    return None if data is None else checksum(with_unix_ends(data))


def scrap(path: Path) -> Path:
    """The temporary file beside `path`."""
    return path.with_name(path.name + SCRAP)


def replace_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write `data` to a temporary file and rename it over `path`, so readers see the old or the new bytes. If `path` is a link, its
    target is replaced. Mode is kept, and owner, group and extended attributes if permitted."""
    target = Path(os.path.realpath(path))
    beside = scrap(target)
    files.remove(str(beside))

    def fill(fd: int) -> None:
        if target.exists():
            _give(beside, target)
        files.write_all(fd, data)

    with naming(path):
        create(str(target), fill, lambda ready: os.replace(ready, target), str(beside), mode)


def _give(path: Path, like: Path) -> None:
    """Copy owner, group, mode and extended attributes (an ACL is one) of the file `like` as far as permitted."""
    info = os.stat(like)
    for owner, group in ((info.st_uid, -1), (-1, info.st_gid)):
        with contextlib.suppress(PermissionError, AttributeError):  # Windows has no owners
            os.chown(path, owner, group)
    shutil.copystat(like, path)


@contextlib.contextmanager
def locked(path: Path, wait: float) -> Iterator[None]:
    """Hold a lock file, which is removed afterwards. Raises TimeoutError if another process holds it for `wait` seconds."""
    with contextlib.ExitStack() as stack:
        while not _is_at(path, stack.enter_context(files.Lock(str(path), wait)).fd):
            stack.close()  # the holder before us removed it, so newcomers lock another file
        stack.callback(files.remove, str(path))  # while it is still held
        yield


def _is_at(path: Path, fd: int) -> bool:
    """Whether the open file `fd` is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def hindrance(path: Path) -> str:
    """Why `path` cannot be written; "" if it can. A file without write bits counts as read-only, for root too."""
    target = Path(os.path.realpath(path))
    if target.exists():
        if not os.stat(target).st_mode & 0o222:
            return f"{target} is read-only"
        writable = os.access(target, os.W_OK) or _is_open_folder(target.parent)
        return "" if writable else f"{target} is not writable"
    if path.is_symlink() and not target.parent.is_dir():
        return f"{path} is a link to {target}, whose folder does not exist"
    folder = [*missing(target.parent), target][0].parent
    return "" if _is_open_folder(folder) else f"the folder {folder} is not writable"


def _is_open_folder(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def missing(folder: Path) -> list[Path]:
    """The folders to make for `folder` to exist, outermost first."""
    found: list[Path] = []
    while not os.path.lexists(folder):
        found.insert(0, folder)
        folder = folder.parent
    return found


def remove_empty(*folders: Path) -> None:
    """Remove those of `folders` that are empty, innermost first."""
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with contextlib.suppress(OSError):  # not empty, a link, not there
            folder.rmdir()
