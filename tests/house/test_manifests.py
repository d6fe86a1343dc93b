"""The manifests agree, and hooks.json registers what exists, in a way that can never deny by accident."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from registrations import SCRIPTS, fits, registered

ROOT = Path(__file__).resolve().parent.parent.parent
EVENTS = {
    "SessionStart",
    "UserPromptSubmit",
    "UserPromptExpansion",
    "PreToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "Stop",
    "SubagentStop",
    "ConfigChange",
}


def read(name: str) -> Any:
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def test_both_plugin_manifests_have_the_same_bytes() -> None:
    assert (ROOT / "plugin.json").read_bytes() == (ROOT / ".claude-plugin/plugin.json").read_bytes()


def test_manifest_says_who_we_are_and_lists_neither_hooks_nor_commands() -> None:
    manifest = read("plugin.json")
    assert manifest["name"] == "circuit-breaker"
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["license"] == "MIT"
    assert manifest["description"]
    assert not {"hooks", "commands"} & set(manifest)


def test_manifest_answers_what_a_listing_asks() -> None:
    manifest = read("plugin.json")
    assert manifest["displayName"]
    assert manifest["engines"] == {"claude-code": ">=2.1.196"}
    assert manifest["network"] == {"hosts": []}
    icon = (ROOT / ".claude-plugin" / "icon.png").read_bytes()
    assert icon[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(icon[at : at + 4], "big") for at in (16, 20)] == [512, 512]


def test_a_checkout_keeps_the_line_ends_that_sh_can_read() -> None:
    named = ["hooks/run", "hooks/hooks.json", "plugin/__main__.py", "commands/circuit-status.md"]
    asked = ["git", "-C", str(ROOT), "check-attr", "eol", "--", *named]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.count("eol: lf") == len(named), done.stdout


def test_every_option_of_the_manifest_is_a_key_of_the_configuration_with_its_default() -> None:
    from circuit_breaker.breaker.config import DEFAULTS
    from circuit_breaker.breaker.layers import build, option_layer

    for name, option in read("plugin.json")["userConfig"].items():
        assert option["title"], name
        assert option["description"], name
        config = build(
            [
                (
                    "plugin options",
                    option_layer({f"CLAUDE_PLUGIN_OPTION_{name.upper()}": str(option["default"])}),
                )
            ]
        )
        assert config.problems == [], name
        assert config.circuit_breakers == DEFAULTS["circuit_breakers"], name
        assert config.mode == DEFAULTS["mode"], name


def test_marketplace_offers_this_folder_as_the_one_plugin() -> None:
    market = read(".claude-plugin/marketplace.json")
    assert market["name"] == "circuit-breaker"
    assert [(entry["name"], entry["source"]) for entry in market["plugins"]] == [("circuit-breaker", "./")]


def test_version_stands_in_the_manifest_alone() -> None:
    assert "version" not in read(".claude-plugin/marketplace.json")["plugins"][0]
    assert not re.search(r"^version\s*=", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", ["circuit-status", "reset-circuit"])
def test_command_has_its_bare_name_and_cannot_be_called_by_the_model(name: str) -> None:
    text = (ROOT / "commands" / f"{name}.md").read_text(encoding="utf-8")
    front, _, body = text.removeprefix("---\n").partition("\n---\n")
    keys = dict(line.split(": ", 1) for line in front.splitlines())
    assert keys["name"] == name
    assert keys["description"]
    assert keys["argument-hint"]
    assert keys["disable-model-invocation"] == "true"
    assert "!`" not in body  # a line that a shell would run
    assert "$ARGUMENTS" not in body


def test_hooks_are_registered_for_the_events_of_the_interface_and_no_other() -> None:
    assert {event for event, _, _ in registered()} == EVENTS


def test_every_hook_is_a_shell_line_with_a_time_limit_whose_failure_is_no_answer() -> None:
    for event, _, hook in registered():
        assert hook["type"] == "command", event
        assert "args" not in hook, event
        assert hook["timeout"] == (10 if event == "SessionStart" else 5), event
        assert hook["onFailure"] == "continue", event


def test_every_hook_script_is_registered_and_there() -> None:
    assert {hook["command"].rpartition(" ")[2] for _, _, hook in registered()} == set(SCRIPTS)
    for script in SCRIPTS.values():
        lines = [
            line
            for line in (ROOT / "hooks" / script).read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
        assert len(lines) <= 7, f"{script} is compiled at every start: keep it to a few lines"


def test_registered_lines_can_be_read_and_differ_in_their_hook_and_in_whether_it_sleeps() -> None:
    asleep = (
        'R="${CIRCUIT_BREAKER_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/claude-circuit-breaker}"; '
        '[ -e "$R/armed/$CLAUDE_CODE_SESSION_ID" ] || [ -e "$R/armed/_any" ] || exit 0; '
    )
    for event, matcher, hook in registered():
        line = hook["command"]
        assert len(line) <= 280, event
        sleeps = event == "ConfigChange" or (event, matcher) == ("PreToolUse", "*")
        form = re.fullmatch(r"trap 'exit 0' 0; (.*)sh \"\$\{CLAUDE_PLUGIN_ROOT\}/hooks/run\" (\w+)", line)
        assert form, (
            f"{event}: exec and . could let exit code 2 through, and an unquoted path breaks at a space"
        )
        assert form[1] == (asleep if sleeps else ""), event
        assert form[2] in SCRIPTS, event


def test_commands_are_answered_with_and_without_the_prefix() -> None:
    matchers = [matcher for event, matcher, _ in registered() if event == "UserPromptExpansion"]
    for command in ("circuit-status", "reset-circuit"):
        for name in (command, f"circuit-breaker:{command}"):
            assert any(fits(matcher, name) for matcher in matchers), name
    assert not any(fits(matcher, "somebody-elses:circuit-breaker") for matcher in matchers)


@pytest.mark.parametrize(
    "tool", ["Agent", "Task", "CronCreate", "ScheduleWakeup", "mcp__calendar__schedule_event"]
)
def test_gate_is_always_awake_for_what_spawns_or_schedules(tool: str) -> None:
    awake = [m for e, m, h in registered() if e == "PreToolUse" and m not in ("", "*") and fits(m, tool)]
    assert awake
