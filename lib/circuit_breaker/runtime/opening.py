"""A session start that asks for nothing, which most do: the cheapest look that proves it, else the hook's own way."""

from __future__ import annotations

import sys
import time

from circuit_breaker.janitor import notes
from circuit_breaker.runtime import files, home, json

_WRITABLE = getattr(files.system, "W_OK", 2)
PAYLOAD_MAX = 1 << 26  # bytes: more than Claude Code sends
_GOES_ON = ("resume", "compact")  # sources of a session that has a memory already: its marker is looked at


def serve(name: str) -> None:
    """Answer SessionStart: silently where nothing is due, else through the hook's own door."""
    try:
        data: bytes | None = files.drain(0, PAYLOAD_MAX)
    except OSError:
        data = None  # the hook meets the same trouble and says so
    if data is not None and quiet(data):
        return
    from circuit_breaker.runtime import hook  # the engine, and the one place that fails open

    hook.serve(name, data)


def quiet(data: bytes) -> bool:
    """Whether this session start certainly asks for nothing. Any doubt is a no."""
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
            and notes.settled(notes.load(where), where, config, time.time(), session)
        )
    except (AttributeError, KeyError, TypeError, ValueError, OSError):
        return False  # the hook comes upon the same and says so
    except (ImportError, NameError, SyntaxError):
        return False  # a module that is torn or half updated
