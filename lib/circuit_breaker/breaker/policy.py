"""`step`, the function that decides: what each event does to a session and a lane.

step(session, lane, event, config, now, name) -> (session', lane', decision, transitions)
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker, context
from circuit_breaker.breaker.context import Work
from circuit_breaker.breaker.model import (
    CLOSED,
    HALF_OPEN,
    MAIN,
    OPEN,
    PERSON,
    UNKNOWN,
    Ask,
    Circuit,
    Prompt,
    Reported,
    Reset,
    Signal,
    StopAsked,
    Turn,
    plus,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.memory import Lane, Session
    from circuit_breaker.breaker.model import Decision, Event, Transition


def step(
    session: Session, lane: Lane, event: Event, config: Config, now: float, name: str = MAIN
) -> tuple[Session, Lane, Decision, list[Transition]]:
    """One event in lane `name` at `now` (epoch seconds). The memory handed in is not changed.

    The verdict is allow, warn, deny or question (Ask), or stop (Turn, StopAsked). Incidents and `replay` show the transitions.
    """
    session, lane = session.but(), lane.but()
    decision, transitions = advance(session, lane, event, config, now, name)
    return session, lane, decision, transitions


def advance(
    session: Session, lane: Lane, event: Event, config: Config, now: float, name: str = MAIN
) -> tuple[Decision, list[Transition]]:
    """`step` that changes the memory handed in."""
    work = Work(session, lane, name, config, now)
    if isinstance(event, Prompt):
        _prompted(work, event)
    elif session.unproven and getattr(event, "author", ""):
        _prove(work, event.author)
    work.bypassed = bool(session.bypass) and session.bypass == getattr(event, "prompt", "")
    _close_switched_off(work)
    if lane.prompt != session.person:
        _catch_up(work)
    if isinstance(event, Ask):
        from circuit_breaker.breaker import gate

        gate.ask(work, event)
        if work.denial is None and session.budget and session.circuits:
            from circuit_breaker.breaker import budget

            budget.ask(work, event)
    elif isinstance(event, Reported):
        from circuit_breaker.breaker import monitor

        monitor.reported(work, event)
    elif isinstance(event, Turn):
        _turn(work, event)
    elif isinstance(event, StopAsked):
        _stop_asked(work, event)
    elif isinstance(event, Reset):
        _reset(work, event)
    return work.answer(), work.transitions


def _turn(work: Work, event: Turn) -> None:
    from circuit_breaker.breaker import monitor

    if event.spent:
        for circuit in [*work.lane.circuits.values(), *work.session.circuits.values()]:
            if circuit.state != CLOSED:
                work.put(circuit.but(tokens=plus(circuit.tokens, event.spent)))
    if work.lane.asked:
        context.answered(work, event)
    if not work.action("budget"):
        monitor.turn(work, event)
        return
    from circuit_breaker.breaker import budget

    tools, n_before = budget.before_turn(work.lane, event)
    monitor.turn(work, event)
    budget.after_turn(work, event, tools, n_before)


def _close_switched_off(work: Work) -> None:
    """Close circuits whose rule no longer blocks."""
    for circuit in list(work.lane.circuits.values()):
        if circuit.state != CLOSED and work.action(circuit.rule) != "block" and work.config.mode != "observe":
            context.close(work, circuit, "rule_off", "reset")


def _reset(work: Work, event: Reset) -> None:
    """Close the circuits that you named (see Reset) and forget their levels."""
    for circuit in [*work.lane.circuits.values(), *work.session.circuits.values()]:
        if event.which and event.which not in (circuit.name, circuit.rule):
            continue
        if circuit.state == CLOSED:
            work.put(circuit.but(level=0))
            continue
        context.close(work, circuit, "reset", "reset")
        if circuit.rule == "agent_spawn":
            work.session.spawns, work.session.spawn_warned = 0, False
        elif circuit.rule == "budget":
            from circuit_breaker.breaker import budget

            budget.allowed(work.session, work.rule("budget"), circuit.subject, work.now)
        work.lane.denials = work.lane.stops = 0


def _prompted(work: Work, event: Prompt) -> None:
    """A new prompt ends the last bypass and may start another one."""
    session = work.session
    prompt_id = event.id or f"@{work.now}"
    if prompt_id == session.prompt:
        if event.bypass and event.person and session.bypass != prompt_id:
            work.tell_you("bypass_queued")
        return
    session.prompt, session.bypass = prompt_id, ""
    if event.cwd:
        work.lane.cwd = event.cwd
    if not event.person or event.key in session.scheduled:
        return
    session.unproven = prompt_id
    if session.budget:
        from circuit_breaker.breaker import budget

        budget.count(session, event.spent)
    if event.bypass:
        session.bypass, session.passed = prompt_id, 0
        work.say("bypass", "bypass:granted", "granted")
        work.tell_you("bypass_received")
    elif event.lookalike:
        work.tell_you("bypass_lookalike")
    if event.proven:
        _prove(work, PERSON)


def _prove(work: Work, author: str) -> None:
    """The author of the last prompt is known. Yours resets the counters; any other only loses its bypass."""
    session = work.session
    prompt_id, session.unproven = session.unproven, ""
    if author == PERSON or (author == UNKNOWN and work.config.bypass_unknown == "grant"):
        session.person = prompt_id
        session.spawns, session.spawn_ids, session.spawn_warned = 0, [], False
        if session.budget or work.action("budget"):
            from circuit_breaker.breaker import budget

            budget.prompted(session, work.now)
        for circuit in list(session.circuits.values()):
            context.close(work, circuit, "prompt")
    elif session.bypass == prompt_id:
        session.bypass = ""
        work.tell_you("bypass_refused")
        work.say("bypass_refused", "bypass:revoked", "unknown_source" if author == UNKNOWN else "not_typed")


def _catch_up(work: Work) -> None:
    """Reset a lane at its first event after a new prompt of yours."""
    session, lane = work.session, work.lane
    _flush(work)
    lane.prompt = session.person
    context.forget_successes(lane)
    lane.denials = lane.stops = lane.waits = lane.empties = 0
    lane.failing, lane.launched, lane.warned = [], [], {}
    _age_sequence(work)
    context.close_recursion(work)
    if session.bypass == session.person:
        return
    for circuit in list(lane.circuits.values()):
        if circuit.state == OPEN:
            work.put(breaker.buy(circuit, "prompt"))


def _flush(work: Work) -> None:
    if work.lane.pending:
        from circuit_breaker.breaker import monitor

        monitor.flush(work)


def _age_sequence(work: Work) -> None:
    """Forget the run of sequential_tools after `window_turns` prompts."""
    run = work.lane.sequence
    if run:
        prompts = run[4] + 1
        window = work.rule("sequential_tools")["window_turns"]
        work.lane.sequence = [*run[:4], prompts, run[5]] if prompts < window else []


def _stop_asked(work: Work, event: StopAsked) -> None:
    """hook_recursion: stop hooks make Claude continue again and again without a new result."""
    _flush(work)
    lane, action = work.lane, work.action("hook_recursion")
    if not event.again:
        context.close_recursion(work)
        return
    if not action:
        return
    lane.stops += 1
    threshold = work.rule("hook_recursion")["threshold"]
    if lane.stops <= threshold:
        return
    subject = "Stop" if work.name == MAIN else "SubagentStop"
    facts: dict[str, Any] = {"once": lane.stops > threshold + 1}
    signal = Signal(rule="hook_recursion", subject=subject, count=lane.stops, since=lane.n, facts=facts)
    if action != "block":
        context.act(work, signal)
        return
    _stop_recursion(work, signal)


def _stop_recursion(work: Work, signal: Signal) -> None:
    base, steps = work.rule("hook_recursion")["cooldown_base_seconds"], work.config.cooldown_steps
    circuit = work.lane.circuits.get(signal.name) or Circuit(rule=signal.rule, subject=signal.subject)
    if circuit.state == CLOSED:
        circuit = breaker.trip(circuit.but(count=signal.count), work.now, base, steps)
        work.count("hook_recursion", trips=1, seen=signal.count)
        work.record("trip", circuit, CLOSED)
    elif circuit.state == HALF_OPEN:
        circuit = breaker.fail(circuit, work.now, base, steps)
        work.record("probe", circuit, HALF_OPEN, "sent_on")
    else:
        circuit, refusal = breaker.admit(circuit, f"stop-{work.lane.stops}", work.now, work.lane.turn, 0.0)
        if not refusal:
            work.record("probe", circuit, OPEN, "may_go_on")
            work.put(circuit)
            return
    work.put(circuit)
    context.stop_turn(work, circuit)
