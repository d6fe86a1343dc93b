"""Do the registered lines really work, and what do they cost? Runs each as the host would, in a throw-away runtime folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from findings import FAULT, OK, Finding, Installation
from matcher import fits

SESSION = "doctor-probe"
SECONDS = 30.0
RUNS = 5  # the fastest of them is the cost: the others met somebody else's work
CALL = {"tool_name": "Bash", "tool_input": {"command": "false"}, "tool_use_id": "probe"}
SUBJECT = {
    "PreToolUse": "tool_name",
    "PostToolUseFailure": "tool_name",
    "UserPromptExpansion": "command_name",
}


class Answer(NamedTuple):
    """code -1: it could not be run, or took too long; seconds: how long it took."""

    code: int
    out: str
    err: str
    seconds: float


def lines(installation: Installation, project: Path, env: Mapping[str, str]) -> list[Finding]:
    """Play a call that fails three times through the lines of `installation`; the fourth has to be denied."""
    with tempfile.TemporaryDirectory(prefix="circuit-breaker-doctor-") as folder:
        probe = _Probe(installation, project, _environment(installation, env, folder))
        return probe.play()


class _Probe:
    def __init__(self, installation: Installation, project: Path, env: dict[str, str]) -> None:
        self.groups, self.project, self.env = installation.groups, project, env
        self.label = installation.label
        self.problems: list[str] = []
        self.costs: dict[str, float] = {}

    def play(self) -> list[Finding]:
        self.fire("SessionStart", source="startup")
        self.cost("PreToolUse", "gate, asleep", **CALL)
        self.fire("UserPromptSubmit", prompt="go on")
        for number in range(3):
            call = {**CALL, "tool_use_id": f"probe-{number}"}
            self.fire("PreToolUse", **call)
            self.fire("PostToolUseFailure", **call, error="Exit code 1", is_interrupt=False, duration_ms=1)
            self.fire("PostToolBatch", tool_calls=[{**call, "tool_response": "Exit code 1"}])
        denied = self.fire("PreToolUse", **{**CALL, "tool_use_id": "probe-3"})
        self.cost("PreToolUse", "gate, awake", **{**CALL, "tool_use_id": "probe-4"})
        name = {"command_name": "circuit-status", "command_args": "", "command_source": "userSettings"}
        status = self.fire(
            "UserPromptExpansion", expansion_type="slash_command", prompt="/circuit-status", **name
        )
        self.fire("SubagentStop", agent_id="probe", agent_type="probe", stop_hook_active=False)
        self.fire("Stop", stop_hook_active=False)
        self.cost("PostToolBatch", "monitor", tool_calls=[])
        self.cost("UserPromptSubmit", "prompt", prompt="go on")
        return self.findings(denied, status)

    def findings(self, denied: list[str], status: list[str]) -> list[Finding]:
        cure = "python3 plugin install, or `sh -x` on that line shows where it stops"
        found = [
            Finding("fires", FAULT, f"{self.label}: {problem}", cure)
            for problem in dict.fromkeys(self.problems)
        ]
        if not found and not any('"deny"' in answer for answer in denied):
            text = f"{self.label}: a call that failed three times was not denied the fourth time"
            found.append(Finding("fires", FAULT, text, cure))
        if not found and not any("CIRCUIT BREAKER STATUS" in answer for answer in status):
            found.append(Finding("fires", FAULT, f"{self.label}: /circuit-status was not answered", cure))
        if found:
            return found
        total = sum(len(group["hooks"]) for groups in self.groups.values() for group in groups)
        text = (
            f"{self.label}: all {total} lines fire; a call that failed three times is denied the fourth time"
        )
        bare = _bare_start()
        shown = ", ".join(
            f"{name} {cost * 1000:.0f} ms ({cost / bare:.2f})" for name, cost in self.costs.items()
        )
        return [
            Finding("fires", OK, text),
            Finding(
                "cost",
                OK,
                f"cost of a line: {shown}; in brackets: starts of a bare Python, {bare * 1000:.0f} ms",
            ),
        ]

    def fire(self, event: str, **fields: Any) -> list[str]:
        """Run each line of `event` whose matcher fits; what they answered."""
        answers = []
        for command in self.commands(event, fields):
            answer = self.run(event, command, fields)
            problem = _problem(answer)
            if problem:
                self.problems.append(f"the {event} line {problem}")
            answers.append(answer.out)
        return answers

    def cost(self, event: str, name: str, **fields: Any) -> None:
        commands = self.commands(event, fields)[:1]
        if commands:
            self.costs[name] = min(self.run(event, commands[0], fields).seconds for _ in range(RUNS))

    def commands(self, event: str, fields: dict[str, Any]) -> list[str]:
        subject = str(fields.get(SUBJECT.get(event, ""), ""))
        return [
            handler["command"]
            for group in self.groups.get(event, [])
            if fits(str(group.get("matcher", "")), subject)
            for handler in group["hooks"]
        ]

    def run(self, event: str, command: str, fields: dict[str, Any]) -> Answer:
        body = {
            "session_id": SESSION,
            "transcript_path": str(self.project / "none.jsonl"),
            "cwd": str(self.project),
            "hook_event_name": event,
            "prompt_id": "probe",
            **fields,
        }
        start = time.perf_counter()
        try:
            done = subprocess.run(
                ["/bin/sh" if os.name == "posix" else "sh", "-c", command],
                input=json.dumps(body), env=self.env, cwd=self.project, capture_output=True, text=True, errors="replace",
                timeout=SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return Answer(-1, "", str(error), time.perf_counter() - start)
        return Answer(done.returncode, done.stdout, done.stderr, time.perf_counter() - start)


def _problem(answer: Answer) -> str:
    """What is wrong with an answer; "" when nothing is."""
    if answer.code:
        return f"ended with exit code {answer.code}: {answer.err.strip()[:300]}"
    if answer.err.strip():
        return f"complained: {answer.err.strip()[:300]}"
    try:
        fine = not answer.out.strip() or isinstance(json.loads(answer.out), dict)
    except ValueError:
        fine = False
    return "" if fine else f"answered what the host does not read: {answer.out[:100]!r}"


def _environment(installation: Installation, env: Mapping[str, str], folder: str) -> dict[str, str]:
    """The caller's, with state of its own and the defaults for what is probed, whatever people configured."""
    options = {
        "ENABLED": "true", "MODE": "enforce", "EXCLUDE": ",", "TOOL_FAILURE_ENABLED": "true", "TOOL_FAILURE_ACTION": "block",
        "TOOL_FAILURE_THRESHOLD": "3", "TOOL_FAILURE_WINDOW_TURNS": "5", "TOOL_FAILURE_COOLDOWN_BASE_SECONDS": "600",
        "TOOL_FAILURE_EXCLUDE": ",",
    }  # fmt: skip
    kept = {key: value for key, value in env.items() if not key.startswith(("CLAUDE", "CIRCUIT_BREAKER"))}
    return {
        **kept,
        **{"CLAUDE_PLUGIN_OPTION_" + key: value for key, value in options.items()},
        "CIRCUIT_BREAKER_HOME": os.path.join(folder, "breaker"),
        "CLAUDE_CODE_SESSION_ID": SESSION,
        "CLAUDECODE": "1",
        **installation.env,
    }


def _bare_start() -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=False)
        times.append(time.perf_counter() - start)
    return min(times)
