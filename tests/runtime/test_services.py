"""Services that are down, across the sessions of a machine: real hook processes."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circuit_breaker.breaker.service_down import Service
from circuit_breaker.runtime import store

ROOT = Path(__file__).resolve().parents[2]
# A server that died during the call as 197 and 330 word it, and one that could not be started again: as recorded.
DEAD = ["mcp-server-crash", "mcp-server-crash-2.1.330", "mcp-server-gone-2.1.330"]
REFUSED = "Claude requested permissions to use mcp__db__q, but you haven't granted it yet."


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


def turn(
    run_hook: Any, payload: Any, session: str, call_id: str, answer: str = "42", failed: str = "", **more: Any
) -> Any:
    """The end of a turn with one call; `failed`: the recorded failure that comes before it."""
    call = {"tool_name": "mcp__db__q", "tool_input": {"c": call_id}, "tool_use_id": call_id}
    if failed:
        run_hook("monitor", payload(f"PostToolUseFailure.{failed}", session_id=session, **call, **more))
    batch = [{**call, "tool_response": answer}]
    return run_hook(
        "monitor", payload("PostToolBatch.mcp-iserror", session_id=session, tool_calls=batch, **more)
    )


def bring_down(told: Any, payload: Any, machine: Any) -> Path:
    """Let the server fail in five sessions and its cooldown pass. -> its file."""
    for number in range(5):
        fail(told, payload, f"session{number}", number)
    (state,) = (machine.runtime / "services").glob("*.json")
    end_cooldown(state)
    return state


def end_cooldown(state: Path) -> None:
    """Let the next call to the service in this file be its probe."""
    state.write_bytes(store.encode(store.decode(state.read_bytes(), Service).but(retry_at=1.0)))


def rows(machine: Any) -> list[Any]:
    """The incidents of this rule."""
    logs = machine.runtime.rglob("circuit_breaker_incidents.jsonl")
    found = [json.loads(line) for path in logs for line in path.read_text().splitlines()]
    return [row for row in found if row["circuit"].startswith("service_down:")]


def incidents(machine: Any) -> list[tuple[str, str]]:
    """The event and the circuit of each incident of this rule."""
    return [(row["event"], row["circuit"]) for row in rows(machine)]


def verb(machine: Any, *words: str, **env: str) -> str:
    """What a verb prints."""
    command = [sys.executable, str(ROOT / "plugin"), *words]
    return subprocess.run(
        command, env={**machine.env, **env}, cwd=machine.project, capture_output=True, text=True, check=False
    ).stdout


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
    assert incidents(machine) == [("trip", "service_down:db"), ("close", "service_down:db")]


def test_your_reset_tries_a_server_again_at_once(
    run_hook: Any, registered: Any, payload: Any, machine: Any
) -> None:
    for number in range(5):
        fail(run_hook, payload, f"session{number}", number)
    rule = json.loads(verb(machine, "status", "--json"))["circuits"]["service_down"]
    assert (rule["state"], rule["trips"], rule["subjects"][0]["subject"]) == ("OPEN", 1, "db")
    assert "service_down:db" in verb(machine, "reset", "--circuit", "service_down:db")
    assert ask(registered, payload, "another", "a1") == ""


def test_a_server_that_cannot_be_reset_keeps_no_session_from_it(
    told: Any, payload: Any, machine: Any
) -> None:
    state = bring_down(told, payload, machine)
    call = payload("PostToolBatch.bash-exit-1")["tool_calls"][0]
    for number in range(3):
        told("monitor", payload("PostToolUseFailure.bash-exit-1", session_id="s", tool_use_id=f"t{number}"))
        calls = [{**call, "tool_use_id": f"t{number}"}]
        told("monitor", payload("PostToolBatch.bash-exit-1", session_id="s", tool_calls=calls))
    (state.parent / "lock").unlink()
    (state.parent / "lock").mkdir()
    assert "Reset to CLOSED: tool_failure:" in verb(machine, "reset", "--all")
    assert state.exists()


def test_you_are_shown_that_a_server_is_blocked_and_explain_says_so(
    run_hook: Any, payload: Any, machine: Any
) -> None:
    answers = [fail(run_hook, payload, f"session{number}", number).out for number in range(5)]
    assert answers[:4] == [None] * 4 and "terminalSequence" in answers[4]
    assert answers[4]["systemMessage"].endswith('To unblock: /reset-circuit --circuit "service_down:db"')
    state = next((machine.runtime / "services").glob("*.json"))
    for expected in ("mcp__db__q would be blocked in", "mcp__db__q would run in"):
        before = state.read_bytes()
        assert expected in verb(machine, "explain", "mcp__db__q", "{}")
        assert state.read_bytes() == before
        end_cooldown(state)


@pytest.mark.parametrize(
    ("tool", "changes", "recorded"),
    [
        ("WebFetch", {}, "warning"),
        ("mcp__db__q", {"circuit_breakers": {"service_down": {"action": "warn"}}}, "warning"),
        ("mcp__db__q", {"circuit_breakers": {"service_down": {"action": "observe"}}}, ""),
        ("mcp__db__q", {"mode": "observe"}, "would_trip"),
        ("WebFetch", {"mode": "observe"}, ""),
    ],
)
def test_service_that_blocks_nothing_is_never_open(
    told: Any, payload: Any, machine: Any, tool: str, changes: dict[str, Any], recorded: str
) -> None:
    config = machine.home / ".config" / "claude-circuit-breaker" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps(changes))
    error = "MCP error -32000: Connection closed"
    if tool == "WebFetch":
        error = "Request failed with status code 503"
    answers = []
    for number in range(7):
        call = {"tool_name": tool, "tool_input": {"url": "https://example.org/"}, "tool_use_id": f"t{number}"}
        where = {"session_id": f"session{number}", "cwd": str(machine.project)}
        told("monitor", payload("PostToolUseFailure.mcp-server-crash", **where, **call, error=error))
        turn = [{**call, "tool_response": error}]
        answers.append(told("monitor", payload("PostToolBatch.mcp-iserror", **where, tool_calls=turn)))
    said = [answer for answer in answers if answer]
    assert [event for event, _ in incidents(machine)] == [recorded] * bool(recorded)
    assert len(said) == (recorded == "warning") and not any("systemMessage" in answer for answer in said)
    assert "Active Breakers: None" in verb(machine, "status")


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


def test_a_probe_that_is_refused_or_moved_to_the_background_is_given_back(
    run_hook: Any, told: Any, registered: Any, payload: Any, machine: Any
) -> None:
    state = bring_down(told, payload, machine)
    moved = "MCP tool q moved to the background as task b1."
    for number, answer in enumerate((REFUSED, moved)):
        assert ask(registered, payload, "first", f"probe{number}") == ""
        assert ask(registered, payload, "second", f"early{number}") == "deny"
        turn(run_hook, payload, "first", f"probe{number}", answer)
        service = store.decode(state.read_bytes(), Service)
        assert (service.state, service.level, service.retry_at) == ("OPEN", 0, 1.0)
    assert ask(registered, payload, "second", "next") == ""
    interrupted = {"is_interrupt": True, "error": "[Request interrupted by user for tool use]"}
    call = {"tool_name": "mcp__db__q", "tool_input": {"c": "next"}, "tool_use_id": "next"}
    run_hook("monitor", payload(f"PostToolUseFailure.{DEAD[1]}", session_id="second", **call, **interrupted))
    assert ask(registered, payload, "third", "last") == ""
    assert incidents(machine) == [("trip", "service_down:db")]


def test_a_call_that_another_circuit_denies_is_no_probe_of_its_server(
    told: Any, registered: Any, payload: Any, machine: Any
) -> None:
    for number in range(3):  # the same call fails by itself: tool_failure
        call = {"tool_name": "mcp__db__q", "tool_input": {"c": "x"}, "tool_use_id": f"own{number}"}
        own = payload(f"PostToolUseFailure.{DEAD[1]}", session_id="busy", **call, error="no such table: x")
        told("monitor", own)
        batch = [{**call, "tool_response": "no such table: x"}]
        told("monitor", payload("PostToolBatch.mcp-iserror", session_id="busy", tool_calls=batch))
    bring_down(told, payload, machine)
    body = payload(
        "PreToolUse.mcp", session_id="busy", tool_name="mcp__db__q", tool_use_id="p", tool_input={"c": "x"}
    )
    assert "no such table" in json.dumps([answer.out for answer in registered(body)])
    assert ask(registered, payload, "another", "a1") == ""


def test_under_your_bypass_no_server_goes_down_and_a_failed_probe_makes_nothing_worse(
    run_hook: Any, told: Any, registered: Any, payload: Any, machine: Any
) -> None:
    yours = {"session_id": "s", "prompt_id": "p1"}
    run_hook(
        "prompt", payload("UserPromptSubmit.sudo-bypass", **yours, prompt="SUDO BYPASS", transcript_path="")
    )
    said = [turn(told, payload, "s", f"t{n}", "Connection closed", DEAD[1], prompt_id="p1") for n in range(5)]
    assert said == [None] * 5 and incidents(machine) == []
    state = bring_down(told, payload, machine)
    for call, seen in (("b1", ""), ("b2", "deny")):  # as the probe, and while another session's is out
        if seen:
            assert ask(registered, payload, "another", "probe") == ""
        body = payload("PreToolUse.mcp", **yours, tool_name="mcp__db__q", tool_use_id=call)
        assert not any(answer.out for answer in registered(body))
        turn(run_hook, payload, "s", call, "Connection closed", DEAD[1], prompt_id="p1")
        service = store.decode(state.read_bytes(), Service)
        assert (service.level, service.retry_at) == (0, 1.0)
        assert ask(registered, payload, "third", f"after {call}") == seen
        turn(
            run_hook,
            payload,
            "third",
            f"after {call}",
            REFUSED,
        )
    assert incidents(machine) == [("trip", "service_down:db"), ("bypass", "service_down:db")]


def test_sessions_under_another_python_share_the_same_services(
    run_hook: Any, told: Any, registered: Any, payload: Any, machine: Any, python: str
) -> None:
    state = bring_down(told, payload, machine)
    assert ask(registered, payload, "s", "probe") == ""
    turn(functools.partial(run_hook, python=python), payload, "s", "probe")
    assert not state.exists() and not (machine.runtime / "armed" / "_any").exists()


def test_janitor_leaves_a_server_that_is_down_and_forgets_it_after_a_day(
    run_hook: Any, told: Any, registered: Any, payload: Any, machine: Any
) -> None:
    state = bring_down(told, payload, machine)
    down, marker = store.decode(state.read_bytes(), Service), machine.runtime / "armed" / "_any"
    marker.write_text(f"~0123456789ab/main.json\nservices/gone.json\n{marker.read_text()}")
    start = payload("SessionStart.startup.headless", session_id="new", cwd=str(machine.project))
    for age in (7200, 86_000):
        os.utime(marker, (marker.stat().st_mtime - age,) * 2)
        run_hook("janitor", start)
        assert marker.read_text() == f"services/{state.name}\n"
    assert ask(registered, payload, "another", "a1") == ""
    assert ask(registered, payload, "another", "a2") == "deny"
    state.write_bytes(store.encode(down.but(retry_at=1.0, failures=[1.0])))
    (machine.runtime / "janitor").rename(machine.runtime / "unknown")  # another round is due
    run_hook("janitor", start)
    assert not state.exists() and not marker.exists()
    assert json.loads(verb(machine, "status", "--json"))["circuits"]["service_down"]["state"] == "CLOSED"


def test_janitor_forgets_a_host_that_failed_and_a_file_that_nobody_can_read(
    run_hook: Any, told: Any, payload: Any, machine: Any
) -> None:
    call = {"tool_name": "WebFetch", "tool_input": {"url": "https://example.org/"}, "tool_use_id": "t"}
    refused = "Request failed with status code 503"
    told("monitor", payload("PostToolUseFailure.mcp-server-crash", session_id="s", **call, error=refused))
    batch = [{**call, "tool_response": refused}]
    told("monitor", payload("PostToolBatch.mcp-iserror", session_id="s", tool_calls=batch))
    (host,) = (machine.runtime / "services").glob("*.json")
    failed = store.decode(host.read_bytes(), Service)
    (host.parent / "older.json").write_text("{}")
    start = payload("SessionStart.startup.headless", session_id="new", cwd=str(machine.project))
    run_hook("janitor", start)
    assert list(host.parent.glob("*.json")) == [host]
    host.write_bytes(store.encode(failed.but(failures=[1.0])))
    (machine.runtime / "janitor").rename(machine.runtime / "unknown")  # another round is due
    run_hook("janitor", start)
    assert not list(host.parent.glob("*.json"))


@pytest.mark.slow
def test_another_project_neither_shows_nor_resets_a_server_and_your_reset_of_all_is_on_record(
    run_hook: Any, registered: Any, payload: Any, machine: Any, tmp_path: Path
) -> None:
    for number in range(5):
        fail(run_hook, payload, f"session{number}", number)
    other = tmp_path / "other"
    other.mkdir()
    elsewhere = {"CLAUDE_PROJECT_DIR": str(other)}
    assert ask(functools.partial(registered, **elsewhere), payload, "b", "b1") == ""
    run_hook("prompt", payload("UserPromptSubmit", session_id="bbbbbbbb", cwd=str(other)), **elsewhere)

    def typed(command: str, words: str) -> str:
        body = payload(
            "UserPromptExpansion.bare-plugin-command",
            session_id="bbbbbbbb",
            command_name=command,
            command_args=words,
            cwd=str(other),
        )
        return json.dumps(run_hook("command", body, **elsewhere).out)

    assert "Active Breakers: None" in typed("circuit-status", "")
    assert "Nothing to reset" in typed("reset-circuit", "--all")
    for words in (["--project", str(other)], ["--session", "bbbbbbbb"]):
        shown = json.loads(verb(machine, "status", "--json", *words, **elsewhere))
        assert shown["circuits"]["service_down"]["state"] == "CLOSED"
        assert "Nothing to reset" in verb(machine, "reset", "--all", *words, **elsewhere)
    assert "db" not in verb(machine, "status", "--line", **elsewhere)
    assert "db" in verb(machine, "status", "--line", "--all", **elsewhere)
    assert ask(registered, payload, "another", "a1") == "deny"
    for words in ([], ["--session", "session0"], ["--project", str(machine.project)]):
        shown = json.loads(verb(machine, "status", "--json", *words, **elsewhere))
        (server,) = shown["circuits"]["service_down"]["subjects"]
        assert (server["state"], server["project"]) == ("OPEN", str(machine.project))
    assert f"every session of {machine.project}" in verb(machine, "reset", "--all", **elsewhere)
    assert ask(registered, payload, "another", "a2") == ""
    trip, reset = rows(machine)
    assert (trip["event"], trip["cooldown"], trip["calls"]) == ("trip", 30.0, ["mcp__db__q"] * 5)
    assert (reset["event"], reset["before"], reset["after"]) == ("reset", "OPEN", "CLOSED")
    assert reset["project"] == str(machine.project)


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
