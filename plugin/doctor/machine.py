"""Checks of doctor on this machine: settings files, Python, folders, configuration."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping

from install import disk, scopes

from circuit_breaker.cleaning import disk_usage
from circuit_breaker.runtime import files, home, status
from doctor import Finding, fault, note, ok

OLDEST, TESTED = (3, 9), (3, 13)
# as in hooks/run
PROGRAMS = ("python3", *(f"python3.{minor}" for minor in (13, 12, 11, 10, 9)), "python", "py")
MEMORY_BYTES, STATE_BYTES = 1 << 20, 20 << 10
PYTHON_SECONDS = 10.0


def settings_chain(sources: list[scopes.Source]) -> list[Finding]:
    """Settings files that Claude Code cannot read."""
    findings = []
    for source in sources:
        if source.problem:
            text = f"{source.path}: Claude Code skips this whole file, including its deny rules: {source.problem}"
            findings.append(fault("settings", text, f"fix {source.path} at that place"))
    return findings or [ok("settings", f"all settings files can be read ({len(sources)})")]


def interpreter(where: home.Places, env: Mapping[str, str]) -> list[Finding]:
    """The Python that the hooks use: the pinned one, else the first suitable one that `hooks/run` finds."""
    pin = where.runtime + "/python"
    findings = []
    try:
        pinned = (files.read(pin, 1 << 14) or b"").decode("utf-8", "surrogateescape").split("\n")[0]
    except OSError as error:
        return [fault("python", disk.words_of(error), f"remove {pin}")]
    if pinned:
        version = _version_of(pinned)
        if version >= OLDEST:
            return [_python(pinned, version, "pinned")]
        text = f"{pin} names {pinned}, which is not a working CPython 3.9 or later; another one is used"
        fix = "circuit-breaker doctor --fix (the next session pins another)"
        findings.append(note("pin", text, fix, lambda: _forget_pin(pin)))
    found = [path for name in PROGRAMS for path in [shutil.which(name, path=env.get("PATH"))] if path]
    for path in found:
        version = _version_of(path)
        if version >= OLDEST:
            return [*findings, _python(path, version, "from the PATH, until a session pins one")]
    text = "no CPython 3.9 or later on the PATH, so the hooks do nothing"
    text += f" ({', '.join(found)}: too old, another Python, or does not start)" if found else ""
    fix = "install Python 3.9 or later and put it first on the PATH"
    return [*findings, fault("python", text, fix)]


def _python(path: str, version: tuple[int, ...], how: str) -> Finding:
    shown = ".".join(map(str, version))
    if version > TESTED:
        return note("python", f"{path}, Python {shown} ({how}): newer than any it was tested on")
    return ok("python", f"{path}, Python {shown} ({how})")


def state(where: home.Places, env: Mapping[str, str]) -> list[Finding]:
    """Sizes, permissions, configuration, and errors inside hooks."""
    findings = [found for path in (where.runtime, where.sessions, where.armed) for found in _private(path)]
    if not where.home.endswith("/.claude/memory"):
        findings += _private(where.home)
    config = home.configuration(where, env)
    facts = status.collect(where, config, time.time())
    size = disk_usage.memory_facts(where, config)["total_bytes"]
    health = facts["health"]
    fix = f"correct it in {where.project_config} or {where.user_config}"
    findings += [fault("config", problem, fix) for problem in health["config_problems"]]
    if size > MEMORY_BYTES:
        text = f"{where.home}: {size} bytes, more than {MEMORY_BYTES}"
        findings.append(fault("memory", text, "circuit-breaker sweep"))
    if health["state_bytes"] > STATE_BYTES:
        text = f"{home.STATE}: {health['state_bytes']} bytes, more than {STATE_BYTES}"
        findings.append(fault("state", text, "circuit-breaker reset --all"))
    subjects = [subject for rule in facts["circuits"].values() for subject in rule["subjects"]]
    open_now = sum(subject["state"] != "CLOSED" for subject in subjects)
    text = f"{size} bytes in the home, {health['state_bytes']} of published state, {facts['incidents']['total']} incidents, {open_now} circuits open"
    findings.append(ok("sizes", text))
    if health["errors"]:
        text = f"{health['errors']} errors inside hooks were logged"
        findings.append(note("errors", text, f"read {where.errors}"))
    return findings


def _private(path: str) -> list[Finding]:
    """A folder of ours that others can enter or that belongs to another user."""
    try:
        info = os.lstat(path)
    except OSError:
        return []
    if hasattr(os, "geteuid") and info.st_uid != os.geteuid():
        return [fault("owner", f"{path} belongs to another user", f"give it back: chown {path}")]
    if not stat.S_ISDIR(info.st_mode):
        return [fault("owner", f"{path} is not a folder", f"move {path} away")]
    if os.name == "posix" and info.st_mode & 0o077:

        def repair() -> str:
            os.chmod(path, 0o700)
            return f"{path}: 0700"

        text = f"{path} is open to others ({stat.S_IMODE(info.st_mode):o})"
        return [fault("mode", text, f"chmod 700 {path}", repair)]
    return []


def _version_of(path: str) -> tuple[int, ...]:
    """(3, 11) for a CPython; () for another Python or one that does not start."""
    asked = "import sys; print(*sys.version_info[:2]) if sys.implementation.name == 'cpython' else None"
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", asked], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PYTHON_SECONDS, check=False,
        )  # fmt: skip
        return tuple(map(int, done.stdout.split())) if done.returncode == 0 else ()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ()


def _forget_pin(pin: str) -> str:
    files.remove(pin)
    return f"{pin}: removed"
