"""Writes the incident log, the published state file and the spool for your collector: for people and other programs."""

from __future__ import annotations

import sys
import time

from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.model import Circuit, Transition
from circuit_breaker.runtime import detached, error_log, files, json, store
from circuit_breaker.runtime.home import INCIDENTS, ROOT, STATE, Places
from circuit_breaker.runtime.usage import FIELDS as TOKENS
from circuit_breaker.words.sentences import cause, why

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


VERSION = 1
SPOOL, SPOOL_MAX = "/export/spool.jsonl", 1 << 24  # in the runtime folder; bytes
PUBLISHED_MAX = 40  # circuits in the state file (under 20 kB), the newest ones
SESSIONS_MAX = 200  # armed sessions that are read for it


def keep_incidents(
    where: Places, session: str, transitions: list[Transition], config: Config, *ids: str
) -> None:
    """`record` incidents, publish the state, and start the `on_stop` program. Never raises."""
    rows = record(where, session, transitions, config, *ids)
    if any(row["event"] != "warning" for row in rows):
        show(where)
    if config.on_stop:
        detached.start_program(config.on_stop, rows)
    for row in rows:
        if row["event"] == "ending":
            error_log.stderr(f"{row['circuit']}: {row['cause']}")


def record(
    where: Places,
    session: str,
    transitions: list[Transition],
    config: Config,
    prompt: str = "",
    call: str = "",
) -> list[dict]:
    """Append incidents to the log, one JSON object a line, and to the spool for your collector. -> the incidents.

    Never raises: the decision counts even on a full disk. A warning that comes with a trip or stop of the same circuit is left out.
    `prompt` and `call` (the last one), both ids, match incidents to Claude Code's own telemetry.
    """
    changed = {transition.name for transition in transitions if transition.event != "warning"}
    ids = {"project": where.project, "prompt_id": prompt or None, "tool_use_id": call or None}
    rows = [
        {**_row(session, transition, config.bypass_keyword), **ids}
        for transition in transitions
        if transition.event != "warning" or transition.name not in changed
    ]
    _try("recorded", lambda: _append(where, rows))
    if config.export["otlp"]:
        _try("exported", lambda: _spool(where, rows))
    return rows


def show(where: Places) -> None:
    """`publish`; an error is one line in the error log."""
    _try("published", lambda: publish(where))


def _try(done: str, act: Callable[[], None]) -> None:
    try:
        act()
    except (OSError, ValueError) as error:
        error_log.note(f"incident not {done}: {error}")


def _append(where: Places, rows: list[dict]) -> None:
    files.make_folder(where.home)
    files.append(f"{where.home}/{INCIDENTS}", _lines(rows))


def _lines(rows: list[dict]) -> bytes:
    return b"".join([json.dump(row) + b"\n" for row in rows])


def _spool(where: Places, rows: list[dict]) -> None:
    """Add incidents to R/export/spool.jsonl, which `export otlp` sends. Raises OSError, also if it is full."""
    path = where.runtime + SPOOL
    files.make_folder(where.runtime, where.runtime + "/export")
    with files.Lock(path + ".lock"):
        full = files.size_of(path) > SPOOL_MAX
        if not full:
            files.append(path, _lines(rows))
    if any(row["event"] in ("trip", "ending") for row in rows):
        send(where)
    if full:
        raise OSError("export/spool.jsonl is full")


def send(where: Places) -> None:
    """Start `export otlp` in the background if there is a spool. Raises OSError."""
    if files.exists(where.runtime + SPOOL):
        detached.start_detached([sys.executable, ROOT + "/plugin", "export", "otlp"])


def _row(session: str, transition: Transition, keyword: str) -> dict:
    return {
        "t": round(transition.at, 3),
        "event": transition.event,
        "circuit": transition.name,
        "before": transition.before,
        "after": transition.after,
        "session": session,
        "agent": transition.lane or None,
        "cause": why(transition, keyword),
        "calls": transition.calls,
        "cooldown": transition.cooldown,
        "level": transition.level,
        "tokens": dict(zip(TOKENS, transition.tokens)) or None,
    }


def publish(where: Places) -> None:
    """Rebuild the state file from the armed sessions of this home, for other programs. Raises OSError.

    The file's time is when its writer began to read: whoever waited for the lock since before then need not write.
    """
    path, asked = f"{where.home}/{STATE}", time.time_ns()
    with files.Lock(f"{where.home}/.publish.lock"):
        begun = time.time_ns()
        if asked < _published(path) <= begun:
            return
        circuits = sorted(live_circuits(where), key=lambda circuit: circuit["opened_at"], reverse=True)
        document = {"version": VERSION, "circuits": circuits[:PUBLISHED_MAX], "total": len(circuits)}
        files.replace(path, json.dump(document) + b"\n")
        files.system.utime(path, ns=(begun, begun))


def _published(path: str) -> int:
    try:
        return files.system.stat(path).st_mtime_ns
    except OSError:
        return 0


def as_object(circuit: Circuit) -> dict:
    """A circuit as an object for other programs; keys as in `status --json`."""
    return {
        "circuit": circuit.name,
        "rule": circuit.rule,
        "subject": circuit.subject,
        "state": circuit.state,
        "level": circuit.level,
        "trips": circuit.trips,
        "retry_at": None if circuit.retry_at is None else round(circuit.retry_at, 3),
        "cause": cause(circuit),
        "count": circuit.count,
        "opened_at": round(circuit.opened_at, 3),
        "tokens": dict(zip(TOKENS, circuit.tokens)) or None,
    }


def live_circuits(where: Places) -> list[dict]:
    """The circuits that are not CLOSED in the armed sessions of this home."""
    found = []
    for name in sorted(store.armed_sessions(where, SESSIONS_MAX)):
        try:
            session, lanes = store.peek(where, name)
        except OSError:
            continue
        if session.home in ("", where.home):
            for agent, memory in store.memories(session, lanes):
                whose = {"session": name, "agent": agent or None}
                found += [{**whose, **as_object(one)} for one in memory.circuits.values() if one.live]
    return found
