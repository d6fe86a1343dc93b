"""What is measured: each hook's registered line in the states that matter, what grows, and the obvious alternatives."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from timing import Scene
from world import ROOT, World, payload

sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "tests")]


class Wanted(NamedTuple):
    """A row of the table: its scene, what it is compared with ("" is the floor), and the limits its ratio has."""

    scene: Scene
    beside: str
    must: float
    goal: float


def floor(python: str, world: World) -> Scene:
    """A bare interpreter start: what every ratio is to."""
    return Scene("floor", [python, "-I", "-S", "-c", "pass"], world.env, lambda: "/dev/null")


# What sessions ask of a shell most often has operators in it, and comes back with numbers; a bare look is known by its words.
COMMAND = {"command": "python -m pytest -q tests/unit 2>&1 | tail -20", "description": "Run the unit tests"}
LOOK = {"command": "git status --short"}


def work(**changes: Any) -> dict[str, Any]:
    """A turn of one successful call that has not been made before."""
    call = {"tool_name": "Bash", "tool_input": COMMAND, "tool_use_id": "new"}
    call["tool_response"] = "............\n12 passed in 0.41s"
    return payload("PostToolBatch.bash-exit-1", tool_calls=[{**call, **changes}])


def asked(**changes: Any) -> dict[str, Any]:
    """A call that has not been made before."""
    return payload("PreToolUse.bash", **{"tool_input": COMMAND, "tool_use_id": "new", **changes})


def rows(base: Path, python: str) -> list[Wanted]:
    """The rows of the table, each in a world of its own state."""
    calm = World(base / "calm", python).begin()
    armed = World(base / "armed", python).begin().trip()
    stopped = asked(tool_input={"command": "make all"})
    if '"deny"' not in armed.send(stopped):
        raise RuntimeError("the call of an open circuit was not denied")
    again = {"file_path": f"{calm.project}/part4.py"}
    repeated = work(tool_name="Read", tool_input=again, tool_use_id="again", tool_response="line 4")
    read = work(
        tool_name="Read", tool_input={"file_path": f"{calm.project}/new.py"}, tool_response="1 import os"
    )
    look = work(tool_input=LOOK, tool_response=" M lib/a.py\n?? lib/b.py")
    edit = asked(tool_name="Edit", tool_input={"file_path": "/p/a", "old_string": "a", "new_string": "b"})
    large = {"file_path": "/p/a", "content": "x1 " * 350_000}
    writing = payload("PreToolUse.edit", tool_input=large)
    written = work(tool_name="Write", tool_input=large)
    failure = payload("PostToolUseFailure.bash-exit-1", tool_use_id="new")
    prompt = payload("UserPromptSubmit", prompt_id="p2")
    start = payload("SessionStart.startup.headless")
    budget = World(base / "budget", python).configured(
        circuit_breakers={"budget": {"calls_per_prompt": 10**6, "tokens_per_prompt": 10**12}}
    )
    spent = work(transcript_path=str(transcript(base / "spent.jsonl", 40_000)))
    found = [
        Wanted(calm.scene("gate, nothing armed", asked()), "", 0.15, 0.08),
        Wanted(armed.scene("gate, armed", asked()), "", 1.25, 1.00),
        Wanted(armed.scene("gate, armed, a bare look", asked(tool_input=LOOK)), "", 1.25, 1.00),
        Wanted(armed.scene("gate, armed, an edit", edit), "", 1.25, 1.00),
        Wanted(armed.scene("gate, denies", stopped), "", 1.40, 1.05),  # writes memory, as a failure does
        Wanted(calm.scene("monitor, success", work()), "", 1.25, 1.00),
        Wanted(calm.scene("monitor, success of a bare look", look), "", 1.25, 1.00),
        Wanted(calm.scene("monitor, success of a reading tool", read), "", 1.25, 1.00),
        Wanted(calm.scene("monitor, failure", failure), "", 1.40, 1.05),
        Wanted(budget.begin().scene("monitor, a budget, 40 kB of transcript", spent), "", 1.60, 1.20),
        Wanted(armed.scene("monitor, a circuit open, 40 kB of transcript", spent), "", 1.60, 1.20),
        Wanted(calm.scene("prompt", prompt), "", 1.25, 1.00),
        Wanted(calm.scene("SessionStart, nothing due", start), "", 1.50, 0.90),
        Wanted(calm.scene("monitor, a call that repeats", repeated), "", 2.30, 1.30),
        Wanted(armed.scene("gate, armed, 1 MB payload", writing), "", 2.00, 2.00),
        Wanted(calm.scene("monitor, 1 MB payload", written), "", 2.00, 2.00),
    ]
    grown = {
        "10,000 sessions": World(base / "sessions", python).begin().trip().sessions(10_000),
        "1e6 incidents": World(base / "incidents", python).begin().trip().incidents(1_000_000),
        "1e5 turns": lived(World(base / "turns", python).begin().trip()),
        "largest evidence": filled(World(base / "filled", python).begin().trip()),
    }
    for what, world in grown.items():
        found.append(Wanted(world.scene(f"gate, armed, {what}", asked()), "gate, armed", 1.10, 1.02))
        found.append(Wanted(world.scene(f"monitor, {what}", work()), "monitor, success", 1.10, 1.02))
    many = grown["10,000 sessions"]
    found.append(Wanted(many.scene("prompt, 10,000 sessions", prompt), "prompt", 1.10, 1.02))
    found.append(
        Wanted(many.scene("SessionStart, 10,000 sessions", start), "SessionStart, nothing due", 1.10, 1.02)
    )
    return found


def transcript(path: Path, size: int) -> Path:
    """Rows of one turn and its results, about `size` bytes, of which one in two says what it cost."""
    usage = {"input_tokens": 4, "output_tokens": 300, "cache_read_input_tokens": 100_000}
    lines, number = [], 0
    while sum(map(len, lines)) < size:
        number += 1
        message = {"id": f"m{number}", "content": [{"type": "text", "text": "x" * 700}], "usage": usage}
        lines.append(json.dumps({"type": "assistant", "message": message}) + "\n")
        lines.append(json.dumps({"type": "user", "message": {"content": "y" * 1500}}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def alternatives(base: Path, python: str) -> list[Scene]:
    """The same two payloads through what people write first; `python3` as they register it, no options."""
    world = World(base / "others", python)
    here = Path(__file__).resolve().parent / "alternatives"
    state = str(base / "others" / "state")
    kinds = {
        "json + pathlib + filelock": [sys.executable, str(here / "plain.py")],
        "bash + jq": ["/usr/bin/env", "bash", str(here / "breaker.sh")],
        "sqlite": [sys.executable, str(here / "sqlite_state.py")],
    }
    return [
        world.scene(f"{kind}: {hook}", body, command=[*command, state])
        for kind, command in kinds.items()
        for hook, body in (("gate", asked()), ("monitor", work()))
    ]


def lived(world: World) -> World:
    """A session of 100,000 turns: as many as make its memory full, and the counters of the rest."""
    from streams import Stream

    session = Stream()
    for number in range(400):
        session.call("Read", {"file_path": f"/p/module_{number}.py"}, f"text {number}")
        session.call("Edit", {"file_path": f"/p/module_{number}.py", "new_string": f"{number}"}, "done")
        session.bash(f"pytest tests/test_{number}.py", f"{number} passed")
    lane = session.lanes[""]
    ahead = 100_000 - lane.turn
    lane.recent = [[n + ahead, turn + ahead, *rest] for n, turn, *rest in lane.recent]
    for streak in lane.streaks.values():
        for name in ("ok_at", "first", "counted", "turn"):
            setattr(streak, name, getattr(streak, name) + ahead)
    lane.turn, lane.n = lane.turn + ahead, lane.n + ahead
    lane.moves = [[n + ahead, before] for n, before in lane.moves]
    return _remember(world, lane)


def filled(world: World) -> World:
    """Evidence at its largest: every list at its bound, long errors, as many open circuits as are kept."""
    from streams import Stream

    session = Stream()
    for number in range(30):
        command = f"make target-{number} --with-a-rather-long-option={number:040d}"
        for _ in range(3):
            session.bash(command, f"Exit code 2\nerror {number} " + "x" * 300, fails=True)
    for number in range(90):
        for _ in range(2):
            session.bash(
                f"run other-{number} " + "y" * 80, f"Exit code 1\nfailed {number} " + "z" * 300, fails=True
            )
        session.call("Write", {"file_path": f"/p/{number}", "content": "c"}, "ok")
    for number in range(60):
        session.ask(
            "Bash", {"command": f"make target-{number % 30} --with-a-rather-long-option={number % 30:040d}"}
        )
    return _remember(world, session.lanes[""])


def _remember(world: World, lane: Any) -> World:
    from circuit_breaker.runtime import store

    path = world.memory / "main.json"
    now = json.loads(path.read_bytes())
    lane.cwd, lane.prompt = now["cwd"], now.get("prompt", "")
    path.write_bytes(store.encode(lane))
    return world
