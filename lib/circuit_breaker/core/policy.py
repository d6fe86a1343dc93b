"""What does each event do to a session and a lane? The one function that decides. Pure.

step(session, lane, event, config, now, name) -> (session', lane', decision, transitions)
"""

from __future__ import annotations

from circuit_breaker.core import asking, breaker, closing, pending, prompting, stopping, turns
from circuit_breaker.core.memory import Lane, Session
from circuit_breaker.core.model import (
    ASK,
    CLOSED,
    MAIN,
    OPEN,
    PROMPT,
    REPORTED,
    RESET,
    STOPPED,
    TURN,
    Decision,
)
from circuit_breaker.core.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from circuit_breaker.core.asking import Ask
    from circuit_breaker.core.breaker import Transition
    from circuit_breaker.core.closing import Reset
    from circuit_breaker.core.config import Config
    from circuit_breaker.core.pending import Reported
    from circuit_breaker.core.prompting import Prompt
    from circuit_breaker.core.stopping import Stopped
    from circuit_breaker.core.turns import Turn

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
    session: Session, lane: Lane, event: Any, config: Config, now: float, name: str = MAIN
) -> tuple[Decision, list[Transition]]:
    """`step` for who gives the memory away: it is changed."""
    work = Work(session, lane, name, config, now)
    if event.KIND == PROMPT:
        prompting.prompted(work, event)
        if prompting.lane_can_wait(work):
            return work.answer(), work.transitions
    prompt = getattr(event, "prompt", "")
    _learn_origin(work, getattr(event, "origin", ""))
    work.bypassed = bool(work.session.bypass) and work.session.bypass == prompt
    _sync(work)
    if event.KIND == ASK:
        asking.ask(work, event)
    elif event.KIND == REPORTED:
        pending.reported(work, event)
    elif event.KIND == TURN:
        turns.turn(work, event)
    elif event.KIND == STOPPED:
        stopping.stopped(work, event)
    elif event.KIND == RESET:
        closing.reset(work, event)
    return work.answer(), work.transitions


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
