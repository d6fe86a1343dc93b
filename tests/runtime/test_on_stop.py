"""on_stop: your own program runs at each trip and each stopped turn, and nothing waits for it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from homes import wait_for


@pytest.fixture
def configure(machine):
    def write(**keys):
        path = machine.home / ".config" / "claude-circuit-breaker" / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(keys))

    return write


@pytest.fixture
def fail(run_hook, payload):
    """A call that fails `times` times, as the hooks hear of it."""

    def run(times=3, **env):
        for i in range(times):
            call = {"tool_name": "Bash", "tool_input": {"command": "make test"}, "tool_use_id": f"t{i}"}
            run_hook(
                "monitor",
                payload("PostToolUseFailure.bash-exit-1", session_id="s", error="boom", **call),
                **env,
            )
            batch = payload(
                "PostToolBatch.bash-exit-1", session_id="s", tool_calls=[{**call, "tool_response": "boom"}]
            )
            answer = run_hook("monitor", batch, **env)
        return answer

    return run


def errors(machine):
    path = Path(machine.env["CIRCUIT_BREAKER_HOME"], "errors.log")
    return path.read_text() if path.exists() else ""


def test_program_gets_the_incident_on_its_stdin_once_a_trip(machine, configure, fail, tmp_path):
    out = tmp_path / "got $(touch x); it"
    code = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
    configure(on_stop=[sys.executable, "-c", code, str(out)])
    fail(5)
    incident = json.loads(wait_for(lambda: out.exists() and out.read_text()))
    assert (incident["event"], incident["circuit"]) == ("trip", "tool_failure:Bash make test")
    assert incident["project"] == str(machine.project) and incident["session"] == "s"
    assert not (machine.project / "x").exists()


def test_hook_does_not_wait_for_it(configure, fail, tmp_path):
    gate, done = tmp_path / "gate", tmp_path / "done"
    code = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)\nopen(sys.argv[2], 'w')"
    configure(on_stop=[sys.executable, "-c", code, str(gate), str(done)])
    fail()
    assert not done.exists()
    gate.touch()
    assert wait_for(done.exists)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (["/no/such/program"], "No such file"),
        (["sh", "-c", "echo oh dear >&2; exit 3"], "exit code 3: oh dear"),
    ],
)
def test_failure_is_one_line_in_the_error_log(machine, configure, fail, program, says):
    configure(on_stop=program)
    fail()
    line = wait_for(lambda: errors(machine))
    assert line.count("\n") == 1 and f"on_stop: {program[0]}: {says}" in line


def test_projects_config_cannot_name_a_program(machine, fail, tmp_path):
    out = tmp_path / "ran"
    path = machine.project / ".claude" / "memory" / "circuit_breaker_config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"on_stop": ["touch", str(out)]}))
    fail(CIRCUIT_BREAKER_HOME="")
    time.sleep(0.3)  # nothing can be waited for where nothing may happen
    assert not out.exists()


def test_observe_mode_records_what_it_would_have_done_and_starts_nothing(machine, configure, fail, tmp_path):
    out = tmp_path / "ran"
    configure(mode="observe", on_stop=["touch", str(out)])
    fail(6)
    log = (
        Path(machine.env["CIRCUIT_BREAKER_HOME"], "circuit_breaker_incidents.jsonl").read_text().splitlines()
    )
    rows = [json.loads(line) for line in log]
    assert [row["event"] for row in rows] == ["would_trip"]
    assert rows[0]["cause"].startswith("failed 3 times") and rows[0]["calls"]
    assert not out.exists()
