"""The survey of a home: its files by kind, with their sizes, times and numbers of lines."""

from __future__ import annotations

from circuit_breaker.janitor import retention
from circuit_breaker.janitor.retention import LOG, SCRAP, SESSION, Archive, Found
from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import DirEntry, stat_result


ARCHIVE_FOLDERS = ("telemetry", "sessions")  # below archives/
OF_CLEAN = "archives/claude"  # in the runtime folder: archives of `clean` (KIND.TIME.tar.gz), of all projects
TAR = ".tar.gz"
READ_MOST = 1 << 20  # bytes read at a session start itself: ten milliseconds of JSON


class TooMany(Exception):
    """Raised when there is more to survey than the caller allows."""


def look(
    folder: str,
    most: float = float("inf"),
    whole: bool = True,
    horizon: tuple[float, float] = (0.0, float("inf")),
) -> Found:
    """Survey `folder` and its archives; links are listed, never followed. A missing folder counts as empty.

    whole: False for the runtime folder, where only the error log and temporary files count. horizon: see retention.horizon.
    Raises TooMany beyond `most` entries (ten times as many archives), OSError if a folder cannot be listed.
    """
    if files.exists(folder) and not real_folder(folder):
        raise files.Refused(0, "not a folder (a link or a file in its place)", folder)
    found = Found()
    found.entries = _entries(found, folder, most, whole, horizon)
    for name in ARCHIVE_FOLDERS:
        _archives(found, folder, name, 10 * most)
    return found


def _entries(found: Found, folder: str, most: float, whole: bool, horizon: tuple[float, float]) -> int:
    telemetry, count, first, (few, old) = found.telemetry, 0, found.first, horizon
    for entry in listing(folder, most):
        count += 1
        name = entry.name
        try:
            if name[-16:] == "_telemetry.jsonl":  # there may be thousands, so little is done for each
                if whole:
                    info = entry.stat(follow_symlinks=False)
                    written = info.st_mtime
                    if info.st_size >= few or written <= old:
                        telemetry[name] = info
                    elif written < first:
                        first = written
                continue
            kind = retention.file_kind(name)
            if kind == SESSION and whole:
                found.sessions[name] = entry.stat(follow_symlinks=False)
            elif kind == LOG:
                telemetry[name] = entry.stat(follow_symlinks=False)
            elif kind == SCRAP and not alive(retention.scrap_of(name)):
                found.scraps[name] = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # removed meanwhile
            continue
    found.first = first
    return count


def listing(folder: str, most: float) -> Iterator[DirEntry[str]]:
    """The entries of a folder; none of a missing one. Raises TooMany for more than `most`, OSError."""
    try:
        entries = files.system.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for count, entry in enumerate(entries, 1):
            if count > most:
                raise TooMany(folder)
            yield entry


def archives_of(home: str) -> Found:
    """A Found with the archives of a home only."""
    found = Found()
    for name in ARCHIVE_FOLDERS:
        _archives(found, home, name, float("inf"))
    return found


def clean_archives(runtime: str) -> list[tuple[str, int, float]]:
    """The archives of `clean` as (name, bytes, made at in epoch seconds), newest first."""
    found = []
    for _, name, info in regular_files(f"{runtime}/{OF_CLEAN}"):
        made = retention.arrival(name[: -len(TAR)].rpartition(".")[2])
        if name.endswith(TAR) and made:
            found.append((name, int(info.st_size), made))
    return sorted(found, key=lambda row: (-row[2], row[0]))


def _archives(found: Found, home: str, name: str, most: float) -> None:
    folder = f"{home}/archives/{name}"
    if not (real_folder(f"{home}/archives") and real_folder(folder)):
        return
    for entry in listing(folder, most):
        packed = entry.name[-3:] == ".gz"
        key = entry.name[:-3] if packed else entry.name
        process = retention.scrap_of(entry.name)
        try:
            info = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if process and not alive(process):
            found.scraps[f"archives/{name}/{entry.name}"] = info
        if retention.split(key) is None or not retention.regular(info):
            continue
        new = Archive(f"{name}/{key}", 0, info.st_mtime, False, False)
        known = found.archives.setdefault(new.id, new)
        known.packed, known.plain = known.packed or packed, known.plain or not packed
        known.size += info.st_size


def count_lines(
    found: Found, folder: str, limits: Mapping[str, int], since: float = 0.0, most: float = float("inf")
) -> list[str]:
    """Count lines where the rules need them. Returns a sentence for each unreadable file. Raises TooMany."""
    unreadable = []
    names = retention.uncounted(found, limits, since)
    if most < retention.NEVER and sum(found.telemetry[name].st_size for name in names) > READ_MOST:
        raise TooMany(folder)
    for name in names:
        try:
            data = files.read(f"{folder}/{name}")
        except OSError as error:
            unreadable.append(f"{name}: cannot be read: {files.why(error)}")
            continue
        if data:
            found.lines[name] = data.count(b"\n") + (data[-1:] != b"\n")
    return unreadable


def names(folder: str) -> list[str]:
    """The names in a folder; none if it is missing or cannot be listed."""
    try:
        return files.system.listdir(folder)
    except OSError:
        return []


def regular_files(folder: str) -> Iterator[tuple[str, str, stat_result]]:
    """The regular files directly in a folder as (path, name, `lstat` result), without those that vanish meanwhile."""
    for name in names(folder):
        path = f"{folder}/{name}"
        try:
            info = files.system.lstat(path)
        except FileNotFoundError:
            continue
        if retention.regular(info):
            yield path, name, info


def real_folder(path: str) -> bool:
    """Whether it is a folder and not a link to one."""
    try:
        return files.system.lstat(path).st_mode & 0o170000 == 0o040000
    except OSError:
        return False


def alive(process: int) -> bool:
    """Whether the process exists; True if that cannot be found out."""
    if process > 0x7FFFFFFF:
        return False
    if process <= 0 or files.fcntl is None:  # on Windows there is no harmless signal
        return True
    try:
        files.system.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
