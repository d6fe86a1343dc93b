"""/circuit-status and /reset-circuit answer in the real client, with no request sent."""

from __future__ import annotations

import json

import pytest
from client.driver import Client
from client.standin import Say, Standin, bash, results
from samples import also_in_ci

CALM = "Active Breakers: None (all systems operational)"


@pytest.mark.parametrize("prefix", ["/", *also_in_ci("/circuit-breaker:")])
def test_commands_answer_bare_and_prefixed_without_a_request_while_a_circuit_is_open(
    client: Client, prefix: str
) -> None:
    command, runs = client.failing_check()
    counts: list[int] = []
    with Standin({"": [*[bash(command)] * 4, Say("stuck"), bash(command), Say("free again")]}) as api:

        def type_(text: str) -> str:
            counts.append(len(api.requests))
            return prefix + text

        session = client.session(
            api,
            "make the check pass",
            lambda: type_("circuit-status"),
            lambda: type_("circuit-status --json"),
            lambda: type_("reset-circuit --all"),
            lambda: type_("circuit-status"),
            lambda: counts.append(len(api.requests)) or "go on",  # type: ignore[func-returns-value]
        )
    stuck, status, as_json, reset, after, free = [result["result"] for result in session.results]
    assert counts == [5] * 5
    assert (stuck, free) == ("stuck", "free again")
    assert "CIRCUIT BREAKER STATUS" in status
    assert "OPEN" in status
    assert "check.sh" in status
    document = json.loads(as_json[as_json.index("{") : as_json.rindex("}") + 1])
    assert document["schema"] == 1
    assert document["circuits"]["tool_failure"]["state"] == "OPEN"
    assert document["circuits"]["tool_failure"]["subjects"][0]["session"] == session.id
    assert "tool_failure" in reset
    assert CALM in after
    assert runs() == 4
    assert results(api.requests[-1])[-1].startswith("Exit code 1")
    assert [incident["event"] for incident in client.incidents()] == ["trip", "reset"]


def test_status_of_a_calm_session_says_so(client: Client) -> None:
    with Standin({}) as api:
        session = client.session(api, "/circuit-status")
    assert "CIRCUIT BREAKER STATUS" in session.results[0]["result"]
    assert CALM in session.results[0]["result"]
    assert api.requests == []


@pytest.mark.repeats
def test_reset_wants_to_know_which_circuit(client: Client) -> None:
    command, runs = client.failing_check()
    with Standin({"": [*[bash(command)] * 4, Say("stuck"), bash("true")]}) as api:
        session = client.session(api, "check", "/reset-circuit", "/reset-circuit --circuit no:such")
    assert "--all" in session.results[1]["result"]
    assert "no:such" in session.results[2]["result"]
    assert [incident["event"] for incident in client.incidents()] == ["trip"]


@pytest.mark.repeats
def test_reset_by_its_name_closes_one_circuit(client: Client) -> None:
    command, runs = client.failing_check()
    script = [*[bash(command)] * 4, Say("stuck"), bash(command), Say("on")]
    with Standin({"": script}) as api:
        status: list[str] = []

        def by_name() -> str:
            shown = json.loads(client.breaker("status", "--json").stdout)
            subject = shown["circuits"]["tool_failure"]["subjects"][0]["subject"]
            status.append(subject)
            return f"/reset-circuit --circuit tool_failure:{subject}"

        session = client.session(api, "check", by_name, "go on")
    assert "check.sh" in status[0]
    assert f"tool_failure:{status[0]}" in session.results[1]["result"]
    assert runs() == 4


def test_looking_at_the_status_neither_buys_a_probe_nor_forgets(client: Client) -> None:
    client.configure(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    command, runs = client.failing_check()
    script = [
        *[bash(command)] * 3,
        Say("stuck"),
        bash(command),
        bash(command),
        Say("still stuck"),
        bash(command),
    ]
    with Standin({"": script}) as api:
        session = client.session(api, "check", "go on", "/circuit-status", "/circuit-status --json")
    assert runs() == 4  # your second prompt bought one probe
    assert len(session.denials) == 1
    assert "OPEN" in session.results[2]["result"]


def test_terminal_sees_and_resets_what_the_session_tripped(client: Client) -> None:
    command, runs = client.failing_check()
    with Standin({"": [bash(command)] * 3}) as api:
        client.session(api, "check")
    status = client.breaker("status")
    assert (status.returncode, status.stderr) == (0, "")
    assert "OPEN" in status.stdout
    assert "check.sh" in status.stdout
    assert client.breaker("reset", "--all").returncode == 0
    assert CALM in client.breaker("status").stdout


def test_model_cannot_call_the_commands(client: Client) -> None:
    from client.standin import Use

    script = [
        Use("Skill", {"skill": f"{prefix}reset-circuit", "args": "--all"})
        for prefix in ("", "circuit-breaker:")
    ]
    with Standin({"": script}) as api:
        client.session(api, "reset it yourself", tools="Skill")
    assert all(
        "disable-model-invocation" in text or "Unknown skill" in text for text in results(api.requests[-1])
    )
    assert len(results(api.requests[-1])) == 2
