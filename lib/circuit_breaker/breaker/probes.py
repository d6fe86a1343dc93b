"""What the result of a gated call does: the probe's closes its circuit or opens it for longer, any other is mostly ignored."""

from __future__ import annotations

from circuit_breaker.breaker import breaker, model, rules
from circuit_breaker.breaker.context import Work
from circuit_breaker.breaker.memory import Streak
from circuit_breaker.breaker.model import Circuit, Outcome
from circuit_breaker.breaker.outcomes import clip_of, label_of
from circuit_breaker.identity.results import progress_shown


def gated(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """Handle the result of a call whose circuit is not CLOSED: the probe's decides, an older call's is ignored."""
    yours = work.bypassed or outcome.id in work.allowed
    if circuit.state == model.HALF_OPEN and circuit.probe == outcome.id:
        probed(work, circuit, outcome)
    elif outcome.kind == model.INVALID:
        _rejected_again(work, circuit, outcome)
    elif yours and outcome.kind == model.OK and _is_new(work, circuit, outcome):
        work.close(circuit, "bypass_result" if work.bypassed else "allowed_result")


def probed(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """Handle the probe's result: a new one closes, the same or a failure opens for longer, none leaves the level as it is."""
    if outcome.kind in (*model.SILENT, model.DENIED):
        if outcome.kind == model.DENIED:  # asking on for what is refused counts like asking for what we deny
            work.lane.denied[outcome.id] = circuit.name
        work.put(breaker.release(circuit, ran=outcome.kind == model.LAUNCHED))
        return
    unknown = outcome.attempt is not None and not (outcome.proven or outcome.failed)
    if outcome.kind == model.OK and outcome.empty and unknown:  # hidden exit code, empty output
        work.put(breaker.release(circuit, ran=True))
    elif outcome.kind == model.OK and _is_new(work, circuit, outcome):
        better = breaker.succeed(circuit, work.config.half_open_successes)
        if not better.live:
            work.close(circuit, "new_result")
            return
        work.put(better)
        work.changed("probe", better, model.HALF_OPEN, "good_probe", good=better.good)
    elif work.bypassed:
        work.put(breaker.release(circuit, ran=True))
    else:
        worse = breaker.fail(circuit, work.now, *work.pace(circuit.rule))
        worse = worse.but(clip=clip_of(outcome) or worse.clip)
        work.put(worse)
        unchanged = outcome.kind == model.OK and not outcome.failed
        work.changed("probe", worse, model.HALF_OPEN, "probe_unchanged" if unchanged else "probe_failed")


def _is_new(work: Work, circuit: Circuit, outcome: Outcome) -> bool:
    if "edit" in circuit.form:  # its result says nothing; a change by another call does
        return any(n > circuit.since for n, _ in work.lane.progress)
    if circuit.rule == "tool_failure":
        return not outcome.failed
    known = circuit.results.get(outcome.key, "").split(model.OR)
    if "digits" in circuit.form:
        return outcome.digits not in known
    return outcome.result not in known and outcome.result + progress_shown(outcome.text) not in known


def _rejected_again(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """A rejected input never reaches the gate, so it counts on while its circuit is open: a warning each time, then the turn stops."""
    known = work.lane.streaks.pop(outcome.key, None) or Streak(label=label_of(outcome))
    streak = work.lane.streaks[outcome.key] = known.but(invalid=known.invalid + 1)
    if work.action(circuit.rule) == "block":
        circuit = circuit.but(count=circuit.count + 1, clip=clip_of(outcome))
        work.put(circuit)
        work.act(rules.rejected(outcome, streak, work.rule("tool_failure"), circuit.count))
