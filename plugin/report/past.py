"""What sessions did in a period, from Claude Code's transcripts: calls, results, prompts, compactions."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path

from circuit_breaker.cleaning.kinds import LONGEST, project_folder
from circuit_breaker.identity import labels
from circuit_breaker.identity.calls import change_level
from circuit_breaker.replay import recording
from circuit_breaker.replay.transcript import COMPACTED
from circuit_breaker.runtime import claude_folder
from circuit_breaker.runtime.json import only
from circuit_breaker.words.texts import PLUGIN

OK, FAILED, DENIED, BLOCKED = "ok", "failed", "denied", "blocked"
HEAD = 4000  # characters kept of a failure


class Call:
    """One tool call. change: the level from identity.calls; size: characters of its result; turn: its number in the lane."""

    __slots__ = ("change", "ended", "id", "input", "kind", "lane", "session", "size", "t", "tool", "turn")

    def __init__(self, session: PastSession, record: dict, turn: int) -> None:
        self.session = session
        self.id = str(record.get("tool_use_id", ""))
        self.tool, self.input = str(record.get("tool_name", "")), record.get("tool_input")
        self.lane, self.turn = record.get("agent_id") or "", turn
        self.t = self.ended = float(record["t"])
        self.kind, self.size = OK, 0
        self.change = change_level(self.tool, self.input)

    @property
    def label(self) -> str:
        """A short readable label without secrets and control characters."""
        return labels.label(self.tool, self.input)

    @property
    def path(self) -> str:
        """The file it is about, or ""."""
        return only(str, only(dict, self.input).get("file_path"))

    @property
    def turns(self) -> int:
        """How many later turns of the lane carried its result in the context, until compaction or the end."""
        begun, compactions = self.session.turns[self.lane], self.session.compactions
        after = bisect_right(compactions, self.ended)
        compacted = not self.lane and after < len(compactions)
        return (bisect_right(begun, compactions[after]) if compacted else len(begun)) - self.turn

    @property
    def weight(self) -> int:
        """The characters of its result, as often as the context carried them."""
        return self.size * max(1, self.turns)

    def finish(self, record: dict) -> None:
        event = record["hook_event_name"]
        text = only(str, record.get("tool_response", record.get("error", "")))
        self.ended, self.size = max(self.t, record["t"]), len(text)
        if event != "PostToolUse":
            blocked = f"Blocked by {PLUGIN}" in text[:HEAD]
            self.kind = BLOCKED if blocked else DENIED if event == "ToolNotRun" else FAILED


class PastSession:
    """One session. calls: in order of time; prompts, compactions: epoch seconds; turns: lane -> when each began."""

    def __init__(self, name: str) -> None:
        self.name, self.project = name, ""
        self.calls: list[Call] = []
        self.prompts: list[float] = []
        self.compactions: list[float] = []
        self.turns: dict[str, list[float]] = {}
        self._begun: set[tuple[str, object]] = set()
        self._open: dict[str, Call] = {}

    def take(self, record: dict) -> None:
        event, lane = record["hook_event_name"], record.get("agent_id") or ""
        self.project = self.project or str(record.get("cwd") or "")
        if event == "UserPromptSubmit":
            self.prompts += [] if record.get("machine") else [record["t"]]
        elif event == COMPACTED:
            self.compactions += [] if lane else [record["t"]]
        elif event == "PreToolUse":
            turns, turn = self.turns.setdefault(lane, []), (lane, record.get("turn"))
            if turn not in self._begun:
                self._begun.add(turn)
                turns.append(record["t"])
            call = Call(self, record, len(turns))
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


def transcripts_folder() -> Path:
    """The folder of Claude Code's transcripts, with a subfolder per project."""
    return Path(claude_folder.path(os.environ), "projects")


def folder_of(project: str) -> Path:
    """The folder with the transcripts of one project. (That of a very long path ends in a checksum.)"""
    top, name = transcripts_folder(), project_folder(project)
    return next(iter(sorted(top.glob(f"{name}-*")) if len(name) == LONGEST else ()), top / name)


def groups(top: Path, after: float) -> list[list[Path]]:
    """The transcripts below `top` written since `after`, each with those of its subagents, in the order in which they began: of a row
    that a fork copied, the original comes first."""
    return recording.recordings([str(top)], after) if top.is_dir() else []


def past_sessions(groups: Iterable[list[Path]], after: float, until: float) -> Iterator[PastSession]:
    """The sessions in transcripts within a period. Unreadable rows and rows copied from another session are skipped."""
    copied: set[int] = set()
    for group in groups:
        records = recording.records(group, recording.skip, copied)
        within = (record for record in records if after <= record["t"] <= until)
        yield from (one for one in recording.by_session(within, PastSession) if one.calls or one.prompts)
