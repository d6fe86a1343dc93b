"""What a session spends, by its transcripts: input, output and cache tokens, each message once, by its largest usage.

A lower bound: rows that were never written, or are longer than READ_MAX, are not counted.
"""

from __future__ import annotations

from circuit_breaker.breaker.memory import Lane, Position
from circuit_breaker.breaker.model import MAIN, NO_TOKENS, Transition, plus
from circuit_breaker.runtime import files, json
from circuit_breaker.runtime.protocol import Payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Usage = list[int]  # in the order of FIELDS

FIELDS = ("input", "output", "cache_read", "cache_write")
_NAMES = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
READ_MAX = 1 << 20  # bytes of a transcript that one turn reads; the next turn reads on
COSTLY = ("trip", "would_trip", "ending")  # incidents that say what their streak of calls cost
RECENT_MAX = 4  # last messages that are remembered: the rows of a message are close together


def look_up(lane: Lane, payload: Payload, prompted: bool = False) -> tuple[Usage, Lane]:
    """(tokens in the lane's transcript since it was last read, the lane, whose position is after them). `prompted`: by a new prompt,
    which begins at the end of the file."""
    path, position = transcript_of(payload.transcript, payload.lane), lane.read
    spent: Usage = []
    first = position.offset < 0
    own = first and payload.lane != MAIN and not lane.n  # all rows of a subagent's file are its own
    if own or not first:
        spent, position = read_on(path, position)
    if prompted or (first and not own):  # earlier rows are older than our first event
        position = position.but(offset=files.size_of(path))
    return spent, lane if position == lane.read else lane.but(read=position)


def charge(lane: Lane, transitions: list[Transition], payload: Payload, limited: bool) -> None:
    """Set the cost so far of trips and stopped turns; later turns add to that of an open circuit. `limited`: a budget is set."""
    path = transcript_of(payload.transcript, payload.lane)
    for transition in transitions:
        if transition.event not in COSTLY or transition.tokens or transition.lane != payload.lane:
            continue
        circuit = lane.circuits.get(transition.name)
        calls = transition.count
        if circuit is not None and circuit.since >= 0:
            calls = max(calls, lane.n - circuit.since + 1)
        known = circuit.tokens if circuit is not None else []
        transition.tokens = transition.facts.get("tokens") or known or last_calls(path, calls)
        if circuit is not None:
            lane.circuits[circuit.name] = circuit.but(tokens=transition.tokens)
        if not known and not limited:
            lane.read = Position(offset=files.size_of(path))


def of_row(row: dict) -> tuple[str, Usage] | None:
    """(message id, usage) of a transcript's row; None for other rows.

    A message without an id has that of its request, or of its row.
    """
    message = row.get("message")
    if row.get("type") != "assistant" or not isinstance(message, dict):
        return None
    said = message.get("usage")
    if not isinstance(said, dict):
        return None
    usage = [value if type(value) is int and value > 0 else 0 for value in map(said.get, _NAMES)]
    known = message.get("id") or row.get("requestId") or row.get("uuid")
    return (known, usage) if isinstance(known, str) else None


def raised(known: Usage, seen: Usage) -> tuple[Usage, Usage]:
    """(field by field the larger of both, what it adds to `known`)."""
    larger = [*map(max, known, seen)]
    return larger, [after - before for after, before in zip(larger, known)]


def by_field(usage: Usage) -> dict[str, int]:
    """A usage as {field: tokens}."""
    return dict(zip(FIELDS, usage or NO_TOKENS))


def transcript_of(transcript: str, lane: str) -> str:
    """The transcript of a lane: the session's, or a subagent's in a folder beside it; "" if unknown."""
    if not lane or not transcript.endswith(".jsonl"):
        return "" if lane else transcript
    plain = lane.replace("-", "").replace("_", "").isalnum()
    return f"{transcript[:-6]}/subagents/agent-{lane}.jsonl" if plain else ""


def read_on(path: str, position: Position) -> tuple[Usage, Position]:
    """(usage in the complete lines after `position`, the position after them). Nothing new if the file cannot be read.

    A file shorter than the position was truncated or replaced: it is read from its start, but rows not newer than the last one
    counted are taken for copies.
    """
    offset, last, floor = max(0, position.offset), position.last, position.floor
    data, size = files.part(path, offset, READ_MAX)
    if 0 <= size < offset:
        offset, floor = 0, last
        data, _ = files.part(path, 0, READ_MAX)
    end = data.rfind(b"\n") + 1
    if not end and len(data) == READ_MAX:
        end = len(data)  # a part of a line longer than READ_MAX: no JSON, so not counted
    added = [*NO_TOKENS]
    messages = {**position.messages}
    for row, message, seen in _usages(data[:end].split(b"\n")):
        written = str(row.get("timestamp") or "")
        if floor and written <= floor:
            continue
        larger, more = raised(messages.pop(message, [*NO_TOKENS]), seen)
        messages[message] = larger
        added, last = plus(added, more), max(last, written)
    kept = dict([*messages.items()][-RECENT_MAX:])
    return added, Position(offset=offset + end, messages=kept, last=last, floor=floor)


def last_calls(path: str, count: int) -> Usage:
    """The usage of the messages with the last `count` calls, in the last READ_MAX bytes of the file."""
    data, _ = files.part(path, -READ_MAX, READ_MAX)
    calls: set[str] = set()
    messages: dict[str, Usage] = {}
    for row, message, seen in _usages(data.split(b"\n")[::-1]):
        ids = _call_ids(row)
        if message not in messages and not ids:
            continue
        if message not in messages and len(calls) >= count:
            break
        messages[message] = raised(messages.get(message, [*NO_TOKENS]), seen)[0]
        calls.update(ids)
    return [sum(counts) for counts in zip(NO_TOKENS, *messages.values())]


def _call_ids(row: dict) -> list[str]:
    blocks = [json.only(dict, block) for block in json.only(list, row["message"].get("content"))]
    return [str(block.get("id")) for block in blocks if block.get("type") == "tool_use"]


def _usages(lines: list[bytes]) -> Iterator[tuple[dict, str, Usage]]:
    """(row, message id, usage) of each line that has a usage."""
    for line in lines:
        row = json.object_of(line) if b'"usage"' in line else {}
        found = of_row(row)
        if found is not None:
            yield row, *found
