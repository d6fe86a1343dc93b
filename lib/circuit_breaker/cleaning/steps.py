"""The steps of `clean`: list the selected files, archive them, remove the originals, finish a killed run."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable

from circuit_breaker.cleaning import tarball
from circuit_breaker.cleaning.claude_code import Running
from circuit_breaker.cleaning.inventory import Unit
from circuit_breaker.cleaning.tarball import Done, Member, OnBytes
from circuit_breaker.janitor import disk, runtime_folder
from circuit_breaker.janitor.archives import sync_folder
from circuit_breaker.runtime import files

MARK = ".removing"  # beside an archive whose originals are being removed


def members(folder: str, units: Iterable[Unit], on_unit: Callable[[str], None]) -> list[Member]:
    """The files and folders of these units as they are now, each folder before its contents. Units written to since the survey are
    left out; so are links and files of other users."""
    found: list[Member] = []
    for unit in units:
        on_unit(unit.path)
        of_unit: list[Member] = []
        for part in unit.parts or [unit.path]:
            _walk(folder, part, of_unit)
        last = (unit.newest + 1e-6) * 10**9  # a microsecond for the rounding of float times
        if all(one.is_folder or one.mtime_ns <= last for one in of_unit):
            found += of_unit
    return found


def _walk(folder: str, path: str, found: list[Member]) -> None:
    try:
        info = os.lstat(f"{folder}/{path}")
        names = sorted(os.listdir(f"{folder}/{path}")) if stat.S_ISDIR(info.st_mode) else []
    except OSError:
        return
    mine = not hasattr(os, "geteuid") or info.st_uid == os.geteuid()
    if stat.S_ISDIR(info.st_mode) or (stat.S_ISREG(info.st_mode) and mine):
        found.append(Member.on_disk(path, info))
    for name in names:
        _walk(folder, f"{path}/{name}", found)


def archive(
    folder: str,
    place: str,
    kind: str,
    chosen: list[Member],
    now: float,
    in_use: Callable[[], Running],
    on_bytes: OnBytes,
) -> tuple[str, Done]:
    """Archive these members, read the archive back, and remove the originals. Returns (archive path, what was removed).

    Raises tarball.NoRoom, Changed, Damaged, OSError; then nothing was removed and there is no archive. If killed at any point, each
    file is in its place or in a finished archive.
    """
    inside = [one for one in chosen if not one.is_folder]
    written = [one.mtime_ns // 10**9 for one in inside]
    about = {
        "schema": 1,
        "kind": kind,
        "made": int(now),
        "files": len(inside),
        "bytes": sum(one.size for one in inside),
        "oldest": min(written),
        "newest": max(written),
    }
    path = disk.unused(f"{place}/{kind}.{disk.moment(now)}", runtime_folder.TAR) + runtime_folder.TAR
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        tarball.write_archive(beside, folder, about, chosen, on_bytes)
        equal, changed = tarball.compare(beside, folder, on_bytes)
        if changed:
            raise tarball.Changed(0, "changed while it was archived", changed[0])
        files.replace(path + MARK, b"")
        os.rename(beside, path)
    finally:
        files.remove(beside)
    sync_folder(place)
    gone = remove_originals(folder, equal, in_use(), lambda path: on_bytes(0, path))
    files.remove(path + MARK)
    return path, gone


def remove_originals(
    folder: str, entries: Iterable[Member], running: Running, on_file: Callable[[str], None]
) -> Done:
    """Remove each file that is unchanged and not in use, then the empty folders. The others are `left`."""
    gone = Done()
    folders = []
    for entry in entries:
        path = f"{folder}/{entry.path}"
        if entry.is_folder:
            folders.append(path)
            continue
        on_file(entry.path)
        try:
            if running.uses(entry.path) or not entry.is_still(os.lstat(path)):
                raise tarball.Changed
            os.unlink(path)
            gone.add(entry)
        except FileNotFoundError:
            continue
        except OSError:
            gone.left.append(entry.path)
    for path in reversed(folders):
        with contextlib.suppress(OSError):  # not empty
            os.rmdir(path)
    return gone


def finish_removals(place: str, running: Running, on_bytes: OnBytes) -> tuple[Done, list[str]]:
    """Finish killed runs: remove the originals of marked archives and delete half-written archives.

    Each archive is compared with the originals again. Returns (what was removed, errors).
    """
    whole, errors = Done(), []
    runtime_folder.clear_scraps(place, disk.NEVER)
    for mark, name, _ in list(runtime_folder.regular_files(place)):
        if not name.endswith(MARK):
            continue
        marked = mark[: -len(MARK)]
        try:
            if files.exists(marked):
                folder = tarball.summary(marked)["folder"]
                equal, _ = tarball.compare(marked, folder, on_bytes)
                gone = remove_originals(folder, equal, running, lambda path: None)
                whole.files += gone.files
                whole.bytes += gone.bytes
            files.remove(mark)
        except OSError as error:
            errors.append(f"{name[: -len(MARK)]}: {error.strerror or error}")
    return whole, errors
