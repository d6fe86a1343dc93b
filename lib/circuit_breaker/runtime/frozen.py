"""Fixes the rules of a session in its memory while one of its circuits is open, so that edits of config files do not apply.

Claude can edit those files; the edit applies when the last circuit closes. `mode` and `config set` in a terminal of your own
apply at once. `session.frozen` holds "rules", the configuration that applies, and "files", what the files said at that time.
"""

from __future__ import annotations

from circuit_breaker.breaker import layers
from circuit_breaker.breaker.config import Config, opinion
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import MAIN
from circuit_breaker.runtime import files, home, store
from circuit_breaker.runtime.home import Places


def rules(where: Places, session_id: str, current: Config) -> Config:
    """The configuration of an armed session: the one in its memory, or `current` if there is none."""
    session = store.glance(where, session_id, store.SESSION_FILE, Session)
    if session is None or not session.frozen or session.frozen.get("rules") == opinion(current):
        return current
    return layers.build([("session", session.frozen.get("rules"))])


def freeze(
    session: Session, lane: Lane, lane_name: str, config: Config, where: Places, session_id: str
) -> Session:
    """The session after a step, with fixed rules if a circuit is open, else without. Called under its lock."""
    live = store.has_live_circuit(lane) or store.has_live_circuit(session)
    if not live and session.frozen:
        known = (store.lane_file(lane_name), store.SESSION_WIDE)
        live = any(line.rpartition("/")[2] not in known for line in store.armed_lanes(where, session_id))
    if live == bool(session.frozen):
        return session
    return session.but(frozen={"rules": opinion(config), "files": _said(where)} if live else {})


def differs(session: Session, where: Places) -> bool:
    """Whether the config files have changed since the rules were fixed."""
    return bool(session.frozen) and session.frozen.get("files") != _said(where)


def _said(where: Places) -> dict[str, object]:
    """What the config files say, without the plugin's options: only hooks know those, and a session keeps them."""
    return opinion(home.configuration(where, {}))


def thaw(where: Places, name: str) -> str:
    """Make a session use the present config files from its next event on. -> why it does not, or ""."""
    session = store.glance(where, name, store.SESSION_FILE, Session)
    try:
        if session is not None and session.frozen:
            store.amend(where, name, MAIN, lambda session, lane: (session.but(frozen={}), lane, None))
    except OSError as error:
        return f"session {name} ({files.reason(error)})"
    return ""
