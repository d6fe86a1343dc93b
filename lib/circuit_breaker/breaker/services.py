"""The rule service_down: a service that cannot be reached is down for all sessions of the machine.

A service is an MCP server (of one project) or an outside host with its port. Only transport failures count: a closed or refused
connection, a timeout, a 5xx. An error from the tool itself is an answer.
"""

from __future__ import annotations

from circuit_breaker.breaker.breaker import cooldown
from circuit_breaker.breaker.model import FAILED, OK, Record
from circuit_breaker.identity.calls import is_outside, urls_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from circuit_breaker.breaker.model import Outcome

MCP, HOST = "mcp", "host"
FAILURES_MAX = 32
# How Claude Code reports a transport failure of an MCP server: a first line, after `MCP error -3200N: ` up to 2.1.197 and alone
# from 2.1.330 on; the words after `MCP server "NAME"`; the beginning for HTTP servers that answer with an error status, up to 197.
# JSON-RPC errors of a tool look different.
MCP_LINES = ("Connection closed", "Request timed out", "Request timeout")
MCP_SERVER = (" is not connected", " connection closed before ", " timed out", " transport dropped ", " ended with no answer", " never answered ", " sent no response ")  # fmt: skip
MCP_HTTP = ("Error POSTing to endpoint", "Streamable HTTP error: Error POSTing to endpoint")
# Transport failures of WebFetch, curl and wget (exit codes of curl: 7 refused, 28 timeout, 52 and 56 closed).
FETCH_TRANSPORT = (
    "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EPIPE", "socket hang up", "timeout of ", "status code 50", "status code 52",
    "Connection refused", "connection refused", "Connection timed out", "Connection reset", "curl: (7)", "curl: (28)",
    "curl: (52)", "curl: (56)", "returned error: 50", "returned error: 52", "ERROR 50", "ERROR 52",
)  # fmt: skip


class Service(Record):
    """What the machine knows of a service. `down_since`: 0.0 while it is up. Times are in epoch seconds."""

    name = ""
    kind = MCP
    failures: list[float] = []
    down_since = 0.0
    level = 0
    retry_at = 0.0
    probe = ""


class Contact(Record):
    """A call's contact with a service: it `answered`, or the transport failed."""

    kind = MCP
    name = ""
    answered = True
    call = ""


def endpoint(tool: str, tool_input: object) -> tuple[str, str]:
    """The service a call goes to: (MCP, server), (HOST, host:port), or ("", "") for none; loopback is none."""
    if tool.startswith("mcp__"):
        return (MCP, tool.split("__")[1]) if tool.count("__") >= 2 else ("", "")
    return _host_of(next(urls_of(tool, tool_input), ""))


def _host_of(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    if not rest:
        scheme, rest = "https", url
    for end in "/?#":
        rest = rest.partition(end)[0]
    rest = rest.rpartition("@")[2].lower()
    host, colon, port = rest.rpartition(":")
    if not colon or not port.isdigit():
        host, port = rest, "80" if scheme == "http" else "443"
    return (HOST, f"{host}:{port}") if is_outside(host) else ("", "")


def contacts(outcomes: Iterable[Outcome]) -> list[Contact]:
    """The contacts of a turn's calls. Calls that did not run have none."""
    found = []
    for outcome in outcomes:
        if outcome.kind not in (OK, FAILED):
            continue
        kind, name = endpoint(outcome.tool, outcome.input)
        failed = bool(kind) and transport_failed(kind, outcome.kind, outcome.text)
        if kind and not (failed and outcome.poll and kind == HOST):  # it waits for a server to start
            found.append(Contact(kind=kind, name=name, answered=not failed, call=outcome.id))
    return found


def transport_failed(service: str, kind: str, text: str) -> bool:
    """Whether a call failed in transport, by the beginning of its error. `service`: MCP or HOST; `kind`: its outcome."""
    if kind != FAILED:
        return False
    if service == MCP:
        first = text[:300].split("\n", 1)[0]
        if first.startswith("MCP server "):
            return any(words in first for words in MCP_SERVER)
        if first.startswith(("MCP error -32000: ", "MCP error -32001: ")):
            first = first[18:]
        return first in MCP_LINES or (first.startswith(MCP_HTTP) and "(HTTP 4" not in first)
    return any(words in text[:2000] for words in FETCH_TRANSPORT)


def failed(
    service: Service, call: str, rule: Mapping[str, Any], steps: Sequence[float], now: float
) -> Service:
    """The service after a transport failure: down at the threshold within the window; one level up after a failed probe."""
    base = rule["cooldown_base_seconds"]
    if service.down_since:
        if service.probe != call:
            return service  # an older call's late failure
        level = service.level + 1
        return service.but(level=level, retry_at=now + cooldown(base, level, steps), probe="")
    recent = [at for at in service.failures if abs(now - at) < rule["window_seconds"]] + [round(now, 3)]
    counted: Service = service.but(failures=recent[-FAILURES_MAX:])
    if len(recent) < rule["threshold"]:
        return counted
    return counted.but(down_since=recent[0], retry_at=now + cooldown(base, 0, steps))


def ask(
    service: Service, call: str, rule: Mapping[str, Any], steps: Sequence[float], now: float
) -> tuple[Service, float]:
    """Whether a call may use a service: (service, seconds to wait; 0.0 if it may).

    The first call after the cooldown is the probe for the whole machine; others wait for another cooldown.
    """
    if not service.down_since or (service.probe and service.probe == call):
        return service, 0.0
    length = cooldown(rule["cooldown_base_seconds"], service.level, steps)
    if service.retry_at > now + length:  # the clock was set back, or read before the probe's was
        service = service.but(retry_at=now + length)
    if now < service.retry_at:
        return service, float(service.retry_at - now)
    return service.but(probe=call, retry_at=now + length), 0.0
