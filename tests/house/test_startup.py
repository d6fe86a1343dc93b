"""What a hook process has in memory when it ends: nothing that a tool call should not pay for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registrations import SCRIPTS

ROOT = Path(__file__).resolve().parent.parent.parent
ALLOWED = {"time", "fcntl", "_json", "_signal", "gc", "marshal", "__future__", "errno"}
SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
# Runs a hook script as the interpreter would and says at its end which modules are there.
LAUNCHER = """
import posix, sys
leave = posix._exit
def told(code):
    run = [n for n, m in sys.modules.items() if type(m).__name__ != "Waiting"]
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
    ("guard", "ConfigChange.user-settings"),
    ("janitor", "SessionStart.startup.headless"),
]
COSTLY = {"re", "json", "typing", "dataclasses", "enum", "pathlib", "subprocess"}


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


def test_command_that_you_type_imports_nothing_that_costs_a_start(modules: Callable[..., set[str]]) -> None:
    for name in ("circuit-status", "reset-circuit"):
        found = modules(
            "command", "UserPromptExpansion.plugin-command", command_name=name, command_args="--all"
        )
        assert "circuit_breaker.runtime.commands" in found
        assert not found & COSTLY, (name, found & COSTLY)


def test_armed_gate_imports_only_what_costs_nothing(modules: Callable[..., set[str]]) -> None:
    for number in range(3):
        modules("monitor", "PostToolUseFailure.bash-exit-1", tool_use_id=f"t{number}")
        call = {"tool_name": "Bash", "tool_input": {"command": "echo out; echo err >&2; exit 1"}}
        call["tool_use_id"], call["tool_response"] = f"t{number}", "Exit code 1\nout\nerr"
        modules("monitor", "PostToolBatch.bash-exit-1", tool_calls=[call])
    denied = modules("gate", "PreToolUse.bash", tool_use_id="t3")
    allowed = modules("gate", "PreToolUse.bash", tool_use_id="t4", tool_input={"command": "git status"})
    assert "circuit_breaker.words.sentences" in denied  # it is open
    assert {m for m in denied | allowed if not m.startswith("circuit_breaker")} <= ALLOWED


def test_rare_parts_do_not_run_on_the_common_way(modules: Callable[..., set[str]]) -> None:
    rare = {
        "sentences",
        "labels",
        "masking",
        "incidents",
        "session_start",
        "commands",
        "status",
    }
    for hook, name in [
        ("prompt", "UserPromptSubmit"),
        ("monitor", "PostToolBatch.parallel-mixed"),
        ("stop", "Stop"),
    ]:
        ran = {m.rpartition(".")[2] for m in modules(hook, name)}
        assert not ran & rare, (hook, name)
