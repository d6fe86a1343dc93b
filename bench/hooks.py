"""What is measured: each hook's registered line in the states that matter, what grows, and payloads of every kind and size."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import texts
from streams import Stream
from timing import Scene
from world import World, payload

SIZES = {"20 kB": 20_000, "200 kB": 200_000, "1 MB": 1_000_000, "10 MB": 10_000_000}
WORST = {"20 kB": 2.5, "200 kB": 3.0, "1 MB": 3.5, "10 MB": 15.0}  # the budget of the worst text of a size
GROWN = 1.10  # the budget of what has grown, to the same before it grew


class Row(NamedTuple):
    """A row of the table: its scene, what it is compared with, and the budget of their ratio (0: none)."""

    scene: Scene
    beside: Scene
    budget: float


# What sessions ask of a shell most often has operators in it, and comes back with numbers.
COMMAND = {"command": "python -m pytest -q tests/unit 2>&1 | tail -20", "description": "Run the unit tests"}


def floor(python: str, base: Path) -> Scene:
    """A bare interpreter start: what nearly every ratio is to."""
    env = World(base / "floor", python).env
    return Scene("floor", [python, "-I", "-S", "-c", "pass"], env, lambda: "/dev/null")


def turn(**changes: Any) -> dict[str, Any]:
    """A turn of one successful call that has not been made before."""
    call = {"tool_name": "Bash", "tool_input": COMMAND, "tool_use_id": "new"}
    call["tool_response"] = "............\n12 passed in 0.41s"
    return payload("PostToolBatch.bash-exit-1", tool_calls=[{**call, **changes}])


def asked(**changes: Any) -> dict[str, Any]:
    """A call that has not been made before."""
    return payload("PreToolUse.bash", **{"tool_input": COMMAND, "tool_use_id": "new", **changes})


FAILURE = payload("PostToolUseFailure.bash-exit-1", tool_use_id="new", tool_input=COMMAND)
PROMPT = payload("UserPromptSubmit", prompt_id="p2")
START = payload("SessionStart.startup.headless", prompt_id=None)


def events(base: Path, python: str, bare: Scene) -> Iterator[Row]:
    """Each hook in the states that matter."""
    calm = World(base / "calm", python).begin()
    armed = World(base / "armed", python).begin().trip()
    project = calm.project
    again = {"file_path": f"{project}/part4.py"}
    edit = {"file_path": f"{project}/part1.py", "old_string": "a", "new_string": "b"}
    denied = asked(tool_input={"command": "make all"})
    yield Row(calm.scene("gate, asleep", asked()), bare, 0.15)
    yield Row(armed.scene("gate, armed", asked()), bare, 1.4)
    yield Row(armed.scene("gate, armed, an edit", asked(tool_name="Edit", tool_input=edit)), bare, 1.4)
    yield Row(armed.scene("gate, denies", denied), bare, 1.6)
    yield Row(calm.scene("monitor, success", turn()), bare, 1.4)
    reading = turn(
        tool_name="Read", tool_input={"file_path": f"{project}/new.py"}, tool_response="1 import os"
    )
    yield Row(calm.scene("monitor, success of a reading tool", reading), bare, 1.4)
    editing = turn(tool_name="Edit", tool_input=edit, tool_response="The file was updated.")
    yield Row(calm.scene("monitor, success of an edit", editing), bare, 1.4)
    yield Row(calm.scene("monitor, failure", FAILURE), bare, 1.5)
    repeated = turn(tool_name="Read", tool_input=again, tool_use_id="again", tool_response="line 4")
    yield Row(calm.scene("monitor, a call that repeats", repeated), bare, 1.8)
    yield Row(calm.scene("prompt", PROMPT), bare, 1.4)
    yield Row(calm.scene("SessionStart, nothing due", START), bare, 1.6)
    limited = World(base / "limited", python).limit().begin().spend()
    blocking = World(base / "blocking", python).limit().begin().trip().spend()
    for name, body in (("monitor, success", turn()), ("prompt", PROMPT)):
        yield Row(limited.scene(f"{name}, budget set", body), bare, 0.0)
        yield Row(armed.scene(f"{name}, circuit open", body), bare, 0.0)
        yield Row(blocking.scene(f"{name}, circuit open and budget set", body), bare, 0.0)
    for size, budget in (("1 MB", 2.5), ("10 MB", 12.0)):
        given = {"file_path": f"{project}/large.py", "content": texts.text("a traceback", SIZES[size])}
        yield Row(
            armed.scene(f"gate, armed, a file of {size}", asked(tool_name="Write", tool_input=given)),
            bare,
            budget,
        )
        written = turn(tool_name="Write", tool_input=given, tool_response="The file was written.")
        yield Row(calm.scene(f"monitor, a file of {size}", written), bare, budget)


def growth(base: Path, python: str, bare: Scene) -> Iterator[Row]:
    """What must not grow with a machine's past, beside the same on a machine without one."""
    worlds = {
        "10,000 sessions": World(base / "sessions", python).begin().trip().sessions(10_000),
        "1e6 incidents": World(base / "incidents", python).begin().trip().incidents(1_000_000),
        "1e5 turns": World(base / "turns", python).begin().trip().remember(lived()),
        "largest evidence": World(base / "filled", python).begin().trip().remember(filled()),
    }
    young = World(base / "young", python).begin().trip()
    calm = World(base / "settled", python).begin()
    for what, world in worlds.items():
        for name, body in (("gate, armed", asked()), ("monitor, success", turn()), ("prompt", PROMPT)):
            yield Row(world.scene(f"{name}, {what}", body), young.scene(name, body), GROWN)
    old = World(base / "others", python).begin().sessions(10_000)
    name = "SessionStart, nothing due"
    yield Row(old.scene(f"{name}, 10,000 sessions", START), calm.scene(name, START), GROWN)


def long_texts(base: Path, python: str, bare: Scene, size: str) -> Iterator[list[Row]]:
    """For each hook, and each place of its payload where a text can be long: one row a kind of text. Sizes are those of the payload."""
    calm = World(base / size.replace(" ", "-") / "calm", python).begin()
    armed = World(base / size.replace(" ", "-") / "armed", python).begin().trip()
    for name in ("gate, command", "monitor, command", "monitor, output", "monitor, error", "prompt"):
        rows = []
        for kind in texts.UNITS:
            sample = texts.text(kind, 4_000)
            told = texts.text(kind, SIZES[size] * len(sample) // (len(json.dumps(sample)) - 2))
            body = {
                "gate, command": asked(tool_input={"command": told}),
                "monitor, command": turn(tool_input={"command": told}),
                "monitor, output": turn(tool_response=told),
                "monitor, error": {**FAILURE, "error": f"Exit code 1\n{told}"},
                "prompt": {**PROMPT, "prompt": told},
            }[name]
            world = armed if name == "gate, command" else calm
            rows.append(Row(world.scene(f"{name} of {size}: {kind}", body), bare, WORST[size]))
        yield rows


def alternatives(base: Path, python: str, bare: Scene) -> Iterator[Row]:
    """The same two payloads through what people write first; `python3` as they register it, no options."""
    world = World(base / "alternatives", python).begin()
    here = Path(__file__).resolve().parent / "alternatives"
    state = str(base / "alternatives" / "state")
    kinds = {
        "json + pathlib + filelock": [sys.executable, str(here / "plain.py")],
        "bash + jq": ["/usr/bin/env", "bash", str(here / "breaker.sh")],
        "sqlite": [sys.executable, str(here / "sqlite_state.py")],
    }
    for kind, command in kinds.items():
        for hook, body in (("gate", asked()), ("monitor", turn())):
            yield Row(world.scene(f"{kind}: {hook}", body, [*command, state]), bare, 0.0)


def lived() -> Any:
    """The memory of a session of 100,000 turns: as many as fill it, and the counters of the rest."""
    session = Stream()
    for number in range(400):
        session.call("Read", {"file_path": f"/p/module_{number}.py"}, f"text {number}")
        session.call("Edit", {"file_path": f"/p/module_{number}.py", "new_string": f"{number}"}, "done")
        session.bash(f"pytest tests/test_{number}.py", f"{number} passed")
    lane = session.lanes[""]
    ahead = 100_000 - lane.turn
    lane.recent = [past.but(n=past.n + ahead, turn=past.turn + ahead) for past in lane.recent]
    for streak in lane.streaks.values():
        for name in ("ok_at", "result_since", "repeats_since", "last_turn"):
            setattr(streak, name, getattr(streak, name) + ahead)
    lane.turn, lane.n = lane.turn + ahead, lane.n + ahead
    lane.progress = [[n + ahead, before] for n, before in lane.progress]
    return lane


def filled() -> Any:
    """Evidence at its largest: every list at its bound, long errors, as many open circuits as are kept."""
    session = Stream()
    for number in range(30):
        command = f"make target-{number} --with-a-rather-long-option={number:040d}"
        for _ in range(3):
            session.bash(command, f"Exit code 2\nerror {number} " + "x" * 300, fails=True)
    for number in range(90):
        for _ in range(2):
            text = f"Exit code 1\nfailed {number} " + "z" * 300
            session.bash(f"run other-{number} " + "y" * 80, text, fails=True)
        session.call("Write", {"file_path": f"/p/{number}", "content": "c"}, "ok")
    for number in range(60):
        command = f"make target-{number % 30} --with-a-rather-long-option={number % 30:040d}"
        session.ask("Bash", {"command": command})
    return session.lanes[""]
