"""The rules of other agents and tools as published, and the plain rules that people write first, over recorded calls.

Each is a function over the calls of one lane in order; it yields (position of the call, WARN or STOP). A rule that refuses, asks or
ends the run stops. The settings are the published defaults; none of them was tuned here.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, NamedTuple

WARN, STOP = "warn", "stop"


class Call(NamedTuple):
    """One call as such a rule sees it. `event`: index of its result (of itself where it has none)."""

    event: int
    turn: object
    prompt: int
    tool: str
    same: str  # tool and input as they are
    said: str  # what it returned, "" where it has no result
    failed: bool
    refused: bool  # it never ran: its input was wrong


Words = Iterator["tuple[int, str]"]
Rule = Callable[[Sequence[Call]], Words]


def calls(records: Iterable[dict[str, Any]]) -> dict[str | None, list[Call]]:
    """Lane -> its calls in order, from recorded hook events. Calls that were cancelled or refused by you are left out."""
    asked: dict[str, tuple[dict[str, Any], int]] = {}
    results: dict[str, dict[str, Any]] = {}
    prompts = 0
    for record in records:
        name = record["hook_event_name"]
        if name == "UserPromptSubmit":
            prompts += 1
        elif name == "PreToolUse":
            asked[record["tool_use_id"]] = record, prompts
        elif record.get("tool_use_id") in asked:
            results[record["tool_use_id"]] = record
    found: dict[str | None, list[Call]] = {}
    for call_id, (record, prompt) in asked.items():
        result = results.get(call_id, {})
        if result.get("cancelled") or result.get("user_rejected"):
            continue
        failed = result.get("hook_event_name") in ("PostToolUseFailure", "ToolNotRun")
        said = result.get("error") if failed else result.get("tool_response")
        found.setdefault(record.get("agent_id"), []).append(
            Call(
                event=result.get("i", record["i"]),
                turn=record.get("turn", record["i"]),
                prompt=prompt,
                tool=record["tool_name"],
                same=f"{record['tool_name']} {json.dumps(record.get('tool_input'), sort_keys=True)}",
                said=said if isinstance(said, str) else json.dumps(said),
                failed=failed,
                refused=bool(result.get("validation_error")),
            )
        )
    return found


def by_prompt(rule: Rule) -> Rule:
    """The rule with a memory that your next message clears."""

    def within(lane: Sequence[Call]) -> Words:
        start = 0
        for at in range(1, len(lane) + 1):
            if at == len(lane) or lane[at].prompt != lane[start].prompt:
                for position, word in rule(lane[start:at]):
                    yield start + position, word
                start = at

    return within


def in_a_row(of: Callable[[Call], object], warn: int = 0, stop: int = 0) -> Rule:
    """Calls directly after one another of which `of` gives the same; None is nothing to count."""

    def rule(lane: Sequence[Call]) -> Words:
        before, run = None, 0
        for at, call in enumerate(lane):
            value = of(call)
            run = 0 if value is None else run + 1 if value == before else 1
            before = value
            if stop and run >= stop:
                yield at, STOP
            elif warn and run >= warn:
                yield at, WARN

    return rule


def in_all(of: Callable[[Call], object], stop: int) -> Rule:
    """So many calls, wherever they are, of which `of` gives the same; None is nothing to count."""

    def rule(lane: Sequence[Call]) -> Words:
        count: Counter[object] = Counter()
        for at, call in enumerate(lane):
            value = of(call)
            count[value] += value is not None
            if count[value] >= stop:
                yield at, STOP

    return rule


def repeated(call: Call) -> object:
    """The same tool with the same input."""
    return call.same


def misused(call: Call) -> object:
    """Roo: a tool used wrongly; a command that ran and failed is none."""
    return call.refused or None


def repeated_in_prompt(call: Call) -> object:
    """The same tool with the same input within one prompt."""
    return call.prompt, call.same


def tool_in_prompt(call: Call) -> object:
    """A tool within one prompt."""
    return call.prompt, call.tool


def agent_in_prompt(call: Call) -> object:
    """An agent started within one prompt."""
    return (call.prompt, call.tool) if call.tool in ("Agent", "Task") else None


def openhands(lane: Sequence[Call]) -> Words:
    """StuckDetector: 4 equal actions with equal observations, 3 equal actions that fail, A B A B A B with equal observations."""

    def seen(call: Call) -> object:
        if call.tool in ("Bash", "exec_command", "shell"):
            code = call.said.partition("\n")[0] if call.said.startswith("Exit code") else ""
            return call.same, call.failed, code
        return call.same, call.failed, call.said

    steps = [seen(call) for call in lane]
    for at, call in enumerate(lane):
        last = steps[max(0, at - 5) : at + 1]
        same = [c.same for c in lane[max(0, at - 2) : at + 1]]
        repeats = len(last) >= 4 and len({*last[-4:]}) == 1
        fails = len(same) == 3 and len({*same}) == 1 and all(c.failed for c in lane[at - 2 : at + 1])
        turns = len(last) == 6 and last[0] != last[1] and last == [last[0], last[1]] * 3
        if repeats or (call.failed and fails) or turns:
            yield at, STOP


def gemini(lane: Sequence[Call]) -> Words:
    """LoopDetectionService: any cycle of 1 to 5 calls, name and arguments, 5 times; results are not compared."""
    for at in range(len(lane)):
        for period in range(1, 6):
            first = at + 1 - 5 * period
            if first >= 0 and all(
                lane[i].same == lane[i - period].same for i in range(first + period, at + 1)
            ):
                yield at, STOP
                break


def same_error(limit: int) -> Rule:
    """goose: one tool returns one error, by its first 100 characters, so many times running."""

    def rule(lane: Sequence[Call]) -> Words:
        last: dict[str, tuple[str, int]] = {}
        for at, call in enumerate(lane):
            if not call.failed:
                last.pop(call.tool, None)
                continue
            error, run = last.get(call.tool, ("", 0))
            run = run + 1 if error == call.said[:100] else 1
            last[call.tool] = call.said[:100], run
            if run >= limit:
                yield at, STOP

    return rule


def crush(lane: Sequence[Call]) -> Words:
    """The same step (tools, inputs, outputs) more than 5 times within the last 10 steps."""
    steps: deque[tuple[tuple[str, str], ...]] = deque(maxlen=10)
    start = 0
    for at in range(len(lane)):
        if at + 1 < len(lane) and lane[at + 1].turn == lane[at].turn:
            continue
        steps.append(tuple((call.same, call.said) for call in lane[start : at + 1]))
        start = at + 1
        if steps.count(steps[-1]) > 5:
            yield at, STOP


def openclaw(lane: Sequence[Call]) -> Words:
    """Of the last 30 calls of a run 10 are equal: warned; 20 with equal results: blocked, at 30 the fuse."""
    last: deque[Call] = deque(maxlen=30)
    for at, call in enumerate(lane):
        last.append(call)
        equal = [c for c in last if c.same == call.same]
        if len(equal) >= 20 and len({c.said for c in equal[-20:]}) == 1:
            yield at, STOP
        elif len(equal) >= 10:
            yield at, WARN


def fails_in(window: int, of: str) -> Rule:
    """A tool fails 3 times within `window` turns or prompts."""

    def rule(lane: Sequence[Call]) -> Words:
        failed: dict[str, deque[int]] = {}
        turns: dict[object, int] = {}
        for at, call in enumerate(lane):
            turn = turns.setdefault(call.turn, len(turns))
            if call.failed:
                last = failed.setdefault(call.tool, deque(maxlen=3))
                last.append(call.prompt if of == "prompt" else turn)
                if len(last) == 3 and last[-1] - last[0] < window:
                    yield at, STOP

    return rule


def alternation(lane: Sequence[Call]) -> Words:
    """Two tools take turns by name, three times."""
    last: deque[str] = deque(maxlen=6)
    for at, call in enumerate(lane):
        last.append(call.tool)
        if len(last) == 6 and last[0] != last[1] and [*last] == [last[0], last[1]] * 3:
            yield at, STOP


def any_of(*rules: Rule) -> Rule:
    """Whichever of the rules speaks."""

    def rule(lane: Sequence[Call]) -> Words:
        for one in rules:
            yield from one(lane)

    return rule


PEERS: dict[str, Rule] = {
    "OpenHands (StuckDetector v0)": by_prompt(openhands),
    "gemini-cli": by_prompt(gemini),
    "Roo, repetition": in_a_row(repeated, stop=4),
    "Roo, with mistakes": any_of(in_a_row(repeated, stop=4), in_a_row(misused, stop=3)),
    "opencode `doom_loop`": in_a_row(repeated, stop=3),
    "Cline": in_a_row(repeated, warn=3, stop=5),
    "goose, limit 3": any_of(in_a_row(repeated, stop=4), same_error(3)),
    "crush": crush,
    "openclaw": by_prompt(openclaw),
    "the published checklist": any_of(fails_in(5, "turn"), in_all(tool_in_prompt, 11)),
}
PLAIN: dict[str, Rule] = {
    "a tool fails 3 times in 5 prompts": fails_in(5, "prompt"),
    "a tool fails 3 times in 5 turns": fails_in(5, "turn"),
    "more than 10 calls of a tool in a prompt": in_all(tool_in_prompt, 11),
    "two tools alternate by name, 3 rounds": alternation,
    "5 identical calls in a row": in_a_row(repeated, stop=5),
    "3 identical calls in a row": in_a_row(repeated, stop=3),
    "5 identical calls in a prompt": in_all(repeated_in_prompt, 5),
    "3 identical calls in a prompt": in_all(repeated_in_prompt, 3),
    "more than 5 agents in a prompt": in_all(agent_in_prompt, 6),
}
