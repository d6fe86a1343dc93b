"""Runs the program in the config's `on_stop` at each trip and each stopped turn, with the incident as JSON on stdin.

It runs detached and never in a shell. Claude Code does not wait for it; an error becomes a line in errors.log.
"""

from __future__ import annotations

from circuit_breaker.runtime import detached, error_log, files, json

EVENTS = ("trip", "ending")
SECONDS = 60.0  # that it may run


def start_program(program: list[str], rows: list[dict[str, object]]) -> None:
    """Start `program` (a list of words) for each row that is a trip or a stopped turn. Never raises."""
    for row in rows:
        if row["event"] not in EVENTS:
            continue
        given = [json.dump(program).decode("ascii"), json.dump(row).decode("ascii")]
        try:
            detached.start_ours(__name__, *given)
        except (OSError, ValueError) as error:
            error_log.note(f"on_stop: not started: {files.reason(error)}")


def run(program: str, incident: str) -> None:
    """In the detached process: run the program and log its failure. `program`, `incident`: JSON."""
    import subprocess

    words: list[str] = json.parse(program)
    try:
        done = subprocess.run(
            words,
            input=incident.encode("ascii") + b"\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        error_log.note(f"on_stop: {words[0]}: stopped after {SECONDS:g} s")
    except (OSError, ValueError) as error:
        error_log.note(f"on_stop: {words[0]}: {files.reason(error)}")
    else:
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace")[:200]
            error_log.note(f"on_stop: {words[0]}: exit code {done.returncode}: {said}")
