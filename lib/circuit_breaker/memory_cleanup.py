"""The cleanup as functions for other programs, under their established names."""

from __future__ import annotations

import os
import time

from circuit_breaker.janitor import rounds, session_start, sweep
from circuit_breaker.runtime import home
from circuit_breaker.words import cleanup


def auto_cleanup_on_startup() -> str:
    """Clean up the home of this project (CLAUDE_PROJECT_DIR, else the working directory).

    Returns a paragraph about what was done, "" for nothing. Disk errors are one line on stderr, never raised.
    """
    return cleanup.done(_round().facts(), rounds.own_command())


def rotate_all_telemetry() -> list[str]:
    """Archive only the telemetry that is over a limit. Returns the names of the new archives (before compression is done)."""
    return [f"{step.into.rpartition('/')[2]}.gz" for step in _round("telemetry_").steps if step.into]


def _round(names: str = "") -> sweep.Report:
    """What a round did under those of the limits whose names begin with `names`."""
    try:
        where = home.places(os.environ, os.getcwd())
        config, session = home.configuration(where, os.environ), os.environ.get("CLAUDE_CODE_SESSION_ID", "")
        # a limit of 0 is none
        config.memory_limits = {
            key: most * key.startswith(names) for key, most in config.memory_limits.items()
        }
        made = rounds.make(where, config, time.time(), session)
        if made.task:
            rounds.start_round(where, session, made.task)
    except OSError as error:
        made = sweep.Report(errors=[str(error)])
    session_start.complain(made.errors + made.unreadable)
    return made
