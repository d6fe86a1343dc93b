"""Facts about Claude Code's folder: where it is, what Claude Code removes itself, installed plugins, running sessions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from circuit_breaker.cleaning import kinds
from circuit_breaker.runtime import files, json
from circuit_breaker.runtime.claude_folder import living, settings_files

CLEANUP_DAYS = 30  # Claude Code's default
PROC = "/proc"


class InUse:
    """What is in use now. sessions: ids. paths: open files and their parent folders, relative to the folder. clients: number of
    Claude Code processes. since: start of the oldest of them (epoch seconds)."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.paths: set[str] = set()
        self.clients, self.since = 0, float("inf")

    def uses(self, *paths: str) -> bool:
        """Whether one of these files or folders is open in a process or belongs to a running session."""
        sessions = (kinds.session_of(part) for path in paths for part in path.split("/"))
        return not (self.paths.isdisjoint(paths) and self.sessions.isdisjoint(sessions))


def cleanup_days(folder: str, project: str) -> tuple[int, str]:
    """(`cleanupPeriodDays`, the settings file that sets it or "" for the default)."""
    for _, path in reversed(settings_files(folder, project)):
        days = json.object_in(path).get("cleanupPeriodDays")
        if isinstance(days, int) and not isinstance(days, bool):
            return days, path
    return CLEANUP_DAYS, ""


def installed_versions(folder: str) -> list[str] | None:
    """The real paths of the installed plugin versions; None if unknown."""
    plugins = json.object_in(f"{folder}/plugins/installed_plugins.json").get("plugins")
    return [os.path.realpath(path) for path in install_paths(plugins)] if isinstance(plugins, dict) else None


def install_paths(value: object) -> Iterator[str]:
    """Every `installPath` in a value. (Searched for, because the file's shape differs between versions of Claude Code.)"""
    if isinstance(value, list):
        for item in value:
            yield from install_paths(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "installPath" and isinstance(item, str):
                yield item
            else:
                yield from install_paths(item)


def in_use(folder: str) -> InUse:
    """The sessions and files in use: from `sessions/PID.json` of living processes, and from /proc (open files, CLAUDE_CODE_SESSION_ID
    in environments, session ids such as --resume ID on Claude Code's command lines). folder: its real path."""
    found = InUse()
    for row in living(folder) or ():
        started = row.get("startedAt")
        found.clients += 1
        found.sessions.add(json.only(str, row.get("sessionId")))
        found.since = min(found.since, started / 1000 if isinstance(started, (int, float)) else 0.0)
    try:
        processes = [name for name in os.listdir(PROC) if name.isdigit() and int(name) != os.getpid()]
    except OSError:
        processes = []  # without /proc only registered sessions are known
    for process in processes:
        _look_at(f"{PROC}/{process}", folder, found)
    found.sessions.discard("")  # of a process whose variable is empty: that is no session
    return found


def _look_at(process: str, folder: str, found: InUse) -> None:
    try:
        links = [f"{process}/cwd", *(f"{process}/fd/{name}" for name in os.listdir(process + "/fd"))]
    except OSError:
        links = []  # another user's process
    for link in links:
        with contextlib.suppress(OSError):  # closed meanwhile
            path = os.readlink(link)
            while path.startswith(folder + "/"):
                found.paths.add(path[len(folder) + 1 :])
                path = path.rpartition("/")[0]
    for word in _words(f"{process}/environ"):
        if word.startswith("CLAUDE_CODE_SESSION_ID="):
            found.sessions.add(word.partition("=")[2])
    words = _words(f"{process}/cmdline")
    if any(word.rpartition("/")[2] == "claude" or "/claude-code/" in word for word in words[:2]):
        found.sessions.update(word for word in words if kinds.session_of(word) == word)


def _words(path: str) -> list[str]:
    return files.part(path, 0, 1 << 20)[0].decode("utf-8", "replace").split("\0")
