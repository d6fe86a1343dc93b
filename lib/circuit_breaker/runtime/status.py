"""The state of all circuits as facts for `status` and /circuit-status, and the reset of circuits."""

from __future__ import annotations

import os
import time

from circuit_breaker.breaker.config import DAY, RULES, Config, is_on
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import CLOSED, HALF_OPEN, MAIN, OPEN, Circuit, Reset, Transition
from circuit_breaker.runtime import (
    claude_folder,
    config_change,
    files,
    frozen,
    health,
    home,
    incidents,
    services,
    store,
)
from circuit_breaker.runtime.home import INCIDENTS, STATE, Places, safe_name
from circuit_breaker.runtime.json import object_of, parse
from circuit_breaker.words.status import not_reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


RANK = {CLOSED: 0, HALF_OPEN: 1, OPEN: 2}
PREFIX_MIN = 4  # characters of a session's id that are enough to name it


class Kept:
    """A session on disk. `name`: its folder, mostly its id; `lanes`: agent -> Lane; `seen`: last write of its hooks (epoch seconds)."""

    def __init__(self, name: str, session: Session, lanes: dict[str, Lane], seen: float) -> None:
        self.name, self.session, self.lanes, self.seen = name, session, lanes, seen
        self.ended = False  # set by `mark_ended`


def sessions_on_disk(where: Places, names: Iterable[str] | None = None) -> list[Kept]:
    """The sessions on disk of all projects, or those with these names."""
    found = []
    for name in files.names(where.sessions) if names is None else names:
        try:
            session, lanes = store.peek(where, name)
            found.append(Kept(name, session, lanes, _written(f"{where.sessions}/{name}")))
        except OSError:
            continue
    return found


def sessions_named(kept: Iterable[Kept], session_id: str) -> list[Kept]:
    """The sessions whose id is or begins with `session_id`."""
    begins = session_id if len(session_id) >= PREFIX_MIN else "/"
    return [one for one in kept if one.name == safe_name(session_id) or one.name.startswith(begins)]


def _written(folder: str) -> float:
    with os.scandir(folder) as listing:
        return max((entry.stat().st_mtime for entry in listing if entry.name.endswith(".json")), default=0.0)


def of_project(kept: Iterable[Kept], where: Places) -> list[Kept]:
    """The sessions of the project of `where`. (CIRCUIT_BREAKER_HOME is one home for all projects.)"""
    here = [one for one in kept if one.session.home in ("", where.home)]
    return [one for one in here if one.session.project in ("", where.project)]


def places_of(one: Kept, where: Places) -> Places:
    """The places of a session's own project."""
    return where.elsewhere(one.session.home or where.home, one.session.project or where.project)


def mark_ended(kept: Iterable[Kept], env: home.Environment, now: float) -> None:
    """Set `ended` of each session (see claude_folder.has_ended)."""
    running = claude_folder.listed_sessions(env)
    for one in kept:
        one.ended = claude_folder.has_ended(one.name, one.seen, running, now)


def collect(where: Places, config: Config, now: float, kept: list[Kept], projects: set[str] | None) -> dict:
    """The object of `status --json` without "memory" and "protection": circuits by rule, bypass, incidents, health.

    `kept`: its sessions; `projects`: those whose services it shows, None for all.
    """
    down = services.down(where, projects) if services.outage(config, services.MCP) == "trip" else {}
    found = [{**_subject(one, now), "project": one.project} for one in down.values()]
    found += circuits(kept, now)
    tallies = [memory.tally for one in kept for _, memory in store.memories(one.session, one.lanes)]
    bypasses = [
        {"session": one.name, "prompt_id": one.session.bypass, "let_through": one.session.passed}
        for one in kept
        if one.session.bypass and one.session.bypass == one.session.prompt and not one.ended
    ]
    return {
        "schema": 1,
        "mode": config.mode,
        "enabled": config.enabled,
        "bypass_keyword": config.bypass_keyword,
        "home": where.home,
        "circuits": {name: _rule(config, name, found, tallies) for name in RULES},
        "bypass": bypasses[-1] if bypasses else None,
        "incidents": _incidents(where, now),
        "health": _health(where, config),
        "held_back": [
            {"t": at, "file": path} for at, path in config_change.pending([one.session for one in kept])
        ],
        "config_changed": [one.name for one in kept if frozen.differs(one.session, places_of(one, where))],
    }


def circuits(kept: Iterable[Kept], now: float) -> list[dict]:
    """The circuits of these sessions, as `collect` shows them."""
    found: list[dict] = []
    for one in kept:
        whose = {
            "session": one.name,
            "project": one.session.project,
            "ended": one.ended,
            "seen": round(one.seen, 3),
        }
        for agent, memory in store.memories(one.session, one.lanes):
            theirs = [_subject(circuit, now) for circuit in memory.circuits.values()]
            found += [{**circuit, **whose, "agent": agent or None} for circuit in theirs]
    return found


def cannot_block(where: Places, config: Config) -> tuple[str, str]:
    """(why, fix) if hooks run but nothing can be blocked; else ("", "")."""
    why = health.write_fault(where)
    if why:
        return why, health.FIX
    if not config.enabled:
        return "`enabled` is false in the configuration", "circuit-breaker config show --origin"
    return "", ""


def _rule(config: Config, name: str, found: list[dict], tallies: list[dict[str, dict[str, float]]]) -> dict:
    """A rule's settings, its circuits among those that were found, and what it has done."""
    rule = config.circuit_breakers[name]
    subjects = [one for one in found if one["rule"] == name]
    done = [tally[name] for tally in tallies if name in tally]
    return {
        "state": max((one["state"] for one in subjects), key=RANK.__getitem__, default=CLOSED),
        "enabled": is_on(name, rule),
        "action": rule["action"],
        "threshold": rule.get("threshold"),
        "trips": sum(tally["trips"] for tally in done)
        + sum(one["trips"] for one in subjects if not one["session"]),
        "count": max((tally["count"] for tally in done), default=0),
        "subjects": sorted(subjects, key=lambda one: (-RANK[one["state"]], one["subject"])),
        "warned_at": max((tally["warned_at"] for tally in done), default=0.0) or None,
        "would_have_opened": sum(tally["would"] for tally in done),
    }


def _subject(circuit: Circuit, now: float) -> dict:
    facts = incidents.as_object(circuit)
    waiting = circuit.live and circuit.retry_at is not None
    return {
        **facts,
        "session": "",
        "agent": None,
        "retry_at": facts["retry_at"] if circuit.live else None,
        "retry_in": round(min(max(0.0, circuit.retry_at - now), circuit.cooldown), 1) if waiting else None,
        "last_error": circuit.clip,
        "probe_out": bool(circuit.probe),
    }


def _incidents(where: Places, now: float) -> dict[str, int]:
    """The number of incidents in this home's log: in total and in the last 24 h."""
    lines = _lines(f"{where.home}/{INCIDENTS}")
    recent = 0
    for line in reversed(lines):
        try:
            if now - float(parse(line)["t"]) >= DAY:
                break
        except (ValueError, TypeError, KeyError, OverflowError):
            continue
        recent += 1
    return {"total": len(lines), "last_24h": recent}


def _lines(log: str) -> list[bytes]:
    try:
        return (files.read(log, 1 << 28) or b"").splitlines()
    except OSError:
        return []


def _health(where: Places, config: Config) -> dict:
    errors = [*_lines(where.errors + ".1"), *_lines(where.errors)]
    last = errors[-1] if errors else b""
    return {
        "errors": len(errors),
        "last_error": str(object_of(last).get("error", last.decode("utf-8", "replace"))),
        "config_problems": list(config.problems),
        "weakened": list(config.weakened),
        "state_bytes": files.size_of(f"{where.home}/{STATE}"),
    }


def reset_circuits(
    where: Places, kept: Iterable[Kept], which: str, projects: set[str] | None
) -> tuple[list[tuple[str, Kept | str]], list[str]]:
    """Close the circuits that `which` names ("": all) in the `kept` sessions, each under its own rules, and of the services of
    `projects` (None: of all); recorded.

    -> ([(circuit, its session or a service's project), ...], [why a session could not be reset, ...]).
    """
    closed: list[tuple[str, Kept | str]] = []
    homes: dict[str, Places] = {}
    now, failed = time.time(), []
    try:
        servers = services.forget(where, which, projects)
    except OSError as error:  # go on with the sessions
        servers = []
        failed.append(f"Not reset: servers that are down ({files.reason(error)}); try again.")
    try:
        for service in servers:
            theirs = where.elsewhere(service.home, service.project)
            homes[theirs.home] = theirs
            change = Transition.about(service, event="reset", reason="reset", before=service.state, at=now)
            incidents.record(theirs, "", [change], home.configuration(theirs, {}))
            closed.append((service.name, theirs.project))
        for one in kept:
            theirs = places_of(one, where)
            homes[theirs.home] = theirs
            config = frozen.rules(theirs, one.name, home.configuration(theirs, {}))
            try:
                for agent in list(one.lanes) or [MAIN]:
                    changes = _reset_lane(theirs, config, one.name, agent, which, now)
                    closed += [(change.name, one) for change in changes if change.event == "reset"]
                    if changes:
                        incidents.record(theirs, one.name, changes, config)
            except OSError as error:  # go on with the other sessions
                failed.append(not_reset(one.name, error))
    finally:  # once a home, since that reads every armed session; also where a killed reset did not get so far
        for theirs in homes.values():
            if files.exists(f"{theirs.home}/{STATE}"):
                incidents.show(theirs)
    return closed, failed


def _reset_lane(
    where: Places, config: Config, session_id: str, agent: str, which: str, now: float
) -> list[Transition]:
    from circuit_breaker.breaker.policy import step

    def decide(session: Session, lane: Lane) -> tuple[Session, Lane, list[Transition]]:
        session, lane, decision = step(session, lane, Reset(which=which), config, now, agent)
        if session.frozen:
            session = frozen.freeze(session, lane, agent, config, where, session_id)
        return session, lane, decision.transitions

    return store.amend(where, session_id, agent, decide)


def only_circuit(facts: dict, which: str | None) -> dict | None:
    """The facts of one rule (its name) or circuit (RULE:SUBJECT) only, without `which` of all; None if there is none."""
    if not which:
        return facts
    rule, _, subject = which.partition(":")
    entry = facts["circuits"].get(rule)
    if entry is None:
        return None
    if not subject:
        return {**facts, "circuits": {rule: entry}}
    chosen = [s for s in entry["subjects"] if s["subject"] == subject]
    return {**facts, "circuits": {rule: {**entry, "subjects": chosen}}} if chosen else None
