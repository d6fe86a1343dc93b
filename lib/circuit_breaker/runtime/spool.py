"""Incidents to be sent to your collector: R/export/spool.jsonl, which `export otlp` sends in a process of its own."""

from __future__ import annotations

import sys

from circuit_breaker.runtime import detached, error_log, files, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.runtime.home import Places

SPOOL_MAX = 1 << 24  # bytes


def path(where: Places) -> str:
    """The spool file."""
    return where.runtime + "/export/spool.jsonl"


def append(where: Places, lines: bytes) -> None:
    """Add incidents to the spool; if it is full they are dropped, with a line in errors.log. Raises OSError."""
    files.folder(where.runtime, where.runtime + "/export")
    spool = path(where)
    with files.Lock(spool + ".lock"):
        if files.exists(spool) and files.system.stat(spool).st_size > SPOOL_MAX:
            error_log.note("export/spool.jsonl is full: incidents not kept for the collector")
            return
        files.append(spool, lines)


def send(where: Places) -> None:
    """Start `export otlp` in the background if there is a spool. Raises OSError."""
    if files.exists(path(where)):
        detached.start([sys.executable, home.ROOT + "/plugin", "export", "otlp"])
