"""A throw-away machine for measurements: a home, a project, a session with some work behind it, kept as it was before each run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from host import Host, hooks_of, lines_for
from timing import Prepare, Scene

from circuit_breaker.breaker.memory import Lane
from circuit_breaker.runtime import home, store

ROOT = Path(__file__).resolve().parent.parent
PAYLOADS = ROOT / "tests" / "payloads"
SESSION = "e1ed4373-2897-434e-a19d-8c2881765fa5"
HOOKS = hooks_of(ROOT)
BUDGET = {"calls_per_prompt": 10**6, "tokens_per_prompt": 10**12}


def spent(text: str) -> str:
    """A row of a transcript: a message and its price."""
    usage = {"input_tokens": 5, "output_tokens": 300, "cache_read_input_tokens": 100_000}
    message = {"id": "m", "role": "assistant", "content": [{"type": "text", "text": text}], "usage": usage}
    return json.dumps({"type": "assistant", "sessionId": SESSION, "message": message}) + "\n"


def payload(name: str, **changes: Any) -> dict[str, Any]:
    """A recorded payload with some fields changed."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return {**found, **changes}


class World:
    """One machine. Every process on it is started with `env` and nothing else of ours."""

    def __init__(self, base: Path, python: str) -> None:
        self.base = base
        own, self.project = base / "home", base / "project"
        for folder in (own, self.project / ".claude"):
            folder.mkdir(parents=True)
        self.runtime = own / ".local" / "state" / "claude-circuit-breaker"
        self.memory = self.runtime / "sessions" / SESSION
        env = {
            "PATH": f"{Path(python).parent}:/usr/bin:/bin",
            "HOME": str(own),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "CLAUDE_PLUGIN_ROOT": str(ROOT),
            "CLAUDE_CODE_ENTRYPOINT": "cli",
            "CLAUDECODE": "1",
        }
        self.transcript = self.project / "transcript.jsonl"
        self.host = Host(HOOKS, self.project, env, SESSION)
        self.env = self.host.env

    def begin(self) -> World:
        """What every session has behind it: its start, a prompt, six turns of ordinary work, one of them failed."""
        self.host.fire("SessionStart", source="startup")
        self.host.prompt("Go on with the tests.")
        for number in range(5):
            given = {"file_path": f"{self.project}/part{number}.py"}
            self.host.call("Read", given, lambda number=number: (False, f"line {number}"))
        self.host.call("Bash", {"command": "npm test"}, lambda: (True, "Exit code 1\nout\nerr"))
        if self.host.problems:
            raise RuntimeError("; ".join(self.host.problems))
        return self

    def trip(self) -> World:
        """A loop that opens a circuit, whose cooldown outlasts any measurement: at its end a probe would be let through."""
        for _ in range(3):
            self.host.call("Bash", {"command": "make all"}, lambda: (True, "Exit code 2\nno rule"))
        if not self.host.call("Bash", {"command": "make all"}, lambda: (True, "")).denied:
            raise RuntimeError("the call of an open circuit was not denied")
        path = self.memory / store.MAIN_FILE
        lane = store.decode(path.read_bytes(), Lane)
        lane.circuits = {
            name: circuit.but(retry_at=circuit.retry_at + 1e6) for name, circuit in lane.circuits.items()
        }
        path.write_bytes(store.encode(lane))
        return self

    def limit(self) -> World:
        """A budget that is set and far from used up; the transcript already holds a megabyte."""
        config = Path(home.places(self.env, str(self.project)).user_config)
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"circuit_breakers": {"budget": BUDGET}}), encoding="utf-8")
        self.transcript.write_text(spent("an earlier answer" * 60) * 700, encoding="utf-8")
        return self

    def spend(self) -> World:
        """One message more in the transcript since a hook last read it."""
        with self.transcript.open("a", encoding="utf-8") as stream:
            stream.write(spent("the last answer"))
        return self

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

    def remember(self, lane: Lane) -> World:
        """Put what another stream of events has made of a lane in the place of this session's."""
        path = self.memory / store.MAIN_FILE
        now = store.decode(path.read_bytes(), Lane)
        lane.cwd, lane.prompt = now.cwd, now.prompt
        path.write_bytes(store.encode(lane))
        return self

    def scene(self, name: str, body: dict[str, Any], command: list[str] | None = None) -> Scene:
        """The first line registered for `body`, or another `command`, in the state this world is in now."""
        own = {"session_id": SESSION, "transcript_path": str(self.transcript), "cwd": str(self.project)}
        body = {**body, **own, "prompt_id": body.get("prompt_id") or self.host.prompt_id}
        sent = self.base / f"{name.replace(' ', '-').replace('/', '-')}.json"
        sent.write_text(json.dumps(body), encoding="utf-8")
        line = lines_for(HOOKS, body)[0]
        return Scene(name, command or ["/bin/sh", "-c", line], self.env, self._restorer(str(sent)))

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
