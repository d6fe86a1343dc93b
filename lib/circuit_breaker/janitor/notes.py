"""The janitor's note about a home: what the last round saw, and when the next one is due."""

from __future__ import annotations

import sys

from circuit_breaker.breaker.config import HOUR, Config
from circuit_breaker.runtime import claude_folder, files, json, store
from circuit_breaker.runtime.home import Places, environment, safe_name, slug

FORMAT = 3  # version of the note
SMALL = 200  # entries up to which a home is listed at every session start, not in the background
AGAIN = 600.0  # seconds until the next look where the background had work, or a large home has no name more or less
REPORT = ".said"
SLACK = 2.0  # seconds: the coarsest time stamps of a file system


def note_path(where: Places, ending: str = ".json") -> str:
    """The path of the note, in the runtime folder. With REPORT: of what the last background process did, until it has been shown."""
    return f"{where.runtime}/janitor/{slug(where.home)}{ending}"


def load(where: Places) -> dict:
    """The note; {} if there is none or it cannot be read."""
    note = json.object_in(note_path(where))
    return note if note.get("version") == FORMAT else {}


def save(where: Places, note: dict) -> None:
    """Write the note. Raises OSError."""
    files.make_folder(where.runtime, where.runtime + "/janitor")
    files.replace(note_path(where), json.dump({**note, "version": FORMAT}))


def asked(config: Config) -> list[object]:
    """What a round depends on, for comparison with the last one: the memory limits, the interpreter, our library."""
    return [sys.executable, __file__, int(config.enabled), *config.memory_limits.values()]


def settled(where: Places, config: Config, now: float, session: str) -> bool:
    """Whether the note and a cheap check of the disk prove that nothing is due; False when in doubt.

    In a home of up to SMALL entries none of our files may have changed since. In a larger one no name may have been added or
    removed, and the note must be younger than AGAIN.
    """
    note = load(where)
    try:
        at, until, size = note["at"], note["until"], note["entries"]
        if (
            not at <= now < until
            or note["asked"] != asked(config)
            or note["spared"] not in ("", session)
            or (note["pinned"] and not files.exists(where.runtime + "/python"))
            or not files.exists(where.project_config)
            or files.exists(note_path(where, REPORT))
            or ended_sessions(where, now, session)
        ):
            return False
        if size > SMALL:
            return now < at + AGAIN and files.last_written(where.home) == note["folder"]
        return _unchanged(where, at - SLACK)
    except (KeyError, TypeError, OSError):
        return False


def ended_sessions(where: Places, now: float, session: str) -> dict[str, set[str]]:
    """Sessions without a hook for an hour that Claude Code does not list as running: name of their marker -> folders of sessions."""
    quiet = {}
    for name in files.names(where.armed):
        path = f"{where.armed}/{name}"
        if "." in name or now - files.last_written(path) < HOUR:
            continue
        lines = store.marker_lines(path)
        if "" in lines:
            continue  # not a marker of ours
        shared = name == store.ARMED_ANY  # with lines of services
        sessions = {line.partition("/")[0] for line in lines if line[:1] == "~"} if shared else {name}
        quiet[name] = {one for one in sessions if now - files.last_written(f"{where.sessions}/{one}") >= HOUR}
    if not any(quiet.values()):
        return {}
    going = {safe_name(one) for one in (session, *(claude_folder.listed_sessions(environment()) or ()))}
    return {name: sessions - going for name, sessions in quiet.items() if sessions - going}


def _unchanged(where: Places, since: float) -> bool:
    """Whether none of our files in the home, and not the error log, changed at or after `since`; False for more than SMALL entries."""
    if where.runtime != where.home and files.last_written(where.errors) >= since:
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
            info = entry.stat(follow_symlinks=False)
            if info.st_ctime >= since or info.st_mtime >= since:
                return False
    return True
