"""The plugin loads in every way that Claude Code offers, and leaves nothing behind when it is removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from client.driver import ROOT, Client, copy_plugin, runtime_files
from client.standin import Say, Standin, bash, results
from samples import also_in_ci, samples


@pytest.mark.parametrize("manifest", [".claude-plugin/plugin.json", ".claude-plugin/marketplace.json", "."])
def test_client_finds_no_fault_with_the_manifests(client: Client, manifest: str) -> None:
    done = client.command("plugin", "validate", "--strict", str(ROOT / manifest))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.repeats
def test_plugin_works_from_a_path_with_spaces(client: Client, tmp_path: Path) -> None:
    plugin = copy_plugin(tmp_path / "a plugin in 'odd' places")
    command, runs = client.failing_check()
    with Standin({"": [bash(command)] * 4}) as api:
        session = client.session(api, "check", "/circuit-status", plugin=plugin)
    assert session.events[0].get("plugin_errors", []) == []
    assert runs() == 3
    assert len(session.denials) == 1
    assert "OPEN" in session.results[1]["result"]


def test_local_marketplace_installs_runs_takes_options_and_goes(client: Client, tmp_path: Path) -> None:
    market = copy_plugin(tmp_path / "a market place")
    for line in (
        ["plugin", "marketplace", "add", str(market)],
        ["plugin", "install", "circuit-breaker@circuit-breaker", "--config", "tool_failure_threshold=2"],
    ):
        done = client.command(*line)
        assert done.returncode == 0, done.stdout + done.stderr
    command, runs = client.failing_check()
    with Standin({"": [bash(command)] * 4}) as api:
        session = client.session(
            api, "check", "/circuit-status", "/circuit-breaker:circuit-status", plugin=None
        )
    assert runs() == 2
    assert len(session.denials) == 2
    assert all("OPEN" in result["result"] for result in session.results[1:])
    assert len(api.requests) == 5

    gone = client.command("plugin", "uninstall", "circuit-breaker@circuit-breaker")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    with Standin({"": [bash("true")]}) as api:
        assert client.session(api, "check", plugin=None).hooks == []


def test_every_call_goes_through_whatever_file_of_the_plugin_is_deleted_under_a_running_session(
    client: Client, tmp_path: Path
) -> None:
    client.configure(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    plugin = copy_plugin(tmp_path / "plugin")
    kept = copy_plugin(tmp_path / "kept")
    command, runs = client.failing_check()
    # each single one: tests/hooks/test_hooks_process.py
    files = [path for path in runtime_files() if path.parts[0] in ("hooks", "lib")][
        :: samples(here=15, in_ci=4)
    ]
    previous: list[Path] = []

    def without(path: Path) -> str:
        for missing in previous:
            shutil.copy2(kept / missing, plugin / missing)
        for compiled in (plugin / path).parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()
        (plugin / path).unlink()
        previous[:] = [path]
        return f"go on without {path}"

    def without_all() -> str:
        shutil.rmtree(plugin)
        return "go on without any"

    script = [*[bash(command)] * 4, Say("stuck")]
    for number in range(len(files) + 1):
        script += [bash(f"echo through {number}"), Say("through")]
    with Standin({"": script}) as api:
        prompts = [(lambda path=path: without(path)) for path in files]
        session = client.session(api, "check", *prompts, without_all, plugin=plugin)
    assert len(session.denials) == 1  # the loop's own: the gate was armed all the time
    assert results(api.requests[-1])[4:] == [f"through {number}" for number in range(len(files) + 1)]
    assert {result["result"] for result in session.results[1:]} == {"through"}


def test_state_that_is_garbage_lets_every_call_through(client: Client) -> None:
    command, runs = client.failing_check()

    def scramble() -> str:
        for path in client.runtime.rglob("*"):
            if path.is_file() and path.suffix in (".json", ".jsonl"):
                path.write_bytes(b"\xff{]" + path.read_bytes()[:20])
        return "go on"

    with Standin(
        {"": [*[bash(command)] * 4, Say("stuck"), bash("echo through"), bash("ls check.sh")]}
    ) as api:
        client.session(api, "check", scramble)
    assert results(api.requests[-1])[-2:] == ["through", "check.sh"]
    assert json.loads(client.breaker("status", "--json").stdout)["schema"] == 1


@pytest.mark.parametrize("scope", ["project", *also_in_ci("user")])
def test_own_installer_puts_it_in_and_takes_it_out_under_a_running_session(
    client: Client, tmp_path: Path, scope: str
) -> None:
    clone = copy_plugin(tmp_path / "a clone")
    folder = (client.home if scope == "user" else client.project) / ".claude"
    folder.mkdir()
    before = '{\n    "permissions": {"deny": ["WebSearch"]}\n}\n'
    (folder / "settings.json").write_text(before)
    done = client.breaker("install", "--scope", scope, plugin=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(clone)  # what is installed stands by itself
    command, runs = client.failing_check()
    kept = copy_plugin(tmp_path / "another clone")

    def taken_out() -> str:
        done = client.breaker("uninstall", "--scope", scope, "--purge", plugin=kept)
        assert done.returncode == 0, done.stdout + done.stderr
        return "go on without"

    script = [*[bash(command)] * 4, Say("stuck"), *[bash(command)] * 2, Say("free")]
    with Standin({"": script}) as api:
        session = client.session(api, "check", "/circuit-status", taken_out, plugin=None)
    assert len(session.denials) == 1
    assert "OPEN" in session.results[1]["result"]
    assert runs() == 5
    assert (folder / "settings.json").read_text() == before
    assert not client.runtime.exists()
    assert not (folder / "commands").exists()
    assert not (folder / "circuit-breaker").exists()
