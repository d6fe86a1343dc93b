"""What would the hooks have done with recorded payloads? The same engine, with the clock of the records."""

from __future__ import annotations

from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import CLOSED, DENY, Ask, Reported, Turn
from circuit_breaker.breaker.policy import advance
from circuit_breaker.identity import calls
from circuit_breaker.identity.results import digits_key, result_key
from circuit_breaker.runtime.protocol import Payload, event_of
from circuit_breaker.words.sentences import why

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.model import Result, Transition
    from circuit_breaker.replay.recording import Fed


TRIPS = ("trip", "ending")
LATE_MAX = 4_096  # characters of a result that may wait for its keys


class Late:
    """A key that is made when somebody compares it: most calls come once, and nobody asks what those returned."""

    __slots__ = ("key", "make", "given")

    def __init__(self, make: Callable[..., str], *given: str) -> None:
        self.key, self.make, self.given = "", make, given

    def __str__(self) -> str:
        if not self.key:
            self.key, self.given = self.make(*self.given), ()
        return self.key

    def __eq__(self, other: object) -> bool:
        return self is other or bool(other) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]


def put_off(results: Sequence[Result | Reported]) -> None:
    """Keys for later; a long text is not kept for them."""
    for result in results:
        text = result.text
        if len(text) <= LATE_MAX:
            result.result = Late(result_key, result.tool, text)
            result.digits = Late(digits_key, text)


class Rerun:
    """One session. `feed` its payloads (`calls` is for the feeder to count); `trips`, `warnings`, `denied`, `wasted` and `tokens` grow as it goes."""

    __slots__ = (
        "config",
        "enforce",
        "session",
        "lanes",
        "name",
        "trips",
        "warnings",
        "denied",
        "calls",
        "wasted",
        "tokens",
        "_dropped",
        "_live",
    )

    def __init__(self, name: str, config: Config, enforce: bool = False) -> None:
        self.name, self.config, self.enforce = name, config, enforce
        self.session, self.lanes = Session(), dict[str, Lane]()
        self.trips: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.denied = self.calls = self.wasted = self.tokens = 0
        self._dropped: set[str] = set()
        self._live: set[str | None] = set()

    def feed(self, fed: Fed) -> None:
        """One payload; what is of the wrong shape is the caller's to name. Raises ValueError."""
        if fed.record["hook_event_name"] == "PreToolUse" and not self._wakes(fed.told["tool_name"]):
            return
        payload = Payload(fed.payload)
        if payload.event == "UserPromptSubmit" or not payload.prompt:
            payload.prompt = payload.prompt or self.session.prompt
        event = event_of(payload, self.config.bypass_keyword)
        if event is None:
            return
        if isinstance(event, Reported) and event.id in self._dropped:
            return  # it never ran; its batch shows it as denied by us
        if isinstance(event, Turn):
            put_off(event.results)
        elif isinstance(event, Reported):
            put_off([event])
        lane = payload.lane
        memory = self.lanes.get(lane)
        if memory is None:
            memory = self.lanes[lane] = Lane()
        decision, transitions = advance(self.session, memory, event, self.config, fed.t, lane)
        self._mark(lane, memory)
        self._mark(None, self.session)
        if isinstance(event, Ask) and decision.verdict == DENY:
            self._deny(event.id, fed)
        for transition in transitions:
            self._note(transition, fed.event)

    def _wakes(self, tool: object) -> bool:
        """Is the gate awake for this call, as the registered lines have it?"""
        return bool(self._live) or tool in calls.SPAWNING

    def _mark(self, lane: str | None, memory: Lane | Session) -> None:
        """Keep in mind whether a circuit of this lane (None: of the session) is live."""
        if memory.circuits and any(circuit.state != CLOSED for circuit in memory.circuits.values()):
            self._live.add(lane)
        elif self._live:
            self._live.discard(lane)

    def _deny(self, call_id: str, fed: Fed) -> None:
        self.denied += 1
        self.wasted += 1
        self.tokens += fed.tokens
        if self.enforce:
            self._dropped.add(call_id)

    def _note(self, transition: Transition, event: int) -> None:
        rule, _, subject = transition.circuit.partition(":")
        entry = {
            "session": self.name,
            "agent": transition.lane or None,
            "rule": rule,
            "subject": subject,
            "event": event,
            "t": transition.at,
            "cause": why(transition, self.config.bypass_keyword),
        }
        if transition.event in TRIPS:
            self.trips.append(entry)
        elif transition.event == "warning":
            self.warnings.append(entry)
