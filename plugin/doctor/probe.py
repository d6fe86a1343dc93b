"""The registered lines at work, run as Claude Code would run them, and their overhead."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from host import Host, lines_for, run_line

from doctor.finding import FAULT, OK, Finding, Installation

SESSION = "doctor-probe"
RUNS = 5  # the fastest of them is the cost: the others met other work of the machine
GIVEN = {"command": "false"}


def lines(installation: Installation, project: Path, env: Mapping[str, str]) -> list[Finding]:
    """Play a call that fails three times through the lines of `installation`; the fourth has to be denied."""
    with tempfile.TemporaryDirectory(prefix="circuit-breaker-doctor-") as folder:
        environment = _environment(installation, env, folder)
        return _play(installation, Host(installation.groups, project, environment, SESSION))


def _play(installation: Installation, host: Host) -> list[Finding]:
    host.fire("SessionStart", source="startup")
    asleep = _milliseconds(host, "PreToolUse")
    host.prompt("go on")
    for _ in range(3):
        host.call("Bash", GIVEN, lambda: (True, "Exit code 1"))
    denied = host.call("Bash", GIVEN, lambda: (True, "Exit code 1")).denied
    awake = _milliseconds(host, "PreToolUse")
    status = host.command("circuit-status")
    host.fire("SubagentStop", agent_id="probe", agent_type="probe", stop_hook_active=False)
    host.fire("Stop", stop_hook_active=False)
    host.fire("ConfigChange", source="user_settings", file_path=str(host.project / "none.json"))
    problems = host.problems
    if not problems and not denied:
        problems = ["a call that failed three times was not denied the fourth time"]
    if not problems and "CIRCUIT BREAKER STATUS" not in status:
        problems = ["/circuit-status was not answered"]
    fix = "python3 plugin install, or `sh -x` on that line shows where it stops"
    if problems:
        return [Finding("fires", FAULT, f"{installation.label}: {problem}", fix) for problem in problems]
    total = sum(len(group["hooks"]) for groups in host.groups.values() for group in groups)
    text = f"all {total} lines fire; a call that failed three times is denied the fourth time"
    overhead = f"Overhead per tool call: {asleep:.0f} ms normally, {awake:.0f} ms while something is blocked"
    return [Finding("fires", OK, f"{installation.label}: {text}"), Finding("cost", OK, overhead)]


def _milliseconds(host: Host, event: str) -> float:
    """What the first line of `event` takes, as Claude Code waits for it."""
    body = host.payload(event, tool_name="Bash", tool_input=GIVEN, tool_use_id="probe")
    line = lines_for(host.groups, body)[:1]
    return 1000 * min(
        [run_line(line[0], body, host.env, host.project).seconds for _ in range(RUNS)] if line else [0.0]
    )


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
