"""No hook does more than linear work in its payload, whatever the payload holds: lines of Python are counted, not seconds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
from samples import samples
from texts import UNITS, text

from circuit_breaker.runtime import hook

NOW = 1_790_000_000.0
Send = Callable[[str, "dict[str, Any]"], Any]


@pytest.fixture
def begin(machine: Any) -> Callable[[str], Send]:
    """`begin(SESSION)` opens a circuit in a new session. -> what makes one hook call in it, in this process."""

    def begun(session: str) -> Send:
        common = {"session_id": session, "transcript_path": "/none.jsonl", "cwd": "/p", "prompt_id": "p"}
        env = {**machine.env, "CLAUDE_CODE_SESSION_ID": session}

        def run(name: str, body: dict[str, Any]) -> Any:
            return hook.answer_to(name, json.dumps({**common, **body}).encode(), env, NOW)

        for number in range(3):
            call = bash("make all", f"t{number}")
            run("monitor", {"hook_event_name": "PostToolUseFailure", **call, "error": "Exit code 2\nno rule"})
            run("monitor", batch(call, "Exit code 2\nno rule"))
        return run

    return begun


def bash(command: str, id: str, tool: str = "Bash") -> dict[str, Any]:
    return {"tool_name": tool, "tool_input": {"command": command}, "tool_use_id": id}


def batch(call: dict[str, Any], response: Any) -> dict[str, Any]:
    return {"hook_event_name": "PostToolBatch", "tool_calls": [{**call, "tool_response": response}]}


def events(told: str, id: str) -> list[tuple[str, dict[str, Any]]]:
    """Hook calls that have a text in each place where one can be long."""
    edit = {"file_path": "/p/x", "old_string": told, "new_string": told[1:]}
    editing = {"tool_name": "Edit", "tool_input": edit, "tool_use_id": id}
    miss = f"<tool_use_error>String to replace not found in file.\nString: {told}</tool_use_error>"
    asking = {"tool_name": "mcp__a__search", "tool_input": {"query": told}, "tool_use_id": id}
    scheduling = {"tool_name": "CronCreate", "tool_input": {"prompt": told}, "tool_use_id": id}
    failed = {"hook_event_name": "PostToolUseFailure", "error": f"Exit code 1\n{told}"}
    return [
        ("gate", {"hook_event_name": "PreToolUse", **bash(told, id)}),
        ("gate", {"hook_event_name": "PreToolUse", **bash(told, id, "PowerShell")}),
        ("gate", {"hook_event_name": "PreToolUse", **editing}),
        ("gate", {"hook_event_name": "PreToolUse", **asking}),
        ("gate", {"hook_event_name": "PreToolUse", **scheduling}),
        ("monitor", {**failed, **bash("x", id)}),
        ("monitor", {**failed, **bash(told, id)}),
        ("monitor", batch(bash(told, id), f"Exit code 1\n{told}")),
        ("monitor", batch(bash(told, id + "a"), "ok")),
        ("monitor", batch(bash("git status", id + "b"), told)),
        ("monitor", batch(bash(told, id + "c", "PowerShell"), told)),
        ("monitor", batch({**editing, "tool_use_id": id + "d"}, miss)),
        ("monitor", batch({**asking, "tool_use_id": id + "e"}, [{"type": "text", "text": told}])),
        ("prompt", {"hook_event_name": "UserPromptSubmit", "prompt": told, "prompt_id": id}),
    ]


def lines_run(act: Callable[[], object]) -> int:
    """How many lines of Python `act` runs; a loop within a line counts each time it begins anew."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


# (characters, more of them, how many times as many lines may be run for those): what is read is read in linear time, and of a long
# text only so much is read line by line and word by word; the rest is passed over at the speed of `str.find`.
@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "most"), [(500, 4_000, 16), (40_000, 160_000, 2)])
@pytest.mark.parametrize("kind", [*UNITS][:: samples(here=3, in_ci=1)])
def test_work_grows_no_faster_than_the_payload(
    begin: Callable[[str], Send], kind: str, small: int, large: int, most: float
) -> None:
    few, many = (
        [lines_run(partial(send, *event)) for event in events(text(kind, size), "call")]
        for size, send in ((small, begin("few")), (large, begin("many")))
    )
    grown = enumerate(zip(few, many))
    assert [(number, before, after) for number, (before, after) in grown if after > before * most] == []


@pytest.mark.parametrize(
    ("command", "response"),
    [("pytest t{}.py", "1 passed in 0.10s"), ("pytest t{}.py | tail -3", "E   boom\n1 failed in 0.10s")],
    ids=["that succeed", "that fail"],
)
def test_each_call_of_a_long_turn_costs_the_same(
    begin: Callable[[str], Send], command: str, response: str
) -> None:
    def turn(count: int) -> dict[str, Any]:
        calls = [bash(command.format(number), f"call{number}") for number in range(count)]
        rows = [{**call, "tool_response": response} for call in calls]
        return {"hook_event_name": "PostToolBatch", "tool_calls": rows}

    few, many = (lines_run(partial(begin(f"with-{count}"), "monitor", turn(count))) for count in (200, 1_600))
    assert many < few * 9
