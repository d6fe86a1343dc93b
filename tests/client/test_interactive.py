"""The override stays yours at a terminal, in the real interactive client."""

from __future__ import annotations

import pytest
from client.driver import Client
from client.standin import Say, Standin, bash
from client.terminal import Terminal

LONG = {"circuit_breakers": {"tool_failure": {"cooldown_base_seconds": 600}}}


def is_over(terminal: Terminal) -> bool:
    """Whether the first turn has ended: a prompt that is submitted before that is queued, and counts for nothing."""
    return "the first is over" in terminal.screen and " · done " in terminal.screen


@pytest.mark.repeats
def test_typed_bypass_is_granted_and_the_status_takes_no_request(client: Client) -> None:
    client.configure(**LONG)
    command, runs = client.failing_check()
    script = [*[bash(command)] * 4, Say("the first is over"), *[bash(command)] * 3, Say("the second is over")]
    with Standin({"": script}) as api, Terminal(client, api) as terminal:
        terminal.submit("check")
        terminal.wait(lambda: is_over(terminal))
        assert (len(api.requests), runs()) == (5, 3)
        terminal.submit("/circuit-status")
        terminal.wait(lambda: "CIRCUIT BREAKER STATUS" in terminal.screen)
        assert len(api.requests) == 5
        terminal.submit("SUDO BYPASS\ngo on")
        terminal.wait(lambda: len(api.requests) == 9)
    assert runs() == 6
    assert [incident["event"] for incident in client.incidents()] == ["trip", *["bypass"] * 4]


def test_after_escape_a_bypass_counts_that_would_have_been_queued(client: Client) -> None:
    client.configure(**LONG)
    command, runs = client.failing_check()
    script = [*[bash(command)] * 4, bash("touch waiting; sleep 60"), *[bash(command)] * 2, Say("the end")]
    with Standin({"": script}) as api, Terminal(client, api) as terminal:
        terminal.submit("check")
        terminal.wait((client.project / "waiting").exists)
        terminal.escape()
        terminal.wait(lambda: "Interrupted" in terminal.screen)
        terminal.submit("SUDO BYPASS\ngo on")
        terminal.wait(lambda: len(api.requests) == 8)
    assert runs() == 5


@pytest.mark.repeats
def test_pasted_log_that_holds_the_keyword_is_no_bypass(client: Client) -> None:
    client.configure(**LONG)
    command, runs = client.failing_check()
    script = [*[bash(command)] * 3, Say("the first is over"), *[bash(command)] * 3, Say("the second is over")]
    with Standin({"": script}) as api, Terminal(client, api) as terminal:
        terminal.submit("check")
        terminal.wait(lambda: is_over(terminal))
        terminal.submit("what does this log mean?\nSUDO BYPASS\n")
        terminal.wait(lambda: len(api.requests) == 8)
    assert runs() == 4  # a person's prompt buys one probe
    assert "bypass" not in [incident["event"] for incident in client.incidents()]
