"""Services that are down, across the sessions of a machine: real hook processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circuit_breaker.breaker.model import Circuit
from circuit_breaker.runtime import store

ROOT = Path(__file__).resolve().parents[2]
# A server that died during the call as 197 and 330 word it, and one that could not be started again: as recorded.
DEAD = ["mcp-server-crash", "mcp-server-crash-2.1.330", "mcp-server-gone-2.1.330"]


def fail(
    run_hook: Any, payload: Any, session: str, number: int, text: str = "", recorded: str = DEAD[1]
) -> Any:
    """One turn of `session` with one call that fails as it was recorded, or with another text."""
    call = {"tool_name": "mcp__db__q", "tool_input": {"n": number}, "tool_use_id": f"{session}-{number}"}
    failure = payload(f"PostToolUseFailure.{recorded}", session_id=session, **call)
    failure["error"] = text or failure["error"]
    run_hook("monitor", failure)
    batch = [{**call, "tool_response": failure["error"]}]
    return run_hook("monitor", payload("PostToolBatch.mcp-iserror", session_id=session, tool_calls=batch))


def ask(registered: Any, payload: Any, session: str, call: str, tool: str = "mcp__db__q") -> str:
    """The gate's answer to a call of `session`, as the registered lines give it: "deny", or "" for silence."""
    body = payload(
        "PreToolUse.mcp", session_id=session, tool_name=tool, tool_use_id=call, tool_input={"c": call}
    )
    answers = [answer.out for answer in registered(body) if answer.out]
    return answers[0]["hookSpecificOutput"]["permissionDecision"] if answers else ""


def end_cooldown(state: Path) -> None:
    """Let the next call to the service in this file be its probe."""
    state.write_bytes(store.encode(store.decode(state.read_bytes(), Circuit).but(retry_at=1.0)))


@pytest.mark.parametrize("recorded", DEAD)
def test_a_server_that_is_down_is_down_for_every_session_and_comes_back_for_all(
    run_hook: Any, registered: Any, payload: Any, machine: Any, recorded: str
) -> None:
    for number in range(5):
        last = fail(run_hook, payload, f"session{number}", number, recorded=recorded)
    assert "does not answer" in last.out["hookSpecificOutput"]["additionalContext"]
    assert ask(registered, payload, "another", "a1") == "deny"
    assert ask(registered, payload, "another", "a2", tool="mcp__other__q") == ""
    state = next((machine.runtime / "services").glob("*.json"))
    end_cooldown(state)
    assert [ask(registered, payload, f"s{n}", f"b{n}") for n in range(3)] == ["", "deny", "deny"]
    call = {"tool_name": "mcp__db__q", "tool_input": {"c": "b0"}, "tool_use_id": "b0", "tool_response": "42"}
    run_hook("monitor", payload("PostToolBatch.mcp-iserror", session_id="s0", tool_calls=[call]))
    assert not list((machine.runtime / "services").glob("*.json"))
    assert not (machine.runtime / "armed" / "_any").exists()
    assert ask(registered, payload, "another", "a3") == ""
    log = machine.runtime.rglob("circuit_breaker_incidents.jsonl")
    events = [json.loads(line) for path in log for line in path.read_text().splitlines()]
    ours = [(e["event"], e["circuit"]) for e in events if e["circuit"].startswith("service_down:")]
    assert ours == [("trip", "service_down:db"), ("close", "service_down:db")]


def test_your_reset_tries_a_server_again_at_once(
    run_hook: Any, registered: Any, payload: Any, machine: Any
) -> None:
    for number in range(5):
        fail(run_hook, payload, f"session{number}", number)
    command = [sys.executable, str(ROOT / "plugin"), "status", "--json"]
    told = subprocess.run(command, env=machine.env, cwd=machine.project, capture_output=True, check=False)
    assert json.loads(told.stdout)["circuits"]["service_down"]["subjects"][0]["subject"] == "db"
    reset = [sys.executable, str(ROOT / "plugin"), "reset", "--circuit", "service_down:db"]
    done = subprocess.run(reset, env=machine.env, cwd=machine.project, capture_output=True, check=True)
    assert b"service_down:db" in done.stdout
    assert ask(registered, payload, "another", "a1") == ""


def test_a_tools_own_errors_take_no_server_down(run_hook: Any, registered: Any, payload: Any) -> None:
    for number in range(8):
        fail(run_hook, payload, f"session{number}", number, "the tool says: connection refused")
    assert ask(registered, payload, "another", "a1") == ""


@pytest.mark.parametrize(
    "left_out",
    [{"exclude": ["mcp__db__*"]}, {"circuit_breakers": {"service_down": {"exclude": ["mcp__db__*"]}}}],
)
def test_a_server_that_you_left_out_is_neither_counted_nor_denied(
    run_hook: Any, registered: Any, payload: Any, machine: Any, left_out: dict[str, Any]
) -> None:
    own = machine.home / ".config" / "claude-circuit-breaker" / "config.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps(left_out))
    for number in range(5):
        fail(run_hook, payload, f"session{number}", number)
    assert not (machine.runtime / "services").exists()
    own.unlink()
    for number in range(5, 10):
        fail(run_hook, payload, f"session{number}", number)
    assert ask(registered, payload, "another", "a1") == "deny"
    own.write_text(json.dumps(left_out))
    assert ask(registered, payload, "another", "a2") == ""


def test_a_server_of_another_project_is_another_server(
    run_hook: Any, registered: Any, payload: Any, tmp_path: Path
) -> None:
    for number in range(5):
        fail(run_hook, payload, f"session{number}", number)
    other = tmp_path / "other"
    other.mkdir()
    body = payload("PreToolUse.mcp", session_id="x", tool_name="mcp__db__q", tool_use_id="t")
    assert [answer.out for answer in registered(body, CLAUDE_PROJECT_DIR=str(other))] == [None]


@pytest.mark.slow
def test_of_64_sessions_that_ask_at_once_one_is_the_probe(run_hook: Any, payload: Any, machine: Any) -> None:
    for number in range(5):
        fail(run_hook, payload, f"session{number}", number)
    state = next((machine.runtime / "services").glob("*.json"))
    end_cooldown(state)
    gates = []
    for number in range(64):
        body = payload(
            "PreToolUse.mcp", session_id=f"s{number}", tool_name="mcp__db__q", tool_use_id=f"t{number}"
        )
        gate = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", str(ROOT / "hooks" / "circuit_breaker_gate.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=machine.env,
            cwd=machine.project,
        )
        assert gate.stdin is not None
        gate.stdin.write(json.dumps(body).encode())
        gate.stdin.close()
        gates.append(gate)
    answers = [gate.stdout.read() for gate in gates if gate.stdout is not None]
    for gate in gates:
        gate.wait(60)
        if gate.stdout is not None:
            gate.stdout.close()
    assert sum(b'"deny"' in answer for answer in answers) == 63 and answers.count(b"") == 1
