"""Recorded sessions with a labels.json beside them: what is a loop, what is good work, and did a rule speak in the right place."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

from circuit_breaker.breaker import config as settings
from circuit_breaker.replay import recording
from circuit_breaker.replay.rerun import Rerun

HEAD = (
    "| rule | loops warned or stopped | in time | stopped | loop calls after the first word | clean sessions warned | clean sessions stopped "
    "| traps stopped |\n|---|---:|---:|---:|---:|---:|---:|---:|"
)
EXCUSED = ("loop", "minor", "struggle")  # episodes in which a trip is right, or neither asked for nor wrong


class Word(NamedTuple):
    """A rule spoke at the record `event` of a lane (agent None: the main one): it warned, or it stopped something."""

    session: str
    agent: str | None
    event: int
    stops: bool
    said: str = ""


class Labels:
    """`episodes` and `clean` of the labels.json of one or more folders. Raises SystemExit where there is none."""

    def __init__(self, *folders: str) -> None:
        self.clean: dict[str, str] = {}
        self.episodes: list[dict[str, Any]] = []
        for folder in folders:
            try:
                found = json.loads((Path(folder) / "labels.json").read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise SystemExit(
                    f"{folder}: {error}. Name a folder of recordings with a labels.json."
                ) from None
            self.clean.update({entry["session"]: entry["basis"] for entry in found["clean"]})
            self.episodes += found["episodes"]
        self.loops = [episode for episode in self.episodes if episode["kind"] == "loop"]
        self.excused = [episode for episode in self.episodes if episode["kind"] in EXCUSED]
        self.judged = self.clean.keys() | {episode["session"] for episode in self.episodes}


class Session(NamedTuple):
    """One recorded session, whole."""

    name: str
    records: list[dict[str, Any]]
    payloads: list[Any]


def read(group: list[Path]) -> list[Session]:
    """The sessions of one recording; a broken line is named on stderr."""
    sessions: dict[str, list[dict[str, Any]]] = {}
    for record in recording.records(group, lambda line: print(line, file=sys.stderr), set()):
        sessions.setdefault(record["session_id"], []).append(record)
    return [Session(name, records, _payloads(records)) for name, records in sessions.items()]


def _payloads(records: list[dict[str, Any]]) -> list[Any]:
    turns = recording.Turns()
    return [payload for record in records for payload in turns.push(record)] + turns.finish()


def calls_of(session: Session, loops: list[dict[str, Any]]) -> dict[tuple[str, str | None], list[int]]:
    """(session, lane) -> the indices of its calls, for each lane that holds one of the loops."""
    lanes = {loop["agent_id"] for loop in loops if loop["session"] == session.name}
    found: dict[tuple[str, str | None], list[int]] = {(session.name, agent): [] for agent in lanes}
    for record in session.records if lanes else ():
        if record["hook_event_name"] == "PreToolUse" and record.get("agent_id") in lanes:
            found[session.name, record.get("agent_id")].append(record["i"])
    return found


def engine(session: Session, config: settings.Config) -> list[Word]:
    """What this breaker says of one session."""
    run = Rerun(session.name, config)
    for fields in session.payloads:
        run.feed(fields)
    return [
        Word(
            session.name,
            entry["agent"],
            entry["event"],
            stops,
            f"{entry['rule']}:{entry['subject']}: {entry['cause']}",
        )
        for entries, stops in ((run.warnings, False), (run.trips, True))
        for entry in entries
    ]


def within(word: Word, episode: dict[str, Any]) -> bool:
    """Does the word lie in the episode, by session, lane and index?"""
    return (
        word.session == episode["session"]
        and word.agent == episode["agent_id"]
        and episode["first_event"] <= word.event <= episode["last_event"]
    )


class Score:
    """What a row shows of one rule."""

    def __init__(
        self, labels: Labels, words: list[Word], calls: dict[tuple[str, str | None], list[int]]
    ) -> None:
        by_session: dict[str, list[Word]] = defaultdict(list)
        for word in words:
            by_session[word.session].append(word)
        self.caught: dict[int, Word] = {}  # index of a loop -> the first word in it
        self.in_time: set[int] = set()
        self.stopped: set[int] = set()
        self.after = self.all = 0
        for index, loop in enumerate(labels.loops):
            heard = [word for word in by_session[loop["session"]] if within(word, loop)]
            made = [
                event
                for event in calls.get((loop["session"], loop["agent_id"]), ())
                if loop["first_event"] <= event <= loop["last_event"]
            ]
            self.all += len(made)
            if not heard:
                continue
            first = self.caught[index] = min(heard, key=lambda word: word.event)
            self.after += sum(event > first.event for event in made)
            if first.event <= loop["should_trip_by_event"]:
                self.in_time.add(index)
            if any(word.stops for word in heard):
                self.stopped.add(index)
        self.warned = {word.session for word in words if not word.stops and word.session in labels.clean}
        self.tripped = {word.session for word in words if word.stops and word.session in labels.clean}
        self.traps = sum(
            any(word.stops and within(word, trap) for word in by_session[trap["session"]])
            for trap in labels.episodes
            if trap["kind"] == "trap"
        )
        self.wrong = [  # words in sessions that were judged, where none was wanted
            word
            for word in words
            if word.session in labels.judged and not any(within(word, e) for e in labels.excused)
        ]

    def row(self, name: str, labels: Labels) -> str:
        def clean(sessions: set[str]) -> str:
            read = sum(labels.clean[session] == "read" for session in sessions)
            return f"{read} / {len(sessions) - read}"

        share = f"{100 * self.after / self.all:.0f} %" if self.all else "-"
        cells = (
            len(self.caught),
            len(self.in_time),
            len(self.stopped),
            share,
            clean(self.warned),
            clean(self.tripped),
            self.traps,
        )
        return f"| {name} | {' | '.join(map(str, cells))} |"
