"""The rule hook_recursion: stop hooks make Claude continue again and again without a new result."""

from __future__ import annotations

from circuit_breaker.breaker import breaker, model, monitor
from circuit_breaker.breaker.context import Work


def stop_asked(work: Work, event: model.StopAsked) -> None:
    """Count Stops that follow one another without a new result; too many open a circuit or warn."""
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
    subject = "Stop" if work.name == model.MAIN else "SubagentStop"
    signal = model.Signal(
        rule="hook_recursion", subject=subject, count=lane.stops, since=lane.n, facts={"once": more > 1}
    )
    if action == "block":
        _stop_recursion(work, signal)
    else:
        work.act(signal)


def _stop_recursion(work: Work, signal: model.Signal) -> None:
    """Stop the turn, except for the probe: one Stop that is let pass after the cooldown."""
    pace = work.pace("hook_recursion")
    circuit = work.lane.circuits.get(signal.name) or model.Circuit(rule=signal.rule, subject=signal.subject)
    if not circuit.live:
        circuit = breaker.trip(circuit.but(count=signal.count), work.now, *pace)
        work.tally("hook_recursion").count = signal.count
        work.opened(circuit)
    elif circuit.state == model.HALF_OPEN:
        circuit = breaker.fail(circuit, work.now, *pace)
        work.changed("probe", circuit, model.HALF_OPEN, "sent_on")
    else:
        circuit, refusal = breaker.admit(circuit, f"stop-{work.lane.stops}", work.now, 0.0)
        if not refusal:
            work.changed("probe", circuit, model.OPEN, "may_go_on")
            work.put(circuit)
            return
    work.put(circuit)
    work.stop_turn(circuit)
