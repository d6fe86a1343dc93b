"""The payloads of a recorded session, as the engine would get them one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from circuit_breaker.replay.recording import Recorded, Turns


def payloads(session: Iterable[Recorded]) -> Iterator[Recorded]:
    """All payloads of one session's records."""
    turns = Turns()
    for record in session:
        yield from turns.push(record)
    yield from turns.finish()
