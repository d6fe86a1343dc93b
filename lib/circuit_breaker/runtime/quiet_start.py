"""SessionStart: a cheap check whether nothing is due, which is usual; otherwise the full hook."""

from __future__ import annotations

import sys
import time

from circuit_breaker.janitor import notes
from circuit_breaker.runtime import files, home, json

_WRITABLE = getattr(files.system, "W_OK", 2)
_GOES_ON = ("resume", "compact")  # sources of a session that has memory already: its marker is checked


def serve(name: str) -> None:
    """Answer SessionStart: print nothing if nothing is due, else run the hook."""
    try:
        data: bytes | None = files.drain(0, files.STDIN_MAX)
    except OSError:
        data = None  # the hook meets the same error and reports it
    if data is not None and quiet(data):
        return
    from circuit_breaker.runtime import hook  # the engine, and the one place that fails open

    hook.serve(name, data)


def quiet(data: bytes) -> bool:
    """Whether nothing is due at this session start; False in any doubt."""
    if "unpinned" in sys.argv:  # `run` found no pin that works: there is one to be made
        return False
    try:
        payload = json.parse(data)
        session, cwd = payload["session_id"], payload["cwd"]
        if not isinstance(session, str) or not isinstance(cwd, str) or payload.get("source") in _GOES_ON:
            return False
        env = home.environment()
        where = home.places(env, cwd)
        if not files.system.access(where.runtime, _WRITABLE):
            return False
        config = home.configuration(where, env)
        return (
            not config.weakened
            and not config.export["otlp"]
            and notes.settled(where, config, time.time(), session)
        )
    except (AttributeError, KeyError, TypeError, ValueError, OSError):
        return False  # the hook meets the same error and reports it
    except (ImportError, NameError, SyntaxError):
        return False  # a damaged or half updated module
