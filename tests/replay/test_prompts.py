"""A past prompt is known by what it needed and how it ended."""

from __future__ import annotations

import pytest

from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import transcript
from circuit_breaker.replay.calibration import Prompts


class Log:
    """Rows of a transcript, one second apart."""

    def __init__(self):
        self.rows = []

    def row(self, kind, content, **more):
        number = len(self.rows)
        message = {"content": content, **more.pop("message", {})}
        stamp = f"2026-11-23T01:{number // 60:02d}:{number % 60:02d}.000Z"
        self.rows.append({"type": kind, "sessionId": "s", "timestamp": stamp, "message": message, **more})
        return self

    def prompt(self, text="go on", **more):
        return self.row("user", text, **more)

    def call(self, command="ls", said="x", error=False, tokens=100, **more):
        number = len(self.rows)
        usage = {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": tokens}
        block = {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": command}}
        self.row("assistant", [block], message={"id": f"m{number}", "usage": usage}, **more)
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": said, "is_error": error}
        return self.row("user", [result], **more)

    def answer(self, text="done", tokens=100, **more):
        number = len(self.rows)
        usage = {"output_tokens": 3, "cache_read_input_tokens": tokens}
        block = {"type": "text", "text": text}
        return self.row("assistant", [block], message={"id": f"m{number}", "usage": usage}, **more)

    def prompts(self):
        prompts = Prompts("s", build(), pytest.fail)
        for index, row in enumerate(self.rows):
            for record in transcript.records_in_row(row):
                record.setdefault("i", index)
                prompts.take(record)
        prompts.finish()
        return [(p.calls, p.tokens, p.ending) for p in prompts.found]


def test_prompt_counts_its_calls_and_every_token_of_its_messages():
    log = Log().prompt().call().call("pwd").answer().prompt().answer(tokens=7)
    assert log.prompts() == [(2, 103 * 3, "good"), (0, 10, "good")]


def test_subagents_count_and_machine_prompts_go_on_with_yours():
    side = {"isSidechain": True, "agentId": "a1"}
    log = Log().prompt().call("ls", **side).answer(**side).call("pwd").answer()
    log.prompt("<task-notification>done", promptSource="system").call("make").answer()
    assert log.prompts() == [(3, 103 * 6, "good")]


def test_prompt_that_you_interrupted_is_left_out():
    log = Log().prompt().call().prompt("[Request interrupted by user]").prompt("else").answer()
    assert [ending for _, _, ending in log.prompts()] == ["interrupted", "good"]
    rejected = Log().prompt().call(said="The user doesn't want to proceed with this tool use.", error=True)
    assert [ending for _, _, ending in rejected.answer().prompts()] == ["interrupted"]


def test_prompt_without_an_answer_is_left_out():
    assert [e for _, _, e in Log().prompt().call().prompts()] == ["unfinished"]
    failed = Log().prompt().call().answer("API Error: overloaded", isApiErrorMessage=True)
    assert [e for _, _, e in failed.prompts()] == ["unfinished"]


@pytest.mark.parametrize("last", [True, False])
def test_prompt_in_which_the_breaker_trips_is_left_out(last):
    log = Log().prompt().call().answer().prompt()
    for _ in range(4):
        log.call("make", "Exit code 2\nno rule", error=True)
    log.answer()
    if not last:
        log.prompt().call("git status").answer()
    assert [e for _, _, e in log.prompts()] == ["good", "tripped", "good"][: 2 if last else 3]


def test_what_stands_before_your_first_prompt_belongs_to_none():
    assert Log().call().answer().prompt().answer().prompts() == [(0, 103, "good")]


def test_hook_events_say_how_many_calls_and_nothing_of_their_price():
    prompts = Prompts("s", build(), pytest.fail)
    common = {"session_id": "s", "t": 1.0}
    rows = [{"hook_event_name": "UserPromptSubmit", "prompt": "go"}]
    for number in range(3):
        rows.append({"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_use_id": f"t{number}"})
        rows.append(
            {"hook_event_name": "PostToolUse", "tool_use_id": f"t{number}", "tool_response": f"{number}"}
        )
    for number, row in enumerate(rows):
        record = {**common, **row, "i": number, "turn": (number - 1) // 2}
        prompts.take(record)
    prompts.finish()
    assert [(p.calls, p.tokens, p.ending) for p in prompts.found] == [(3, None, "good")]
