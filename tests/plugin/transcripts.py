"""Transcripts as Claude Code writes them, made up for tests."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

_ids = count(1)


class Transcript:
    """One session's rows; each call is a message of its own. `now` is the clock, epoch seconds."""

    def __init__(self, session: str, project: str, now: float) -> None:
        self.session, self.project, self.now = session, project, now
        self.rows: list[dict[str, Any]] = []

    def row(self, kind: str, message: Any, **more: Any) -> None:
        stamp = datetime.fromtimestamp(self.now, timezone.utc).isoformat().replace("+00:00", "Z")
        base = {"type": kind, "sessionId": self.session, "cwd": self.project, "timestamp": stamp}
        self.rows.append({**base, "uuid": f"row-{next(_ids)}", "message": message, **more})

    def prompt(self, text: str = "go on") -> None:
        self.row("user", {"role": "user", "content": text}, promptSource="typed", origin={"kind": "human"})
        self.now += 1

    def call(
        self,
        tool: str,
        given: Any,
        result: str = "",
        fails: bool = False,
        seconds: float = 1.0,
        agent: str = "",
    ) -> None:
        number = next(_ids)
        lane = {"isSidechain": True, "agentId": agent} if agent else {}
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": tool, "input": given}
        usage = {"input_tokens": 2, "output_tokens": 3, "cache_read_input_tokens": 1000}
        self.row(
            "assistant",
            {"id": f"msg_{number}", "role": "assistant", "content": [use], "usage": usage},
            **lane,
        )
        self.now += seconds
        block = {"type": "tool_result", "tool_use_id": use["id"], "content": result, "is_error": fails}
        self.row("user", {"role": "user", "content": [block]}, **lane)

    def bash(self, command: str, result: str = "", **more: Any) -> None:
        self.call("Bash", {"command": command}, result, **more)

    def compacted(self) -> None:
        self.row("system", None, subtype="compact_boundary", content="Conversation compacted")
        self.now += 1

    def fork(self, session: str) -> Transcript:
        """A session that resumes this one in a copy of its transcript."""
        copy = Transcript(session, self.project, self.now)
        copy.row("queue-operation", None)
        copy.rows += [{**row, "sessionId": session} for row in self.rows]
        return copy

    def save(self, home: Path) -> Path:
        """Where Claude Code would put it."""
        folder = home / ".claude" / "projects" / "".join(c if c.isalnum() else "-" for c in self.project)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.session}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
        return path
