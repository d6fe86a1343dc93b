"""One hook process: stdin -> event -> step -> stdout. Every error is caught here, and the call goes through.

    serve         stdin, stdout, errors.log
    answer_to     janitor, command and guard answer by themselves; every other hook is a Visit
    Visit.answer  which rules apply -> the event -> what `step` cannot know -> its step, under the session's lock
                  -> services -> answer, incidents

Importing a module of this folder is free: it runs when it is first used (see loader.py).
"""

from __future__ import annotations

import time

from circuit_breaker.breaker import memory, model, outcomes, policy
from circuit_breaker.breaker.config import Config, is_on
from circuit_breaker.identity import calls
from circuit_breaker.janitor import session_start
from circuit_breaker.runtime import (
    commands,
    config_change,
    error_log,
    files,
    frozen,
    guarded,
    home,
    incidents,
    json,
    prompt_source,
    protocol,
    services,
    store,
    usage,
)
from circuit_breaker.runtime.home import Places

LONG = 1 << 16  # bytes; the keys of a longer payload are made before the session is locked


def serve(name: str) -> None:
    """Answer one hook call: at most one JSON object on stdout. Never raises."""
    answer = b""
    try:
        data = files.drain(0, files.STDIN_MAX + 1)
        if len(data) > files.STDIN_MAX:
            raise ValueError("a payload of more than 64 MB")
        found = answer_to(name, data, home.environment(), time.time())
        answer = json.dump(found) if found else b""
    except BaseException as error:  # noqa: BLE001 - the call goes through with any error of ours
        error_log.note(f"{name}: {type(error).__name__}: {error}")
    try:
        files.write_all(1, answer)
    except OSError:
        return  # nobody reads it


def answer_to(name: str, data: bytes, env: home.Environment, now: float) -> dict[str, object] | None:
    """The answer of hook `name` to one payload; None to print nothing. Raises ValueError, OSError."""
    # Claude Code gives that variable to every hook
    refused = "" if env.get("CLAUDE_PROJECT_DIR") else guarded.verb_refusal(f"{name} hook", env)
    if refused:
        error_log.stderr(refused)
        return None
    fields = json.parse_object(data)
    if name == "janitor":
        said = _session_start(fields, env, now)
    else:
        payload = protocol.Payload(fields, env.get("CLAUDE_CODE_SESSION_ID", ""), len(data))
        where = home.places(env, payload.cwd)
        config = home.configuration(where, env)
        if name not in ("command", "guard"):
            return Visit(payload, where, config, env, now).answer() if payload.session else None
        reply = commands.command_reply if name == "command" else config_change.why_held_back
        said = reply(payload, where, config, env, now)
    return protocol.spoken(name, said) if said else None


def _session_start(fields: dict[str, object], env: home.Environment, now: float) -> str:
    """The message at session start."""
    session, source, cwd = started(fields)
    try:
        where = home.places(env, cwd)
    except files.Refused as error:
        return session_start.unprotected(files.reason(error))
    config = home.configuration(where, env)
    said = session_start.message(session, source, where, config, now)
    if source == "compact" and session:
        try:
            Visit(protocol.Payload(fields), where, config, env, now).answer()
        except (OSError, ValueError) as error:  # the message is for you all the same
            error_log.note(f"janitor: {type(error).__name__}: {error}")
    return said


def started(fields: dict[str, object]) -> list[str]:
    """[session, source, directory] of a SessionStart; "" for what is missing or no string: the janitor does without it."""
    return [json.only(str, fields.get(name)) for name in ("session_id", "source", "cwd")]


class Visit:
    """One event on its way through a hook. `config`: the rules that apply; while a circuit is open, those in the session's memory."""

    def __init__(
        self, payload: protocol.Payload, where: Places, current: Config, env: home.Environment, now: float
    ) -> None:
        self.payload, self.where, self.env, self.now = payload, where, env, now
        self.armed = bool(store.armed_lanes(where, payload.session))
        self.config = frozen.rules(where, payload.session, current) if self.armed else current
        self.limited = is_on("budget", self.config.circuit_breakers["budget"])
        self.authors: dict[str, str] = {}  # id of a prompt -> who wrote it

    def answer(self) -> dict[str, object] | None:
        """What the hook prints; None for nothing."""
        payload, config = self.payload, self.config
        event = protocol.event_of(payload, config.bypass_keyword) if config.enabled else None
        if event is None:
            return None
        self._prepare(event)
        decision = self._decide(event)
        if decision.contacts:
            notices, changes = services.keep_contacts(
                self.where, decision.contacts, config, self.now, payload.lane
            )
            decision.notices += notices
            decision.transitions += changes
        if decision.transitions:
            last = protocol.last_call(payload)
            incidents.keep_incidents(
                self.where, payload.session, decision.transitions, config, payload.prompt, last
            )
        return protocol.render(decision, payload.event, config) if decision.notices else None

    def _prepare(self, event: model.Event) -> None:
        """Tell the event what `step` cannot know, and do what needs no lock."""
        where, session = self.where, self.payload.session
        if isinstance(event, (model.Ask, model.Turn)):
            event.attended = protocol.attended(self.env)
        if isinstance(event, model.Ask):
            event.key = calls.call_key(event.tool, event.input, event.cwd)
            event.refused = guarded.call_refusal(
                event, where, self.config.bypass_keyword, self.armed, self.env
            )
            if event.tool.startswith("mcp__"):
                event.down, event.wait = services.question(where, event, self.config, self.now)
        elif isinstance(event, model.Prompt) and self.armed:
            store.correct_marker(where, session)
        elif isinstance(event, (model.Turn, model.Reported)) and self.payload.size > LONG:
            lane = store.glance(where, session, store.lane_file(self.payload.lane), memory.Lane)
            results: list[model.Result] = event.results if isinstance(event, model.Turn) else [event]
            outcomes.prepare(results, lane and lane.cwd or event.cwd)

    def _decide(self, event: model.Event) -> model.Decision:
        """Run the event's step on the session's memory, under its lock."""
        while True:
            found, set_aside = store.update(
                self.where,
                self.payload.session,
                self.payload.lane,
                lambda session, lane: self._step(event, session, lane),
            )
            for sentence in set_aside:
                error_log.note(sentence)
            if not isinstance(found, memory.Session):
                return found
            # Without the lock: the row in the transcript may be waited for.
            author = prompt_source.author(self.payload.transcript, found, self.armed)
            self.authors[found.unproven] = author

    def _step(
        self, event: model.Event, session: memory.Session, lane: memory.Lane
    ) -> tuple[memory.Session, memory.Lane, model.Decision | memory.Session]:
        """(session, lane, what was decided); the session itself if the author of its last prompt must be known first."""
        if session.unproven not in ("", getattr(event, "id", "")):
            if session.unproven not in self.authors:
                return session, lane, session
            event.author = self.authors[session.unproven]
        payload, config = self.payload, self.config
        if isinstance(event, model.Turn) and (self.limited or store.has_live_circuit(lane)):
            event.spent, lane = usage.look_up(lane, payload)
        elif isinstance(event, model.Prompt) and self.limited and event.person:
            event.spent, lane = usage.look_up(lane, payload, prompted=True)
        session, lane, decision = policy.step(session, lane, event, config, self.now, payload.lane)
        if session.home != self.where.home or session.project != self.where.project:
            session = session.but(home=self.where.home, project=self.where.project)
        if any(transition.event in usage.COSTLY for transition in decision.transitions):
            usage.charge(lane, decision.transitions, payload, self.limited)
        if session.frozen or store.has_live_circuit(lane) or store.has_live_circuit(session):
            session = self._hold(session, lane, decision)
        return session, lane, decision

    def _hold(self, session: memory.Session, lane: memory.Lane, decision: model.Decision) -> memory.Session:
        """The session with its rules fixed while a circuit is open; messages about held back changes go into `decision`."""
        payload = self.payload
        session = frozen.freeze(session, lane, payload.lane, self.config, self.where, payload.session)
        if decision.verdict == model.DENY and frozen.differs(session, self.where):
            decision.notices.append(model.Notice(kind=model.DENY, rule="protection", reason="config_changed"))
        if session.held and not session.frozen:
            decision.notices += config_change.notices(session)
        return session
