"""A throw-away machine for measurements: a home, a project, a session with some work behind it, kept as it was before each run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from timing import Prepare, Scene

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "plugin"))
import host  # noqa: E402

PAYLOADS = ROOT / "tests" / "payloads"
SESSION = "e1ed4373-2897-434e-a19d-8c2881765fa5"


def payload(name: str, **changes: Any) -> dict[str, Any]:
    """A recorded payload of session SESSION, with some fields changed."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return {**found, "session_id": SESSION, "prompt_id": "p1", **changes}


def line(event: str, which: int = 0) -> str:
    """The command that hooks.json registers for an event, as Claude Code hands it to /bin/sh."""
    return str(host.hooks_of(ROOT)[event][which]["hooks"][0]["command"])


class World:
    """One person's machine. Every process in it is started with `env` and nothing else of ours."""

    def __init__(self, base: Path, python: str) -> None:
        self.base, self.python = base, python
        self.home, self.project = base / "home", base / "project"
        for folder in (self.home, self.project / ".claude"):
            folder.mkdir(parents=True)
        self.runtime = self.home / ".local" / "state" / "claude-circuit-breaker"
        self.env = {
            "PATH": f"{Path(python).parent}:/usr/bin:/bin",
            "HOME": str(self.home),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "CLAUDE_PLUGIN_ROOT": str(ROOT),
            "CLAUDE_CODE_SESSION_ID": SESSION,
            "CLAUDECODE": "1",
        }

    @property
    def memory(self) -> Path:
        """The folder of the session's memory."""
        return self.runtime / "sessions" / SESSION

    def send(self, body: dict[str, Any], which: int = 0) -> str:
        """One event through its registered line; what it printed."""
        fired = host.run_line(line(body["hook_event_name"], which), body, self.env, self.project)
        if fired.problem:
            raise RuntimeError(fired.problem)
        return fired.out

    def configured(self, **settings: Any) -> World:
        """A config file of your own."""
        path = self.home / ".config" / "claude-circuit-breaker" / "config.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
        return self

    def begin(self) -> World:
        """What every session has behind it: its start, a prompt, five turns of ordinary work, one of them failed."""
        self.send(payload("SessionStart.startup.headless"))
        self.send(payload("UserPromptSubmit"))
        for number in range(5):
            given = {"file_path": f"{self.project}/part{number}.py"}
            call = {"tool_name": "Read", "tool_input": given, "tool_use_id": f"r{number}"}
            self.send(
                payload("PostToolBatch.bash-exit-1", tool_calls=[{**call, "tool_response": f"line {number}"}])
            )
        failed = payload("PostToolUseFailure.bash-exit-1")
        self.send(failed)
        self.send(payload("PostToolBatch.bash-exit-1"))
        return self

    def trip(self) -> World:
        """A loop that opens a circuit: the session is armed from here on."""
        for number in range(3):
            changed = {"tool_use_id": f"loop{number}", "tool_input": {"command": "make all"}}
            call = {**changed, "tool_name": "Bash", "tool_response": "Exit code 2\nno rule"}
            self.send(payload("PostToolUseFailure.bash-exit-1", error="Exit code 2\nno rule", **changed))
            self.send(payload("PostToolBatch.bash-exit-1", tool_calls=[call]))
        if not (self.runtime / "armed" / SESSION).exists():
            raise RuntimeError("three equal failures did not arm the gate")
        self.send(
            payload("PreToolUse.bash", tool_use_id="first", tool_input={"command": "ls"})
        )  # once a prompt: who wrote it
        self._keep_open()
        return self

    def _keep_open(self) -> None:
        """A cooldown that outlasts any measurement: at its end a call is let through on trial, not denied."""
        from circuit_breaker.breaker.memory import Lane
        from circuit_breaker.runtime import store

        path = self.memory / store.MAIN_FILE
        lane = store.decode(path.read_bytes(), Lane)
        lane.circuits = {
            name: circuit.but(retry_at=circuit.retry_at + 1e6) for name, circuit in lane.circuits.items()
        }
        path.write_bytes(store.encode(lane))

    def sessions(self, count: int) -> World:
        """Other sessions on disk: copies of this one."""
        for number in range(count):
            shutil.copytree(self.memory, self.memory.parent / f"other-{number}")
        return self

    def incidents(self, count: int) -> World:
        """An incident log of so many lines."""
        row = b'{"t":1790000000.0,"event":"trip","circuit":"tool_failure:Bash make","cause":"3 equal failures"}\n'
        for log in self.runtime.glob("projects/*"):
            (log / "circuit_breaker_incidents.jsonl").write_bytes(row * count)
        return self

    def scene(self, name: str, body: Any, which: int = 0, command: list[str] | None = None) -> Scene:
        """The registered line for `body`, or another `command`, in the state this world is in now."""
        sent = self.base / f"{name.replace(' ', '-').replace('/', '-')}.json"
        sent.write_text(json.dumps(body), encoding="utf-8")
        event = body["hook_event_name"]
        return Scene(
            name, command or ["/bin/sh", "-c", line(event, which)], self.env, self._restorer(str(sent))
        )

    def _restorer(self, stdin: str) -> Prepare:
        """Puts the session's memory back as it is now; what it must not pay for is done before the clock starts."""
        kept = {path: path.read_bytes() for path in self.memory.glob("*.json")}
        marker = self.runtime / "armed" / SESSION
        if marker.exists():
            kept[marker] = marker.read_bytes()
        project = str(self.project)

        def prepare() -> str:
            os.chdir(project)
            for path, data in kept.items():
                path.write_bytes(data)
            return stdin

        return prepare
