"""The rules: one detector each, in the table DETECTORS; tool_failure is in failures.py.

A detector reads the lane after `evidence.take` and the turn's outcomes, and returns signals (warn, open or stop).
It changes nothing; `context.act` decides what a signal does under the rule's `action`.
"""

from __future__ import annotations

from circuit_breaker.breaker import cycles, evidence, waiting
from circuit_breaker.breaker.failures import signal_of, tool_failure
from circuit_breaker.breaker.memory import GOTO, POLL, RUN, STEP, WAIT, Lane, Session, Streak
from circuit_breaker.breaker.model import OK, Signal
from circuit_breaker.identity.calls import schedules, service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from circuit_breaker.breaker.model import Outcome


LAST_CALLS, OF_LAST = 10, 6  # repeated_call: 6 of a lane's last 10 calls (policy 5)
UNSEEN = 2  # factor of the limit for clicks and keys without a look between: their results only confirm them
LONG_RING = 6  # calls; from this length a ring needs no more rounds than a ring of 2


def repeated_call(
    session: Session, lane: Lane, outcomes: Sequence[Outcome], rule: Mapping[str, Any], now: float
) -> list[Signal]:
    """The same call with the same result, or the same edit, again and again; one signal per call."""
    signals = []
    for outcome in outcomes:
        streak = lane.streaks.get(outcome.key)
        if streak is None:
            continue
        found = _edited(lane, outcome, streak, rule) or _repeated(lane, outcome, streak, rule)
        if found is not None:
            signals.append(found)
    return signals


def _repeated(lane: Lane, outcome: Outcome, streak: Streak, rule: Mapping[str, Any]) -> Signal | None:
    """The same call with the same result: in a row, or 6 of the last 10. Polls and waits have a higher limit."""
    if streak.times < 2 and streak.run < 2 and lane.waits < 2:
        return None  # nothing came twice
    facts: dict[str, Any] = {"poll": outcome.poll, "idle": outcome.result == outcome.key}
    most = count = 0
    if waiting.only_waits(outcome):
        count = most = lane.waits
        limit, facts = rule["poll_max"], {"waits": True}
    elif outcome.poll:
        count, most, limit = streak.times - streak.far, streak.times, rule["poll_max"]
    else:
        count, limit = _in_a_row(lane, outcome, streak, rule)
        facts["digits"] = count == streak.run and not outcome.repeats
    warned = "t" in streak.marks
    if not limit or (warned and count < limit):
        return None
    opens = count >= limit and not schedules(outcome.tool)  # denying it would leave no way to continue later
    if not opens and count < limit - 1 and most < limit:
        return None
    if max(count, most) < 2 or (warned and not opens):
        return None
    step = "open" if opens else "warn"
    if not opens and count < limit - 1:
        facts["far"] = True  # looks `poll_gap_seconds` apart are never blocked
    return signal_of(outcome, "repeated_call", max(count, most), step=step, since=streak.counted, facts=facts)


def _in_a_row(lane: Lane, outcome: Outcome, streak: Streak, rule: Mapping[str, Any]) -> tuple[int, int]:
    """(count, limit) of what is closest to its limit: a row, 6 of the last 10, or a run that differs only in digits."""
    count, limit = streak.row, rule["threshold"]
    if outcome.result == outcome.key:
        return count, limit  # talk (see calls.is_idle) may come often beside work
    since = [r for r in lane.recent if r[0] >= streak.counted and r[5] != WAIT]
    if outcome.step and all(r[2] == outcome.key and r[5] != GOTO for r in since):
        return count, limit * UNSEEN
    often = sum(
        1
        for r in lane.recent[-LAST_CALLS:]
        if r[2] == outcome.key and r[3] == outcome.result and r[0] >= streak.counted and r[5] != POLL
    )
    if limit and often - OF_LAST > count - limit:
        count, limit = often, OF_LAST
    if rule["digits_max"] and streak.run - rule["digits_max"] > count - limit:
        count, limit = streak.run, rule["digits_max"]
    return count, limit


def _edited(lane: Lane, outcome: Outcome, streak: Streak, rule: Mapping[str, Any]) -> Signal | None:
    """The same write again and again, with any result: it adds each time, or repeats what is done."""
    limit = rule["same_edit"]
    if not limit or outcome.kind != OK or not outcome.change:
        return None
    same = [r[0] for r in lane.recent[-evidence.LAST_EDITS :] if r[2] == outcome.key and r[4]]
    if len(same) < max(2, limit - 1):
        return None
    from circuit_breaker.identity.acts import adds_again

    if not adds_again(outcome.tool, outcome.input):
        return None
    others = any(n > same[-2] and n != outcome.n for n, _ in lane.moves)
    opens = len(same) >= limit and not others
    if not opens and (len(same) != limit - 1 or "e" in streak.marks):
        return None
    return signal_of(
        outcome,
        "repeated_call",
        len(same),
        step="open" if opens else "warn",
        since=outcome.n,
        facts={"edit": True},
    )


def call_cycle(
    session: Session, lane: Lane, outcomes: Sequence[Outcome], rule: Mapping[str, Any], now: float
) -> list[Signal]:
    """A ring of 2 to `max_period` calls repeats with unchanged results."""
    if not any(outcome.repeats for outcome in outcomes):
        return []
    best: Signal | None = None
    moves = {n for n, _ in lane.moves}
    recent = [r for r in lane.recent if r[5] != WAIT]  # waiting between makes it no other ring
    for position in range(len(recent) - 1, -1, -1):
        if recent[position][1] != lane.turn:
            break
        for period in cycles.periods_at(recent, position, rule["max_period"]):
            limit = rule["threshold"] if period == 2 or period >= LONG_RING else rule["threshold_long"]
            if not limit:
                continue
            ring, rounds, since = cycles.ring_at(recent, position, period)
            if all(r[5] == STEP for r in ring):
                limit *= UNSEEN
            limit += any(r[2] == r[3] for r in ring)  # one round more with talk in it
            if rounds < max(2, limit - 1) or cycles.moved_on(lane, ring, since):
                continue
            if best is not None and best.count - best.facts["limit"] >= rounds - limit:
                continue
            writes = {r[2] for r in ring if r[0] in moves}
            toggles = len(writes) > 1 and any(
                r[5] == RUN for r in ring
            )  # change, run, undo, run: an A/B check
            names = [streak.label for streak in _streaks(lane, [r[2] for r in ring])]
            best = Signal(
                rule="call_cycle",
                step="open" if rounds >= limit and not toggles else "warn",
                subject=" + ".join(names)[:120],
                keys=list(dict.fromkeys(r[2] for r in ring)),
                results={r[2]: r[3] for r in ring},
                count=rounds,
                since=since,
                calls=names * 2,
                facts={"period": period, "limit": limit},
            )
    if best is None:
        return []
    warned = any("c" in streak.marks for streak in _streaks(lane, best.keys))
    return [] if best.step == "warn" and warned else [best]


def sequential_tools(
    session: Session, lane: Lane, outcomes: Sequence[Outcome], rule: Mapping[str, Any], now: float
) -> list[Signal]:
    """One call per turn, all of one shape, without progress: one call or a script could do it."""
    run = lane.sequence
    if not run or len(outcomes) != 1 or run[2] <= rule["threshold"]:
        return []
    tool = outcomes[0].tool
    plain, _, last = run[0].rpartition(" ")
    digested = plain and len(last) == 12 and not last.strip("0123456789abcdef")
    shown = plain if digested else run[0]  # a digest stands for a word that may be a secret
    return [
        Signal(
            rule="sequential_tools",
            subject=shown,
            keys=["shape:" + run[0]],
            count=run[2],
            since=run[5],
            calls=[shown],
            facts={"once": run[2] > rule["threshold"] + 1, "tool": tool},
        )
    ]


def external_api(
    session: Session, lane: Lane, outcomes: Sequence[Outcome], rule: Mapping[str, Any], now: float
) -> list[Signal]:
    """Too many calls to one outside service, within `window_seconds` or in the session."""
    if not session.services:
        return []
    signals = []
    for name in dict.fromkeys(service(outcome.tool, outcome.input) for outcome in outcomes):
        made = session.services.get(name)
        if not name or made is None:
            continue
        lately = sum(1 for t in made[2:] if 0 <= now - t < rule["window_seconds"])
        total = rule["session_max"] and made[0] > rule["session_max"]
        if lately <= rule["threshold"] and not total:
            continue
        now_made = sum(1 for outcome in outcomes if service(outcome.tool, outcome.input) == name)
        signals.append(
            Signal(
                rule="external_api",
                subject=name,
                keys=["service:" + name],
                count=max(lately, made[0] if total else 0),
                since=lane.n,
                calls=[name],
                facts={
                    "once": 0 < made[1] >= made[0] - now_made,  # the same burst continues
                    "total": bool(total),
                    "seconds": rule["window_seconds"],
                    "service": name,
                },
            )
        )
    return signals


def failing_streak(
    session: Session, lane: Lane, outcomes: Sequence[Outcome], rule: Mapping[str, Any], now: float
) -> list[Signal]:
    """Turns in a row in which every call failed; turns in a row of searches that found nothing."""
    if not outcomes:
        return []
    signals = []
    turns, warnings = lane.failing or (0, 0)
    first, stop_at = rule["threshold"], rule["stop_at"]
    second = first + (first + 1) // 2
    second = min(second, max(stop_at - 1, first + 1)) if stop_at else second
    if warnings < (turns >= first) + (turns >= second):
        signals.append(
            _streak_signal(outcomes[-1], turns, "warn", left=max(stop_at - turns, 1) if stop_at else 0)
        )
    elif stop_at and turns >= stop_at and warnings > 1:
        signals.append(_streak_signal(outcomes[-1], turns, "stop"))
    empty = rule["empty_searches"]
    if empty and lane.empties in (empty, 2 * empty) and evidence.searched_in_vain(outcomes):
        signals.append(_streak_signal(outcomes[-1], lane.empties, "warn", empty=True))
    return signals


def _streak_signal(outcome: Outcome, turns: int, step: str, **facts: Any) -> Signal:
    subject = "empty searches" if facts.get("empty") else "failing turns"
    return signal_of(
        outcome, "failing_streak", turns, step=step, subject=subject, keys=[], results={}, facts=facts
    )


DETECTORS = {
    "tool_failure": tool_failure,
    "repeated_call": repeated_call,
    "call_cycle": call_cycle,
    "failing_streak": failing_streak,
    "sequential_tools": sequential_tools,
    "external_api": external_api,
}


def _streaks(lane: Lane, keys: Sequence[str]) -> list[Streak]:
    return [streak for streak in [lane.streaks.get(key) for key in keys] if streak is not None]
