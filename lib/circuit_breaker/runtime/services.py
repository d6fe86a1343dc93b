"""The services that are down, on disk for all sessions of the machine: a file each in R/services, under one lock.

While an MCP server is down, `armed/_any` has a line for it, which wakes all gates.
"""

from __future__ import annotations

from circuit_breaker.breaker.config import Config, excludes, is_on
from circuit_breaker.breaker.model import OPENED, WARN, Ask, Notice, Transition, form_of
from circuit_breaker.breaker.service_down import MCP, RULE, Service, contacted, endpoint, is_stale, may_call
from circuit_breaker.runtime import files, store
from circuit_breaker.runtime.home import Places, slug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from circuit_breaker.breaker.service_down import Contact


SAID = {"trip": (WARN, OPENED), "warning": (WARN,)}  # the messages that come with an incident


def service_file(where: Places, kind: str, name: str) -> str:
    """The file of a service. MCP servers belong to a project, hosts to the machine."""
    owner = where.project if kind == MCP else ""
    return f"{where.runtime}/services/{slug(owner + chr(10) + name)}.json"


def outage(config: Config, kind: str) -> str:
    """What it is when a service is down: a trip (calls of an MCP server are denied), would_trip, a warning, or "" for nothing."""
    rule = config.circuit_breakers[RULE]
    if not is_on(RULE, rule) or rule["action"] == "observe":
        return ""
    if kind != MCP or rule["action"] == "warn":
        return "" if config.mode == "observe" else "warning"
    return "would_trip" if config.mode == "observe" else "trip"


def question(
    where: Places, event: Ask, config: Config, now: float, claim: bool = True
) -> tuple[Service | None, float]:
    """(the MCP server that a call uses, seconds until it may be tried) if it is down and the call is not the machine's probe, which it
    may `claim`; else (None, 0.0)."""
    kind, name = endpoint(event.tool, event.input)
    rule, path = config.circuit_breakers[RULE], service_file(where, kind, name)
    if outage(config, kind) != "trip" or excludes(config, event.tool, RULE) or not files.exists(path):
        return None, 0.0
    asked = (event.id, rule["cooldown_base_seconds"], config.cooldown_steps, now)
    if claim:
        known, _ = _change(where, kind, name, lambda service: may_call(service, *asked)[0])
    else:
        known = _known(where, kind, name)
    service, wait = may_call(known, *asked)
    return (service, wait) if wait else (None, 0.0)


def keep_contacts(
    where: Places, contacts: list[Contact], config: Config, now: float, lane: str
) -> tuple[list[Notice], list[Transition]]:
    """Store a turn's contacts with services. -> (messages, incidents)."""
    notices: list[Notice] = []
    transitions: list[Transition] = []
    for contact in contacts:
        path = service_file(where, contact.kind, contact.name)
        if contact.answered is not False and not files.exists(path):
            continue
        before, after = _contacted(where, contact, config, now)
        event = outage(config, contact.kind)
        # With the same `retry_at` it neither opened nor closed, and no probe failed.
        if not event or (before.live and event != "trip") or after.retry_at == before.retry_at:
            continue
        if before.live:
            event = "probe" if after.live else "close"
        reason = {"probe": "probe_failed", "close": "answered"}.get(event, "")
        changed = {"event": event, "reason": reason, "before": before.state, "after": after.state}
        length = {"level": after.level, "cooldown": after.cooldown}
        seen = after if after.live else before
        transitions.append(Transition.about(seen, at=now, lane=lane, **changed, **length))
        form = form_of(asks=config.circuit_breakers[RULE]["action"] == "ask")
        notices += [Notice.about(after, kind=kind, form=form) for kind in SAID.get(event, ())]
    return notices, transitions


def _contacted(where: Places, contact: Contact, config: Config, now: float) -> tuple[Service, Service]:
    """The service before and after a contact, which is stored."""
    known = (contact, config.circuit_breakers[RULE], config.cooldown_steps, now)
    return _change(where, contact.kind, contact.name, lambda service: contacted(service, *known))


def down(where: Places, projects: set[str] | None = None) -> dict[str, Service]:
    """The MCP servers of these projects (None: of all) that are down now, by the paths of their files. Files that cannot be read are
    left out."""
    found = {path: one for path, one in _all(where).items() if one and one.live and one.kind == MCP}
    return {path: one for path, one in found.items() if projects is None or one.project in projects}


def forget(where: Places, which: str, projects: set[str] | None) -> list[Service]:
    """Your reset: close the servers of these projects (None: of all) that `which` names ("": all). -> what they were."""
    closed = {path: one for path, one in down(where, projects).items() if which in ("", one.name, RULE)}
    for path in closed:
        with files.Lock(f"{where.runtime}/services/lock"):
            _remove(where, path)
    return [*closed.values()]


def tidy(where: Places, config: Config, now: float) -> None:
    """Forget the services of which nothing that counts is known, and lines in the shared marker without a service. Raises OSError."""
    folder, window = f"{where.runtime}/services", config.circuit_breakers[RULE]["window_seconds"]
    if not files.exists(folder):
        return
    with files.Lock(f"{folder}/lock"):
        for path, service in _all(where).items():
            if service is None or is_stale(service, window, now):
                files.remove(path)
        lines = store.marker_lines(f"{where.armed}/{store.ARMED_ANY}")
        ours = [line for line in lines if line.startswith("services/")]
        store.keep_awake(where, {line: files.exists(f"{where.runtime}/{line}") for line in ours})


def _all(where: Places) -> dict[str, Service | None]:
    """The services by the paths of their files; None for a file that cannot be read."""
    folder = f"{where.runtime}/services"
    paths = [f"{folder}/{name}" for name in files.names(folder) if name.endswith(".json")]
    return {path: store.valid_memory(path, Service) for path in paths}


def _remove(where: Places, path: str) -> None:
    files.remove(path)
    store.keep_awake(where, {_line(path): False})


def _line(path: str) -> str:
    """The line in the shared marker for a service's file."""
    return f"services/{path.rpartition('/')[2]}"


def _change(
    where: Places, kind: str, name: str, change: Callable[[Service], Service]
) -> tuple[Service, Service]:
    """Read, change and write a service under the lock; its file is removed if nothing is left to remember. -> (before, after).

    Raises OSError.
    """
    path, folder = service_file(where, kind, name), f"{where.runtime}/services"
    files.make_folder(where.runtime, folder)
    with files.Lock(f"{folder}/lock"):
        before = _known(where, kind, name)
        after = change(before)
        if after.live and kind == MCP:
            store.keep_awake(where, {_line(path): True})
        if not after.failures:
            _remove(where, path)
        elif after != before:
            files.replace(path, store.encode(after))
        return before, after


def _known(where: Places, kind: str, name: str) -> Service:
    """What is known of a service."""
    owner = {"project": where.project, "home": where.home} if kind == MCP else {}
    known = store.valid_memory(service_file(where, kind, name), Service)
    return known or Service(kind=kind, subject=name, **owner)
