"""The real client takes the stand-in for its API: the other tests of this folder depend on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from client.driver import Client
from client.standin import Say, Standin, Use, bash, results, sent

DENY = {
    "hookEventName": "PreToolUse",
    "permissionDecision": "deny",
    "permissionDecisionReason": "not that one",
}


@pytest.fixture
def denying_plugin(tmp_path: Path) -> Path:
    """A plugin whose one hook denies what has `denied` in it."""
    line = f"grep -q denied && printf '%s' '{json.dumps({'hookSpecificOutput': DENY})}' || true"
    for name, content in (
        (".claude-plugin/plugin.json", {"name": "throw-away", "version": "1.0.0"}),
        ("hooks/hooks.json", {"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": line}]}]}}),
    ):
        path = tmp_path / "throw away" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    return tmp_path / "throw away"


@pytest.mark.repeats
def test_client_follows_the_script_and_the_script_sees_what_the_model_was_sent(
    client: Client, denying_plugin: Path
) -> None:
    seen: list[str] = []

    def look(body: dict[str, object]) -> Say:
        seen.append(sent(body))
        return Say("one")

    script = {
        "": [
            bash("echo first"),
            bash("echo denied"),
            look,
            [bash("echo left"), bash("echo right")],
            Say("two"),
        ]
    }
    with Standin(script) as api:
        session = client.session(api, "hello", "go on", plugin=denying_plugin)
    assert [result["result"] for result in session.results] == ["one", "two"]
    assert len(seen) == 1
    assert "not that one" in seen[0]
    assert sorted(results(api.requests[-1])[-2:]) == ["left", "right"]
    assert [hook.stdout for hook in session.hooks if hook.stdout] == [
        json.dumps({"hookSpecificOutput": DENY})
    ]
    assert len(session.hooks) == 4


@pytest.mark.repeats
def test_conversations_of_subagents_have_scripts_of_their_own(client: Client, denying_plugin: Path) -> None:
    task = {
        "description": "look",
        "prompt": "ERRAND now",
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    script = {"": [Use("Agent", task)], "ERRAND": [bash("echo inside"), Say("the errand is done")]}
    with Standin(script) as api:
        client.session(api, "hello", plugin=denying_plugin)
    assert results(api.of("ERRAND")[-1]) == ["inside"]
    assert "the errand is done" in results(api.of("")[-1])[0]


@pytest.mark.repeats
def test_a_failed_assertion_in_a_script_fails_the_test(client: Client, denying_plugin: Path) -> None:
    def broken(body: dict[str, object]) -> Say:
        raise AssertionError("the script's own words")

    with Standin({"": [broken]}) as api, pytest.raises(AssertionError, match="the script's own words"):
        client.session(api, "hello", plugin=denying_plugin)
