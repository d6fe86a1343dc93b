"""The janitor's background process: a round that is too large for a session start, then compression.

It runs in its own process session and keeps no file open that Claude Code would wait for.
"""

from __future__ import annotations

import sys

from circuit_breaker.janitor import archives, notes, rounds
from circuit_breaker.runtime import detached, files, json
from circuit_breaker.runtime.home import ROOT, Places, configuration, environment
from circuit_breaker.words import memory

_LINE = "import sys; sys.path.insert(0, sys.argv[1]); from circuit_breaker.janitor import background; background.run(sys.argv[2:])"


def start(where: Places, session: str, task: str) -> None:
    """Start `run` for these places in another process and return at once. task: "sweep" or "compress".

    Raises OSError if no process can be started.
    """
    given = [where.runtime, where.home, where.project, where.user_config, where.user, session, task]
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _LINE, ROOT + "/lib", *given]
    detached.start(command)


def run(arguments: list[str]) -> None:
    """The body of the process. `arguments`: the five places, the session that started it, the task. Ends within archives.DEADLINE."""
    import os
    import time

    *paths, session, task = arguments
    where = Places(*paths)
    if hasattr(os, "nice"):
        os.nice(10)
    now, deadline = time.time(), time.monotonic() + archives.DEADLINE
    faults = _sweep(where, session, now) if task == "sweep" else []
    faults += _compress(where, now, deadline)
    said = [memory.shown(memory.trouble([fault])) for fault in faults[:5]]
    lines = [json.dump({"t": round(now, 3), "error": text}) for text in said]
    if lines:
        files.append(where.errors, b"\n".join(lines) + b"\n")


def _sweep(where: Places, session: str, now: float) -> list[str]:
    """A whole round; the next session start reports what was done. Returns the errors."""
    config = configuration(where, environment())
    before = notes.load(where)
    made = rounds.make(where, config, now, session, rounds.known_since(before, config, now))
    done = memory.done(made.report.facts(), rounds.PLUGIN_FOLDER)
    if done:
        files.append(notes.report_path(where), done.encode("utf-8", "replace") + b"\n")
    if made.finished:
        notes.save(where, {**made.note, "pinned": before.get("pinned", False), "calm": made.note["until"]})
    return made.report.errors + made.report.unreadable


def _compress(where: Places, now: float, deadline: float) -> list[str]:
    """Compress what was archived, and record whether a file has to wait. Returns the errors."""
    waiting, faults = 0, []
    for folder, _ in rounds.roots(where):
        _, left, errors = archives.compress_all(folder, deadline)
        waiting += left
        faults += errors
    note = notes.load(where)
    if "calm" in note:  # without the note another process is at work, and the next start surveys again
        until = min(note["calm"], now + notes.AGAIN) if waiting else note["calm"]
        notes.save(where, {**note, "until": until})
    return faults
