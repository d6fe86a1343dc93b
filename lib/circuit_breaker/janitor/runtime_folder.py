"""The upkeep of the runtime folder: config file, pinned interpreter, old sessions, markers, old archives, temporary files."""

from __future__ import annotations

import sys

from circuit_breaker.janitor import disk, notes, retention
from circuit_breaker.janitor.disk import NEVER
from circuit_breaker.janitor.retention import DAY, HOUR, Action
from circuit_breaker.runtime import files, incidents, store
from circuit_breaker.runtime import running as processes
from circuit_breaker.runtime.home import STATE, Places, safe_name, slashed
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import stat_result

    from circuit_breaker.janitor.sweep import Report


NOTE_DAYS = 30
OF_CLEAN = "archives/claude"  # archives of `clean` (KIND.TIME.tar.gz), of all projects
TAR = ".tar.gz"


def write_config(where: Places) -> None:
    """Write the config file with the defaults if there is none; an existing one is never rewritten. Raises OSError."""
    if files.exists(where.project_config):
        return
    import json

    from circuit_breaker.breaker.config import DEFAULTS

    files.folder(where.home)
    text = json.dumps(DEFAULTS, indent=2).encode("ascii") + b"\n"
    try:
        disk.create(
            where.project_config,
            lambda fd: files.write_all(fd, text),
            lambda beside: disk.name(beside, where.project_config),
        )
    except FileExistsError:
        return  # another session wrote it first


def pin_interpreter(where: Places) -> None:
    """Pin the interpreter that runs this process for all hooks, with links resolved; never one inside the project. Raises OSError."""
    import os

    asked = getattr(sys, "_base_executable", "") or sys.executable or ""
    found = slashed(os.path.realpath(asked)) if asked else ""
    projects = where.project, slashed(os.path.realpath(where.project))
    inside = any(found.startswith(folder.rstrip("/") + "/") for folder in projects)
    if not os.path.isabs(found) or "\n" in found or inside or not os.access(found, os.X_OK):
        return
    pin, line = where.runtime + "/python", found.encode("utf-8", "surrogateescape") + b"\n"
    if files.read(pin, 1 << 14) != line:
        files.folder(where.runtime)
        files.replace(pin, line)


def clean(
    where: Places, limits: Mapping[str, int], now: float, running: str, most: float, report: Report
) -> float:
    """Remove what is no longer needed, and add it to `report`; temporary files of sessions only without a `most`.

    Returns when the next session or archive of `clean` is due. Raises TooMany for more than `most` times ten sessions, OSError.
    """
    days, due = limits["session_max_age_days"], NEVER
    for action in old_sessions(where, days, now, running, 10 * most):
        freed = forget_session(action.name, now - days * DAY)
        report.steps += [action] if freed else []
        report.forgotten += freed > 0
        report.freed += freed
    disarm_ended(where, now, running)
    for path, name, info in regular_files(where.runtime + "/janitor"):
        if name.endswith(".json") and now - info.st_mtime > NOTE_DAYS * DAY:
            # A home without a session start for a month; a lost note only costs one survey.
            files.remove(path)
    for name, size, made in clean_archives(where.runtime):
        end = made + (limits["archive_keep_days"] * DAY or NEVER)
        if now < end:
            due = min(due, end)
            continue
        files.remove(f"{where.runtime}/{OF_CLEAN}/{name}")
        report.expired += 1
        report.freed += size
    folders = [where.armed, where.runtime + "/janitor", f"{where.runtime}/{OF_CLEAN}"]
    folders += [where.runtime] if where.runtime != where.home else []
    folders += [path for path, _, _ in disk.listing(where.sessions)] if most == NEVER else []
    report.cleared += sum(clear_scraps(folder, now) for folder in folders)
    return due


def regular_files(folder: str) -> Iterator[tuple[str, str, stat_result]]:
    """The regular files directly in a folder as (path, name, `lstat` result)."""
    return (found for found in disk.listing(folder) if retention.regular(found[2]))


def old_sessions(where: Places, days: int, now: float, running: str, most: float = NEVER) -> list[Action]:
    """A step for each session whose memory was not written to for `days` (0: none). It is removed without an archive, since it
    contains only hashes and counts.

    Raises TooMany for more than `most` sessions, OSError if the folder cannot be listed.
    """
    old = []
    for path, name, info in disk.listing(where.sessions, most):
        age = (now - info.st_mtime) / DAY  # replacing a file changes its folder's time
        if days and age >= days and name != safe_name(running) and disk.real_folder(path):
            old.append(Action("forget", path, memory.too_old(age, days), 0))
    return old


def forget_session(folder: str, before: float) -> int:
    """Remove a session's memory unless an entry is newer than `before` or not a file, or its lock is taken.

    Returns its bytes, at least 1; 0 if it stays.
    """
    try:
        names = files.system.listdir(folder)
        infos = [files.system.lstat(f"{folder}/{name}") for name in names]
        if any(info.st_mtime > before or not retention.regular(info) for info in infos):
            return 0
        path = f"{folder}/{store.LOCK_FILE}"
        with files.Lock(path, 0.001) as lock:
            held = store.LOCK_FILE + files.HELD if lock.mark else ""  # the lock removes it when released
            for name in {*names} - {store.LOCK_FILE, held}:
                files.remove(f"{folder}/{name}")
            if files.fcntl:
                files.remove(path)
        if not files.fcntl:  # Windows cannot remove an open file
            files.remove(path)
        files.system.rmdir(folder)
    except OSError:
        return 0  # in use, just being written, or gone
    return max(1, sum(info.st_size for info in infos))


def disarm_ended(where: Places, now: float, running: str) -> None:
    """Remove the markers of sessions that have ended, and publish their homes' state anew.

    If one continues after all, its next prompt or turn arms it again.
    """
    homes = set()
    for name, sessions in notes.ended(where, now, running).items():
        homes |= {_home_of(where, session) for session in sessions}
        files.remove(f"{where.armed}/{name}")
    for home in sorted(homes):
        if files.exists(f"{home}/{STATE}"):
            incidents.publish(Places(where.runtime, home, where.project, where.user_config, where.user))


def _home_of(where: Places, session: str) -> str:
    try:
        return store.peek(where, session)[0].home
    except OSError:
        return ""


def clean_archives(runtime: str) -> list[tuple[str, int, float]]:
    """The archives of `clean` as (name, bytes, made at in epoch seconds), newest first."""
    found = []
    for _, name, info in regular_files(f"{runtime}/{OF_CLEAN}"):
        made = retention.arrival(name[: -len(TAR)].rpartition(".")[2])
        if name.endswith(TAR) and made:
            found.append((name, int(info.st_size), made))
    return sorted(found, key=lambda row: (-row[2], row[0]))


def clear_scraps(folder: str, now: float) -> int:
    """Remove temporary files of killed processes that are an hour old from a folder of ours. Returns how many."""
    gone = 0
    for path, name, info in regular_files(folder):
        stem, process = retention.temporary(name)
        if stem and now - info.st_mtime >= HOUR and not processes.alive(process):
            files.remove(path)
            gone += 1
    return gone
