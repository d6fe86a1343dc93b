"""Blocks and records a change of a settings file that would switch the hooks off while a circuit is open.

Claude Code runs the ConfigChange hooks 1 to 4 s after a file was changed, emptied, broken or removed, before it uses the file. If
one blocks, the session keeps its settings (2.1.330, 2.1.332).
"""

from __future__ import annotations

from circuit_breaker.breaker.model import FOR_YOU, Notice, Transition
from circuit_breaker.runtime import files, home, incidents, json, protocol, store
from circuit_breaker.words import guard as words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.memory import Lane, Session
    from circuit_breaker.runtime.home import Places
    from circuit_breaker.runtime.protocol import Payload

PLUGIN = "circuit-breaker"
HELD_MAX = 4  # changes that a session remembers
SETTINGS_MAX = 1 << 22  # bytes of a settings file that are read


def answer(payload: Payload, where: Places, config: Config, env: Mapping[str, str], now: float) -> str:
    """The reason for blocking the change; "" to allow it: no circuit is open, or the hooks stay."""
    path = protocol.changed_file(payload)
    if not path or not store.armed_lanes(where, payload.session):
        return ""
    document = _document(path)
    if not protocol.switches_hooks_off(document) and not _drops_us(path, document, where, env):
        return ""

    def held(session: Session, lane: Lane) -> tuple[Session, Lane, None]:
        rows = [row for row in session.held if row[1] != path]
        return session.but(held=[*rows, [round(now, 3), path]][-HELD_MAX:]), lane, None

    store.update(where, payload.session, payload.lane, held)
    record = Transition(
        event="held_back", circuit="protection:settings", reason="held_back", facts={"file": path}, at=now
    )
    incidents.keep(where, payload.session, [record], config, payload.prompt, "")
    return words.holding_back(path)


def pending(sessions: Iterable[Session]) -> list[tuple[float, str]]:
    """(epoch seconds, path) of blocked changes whose file was not saved again since, oldest first."""
    found = {(row[0], row[1]) for session in sessions for row in session.held if _unsaved(*row)}
    return sorted(found)


def notices(session: Session) -> list[Notice]:
    """Messages for you about them, for when the circuit has closed."""
    return [
        Notice(kind=FOR_YOU, reason="held_back", facts={"at": words.clock(at), "file": path})
        for at, path in pending([session])
    ]


def _unsaved(at: float, path: str) -> bool:
    try:
        return bool(files.system.stat(path).st_mtime <= at)
    except OSError:
        return False


def _drops_us(path: str, document: Any, where: Places, env: Mapping[str, str]) -> bool:
    """Whether the file that registered this copy, or enabled it as a plugin, no longer does."""
    receipt = _document(home.ROOT + "/receipt.json")
    paths = protocol.settings_paths(where.user, env.get("CLAUDE_CONFIG_DIR", ""), where.project)
    if isinstance(receipt, dict) and isinstance(receipt.get("settings"), dict):
        own = paths.get(str(receipt.get("scope")), "")
        ours = receipt["settings"].get("registrations")
        return _same(path, own) and not protocol.registers(document, ours)
    if not protocol.is_from_marketplace(env):
        return False  # no settings file enables it
    if protocol.enables(document, PLUGIN) is False:
        return True
    return not any(protocol.enables(_document(known), PLUGIN) for known in paths.values())


def _document(path: str) -> Any:
    """The value of a JSON file; None if it is missing or cannot be read."""
    try:
        fd = files.system.open(path, files.READ)
    except (OSError, ValueError):
        return None
    try:
        return json.parse(files.drain(fd, SETTINGS_MAX))
    except (OSError, ValueError):
        return None
    finally:
        files.system.close(fd)


def _same(one: str, other: str) -> bool:
    """Whether two paths are the same file; compared as text if it is gone."""
    if one == other:
        return True
    try:
        left, right = files.system.stat(one), files.system.stat(other)
    except OSError:
        return False
    return (left.st_dev, left.st_ino) == (right.st_dev, right.st_ino)
