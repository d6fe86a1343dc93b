"""What does one step have in its hands, and what has it said so far? Pure."""

from __future__ import annotations

from circuit_breaker.core import circuits, identity
from circuit_breaker.core.memory import Lane, Session
from circuit_breaker.core.model import ALLOW, CLOSED, END, TELL, Decision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from circuit_breaker.core.circuits import Circuit, Transition
    from circuit_breaker.core.config import Config

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
        if not rule["enabled"] or not rule["threshold"]:
            return ""
        return "observe" if self.config.mode == "observe" else str(rule["action"])

    def excluded(self, tool: str, rule: str = "") -> bool:
        """Is the tool left out of all rules, or of this one?"""
        globs = self.config.rules[rule].get("exclude", ()) if rule else self.config.exclude
        return bool(globs) and any(matches(tool, glob) for glob in globs)

    def record(self, event: str, circuit: Circuit, before: str, cause: str = "") -> None:
        self.transitions.append(
            circuits.Transition(
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
            circuits.Transition(
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
        circuits = self.session.circuits if circuit.rule == "agent_spawn" else self.lane.circuits
        circuits.pop(circuit.name, None)
        if circuit.state == CLOSED and circuit.level == 0:
            return
        circuits[circuit.name] = circuit
        if len(circuits) > CIRCUITS_MAX:
            closed = [name for name, known in circuits.items() if known.state == CLOSED]
            del circuits[(closed or list(circuits))[0]]

    def gate_of(self, tool: str, tool_input: object, key: str) -> Circuit | None:
        """The live circuit that gates this call, if any."""
        for circuit in self.lane.circuits.values():
            if circuit.state == CLOSED:
                continue
            if key in circuit.keys:
                return circuit
            kind, _, subject = circuit.keys[0].partition(":") if circuit.keys else ("", "", "")
            if kind == "shape" and identity.shape_key(tool, tool_input)[0] == subject:
                return circuit
            if kind == "service" and identity.service(tool, tool_input) == subject:
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
