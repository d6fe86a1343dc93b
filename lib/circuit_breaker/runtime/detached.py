"""Starts a process that outlives the hook, in a session of its own, without descriptors that Claude Code waits for."""

from __future__ import annotations

from circuit_breaker.runtime import files

_OPEN_MAX = 256  # descriptors that a parent process may have left open


def start(command: list[str]) -> None:
    """Start `command` (an absolute path and its arguments) in `/` and return at once. Raises OSError if it cannot be started."""
    if hasattr(files.system, "fork"):
        _fork(command)
        return
    import subprocess  # Windows

    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),
        close_fds=True,
    )


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
