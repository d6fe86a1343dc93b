"""Hook processes for tests of load and faults: events of a session sent through the real scripts, and what they left on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from registrations import ROOT, SCRIPTS

from circuit_breaker.breaker.memory import Lane
from circuit_breaker.runtime import hook, store

SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
BASE = {"session_id": SESSION, "cwd": "/p", "prompt_id": "p1", "transcript_path": "/none"}


def ask(call_id: str, command: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    """(hook, payload) of a Bash call that is about to run."""
    call = {"tool_name": "Bash", "tool_input": {"command": command}, "tool_use_id": call_id}
    return "gate", {**BASE, "hook_event_name": "PreToolUse", **call, **changes}


def failed(
    call_id: str, command: str, error: str = "Exit code 1\nno", **changes: Any
) -> tuple[str, dict[str, Any]]:
    """(hook, payload) of its failure."""
    call = {"tool_name": "Bash", "tool_input": {"command": command}, "tool_use_id": call_id, "error": error}
    return "monitor", {**BASE, "hook_event_name": "PostToolUseFailure", **call, **changes}


def turn(call_id: str, command: str, text: str = "done", **changes: Any) -> tuple[str, dict[str, Any]]:
    """(hook, payload) of the turn it was the only call of."""
    call = {"tool_name": "Bash", "tool_input": {"command": command}, "tool_use_id": call_id}
    return "monitor", {
        **BASE,
        "hook_event_name": "PostToolBatch",
        "tool_calls": [{**call, "tool_response": text}],
        **changes,
    }


class Host:
    """What the client does with events: a process each. `python` is the interpreter they run under."""

    def __init__(self, machine: Any, python: str = sys.executable) -> None:
        self.machine, self.python = machine, python
        self.runtime: Path = machine.runtime

    def begin(self, event: tuple[str, dict[str, Any]], *launcher: str) -> subprocess.Popen[bytes]:
        """The process of one event, started and given its payload."""
        hook, body = event
        script = [*launcher, str(ROOT / "hooks" / SCRIPTS[hook])]
        process = subprocess.Popen(
            [self.python, "-I", "-S", "-X", "utf8", *script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.machine.env,
            cwd=self.machine.project,
        )
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(body).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # killed before it had read
        process.stdin = None
        return process

    def send(self, event: tuple[str, dict[str, Any]], *launcher: str) -> Any:
        """Its answer, None for silence; what it says on stderr, and any exit code but 0, is a failure of the test."""
        process = self.begin(event, *launcher)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
        return json.loads(out) if out else None

    def told(self, event: tuple[str, dict[str, Any]]) -> Any:
        """The answer of `send`, in this process where that makes the same keys: for what leads up to a test of real ones."""
        if self.python != sys.executable:
            return self.send(event)
        name, body = event
        env = {**self.machine.env, "CLAUDE_CODE_SESSION_ID": body["session_id"]}
        return hook.answer_to(name, json.dumps(body).encode(), env, time.time())

    def memory(self, session: str = SESSION, name: str = "main.json") -> dict[str, Any]:
        """A memory file as it stands, {} when there is none."""
        path = self.runtime / "sessions" / session / name
        return json.loads(path.read_bytes()) if path.exists() else {}

    def states(self, session: str = SESSION, name: str = "main.json") -> list[str]:
        """The states of a lane's circuits, without the CLOSED ones that only remember their level."""
        path = self.runtime / "sessions" / session / name
        lane = store.read_memory(str(path), Lane) or Lane()
        return [circuit.state for circuit in lane.circuits.values() if circuit.state != "CLOSED"]

    def armed(self, session: str = SESSION) -> set[str]:
        """The lanes its marker names; empty when there is none."""
        try:
            lines = (self.runtime / "armed" / session).read_text().split()
        except FileNotFoundError:
            return set()
        return {line.partition("/")[2] for line in lines}

    def configure(self, **changes: Any) -> None:
        """A config file in the home of this machine's project (which is its runtime folder)."""
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        (self.runtime / "circuit_breaker_config.json").write_text(json.dumps(changes))

    def faults(self) -> list[str]:
        log = self.runtime / "errors.log"
        return log.read_text().splitlines() if log.is_file() else []


def denied(answer: Any) -> bool:
    return bool(answer) and answer.get("hookSpecificOutput", {}).get("permissionDecision") == "deny"
