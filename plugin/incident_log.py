"""The incident logs of all projects, as records in the order of time."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.identity.labels import plain
from circuit_breaker.runtime import files, json, status
from circuit_breaker.runtime.home import INCIDENTS, Places

SLACK = 120.0  # seconds by which lines of several processes may be out of order
OLD = 1000  # lines in a row that are too old, after which a log holds no newer one: a clock may have jumped
SHOWN = 300  # characters of any one text of an incident that are shown
FIELDS = {"event": "", "circuit": "", "session": "", "agent": "", "cause": "", "project": ""}


class Incident(NamedTuple):
    """One line of a log: texts clipped and without control characters; `tokens` by kind; `home`: whose log it stands in;
    `row`: the line itself."""

    t: float
    event: str
    circuit: str
    session: str
    agent: str
    project: str
    cause: str
    calls: list[str]
    tokens: dict[str, int]
    home: str
    row: dict[str, Any]


def read(homes: Iterable[str], after: float) -> list[Incident]:
    """What the logs of `homes` hold since `after` (epoch seconds), oldest first; what is no incident is passed over."""
    found = [incident for home in homes for incident in _of_home(home, after)]
    found.sort(key=lambda incident: incident.t)
    return found


def homes(where: Places) -> list[str]:
    """Every home with a log: this project's, those in the runtime folder, and those that kept sessions name."""
    known = {
        where.home,
        where.runtime,
        *(one.session.home for one in status.sessions(where) if one.session.home),
    }
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
            continue  # a log that went while we looked, or is no file of ours


def _bytes(path: Path) -> bytes:
    data = files.read(str(path), 1 << 30) or b""
    return gzip.decompress(data) if path.suffix == ".gz" else data


def parsed(data: bytes, home: str, after: float = 0.0) -> Iterator[Incident]:
    """The incidents of a log's bytes, newest first, back to `after`."""
    end, old = len(data), 0
    while end > 0 and old < OLD:
        start = data.rfind(b"\n", 0, end - 1) + 1
        incident = _incident(data[start:end], home)
        end = start
        if incident is None:
            continue
        if incident.t < after:
            old += 1
            continue
        old = 0
        yield incident


def _incident(line: bytes, home: str) -> Incident | None:
    try:
        row = json.parse(line)
        t = float(row["t"])
    except (ValueError, TypeError, KeyError, UnicodeDecodeError):
        return None
    texts = {name: clean(row.get(name)) for name in FIELDS}
    if not texts["event"] or t != t:
        return None
    calls, tokens = row.get("calls"), row.get("tokens")
    return Incident(
        t=t,
        **{**texts, "project": texts["project"] or status.project_of(home)},
        calls=[clean(call) for call in calls] if isinstance(calls, list) else [],
        tokens={str(k): v for k, v in tokens.items() if isinstance(v, int)}
        if isinstance(tokens, dict)
        else {},
        home=home,
        row=row,
    )


def clean(value: object) -> str:
    """A text of a log as one short line without control characters; "" for what is no text."""
    text = plain(value[: 4 * SHOWN]) if isinstance(value, str) else ""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
