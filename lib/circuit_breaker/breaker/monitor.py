"""What a finished turn does, and what becomes of a failure that is reported before its turn ends.

    turn            one PostToolBatch: tokens, your answers, its results, notes of stopped subagents, the budget
    _take_results   each Result becomes an Outcome; failures whose batch never came are a turn of their own (flush)
    _take_turn      a gated call's outcome goes to its circuit (probes.py), any other to the lane's evidence (evidence.py, failures.py);
                    then the rules are asked (rules.DETECTORS), and Work.act does what their signals want
    reported        kept until the turn ends; only a probe's result is used at once

A turn that is delivered twice counts once.
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker, budget, evidence, failures, model, probes, rules, service_down
from circuit_breaker.breaker.context import Work
from circuit_breaker.breaker.model import Outcome, Reported, Result, Signal, Turn, plus
from circuit_breaker.breaker.outcomes import clip_of, label_of, outcome_of
from circuit_breaker.identity import labels
from circuit_breaker.identity.calls import SPAWNING, call_key, service
from circuit_breaker.identity.keys import shortened
from circuit_breaker.shell import waits

SEEN_MAX, BATCH_MAX = 128, 512
# Seconds (our hooks' timeout) in which a second delivery of a call can come. Later the same id is another call's: some services number
# each message's calls anew.
REDELIVERY = 5.0


def turn(work: Work, event: Turn) -> None:
    """One PostToolBatch."""
    lane, n_before = work.lane, work.lane.n
    if event.spent:
        for circuit in work.circuits():
            if circuit.live:
                work.put(circuit.but(tokens=plus(circuit.tokens, event.spent)))
    _note_answers(work, event)
    fresh = [result for result in event.results if not _is_known(work, result.id)]
    tools = [result.tool for result in fresh if result.id not in lane.denied]
    lane.cwd = lane.cwd or event.cwd
    if fresh:
        _take_results(work, fresh, event.prompt)
    lane.cwd = event.cwd or lane.cwd
    if work.name == model.MAIN or any(result.tool in SPAWNING for result in event.results):
        _hand_over_notes(work)
    if work.action("budget"):
        budget.count(work, event, tools, n_before)
        if fresh:
            budget.check(work, event)


def _is_known(work: Work, call_id: str) -> bool:
    """Whether the call was counted already. (Two hooks may take the lock in another order than they read the clock.)"""
    return call_id in work.lane.seen and abs(work.now - work.lane.seen_at) <= REDELIVERY


def _note_answers(work: Work, event: Turn) -> None:
    """Record the calls that ran after you were asked: you allowed them."""
    for result in event.results if work.lane.asked else ():
        name = work.lane.asked.pop(result.id, None)
        if name is not None and result.kind != model.DENIED:
            work.allowed.add(result.id)
            rule, _, subject = name.partition(":")
            signal = Signal(rule=rule, subject=subject, calls=[labels.label(result.tool, result.input)])
            work.record("ask_allowed", signal, "allowed")


def _hand_over_notes(work: Work) -> None:
    """Tell a parent of its stopped subagents: the main thread, or a lane whose batch has an agent call."""
    notes = work.session.notes
    work.notices += [note for note in notes if note.agent != work.name]
    work.session.notes = [note for note in notes if note.agent == work.name]


def _take_results(work: Work, fresh: list[Result], prompt: str) -> None:
    flush(work, keep=frozenset([result.id for result in fresh]))
    lane, n_before = work.lane, work.lane.n
    evidence.learn_writes(work.session, lane)
    evidence.wake(work.session, lane, prompt, work.now)
    outcomes = [_outcome(work, result) for result in fresh]
    _take_turn(work, outcomes, n_before)
    _note_contacts(work, outcomes)


def _note_contacts(work: Work, outcomes: list[Outcome]) -> None:
    """What calls show of services, for all sessions of the machine (service_down)."""
    if any(service(outcome.tool, outcome.input) for outcome in outcomes) and work.action("service_down"):
        counted = [outcome for outcome in outcomes if not work.excluded(outcome.tool, "service_down")]
        work.contacts = service_down.contacts(counted, work.bypassed)


def flush(work: Work, keep: frozenset[str] = frozenset()) -> None:
    """Count failures whose batch never came as a turn of their own; `keep`: ids of calls that are not lost."""
    lane = work.lane
    lost = [kept.but() for call_id, kept in lane.pending.items() if call_id not in keep]
    lane.pending = {call_id: kept for call_id, kept in lane.pending.items() if call_id in keep}
    if lost:
        lane.lossy = True
        _take_turn(work, lost, lane.n, running=keep)


def _outcome(work: Work, result: Result) -> Outcome:
    """The outcome of one call: as reported before the batch, denied by us, or by its text."""
    lane = work.lane
    kept = lane.pending.pop(result.id, None)
    if kept is None:
        return outcome_of(result, model.OURS if result.id in lane.denied else result.kind, lane.cwd)
    outcome = kept.but()
    if outcome.kind == model.OK:
        return outcome_of(result, model.LAUNCHED if result.kind == model.LAUNCHED else model.OK, lane.cwd)
    lane.lossy = False
    outcome.input, outcome.text = result.input, shortened(result.text)
    key = call_key(result.tool, result.input, lane.cwd)
    if key != outcome.key:  # a hook has rewritten what ran
        made = {"label": "", "clip": "", "failed": False, "family": "", "tried": model.FailedAttempt()}
        outcome = outcome.but(key=key, **made)
    return outcome


def _take_turn(
    work: Work, outcomes: list[Outcome], n_before: int, running: frozenset[str] = frozenset()
) -> None:
    """`running`: ids of calls that may still report."""
    session, lane = work.session, work.lane
    ids = {outcome.id for outcome in outcomes}
    lane.seen.extend([call_id for call_id in ids if call_id])
    del lane.seen[: -min(max(SEEN_MAX, len(ids)), BATCH_MAX)]
    lane.seen_at = work.now
    failures.judge_attempts(lane, outcomes)
    open_before = [circuit.name for circuit in lane.circuits.values() if circuit.state == model.OPEN]
    counted = [outcome for outcome in outcomes if outcome.kind not in model.SILENT]
    lane.turn += bool(counted)
    free = _settle_circuits(work, outcomes, ids | running)
    evidence.note_scheduled(session, outcomes)
    launched = evidence.note_launches(lane, outcomes, work.now)
    if launched is not None:
        _warn_of_launches(work, launched)
    evidence.note_services(session, outcomes, work.now)
    if counted:
        _take_evidence(work, outcomes, counted, free)
        _earn_probes(work, open_before, n_before)
        if not evidence.is_all_new(session, lane, free):
            _detect(work, free)
    _count_denials(work, outcomes)


def _take_evidence(work: Work, outcomes: list[Outcome], counted: list[Outcome], free: list[Outcome]) -> None:
    """What a turn adds to what its lane remembers. `counted`: not SILENT; `free`: of these, not gated and each call once."""
    session, lane = work.session, work.lane
    evidence.take(lane, free, work.now, work.config.poll_gap_seconds)
    evidence.note_writes(session, lane, free)
    failures.note_families(lane, free)
    failures.note_errors(lane, free)
    polls = {outcome.key for outcome in free if outcome.poll and outcome.kind != model.OK}
    judged = [outcome for outcome in outcomes if not work.excluded(outcome.tool, "failing_streak")]
    evidence.note_failing(lane, [outcome for outcome in judged if outcome.key not in polls])
    evidence.note_searches(lane, [one for one in free if not work.excluded(one.tool, "failing_streak")])
    evidence.note_sequence(lane, counted)
    if any(not outcome.repeats for outcome in free):
        lane.stops = 0
        work.close_recursion()


def _settle_circuits(work: Work, outcomes: list[Outcome], ids: set[str]) -> list[Outcome]:
    """Hand results to circuits that are not CLOSED; a probe whose id is not in `ids` is over. -> the outcomes that are evidence:
    distinct, not SILENT, not gated."""
    free: dict[str, Outcome] = {}
    for outcome in outcomes:
        circuit = work.gate_of(outcome.tool, outcome.input, outcome.key, work.lane.cwd)
        if circuit is not None:
            probes.gated(work, circuit, outcome)
        elif outcome.kind not in model.SILENT:
            known = free.get(outcome.key)
            if known is None or (outcome.kind == model.OK and known.kind != model.OK):
                free[outcome.key] = outcome  # equal calls in one batch count once
    for circuit in [*work.lane.circuits.values()]:
        if circuit.probe and circuit.probe not in ids and circuit.rule != "hook_recursion":
            work.put(breaker.release(circuit, ran=False))  # a later turn: the probe is over
    return [*free.values()]


def _warn_of_launches(work: Work, outcome: Outcome) -> None:
    """Warn once about the same launch in the background again and again."""
    times = work.lane.launches
    kind, limit = ("waits", "poll_max") if outcome.wait == waits.ALONE else ("launches", "launches")
    if times == work.rule("repeated_call")[limit] and not work.excluded(outcome.tool, "repeated_call"):
        work.act(rules.signal_of(outcome, "repeated_call", times, wants=model.WARN, form=[kind]))


def _earn_probes(work: Work, open_before: list[str], n_before: int) -> None:
    """Progress in this turn earns each circuit that was OPEN before it an early probe."""
    for name in open_before:
        circuit = work.lane.circuits.get(name)
        if circuit is None or circuit.state != model.OPEN:
            continue
        if any(n > n_before and before < circuit.since for n, before in work.lane.progress):
            work.put(breaker.earn(circuit))


def _detect(work: Work, outcomes: list[Outcome]) -> None:
    """Ask each rule; the first that opens a circuit for a call wins."""
    handled: set[str] = set()
    for name, detector in rules.DETECTORS.items():
        seen = [outcome for outcome in outcomes if not work.excluded(outcome.tool, name)]
        if not seen or not work.action(name):
            continue
        for signal in [*detector(work, seen, work.rule(name))]:
            if handled.isdisjoint(signal.keys):
                if signal.wants == model.TRIP:
                    handled.update(signal.keys)
                work.act(signal)
                if signal.rule == "failing_streak" and "empty" not in signal.form:
                    _note_warning(work)


def _note_warning(work: Work) -> None:
    """Count the warnings about failing turns, those that only observing left out as well: each stop needs two."""
    observed = work.action("failing_streak") == "observe"
    work.lane.failing_warned += observed or any(notice.rule == "failing_streak" for notice in work.notices)
    if work.stops():
        work.lane.failing = work.lane.failing_warned = 0


def _count_denials(work: Work, outcomes: list[Outcome]) -> None:
    """A model that keeps asking for denied calls has its turn stopped; one circuit counts once a turn."""
    lane = work.lane
    refused = [outcome for outcome in outcomes if outcome.kind in (model.OURS, model.DENIED)]
    denied = [lane.denied.pop(outcome.id, "") for outcome in refused]
    names = sorted({name for name in denied if name})
    if not names or work.config.mode == "observe":
        return
    lane.denials += len(names)
    if lane.denials >= work.config.deny_limit > 0:
        # a call at the breaker itself is about what is open
        live = [circuit.name for circuit in work.circuits() if circuit.live]
        name = next((one for one in [*names, *live] if not one.startswith("protection:")), names[0])
        rule, _, subject = name.partition(":")
        asked = Signal(rule=rule, subject=subject, count=lane.denials, calls=[*map(label_of, refused)])
        work.stop_turn(asked, "kept_asking")
        if work.stops():
            lane.denials = 0


def reported(work: Work, event: Reported) -> None:
    """Keep an outcome that is reported before its batch; a probe's result is used at once."""
    lane = work.lane
    if _is_known(work, event.id) or event.id in lane.pending:
        return
    lane.cwd = lane.cwd or event.cwd  # in a lane's first turn only the directory after it is known
    outcome = outcome_of(event, event.kind, lane.cwd)
    if lane.lossy and outcome.kind in model.FAILURES:  # its batch may not come either
        failures.judge_attempts(lane, [outcome])
        label_of(outcome), clip_of(outcome)
    lane.pending[event.id] = outcome.but(input=None, text="", attempt=None)
    if outcome.kind != model.FAILED:  # after an interruption no batch may come
        _note_contacts(work, [outcome])
    circuit = work.gate_of(event.tool, event.input, outcome.key, lane.cwd)
    if circuit is not None and circuit.state == model.HALF_OPEN and circuit.probe == event.id:
        probes.probed(work, circuit, outcome)
