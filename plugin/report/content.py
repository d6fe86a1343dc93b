"""What a report is about: the loops that were stopped, each with its story, the busiest sessions, the waste. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from incidents import STOPS, Incident

from report.dead_ends import DeadEnd
from report.past import BLOCKED, PastSession
from report.waste import Waste

OVER = ("close", "reset")
SESSIONS = 24  # at most so many have a timeline


class Content:
    """What a report is about. since, until: epoch seconds; scope: which projects; not_protected: the sentence, "" if protected."""

    def __init__(
        self, since: float, until: float, scope: str, incidents: list[Incident], sessions: list[PastSession],
        dead_ends: list[DeadEnd], not_protected: str,
    ) -> None:  # fmt: skip
        self.since, self.until, self.scope = since, until, scope
        self.incidents, self.dead_ends, self.not_protected = incidents, dead_ends, not_protected
        self.story = story(incidents)
        self.waste = Waste(sessions)
        self.sessions = max(len(sessions), len({one.session for one in incidents}))
        calls = [call for session in sessions for call in session.calls]
        self.calls, self.blocked = len(calls), sum(call.kind == BLOCKED for call in calls)
        stopped = {one.session for one in incidents if one.event in STOPS}
        named = {one.name: one for one in sessions}.values()
        self.shown = sorted(named, key=lambda one: (one.name not in stopped, -len(one.calls)))[:SESSIONS]


class Stop(NamedTuple):
    """One loop, from its first warning to its end. Its incidents are in order; `first` is the one that stopped it."""

    first: Incident
    events: list[Incident]

    @property
    def tokens(self) -> int:
        """The tokens used by the streak's calls; a lower bound."""
        return max(one.tokens for one in self.events)

    @property
    def outcome(self) -> str:
        """How it ended, in a few words."""
        last = self.events[-1].event
        if last == "reset":
            return "reset by you"
        if last == "close":
            return "closed again"
        if any(one.event == "ending" for one in self.events):
            return "turn stopped"
        open_ends = {"would_trip": "would be blocked", "asked": "you were asked"}
        return open_ends.get(self.first.event, "still blocked")


class Story(NamedTuple):
    """A period: the stopped loops, the warnings after which nothing had to be stopped, and other incidents (bypasses)."""

    stops: list[Stop]
    warned: int
    others: list[Incident]


def story(incidents: Iterable[Incident]) -> Story:
    """The Story of incidents given oldest first; its loops are newest first."""
    going: dict[tuple[str, str, str], list[Incident]] = {}
    whole: list[list[Incident]] = []
    others: list[Incident] = []
    for one in incidents:
        event, key = one.event, (one.session, one.agent, one.circuit)
        if event in STOPS or event == "warning":
            if key not in going:
                going[key] = []
                whole.append(going[key])
            going[key].append(one)
        elif event in ("probe", *OVER):
            if key in going:
                going[key].append(one)
                if event in OVER:
                    del going[key]
        else:
            others.append(one)
    stops, warned = [], 0
    for events in whole:
        first = next((one for one in events if one.event in STOPS), None)
        if first is None:
            warned += 1
        else:
            stops.append(Stop(first, events))
    stops.sort(key=lambda stop: -stop.first.t)
    return Story(stops, warned, others[::-1])
