"""The verb `report`: an HTML file about what was stopped in a period, where and why, and what sessions wasted."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import incident_log
import protection
from operate import places
from progress import Progress

from circuit_breaker.runtime import home, status
from circuit_breaker.runtime.json import parse
from report import activity, dead_ends, page, stops
from report.activity import BLOCKED, PastSession
from report.waste import Waste

NAME = "circuit-breaker-report.html"
MODES = {"enforce": lambda event: event != "would_trip", "observe": lambda event: event == "would_trip"}


def report(args: argparse.Namespace) -> int:
    """Write the report and print its path; exit code 1 if the session is unknown or the file cannot be written."""
    now = time.time()
    where = places(args.project)
    kept = status.sessions(where)
    homes = [where.home] if args.project is not None else incident_log.homes(where, kept)
    found = [
        one for one in incident_log.read(homes, args.since) if one.session.startswith(args.session or "")
    ]
    if args.mode:
        found = [one for one in found if MODES[args.mode](one.event)]
    top = (
        activity.folder(os.environ)
        if args.project is None
        else activity.of_project(os.environ, where.project)
    )
    read = _Read(args, now)
    read.transcripts(top)
    if args.session and not read.sessions and not found:
        print(
            f"report: nothing of session {args.session} since {page.moment(args.since)}. Try --since 7d.",
            file=sys.stderr,
        )
        return 1
    made = page.Content(
        since=args.since,
        until=now,
        scope=where.project if args.project is not None else "All projects",
        story=stops.story(found),
        incidents=found,
        shown=read.shown({one.session for one in found if one.event in stops.BEGINS}),
        sessions=max(read.sessions, len({one.session for one in found})),
        calls=read.calls,
        blocked=read.blocked,
        waste=read.waste,
        dead_ends=_dead_ends(where, top, args.project is None, now),
        not_protected=_not_protected(where, kept, now),
        version=_version(),
    )
    path = Path(args.output or NAME)
    path.write_bytes(page.page(made))
    print(f"{page.headline(made)}. {path.resolve()}")
    return 0


class _Read:
    """The sums over the period's transcripts, and the sessions that get a timeline."""

    def __init__(self, args: argparse.Namespace, now: float) -> None:
        self.args, self.now = args, now
        self.sessions = self.calls = self.blocked = 0
        self.waste = Waste()
        self.kept: dict[str, PastSession] = {}

    def transcripts(self, top: Path) -> None:
        """Read the transcripts below `top` written since the period began."""
        copied: set[int] = set()
        progress = Progress()
        groups = activity.groups(top, self.args.since)
        for number, group in enumerate(groups):
            progress(f"{number}/{len(groups)} transcripts")
            for session in activity.sessions(group, self.args.since, self.now, copied):
                if session.name.startswith(self.args.session or ""):
                    self._add(session)
        progress.end()

    def _add(self, session: PastSession) -> None:
        self.sessions += 1
        self.calls += len(session.calls)
        self.blocked += sum(call.kind == BLOCKED for call in session.calls)
        self.waste.add(session)
        self.kept[session.name] = session

    def shown(self, stopped: set[str]) -> list[PastSession]:
        """Sessions with an incident first, then the busiest."""
        ranked = sorted(self.kept.values(), key=lambda one: (one.name not in stopped, -len(one.calls)))
        return ranked[: page.SESSIONS]


def _dead_ends(where: home.Places, top: Path, everywhere: bool, now: float) -> list[dead_ends.DeadEnd]:
    folders = (
        sorted(path for path in top.iterdir() if path.is_dir()) if everywhere and top.is_dir() else [top]
    )
    found = []
    for folder in folders:
        scan = dead_ends.Scan(where, folder)
        scan.look(
            [path for group in activity.groups(folder, now - dead_ends.DAYS * 86_400) for path in group]
        )
        found += scan.found(now)
    return sorted(found, key=lambda end: (-end.sessions, -end.last))


def _not_protected(where: home.Places, kept: list[status.Kept], now: float) -> str:
    config = home.configuration(where, os.environ)
    facts = protection.look(where, config, kept, os.environ, now)
    return "" if facts["protected"] else f"{where.project}: {facts['why']}; fix: {facts['fix']}"


def _version() -> str:
    document: Any = parse((protection.ROOT / "plugin.json").read_bytes())
    return str(document["version"])
