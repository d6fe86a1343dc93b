"""`python3 plugin replay`: what you see of your past sessions."""

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


USAGE = {
    "input_tokens": 5,
    "output_tokens": 300,
    "cache_read_input_tokens": 101_400,
    "cache_creation_input_tokens": 20,
}


def looping(calls, session, command="false", error=True, agent=None, first=0):
    """A transcript in Claude Code's own form: each message is two rows with one id, its usage growing."""
    rows = []
    for number in range(first, first + calls):
        common = {
            "sessionId": session,
            "cwd": "/work/site",
            "timestamp": f"2026-11-23T01:{number // 60:02d}:{number % 60:02d}.000Z",
        }
        if agent:
            common.update(isSidechain=True, agentId=agent)
        name = f"{session}{agent or ''}{number}"
        text = {"type": "text", "text": "I try again."}
        block = {"type": "tool_use", "id": f"u{name}", "name": "Bash", "input": {"command": command}}
        for half, (content, usage) in enumerate(((text, {**USAGE, "output_tokens": 1}), (block, USAGE))):
            message = {"id": f"m{name}", "content": [content], "usage": usage}
            rows.append({**common, "uuid": f"a{half}{name}", "type": "assistant", "message": message})
        result = {
            "type": "tool_result",
            "tool_use_id": f"u{name}",
            "content": "Exit code 1",
            "is_error": error,
        }
        rows.append({**common, "uuid": f"r{name}", "type": "user", "message": {"content": [result]}})
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
    path = recorded(*events(7))
    out = run(path).stdout
    assert "would have warned at event 5 (" in out and "would have tripped at event 7 (" in out
    assert out.index("would have warned") < out.index("would have tripped")
    assert f"session s: 7 calls, {path}" in out
    assert "repeated_call:Bash pwd" in out
    assert "returned the same result 4 times" in out
    assert "3 calls would have been denied" in out
    assert "1 session, 7 calls: 1 session would have tripped, 3 calls would have been denied." in out


def test_work_is_passed_over_in_silence(recorded):
    out = run(recorded(*events(2))).stdout
    assert "session s:" not in out and "0 sessions would have tripped" in out


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
    assert found["denied"] == 6  # the seventh is let through as a probe
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
    recorded(*looping(4, "t"), name="b.jsonl")
    recorded("not one of them", name="notes.txt")
    found = told(tmp_path)
    assert sorted(trip["session"] for trip in found["trips"]) == ["s", "t"]
    assert found["broken"]["lines"] == 0


def test_names_from_a_file_cannot_write_to_the_terminal(recorded):
    rows = [{**row, "session_id": "s\x1b[2J\u202e", "agent_id": "a\x1b]0;x\x07"} for row in events(4)]
    out = run(recorded(*rows)).stdout
    assert "tripped" in out and not {"\x1b", "\x07", "\u202e"} & set(out)


def spent(calls):
    return {
        "input": 5 * calls,
        "output": 300 * calls,
        "cache_read": 101_400 * calls,
        "cache_write": 20 * calls,
    }


def test_what_was_spent_after_a_trip_counts_each_message_once_cache_reads_included(recorded):
    path = recorded(*looping(12, "t"))
    found = told(path)
    [trip] = found["trips"]
    assert trip["tokens"] == found["tokens"] == spent(9)
    assert (trip["project"], trip["file"]) == ("/work/site", str(path))
    out = run(path).stdout
    assert "spent after the trip: 915,525 tokens (45 input, 2,700 output, 912,600 cache read" in out
    assert "saved" not in out


def test_your_next_prompt_ends_what_counts_as_spent_after_a_trip(recorded):
    prompt = {
        "type": "user",
        "sessionId": "t",
        "timestamp": "2026-11-23T01:00:06Z",
        "message": {"content": "stop that"},
    }
    machine = {**prompt, "promptSource": "system", "message": {"content": "<task-notification>x"}}
    rows, after = looping(6, "t"), looping(3, "t", "pwd", error=False, first=7)
    assert told(recorded(*rows, prompt, *after))["tokens"] == spent(3)
    assert told(recorded(*rows, machine, *after))["tokens"] == spent(6)


def test_subagents_are_part_of_what_a_trip_of_the_main_thread_cost_and_not_the_other_way_round(
    recorded, tmp_path
):
    agents = tmp_path / "t" / "subagents"
    agents.mkdir(parents=True)
    inner = looping(2, "t", "pwd", error=False, agent="a5", first=6)
    (agents / "agent-a5.jsonl").write_text("".join(json.dumps(row) + "\n" for row in inner))
    path = recorded(*looping(6, "t"), name="t.jsonl")
    assert told(path)["tokens"] == told(tmp_path)["tokens"] == spent(3 + 2)
    inner = looping(5, "t", agent="a5")
    (agents / "agent-a5.jsonl").write_text("".join(json.dumps(row) + "\n" for row in inner))
    found = told(recorded(*looping(8, "t", "pwd", error=False, first=5)[:6], name="t.jsonl"))
    assert [trip["agent"] for trip in found["trips"]] == ["a5"]
    assert found["tokens"] == spent(2)


def test_two_trips_of_one_prompt_share_what_was_spent_after_both(recorded):
    rows = looping(4, "t") + looping(5, "t", "make", first=4)
    found = told(recorded(*rows))
    assert [trip["tokens"] for trip in found["trips"]] == [spent(6), spent(2)]
    assert found["tokens"] == spent(6)


def test_session_that_a_fork_copied_is_paid_for_once(recorded):
    rows = looping(6, "t")
    copies = [{**row, "sessionId": "fork"} for row in rows]
    more = looping(2, "fork", "pwd", error=False, first=8)
    recorded(*rows, name="a.jsonl")
    found = told(recorded(*copies, *more, name="b.jsonl").parent)
    assert (found["calls"], found["tokens"]) == (8, spent(3))
    assert [trip["session"] for trip in found["trips"]] == ["t"]


def test_file_that_is_cut_in_the_middle_of_a_line_counts_as_far_as_it_goes(recorded):
    path = recorded(*looping(6, "t"))
    path.write_bytes(path.read_bytes()[:-40])
    found = told(path)
    assert found["broken"]["lines"] == 1 and found["tokens"] == spent(3)


def test_interleaved_sessions_are_sessions_of_their_own(recorded):
    rows = [row for pair in zip(events(5), events(5, session="other")) for row in pair]
    found = told(recorded(*rows))
    assert (found["sessions"], found["calls"]) == (2, 10)
    assert [(trip["session"], trip["event"]) for trip in found["trips"]] == [("s", 7), ("other", 7)]


def test_parallel_calls_under_ids_of_their_own_are_calls_of_their_own(recorded):
    rows = []
    for number in range(3):
        block = {
            "type": "tool_use",
            "id": f"t{number}",
            "name": "Read",
            "input": {"file_path": f"/p/{number}"},
        }
        message = {"id": f"m{number}", "content": [block]}
        rows.append({"type": "assistant", "sessionId": "s", "message": message})
    for number in range(3):
        block = {"type": "tool_result", "tool_use_id": f"t{number}", "is_error": True}
        content = [{**block, "content": "File does not exist."}]
        rows.append({"type": "user", "sessionId": "s", "message": {"content": content}})
    found = told(recorded(*rows))
    assert (found["calls"], found["trips"], found["warnings"]) == (3, [], [])


def test_stopped_turn_is_shown_once_however_long_the_recording_goes_on(recorded):
    rows = []
    for row in events(20):
        if row["hook_event_name"] == "PreToolUse":
            row["tool_input"] = {"command": f"run{row['i']}"}
        else:
            row.update(hook_event_name="PostToolUseFailure", error="Exit code 1\nerror: no such table")
        rows.append(row)
    stopped = [trip for trip in told(recorded(*rows))["trips"] if trip["subject"] == "Bash error"]
    assert len(stopped) == 1
    assert run(recorded(*rows)).stdout.count("would have stopped the turn") == 1


def test_warnings_and_trips_stand_in_the_order_of_time(recorded):
    early = [{**row, "t": row["t"] - 1000} for row in events(5, session="early")]
    found = told(recorded(*events(5), *early))
    assert [trip["session"] for trip in found["trips"]] == ["early", "s"]
    later = [{**row, "tool_use_id": f"later{row['tool_use_id']}"} for row in events(5, "/q", start=6)]
    out = run(recorded(*events(3), *later)).stdout
    places = [int(line.split("event ")[1].split()[0]) for line in out.splitlines() if "at event" in line]
    assert places == sorted(places) and len(places) >= 3


def test_your_own_config_is_used_unless_you_say_otherwise(recorded, tmp_path):
    home = tmp_path / "home"
    mine = home / ".config" / "claude-circuit-breaker" / "config.json"
    mine.parent.mkdir(parents=True)
    mine.write_text('{"mode": "observe", "circuit_breakers": {"repeated_call": {"threshold": 3}}}')
    path = recorded(*events(3))

    def trips(*more):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(home)}
        command = [sys.executable, str(ROOT / "plugin"), "replay", str(path), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
        return done.stdout

    assert "1 session would have tripped" in trips() and str(mine) in trips()
    assert "0 sessions would have tripped" in trips("--defaults")
    assert len(json.loads(trips("--json"))["trips"]) == 1


def test_folder_without_recordings_says_why(tmp_path):
    (tmp_path / "notes.txt").write_text("not one")
    said = run(tmp_path, code=1).stderr
    assert str(tmp_path) in said and ".jsonl" in said and "~/.claude/projects" in said


def test_file_without_an_event_says_so(recorded):
    said = run(recorded('{"type": "summary"}\n'), code=1).stderr
    assert "none holds hook events or rows of a transcript" in said


def test_config_that_is_no_file_and_recordings_that_are_none_are_named_without_more(recorded, tmp_path):
    path = recorded(*events(1))
    said = run(path, "--config", tmp_path, code=1).stderr
    assert said.startswith(f"replay: {tmp_path}: cannot be opened as a regular file. Give ")
    nothing = tmp_path / "notes.jsonl"
    nothing.write_text("hello")
    done = run(nothing, code=1)
    assert "0 sessions" not in done.stdout and "none holds hook events" in done.stderr
