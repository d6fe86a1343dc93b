"""Blocks and records a change of a settings file that would switch the hooks off while a circuit is open.

Claude Code runs the ConfigChange hooks 1 to 4 s after a file was changed, emptied, broken or removed, before it uses the file. If
one blocks, the session keeps its settings (2.1.330, 2.1.332).
"""

from __future__ import annotations

from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import FOR_YOU, Notice, Transition
from circuit_breaker.runtime import claude_folder, files, home, incidents, json, store
from circuit_breaker.runtime.home import Places
from circuit_breaker.runtime.protocol import Payload
from circuit_breaker.words import sentences, texts

HELD_MAX = 4  # changes that a session remembers


def why_held_back(payload: Payload, where: Places, config: Config, env: home.Environment, now: float) -> str:
    """The reason for blocking the change; "" to allow it: no circuit is open, or the hooks stay."""
    path = payload.file
    if not path or not store.armed_lanes(where, payload.session):
        return ""
    document = json.object_in(path)
    if document.get("disableAllHooks") is not True and not _drops_us(path, document, where, env):
        return ""

    def held(session: Session, lane: Lane) -> tuple[Session, Lane, None]:
        others = [(known, at) for known, at in session.held.items() if known != path]
        return session.but(held=dict([*others, (path, round(now, 3))][-HELD_MAX:])), lane, None

    store.update(where, payload.session, payload.lane, held)
    record = Transition(
        event="held_back",
        rule="protection",
        subject="settings",
        reason="held_back",
        facts={"file": path},
        at=now,
    )
    incidents.keep_incidents(where, payload.session, [record], config, payload.prompt)
    return sentences.holding_back(path)


def pending(sessions: list[Session]) -> list[tuple[float, str]]:
    """(epoch seconds, path) of blocked changes whose file was not saved again since, oldest first."""
    held = {(at, path) for session in sessions for path, at in session.held.items()}
    return sorted((at, path) for at, path in held if 0 < files.last_written(path) <= at)


def notices(session: Session) -> list[Notice]:
    """Messages for you about them, for when the circuit has closed."""
    return [
        Notice(kind=FOR_YOU, reason="held_back", facts={"at": sentences.clock(at), "file": path})
        for at, path in pending([session])
    ]


def _drops_us(path: str, document: dict[str, object], where: Places, env: home.Environment) -> bool:
    """Whether the file that registered this copy, or enabled it as a plugin, no longer does."""
    known = claude_folder.settings_files(claude_folder.path(env), where.project)
    receipt = json.object_in(home.ROOT + "/receipt.json")
    settings = receipt.get("settings")
    if isinstance(settings, dict):
        ours = _lines(settings.get("registrations"))
        still_there = bool(ours) and ours <= _lines(document.get("hooks"))
        return _same(path, dict(known).get(str(receipt.get("scope")), "")) and not still_there
    data = env.get("CLAUDE_PLUGIN_DATA", "").rstrip("/")
    if not data or data.endswith(("-inline", "-skills-dir")):
        return False  # no settings file enables it
    if _enables_us(document) is False:
        return True
    return not any(_enables_us(json.object_in(one)) for _, one in known)


def _same(one: str, other: str) -> bool:
    """Whether two paths are the same file; compared as text if it is gone."""
    try:
        return one == other or files.system.stat(one)[1:3] == files.system.stat(other)[1:3]  # inode, device
    except OSError:
        return False


def _lines(hooks: object) -> set[tuple[str, str, str]]:
    """(event, matcher, command line) of each handler in the `hooks` of a settings document."""
    found = set()
    for event, groups in json.only(dict, hooks).items():
        for group in json.only(list, groups):
            for handler in json.only(list, json.only(dict, group).get("hooks")):
                if isinstance(handler, dict):
                    found.add((event, str(group.get("matcher", "")), str(handler.get("command"))))
    return found


def _enables_us(document: dict[str, object]) -> bool | None:
    """Whether a settings document enables (True) or disables (False) our plugin, of any marketplace; None if neither."""
    plugins = json.only(dict, document.get("enabledPlugins"))
    said = [on is not False for name, on in plugins.items() if name.partition("@")[0] == texts.PLUGIN]
    return all(said) if said else None
