"""The upkeep of the runtime folder: config file, pinned interpreter, old sessions, markers, temporary files."""

from __future__ import annotations

import sys

from circuit_breaker.janitor import copies, notes, retention, survey
from circuit_breaker.runtime import files, incidents, store
from circuit_breaker.runtime import running as running_sessions
from circuit_breaker.runtime.home import STATE, Places, environment, safe_name, slashed

NOTE_DAYS = 30


def write_config(where: Places) -> bool:
    """Write the config file with the defaults if there is none; an existing one is never rewritten. Raises OSError."""
    if files.exists(where.project_config):
        return False
    import json

    from circuit_breaker.breaker.config import DEFAULTS

    files.folder(where.home)
    beside = f"{where.project_config}.{files.system.getpid()}.tmp"
    try:
        files.append(beside, json.dumps(DEFAULTS, indent=2).encode("ascii") + b"\n")
        copies.name(beside, where.project_config)
    except FileExistsError:
        return False  # another session wrote it first
    finally:
        files.remove(beside)
    return True


def pin_interpreter(where: Places) -> str:
    """Pin the interpreter that runs this process for all hooks, with links resolved; never one inside the project. Returns its path or ""."""
    import os

    asked = getattr(sys, "_base_executable", "") or sys.executable or ""
    found = slashed(os.path.realpath(asked)) if asked else ""
    projects = where.project, slashed(os.path.realpath(where.project))
    inside = any(found.startswith(folder.rstrip("/") + "/") for folder in projects)
    pin = where.runtime + "/python"
    if not os.path.isabs(found) or "\n" in found or inside or not os.access(found, os.X_OK):
        return ""
    line = found.encode("utf-8", "surrogateescape") + b"\n"
    if files.read(pin, 1 << 14) != line:
        files.folder(where.runtime)
        files.replace(pin, line)
    return found


def old_sessions(
    where: Places, days: int, now: float, running: str, most: float = float("inf")
) -> tuple[list[tuple[str, float]], float]:
    """([(session folder, its age in days), ...] for those not written to for `days`, when the next is due); days 0: none.

    Raises survey.TooMany for more than `most` sessions, OSError if the folder cannot be listed.
    """
    old: list[tuple[str, float]] = []
    due, age = retention.NEVER, days * retention.DAY or retention.NEVER
    for entry in survey.listing(where.sessions, most):
        try:
            info = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if entry.name == safe_name(running) or info.st_mode & 0o170000 != 0o040000:
            continue
        if now - info.st_mtime < age:  # replacing a file changes its folder's time
            due = min(due, info.st_mtime + age)
        else:
            old.append((entry.path, (now - info.st_mtime) / retention.DAY))
    return old, due


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
    """Remove the markers of sessions without a hook for an hour that Claude Code does not list as running: they have ended.

    If one continues after all, its next prompt or turn arms it again. The published state files of their homes are rewritten.
    """
    homes: set[str] = set()
    listed: set[str] | None = None
    for path, name, info in survey.regular_files(where.armed):
        if name == running or "." in name or now - info.st_mtime < retention.HOUR:
            continue
        if listed is None:
            listed = running_sessions.listed(environment()) or set()
        if name in listed:
            continue
        try:
            lines = (files.read(path, 1 << 20) or b"").decode("utf-8", "replace").split("\n")
        except OSError:
            continue  # not a marker of ours
        named = {line.partition("/")[0] for line in lines if line[:1] != "/" and "/" in line}
        if any(now - notes.last_event(f"{where.sessions}/{session}") < retention.HOUR for session in named):
            continue
        homes |= {_home_of(where, session) for session in named}
        files.remove(path)
    for home in sorted(homes):
        if files.exists(f"{home}/{STATE}"):
            incidents.publish(Places(where.runtime, home, where.project, where.user_config, where.user))


def _home_of(where: Places, session: str) -> str:
    try:
        return store.peek(where, session)[0].home
    except OSError:
        return ""


def old_notes(where: Places, now: float) -> None:
    """Remove notes about homes without a session start for a month. A lost note only costs one survey."""
    for path, name, info in survey.regular_files(where.runtime + "/janitor"):
        if name.endswith(".json") and now - info.st_mtime > NOTE_DAYS * retention.DAY:
            files.remove(path)


def remove_expired(where: Places, days: int, now: float) -> tuple[int, int, float]:
    """Remove archives of `clean` older than `days` (0: none). Returns (count, bytes, when the next is due).

    Raises OSError.
    """
    count, freed, due = 0, 0, retention.NEVER
    for name, size, made in survey.clean_archives(where.runtime):
        end = made + (days * retention.DAY or retention.NEVER)
        if now < end:
            due = min(due, end)
            continue
        files.remove(f"{where.runtime}/{survey.OF_CLEAN}/{name}")
        count += 1
        freed += size
    return count, freed, due


def session_folders(where: Places) -> list[str]:
    """The folders with the sessions' memory."""
    paths = [f"{where.sessions}/{name}" for name in survey.names(where.sessions)]
    return [path for path in paths if survey.real_folder(path)]


def clear_scraps(folders: list[str], now: float) -> int:
    """Remove temporary files of killed processes that are an hour old from these folders. Returns how many."""
    gone = 0
    for path, name, info in (found for folder in folders for found in survey.regular_files(folder)):
        stem, process = retention.temporary(name)
        if stem and now - info.st_mtime >= retention.HOUR and not survey.alive(process):
            files.remove(path)
            gone += 1
    return gone
