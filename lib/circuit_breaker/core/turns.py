"""What does a finished turn do? Outcomes, probes, evidence, signals. The monitor's half of the policy. Pure."""

from __future__ import annotations

from circuit_breaker.core import breaker, closing, detectors, evidence, identity, pending, trials, verdicts
from circuit_breaker.core.memory import streak_of
from circuit_breaker.core.model import (
    HALF_OPEN,
    INVALID,
    LAUNCHED,
    MAIN,
    OK,
    OPEN,
    OURS,
    SILENT,
    TURN,
    Record,
)
from circuit_breaker.core.outcomes import outcome_of
from circuit_breaker.core.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.outcomes import Outcome

SEEN_MAX, SERVICE_TIMES_MAX = 128, 64


class Turn(Record):
    """One assistant message with tool calls has ended; `cwd` is the directory after it."""

    KIND = TURN
    FIELDS = {"results": [], "cwd": "", "prompt": "", "lane": MAIN, "origin": "", "agent": ""}
    CONTAINERS = ("results",)


class Result(Record):
    """One call of a turn as the host reports it. `hint` is the kind its text alone suggests.

    `result` and `digits`: the keys of its text, for whom they are made elsewhere (or later: see rerun).
    """

    FIELDS = {"id": "", "tool": "", "input": None, "hint": OK, "text": "", "result": "", "digits": ""}


def flush(work: Work, keep: frozenset[str] = frozenset()) -> None:
    """Failures whose batch never came are a turn of their own."""
    lane = work.lane
    lost = [pending.unpacked(kept) for call_id, kept in lane.pending.items() if call_id not in keep]
    lane.pending = {call_id: kept for call_id, kept in lane.pending.items() if call_id in keep}
    if lost:
        _take_turn(work, lost, frozenset(outcome.id for outcome in lost), lane.n)


def turn(work: Work, event: Turn) -> None:
    """One PostToolBatch. Delivered twice it counts once."""
    lane = work.lane
    fresh = [result for result in event.results if not result.id or result.id not in lane.seen]
    lane.cwd = lane.cwd or event.cwd
    if fresh:
        ids = frozenset(result.id for result in fresh)
        flush(work, keep=ids)
        n_before = lane.n
        evidence.learn_writes(work.session, lane)
        _take_turn(work, [_outcome(work, result) for result in fresh], ids, n_before)
    if event.cwd:
        lane.cwd = event.cwd
    _hand_over_notes(work, event)


def _take_turn(work: Work, outcomes: list[Outcome], ids: frozenset[str], n_before: int) -> None:
    lane = work.lane
    lane.seen.extend(call_id for call_id in ids if call_id)
    del lane.seen[: -max(SEEN_MAX, len(ids))]
    for call_id in ids:
        lane.pending.pop(call_id, None)
    live_before = [circuit.name for circuit in lane.circuits.values() if circuit.state == OPEN]
    free = _settle_circuits(work, outcomes, ids)
    if not any(outcome.kind not in SILENT for outcome in outcomes):
        evidence.note_services(work.session, outcomes, work.now, SERVICE_TIMES_MAX)
        _count_denials(work, outcomes)
        return
    lane.turn += 1
    evidence.take(lane, free)
    evidence.note_writes(work.session, lane, free)
    evidence.note_errors(lane, free)
    evidence.note_sequence(lane, [o for o in outcomes if o.kind not in SILENT])
    evidence.note_services(work.session, outcomes, work.now, SERVICE_TIMES_MAX)
    if evidence.brought_news(free):
        lane.stops = 0
        if any(circuit.rule == "hook_recursion" for circuit in lane.circuits.values()):
            closing.close_recursion(work)
    _buy_probes(work, live_before, n_before)
    if not evidence.says_nothing(work.session, lane, free):
        _detect(work, free)
    _count_denials(work, outcomes)


def _outcome(work: Work, result: Result) -> Outcome:
    """What became of one call: reported before, denied by us, or what its text says (policy 2)."""
    lane = work.lane
    kept = lane.pending.get(result.id)
    if kept is not None:
        outcome = pending.unpacked(kept)
        outcome.input, outcome.text = result.input, result.text
        if outcome.kind != OK:
            return outcome
        return outcome_of(result, LAUNCHED if result.hint == LAUNCHED else OK, lane.cwd)
    if result.id in lane.denied:
        return outcome_of(result, OURS, lane.cwd)
    return outcome_of(result, result.hint, lane.cwd)


def _settle_circuits(work: Work, outcomes: list[Outcome], ids: frozenset[str]) -> list[Outcome]:
    """Give live circuits their verdicts; the outcomes that are evidence: distinct, not silent, gated by no live circuit."""
    free: dict[str, Outcome] = {}
    for outcome in outcomes:
        if work.excluded(outcome.tool):
            continue
        circuit = work.gate_of(outcome.tool, outcome.input, outcome.key)
        if circuit is not None:
            trials.gated(work, circuit, outcome)
        elif outcome.kind not in SILENT:
            known = free.get(outcome.key)
            if known is None or (outcome.kind == OK and known.kind != OK):
                free[outcome.key] = outcome  # equal calls inside one batch are one decision
    for circuit in list(work.lane.circuits.values()):
        if (
            circuit.state == HALF_OPEN
            and circuit.probe
            and circuit.probe not in ids
            and circuit.rule != "hook_recursion"
        ):
            work.put(breaker.release(circuit, ran=False))  # this turn came after the probe's: it is over
    return list(free.values())


def _buy_probes(work: Work, live_before: list[str], n_before: int) -> None:
    """Progress of this turn buys each circuit that was open before it one early probe."""
    for name in live_before:
        circuit = work.lane.circuits.get(name)
        if circuit is None or circuit.state != OPEN:
            continue
        if any(n > n_before and before < circuit.since for n, before in work.lane.moves):
            work.put(breaker.buy(circuit, "progress"))


def _detect(work: Work, outcomes: list[Outcome]) -> None:
    lane = work.lane
    handled: set[str] = set()
    for name, detector in detectors.DETECTORS.items():
        if not work.action(name):
            continue
        rule = work.rule(name)
        left_out = rule.get("exclude")
        seen = [o for o in outcomes if not work.excluded(o.tool, name)] if left_out else outcomes
        if not seen:
            continue
        for signal in detector(work.session, lane, seen, rule, work.now):
            if not handled.isdisjoint(signal.keys):
                continue  # the first rule that opens for a call wins
            if signal.step == "open":
                handled.update(signal.keys)
            if name == "tool_failure" and signal.facts.get("invalid"):
                failing = streak_of(lane, signal.keys[0])
                signal.facts["left"] = 2 * rule["threshold"] - (failing.invalid if failing else 0)
            verdicts.act(work, signal)
            service = signal.facts.get("service")
            if service:
                known = work.session.services[service]
                work.session.services[service] = [known[0], known[0], *known[2:]]
    _end_invalid(work, outcomes)


def _end_invalid(work: Work, outcomes: list[Outcome]) -> None:
    """A validation failure that came twice the threshold within the prompt ends the turn, whatever window and state."""
    if work.action("tool_failure") != "block":
        return
    limit = 2 * work.rule("tool_failure")["threshold"]
    for outcome in outcomes:
        streak = streak_of(work.lane, outcome.key)
        if outcome.kind != INVALID or streak is None or streak.invalid < limit:
            continue
        if not work.ends and not work.excluded(outcome.tool, "tool_failure"):
            verdicts.end(work, trials.invalid_signal(outcome, streak, streak.invalid, limit))


def _count_denials(work: Work, outcomes: list[Outcome]) -> None:
    """A model that keeps asking for denied calls has its turn ended; one circuit counts once a turn."""
    lane = work.lane
    names = {lane.denied[o.id] for o in outcomes if o.kind == OURS and lane.denied.get(o.id)}
    for outcome in outcomes:
        if outcome.kind == OURS:
            lane.denied.pop(outcome.id, None)
    if not names or work.config.mode == "observe":
        return
    lane.denials += len(names)
    if lane.denials >= work.config.deny_limit > 0:
        from circuit_breaker.core import wording

        verdicts.end_turn(work, sorted(names)[0], wording.hammering(lane.denials), sorted(names))
        if work.ends:
            lane.denials = 0


def _hand_over_notes(work: Work, event: Turn) -> None:
    """The parent of an ended subagent learns of it: the main thread, or the lane whose batch held an agent call."""
    if work.name != MAIN and not any(result.tool in identity.SPAWNING for result in event.results):
        return
    for lane, text in work.session.notes:
        if lane != work.name:
            work.tells.append(text)
    work.session.notes = [note for note in work.session.notes if note[0] == work.name]
