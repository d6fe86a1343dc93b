"""What does the result of a call that a live circuit gates do to that circuit? Pure."""

from __future__ import annotations

from circuit_breaker.core import breaker, closing, detectors, labels, verdicts
from circuit_breaker.core.memory import Streak, streak_of
from circuit_breaker.core.model import CLOSED, DENIED, HALF_OPEN, INTERRUPTED, INVALID, LAUNCHED, OK, OURS
from circuit_breaker.core.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.circuits import Circuit
    from circuit_breaker.core.detectors import Signal
    from circuit_breaker.core.outcomes import Outcome


def gated(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """The result of a call whose circuit is not CLOSED: the probe's is a verdict, an older call's is ignored."""
    if circuit.state == HALF_OPEN and circuit.probe == outcome.id:
        probed(work, circuit, outcome)
        return
    if work.bypassed and outcome.kind == OK and _is_new(circuit, outcome):
        closing.close(work, circuit, "a call under the bypass brought something new")
        return
    if outcome.kind == INVALID:
        _invalid_again(work, circuit, outcome)


def probed(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """The trial call's result: something new closes, the same or a failure opens for longer; one that never ran is given back."""
    if outcome.kind in (LAUNCHED, INTERRUPTED, OURS, DENIED):
        work.put(breaker.release(circuit, ran=outcome.kind == LAUNCHED))
        return
    if outcome.kind == OK and _is_new(circuit, outcome):
        better = breaker.succeed(circuit, work.config.half_open_successes)
        if better.state == CLOSED:
            closing.close(work, circuit, "the trial call brought something new")
            return
        work.put(better)
        work.record("probe", better, HALF_OPEN, f"good trial {better.good}")
        return
    if work.bypassed:
        work.put(breaker.release(circuit, ran=True))
        return
    rule = work.rule(circuit.rule)
    worse = breaker.fail(circuit, work.now, rule["cooldown_base_seconds"], work.config.cooldown_steps)
    worse = worse.but(clip=labels.clip_of(outcome) or worse.clip)
    work.put(worse)
    work.record(
        "probe", worse, HALF_OPEN, "the trial call " + ("failed" if outcome.kind != OK else "changed nothing")
    )


def _is_new(circuit: Circuit, outcome: Outcome) -> bool:
    return circuit.rule == "tool_failure" or circuit.results.get(outcome.key) != outcome.result


def _invalid_again(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """A call that never reaches the gate goes on counting while its circuit is open: told each time, then ended."""
    known = streak_of(work.lane, outcome.key) or Streak(label=labels.label_of(outcome))
    work.lane.streaks.pop(outcome.key, None)
    streak: Streak = known.but(invalid=known.invalid + 1)
    work.lane.streaks[outcome.key] = streak
    if work.action(circuit.rule) != "block":
        return
    count = circuit.count + 1
    work.put(circuit.but(count=count, clip=labels.clip_of(outcome)))
    limit = 2 * work.rule("tool_failure")["threshold"]
    if limit and streak.invalid < limit:
        verdicts.tell(work, invalid_signal(outcome, streak, count, limit), opened=True)
    elif limit:
        verdicts.end(work, invalid_signal(outcome, streak, count, limit).but(step="end"))


def invalid_signal(outcome: Outcome, streak: Streak, count: int, limit: int) -> Signal:
    """What is said of a call whose input the host rejects: `count` times, and at `limit` the turn ends."""
    return detectors.Signal(
        rule="tool_failure",
        subject=labels.label_of(outcome),
        keys=[outcome.key],
        count=max(count, streak.invalid),
        clip=labels.clip_of(outcome),
        calls=[labels.label_of(outcome)] * streak.invalid,
        facts={"invalid": True, "tool": outcome.tool, "left": limit - streak.invalid},
    )
