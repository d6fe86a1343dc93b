"""The rule service_down: a service that cannot be reached is down for all sessions of the machine.

A service is an MCP server (of one project) or an outside host with its port. Only transport failures count: a closed or refused
connection, a timeout, a 5xx. An error from the tool itself is an answer.
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker
from circuit_breaker.breaker.config import DAY
from circuit_breaker.breaker.model import FAILED, HALF_OPEN, OK, Circuit, Outcome, Record
from circuit_breaker.identity import calls, labels
from circuit_breaker.shell import shell_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RULE = "service_down"
MCP, HOST = "mcp", "host"
FORGOTTEN_AFTER = DAY  # without a contact: a server that was down may be gone for good
# How Claude Code reports a transport failure of an MCP server: a first line, after `MCP error -3200N: ` up to 2.1.197 and alone
# from 2.1.330 on; the words after `MCP server "NAME"`; the beginning for HTTP servers that answer with an error status, up to 197.
# JSON-RPC errors of a tool look different.
MCP_LINES = ("Connection closed", "Request timed out", "Request timeout")
MCP_SERVER = (" is not connected", " connection closed before ", " timed out", " transport dropped ", " ended with no answer", " never answered ", " sent no response ")  # fmt: skip
MCP_HTTP = ("Error POSTing to endpoint", "Streamable HTTP error: Error POSTing to endpoint")
# Transport failures of curl: 7 refused, 28 timeout, 52 and 56 closed. With -s it says no more than the exit code.
CURL_CODES = (7, 28, 52, 56)
CURL_LINES = tuple([f"\ncurl: ({code})" for code in CURL_CODES])
SILENT_CURL = tuple([f"Exit code {code}" for code in CURL_CODES])
# Transport failures of WebFetch, curl and wget.
FETCH_TRANSPORT = (
    "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EPIPE", "socket hang up", "timeout of ", "status code 50", "status code 52",
    "Connection refused", "connection refused", "Connection timed out", "Connection reset", "returned error: 50",
    "returned error: 52", "ERROR 50", "ERROR 52", *CURL_LINES,
)  # fmt: skip


class Service(Circuit):
    """What is known of a service; as long as that is nothing, only the first four fields."""

    rule = RULE
    kind = MCP
    project = home = ""  # of a server: its project and that one's home; hosts belong to none
    failures: list[float] = []  # epoch seconds of the last ones


class Contact(Record):
    """A call's contact with a service."""

    kind = MCP
    name = ""
    call = ""
    label = ""  # of the call, if the transport failed
    answered: Any = True  # False: the transport failed; None: the call says nothing about the service


def endpoint(tool: str, tool_input: object) -> tuple[str, str]:
    """The service a call goes to: (MCP, server), (HOST, host:port), or ("", "") for none; loopback is none."""
    if tool.startswith("mcp__"):
        return MCP, calls.service(tool, tool_input)
    host, port = calls.host_of("".join(calls.urls_of(tool, tool_input)[:1]))
    return (HOST, f"{host}:{port}") if host else ("", "")


def contacts(outcomes: list[Outcome], bypassed: bool = False) -> list[Contact]:
    """The contacts of calls. A call that did not run to its end, or failed under your bypass, may have been its server's probe."""
    found = []
    for outcome in outcomes:
        kind, name = endpoint(outcome.tool, outcome.input)
        answered = _has_answered(kind, outcome) if kind and outcome.kind in (OK, FAILED) else None
        if answered is False and (bypassed or (outcome.poll and kind == HOST)):  # it waits for it to start
            answered = None
        if kind == MCP or (kind and answered is not None):  # hosts have no probe to give back
            label = labels.label(outcome.tool, outcome.input) if answered is False else ""
            found.append(Contact(kind=kind, name=name, call=outcome.id, label=label, answered=answered))
    return found


def _has_answered(kind: str, outcome: Outcome) -> bool | None:
    """Whether the service of a call that ran has answered. None if that is unknown: the exit code is another command's, or
    nothing was said."""
    line, _ = shell_line.essence(calls.shell_command(outcome.tool, outcome.input), "")
    hides = any(segment.joint not in ("", "&&") for segment in line)
    first, _, said = outcome.text[:2000].partition("\n")
    if outcome.kind == OK:
        failed = any(words in f"\n{first}\n{said}" for words in CURL_LINES)
        return (False if failed else None) if hides else True
    if transport_failed(kind, outcome.text):
        return False
    if kind == HOST and first in SILENT_CURL:
        return None if len(line) > 1 else False
    silent = first.startswith("Exit code ") and not said.strip() and first != "Exit code 22"  # 4xx or 5xx
    unknown = first.startswith("curl: (") or "\ncurl: (" in f"\n{said}"  # no name, no handshake ...
    return None if hides or silent or (unknown and "curl: (22)" not in outcome.text[:2000]) else True


def transport_failed(kind: str, text: str) -> bool:
    """Whether a call failed in transport, by the beginning of its error. `kind`: MCP or HOST."""
    first = text[:300].split("\n", 1)[0]
    if kind == MCP:
        if first.startswith("MCP server "):
            return any(words in first for words in MCP_SERVER)
        if first.startswith(("MCP error -32000: ", "MCP error -32001: ")):
            first = first[18:]
        return first in MCP_LINES or (first.startswith(MCP_HTTP) and "(HTTP 4" not in first)
    return any(words in f"\n{text[:2000]}" for words in FETCH_TRANSPORT)


def contacted(
    service: Service, contact: Contact, rule: dict[str, Any], steps: list[float], now: float
) -> Service:
    """The service after a contact: up with an answer, down at the threshold of failures within the window. A probe that failed takes it
    one level up, one that says nothing is given back. An older call may fail late."""
    base = rule["cooldown_base_seconds"]
    if contact.answered:
        owner = {"project": service.project, "home": service.home}
        return Service(kind=service.kind, subject=service.subject, **owner)
    silent = contact.answered is None
    if service.state == HALF_OPEN and service.probe == contact.call:
        return breaker.release(service, ran=False) if silent else breaker.fail(service, now, base, steps)
    if service.live or silent:
        return service
    times = [at for at in service.failures if abs(now - at) < rule["window_seconds"]]
    times = [*times, round(now, 3)][-rule["threshold"] :]
    labelled = [*service.calls, contact.label][-len(times) :]
    counted = service.but(count=len(times), calls=labelled, failures=times, facts={"since": times[0]})
    return breaker.trip(counted, now, base, steps) if len(times) >= rule["threshold"] else counted


def is_stale(service: Service, window: float, now: float) -> bool:
    """Whether the last thing known against a service is too old to count."""
    length = FORGOTTEN_AFTER if service.live and service.kind == MCP else window
    opened, claimed = service.retry_at - service.cooldown, service.lease - service.leased
    return abs(now - max(service.failures[-1], opened, claimed)) >= length


def may_call(
    service: Service, call: str, base: float, steps: list[float], now: float
) -> tuple[Service, float]:
    """Whether a call may use a service: (service, seconds to wait; 0.0 if it may). The first call after the cooldown is the probe for the
    whole machine; others wait for another cooldown."""
    length = breaker.cooldown(base, service.level, steps)
    service, refusal = breaker.admit(service, call, now, length)
    until = service.lease if refusal == breaker.TAKEN else service.retry_at
    return service, min(until - now, length) if refusal else 0.0
