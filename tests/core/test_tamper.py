"""Is a call that would switch the breaker off seen, and one that only looks like it let go?"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from circuit_breaker.core.tamper import Guarded, forging, tampering

spec = importlib.util.spec_from_file_location("tamper_cases", Path(__file__).with_name("tamper_cases.py"))
assert spec is not None
assert spec.loader is not None
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

GUARDED = Guarded(
    state=cases.STATE,
    home=cases.HOME,
    configs=(cases.CONFIG, cases.HOME + "/circuit_breaker_config.json"),
    settings=(
        cases.USER + "/.claude/settings.json",
        cases.PROJECT + "/.claude/settings.json",
        cases.PROJECT + "/.claude/settings.local.json",
        "/etc/claude-code/managed-settings.json",
    ),
    plugin=cases.PLUGIN,
    project=cases.PROJECT,
    user_home=cases.USER,
    keyword="SUDO BYPASS",
    commands=("reset-circuit", "circuit-breaker:reset-circuit"),
)


def shown(value: Any) -> str:
    text = value.get("command") if isinstance(value, dict) else None
    return (text if isinstance(text, str) else json.dumps(value))[:90]


@pytest.mark.parametrize(
    ("reason", "tool", "tool_input", "cwd"),
    cases.TAMPERING,
    ids=[f"{r[1]} {shown(r[2])}" for r in cases.TAMPERING],
)
def test_call_that_would_switch_the_breaker_off_is_seen(
    reason: str, tool: str, tool_input: Any, cwd: str
) -> None:
    assert tampering(tool, tool_input, cwd or cases.PROJECT, GUARDED) == reason


@pytest.mark.parametrize(
    ("tool", "tool_input", "cwd"), cases.INNOCENT, ids=[f"{r[0]} {shown(r[1])}" for r in cases.INNOCENT]
)
def test_call_that_only_looks_like_it_passes(tool: str, tool_input: Any, cwd: str) -> None:
    assert tampering(tool, tool_input, cwd or cases.PROJECT, GUARDED) == ""


@pytest.mark.parametrize(("forged", "tool", "tool_input"), cases.SCHEDULING)
def test_scheduled_prompt_must_not_carry_the_override(forged: bool, tool: str, tool_input: Any) -> None:
    assert forging(tool, tool_input, GUARDED) is forged
