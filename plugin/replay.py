"""Where would the breaker have warned and tripped in past sessions, and what did the loops cost?"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from circuit_breaker.breaker.config import Config, build
from circuit_breaker.identity.labels import plain
from circuit_breaker.replay import recording
from circuit_breaker.replay.rerun import Rerun
from circuit_breaker.runtime import files
from circuit_breaker.runtime.json import parse

PROGRESS_AFTER = 1.0  # seconds before a run says how far it is
BROKEN_SHOWN = 20  # broken lines that are named; all are counted


class Totals:
    """What a run adds up over its sessions."""

    def __init__(self) -> None:
        self.sessions = self.calls = self.events = self.denied = self.wasted = self.tokens = 0
        self.trips: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self.broken_lines = 0

    def add(self, run: Rerun) -> None:
        self.sessions += 1
        for name in ("calls", "denied", "wasted", "tokens"):
            setattr(self, name, getattr(self, name) + getattr(run, name))
        self.trips += run.trips
        self.warnings += run.warnings

    def fault(self, sentence: str) -> None:
        self.broken_lines += 1
        if len(self.broken) < BROKEN_SHOWN:
            self.broken.append(sentence)


def replay(args: argparse.Namespace) -> int:
    """Run recorded sessions through the engine; exit 1 when nothing could be read."""
    config = _config(args.config)
    if config is None:
        return 1
    try:
        groups = recording.files(args.paths)
    except FileNotFoundError as error:
        print(f"replay: {error}. Name a recording (.jsonl, .gz) or a folder of them.", file=sys.stderr)
        return 1
    totals, started, shown = Totals(), time.monotonic(), 0.0
    for done, group in enumerate(groups):
        for name, records in recording.sessions(group, totals.fault):
            run = Rerun(name, config, args.enforce)
            shown = _feed(run, records, totals, f"{done + 1}/{len(groups)} files", started, shown)
            totals.add(run)
            if not args.json:
                _print_session(run, shown > 0)
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr)
    _report(totals, args.json, time.monotonic() - started)
    return 0 if totals.sessions else 1


def _config(path: str | None) -> Config | None:
    """The defaults, or one file over them: a replay does not depend on the machine it runs on."""
    if path is None:
        return build()
    try:
        data = files.read(path)
        document = parse(data) if data is not None else None
    except (OSError, ValueError) as error:
        print(
            f"replay: {path}: {error}. Give a JSON file with the keys of the configuration.", file=sys.stderr
        )
        return None
    if document is None:
        print(f"replay: no such config file: {path}", file=sys.stderr)
        return None
    config = build([(path, document)])
    for problem in config.problems:
        print(f"replay: {problem}", file=sys.stderr)
    return config


def _feed(run: Rerun, records: Any, totals: Totals, where: str, started: float, shown: float) -> float:
    """All payloads of one session; -> when the progress line was last drawn."""
    for fed in recording.payloads(_counted(run, records)):
        totals.events += 1
        try:
            run.feed(fed)
        except ValueError as error:
            totals.fault(f"session {run.name}, event {fed.event}: {error}")
        if totals.events % 2000 == 0 and sys.stderr.isatty():
            now = time.monotonic()
            if now - started > PROGRESS_AFTER and now - shown > 0.2:
                shown = now
                print(f"\r\x1b[K{where}, {totals.events:,} events", end="", file=sys.stderr, flush=True)
    return shown


def _counted(run: Rerun, records: Any) -> Any:
    """The records, counting every call in them: also those that no hook would have heard of."""
    for record in records:
        run.calls += record["hook_event_name"] == "PreToolUse"
        yield record


def _print_session(run: Rerun, over_progress: bool) -> None:
    if not run.trips and not run.warnings:
        return
    if over_progress:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print(f"session {plain(run.name)}: {run.calls} calls")
    for kind, entries in (("warned", run.warnings), ("tripped", run.trips)):
        for entry in entries:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["t"])) if entry["t"] else "no time"
            agent = f", agent {plain(entry['agent'])}" if entry["agent"] else ""
            print(
                f"  {kind:<7} at event {entry['event']} ({when}{agent}) {entry['rule']}:{plain(entry['subject'])}"
            )
            print(f"          {plain(entry['cause'])}")
    if run.wasted:
        tokens = f", {run.tokens:,} tokens" if run.tokens else ""
        print(f"  {run.wasted} calls would have been denied{tokens}")


def _report(totals: Totals, as_json: bool, seconds: float) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "schema": 1,
                    "sessions": totals.sessions,
                    "calls": totals.calls,
                    "trips": totals.trips,
                    "warnings": totals.warnings,
                    "denied": totals.denied,
                    "wasted": totals.wasted,
                    "tokens": totals.tokens,
                    "broken": {"lines": totals.broken_lines, "first": totals.broken},
                },
                indent=2,
            )
        )
        return
    rules = sorted({entry["rule"] for entry in totals.trips + totals.warnings})
    if rules:
        print(f"\n{'rule':<18}{'trips':>7}{'warnings':>10}{'sessions':>10}")
    for rule in rules:
        trips = [entry for entry in totals.trips if entry["rule"] == rule]
        warnings = [entry for entry in totals.warnings if entry["rule"] == rule]
        touched = {entry["session"] for entry in trips + warnings}
        print(f"{rule:<18}{len(trips):>7}{len(warnings):>10}{len(touched):>10}")
    tripped = len({entry["session"] for entry in totals.trips})
    print(
        f"\n{totals.sessions} sessions, {totals.calls:,} calls: {tripped} sessions tripped, {totals.denied} calls denied."
    )
    if totals.tokens:
        print(f"The denied calls cost {totals.tokens:,} tokens.")
    rate = totals.events / seconds if seconds else 0
    print(f"{totals.events:,} events in {seconds:.1f} s ({rate:,.0f} a second).")
    if totals.broken_lines:
        print(
            f"{totals.broken_lines} lines could not be read; the first: {plain(totals.broken[0])}",
            file=sys.stderr,
        )
