"""A budget in the real client: a dialog at a terminal, a stopped turn in `-p`, and tokens as Claude Code's own transcripts say them."""

from __future__ import annotations

import json
from typing import Any

from client.driver import Client
from client.standin import Say, Standin, Use, bash
from client.terminal import Terminal

COST = {
    "input_tokens": 4,
    "output_tokens": 250,
    "cache_read_input_tokens": 100_000,
    "cache_creation_input_tokens": 30,
}

ROW = {"input": 4, "output": 250, "cache_read": 100_000, "cache_write": 30}


def budget(client: Client, **limits: int) -> None:
    client.configure(circuit_breakers={"budget": limits})


def steps(count: int) -> list[Use]:
    return [bash(f"echo {number} >> ran") for number in range(count)]


def ran(client: Client) -> int:
    path = client.project / "ran"
    return len(path.read_text().splitlines()) if path.exists() else 0


def events(client: Client, *names: str) -> list[str]:
    return [row["event"] for row in client.incidents() if row["event"] in names]


def test_eight_calls_are_asked_about_before_the_ninth_and_a_yes_lets_it_run(client: Client) -> None:
    budget(client, calls_per_prompt=8)
    script = [*steps(10), Say("that was all")]
    with Standin({"": script}, COST) as api, Terminal(client, api) as terminal:
        terminal.submit("work")
        terminal.wait(lambda: "8 of 8 tool calls in this prompt" in " ".join(terminal.screen.split()))
        flat = " ".join(terminal.screen.replace("│", " ").split())
        assert ran(client) == 8
        # a lower bound: the rows of the last messages may not be on disk yet
        spent = [f"{n * 100_284:,} tokens, {n * 100_000:,} of them cache reads" for n in (6, 7, 8)]
        assert any(text in flat for text in spent)
        terminal.press("\r")
        terminal.wait(lambda: "that was all" in terminal.screen)
        assert "50 % of calls_per_prompt" in " ".join(terminal.screen.split())
    assert ran(client) == 10
    assert events(client, "asked", "ask_allowed", "ending") == ["asked", "ask_allowed"]


def test_a_no_interrupts_and_the_call_does_not_run(client: Client) -> None:
    budget(client, calls_per_prompt=2)
    with Standin({"": [*steps(5), Say("never said")]}) as api, Terminal(client, api) as terminal:
        terminal.submit("work")
        terminal.wait(lambda: "2 of 2 tool calls in this prompt" in " ".join(terminal.screen.split()))
        terminal.escape()
        terminal.wait(lambda: "Interrupted" in terminal.screen or "interrupted" in terminal.screen)
        terminal.submit("a new prompt")
        terminal.wait(lambda: ran(client) == 4)
    assert events(client, "asked", "ask_allowed")[:1] == ["asked"]
    assert "ask_allowed" not in events(client, "asked", "ask_allowed")[:2]


def test_in_p_the_turn_is_stopped_at_the_eighth(client: Client) -> None:
    budget(client, calls_per_prompt=8)
    with Standin({"": steps(12)}, COST) as api:
        session = client.session(api, "work")
    assert ran(client) == 8 and len(api.requests) == 8
    assert "8 of 8 tool calls in this prompt" in session.endings[0]
    [row] = [row for row in client.incidents() if row["event"] == "ending"]
    # a lower bound, as above
    assert row["tokens"] in [{name: n * value for name, value in ROW.items()} for n in (6, 7, 8)]


def test_tokens_of_subagents_count_to_their_session(client: Client) -> None:
    budget(client, tokens_per_prompt=450_000)
    agent = Use(
        "Agent",
        {"description": "look", "prompt": "subagent, look around", "subagent_type": "general-purpose"},
    )
    script: dict[str, Any] = {
        "subagent, look": [bash("ls /"), bash("ls /usr"), Say("seen")],
        "": [agent, *steps(6), Say("done")],
    }
    with Standin(script, COST) as api:
        session = client.session(api, "work")
    assert session.endings
    first, *_ = [row for row in client.incidents() if row["event"] == "ending"]
    assert 400_000 <= first["tokens"]["cache_read"] <= 600_000
    assert len(api.of("")) < 7  # alone, its own calls would have been stopped at the fifth at the earliest


def test_replay_counts_what_claude_code_wrote_forks_and_resumed_sessions_once(client: Client) -> None:
    command, _ = client.failing_check()
    script = {
        "": [*[bash(command)] * 6, Say("stuck"), bash("ls"), Say("forked"), bash("pwd"), Say("resumed")]
    }
    with Standin(script, COST) as api:
        first = client.session(api, "make it pass", plugin=None)
        client.session(api, "go on", plugin=None, more=["--resume", first.id, "--fork-session"])
        client.session(api, "and on", plugin=None, more=["--resume", first.id])
    done = client.breaker("replay", str(client.home / ".claude" / "projects"), "--json", "--defaults")
    found = json.loads(done.stdout)
    assert (found["sessions"], found["calls"]) == (2, 8)
    [trip] = found["trips"]
    assert trip["session"] == first.id
    assert trip["tokens"] == {"input": 12, "output": 750, "cache_read": 300_000, "cache_write": 90}
