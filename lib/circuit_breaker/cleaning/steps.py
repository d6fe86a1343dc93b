"""The steps of `clean`: list the selected files, archive them, remove the originals, finish a killed run."""

from __future__ import annotations

import os
import time

from circuit_breaker.cleaning import kinds, tarball
from circuit_breaker.cleaning.tarball import Entry, Member
from circuit_breaker.janitor import survey
from circuit_breaker.janitor.archives import sync_folder
from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from circuit_breaker.cleaning.claude_code import Running
    from circuit_breaker.cleaning.inventory import Unit


MARK = ".removing"  # beside an archive whose originals are being removed


class Gone:
    """What was removed (files, bytes). left: paths that stayed because they changed, were opened, or cannot be removed."""

    __slots__ = ("files", "bytes", "left")

    def __init__(self) -> None:
        self.files = self.bytes = 0
        self.left: list[str] = []


def members(folder: str, units: Iterable[Unit], on_unit: Callable[[str], None]) -> list[Member]:
    """The files and folders of these units as they are now, each folder before its contents. Units written to since the survey are
    left out; so are links and files of other users."""
    found: list[Member] = []
    for unit in units:
        on_unit(unit.path)
        of_unit: list[Member] = []
        for part in unit.parts or (unit.path,):
            _walk(folder, part, of_unit)
        if all(one.info.st_mtime <= unit.newest for one in of_unit if not one.is_folder):
            found += of_unit
    return found


def _walk(folder: str, path: str, found: list[Member]) -> None:
    try:
        info = os.lstat(f"{folder}/{path}")
    except OSError:
        return
    member = Member(path, info)
    if member.is_folder:
        found.append(member)
        try:
            names = sorted(os.listdir(f"{folder}/{path}"))
        except OSError:
            return
        for name in names:
            _walk(folder, f"{path}/{name}", found)
    elif member.identity[0] == 0o100000 and (not hasattr(os, "geteuid") or info.st_uid == os.geteuid()):
        found.append(member)


def archive(
    folder: str,
    place: str,
    kind: str,
    chosen: list[Member],
    now: float,
    in_use: Callable[[], Running],
    on_bytes: Callable[[int, str], None],
) -> tuple[str, Gone]:
    """Archive these members, read the archive back, and remove the originals. Returns (archive path, what was removed).

    Raises tarball.NoRoom, Changed, Damaged, OSError; then nothing was removed and there is no archive. If killed at any point, each
    file is in its place or in a finished archive.
    """
    inside = [one for one in chosen if not one.is_folder]
    written = [one.info.st_mtime for one in inside]
    about = {
        "schema": 1,
        "kind": kind,
        "made": int(now),
        "files": len(inside),
        "bytes": sum(one.size for one in inside),
        "oldest": int(min(written)),
        "newest": int(max(written)),
    }
    path = _unused(place, kind, now)
    beside = f"{path}.{os.getpid()}.tmp"
    tarball.write_archive(beside, folder, about, chosen, on_bytes)
    try:
        equal, changed = tarball.compare(beside, folder, on_bytes)
        if changed:
            raise tarball.Changed(0, "changed while it was archived", changed[0])
        files.replace(path + MARK, b"")
        os.rename(beside, path)
    except BaseException:
        files.remove(beside)
        raise
    sync_folder(place)
    gone = remove_originals(folder, equal, in_use(), lambda path: on_bytes(0, path))
    files.remove(path + MARK)
    return path, gone


def _unused(place: str, kind: str, now: float) -> str:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    path, number = f"{place}/{kind}.{moment}{survey.TAR}", 1
    while files.exists(path):
        number += 1
        path = f"{place}/{kind}.{moment}-{number:02d}{survey.TAR}"
    return path


def remove_originals(
    folder: str, entries: Iterable[Entry | Member], running: Running, on_file: Callable[[str], None]
) -> Gone:
    """Remove each file that is unchanged and not in use, then the empty folders."""
    gone = Gone()
    folders = []
    for entry in entries:
        path = f"{folder}/{entry.path}"
        if entry.is_folder:
            folders.append(path)
            continue
        on_file(entry.path)
        try:
            if uses(running, entry.path) or tarball.identity(os.lstat(path)) != entry.identity:
                gone.left.append(entry.path)
                continue
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError:
            gone.left.append(entry.path)
            continue
        gone.files += 1
        gone.bytes += entry.size
    for path in reversed(folders):
        try:
            os.rmdir(path)
        except OSError:
            continue  # not empty
    return gone


def uses(running: Running, path: str) -> bool:
    """Whether a running process has the file open, or its session is running."""
    if path in running.paths:
        return True
    return bool(running.sessions) and any(
        kinds.session_of(part) in running.sessions for part in path.split("/")
    )


def finish_removals(
    place: str, busy: Callable[[str], bool], running: Running, on_bytes: Callable[[int, str], None]
) -> tuple[Gone, list[str]]:
    """Finish killed runs: remove the originals of marked archives and delete half-written archives.

    busy: whether a path must stay after all. Each archive is compared with the originals again. Returns (what was removed, errors).
    """
    whole, errors = Gone(), []
    for name in _names(place):
        path = f"{place}/{name}"
        process = name[:-4].rpartition(".")[2]
        if name.endswith(".tmp") and process.isdigit() and not survey.alive(int(process)):
            files.remove(path)
        if not name.endswith(MARK):
            continue
        try:
            if files.exists(path[: -len(MARK)]):
                folder = tarball.summary(path[: -len(MARK)])["folder"]
                equal, _ = tarball.compare(path[: -len(MARK)], folder, on_bytes)
                gone = remove_originals(
                    folder, [one for one in equal if not busy(one.path)], running, lambda path: None
                )
                whole.files += gone.files
                whole.bytes += gone.bytes
            files.remove(path)
        except OSError as error:
            errors.append(f"{name[: -len(MARK)]}: {error.strerror or error}")
    return whole, errors


def _names(place: str) -> list[str]:
    try:
        return sorted(os.listdir(place))
    except OSError:
        return []
