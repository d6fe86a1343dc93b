"""What a finished turn does: results for circuits that are not CLOSED, new evidence, and signals of the rules."""

from __future__ import annotations

from circuit_breaker.breaker import breaker, context, evidence, failures, waiting
from circuit_breaker.breaker.evidence import clip_of, label_of, outcome_of
from circuit_breaker.breaker.memory import Streak
from circuit_breaker.breaker.model import (
    CLOSED,
    DENIED,
    HALF_OPEN,
    INTERRUPTED,
    INVALID,
    LAUNCHED,
    MAIN,
    OK,
    OPEN,
    OURS,
    SILENT,
    Notice,
    Outcome,
    Signal,
)
from circuit_breaker.identity import results
from circuit_breaker.identity.calls import SHELLS, SPAWNING, call_key, command_of
from circuit_breaker.identity.shell_commands import LONGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.breaker.context import Work
    from circuit_breaker.breaker.model import Circuit, Reported, Result, Turn

SEEN_MAX, BATCH_MAX, SERVICE_TIMES_MAX, PENDING_MAX = 128, 512, 64, 64
# Fields of an outcome that are kept on disk until its batch comes, in this order.
KEPT = (
    "id",
    "tool",
    "key",
    "kind",
    "label",
    "result",
    "digits",
    "error",
    "clip",
    "empty",
    "wait",
    "look",
    "miss",
    "change",
)


def flush(work: Work, keep: frozenset[str] = frozenset()) -> None:
    """Count failures whose batch never came as a turn of their own; `keep`: ids of calls that are not lost."""
    lane = work.lane
    lost = [unpacked_outcome(kept) for call_id, kept in lane.pending.items() if call_id not in keep]
    lane.pending = {call_id: kept for call_id, kept in lane.pending.items() if call_id in keep}
    if lost:
        _take_turn(work, lost, frozenset(outcome.id for outcome in lost), lane.n)


def turn(work: Work, event: Turn) -> None:
    """One PostToolBatch; delivered twice, it counts once."""
    lane = work.lane
    fresh = [result for result in event.results if not result.id or result.id not in lane.seen]
    lane.cwd = lane.cwd or event.cwd
    if fresh:
        ids = frozenset(result.id for result in fresh)
        flush(work, keep=ids)
        n_before = lane.n
        evidence.learn_writes(work.session, lane)
        waiting.wake(work.session, lane, event.prompt, work.now)
        outcomes = [_outcome(work, result) for result in fresh]
        _take_turn(work, outcomes, ids, n_before)
        if any(_may_contact(outcome) for outcome in outcomes) and work.action("service_down"):
            from circuit_breaker.breaker.services import contacts

            work.contacts = contacts(outcomes)
    if event.cwd:
        lane.cwd = event.cwd
    _hand_over_notes(work, event)


def _may_contact(outcome: Outcome) -> bool:
    """A cheap first check: most calls use no service."""
    if outcome.tool in SHELLS and isinstance(outcome.input, dict):
        return "://" in command_of(outcome.input)[1][:LONGEST]
    return bool(outcome.tool.startswith("mcp__") or outcome.tool in ("WebFetch", "webfetch"))


def _take_turn(work: Work, outcomes: list[Outcome], ids: frozenset[str], n_before: int) -> None:
    lane = work.lane
    lane.seen.extend(call_id for call_id in ids if call_id)
    del lane.seen[: -min(max(SEEN_MAX, len(ids)), BATCH_MAX)]
    for call_id in ids:
        lane.pending.pop(call_id, None)
    failures.judge(lane, outcomes)
    live_before = [circuit.name for circuit in lane.circuits.values() if circuit.state == OPEN]
    silent = all(outcome.kind in SILENT for outcome in outcomes)
    lane.turn += not silent
    free = _settle_circuits(work, outcomes, ids)
    waiting.note_scheduled(work.session, outcomes)
    launched = waiting.note_launches(lane, outcomes, work.now)
    if launched is not None:
        _launched_again(work, launched)
    if silent:
        evidence.note_services(work.session, outcomes, work.now, SERVICE_TIMES_MAX)
        _count_denials(work, outcomes)
        return
    evidence.take(lane, free, work.now, work.config.poll_gap_seconds)
    evidence.note_writes(work.session, lane, free)
    failures.note_families(lane, free)
    failures.note_errors(lane, free)
    evidence.note_failing(lane, [o for o in outcomes if not work.excluded(o.tool)])
    evidence.note_searches(lane, free)
    evidence.note_sequence(lane, [o for o in outcomes if o.kind not in SILENT])
    evidence.note_services(work.session, outcomes, work.now, SERVICE_TIMES_MAX)
    if evidence.brought_news(free):
        lane.stops = 0
        if any(circuit.rule == "hook_recursion" for circuit in lane.circuits.values()):
            context.close_recursion(work)
    _buy_probes(work, live_before, n_before)
    _detect(work, free)
    _count_denials(work, outcomes)


def _outcome(work: Work, result: Result) -> Outcome:
    """The outcome of one call: as reported before the batch, denied by us, or by its text (policy 2)."""
    lane = work.lane
    kept = lane.pending.get(result.id)
    if kept is not None:
        outcome = unpacked_outcome(kept)
        outcome.input, outcome.text = result.input, results.shortened(result.text)
        if outcome.kind != OK:
            outcome.key = call_key(result.tool, result.input, lane.cwd)  # a hook may have rewritten what ran
            return outcome
        return outcome_of(result, LAUNCHED if result.hint == LAUNCHED else OK, lane.cwd)
    if result.id in lane.denied:
        return outcome_of(result, OURS, lane.cwd)
    return outcome_of(result, result.hint, lane.cwd)


def _settle_circuits(work: Work, outcomes: list[Outcome], ids: frozenset[str]) -> list[Outcome]:
    """Hand results to circuits that are not CLOSED. -> the outcomes that are evidence: distinct, not SILENT, not gated."""
    free: dict[str, Outcome] = {}
    for outcome in outcomes:
        if work.excluded(outcome.tool):
            continue
        circuit = work.gate_of(outcome.tool, outcome.input, outcome.key, work.lane.cwd)
        if circuit is not None:
            gated(work, circuit, outcome)
        elif outcome.kind not in SILENT:
            known = free.get(outcome.key)
            if known is None or (outcome.kind == OK and known.kind != OK):
                free[outcome.key] = outcome  # equal calls in one batch count once
    for circuit in list(work.lane.circuits.values()):
        if (
            circuit.state == HALF_OPEN
            and circuit.probe
            and circuit.probe not in ids
            and circuit.rule != "hook_recursion"
        ):
            work.put(breaker.release(circuit, ran=False))  # a later turn: the probe is over
    return list(free.values())


def _buy_probes(work: Work, live_before: list[str], n_before: int) -> None:
    """Progress in this turn earns each circuit that was OPEN before it an early probe."""
    for name in live_before:
        circuit = work.lane.circuits.get(name)
        if circuit is None or circuit.state != OPEN:
            continue
        if any(n > n_before and before < circuit.since for n, before in work.lane.moves):
            work.put(breaker.buy(circuit, "progress"))


def _detect(work: Work, outcomes: list[Outcome]) -> None:
    lane = work.lane
    if evidence.is_all_new(work.session, lane, outcomes):
        return
    from circuit_breaker.breaker.rules import DETECTORS

    handled: set[str] = set()

    for name, detector in DETECTORS.items():
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
            context.act(work, signal)
            if name == "failing_streak" and not signal.facts.get("empty"):
                _keep_streak(work, signal)
            service = signal.facts.get("service")
            if service:
                known = work.session.services[service]
                work.session.services[service] = [known[0], known[0], *known[2:]]
    _stop_invalid(work, outcomes)


def _keep_streak(work: Work, signal: Signal) -> None:
    """Count the warnings given, of which a stop needs two; after a stop the count starts again."""
    turns, warnings = work.lane.failing
    said = any(notice.rule == signal.rule for notice in work.notices)
    work.lane.failing = [] if work.stops() else [turns, warnings + said]


def _launched_again(work: Work, outcome: Outcome) -> None:
    """Warn once about the same launch in the background again and again."""
    if work.lane.launched[1] != work.rule("repeated_call")["launches"] or work.excluded(outcome.tool):
        return
    from circuit_breaker.breaker.rules import signal_of

    facts = {"launches": True}
    context.act(
        work, signal_of(outcome, "repeated_call", work.lane.launched[1], step="warn", results={}, facts=facts)
    )


def _stop_invalid(work: Work, outcomes: list[Outcome]) -> None:
    """Stop the turn for an input rejected twice the threshold within the prompt, in any window and state."""
    if work.action("tool_failure") != "block":
        return
    limit = 2 * work.rule("tool_failure")["threshold"]
    for outcome in outcomes:
        streak = work.lane.streaks.get(outcome.key)
        if outcome.kind != INVALID or streak is None or streak.invalid < limit:
            continue
        if not work.stops() and not work.excluded(outcome.tool, "tool_failure"):
            context.stop(work, invalid_signal(outcome, streak, streak.invalid, limit))


def _count_denials(work: Work, outcomes: list[Outcome]) -> None:
    """A model that keeps asking for denied calls has its turn stopped; one circuit counts once a turn."""
    lane = work.lane
    names = {lane.denied[o.id] for o in outcomes if o.kind == OURS and lane.denied.get(o.id)}
    for outcome in outcomes:
        if outcome.kind == OURS:
            lane.denied.pop(outcome.id, None)
    if not names or work.config.mode == "observe":
        return
    lane.denials += len(names)
    if lane.denials >= work.config.deny_limit > 0:
        rule, _, subject = sorted(names)[0].partition(":")
        asked = Signal(rule=rule, subject=subject, count=lane.denials, calls=sorted(names))
        context.stop_turn(work, asked, "kept_asking")
        if work.stops():
            lane.denials = 0


def _hand_over_notes(work: Work, event: Turn) -> None:
    """Tell the parent of a stopped subagent: the main thread, or a lane whose batch has an agent call."""
    if work.name != MAIN and not any(result.tool in SPAWNING for result in event.results):
        return
    work.notices += [Notice(**fields) for lane, fields in work.session.notes if lane != work.name]
    work.session.notes = [note for note in work.session.notes if note[0] == work.name]


def gated(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """Handle the result of a call whose circuit is not CLOSED: the probe's decides, an older call's is ignored."""
    if circuit.state == HALF_OPEN and circuit.probe == outcome.id:
        probed(work, circuit, outcome)
        return
    lifted = work.bypassed or outcome.id in work.let_through
    if lifted and outcome.kind == OK and _is_new(work, circuit, outcome):
        context.close(work, circuit, "bypass_result" if work.bypassed else "allowed_result")
        return
    if outcome.kind == INVALID:
        _invalid_again(work, circuit, outcome)


def probed(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """Handle the probe's result: a new one closes, the same or a failure opens for longer, none leaves the level as it is."""
    if outcome.kind in (LAUNCHED, INTERRUPTED, OURS, DENIED):
        work.put(breaker.release(circuit, ran=outcome.kind == LAUNCHED))
        return
    if (
        outcome.kind == OK
        and outcome.empty
        and outcome.attempt is not None
        and not (outcome.proven or outcome.failed)
    ):
        work.put(breaker.release(circuit, ran=True))  # hidden exit code, empty output
        return
    if outcome.kind == OK and _is_new(work, circuit, outcome):
        better = breaker.succeed(circuit, work.config.half_open_successes)
        if better.state == CLOSED:
            context.close(work, circuit, "new_result")
            return
        work.put(better)
        work.record("probe", better, HALF_OPEN, "good_probe", good=better.good)
        return
    if work.bypassed:
        work.put(breaker.release(circuit, ran=True))
        return
    rule = work.rule(circuit.rule)
    worse = breaker.fail(circuit, work.now, rule["cooldown_base_seconds"], work.config.cooldown_steps)
    worse = worse.but(clip=clip_of(outcome) or worse.clip)
    work.put(worse)
    unchanged = outcome.kind == OK and not outcome.failed
    work.record("probe", worse, HALF_OPEN, "probe_unchanged" if unchanged else "probe_failed")


def _is_new(work: Work, circuit: Circuit, outcome: Outcome) -> bool:
    if circuit.facts.get("edit"):  # its result says nothing; a change by another call does
        return any(n > circuit.since for n, _ in work.lane.moves)
    if circuit.rule == "tool_failure":
        return not outcome.failed
    return circuit.results.get(outcome.key) != outcome.result


def _invalid_again(work: Work, circuit: Circuit, outcome: Outcome) -> None:
    """A rejected input never reaches the gate, so it counts on while its circuit is open: warn each time, then stop."""
    known = work.lane.streaks.get(outcome.key) or Streak(label=label_of(outcome))
    work.lane.streaks.pop(outcome.key, None)
    streak: Streak = known.but(invalid=known.invalid + 1)
    work.lane.streaks[outcome.key] = streak
    if work.action(circuit.rule) != "block":
        return
    count = circuit.count + 1
    work.put(circuit.but(count=count, clip=clip_of(outcome)))
    limit = 2 * work.rule("tool_failure")["threshold"]
    if limit and streak.invalid < limit:
        context.warn(work, invalid_signal(outcome, streak, count, limit), opened=True)
    elif limit:
        context.stop(work, invalid_signal(outcome, streak, count, limit))


def invalid_signal(outcome: Outcome, streak: Streak, count: int, limit: int) -> Signal:
    """The signal of a call whose input Claude Code rejected `count` times; at `limit` the turn stops."""
    return Signal(
        rule="tool_failure",
        subject=label_of(outcome),
        keys=[outcome.key],
        count=max(count, streak.invalid),
        clip=clip_of(outcome),
        calls=[label_of(outcome)] * streak.invalid,
        facts={
            "invalid": True,
            "waits": bool(outcome.wait),
            "tool": outcome.tool,
            "left": limit - streak.invalid,
        },
    )


def reported(work: Work, event: Reported) -> None:
    """Keep an outcome that is reported before its batch; a probe's result is used at once."""
    lane = work.lane
    if event.id in lane.seen or event.id in lane.pending:
        return
    lane.cwd = lane.cwd or event.cwd  # in a lane's first turn only the directory after it is known
    outcome = outcome_of(event, event.kind, lane.cwd)
    lane.pending[event.id] = packed_outcome(outcome)
    while len(lane.pending) > PENDING_MAX:
        del lane.pending[next(iter(lane.pending))]
    circuit = work.gate_of(event.tool, event.input, outcome.key, lane.cwd)
    if circuit is not None and circuit.state == HALF_OPEN and circuit.probe == event.id:
        probed(work, circuit, outcome)


def packed_outcome(outcome: Outcome) -> list:
    """The outcome as a row of memory (KEPT); its input and text are left out."""
    return [getattr(outcome, name) for name in KEPT]


def unpacked_outcome(kept: list) -> Outcome:
    """The outcome from such a row."""
    return Outcome(**dict(zip(KEPT, kept)))
