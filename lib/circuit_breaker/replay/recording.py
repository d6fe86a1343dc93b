"""Turns recorded sessions into the payloads that Claude Code would have sent.

Reads hook events and transcripts (JSON lines, also `.gz`) and yields payloads in Claude Code's order. What never reached a hook is left
out; a missing PostToolBatch is made from the records' `turn`.
"""

from __future__ import annotations

import gzip
import heapq
import re
import zlib
from operator import itemgetter
from pathlib import Path

from circuit_breaker.replay import transcript
from circuit_breaker.replay.transcript import INTERRUPTED, REQUEST
from circuit_breaker.runtime.json import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Record = dict[str, Any]


LAST_TIME = 253_402_300_000.0  # the end of the year 9999, in epoch seconds
RESULTS = ("PostToolUse", "PostToolUseFailure", "ToolNotRun")
NO_EVENTS = (REQUEST, INTERRUPTED)  # records without an index, because no hook gets them
HEAD = 1 << 15  # bytes in which a transcript's first time stamp is searched
WAITING_MAX = 256  # calls without a result that a lane remembers
_index, _time = itemgetter("i"), itemgetter("t")
_FIELDS = (
    "session_id agent_id cwd prompt prompt_id tool_use_id tool_name tool_input tool_calls error is_interrupt stop_hook_active "
    "hook_event_name"
).split()


class Fed:
    """One payload, with the index of its record (-1 for none) and its time.

    `payload` is made on demand, because most calls wake no hook. known: fields that the record does not contain.
    """

    __slots__ = ("record", "known", "name", "event", "t")

    def __init__(self, record: Record, known: Record) -> None:
        self.record, self.known = record, known
        self.name: str = known.get("hook_event_name") or record["hook_event_name"]
        self.event, self.t = record.get("i", -1), record["t"]

    @property
    def payload(self) -> Record:
        """The fields of the payload."""
        record = self.record
        return {**{name: record[name] for name in _FIELDS if name in record}, **self.known}


def files(paths: Iterable[str]) -> list[list[Path]]:
    """The recordings below `paths`, the oldest transcripts first; each group is a file with its subagents' files.

    Raises FileNotFoundError.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            found += sorted(
                p for p in path.rglob("*") if p.is_file() and p.name.endswith((".jsonl", ".jsonl.gz"))
            )
        elif path.exists():
            found += [path, *sorted((path.with_suffix("") / "subagents").rglob("*.jsonl"))]
        else:
            raise FileNotFoundError(f"no such file or folder: {name}")
    agents: dict[Path, list[Path]] = {}
    mains = []
    for path in dict.fromkeys(found):
        if "subagents" in path.parts[:-1]:
            session = next(folder.parent for folder in path.parents if folder.name == "subagents")
            agents.setdefault(session, []).append(path)
        else:
            mains.append(path)
    groups = [[path, *agents.pop(path.with_suffix(""), [])] for path in sorted(mains, key=_began)]
    return groups + [sorted(left) for left in agents.values()]


def _began(path: Path) -> str:
    """The first time stamp in a transcript. (That of a fork is later than that of the session it was copied from.)"""
    if path.name.endswith(".gz"):
        return ""
    try:
        with path.open("rb") as stream:
            stamps = re.findall(rb'"timestamp": *"([^"]+)"', stream.read(HEAD))
    except OSError:
        return ""
    return next(filter(transcript.seconds, (stamp.decode("ascii", "replace") for stamp in stamps)), "")


def records(group: list[Path], broken: Callable[[str], None], copied: set[int]) -> Iterator[Record]:
    """The records of one recording and its subagents' files, sorted by time if there are several files.

    An unreadable line is reported to `broken` and skipped. Rows that a resumed or forked session copied are skipped too; `copied` is
    the memory of rows for all recordings.
    """
    if len(group) == 1:
        return _records(group[0], broken, copied)
    return heapq.merge(*(_records(path, broken, copied) for path in group), key=_time)


def _records(path: Path, broken: Callable[[str], None], copied: set[int]) -> Iterator[Record]:
    number = 0
    index: dict[str, int] = {}
    try:
        with (gzip.open if path.name.endswith(".gz") else open)(path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    yield from _events(parse(line), index, copied) if line.strip() else ()
                except ValueError as error:
                    broken(f"{path}:{number}: {error}")
    except (OSError, EOFError, zlib.error) as error:
        broken(f"{path}:{number + 1}: {error}")


def _events(row: object, index: dict[str, int], copied: set[int]) -> list[Record]:
    """The records in one line, each with an index and a time to sort by. `index`: session -> index of its last record.

    Raises ValueError for what is no record.
    """
    if not isinstance(row, dict):
        raise ValueError("not an object")
    found: list[Record] = [row]
    if transcript.is_row(row):
        found = transcript.records(row)
        if found and _is_copy(row, copied):
            return []
    for record in found:
        session, name = record.get("session_id"), record.get("hook_event_name")
        if not isinstance(session, str) or not isinstance(name, str):
            raise ValueError("no session_id or hook_event_name")
        if name in NO_EVENTS:
            continue
        index[session] = index.get(session, -1) + 1
        for key in ("tool_use_id", "agent_id"):
            if not isinstance(record.get(key, ""), (str, type(None))):
                raise ValueError(f"{key} is no string")
        if record.get("i").__class__ is not int:
            record["i"] = index[session]
        t: Any = record.get("t")
        if t.__class__ not in (int, float) or not 0.0 <= t < LAST_TIME:  # this excludes NaN too
            record["t"] = 0.0
    return found


def _is_copy(row: Record, copied: set[int]) -> bool:
    """Whether a row was read before, by its uuid."""
    known = row.get("uuid")
    if not isinstance(known, str):
        return False
    seen = len(copied)
    copied.add(hash(known))
    return len(copied) == seen


class _Lane:
    """The current turn of a lane: its requests, calls and results. waiting: calls of earlier turns without a result."""

    __slots__ = ("turn", "requests", "calls", "results", "waiting")

    def __init__(self) -> None:
        self.turn: object = None
        self.requests: list[Record] = []
        self.calls: dict[str, Record] = {}
        self.results: list[Record] = []
        self.waiting: dict[str, Record] = {}


class Turns:
    """Turns the records of one session into payloads: for each turn its requests, PreToolUse and failures in order, then
    PostToolBatch. Call `push` with each record, then `finish`.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._pushed = 0

    def push(self, record: Record) -> list[Fed]:
        """The payloads that this record completes."""
        self._pushed += 1
        name = record["hook_event_name"]
        agent = record.get("agent_id") or ""
        lane = self._lanes.get(agent)
        if lane is None:
            lane = self._lanes[agent] = _Lane()
        if name == "PreToolUse" or name in RESULTS or name == REQUEST:
            return _take(lane, record)
        if name == "PostToolBatch":
            return _end_turn(lane, record)
        ready = []
        for other in self._lanes.values() if name == "UserPromptSubmit" and not agent else (lane,):
            if other is lane or not other.calls:
                ready += _end_turn(other)
        known = {}
        if name == "UserPromptSubmit":
            number = record.get("prompt_index", self._pushed)
            known["prompt_id"] = str(record.get("prompt_id") or f"prompt-{number}-{record['i']}")
        return [*ready, Fed(record, known)]

    def finish(self) -> list[Fed]:
        """The payloads of turns that are still open at the end."""
        return [fed for lane in self._lanes.values() for fed in _end_turn(lane)]


def payloads(session: Iterable[Record]) -> Iterator[Fed]:
    """All payloads of one session's records."""
    turns = Turns()
    for record in session:
        yield from turns.push(record)
    yield from turns.finish()


def _take(lane: _Lane, record: Record) -> list[Fed]:
    """Add a request, a call or a result to the lane's turn, or to its next one."""
    ready = _end_turn(lane) if _begins_turn(lane, record) else []
    name = record["hook_event_name"]
    if name == REQUEST:
        lane.requests.append(record)
    elif name == "PreToolUse":
        lane.turn = record.get("turn")
        lane.calls[str(record.get("tool_use_id", ""))] = record
    else:
        if not lane.calls:
            lane.turn = record.get("turn")
        lane.results.append(record)
    return ready


def _begins_turn(lane: _Lane, record: Record) -> bool:
    """Whether a record is the first of a new turn: it has another `turn` or, without one, all calls before it have results.

    Some services give each parallel call of a message its own message id; so as long as no call of a turn has a result, no new turn
    begins.
    """
    if not lane.calls and not lane.results:
        return False
    name = record["hook_event_name"]
    finished = len(lane.results) >= len(lane.calls)
    if name in RESULTS and (not finished or str(record.get("tool_use_id", "")) in lane.calls):
        return False
    if isinstance(lane.turn, str) and name not in RESULTS and not lane.results:
        return len(lane.calls) >= WAITING_MAX
    if record.get("turn") is not None or lane.turn is not None:
        return bool(record.get("turn") != lane.turn)
    return finished


def _end_turn(lane: _Lane, batch: Record | None = None) -> list[Fed]:
    """The payloads of the lane's turn, then its PostToolBatch: the recorded one, or one made from the results."""
    requests, calls, results = lane.requests, lane.calls, lane.results
    lane.requests, lane.calls, lane.results = [], {}, []
    answered = {str(result.get("tool_use_id", "")) for result in results}
    late = {call_id: lane.waiting.pop(call_id) for call_id in answered & lane.waiting.keys()}
    lane.waiting.update({call_id: call for call_id, call in calls.items() if call_id not in answered})
    while len(lane.waiting) > WAITING_MAX:
        del lane.waiting[next(iter(lane.waiting))]
    # Calls that no hook got before the batch, and those for which Claude Code sends no result to hooks.
    unheard = {r.get("tool_use_id") for r in results if r.get("cancelled") or r.get("validation_error")}
    said = [r for r in results if not (r.get("cancelled") or r.get("user_rejected"))]
    failures = [r for r in results if r["hook_event_name"] == "PostToolUseFailure"]
    heard = [call for call_id, call in calls.items() if call_id not in unheard]
    heard += [failure for failure in failures if failure.get("tool_use_id") not in unheard]
    calls = {**late, **calls}
    ready = [Fed(request, {}) for request in requests]
    for record in sorted(heard, key=_index):
        call = calls.get(str(record.get("tool_use_id", "")), record)
        known = {"tool_name": call.get("tool_name", ""), "tool_input": call.get("tool_input")}
        ready.append(Fed(record, known))
    if batch is not None:
        return [*ready, Fed(batch, {})]
    if said:
        known = {"hook_event_name": "PostToolBatch", "tool_calls": [_call(calls, result) for result in said]}
        ready.append(Fed(max(results, key=_index), known))
    return ready


def _call(calls: dict[str, Record], result: Record) -> Record:
    call_id = str(result.get("tool_use_id", ""))
    call = calls.get(call_id, result)
    succeeded = result["hook_event_name"] == "PostToolUse"
    text = result.get("tool_response") if succeeded else result.get("error", "")
    if result.get("validation_error") and isinstance(text, str) and not text.startswith("<tool_use_error>"):
        text = f"<tool_use_error>{text}</tool_use_error>"
    return {
        "tool_use_id": call_id,
        "tool_name": call.get("tool_name", ""),
        "tool_input": call.get("tool_input"),
        "tool_response": text,
    }
