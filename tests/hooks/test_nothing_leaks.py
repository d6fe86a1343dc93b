"""What we read is data: no secret of a command reaches the disk, no control character a terminal."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from circuit_breaker.runtime import home, hook, status
from circuit_breaker.words.status import status_text

SECRETS = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=20, max_size=40
).filter(lambda text: sum(c.isdigit() for c in text) >= 4 and sum(c.isalpha() for c in text) >= 4)
PLACES = st.sampled_from(
    [
        "API_TOKEN={} deploy --now",
        "curl -H 'Authorization: Bearer {}' https://api.example.com/x",
        "mysql -p{} -u root db",
        "git clone https://user:{}@example.com/r.git",
        "export AWS_SECRET_ACCESS_KEY={} && aws s3 ls",
        "sshpass -p {} ssh host",
        "psql postgres://u:{}@db/x -c 'select 1'",
        "vault login {}",
        "echo {} | docker login --password-stdin",
    ]
)
ERRORS = st.sampled_from(
    [
        "Exit code 1\nbad password: {}",
        "Exit code 1\nAuthorization: Bearer {} was refused",
        '{{"error": "token", "token": "{}"}}',
        "Exit code 128\nfatal: https://user:{}@example.com/r.git not found",
        "Exit code 1\n+ deploy --token {}\nno",
    ]
)
NASTY = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "\x1b[2J\x1b[31m",
        "\x1b]0;title\x07",
        "\x9b31m",
        "\u202e\u2066evil",
        "a\x00b\x08c\x7f",
        "\r\r\r",
        "{0.__class__}%s",
    ]
)


def failing_session(folder: str, command: str, error: str, tool: str = "Bash") -> dict[str, str]:
    """Three equal failures through the hooks' own function, and a denied fourth call; -> the environment they ran in."""
    env = {"HOME": folder, "CIRCUIT_BREAKER_HOME": folder + "/state", "CLAUDE_PROJECT_DIR": folder}
    common = {
        "session_id": "s",
        "cwd": folder,
        "prompt_id": "p",
        "tool_name": tool,
        "tool_input": {"command": command},
    }
    for i in range(4):
        call = {**common, "tool_use_id": f"t{i}"}
        events = [
            {**call, "hook_event_name": "PreToolUse"},
            {**call, "hook_event_name": "PostToolUseFailure", "error": error},
            {**common, "hook_event_name": "PostToolBatch", "tool_calls": [{**call, "tool_response": error}]},
        ]
        for event in events:
            name = "gate" if event["hook_event_name"] == "PreToolUse" else "monitor"
            hook.answer_to(name, json.dumps(event).encode(), env, time.time())
    return env


def seen_by_people(env: dict[str, str]) -> str:
    where = home.places(env, env["HOME"])
    facts = status.collect(where, home.configuration(where, env), time.time())
    facts["protection"] = {"protected": True, "how": "the hooks run"}
    return status_text(facts, everything=True)


@settings(max_examples=60, deadline=None)
@given(SECRETS, PLACES, ERRORS)
def test_no_secret_of_a_command_or_an_error_is_in_any_file_we_write(secret, place, error):
    with tempfile.TemporaryDirectory() as folder:
        env = failing_session(folder, place.format(secret), error.format(secret))
        written = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert any(path.name == "circuit_breaker_incidents.jsonl" for path in written)
        for path in written:
            assert secret.encode() not in path.read_bytes(), path.name
        assert secret not in seen_by_people(env)


@settings(max_examples=60, deadline=None)
@given(NASTY, NASTY, NASTY)
def test_no_control_character_of_what_we_read_reaches_a_terminal(command, error, tool):
    with tempfile.TemporaryDirectory() as folder:
        env = failing_session(
            folder,
            f"./{command} {command}",
            f"Exit code 1\n{error}",
            "Bash" if len(tool) % 2 else tool or "T",
        )
        shown = seen_by_people(env)
        assert all(c.isprintable() or c == "\n" or c in "\u26a1\ufe0f" for c in shown), repr(shown)
