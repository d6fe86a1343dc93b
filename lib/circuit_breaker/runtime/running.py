"""The sessions that run now, as Claude Code lists them in its own folder (`sessions/PID.json`, seen from 2.1.330 on)."""

from __future__ import annotations

import os

from circuit_breaker.runtime import files, home, json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

IDLE = 600.0  # seconds without a hook after which a session that is not listed has ended
LONG = 86_400.0  # the same where nothing is listed at all: an older Claude Code


def listed(env: Mapping[str, str]) -> set[str] | None:
    """The ids of the sessions that are listed; None where Claude Code keeps no list."""
    rows = living(env.get("CLAUDE_CONFIG_DIR", "") or home.user_folder(env) + "/.claude")
    if rows is None:
        return None
    return {session for row in rows if isinstance(session := row.get("sessionId"), str)}


def living(folder: str) -> list[dict[str, object]] | None:
    """What Claude Code's `folder` lists of processes that are alive; None where it keeps no list."""
    found = []
    try:
        names = [name for name in os.listdir(folder + "/sessions") if name.endswith(".json")]
    except OSError:
        return None
    for name in names:
        try:
            row = json.parse(files.read(f"{folder}/sessions/{name}", 1 << 16) or b"")
        except (OSError, ValueError):
            continue
        if isinstance(row, dict) and _alive(name[:-5]):
            found.append(row)
    return found


def _alive(pid: str) -> bool:
    """Whether there is a process of that number. One that cannot be seen counts as alive: it may belong to a container."""
    if os.name != "posix" or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def ended(name: str, seen: float, running: set[str] | None, now: float) -> bool:
    """Whether the session with the folder `name`, whose hooks last ran at `seen`, has ended."""
    if running is None:
        return now - seen > LONG
    return name not in running and now - seen > IDLE
