"""The janitor at session start: does what is due or hands it to the background, and reports it in one paragraph."""

from __future__ import annotations

import sys

from circuit_breaker.janitor import notes
from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.runtime.home import Places


def message(payload: Mapping[str, Any], where: Places, config: Config, now: float) -> str:
    """The paragraph that you read at session start; "" if nothing was done."""
    session = payload.get("session_id")
    session = session if isinstance(session, str) else ""
    said: list[str] = []
    errors: list[str] = []
    if payload.get("source") in ("resume", "compact"):
        from circuit_breaker.runtime import store

        _try("marker", lambda: store.correct_marker(where, session), errors)
    if config.weakened:
        from circuit_breaker.words import memory

        said.append(memory.weakened(config.weakened))
    if "unpinned" in sys.argv or not notes.settled(where, config, now, session):
        said += _due(where, config, now, session, errors)
    if config.export["otlp"]:
        from circuit_breaker.runtime import incidents

        _try("export", lambda: incidents.send(where), errors)
    complain(errors)
    return "\n".join(text for text in said if text)


def complain(errors: list[str]) -> None:
    """Print the errors, if any, as one line on stderr; a stderr that cannot be written is ignored."""
    if not errors:
        return
    from circuit_breaker.words import memory

    try:
        files.write_all(2, (memory.trouble(errors) + "\n").encode("utf-8", "replace"))
    except OSError:
        return


def _due(where: Places, config: Config, now: float, session: str, errors: list[str]) -> list[str]:
    """Survey, do what can be done at once, leave the rest to the background. Returns messages."""
    from circuit_breaker.janitor import rounds
    from circuit_breaker.words import memory

    _try("config", lambda: rounds.write_config(where), errors)
    _try("interpreter", lambda: rounds.pin_interpreter(where), errors)
    said = _background_report(where)
    if not config.enabled:
        _try("note", lambda: notes.save(where, rounds.new_note(where, config, now)), errors)
        return [said]
    made = rounds.make(where, config, now, session, notes.SMALL)
    errors += made.errors
    if made.task:
        _try("background process", lambda: rounds.start(where, session, made.task), errors)
    errors += made.unreadable
    return [said, memory.done(made.facts(), rounds.PLUGIN_FOLDER)]


def _background_report(where: Places) -> str:
    """The report of the last background process, shown once."""
    path = notes.path(where, notes.REPORT)
    try:
        text = (files.read(path, 1 << 20) or b"").decode("utf-8", "replace").strip()
        files.remove(path)
    except OSError:
        return ""
    return text


def _try(what: str, act: Callable[[], object], errors: list[str]) -> None:
    """Call `act`; an error is added to `errors` as a sentence."""
    try:
        act()
    except (OSError, ValueError) as error:
        errors.append(f"{what}: {files.why(error)}")
