"""The installer's files: written, backed up and removed so that a kill at any point leaves them whole."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from circuit_breaker.runtime import files

SCRAP = ".circuit-breaker.tmp"


def read_through(path: Path) -> bytes | None:
    """The bytes of the file that `path` names, through links; None when there is none. Raises OSError for anything else."""
    target = Path(os.path.realpath(path))
    return files.read(str(target)) if target.parent.is_dir() else None


def checksum(data: bytes | None) -> str | None:
    """The checksum that receipts keep; None for a missing file."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def put(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write `data` beside, then rename over `path`: readers see the old bytes or the new ones. A link stays a link, its
    target is replaced; mode and owner of what was there are kept."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(target.name + SCRAP)
    info = os.stat(target) if target.exists() else None
    files.remove(str(beside))
    fd = os.open(
        beside,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
        0o666 if mode is None else mode,
    )
    try:
        try:
            if info is not None and hasattr(os, "fchown"):
                if (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(fd, info.st_uid, info.st_gid)
                os.fchmod(fd, stat.S_IMODE(info.st_mode))
            files.write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(beside, target)
    except BaseException:
        files.remove(str(beside))
        raise


def hindrance(path: Path) -> str:
    """Why `path` cannot be replaced; "" when it can. A file without any write bit is taken at its word, root's too."""
    target = Path(os.path.realpath(path))
    if target.exists() and not os.stat(target).st_mode & 0o222:
        return f"{target} is read-only"
    folder = target.parent
    while not folder.exists():
        folder = folder.parent
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"the folder {folder} is not writable"


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
