"""How does a circuit close, and what is forgotten with it? Pure."""

from __future__ import annotations

from circuit_breaker.core import breaker
from circuit_breaker.core.memory import Lane, streak_of
from circuit_breaker.core.model import CLOSED, RESET, Record
from circuit_breaker.core.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from circuit_breaker.core.circuits import Circuit


class Reset(Record):
    """A person closes circuits: all, or those of a name or rule."""

    KIND = RESET
    FIELDS = {"which": ""}


def close(work: Work, circuit: Circuit, why: str, event: str = "close") -> None:
    """CLOSED, its window cleared, on record."""
    closed = breaker.close(circuit)
    if event == "reset":
        closed = closed.but(level=0)
    work.put(closed)
    forget_calls(work.lane, circuit.keys)
    if circuit.rule == "sequential_tools":
        work.lane.sequence = []
    work.record(event, closed, circuit.state, why)


def close_recursion(work: Work) -> None:
    """Something new, a person or a plain Stop ends a stop-hook recursion."""
    for circuit in list(work.lane.circuits.values()):
        if circuit.rule == "hook_recursion" and circuit.state != CLOSED:
            close(work, circuit, "the session went on", "close")


def reset(work: Work, event: Reset) -> None:
    """Close what a person named: all, a circuit, or a rule's circuits; their levels are forgotten too."""
    everything = [*work.lane.circuits.values(), *work.session.circuits.values()]
    for circuit in everything:
        if event.which and event.which not in (circuit.name, circuit.rule):
            continue
        if circuit.state == CLOSED:
            work.put(circuit.but(level=0))
            continue
        close(work, circuit, "a person reset it", "reset")
        if circuit.rule == "agent_spawn":
            work.session.spawns, work.session.spawn_told = 0, False
        work.lane.denials = work.lane.stops = 0


def forget_successes(lane: Lane) -> None:
    """A person's prompt helps: repeats and cycles of successful calls start anew; failures stay known."""
    for key in list(lane.streaks):
        streak = streak_of(lane, key)
        if streak is None:
            continue
        if streak.since < 0:
            if streak.first < 0 and not streak.invalid and not streak.marks:
                continue  # forgotten at an earlier prompt
            lane.streaks[key] = streak.but(
                first=-1, counted=-1, times=0, row=0, run=0, result="", digits="", marks="", invalid=0
            )
        elif streak.invalid or streak.run:
            lane.streaks[key] = streak.but(invalid=0, run=0)
    lane.recent = [record for record in lane.recent if not record[4]]


def forget_calls(lane: Lane, keys: Sequence[str]) -> None:
    """A closed circuit's window is cleared."""
    for key in keys:
        lane.streaks.pop(key, None)
    lane.recent = [record for record in lane.recent if record[2] not in keys]
    lane.errors = {}
