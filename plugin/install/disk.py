"""The installer's files: written, backed up and removed so that a kill at any point leaves them whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from circuit_breaker.runtime import files

SCRAP = ".circuit-breaker.tmp"
# What a rename over a file meets that can be written all the same: bind-mounted, or in a folder that is not ours to change.
IN_PLACE = (errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM)


def words_of(error: OSError) -> str:
    """What went wrong and where, without a number: "/x/y: permission denied"."""
    what = (error.strerror or str(error)).strip()
    what = what[:1].lower() + what[1:] if what[1:2].islower() else what
    return f"{os.fsdecode(error.filename)}: {what}" if error.filename else what


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """What fails inside says which file it was about, which the system says of names only (a full disk)."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def read_through(path: Path) -> bytes | None:
    """The bytes of the file that `path` names, through links; None when there is none. Raises OSError for anything else."""
    target = Path(os.path.realpath(path))
    return files.read(str(target)) if target.parent.is_dir() else None


def checksum(data: bytes | None) -> str | None:
    """The SHA-256 that receipts keep; None for a missing file."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def with_unix_ends(data: bytes) -> bytes:
    """`data` with CRLF as LF. A checkout with core.autocrlf turns every LF of ours into CRLF, and `sh` cannot run that."""
    return data.replace(b"\r\n", b"\n")


def text_checksum(data: bytes | None) -> str | None:
    """The checksum of a file of ours, the same with either kind of line ends."""
    return None if data is None else checksum(with_unix_ends(data))


def put(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write `data` beside, then rename over `path`: readers see the old bytes or the new ones. A link stays a link, its
    target is replaced; the mode is kept, and the owner and group where we may give files to them."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(target.name + SCRAP)
    info = os.stat(target) if target.exists() else None
    files.remove(str(beside))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    fd = os.open(beside, flags, 0o666 if mode is None else mode)
    try:
        try:
            if info is not None and hasattr(os, "fchown"):
                _give(fd, info)
            with named(path):
                files.write_all(fd, data)
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(beside, target)
    except BaseException:
        files.remove(str(beside))
        raise


def put_in_place(path: Path, data: bytes) -> None:
    """Write `data` into the file that is there. A kill leaves it torn: its old bytes must be kept elsewhere first."""
    fd = os.open(os.path.realpath(path), os.O_WRONLY | getattr(os, "O_BINARY", 0))
    try:
        with named(path):
            files.write_all(fd, data)
            os.ftruncate(fd, len(data))
            os.fsync(fd)
    finally:
        os.close(fd)


def _give(fd: int, info: os.stat_result) -> None:
    """Mode, owner and group of the file that is replaced; what is not ours to give is left."""
    for owner, group in ((info.st_uid, -1), (-1, info.st_gid)):
        try:
            os.fchown(fd, owner, group)
        except PermissionError:
            continue
    os.fchmod(fd, stat.S_IMODE(info.st_mode))


def hindrance(path: Path) -> str:
    """Why `path` cannot be written; "" when it can. A file without any write bit is taken at its word, root's too."""
    target = Path(os.path.realpath(path))
    if target.exists():
        if not os.stat(target).st_mode & 0o222:
            return f"{target} is read-only"
        writable = os.access(target, os.W_OK) or _is_open_folder(target.parent)
        return "" if writable else f"{target} is not writable"
    if path.is_symlink() and not target.parent.is_dir():
        return f"{path} is a link to {target}, whose folder does not exist"
    folder = target.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    return "" if _is_open_folder(folder) else f"the folder {folder} is not writable"


def _is_open_folder(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def remove_scrap(path: Path) -> None:
    """Remove what a killed process left beside `path`."""
    target = Path(os.path.realpath(path))
    if target.parent.is_dir():
        files.remove(str(target.with_name(target.name + SCRAP)))


def missing(folder: Path) -> list[Path]:
    """The folders that would have to be made for `folder` to be there, outermost first."""
    found: list[Path] = []
    while not os.path.lexists(folder):
        found.insert(0, folder)
        folder = folder.parent
    return found


def remove_empty(folder: Path) -> bool:
    """Remove `folder` if it is an empty folder; True when it is gone."""
    if folder.is_symlink() or not folder.is_dir():
        return not os.path.lexists(folder)
    try:
        folder.rmdir()
    except OSError:
        return False  # something is in it: it stays
    return True
