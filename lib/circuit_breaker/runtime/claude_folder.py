"""Where Claude Code keeps its files, and which sessions run by its own list (`sessions/PID.json`, since 2.1.330)."""

from __future__ import annotations

import os
import sys

from circuit_breaker.breaker.config import DAY
from circuit_breaker.runtime import files, home, json

IDLE = 600.0  # seconds without a hook after which a session that is not listed counts as ended
LONG = DAY  # the same if there is no list (an older Claude Code)


def path(env: home.Environment) -> str:
    """Claude Code's folder: CLAUDE_CONFIG_DIR, else ~/.claude; "" without either."""
    user = home.user_folder(env)
    return env.get("CLAUDE_CONFIG_DIR", "") or (user and user + "/.claude")


def settings_files(folder: str, project: str) -> list[tuple[str, str]]:
    """(scope, path) of the settings files that a session in `project` reads, the weakest first. `folder`: Claude Code's, or ""."""
    own = project + "/.claude"
    found = [("project", own + "/settings.json"), ("local", own + "/settings.local.json")]
    found += [("managed", path) for path in managed_settings()]
    return [("user", folder + "/settings.json"), *found] if folder else found


def managed_settings(platform: str = sys.platform) -> list[str]:
    """The paths of an administrator's settings files."""
    folders = {
        "win32": [r"C:\Program Files\ClaudeCode", r"C:\ProgramData\ClaudeCode"],
        "darwin": ["/Library/Application Support/ClaudeCode"],
    }
    found = []
    for folder in folders.get(platform, ["/etc/claude-code"]):
        parts = [name for name in files.names(f"{folder}/managed-settings.d") if name.endswith(".json")]
        found += [
            f"{folder}/managed-settings.json",
            *(f"{folder}/managed-settings.d/{name}" for name in parts),
        ]
    return found


def listed_sessions(env: home.Environment) -> set[str] | None:
    """The ids of the listed sessions; None if Claude Code keeps no list."""
    rows = living(path(env))
    if rows is None:
        return None
    return {session for row in rows if isinstance(session := row.get("sessionId"), str)}


def living(folder: str) -> list[dict[str, object]] | None:
    """The rows of live processes in Claude Code's `folder`; None if it has no list."""
    found = []
    try:
        names = [name for name in os.listdir(folder + "/sessions") if name.endswith(".json")]
    except OSError:
        return None
    for name in names:
        row = json.object_in(f"{folder}/sessions/{name}")
        if row and (not name[:-5].isdecimal() or alive(int(name[:-5]))):
            found.append(row)
    return found


def alive(process: int) -> bool:
    """Whether a process has that PID; True if that cannot be found out."""
    if os.name != "posix" or process <= 0:  # on Windows there is no harmless signal
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def has_ended(name: str, seen: float, running: set[str] | None, now: float) -> bool:
    """Whether a session has ended. `name`: its folder; `seen`: when its hooks last ran (epoch seconds); `running`: see `listed_sessions`."""
    if running is None:
        return now - seen > LONG
    return name not in running and now - seen > IDLE
