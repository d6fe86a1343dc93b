"""The verb `calibrate`: budget limits learned from your own past prompts (method: docs/budgets.md)."""

from __future__ import annotations

import argparse
import functools
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median_low

import configure
import replay as replaying
from report import past
from shared import answer, places_here, short

from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import calibration, recording
from circuit_breaker.replay.calibration import GOOD, STOPPED, TRIPPED, UNFINISHED, PastPrompt, Prompts
from circuit_breaker.words.texts import number

BAR = 40  # columns of the longest bar
# bounds in the histogram
EDGES = [-1, 0, *(first * 10**power for power in range(18) for first in (1, 2, 3, 5))]
KEYS = {"calls_per_prompt": "tool calls", "tokens_per_prompt": "tokens, cache reads included"}


def calibrate(args: argparse.Namespace) -> int:
    """Learn limits and show them; exit code 1 if there are too few good prompts or nothing to read."""
    learned = Learned(
        past_prompts(replaying.found(args.folders or [str(past.transcripts_folder())])), args.risk
    )
    limits = {f"circuit_breakers.budget.{key}": most for key, most in learned.limits.items() if most}
    path = configure.write_values(places_here(), limits) if args.apply and limits else None
    enough = learned.good >= learned.needed
    done = f"Written to {path}." if path else "Nothing was changed: `calibrate --apply` writes these limits."
    answer(
        args.json,
        f"{_text(learned)}\n\n{done}" if enough else "",
        prompts=learned.good,
        risk=float(learned.risk),
        limits=learned.limits,
        left_out={ending: learned.endings[ending] for ending in (STOPPED, UNFINISHED, TRIPPED)},
        written=str(path) if path else None,
    )
    if enough:
        return 0
    print(
        f"calibrate: {number(learned.good, 'good prompt')} found ({learned.left_out}); a risk of {_percent(args.risk)} "
        f"needs at least {learned.needed}. No limit was learned. Name more folders, or work on and try again later.",
        file=sys.stderr,
    )
    return 1


class Learned:
    """What the good prompts used, by key, and the limits learned from that (None: too few prompts say it)."""

    def __init__(self, prompts: list[PastPrompt], share: Fraction) -> None:
        self.risk, self.needed = share, calibration.needed(share)
        self.endings = ends = Counter(prompt.ending for prompt in prompts)
        self.left_out = (
            f"of {len(prompts)}; left out: {ends[STOPPED]} interrupted, {ends[UNFINISHED]} unfinished, "
            f"{ends[TRIPPED]} in which the breaker would have tripped"
        )
        good = [prompt for prompt in prompts if prompt.ending == GOOD]
        self.good = len(good)
        self.values = {
            "calls_per_prompt": [prompt.calls for prompt in good],
            "tokens_per_prompt": [prompt.tokens for prompt in good if prompt.tokens is not None],
        }
        self.limits = {key: calibration.limit(found, share) for key, found in self.values.items()}


def past_prompts(groups: list[list[Path]]) -> list[PastPrompt]:
    """Every prompt of yours in these recordings, marked where the breaker would have tripped with its defaults."""
    sessions = replaying.runs(groups, functools.partial(Prompts, config=build()), recording.skip)
    return [prompt for session, _ in sessions for prompt in session.found]


def _text(learned: Learned) -> str:
    share = _percent(learned.risk)
    lines = [f"Learned from {number(learned.good, 'good prompt')} ({learned.left_out}), risk {share}."]
    for key, what in KEYS.items():
        limit, found = learned.limits[key], learned.values[key]
        if limit is None:
            few = f"only {len(found)} of these prompts say what they cost in {what}"
            lines.append(f"\n{key}: no limit, since {few} (needed: {learned.needed}).")
            continue
        low, high = calibration.spread(len(found), learned.risk)
        lines += [
            f"\n{key}: {limit:,}   ({what} of a good prompt: half need at most {median_low(found):,}, the most {max(found):,})",
            *histogram(found, limit),
            f"  A further good prompt crosses {limit:,} with a probability of at most {share}, if your work goes on as in",
            f"  these {len(found)}: the share that crosses lies between {100 * low:.1f} % and {100 * high:.1f} % in 9 of 10 "
            "such calibrations.",
        ]
    both = "with both set, up to twice as many good prompts are asked about."
    return "\n".join([*lines, f"\nThe promise holds for each limit by itself; {both}"])


def histogram(values: Sequence[int], limit: int) -> list[str]:
    """A line with a bar for each of the last ranges of values; the range with the limit is marked."""
    edges = EDGES[: bisect_left(EDGES, max([*values, limit])) + 1]
    edges = [-1, *edges[-9:]] if len(edges) > 10 else edges
    counts = [sum(low < value <= high for value in values) for low, high in zip(edges, edges[1:])]
    most = max(counts)
    lines = []
    for low, high, count in zip(edges, edges[1:], counts):
        bar = "#" * max(round(BAR * count / most), 1 if count else 0)
        mark = "  <- limit" if low < limit <= high else ""
        first, last = (short(edge).replace(" ", "") for edge in (low + 1, high))
        lines.append(f"  {first if high > low + 1 else '':>6} to {last:>6} {count:>6} {bar}{mark}")
    return lines


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):g} %"
