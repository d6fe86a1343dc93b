"""Waits, repeated edits and launches as the real client lets them happen."""

from __future__ import annotations

import pytest
from client.driver import Client, Session
from client.standin import Standin, Use, bash, edit, results, sent


def spoken(session: Session) -> list[str]:
    """Everything hooks printed; also what went wrong in them."""
    return [text for hook in session.hooks for text in (hook.stdout, hook.stderr) if text]


def test_looking_at_a_server_that_does_not_answer_yet_after_waits_is_left_alone(client: Client) -> None:
    look = bash("curl -sf http://127.0.0.1:9/health")
    with Standin({"": [bash("sleep 0.2"), look] * 8}) as api:
        session = client.session(api, "wait for the server")
    assert sum(text.startswith("Exit code 7") for text in results(api.requests[-1])) == 8
    assert spoken(session) == []


def test_a_wait_that_claude_code_refuses_is_warned_about_before_the_turn_is_stopped(client: Client) -> None:
    with Standin({"": [bash(f"sleep {60 + i} && cat notes.txt") for i in range(12)]}) as api:
        session = client.session(api, "wait a minute")
    assert "Blocked: sleep" in results(api.requests[1])[-1]
    assert "Monitor" in session.tellings[0] and session.tellings[0] in sent(api.requests[3])
    assert len(session.endings) == 1
    assert len(api.requests) < 12


@pytest.mark.repeats
def test_the_same_edit_is_denied_after_the_fourth_though_the_file_grows(client: Client) -> None:
    target = client.project / "a.txt"
    target.write_text("start\n")
    again = edit(target, "start\n", "start\nmore\n")
    with Standin({"": [Use("Read", {"file_path": str(target)}), *[again] * 6]}) as api:
        session = client.session(api, "add a line")
    assert target.read_text() == "start\n" + "more\n" * 4
    assert len(session.denials) == 2 and "with the same input" in session.denials[0]
    assert "was made 3 times" in session.tellings[0]


@pytest.mark.repeats
def test_the_same_start_in_the_background_is_warned_about_and_never_denied(client: Client) -> None:
    start = Use("Bash", {"command": "touch started", "run_in_background": True, "description": "start"})
    with Standin({"": [start] * 7}) as api:
        session = client.session(api, "start the preview")
    assert session.denials == [] and len(session.tellings) == 1
    assert "started in the background 5 times" in session.tellings[0]
