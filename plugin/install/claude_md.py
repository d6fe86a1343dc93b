"""The short protocol section in a CLAUDE.md, added and removed. Pure."""

from __future__ import annotations

BEGIN, END = "<!-- circuit-breaker:begin -->", "<!-- circuit-breaker:end -->"
SECTION = f"""{BEGIN}
## Circuit breaker

A circuit breaker watches tool calls in this session. When it denies a call, that call has been failing or repeating without
progress: do not retry it and do not work around it. Say in one sentence what did not work, then do something different, or ask.
Other calls stay free, and the circuit lets one trial through after its cooldown. Its state, its configuration and `SUDO BYPASS`
belong to the person: never write, reset or type them yourself. `/circuit-status` shows the state.
{END}
"""


def added(text: str) -> str:
    """What to append to `text` for the section to stand at its end; "" when it is there."""
    if BEGIN in text:
        return ""
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else newline if text.endswith("\n") else 2 * newline
    return gap + SECTION.replace("\n", newline)


def without(text: str, piece: str) -> str:
    """`text` without what was appended; when that was edited since, without everything from marker to marker."""
    if piece and piece in text:
        return text.replace(piece, "", 1)
    start, end = text.find(BEGIN), text.find(END)
    if start == -1 or end < start:
        return text
    end += len(END)
    for newline in ("\r\n", "\n"):
        if text.startswith(newline, end):
            return text[:start] + text[end + len(newline) :]
    return text[:start] + text[end:]
