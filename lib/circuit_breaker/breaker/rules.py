"""The rules: a function each, in the table DETECTORS.

A detector reads a turn's outcomes and what its lane remembers, this turn included, and yields signals: warn, open or stop. It
changes nothing: `Work.act` does what a signal asks for under the rule's `action`. Rules that do not judge turns are elsewhere:
agent_spawn and hook_recursion in gate.py, service_down and budget in modules of their names.
"""

from __future__ import annotations

from circuit_breaker.breaker import cycles, evidence, memory, model
from circuit_breaker.breaker.context import Work
from circuit_breaker.breaker.memory import Lane, Past, Streak
from circuit_breaker.breaker.model import FAILED, INVALID, OK, OR, STOP, TRIP, WARN, Outcome, Signal
from circuit_breaker.breaker.outcomes import clip_of, complaint_of, label_of, look_at, may_await, only_waits
from circuit_breaker.identity import acts, labels
from circuit_breaker.identity.calls import schedules, service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Outcomes = list[Outcome]
    Rule = Mapping[str, Any]

CALLS_MAX = 8  # labels of the last calls in a signal
EVERYWHERE = 6  # times the same whole error of a tool, with any calls and changes in between
NEARLY = 2  # turns more for errors of a tool that differ in line numbers or indentation
RETRIES = 8  # times an act that asked to come back later may fail alike; the usual retries wait 2, 4, 8 ... seconds, five times
OF_LAST = 6  # repeated_call: equal calls among a lane's last ones (evidence.LAST_CALLS)
UNSEEN = 2  # factor of the limit for clicks and keys without a look between: their results only confirm them
LONG_RING = 6  # calls; from this length a ring needs no more rounds than a ring of 2


def signal_of(outcome: Outcome, rule: str, count: int, **more: Any) -> Signal:
    """A signal about one call; `more`: fields that replace those taken from the outcome."""
    label = label_of(outcome)
    seen: dict[str, Any] = {
        "subject": label,
        "keys": [outcome.key],
        "results": {outcome.key: outcome.result},
        "clip": clip_of(outcome),
        "calls": [label] * min(count, CALLS_MAX),
    }
    return Signal(rule=rule, count=count, **{**seen, **more})


def tool_failure(work: Work, outcomes: Outcomes, rule: Rule) -> Iterator[Signal]:
    """The same call fails, the same attempt in other words, or a tool with the same error whatever the call (table in docs/detection.md)."""
    lane = work.lane
    warned: set[str] = set()  # tools
    for outcome in outcomes:
        streak, family = lane.streaks[outcome.key], lane.families.get(outcome.family)
        signal = _same_call(lane, outcome, streak, rule)
        if signal is None or (family is not None and family.varied):
            other = _same_attempt(lane, outcome, rule)
            signal = other if signal is None or (other is not None and other.wants == TRIP) else signal
        if signal is not None:
            warned.add(outcome.tool)
            yield signal
        if outcome.kind == INVALID and streak.invalid >= 2 * rule["threshold"]:
            yield rejected(outcome, streak, rule)
    told: set[str] = set()
    for outcome in outcomes:
        signal = _same_error(lane, outcome, rule) if outcome.tool not in told else None
        stops = signal is not None and signal.wants == STOP and outcome.kind == INVALID  # nothing blocks it
        if signal is not None and (stops or outcome.tool not in warned):
            told.add(outcome.tool)
            yield signal


def _same_call(lane: Lane, outcome: Outcome, streak: Streak, rule: Rule) -> Signal | None:
    if outcome.poll:
        return None
    in_window = failures_in_window(streak, lane.turn, rule)
    stubborn = 0 < rule["threshold_with_progress"] <= streak.same_errors
    if in_window < rule["threshold"] and not stubborn:
        return None
    count = streak.same_errors if stubborn else in_window
    invalid = outcome.kind == INVALID
    left = 2 * rule["threshold"] - streak.invalid if invalid else 0
    form = model.form_of(stubborn=stubborn, invalid=invalid, waits=invalid and outcome.wait)
    return signal_of(outcome, "tool_failure", count, since=streak.failing_since, left=left, form=form)


def failures_in_window(streak: Streak, turn: int, rule: Rule) -> int:
    """How many failures of a call count in the last `window_turns` turns up to `turn`."""
    return len([failed for _, failed in streak.fails if failed > turn - rule["window_turns"]])


def rejected(outcome: Outcome, streak: Streak, rule: Rule, count: int = 0) -> Signal:
    """The signal of a call whose input Claude Code rejects again and again: at twice the threshold the turn stops, in any window."""
    left = 2 * rule["threshold"] - streak.invalid
    more = {"wants": WARN if left > 0 else STOP, "counted": left < 0, "left": left}
    form = model.form_of(invalid=True, waits=outcome.wait)
    return signal_of(outcome, "tool_failure", max(count, streak.invalid), keys=[], form=form, **more)


def _same_attempt(lane: Lane, outcome: Outcome, rule: Rule) -> Signal | None:
    family = lane.families.get(outcome.family) if outcome.failed else None
    if family is None or family.turn != lane.turn:
        return None
    stubborn = 0 < rule["threshold_with_progress"] <= family.same
    opens = stubborn or 0 < rule["family_open"] <= family.count
    warns = 0 < rule["family_warn"] <= family.count and "tool_failure" not in family.marks
    if not opens and not warns:
        return None
    return signal_of(
        outcome,
        "tool_failure",
        family.same if stubborn else family.count,
        wants=TRIP if opens else WARN,
        subject=outcome.tried.label,
        keys=[outcome.family],
        since=family.since,
        form=model.form_of(family=True, stubborn=stubborn),
    )


def _same_error(lane: Lane, outcome: Outcome, rule: Rule) -> Signal | None:
    run = lane.errors.get(outcome.tool)
    if run is None or (run.turn, run.complaint) != (lane.turn, complaint_of(outcome)):
        return None
    limit, turns = rule["same_error"], run.turns
    if run.near >= turns + NEARLY:
        limit, turns = limit and limit + NEARLY, run.near
    everywhere = turns < limit and outcome.error != "" and run.times % EVERYWHERE == 0
    if not limit or (turns < limit and not everywhere):
        return None
    return signal_of(
        outcome,
        "tool_failure",
        run.times if everywhere else turns,
        wants=STOP if turns >= 2 * limit else WARN,
        counted=turns > 2 * limit,
        left=0 if everywhere else 2 * limit - turns,
        form=model.form_of(same_error=True, everywhere=everywhere),
        subject=f"{outcome.tool} error",
        keys=[],
        calls=[outcome.tool],
    )


def repeated_call(work: Work, outcomes: Outcomes, rule: Rule) -> Iterator[Signal]:
    """The same call with the same result, or the same edit, again and again; one signal per call."""
    for outcome in outcomes:
        streak = work.lane.streaks[outcome.key]
        found = _edited(work.lane, outcome, streak, rule) or _repeated(work.lane, outcome, streak, rule)
        if found is not None:
            yield found


def _edited(lane: Lane, outcome: Outcome, streak: Streak, rule: Rule) -> Signal | None:
    """The same write again and again, with any result: it adds each time, or repeats what is done."""
    limit = rule["same_edit"]
    if not limit or outcome.kind != OK or not outcome.change:
        return None
    same = [r.n for r in lane.recent[-evidence.LAST_EDITS :] if r.key == outcome.key and r.ok]
    if len(same) < max(2, limit - 1) or not acts.adds_again(outcome.tool, outcome.input):
        return None
    others = any(n > same[-2] and n != outcome.n for n, _ in lane.progress)
    opens = len(same) >= limit and not others
    if not opens and (len(same) != limit - 1 or "edit" in streak.marks):
        return None
    more = {"wants": TRIP if opens else WARN, "form": ["edit"]}
    return signal_of(outcome, "repeated_call", len(same), since=outcome.n, **more)


def _repeated(lane: Lane, outcome: Outcome, streak: Streak, rule: Rule) -> Signal | None:
    """The same call with the same result: in a row, or 6 of the last 10. Polls and waits have a higher limit."""
    if not streak.label and lane.waits.turns < 2:
        return None  # nothing came twice
    count, shown, limit, form = _repeats(lane, outcome, streak, rule)
    if not limit or shown < 2:
        return None
    opens = count >= limit and not schedules(outcome.tool)  # denying it would leave no way to continue later
    if not opens:
        if "repeated_call" in streak.marks or max(count + 1, shown) < limit:
            return None
        # looks `poll_gap_seconds` apart and schedules are never blocked
        form += model.form_of(mild=count < limit - 1 or schedules(outcome.tool))
    more = {"wants": TRIP if opens else WARN, "since": streak.repeats_since, "form": form}
    if "digits" in form:
        more["results"] = {outcome.key: outcome.digits}
    return signal_of(outcome, "repeated_call", shown, **more)


def _repeats(lane: Lane, outcome: Outcome, streak: Streak, rule: Rule) -> tuple[int, int, int, list[str]]:
    """(count, the count that is shown, limit, form) of a call that repeats: a wait, a retry that asks for one, a poll, any other."""
    if only_waits(outcome):
        return lane.waits.turns, lane.waits.turns, rule["poll_max"], ["waits"]
    form = model.form_of(poll=outcome.poll, idle=outcome.result == outcome.key)
    retried = outcome.kind == FAILED and not (look_at(outcome) or may_await(outcome))
    if outcome.poll and retried and not lane.waits.machine:
        return streak.same_results, streak.same_results, min(rule["poll_max"], RETRIES), form
    if outcome.poll:
        return streak.same_results - streak.far_apart, streak.same_results, rule["poll_max"], form
    count, limit = _in_a_row(lane, outcome, streak, rule)
    only_digits = (count, limit) == (streak.digit_run, rule["digits_max"]) and not outcome.repeats
    return count, count, limit, form + model.form_of(digits=only_digits)


def _in_a_row(lane: Lane, outcome: Outcome, streak: Streak, rule: Rule) -> tuple[int, int]:
    """(count, limit) of what is closest to its limit: a row, 6 of the last 10, or a run that differs only in digits."""
    count, limit = streak.same_in_a_row, rule["threshold"]
    if outcome.result == outcome.key:
        return count, limit  # talk (see calls.is_idle) may come often beside work
    if memory.FLAKY in streak.marks:
        return count, rule["digits_max"]
    since = [r for r in lane.recent if r.n >= streak.repeats_since and r.kind != memory.WAIT]
    if outcome.gesture and all(r.key == outcome.key and r.kind != memory.GOTO for r in since):
        return count, limit * UNSEEN
    sets_up = _any_flaky(lane, [r.key for r in lane.recent[-evidence.LAST_CALLS :]])
    same = [] if sets_up else evidence.equal_calls(lane, outcome)
    start = streak.repeats_since if same and streak.result_since <= same[0].n else 0
    often = len([r for r in same if r.n >= start])
    counts = [(count, limit)]
    if limit:
        counts.append((often, max(limit, OF_LAST)))
    if rule["digits_max"] and not outcome.repeats:
        counts.append((streak.digit_run, rule["digits_max"]))
    return max(counts, key=lambda one: one[0] - one[1])


def call_cycle(work: Work, outcomes: Outcomes, rule: Rule) -> Iterator[Signal]:
    """A ring of 2 to `max_period` calls repeats with unchanged results."""
    if not any(outcome.repeats for outcome in outcomes):
        return
    lane = work.lane
    recent = [past for past in lane.recent if past.kind != memory.WAIT]  # waiting makes it no other ring
    rings = [
        _ring(lane, recent, position, period, rule)
        for position in range(len(recent) - 1, -1, -1)
        if recent[position].turn == lane.turn
        for period in cycles.periods_at(recent, position, rule["max_period"])
    ]
    _, best = max(filter(None, rings), key=lambda ring: ring[0], default=(0, None))
    if best is None:
        return
    warned = any("call_cycle" in streak.marks for streak in _streaks(lane, best.keys))
    if best.wants == TRIP or not warned:
        yield best


def _ring(
    lane: Lane, recent: list[Past], position: int, period: int, rule: Rule
) -> tuple[int, Signal] | None:
    """(rounds beyond the limit, signal) of the ring of that period that ends at `recent[position]`; None if there is none."""
    limit = rule["threshold"] if period == 2 or period >= LONG_RING else rule["threshold_long"]
    if not limit:
        return None
    ring, rounds, since = cycles.ring_at(recent, position, period)
    if all(r.kind == memory.GESTURE for r in ring):
        limit *= UNSEEN
    if _any_flaky(lane, [r.key for r in ring]):
        limit = max(limit, Lane.MOST["recent"] // period)
    limit += any(r.key == r.result for r in ring)  # one round more with talk in it
    if rounds < max(2, limit - 1) or cycles.moved_on(lane, ring, since):
        return None
    results: dict[str, list[str]] = {}
    for r in ring:
        results[r.key] = [*dict.fromkeys([*results.get(r.key, []), r.result])]
    in_turn = any(len(found) > 1 for found in results.values())
    if in_turn and any(r.kind in memory.GESTURES for r in ring):
        return None  # a page that goes to and fro: its clicks are counted
    opens_at = limit
    if _compares(lane, ring, in_turn):
        opens_at = min(limit * UNSEEN, Lane.MOST["recent"] // period)
    names = [streak.label for streak in _streaks(lane, [r.key for r in ring])]
    signal = Signal(
        rule="call_cycle",
        wants=TRIP if rounds >= opens_at else WARN,
        subject=" + ".join(names)[:120],
        keys=list(results),
        results={key: OR.join(found) for key, found in results.items()},
        count=rounds,
        since=since,
        calls=(names * 2)[-CALLS_MAX:],
        form=model.form_of(mild=rounds + 1 < opens_at),
        facts={"period": period},
    )
    return rounds - limit, signal


def _compares(lane: Lane, ring: list[Past], in_turn: bool) -> bool:
    """Whether a ring may be an A/B check: change, run, undo, run. `in_turn`: a call of it returns two results in turn."""
    progress = {n for n, _ in lane.progress}
    changes = {r.key for r in ring if r.n in progress}
    return any(r.kind == memory.RUN for r in ring) and (in_turn or len(changes) > 1)


def _any_flaky(lane: Lane, keys: list[str]) -> bool:
    """Whether one of these calls fails now and then, so that they are repeated to see how often."""
    return any(memory.FLAKY in streak.marks for streak in _streaks(lane, keys))


def _streaks(lane: Lane, keys: list[str]) -> list[Streak]:
    return [lane.streaks[key] for key in keys if key in lane.streaks]


def failing_streak(work: Work, outcomes: Outcomes, rule: Rule) -> Iterator[Signal]:
    """Turns in a row in which every call failed; turns in a row of searches that found nothing."""
    lane, last, empty = work.lane, outcomes[-1], rule["empty_searches"]
    yield from _failing_turns(lane, last, rule)
    if lane.empties in (empty, 2 * empty) and evidence.searched_in_vain(outcomes):
        searches = {"subject": "empty searches", "keys": [], "form": ["empty"]}
        yield signal_of(last, "failing_streak", lane.empties, wants=WARN, **searches)


def _failing_turns(lane: Lane, last: Outcome, rule: Rule) -> Iterator[Signal]:
    turns, warnings = lane.failing, lane.failing_warned
    first, stop_at = rule["threshold"], rule["stop_at"]
    second = first + (first + 1) // 2
    if stop_at:
        second = min(second, max(stop_at - 1, first + 1))  # both warnings come before the stop
    failing = {"subject": "failing turns", "keys": []}
    if warnings < (turns >= first) + (turns >= second):
        left = max(stop_at - turns, 1) if stop_at else 0
        yield signal_of(last, "failing_streak", turns, wants=WARN, left=left, **failing)
    elif stop_at and turns >= stop_at and warnings > 1:
        yield signal_of(last, "failing_streak", turns, wants=STOP, counted=turns > stop_at, **failing)


def sequential_tools(work: Work, outcomes: Outcomes, rule: Rule) -> Iterator[Signal]:
    """One call per turn, all of one shape, without progress: one call or a script could do it."""
    run = work.lane.sequence
    if len(outcomes) != 1 or run.length <= rule["threshold"] or not run.varying:
        return  # a script could not spare equal calls
    shown = labels.shape(outcomes[0].tool, outcomes[0].input)
    yield Signal(
        rule="sequential_tools",
        subject=shown,
        keys=["shape:" + run.shape],
        count=run.length,
        since=run.first,
        calls=[shown],
        counted=run.length > rule["threshold"] + 1,
    )


def external_api(work: Work, outcomes: Outcomes, rule: Rule) -> Iterator[Signal]:
    """Too many calls to one outside service, within `window_seconds` or in the session."""
    known = work.session.services
    called = [service(outcome.tool, outcome.input) for outcome in outcomes] if known else []
    for name in dict.fromkeys(filter(None, called)):
        times, calls, new = known[name], work.session.service_calls[name], called.count(name)
        lately, earlier = _lately(times, rule), _lately(times[:-new], rule)
        too_many = 0 < rule["session_max"] < calls
        if lately > rule["threshold"] or too_many:
            yield Signal(
                rule="external_api",
                subject=name,
                keys=["service:" + name],
                count=max(lately, calls if too_many else 0),
                since=work.lane.n,
                calls=[name],
                counted=earlier > rule["threshold"] or 0 < rule["session_max"] < calls - new,
                form=model.form_of(total=too_many),
                facts={"seconds": rule["window_seconds"]},
            )


def _lately(times: list[float], rule: Rule) -> int:
    """How many calls were made within `window_seconds` up to the last of them."""
    return len([at for at in times if 0 <= times[-1] - at < rule["window_seconds"]])


DETECTORS = {
    "tool_failure": tool_failure,
    "repeated_call": repeated_call,
    "call_cycle": call_cycle,
    "failing_streak": failing_streak,
    "sequential_tools": sequential_tools,
    "external_api": external_api,
}
