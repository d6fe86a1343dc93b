"""Which calls need no closer look by what guards the breaker? Only those that could not touch it if they tried."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from circuit_breaker.core.identity import only_looks

spec = importlib.util.spec_from_file_location("tamper_cases", Path(__file__).with_name("tamper_cases.py"))
assert spec is not None
assert spec.loader is not None
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)


@pytest.mark.parametrize(("reason", "tool", "given", "cwd"), [*cases.TAMPERING, *cases.SECOND_THOUGHTS])
def test_nothing_that_tampers_is_taken_for_looking(reason: str, tool: str, given: object, cwd: str) -> None:
    assert not only_looks(tool, given) or not reason


@pytest.mark.parametrize(
    "command",
    [
        "git status --short",
        "git log -5",
        "git diff lib/a.py",
        "ls -la /p",
        "cat README.md",
        "grep -rn word lib",
        "pwd",
    ],
)
def test_bare_reading_command_is_looking(command: str) -> None:
    assert only_looks("Bash", {"command": command})


@pytest.mark.parametrize(
    "command",
    [
        "cat a > b",
        "ls; rm b",
        "ls\nrm b",
        "ls `rm b`",
        "ls $X",
        "cat a | tee b",
        "git diff --output b",
        "git show --outp b",
        "git push",
        "git -C /p status",
        "rg --pre rm b",
        "rm b",
        "env cat b",
        "cat ~/b",
        "",
    ],
)
def test_anything_else_gets_a_closer_look(command: str) -> None:
    assert not only_looks("Bash", {"command": command})


def test_reading_tools_look_and_writing_ones_do_not() -> None:
    assert only_looks("Read", {"file_path": "/p/a"})
    assert not only_looks("Write", {"file_path": "/p/a"})
    assert not only_looks("Bash", "cat a")
    assert not only_looks("mcp__files__read", {})
