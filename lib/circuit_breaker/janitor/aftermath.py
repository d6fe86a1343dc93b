"""What does the detached child do? The round that was too large for a session start, then the compressing."""

from __future__ import annotations

import os
import time

from circuit_breaker.janitor import archives, rounds, session_start, stamp
from circuit_breaker.runtime import files, json
from circuit_breaker.runtime.home import Places, configuration, environment
from circuit_breaker.words import memory


def main(arguments: list[str]) -> None:
    """`arguments`: the five places, the session that started us, and the task. Ends within archives.DEADLINE."""
    *paths, session, task = arguments
    where = Places(*paths)
    if hasattr(os, "nice"):
        os.nice(10)
    now, deadline = time.time(), time.monotonic() + archives.DEADLINE
    faults = sweep(where, session, now) if task == "sweep" else []
    faults += compress(where, now, deadline)
    lines = [
        json.dump({"t": round(now, 3), "error": memory.shown(memory.trouble([fault]))})
        for fault in faults[:5]
    ]
    if lines:
        files.append(where.errors, b"\n".join(lines) + b"\n")


def sweep(where: Places, session: str, now: float) -> list[str]:
    """The whole round that was too large for a session start; the next one says what was done. -> what went wrong."""
    config = configuration(where, environment())
    before = stamp.load(where)
    made = rounds.go(where, config, now, session, rounds.known_since(before, config, now))
    done = memory.done(made.report.facts(), session_start.ROOT + "/plugin")
    if done:
        files.append(stamp.report_path(where), done.encode("utf-8", "replace") + b"\n")
    if made.finished:
        stamp.save(where, {**made.note, "pinned": before.get("pinned", False), "calm": made.note["until"]})
    return made.report.errors + made.report.unreadable


def compress(where: Places, now: float, deadline: float) -> list[str]:
    """Compress what was put away, and note whether something has to wait. -> what went wrong."""
    waiting, faults = 0, []
    for folder, _ in rounds.roots(where):
        _, left, errors = archives.compress_all(folder, deadline)
        waiting += left
        faults += errors
    note = stamp.load(where)
    if "calm" in note:  # else the note is gone: somebody is at work, and the next start looks for itself
        stamp.save(
            where, {**note, "until": min(note["calm"], now + stamp.AGAIN) if waiting else note["calm"]}
        )
    return faults
