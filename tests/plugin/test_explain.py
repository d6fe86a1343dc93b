"""explain: why the last call was blocked, and whether one would be, call by call."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plugin.people import ROOT, plugin
from plugin.transcripts import Transcript


@pytest.fixture
def hooks(person):
    """What the hooks hear of a session: `hooks(tool, given, text, fails)` is one call."""
    count = iter(range(1, 1000))

    def call(tool, given, text="ok", fails=False, session="b7e1c2d3-0000"):
        one = {"tool_name": tool, "tool_input": given, "tool_use_id": f"t{next(count)}"}
        common = {"session_id": session, "cwd": str(person.project), "prompt_id": "p1"}
        bodies = [
            {**common, "hook_event_name": "PostToolBatch", "tool_calls": [{**one, "tool_response": text}]}
        ]
        if fails:
            bodies.insert(0, {**common, **one, "hook_event_name": "PostToolUseFailure", "error": text})
        for body in bodies:
            script = ROOT / "hooks" / "circuit_breaker_monitor.py"
            line = [sys.executable, "-I", "-S", str(script)]
            subprocess.run(
                line, input=json.dumps(body).encode(), env=person.env, check=True, capture_output=True
            )

    return call


def fail(hooks, times, command="make test"):
    for _ in range(times):
        hooks("Bash", {"command": command}, "Exit code 2\nboom", fails=True)


def recorded(person, made, circuit="tool_failure:Bash make test", cause="failed", event="trip", reset=0.0):
    """A transcript, and the incident that ended it on record; before it your reset at a time."""
    made.save(person.home)
    home = Path(json.loads(plugin(person, "status", "--json").stdout)["home"])
    home.mkdir(parents=True, exist_ok=True)
    row = {
        "t": made.now,
        "event": event,
        "circuit": circuit,
        "session": made.session,
        "agent": None,
        "cause": cause,
    }
    rows = [{**row, "t": reset, "event": "reset"}, row] if reset else [row]
    (home / "circuit_breaker_incidents.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))


def notes(text):
    """What is said of each call of the circuit."""
    return [line.rpartition("  ")[2] for line in text.splitlines() if line[:1] == "*"]


def test_nothing_was_blocked_and_no_session_is_kept(person):
    done = plugin(person, "explain", "--last")
    assert done.returncode == 1 and "nothing was blocked in this project" in done.stderr
    assert "to explain one, add --session ID" in done.stderr
    done = plugin(person, "explain", "Bash", '{"command": "ls"}')
    assert done.returncode == 1 and "no session of this project is remembered" in done.stderr


def test_last_block_is_explained_with_its_rule_and_its_numbers(person, hooks):
    fail(hooks, 3)
    done = plugin(person, "explain")
    assert done.returncode == 0
    assert "tool_failure:Bash make test was blocked at" in done.stdout
    assert "Why: it failed 3 times with nothing changed in between." in done.stdout
    assert "fails 3 times within 5 turns" in done.stdout
    assert "The last calls: Bash make test" in done.stdout  # the transcript is not there


def test_evidence_says_of_each_call_what_it_counted_as(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    made.prompt()
    made.bash("make test", "Exit code 2\nboom", fails=True)
    made.call("Edit", {"file_path": "/p/a.py", "old_string": "a", "new_string": "b"}, "updated")
    made.bash("make test", "Exit code 2\nboom", fails=True)
    made.call("Read", {"file_path": "/p/a.py"}, "text")
    made.bash("make test", "Exit code 2\nboom", fails=True)
    made.bash("make test", "Exit code 2\nboom", fails=True)
    recorded(person, made)
    lines = [
        line.split(None, 1)[1] if line[:1] == "*" else line
        for line in plugin(person, "explain").stdout.splitlines()
    ]
    notes = [line.split("  ")[-1] for line in lines if "counts:" in line or "progress:" in line]
    assert notes == [
        "counts: failure 1 of 3",
        "progress: the count starts again",
        "counts: failure 1 of 3",
        "no progress: it only looks",
        "counts: failure 2 of 3",
        "counts: failure 3 of 3",
    ]


def test_same_error_in_spite_of_progress_is_counted_once_it_is_nearer(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    for number in range(6):
        made.bash("make test", "Exit code 2\nboom", fails=True)
        edit = {"file_path": "/p/a.py", "old_string": f"{number}", "new_string": f"{number + 1}"}
        made.call("Edit", edit, f"updated {number}")
    recorded(person, made)
    lines = plugin(person, "explain").stdout.splitlines()
    counted = [line.rpartition("  ")[2] for line in lines if line[:1] == "*"]
    assert counted[0] == "counts: failure 1 of 3" and counted[-2:] == [
        "counts: same error, time 5 of 6",
        "counts: same error, time 6 of 6",
    ]


def test_a_later_block_is_explained_by_the_calls_since_your_reset(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    for _ in range(3):
        made.bash("make test", "Exit code 2\nboom", fails=True)
    made.now += 60
    reset = made.now - 30
    for _ in range(3):
        made.bash("make test", "Exit code 2\nboom", fails=True)
    recorded(person, made, reset=reset)
    counted = [f"counts: failure {number} of 3" for number in (1, 2, 3)]
    assert notes(plugin(person, "explain").stdout) == counted * 2


def test_a_stopped_turn_is_explained_by_all_calls_that_counted(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    given = {"file_path": "/p/a.py", "old_string": "x", "new_string": "y"}
    for _ in range(6):
        made.call(
            "Edit", given, "<tool_use_error>String to replace not found in file.</tool_use_error>", True
        )
    recorded(person, made, circuit="tool_failure:Edit a.py", event="ending")
    assert notes(plugin(person, "explain").stdout)[2:] == [
        "counts: failure 3 of 3",
        *(f"counts: failure {number}" for number in (4, 5, 6)),
    ]


def test_no_progress_is_told_where_none_starts_the_count_again(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    for number in range(101):
        made.call("Agent", {"prompt": f"task {number}"}, f"report {number}", seconds=0.01)
    recorded(person, made, circuit="agent_spawn:Agent")
    text = plugin(person, "explain").stdout
    assert "The calls before it, of the same thread:\n" in text and "progress" not in text.split("thread:")[1]


def test_failures_outside_the_window_do_not_count(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    made.bash("make test", "Exit code 2\nboom", fails=True)
    for number in range(4):
        made.call("Read", {"file_path": f"/p/{number}.py"}, f"text {number}")
    for _ in range(3):
        made.bash("make test", "Exit code 2\nboom", fails=True)
    recorded(person, made)
    lines = plugin(person, "explain").stdout.splitlines()
    assert [line.rpartition("  ")[2] for line in lines if line[:1] == "*"] == [
        "counts: failure 1 of 3",
        "counts: failure 1 of 3",
        "counts: failure 2 of 3",
        "counts: failure 3 of 3",
    ]


def test_attempt_in_other_words_is_counted_in_any_form(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    for line in (
        "pytest t.py",
        "pytest -x t.py",
        "python -m pytest t.py",
        "pytest ./t.py -v",
        "pytest t.py -q",
        "pytest t.py --lf",
    ):
        made.bash(line, "Exit code 1\nE   assert 2 == 5\nFAILED t.py::test_a", fails=True)
    recorded(person, made, circuit="tool_failure:Bash pytest t.py (any form)")
    text = plugin(person, "explain").stdout
    assert "counts: failure 6 of 6" in text and text.count("\n* ") == 6


def test_reason_that_names_claude_is_a_sentence(person):
    made = Transcript("b7e1c2d3-0000", str(person.project), time.time() - 600)
    recorded(person, made, cause="Claude asked 5 times in one prompt for calls that are blocked")
    assert "Why: Claude asked 5 times in one prompt" in plugin(person, "explain").stdout


def test_call_that_would_run_says_how_near_it_is(person, hooks):
    fail(hooks, 2)
    done = plugin(person, "explain", "Bash", '{"command": "make test"}')
    assert done.returncode == 0 and "Bash make test would run in session b7e1c2d3" in done.stdout
    assert "It failed 2 of 3 times with no progress in between." in done.stdout
    assert sum(line.startswith("*") for line in done.stdout.splitlines()) == 2
    assert "Nothing counts against it." in plugin(person, "explain", "Bash", "ls").stdout
    other_form = plugin(person, "explain", "Bash", "make test 2>&1 | tail -3").stdout
    assert "In one form or another it failed 2 of 6 times." in other_form


def test_call_of_a_circuit_that_is_due_would_run_as_the_one_retry(person, hooks):
    plugin(person, "config", "set", "tool_failure.cooldown_base_seconds", "0")
    fail(hooks, 3)
    text = plugin(person, "explain", "Bash", "make test").stdout
    assert "Bash make test would run as the one retry in session b7e1c2d3" in text


def test_session_that_is_not_remembered_is_named(person, hooks):
    fail(hooks, 2)
    for given in ((), ("Bash", "make test")):
        done = plugin(person, "explain", "--session", "nobody", *given)
        assert done.returncode == 1 and "session nobody" in done.stderr


def test_call_that_would_be_blocked_says_by_what_and_changes_nothing(person, hooks):
    fail(hooks, 3)
    before = {path: path.read_bytes() for path in person.state.rglob("*") if path.is_file()}
    done = plugin(person, "explain", "Bash", "cd . && make test", "--session", "b7e1")
    assert done.returncode == 0 and "would be blocked in session b7e1c2d3" in done.stdout
    assert "Blocked by circuit-breaker" in done.stdout and "fails 3 times within 5 turns" in done.stdout
    assert before == {path: path.read_bytes() for path in person.state.rglob("*") if path.is_file()}


def test_rules_of_an_armed_session_are_those_that_its_gate_goes_by(person, hooks):
    fail(hooks, 3)
    plugin(person, "config", "set", "mode", "observe")
    assert (
        "would run" in plugin(person, "explain", "Bash", "make test").stdout
    )  # said by you: it applies at once
    plugin(person, "config", "unset", "mode")
    hooks("Bash", {"command": "ls"})
    config = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    config.write_text('{"mode": "observe"}')
    assert "Bash make test would be blocked" in plugin(person, "explain", "Bash", "make test").stdout


def test_call_that_would_switch_the_breaker_off_is_blocked_while_something_is_open(person, hooks):
    fail(hooks, 1)
    reset = ("explain", "Bash", "circuit-breaker reset --all")
    assert "would run" in plugin(person, *reset).stdout
    fail(hooks, 2)
    said = plugin(person, *reset).stdout
    assert "would be blocked" in said and "switch" in said


def test_evidence_is_read_by_a_python_that_makes_the_same_keys(person, hooks, python):
    fail(hooks, 2)
    (person.state / "python").write_text(f"{sys.executable}\n")
    said = plugin(person, "explain", "Bash", "make test", python=python)
    assert "It failed 2 of 3 times with no progress in between." in said.stdout and not said.stderr


@pytest.mark.parametrize("given", ["{torn", "[1]", '"text"', "[" * 50_000])
def test_input_that_is_no_json_object_is_wrong_usage(person, hooks, given):
    fail(hooks, 1)
    done = plugin(person, "explain", "Edit", given)
    assert done.returncode == 2 and "not a JSON object" in done.stderr and len(done.stderr) < 200
