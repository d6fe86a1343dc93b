"""`make bench`: what the hooks cost, as ratios to a bare interpreter start. `python bench --help` for less or more of it.

`python bench detect FOLDER`, `bench sensitivity FOLDER` and `bench budgets FOLDER` measure the rules on labelled recordings instead.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / part) for part in ("lib", "plugin", "tests"))]

import timing  # noqa: E402

import hooks  # noqa: E402

SCREENED = 2  # runs of each kind of text that choose the worst


def main() -> int:
    """Measure and print. Exit 1 with --strict when a budget is not kept; figures of a busy machine are nobody's fault."""
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--rounds", type=int, default=100, help="runs of each line (default 100)")
    options.add_argument(
        "--python", default=str(Path(sys.executable).resolve()), help="the hooks' interpreter"
    )
    options.add_argument("--only", default="", metavar="TEXT", help="only rows whose name holds TEXT")
    options.add_argument("--events", action="store_true", help="neither what grows nor long texts")
    options.add_argument("--alternatives", action="store_true", help="what people write first, too")
    options.add_argument(
        "--instructions", action="store_true", help="count them with valgrind, which takes minutes"
    )
    options.add_argument("--strict", action="store_true", help="exit 1 when a budget is not kept")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as base:
        return measure(given, Path(base))


def measure(given: argparse.Namespace, base: Path) -> int:
    """The table; how many budgets are not kept counts with --strict."""
    bare = hooks.floor(given.python, base)
    version = platform.python_version() if given.python == sys.executable else given.python
    (cost,) = timing.in_turn([(bare, bare)], max(given.rounds, 20))
    print(
        f"Python {version}, {given.rounds} rounds; a bare start, `python3 -I -S -c pass`: {cost.wall * 1e3:.1f} ms\n"
    )
    columns = ["", "ms", "ratio", "budget", "kept"] + ["instructions"] * given.instructions
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    parts = [
        hooks.events,
        *([] if given.events else [hooks.growth]),
        *([hooks.alternatives] * given.alternatives),
    ]
    missed = 0
    for part in parts:
        missed += table(
            [row for row in part(base, given.python, bare) if given.only in row.scene.name], given
        )
    for size in [] if given.events else hooks.SIZES:
        worst = [
            screened(rows)
            for rows in hooks.long_texts(base, given.python, bare, size)
            if given.only in rows[0].scene.name
        ]
        missed += table(worst, given)
    return 1 if missed and given.strict else 0


def screened(rows: list[hooks.Row]) -> hooks.Row:
    """The row that costs most."""
    costs = timing.in_turn([(row.scene, row.beside) for row in rows], SCREENED)
    return max(zip(costs, range(len(rows)), rows))[2]


def table(rows: list[hooks.Row], given: argparse.Namespace) -> int:
    """Print these rows; -> how many of their budgets are not kept."""
    missed = 0
    for row, cost in zip(rows, timing.in_turn([(row.scene, row.beside) for row in rows], given.rounds)):
        kept = "" if not row.budget else "yes" if cost.ratio <= row.budget else "NO"
        missed += kept == "NO"
        of = "" if row.beside.name == "floor" else f" (of {row.beside.name})"
        cells = [
            row.scene.name + of,
            f"{cost.wall * 1e3:.1f}",
            f"{cost.ratio:.2f}",
            f"{row.budget or ''}",
            kept,
        ]
        if given.instructions:
            count, least = timing.instructions(row.scene), timing.instructions(row.beside)
            cells.append(f"{count / least:.2f}" if count and least else "")
        print("| " + " | ".join(cells) + " |", flush=True)
    return missed


if sys.argv[1:2] and sys.argv[1] in ("budgets", "detect", "sensitivity"):
    sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))
sys.exit(main())
