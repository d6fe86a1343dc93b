"""The janitor at session start: does what is due or hands it to the background, and reports it in one paragraph."""

from __future__ import annotations

import sys

from circuit_breaker.breaker.config import Config
from circuit_breaker.janitor import disk, notes, rounds
from circuit_breaker.runtime import error_log, files, health, incidents, store
from circuit_breaker.runtime.home import Places
from circuit_breaker.words import cleanup, status


def message(session: str, source: str, where: Places, config: Config, now: float) -> str:
    """The paragraph that you read at session start; "" if nothing was done."""
    goes_on = source in ("resume", "compact")  # it has memory, whose marker is checked
    # "unpinned": `run` found no pin that works, so there is one to be made.
    settled = "unpinned" not in sys.argv and notes.settled(where, config, now, session)
    writable = files.system.access(where.runtime, getattr(files.system, "W_OK", 2))
    if settled and writable and not goes_on and not config.weakened and not config.export["otlp"]:
        return ""  # a cheap check, which usually suffices
    fault = health.write_fault(where) if config.enabled else ""
    if fault:
        return unprotected(fault)
    said: list[str] = []
    errors: list[str] = []
    if goes_on:
        disk.attempt("marker", lambda: store.correct_marker(where, session), errors)
    if config.weakened:
        said.append(cleanup.weakened(config.weakened))
    if not settled:
        said += _due(where, config, now, session, errors)
    if config.export["otlp"]:
        disk.attempt("export", lambda: incidents.send(where), errors)
    complain(errors)
    return "\n".join(text for text in said if text)


def unprotected(why: str) -> str:
    """The message that state cannot be written, so that nothing is protected; also a line in the error log."""
    error_log.note(why)
    return f"Circuit breaker: {status.not_protected(why, health.FIX)}"


def complain(errors: list[str]) -> None:
    """Print the errors, if any, as one line on stderr."""
    if errors:
        error_log.stderr(cleanup.trouble(errors), prefix="")


def _due(where: Places, config: Config, now: float, session: str, errors: list[str]) -> list[str]:
    """Survey, do what can be done at once, leave the rest to the background. Returns messages."""
    disk.attempt("config", lambda: rounds.write_config(where), errors)
    disk.attempt("interpreter", lambda: rounds.pin_interpreter(where), errors)
    said = _background_report(where)
    if not config.enabled:
        disk.attempt("note", lambda: notes.save(where, rounds.new_note(where, config, now)), errors)
        return [said]
    made = rounds.make(where, config, now, session, notes.SMALL)
    errors += made.errors
    if made.task:
        disk.attempt("background process", lambda: rounds.start_round(where, session, made.task), errors)
    errors += made.unreadable
    return [said, cleanup.done(made.facts(), rounds.own_command())]


def _background_report(where: Places) -> str:
    """The report of the last background process, shown once."""
    path = notes.note_path(where, notes.REPORT)
    try:
        text = (files.read(path, 1 << 20) or b"").decode("utf-8", "replace").strip()
        files.remove(path)
    except OSError:
        return ""
    return text
