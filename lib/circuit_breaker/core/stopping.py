"""What does a turn's end do that a stop hook does not accept? The rule hook_recursion. Pure."""

from __future__ import annotations

from circuit_breaker.core import breaker, circuits, closing, detectors, turns, verdicts, wording
from circuit_breaker.core.model import CLOSED, HALF_OPEN, MAIN, OPEN, STOPPED, Record
from circuit_breaker.core.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.detectors import Signal


class Stopped(Record):
    """The agent wants to end its turn; `again`: a hook has already sent it back."""

    KIND = STOPPED
    FIELDS = {"again": False, "prompt": "", "lane": MAIN, "agent": ""}


def stopped(work: Work, event: Stopped) -> None:
    """hook_recursion: a stop hook sends the turn on again and again, and nothing new comes of it."""
    if work.lane.pending:
        turns.flush(work)
    lane, action = work.lane, work.action("hook_recursion")
    if not event.again:
        closing.close_recursion(work)
        return
    if not action:
        return
    lane.stops += 1
    rule = work.rule("hook_recursion")
    if lane.stops <= rule["threshold"]:
        return
    subject = "Stop" if work.name == MAIN else "SubagentStop"
    signal = detectors.Signal(
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
    rule, steps = work.rule("hook_recursion"), work.config.cooldown_steps
    cause = wording.cause(signal)
    known = work.lane.circuits.get(f"hook_recursion:{signal.subject}")
    circuit = known or circuits.Circuit(rule="hook_recursion", subject=signal.subject)
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
