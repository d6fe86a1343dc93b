"""The verb `incidents`, and the incident logs of all projects, read as records in order of time."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import operate
from shared import Refusal, answer, moment, places_here, progress, remembered, with_tilde

from circuit_breaker.breaker.config import RULES
from circuit_breaker.breaker.context import SESSION_RULES
from circuit_breaker.breaker.service_down import RULE as SERVICE_DOWN
from circuit_breaker.runtime import files
from circuit_breaker.runtime.home import INCIDENTS, Places
from circuit_breaker.runtime.json import only, parse
from circuit_breaker.runtime.usage import FIELDS as TOKENS
from circuit_breaker.words.status import ID
from circuit_breaker.words.texts import shown

LOOK_SECONDS = 1.0  # --follow reads the logs this often
SLACK = 120.0  # seconds by which lines of several processes can be out of order
LATEST = 1e11  # epoch seconds, thousands of years ahead: later ones are no dates
SHOWN = 300  # characters shown of any text of an incident
STOPS = ("trip", "ending", "would_trip", "asked")  # events in which something was stopped, or would have been
TEXTS = ("event", "circuit", "session", "agent", "project", "cause")


class Incident(NamedTuple):
    """One line of a log, with clean texts. row: the line as it was written; home: the folder of the log."""

    t: float
    home: str
    row: dict
    event: str
    circuit: str
    session: str
    agent: str
    project: str
    cause: str

    @property
    def loop(self) -> tuple[str, ...]:
        """What the incidents of one loop have in common: what its circuit gates, and the circuit."""
        rule = self.circuit.partition(":")[0]
        if rule == SERVICE_DOWN:
            return self.project, self.circuit
        return (self.session, "" if rule in SESSION_RULES else self.agent, self.circuit)

    @property
    def calls(self) -> list[str]:
        return [printable_line(call) for call in only(list, self.row.get("calls"))]

    @property
    def spent(self) -> dict[str, int]:
        """Kind -> tokens used by the streak's requests, what is none left out; a lower bound."""
        said = only(dict, self.row.get("tokens"))
        known = {kind: said.get(kind) for kind in TOKENS}
        return {kind: count for kind, count in known.items() if type(count) is int and 0 <= count < 1e12}

    @property
    def tokens(self) -> int:
        """The same, all kinds together."""
        return sum(self.spent.values())

    @property
    def place(self) -> str:
        """Its project, session and subagent."""
        agent = f", subagent {self.agent}" if self.agent else ""
        session = f", session {self.session[:ID]}" if self.session else ""  # a reset of a service is in none
        return f"{with_tilde(self.project)}{session}{agent}"


def incidents(args: argparse.Namespace) -> int:
    """Print incidents since a time, of all or of one project, session, circuit; --follow prints new ones. Raises Refusal for unknown names."""
    found, where = matching(args, args.since, args.session), places_here(args.project)
    if args.follow:
        return _follow(args, found)
    if not found and not matching(args, 0.0, args.session):  # the names may be wrong
        operate.chosen_sessions(args, where, remembered(where))
        if args.circuit and args.circuit not in RULES:
            raise Refusal(f"no circuit is called {args.circuit}; `status --all` lists them.")
    answer(args.json, "\n".join(map(_as_text, found)), incidents=[_as_json(one) for one in found])
    if not found and not args.json:
        since = moment(args.since, "%Y-%m-%d %H:%M")
        print(f"No incidents since {since}. Look further back with --since 7d.", file=sys.stderr)
    return 0


def matching(args: argparse.Namespace, after: float, session: str | None = None) -> list[Incident]:
    """The incidents since `after` of the project and the circuit (or rule) in `args`, and of one session (see `incidents_since`)."""
    where = places_here(args.project)
    found = incidents_since(where, after, args.project is None, session or "")
    if args.project is not None and where.home == where.runtime:  # a home for all projects
        found = [one for one in found if one.project in ("", where.project)]
    return [one for one in found if args.circuit in (None, one.circuit, one.circuit.partition(":")[0])]


def _follow(args: argparse.Namespace, found: list[Incident]) -> int:
    """Print new incidents until Ctrl-C. Processes can write out of order, so printed lines are remembered."""
    seen: set[str] = set()
    while True:
        for one in found:
            if json.dumps(one.row, sort_keys=True) not in seen:
                print(json.dumps(_as_json(one)) if args.json else _as_text(one), flush=True)
        seen = {json.dumps(one.row, sort_keys=True) for one in found}
        last = found[-1].t if found else args.since
        time.sleep(LOOK_SECONDS)
        progress.end()  # that was no work
        found = matching(args, max(args.since, last - SLACK), args.session) or found


def _as_json(one: Incident) -> dict:
    kept = {key: value for key, value in one.row.items() if not isinstance(value, (list, dict))}
    kept = {key: printable_line(value) if isinstance(value, str) else value for key, value in kept.items()}
    texts = {key: getattr(one, key) or None for key in TEXTS}
    tokens = one.row.get("tokens") if one.tokens else {}
    return {**kept, **texts, "calls": one.calls, "tokens": tokens, "home": one.home}


def _as_text(one: Incident) -> str:
    """When and what, why, where and at what cost, the calls."""
    cost = f"; {one.tokens:,} tokens" if one.tokens else ""
    counts = Counter(one.calls).items()
    calls = ", ".join(call if count == 1 else f"{call} ({count} times)" for call, count in counts)
    lines = (f"{one.event:<10} {one.circuit}", one.cause, one.place + cost, calls and f"calls: {calls}")
    return f"{moment(one.t)}  " + "\n    ".join(filter(None, lines))


def incidents_since(
    where: Places, after: float, everywhere: bool = True, session: str = ""
) -> list[Incident]:
    """The incidents in the logs of all projects, or of that of `where`, since `after` (epoch seconds), oldest first. session: an id or
    its beginning. Lines that are no incidents are skipped."""
    logs = (one for home in (_homes(where) if everywhere else [where.home]) for one in _of_home(home, after))
    found = [one for one in progress.counted(logs, "incidents read") if one.session.startswith(session)]
    progress.end()
    return sorted(found, key=lambda incident: incident.t)


def _homes(where: Places) -> list[str]:
    """Every home with a log: this project's, those in the runtime folder, and those of the remembered sessions."""
    known = {where.home, where.runtime, *(one.session.home for one in remembered(where))}
    known.update(map(str, Path(where.runtime, "projects").glob("*")))
    return sorted(home for home in known if home and os.path.exists(f"{home}/{INCIDENTS}"))


def _of_home(home: str, after: float) -> Iterator[Incident]:
    name = Path(INCIDENTS)
    archived = sorted(Path(home, "archives", "telemetry").glob(f"{name.stem}.*{name.suffix}*"))
    for path in [*archived, Path(home, INCIDENTS)]:
        try:
            if files.last_written(str(path)) < after:
                continue
            data = files.read(str(path), 1 << 30) or b""
            lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
        except (OSError, EOFError, zlib.error):
            continue  # removed meanwhile, or not our file
        found = (parsed(line, home) for line in lines)
        yield from (one for one in found if one and one.t >= after)


def parsed(line: bytes, home: str) -> Incident | None:
    """The incident in a line of the log of `home`; None if it is none."""
    try:
        row = parse(line)
        t = float(row["t"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    if not isinstance(row.get("event"), str) or not 0 <= t < LATEST:
        return None
    return Incident(t, home, row, **{key: printable_line(row.get(key)) for key in TEXTS})


def printable_line(value: object) -> str:
    """A value from a log as one short line without control characters; "" if it is not text."""
    return shown(only(str, value), SHOWN)
