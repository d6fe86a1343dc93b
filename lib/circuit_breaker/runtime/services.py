"""The services that are down, on disk for all sessions of the machine: a file each in R/services, under one lock.

While an MCP server is down, `armed/_any` has a line for it, which wakes all gates.
"""

from __future__ import annotations

from circuit_breaker.breaker.model import CLOSED, FOR_YOU, HALF_OPEN, OPEN, WARN, Notice, Transition
from circuit_breaker.breaker.services import HOST, MCP, Contact, Service, ask, endpoint, failed
from circuit_breaker.identity.keys import digest
from circuit_breaker.runtime import files, json, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.model import Ask
    from circuit_breaker.runtime.home import Places

FILE_MAX = 1 << 14
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
    transitions: list[Transition] = []
    for contact in contacts:
        if contact.answered and not files.exists(path_of(where, contact.kind, contact.name)):
            continue
        before, after = _contacted(where, contact, config, now)
        event, state, new_state = _event(before, after, contact)
        if not event:
            continue
        change = Transition(
            event=event,
            circuit=f"{RULE}:{contact.name}",
            at=now,
            lane=lane,
            before=state,
            after=new_state,
            reason={"probe": "probe_failed", "close": "answered"}.get(event, ""),
            count=len(after.failures or before.failures),
            facts={"since": after.down_since or before.down_since, "kind": contact.kind},
            level=after.level,
        )
        transitions.append(change)
        if event == "trip":
            seen = {
                "name": change.circuit,
                "subject": contact.name,
                "count": change.count,
                "facts": change.facts,
            }
            notices.append(Notice(kind=WARN, rule=RULE, **seen))
            notices.append(Notice(kind=FOR_YOU, reason=RULE, subject=contact.name))
    return notices, transitions


def _contacted(where: Places, contact: Contact, config: Config, now: float) -> tuple[Service, Service]:
    """The service before and after a contact, which is stored."""

    def noted(service: Service) -> Service:
        if contact.answered:
            return Service(name=contact.name, kind=contact.kind)
        return failed(service, contact.call, config.circuit_breakers[RULE], config.cooldown_steps, now)

    return _change(where, contact.kind, contact.name, noted)


def _event(before: Service, after: Service, contact: Contact) -> tuple[str, str, str]:
    """(event, state before, state after) of what a contact changed; empty texts for nothing."""
    if after.down_since and not before.down_since:
        return "trip", CLOSED, OPEN
    if after.down_since and after.level != before.level:
        return "probe", HALF_OPEN, OPEN
    if before.down_since and contact.answered:
        return "close", HALF_OPEN, CLOSED
    return "", "", ""


def down(where: Places) -> list[Service]:
    """The services that are down now. Files that cannot be read are left out."""
    folder = f"{where.runtime}/services"
    try:
        names = sorted(files.system.listdir(folder))
    except OSError:
        return []
    found = [_read(f"{folder}/{name}") for name in names if name.endswith(".json")]
    return [service for service in found if service.down_since]


def forget(where: Places, which: str) -> list[str]:
    """Your reset: close the services that `which` names ("": all). -> the names of their circuits."""
    closed = []
    for service in down(where):
        name = f"{RULE}:{service.name}"
        if not which or which in (name, RULE):
            _remove(where, service)
            closed.append(name)
    return closed


def _remove(where: Places, service: Service) -> None:
    folder = f"{where.runtime}/services"
    with files.Lock(f"{folder}/lock"):
        for name in files.system.listdir(folder):
            known = _read(f"{folder}/{name}") if name.endswith(".json") else None
            if known is not None and (known.kind, known.name) == (service.kind, service.name):
                files.remove(f"{folder}/{name}")
                store.keep_awake(where, {f"services/{name}": False})


def _change(
    where: Places, kind: str, name: str, change: Callable[[Service], Service]
) -> tuple[Service, Service]:
    """Read, change and write a service under the lock; its file is removed if nothing is left to remember. -> (before, after).

    Raises OSError.
    """
    path, folder = path_of(where, kind, name), f"{where.runtime}/services"
    files.folder(where.runtime)
    files.folder(folder)
    with files.Lock(f"{folder}/lock"):
        before = _read(path).but(kind=kind, name=name)
        after = change(before)
        line = f"services/{path.rpartition('/')[2]}"
        if after.down_since and kind == MCP:
            store.keep_awake(where, {line: True})
        if after.failures or after.down_since:
            if after != before:
                files.replace(path, json.dump(after.__dict__))
        else:
            files.remove(path)
            store.keep_awake(where, {line: False})
        return before, after


def _read(path: str) -> Service:
    """The service in a file; an empty one if the file is missing or not valid."""
    try:
        document = json.parse(files.read(path, FILE_MAX) or b"{}")
    except (OSError, ValueError):
        return Service()
    fields = Service.FIELDS
    if not isinstance(document, dict) or not set(document) <= set(fields):
        return Service()
    numbers = ("down_since", "level", "retry_at")
    for name, value in document.items():
        if not isinstance(value, (int, float) if name in numbers else type(fields[name])):
            return Service()
    if not all(isinstance(at, (int, float)) for at in document.get("failures", ())):
        return Service()
    return Service(**document)
