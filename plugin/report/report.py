"""The verb `report`: an HTML file about what was stopped in a period, where and why, and what sessions wasted."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import incidents
import operate
import protection
from install import disk
from shared import Refusal, places_here, progress, remembered, say

from circuit_breaker.runtime import home
from report import dead_ends, page, past
from report.content import OVER, Content

NAME = "circuit-breaker-report.html"


def report(args: argparse.Namespace) -> int:
    """Write the report and print its path; exit code 1 if the session or the project is unknown or the file cannot be written."""
    now, where = time.time(), places_here(args.project)
    everywhere = args.project is None
    asked = args.session or ""
    found = incidents.matching(args, args.since)
    loops = {one.loop for one in found if one.session.startswith(asked)}  # another session can close one
    found = [one for one in found if one.session.startswith(asked) or one.loop in loops and one.event in OVER]
    if args.mode:
        found = [one for one in found if (one.event == "would_trip") == (args.mode == "observe")]
    top = past.transcripts_folder() if everywhere else past.folder_of(where.project)
    groups = past.groups(top, args.since)
    counted = progress.counted(groups, f"of {len(groups)} transcripts")
    sessions = [one for one in past.past_sessions(counted, args.since, now) if one.name.startswith(asked)]
    if asked and not sessions and not found:
        raise Refusal(f"nothing of session {args.session} since {page.day(args.since)}. Try --since 7d.")
    config = home.configuration(where, os.environ)
    kept = remembered(where)
    if not sessions and not found:
        operate.chosen_sessions(args, where, kept)
    facts = protection.protection_of(where, config, kept, now)
    unprotected = "" if facts["protected"] else f"{where.project}: {facts['why']}; fix: {facts['fix']}"
    ends = dead_ends.of_projects(where, sorted(top.glob("*")) if everywhere else [top], now)
    scope = "All projects" if everywhere else where.project
    made = Content(args.since, now, scope, found, sessions, ends, unprotected)
    path = Path(args.output or NAME)
    with disk.naming(path):
        path.write_bytes(page.page(made))
    say(f"{page.headline(made)}. {path.resolve()}")
    return 0
