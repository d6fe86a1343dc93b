"""A recording run again is what the hooks would have seen live."""

from __future__ import annotations

from payloads_of import payloads

from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import rerun


def test_your_prompt_helps_in_a_recording_as_it_does_live():
    rows = []
    for number in range(14):
        if number % 5 == 0:
            rows.append({"hook_event_name": "UserPromptSubmit", "prompt": f"go on {number}"})
        call = {
            "tool_name": "Bash",
            "tool_input": {"command": f"git show {number:07x}"},
            "tool_use_id": f"t{number}",
        }
        rows.append({"hook_event_name": "PreToolUse", "turn": number, **call})
        rows.append(
            {"hook_event_name": "PostToolUse", "turn": number, **call, "tool_response": f"text {number}"}
        )
    records = [{"session_id": "s", "i": i, "t": 1e9 + i, **row} for i, row in enumerate(rows)]
    run = rerun.Rerun("s", build())
    for fields in payloads(records):
        run.feed(fields)
    assert run.warnings == [] and run.trips == []
