"""What does one hook process do? stdin -> event -> step -> stdout. The one place that fails open."""

from __future__ import annotations

import time

from circuit_breaker.core import (
    asking,
    blinding,
    errors,
    evidence,
    identity,
    model,
    pending,
    policy,
    reading,
    shell,
    turns,
    volatile,
)
from circuit_breaker.edge import armed, codec, faults, files, home, incidents, peeking, protocol, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.core.asking import Ask
    from circuit_breaker.core.circuits import Transition
    from circuit_breaker.core.config import Config
    from circuit_breaker.core.memory import Lane, Session
    from circuit_breaker.core.model import Decision
    from circuit_breaker.edge.home import Places


# What a step runs through. A lock that everybody else waits for is held for the decision, not for imports.
ALWAYS = (policy, armed)
STEPS = {
    "PreToolUse": (asking, identity),
    "PostToolUseFailure": (pending, errors, identity),
    "PostToolBatch": (turns, evidence, identity),
}
PAYLOAD_MAX = 1 << 26  # 64 MB: more than any host sends


def serve(name: str, data: bytes | None = None) -> None:
    """Answer one hook call and end the process: exit code 0, at most one JSON object on stdout, whatever happens.

    `data`: the payload, where somebody has read it from stdin already.
    """
    answer = b""
    try:
        found = answer_to(name, _stdin() if data is None else data, home.environment(), time.time())
        answer = codec.dump(found) if found else b""
    except BaseException as error:  # noqa: BLE001 - the call goes through, whatever is wrong with us
        faults.tell(f"{name}: {type(error).__name__}: {error}")
    try:
        if answer:
            files.write_all(1, answer)
    finally:
        files.system._exit(0)  # skips the interpreter's tear-down, a fifth of a start


def answer_to(name: str, data: bytes, env: Any, now: float) -> dict[str, Any] | None:
    """The answer of hook `name` to one payload; None is silence. Raises ValueError, OSError."""
    payload = protocol.parse(data, env.get("CLAUDE_CODE_SESSION_ID", ""))
    where = home.places(env, payload.cwd)
    config = home.configuration(where, env)
    if name == "janitor":
        from circuit_breaker.edge import janitor

        return janitor.session_start(payload.fields, where, env, config, now)
    if name == "command":
        from circuit_breaker.edge import commands

        return commands.answer(payload, where, config, env, now)
    if not config.enabled or not payload.session:
        return None
    event: Any = protocol.event_of(payload, config.bypass_keyword)
    if event is None:
        return None
    lane = payload.lane
    if event.KIND == model.ASK:
        _complete(event, payload, where, config, env)
    if payload.event == "UserPromptSubmit" and armed.lanes(where, payload.session):
        peeking.mark(where, payload.session)

    def decide(session: Session, memory: Lane) -> tuple[Session, Lane, tuple[Decision, list[Transition]]]:
        _look_up_origin(session, event, payload)
        session, memory, decision, transitions = policy.step(session, memory, event, config, now, lane)
        if session.home != where.home:
            session = session.but(home=where.home)
        return session, memory, (decision, transitions)

    for module in _steps(payload.event, event):
        module.annotations  # noqa: B018 - runs one that start.py has only laid out; each has this name
    (decision, transitions), set_aside = store.update(where, payload.session, lane, decide)
    answer = protocol.render(decision, payload.event)
    for sentence in set_aside:
        faults.tell(sentence)
    if transitions:
        incidents.tell(where, payload.session, transitions)
    return answer


def _steps(name: str, event: Any) -> list[Any]:
    """The modules that an event will go through: a shell's command is read where it is no bare look, its output blinded; a file's
    text is neither."""
    steps = [*ALWAYS, *STEPS.get(name, ())]
    ended = hasattr(event, "results")
    for call in event.results if ended else [event] if hasattr(event, "tool") else []:
        if call.tool in identity.SHELLS and not identity.only_looks(call.tool, call.input):
            steps += (shell, reading) if ended else (shell,)
        if name != "PreToolUse" and call.tool not in identity.VERBATIM:
            steps += (blinding, volatile) if blinding.looks_closer(call.text) else (blinding,)
    return steps


def _complete(event: Ask, payload: protocol.Payload, where: Places, config: Config, env: Any) -> None:
    """What only the world knows about a call: is the session armed, what must be guarded, how long may it run."""
    event.armed = bool(armed.lanes(where, payload.session))


def _look_up_origin(session: Session, event: Any, payload: protocol.Payload) -> None:
    """Once a prompt: what the transcript says of who wrote it. Only where something hangs on it: a gate, or a bypass."""
    if session.origin or not session.person or not hasattr(event, "origin"):
        return
    if payload.event != "PreToolUse" and session.bypass != payload.prompt:
        return
    from circuit_breaker.edge import origin

    event.origin = origin.awaited(payload.transcript, session.person, 1.0 if session.bypass else 0.0)


def _stdin() -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        chunk = files.system.read(0, 1 << 16)
        if not chunk:
            return b"".join(chunks)
        size += len(chunk)
        if size > PAYLOAD_MAX:
            raise ValueError("a payload of more than 64 MB")
        chunks.append(chunk)
