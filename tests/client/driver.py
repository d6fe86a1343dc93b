"""Runs the real client with this plugin, `claude -p`, on a machine of its own, without a model and without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Union

from client.standin import Standin

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = ROOT / ".client"  # the pinned client here, each other one in other/VERSION
PATIENCE = 240  # seconds
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

    def answers(self, event: str) -> list[dict[str, Any]]:
        """What hooks of an event said, silent ones left out."""
        return [json.loads(hook.stdout) for hook in self.hooks if hook.event == event and hook.stdout]

    @property
    def denials(self) -> list[str]:
        """The reasons of all denials by hooks."""
        said = [answer.get("hookSpecificOutput", {}) for answer in self.answers("PreToolUse")]
        return [
            output["permissionDecisionReason"]
            for output in said
            if output.get("permissionDecision") == "deny"
        ]

    @property
    def tellings(self) -> list[str]:
        """What hooks said to the model after a turn."""
        said = [answer.get("hookSpecificOutput", {}) for answer in self.answers("PostToolBatch")]
        return [output["additionalContext"] for output in said if "additionalContext" in output]

    @property
    def endings(self) -> list[str]:
        """Why hooks ended turns."""
        return [
            answer["stopReason"]
            for answer in self.answers("PostToolBatch")
            if answer.get("continue") is False
        ]


def runtime_files(source: Path = ROOT) -> list[Path]:
    """The files that a session uses, relative to the plugin's folder."""
    tops = ("plugin.json", ".claude-plugin", "commands", "hooks", "lib", "plugin")
    found = [
        path for top in tops for path in [source / top, *sorted((source / top).rglob("*"))] if path.is_file()
    ]
    return [
        path.relative_to(source)
        for path in found
        if not {"__pycache__", "_vendor", "types"} & set(path.parts)
    ]


def copy_plugin(folder: Path) -> Path:
    """The plugin without its tests and history, in a folder of its own."""
    for path in runtime_files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)
    return folder


def binary(version: str = "") -> Path | None:
    """The pinned client, or another version; None where `make client` (`make other-clients`) has not run."""
    packages = (CLIENTS / "other" / version if version else CLIENTS) / "node_modules"
    paths = (packages / ".bin" / "claude", *packages.glob("@anthropic-ai/claude-code-*/claude"))
    return next((path for path in paths if path.exists()), None)


class Client:
    """A person's machine: an empty HOME, a project, the client. Nothing is inherited from the caller but where programs are."""

    def __init__(self, folder: Path, claude: Path) -> None:
        self.home, self.project, self.claude = folder / "home", folder / "project", claude
        self._running: subprocess.Popen[str] | None = None
        self.home.mkdir(parents=True)
        self.project.mkdir()
        self.env = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(self.home),
            "ANTHROPIC_API_KEY": "dummy",
            # Refused at once; left to itself `claude plugin install` waits 18 s for a network that is not there.
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    @property
    def runtime(self) -> Path:
        """Where the breaker keeps its state on this machine."""
        return self.home / ".local" / "state" / "claude-circuit-breaker"

    def configure(self, **settings: Any) -> None:
        """Write your config file."""
        path = self.home / ".config" / "claude-circuit-breaker" / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")

    def failing_check(self, says: str = "error: the frobnicator is missing") -> tuple[str, Callable[[], int]]:
        """A command that fails with the same words each time, and how often it has run."""
        ran = self.home / "runs"
        (self.project / "check.sh").write_text(
            f"echo x >> '{ran}'; echo '{says}'; exit 1\n", encoding="utf-8"
        )
        return "sh check.sh", lambda: len(ran.read_text().splitlines()) if ran.exists() else 0

    def breaker(self, *arguments: str, plugin: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """`python3 plugin ARGUMENTS`, as you run it in the project's folder."""
        return subprocess.run(
            [sys.executable, str(plugin / "plugin"), *arguments],
            env=self.env,
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def interject(self, text: str) -> None:
        """Submit a prompt while the session that runs is at work; for the steps of a script."""
        assert self._running
        _say(self._running, text)

    def incidents(self) -> list[dict[str, Any]]:
        """The incident log of the project, which an installation in the project keeps there."""
        name = "circuit_breaker_incidents.jsonl"
        logs = [*self.runtime.glob(f"projects/*/{name}"), *self.project.glob(f".claude/memory/{name}")]
        return [json.loads(line) for log in logs for line in log.read_text(encoding="utf-8").splitlines()]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`claude ARGUMENTS`, for what needs no session."""
        return subprocess.run(
            [self.claude, *arguments],
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
            str(self.claude),
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
        self._running = process
        watchdog = _Watchdog(process)
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            session = _talk(process, list(prompts), watchdog)
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
        assert not api.problems, api.problems
        assert len(session.results) >= len(prompts), f"exit code {session.code}: {session.stderr}"
        return session


class _Watchdog:
    """Ends a session that brings no result for four minutes: a session of many prompts may take longer than that."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._timer = threading.Timer(PATIENCE, process.kill)
        self._timer.start()

    def start_anew(self) -> None:
        self.cancel()
        self._timer = threading.Timer(PATIENCE, self._process.kill)
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()


def _talk(process: subprocess.Popen[str], prompts: list[Prompt], watchdog: _Watchdog) -> Session:
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
            watchdog.start_anew()
            _submit(process, prompts)
    code = process.wait()
    reader.join(10)
    return Session(events, "".join(errors), code)


def _say(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin
    message = {"type": "user", "message": {"role": "user", "content": text}}
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def _submit(process: subprocess.Popen[str], prompts: list[Prompt]) -> None:
    """The next prompt; when there is none, the end of the input, which ends the session."""
    assert process.stdin
    if not prompts:
        process.stdin.close()
        return
    prompt = prompts.pop(0)
    _say(process, prompt if isinstance(prompt, str) else prompt())
