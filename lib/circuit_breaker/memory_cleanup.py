"""The cleanup as functions for other programs, under their established names."""

from __future__ import annotations

import os
import time

from circuit_breaker.breaker.config import Config
from circuit_breaker.janitor import background, notes, rounds, session_start, sweep
from circuit_breaker.runtime import home
from circuit_breaker.words import memory


def auto_cleanup_on_startup() -> str:
    """Clean up the home of this project (CLAUDE_PROJECT_DIR, else the working directory).

    Returns a paragraph about what was done, "" for nothing. Disk errors are one line on stderr, never raised.
    """
    try:
        where, config = _place()
    except OSError as error:
        session_start.complain([str(error)])
        return ""
    made = rounds.make(where, config, time.time(), os.environ.get("CLAUDE_CODE_SESSION_ID", ""), 0.0)
    _compress(where, bool(made.task))
    session_start.complain(made.report.errors + made.report.unreadable)
    return memory.done(made.report.facts(), rounds.PLUGIN_FOLDER)


def rotate_all_telemetry() -> list[str]:
    """Archive only the telemetry that is over a limit. Returns the names of the new archives (before compression is done)."""
    try:
        where, config = _place()
        limits, now = config.memory_limits, time.time()
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        running = os.environ.get("CLAUDE_CODE_SESSION_ID", "")
        plan = sweep.planned(where.home, limits, now, moment, running)
        plan.actions = [a for a in plan.actions if a.do == "rotate" or a.name.startswith("telemetry/")]
        notes.discard(where)
        report = sweep.execute(where.home, plan, limits) or sweep.Report()
    except OSError as error:
        session_start.complain([str(error)])
        return []
    _compress(where, bool(report.archives))
    session_start.complain(report.errors)
    return [f"{archive.rpartition('/')[2]}.gz" for archive in report.archives]


def _place() -> tuple[home.Places, Config]:
    where = home.places(os.environ, os.getcwd())
    return where, home.configuration(where, os.environ)


def _compress(where: home.Places, anything: bool) -> None:
    if not anything:
        return
    try:
        background.start(where, os.environ.get("CLAUDE_CODE_SESSION_ID", ""), "compress")
    except OSError as error:
        session_start.complain([f"compression: {error}"])
