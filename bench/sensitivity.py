"""What each number and each rule of identity and progress is for: `python bench sensitivity FOLDER...` changes one at a time.

A variant replaces numbers of the configuration or functions of the engine from outside: nothing in the product is switchable
for this. Prints the tables of docs/detection.md; about ten seconds of one core a variant and a thousand sessions.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable

import labelled
from labelled import HEAD, Labels, Score, Word
from variants import Patch, Variant, identity_rules, outcomes_by, progress_rules, thresholds

from circuit_breaker.breaker import outcomes
from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import recording

USUAL = "**as it is**"
TABLES = {"Thresholds": thresholds, "Progress": progress_rules, "Identity": identity_rules}
SAME = "same"
Figures = dict[str, int]  # what is counted -> how often
_shared: dict[str, Any] = {}  # what the forked workers inherit: modules and functions cannot be sent to them


@contextmanager
def patched(patches: tuple[Patch, ...]) -> Iterator[None]:
    """The engine with some names replaced; a name that is not there is an error, so that no row silently measures nothing."""
    with ExitStack() as stack:
        for module, name, value in patches:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        yield


def remembering(outcome_of: Callable[..., Any]) -> Callable[..., Any]:
    """Outcomes made once for all variants that do not change them: they are most of the work."""
    made: dict[tuple[Any, ...], Any] = {}

    def remembered(result: Any, kind: str, cwd: str) -> Any:
        at = (result.id, id(result.input), kind, cwd, len(result.text))  # the inputs stay alive in the corpus
        if at not in made:
            made[at] = outcome_of(result, kind, cwd)
        return made[at].but()

    return remembered


def measure(name: str) -> tuple[str, list[Word]]:
    """Every session through the variant of that name."""
    variant = _shared["variants"][name]
    config = build([("variant", variant.config)])
    assert not config.problems, config.problems
    usual = () if variant.remembers else outcomes_by(outcomes.outcome_of)
    with patched((*usual, *variant.patches)):
        return name, [word for session in _shared["sessions"] for word in labelled.engine(session, config)]


def figures(score: Score) -> Figures:
    """What the tables show of one folder."""
    return {
        "loops": len(score.caught),
        "in time": len(score.in_time),
        "stopped": len(score.stopped),
        "clean warned": len(score.warned),
        "clean stopped": len(score.tripped),
        "traps stopped": score.traps,
    }


def moved(found: dict[str, Figures], usual: dict[str, Figures]) -> str:
    """The figures that moved, with the folder where there is more than one."""
    parts = []
    for folder, counts in found.items():
        news = [f"{what} {count}" for what, count in counts.items() if count != usual[folder][what]]
        name = f"{Path(folder).name}: " if len(found) > 1 else ""
        parts += [f"{name}{', '.join(news)}"] if news else []
    return "; ".join(parts) or SAME


def main(arguments: list[str]) -> int:
    """Print every table."""
    options = argparse.ArgumentParser(prog="bench sensitivity", description=__doc__)
    options.add_argument("folders", nargs="+", metavar="FOLDER", help="recorded sessions with a labels.json")
    options.add_argument("--only", default="", metavar="TEXT", help="only variants whose name holds TEXT")
    options.add_argument("--jobs", type=int, default=2, help="processes at once (default 2)")
    options.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    given = options.parse_args(arguments)
    labels = {folder: Labels(folder) for folder in given.folders}
    sessions = {
        folder: [session for group in recording.recordings([folder]) for session in labelled.read(group)]
        for folder in given.folders
    }
    _shared["sessions"] = [session for read in sessions.values() for session in read]
    for module, name, remembered in outcomes_by(remembering(outcomes.outcome_of)):
        setattr(module, name, remembered)
    tables = {title: [v for v in make() if given.only in v.name] for title, make in TABLES.items()}
    _shared["variants"] = {USUAL: Variant(USUAL), **{v.name: v for table in tables.values() for v in table}}
    words = measure_all([*_shared["variants"]], given.jobs)
    scores = {
        folder: {name: Score(labels[folder], said, {}) for name, said in words.items()} for folder in labels
    }
    found = {
        name: {folder: figures(scores[folder][name]) for folder in labels} for name in _shared["variants"]
    }
    if given.json:
        print(json.dumps({"schema": 1, "found": found}, indent=2))
        return 0
    print(HEAD)
    for folder in labels:
        calls: dict[tuple[str, str | None], list[int]] = {}
        for session in sessions[folder]:
            calls.update(labelled.calls_of(session, labels[folder].loops))
        print(Score(labels[folder], words[USUAL], calls).row(f"{USUAL}, {Path(folder).name}", labels[folder]))
    for title, table in tables.items():
        if table:
            print(
                f"\n### {title}\n\n{numbers(table, found) if title == 'Thresholds' else rules(table, found)}"
            )
    return 0


def measure_all(names: list[str], jobs: int) -> dict[str, list[Word]]:
    """Every variant, a few processes at once; how far it is goes to stderr."""
    words = {}
    began = time.monotonic()
    with multiprocessing.get_context("fork").Pool(max(1, jobs)) as pool:
        for done, (name, said) in enumerate(pool.imap_unordered(measure, names, chunksize=1), 1):
            words[name] = said
            print(f"{done}/{len(names)} after {time.monotonic() - began:.0f} s: {name}", file=sys.stderr)
    return words


def numbers(table: list[Variant], found: dict[str, dict[str, Figures]]) -> str:
    """A row a number: what moves one step lower, one step higher, and without it."""
    lines = ["| number | default | lower | higher | off |", "|---|---:|---|---|---|"]
    for number in dict.fromkeys(variant.number for variant in table):
        ways = [variant for variant in table if variant.number == number]
        usual = ways[0].default
        cells = {"lower": "", "higher": "", "off": ""}
        for way in ways:
            place = "higher" if way.value > usual else "lower" if way.value else "off"
            cells[place] = f"{way.value}: {moved(found[way.name], found[USUAL])}"
        lines.append(f"| {number} | {usual} | {' | '.join(cells.values())} |")
    return "\n".join(lines)


def rules(table: list[Variant], found: dict[str, dict[str, Figures]]) -> str:
    """A row a rule that moves something; the others by name."""
    cells = {variant.name: moved(found[variant.name], found[USUAL]) for variant in table}
    lines = ["| without the rule, or with another | what moves |", "|---|---|"]
    lines += [f"| {name} | {cell} |" for name, cell in cells.items() if cell != SAME]
    idle = [name for name, cell in cells.items() if cell == SAME]
    return "\n".join(lines) + (f"\n\nNothing moves: {'; '.join(idle)}." if idle else "")
