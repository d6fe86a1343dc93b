"""What is the state of everything? Facts for `status` and /circuit-status, gathered read-only."""

from __future__ import annotations

import os
import time

from circuit_breaker.breaker import model
from circuit_breaker.breaker.config import RULES, Config, is_on
from circuit_breaker.breaker.memory import Session
from circuit_breaker.breaker.model import CLOSED, HALF_OPEN, OPEN
from circuit_breaker.runtime import files, incidents, json, services, store
from circuit_breaker.runtime.home import INCIDENTS, STATE, Places, safe_name
from circuit_breaker.words.sentences import cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from circuit_breaker.breaker.memory import Lane
    from circuit_breaker.breaker.model import Circuit
    from circuit_breaker.breaker.services import Service


RANK = {CLOSED: 0, HALF_OPEN: 1, OPEN: 2}
DAY = 86_400.0


def collect(where: Places, config: Config, now: float, session_id: str = "") -> dict[str, Any]:
    """The object of `status --json` without its "memory": circuits by rule, bypass, incidents, health.

    `session_id` limits the circuits to one session; "" takes all kept sessions of this home.
    """
    rules = {name: _empty_rule(config, name) for name in RULES}
    bypass: dict[str, Any] | None = None
    for folder, session, lanes in sessions(where, session_id):
        if session.bypass:
            bypass = {"session": folder, "prompt_id": session.bypass, "let_through": session.passed}
        for agent, circuits, tally in _memories(session, lanes):
            for name, circuit in circuits.items():
                del name
                rules[circuit.rule]["subjects"].append(_subject(circuit, folder, agent, now))
            for name, row in tally.items():
                if name in rules:
                    _add_tally(rules[name], row)
    for service in services.down(where):
        rules[services.RULE]["subjects"].append(_service(service, now))
    for rule in rules.values():
        rule["subjects"].sort(key=lambda s: (-RANK[s["state"]], s["subject"]))
        rule["state"] = max((s["state"] for s in rule["subjects"]), key=RANK.__getitem__, default=CLOSED)
    return {
        "schema": 1,
        "mode": config.mode,
        "enabled": config.enabled,
        "bypass_keyword": config.bypass_keyword,
        "home": where.home,
        "circuits": rules,
        "bypass": bypass,
        "incidents": _incidents(where, now),
        "health": _health(where, config),
    }


def sessions(where: Places, session_id: str = "") -> Iterator[tuple[str, Session, dict[str, Lane]]]:
    """(folder name, session, lanes) of the kept sessions of this home, or of the one named (an id or its beginning)."""
    try:
        names = sorted(os.listdir(where.sessions))
    except OSError:
        return
    wanted = safe_name(session_id) if session_id else ""
    for name in names:
        if wanted and name != wanted and not (len(session_id) >= 6 and name.startswith(session_id)):
            continue
        try:
            session, lanes = store.peek(where, name)
        except OSError:
            continue
        if session.home in ("", where.home) or wanted:
            yield name, session, lanes


def _memories(
    session: Session, lanes: dict[str, Lane]
) -> Iterator[tuple[str, dict[str, Circuit], dict[str, Any]]]:
    yield "", session.circuits, session.tally
    for name, lane in lanes.items():
        agent = "" if name == store.MAIN_FILE else name[len(store.AGENT_PREFIX) : -len(".json")]
        yield agent, lane.circuits, lane.tally


def _empty_rule(config: Config, name: str) -> dict[str, Any]:
    rule = config.rules[name]
    return {
        "state": CLOSED,
        "enabled": is_on(name, rule),
        "action": rule["action"],
        "threshold": rule.get("threshold"),
        "trips": 0,
        "count": 0,
        "subjects": [],
        "warned_at": None,
        "would_have_opened": 0,
    }


def _add_tally(rule: dict[str, Any], row: list[Any]) -> None:
    trips, warned_at, would, count = (*row, 0, 0, 0, 0)[:4]
    rule["trips"] += trips
    rule["would_have_opened"] += would
    rule["count"] = max(rule["count"], count)
    if warned_at:
        rule["warned_at"] = max(rule["warned_at"] or 0.0, warned_at)


def _subject(circuit: Circuit, folder: str, agent: str, now: float) -> dict[str, Any]:
    facts = incidents.facts(circuit)
    waiting = circuit.state != CLOSED and circuit.retry_at is not None
    return {
        "subject": circuit.subject,
        "state": circuit.state,
        "session": folder,
        "agent": agent or None,
        "level": circuit.level,
        "retry_at": facts["retry_at"] if circuit.state != CLOSED else None,
        "retry_in": round(min(max(0.0, circuit.retry_at - now), circuit.cooldown), 1) if waiting else None,
        "cause": cause(circuit),
        "count": circuit.count,
        "last_error": circuit.clip,
        "trial_out": bool(circuit.probe),
    }


def _service(service: Service, now: float) -> dict[str, Any]:
    """A service that is down, as the subject of its rule: it belongs to no session."""
    return {
        "subject": service.name,
        "state": HALF_OPEN if service.probe else OPEN,
        "session": "",
        "agent": None,
        "level": service.level,
        "retry_at": round(service.retry_at, 3),
        "retry_in": round(max(0.0, service.retry_at - now), 1),
        "cause": f"does not answer (its connection failed {len(service.failures)} times)",
        "count": len(service.failures),
        "last_error": "",
        "trial_out": bool(service.probe),
    }


def _incidents(where: Places, now: float) -> dict[str, int]:
    total = recent = 0
    try:
        data = files.read(f"{where.home}/{INCIDENTS}") or b""
    except OSError:
        data = b""
    for line in data.splitlines():
        total += 1
        try:
            row = json.parse(line)
            recent += isinstance(row, dict) and now - float(row.get("t", 0)) < DAY
        except (ValueError, TypeError):
            continue
    return {"total": total, "last_24h": recent}


def _health(where: Places, config: Config) -> dict[str, Any]:
    errors, last = 0, ""
    for path in (where.errors + ".1", where.errors):
        try:
            lines = (files.read(path) or b"").splitlines()
        except OSError:
            continue
        errors += len(lines)
        last = lines[-1].decode("utf-8", "replace") if lines else last
    try:
        state_bytes = os.lstat(f"{where.home}/{STATE}").st_size
    except OSError:
        state_bytes = 0
    return {
        "errors": errors,
        "last_error": last,
        "config_problems": list(config.problems),
        "weakened": list(config.weakened),
        "state_bytes": state_bytes,
    }


def reset(where: Places, config: Config, session_id: str, which: str) -> list[str]:
    """Close circuits ("" is all of them) of one session, or of all kept ones of this home; -> their names. On record."""
    from circuit_breaker.breaker.model import MAIN
    from circuit_breaker.breaker.policy import step

    closed = services.forget(where, which)
    now = time.time()
    for folder, _, lanes in list(sessions(where, session_id)):
        names = list(lanes) or [store.MAIN_FILE]
        for name in names:
            lane = MAIN if name == store.MAIN_FILE else name[len(store.AGENT_PREFIX) : -len(".json")]

            def decide(session: Session, memory: Lane, lane: str = lane) -> tuple[Session, Lane, Any]:
                session, memory, _, transitions = step(
                    session, memory, model.Reset(which=which), config, now, lane
                )
                return session, memory, transitions

            transitions, _ = store.update_folder(where, folder, name, decide)
            closed += [t.circuit for t in transitions if t.event == "reset"]
            if transitions:
                incidents.record(where, folder, transitions, config.bypass_keyword)
    return closed


def only(facts: dict[str, Any], which: str) -> dict[str, Any] | None:
    """The facts of one rule (its name) or one circuit (RULE:SUBJECT); None when there is none of that name."""
    rule, _, subject = which.partition(":")
    entry = facts["circuits"].get(rule)
    if entry is None:
        return None
    if not subject:
        return {**facts, "circuits": {rule: entry}}
    chosen = [s for s in entry["subjects"] if s["subject"] == subject]
    return {**facts, "circuits": {rule: {**entry, "subjects": chosen}}} if chosen else None
