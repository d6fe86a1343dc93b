"""The checks of doctor that look at this machine: settings, Python, Claude Code, folders, configuration."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping

from install import scopes

from circuit_breaker.cleaning import disk_usage
from circuit_breaker.runtime import files, home, status
from doctor.finding import FAULT, NOTE, OK, Finding

TESTED = (3, 13)  # the newest Python this was tested on
MEMORY_BYTES, STATE_BYTES = 1 << 20, 20 << 10
PYTHON_SECONDS = 10.0


def settings_chain(sources: list[scopes.Source]) -> list[Finding]:
    """Settings files that Claude Code cannot read."""
    findings = []
    for source in sources:
        if source.problem:
            text = f"{source.path}: Claude Code skips this whole file, its deny rules too: {source.problem}"
            findings.append(Finding("settings", FAULT, text, f"fix {source.path} at that place"))
    return findings or [Finding("settings", OK, f"{len(sources)} settings files, each of which can be read")]


def interpreter(where: home.Places, env: Mapping[str, str]) -> list[Finding]:
    """The Python that the hooks will use: the pinned one, else the first that `run` finds."""
    pin = where.runtime + "/python"
    findings = []
    try:
        pinned = (files.read(pin, 1 << 14) or b"").decode("utf-8", "surrogateescape").split("\n")[0]
    except OSError as error:
        return [Finding("python", FAULT, f"{pin}: {error}", f"remove {pin}")]
    if pinned and (not os.path.isfile(pinned) or _version_of(pinned) is None):
        fix = "circuit-breaker doctor --fix (the next session pins another)"
        findings.append(
            Finding("pin", FAULT, f"{pin} names {pinned}, which cannot be run", fix, lambda: _forget_pin(pin))
        )
        pinned = ""
    path = pinned or next(
        filter(None, (shutil.which(name, path=env.get("PATH")) for name in ("python3", "python", "py"))), ""
    )
    if not path:
        fix = "install Python 3.9 or later"
        return [
            *findings,
            Finding("python", FAULT, "no python3, python or py on the PATH: the hooks do nothing", fix),
        ]
    version = _version_of(path)
    how = "pinned" if pinned else "from the PATH, until a session pins one"
    if "windowsapps" in path.lower():
        fix = "install Python from python.org, or switch the alias off under 'App execution aliases'"
        findings.append(Finding("python", FAULT, f"{path} is the Windows store stub, not a Python", fix))
    elif version is None:
        findings.append(
            Finding(
                "python",
                FAULT,
                f"{path} does not start as `-I -S`",
                "put a working python3 first on the PATH",
            )
        )
    elif version < (3, 9):
        text = f"{path} is Python {'.'.join(map(str, version))}; the hooks need 3.9 or later"
        findings.append(Finding("python", FAULT, text, "put a newer python3 first on the PATH"))
    elif version > TESTED:
        text = f"{path} is Python {'.'.join(map(str, version))}: newer than the newest tested, {'.'.join(map(str, TESTED))}"
        findings.append(Finding("python", NOTE, text))
    elif "/shims/" in path:
        text = f"{path} is a pyenv shim for Python {'.'.join(map(str, version))}: slow, but only until a session pins what is behind it"
        findings.append(Finding("python", NOTE, text, "start one session"))
    else:
        findings.append(Finding("python", OK, f"{path}, Python {'.'.join(map(str, version))} ({how})"))
    return findings


def state(where: home.Places, env: Mapping[str, str]) -> list[Finding]:
    """Sizes, permissions, configuration, and what went wrong inside hooks."""
    findings = [found for path in (where.runtime, where.sessions, where.armed) for found in _private(path)]
    if not where.home.endswith("/.claude/memory"):
        findings += _private(where.home)
    config = home.configuration(where, env)
    facts = status.collect(where, config, time.time())
    size = disk_usage.memory_facts(where, config)["total_bytes"]
    health = facts["health"]
    for problem in health["config_problems"]:
        findings.append(
            Finding("config", FAULT, problem, f"correct it in {where.project_config} or {where.user_config}")
        )
    if size > MEMORY_BYTES:
        findings.append(
            Finding(
                "memory",
                FAULT,
                f"{where.home}: {size} bytes, more than {MEMORY_BYTES}",
                "circuit-breaker sweep",
            )
        )
    if health["state_bytes"] > STATE_BYTES:
        text = f"{home.STATE}: {health['state_bytes']} bytes, more than {STATE_BYTES}"
        findings.append(Finding("state", FAULT, text, "circuit-breaker reset --all"))
    open_now = sum(
        subject["state"] != "CLOSED" for rule in facts["circuits"].values() for subject in rule["subjects"]
    )
    text = f"{size} bytes in the home, {health['state_bytes']} of published state, {facts['incidents']['total']} incidents, {open_now} circuits open"
    findings.append(Finding("sizes", OK, text))
    if health["errors"]:
        findings.append(
            Finding(
                "errors", NOTE, f"{health['errors']} errors inside hooks were logged", f"read {where.errors}"
            )
        )
    return findings


def _private(path: str) -> list[Finding]:
    """A folder of ours that others can enter, or that is not ours."""
    try:
        info = os.lstat(path)
    except OSError:
        return []
    if hasattr(os, "geteuid") and info.st_uid != os.geteuid():
        return [Finding("owner", FAULT, f"{path} belongs to another user", f"give it back: chown {path}")]
    if not stat.S_ISDIR(info.st_mode):
        return [Finding("owner", FAULT, f"{path} is not a folder", f"move it away: {path}")]
    if os.name == "posix" and info.st_mode & 0o077:

        def repair() -> str:
            os.chmod(path, 0o700)
            return f"{path}: 0700"

        return [
            Finding(
                "mode",
                FAULT,
                f"{path} is open to others ({stat.S_IMODE(info.st_mode):o})",
                f"chmod 700 {path}",
                repair,
            )
        ]
    return []


def _version_of(path: str) -> tuple[int, int] | None:
    command = [path, "-I", "-S", "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PYTHON_SECONDS,
            check=False,
        )
        major, minor = map(int, done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return major, minor


def _forget_pin(pin: str) -> str:
    files.remove(pin)
    return f"{pin}: removed"
