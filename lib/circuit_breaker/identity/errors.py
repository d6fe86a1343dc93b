"""When are two errors the same, and which say nothing of the call that failed? Pure."""

from __future__ import annotations

from circuit_breaker.identity import calls, keys, results

_MISSES = (
    "not found",
    "no such file",
    "does not exist",
    "doesn't exist",
    "404",
    "403",
    "429",
    "too large",
    "exceeds maximum",
    "exceeds the maximum",
    "no matches",
    "no files found",
    "cannot find",
    "can't find",
    "is a directory",
    "eisdir",
    "enoent",
    "not a directory",
)
ERROR_HEAD, ERROR_TAIL = 3, 5  # lines of an error that tell it apart


def error_key(kind: str, text: str, tool_input: object = None) -> str:
    """An error's identity: its outcome, and its first and last lines without those that only echo the input."""
    lines = [line.strip() for line in text.split("\n")]
    echoed = _input_lines(tool_input)
    told = [
        line for line in lines if line and line not in echoed and line.removeprefix("String: ") not in echoed
    ]
    if len(told) > ERROR_HEAD + ERROR_TAIL:
        told = told[:ERROR_HEAD] + told[-ERROR_TAIL:]
    return keys.digest(f"{kind}\n{results.blind(chr(10).join(told))}")


def _input_lines(tool_input: object) -> frozenset[str]:
    if not isinstance(tool_input, dict):
        return frozenset()
    texts = [value for value in tool_input.values() if isinstance(value, str)]
    lines = {line.strip() for text in texts for line in text.split("\n")}
    lines |= {line + "</tool_use_error>" for line in lines}
    return frozenset(lines)


def is_lookup_miss(tool: str, tool_input: object, text: str) -> bool:
    """Did a reading call only report that there is nothing there, or too much of it? Such errors are no sign of a loop."""
    start = text[:600].lower()
    if "spawn" in start:
        return False  # the tool's own program is missing, not what was looked for
    if not any(miss in start for miss in _MISSES):
        return False
    if tool in calls.LOOKUPS:
        return True
    return (tool in calls.SHELLS or tool.startswith("mcp__")) and not calls.change_level(tool, tool_input)


def is_bare(text: str) -> bool:
    """Does the error say nothing but an exit code?"""
    return text.startswith("Exit code ") and text[10:].strip().isdigit()
