"""The verb `calibrate`: budget limits learned from your own past prompts (method: docs/budgets.md)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import configure
import replay as replaying
from progress import Progress

from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import calibration, recording
from circuit_breaker.replay.prompts import GOOD, STOPPED, TRIPPED, UNFINISHED, PastPrompt, Prompts
from circuit_breaker.replay.rerun import Rerun
from circuit_breaker.runtime import home, own_shell

BAR = 40  # columns of the longest bar
EDGES = (1, 2, 3, 5)  # the histogram's bounds, times powers of ten
KEYS = {"calls_per_prompt": "tool calls", "tokens_per_prompt": "tokens, cache reads included"}


def calibrate(args: argparse.Namespace) -> int:
    """Learn limits and show them; exit code 1 if there are too few good prompts or nothing to read."""
    if args.apply and own_shell.refuses("calibrate --apply", os.environ):
        return 1
    folders = args.folders or [str(_transcripts())]
    try:
        groups = replaying.found(folders)
    except replaying.NoRecording as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 1
    prompts = read(groups)
    good = [prompt for prompt in prompts if prompt.ending == GOOD]
    values = {
        "calls_per_prompt": [prompt.calls for prompt in good],
        "tokens_per_prompt": [prompt.tokens for prompt in good if prompt.tokens is not None],
    }
    needed = calibration.needed(args.risk)
    if len(good) < needed:
        print(
            f"calibrate: {len(good)} good prompts were found ({_left_out(prompts)}), and a risk of {_percent(args.risk)} "
            f"needs at least {needed}. No limit was learned. Name more folders, or work on and try again later.",
            file=sys.stderr,
        )
        if args.json:
            print(json.dumps(_document(prompts, good, args.risk, dict.fromkeys(values), None), indent=2))
        return 1
    limits = {
        key: calibration.limit(found, args.risk) if len(found) >= needed else None
        for key, found in values.items()
    }
    where = home.places(os.environ, os.getcwd())
    try:
        path = _apply(where, limits) if args.apply else None
    except configure.Unusable as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(_document(prompts, good, args.risk, limits, path), indent=2))
    else:
        print(_text(prompts, values, args.risk, limits))
        print(
            f"\nWritten to {path}."
            if path
            else "\nNothing was changed: `calibrate --apply` writes these limits."
        )
    return 0


def risk(text: str) -> Fraction:
    """The share of good prompts that can cross a limit, written as 0.05 or 5%. Raises ArgumentTypeError."""
    try:
        value = Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not Fraction(1, 1000) <= value <= Fraction(1, 2):
        raise argparse.ArgumentTypeError(f"{text}: expected a share from 0.001 to 0.5")
    return value


def _transcripts() -> Path:
    own = os.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(own) if own else Path.home() / ".claude") / "projects"


def read(groups: list[list[Path]]) -> list[PastPrompt]:
    """Every prompt of yours in these recordings, marked where the breaker would have tripped with its defaults."""
    config = build()
    found: list[PastPrompt] = []
    copied: set[int] = set()
    progress = Progress()
    records = 0

    def fault(sentence: str) -> None:  # a broken line is skipped, its prompt still counts
        del sentence

    for number, group in enumerate(groups, 1):
        sessions: dict[str, tuple[Rerun, Prompts]] = {}
        for record in recording.records(group, fault, copied):
            records += 1
            if records % replaying.STEP == 0:
                progress(f"{number}/{len(groups)} files, {records:,} records")
            name = record["session_id"]
            if name not in sessions:
                run = Rerun(name, config)
                sessions[name] = run, Prompts(run)
            run, prompts = sessions[name]
            run.take(record, fault)
            prompts.take(record)
        for run, prompts in sessions.values():
            run.finish(fault)
            found += prompts.finish()
    progress.end()
    return found


def _apply(where: home.Places, limits: dict[str, int | None]) -> Path | None:
    path = None
    for key, value in limits.items():
        if value is not None:
            path = configure.put(where, f"circuit_breakers.budget.{key}", value, in_project=False)
    return path


def _document(
    prompts: list[PastPrompt],
    good: list[PastPrompt],
    share: Fraction,
    limits: dict[str, int | None],
    path: Path | None,
) -> dict[str, object]:
    endings = Counter(prompt.ending for prompt in prompts)
    return {
        "schema": 1,
        "prompts": len(good),
        "risk": float(share),
        "limits": limits,
        "left_out": {ending: endings[ending] for ending in (STOPPED, UNFINISHED, TRIPPED)},
        "written": str(path) if path else None,
    }


def _text(
    prompts: list[PastPrompt], values: dict[str, list[int]], share: Fraction, limits: dict[str, int | None]
) -> str:
    count = len(values["calls_per_prompt"])
    lines = [f"Learned from {count} good prompts ({_left_out(prompts)}), risk {_percent(share)}."]
    for key, what in KEYS.items():
        limit, found = limits[key], values[key]
        if limit is None:
            lines.append(
                f"\n{key}: no limit, since only {len(found)} of these prompts say what they cost in {what} "
                f"(needed: {calibration.needed(share)})."
            )
            continue
        ordered = sorted(found)
        low, high = calibration.spread(len(found), share)
        lines += [
            f"\n{key}: {limit:,}   ({what} of a good prompt: half need at most {ordered[(len(ordered) - 1) // 2]:,}, "
            f"the most {ordered[-1]:,})",
            *histogram(found, limit),
            f"  A further good prompt crosses {limit:,} with a probability of at most {_percent(share)}, if your work goes on as in",
            f"  these {len(found)}: the share that crosses lies between {100 * low:.1f} % and {100 * high:.1f} % in 9 of 10 "
            "such calibrations.",
        ]
    lines.append(
        "\nThe promise holds for each limit by itself; with both set, up to twice as many good prompts are asked about."
    )
    return "\n".join(lines)


def _left_out(prompts: list[PastPrompt]) -> str:
    endings = Counter(prompt.ending for prompt in prompts)
    return (
        f"of {len(prompts)}; left out: {endings[STOPPED]} interrupted, {endings[UNFINISHED]} unfinished, "
        f"{endings[TRIPPED]} in which the breaker would have tripped"
    )


def histogram(values: Sequence[int], limit: int) -> list[str]:
    """A line with a bar for each range of values; the range with the limit is marked."""
    edges = _edges(max([*values, limit]))
    counts = [sum(low < value <= high for value in values) for low, high in zip(edges, edges[1:])]
    most = max(counts)
    lines = []
    for low, high, count in zip(edges, edges[1:], counts):
        bar = "#" * max(round(BAR * count / most), 1 if count else 0)
        mark = "  <- limit" if low < limit <= high else ""
        lines.append(
            f"  {_short(low + 1) if high > low + 1 else '':>6} to {_short(high):>6} {count:>6} {bar}{mark}"
        )
    return lines


def _edges(highest: int) -> list[int]:
    """The bounds of the histogram's ranges: -1, 0, 1, 2, 3, 5, 10, 20 ... up to `highest`; only the last eight."""
    edges, power = [-1, 0], 1
    while edges[-1] < highest:
        edges += [power * edge for edge in EDGES]
        power *= 10
    while edges[-2] >= highest:
        edges.pop()
    return [-1, *edges[-9:]] if len(edges) > 10 else edges


def _short(number: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def _percent(share: Fraction) -> str:
    return f"{float(100 * share):g} %"
