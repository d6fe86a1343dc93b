"""The answer to whoever asks: may this call run (allow, warn, ask or deny), may this turn end (hook_recursion)."""

from __future__ import annotations

from circuit_breaker.breaker import breaker, model, monitor
from circuit_breaker.breaker.context import Work
from circuit_breaker.breaker.model import DENY, HALF_OPEN, MAIN, OPEN, Ask, Circuit, Notice, Signal, StopAsked
from circuit_breaker.identity import labels
from circuit_breaker.identity.calls import SPAWNING, call_key

PASSED_MAX = 20  # calls that a bypass lets through on record
UNCOUNTED = ""  # a denial that does not count against deny_limit


def ask(work: Work, event: Ask) -> None:
    """Allow (no notice), warn, ask or deny. No outcome is counted here."""
    if event.refused == model.FORGERY:
        refuse(work, event)
        return
    if event.tool in SPAWNING:
        spawn(work, event)
    if work.denial or work.config.mode == "observe":
        return
    if event.down is not None:
        if work.bypassed:
            _let_through(work, event, event.down)
        else:
            _deny(work, event, event.down, wait=event.wait, counts=event.down.state == OPEN)
        return
    if event.refused and not work.bypassed:
        refuse(work, event)
        return
    key = event.key or call_key(event.tool, event.input, event.cwd)
    circuit = work.gate_of(event.tool, event.input, key, event.cwd)
    if circuit is not None and work.action(circuit.rule) == "block":
        gate(work, event, circuit)


def gate(work: Work, event: Ask, circuit: Circuit) -> None:
    """A call gated by a circuit that is not CLOSED: a probe or a bypass passes, anything else is denied."""
    if work.bypassed:
        _let_through(work, event, circuit)
        return
    lease = max(work.config.probe_lease_seconds, caller_timeout(event.input))
    before = circuit.state
    circuit, refusal = breaker.admit(circuit, event.id, work.now, lease)
    work.put(circuit)
    if refusal:
        wait = max(0.0, circuit.retry_at - work.now)
        _deny(work, event, circuit, refusal, wait=wait, counts=refusal != breaker.TAKEN)
    elif before == OPEN and circuit.state == HALF_OPEN:
        work.changed("probe", circuit, before, "probe_allowed")


def caller_timeout(tool_input: object) -> float:
    """The call's own timeout in seconds, at most an hour; 0.0 for none."""
    value = tool_input.get("timeout") if isinstance(tool_input, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        return 0.0
    return min(value / 1000.0, 3600.0)


def spawn(work: Work, event: Ask) -> None:
    """agent_spawn: count subagents of all lanes from one prompt of yours to the next, before they start."""
    session, rule, action = work.session, work.rule("agent_spawn"), work.action("agent_spawn")
    if not action or work.excluded(event.tool, "agent_spawn"):
        return
    fresh = event.id not in session.spawn_ids
    if fresh:
        session.spawn_ids.append(event.id)
        session.spawns += 1
    work.tally("agent_spawn")["count"] = session.spawns
    signal = Signal(rule="agent_spawn", subject=event.tool, count=session.spawns, calls=[event.tool])
    if fresh and session.spawns == rule["threshold"] + 1:
        work.tally("agent_spawn")["would"] += action != "block"
        if action == "warn":  # one that is denied says it itself
            work.warn(signal)
    limit = rule["threshold"] if action == "block" else rule["block_at"]
    if action == "observe" or not limit or session.spawns <= limit:
        return
    circuit = session.circuits.get(signal.name)
    if circuit is None:
        circuit = work.open_until_prompt(signal.but(count=limit), [])  # as many were started
        if work.name != MAIN or not work.asks(circuit.rule):  # else the question says it
            work.announce(circuit)
    if work.bypassed:
        _let_through(work, event, circuit)
    else:
        _deny(work, event, circuit)


def refuse(work: Work, event: Ask) -> None:
    """Deny a call that would change the breaker itself."""
    label = labels.label(event.tool, event.input)
    signal = Signal(rule="protection", subject=event.refused)
    if event.id not in work.lane.denied:
        work.record("bypass_refused", signal, event.refused, calls=[label])
    _deny(work, event, signal, event.refused)


def stop_asked(work: Work, event: StopAsked) -> None:
    """hook_recursion: stop hooks make Claude continue again and again without a new result; too many such Stops open a circuit."""
    if work.lane.pending:
        monitor.flush(work)
    lane, action = work.lane, work.action("hook_recursion")
    if not event.again:
        work.close_recursion()
        return
    if not action:
        return
    lane.stops += 1
    more = lane.stops - work.rule("hook_recursion")["threshold"]
    if more <= 0:
        return
    subject = "Stop" if work.name == MAIN else "SubagentStop"
    found = {"count": lane.stops, "counted": more > 1, "since": lane.n}
    signal = Signal(rule="hook_recursion", subject=subject, **found)
    if action == "block":
        _stop_recursion(work, signal)
    else:
        work.act(signal)


def _stop_recursion(work: Work, signal: Signal) -> None:
    """Stop the turn, except for the probe: one Stop that is let pass after the cooldown."""
    pace = work.pace("hook_recursion")
    circuit = work.lane.circuits.get(signal.name) or Circuit(rule=signal.rule, subject=signal.subject)
    if not circuit.live:
        circuit = breaker.trip(circuit.but(count=signal.count), work.now, *pace)
        work.tally("hook_recursion")["count"] = signal.count
        work.tripped(circuit)
    elif circuit.state == HALF_OPEN:
        circuit = breaker.fail(circuit, work.now, *pace)
        work.changed("probe", circuit, HALF_OPEN, "sent_on")
    else:
        circuit, refusal = breaker.admit(circuit, f"stop-{work.lane.stops}", work.now, 0.0)
        if not refusal:
            work.changed("probe", circuit, OPEN, "may_go_on")
            work.put(circuit)
            return
    work.put(circuit)
    work.stop_turn(circuit)


def _let_through(work: Work, event: Ask, circuit: Circuit) -> None:
    if event.id in work.session.let_through:
        return
    work.session.let_through.append(event.id)
    work.session.passed += 1
    if work.session.passed <= PASSED_MAX:
        label = labels.label(event.tool, event.input)
        work.record("bypass", circuit, "let_through", calls=[label])


def _deny(
    work: Work, event: Ask, signal: Signal, reason: str = "", *, wait: float = 0.0, counts: bool = True
) -> None:
    """Deny the call, or ask you if the rule says so; `counts`: against deny_limit."""
    if counts and event.attended and work.name == MAIN and work.asks(signal.rule):
        work.ask(event.id, signal)
        return
    work.lane.denied[event.id] = signal.name if counts else UNCOUNTED
    work.denial = [Notice.about(signal, kind=DENY, reason=reason, wait=wait)]
