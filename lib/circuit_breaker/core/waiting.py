"""Does a shell command wait before or while it looks? Pure."""

from __future__ import annotations

from circuit_breaker.core.reading import DEPTH, SHELLS, has_subcommands, told_command
from circuit_breaker.core.simple_commands import program, segments


def waits(command: str, depth: int = 0) -> bool:
    """Does it wait before or while it looks: a sleep in front or in a loop, `--watch`, `watch`, `wait`, `until`?"""
    parts = list(segments(command)) if depth <= DEPTH else []
    for i, segment in enumerate(parts):
        if "until" in segment.words[:1]:
            return True
        words = program(segment.words)
        if not words:
            continue
        if words[0] in ("watch", "wait") or (has_subcommands(words[0]) and _waits_itself(words[1:3])):
            return True
        if words[0] == "sleep" and (i < len(parts) - 1 or len(parts) == 1):
            return True
        if "--watch" in words or (words[0] in ("kubectl", "gh") and "-w" in words):
            return True
        if words[0] in SHELLS and waits(told_command(words[1:]), depth + 1):
            return True
    return False


def _waits_itself(words: list[str]) -> bool:
    return words[:1] in (["wait"], ["watch"]) or words[1:] == ["watch"]
