"""Waiting in a lane: which calls are polls because a wait came before them, mere waits, and launches in the background.

A wait is part of a shell line, a call of its own, a command in the background that ends, or the time up to a prompt that you did
not type. A look at something live is also a poll if enough time has passed since its last result.
"""

from __future__ import annotations

from circuit_breaker.breaker.model import DENIED, FAILED, FAILURES, INVALID, LAUNCHED, OK, Outcome
from circuit_breaker.identity import calls, looks, waits
from circuit_breaker.identity.keys import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from circuit_breaker.breaker.memory import Lane, Session, Streak

LOOKS_MAX = 10  # calls after a wait among which a first look is a poll


def wake(session: Session, lane: Lane, prompt: str, now: float) -> None:
    """Note a wait before a turn: one in the background that has ended, or the time until another prompt.

    It makes looks polls, and all calls if you did not type the prompt.
    """
    if lane.ready and now >= lane.ready:
        lane.waited, lane.ready = lane.n, 0.0
    current = prompt or session.prompt
    if not current or current == lane.woke:
        return
    lane.woke, lane.woken = current, lane.n
    lane.machine = current != session.person


def look(outcome: Outcome) -> int:
    """What the call looks at (looks.NOTHING, FILES or LIVE), worked out when first needed: most calls come once."""
    if outcome.look < 0:
        outcome.look = looks.look_of(outcome.tool, outcome.input)
    return int(outcome.look)


def begin(lane: Lane, streak: Streak, outcome: Outcome, now: float, gap: float) -> None:
    """Set whether the outcome is a poll, before it is counted. `streak`: of its call so far."""
    if outcome.wait == waits.BEFORE:
        lane.waited = outcome.n - 1
    outcome.poll = outcome.kind not in (INVALID, DENIED) and _is_poll(lane, streak, outcome, now, gap)


def only_waits(outcome: Outcome) -> bool:
    """Whether it waits and shows nothing."""
    return outcome.wait == waits.ALONE and not looks.reads_output(outcome.tool, outcome.input)


def _is_poll(lane: Lane, streak: Streak, outcome: Outcome, now: float, gap: float) -> bool:
    if looks.reads_output(outcome.tool, outcome.input) and outcome.kind == FAILED:
        return False  # there is no such output, and waiting will not help
    if outcome.wait == waits.ALONE:
        return True
    known = streak.first >= 0 or streak.since >= 0  # your prompt forgets successes
    woken = known and lane.woken >= streak.last
    if woken and lane.machine:
        return True
    if known:
        waited = lane.waited >= streak.last
    else:
        waited = lane.waited > lane.acted and outcome.n - lane.waited <= LOOKS_MAX
    if woken or outcome.wait or waited:
        return bool(look(outcome)) or (outcome.kind == OK and looks.may_look(outcome.tool, outcome.input))
    passed = known and _passed(streak, now, gap)
    return (passed or looks.reads_output(outcome.tool, outcome.input)) and look(outcome) == looks.LIVE


def _passed(streak: Streak, now: float, gap: float) -> bool:
    """Whether `gap` seconds have passed since the last result; never with a `gap` of 0."""
    return 0 < gap <= now - streak.at


def finish(lane: Lane, outcome: Outcome) -> None:
    """Note a counted outcome for the looks that follow: it waited, or it acted."""
    if outcome.wait in (waits.AFTER, waits.ALONE):
        lane.waited = outcome.n
    elif outcome.change or (outcome.kind in FAILURES and outcome.look == looks.NOTHING):
        lane.acted = outcome.n


def note_waits(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """Count turns in a row that only waited and returned nothing new, and those that also looked and saw nothing new."""
    alone = all(only_waits(outcome) and (outcome.empty or outcome.repeats) for outcome in outcomes)
    lane.waits = lane.waits + 1 if alone and outcomes else 0
    still = all(outcome.poll and (outcome.repeats or only_waits(outcome)) for outcome in outcomes)
    lane.still = lane.still + 1 if still and outcomes else 0


def note_scheduled(session: Session, outcomes: Sequence[Outcome]) -> None:
    """Remember prompts that Claude schedules: they are not yours when they come."""
    for outcome in outcomes:
        if calls.schedules(outcome.tool) and isinstance(outcome.input, dict):
            text = outcome.input.get("prompt")
            known = digest(text) if isinstance(text, str) and text else ""
            if known and known not in session.scheduled:
                session.scheduled.append(known)


def note_launches(lane: Lane, outcomes: Sequence[Outcome], now: float) -> Outcome | None:
    """Count launches in the background, and note when a wait there will end. -> the outcome that was launched again, or None."""
    again = None
    for outcome in {outcome.key: outcome for outcome in outcomes if outcome.kind == LAUNCHED}.values():
        if outcome.tool == "Monitor":
            lane.waited = lane.n
            continue
        waited = outcome.wait and (outcome.wait == waits.ALONE or look(outcome))
        if waited:
            lane.ready = now + waits.seconds_of(calls.shell_command(outcome.tool, outcome.input))
        if not waited or outcome.wait == waits.ALONE:
            known = lane.launched == outcome.key
            lane.launched, lane.launches = outcome.key, lane.launches + 1 if known else 1
            again = outcome if known else again
    return again
