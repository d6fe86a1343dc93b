"""What does each event do to a session and a lane? The one function that decides. Pure.

step(session, lane, event, config, now, name) -> (session', lane', decision, transitions)
"""

from __future__ import annotations

from circuit_breaker.core import asking, breaker, evidence, turns, verdicts
from circuit_breaker.core.memory import Circuit, Lane, Session
from circuit_breaker.core.model import (
    CLOSED,
    HALF_OPEN,
    MAIN,
    OPEN,
    Ask,
    Decision,
    Prompt,
    Reported,
    Reset,
    Signal,
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
    work = Work(session, lane, name, config, now)
    if isinstance(event, Prompt):
        _prompt(work, event)
    prompt = getattr(event, "prompt", "")
    _learn_origin(work, getattr(event, "origin", ""))
    work.bypassed = bool(work.session.bypass) and work.session.bypass == prompt
    _sync(work)
    if isinstance(event, Ask):
        asking.ask(work, event)
    elif isinstance(event, Reported):
        turns.reported(work, event)
    elif isinstance(event, Turn):
        turns.turn(work, event)
    elif isinstance(event, Stopped):
        _stopped(work, event)
    elif isinstance(event, Reset):
        _reset(work, event)
    return work.session, work.lane, work.answer(), work.transitions


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
        turns.close(work, circuit, "a person spoke")
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


def _sync(work: Work) -> None:
    """Bring the lane up to the session's prompt, and let go of circuits whose rule was switched off."""
    session, lane = work.session, work.lane
    for circuit in list(lane.circuits.values()):
        if circuit.state != CLOSED and work.action(circuit.rule) != "block" and work.config.mode != "observe":
            turns.close(work, circuit, "its rule no longer blocks", "reset")
    if lane.prompt == session.person:
        return
    turns.flush(work)
    lane.prompt = session.person
    evidence.forget_successes(lane)
    lane.denials = lane.stops = 0
    _age_sequence(work)
    turns.close_recursion(work)
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


def _stopped(work: Work, event: Stopped) -> None:
    """hook_recursion: a stop hook sends the turn on again and again, and nothing new comes of it."""
    turns.flush(work)
    lane, action = work.lane, work.action("hook_recursion")
    if not event.again:
        turns.close_recursion(work)
        return
    if not action:
        return
    lane.stops += 1
    rule = work.rule("hook_recursion")
    if lane.stops <= rule["threshold"]:
        return
    subject = "Stop" if work.name == MAIN else "SubagentStop"
    signal = Signal(
        rule="hook_recursion",
        subject=subject,
        count=lane.stops,
        since=lane.n,
        facts={"once": lane.stops > rule["threshold"] + 1},
    )
    if action != "block":
        verdicts.act(work, signal)
        return
    _stop_recursion(work, signal)


def _stop_recursion(work: Work, signal: Signal) -> None:
    from circuit_breaker.core import wording

    rule, steps = work.rule("hook_recursion"), work.config.cooldown_steps
    cause = wording.cause(signal)
    known = work.lane.circuits.get(f"hook_recursion:{signal.subject}")
    circuit = known or Circuit(rule="hook_recursion", subject=signal.subject)
    if circuit.state == CLOSED:
        circuit = breaker.trip(
            circuit.but(count=signal.count, cause=cause), work.now, rule["cooldown_base_seconds"], steps
        )
        work.count("hook_recursion", trips=1, seen=signal.count)
        work.record("trip", circuit, CLOSED)
    elif circuit.state == HALF_OPEN:
        circuit = breaker.fail(circuit, work.now, rule["cooldown_base_seconds"], steps)
        work.record("probe", circuit, HALF_OPEN, "the turn was sent on again")
    else:
        circuit, refusal = breaker.admit(circuit, f"stop-{work.lane.stops}", work.now, work.lane.turn, 0.0)
        if not refusal:
            work.record("probe", circuit, OPEN, "the turn may go on once")
            work.put(circuit)
            return
    work.put(circuit)
    verdicts.end_turn(work, circuit.name, cause, [])


def _reset(work: Work, event: Reset) -> None:
    """Close what a person named: all, a circuit, or a rule's circuits; their levels are forgotten too."""
    everything = [*work.lane.circuits.values(), *work.session.circuits.values()]
    for circuit in everything:
        if event.which and event.which not in (circuit.name, circuit.rule):
            continue
        if circuit.state == CLOSED:
            work.put(circuit.but(level=0))
            continue
        turns.close(work, circuit, "a person reset it", "reset")
        if circuit.rule == "agent_spawn":
            work.session.spawns, work.session.spawn_told = 0, False
        work.lane.denials = work.lane.stops = 0
