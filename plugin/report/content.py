"""What a report is about: the loops that were stopped, each with its story, the busiest sessions, the waste. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from incidents import STOPS, Incident

from report.dead_ends import DeadEnd
from report.past import BLOCKED, PastSession
from report.waste import Waste

BEGUN, OVER = (*STOPS, "warning"), ("close", "reset")
OF_LOOPS = (*BEGUN, "probe", *OVER)
SESSIONS = 24  # at most so many have a timeline


class Content:
    """What a report is about. since, until: epoch seconds; scope: which projects; not_protected: the sentence, "" if protected. stops:
    newest first; really: those that were not only observed; warned: the number of loops that ended after a warning; others: incidents
    outside loops (bypasses)."""

    def __init__(
        self, since: float, until: float, scope: str, incidents: list[Incident], sessions: list[PastSession],
        dead_ends: list[DeadEnd], not_protected: str,
    ) -> None:  # fmt: skip
        self.since, self.until, self.scope = since, until, scope
        self.incidents, self.dead_ends, self.not_protected = incidents, dead_ends, not_protected
        found = loops(incidents)
        stops = [Stop(events) for events in found if any(one.event in STOPS for one in events)]
        self.stops, self.warned = sorted(stops, key=lambda stop: -stop.first.t), len(found) - len(stops)
        self.really = [stop for stop in self.stops if stop.first.event != "would_trip"]
        self.others = [one for one in reversed(incidents) if one.event not in OF_LOOPS]
        self.waste = Waste(sessions)
        self.sessions = max(len(sessions), len({one.session for one in incidents}))
        calls = [call for session in sessions for call in session.calls]
        self.calls, self.blocked = len(calls), sum(call.kind == BLOCKED for call in calls)
        stopped = {one.session for one in incidents if one.event in STOPS}
        named = {one.name: one for one in sessions}.values()
        self.shown = sorted(named, key=lambda one: (one.name not in stopped, -len(one.calls), -one.end))[
            :SESSIONS
        ]


class Stop:
    """A loop that was stopped: its incidents in order, from its first warning to its end; `first` is the one that stopped it."""

    def __init__(self, events: list[Incident]) -> None:
        self.events = events
        self.first = next(one for one in events if one.event in STOPS)

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


def loops(incidents: Iterable[Incident]) -> list[list[Incident]]:
    """The incidents of each loop, from its first warning or stop to its end."""
    going: dict[tuple[str, ...], list[Incident]] = {}
    found: list[list[Incident]] = []
    for one in incidents:
        key = one.loop
        if one.event in BEGUN and key not in going:
            going[key] = []
            found.append(going[key])
        if one.event in OF_LOOPS and key in going:
            going[key].append(one)
        if one.event in OVER:
            going.pop(key, None)
    return found
