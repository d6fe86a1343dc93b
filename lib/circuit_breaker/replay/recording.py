"""What do recorded sessions say, as the payloads a host would have sent?

Reads hook events and transcripts (JSON lines, `.gz` too), one session at a time, and gives each event back as a payload in the
host's order: what never reached a hook is left out, and PostToolBatch is made from `turn` where a record has none.
"""

from __future__ import annotations

import gzip
import heapq
import json
import zlib
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from circuit_breaker.replay import transcript

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Record = dict[str, Any]


LAST_TIME = 253_402_300_000.0  # the end of the year 9999, in epoch seconds
RESULTS = ("PostToolUse", "PostToolUseFailure", "ToolNotRun")
CHUNK = 1 << 16  # bytes that are read at once
_index, _time, _session = itemgetter("i"), itemgetter("t"), itemgetter("session_id")
# `json.loads` guesses the encoding of each line and looks twice for blanks
_value = json.JSONDecoder().raw_decode


class Fed:
    """One payload, the index of the record it comes from, its time, and the tokens of a transcript's turn.

    The payload is made when it is asked for: most calls wake nobody. `told` is what the record itself does not say.
    """

    __slots__ = ("record", "told", "event", "t", "tokens")

    def __init__(self, record: Record, told: Record, tokens: int = 0) -> None:
        self.record, self.told, self.tokens = record, told, tokens
        self.event, self.t = record["i"], record["t"]

    @property
    def payload(self) -> Record:
        record = self.record
        return {**{name: record[name] for name in _HOSTS if name in record}, **self.told}


def files(paths: Iterable[str]) -> list[list[Path]]:
    """The files behind `paths`, folders searched; a transcript's subagent files stand with it. Raises FileNotFoundError."""
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            found += sorted(
                p for p in path.rglob("*") if p.is_file() and p.name.endswith((".jsonl", ".jsonl.gz"))
            )
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"no such file or folder: {name}")
    agents: dict[Path, list[Path]] = {}
    mains = []
    for path in dict.fromkeys(found):
        if path.parent.name == "subagents":
            agents.setdefault(path.parent.parent, []).append(path)
        else:
            mains.append(path)
    groups = [[path, *agents.pop(path.with_suffix(""), [])] for path in mains]
    return groups + [sorted(left) for left in agents.values()]


def sessions(group: list[Path], broken: Callable[[str], None]) -> Iterator[tuple[str, Iterator[Record]]]:
    """(session id, its records) one after another; a line that cannot be read is named to `broken` and passed over."""
    if len(group) == 1:
        stream = _records(group[0], broken)
    else:
        stream = heapq.merge(*(_records(path, broken) for path in group), key=_time)
    yield from groupby(stream, key=_session)


def _records(path: Path, broken: Callable[[str], None]) -> Iterator[Record]:
    lines = 0
    index: dict[str, int] = {}
    try:
        for lines, line in enumerate(_lines(path), 1):
            try:
                text = line.decode("utf-8", "surrogatepass").strip("\ufeff \t\r")
                row, end = _value(text)
                if end != len(text):
                    raise ValueError("more than one value")
            except (ValueError, RecursionError):
                if line.strip():
                    broken(f"{path}:{lines}: not JSON")
                continue
            if not isinstance(row, dict):
                broken(f"{path}:{lines}: not an object")
                continue
            for record in transcript.records(row) if transcript.is_row(row) else (row,):
                session = record.get("session_id")
                if not isinstance(session, str) or not isinstance(record.get("hook_event_name"), str):
                    broken(f"{path}:{lines}: no session_id or hook_event_name")
                    continue
                number = index[session] = index.get(session, -1) + 1
                wrong = _settle(record, number)
                if wrong:
                    broken(f"{path}:{lines}: {wrong}")
                    continue
                yield record
    except (OSError, EOFError, zlib.error) as error:
        broken(f"{path}:{lines + 1}: {error}")


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file. (`gzip` itself gives them one by one through two layers of Python.)"""
    opener = gzip.open if path.name.endswith(".gz") else open
    pieces: list[bytes] = []
    with opener(path, "rb") as stream:
        while chunk := stream.read1(CHUNK):
            piece, *lines = chunk.split(b"\n")
            pieces.append(piece)
            for line in lines:
                yield b"".join(pieces)
                pieces = [line]
    if pieces and pieces != [b""]:
        yield b"".join(pieces)


def _settle(record: Record, number: int) -> str:
    """Give a record an index and a time it can be sorted by; -> what is wrong with it, "" when nothing is."""
    for name in ("tool_use_id", "agent_id"):
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            return f"{name} is no string"
    if record.get("i").__class__ is not int:
        record["i"] = number
    t: Any = record.get("t")
    if t.__class__ not in (int, float) or not 0.0 <= t < LAST_TIME:  # not a number is not in between either
        record["t"] = 0.0
    return ""


class _Lane:
    """The turn a lane is in: calls asked, results so far."""

    __slots__ = ("turn", "calls", "results")

    def __init__(self) -> None:
        self.turn: object = None
        self.calls: dict[str, Record] = {}
        self.results: list[Record] = []


def payloads(records: Iterable[Record]) -> Iterator[Fed]:
    """The payloads of one session, turn by turn: PreToolUse and failures in their order, then the PostToolBatch."""
    lanes: dict[str, _Lane] = {}
    for number, record in enumerate(records):
        name = record["hook_event_name"]
        agent = record.get("agent_id") or ""
        lane = lanes.get(agent)
        if lane is None:
            lane = lanes[agent] = _Lane()
        if name == "PreToolUse" or name in RESULTS:
            if _next_turn(lane, record):
                yield from _end_turn(lane)
            lane.turn = record.get("turn")
            if name == "PreToolUse":
                lane.calls[str(record.get("tool_use_id", ""))] = record
            else:
                lane.results.append(record)
            continue
        if name == "PostToolBatch":
            yield from _end_turn(lane, record)
            continue
        for other in lanes.values() if name == "UserPromptSubmit" and not agent else (lane,):
            if other is lane or not other.calls:
                yield from _end_turn(other)
        told = {}
        if name == "UserPromptSubmit":
            told["prompt_id"] = str(
                record.get("prompt_id") or f"prompt-{record.get('prompt_index', number)}-{record['i']}"
            )
        yield Fed(record, told)
    for lane in lanes.values():
        yield from _end_turn(lane)


def _next_turn(lane: _Lane, record: Record) -> bool:
    """Does this record begin another turn: a call, or a result whose call is not on record (a log of results alone)?

    Another `turn` says so, or, where none is recorded, that every call before it has its result.
    """
    if not lane.calls and not lane.results:
        return False
    finished = len(lane.results) >= len(lane.calls)
    if record["hook_event_name"] != "PreToolUse" and (
        not finished or str(record.get("tool_use_id", "")) in lane.calls
    ):
        return False
    if record.get("turn") is not None or lane.turn is not None:
        return bool(record.get("turn") != lane.turn)
    return finished


def _end_turn(lane: _Lane, batch: Record | None = None) -> Iterator[Fed]:
    """Everything of the lane's turn, then its PostToolBatch: the record's own, or one made of its results."""
    calls, results = lane.calls, lane.results
    lane.calls, lane.results = {}, []
    unheard = {  # calls that no hook heard of before the batch
        result.get("tool_use_id")
        for result in results
        if result.get("cancelled") or result.get("validation_error")
    }
    heard = [record for call_id, record in calls.items() if call_id not in unheard]
    heard += [
        r
        for r in results
        if r["hook_event_name"] == "PostToolUseFailure" and r.get("tool_use_id") not in unheard
    ]
    heard.sort(key=_index)
    paid = False
    for record in heard:
        call = calls.get(str(record.get("tool_use_id", "")), record)
        tokens = (
            0 if paid else record.get("tokens", 0)
        )  # a message is paid for once, however many rows hold its calls
        paid = paid or bool(tokens)
        yield Fed(
            record, {"tool_name": call.get("tool_name", ""), "tool_input": call.get("tool_input")}, tokens
        )
    if batch is not None:
        yield Fed(batch, {})
        return
    finished = [_call(calls, result) for result in results if not _goes_unsaid(result)]
    if finished:
        yield Fed(max(results, key=_index), {"hook_event_name": "PostToolBatch", "tool_calls": finished})


def _goes_unsaid(result: Record) -> bool:
    """Is it an end of a call after which the host sends no result at all?"""
    return bool(result.get("cancelled") or result.get("user_rejected"))


def _call(calls: dict[str, Record], result: Record) -> Record:
    call_id = str(result.get("tool_use_id", ""))
    call = calls.get(call_id, result)
    text = (
        result.get("tool_response") if result["hook_event_name"] == "PostToolUse" else result.get("error", "")
    )
    if result.get("validation_error") and isinstance(text, str) and not text.startswith("<tool_use_error>"):
        text = f"<tool_use_error>{text}</tool_use_error>"
    return {
        "tool_use_id": call_id,
        "tool_name": call.get("tool_name", ""),
        "tool_input": call.get("tool_input"),
        "tool_response": text,
    }


_HOSTS = (
    "session_id",
    "agent_id",
    "cwd",
    "prompt",
    "prompt_id",
    "tool_use_id",
    "tool_name",
    "tool_input",
    "tool_calls",
    "error",
    "is_interrupt",
    "stop_hook_active",
    "hook_event_name",
)
