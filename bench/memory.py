"""What memory protection costs: a session start with nothing due, a due one, the sweep itself, the compressing."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "bench")]

from timing import Scene, in_turn, instructions  # noqa: E402

from circuit_breaker.breaker.layers import build  # noqa: E402
from circuit_breaker.cleaning import inventory  # noqa: E402
from circuit_breaker.janitor import archives, notes, rounds  # noqa: E402
from circuit_breaker.runtime.home import Places  # noqa: E402

PYTHON = os.path.realpath(sys._base_executable)
OVER = 20  # files over a limit in a due home
CONFIG = build()


class Home:
    """A person's machine with `count` files in the home, `over` of them over a limit."""

    def __init__(self, base: Path, count: int, over: int) -> None:
        self.base, self.over = base, over
        self.path, self.project = base / "breaker", base / "project"
        self.path.mkdir(parents=True, mode=0o700)
        self.project.mkdir()
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(base),
            "CIRCUIT_BREAKER_HOME": str(self.path),
            "CLAUDE_PROJECT_DIR": str(self.project),
        }
        self.places = Places(str(self.path), str(self.path), str(self.project), "", str(base))
        payload = {
            "session_id": "bench",
            "source": "startup",
            "hook_event_name": "SessionStart",
            "cwd": str(self.project),
        }
        self.payload = base / "payload.json"
        self.payload.write_text(json.dumps(payload))
        for number in range(count - over):
            (self.path / f"agent{number:05d}_telemetry.jsonl").write_bytes(b'{"n":1,"tool":"Bash"}\n' * 8)
        self.refill()

    def refill(self) -> None:
        for number in range(self.over):
            (self.path / f"over{number:05d}_telemetry.jsonl").write_bytes(b"x" * 60_000)

    def command(self) -> list[str]:
        return [PYTHON, "-I", "-S", "-X", "utf8", str(ROOT / "hooks" / "memory_janitor.py")]

    def start(self) -> None:
        subprocess.run(
            self.command(), stdin=self.payload.open(), env=self.env, stdout=subprocess.DEVNULL, check=True
        )

    def settle(self) -> None:
        """Until a start finds nothing to do: contents counted, children gone, the disk's clock past."""
        for _ in range(60):
            before = notes.load(self.places)
            self.start()
            if before and notes.load(self.places) == before:
                return
            time.sleep(0.5)
        raise TimeoutError("there is always something due")

    def due(self) -> str:
        """As before the first start: the due files are back, nothing is noted, no child of an earlier start is at work."""
        until = time.monotonic() + 60
        while (self.path / "archives").exists() and len(list(self.path.glob("archives/*/*.gz"))) < self.over:
            if time.monotonic() > until:
                raise TimeoutError("the child did not finish")
            time.sleep(0.02)
        while list(self.path.glob("archives/*/*.tmp")) or list(self.path.glob("*.tmp")):
            time.sleep(0.02)
        time.sleep(0.15)  # its last note
        for folder in ("archives", "janitor"):
            shutil.rmtree(self.path / folder, ignore_errors=True)
        self.refill()
        return str(self.payload)


def starts(base: Path, turns: int) -> None:
    """Whole processes beside a bare interpreter."""
    nothing = Home(base / "n10", 10, 0), Home(base / "n10000", 10_000, 0)
    due = [Home(base / f"d{count}", count, OVER) for count in (100, 1_000, 10_000)]
    floor = Scene("floor", [PYTHON, "-I", "-S", "-c", "pass"], nothing[0].env, lambda: "/dev/null")
    for home in nothing:
        home.settle()
    scenes = [
        Scene("nothing due, 10 files", nothing[0].command(), nothing[0].env, lambda: str(nothing[0].payload)),
        Scene(
            "nothing due, 10,000 files", nothing[1].command(), nothing[1].env, lambda: str(nothing[1].payload)
        ),
    ]
    costs = in_turn(scenes, floor, turns)
    bare = instructions(floor)
    for scene in scenes:
        counted = instructions(scene)
        extra = f", {counted / bare:.2f} in instructions" if bare and counted else ""
        show(f"start, {scene.name}", costs[scene.name].ratio, "of a bare interpreter" + extra, 1.5)
    names = (100, 1_000, 10_000)
    scenes = [
        Scene(f"due, {count:,} files", home.command(), home.env, home.due) for count, home in zip(names, due)
    ]
    costs = in_turn(scenes, floor, max(5, turns // 5))
    for scene in scenes:
        show(f"start, {scene.name}", costs[scene.name].ratio, "of a bare interpreter (foreground only)")


def sweeping(base: Path, turns: int) -> None:
    """The survey, the plan and the note over 10,000 files beside `scandir` and `stat` over the same files."""
    home = Home(base / "sweep", 10_000, 0)
    home.settle()

    def listing() -> None:
        for entry in os.scandir(home.path):
            entry.stat(follow_symlinks=False)

    def sweep() -> None:
        assert not rounds.make(home.places, CONFIG, time.time(), "bench").errors

    def everything() -> None:
        Path(notes.note_path(home.places)).unlink(missing_ok=True)
        rounds.make(home.places, CONFIG, time.time(), "bench")

    show("sweep of 10,000 files", paired(sweep, listing, turns), "of scandir and stat", 2.0)
    for path in home.path.glob("*_telemetry.jsonl"):
        path.write_bytes(b'{"n":1,"tool":"Bash"}\n' * 60)
    show(
        "first sweep, each file's lines counted",
        paired(everything, listing, max(3, turns // 5)),
        "of scandir and stat",
    )


def surveying(base: Path, turns: int) -> None:
    """The survey of a Claude Code folder with 200,000 files beside `scandir` and `stat` over the same files."""
    folder = base / "claude"
    for number in range(20_000):
        session = f"{number:08x}-0000-4000-8000-000000000000"
        project = folder / "projects" / f"-p{number % 50}"
        for place in (project / session / "subagents", folder / "debug", folder / "file-history" / session):
            place.mkdir(parents=True, exist_ok=True)
        for path in (
            project / f"{session}.jsonl",
            *(project / session / "subagents" / f"agent-{part}.jsonl" for part in range(3)),
            folder / "debug" / f"{session}.txt",
            *(folder / "file-history" / session / f"{part:016x}@v1" for part in range(5)),
        ):
            path.touch()

    def listing() -> None:
        stack = [str(folder)]
        while stack:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        entry.stat(follow_symlinks=False)

    def survey() -> None:
        inventory.survey(str(folder), None, lambda seen: None)

    show("survey of 200,000 files", paired(survey, listing, turns), "of scandir and stat", 1.5)


def compressing(base: Path, count: int) -> None:
    """5 MB files of telemetry, one by us and one by gzip -6 in turn."""
    folder = base / "press"
    folder.mkdir(parents=True)
    samples = [telemetry(random.Random(seed), 5 << 20) for seed in range(4)]
    ours, theirs, sizes = [], [], [0, 0]
    for number in range(count):
        ours_path, their_path = (
            folder / f"a{number}_telemetry.20260101T000000Z.jsonl",
            folder / f"b{number}.jsonl",
        )
        for path in (ours_path, their_path):
            path.write_bytes(samples[number % len(samples)])
        jobs: list[Callable[[], None]] = [
            lambda path=ours_path: ours.append(timed(lambda: archives.compress(str(path)))),  # type: ignore[misc]
            lambda path=their_path: theirs.append(
                timed(lambda: subprocess.run(["gzip", "-6", str(path)], check=True))
            ),  # type: ignore[misc]
        ]
        for job in jobs if number % 2 else reversed(jobs):
            job()
        for place, path in enumerate((ours_path, their_path)):
            packed = Path(f"{path}.gz")
            sizes[place] += packed.stat().st_size
            packed.unlink()
    ratio = sum(ours) / sum(theirs)
    show(
        f"compressing {count} files of 5 MB", ratio, f"of gzip -6 (its bytes: {sizes[0] / sizes[1]:.2f})", 1.0
    )


def telemetry(chance: random.Random, size: int) -> bytes:
    """Lines as neighbours write them: a time, a session, a tool, a duration, a message."""
    lines, total = [], 0
    words = [
        f"{chance.choice(('read', 'write', 'run', 'find'))}-{chance.randrange(4000)}" for _ in range(2000)
    ]
    while total < size:
        row = {
            "t": 1.79e9 + total / 7,
            "session": f"{chance.getrandbits(128):032x}" if chance.random() < 0.02 else "e1ed4373",
            "tool": chance.choice(("Bash", "Read", "Edit", "Grep")),
            "ms": chance.randrange(5000),
            "message": " ".join(chance.choices(words, k=12)),
        }
        lines.append(json.dumps(row).encode() + b"\n")
        total += len(lines[-1])
    return b"".join(lines)


def timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def paired(ours: Callable[[], object], floor: Callable[[], object], turns: int) -> float:
    """Median of the ratios of neighbouring runs, each order as often as the other."""
    ratios = []
    for turn in range(turns):
        if turn % 2:
            mine, bare = timed(ours), timed(floor)
        else:
            bare, mine = timed(floor), timed(ours)
        ratios.append(mine / bare)
    return statistics.median(ratios)


def show(what: str, ratio: float, of: str, most: float = 0.0) -> None:
    verdict = "" if not most else f"   (at most {most:g}: {'yes' if ratio <= most else 'NO'})"
    print(f"{what:<42} {ratio:6.2f} {of}{verdict}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        starts(Path(folder), 60)
        sweeping(Path(folder), 40)
        surveying(Path(folder), 10)
        compressing(Path(folder), 100)


if __name__ == "__main__":
    main()
