"""What does each event do to a session and a lane? The one function that decides. Pure.

step(session, lane, event, config, now, name) -> (session', lane', decision, transitions)
"""

from __future__ import annotations

from circuit_breaker.core import asking, closing, pending, prompting, stopping, turns
from circuit_breaker.core.memory import Lane, Session
from circuit_breaker.core.model import (
    ASK,
    CLOSED,
    MAIN,
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
    from circuit_breaker.core.circuits import Transition
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
    origin = getattr(event, "origin", "")
    if origin and not session.origin:
        prompting.learn_origin(work, origin)
    work.bypassed = bool(work.session.bypass) and work.session.bypass == prompt
    _let_go(work)
    if lane.prompt != session.person:
        prompting.catch_up(work)
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


def _let_go(work: Work) -> None:
    """Close circuits whose rule was switched off."""
    for circuit in list(work.lane.circuits.values()):
        if circuit.state != CLOSED and work.action(circuit.rule) != "block" and work.config.mode != "observe":
            closing.close(work, circuit, "its rule no longer blocks", "reset")
