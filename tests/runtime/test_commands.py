"""/circuit-status and /reset-circuit as the hook answers them: for their own session, the project's others in one line."""

from __future__ import annotations

import json

import pytest

from circuit_breaker.runtime import store


@pytest.fixture
def fail(run_hook, payload):
    def run(session, command="make test"):
        for i in range(3):
            call = {
                "tool_name": "Bash",
                "tool_input": {"command": command},
                "tool_use_id": f"{session}{command}{i}",
            }
            run_hook(
                "monitor", payload("PostToolUseFailure.bash-exit-1", session_id=session, error="boom", **call)
            )
            batch = {"tool_calls": [{**call, "tool_response": "boom"}]}
            run_hook("monitor", payload("PostToolBatch.bash-exit-1", session_id=session, **batch))

    return run


@pytest.fixture
def command(run_hook, payload):
    def run(name, arguments="", session="mine1"):
        body = payload(
            "UserPromptExpansion.plugin-command",
            session_id=session,
            command_name=name,
            command_args=arguments,
        )
        answer = run_hook("command", body).out
        assert (
            answer["decision"] == "block" and answer["hookSpecificOutput"]["suppressOriginalPrompt"] is True
        )
        return answer["reason"]

    return run


def test_calm_session_is_protected_since_it_was_asked(command):
    lines = command("circuit-breaker:circuit-status").splitlines()
    assert lines[1] == "Protected: the hooks run in this session"
    assert "Active Breakers: None (all systems operational)" in lines
    assert not any(line.startswith("Open in other sessions") for line in lines)


@pytest.mark.parametrize("quote", ["", '"', "'"])
@pytest.mark.parametrize("line", ["grep 'a b' c.py (1)", "python3 -m build", "npm run --silent x"])
def test_circuit_is_named_as_status_shows_it_with_or_without_quotes(command, fail, line, quote):
    fail("mine1", line)
    name = next(word for word in command("circuit-status").splitlines() if "tool_failure:" in word)
    name = name[name.index("tool_failure:") :].partition("  ")[0].rstrip(" \u2014-")
    shown = command("circuit-status", f"--circuit {quote}{name}{quote} --plain")
    assert "OPEN" in shown and "Usage" not in shown
    assert "Reset to CLOSED: " in command("reset-circuit", f"--circuit={quote}{name}{quote}"), name


def test_what_is_open_in_other_sessions_of_the_project_is_one_line(command, fail):
    fail("mine1")
    for number in range(4):
        fail(f"other{number}", f"npm run check{number}")
    text = command("circuit-status")
    assert "Active Breakers: 1" in text and "tool_failure:Bash make test" in text
    line = next(line for line in text.splitlines() if line.startswith("Open in other sessions"))
    assert "of this project: 4 (" in line and "in other0" in line and line.endswith(", and 1 more)")
    assert json.loads(command("circuit-status", "--json"))["circuits"]["tool_failure"]["trips"] == 1


def test_memory_of_sessions_in_which_nothing_is_open_is_not_read(told, fail, payload, mocker):
    for session in ("mine1", "calm1"):
        told("monitor", payload("PostToolBatch.bash-exit-1", session_id=session))
    fail("other1")
    read = mocker.spy(store, "peek")
    asked = {"session_id": "mine1", "command_name": "circuit-status", "command_args": ""}
    told("command", payload("UserPromptExpansion.plugin-command", **asked))
    asked["command_name"], asked["command_args"] = "reset-circuit", "--all"
    told("command", payload("UserPromptExpansion.plugin-command", **asked))
    assert {call.args[1] for call in read.call_args_list} == {"mine1", "other1"}


def test_reset_closes_what_is_of_its_own_session(command, fail):
    fail("mine1")
    fail("other1")
    assert command("reset-circuit", "--all") == "Reset to CLOSED: tool_failure:Bash make test"
    assert "Nothing to reset" in command("reset-circuit", "--all")
    assert "in other1" in command("circuit-status")


def test_subject_names_what_an_interpreter_runs(command, fail):
    fail("mine1", "python3 plugin status")
    assert "tool_failure:Bash python3 plugin" in command("circuit-status")


def test_observing_session_says_that_nothing_is_blocked(command, machine):
    path = machine.home / ".config" / "claude-circuit-breaker" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"mode": "observe"}')
    said = command("circuit-status")
    assert said.splitlines()[1] == "Observing only, nothing is blocked: the hooks run in this session"
    assert "all systems operational" not in said
