"""`python3 plugin replay`: what a person sees of their past sessions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"session", "agent", "rule", "subject", "event", "t", "cause"}


def events(calls, text="/p", session="s", agent=None, start=0):
    """`calls` turns of one call, a second apart, as recorded hook events."""
    rows = []
    for number in range(calls):
        common = {
            "session_id": session,
            "turn": number,
            "tool_use_id": f"{session}{number}",
            "tool_name": "Bash",
        }
        if agent:
            common["agent_id"] = agent
        for half, more in enumerate(
            (
                {"hook_event_name": "PreToolUse", "tool_input": {"command": "pwd"}},
                {"hook_event_name": "PostToolUse", "tool_response": text},
            )
        ):
            index = start + 2 * number + half
            rows.append({**common, **more, "i": index, "t": 1_790_000_000.0 + index})
    return rows


@pytest.fixture
def recorded(tmp_path):
    def write(*rows, name="a.jsonl"):
        path = tmp_path / name
        path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
        return path

    return write


def run(*arguments, code=0):
    command = [sys.executable, str(ROOT / "plugin"), "replay", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def told(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


def test_loop_is_shown_with_its_place_its_reason_and_its_price(recorded):
    out = run(recorded(*events(7))).stdout
    assert "tripped at event 7 (" in out
    assert "repeated_call:Bash pwd" in out
    assert "it returned the same result 4 times" in out
    assert "3 calls would have been denied" in out
    assert "1 sessions, 7 calls: 1 sessions tripped, 3 calls denied." in out


def test_work_is_passed_over_in_silence(recorded):
    out = run(recorded(*events(2))).stdout
    assert "session s" not in out and "0 sessions tripped" in out


def test_json_has_the_names_that_others_rely_on(recorded):
    found = told(recorded(*events(5), *events(2, session="other")))
    assert (found["schema"], found["sessions"], found["calls"], found["denied"]) == (1, 2, 7, 1)
    [warning], [trip] = found["warnings"], found["trips"]
    assert set(trip) >= KEYS and set(warning) >= KEYS
    assert {key: trip[key] for key in ("session", "agent", "rule", "subject", "event", "t")} == {
        "session": "s",
        "agent": None,
        "rule": "repeated_call",
        "subject": "Bash pwd",
        "event": 7,
        "t": 1_790_000_007.0,
    }
    assert warning["event"] == 5


def test_lane_of_a_subagent_is_named(recorded):
    [trip] = told(recorded(*events(4, agent="a5")))["trips"]
    assert trip["agent"] == "a5"


def test_index_is_the_line_in_its_session_where_the_record_has_none(recorded):
    rows = [{key: value for key, value in row.items() if key != "i"} for row in events(4)]
    [trip] = told(recorded({"hook_event_name": "Stop", "session_id": "other"}, *rows))["trips"]
    assert trip["event"] == 7


def failures(calls):
    rows = []
    for row in events(calls):
        if row["hook_event_name"] == "PostToolUse":
            row.update(hook_event_name="PostToolUseFailure", error="Exit code 1")
        rows.append(row)
    return rows


def test_followed_as_it_happened_a_call_that_would_have_been_denied_ran(recorded):
    assert [trip["rule"] for trip in told(recorded(*failures(10)))["trips"]] == ["tool_failure"]


def test_enforced_it_never_ran_and_asking_again_and_again_ends_the_turn(recorded):
    found = told(recorded(*failures(10)), "--enforce")
    assert found["denied"] == 6  # the seventh is let through as a trial
    assert [trip["event"] for trip in found["trips"]] == [5, 15]
    assert "asked 5 times" in found["trips"][1]["cause"]


def test_config_file_changes_what_would_have_happened(recorded):
    config = recorded('{"circuit_breakers": {"repeated_call": {"threshold": 3}}}', name="config.json")
    path = recorded(*events(3))
    assert told(path)["trips"] == []
    assert [trip["event"] for trip in told(path, "--config", config)["trips"]] == [5]


def test_what_is_wrong_with_a_config_file_is_said_and_its_default_taken(recorded):
    config = recorded('{"circuit_breakers": {"repeated_call": {"threshold": "many"}}}', name="config.json")
    done = run(recorded(*events(4)), "--config", config)
    assert "repeated_call.threshold" in done.stderr and "tripped" in done.stdout


@pytest.mark.parametrize("content", [None, "{torn"])
def test_config_file_that_cannot_be_read_is_an_answer_without_a_run(recorded, tmp_path, content):
    path = tmp_path / "none.json" if content is None else recorded(content, name="config.json")
    assert str(path) in run(recorded(*events(4)), "--config", path, code=1).stderr


def test_broken_lines_are_counted_and_the_first_is_named(recorded):
    path = recorded(*events(2), "{torn\n", *events(2, start=4), "[]\n")
    assert f"2 lines could not be read; the first: {path}:5" in run(path).stderr
    assert told(path)["broken"]["lines"] == 2


def test_path_that_is_not_there_is_an_answer_of_no(tmp_path):
    assert "no such file" in run(tmp_path / "none", code=1).stderr


def test_folder_is_searched_for_recordings_and_transcripts(recorded, tmp_path):
    recorded(*events(4))
    rows = []
    for number in range(4):
        common = {"sessionId": "t", "timestamp": f"2026-11-23T01:00:0{number}Z"}
        block = {"type": "tool_use", "id": f"u{number}", "name": "Bash", "input": {"command": "pwd"}}
        message = {"id": f"m{number}", "content": [block], "usage": {"output_tokens": 5}}
        rows.append({**common, "type": "assistant", "message": message})
        result = {"type": "tool_result", "tool_use_id": f"u{number}", "content": "/p"}
        rows.append({**common, "type": "user", "message": {"content": [result]}})
    recorded(*rows, name="b.jsonl")
    recorded("not one of them", name="notes.txt")
    found = told(tmp_path)
    assert sorted(trip["session"] for trip in found["trips"]) == ["s", "t"]
    assert found["broken"]["lines"] == 0


def test_names_from_a_file_cannot_write_to_the_terminal(recorded):
    rows = [{**row, "session_id": "s\x1b[2J\u202e", "agent_id": "a\x1b]0;x\x07"} for row in events(4)]
    out = run(recorded(*rows)).stdout
    assert "tripped" in out and not {"\x1b", "\x07", "\u202e"} & set(out)
