"""What a report is about: the loops that were stopped, each with its story, the busiest sessions, the largest results. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from heapq import nlargest
from operator import attrgetter

from incidents import STOPS, Incident

from report import dead_ends
from report.past import BLOCKED, OK, Call, PastSession

BEGUN, OVER = (*STOPS, "warning"), ("close", "reset")
OF_LOOPS = (*BEGUN, "probe", *OVER)
SESSIONS = 24  # at most so many have a timeline
LARGEST = 5  # results listed
WHOLE = 20_000  # characters from which a file that was read completely is reported


class Content:
    """What a report is about. since, until: epoch seconds; scope: which projects; not_protected: the sentence, "" if protected.

    stops: newest first; warned: the number of loops that ended after a warning; others: incidents outside loops (bypasses);
    largest: by the context they filled; unused: files read for nothing, as far as later calls show.
    """

    def __init__(
        self, since: float, until: float, scope: str, incidents: list[Incident], sessions: list[PastSession],
        not_protected: str,
    ) -> None:  # fmt: skip
        self.since, self.until, self.scope = since, until, scope
        self.incidents, self.not_protected = incidents, not_protected
        found = loops(incidents)
        stops = [Stop(events) for events in found if any(one.event in STOPS for one in events)]
        self.stops, self.warned = sorted(stops, key=lambda stop: -stop.first.t), len(found) - len(stops)
        self.others = [one for one in reversed(incidents) if one.event not in OF_LOOPS]
        self.dead_ends = dead_ends.found(sessions)
        self.sessions = max(len(sessions), len({one.session for one in incidents}))
        calls = [call for session in sessions for call in session.calls]
        self.calls, self.blocked = len(calls), sum(call.kind == BLOCKED for call in calls)
        results = (call for call in calls if call.kind == OK and call.size)
        self.largest = nlargest(LARGEST, results, attrgetter("weight"))
        unused = (call for session in sessions for call in unused_files(session.calls))
        self.unused = sorted(unused, key=attrgetter("weight"), reverse=True)
        stopped = {one.session for one in incidents if one.event in STOPS}
        named = {one.name: one for one in sessions}.values()
        self.shown = sorted(named, key=lambda one: (one.name not in stopped, -len(one.calls)))[:SESSIONS]


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
    going: dict[tuple[str, str, str], list[Incident]] = {}
    found: list[list[Incident]] = []
    for one in incidents:
        key = (one.session, one.agent, one.circuit)
        if one.event in BEGUN and key not in going:
            going[key] = []
            found.append(going[key])
        if one.event in OF_LOOPS and key in going:
            going[key].append(one)
        if one.event in OVER:
            going.pop(key, None)
    return found


def unused_files(calls: Iterable[Call]) -> list[Call]:
    """Completely read files of WHOLE characters or more whose names no later call mentions."""
    waiting: dict[str, Call] = {}
    for call in calls:
        if waiting:
            text = str(call.input)
            for name in [name for name in waiting if name in text]:
                del waiting[name]
        whole = call.tool in ("Read", "read") and call.kind == OK and call.size >= WHOLE
        if whole and call.path and isinstance(call.input, dict) and not {"offset", "limit"} & set(call.input):
            waiting[posixpath.basename(call.path.replace("\\", "/"))] = call
    return list(waiting.values())
