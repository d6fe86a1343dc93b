"""Checks of doctor on this machine: settings files, Python, folders, configuration."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from shlex import quote

from install import disk, scopes
from shared import run_program

from circuit_breaker.cleaning import disk_usage
from circuit_breaker.runtime import files, home, status
from circuit_breaker.words.texts import number
from doctor import Finding, fault, note, ok

OLDEST, TESTED = (3, 9), (3, 15)
# as in hooks/run
PROGRAMS = ("python3", *(f"python3.{minor}" for minor in (13, 12, 11, 10, 9)), "python", "py")


def settings_chain(sources: list[scopes.Source]) -> Iterator[Finding]:
    """Settings files that Claude Code cannot read."""
    broken = [source for source in sources if source.problem]
    for source in broken:
        text = f"{source.path}: Claude Code skips this whole file, including its deny rules: {source.problem}"
        yield fault("settings", text, f"fix {source.path} at that place")
    if not broken:
        yield ok("settings", f"all settings files can be read ({len(sources)})")


def interpreter(where: home.Places) -> Iterator[Finding]:
    """The Python that the hooks use: the pinned one, else the first suitable one that `hooks/run` finds."""
    pin = where.runtime + "/python"
    try:
        pinned = (files.read(pin, 1 << 14) or b"").decode("utf-8", "surrogateescape").split("\n")[0]
    except OSError as error:
        yield fault("python", disk.error_text(error), f"remove {pin}", lambda: _forget_pin(pin))
        return
    found = [path for name in PROGRAMS for path in [shutil.which(name)] if path]
    for path in [pinned, *found] if pinned else found:
        version = _version_of(path)
        if version >= OLDEST:
            how = "pinned" if path == pinned else "from the PATH, until a session pins one"
            text = f"{path}, Python {'.'.join(map(str, version))} ({how})"
            newer = f"{text}: newer than any it was tested on"
            yield ok("python", text) if version <= TESTED else note("python", newer)
            return
        if path == pinned:
            text = f"{pin} names {pinned}, which is not a working CPython 3.9 or later; another one is used"
            fix = "circuit-breaker doctor --fix (the next session pins another)"
            yield note("pin", text, fix, lambda: _forget_pin(pin))
    text = "no CPython 3.9 or later on the PATH, so the hooks do nothing"
    text += f" ({', '.join(found)}: too old, another Python, or does not start)" if found else ""
    yield fault("python", text, "install Python 3.9 or later and put it first on the PATH")


def _forget_pin(pin: str) -> str:
    files.remove(pin)
    return f"{pin}: removed"


def state_findings(where: home.Places) -> Iterator[Finding]:
    """Permissions, configuration, sizes, and errors inside hooks."""
    own_home = [] if where.home.endswith("/.claude/memory") else [where.home]
    for path in (where.runtime, where.sessions, where.armed, *own_home):
        yield from _private(path)
    config = home.configuration(where, os.environ)
    here = status.of_project(status.sessions_on_disk(where), where)
    facts = status.collect(where, config, time.time(), here, {where.project})
    health = facts["health"]
    for problem in health["config_problems"]:
        yield fault("config", problem, "correct it there, then look again: circuit-breaker config check")
    subjects = [subject for rule in facts["circuits"].values() for subject in rule["subjects"]]
    open_now = sum(subject["state"] != "CLOSED" for subject in subjects)
    recorded = f"{number(facts['incidents']['total'], 'incident')}, {number(open_now, 'open circuit')}"
    size = disk_usage.memory_facts(where, config)["total_bytes"]
    yield ok("sizes", f"{size} bytes in the home, {health['state_bytes']} of published state, {recorded}")
    if health["errors"]:
        fix = f"read {where.errors}; once you delete it, the count starts again"
        yield note("errors", f"the hooks logged {number(health['errors'], 'error')}", fix)


def _private(path: str) -> Iterator[Finding]:
    """A folder of ours that others can enter or that belongs to another user."""
    if not os.path.lexists(path):
        return
    try:
        files.make_folder(path)
    except OSError as error:
        yield fault("owner", disk.error_text(error), f"give it back: chown {quote(path)}, or move it away")
        return
    mode = stat.S_IMODE(os.lstat(path).st_mode)

    def repair() -> str:
        os.chmod(path, 0o700)
        return f"{path}: 0700"

    if os.name == "posix" and mode & 0o077:
        yield fault("mode", f"{path} is open to others ({mode:o})", f"chmod 700 {quote(path)}", repair)


def _version_of(path: str) -> tuple[int, ...]:
    """(3, 11) for a CPython; () for another Python or one that does not start."""
    asked = "import sys; print(*sys.version_info[:2]) if sys.implementation.name == 'cpython' else None"
    done = run_program([path, "-I", "-S", "-c", asked])
    numbers = re.fullmatch(r"(\d+) (\d+)", done.stdout.strip())
    return (int(numbers[1]), int(numbers[2])) if numbers and done.returncode == 0 else ()
