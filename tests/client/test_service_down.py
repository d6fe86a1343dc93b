"""An MCP server that dies, in the real client: it is down for every session of the machine until one probe finds it back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from client.driver import ROOT, Client, Session
from client.mcp_server import REASONS
from client.standin import Say, Standin, Step, Use, results

from circuit_breaker.breaker.service_down import Service
from circuit_breaker.runtime import store


class Server:
    """The server of tests/client/mcp_server.py as the client starts it, named `db`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        script = Path(__file__).with_name("mcp_server.py")
        entry = {"command": sys.executable, "args": [str(script), str(folder)]}
        (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"db": entry}}))
        self.options = ["--mcp-config", str(folder / "mcp.json"), "--strict-mcp-config"]

    @property
    def starts(self) -> list[int]:
        return [int(pid) for pid in (self._folder / "starts").read_text().split()]

    def kill(self) -> None:
        """End it, and let no new one start."""
        (self._folder / "down").touch()
        for pid in self.starts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def restore(self) -> None:
        """Let it start again."""
        (self._folder / "down").unlink()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "server")


def call(tool: str, text: str) -> Use:
    """A call of the server."""
    return Use(f"mcp__db__{tool}", {"text": text})


def its_cooldown_has_passed(client: Client, level: int) -> None:
    """Set the time of the next probe back, in the state on disk."""
    (state,) = (client.runtime / "services").glob("*.json")
    service = store.decode(state.read_bytes(), Service)
    assert service.level == level
    state.write_bytes(store.encode(service.but(retry_at=1.0)))


def talk(client: Client, server: Server, api: Standin, *prompts: Any) -> Session:
    """A session that has the server."""
    return client.session(api, *prompts, tools="mcp__db Bash", more=server.options)


def short(texts: list[str]) -> list[str]:
    """Results without what the client adds to them, a denial as one word."""
    return ["denied" if " does not answer, since " in text else text.split("\n")[0] for text in texts]


def of_service(client: Client) -> list[str]:
    found = client.incidents()
    return [one["event"] for one in found if one["circuit"] == "service_down:db"]


def test_server_that_dies_in_its_calls_is_left_alone_and_one_probe_finds_it_back(
    client: Client, server: Server
) -> None:
    client.configure(circuit_breakers={"service_down": {"cooldown_base_seconds": 4}})

    def late(_: Any) -> Use:
        time.sleep(5)
        return call("answer", "back")

    own = [call("refuse", str(number)) for number in range(len(REASONS))]
    dies: list[Step] = [call("die", text) for text in "abcde"]
    script = [
        call("answer", "first"),
        *own,
        *dies,
        call("answer", "early"),
        late,
        call("answer", "again"),
        Say("done"),
    ]
    with Standin({"": script}) as api:
        talk(client, server, api, "ask the database")
    closed = ["Connection closed"] * 5
    assert short(results(api.requests[-1])) == ["first", *REASONS, *closed, "denied", "back", "again"]
    assert of_service(client) == ["trip", "close"]
    assert len(server.starts) == 6  # after each death the client started it anew


def test_server_that_cannot_be_started_is_down_for_other_sessions_too_until_it_is_back(
    client: Client, server: Server
) -> None:
    def killed(_: Any) -> Use:
        server.kill()
        return call("answer", "1")

    def another() -> str:
        server.restore()

        def late(_: Any) -> Use:
            its_cooldown_has_passed(client, level=0)
            return call("answer", "back")

        with Standin({"": [call("answer", "early"), late, call("answer", "again"), Say("done")]}) as second:
            talk(client, server, second, "ask the database")
        assert short(results(second.requests[-1])) == ["denied", "back", "again"]
        return "once more"

    script = [
        call("answer", "first"),
        killed,
        *[call("answer", text) for text in "2345"],
        call("refuse", "0"),
        Say("down"),
    ]
    with Standin({"": [*script, call("answer", "6"), Say("done")]}) as api:
        talk(client, server, api, "ask the database", another)
    gone = ['MCP server "db" is not connected']
    # Claude Code gives a server up for the session after two failed starts: free again, and still not there.
    assert short(results(api.requests[-1])) == ["first", *gone * 5, "denied", *gone]
    assert of_service(client) == ["trip", "close"]


@pytest.mark.repeats
def test_of_64_sessions_one_asks_a_dead_server_once_in_a_cooldown(client: Client, server: Server) -> None:
    seen = client.home / "seen.jsonl"
    hook = {"type": "command", "command": f"cat >> '{seen}'; echo >> '{seen}'"}
    (client.home / ".claude").mkdir()
    settings = {"hooks": {"PreToolUse": [{"hooks": [hook]}], "PostToolUseFailure": [{"hooks": [hook]}]}}
    (client.home / ".claude" / "settings.json").write_text(json.dumps(settings))
    script = [call("answer", "first"), *[call("die", text) for text in "abcde"], call("answer", "last")]
    with Standin({"": script}) as api:
        talk(client, server, api, "ask the database")
    payloads = [json.loads(line) for line in seen.read_text().splitlines() if line]
    asks = next(one for one in payloads if one["hook_event_name"] == "PreToolUse")
    fails = next(one for one in payloads if one["hook_event_name"] == "PostToolUseFailure")
    for level in range(3):
        its_cooldown_has_passed(client, level)
        (probe,) = passed(client, {**asks, "tool_use_id": f"toolu_{level}_"}, 64)
        wanted = {"session_id": probe, "tool_use_id": f"toolu_{level}_{probe}"}
        hook_of(client, "monitor", {**fails, **wanted}).communicate()
        turn = {
            "tool_name": fails["tool_name"],
            "tool_input": fails["tool_input"],
            "tool_response": fails["error"],
        }
        batch = {**fails, **wanted, "hook_event_name": "PostToolBatch", "tool_calls": [{**turn, **wanted}]}
        hook_of(client, "monitor", batch).communicate()
    assert of_service(client) == ["trip", "probe", "probe", "probe"]


def passed(client: Client, asks: dict[str, Any], sessions: int) -> list[str]:
    """The sessions whose call may run, when all ask at the same time."""
    names = [f"session-{number}" for number in range(sessions)]
    gates = [
        hook_of(client, "gate", {**asks, "session_id": name, "tool_use_id": asks["tool_use_id"] + name})
        for name in names
    ]
    answers = [gate.communicate(timeout=60)[0] for gate in gates]
    assert all(b"does not answer" in answer for answer in answers if answer)
    return [name for name, answer in zip(names, answers) if not answer]


def hook_of(client: Client, name: str, payload: dict[str, Any]) -> subprocess.Popen[bytes]:
    """A hook process with its payload, started."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", str(ROOT / "hooks" / f"circuit_breaker_{name}.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=client.env,
        cwd=client.project,
    )
    assert process.stdin
    process.stdin.write(json.dumps(payload).encode())
    process.stdin.close()
    process.stdin = None
    return process
