"""`step`, the function that decides: what each event does to a session and a lane.

    Ask         a call wants to run              gate.ask: a circuit that gates it denies it, or makes it the probe (breaker.admit)
    Reported    a call failed                    monitor.reported: kept until its turn ends; a probe's result is used at once
    Turn        a message's calls have ended     monitor.turn: results for circuits, evidence, rules.DETECTORS, Work.act, breaker.trip
    Prompt      a prompt was submitted           yours resets counters and earns open circuits an early probe; a bypass begins or ends
    Compacted   the context was summed up        calls made before it repeat nothing, and make up no sequence
    StopAsked   Claude wants to end its turn     gate.stop_asked: a Stop too many opens a circuit (hook_recursion)
    Reset       you close circuits               Work.close

step(session, lane, event, config, now, name) -> (session', lane', decision)
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker, budget, gate, model, monitor, service_down
from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.context import Work
from circuit_breaker.breaker.memory import Lane, SameShape, Session


def step(
    session: Session, lane: Lane, event: model.Event, config: Config, now: float, name: str = model.MAIN
) -> tuple[Session, Lane, model.Decision]:
    """One event in lane `name` at `now` (epoch seconds). The memory handed in is not changed."""
    session, lane = session.but(), lane.but()
    return session, lane, advance(session, lane, event, config, now, name)


def advance(
    session: Session, lane: Lane, event: model.Event, config: Config, now: float, name: str = model.MAIN
) -> model.Decision:
    """`step` that changes the memory handed in."""
    lane.waits = lane.waits.but()  # evidence.py changes it in place
    work = Work(session, lane, name, config, now)
    if session.unproven and event.author:
        _prove(work, event.author)
    if isinstance(event, model.Prompt):
        _prompted(work, event)
    work.bypassed = event.prompt != "" and session.bypass == session.prompt == event.prompt
    _close_switched_off(work)
    if lane.prompt != session.person:
        _catch_up(work)
    if isinstance(event, model.Ask):
        _asked(work, event)
    elif isinstance(event, model.Reported):
        monitor.reported(work, event)
    elif isinstance(event, model.Turn):
        work.heard, work.attended = True, event.attended
        monitor.turn(work, event)
        work.warn_late()
    elif isinstance(event, model.Compacted):
        lane.forget_results()
        lane.sequence = SameShape()
    elif isinstance(event, model.StopAsked):
        gate.stop_asked(work, event)
    elif isinstance(event, model.Reset):
        _reset(work, event)
    session.trim()
    lane.trim()
    return work.answer()


def _asked(work: Work, event: model.Ask) -> None:
    """The answer of the gate, or a budget's question; a denied call gives back its place as its server's probe."""
    work.heard, work.attended = True, event.attended
    gate.ask(work, event)
    if not work.denial and work.session.budget.since and work.session.circuits:
        budget.ask_at_limit(work, event)
    denied = any(notice.kind == model.DENY for notice in work.denial)
    if denied and event.down is None and event.tool.startswith("mcp__"):
        refused = model.Outcome(id=event.id, tool=event.tool, kind=model.OURS)
        work.contacts = service_down.contacts([refused])


def _close_switched_off(work: Work) -> None:
    """Close circuits whose rule no longer blocks."""
    for circuit in work.circuits():
        opening = ("block", "warn") if circuit.rule == "agent_spawn" else ("block",)
        if circuit.live and work.action(circuit.rule) not in opening:
            work.close(circuit, "rule_off", "reset")


def _reset(work: Work, event: model.Reset) -> None:
    """Close the circuits that you named (see Reset), forget their levels, and count anew what stops a turn."""
    named = [one for one in work.circuits() if not event.which or event.which in (one.name, one.rule)]
    for circuit in named:
        if not circuit.live:
            work.put(circuit.but(level=0))
            continue
        work.close(circuit, "reset", "reset")
        if circuit.rule == "agent_spawn":
            work.session.spawns = 0
        elif circuit.rule == "budget":
            budget.allow(work, circuit.subject)
    if named or not event.which:
        work.lane.start_over()
        work.lane.errors, work.lane.unread = {}, []


def _prompted(work: Work, event: model.Prompt) -> None:
    """A new prompt ends the last bypass and may start another one."""
    session = work.session
    prompt_id = event.id or f"@{work.now}"
    if prompt_id == session.prompt:
        if event.bypass and event.person and session.bypass != prompt_id:
            work.tell_you("bypass_queued")
        return
    session.prompt = prompt_id
    _close_lost(work)
    if event.cwd:
        work.lane.cwd = event.cwd
    if not event.person or event.key in session.scheduled:
        return
    for circuit in [*work.lane.circuits.values()]:
        work.put(breaker.overdue(circuit, work.now))  # you prompt when no call of the lane is running
    session.unproven = prompt_id
    if session.budget.since:
        session.budget = budget.add_tokens(session.budget, event.spent)
    if event.bypass:
        session.bypass, session.passed = prompt_id, 0
        work.record("bypass", model.Signal(rule="bypass", subject="granted"), "granted")
        work.tell_you("bypass_received")
    elif event.lookalike:
        work.tell_you("bypass_lookalike")
    if event.proven:
        _prove(work, model.PERSON)


def _prove(work: Work, author: str) -> None:
    """The author of the last prompt is known. Yours resets the counters; any other only loses its bypass."""
    session = work.session
    prompt_id, session.unproven = session.unproven, ""
    if author == model.PERSON or (author == model.UNKNOWN and work.config.bypass_unknown == "grant"):
        session.person = prompt_id
        session.spawns, session.spawn_ids = 0, []
        if session.budget.since or work.action("budget"):
            budget.prompted(session, work.now)
        for circuit in [*session.circuits.values()]:
            work.close(circuit, "prompt")
    elif session.bypass == session.prompt == prompt_id:
        session.bypass = ""
        work.tell_you("bypass_refused")
        why = "unknown_source" if author == model.UNKNOWN else "not_typed"
        work.record("bypass_refused", model.Signal(rule="bypass", subject="revoked"), why)


def _close_lost(work: Work) -> None:
    """Count the failures whose batch never came before a prompt."""
    lane = work.lane
    if lane.pending:
        lane.warned, lane.failing, lane.empties = {}, 0, 0  # a stop would end the turn that begins now
        monitor.flush(work)


def _catch_up(work: Work) -> None:
    """Reset a lane at its first event after a new prompt of yours."""
    session, lane = work.session, work.lane
    _close_lost(work)
    lane.unread = [signal for signal in lane.unread if "opened" in signal.form]  # the rest starts anew
    lane.prompt = session.person
    lane.forget_successes()
    lane.start_over()
    lane.sequence = lane.sequence.but(prompts=lane.sequence.prompts + 1)
    if lane.sequence.prompts >= work.rule("sequential_tools")["window_turns"]:
        lane.sequence = SameShape()  # sequential_tools counts through that many prompts
    work.close_recursion()
    if session.bypass == session.person:
        return
    for circuit in [*lane.circuits.values()]:
        if circuit.state == model.OPEN:
            work.put(breaker.earn(circuit))
