"""Adds and removes our section at the end of a text of yours: in CLAUDE.md and in git's exclude file. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """A section between two marker lines."""

    begin: str
    body: str
    end: str

    def addition(self, text: str) -> str:
        """What to append to `text` to add the section; "" if it is there."""
        if self.begin in text:
            return ""
        newline = "\r\n" if "\r\n" in text else "\n"
        gap = "" if not text else newline if text.endswith("\n") else 2 * newline
        return gap + f"{self.begin}\n{self.body}{self.end}\n".replace("\n", newline)

    def removed(self, text: str, piece: str) -> str:
        """`text` without the appended `piece`; if that was edited (or is none of ours), without all from marker to marker."""
        if self.begin in piece and piece in text:
            return text.replace(piece, "", 1)
        start, end = text.find(self.begin), text.find(self.end)
        if start == -1 or end < start:
            return text
        end += len(self.end)
        for newline in ("\r\n", "\n"):
            if text.startswith(newline, end):
                return text[:start] + text[end + len(newline) :]
        return text[:start] + text[end:]


PROTOCOL = Section(
    "<!-- circuit-breaker:begin -->",
    """## Circuit breaker

A circuit breaker watches tool calls in this session. When it blocks a call, that call has been failing or repeating without
progress: do not retry it and do not work around it. Say in one sentence what did not work, then do something different, or ask.
Other calls still work, and one retry is allowed after a cooldown. The breaker's state, its configuration and `SUDO BYPASS`
belong to the user: never write, reset or type them yourself. `/circuit-status` shows the state.
""",
    "<!-- circuit-breaker:end -->",
)


def exclusion(paths: list[str]) -> Section:
    """The section of .git/info/exclude that ignores `paths` (relative to the repository, with /)."""
    body = "".join(f"/{path}\n" for path in paths)
    return Section("# circuit-breaker:begin", body, "# circuit-breaker:end")
