"""The verb `replay`: where the breaker would have warned and blocked in recorded sessions, and what was spent after that."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any, Callable

from progress import Progress

from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.model import plus
from circuit_breaker.identity.labels import plain
from circuit_breaker.replay import recording
from circuit_breaker.replay.rerun import Rerun, Reruns
from circuit_breaker.runtime import files, home, usage
from circuit_breaker.runtime.json import parse

STEP = 2_000  # records between two progress messages
BROKEN_SHOWN = 20  # broken lines listed; all are counted


class NoRecording(Exception):
    """Raised if nothing can be read; the message says what to do."""


class Totals:
    """The sums over all sessions of a run."""

    def __init__(self) -> None:
        self.sessions: set[tuple[str, str]] = set()
        self.calls = self.records = self.denied = 0
        self.spent: usage.Usage = [0, 0, 0, 0]
        self.trips: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self.broken_lines = 0

    def add(self, run: Rerun) -> None:
        self.sessions.add((run.file, run.name))
        self.calls += run.calls
        self.denied += run.denied
        self.spent = plus(self.spent, run.spent)
        place = {"file": run.file, "project": run.project}
        for trip in run.trips:
            known = {name: value for name, value in trip.items() if name not in ("spent", "stopped")}
            self.trips.append({**known, **place, "tokens": usage.named(trip["spent"])})
        self.warnings += [{**warning, **place} for warning in run.warnings]

    def fault(self, sentence: str) -> None:
        self.broken_lines += 1
        if len(self.broken) < BROKEN_SHOWN:
            self.broken.append(sentence)


def replay(args: argparse.Namespace) -> int:
    """Run recorded sessions through the engine; exit code 1 if nothing could be read."""
    try:
        config, source = configuration(args.config, args.defaults)
        groups = found(args.paths)
    except NoRecording as error:
        print(f"replay: {error}", file=sys.stderr)
        return 1
    totals = Totals()
    if not args.json:
        print(f"Under {source}; what would have happened if the breaker had run in these sessions:")
    progress = Progress()

    def done(run: Rerun) -> None:
        totals.add(run)
        if not args.json and (run.trips or run.warnings):
            progress.end()
            print(_session(run), flush=True)

    run_all(groups, config, args.enforce, totals, done, progress)
    progress.end()
    if args.json:
        print(json.dumps(_document(totals), indent=2))
    elif totals.sessions:
        print(_summary(totals, time.monotonic() - progress.since))
    if totals.broken:
        first = plain(totals.broken[0])
        print(f"replay: {totals.broken_lines} lines could not be read; the first: {first}", file=sys.stderr)
    if not totals.sessions:
        print(
            f"replay: {len(groups)} files were read and none holds hook events or rows of a transcript. "
            "Claude Code keeps its transcripts in ~/.claude/projects.",
            file=sys.stderr,
        )
    return 0 if totals.sessions else 1


def found(paths: Iterable[str]) -> list[list[Path]]:
    """The recordings below `paths`. Raises NoRecording if there are none."""
    try:
        groups = recording.files(paths)
    except FileNotFoundError as error:
        raise NoRecording(f"{error}. Name a recording (.jsonl, .jsonl.gz) or a folder of them.") from None
    if not groups:
        raise NoRecording(
            f"no recordings in {', '.join(paths)}: no file there ends in .jsonl or .jsonl.gz. "
            "Claude Code keeps its transcripts in ~/.claude/projects."
        )
    return groups


def run_all(
    groups: list[list[Path]],
    config: Config,
    enforce: bool,
    totals: Totals,
    done: Callable[[Rerun], None],
    progress: Progress,
) -> None:
    """Run every record of every recording; rows that a resumed or forked session copied count once."""
    copied: set[int] = set()
    for number, group in enumerate(groups, 1):
        reruns = Reruns(config, enforce, str(group[0]), done, totals.fault)
        for record in recording.records(group, totals.fault, copied):
            totals.records += 1
            reruns.take(record)
            if totals.records % STEP == 0:
                progress(f"{number}/{len(groups)} files, {totals.records:,} records")
        reruns.finish()


def configuration(path: str | None, defaults: bool) -> tuple[Config, str]:
    """(configuration, its name): your own, one file over the defaults, or only the defaults.

    Mode observe and `enabled: false` are left out: the question is what would have happened. Raises NoRecording.
    """
    if path is not None:
        config, source = build([(path, _document_at(path))]), path
    elif defaults:
        config, source = build(), "the defaults"
    else:
        where = home.places(os.environ, os.getcwd())
        config = home.configuration(where, os.environ)
        own = [name for name in (where.user_config, where.project_config) if name and files.exists(name)]
        source = f"your config ({', '.join(own) or 'the defaults: you have no config file'})"
    for problem in config.problems:
        print(f"replay: {problem}", file=sys.stderr)
    config.mode, config.enabled = "enforce", True
    return config, source


def _document_at(path: str) -> object:
    try:
        data = files.read(path)
        if data is None:
            raise NoRecording(f"no such config file: {path}")
        return parse(data)
    except (OSError, ValueError) as error:
        hint = "Give a JSON file with the keys of the configuration."
        raise NoRecording(f"{path}: {files.why(error)}. {hint}") from None


def _session(run: Rerun) -> str:
    """The text for one session: its warnings and trips in order of time."""
    project = f", project {plain(run.project)}" if run.project else ""
    lines = [f"\nsession {plain(run.name)}: {run.calls} calls{project}, {plain(run.file)}"]
    tripped = {(trip["event"], trip["agent"], trip["subject"]) for trip in run.trips}
    warnings = [w for w in run.warnings if (w["event"], w["agent"], w["subject"]) not in tripped]
    for entry in sorted([*warnings, *run.trips], key=itemgetter("event")):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["t"])) if entry["t"] else "no time"
        agent = f", agent {plain(entry['agent'])}" if entry["agent"] else ""
        verb = "warned" if "spent" not in entry else "stopped the turn" if entry["stopped"] else "tripped"
        circuit = f"{entry['rule']}:{plain(entry['subject'])}"
        lines.append(f"  would have {verb} at event {entry['event']} ({when}{agent}) {circuit}")
        lines.append(f"      {plain(entry['cause'])}{_spent(entry.get('spent', []), 'the trip')}")
    if run.denied:
        lines.append(f"  {run.denied} calls would have been denied")
    return "\n".join(lines)


def _spent(spent: usage.Usage, what: str) -> str:
    """A clause about the tokens spent after a trip; "" for none."""
    if not any(spent):
        return ""
    given, output, read, written = spent
    return (
        f"; spent after {what}: {sum(spent):,} tokens "
        f"({given:,} input, {output:,} output, {read:,} cache read, {written:,} cache written)"
    )


def _document(totals: Totals) -> dict[str, Any]:
    return {
        "schema": 1,
        "sessions": len(totals.sessions),
        "calls": totals.calls,
        "trips": sorted(totals.trips, key=itemgetter("t")),
        "warnings": sorted(totals.warnings, key=itemgetter("t")),
        "denied": totals.denied,
        "tokens": usage.named(totals.spent),
        "broken": {"lines": totals.broken_lines, "first": totals.broken},
    }


def _summary(totals: Totals, seconds: float) -> str:
    trips, warnings = (Counter(entry["rule"] for entry in found) for found in (totals.trips, totals.warnings))
    touched: dict[str, set[tuple[str, str]]] = {}
    for entry in totals.trips + totals.warnings:
        touched.setdefault(entry["rule"], set()).add((entry["file"], entry["session"]))
    lines = ["", *([f"{'rule':<18}{'trips':>7}{'warnings':>10}{'sessions':>10}"] if touched else [])]
    for rule in sorted(touched):
        lines.append(f"{rule:<18}{trips[rule]:>7}{warnings[rule]:>10}{len(touched[rule]):>10}")
    tripped = len({(entry["file"], entry["session"]) for entry in totals.trips})
    lines.append(
        f"{len(totals.sessions)} sessions, {totals.calls:,} calls: {tripped} sessions would have tripped, "
        f"{totals.denied} calls would have been denied{_spent(totals.spent, 'a trip')}."
    )
    if any(totals.spent):
        lines.append(
            "Spent after a trip: requests with calls from a trip to your next prompt, a lower bound; some of it was good work."
        )
    rate = totals.records / seconds if seconds else 0
    lines.append(f"{totals.records:,} records in {seconds:.1f} s ({rate:,.0f} a second).")
    return "\n".join(lines)
