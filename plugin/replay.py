"""The verb `replay`: where the breaker would have warned and blocked in recorded sessions, and what was spent after that."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Callable, TypeVar

from shared import Refusal, answer, moment, places_here, progress, say

from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.model import NO_TOKENS, plus
from circuit_breaker.identity.labels import plain
from circuit_breaker.replay import recording
from circuit_breaker.replay.rerun import Rerun
from circuit_breaker.runtime import files, home, usage
from circuit_breaker.runtime.json import parse
from circuit_breaker.words.texts import number

TRANSCRIPTS = "Claude Code keeps its transcripts in ~/.claude/projects."
BROKEN_SHOWN = 20  # broken lines listed; all are counted
Run = TypeVar("Run", bound=Rerun)


class Totals:
    """The sessions of recordings run through the engine, added up."""

    def __init__(self) -> None:
        self.sessions: set[tuple[str, str]] = set()
        self.calls = self.denied = 0
        self.spent: usage.Usage = [*NO_TOKENS]
        self.trips: list[dict] = []
        self.warnings: list[dict] = []
        self.broken: list[str] = []
        self.broken_lines = 0

    def run(
        self, groups: list[list[Path]], config: Config, enforce: bool = False
    ) -> Iterator[tuple[Rerun, str]]:
        """Run every record of every recording. Yields each session at its end, and its file."""
        fault = self._fault
        begun = functools.partial(Rerun, config=config, enforce=enforce, fault=fault)
        for run, file in runs(groups, begun, fault):
            self._add(run, file)
            yield run, file

    def _add(self, run: Rerun, file: str) -> None:
        self.sessions.add((file, run.name))
        self.calls += run.calls
        self.denied += run.denied
        self.spent = plus(self.spent, run.spent)
        place = {"file": file, "project": run.project}
        for trip in run.trips:
            known = {name: value for name, value in trip.items() if name not in ("spent", "stopped")}
            self.trips.append({**known, **place, "tokens": usage.by_field(trip["spent"])})
        self.warnings += [{**warning, **place} for warning in run.warnings]

    def _fault(self, sentence: str) -> None:
        self.broken_lines += 1
        if len(self.broken) < BROKEN_SHOWN:
            self.broken.append(sentence)


def replay(args: argparse.Namespace) -> int:
    """Run recorded sessions through the engine; exit code 1 if nothing could be read."""
    config, source = replay_config(args.config, args.defaults)
    groups = found(args.paths)
    totals = Totals()
    if not args.json:
        say(f"Under {source}; what would have happened if the breaker had run in these sessions:")
    for run, file in totals.run(groups, config, args.enforce):
        if not args.json and (run.trips or run.warnings):
            say(_session(run, file))
    if totals.broken:
        lost = f"{number(totals.broken_lines, 'line')} could not be read"
        say(f"replay: {lost}; the first: {plain(totals.broken[0])}", sys.stderr)
    if not totals.sessions:
        read = f"{number(len(groups), 'file')} read, and none holds hook events or rows of a transcript"
        raise Refusal(f"{read}. {TRANSCRIPTS}")
    answer(
        args.json,
        _summary(totals),
        sessions=len(totals.sessions),
        calls=totals.calls,
        trips=sorted(totals.trips, key=itemgetter("t")),
        warnings=sorted(totals.warnings, key=itemgetter("t")),
        denied=totals.denied,
        tokens=usage.by_field(totals.spent),
        broken={"lines": totals.broken_lines, "first": totals.broken},
    )
    return 0


def runs(
    groups: list[list[Path]], begun: Callable[[str], Run], fault: Callable[[str], None]
) -> Iterator[tuple[Run, str]]:
    """Each session of the recordings, run to its end, and its file. Rows that a resumed or forked session copied count once."""
    copied: set[int] = set()
    for at, group in enumerate(groups, 1):
        records = recording.records(group, fault, copied)
        counted = progress.counted(records, f"records, file {at} of {len(groups)}")
        for run in recording.by_session(counted, begun):
            run.finish()
            yield run, str(group[0])
    progress.end()


def found(paths: Iterable[str]) -> list[list[Path]]:
    """The recordings below `paths`. Raises Refusal if there are none."""
    try:
        groups = recording.recordings(paths)
    except FileNotFoundError as error:
        raise Refusal(f"{error}. Name a recording (.jsonl, .jsonl.gz) or a folder of them.") from None
    if not groups:
        missing = f"no recordings in {', '.join(paths)}: no file there ends in .jsonl or .jsonl.gz"
        raise Refusal(f"{missing}. {TRANSCRIPTS}")
    return groups


def replay_config(path: str | None, defaults: bool) -> tuple[Config, str]:
    """(configuration, its name): your own, one file over the defaults, or only the defaults. Mode observe and `enabled: false` are left
    out: the question is what would have happened. Raises Refusal."""
    if path is not None:
        try:
            data = files.read(path)
            if data is None:
                raise Refusal(f"no such config file: {path}")
            config, source = build([(path, parse(data))]), path
        except (OSError, ValueError) as error:
            hint = "Give a JSON file with the keys of the configuration."
            raise Refusal(f"{path}: {files.reason(error)}. {hint}") from None
    elif defaults:
        config, source = build(), "the defaults"
    else:
        where = places_here()
        config = home.configuration(where, os.environ)
        own = [name for name in (where.user_config, where.project_config) if name and files.exists(name)]
        source = f"your config ({', '.join(own) or 'the defaults: you have no config file'})"
    for problem in config.problems:
        say(f"replay: {plain(problem)}", sys.stderr)
    config.mode, config.enabled = "enforce", True
    return config, source


def _session(run: Rerun, file: str) -> str:
    """The text for one session: its warnings and trips in order of time."""
    project = f", project {plain(run.project)}" if run.project else ""
    lines = [f"\nsession {plain(run.name)}: {number(run.calls, 'call')}{project}, {plain(file)}"]
    tripped = {(trip["event"], trip["agent"], trip["subject"]) for trip in run.trips}
    warnings = [w for w in run.warnings if (w["event"], w["agent"], w["subject"]) not in tripped]
    for entry in sorted([*warnings, *run.trips], key=itemgetter("event")):
        when = moment(entry["t"]) if entry["t"] else "no time"
        agent = f", agent {plain(entry['agent'])}" if entry["agent"] else ""
        verb = "warned" if "spent" not in entry else "stopped the turn" if entry["stopped"] else "tripped"
        circuit = f"{entry['rule']}:{plain(entry['subject'])}"
        lines.append(f"  would have {verb} at event {entry['event']} ({when}{agent}) {circuit}")
        lines.append(f"      {plain(entry['cause'])}{_spent(entry.get('spent', []), 'the trip')}")
    if run.denied:
        lines.append(f"  {number(run.denied, 'call')} would have been denied")
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


def _summary(totals: Totals) -> str:
    trips, warnings = (Counter(entry["rule"] for entry in found) for found in (totals.trips, totals.warnings))
    touched: dict[str, set[tuple[str, str]]] = {}
    for entry in totals.trips + totals.warnings:
        touched.setdefault(entry["rule"], set()).add((entry["file"], entry["session"]))
    lines = ["", *([f"{'rule':<18}{'trips':>7}{'warnings':>10}{'sessions':>10}"] if touched else [])]
    for rule in sorted(touched):
        lines.append(f"{rule:<18}{trips[rule]:>7}{warnings[rule]:>10}{len(touched[rule]):>10}")
    tripped = len({(entry["file"], entry["session"]) for entry in totals.trips})
    lines.append(
        f"{number(len(totals.sessions), 'session')}, {number(totals.calls, 'call')}: {number(tripped, 'session')} would have tripped, "
        f"{number(totals.denied, 'call')} would have been denied{_spent(totals.spent, 'a trip')}."
    )
    if any(totals.spent):
        lines.append(
            "Spent after a trip: requests with calls from a trip to your next prompt, a lower bound; some of it was good work."
        )
    return "\n".join(lines)
