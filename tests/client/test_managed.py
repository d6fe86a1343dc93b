"""Managed settings, as docs/fleet.md hands them out, in the real client: each session has an /etc/claude-code of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client.driver import ROOT, Client, copy_plugin
from client.standin import Say, Standin, bash
from client.terminal import Terminal
from samples import also_in_ci

PLACE = Path("/etc/claude-code")
Manage = Callable[[dict[str, Any]], None]


@pytest.fixture
def manage(client: Client, tmp_path: Path) -> Iterator[Manage]:
    """Gives the client's machine managed settings: its process sees a folder of ours in their place."""
    if os.getuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("managed settings belong to root, and no mount namespace can be made here")
    alone = (Path(tempfile.gettempdir()) / "circuit-breaker-managed.lock").open("w")
    fcntl.flock(alone, fcntl.LOCK_EX)  # the place is one for all processes that run tests
    made = not PLACE.exists()
    PLACE.mkdir(exist_ok=True)
    folder = tmp_path / "managed"
    folder.mkdir()
    real, wrapper = client.claude, tmp_path / "claude"
    wrapper.write_text(
        f'#!/bin/sh\nexec unshare -m sh -c \'mount --bind "{folder}" {PLACE} && exec "{real}" "$@"\' sh "$@"\n'
    )
    wrapper.chmod(0o755)
    client.claude = wrapper
    yield lambda settings: (folder / "managed-settings.json").write_text(json.dumps(settings)) and None
    if made:
        PLACE.rmdir()
    alone.close()


def of_the_docs(source: dict[str, str]) -> dict[str, Any]:
    """The settings that docs/fleet.md shows, for a marketplace of ours."""
    text = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    settings: dict[str, Any] = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])  # type: ignore[index]
    settings["extraKnownMarketplaces"]["circuit-breaker"]["source"] = source
    settings["strictKnownMarketplaces"] = [source]
    return settings


def repository(folder: Path) -> str:
    """The plugin as a Git repository: its address."""
    copy_plugin(folder)
    for line in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "all of it"],
    ):
        subprocess.run(["git", "-C", folder, *line], check=True)
    return f"file://{folder}"


def protects(client: Client) -> bool:
    """Whether a session blocks a failing command after its third run."""
    command, runs = client.failing_check()
    before = runs()
    with Standin({"": [*[bash(command)] * 4, Say("over")]}) as api:
        session = client.session(api, "check", plugin=None)
    return (runs() - before, len(session.denials)) == (3, 1)


def test_settings_of_the_docs_protect_every_user_from_the_first_session_on(
    client: Client, manage: Manage, tmp_path: Path
) -> None:
    manage(of_the_docs({"source": "directory", "path": str(copy_plugin(tmp_path / "market"))}))
    assert protects(client)


@pytest.mark.repeats
def test_git_source_takes_one_install_per_user(client: Client, manage: Manage, tmp_path: Path) -> None:
    manage(of_the_docs({"source": "git", "url": repository(tmp_path / "market")}))
    assert not protects(client)  # as long as that is so, the docs ask for the install
    install = ("plugin", "install", "circuit-breaker@circuit-breaker")
    done = client.command(*install)
    # that session may have ended while it fetched the marketplace
    if "Your local copy may be out of date" in done.stdout + done.stderr:
        client.command("plugin", "marketplace", "update", "circuit-breaker")
        done = client.command(*install)
    assert done.returncode == 0, done.stdout + done.stderr
    assert protects(client)


@pytest.mark.parametrize("only_managed", [True, *also_in_ci(False)])
def test_mod_goes_where_only_managed_ones_may_run_and_the_breaker_stays(
    client: Client, manage: Manage, only_managed: bool
) -> None:
    manage({"allowManagedModsOnly": True} if only_managed else {})
    client.configure(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    command, runs = client.failing_check()
    with Standin({"": [*[bash(command)] * 4, Say("over")]}) as api, Terminal(client, api) as terminal:
        terminal.submit("check")
        terminal.wait(lambda: "over" in terminal.screen)
        if not only_managed:
            terminal.wait(lambda: "1 blocked · sh check.sh" in terminal.screen)
        assert ("1 blocked · sh check.sh" in terminal.screen) is not only_managed
    assert runs() == 3
