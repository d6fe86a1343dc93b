"""Starts a process that outlives the hook, in a session of its own, without descriptors that Claude Code waits for."""

from __future__ import annotations

import sys

from circuit_breaker.runtime import files
from circuit_breaker.runtime.home import ROOT

_LINE = "import sys; from importlib import import_module; sys.path.insert(0, sys.argv[1]); import_module(sys.argv[2]).run(*sys.argv[3:])"
_OPEN_MAX = 256  # descriptors that a parent process may have left open


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
