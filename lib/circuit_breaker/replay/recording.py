"""Turns recorded sessions into the payloads that Claude Code would have sent.

Reads hook events and transcripts (JSON lines, also `.gz`) and yields payloads in Claude Code's order. What never reached a hook is left
out; a missing PostToolBatch is made from the records' `turn`.
"""

from __future__ import annotations

import gzip
import heapq
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from circuit_breaker.replay import transcript
from circuit_breaker.replay.transcript import COMPACTED, INTERRUPTED, REQUEST, Recorded
from circuit_breaker.runtime import files
from circuit_breaker.runtime.json import parse
from circuit_breaker.runtime.protocol import SAVED

LAST_TIME = 253_402_300_000.0  # the end of the year 9999, in epoch seconds
RESULTS = ("PostToolUse", "PostToolUseFailure", "ToolNotRun")
NO_EVENTS = (REQUEST, INTERRUPTED, COMPACTED)  # records without an index, because no hook gets them
LINE_MAX = 1 << 26  # bytes of a line; a longer one is no record
HEAD = 1 << 15  # bytes in which a transcript's first time stamp is searched
WAITING_MAX = 256  # calls without a result that a lane remembers
SESSIONS_MAX = 1_000  # interleaved sessions followed at once; beyond that, the one that was silent longest counts as ended
_index, _time = itemgetter("i"), itemgetter("t")
Taker = TypeVar("Taker", bound=Any)  # what is made of the records of a session, by its method `take`


def skip(fault: str) -> None:
    """For `broken`: skip an unreadable line without a word."""


def recordings(paths: Iterable[str], after: float = 0.0) -> list[list[Path]]:
    """The recordings below `paths` that were written since `after` (epoch seconds), in the order in which they began; each group is a
    file with its subagents' files. Raises FileNotFoundError."""
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.name.endswith((".jsonl", ".jsonl.gz")))
            found += [p for p in inside if p.is_file() and not {*SAVED} & {*p.relative_to(path).parts}]
        elif path.exists():
            found += [path, *sorted((path.with_suffix("") / "subagents").rglob("*.jsonl"))]
        else:
            raise FileNotFoundError(f"no such file or folder: {name}")
    groups: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(found):
        folders = (folder.parent for folder in path.parents if folder.name == "subagents")
        groups.setdefault(next(folders, path.with_suffix("")), []).append(path)
    recent = [one for one in groups.values() if any(files.last_written(str(p)) >= after for p in one)]
    return sorted([sorted(group, key=lambda path: (len(path.parts), path)) for group in recent], key=began)


def began(group: list[Path]) -> str:
    """The first time stamp in a transcript, "" for none. (That of a fork is later than that of the session it was copied from.)"""
    if not group[0].is_file():  # a pipe can be read only once
        return ""
    try:
        with group[0].open("rb") as stream:
            stamps = re.findall(rb'"timestamp": *"([^"]+)"', stream.read(HEAD))
    except OSError:
        return ""
    return next(filter(transcript.seconds, (stamp.decode("ascii", "replace") for stamp in stamps)), "")


def by_session(records: Iterable[Recorded], make: Callable[[str], Taker]) -> Iterator[Taker]:
    """`make(name)` for each session, once it has taken all its records."""
    unfinished: dict[str, Taker] = {}
    for record in records:
        name = record["session_id"]
        session = unfinished.pop(name, None) or make(name)
        unfinished[name] = session  # at the end: last used
        if len(unfinished) > SESSIONS_MAX:
            yield unfinished.pop(next(iter(unfinished)))
        session.take(record)
    yield from unfinished.values()


def records(group: list[Path], broken: Callable[[str], None], copied: set[int]) -> Iterator[Recorded]:
    """The records of one recording and its subagents' files, sorted by time if there are several files.

    An unreadable line is reported to `broken` and skipped. Rows that a resumed or forked session copied are skipped too; `copied` is
    the memory of rows for all recordings.
    """
    return heapq.merge(*(_records(path, broken, copied) for path in group), key=_time)


def _records(path: Path, broken: Callable[[str], None], copied: set[int]) -> Iterator[Recorded]:
    number = 0
    index: dict[str, int] = {}
    try:
        with (gzip.open if path.name.endswith(".gz") else open)(path, "rb") as stream:
            for number, line in enumerate(iter(partial(stream.readline, LINE_MAX), b""), 1):
                if len(line) == LINE_MAX:
                    return broken(
                        f"{path}:{number}: a line of {LINE_MAX} bytes or more; the rest is not read"
                    )
                try:
                    yield from _events(parse(line), index, copied) if line.strip() else ()
                except ValueError as error:
                    broken(f"{path}:{number}: {error}")
    except (OSError, EOFError, zlib.error) as error:
        broken(f"{path}:{number + 1}: {error}")


def _events(row: object, index: dict[str, int], copied: set[int]) -> list[Recorded]:
    """The records in one line, each with an index and a time to sort by. `index`: session -> index of its last record. Raises ValueError
    for what is no record."""
    if not isinstance(row, dict):
        raise ValueError("not an object")
    found: list[Recorded] = [row]
    if transcript.is_row(row):
        found = transcript.records_in_row(row)
        mark = row.get("uuid") if found else None
        if isinstance(mark, str):
            if hash(mark) in copied:
                return []
            copied.add(hash(mark))
    for record in found:
        session, name = record.get("session_id"), record.get("hook_event_name")
        if not isinstance(session, str) or not isinstance(name, str):
            raise ValueError("no session_id or hook_event_name")
        if name in NO_EVENTS and record is row:
            raise ValueError(f"{name} is no hook event")
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


class _Lane:
    """The current turn of a lane: its requests, calls and results. waiting: calls of earlier turns without a result."""

    def __init__(self) -> None:
        self.turn: object = None
        self.requests: list[Recorded] = []
        self.calls: dict[str, Recorded] = {}
        self.results: list[Recorded] = []
        self.waiting: dict[str, Recorded] = {}

    def take(self, record: Recorded) -> list[Recorded]:
        """Add a request, a call or a result to the turn, or to the next one. Returns the payloads of a turn that this ends."""
        ready = self.end() if self._begins_turn(record) else []
        name = record["hook_event_name"]
        if name == REQUEST:
            self.requests.append(record)
        elif name == "PreToolUse":
            self.turn = record.get("turn")
            self.calls[_id(record)] = record
        else:
            if not self.calls:
                self.turn = record.get("turn")
            self.results.append(record)
        return ready

    def _begins_turn(self, record: Recorded) -> bool:
        """Whether a record is the first of a new turn: it has another `turn` or, without one, all calls before it have results.

        Some services give each parallel call of a message its own message id; so as long as no call of a turn has a result, no new
        turn begins.
        """
        if not self.calls and not self.results:
            return False
        name = record["hook_event_name"]
        finished = len(self.results) >= len(self.calls)
        if name in RESULTS and (not finished or _id(record) in self.calls):
            return False
        if isinstance(self.turn, str) and name not in RESULTS and not self.results:
            return len(self.calls) >= WAITING_MAX
        if record.get("turn") is not None or self.turn is not None:
            return bool(record.get("turn") != self.turn)
        return finished

    def end(self, batch: Recorded | None = None) -> list[Recorded]:
        """The payloads of the turn, then its PostToolBatch: the recorded one, or one made from the results."""
        requests, calls, results = self.requests, self.calls, self.results
        self.requests, self.calls, self.results = [], {}, []
        answered = {_id(result) for result in results}
        late = {call_id: self.waiting.pop(call_id) for call_id in answered & self.waiting.keys()}
        self.waiting.update({call_id: call for call_id, call in calls.items() if call_id not in answered})
        while len(self.waiting) > WAITING_MAX:
            del self.waiting[next(iter(self.waiting))]
        # Calls that no hook got before the batch, and those for which Claude Code sends no result to hooks.
        unheard = {_id(r) for r in results if r.get("cancelled") or r.get("validation_error")}
        said = [r for r in results if not (r.get("cancelled") or r.get("user_rejected"))]
        failures = [r for r in results if r["hook_event_name"] == "PostToolUseFailure"]
        heard = [record for record in [*calls.values(), *failures] if _id(record) not in unheard]
        calls = {**late, **calls}
        ready = [*requests, *({**record, **_asked(calls, record)} for record in sorted(heard, key=_index))]
        if batch is not None:
            ready.append(batch)
        elif said:
            made = {"hook_event_name": "PostToolBatch", "tool_calls": [_answered(calls, r) for r in said]}
            ready.append({**max(results, key=_index), **made})
        return ready


class Turns:
    """Turns the records of one session into payloads: for each turn its requests, PreToolUse and failures in order, then
    PostToolBatch. Call `push` with each record, then `finish`.

    A payload has the fields of its record besides Claude Code's own, so also its index `i` and its time `t`.
    """

    def __init__(self) -> None:
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)

    def push(self, record: Recorded) -> list[Recorded]:
        """The payloads that this record completes."""
        name, agent = record["hook_event_name"], record.get("agent_id") or ""
        lane = self._lanes[agent]
        if name in ("PreToolUse", REQUEST, *RESULTS):
            return lane.take(record)
        if name == "PostToolBatch":
            return lane.end(record)
        if name == COMPACTED:
            record = {**record, "hook_event_name": "SessionStart", "source": "compact"}
        yours = name == "UserPromptSubmit" and not agent
        ended = [other for other in self._lanes.values() if other is lane or (yours and not other.calls)]
        if name == "UserPromptSubmit":
            record = {**record, "prompt_id": str(record.get("prompt_id") or f"prompt-{record['i']}")}
        return [*(payload for each in ended for payload in each.end()), record]

    def finish(self) -> list[Recorded]:
        """The payloads of turns that are still open at the end."""
        return [payload for lane in self._lanes.values() for payload in lane.end()]


def _id(record: Recorded) -> str:
    return str(record.get("tool_use_id", ""))


def _asked(calls: dict[str, Recorded], record: Recorded) -> Recorded:
    """The tool and the input of the call that a record belongs to."""
    call = calls.get(_id(record), record)
    return {"tool_name": call.get("tool_name", ""), "tool_input": call.get("tool_input")}


def _answered(calls: dict[str, Recorded], result: Recorded) -> Recorded:
    """A call as PostToolBatch has it."""
    succeeded = result["hook_event_name"] == "PostToolUse"
    text = result.get("tool_response") if succeeded else result.get("error", "")
    if result.get("validation_error") and isinstance(text, str) and not text.startswith("<tool_use_error>"):
        text = f"<tool_use_error>{text}</tool_use_error>"
    return {"tool_use_id": _id(result), **_asked(calls, result), "tool_response": text}
