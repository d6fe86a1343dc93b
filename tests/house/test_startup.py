"""What does a hook process have in memory when it ends? Nothing that a tool call should not pay for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registrations import SCRIPTS

from circuit_breaker.start import GROUPS

ROOT = Path(__file__).resolve().parent.parent.parent
ALLOWED = {"time", "fcntl", "_json", "_signal", "gc", "marshal", "__future__", "errno"}
SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
# Runs a hook script as the interpreter would and says at its end which modules are there; a Later one has not run.
LAUNCHER = """
import posix, sys
leave = posix._exit
def told(code):
    run = [n for n, m in sys.modules.items() if type(m).__name__ != "Later"]
    posix.write(2, ("\\n@" + " ".join(run)).encode())
    leave(code)
posix._exit = told
path = sys.argv[1]
with open(path, "rb") as source:
    code = compile(source.read(), path, "exec")
exec(code, {"__name__": "__main__", "__file__": path})
"""
CASES = [
    ("gate", "PreToolUse.bash"),
    ("gate", "PreToolUse.edit"),
    ("gate", "PreToolUse.agent-tool"),
    ("monitor", "PostToolUseFailure.bash-exit-1"),
    ("monitor", "PostToolBatch.bash-exit-1"),
    ("monitor", "PostToolBatch.edit-old-string-not-found"),
    ("monitor", "PostToolBatch.mcp-iserror"),
    ("prompt", "UserPromptSubmit"),
    ("prompt", "UserPromptSubmit.sudo-bypass"),
    ("stop", "Stop"),
    ("stop", "SubagentStop"),
    ("janitor", "SessionStart.startup.headless"),
]


@pytest.fixture
def modules(
    machine: Any, payload: Callable[..., Any], python: str, tmp_path: Path
) -> Callable[..., set[str]]:
    """`modules("gate", "PreToolUse.bash")`: the modules that have run in a process of that hook beyond a bare start's."""
    launcher = tmp_path / "launcher.py"
    launcher.write_text(LAUNCHER)
    bare = subprocess.run(
        [python, "-I", "-S", "-X", "utf8", "-c", "import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    def run(hook: str, name: str, **changes: Any) -> set[str]:
        done = subprocess.run(
            [python, "-I", "-S", "-X", "utf8", str(launcher), str(ROOT / "hooks" / SCRIPTS[hook])],
            input=json.dumps(payload(name, session_id=SESSION, **changes)),
            capture_output=True,
            text=True,
            env=machine.env,
            cwd=machine.project,
            check=True,
        )
        said, _, names = done.stderr.rpartition("\n@")
        assert said == ""
        return set(names.split()) - set(bare.stdout.split())

    return run


def test_hooks_import_only_what_costs_nothing(modules: Callable[..., set[str]]) -> None:
    modules("janitor", "SessionStart.startup.headless")  # the first one has something to do
    for hook, name in CASES:
        found = {m for m in modules(hook, name) if not m.startswith("circuit_breaker")}
        assert found <= ALLOWED, (hook, name, found - ALLOWED)


def test_armed_gate_imports_only_what_costs_nothing(modules: Callable[..., set[str]]) -> None:
    for number in range(3):
        modules("monitor", "PostToolUseFailure.bash-exit-1", tool_use_id=f"t{number}")
        call = {"tool_name": "Bash", "tool_input": {"command": "echo out; echo err >&2; exit 1"}}
        call["tool_use_id"], call["tool_response"] = f"t{number}", "Exit code 1\nout\nerr"
        modules("monitor", "PostToolBatch.bash-exit-1", tool_calls=[call])
    denied = modules("gate", "PreToolUse.bash", tool_use_id="t3")
    allowed = modules("gate", "PreToolUse.bash", tool_use_id="t4", tool_input={"command": "git status"})
    assert "circuit_breaker.core.wording" in denied  # it is open
    assert {m for m in denied | allowed if not m.startswith("circuit_breaker")} <= ALLOWED


def test_rare_parts_do_not_run_on_the_common_way(modules: Callable[..., set[str]]) -> None:
    rare = {"wording", "tamper", "incidents", "origin", "verdicts", "janitor", "commands", "overview"}
    for hook, name in [
        ("prompt", "UserPromptSubmit"),
        ("monitor", "PostToolBatch.parallel-mixed"),
        ("stop", "Stop"),
    ]:
        ran = {m.rpartition(".")[2] for m in modules(hook, name)}
        assert not ran & rare, (hook, name)


def test_what_a_common_turn_runs_has_lean_code(modules: Callable[..., set[str]]) -> None:
    lean = {f"circuit_breaker.{part}" for group in GROUPS for part in group.split()}
    call = {"tool_name": "Bash", "tool_input": {"command": "make x"}, "tool_use_id": "t", "tool_response": ""}
    for hook, name, changes in [
        ("prompt", "UserPromptSubmit", {}),
        ("monitor", "PostToolUseFailure.bash-exit-1", {}),
        ("monitor", "PostToolBatch.bash-exit-1", {"tool_calls": [call]}),
    ]:
        ran = {m for m in modules(hook, name, **changes) if m.count(".") == 2}
        assert ran and ran <= lean, ran - lean


def test_bare_look_is_taken_without_what_reads_commands(modules: Callable[..., set[str]]) -> None:
    reading = {"shell", "simple_commands", "reading"}

    def ran(command: str, number: int) -> set[str]:
        call = {"tool_name": "Bash", "tool_input": {"command": command}, "tool_use_id": f"t{number}"}
        call["tool_response"] = "a.py"
        found = modules("monitor", "PostToolBatch.bash-exit-1", tool_calls=[call])
        return {m.rpartition(".")[2] for m in found}

    looked = ran("ls -la src", 1)
    again = ran("ls  -la src", 2)  # one that comes again gets its label
    assert "turns" in looked and "labels" in again
    assert not (looked | again) & reading
    assert ran("ls -la src | sort", 3) >= reading
    failed = modules("monitor", "PostToolUseFailure.bash-exit-1", tool_input={"command": "cat a.txt"})
    assert not {m.rpartition(".")[2] for m in failed} & reading


def test_what_changes_by_itself_is_not_looked_for_where_nothing_has_a_digit(
    modules: Callable[..., set[str]],
) -> None:
    failed = {"error": "Exit code 127\nmake: no rule", "tool_input": {"command": "make"}}
    quiet = modules("monitor", "PostToolUseFailure.bash-exit-1", **failed)
    failed["error"] += " (pid 4711)"
    other = modules("monitor", "PostToolUseFailure.bash-exit-1", tool_use_id="other", **failed)
    assert other - quiet == {"circuit_breaker.core.volatile"}
