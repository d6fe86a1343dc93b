"""The services that are down, on disk for all sessions of the machine: a file each in R/services, under one lock.

While an MCP server is down, `armed/_any` has a line for it, which wakes all gates.
"""

from __future__ import annotations

from circuit_breaker.breaker.model import CLOSED, FOR_YOU, HALF_OPEN, OPEN, WARN, Notice, Transition
from circuit_breaker.breaker.services import HOST, MCP, Contact, Service, ask, endpoint, failed
from circuit_breaker.identity.keys import digest
from circuit_breaker.runtime import files, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.model import Ask
    from circuit_breaker.runtime.home import Places

RULE = "service_down"


def path_of(where: Places, kind: str, name: str) -> str:
    """The file of a service. MCP servers belong to a project, hosts to the machine."""
    owner = "" if kind == HOST else where.project
    return f"{where.runtime}/services/{digest(owner + chr(10) + name)}.json"


def question(where: Places, event: Ask, config: Config, now: float) -> None:
    """Set `event.down` and `event.wait` if a call uses an MCP server that is down and is not the machine's probe."""
    rule = config.circuit_breakers[RULE]
    if config.mode == "observe" or not rule["enabled"] or rule["action"] not in ("block", "ask"):
        return
    kind, name = endpoint(event.tool, event.input)
    if kind != MCP or not files.exists(path_of(where, kind, name)):
        return

    def asked(service: Service) -> Service:
        service, event.wait = ask(service, event.id, rule, config.cooldown_steps, now)
        event.down = service if event.wait else None
        return service

    _change(where, kind, name, asked)


def settle(
    where: Places, contacts: Sequence[Contact], config: Config, now: float, lane: str
) -> tuple[list[Notice], list[Transition]]:
    """Store a turn's contacts with services. -> (messages, incidents)."""
    notices: list[Notice] = []
    found = [_met(where, contact, config, now, lane) for contact in contacts]
    changes = [change for change in found if change is not None]
    for change in changes:
        if change.event == "trip":
            name = change.circuit.partition(":")[2]
            seen = {"name": change.circuit, "subject": name, "count": change.count, "facts": change.facts}
            notices.append(Notice(kind=WARN, rule=RULE, **seen))
            notices.append(Notice(kind=FOR_YOU, reason=RULE, subject=name))
    return notices, changes


def _met(where: Places, contact: Contact, config: Config, now: float, lane: str) -> Transition | None:
    """Store a contact. -> its incident, None for nothing."""
    if contact.answered and not files.exists(path_of(where, contact.kind, contact.name)):
        return None

    def noted(service: Service) -> Service:
        if contact.answered:
            return Service(name=contact.name, kind=contact.kind)
        return failed(service, contact.call, config.circuit_breakers[RULE], config.cooldown_steps, now)

    before, after = _change(where, contact.kind, contact.name, noted)
    known = after if after.down_since else before
    if after.down_since and not before.down_since:
        change = Transition(event="trip", before=CLOSED, after=OPEN)
    elif after.down_since and after.level != before.level:
        change = Transition(event="probe", before=HALF_OPEN, after=OPEN, reason="probe_failed")
    elif before.down_since and contact.answered:
        change = Transition(event="close", before=HALF_OPEN, after=CLOSED, reason="answered")
    else:
        return None
    change.circuit, change.lane, change.at, change.level = f"{RULE}:{contact.name}", lane, now, after.level
    change.count, change.facts = len(known.failures), {"since": known.down_since, "kind": contact.kind}
    return change


def down(where: Places) -> list[Service]:
    """The services that are down now. Files that cannot be read are left out."""
    return [service for service in _stored(where).values() if service.down_since]


def _stored(where: Places) -> dict[str, Service]:
    """File name -> service."""
    folder = f"{where.runtime}/services"
    try:
        names = sorted(files.system.listdir(folder))
    except OSError:
        return {}
    return {name: _read(f"{folder}/{name}") for name in names if name.endswith(".json")}


def forget(where: Places, which: str) -> list[str]:
    """Your reset: close the services that `which` names ("": all). -> the names of their circuits."""
    closed: list[str] = []
    if not down(where):
        return closed
    with files.Lock(f"{where.runtime}/services/lock"):
        for file, service in _stored(where).items():
            name = f"{RULE}:{service.name}"
            if service.down_since and which in ("", RULE, name):
                files.remove(f"{where.runtime}/services/{file}")
                store.keep_awake(where, {f"services/{file}": False})
                closed.append(name)
    return closed


def _change(
    where: Places, kind: str, name: str, change: Callable[[Service], Service]
) -> tuple[Service, Service]:
    """Read, change and write a service under the lock; its file is removed if nothing is left to remember. -> (before, after).

    Raises OSError.
    """
    path, folder = path_of(where, kind, name), f"{where.runtime}/services"
    files.folder(where.runtime, folder)
    with files.Lock(f"{folder}/lock"):
        before = _read(path).but(kind=kind, name=name)
        after = change(before)
        line = f"services/{path.rpartition('/')[2]}"
        if after.down_since and kind == MCP:
            store.keep_awake(where, {line: True})
        if after.failures or after.down_since:
            if after != before:
                files.replace(path, store.encode(after))
        else:
            files.remove(path)
            store.keep_awake(where, {line: False})
        return before, after


def _read(path: str) -> Service:
    """The service in a file; an empty one if the file is missing or not valid."""
    try:
        return store.read(path, Service) or Service()
    except (OSError, ValueError):
        return Service()
