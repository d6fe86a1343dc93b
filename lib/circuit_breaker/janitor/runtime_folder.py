"""The upkeep of the runtime folder: config file, pinned interpreter, old sessions, markers."""

from __future__ import annotations

import sys

from circuit_breaker.janitor import disk, notes, retention
from circuit_breaker.janitor.retention import DAY
from circuit_breaker.runtime import files, incidents, store
from circuit_breaker.runtime.home import STATE, Places, slashed

NOTE_DAYS = 30


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


def clean(where: Places, now: float, running: str) -> None:
    """Remove the markers of ended sessions, and notes about homes that nobody visits. Raises OSError."""
    disarm_ended(where, now, running)
    for path, name, info in disk.listing(where.runtime + "/janitor"):
        if name.endswith(".json") and retention.regular(info) and now - info.st_mtime > NOTE_DAYS * DAY:
            # A home without a session start for a month; a lost note only costs one survey.
            files.remove(path)


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
