"""status, reset and mode: what a person sees and handles from a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plugin.transcripts import Transcript

from circuit_breaker.breaker.config import RULES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def env(tmp_path):
    (tmp_path / "project").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "CIRCUIT_BREAKER_HOME": str(tmp_path / "state"),
        "CLAUDE_PROJECT_DIR": str(tmp_path / "project"),
        "PYTHONIOENCODING": "utf-8",
    }


def run(env, *arguments, **changes):
    command = [sys.executable, str(ROOT / "plugin"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**env, **changes}, check=False, encoding="utf-8"
    )


def fail(env, times=3, session="s1", command="make test", agent=None):
    for i in range(times):
        payload = {
            "session_id": session,
            "cwd": env["CLAUDE_PROJECT_DIR"],
            "prompt_id": "p1",
            "tool_name": "Bash",
            "tool_input": {"command": command},
            "tool_use_id": f"{session}{command}{agent}{i}",
            **({"agent_id": agent} if agent else {}),
        }
        call = {name: payload[name] for name in ("tool_name", "tool_input", "tool_use_id")}
        for event in (
            {**payload, "hook_event_name": "PostToolUseFailure", "error": "Exit code 2\nboom"},
            {
                **payload,
                "hook_event_name": "PostToolBatch",
                "tool_calls": [{**call, "tool_response": "Exit code 2\nboom"}],
            },
        ):
            script = str(ROOT / "hooks" / "circuit_breaker_monitor.py")
            subprocess.run(
                [sys.executable, "-I", "-S", script],
                input=json.dumps(event).encode(),
                env=env,
                check=True,
                stdout=subprocess.DEVNULL,
            )


def test_status_of_a_fresh_machine_says_that_nothing_protects_it(env):
    done = run(env, "status")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].endswith("CIRCUIT BREAKER STATUS")
    assert lines[1].startswith("NOT PROTECTED: not installed") and "; fix: " in lines[1]
    assert "all systems operational" not in done.stdout


def test_status_of_a_session_whose_hooks_run_says_that_all_is_well(env):
    fail(env, times=1)
    done = run(env, "status")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[1] == "Protected: session s1 only, as its hooks run; hooks last ran just now in session s1"
    assert "Active Breakers: None (all systems operational)" in lines
    assert "Rules" not in lines  # nothing is to be seen of any
    assert "repeated_call" in run(env, "status", "--all").stdout


def test_status_json_has_every_rule_closed_when_nothing_happened(env):
    facts = json.loads(run(env, "status", "--json").stdout)
    assert facts["schema"] == 1
    assert set(facts["circuits"]) == set(RULES)
    assert facts["protection"]["protected"] is False and facts["protection"]["fix"]
    for rule in facts["circuits"].values():
        assert (rule["state"], rule["trips"], rule["subjects"], rule["warned_at"]) == ("CLOSED", 0, [], None)
    assert {
        "total_bytes",
        "telemetry_files",
        "telemetry_lines",
        "session_files",
        "archive_bytes",
        "limits",
    } <= set(facts["memory"])
    assert facts["incidents"] == {"total": 0, "last_24h": 0}
    assert facts["health"]["errors"] == 0


def test_open_circuit_is_shown_with_why_and_how_to_lift_it(env):
    fail(env)
    done = run(env, "status")
    assert "🚨 OPEN  tool_failure:Bash make test" in done.stdout
    assert "last error: Exit code 2 boom" in done.stdout
    assert '/reset-circuit --circuit "tool_failure:Bash make test"' in done.stdout
    subject = json.loads(run(env, "status", "--json").stdout)["circuits"]["tool_failure"]["subjects"][0]
    assert (subject["subject"], subject["state"], subject["session"], subject["agent"]) == (
        "Bash make test",
        "OPEN",
        "s1",
        None,
    )
    assert 0 < subject["retry_in"] <= 10 and subject["count"] == 3


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [(["--plain"], {}), ([], {"NO_COLOR": "1"}), ([], {"PYTHONIOENCODING": "ascii"})],
)
def test_words_stand_alone_where_marks_cannot_be_shown(env, arguments, changes):
    fail(env)
    done = run(env, "status", *arguments, **changes)
    assert "OPEN  tool_failure" in done.stdout
    assert done.stdout.isascii()


def test_reset_closes_on_record_and_a_second_one_says_there_is_nothing(env):
    fail(env)
    done = run(env, "reset", "--circuit", "tool_failure:Bash make test")
    assert done.returncode == 0 and "Reset to CLOSED: tool_failure:Bash make test" in done.stdout
    log = Path(env["CIRCUIT_BREAKER_HOME"], "circuit_breaker_incidents.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log] == ["trip", "reset"]
    assert not os.listdir(Path(env["CIRCUIT_BREAKER_HOME"], "armed"))
    again = run(env, "reset", "--circuit", "tool_failure:Bash make test")
    assert again.returncode == 1 and "No open circuit" in again.stderr
    assert run(env, "reset", "--all").returncode == 0


def test_reset_reaches_subagents_and_one_session_only_when_asked(env):
    fail(env, session="s1", agent="a1")
    fail(env, session="s2")
    assert run(env, "reset", "--all", "--session", "s1").stdout.count("tool_failure") == 1
    facts = json.loads(run(env, "status", "--json").stdout)
    assert [s["session"] for s in facts["circuits"]["tool_failure"]["subjects"]] == ["s2"]


def test_published_state_names_what_is_open_and_is_small(env):
    fail(env)
    path = Path(env["CIRCUIT_BREAKER_HOME"], "circuit_breaker_state.json")
    state = json.loads(path.read_text())
    assert state["version"] == 1
    assert [c["circuit"] for c in state["circuits"]] == ["tool_failure:Bash make test"]
    assert path.stat().st_mode & 0o777 == 0o600
    run(env, "reset", "--all")
    assert json.loads(path.read_text())["circuits"] == []


def test_everything_written_is_for_its_owner_alone(env):
    fail(env)
    root = Path(env["CIRCUIT_BREAKER_HOME"])
    for path in [root, *root.rglob("*")]:
        assert path.lstat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_unknown_circuit_and_session_are_an_error_with_the_next_step(env):
    for arguments in (["--circuit", "nonsense"], ["--session", "nobody"]):
        done = run(env, "status", *arguments)
        assert done.returncode == 1 and done.stderr and not done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["reset"], ["reset", "--all", "--circuit", "x"], ["mode", "loud"]]
)
def test_wrong_usage_exits_two_without_a_traceback(env, arguments):
    done = run(env, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_mode_flips_one_key_of_the_persons_file_and_keeps_the_rest(env):
    path = Path(env["HOME"], ".config", "claude-circuit-breaker", "config.json")
    path.parent.mkdir(parents=True)
    path.write_text('{"deny_limit": 7, "mode": "enforce", "exclude": ["Read"]}')
    assert run(env, "mode", "observe").returncode == 0
    assert json.loads(path.read_text()) == {"deny_limit": 7, "mode": "observe", "exclude": ["Read"]}
    assert json.loads(run(env, "status", "--json").stdout)["mode"] == "observe"
    assert "mode enforce" in run(env, "status").stdout.splitlines()[1]


def test_mode_refuses_a_file_it_cannot_read_and_leaves_it(env):
    path = Path(env["HOME"], ".config", "claude-circuit-breaker", "config.json")
    path.parent.mkdir(parents=True)
    path.write_text("{broken")
    done = run(env, "mode", "observe")
    assert done.returncode == 1 and "not touched" in done.stderr
    assert path.read_text() == "{broken"


def test_config_problems_are_named_with_the_path_of_their_key(env):
    home = Path(env["CIRCUIT_BREAKER_HOME"])
    home.mkdir(mode=0o700)
    (home / "circuit_breaker_config.json").write_text(
        '{"circuit_breakers": {"tool_failure": {"threshold": "3"}}, "colour": 1}'
    )
    problems = json.loads(run(env, "status", "--json").stdout)["health"]["config_problems"]
    assert [problem.split(":")[0] for problem in problems] == [
        "circuit_breakers.tool_failure.threshold",
        "colour",
    ]
    assert "circuit_breakers.tool_failure.threshold" in run(env, "status").stdout


def test_recurring_dead_end_of_the_project_is_one_line(env):
    for number in range(3):
        made = Transcript(f"s{number}", env["CLAUDE_PROJECT_DIR"], time.time() - 3600)
        made.bash("npx prisma go", "Exit code 127\nsh: 1: npx: not found", fails=True)
        made.save(Path(env["HOME"]))
    assert (
        'Recurring dead end: `npx prisma go` met "command not found: npx" in 3 sessions'
        in run(env, "status").stdout
    )
    assert json.loads(run(env, "status", "--json").stdout)["dead_ends"][0]["sessions"] == 3
