"""Groups the incidents of the logs into one story for each loop. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from incidents import STOPS, Incident

OVER = ("close", "reset")


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
