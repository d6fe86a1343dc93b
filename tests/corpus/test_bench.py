"""The benchmark counts what it says it counts, on recordings whose answer is known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def session(name, commands, results=None, failed=False):
    rows = [{"hook_event_name": "UserPromptSubmit", "prompt": "go", "session_id": name, "i": 0, "t": 1.0}]
    for number, command in enumerate(commands):
        said = results[number] if results else "/p"
        common = {"session_id": name, "turn": number, "tool_use_id": f"{name}{number}", "tool_name": "Bash"}
        call = {"hook_event_name": "PreToolUse", "tool_input": {"command": command}}
        result = (
            {"hook_event_name": "PostToolUseFailure", "error": said}
            if failed
            else {"hook_event_name": "PostToolUse", "tool_response": said}
        )
        for more in (call, result):
            rows.append({**common, **more, "i": len(rows), "t": 1.0 + len(rows)})
    return rows


@pytest.fixture
def folder(tmp_path):
    names = [f"ls dir{n}" for n in range(40)]
    rows = [
        *session("loop", ["pwd"] * 12),
        *session("errs", [f"make part{n}" for n in range(9)], ["Exit code 2\nno rule"] * 9, failed=True),
        *session("work", names, names),
    ]
    (tmp_path / "a__b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    loop = {"agent_id": None, "kind": "loop", "first_event": 1, "basis": "read", "note": ""}
    labels = {
        "episodes": [
            {**loop, "session": "loop", "should_trip_by_event": 8, "last_event": 24, "pattern": "same call"},
            {**loop, "session": "errs", "should_trip_by_event": 6, "last_event": 18, "pattern": "same error"},
        ],
        "clean": [{"session": "work", "basis": "auto"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    return tmp_path


def bench(*arguments, code=0):
    command = [sys.executable, str(ROOT / "bench"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_each_rule_is_scored_by_its_own_words(folder):
    found = json.loads(bench("detect", folder, "--json"))[str(folder)]

    def of(rule):
        row = found[rule]
        return row["caught"], row["in_time"], row["stopped"], row["clean_stopped"]

    assert {row["loops"] for row in found.values()} == {2}
    assert of("**circuit-breaker**") == (2, 2, 2, 0)
    assert of("opencode `doom_loop`") == (1, 1, 1, 0)
    assert of("Cline") == (1, 1, 1, 0)
    assert of("Roo, repetition") == (1, 1, 1, 0)
    assert of("goose, limit 3") == (2, 2, 2, 0)
    assert of("OpenHands (StuckDetector v0)") == (1, 1, 1, 0)
    assert of("gemini-cli") == (1, 0, 1, 0)
    assert of("crush") == (1, 0, 1, 0)
    assert of("openclaw") == (1, 0, 0, 0)
    assert of("the published checklist") == (2, 1, 2, 1)
    # the third of twelve and the third of nine: 9 + 6 of 21 calls were still to come
    assert found["goose, limit 3"]["share_after"] == pytest.approx((8 + 6) / 21, abs=1e-4)


def test_table_has_a_row_for_each_rule_and_names_what_was_missed(folder):
    out = bench("detect", folder, "--list")
    assert "2 loops; 1 clean sessions (0 read / 1 found clean by other means); 0 traps." in out
    assert "| same error | 1 | 1 |" in out and "| same call | 1 | 1 |" in out
    config = folder / "config.json"
    config.write_text('{"circuit_breakers": {"repeated_call": {"threshold": 9}}}')
    out = bench("detect", folder, "--alone", "--list", "--config", config)
    assert "opencode" not in out
    assert "due 8: at 16" in out


def test_budgets_show_what_limits_would_have_cost_good_sessions(folder):
    out = bench("budgets", folder)
    assert "2 loops, 1 good sessions with 1 prompts" in out
    assert "| 50 calls a prompt | 0 | 0 of 21 (0 %) | 0 of 1 | 0.0 % |" in out
    assert "| **circuit-breaker** | 2 |" in out


def test_folder_without_labels_is_named(tmp_path):
    assert "labels.json" in bench("detect", tmp_path, code=1)


def test_sensitivity_shows_what_a_number_is_for(folder):
    out = bench("sensitivity", folder, "--only", "repeated_call.threshold` 4 -> 3")
    assert "### Thresholds" in out and "### Progress" not in out
    assert f"| **as it is**, {folder.name} | 2 | 2 | 2 |" in out
    assert "| `repeated_call.threshold` | 4 | 3: same |  |  |" in out


def test_sensitivity_says_what_moves(folder):
    out = bench("sensitivity", folder, "--only", "repeated_call.threshold`")
    assert "| `repeated_call.threshold` | 4 | 3: same | 5: same | 0: loops 1, in time 1, stopped 1 |" in out
    out = bench("sensitivity", folder, "--only", "same_error")
    assert "0: loops 1, in time 1, stopped 1 |" in out


def test_sensitivity_replaces_functions_of_the_engine_in_its_own_processes(tmp_path):
    times = [f"started at 12:03:{number:02d}" for number in range(8)]
    rows = session("clock", ["pwd"] * 8, times)
    (tmp_path / "a__b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    loop = {"session": "clock", "agent_id": None, "kind": "loop", "first_event": 1, "last_event": 16}
    labels = {"episodes": [{**loop, "should_trip_by_event": 8}], "clean": []}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    found = json.loads(bench("sensitivity", tmp_path, "--json", "--only", "kept"))["found"]
    caught = {name for name, figures in found.items() if figures[str(tmp_path)]["stopped"] == 1}
    assert found.keys() - caught == {"times of day kept"}
    assert len(caught) == 9  # the unchanged engine among them
