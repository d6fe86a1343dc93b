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

        errors += _tried("marker", lambda: store.correct_marker(where, session))
    if config.weakened:
        from circuit_breaker.words import memory

        said.append(memory.weakened(config.weakened))
    note = notes.load(where)
    if "unpinned" in sys.argv or not notes.settled(note, where, config, now, session):
        texts, faults = _due(note, where, config, now, session)
        said += texts
        errors += faults
    if config.export["otlp"]:
        from circuit_breaker.runtime import spool

        errors += _tried("export", lambda: spool.send(where))
    complain(errors)
    return "\n".join(said)


def complain(errors: list[str]) -> None:
    """Print the errors, if any, as one line on stderr; a stderr that cannot be written is ignored."""
    if not errors:
        return
    from circuit_breaker.words import memory

    try:
        files.write_all(2, (memory.trouble(errors) + "\n").encode("utf-8", "replace"))
    except OSError:
        return


def _due(
    before: Mapping[str, Any], where: Places, config: Config, now: float, session: str
) -> tuple[list[str], list[str]]:
    """Survey, do what can be done at once, leave the rest to the background. Returns (messages, errors)."""
    from circuit_breaker.janitor import rounds, runtime_folder
    from circuit_breaker.words import memory

    errors = _tried("config", lambda: runtime_folder.write_config(where))
    pins: list[str] = []
    errors += _tried("interpreter", lambda: pins.append(runtime_folder.pin_interpreter(where)))
    said = [_background_report(where)]
    made = rounds.Round(where, config, now)
    if config.enabled:
        made = rounds.make(where, config, now, session, rounds.known_since(before, config, now), notes.SMALL)
    made.note["pinned"] = bool(pins and pins[0])
    made.note["calm"] = made.note["until"]  # when something is next due after the background process is done
    if made.task:
        made.note["until"] = min(made.note["until"], now + notes.SOON)
    errors += made.report.errors
    said.append(memory.done(made.report.facts(), rounds.PLUGIN_FOLDER))
    if made.finished:
        errors += _tried("note", lambda: notes.save(where, made.note))
    if made.task:
        from circuit_breaker.janitor import background

        errors += _tried("background process", lambda: background.start(where, session, made.task))
    return [text for text in said if text], errors + made.report.unreadable


def _background_report(where: Places) -> str:
    """The report of the last background process, shown once."""
    path = notes.report_path(where)
    try:
        text = (files.read(path, 1 << 20) or b"").decode("utf-8", "replace").strip()
        files.remove(path)
    except OSError:
        return ""
    return text


def _tried(what: str, act: Callable[[], object]) -> list[str]:
    """Call `act`. Returns [] or a list with one sentence about the error."""
    try:
        act()
    except (OSError, ValueError) as error:
        return [f"{what}: {files.why(error)}"]
    return []
