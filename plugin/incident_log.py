"""The incident logs of all projects, read as records in order of time."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from progress import Progress

from circuit_breaker.identity.labels import plain
from circuit_breaker.runtime import files, json, status
from circuit_breaker.runtime.home import INCIDENTS, Places

SLACK = 120.0  # seconds by which lines of several processes can be out of order
LATEST = 1e11  # epoch seconds, thousands of years ahead: later ones are no dates
STEP = 2000  # incidents between two progress messages
SHOWN = 300  # characters shown of any text of an incident
STOPS = ("trip", "ending", "would_trip", "asked")  # events in which something was stopped, or would have been
TEXTS = ("event", "circuit", "session", "agent", "project", "cause")
TOKENS = ("input", "output", "cache_read", "cache_write")


def _text(key: str) -> Any:
    return property(lambda self: clean(self.row.get(key)))


class Incident:
    """One line of a log, with texts clipped and without control characters. home: the folder of the log."""

    __slots__ = ("home", "row", "t")
    event, circuit, session = _text("event"), _text("circuit"), _text("session")
    agent, cause = _text("agent"), _text("cause")

    def __init__(self, t: float, home: str, row: dict[str, Any]) -> None:
        self.t, self.home, self.row = t, home, row

    @property
    def project(self) -> str:
        return clean(self.row.get("project")) or status.project_of(self.home)

    @property
    def calls(self) -> list[str]:
        calls = self.row.get("calls")
        return [clean(call) for call in calls] if isinstance(calls, list) else []

    @property
    def tokens(self) -> int:
        """Tokens used by the streak's requests, all kinds together; a lower bound."""
        tokens = self.row.get("tokens")
        kinds = [tokens.get(kind) for kind in TOKENS] if isinstance(tokens, dict) else []
        return sum(count for count in kinds if isinstance(count, int))


def read(homes: Iterable[str], after: float) -> list[Incident]:
    """The incidents in the logs of `homes` since `after` (epoch seconds), oldest first; other lines are skipped."""
    found: list[Incident] = []
    progress = Progress()
    for incident in (incident for home in homes for incident in _of_home(home, after)):
        found.append(incident)
        if len(found) % STEP == 0:
            progress(f"{len(found):,} incidents read")
    progress.end()
    found.sort(key=lambda incident: incident.t)
    return found


def homes(where: Places, kept: Iterable[status.Kept] | None = None) -> list[str]:
    """Every home with a log: this project's, those in the runtime folder, and those of the remembered sessions."""
    sessions = status.sessions(where) if kept is None else kept
    known = {where.home, where.runtime, *(one.session.home for one in sessions if one.session.home)}
    try:
        known.update(f"{where.runtime}/projects/{name}" for name in os.listdir(where.runtime + "/projects"))
    except OSError:
        pass  # no session has run yet
    return sorted(home for home in known if os.path.exists(f"{home}/{INCIDENTS}"))


def _of_home(home: str, after: float) -> Iterator[Incident]:
    name = Path(INCIDENTS)
    archived = sorted(Path(home, "archives", "telemetry").glob(f"{name.stem}.*{name.suffix}*"))
    for path in [*archived, Path(home, INCIDENTS)]:
        try:
            if path.stat().st_mtime >= after:
                yield from parsed(_bytes(path), home, after)
        except (OSError, EOFError, zlib.error):
            continue  # removed meanwhile, or not our file


def _bytes(path: Path) -> bytes:
    data = files.read(str(path), 1 << 30) or b""
    return gzip.decompress(data) if path.suffix == ".gz" else data


def parsed(data: bytes, home: str, after: float = 0.0) -> list[Incident]:
    """The incidents in a log's bytes since `after`."""
    found = (_incident(line, home) for line in data.splitlines())
    return [one for one in found if one is not None and one.t >= after]


def _incident(line: bytes, home: str) -> Incident | None:
    try:
        row = json.parse(line)
        t = float(row["t"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    if not isinstance(row.get("event"), str) or not 0 <= t < LATEST:
        return None
    return Incident(t, home, row)


def clean(value: object) -> str:
    """A value from a log as one short line without control characters; "" if it is not text."""
    if not isinstance(value, str):
        return ""
    if len(value) <= SHOWN and value.isprintable():
        return value
    text = plain(value[: 4 * SHOWN])
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
