"""Runs recorded sessions through the same engine as the hooks, at the times in the records."""

from __future__ import annotations

from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import CLOSED, DENY, Ask, Prompt, Reported, Turn, plus
from circuit_breaker.breaker.policy import advance
from circuit_breaker.identity import calls
from circuit_breaker.replay.recording import Turns
from circuit_breaker.replay.transcript import REQUEST
from circuit_breaker.runtime import usage
from circuit_breaker.runtime.protocol import Payload, event_of
from circuit_breaker.words.sentences import why

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.model import Event, Transition
    from circuit_breaker.replay.recording import Fed, Record
    from circuit_breaker.runtime.usage import Usage


TRIPS = ("trip", "ending")
NOTHING = [0, 0, 0, 0]
MESSAGES_MAX = 64  # messages remembered, so that further rows of them are recognised
SESSIONS_MAX = 1_000  # interleaved sessions followed at once; beyond that, the one that was silent longest counts as ended


class Requests:
    """The cost of a session's requests: each message once, by its largest usage, also added to the trips before it."""

    def __init__(self) -> None:
        self.total: Usage = NOTHING
        self._known: dict[str, tuple[Usage, bool, list[Usage]]] = {}

    def add(self, record: Record, after: list[Usage]) -> Usage:
        """Add a row of a message. Returns what it adds to the message's usage.

        after: the sums of the trips before it; they grow once the message is known to contain calls.
        """
        known, calls, sums = self._known.pop(record["message"], (NOTHING, False, after))
        larger, more = usage.raised(known, record["usage"])
        self.total = plus(self.total, more)
        if record["calls"] or calls:
            for spent in sums:
                spent[:] = plus(spent, more if calls else larger)
        self._known[record["message"]] = larger, calls or record["calls"], sums
        while len(self._known) > MESSAGES_MAX:
            del self._known[next(iter(self._known))]
        return more


class Rerun:
    """One session. `take` records or `feed` payloads; the results are in `trips`, `warnings`, `denied`, `calls` and `spent`.

    "Spent after a trip" counts the requests with calls from the trip to your next prompt: of all lanes, or of a subagent's own lane
    if it tripped there.
    """

    def __init__(self, name: str, config: Config, enforce: bool = False) -> None:
        self.name, self.config, self.enforce = name, config, enforce
        self.session, self.lanes = Session(), dict[str, Lane]()
        self.project = self.file = ""
        self.trips: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.again: list[dict[str, Any]] = []  # further stops of a turn that was already stopped
        self.denied = self.calls = 0
        self.requests, self.spent = Requests(), [0, 0, 0, 0]
        self._turns = Turns()
        self._unread: dict[str, Usage] = {}  # lane -> usage of its requests since its last turn
        self._since_prompt: list[tuple[str | None, Usage]] = []  # for each trip: (lane, usage after it)
        self._stopped: set[tuple[str, str]] = set()  # (lane, circuit) that stopped this prompt's turn
        self._dropped: set[str] = set()
        self._live: set[str | None] = set()

    def take(self, record: Record, fault: Callable[[str], None]) -> None:
        """Process one record; errors in a payload are reported to `fault`."""
        self.calls += record["hook_event_name"] == "PreToolUse"
        if not self.project and isinstance(record.get("cwd"), str):
            self.project = record["cwd"]
        self._feed_all(self._turns.push(record), fault)

    def finish(self, fault: Callable[[str], None]) -> None:
        """The end of the recording."""
        self._feed_all(self._turns.finish(), fault)

    def _feed_all(self, ready: list[Fed], fault: Callable[[str], None]) -> None:
        for fed in ready:
            try:
                self.feed(fed)
            except ValueError as error:
                fault(f"session {self.name}, event {fed.event}: {error}")

    def feed(self, fed: Fed) -> None:
        """Process one payload. Raises ValueError if it has the wrong shape."""
        name = fed.name
        if name == REQUEST:
            self._spend(fed.record)
            return
        if name == "PreToolUse" and not self._live and fed.known["tool_name"] not in calls.SPAWNING:
            return  # the registered lines would not start the gate
        payload = Payload(fed.payload)
        if name == "UserPromptSubmit" or not payload.prompt:
            payload.prompt = payload.prompt or self.session.prompt
        event = event_of(payload, self.config.bypass_keyword)
        if event is None:
            return
        if isinstance(event, Reported) and event.id in self._dropped:
            return  # it did not run; its batch shows that we denied it
        self._complete(event, payload.lane, fed)
        lane = payload.lane
        memory = self.lanes.get(lane) or self.lanes.setdefault(lane, Lane())
        decision, transitions = advance(self.session, memory, event, self.config, fed.t, lane)
        self._mark(lane, memory)
        self._mark(None, self.session)
        if isinstance(event, Ask) and decision.verdict == DENY:
            self.denied += 1
            if self.enforce:
                self._dropped.add(event.id)
        for transition in transitions:
            self._note(transition, fed.event)

    def _complete(self, event: Event, lane: str, fed: Fed) -> None:
        """Fill in what the recording knows besides the payload, and what a hook would have looked up."""
        if isinstance(event, (Ask, Turn)):
            event.attended = True  # recordings do not say whether you could be asked
        if isinstance(event, Turn):
            event.spent = self._unread.pop(lane, [])
        elif isinstance(event, Prompt):
            event.person = event.person and not fed.record.get("machine")
            event.proven = event.person  # the recording says who typed it
            self._stopped.clear()
            if event.person:
                self._since_prompt.clear()

    def _mark(self, lane: str | None, memory: Lane | Session) -> None:
        """Remember whether a circuit of this lane (None: the session) is not CLOSED."""
        if memory.circuits and any(circuit.state != CLOSED for circuit in memory.circuits.values()):
            self._live.add(lane)
        elif self._live:
            self._live.discard(lane)

    def _spend(self, record: Record) -> None:
        agent = record.get("agent_id")
        after = [spent for lane, spent in self._since_prompt if lane in (None, agent)]
        more = self.requests.add(record, [*after, self.spent] if after else [])
        self._unread[agent or ""] = plus(self._unread.get(agent or "", []), more)

    def _note(self, transition: Transition, event: int) -> None:
        rule, _, subject = transition.circuit.partition(":")
        entry: dict[str, Any] = {
            "session": self.name,
            "agent": transition.lane or None,
            "rule": rule,
            "subject": subject,
            "event": event,
            "t": transition.at,
            "cause": why(transition, self.config.bypass_keyword),
        }
        stopped = transition.lane, transition.circuit
        if transition.event == "ending" and stopped in self._stopped:
            self.again.append(entry)
        elif transition.event in TRIPS:
            if transition.event == "ending":
                self._stopped.add(stopped)
            spent = [0, 0, 0, 0]
            self._since_prompt.append((entry["agent"], spent))
            self.trips.append({**entry, "stopped": transition.event == "ending", "spent": spent})
        elif transition.event == "warning":
            self.warnings.append(entry)


class Reruns:
    """The sessions of one recording, which can be interleaved; each is passed to `done` when it ends."""

    def __init__(
        self,
        config: Config,
        enforce: bool,
        file: str,
        done: Callable[[Rerun], None],
        fault: Callable[[str], None],
    ) -> None:
        self._config, self._enforce, self._file = config, enforce, file
        self._done, self._fault = done, fault
        self._runs: dict[str, Rerun] = {}

    def take(self, record: Record) -> None:
        """Process one record of any session."""
        name = record["session_id"]
        run = self._runs.pop(name, None)
        if run is None:
            run = Rerun(name, self._config, self._enforce)
            run.file = self._file
        self._runs[name] = run  # at the end: last used
        if len(self._runs) > SESSIONS_MAX:
            self._over(next(iter(self._runs)))
        run.take(record, self._fault)

    def finish(self) -> None:
        """The end of the recording."""
        for name in [*self._runs]:
            self._over(name)

    def _over(self, name: str) -> None:
        run = self._runs.pop(name)
        run.finish(self._fault)
        self._done(run)
