"""What does a signal do under its rule's action? Open, tell, end, or only be counted. Pure."""

from __future__ import annotations

from circuit_breaker.core import breaker, circuits
from circuit_breaker.core.memory import streak_of
from circuit_breaker.core.model import CLOSED, MAIN
from circuit_breaker.core.work import CALLS_MAX, Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.detectors import Signal

NOTES_MAX = 8
TOLD, COUNTED = "t", "w"  # marks of a streak


def act(work: Work, signal: Signal) -> None:
    """Carry out one signal. The first rule that opens for a call wins: a call in a live circuit gets no second one."""
    action = work.action(signal.rule)
    if not action:
        return
    work.count(signal.rule, seen=signal.count)
    if signal.step == "tell":
        if action != "observe":
            tell(work, signal, opened=False)
        return
    if action != "block":
        _only_count(work, signal, action)
    elif signal.step == "end":
        end(work, signal)
    else:
        trip(work, signal)


def _only_count(work: Work, signal: Signal, action: str) -> None:
    """warn and observe: CLOSED stays CLOSED; once a streak it is counted, and told under warn."""
    if signal.facts.get("once") or _marked(work, signal, COUNTED):
        return
    _mark(work, signal, COUNTED)
    work.count(signal.rule, would=1)
    if action == "warn" and not _marked(work, signal, TOLD):
        tell(work, signal, opened=False)


def trip(work: Work, signal: Signal) -> None:
    """CLOSED -> OPEN, on record; tool_failure tells in the same turn, the others if they have not told before."""
    from circuit_breaker.core import wording

    cause = wording.cause(signal)
    signal = _named_apart(work, signal)
    known = work.lane.circuits.get(f"{signal.rule}:{signal.subject}")
    if known is not None and known.state != CLOSED:
        return
    rule = work.rule(signal.rule)
    fresh = known if known is not None else circuits.Circuit(rule=signal.rule, subject=signal.subject)
    circuit = breaker.trip(
        fresh.but(
            keys=signal.keys,
            results=signal.results,
            since=signal.since,
            count=signal.count,
            cause=cause,
            clip=signal.clip,
            calls=signal.calls[-CALLS_MAX:],
        ),
        work.now,
        rule["cooldown_base_seconds"],
        work.config.cooldown_steps,
    )
    work.put(circuit)
    work.count(signal.rule, trips=1)
    work.record("trip", circuit, CLOSED)
    if signal.rule == "tool_failure" or not _marked(work, signal, TOLD):
        tell(work, signal, opened=True)


def _named_apart(work: Work, signal: Signal) -> Signal:
    """The signal, its subject numbered where another call with the same short label is blocked already."""
    subject, number = signal.subject, 2
    while True:
        known = work.lane.circuits.get(f"{signal.rule}:{signal.subject}")
        if known is None or known.state == CLOSED or not set(known.keys).isdisjoint(signal.keys):
            return signal
        signal = signal.but(subject=f"{subject} ({number})")
        number += 1


def tell(work: Work, signal: Signal, opened: bool) -> None:
    """Say it to the model after this turn; under a bypass nothing is said."""
    _mark(work, signal, TOLD)
    if work.bypassed:
        return
    from circuit_breaker.core import wording

    work.count(signal.rule, warned=True)
    work.say("warning", f"{signal.rule}:{signal.subject}", wording.cause(signal), signal.calls)
    work.tells.append(wording.tell(signal, opened))


def end(work: Work, signal: Signal) -> None:
    """End the turn for what cannot be denied."""
    from circuit_breaker.core import wording

    end_turn(work, f"{signal.rule}:{signal.subject}", wording.cause(signal), signal.calls, trips=signal.rule)


def end_turn(work: Work, subject: str, why: str, calls: list[str], trips: str = "") -> None:
    """End this turn, on record; an ended subagent leaves a note for its parent, which sees nothing of it otherwise."""
    if work.bypassed:
        return
    from circuit_breaker.core import wording

    if trips:
        work.count(trips, trips=1)
    work.say("ending", subject, why, calls)
    work.ends.append(wording.ending(subject, why))
    if work.name != MAIN:
        work.session.notes.append([work.name, wording.ended_agent(work.name, f"{subject}: {why}")])
        del work.session.notes[:-NOTES_MAX]


def _marked(work: Work, signal: Signal, mark: str) -> bool:
    mark = _own(signal, mark)
    known = [streak_of(work.lane, key) for key in signal.keys]
    return any(mark in streak.marks for streak in known if streak is not None)


def _mark(work: Work, signal: Signal, mark: str) -> None:
    mark = _own(signal, mark)
    for key in signal.keys:
        streak = streak_of(work.lane, key)
        if streak is not None and mark not in streak.marks:
            work.lane.streaks[key] = streak.but(marks=streak.marks + mark)


def _own(signal: Signal, mark: str) -> str:
    """A cycle's marks are not its members': c and o stand for t and w."""
    if signal.rule == "call_cycle":
        return "c" if mark == TOLD else "o"
    if signal.rule == "tool_failure":
        return "f" if mark == TOLD else "g"
    return mark
