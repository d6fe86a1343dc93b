"""The verbs that change the breaker, started from Claude's own shell and from a terminal of your own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from circuit_breaker.breaker.memory import Lane
from circuit_breaker.breaker.model import OPEN, Circuit
from circuit_breaker.runtime import home, store

ROOT = Path(__file__).resolve().parents[2]
SESSION = "11111111-2222-3333-4444-555555555555"
VERBS = [
    ["reset", "--all"],
    ["mode", "observe"],
    ["uninstall"],
    ["uninstall", "--purge"],
    ["mode", "--", "observe"],
    ["calibrate", "--a", "."],
]


@pytest.fixture
def env(tmp_path):
    (tmp_path / "project").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CIRCUIT_BREAKER_HOME": str(tmp_path / "state"),
    }


def open_circuit(env, session=SESSION):
    circuit = Circuit(rule="tool_failure", subject="Bash make", keys=["k"], state=OPEN, trips=1, retry_at=9e9)

    def decide(memory, lane):
        return memory, Lane(circuits={circuit.name: circuit}), None

    store.update(home.places(env, env["HOME"]), session, "", decide)


def run(env, *arguments, **more):
    return subprocess.run(
        [sys.executable, str(ROOT / "plugin"), *arguments],
        env={**env, **more},
        cwd=Path(env["HOME"]) / "project",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_claudes_own_shell_is_refused_while_a_circuit_of_its_session_is_open(env, verb):
    open_circuit(env)
    answer = run(env, *verb, CLAUDE_CODE_SESSION_ID=SESSION)
    assert answer.returncode == 1
    assert re.search(f"`{verb[0]}( --apply)?` does not run in Claude's own shell", answer.stderr)
    assert "/reset-circuit --all" in answer.stderr
    assert answer.stdout == ""
    assert store.armed_lanes(home.places(env, env["HOME"]), SESSION)
    assert not list(Path(env["HOME"]).glob(".config/**/config.json"))


@pytest.mark.parametrize(
    "shell",
    [
        {},  # a terminal of your own
        {"CLAUDE_CODE_SESSION_ID": "another-session"},  # nothing is open there
        {"CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDE_PROJECT_DIR": "/"},  # a hook
    ],
)
@pytest.mark.parametrize("verb", VERBS[:3], ids=" ".join)
def test_every_other_shell_may(env, verb, shell):
    open_circuit(env)
    answer = run(env, *verb, **shell)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    "verb", [["status"], ["doctor"], ["uninstall", "--dry-run"], ["sweep", "--dry-run"]], ids=" ".join
)
def test_looking_is_free_in_claudes_own_shell(env, verb):
    open_circuit(env)
    assert "own shell" not in run(env, *verb, CLAUDE_CODE_SESSION_ID=SESSION).stderr


def test_refusal_in_claudes_own_shell_is_an_object_too(env):
    open_circuit(env)
    answer = run(env, "uninstall", "--json", CLAUDE_CODE_SESSION_ID=SESSION)
    said = json.loads(answer.stdout)
    assert (said["schema"], said["ok"]) == (1, False) and said["problem"] in answer.stderr
