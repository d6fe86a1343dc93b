"""What each number and each rule of identity and progress is for: `python bench sensitivity FOLDER...` changes one at a time.

A variant replaces numbers of the configuration or functions of the engine from outside: nothing in the product is switchable
for this. Prints the tables of docs/detection.md; a few minutes on two cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Callable

import labelled
from labelled import HEAD, Labels, Score, Word
from variants import Patch, Variant, identity_rules, outcomes_by, progress_rules, thresholds

from circuit_breaker.breaker import evidence
from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import recording

USUAL = "**as it is**"
TABLES = {"Thresholds": thresholds, "Progress": progress_rules, "Identity": identity_rules}
_shared: dict[str, Any] = {}  # what the forked workers inherit


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


def measure(variant: Variant) -> list[Word]:
    """The whole corpus through one variant."""
    config = build([("variant", {"circuit_breakers": variant.rules, **variant.keys})])
    assert not config.problems, config.problems
    usual = () if variant.remembers else outcomes_by(evidence.outcome_of)
    with patched((*usual, *variant.patches)):
        return [word for session in _shared["sessions"] for word in labelled.engine(session, config)]


def main(arguments: list[str]) -> int:
    """Print every table."""
    options = argparse.ArgumentParser(prog="bench sensitivity", description=__doc__)
    options.add_argument("folders", nargs="+", metavar="FOLDER", help="recorded sessions with a labels.json")
    options.add_argument("--only", default="", metavar="TEXT", help="only variants whose name holds TEXT")
    given = options.parse_args(arguments)
    labels = Labels(*given.folders)
    sessions = [session for group in recording.files(given.folders) for session in labelled.read(group)]
    calls = {
        lane: at for session in sessions for lane, at in labelled.calls_of(session, labels.loops).items()
    }
    _shared["sessions"] = sessions
    for module, name, remembered in outcomes_by(remembering(evidence.outcome_of)):
        setattr(module, name, remembered)
    tables = {title: [v for v in make() if given.only in v.name] for title, make in TABLES.items()}
    variants = [Variant(USUAL)] + [variant for table in tables.values() for variant in table]
    with multiprocessing.get_context("fork").Pool() as pool:
        found = pool.map(measure, variants, chunksize=1)
    cells = {
        variant.name: Score(labels, words, calls).row("", labels)[2:]
        for variant, words in zip(variants, found)
    }
    for title, table in tables.items():
        if not table:
            continue
        print(f"\n### {title}\n\n{HEAD}\n| {USUAL}{cells[USUAL]}")
        for variant in table:
            if cells[variant.name] != cells[USUAL]:
                print(f"| {variant.name}{cells[variant.name]}")
        same = [variant.name for variant in table if cells[variant.name] == cells[USUAL]]
        if same:
            print(f"\nAs it is: {'; '.join(same)}.")
    return 0
