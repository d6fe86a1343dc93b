"""Runs the registered lines as Claude Code would, in your own runtime folder, in a session that is removed afterwards."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host import Groups, Host, lines_for, run_line
from install import disk, settings
from protection import Way

from circuit_breaker.runtime import files, home
from doctor.finding import FAULT, OK, Finding

RUNS = 5  # the fastest run counts as the overhead, since other load slows the others
GIVEN = {"command": "false"}
OPTIONS = {
    "ENABLED": "true", "MODE": "enforce", "EXCLUDE": ",", "TOOL_FAILURE_ENABLED": "true", "TOOL_FAILURE_ACTION": "block",
    "TOOL_FAILURE_THRESHOLD": "3", "TOOL_FAILURE_WINDOW_TURNS": "5", "TOOL_FAILURE_COOLDOWN_BASE_SECONDS": "600",
    "TOOL_FAILURE_EXCLUDE": ",",
}  # fmt: skip


def fired_lines(way: Way, where: home.Places, env: Mapping[str, str]) -> list[Finding]:
    """Run a call that fails three times through the lines of `way`; the fourth must be denied."""
    session = f"doctor-{os.getpid()}"
    with (
        tempfile.TemporaryDirectory(prefix="circuit-breaker-doctor-") as folder,
        _Traces(where, session) as traces,
    ):
        project = Path(folder) / "project"
        project.mkdir()
        traces.project = str(project)
        groups = _with_project(way.groups, where.project)
        found = _play(way, Host(groups, project, _environment(way, where, env, folder), session), folder)
    pinned = os.path.exists(where.runtime + "/python")
    later = "" if pinned else " (less after your first session)"
    return [one._replace(text=one.text + later) if one.id == "overhead" else one for one in found]


def _play(way: Way, host: Host, folder: str) -> list[Finding]:
    own, host.env = host.env, {**host.env, "CIRCUIT_BREAKER_HOME": os.path.join(folder, "state")}
    host.fire("SessionStart", source="startup")  # not in your runtime folder, where it would archive files
    host.env = own
    asleep = _milliseconds(host)
    host.prompt("go on")
    for _ in range(3):
        host.call("Bash", GIVEN, lambda: (True, "Exit code 1"))
    denied = host.call("Bash", GIVEN, lambda: (True, "Exit code 1")).denied
    awake = _milliseconds(host)
    status = host.command("circuit-status")
    for event in sorted(set(host.groups) - {fired.event for fired in host.fired}):
        host.fire(event, source="local_settings", file_path=os.path.join(folder, "x"), stop_hook_active=False)
    host.command("reset-circuit", "--all")
    problems = host.problems
    if not problems and not denied:
        problems = ["a call that failed three times was not denied the fourth time"]
    if not problems and "CIRCUIT BREAKER STATUS" not in status:
        problems = ["/circuit-status was not answered"]
    fix = "circuit-breaker install; `sh -x` on that line shows where it stops"
    if problems:
        return [Finding("fires", FAULT, f"{way.label}: {problem}", fix) for problem in problems]
    total = sum(len(group["hooks"]) for groups in host.groups.values() for group in groups)
    text = f"all {total} lines fire; a call that failed three times is denied the fourth time"
    overhead = f"Overhead per tool call: {asleep:.0f} ms normally, {awake:.0f} ms while something is blocked"
    return [Finding("fires", OK, f"{way.label}: {text}"), Finding("overhead", OK, overhead)]


def _milliseconds(host: Host) -> float:
    """The time of the gate's line in ms, as Claude Code waits for it."""
    body = host.payload("PreToolUse", tool_name="Bash", tool_input=GIVEN, tool_use_id="probe")
    line = lines_for(host.groups, body)[:1]
    runs = [run_line(line[0], body, host.env, host.project).seconds for _ in range(RUNS)] if line else [0.0]
    return 1000 * min(runs)


def _with_project(groups: Groups, project: str) -> Groups:
    """`groups` with the project's path put into the lines, since the probe's session has its own project."""
    named = settings.quoted(project)

    def changed(handler: dict[str, Any]) -> dict[str, Any]:
        return {**handler, "command": handler["command"].replace("$CLAUDE_PROJECT_DIR", named)}

    return {
        event: [{**group, "hooks": [changed(handler) for handler in group["hooks"]]} for group in found]
        for event, found in groups.items()
    }


def _environment(way: Way, where: home.Places, env: Mapping[str, str], folder: str) -> dict[str, str]:
    """The caller's environment and runtime folder, with the default configuration (so `on_stop` is not run)."""
    kept = {key: value for key, value in env.items() if not key.startswith("CLAUDE")}
    if "CIRCUIT_BREAKER_HOME" not in kept:
        kept["XDG_STATE_HOME"] = os.path.dirname(where.runtime)
    kept.update(XDG_CONFIG_HOME=folder, **({"HOME": folder} if sys.platform == "darwin" else {}))
    return {
        **kept,
        **{"CLAUDE_PLUGIN_OPTION_" + key: value for key, value in OPTIONS.items()},
        "CLAUDE_PROJECT_DIR": os.path.join(folder, "project"),
        "CLAUDE_PLUGIN_ROOT": str(way.root),
        "CLAUDECODE": "1",
    }


class _Traces:
    """Removes what the probe's session leaves in the runtime folder, at the end of a `with`."""

    def __init__(self, where: home.Places, session: str) -> None:
        self.where, self.session, self.project = where, session, ""
        self.log = Path(where.runtime, home.INCIDENTS)  # only if CIRCUIT_BREAKER_HOME makes it the home too

    def __enter__(self) -> _Traces:
        folders = [Path(self.where.sessions), Path(self.where.armed), Path(self.where.runtime, "projects")]
        self.missing = [folder for path in folders for folder in disk.missing(path)]
        self.logged = self.log.stat().st_size if self.log.exists() else 0
        return self

    def __exit__(self, *_: object) -> None:
        runtime = Path(self.where.runtime)
        shutil.rmtree(Path(self.where.sessions, self.session), ignore_errors=True)
        shutil.rmtree(runtime / "projects" / home.slug(self.project), ignore_errors=True)
        if os.path.isdir(self.where.armed):
            files.remove(f"{self.where.armed}/{self.session}")
        self._shorten_log()
        for folder in sorted(self.missing, key=lambda folder: -len(folder.parts)):
            disk.remove_empty(folder)

    def _shorten_log(self) -> None:
        """Remove the probe's lines from the end of the log, unless another session wrote after them."""
        if not self.log.is_file() or self.log.stat().st_size <= self.logged:
            return
        with self.log.open("rb+") as stream:
            stream.seek(self.logged)
            if all(self.session.encode() in line for line in stream):
                stream.truncate(self.logged)
        if not self.logged:
            files.remove(str(self.log))
