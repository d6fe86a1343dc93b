"""What does one step have in its hands, and what has it said so far? Pure.

What does a signal do under its rule's action? Open, tell, end, or only be counted. Pure.

How does a circuit close, and what is forgotten with it? Pure.
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker, model
from circuit_breaker.breaker.config import is_on
from circuit_breaker.breaker.memory import Lane, Session, streak_of
from circuit_breaker.breaker.model import ALLOW, CLOSED, END, MAIN, TELL, Decision
from circuit_breaker.identity import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.model import Circuit, Signal, Transition


CALLS_MAX = 8  # labels of the last calls in a record
CIRCUITS_MAX = 16  # a lane's circuits, each read and written at each turn; closed ones that only remember their level go first


class Work:
    """The memory one step may change, the time and configuration it was given, and the answer it builds."""

    __slots__ = (
        "session",
        "lane",
        "config",
        "now",
        "name",
        "bypassed",
        "transitions",
        "tells",
        "ends",
        "denial",
    )

    def __init__(self, session: Session, lane: Lane, name: str, config: Config, now: float) -> None:
        self.session, self.lane = session, lane
        self.name, self.config, self.now = name, config, now
        self.bypassed = False
        self.transitions: list[Transition] = []
        self.tells: list[str] = []
        self.ends: list[str] = []
        self.denial: Decision | None = None

    def rule(self, name: str) -> dict[str, Any]:
        return self.config.rules[name]

    def action(self, name: str) -> str:
        """block, warn, observe, or "" for a rule that is switched off."""
        rule = self.config.rules[name]
        if not is_on(name, rule):
            return ""
        return "observe" if self.config.mode == "observe" else str(rule["action"])

    def excluded(self, tool: str, rule: str = "") -> bool:
        """Is the tool left out of all rules, or of this one?"""
        globs = self.config.rules[rule].get("exclude", ()) if rule else self.config.exclude
        return bool(globs) and any(matches(tool, glob) for glob in globs)

    def record(self, event: str, circuit: Circuit, before: str, cause: str = "") -> None:
        self.transitions.append(
            model.Transition(
                event=event,
                circuit=circuit.name,
                before=before,
                after=circuit.state,
                cause=cause or circuit.cause,
                at=self.now,
                lane=self.name,
                calls=circuit.calls[-CALLS_MAX:],
                cooldown=circuit.cooldown,
                level=circuit.level,
            )
        )

    def say(self, event: str, subject: str, cause: str, calls: Sequence[str] = ()) -> None:
        """Record what is no change of a circuit: a telling, an ending, a bypass."""
        self.transitions.append(
            model.Transition(
                event=event,
                circuit=subject,
                cause=cause,
                at=self.now,
                lane=self.name,
                calls=list(calls)[-CALLS_MAX:],
            )
        )

    def count(
        self, rule: str, trips: int = 0, would: int = 0, warned: bool = False, seen: int | None = None
    ) -> None:
        """Keep a rule's tally: [trips, warned_at, would_have_opened, last count]."""
        tally = self.session.tally if rule == "agent_spawn" else self.lane.tally
        old = tally.get(rule) or [0, 0, 0, 0]
        tally[rule] = [
            old[0] + trips,
            round(self.now, 3) if warned else old[1],
            old[2] + would,
            old[3] if seen is None else seen,
        ]

    def put(self, circuit: Circuit) -> None:
        """Keep a circuit; one that is CLOSED at level 0 is forgotten."""
        kept = self.session.circuits if circuit.rule == "agent_spawn" else self.lane.circuits
        kept.pop(circuit.name, None)
        if circuit.state == CLOSED and circuit.level == 0:
            return
        kept[circuit.name] = circuit
        if len(kept) > CIRCUITS_MAX:
            closed = [name for name, known in kept.items() if known.state == CLOSED]
            del kept[(closed or list(kept))[0]]

    def gate_of(self, tool: str, tool_input: object, key: str) -> Circuit | None:
        """The live circuit that gates this call, if any."""
        for circuit in self.lane.circuits.values():
            if circuit.state == CLOSED:
                continue
            if key in circuit.keys:
                return circuit
            kind, _, subject = circuit.keys[0].partition(":") if circuit.keys else ("", "", "")
            if kind == "shape" and calls.shape_key(tool, tool_input)[0] == subject:
                return circuit
            if kind == "service" and calls.service(tool, tool_input) == subject:
                return circuit
        return None

    def answer(self) -> Decision:
        """The strongest of what was said."""
        if self.denial is not None:
            return self.denial
        if self.ends:
            return Decision(verdict=END, text="\n".join(self.ends))
        if self.tells:
            return Decision(verdict=TELL, text="\n\n".join(self.tells))
        return Decision(verdict=ALLOW)


def matches(name: str, glob: str) -> bool:
    """Does `name` match a glob of `*` and `?`? (`fnmatch` would bring `re`.)"""
    at = mark = 0
    star = -1
    while at < len(name):
        if mark < len(glob) and glob[mark] != "*" and glob[mark] in ("?", name[at]):
            at, mark = at + 1, mark + 1
        elif mark < len(glob) and glob[mark] == "*":
            star, resume, mark = mark, at, mark + 1
        elif star >= 0:
            resume += 1
            at, mark = resume, star + 1
        else:
            return False
    return not glob[mark:].strip("*")


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
    from circuit_breaker.words import sentences

    cause = sentences.cause(signal)
    signal = _named_apart(work, signal)
    known = work.lane.circuits.get(f"{signal.rule}:{signal.subject}")
    if known is not None and known.state != CLOSED:
        return
    rule = work.rule(signal.rule)
    fresh = known if known is not None else model.Circuit(rule=signal.rule, subject=signal.subject)
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
    from circuit_breaker.words import sentences

    work.count(signal.rule, warned=True)
    work.say("warning", f"{signal.rule}:{signal.subject}", sentences.cause(signal), signal.calls)
    work.tells.append(sentences.tell(signal, opened))


def end(work: Work, signal: Signal) -> None:
    """End the turn for what cannot be denied."""
    from circuit_breaker.words import sentences

    end_turn(
        work, f"{signal.rule}:{signal.subject}", sentences.cause(signal), signal.calls, trips=signal.rule
    )


def end_turn(work: Work, subject: str, why: str, calls: list[str], trips: str = "") -> None:
    """End this turn, on record; an ended subagent leaves a note for its parent, which sees nothing of it otherwise."""
    if work.bypassed:
        return
    from circuit_breaker.words import sentences

    if trips:
        work.count(trips, trips=1)
    work.say("ending", subject, why, calls)
    work.ends.append(sentences.ending(subject, why))
    if work.name != MAIN:
        work.session.notes.append([work.name, sentences.ended_agent(work.name, f"{subject}: {why}")])
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
