"""The cleanup as functions for other programs, under their established names."""

from __future__ import annotations

import os
import time

from circuit_breaker.breaker.config import Config
from circuit_breaker.janitor import notes, rounds, session_start, sweep
from circuit_breaker.runtime import files, home
from circuit_breaker.words import cleanup


def auto_cleanup_on_startup() -> str:
    """Clean up the home of this project (CLAUDE_PROJECT_DIR, else the working directory).

    Returns a paragraph about what was done, "" for nothing. Disk errors are one line on stderr, never raised.
    """
    try:
        where, config, session = _place()
        made = rounds.make(where, config, time.time(), session)
        if made.task:
            rounds.start(where, session, "compress")
    except OSError as error:
        made = sweep.Report(errors=[str(error)])
    session_start.complain(made.errors + made.unreadable)
    return cleanup.done(made.facts(), rounds.program())


def rotate_all_telemetry() -> list[str]:
    """Archive only the telemetry that is over a limit. Returns the names of the new archives (before compression is done)."""
    report = sweep.Report()
    try:
        where, config, session = _place()
        plan = rounds.sweeps(where, config, time.time(), session)[0]
        # a limit of 0 is none
        plan.limits = {key: most * key.startswith("telemetry_") for key, most in plan.limits.items()}
        sweep.planned(plan)
        plan.actions = [action for action in plan.actions if action.do != "clear"]
        files.remove(notes.path(where))  # so that a killed sweep does not look finished
        sweep.execute(plan, report)
        if report.steps:
            rounds.start(where, session, "compress")
    except OSError as error:
        report.errors.append(str(error))
    session_start.complain(report.errors)
    return [f"{step.into.rpartition('/')[2]}.gz" for step in report.steps if step.into]


def _place() -> tuple[home.Places, Config, str]:
    where = home.places(os.environ, os.getcwd())
    return where, home.configuration(where, os.environ), os.environ.get("CLAUDE_CODE_SESSION_ID", "")
