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

sys.path.insert(0, str(Path(__file__).resolve().parent))

import timing
from world import World

import hooks


def main() -> int:
    """Measure and print. Exit 1 with --strict when a "must" is not met; figures of a busy machine are nobody's fault."""
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--rounds", type=int, default=100, help="runs of each line (default 100)")
    options.add_argument(
        "--python", default=str(Path(sys.executable).resolve()), help="the hooks' interpreter"
    )
    options.add_argument("--only", default="", metavar="TEXT", help="only rows whose name holds TEXT")
    options.add_argument(
        "--no-instructions", action="store_true", help="leave valgrind out, which takes a minute or two"
    )
    options.add_argument("--no-alternatives", action="store_true")
    options.add_argument("--strict", action="store_true", help='exit 1 when a "must" is not met')
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as base:
        return table(given, Path(base))


def table(given: argparse.Namespace, base: Path) -> int:
    wanted = hooks.rows(base, given.python)
    named = {row.scene.name for row in wanted if given.only in row.scene.name}
    named |= {row.beside for row in wanted if row.scene.name in named}
    wanted = [row for row in wanted if row.scene.name in named]
    others = [] if given.no_alternatives else hooks.alternatives(base, given.python)
    floor = hooks.floor(given.python, World(base / "floor", given.python))
    scenes = [row.scene for row in wanted] + others
    costs = timing.in_turn(scenes, floor, given.rounds)
    counts = {} if given.no_instructions else {s.name: timing.instructions(s) for s in [floor, *scenes]}
    least = counts.get("floor") or 0

    def counted(name: str, beside: str) -> str:
        count, to = counts.get(name), counts.get(beside) if beside else least
        return f"{count / to:.2f}" if count and to else "-"

    print(
        f"Python {platform.python_version() if given.python == sys.executable else given.python}, {given.rounds} rounds"
    )
    print(
        f"floor: `python3 -I -S -c pass`, median {costs['floor'].wall * 1e3:.1f} ms, {least / 1e6:.1f} M instructions\n"
    )
    print("| | wall ms | user | system | ratio | instructions | must | goal | |")
    print("|---|---|---|---|---|---|---|---|---|")
    missed = 0
    for row in wanted:
        cost = costs[row.scene.name]
        ratio = cost.ratio / costs[row.beside].ratio if row.beside else cost.ratio
        verdict = "goal" if ratio <= row.goal else "must" if ratio <= row.must else "MISSED"
        missed += verdict == "MISSED"
        of = f" (of {row.beside})" if row.beside else ""
        print(
            f"| {row.scene.name}{of} | {cost.wall * 1e3:.1f} | {cost.user * 1e3:.1f} | {cost.system * 1e3:.1f} "
            f"| {ratio:.2f} | {counted(row.scene.name, row.beside)} | {row.must} | {row.goal} | {verdict} |"
        )
    for scene in others:
        cost = costs[scene.name]
        print(
            f"| {scene.name} | {cost.wall * 1e3:.1f} | {cost.user * 1e3:.1f} | {cost.system * 1e3:.1f} "
            f"| {cost.ratio:.2f} | {counted(scene.name, '')} | | | |"
        )
    return 1 if missed and given.strict else 0


if sys.argv[1:2] and sys.argv[1] in ("budgets", "detect", "sensitivity"):
    sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))
sys.exit(main())
