"""How does a person look at the breaker and handle it? status, reset, mode."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import configure

from circuit_breaker.janitor import disk_usage
from circuit_breaker.runtime import home, own_shell
from circuit_breaker.runtime import status as collected
from circuit_breaker.words.sentences import MARKS
from circuit_breaker.words.status import status_text

WATCH_SECONDS = 2.0


def status(args: argparse.Namespace) -> int:
    """Show the circuits of this project's home: all kept sessions, or one."""
    plain = args.plain or "NO_COLOR" in os.environ or not _shows_marks()
    while True:
        text, code = _status_text(args, plain)
        if args.watch and sys.stdout.isatty():
            print("\x1b[H\x1b[2J", end="")
        print(text, file=sys.stdout if code == 0 else sys.stderr, flush=True)
        if not args.watch:
            return code
        time.sleep(WATCH_SECONDS)


def _status_text(args: argparse.Namespace, plain: bool) -> tuple[str, int]:
    where = home.places(os.environ, os.getcwd())
    config = home.configuration(where, os.environ)
    now = time.time()
    facts = collected.collect(where, config, now, args.session or "")
    facts["memory"] = disk_usage.memory_facts(where, config)
    if args.session and not any(True for _ in collected.sessions(where, args.session)):
        return f"No session {args.session} is kept in {where.sessions}.", 1
    if args.circuit:
        found = collected.only(facts, args.circuit)
        if found is None:
            return f"No circuit is called {args.circuit}; `python3 plugin status` shows those there are.", 1
        facts = found
    if args.json:
        return json.dumps(facts, indent=2), 0
    text = status_text(facts, plain)
    if args.memory:
        text += "\n\n" + disk_usage.memory_report(where, config, now, plain)
    return text, 0


def _shows_marks() -> bool:
    try:
        MARKS["OPEN"].encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def reset(args: argparse.Namespace) -> int:
    """Close circuits, on record. Exit 1 when there is none of that name, and in Claude's own shell."""
    if own_shell.refuses("reset", os.environ):
        return 1
    where = home.places(os.environ, os.getcwd())
    config = home.configuration(where, os.environ)
    closed = collected.reset(where, config, args.session or "", args.circuit or "")
    if closed:
        print("Reset to CLOSED: " + ", ".join(closed))
        return 0
    if args.circuit:
        print(
            f"No open circuit is called {args.circuit}; `python3 plugin status` shows those there are.",
            file=sys.stderr,
        )
        return 1
    print("Nothing to reset: no circuit is open.")
    return 0


def mode(args: argparse.Namespace) -> int:
    """Write the one key into your config file and keep the rest of it."""
    if own_shell.refuses("mode", os.environ):
        return 1
    where = home.places(os.environ, os.getcwd())
    try:
        path = configure.put(where, "mode", args.mode, in_project=False)
    except configure.Unfit as error:
        print(f"mode: {error}", file=sys.stderr)
        return 1
    print(f"mode is now {args.mode} ({path})")
    effective = home.configuration(where, os.environ).mode
    if effective != args.mode:
        print(f"But {effective} applies in this project: see `config show --origin`.")
    return 0
