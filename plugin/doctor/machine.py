"""The checks of doctor that look at this machine: settings, Python, Claude Code, folders, configuration."""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from install import scopes
from install.apply import SOURCE

from circuit_breaker.cleaning import disk_usage
from circuit_breaker.runtime import files, home, status
from doctor.finding import FAULT, NOTE, OK, Finding, Installation

MEASURED = (2, 1, 197)  # the oldest client this was measured on
MEMORY_BYTES, STATE_BYTES = 1 << 20, 20 << 10
CLIENT_SECONDS = 10.0


def settings_chain(sources: list[scopes.Source]) -> list[Finding]:
    """Settings files that the client cannot read, and those that switch hooks off."""
    findings = []
    for source in sources:
        if source.problem:
            text = f"{source.path}: the client skips this whole file, its deny rules too: {source.problem}"
            findings.append(Finding("settings", FAULT, text, f"mend {source.path} at that place"))
        if source.document.get("disableAllHooks") is True:
            text = f"{source.path}: disableAllHooks is true, so no hook runs at all"
            findings.append(Finding("disabled", FAULT, text, f"remove disableAllHooks from {source.path}"))
        if source.label == "managed" and source.document.get("allowManagedHooksOnly") is True:
            text = f"{source.path}: allowManagedHooksOnly is true, so only an administrator's hooks run"
            findings.append(Finding("managed", FAULT, text, "ask the administrator to register the hooks"))
    return findings or [
        Finding("settings", OK, f"{len(sources)} settings files read, none switches hooks off")
    ]


def interpreter(where: home.Places, env: Mapping[str, str]) -> list[Finding]:
    """The Python that the hooks will use: the pinned one, else the first that `run` finds."""
    pin = where.runtime + "/python"
    findings = []
    try:
        pinned = (files.read(pin, 1 << 14) or b"").decode("utf-8", "surrogateescape").split("\n")[0]
    except OSError as error:
        return [Finding("python", FAULT, f"{pin}: {error}", f"remove {pin}")]
    if pinned and (not os.path.isfile(pinned) or _version_of(pinned) is None):
        cure = "python3 plugin doctor --fix (the next session pins another)"
        findings.append(
            Finding(
                "pin", FAULT, f"{pin} names {pinned}, which cannot be run", cure, lambda: _forget_pin(pin)
            )
        )
        pinned = ""
    path = pinned or next(
        filter(None, (shutil.which(name, path=env.get("PATH")) for name in ("python3", "python", "py"))), ""
    )
    if not path:
        cure = "install Python 3.9 or later"
        return [
            *findings,
            Finding("python", FAULT, "no python3, python or py on the PATH: the hooks do nothing", cure),
        ]
    version = _version_of(path)
    how = "pinned" if pinned else "from the PATH, until a session pins one"
    if "windowsapps" in path.lower():
        cure = "install Python from python.org, or switch the alias off under 'App execution aliases'"
        findings.append(Finding("python", FAULT, f"{path} is the Windows store stub, not a Python", cure))
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
    elif "/shims/" in path:
        text = f"{path} is a pyenv shim for Python {'.'.join(map(str, version))}: slow, but only until a session pins what is behind it"
        findings.append(Finding("python", NOTE, text, "start one session"))
    else:
        findings.append(Finding("python", OK, f"{path}, Python {'.'.join(map(str, version))} ({how})"))
    return findings


def client(env: Mapping[str, str], installations: list[Installation]) -> list[Finding]:
    """Does the client on the PATH know the events that the hooks are registered for?"""
    path = shutil.which("claude", path=env.get("PATH"))
    if path is None:
        return [Finding("client", NOTE, "`claude` is not on the PATH: its version was not looked at")]
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
            check=False,
        )
        said = re.search(r"(\d+)\.(\d+)\.(\d+)", done.stdout)
    except (OSError, subprocess.TimeoutExpired):
        said = None
    if said is None:
        return [Finding("client", NOTE, f"{path} --version gave no version within {CLIENT_SECONDS:g} s")]
    groups = [installation.groups for installation in installations] or [_own_groups()]
    events = sorted({event for found in groups for event in found})
    unknown = _unknown_events(Path(os.path.realpath(path)), events)
    if unknown:
        text = (
            f"{path} {said[0]} does not know {', '.join(unknown)}: as a plugin none of the hooks would load"
        )
        return [Finding("client", FAULT, text, "claude update")]
    if tuple(map(int, said.groups())) < MEASURED:
        text = f"{path} {said[0]} is older than the oldest client this was measured on ({'.'.join(map(str, MEASURED))})"
        return [Finding("client", NOTE, text, "claude update")]
    return [
        Finding(
            "client", OK, f"{path} {said[0]}" + (f" knows all {len(events)} events" if unknown == [] else "")
        )
    ]


def _own_groups() -> dict[str, Any]:
    path = SOURCE / "hooks" / "hooks.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["hooks"]
    return found


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
                "python3 plugin sweep",
            )
        )
    if health["state_bytes"] > STATE_BYTES:
        text = f"{home.STATE}: {health['state_bytes']} bytes, more than {STATE_BYTES}"
        findings.append(Finding("state", FAULT, text, "python3 plugin reset --all"))
    open_now = sum(
        subject["state"] != "CLOSED" for rule in facts["circuits"].values() for subject in rule["subjects"]
    )
    text = f"{size} bytes in the home, {health['state_bytes']} of published state, {facts['incidents']['total']} incidents, {open_now} circuits open"
    findings.append(Finding("sizes", OK, text))
    if health["errors"]:
        findings.append(
            Finding(
                "errors", NOTE, f"{health['errors']} errors inside hooks on record", f"read {where.errors}"
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
        return [Finding("owner", FAULT, f"{path} belongs to somebody else", f"give it back: chown {path}")]
    if not stat.S_ISDIR(info.st_mode):
        return [Finding("owner", FAULT, f"{path} is not a folder", f"move it away: {path}")]
    if os.name == "posix" and info.st_mode & 0o077:

        def mend() -> str:
            os.chmod(path, 0o700)
            return f"{path}: 0700"

        return [
            Finding(
                "mode",
                FAULT,
                f"{path} is open to others ({stat.S_IMODE(info.st_mode):o})",
                f"chmod 700 {path}",
                mend,
            )
        ]
    return []


def _unknown_events(binary: Path, events: list[str]) -> list[str] | None:
    """The events whose names do not stand in the client's program; None when it cannot be told."""
    try:
        with binary.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as program:
            if program.find(b"PreToolUse") < 0:
                return None  # a wrapper: the program is somewhere else
            return [event for event in events if program.find(event.encode()) < 0]
    except (OSError, ValueError):
        return None


def _version_of(path: str) -> tuple[int, int] | None:
    command = [path, "-I", "-S", "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
            check=False,
        )
        major, minor = map(int, done.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return major, minor


def _forget_pin(pin: str) -> str:
    files.remove(pin)
    return f"{pin}: removed"
