"""What does each event do to a session and a lane? The one function that decides. Pure.

step(session, lane, event, config, now, name) -> (session', lane', decision, transitions)

What does a new prompt change? Pure.

What does a turn's end do that a stop hook does not accept? The rule hook_recursion. Pure.
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker, context, gate, model, monitor
from circuit_breaker.breaker.context import Work, close
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import (
    ASK,
    CLOSED,
    HALF_OPEN,
    MAIN,
    OPEN,
    PROMPT,
    REPORTED,
    RESET,
    STOPPED,
    TURN,
    Decision,
    Prompt,
    Reset,
    Stopped,
)
from circuit_breaker.words import sentences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.model import Ask, Reported, Signal, Transition, Turn

    Event = Union[Ask, Reported, Turn, Prompt, Stopped, Reset]


def reset(work: Work, event: Reset) -> None:
    """Close what a person named: all, a circuit, or a rule's circuits; their levels are forgotten too."""
    everything = [*work.lane.circuits.values(), *work.session.circuits.values()]
    for circuit in everything:
        if event.which and event.which not in (circuit.name, circuit.rule):
            continue
        if circuit.state == CLOSED:
            work.put(circuit.but(level=0))
            continue
        close(work, circuit, "a person reset it", "reset")
        if circuit.rule == "agent_spawn":
            work.session.spawns, work.session.spawn_told = 0, False
        work.lane.denials = work.lane.stops = 0


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
        prompted(work, event)
        if lane_can_wait(work):
            return work.answer(), work.transitions
    prompt = getattr(event, "prompt", "")
    origin = getattr(event, "origin", "")
    if origin and not session.origin:
        learn_origin(work, origin)
    work.bypassed = bool(work.session.bypass) and work.session.bypass == prompt
    _let_go(work)
    if lane.prompt != session.person:
        catch_up(work)
    if event.KIND == ASK:
        gate.ask(work, event)
    elif event.KIND == REPORTED:
        monitor.reported(work, event)
    elif event.KIND == TURN:
        monitor.turn(work, event)
    elif event.KIND == STOPPED:
        stopped(work, event)
    elif event.KIND == RESET:
        reset(work, event)
    return work.answer(), work.transitions


def _let_go(work: Work) -> None:
    """Close circuits whose rule was switched off."""
    for circuit in list(work.lane.circuits.values()):
        if circuit.state != CLOSED and work.action(circuit.rule) != "block" and work.config.mode != "observe":
            context.close(work, circuit, "its rule no longer blocks", "reset")


def prompted(work: Work, event: Prompt) -> None:
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
        context.close(work, circuit, "a person spoke")
    if event.bypass:
        session.bypass, session.passed = prompt_id, 0
        work.say("bypass", "bypass:granted", f"{work.config.bypass_keyword} for one prompt")


def lane_can_wait(work: Work) -> bool:
    """Does what a prompt changes in this lane matter only to the lane's next event, which makes up for it? (Prompt ids never come again.)"""
    lane = work.lane
    aging = lane.sequence and work.rule("sequential_tools")["window_turns"] > 1
    return not (lane.circuits or lane.pending or aging)


def learn_origin(work: Work, origin: str) -> None:
    """What the transcript says of the person's prompt, told once: `system` takes back what it bought."""
    session = work.session
    session.origin = origin
    refused = origin == "unknown" and work.config.bypass_unknown == "refuse"
    if session.bypass == session.person and session.bypass and (origin == "system" or refused):
        session.bypass = ""
        why = "it was not typed by a person" if origin == "system" else "it cannot be told who typed it"
        work.say("bypass", "bypass:revoked", f"{work.config.bypass_keyword} revoked: {why}")
    if origin == "system" and session.before:
        session.spawns += session.before[0]
        session.spawn_told = session.spawns > work.rule("agent_spawn")["threshold"]


def catch_up(work: Work) -> None:
    """A lane's first event under a person's new prompt: what the last one left is over."""
    session, lane = work.session, work.lane
    if lane.pending:
        monitor.flush(work)
    lane.prompt = session.person
    context.forget_successes(lane)
    lane.denials = lane.stops = 0
    _age_sequence(work)
    context.close_recursion(work)
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


def stopped(work: Work, event: Stopped) -> None:
    """hook_recursion: a stop hook sends the turn on again and again, and nothing new comes of it."""
    if work.lane.pending:
        monitor.flush(work)
    lane, action = work.lane, work.action("hook_recursion")
    if not event.again:
        context.close_recursion(work)
        return
    if not action:
        return
    lane.stops += 1
    rule = work.rule("hook_recursion")
    if lane.stops <= rule["threshold"]:
        return
    subject = "Stop" if work.name == MAIN else "SubagentStop"
    signal = model.Signal(
        rule="hook_recursion",
        subject=subject,
        count=lane.stops,
        since=lane.n,
        facts={"once": lane.stops > rule["threshold"] + 1},
    )
    if action != "block":
        context.act(work, signal)
        return
    _stop_recursion(work, signal)


def _stop_recursion(work: Work, signal: Signal) -> None:
    rule, steps = work.rule("hook_recursion"), work.config.cooldown_steps
    cause = sentences.cause(signal)
    known = work.lane.circuits.get(f"hook_recursion:{signal.subject}")
    circuit = known or model.Circuit(rule="hook_recursion", subject=signal.subject)
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
    context.end_turn(work, circuit.name, cause, [])
