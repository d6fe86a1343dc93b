"""What does the real client do with this plugin? Runs `claude -p` on a machine of its own, without a model and without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Union

from client.standin import Standin

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ROOT / ".client" / "node_modules"
Prompt = Union[str, Callable[[], str]]


class Hook(NamedTuple):
    """One hook that the client ran: for which event, what it answered, how it ended."""

    event: str
    name: str
    stdout: str
    stderr: str
    code: int
    outcome: str


class Session(NamedTuple):
    """What a headless session left behind: the client's own event stream, its stderr and its exit code."""

    events: list[dict[str, Any]]
    stderr: str
    code: int

    @property
    def id(self) -> str:
        return str(
            next(e["session_id"] for e in self.events if e["type"] == "system" and e["subtype"] == "init")
        )

    @property
    def results(self) -> list[dict[str, Any]]:
        """One for each prompt."""
        return [event for event in self.events if event["type"] == "result"]

    @property
    def hooks(self) -> list[Hook]:
        answered = [e for e in self.events if e["type"] == "system" and e.get("subtype") == "hook_response"]
        return [
            Hook(
                e["hook_event"],
                e["hook_name"],
                e["stdout"],
                e["stderr"],
                e.get("exit_code", -1),
                e["outcome"],
            )
            for e in answered
        ]


def binary() -> Path | None:
    """The pinned client, None where `make client` has not run."""
    paths = (PACKAGES / ".bin" / "claude", *PACKAGES.glob("@anthropic-ai/claude-code-*/claude"))
    return next((path for path in paths if path.exists()), None)


class Client:
    """A person's machine: an empty HOME, a project, the client. Nothing is inherited from the caller but where programs are."""

    def __init__(self, folder: Path, claude: Path) -> None:
        self.home, self.project, self._claude = folder / "home", folder / "project", claude
        self.home.mkdir(parents=True)
        self.project.mkdir()
        self.env = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(self.home),
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`claude ARGUMENTS`, for what needs no session."""
        return subprocess.run(
            [self._claude, *arguments],
            env=self.env,
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def session(
        self,
        api: Standin,
        *prompts: Prompt,
        plugin: Path | None = ROOT,
        tools: str = "Bash Edit Write Read Agent",
        more: Sequence[str] = (),
    ) -> Session:
        """One headless session: each prompt is submitted when the one before has its result. A prompt may be a function,
        called just before: what it does happens between the two. Fails with the script's own words if a step of it failed.
        """
        line = [
            str(self._claude),
            "-p",
            "--verbose",
            "--include-hook-events",
            "--input-format",
            "stream-json",
        ]
        line += ["--output-format", "stream-json", "--allowedTools", tools, *more]
        if plugin is not None:
            line += ["--plugin-dir", str(plugin)]
        process = subprocess.Popen(
            line,
            env={**self.env, "ANTHROPIC_BASE_URL": api.url},
            cwd=self.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(240, process.kill)
        watchdog.start()
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            session = _talk(process, list(prompts))
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
        assert not api.problems, api.problems
        assert len(session.results) >= len(prompts), f"exit code {session.code}: {session.stderr}"
        return session


def _talk(process: subprocess.Popen[str], prompts: list[Prompt]) -> Session:
    assert process.stdout
    assert process.stderr
    errors: list[str] = []
    reader = threading.Thread(
        target=lambda stream: errors.append(stream.read()), args=(process.stderr,), daemon=True
    )
    reader.start()
    events: list[dict[str, Any]] = []
    _submit(process, prompts)
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["type"] == "result":
            _submit(process, prompts)
    code = process.wait()
    reader.join(10)
    return Session(events, "".join(errors), code)


def _submit(process: subprocess.Popen[str], prompts: list[Prompt]) -> None:
    """The next prompt; when there is none, the end of the input, which ends the session."""
    assert process.stdin
    if not prompts:
        process.stdin.close()
        return
    prompt = prompts.pop(0)
    content = prompt if isinstance(prompt, str) else prompt()
    message = {"type": "user", "message": {"role": "user", "content": content}}
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
