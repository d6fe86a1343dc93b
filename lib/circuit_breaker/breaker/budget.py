"""The rule `budget`: limits on calls, tokens and time per prompt and session, over all lanes."""

from __future__ import annotations

from circuit_breaker.breaker import breaker
from circuit_breaker.breaker.config import LIMITS
from circuit_breaker.breaker.context import Work
from circuit_breaker.breaker.memory import Budget, Session
from circuit_breaker.breaker.model import FOR_YOU, MAIN, NO_TOKENS, Ask, Notice, Signal, Turn, plus

WARN_AT = (50, 80)  # percent
TOOLS_MAX = 12  # tools that are counted by name; the rest are "other"


def add_tokens(kept: Budget, spent: list[int]) -> Budget:
    """The counts with more tokens."""
    added = {name: plus(getattr(kept, name), spent) for name in ("prompt", "session", "idle")}
    return kept.but(**added)


def prompted(session: Session, now: float) -> None:
    """Reset all counts but the session's tokens: you sent a prompt."""
    kept = session.budget
    session.budget = Budget(since=round(now, 1), session=kept.session, reached=_lasting(kept, "_session"))


def _lasting(kept: Budget, *ends: str) -> dict[str, int]:
    """What is kept of `reached`: the limits whose names have such an end."""
    return {limit: percent for limit, percent in kept.reached.items() if limit.endswith(ends)}


def count(work: Work, event: Turn, tools: list[str], n_before: int) -> None:
    """Count a finished turn, `tools` of its calls included. `n_before`: n before it."""
    kept = work.session.budget if work.session.budget.since else Budget(since=round(work.now, 1))
    kept = add_tokens(kept.but(calls=kept.calls + len(tools), tools=_tallied(kept.tools, tools)), event.spent)
    if any(n > n_before and before < 0 for n, before in work.lane.progress):
        lasting = _lasting(kept, "_session", "_prompt")
        kept = kept.but(idle=[*NO_TOKENS], since=round(work.now, 1), reached=lasting)
    work.session.budget = kept


def check(work: Work, event: Turn) -> None:
    """After a turn: warn, ask or stop if a limit is reached."""
    rule = work.rule("budget")
    for limit in LIMITS:
        if rule[limit] and not work.bypassed:
            _check(work, event, limit, rule[limit])


def _tallied(known: dict[str, int], tools: list[str]) -> dict[str, int]:
    tally = dict(known)
    for tool in tools:
        name = tool if tool in tally or len(tally) < TOOLS_MAX else "other"
        tally[name] = tally.get(name, 0) + 1
    return tally


def used(kept: Budget, limit: str, now: float) -> int:
    """How much of a limit is used."""
    if limit == "calls_per_prompt":
        return kept.calls
    if limit == "minutes_since_progress":
        return int(max(0.0, now - kept.since) // 60)
    return sum({"tokens_per_prompt": kept.prompt, "tokens_per_session": kept.session}.get(limit, kept.idle))


def _check(work: Work, event: Turn, limit: str, most: int) -> None:
    """Warn at WARN_AT. At 100 %, ask you before the next call, or stop the turn if nobody can answer and a warning came before."""
    kept, action = work.session.budget, work.action("budget")
    amount, before = used(kept, limit, work.now), kept.reached.get(limit, 0)
    signal = _signal(work, limit, amount, most)
    work.tally("budget")["count"] = amount
    if amount >= most * (before // 100 + 1):
        if action != "block":
            allow(work, limit)
            work.act(signal)  # counts it, and warns if that is the action
            return
        if work.asks("budget") and event.attended:
            _ask_later(work, signal)
            if work.name == MAIN:
                return
        if before:
            work.tally("budget")["trips"] += 1
            work.stop_turn(signal)
            return
    percent = max([percent for percent in WARN_AT if 100 * amount >= percent * most], default=0)
    if percent <= before:
        return
    work.session.budget = kept.but(reached={**kept.reached, limit: percent})
    if action != "observe":
        work.warn(signal)
        work.notices.append(Notice.about(signal, kind=FOR_YOU))


def _ask_later(work: Work, signal: Signal) -> None:
    """Open a circuit that asks you before the main thread's next call."""
    known = work.session.circuits.get(signal.name)
    if known is not None and known.live:
        work.session.circuits[known.name] = known.but(count=signal.count, facts=signal.facts)
    else:
        work.open_until_prompt(signal, work.session.budget.prompt)


def ask_at_limit(work: Work, event: Ask) -> None:
    """Ask you about the main thread's next call after limits were reached: one question for all of them."""
    if work.name != MAIN or not event.attended or work.bypassed or work.excluded(event.tool, "budget"):
        return
    for circuit in [*work.session.circuits.values()]:
        if circuit.rule == "budget" and circuit.live:
            work.put(breaker.close(circuit).but(level=0))
            if work.asks("budget") and allow(work, circuit.subject):
                work.ask(event.id, circuit)


def allow(work: Work, limit: str) -> bool:
    """Let a limit be reached again only after its next full amount; False if it is not set."""
    kept, most = work.session.budget, work.rule("budget").get(limit)
    if not kept.since or not most:
        return False
    times = max(1, used(kept, limit, work.now) // most)
    work.session.budget = kept.but(reached={**kept.reached, limit: 100 * times})
    return True


def _signal(work: Work, limit: str, amount: int, most: int) -> Signal:
    kept = work.session.budget
    most_used = sorted(kept.tools.items(), key=lambda item: -item[1])
    return Signal(
        rule="budget",
        subject=limit,
        count=amount,
        facts={
            "of": most,
            "again": most * (max(1, amount // most) + 1),
            "tools": [[tool, calls] for tool, calls in most_used[:4]],
            "tokens": kept.session if limit == "tokens_per_session" else kept.prompt,
            "idle": int(max(0.0, work.now - kept.since)),
        },
    )
