"""Other versions of the real client than the pinned one: the oldest on which everything works, the newest that was measured.

`make other-clients` fetches them. CLIENT_VERSIONS names others in their place (`latest` is fetched by .ci/run).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from client.driver import ROOT, Client, binary
from client.standin import Say, Standin, bash
from samples import IN_CI

PINNED = re.findall(r"^OTHER_CLIENTS = (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[
    0
]
VERSIONS = (os.environ.get("CLIENT_VERSIONS") or PINNED).split()


@pytest.fixture(params=VERSIONS)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    """A machine with that version on it."""
    found = binary(request.param)
    if found is None:
        message = f"Claude Code {request.param} is not installed: `make other-clients` fetches it"
        pytest.fail(message) if IN_CI else pytest.skip(message)
    machine = Client(tmp_path / "a machine", found)
    machine.env["PATH"] = f"{found.parent}:{machine.env['PATH']}"
    return machine


@pytest.mark.parametrize("way", ["plugin", "installed"])
def test_a_loop_is_blocked_shown_and_bypassed(other: Client, way: str) -> None:
    other.configure(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    if way == "installed":
        done = other.breaker("install")
        assert done.returncode == 0, done.stdout + done.stderr
    command, runs = other.failing_check()
    script = [*[bash(command)] * 4, Say("stuck"), *[bash(command)] * 2, Say("done")]
    with Standin({"": script}) as api:
        session = other.session(
            api, "check", "/circuit-status", "SUDO BYPASS\ngo on", plugin=ROOT if way == "plugin" else None
        )
    assert all(hook.code == 0 and not hook.stderr for hook in session.hooks), session.hooks
    assert len(session.denials) == 1
    assert "OPEN" in session.results[1]["result"]
    assert runs() == 5


def test_doctor_knows_this_version(other: Client) -> None:
    done = other.breaker("install", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(other.breaker("doctor", "--json").stdout)
    found = {finding["id"]: finding for finding in said["findings"]}
    assert found["client"]["level"] == "ok", found["client"]
    assert found.get("texts", {"level": "ok"})["level"] == "ok", found["texts"]


def test_the_manifest_is_valid(other: Client) -> None:
    version = other.command("--version").stdout.split()[0]
    new = tuple(map(int, version.split("."))) >= (
        2,
        1,
        330,
    )  # before, its newer keys were unknown: load says nothing of it
    done = other.command(
        "plugin", "validate", str(ROOT), *(["--strict", "--profile", "directory"] if new else [])
    )
    assert done.returncode == 0, done.stdout + done.stderr
