"""What does the detached child do? The round that was too large for a session start, then the compressing."""

from __future__ import annotations

import os
import time

from circuit_breaker.core import wording_memory as wording
from circuit_breaker.edge import archives, codec, files, janitor, rounds, stamp
from circuit_breaker.edge.home import Places, configuration, environment


def main(arguments: list[str]) -> None:
    """`arguments`: the five places and the session that started us. Ends within archives.DEADLINE."""
    *paths, session = arguments
    where = Places(*paths)
    os.nice(10)
    run(where, session, time.time(), time.monotonic() + archives.DEADLINE)


def run(where: Places, session: str, now: float, deadline: float) -> None:
    """A whole round and the compressing, until `deadline` (time.monotonic). What went wrong goes to the error log."""
    config = configuration(where, environment())
    before = stamp.load(where)
    made = rounds.go(where, config, now, session, rounds.known_since(before, config, now))
    faults = made.report.errors + made.report.unreadable
    done = wording.done(made.report.facts(), janitor.ROOT + "/plugin")
    if done:
        files.append(stamp.report_path(where), done.encode() + b"\n")
    waiting = 0
    for folder, _ in rounds.roots(where):
        _, left, errors = archives.compress_all(folder, deadline)
        waiting += left
        faults += errors
    made.note["pinned"] = before.get("pinned", False)
    if waiting:  # a writer still has it open, or the deadline came
        made.note["until"] = min(made.note["until"], now + stamp.AGAIN)
    if made.finished:
        stamp.save(where, made.note)
    lines = [
        codec.dump({"t": round(now, 3), "error": wording.shown(wording.trouble([fault]))})
        for fault in faults[:5]
    ]
    if lines:
        files.append(where.errors, b"\n".join(lines) + b"\n")
