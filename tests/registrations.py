"""The command lines that hooks.json registers for a payload, read as Claude Code reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = {
    "gate": "circuit_breaker_gate.py",
    "monitor": "circuit_breaker_monitor.py",
    "janitor": "memory_janitor.py",
    "prompt": "prompt.py",
    "command": "command.py",
    "stop": "stop.py",
    "guard": "guard.py",
}
MATCHED_FIELD = {
    "SessionStart": "source",
    "UserPromptExpansion": "command_name",
    "SubagentStop": "agent_type",
    "ConfigChange": "source",
}


def registered(plugin: Path = ROOT) -> list[tuple[str, str, dict[str, Any]]]:
    """(event, matcher, hook) for each registration, in its order."""
    document = json.loads((plugin / "hooks" / "hooks.json").read_text(encoding="utf-8"))
    return [
        (event, group.get("matcher", ""), hook)
        for event, groups in document["hooks"].items()
        for group in groups
        for hook in group["hooks"]
    ]


def lines_for(body: dict[str, Any], plugin: Path = ROOT) -> list[str]:
    """The command lines whose event and matcher fit a payload, each once."""
    subject = str(body.get(MATCHED_FIELD.get(body["hook_event_name"], "tool_name"), ""))
    fitting = [
        hook["command"]
        for event, matcher, hook in registered(plugin)
        if event == body["hook_event_name"] and fits(matcher, subject)
    ]
    return list(dict.fromkeys(fitting))


def fits(matcher: str, subject: str) -> bool:
    """Whether a matcher means `subject`: nothing and `*` mean all, plain words exact names, anything else a pattern."""
    if matcher in ("", "*"):
        return True
    if re.fullmatch(r"[\w|, -]+", matcher):
        return subject in re.split(r"[|,]\s*", matcher)
    return re.search(matcher, subject) is not None
