"""What limits on calls would have done beside the breaker: `python bench budgets FOLDER...` over labelled recordings.

A limit asks when a prompt goes past it, and again at each further multiple, as the rule `budget` does. The learned limit of a
session comes from the good prompts of all other sessions of its source, or of all other sources where that has too few.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import labelled
import peers
from labelled import Labels, Score, Session, Word

from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import calibration, recording

RISK = Fraction(5, 100)
NO_LIMIT = 10**9  # where there are too few good prompts to learn from
HEAD = (
    "| rule | loops stopped | calls of loops after that | good sessions stopped or asked about | of good prompts |\n"
    "|---|---:|---:|---:|---:|"
)


class Prompt(NamedTuple):
    """The calls of one prompt in their order, all lanes: (lane, event). `good`: in a session that was judged clean."""

    session: str
    calls: list[tuple[str | None, int]]
    good: bool


def prompts_of(session: Session, labels: Labels) -> list[Prompt]:
    """Every prompt of a session that made calls."""
    found: dict[int, list[tuple[str | None, int]]] = defaultdict(list)
    for agent, lane in peers.calls(session.records).items():
        for call in lane:
            found[call.prompt].append((agent, call.event))
    good = session.name in labels.clean
    return [Prompt(session.name, sorted(calls, key=lambda call: call[1]), good) for calls in found.values()]


def beyond(prompts: list[Prompt], limit_of: Callable[[str], int]) -> list[Word]:
    """Where limits ask."""
    words = []
    for prompt in prompts:
        limit = limit_of(prompt.session)
        words += [Word(prompt.session, agent, event, True) for agent, event in prompt.calls[limit::limit]]
    return words


def learned(by_source: dict[str, list[Prompt]]) -> Callable[[str], int]:
    """The limit for each session, learned without it."""
    source_of = {prompt.session: source for source, prompts in by_source.items() for prompt in prompts}
    everything = [prompt for prompts in by_source.values() for prompt in prompts]
    known: dict[str, int] = {}

    def needs(prompts: list[Prompt], session: str) -> list[int]:
        return [len(prompt.calls) for prompt in prompts if prompt.good and prompt.session != session]

    def limit_of(session: str) -> int:
        if session not in known:
            own = needs(by_source[source_of[session]], session)
            values = own if len(own) >= calibration.needed(RISK) else needs(everything, session)
            known[session] = calibration.limit(values, RISK) or NO_LIMIT
        return known[session]

    return limit_of


def main(arguments: list[str]) -> int:
    """Print the table of each folder."""
    options = argparse.ArgumentParser(prog="bench budgets", description=__doc__)
    options.add_argument("folders", nargs="+", metavar="FOLDER", help="recorded sessions with a labels.json")
    given = options.parse_args(arguments)
    for folder in given.folders:
        labels = Labels(folder)
        by_source: dict[str, list[Prompt]] = {}
        trips: list[Word] = []
        calls: dict[tuple[str, str | None], list[int]] = {}
        for group in recording.recordings([folder]):
            prompts = by_source.setdefault(group[0].name, [])
            for session in labelled.read(group):
                prompts += prompts_of(session, labels)
                trips += [word for word in labelled.engine(session, build()) if word.stops]
                calls.update(labelled.calls_of(session, labels.loops))
        prompts = [prompt for found in by_source.values() for prompt in found]
        limit = beyond(prompts, learned(by_source))
        rules = {
            "50 calls a prompt": beyond(prompts, lambda session: 50),
            "100 calls a prompt": beyond(prompts, lambda session: 100),
            "a learned limit, risk 5 %": limit,
            "**circuit-breaker**": trips,
            "**circuit-breaker** and a learned limit": [*trips, *limit],
        }
        good = sum(prompt.good for prompt in prompts)
        print(
            f"\n{folder}: {len(labels.loops)} loops, {len(labels.clean)} good sessions with {good} prompts\n\n{HEAD}"
        )
        for name, words in rules.items():
            print(row(name, words, labels, calls, prompts))
    return 0


def row(
    name: str,
    words: list[Word],
    labels: Labels,
    calls: dict[tuple[str, str | None], list[int]],
    prompts: list[Prompt],
) -> str:
    """A line of the table."""
    score = Score(labels, words, calls)
    spoken = {(word.session, word.event) for word in words}
    good = [prompt for prompt in prompts if prompt.good]
    touched = sum(any((p.session, event) in spoken for _, event in p.calls) for p in good)
    cells = (
        len(score.stopped),
        f"{score.after} of {score.all} ({100 * score.after / score.all:.0f} %)" if score.all else "-",
        f"{len(score.tripped)} of {len(labels.clean)}",
        f"{100 * touched / len(good):.1f} %" if good else "-",
    )
    return f"| {name} | {' | '.join(map(str, cells))} |"
