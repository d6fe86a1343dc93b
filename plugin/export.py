"""The verb `export otlp`: sends incidents to a collector, as OpenTelemetry log events and counters.

If `export.otlp` is on, hooks append incidents to a spool file. This verb sends what follows its cursors (of the log events, of the
counters) in batches, and moves one after each request that the collector accepted. Hooks send nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import incidents
from incidents import Incident
from install.bundle import pip_install
from shared import ROOT, Refusal, how_to_call, places_here, progress, version

from circuit_breaker.runtime import files, home, packages
from circuit_breaker.runtime.json import object_in, only
from circuit_breaker.words.texts import number

LOCK = "lib/requirements-otlp.lock"
PIP_SECONDS = 300
BATCH = 200  # incidents per request
PARTS = ("logs", "metrics")  # each has a cursor; methods of Sender
TIMEOUT = 5.0  # seconds for a request
SERVICE = "claude-circuit-breaker"
TEST = {"event": "test", "circuit": "test:export", "cause": "sent by `circuit-breaker export otlp --test`"}
# Incident event -> the counter that counts it.
COUNTED = {"trip": "trips", "probe": "probes", "ending": "stops", "bypass": "bypasses", "warning": "warnings"}
LARGEST = 2**63 - 1  # of the numbers that a collector can take
LOOPS_MAX = 500  # loops whose counted tokens are remembered
Spent = dict[str, dict[str, int]]  # loop -> kind -> its tokens that are counted already


class NotAccepted(Exception):
    """Raised if the collector did not accept a request."""


def export(args: argparse.Namespace) -> int:
    """Send the incidents that are not sent yet; with --test one test event, with --since those in the logs."""
    where = places_here()
    packages_folder = f"{where.runtime}/packages/otlp-{sys.version_info[0]}.{sys.version_info[1]}"
    if args.install:
        files.make_folder(where.runtime)
        progress(f"installing with pip (at most {PIP_SECONDS} s) ...", at_once=True)
        why = pip_install(ROOT / LOCK, Path(packages_folder), PIP_SECONDS)
        progress.end()
        if why:
            raise Refusal(f"the packages could not be installed: {why}")
        print(f"Installed the OpenTelemetry packages into {packages_folder}")
        return 0
    endpoint = (args.endpoint or home.configuration(where, os.environ).export["endpoint"]).rstrip("/")
    if not endpoint:
        hint = f"name one with --endpoint URL, or `{how_to_call()} config set export.endpoint URL`"
        raise Refusal(f"no collector: {hint}", 2)
    if not endpoint.startswith(("http://", "https://")):
        raise Refusal(f"{endpoint} is no address of a collector: it begins with http:// or https://", 2)
    try:
        progress(f"sending to {endpoint} ...", at_once=True)
        sent = _sent(args, where, Sender(endpoint, packages_folder))
    except ImportError as error:
        hint = f"Install them: {how_to_call()} export otlp --install"
        raise Refusal(f"the OpenTelemetry packages are missing ({error.name}). {hint}") from None
    except TimeoutError:
        raise Refusal("another export is running") from None
    except NotAccepted:
        hint = "Nothing is lost: run it again when the collector answers."
        raise Refusal(f"{endpoint} gave no answer, or one that is no success. {hint}") from None
    finally:
        progress.end()
    print(sent)
    return 0


def _sent(args: argparse.Namespace, where: home.Places, sender: Sender) -> str:
    """Send what was asked for. Returns what was sent, in words."""
    if args.test:
        row = json.dumps({**TEST, "t": time.time()}).encode()
        sender.logs([one for one in [incidents.parsed(row, where.home)] if one])
        return f"Sent one test event to {sender.endpoint}/v1/logs"
    if args.since:
        found = incidents.incidents_since(where, args.since)
        for begin in range(0, len(found), BATCH):
            for part in PARTS:
                getattr(sender, part)(found[begin : begin + BATCH])
        return f"Sent {number(len(found), 'incident')} to {sender.endpoint}"
    spool = Spool(where.runtime)
    with packages.lock(f"{spool.folder}/lock"):
        sent = spool.drain(sender)
    return f"Sent {number(sent, 'incident')} to {sender.endpoint}" if sent else "Nothing to send"


class Spool:
    """R/export: `spool.jsonl` (one incident per line, appended by hooks) and `cursor.json` (how much of it was accepted). The cursor
    outlives its spool: it knows the next one by its first line, and what was counted of loops that go on."""

    def __init__(self, runtime: str) -> None:
        self.folder = f"{runtime}/export"
        self.path, self.cursor = f"{self.folder}/spool.jsonl", f"{self.folder}/cursor.json"
        files.make_folder(runtime, self.folder)

    def drain(self, sender: Sender) -> int:
        """Send what follows each part's cursor. Returns the number of incidents. Raises NotAccepted; accepted batches stay accepted."""
        at, sent = self._cursors(), dict.fromkeys(PARTS, 0)
        sender.counted = at["counted"]
        for part in PARTS:
            found, end = self._read(at[part])
            while end > at[part]:
                getattr(sender, part)(found)
                sent[part], at[part] = sent[part] + len(found), end
                files.replace(self.cursor, json.dumps(at).encode())
                found, end = self._read(end)
        accepted = min(at[part] for part in PARTS)
        # a spool that was accepted completely ends; a hook that is writing to it is waited for
        with contextlib.suppress(FileNotFoundError), files.Lock(f"{self.path}.lock"):
            if accepted and os.stat(self.path).st_size == accepted:
                os.remove(self.path)
        return max(sent.values())

    def _cursors(self) -> dict[str, Any]:
        """Each part's offset of its next line to send; `spool`: the checksum of that spool's first line; `counted`: see Sender."""
        known, first, size = object_in(self.cursor), b"", 0
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as spool:
            first, size = spool.readline(), os.fstat(spool.fileno()).st_size
        mark = hashlib.sha256(first).hexdigest()
        fits = known.get("spool") == mark and all(known.get(part) in range(size + 1) for part in PARTS)
        begun = known if fits else dict.fromkeys(PARTS, 0)
        return {**begun, "spool": mark, "counted": only(dict, known.get("counted"))}

    def _read(self, at: int) -> tuple[list[Incident], int]:
        """(incidents in up to BATCH whole lines from offset `at`, offset of the next line). Lines that are none are skipped."""
        found: list[Incident] = []
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as spool:
            spool.seek(at)
            for _ in range(BATCH):
                line = spool.readline()
                if not line.endswith(b"\n"):
                    break  # the last line is still being written
                at += len(line)
                one = incidents.parsed(line, "")
                found += [one] if one else []
        return found, at


class Sender:
    """The official SDK and its OTLP/HTTP exporters, from the folder of packages if it exists. Raises ImportError without them. counted:
    the tokens of loops that were counted before."""

    def __init__(self, endpoint: str, folder: str) -> None:
        if os.path.isdir(folder):
            sys.path.insert(0, folder)
        import logging

        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.resources import Resource

        # We report a failed request ourselves, once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self.endpoint, self.counted = endpoint, Spent()
        self.resource = Resource.create({"service.name": SERVICE, "service.version": version()})
        self._logs = OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", timeout=TIMEOUT)
        self._metrics = OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", timeout=TIMEOUT)

    def logs(self, found: list[Incident]) -> None:
        """Send incidents as log events. Raises NotAccepted."""
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.sdk._logs import ReadableLogRecord
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        records = []
        for one in found:
            severe = one.event in ("trip", "ending")
            record = LogRecord(
                timestamp=min(int(one.t * 1e9), LARGEST),
                severity_number=SeverityNumber.WARN if severe else SeverityNumber.INFO,
                event_name=f"circuit_breaker.{one.event}",
                body=one.cause,
                attributes=attributes(one),
            )
            records.append(ReadableLogRecord(record, self.resource, InstrumentationScope(SERVICE)))
        _send(self._logs.export, records)

    def metrics(self, found: list[Incident]) -> None:
        """Send incidents as counters. Raises NotAccepted."""
        from opentelemetry.sdk.metrics import Counter as SdkCounter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

        reader = InMemoryMetricReader(preferred_temporality={SdkCounter: AggregationTemporality.DELTA})
        provider = MeterProvider([reader], resource=self.resource, shutdown_on_exit=False)
        meter = provider.get_meter(SERVICE)
        for (name, rule, kind), count in counts(found, self.counted).items():
            known = {"circuit_breaker.rule": rule, **({"gen_ai.token.type": kind} if kind else {})}
            meter.create_counter(f"circuit_breaker.{name}").add(count, known)
        data = reader.get_metrics_data()
        if data is not None:
            _send(self._metrics.export, data)


def _send(export: Callable[[Any], Any], data: Any) -> None:
    try:
        accepted = export(data).name == "SUCCESS"
    except (OSError, ValueError):  # an address that no request can be made for
        accepted = False
    if not accepted:
        raise NotAccepted


def counts(found: list[Incident], known: Spent) -> Counter[tuple[str, str, str]]:
    """(counter, rule, kind of tokens or "") -> increment. A trip and each stopped turn say what their loop has cost so far, so only what
    is more than `known` counts; it is then known."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for one in found:
        rule = one.circuit.partition(":")[0]
        if one.event in COUNTED:
            counted[COUNTED[one.event], rule, ""] += 1
        loop = " ".join(one.loop)
        if one.event in ("close", "reset"):
            known.pop(loop, None)
        elif one.event in ("trip", "ending") and one.spent:
            before, known[loop] = known.pop(loop, {}), one.spent
            if any(count < before.get(kind, 0) for kind, count in one.spent.items()):
                before = {}  # another loop of this name
            for kind, count in one.spent.items():
                counted["tokens", rule, kind] += count - before.get(kind, 0)
    for loop in [*known][:-LOOPS_MAX]:
        del known[loop]
    return +counted


def attributes(one: Incident) -> dict[str, Any]:
    """An incident's attributes, only labels. `circuit_breaker.incident.id` is the same each time an incident is sent."""
    rule, _, subject = one.circuit.partition(":")
    mark = hashlib.sha256(json.dumps(one.row, sort_keys=True).encode()).hexdigest()
    numbers = {key: value for key in ("level", "cooldown") if type(value := one.row.get(key)) in (int, float)}
    named = {
        "circuit_breaker.incident.id": mark[:32],
        "circuit_breaker.event": one.event,
        "circuit_breaker.rule": rule,
        "circuit_breaker.subject": subject,
        "circuit_breaker.calls": one.calls,
        **{f"circuit_breaker.{key}": value for key, value in numbers.items()},
        "circuit_breaker.project": os.path.basename(one.project),
        "session.id": one.session,
        "gen_ai.conversation.id": one.session,
        "prompt.id": incidents.printable_line(one.row.get("prompt_id")),
        "gen_ai.agent.id": one.agent,
        "gen_ai.tool.name": one.calls[-1].partition(" ")[0] if one.calls else "",
        "gen_ai.tool.call.id": incidents.printable_line(one.row.get("tool_use_id")),
        **{f"circuit_breaker.tokens.{kind}": count for kind, count in one.spent.items()},
    }
    return {name: value for name, value in named.items() if value not in ("", [])}
