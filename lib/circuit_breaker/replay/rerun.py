"""Runs recorded sessions through the same engine as the hooks, at the times in the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from circuit_breaker.breaker import model
from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import DENY, Ask, Event, Prompt, Reported, Transition, Turn, plus
from circuit_breaker.breaker.policy import advance
from circuit_breaker.identity import calls
from circuit_breaker.replay.recording import Recorded, Turns, skip
from circuit_breaker.replay.transcript import REQUEST
from circuit_breaker.runtime import store, usage
from circuit_breaker.runtime.protocol import Payload, event_of
from circuit_breaker.words.sentences import why

MESSAGES_MAX = 64  # messages remembered, so that further rows of them are recognised


class Requests:
    """The cost of a session's requests: each message once, by its largest usage, also added to the trips before it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[usage.Usage, bool, list[usage.Usage]]] = {}

    def add(self, record: Recorded, after: list[usage.Usage]) -> usage.Usage:
        """Add a row of a message. Returns what it adds to the message's usage. after: the sums of the trips before it; they grow once the
        message is known to contain calls."""
        known, calls, sums = self._known.pop(record["message"], ([*model.NO_TOKENS], False, after))
        larger, more = usage.raised(known, record["usage"])
        if record["calls"] or calls:
            for spent in sums:
                spent[:] = plus(spent, more if calls else larger)
        self._known[record["message"]] = larger, calls or record["calls"], sums
        while len(self._known) > MESSAGES_MAX:
            del self._known[next(iter(self._known))]
        return more


class Rerun:
    """One session. `take` its records, then `finish`; the results are in `trips`, `warnings`, `denied`, `calls` and `spent`.

    "Spent after a trip" counts the requests with calls from the trip to your next prompt: of all lanes, or of a subagent's own lane
    if it tripped there. fault: is given what is wrong with a payload.
    """

    def __init__(
        self, name: str, config: Config, enforce: bool = False, fault: Callable[[str], None] = skip
    ) -> None:
        self.name, self.config, self.enforce, self.fault = name, config, enforce, fault
        self.session, self.lanes = Session(), defaultdict[str, Lane](Lane)
        self.project = ""
        self.trips: list[dict] = []
        self.warnings: list[dict] = []
        self.denied = self.calls = 0
        self.spent = [*model.NO_TOKENS]
        self._requests, self._turns = Requests(), Turns()
        self._unread: dict[str, usage.Usage] = {}  # lane -> usage of its requests since its last turn
        self._since_prompt: list[tuple[str | None, usage.Usage]] = []  # for each trip: (lane, usage after it)
        self._stopped: set[tuple[str, str]] = set()  # (lane, circuit) that stopped this prompt's turn
        self._dropped: set[str] = set()

    def take(self, record: Recorded) -> None:
        self.calls += record["hook_event_name"] == "PreToolUse"
        if not self.project and isinstance(record.get("cwd"), str):
            self.project = record["cwd"]
        self._feed_all(self._turns.push(record))

    def finish(self) -> None:
        self._feed_all(self._turns.finish())

    def _feed_all(self, ready: list[Recorded]) -> None:
        for fields in ready:
            try:
                self.feed(fields)
            except ValueError as error:
                self.fault(f"session {self.name}, event {fields.get('i', -1)}: {error}")

    def feed(self, fields: Recorded) -> None:
        """Process one payload. Raises ValueError if it has the wrong shape."""
        name = fields["hook_event_name"]
        if name == REQUEST:
            self._spend(fields)
            return
        if name == "PreToolUse" and not self._awake and fields["tool_name"] not in calls.SPAWNING:
            return  # the registered lines would not start the gate
        payload = Payload(fields)
        payload.prompt = payload.prompt or self.session.prompt
        event = event_of(payload, self.config.bypass_keyword)
        if event is None:
            return
        if isinstance(event, Reported) and event.id in self._dropped:
            return  # it did not run; its batch shows that we denied it
        lane = payload.lane
        self._complete(event, lane, fields)
        memory, t = self.lanes[lane], fields["t"]
        decision = advance(self.session, memory, event, self.config, t, lane)
        if isinstance(event, Ask) and decision.verdict == DENY:
            self.denied += 1
            if self.enforce:
                self._dropped.add(event.id)
        for transition in decision.transitions:
            self._note(transition, fields.get("i", -1))

    @property
    def _awake(self) -> bool:
        """Whether a circuit of the session is not CLOSED."""
        return store.has_live_circuit(self.session) or any(map(store.has_live_circuit, self.lanes.values()))

    def _complete(self, event: Event, lane: str, fields: Recorded) -> None:
        """Fill in what the recording knows besides the payload, and what a hook would have looked up."""
        if isinstance(event, (Ask, Turn)):
            event.attended = True  # recordings do not say whether you could be asked
        if isinstance(event, Turn):
            event.spent = self._unread.pop(lane, [])
        elif isinstance(event, Prompt):
            event.person = event.person and not fields.get("machine")
            event.proven = event.person  # the recording says who typed it
            self._stopped.clear()
            if event.person:
                self._since_prompt.clear()

    def _spend(self, record: Recorded) -> None:
        agent = record.get("agent_id")
        after = [spent for lane, spent in self._since_prompt if lane in (None, agent)]
        more = self._requests.add(record, [*after, self.spent] if after else [])
        self._unread[agent or ""] = plus(self._unread.get(agent or "", []), more)

    def _note(self, transition: Transition, event: int) -> None:
        entry: dict = {
            "session": self.name,
            "agent": transition.lane or None,
            "rule": transition.rule,
            "subject": transition.subject,
            "event": event,
            "t": transition.at,
            "cause": why(transition, self.config.bypass_keyword),
        }
        ending, stopped = transition.event == "ending", (transition.lane, transition.name)
        if ending and stopped in self._stopped:
            return  # a turn that was already stopped
        if ending or transition.event == "trip":
            if ending:
                self._stopped.add(stopped)
            spent = [*model.NO_TOKENS]
            self._since_prompt.append((entry["agent"], spent))
            self.trips.append({**entry, "stopped": ending, "spent": spent})
        elif transition.event == "warning":
            self.warnings.append(entry)
