"""In the real client: after each way in, each of our hooks runs exactly once; after each way out, not at all."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from client.driver import ROOT, Client, Session, copy_plugin
from client.standin import Say, Standin, Use, bash, results
from install import settings
from registrations import registered
from samples import also_in_ci

ONCE = {
    "SessionStart": 1,
    "UserPromptSubmit": 1,
    "PreToolUse": 2,
    "PostToolUseFailure": 1,
    "PostToolBatch": 2,
    "Stop": 1,
}
MINE = '{\n\t"hooks": {\n\t\t"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]\n\t}\n}'


def events(client: Client) -> Counter[str]:
    """How often each event ran a hook in a session of two calls, one of which fails; every hook has to end well."""
    with Standin({"": [bash("echo through"), bash("false"), Say("done")]}) as api:
        session = client.session(api, "go", plugin=None)
    assert session.results[0]["result"] == "done"
    assert all(hook.code == 0 and not hook.stderr for hook in session.hooks), session.hooks
    return Counter(hook.event for hook in session.hooks)


def misshapen() -> dict[str, dict[str, Any]]:
    """Settings that the installer takes for skipped, by what is wrong with them."""
    made: dict[str, dict[str, Any]] = {name: {name: 7} for name in settings.SETTINGS if name != "hooks"}
    made.update((name, {"permissions": {name: "Bash"}}) for name in settings.RULES)
    works: dict[str, Any] = {"type": "command", "command": "true"}
    handlers = {f"{name} of a hook": {**works, name: 7} for name in [*settings.HANDLER, "type"]}
    handlers.update((f"{kind} without {needed}", {"type": kind}) for kind, needed in settings.NEEDED.items())
    handlers.update((f"timeout {value}", {**works, "timeout": value}) for value in (0, -1, "5", True))
    made.update((name, {"hooks": {settings.STRICT[0]: [{"hooks": [one]}]}}) for name, one in handlers.items())
    made["matcher"] = {"hooks": {settings.STRICT[1]: [{"matcher": None, "hooks": []}]}}
    return made


@pytest.mark.repeats
@pytest.mark.parametrize("name", misshapen())
def test_settings_that_the_installer_refuses_are_skipped_by_claude_code(client: Client, name: str) -> None:
    document = misshapen()[name]
    assert settings.fault(document)
    probe = [{"hooks": [{"type": "command", "command": "true"}]}]
    hooks = {**document.get("hooks", {}), "UserPromptSubmit": probe}
    (client.home / ".claude").mkdir()
    (client.home / ".claude" / "settings.json").write_text(json.dumps({**document, "hooks": hooks}))
    with Standin({"": []}) as api:
        session = client.session(api, "go", plugin=None)
    assert session.hooks == []


def status(client: Client) -> Session:
    with Standin({"": []}) as api:
        session = client.session(api, "/circuit-status", plugin=None)
        assert api.requests == []
    return session


def verb(client: Client, *arguments: str, plugin: Path = ROOT) -> str:
    done = client.breaker(*arguments, plugin=plugin)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("scope", ["local", *also_in_ci("user", "project")])
def test_after_install_each_hook_runs_once_and_after_uninstall_none(client: Client, scope: str) -> None:
    verb(client, "install", "--scope", scope)
    assert events(client) == ONCE
    assert "CIRCUIT BREAKER STATUS" in status(client).results[0]["result"]
    verb(client, "uninstall", "--scope", scope)
    assert events(client) == {}


@pytest.mark.repeats
def test_other_peoples_hooks_run_before_with_and_after_ours(client: Client) -> None:
    settings = client.home / ".claude" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(MINE)
    assert events(client) == {"Stop": 1}
    verb(client, "install")
    assert events(client) == {**ONCE, "Stop": 2}
    verb(client, "uninstall")
    assert settings.read_text() == MINE
    assert events(client) == {"Stop": 1}


@pytest.mark.repeats
def test_after_an_update_each_hook_of_the_new_version_runs_once(client: Client, tmp_path: Path) -> None:
    older = copy_plugin(tmp_path / "older")
    hooks = older / "hooks" / "hooks.json"
    hooks.write_text(hooks.read_text().replace("exit 0' 0;", "exit 0' 0; : older;"))
    manifest = older / "plugin.json"
    manifest.write_text(re.sub(r'"version": "', '"version": "0.0.', manifest.read_text()))
    verb(client, "install", plugin=older)
    assert events(client) == ONCE
    verb(client, "install")
    assert events(client) == ONCE
    assert ": older;" not in (client.home / ".claude" / "settings.json").read_text()


def test_installed_through_a_marketplace_they_run_once_and_our_installer_keeps_out(
    client: Client, tmp_path: Path
) -> None:
    market = copy_plugin(tmp_path / "market")
    for line in (["marketplace", "add", str(market)], ["install", "circuit-breaker@circuit-breaker"]):
        done = client.command("plugin", *line)
        assert done.returncode == 0, done.stdout + done.stderr
    assert events(client) == ONCE
    done = client.breaker("install")
    assert done.returncode == 1
    assert "is enabled in" in done.stderr
    said = json.loads(client.breaker("doctor", "--json").stdout)
    assert said["ok"], said
    assert any(f"all {len(registered())} lines fire" in finding["text"] for finding in said["findings"])
    assert events(client) == ONCE
    assert client.command("plugin", "uninstall", "circuit-breaker@circuit-breaker").returncode == 0
    verb(client, "install")
    assert events(client) == ONCE


def test_a_team_that_pulls_a_project_installation_is_protected_without_installing(client: Client) -> None:
    verb(client, "install", "--scope", "project")
    for path in (client.home / ".local", client.home / ".claude"):
        assert not (path / "settings.json").exists()
    moved = client.project.with_name("somebody else's clone")
    client.project.rename(moved)
    client.project = moved
    assert events(client) == ONCE
    command, runs = client.failing_check()
    with Standin({"": [*[bash(command)] * 4, Say("stuck")]}) as api:
        session = client.session(api, "check", plugin=None)
    assert runs() == 3
    assert len(session.denials) == 1


def test_doctor_names_the_version_the_copy_and_the_texts_of_the_client(
    client: Client, tmp_path: Path
) -> None:
    client.env["PATH"] = f"{client.claude.parent}:{client.env['PATH']}"
    market = copy_plugin(tmp_path / "market")
    for line in (["marketplace", "add", str(market)], ["install", "circuit-breaker@circuit-breaker"]):
        assert client.command("plugin", *line).returncode == 0
    said = json.loads(client.breaker("doctor", "--json", plugin=market).stdout)
    found = {finding["id"]: (finding["level"], finding["text"]) for finding in said["findings"]}
    assert found["client"][0] == "ok" and "fully supported" in found["client"][1]
    assert found["copy"] == ("ok", found["copy"][1]) and str(market) in found["copy"][1]
    assert found["texts"][0] == "ok", found["texts"]


@pytest.mark.parametrize("scope", ["user", *also_in_ci("project")])
def test_deny_rules_keep_claude_from_the_breakers_files_by_any_tool(client: Client, scope: str) -> None:
    verb(client, "install", "--scope", scope, "--deny-rules")
    installed = client.home / ".local" / "share" / "claude-circuit-breaker"
    root = installed if scope == "user" else client.project / ".claude" / "circuit-breaker"
    client.configure(mode="enforce")
    config = client.home / ".config" / "claude-circuit-breaker" / "config.json"
    files = [client.runtime / "armed" / "x", root / "hooks" / "run", config]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch()
    before = [path.read_bytes() for path in files]
    script = []
    for path in files:
        script += [
            Use("Write", {"file_path": str(path), "content": "x"}),
            bash(f"echo x > {path}"),
            bash(f"rm {path}"),
        ]
    with Standin({"": [*script, bash("echo through"), Say("done")]}) as api:
        client.session(api, "go", plugin=None)
    assert [path.read_bytes() for path in files] == before
    assert results(api.requests[-1])[-1] == "through"
