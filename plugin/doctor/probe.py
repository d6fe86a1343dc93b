"""Runs the registered lines as Claude Code would, in your own runtime folder, in a session that is removed afterwards."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host import Host, lines_for, run_line
from install import disk, settings
from protection import Way

from circuit_breaker.runtime import claude_folder, files, home
from doctor import Finding, fault, ok

RUNS = 5  # the fastest run counts as the overhead, since other load slows the others
GIVEN = {"command": "false"}
PREFIX = "doctor-"  # of its session's id, before its PID
OPTIONS = {
    "ENABLED": "true", "MODE": "enforce", "EXCLUDE": ",", "TOOL_FAILURE_ENABLED": "true", "TOOL_FAILURE_ACTION": "block",
    "TOOL_FAILURE_THRESHOLD": "3", "TOOL_FAILURE_WINDOW_TURNS": "5", "TOOL_FAILURE_COOLDOWN_BASE_SECONDS": "600",
    "TOOL_FAILURE_EXCLUDE": ",",
}  # fmt: skip


def fired_lines(way: Way, where: home.Places) -> list[Finding]:
    """Run a call that fails three times through the lines of `way`; the fourth must be denied."""
    session = f"{PREFIX}{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="circuit-breaker-doctor-") as folder:
        project = Path(folder) / "project"
        project.mkdir()
        groups = settings.with_commands(
            way.groups, lambda line: line.replace("$CLAUDE_PROJECT_DIR", "$PROBED")
        )
        host = Host(groups, project, _environment(way, where, folder), session)
        with _no_traces(where, session, project):
            return _play(way.label, host, folder, pinned=os.path.exists(where.runtime + "/python"))


def _play(label: str, host: Host, folder: str, pinned: bool) -> list[Finding]:
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
    host.command("reset-circuit", "--circuit tool_failure")  # --all would try every service that is down
    problems = host.problems
    if not problems and not denied:
        problems = ["a call that failed three times was not denied the fourth time"]
    if not problems and "CIRCUIT BREAKER STATUS" not in status:
        problems = ["/circuit-status was not answered"]
    fix = "circuit-breaker install; `sh -x` on that line shows where it stops"
    if problems:
        return [fault("fires", f"{label}: {problem}", fix) for problem in problems]
    total = sum(len(group["hooks"]) for groups in host.groups.values() for group in groups)
    text = f"all {total} lines fire; a call that failed three times is denied the fourth time"
    overhead = f"Overhead per tool call: {asleep:.0f} ms normally, {awake:.0f} ms while something is blocked"
    overhead += "" if pinned else " (less after your first session)"
    return [ok("fires", f"{label}: {text}"), ok("overhead", overhead)]


def _milliseconds(host: Host) -> float:
    """The time of the gate's line in ms, as Claude Code waits for it."""
    body = host.payload("PreToolUse", tool_name="Bash", tool_input=GIVEN, tool_use_id="probe")
    line = lines_for(host.groups, body)[:1]
    runs = [run_line(line[0], body, host.env, host.project).seconds for _ in range(RUNS)] if line else [0.0]
    return 1000 * min(runs)


def _environment(way: Way, where: home.Places, folder: str) -> dict[str, str]:
    """The caller's environment and runtime folder, with the default configuration (so `on_stop` is not run)."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CLAUDE")}
    if "CIRCUIT_BREAKER_HOME" not in kept:
        kept["XDG_STATE_HOME"] = os.path.dirname(where.runtime)
    kept.update(XDG_CONFIG_HOME=folder, **({"HOME": folder} if sys.platform == "darwin" else {}))
    return {
        **kept,
        **{"CLAUDE_PLUGIN_OPTION_" + key: value for key, value in OPTIONS.items()},
        "PROBED": where.project,  # for the lines of a project, since the probe's session has its own
        "CLAUDE_PLUGIN_ROOT": str(way.root),
    }


@contextmanager
def _no_traces(where: home.Places, session: str, project: Path) -> Iterator[None]:
    """Remove what the probe's session leaves in the runtime folder, and the sessions that killed probes left."""
    runtime, sessions = Path(where.runtime), Path(where.sessions)
    log = runtime / home.INCIDENTS  # only if CIRCUIT_BREAKER_HOME makes it the home too
    logged = log.stat().st_size if log.exists() else 0
    folders = (sessions, Path(where.armed), runtime / "projects")
    missing = {folder for path in folders for folder in disk.missing(path)}
    try:
        yield
    finally:
        for name in files.names(where.sessions):
            process = name[len(PREFIX) :] if name.startswith(PREFIX) else ""
            if name == session or process.isdecimal() and not claude_folder.alive(int(process)):
                shutil.rmtree(sessions / name, ignore_errors=True)
                files.remove(f"{where.armed}/{name}")
        shutil.rmtree(runtime / "projects" / home.slug(str(project)), ignore_errors=True)
        _shorten(log, logged, session)
        disk.remove_empty(*missing)


def _shorten(log: Path, size: int, session: str) -> None:
    """Remove the lines of `session` from the end of the log, which had this size, unless another session wrote after them."""
    added = log.read_bytes()[size:] if log.is_file() else b""
    if added and all(session.encode() in line for line in added.splitlines()):
        os.truncate(log, size)
        if not size:
            files.remove(str(log))
