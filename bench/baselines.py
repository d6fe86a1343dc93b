"""What would the plain rules that people write first have done? Each is a function over one lane's calls in order."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, Callable, NamedTuple


class Call(NamedTuple):
    """One call as a plain rule sees it. `event`: index of its result (of itself where it has none)."""

    event: int
    turn: int
    prompt: int
    tool: str
    same: str  # tool and input as they are
    failed: bool


Rule = Callable[[Iterable[Call]], Iterator[int]]


def calls(records: Iterable[dict[str, Any]]) -> dict[str | None, list[Call]]:
    """Lane -> its calls in order, from recorded hook events. Calls that were cancelled are left out."""
    found: dict[str | None, list[Call]] = {}
    asked: dict[str, dict[str, Any]] = {}
    prompts = 0
    for record in records:
        name = record["hook_event_name"]
        if name == "UserPromptSubmit":
            prompts += 1
        elif name == "PreToolUse":
            asked[record["tool_use_id"]] = record
        elif name in ("PostToolUse", "PostToolUseFailure") and record.get("tool_use_id") in asked:
            call = asked.pop(record["tool_use_id"])
            same = f"{call['tool_name']} {json.dumps(call.get('tool_input'), sort_keys=True)}"
            failed = name == "PostToolUseFailure"
            turn = call.get("turn", record["i"])
            found.setdefault(call.get("agent_id"), []).append(
                Call(record["i"], turn, prompts, call["tool_name"], same, failed)
            )
    return found


def fails_in(window: int, of: str) -> Rule:
    """A tool fails 3 times within `window` turns or prompts."""

    def rule(lane: Iterable[Call]) -> Iterator[int]:
        failed: dict[str, deque[int]] = {}
        for call in lane:
            if call.failed:
                last = failed.setdefault(call.tool, deque(maxlen=3))
                last.append(getattr(call, of))
                if len(last) == 3 and last[-1] - last[0] < window:
                    yield call.event

    return rule


def more_than(limit: int, tools: tuple[str, ...] = ()) -> Rule:
    """More than `limit` calls of a tool within one prompt."""

    def rule(lane: Iterable[Call]) -> Iterator[int]:
        count: Counter[tuple[int, str]] = Counter()
        for call in lane:
            count[call.prompt, call.tool] += 1
            if count[call.prompt, call.tool] > limit and (not tools or call.tool in tools):
                yield call.event

    return rule


def alternation(lane: Iterable[Call]) -> Iterator[int]:
    """Two tools take turns by name, three times."""
    last: deque[str] = deque(maxlen=6)
    for call in lane:
        last.append(call.tool)
        if len(last) == 6 and last[0] != last[1] and [*last] == [last[0], last[1]] * 3:
            yield call.event


def identical(times: int, in_a_row: bool = True) -> Rule:
    """The same tool with the same input `times` times, in a row or within one prompt."""

    def rule(lane: Iterable[Call]) -> Iterator[int]:
        count: Counter[tuple[int, str]] = Counter()
        before, run = "", 0
        for call in lane:
            run = run + 1 if call.same == before else 1
            before = call.same
            count[call.prompt, call.same] += 1
            if (run if in_a_row else count[call.prompt, call.same]) >= times:
                yield call.event

    return rule


RULES: dict[str, Rule] = {
    "a tool fails 3 times in 5 prompts": fails_in(5, "prompt"),
    "a tool fails 3 times in 5 turns": fails_in(5, "turn"),
    "more than 10 calls of a tool in a prompt": more_than(10),
    "two tools alternate by name, 3 rounds": alternation,
    "5 identical calls in a row": identical(5),
    "3 identical calls in a row": identical(3),
    "5 identical calls in a prompt": identical(5, in_a_row=False),
    "3 identical calls in a prompt": identical(3, in_a_row=False),
    "more than 5 agents in a prompt": more_than(5, ("Agent", "Task")),
}
