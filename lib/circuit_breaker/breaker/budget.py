"""The rule `budget`: limits on calls, tokens and time per prompt and session, over all lanes.

`session.budget` holds, if a limit is set: calls, tools (name -> calls) and `prompt` (tokens) since your last prompt; `session`
(tokens) since the breaker first saw the session; `idle` (tokens) and `since` (epoch seconds) since the last progress; `said`
(limit -> highest percentage warned of), `granted` (limit -> how many times its amount you have allowed).
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker, context
from circuit_breaker.breaker.config import LIMITS
from circuit_breaker.breaker.model import CLOSED, FOR_YOU, MAIN, Notice, Signal, plus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.context import Work
    from circuit_breaker.breaker.memory import Lane, Session
    from circuit_breaker.breaker.model import Ask, Turn

    Kept = dict[str, Any]

WARN_AT = (50, 80)  # percent
SESSION_LIMIT = "tokens_per_session"  # the one limit that your next prompt does not reset
TOOLS_MAX = 12  # tools that are counted by name; the rest are "other"


def started(now: float) -> Kept:
    """The counts with nothing used."""
    return {
        "calls": 0,
        "tools": {},
        "prompt": [0, 0, 0, 0],
        "session": [0, 0, 0, 0],
        "idle": [0, 0, 0, 0],
        "since": round(now, 1),
        "said": {},
        "granted": {},
    }


def count(session: Session, spent: list[int]) -> None:
    """Add tokens that no turn has counted: `spent` as in Prompt."""
    kept = session.budget
    session.budget = {**kept, **{name: plus(kept[name], spent) for name in ("prompt", "session", "idle")}}


def prompted(session: Session, now: float) -> None:
    """Reset all counts but the session's tokens: you sent a prompt."""
    kept = session.budget or started(now)
    fresh = {**started(now), "session": kept["session"]}
    for name in ("said", "granted"):
        fresh[name] = {limit: value for limit, value in kept[name].items() if limit == SESSION_LIMIT}
    session.budget = fresh


def before_turn(lane: Lane, event: Turn) -> tuple[list[str], int]:
    """(tools of the turn's calls that count, the lane's n before it). Calls seen before or denied by us do not count."""
    counted = [
        result.tool
        for result in event.results
        if not (result.id and result.id in lane.seen) and result.id not in lane.denied
    ]
    return counted, lane.n


def after_turn(work: Work, event: Turn, tools: list[str], n_before: int) -> None:
    """Count a finished turn; warn, ask or stop if a limit is reached."""
    kept = dict(work.session.budget or started(work.now))
    kept["calls"] += len(tools)
    kept["tools"] = _tallied(kept["tools"], tools)
    for name in ("prompt", "session", "idle"):
        kept[name] = plus(kept[name], event.spent)
    if any(n > n_before and before < 0 for n, before in work.lane.moves):
        kept["idle"], kept["since"] = [0, 0, 0, 0], round(work.now, 1)
        for name in ("said", "granted"):
            kept[name] = {limit: v for limit, v in kept[name].items() if not limit.endswith("_progress")}
    work.session.budget = kept
    if work.bypassed:
        return
    rule = work.rule("budget")
    for limit in LIMITS:
        if rule[limit]:
            _check(work, event, limit, rule[limit])


def _tallied(known: dict[str, int], tools: list[str]) -> dict[str, int]:
    tally = dict(known)
    for tool in tools:
        name = tool if tool in tally or len(tally) < TOOLS_MAX else "other"
        tally[name] = tally.get(name, 0) + 1
    return tally


def used(kept: Kept, limit: str, now: float) -> int:
    """How much of a limit is used."""
    if limit == "calls_per_prompt":
        return int(kept["calls"])
    if limit == "minutes_since_progress":
        return int(max(0.0, now - kept["since"]) // 60)
    name = {"tokens_per_prompt": "prompt", SESSION_LIMIT: "session"}.get(limit, "idle")
    return sum(kept[name])


def _check(work: Work, event: Turn, limit: str, most: int) -> None:
    kept = work.session.budget
    amount, times = used(kept, limit, work.now), kept["granted"].get(limit, 0)
    work.count("budget", seen=amount)
    if amount >= most * (times + 1):
        _used_up(work, event, limit, amount, most)
        return
    share = 100 * amount // most
    reached = max([percent for percent in WARN_AT if percent <= share], default=0)
    if times or reached <= kept["said"].get(limit, 0):
        return
    kept["said"] = {**kept["said"], limit: reached}
    if work.action("budget") != "observe":
        signal = _signal(work, limit, amount, most)
        context.warn(work, signal)
        work.notices.append(Notice(kind=FOR_YOU, rule="budget", count=amount, facts=signal.facts))


def _used_up(work: Work, event: Turn, limit: str, amount: int, most: int) -> None:
    """A limit is reached: ask you before the next call, or stop the turn if nobody can answer."""
    kept, action = work.session.budget, work.action("budget")
    signal = _signal(work, limit, amount, most)
    if action != "block":
        _allow(kept, limit, amount, most)
        context.act(work, signal)  # counts it, and warns if that is the action
        return
    if work.asks("budget") and event.attended:
        _open(work, signal)
        if work.name == MAIN:
            return
    if limit in kept["said"]:
        work.count("budget", trips=1)
        context.stop_turn(work, signal)
    else:  # reached in one turn without a warning: the first stop needs one
        kept["said"] = {**kept["said"], limit: 100}
        context.warn(work, signal)


def _open(work: Work, signal: Signal) -> None:
    known = work.session.circuits.get(signal.name)
    if known is not None and known.state != CLOSED:
        work.session.circuits[known.name] = known.but(count=signal.count, facts=signal.facts)
        return
    context.open_until_prompt(work, signal, work.session.budget["prompt"])


def ask(work: Work, event: Ask) -> None:
    """Ask you about the main thread's next call after limits were reached: one question for all of them."""
    circuits = [c for c in work.session.circuits.values() if c.rule == "budget" and c.state != CLOSED]
    if (
        not circuits
        or work.name != MAIN
        or not event.attended
        or work.bypassed
        or work.excluded(event.tool, "budget")
    ):
        return
    rule, kept = work.rule("budget"), work.session.budget
    for circuit in circuits:
        limit = circuit.subject
        work.put(breaker.close(circuit).but(level=0))
        if work.asks("budget") and kept and rule.get(limit):
            _allow(kept, limit, used(kept, limit, work.now), rule[limit])
            context.ask(work, event.id, circuit)


def allowed(session: Session, rule: dict[str, Any], limit: str, now: float) -> None:
    """You reset a limit: it is reached again after its next full amount."""
    if session.budget and rule.get(limit):
        _allow(session.budget, limit, used(session.budget, limit, now), rule[limit])


def _allow(kept: Kept, limit: str, amount: int, most: int) -> None:
    kept["granted"] = {**kept["granted"], limit: max(1, amount // most)}


def _signal(work: Work, limit: str, amount: int, most: int) -> Signal:
    kept = work.session.budget
    most_used = sorted(kept["tools"].items(), key=lambda item: -item[1])
    return Signal(
        rule="budget",
        subject=limit,
        keys=["budget:" + limit],
        count=amount,
        facts={
            "limit": limit,
            "of": most,
            "again": most * (max(1, amount // most) + 1),
            "tools": [[tool, calls] for tool, calls in most_used[:4]],
            "tokens": kept["session"] if limit == SESSION_LIMIT else kept["prompt"],
            "idle": int(max(0.0, work.now - kept["since"])),
        },
    )
