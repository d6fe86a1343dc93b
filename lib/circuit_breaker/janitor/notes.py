"""The janitor's note about a home: what the last round saw, and when the next one is due."""

from __future__ import annotations

import sys

from circuit_breaker.runtime import files, json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import stat_result
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.runtime.home import Places


FORMAT = 1  # version of the note
SMALL = 200  # entries up to which a home is listed at every session start, not in the background
AGAIN = 600.0  # seconds after which a large home is surveyed again even if no name was added or removed
SOON = 60.0  # seconds before another background process is started
HOUR = 3600.0
SLACK = 2.0  # seconds: the coarsest time stamps of a file system


def path(where: Places) -> str:
    """The path of the note, in the runtime folder."""
    if where.home == where.runtime:
        return where.runtime + "/janitor/home.json"
    if where.home.startswith(where.runtime + "/projects/"):
        return f"{where.runtime}/janitor/{where.home.rpartition('/')[2]}.json"
    from circuit_breaker.runtime.home import slug

    return f"{where.runtime}/janitor/{slug(where.home)}.json"


def report_path(where: Places) -> str:
    """The path of the background process's report, kept until the next session start has shown it."""
    return path(where)[:-5] + ".said"


def load(where: Places) -> dict[str, Any]:
    """The note; {} if there is none or it cannot be read."""
    try:
        note = json.parse(files.read(path(where), 1 << 16) or b"{}")
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) and note.get("version") == FORMAT else {}


def save(where: Places, note: Mapping[str, Any]) -> None:
    """Write the note. Raises OSError."""
    files.folder(where.runtime)
    files.folder(where.runtime + "/janitor")
    files.replace(path(where), json.dump({**note, "version": FORMAT}))


def discard(where: Places) -> None:
    """Remove the note. Done before any file is moved, so that a killed round does not look finished."""
    files.remove(path(where))


def asked(config: Config) -> list[int]:
    """The memory limits of the configuration, for comparison with those of the last round."""
    return [int(config.enabled), *config.memory_limits.values()]


def settled(note: Mapping[str, Any], where: Places, config: Config, now: float, session: str) -> bool:
    """Whether the note and a cheap check of the disk prove that nothing is due; False when in doubt.

    In a home of up to SMALL entries none of our files may have changed since. In a larger one no name may have been added or
    removed, and the note must be younger than AGAIN.
    """
    try:
        at, until, size = note["at"], note["until"], note["entries"]
        if (
            not at <= now < until
            or note["asked"] != asked(config)
            or note["spared"] not in ("", session)
            or (note["interpreter"], note["library"]) != (sys.executable, __file__)
            or (note["pinned"] and not files.exists(where.runtime + "/python"))
            or not files.exists(where.project_config)
            or files.exists(report_path(where))
            or _ended_session(where, now, session)
        ):
            return False
        if size > SMALL:
            return now < at + AGAIN and files.system.stat(where.home).st_mtime_ns == note["folder"]
        return _unchanged(where, at - SLACK)
    except (KeyError, TypeError, OSError):
        return False


def _ended_session(where: Places, now: float, session: str) -> bool:
    """Whether a marker exists for a session without a hook for an hour that Claude Code does not list as running."""
    try:
        names = files.system.listdir(where.armed)
    except FileNotFoundError:
        return False
    quiet = set()
    for name in names:
        if name == session or "." in name or name[:1] == "_":  # `_any` covers several; a round checks those
            continue
        info = files.system.lstat(f"{where.armed}/{name}")
        old = info.st_mode & 0o170000 == 0o100000 and now - info.st_mtime >= HOUR
        if old and now - last_event(f"{where.sessions}/{name}") >= HOUR:
            quiet.add(name)
    if not quiet:
        return False
    from circuit_breaker.runtime import home, running

    return not quiet <= (running.listed(home.environment()) or set())


def last_event(folder: str) -> float:
    """When a session's memory was last written, from its folder's modification time; 0.0 without a folder."""
    try:
        return float(files.system.lstat(folder).st_mtime)
    except OSError:
        return 0.0


def _unchanged(where: Places, since: float) -> bool:
    apart = where.runtime != where.home and files.exists(where.errors)
    if apart and changed(files.system.lstat(where.errors), since):
        return False
    count = 0
    with files.system.scandir(where.home) as listing:
        for entry in listing:
            name = entry.name
            count += 1
            if count > SMALL:
                return False
            if name[-6:] != ".jsonl" and name[-11:] != "_state.json" and name[-4:] not in (".log", ".tmp"):
                continue
            if name[:16] == "circuit_breaker_" and name[-5:] == ".json":
                continue  # published for you; no rule applies to it
            if changed(entry.stat(follow_symlinks=False), since):
                return False
    return True


def changed(info: stat_result, since: float) -> bool:
    """Whether a file's contents or name changed at or after `since`."""
    return info.st_ctime >= since or info.st_mtime >= since
