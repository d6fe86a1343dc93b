"""One hook process: stdin -> event -> step -> stdout. Every error is caught here, and the call goes through."""

from __future__ import annotations

import time

from circuit_breaker.breaker import policy
from circuit_breaker.breaker.config import is_on
from circuit_breaker.breaker.model import ALLOW, DENY, WARN, Ask, Notice, Prompt, Reported, Turn
from circuit_breaker.runtime import error_log, files, home, json, protocol, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.memory import Lane, Session
    from circuit_breaker.breaker.model import Decision, Event, Transition
    from circuit_breaker.runtime.home import Places


LONG = 1 << 16  # bytes; a longer payload is read before the session is locked


def serve(name: str, data: bytes | None = None) -> None:
    """Answer one hook call: at most one JSON object on stdout. Never raises.

    `data`: the payload, if it has been read from stdin already.
    """
    answer = b""
    try:
        found = answer_to(name, _stdin() if data is None else data, home.environment(), time.time())
        answer = json.dump(found) if found else b""
    except BaseException as error:  # noqa: BLE001 - the call goes through with any error of ours
        error_log.note(f"{name}: {type(error).__name__}: {error}")
    try:
        files.write_all(1, answer)
    except OSError:
        return  # nobody reads it


def answer_to(name: str, data: bytes, env: Any, now: float) -> dict[str, Any] | None:
    """The answer of hook `name` to one payload; None to print nothing. Raises ValueError, OSError."""
    if not env.get("CLAUDE_PROJECT_DIR"):  # Claude Code gives it to every hook
        from circuit_breaker.runtime import own_shell

        if own_shell.refuses(f"{name} hook", env):
            return None
    payload = protocol.parse(data, env.get("CLAUDE_CODE_SESSION_ID", ""))
    if name == "janitor":
        return protocol.system_message(_session_start(payload, env, now))
    where = home.places(env, payload.cwd)
    config = home.configuration(where, env)
    if name == "command":
        from circuit_breaker.runtime import commands

        text = commands.answer(payload, where, config, env, now)
        return protocol.command_answer(text) if text else None
    if name == "guard":
        from circuit_breaker.runtime import config_change

        return protocol.held_back(config_change.answer(payload, where, config, env, now))
    return _decide(payload, where, config, env, now) if payload.session else None


def _session_start(payload: protocol.Payload, env: Any, now: float) -> str:
    """The message at session start: that state cannot be written and nothing is protected, or the janitor's."""
    from circuit_breaker.runtime import health

    try:
        where = home.places(env, payload.cwd)
        config = home.configuration(where, env)
        why = health.kept(where) if config.enabled else ""
    except files.Refused as error:
        why = str(error.strerror)
    if why:
        from circuit_breaker.words.status import not_protected

        error_log.note(why)
        return f"Circuit breaker: {not_protected(why, health.FIX)}"
    from circuit_breaker.janitor import session_start

    return session_start.message(payload.fields, where, config, now)


def _decide(
    payload: protocol.Payload, where: Places, current: Config, env: Any, now: float
) -> dict[str, Any] | None:
    """Handle one event: prepare it, run its step, record incidents, return the answer.

    `current`: the configuration of the files; while a circuit is open, the rules in the session's memory apply.
    """
    config, armed = current, bool(store.armed_lanes(where, payload.session))
    if armed:
        from circuit_breaker.runtime import frozen

        config = frozen.rules(where, payload.session, current)
    event = protocol.event_of(payload, config.bypass_keyword) if config.enabled else None
    if event is None:
        return None
    if isinstance(event, (Ask, Turn)):
        event.attended = protocol.attended(env)
    if isinstance(event, Ask):
        _prepare(event, where, config, armed, env, now)
    elif isinstance(event, Prompt) and armed:
        store.correct_marker(where, payload.session)
    elif isinstance(event, (Turn, Reported)) and payload.size > LONG:
        _read_beforehand(event, payload, where)

    decision, transitions = _step(event, payload, where, config, armed, now)
    if decision.contacts:
        from circuit_breaker.runtime import services

        notices, changes = services.settle(where, decision.contacts, config, now, payload.lane)
        decision, transitions = decision.but(notices=decision.notices + notices), transitions + changes
        decision.verdict = WARN if notices and decision.verdict == ALLOW else decision.verdict
    answer = protocol.render(decision, payload.event, config)
    if transitions:
        from circuit_breaker.runtime import incidents

        incidents.keep(
            where, payload.session, transitions, config, payload.prompt, protocol.last_call(payload)
        )
    return answer


def _step(
    event: Event, payload: protocol.Payload, where: Places, config: Config, armed: bool, now: float
) -> tuple[Decision, list[Transition]]:
    """Run the event's step on the session's memory, under its lock. -> (decision, incidents)."""
    counts = is_on("budget", config.rules["budget"])
    authors: dict[str, str] = {}  # of prompts, by their ids

    def decide(session: Session, lane: Lane) -> tuple[Session, Lane, Any]:
        if session.unproven and not isinstance(event, Prompt):
            if session.unproven not in authors:
                return session, lane, session  # its author is looked up without the lock
            event.author = authors[session.unproven]
        if (counts and isinstance(event, (Turn, Prompt))) or (lane.circuits and isinstance(event, Turn)):
            from circuit_breaker.runtime import spending

            lane = spending.look_up(event, lane, payload, config)
        session, lane, decision, transitions = policy.step(session, lane, event, config, now, payload.lane)
        if session.home != where.home or session.project != where.project:
            session = session.but(home=where.home, project=where.project)
        if any(transition.event in ("trip", "would_trip", "ending") for transition in transitions):
            from circuit_breaker.runtime import spending

            spending.charge(session, lane, transitions, payload, config)
        if session.frozen or store.is_live(lane) or store.is_live(session):
            session = _hold(session, lane, decision, payload, where, config)
        return session, lane, (decision, transitions)

    while True:
        found, set_aside = store.update(where, payload.session, payload.lane, decide)
        for sentence in set_aside:
            error_log.note(sentence)
        if isinstance(found, tuple):
            return found
        from circuit_breaker.runtime import prompt_source

        authors[found.unproven] = prompt_source.author(payload.transcript, found, armed)


def _hold(
    session: Session, lane: Lane, decision: Decision, payload: protocol.Payload, where: Places, config: Config
) -> Session:
    """The session with its rules fixed while a circuit is open; messages about held back changes go into `decision`."""
    from circuit_breaker.runtime import frozen

    session = frozen.keep(session, lane, store.lane_file(payload.lane), config, where, payload.session)
    if decision.verdict == DENY and frozen.differs(session, where):
        decision.notices.append(Notice(kind=DENY, rule="protection", reason="config_changed"))
    if session.held and not session.frozen:
        from circuit_breaker.runtime import config_change

        decision.notices += config_change.notices(session)
    return session


def _read_beforehand(event: Turn | Reported, payload: protocol.Payload, where: Places) -> None:
    """Of a long payload the keys are made before the session's lock is taken, for the directory that its lane is in by now."""
    from circuit_breaker.breaker.evidence import prepare
    from circuit_breaker.breaker.memory import Lane

    folder = store.session_folder(where, payload.session)
    lane = store.glance(f"{folder}/{store.lane_file(payload.lane)}", Lane)
    results = event.results if isinstance(event, Turn) else (event,)
    prepare(results, lane and lane.cwd or event.cwd)


def _prepare(event: Ask, where: Places, config: Config, armed: bool, env: Any, now: float) -> None:
    """Set what `step` cannot know about a call: its key, whether it tampers with the breaker, whether its service is down."""
    from circuit_breaker.identity.calls import call_key
    from circuit_breaker.runtime import guarded

    event.key = call_key(event.tool, event.input, event.cwd)
    event.refused = guarded.refusal(event, where, config.bypass_keyword, armed, env)
    if event.tool.startswith("mcp__"):
        from circuit_breaker.runtime import services

        services.question(where, event, config, now)


def _stdin() -> bytes:
    data = files.drain(0, files.STDIN_MAX + 1)
    if len(data) > files.STDIN_MAX:
        raise ValueError("a payload of more than 64 MB")
    return data
