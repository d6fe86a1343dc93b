"""What sessions did in a period, from Claude Code's transcripts: calls, results, prompts, compactions."""

from __future__ import annotations

import contextlib
import os
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from circuit_breaker.cleaning.kinds import LONGEST, project_folder
from circuit_breaker.identity import calls as kinds
from circuit_breaker.identity import labels
from circuit_breaker.replay import recording
from circuit_breaker.replay.transcript import seconds
from circuit_breaker.runtime.json import parse
from circuit_breaker.runtime.running import claude_folder
from circuit_breaker.words.sentences import NAME

OK, FAILED, DENIED, BLOCKED = "ok", "failed", "denied", "blocked"
BOUNDARY = b'"compact_boundary"'  # written where Claude Code compacted the context
HEAD = 4000  # characters kept of a failure


class Call:
    """One tool call. change: the level from identity.calls; size: characters of its result; turn: its number in the lane."""

    __slots__ = ("change", "ended", "id", "input", "kind", "lane", "size", "t", "tool", "turn")

    def __init__(self, record: Mapping[str, Any], turn: int) -> None:
        self.id = str(record.get("tool_use_id", ""))
        self.tool, self.input = str(record.get("tool_name", "")), record.get("tool_input")
        self.lane, self.turn = record.get("agent_id") or "", turn
        self.t = self.ended = float(record["t"])
        self.kind, self.size = OK, 0
        self.change = kinds.change_level(self.tool, self.input)

    @property
    def label(self) -> str:
        """A short readable label without secrets and control characters."""
        return labels.label(self.tool, self.input)

    @property
    def path(self) -> str:
        """The file it is about, or ""."""
        value = self.input.get("file_path") if isinstance(self.input, dict) else None
        return value if isinstance(value, str) else ""

    def finish(self, record: Mapping[str, Any]) -> None:
        """Add its result."""
        event, text = record["hook_event_name"], record.get("tool_response", record.get("error", ""))
        text = text if isinstance(text, str) else ""
        self.ended, self.size = max(self.t, record["t"]), len(text)
        if event != "PostToolUse":
            blocked = f"Blocked by {NAME}" in text[:HEAD]
            self.kind = BLOCKED if blocked else DENIED if event == "ToolNotRun" else FAILED


class PastSession:
    """One session. calls: in order of time; prompts, compactions: epoch seconds; turns: lane -> start times of its turns."""

    def __init__(self, name: str) -> None:
        self.name, self.project = name, ""
        self.calls: list[Call] = []
        self.prompts: list[float] = []
        self.compactions: list[float] = []
        self.turns: dict[str, list[float]] = {}
        self._open: dict[str, Call] = {}
        self._turn_of: dict[str, object] = {}

    def take(self, record: Mapping[str, Any]) -> None:
        """Add the next record."""
        event = record["hook_event_name"]
        self.project = self.project or str(record.get("cwd") or "")
        if event == "UserPromptSubmit":
            self.prompts += [] if record.get("machine") else [record["t"]]
        elif event == "PreToolUse":
            lane = record.get("agent_id") or ""
            turns = self.turns.setdefault(lane, [])
            if not turns or self._turn_of.get(lane) != record.get("turn"):
                turns.append(record["t"])
                self._turn_of[lane] = record.get("turn")
            call = Call(record, len(turns))
            self.calls.append(call)
            self._open[call.id] = call
        else:
            finished = self._open.pop(str(record.get("tool_use_id", "")), None)
            if finished is not None:
                finished.finish(record)

    @property
    def start(self) -> float:
        return min((self.calls[0].t if self.calls else 9e9, *self.prompts[:1]))

    @property
    def end(self) -> float:
        return max([call.ended for call in self.calls] + self.prompts[-1:])

    def carried(self, call: Call) -> int:
        """How many later turns of the lane carried this call's result in the context, until compaction or the end."""
        ends = [t for t in self.compactions if t > call.ended] if not call.lane else []
        return bisect_right(self.turns[call.lane], ends[0] if ends else float("inf")) - call.turn


def folder(env: Mapping[str, str]) -> Path:
    """The folder of Claude Code's transcripts, with a subfolder per project."""
    return Path(claude_folder(env), "projects")


def folder_of(env: Mapping[str, str], project: str) -> Path:
    """The folder with the transcripts of one project. (That of a very long path ends in a checksum.)"""
    top, name = folder(env), project_folder(project)
    return next(iter(sorted(top.glob(f"{name}-*")) if len(name) == LONGEST else ()), top / name)


def groups(top: Path, after: float) -> list[list[Path]]:
    """The transcripts below `top` written since `after`, each with those of its subagents; newest first."""
    if not top.is_dir():
        return []
    found = []
    for group in recording.files([str(top)]):
        group = [path for path in group if "tool-results" not in path.parts]
        newest = max((_written(path) for path in group), default=0.0)
        if newest >= after:
            found.append((newest, group))
    return [group for _, group in sorted(found, key=lambda pair: -pair[0])]


def _written(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def sessions(group: list[Path], after: float, until: float, copied: set[int]) -> list[PastSession]:
    """The sessions in one transcript within a period. Unreadable rows and rows copied from another session are skipped (`copied` is
    the memory of rows for all transcripts)."""
    reading: dict[str, PastSession] = {}
    for record in recording.records(group, lambda _: None, copied):
        if after <= record["t"] <= until:
            name = record["session_id"]
            (reading.get(name) or reading.setdefault(name, PastSession(name))).take(record)
    boundaries = sorted(t for path in group for t in _compactions(path))
    found = [session for session in reading.values() if session.calls or session.prompts]
    for session in found:
        session.compactions = boundaries
    return found


def _compactions(path: Path) -> list[float]:
    """When Claude Code compacted the context of the main thread."""
    found: list[float] = []
    if path.name.endswith(".gz") or path.parent.name == "subagents":
        return found
    try:
        with path.open("rb") as stream:
            lines = [line for line in stream if BOUNDARY in line]
    except OSError:
        return found
    for line in lines:
        with contextlib.suppress(ValueError):  # a text that only mentions the word
            row = parse(line)
            if isinstance(row, dict) and row.get("subtype") == "compact_boundary":
                found.append(seconds(row.get("timestamp")))
    return found
