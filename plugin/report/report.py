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


def report(args: argparse.Namespace) -> int:
    """Write the report and print its path; exit code 1 if the session is unknown or the file cannot be written."""
    now = time.time()
    where = places(args.project)
    kept = status.sessions(where)
    homes = [where.home] if args.project is not None else incident_log.homes(where, kept)
    wanted = args.session or ""
    found = [one for one in incident_log.read(homes, args.since) if one.session.startswith(wanted)]
    if args.mode:
        found = [one for one in found if (one.event == "would_trip") == (args.mode == "observe")]
    everywhere = args.project is None
    top = activity.folder(os.environ) if everywhere else activity.of_project(os.environ, where.project)
    sessions = _sessions(top, wanted, args.since, now)
    if wanted and not sessions and not found:
        print(
            f"report: nothing of session {args.session} since {page.moment(args.since)}. Try --since 7d.",
            file=sys.stderr,
        )
        return 1
    waste = Waste()
    for session in sessions:
        waste.add(session)
    stopped = {one.session for one in found if one.event in incident_log.STOPS}
    names = {one.name: one for one in sessions}
    busiest = sorted(names.values(), key=lambda one: (one.name not in stopped, -len(one.calls)))
    made = page.Content(
        since=args.since,
        until=now,
        scope="All projects" if everywhere else where.project,
        story=stops.story(found),
        incidents=found,
        shown=busiest[: page.SESSIONS],
        sessions=max(len(sessions), len({one.session for one in found})),
        calls=sum(len(session.calls) for session in sessions),
        blocked=sum(call.kind == BLOCKED for session in sessions for call in session.calls),
        waste=waste,
        dead_ends=_dead_ends(where, top, everywhere, now),
        not_protected=_not_protected(where, kept, now),
        version=_version(),
    )
    path = Path(args.output or NAME)
    path.write_bytes(page.page(made))
    print(f"{page.headline(made)}. {path.resolve()}")
    return 0


def _sessions(top: Path, wanted: str, since: float, now: float) -> list[PastSession]:
    """The sessions of the period whose id begins with `wanted`."""
    copied: set[int] = set()
    progress = Progress()
    found: list[PastSession] = []
    groups = activity.groups(top, since)
    for number, group in enumerate(groups):
        progress(f"{number}/{len(groups)} transcripts")
        past = activity.sessions(group, since, now, copied)
        found += [session for session in past if session.name.startswith(wanted)]
    progress.end()
    return found


def _dead_ends(where: home.Places, top: Path, everywhere: bool, now: float) -> list[dead_ends.DeadEnd]:
    found = []
    for folder in sorted(filter(Path.is_dir, top.iterdir())) if everywhere and top.is_dir() else [top]:
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
