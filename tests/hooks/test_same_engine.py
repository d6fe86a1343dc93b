"""What replay shows is what the hooks do: the same trips from the same events at the same times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from payloads_of import payloads
from samples import also_in_ci

from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import recording
from circuit_breaker.replay.rerun import Rerun

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus" / "dev"
LAUNCHER = Path(__file__).with_name("same_engine_launcher.py")
SCRIPTS = {
    "PreToolUse": "circuit_breaker_gate.py",
    "PostToolUseFailure": "circuit_breaker_monitor.py",
    "PostToolBatch": "circuit_breaker_monitor.py",
    "UserPromptSubmit": "prompt.py",
    "Stop": "stop.py",
}
NOT_FOUND = "<tool_use_error>String to replace not found in file.\nString: nope</tool_use_error>"


def invented():
    """A session with a failing call, a subagent's loop, edits that miss, a cycle, and a probe after its cooldown."""
    rows, t, turn = [], 1_790_000_000.0, 0

    def call(tool, given, outcome, agent=None, wait=3.0):
        nonlocal t, turn
        turn, t = turn + 1, t + wait
        common = {
            "session_id": "invented",
            "turn": turn,
            "tool_use_id": f"t{turn}",
            **({"agent_id": agent} if agent else {}),
        }
        rows.append(
            {**common, "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": given, "t": t}
        )
        rows.append({**common, "t": t + 0.5, **outcome})

    def ok(text):
        return {"hook_event_name": "PostToolUse", "tool_response": text}

    def failed(text):
        return {"hook_event_name": "PostToolUseFailure", "error": text}

    rows.append(
        {
            "session_id": "invented",
            "hook_event_name": "UserPromptSubmit",
            "prompt": "go",
            "prompt_index": 0,
            "t": t,
        }
    )
    for _ in range(6):
        call("Bash", {"command": "make test"}, failed("Exit code 2\nboom in 1.23s"))
    for _ in range(5):
        call("Bash", {"command": "pwd"}, ok("/p"), agent="a17")
    call("Bash", {"command": "make test"}, failed("Exit code 2\nboom in 2.5s"), wait=30.0)
    call("Edit", {"file_path": "/p/a.py", "old_string": "a", "new_string": "b"}, ok("updated"))
    call("Bash", {"command": "make test"}, ok("4 passed"), wait=90.0)
    for _ in range(7):
        call(
            "Edit",
            {"file_path": "/p/a.py", "old_string": "nope", "new_string": "b"},
            {**failed(NOT_FOUND), "validation_error": True},
        )
    for _ in range(4):
        call("Bash", {"command": "git status"}, ok("clean"))
        call("Bash", {"command": "git diff"}, ok("nothing to show"))
    for i, row in enumerate(rows):
        row["i"] = i
    return rows


def recorded(session):
    for group in recording.recordings([str(CORPUS)]):
        found = [r for r in recording.records(group, print, set()) if r["session_id"] == session]
        if found:
            return found
    raise LookupError(session)


class Noted(Rerun):
    """A session run again that keeps every transition, also of a turn that is stopped already."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.noted = []

    def _note(self, transition, event):
        super()._note(transition, event)
        self.noted.append(transition)


def by_replay(records):
    run = Noted("s", build())
    for fields in payloads(records):
        run.feed(fields)
    found = [
        (one.name, one.lane or None, round(one.at, 3)) for one in run.noted if one.event in ("trip", "ending")
    ]
    return sorted(found, key=lambda trip: trip[2])


def by_hooks(records, tmp_path):
    home = tmp_path / "state"
    session = records[0]["session_id"]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CIRCUIT_BREAKER_HOME": str(home),
        "CLAUDE_PROJECT_DIR": str(tmp_path),
        "CLAUDE_CODE_SESSION_ID": session,
    }
    for fields in payloads(records):
        payload = {"cwd": str(tmp_path), **fields}
        name = payload["hook_event_name"]
        asleep = not (home / "armed" / session).exists() and payload.get("tool_name") not in ("Agent", "Task")
        if name not in SCRIPTS or (name == "PreToolUse" and asleep):
            continue
        script = str(ROOT / "hooks" / SCRIPTS[name])
        command = [sys.executable, "-I", "-S", "-X", "utf8", str(LAUNCHER), script, repr(fields["t"])]
        done = subprocess.run(
            command, input=json.dumps(payload).encode(), capture_output=True, env=env, check=True
        )
        assert b"Error" not in done.stderr, done.stderr
    log = home / "circuit_breaker_incidents.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [(row["circuit"], row["agent"], row["t"]) for row in rows if row["event"] in ("trip", "ending")]


def test_invented_session_trips_alike(tmp_path):
    records = invented()
    trips = by_replay(records)
    assert {name.partition(":")[0] for name, _, _ in trips} == {"tool_failure", "repeated_call", "call_cycle"}
    assert any(agent == "a17" for _, agent, _ in trips)
    assert by_hooks(records, tmp_path) == trips


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real sessions is not beside the project")
@pytest.mark.parametrize(
    ("session", "trips"),
    [
        ("c98c48ce-b4da-46d1-8f72-965d60d6e589", True),
        ("f736da47-b2ca-4f86-bb32-a1bbe582e464", False),
        *also_in_ci(
            ("6c7a0f29-5091-4901-abde-98adf1ae6369", True),
            ("doc-pi-6158", True),
            ("doc-nanobot-3073", True),
            ("c63b677f-8a1b-425a-97bc-efb19fff2abc", False),
        ),
    ],
)
def test_recorded_session_trips_alike(tmp_path, session, trips):
    records = recorded(session)[:240]
    expected = by_replay(records)
    assert bool(expected) == trips
    assert by_hooks(records, tmp_path) == expected
