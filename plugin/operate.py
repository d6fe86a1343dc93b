"""The verbs `status` and `reset`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time

import protection
from shared import Refusal, how_to_call, places_here, progress, remembered

from circuit_breaker.cleaning import disk_usage
from circuit_breaker.identity.labels import plain
from circuit_breaker.runtime import config_change, files, health, home
from circuit_breaker.runtime import status as collected
from circuit_breaker.words.sentences import MARKS, TITLE, held_back
from circuit_breaker.words.status import ID, NOT_PROTECTED, not_protected, one_line, status_text

WATCH_SECONDS = 2.0
SCAN_SECONDS = 0.2  # for reading transcripts; the next `status` continues


def status(args: argparse.Namespace) -> int:
    """Show whether anything protects this project, then the circuits of all projects or of the chosen ones."""
    words_alone = args.plain or "NO_COLOR" in os.environ or not _shows_marks()
    while True:
        text, code = _status(args, words_alone)
        if not args.watch:
            print(text, end="\n" if text else "")
            return code
        shown = frame(text, shutil.get_terminal_size().lines) if sys.stdout.isatty() else f"{text}\n"
        print(shown, end="", flush=True)
        time.sleep(WATCH_SECONDS)


def frame(text: str, rows: int) -> str:
    """What replaces a terminal's contents: `text` cut to its height, with the time at the end; the terminal itself cuts long lines."""
    lines = text.splitlines()
    if len(lines) > rows - 1:
        lines = [*lines[: rows - 2], f"... {len(lines) - rows + 2} more lines"]
    return "\x1b[?7l\x1b[H\x1b[2J" + "\n".join([*lines, time.strftime("%H:%M:%S")]) + "\x1b[?7h"


def _shows_marks() -> bool:
    try:
        MARKS["OPEN"].encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _status(args: argparse.Namespace, words_alone: bool) -> tuple[str, int]:
    """(what to print, exit code)."""
    now = time.time()
    try:
        where = places_here(args.project)
    except files.Refused as error:
        why, fix = files.reason(error), health.FIX
        nothing = {"protected": False, "how": "", "why": why, "fix": fix}
        said = f"{TITLE}\n{not_protected(why, fix)}"
        in_json = json.dumps({"schema": 1, "protection": nothing}, indent=2)
        return NOT_PROTECTED if args.line else in_json if args.json else said, 1
    config = home.configuration(where, os.environ)
    everyone = remembered(where)
    collected.mark_ended(everyone, os.environ, now)
    everything = collected.collect(where, config, now, *chosen_sessions(args, where, everyone))
    facts = collected.only_circuit(everything, args.circuit)
    if facts is None:
        raise Refusal(f"no circuit is called {args.circuit}; `status` lists them")
    facts["protection"] = protection.protection_of(where, config, everyone, now)
    facts["program"] = how_to_call()
    code = 0 if facts["protection"]["protected"] else 1
    if args.line:
        return one_line(facts, words_alone), code
    from report import dead_ends, past  # not above: --line is quick

    ends = dead_ends.of_projects(where, [past.folder_of(where.project)], now, SCAN_SECONDS)
    facts["dead_ends"] = [end._asdict() for end in ends]
    facts["memory"] = disk_usage.memory_facts(where, config)
    if args.json:
        return json.dumps(facts, indent=2), code
    text = status_text(facts, words_alone, args.all)
    if args.memory:
        text += "\n\n" + disk_usage.memory_report(facts["memory"], where, now, words_alone)
    return text, code


def chosen_sessions(
    args: argparse.Namespace, where: home.Places, kept: list[collected.Kept]
) -> tuple[list[collected.Kept], set[str] | None]:
    """The sessions that --session and --project select, and the projects (None: all) whose services; for --line those of this project.
    Raises Refusal if the options name nothing."""
    here = args.project is not None or (args.line and not args.all)
    if args.session:
        kept = collected.sessions_named(kept, args.session)
        if not kept:
            least = f"Give at least the first {collected.PREFIX_MIN} characters of its id"
            raise Refusal(f"no session {args.session} is remembered in {where.sessions}. {least}.")
    if here:
        kept = collected.of_project(kept, where)
    if args.project is not None and not kept and not os.path.isdir(args.project):
        raise Refusal(f"there is no folder {args.project}, and no session of it is remembered")
    if args.session:
        return kept, {collected.places_of(one, where).project for one in kept}
    return kept, {where.project} if here else None


def reset(args: argparse.Namespace) -> int:
    """Close circuits and log it. Exit code 1 if there is none of that name."""
    where = places_here(args.project)
    everyone = remembered(where)
    collected.mark_ended(everyone, os.environ, time.time())
    kept, projects = chosen_sessions(args, where, everyone)
    counted = progress.counted(kept, f"of {len(kept):,} sessions reset")
    closed, failed = collected.reset_circuits(where, counted, args.circuit or "", projects)
    progress.end()
    if args.circuit and not closed and not failed:
        raise Refusal(f"no open circuit is called {args.circuit}; `status` lists them.")
    for name, one in closed:
        print(f"Reset to CLOSED: {plain(name)} ({_whose(one)})")
    reset_sessions = [one.session for _, one in closed if isinstance(one, collected.Kept)]
    for at, path in config_change.pending(reset_sessions):
        print(held_back(at, plain(path)))
    for sentence in failed:
        print(sentence, file=sys.stderr)
    if not closed and not failed:
        print("Nothing to reset: no circuit is open.")
    return 1 if failed else 0


def _whose(one: collected.Kept | str) -> str:
    if isinstance(one, str):
        return f"every session of {plain(one)}"
    ended = ", which has ended" if one.ended else ""
    return f"session {one.name[:ID]}{ended}; {plain(one.session.project)}"
