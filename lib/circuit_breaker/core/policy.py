"""What does each event do to a session and a lane? The one function that decides. Pure.

step(session, lane, event, config, now, name) -> (session', lane', decision, transitions)
"""

from __future__ import annotations

from circuit_breaker.core import asking, breaker, closing, pending, stopping, turns
from circuit_breaker.core.memory import Lane, Session
from circuit_breaker.core.model import (
    CLOSED,
    MAIN,
    OPEN,
    Ask,
    Decision,
    Prompt,
    Reported,
    Reset,
    Stopped,
    Transition,
    Turn,
)
from circuit_breaker.core.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from circuit_breaker.core.config import Config

    Event = Union[Ask, Reported, Turn, Prompt, Stopped, Reset]


def step(
    session: Session, lane: Lane, event: Event, config: Config, now: float, name: str = MAIN
) -> tuple[Session, Lane, Decision, list[Transition]]:
    """One event in lane `name` at `now` (epoch seconds). The memory handed in is not changed.

    The decision's verdict is allow, tell, deny (Ask) or end (Turn, Stopped). Transitions are what incidents and `replay`
    show. `turns` counts PostToolBatch; see policy 2 to 8 for the rules.
    """
    session, lane = session.but(), lane.but()
    decision, transitions = advance(session, lane, event, config, now, name)
    return session, lane, decision, transitions


def advance(
    session: Session, lane: Lane, event: Event, config: Config, now: float, name: str = MAIN
) -> tuple[Decision, list[Transition]]:
    """`step` for who gives the memory away: it is changed."""
    work = Work(session, lane, name, config, now)
    if isinstance(event, Prompt):
        _prompt(work, event)
        if _can_wait(work):
            return work.answer(), work.transitions
    prompt = getattr(event, "prompt", "")
    _learn_origin(work, getattr(event, "origin", ""))
    work.bypassed = bool(work.session.bypass) and work.session.bypass == prompt
    _sync(work)
    if isinstance(event, Ask):
        asking.ask(work, event)
    elif isinstance(event, Reported):
        pending.reported(work, event)
    elif isinstance(event, Turn):
        turns.turn(work, event)
    elif isinstance(event, Stopped):
        stopping.stopped(work, event)
    elif isinstance(event, Reset):
        closing.reset(work, event)
    return work.answer(), work.transitions


def _prompt(work: Work, event: Prompt) -> None:
    """A new prompt: the last bypass ends; a person's prompt starts the counters anew and may carry the next bypass."""
    session = work.session
    prompt_id = event.id or f"@{work.now}"
    if prompt_id == session.prompt:
        return
    session.prompt, session.bypass = prompt_id, ""
    if event.cwd:
        work.lane.cwd = event.cwd
    if not event.person:
        return
    session.person, session.origin, session.before = prompt_id, "", [session.spawns]
    session.spawns, session.spawn_ids, session.spawn_told = 0, [], False
    for circuit in list(session.circuits.values()):
        closing.close(work, circuit, "a person spoke")
    if event.bypass:
        session.bypass, session.passed = prompt_id, 0
        work.say("bypass", "bypass:granted", f"{work.config.bypass_keyword} for one prompt")


def _learn_origin(work: Work, origin: str) -> None:
    """What the transcript says of the person's prompt: `system` takes back what it bought."""
    session = work.session
    if not origin or session.origin:
        return
    session.origin = origin
    refused = origin == "unknown" and work.config.bypass_unknown == "refuse"
    if session.bypass == session.person and session.bypass and (origin == "system" or refused):
        session.bypass = ""
        why = "it was not typed by a person" if origin == "system" else "it cannot be told who typed it"
        work.say("bypass", "bypass:revoked", f"{work.config.bypass_keyword} revoked: {why}")
    if origin == "system" and session.before:
        session.spawns += session.before[0]
        session.spawn_told = session.spawns > work.rule("agent_spawn")["threshold"]


def _can_wait(work: Work) -> bool:
    """Does what a prompt changes in this lane matter only to the lane's next event, which makes up for it? (Prompt ids never come again.)"""
    lane = work.lane
    aging = lane.sequence and work.rule("sequential_tools")["window_turns"] > 1
    return not (lane.circuits or lane.pending or aging)


def _sync(work: Work) -> None:
    """Bring the lane up to the session's prompt, and let go of circuits whose rule was switched off."""
    session, lane = work.session, work.lane
    for circuit in list(lane.circuits.values()):
        if circuit.state != CLOSED and work.action(circuit.rule) != "block" and work.config.mode != "observe":
            closing.close(work, circuit, "its rule no longer blocks", "reset")
    if lane.prompt == session.person:
        return
    if lane.pending:
        turns.flush(work)
    lane.prompt = session.person
    closing.forget_successes(lane)
    lane.denials = lane.stops = 0
    _age_sequence(work)
    closing.close_recursion(work)
    if session.bypass == session.person:
        return
    for circuit in list(lane.circuits.values()):
        if circuit.state == OPEN:
            work.put(breaker.buy(circuit, "prompt"))


def _age_sequence(work: Work) -> None:
    """sequential_tools counts within `window_turns` prompts."""
    run = work.lane.sequence
    if run:
        prompts = run[4] + 1
        window = work.rule("sequential_tools")["window_turns"]
        work.lane.sequence = [*run[:4], prompts, run[5]] if prompts < window else []
