"""A folder that the real client made: archived, restored, and the session resumes as if nothing had happened."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from client.driver import Client, Session
from client.standin import Standin, Use, bash

DAY = 86400.0


def aged(folder: Path, days: float) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - days * DAY,) * 2)


def worked(client: Client) -> Session:
    """A session with a large output and a subagent."""
    steps = [
        bash("seq 1 30000"),
        Use(
            "Agent",
            {
                "description": "look",
                "prompt": "LOOK AROUND",
                "subagent_type": "general-purpose",
                "run_in_background": False,
            },
        ),
    ]
    with Standin({"": steps, "LOOK AROUND": [bash("echo seen")]}) as api:
        return client.session(api, "remember the word mandarin", plugin=None)


def bytes_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_archived_session_resumes_after_it_was_restored(client: Client) -> None:
    session = worked(client)
    folder = client.home / ".claude"
    projects = folder / "projects"
    aged(folder, 20)  # younger than what the client removes by itself
    before = bytes_of(projects)
    assert any("/tool-results/" in name for name in before)
    assert any("/subagents/" in name for name in before)

    done = client.breaker("clean", "--apply", "--older-than", "10d")
    assert done.returncode == 0, done.stderr
    assert bytes_of(projects) == {}
    with Standin({"": []}) as api:
        lost = client.command("-p", "--resume", session.id, "go on")
    assert lost.returncode != 0

    for archive in sorted((client.runtime / "archives" / "claude").glob("*.tar.gz")):
        back = client.breaker("restore", archive.name)
        assert back.returncode == 0, back.stderr
    assert bytes_of(projects) == before
    with Standin({"": []}) as api:
        resumed = client.session(api, "which word was it?", plugin=None, more=["--resume", session.id])
    assert resumed.id == session.id
    assert any("remember the word mandarin" in json.dumps(request) for request in api.requests)


def test_session_that_runs_is_left_alone(client: Client) -> None:
    def clean() -> str:
        aged(client.home / ".claude", 400)
        said = client.breaker("clean", "--apply", "--older-than", "1h")
        return said.stdout + said.stderr

    transcripts: list[Path] = []

    def second() -> str:
        transcripts.extend((client.home / ".claude" / "projects").glob("*/*.jsonl"))
        clean()
        return "and now?"

    with Standin({"": [bash("seq 1 30000")]}) as api:
        client.session(api, "count", second, plugin=None)
    assert transcripts
    assert all(path.exists() for path in transcripts)


def test_folder_of_the_client_holds_nothing_that_clean_does_not_know(client: Client) -> None:
    worked(client)
    facts = client.breaker("clean", "--json")
    assert facts.returncode == 0, facts.stderr
    known = {
        "session environments",
        "plugins",
        "plugin data",
        "project memory",
        "sessions",
        "settings and the like",
        "other files of projects",
    }
    document = json.loads(facts.stdout)
    assert {row["name"] for row in document["measured"]} <= known
    assert {"transcripts", "subagent-transcripts", "tool-results", "backups"} <= {
        row["kind"] for row in document["kinds"]
    }
