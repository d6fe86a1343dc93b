"""Keys that replay makes late compare as the keys that a hook makes at once."""

from __future__ import annotations

import pytest

from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.model import Result
from circuit_breaker.identity import results
from circuit_breaker.replay import recording, rerun

TEXTS = ("", "took 1.2s", "took 9.7s", "4 passed", "5 passed", "x" * 5000 + " 1.2s", "x" * 5000 + " 9.7s")


def late(tool, text):
    result = Result(tool=tool, text=text)
    rerun.put_off([result])
    return result.result or results.result_key(tool, text), result.digits or results.digits_key(text)


@pytest.mark.parametrize("tool", ["Bash", "Read"])
@pytest.mark.parametrize("one", TEXTS)
@pytest.mark.parametrize("other", TEXTS)
def test_late_keys_are_equal_where_the_keys_are(tool, one, other):
    keys, digits = zip(late(tool, one), late(tool, other))
    at_once = results.result_key(tool, one) == results.result_key(tool, other)
    assert (keys[0] == keys[1]) is at_once
    assert (keys[0] != keys[1]) is not at_once
    assert (digits[0] == digits[1]) is (results.digits_key(one) == results.digits_key(other))
    assert (keys[0] == results.result_key(tool, other)) is at_once
    assert keys[0] != "" and digits[0] != ""


def test_long_text_is_not_kept_for_its_keys():
    result = Result(tool="Bash", text="x" * (rerun.LATE_MAX + 1))
    rerun.put_off([result])
    assert (result.result, result.digits) == ("", "")


def test_late_key_is_made_once_and_lets_go_of_the_text():
    made = []

    def make(text):
        made.append(text)
        return "key"

    key = rerun.Late(make, "a text")
    assert key == "key" and key == "key" and key != ""
    assert made == ["a text"] and key.given == ()


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
    for fed in recording.payloads(records):
        run.feed(fed)
    assert run.warnings == [] and run.trips == []
