"""Starts processes that outlive the hook, each in a session of its own, without descriptors that Claude Code waits for.

The function `run` here is one of them: it runs the program in the config's `on_stop`, never in a shell, at each trip and each stopped
turn, with the incident as JSON on its stdin. An error becomes a line in errors.log.
"""

from __future__ import annotations

import sys

from circuit_breaker.runtime import error_log, files, json
from circuit_breaker.runtime.home import ROOT

_LINE = "import sys; from importlib import import_module; sys.path.insert(0, sys.argv[1]); import_module(sys.argv[2]).run(*sys.argv[3:])"
_OPEN_MAX = 256  # descriptors that a parent process may have left open
EVENTS = ("trip", "ending")  # at which `on_stop` runs
SECONDS = 60.0  # that it may run


def start_ours(module: str, *arguments: str) -> None:
    """Start the function `run` of one of our modules with these arguments. Raises OSError, ValueError (a zero byte)."""
    start_detached([sys.executable, "-I", "-S", "-X", "utf8", "-c", _LINE, ROOT + "/lib", module, *arguments])


def start_detached(command: list[str]) -> None:
    """Start `command` (an absolute path and its arguments) in `/` and return at once. Raises OSError if it cannot be started."""
    if hasattr(files.system, "fork"):
        _fork(command)
        return
    import subprocess  # Windows

    nothing, apart = subprocess.DEVNULL, getattr(subprocess, "DETACHED_PROCESS", 0)
    subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, creationflags=apart)


def _fork(command: list[str]) -> None:
    """Fork twice, so that no parent must wait for the child and no terminal or process group reaches it."""
    system = files.system
    first = system.fork()
    if first:
        system.waitpid(first, 0)
        return
    try:
        system.setsid()
        if not system.fork():
            null = system.open("/dev/null", system.O_RDWR)
            for number in (0, 1, 2):
                system.dup2(null, number)
            system.closerange(3, _OPEN_MAX)
            system.chdir("/")
            system.execv(command[0], command)
    finally:
        system._exit(0)  # with any error: this copy of the hook must not go on


def start_program(program: list[str], rows: list[dict[str, object]]) -> None:
    """Start `program` (a list of words) for each row that is a trip or a stopped turn. Never raises."""
    for row in rows:
        if row["event"] not in EVENTS:
            continue
        given = [json.dump(program).decode("ascii"), json.dump(row).decode("ascii")]
        try:
            start_ours(__name__, *given)
        except (OSError, ValueError) as error:
            error_log.note(f"on_stop: not started: {files.reason(error)}")


def run(program: str, incident: str) -> None:
    """In the detached process: run the program and log its failure. `program`, `incident`: JSON."""
    import subprocess

    words: list[str] = json.parse(program)
    try:
        done = subprocess.run(
            words,
            input=incident.encode("ascii") + b"\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        error_log.note(f"on_stop: {words[0]}: stopped after {SECONDS:g} s")
    except (OSError, ValueError) as error:
        error_log.note(f"on_stop: {words[0]}: {files.reason(error)}")
    else:
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace")[:200]
            error_log.note(f"on_stop: {words[0]}: exit code {done.returncode}: {said}")
