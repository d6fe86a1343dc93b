"""The steps of `clean`: list the selected files, archive them, remove the originals, finish a killed run."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable
from tarfile import TarInfo

from circuit_breaker.cleaning import tarball
from circuit_breaker.cleaning.claude_code import InUse
from circuit_breaker.cleaning.inventory import Unit
from circuit_breaker.cleaning.tarball import OnBytes
from circuit_breaker.janitor import disk, sweep
from circuit_breaker.janitor.archives import sync_folder
from circuit_breaker.runtime import files

MARK = ".removing"  # beside an archive whose originals are being removed
Removed = tuple[list[TarInfo], list[str]]  # (files that were removed, paths left as they are)


def members(folder: str, units: Iterable[Unit], on_unit: Callable[[str], None]) -> list[TarInfo]:
    """The files and folders of these units as they are now, each folder before its contents. Units written to since the survey are
    left out; so are links and files of other users."""
    found: list[TarInfo] = []
    me = os.geteuid() if hasattr(os, "geteuid") else 0  # on Windows every file has uid 0
    for unit in units:
        on_unit(unit.path)
        inside = [
            (path, info)
            for part in unit.parts or [unit.path]
            for path, info in disk.below(f"{folder}/{part}")
            if stat.S_ISDIR(info.st_mode) or (stat.S_ISREG(info.st_mode) and info.st_uid == me)
        ]
        if all(stat.S_ISDIR(info.st_mode) or info.st_mtime <= unit.newest for _, info in inside):
            found += [tarball.member(path[len(folder) + 1 :], info) for path, info in inside]
    return found


def archive(
    folder: str, place: str, kind: str, chosen: list[TarInfo], in_use: Callable[[], InUse], on_bytes: OnBytes
) -> tuple[str, Removed]:
    """Archive these members, read the archive back, and remove the originals. Returns (archive path, what was removed).

    Raises tarball.NoRoom, disk.Changed, Damaged, OSError; then nothing was removed and there is no archive. If killed at any
    point, each file is in its place or in a finished archive.
    """
    inside = [one for one in chosen if one.isreg()]
    about = {
        "schema": 1,
        "kind": kind,
        "made": int(time.time()),
        "files": len(inside),
        "bytes": sum(one.size for one in inside),
        "oldest": int(min(one.mtime for one in inside)),
        "newest": int(max(one.mtime for one in inside)),
        "folder": folder,
    }
    path = disk.unused(f"{place}/{kind}.{disk.archive_time(time.time())}", ".tar.gz") + ".tar.gz"
    equal: list[TarInfo] = []

    def finish(beside: str) -> None:
        same, changed = tarball.compare(beside, folder, on_bytes)
        if changed:
            raise disk.Changed(0, "changed while it was archived", changed[0])
        equal.extend(same)
        files.replace(path + MARK, b"")
        os.rename(beside, path)

    disk.create(path, lambda fd: tarball.write_archive(fd, place, about, chosen, on_bytes), finish)
    sync_folder(place)
    gone = remove_originals(folder, equal, in_use(), lambda _, path: on_bytes(0, path))
    files.remove(path + MARK)
    return path, gone


def remove_originals(folder: str, entries: Iterable[TarInfo], used: InUse, on_bytes: OnBytes) -> Removed:
    """Remove each file that is unchanged and not in use, then the empty folders."""
    gone: list[TarInfo] = []
    left: list[str] = []
    folders = []
    for entry in entries:
        path = f"{folder}/{entry.name}"
        if entry.isdir():
            folders.append(path)
            continue
        on_bytes(entry.size, entry.name)
        try:
            if used.uses(entry.name) or not tarball.is_still(entry, os.lstat(path)):
                raise disk.Changed
            os.unlink(path)
            gone.append(entry)
        except FileNotFoundError:
            continue
        except OSError:
            left.append(entry.name)
    for path in reversed(folders):
        with contextlib.suppress(OSError):  # not empty
            os.rmdir(path)
    return gone, left


def finish_removals(place: str, used: InUse, on_bytes: OnBytes) -> tuple[list[TarInfo], list[str]]:
    """Finish killed runs: remove the originals of marked archives, after another comparison, and delete half-written archives.
    Returns (files that were removed, errors)."""
    removed: list[TarInfo] = []
    errors: list[str] = []
    for scrap in sweep.scraps(place):
        files.remove(scrap)
    for mark, name, info in list(disk.listing(place)):
        if not name.endswith(MARK) or not stat.S_ISREG(info.st_mode):
            continue
        marked = mark[: -len(MARK)]
        try:
            if files.exists(marked):
                folder = tarball.summary(marked)["folder"]
                equal, _ = tarball.compare(marked, folder, on_bytes)
                removed += remove_originals(folder, equal, used, on_bytes)[0]
            files.remove(mark)
        except OSError as error:
            errors.append(f"{os.path.basename(marked)}: {error.strerror or error}")
    return removed, errors
