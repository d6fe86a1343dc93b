"""What does one process cost? Wall, user and system time by wait4, instructions by callgrind, taken in pairs and in turn."""

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
    """One command to be timed. `group` names the scenes that are compared with each other."""

    name: str
    command: list[str]
    env: dict[str, str]
    prepare: Prepare


class Cost(NamedTuple):
    """Medians, in seconds. `ratio` is the median of the ratios of each run to the run of the floor beside it: on a machine that is
    quick and slow by turns, medians of all runs move by a tenth, and these by a fiftieth."""

    wall: float
    user: float
    system: float
    ratio: float
    instructions: float | None = None  # to those of the floor


def once(scene: Scene) -> tuple[float, float, float]:
    """(wall, user, system) seconds of one run, its children included. Raises when it does not exit with 0."""
    stdin = scene.prepare()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    started = time.perf_counter()
    pid = os.posix_spawn(scene.command[0], scene.command, scene.env, file_actions=actions)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise RuntimeError(f"{scene.name}: exit status {status}")
    return wall, used.ru_utime, used.ru_stime


def in_turn(scenes: list[Scene], floor: Scene, rounds: int, seed: int = 1) -> dict[str, Cost]:
    """Each scene beside a run of the floor, all of them in a new order in every round, so that no drift of the machine favours one."""
    shuffle = random.Random(seed).shuffle
    taken: dict[str, list[tuple[float, float, float]]] = {scene.name: [] for scene in scenes}
    floors: dict[str, list[float]] = {scene.name: [] for scene in scenes}
    for scene in [floor, *scenes]:
        once(scene)  # warm: caches of the disk, byte code
    for _ in range(rounds):
        order = scenes[:]
        shuffle(order)
        for scene in order:
            floors[scene.name].append(once(floor)[0])
            taken[scene.name].append(once(scene))
    costs = {
        "floor": Cost(statistics.median(wall for walls in floors.values() for wall in walls), 0.0, 0.0, 1.0)
    }
    for name, runs in taken.items():
        wall, user, system = (statistics.median(run[i] for run in runs) for i in range(3))
        ratio = statistics.median(run[0] / bare for run, bare in zip(runs, floors[name]))
        costs[name] = Cost(wall, user, system, ratio)
    return costs


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
