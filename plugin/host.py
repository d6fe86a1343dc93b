"""A simulated Claude Code session that runs registered hook lines as the real one does; for demo, doctor and benchmark."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, NamedTuple

from shared import run_program

from circuit_breaker.runtime.json import object_in, object_of

Groups = Mapping[str, "list[dict[str, Any]]"]  # event -> groups, as in `hooks` of settings files
SECONDS_A_LINE = 30.0
SUBJECT_FIELD = {
    "SessionStart": "source", "UserPromptExpansion": "command_name", "SubagentStop": "agent_type", "ConfigChange": "source",
    "PreToolUse": "tool_name", "PostToolUse": "tool_name", "PostToolUseFailure": "tool_name",
}  # fmt: skip


class Fired(NamedTuple):
    """One run of a line. code: exit code, -1 if it could not be started or took too long; seconds: duration."""

    event: str
    code: int
    out: str
    err: str
    seconds: float

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object that it printed; {} if it printed nothing or nothing that Claude Code reads."""
        return object_of(self.out)

    @property
    def problem(self) -> str:
        """What is wrong with the run, or "": our lines exit with 0, print nothing on stderr, and print JSON or nothing."""
        if self.code:
            return f"the {self.event} line ended with exit code {self.code}: {self.err.strip()[:300]}"
        if self.err.strip():
            return f"the {self.event} line printed an error: {self.err.strip()[:300]}"
        if self.out.strip() and not self.answer:
            return f"the {self.event} line answered what Claude Code does not read: {self.out[:100]!r}"
        return ""


class Called(NamedTuple):
    """How a call ended: its output, whether it failed, the reason if it was denied, the warning after it."""

    output: str
    failed: bool
    denied: str
    warned: str


class Host:
    """One session in `project`; every line is started with the environment `env` and what Claude Code adds to it."""

    def __init__(self, groups: Groups, project: Path, env: Mapping[str, str], session: str) -> None:
        self.groups, self.project, self.session = groups, project, session
        own = {"CLAUDE_PROJECT_DIR": str(project), "CLAUDECODE": "1"}
        self.env = {**own, **env, "CLAUDE_CODE_SESSION_ID": session}
        self.prompt_id, self.calls = "", 0
        self.fired: list[Fired] = []

    @property
    def problems(self) -> list[str]:
        """What was wrong with the lines run so far, each problem once."""
        return list(dict.fromkeys(fired.problem for fired in self.fired if fired.problem))

    def fire(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Run each line registered for `event` whose matcher fits. Returns their answers."""
        body = self.payload(event, **fields)
        fired = [run_line(line, body, self.env, self.project) for line in lines_for(self.groups, body)]
        self.fired += fired
        return [one.answer for one in fired if one.answer]

    def payload(self, event: str, **fields: Any) -> dict[str, Any]:
        """The payload that Claude Code sends for `event`."""
        return {
            "session_id": self.session,
            "transcript_path": str(self.project / "transcript.jsonl"),
            "cwd": str(self.project),
            "permission_mode": "default",
            "hook_event_name": event,
            **({"prompt_id": self.prompt_id} if self.prompt_id else {}),
            **fields,
        }

    def prompt(self, text: str) -> None:
        """Send a prompt of the user."""
        self.prompt_id = f"{self.session}-{time.monotonic_ns()}"
        self.fire("UserPromptSubmit", prompt=text)

    def command(self, name: str, arguments: str = "") -> str:
        """Send one of our slash commands. Returns what the user is shown."""
        fields = {"expansion_type": "slash_command", "command_name": name, "command_args": arguments}
        text = f"/{name} {arguments}".strip()
        answers = self.fire("UserPromptExpansion", command_source="plugin", prompt=text, **fields)
        return "\n".join(str(answer.get("reason", "")) for answer in answers)

    def call(self, tool: str, given: dict[str, Any], run: Callable[[], tuple[bool, str]]) -> Called:
        """Make a tool call. `run` does it and returns (failed, output), unless a line denies the call."""
        self.calls += 1
        call = {"tool_name": tool, "tool_input": given, "tool_use_id": f"{self.session}-{self.calls}"}
        answers = [answer.get("hookSpecificOutput", {}) for answer in self.fire("PreToolUse", **call)]
        reasons = [a["permissionDecisionReason"] for a in answers if a.get("permissionDecision") == "deny"]
        denied = reasons[0] if reasons else ""
        failed, output = (False, denied) if denied else run()
        if failed:
            self.fire("PostToolUseFailure", **call, error=output, is_interrupt=False, duration_ms=20)
        answers = self.fire("PostToolBatch", tool_calls=[{**call, "tool_response": output}])
        warned = [str(a.get("hookSpecificOutput", {}).get("additionalContext", "")) for a in answers]
        return Called(output, failed, denied, "\n".join(filter(None, warned)))


def hooks_of(root: Path) -> Groups:
    """The registrations in hooks.json of the plugin in `root`. Raises OSError, also if it is damaged."""
    path = root / "hooks" / "hooks.json"
    groups = object_in(str(path)).get("hooks")
    if not isinstance(groups, dict):
        raise OSError(0, "there is no list of hooks in it", str(path))
    return groups


def lines_for(groups: Groups, body: Mapping[str, Any]) -> list[str]:
    """The command lines in `groups` that Claude Code runs for the payload `body`."""
    event = body["hook_event_name"]
    subject = str(body.get(SUBJECT_FIELD.get(event, ""), ""))
    return [
        handler["command"]
        for group in groups.get(event, [])
        if fits(str(group.get("matcher", "")), subject)
        for handler in group["hooks"]
    ]


def fits(matcher: str, subject: str) -> bool:
    """Whether a matcher matches `subject`: empty or `*` matches all, plain words are exact names, anything else is a regex."""
    if matcher in ("", "*"):
        return True
    if re.fullmatch(r"[\w|, -]+", matcher):
        return subject in re.split(r"[|,]\s*", matcher)
    return re.search(matcher, subject) is not None


def run_line(line: str, body: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> Fired:
    """Run one registered line with the payload `body` on its stdin."""
    start = time.perf_counter()
    shell = ["/bin/sh" if os.name == "posix" else "sh", "-c", line]
    done = run_program(shell, SECONDS_A_LINE, input=json.dumps(body), env=dict(env), cwd=cwd)
    seconds = time.perf_counter() - start
    return Fired(body["hook_event_name"], done.returncode, done.stdout, done.stderr, seconds)
