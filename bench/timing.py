"""What one process costs: wall time in pairs and in turn, instructions by callgrind."""

from __future__ import annotations

import os
import random
import re
import shutil
import statistics
import subprocess
import time
from typing import Callable, NamedTuple

Prepare = Callable[[], str]  # puts a scene's files in place, untimed; -> the file its process reads as stdin


class Scene(NamedTuple):
    """One command to be timed."""

    name: str
    command: list[str]
    env: dict[str, str]
    prepare: Prepare


class Cost(NamedTuple):
    """Medians. `wall`: seconds; `ratio`: of each run to the run beside it. On a machine that is quick and slow by turns medians of
    all runs move by a tenth, and these by a fiftieth."""

    wall: float
    ratio: float


def once(scene: Scene) -> float:
    """Seconds of one run, its children included. Raises when it does not exit with 0."""
    stdin = scene.prepare()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    started = time.perf_counter()
    pid = os.posix_spawn(scene.command[0], scene.command, scene.env, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise RuntimeError(f"{scene.name}: exit status {status}")
    return wall


def in_turn(pairs: list[tuple[Scene, Scene]], rounds: int, seed: int = 1) -> list[Cost]:
    """Each scene beside a run of what it is compared with, all pairs in a new order in every round, so that no drift of the machine
    favours one."""
    shuffle = random.Random(seed).shuffle
    walls: list[list[float]] = [[] for _ in pairs]
    ratios: list[list[float]] = [[] for _ in pairs]
    for scene, beside in pairs:
        once(scene), once(beside)  # warm: caches of the disk, byte code
    for _ in range(rounds):
        order = [*range(len(pairs))]
        shuffle(order)
        for number in order:
            scene, beside = pairs[number]
            bare = once(beside)
            walls[number].append(once(scene))
            ratios[number].append(walls[number][-1] / bare)
    return [Cost(statistics.median(wall), statistics.median(ratio)) for wall, ratio in zip(walls, ratios)]


def instructions(scene: Scene) -> int | None:
    """Instructions of one run, all its processes together; None without valgrind. Independent of the machine's load."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    command = [
        valgrind,
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        "--trace-children=yes",
        *scene.command,
    ]
    with open(scene.prepare(), "rb") as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, env=scene.env, check=False)
    counts = re.findall(rb"Collected : (\d+)", done.stderr)
    return sum(map(int, counts)) if counts else None
