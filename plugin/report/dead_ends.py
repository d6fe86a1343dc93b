"""Recurring dead ends: the same command failing with the same environment error in several sessions of a project. Pure.

A missing program, module or option stays missing until it is installed, and each new session runs into it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from circuit_breaker.identity import calls as kinds
from circuit_breaker.identity import labels, shell_line
from report.past import FAILED, OK, Call, PastSession

SESSIONS = 3
WORDS = 3  # first words by which a command is the same
ERRORS = (
    ("command not found", re.compile(r"(?:^|\s)(?:command not found: (\S+)|(\S+): (?:command )?not found)\s*$", re.M)),
    ("executable not found", re.compile(r"executable file not found|is not recognized as an? (?:internal|name)")),
    ("missing module", re.compile(r"No module named ['\"]?([\w.]+)|Cannot find (?:module|package) ['\"]([^'\"]+)")),
    ("unknown option", re.compile(
        r"(?:unrecognized|unknown|invalid|illegal) (?:arguments?|options?|flags?)(?: -- (\w)|:?\s+['\"`]?(-[\w-]+))"
        r"|[Nn]o such option:?\s+(\S+)"
    )),
    ("unknown command", re.compile(r"(?:[Uu]nknown|[Nn]o such) (?:sub)?command:?\s+['\"`]?([\w:.-]+)")),
    ("unsupported engine", re.compile(r"EBADENGINE|Unsupported engine|requires (?:Node|Python|Ruby|Go)(?:\.js)? ?(?:version )?[<>=^~]")),
)  # fmt: skip
_SKIP = frozenset("cd export source . echo set pushd".split())


class DeadEnd(NamedTuple):
    """command: its first words; error: kind and name; sessions: how many; last: epoch seconds of the last time."""

    command: str
    error: str
    sessions: int
    last: float


def found(sessions: Iterable[PastSession]) -> list[DeadEnd]:
    """The errors met in at least SESSIONS sessions of a project and not followed by a success, most frequent first."""
    made = [(session, call) for session in sessions for call in session.calls if call.tool in kinds.SHELLS]
    met: dict[tuple[str, str], dict[str, dict[str, float]]] = {}  # by project and command: error, session
    for session, call in sorted(made, key=lambda pair: pair[1].ended):
        error = error_of(call.error) if call.kind == FAILED else ""
        if error:
            errors = met.setdefault((session.project, command_of(call)), {})
            errors.setdefault(error, {})[session.name] = call.ended
        elif met and call.kind == OK:
            met.pop((session.project, command_of(call)), None)
    ends = [
        DeadEnd(command, error, len(times), max(times.values()))
        for (_, command), errors in met.items()
        for error, times in errors.items()
        if len(times) >= SESSIONS
    ]
    return sorted(ends, key=lambda end: (-end.sessions, -end.last))


def error_of(text: str) -> str:
    """The environment error in a failure's text, or ""."""
    for kind, pattern in ERRORS:
        match = pattern.search(text)
        if match:
            named = next((group for group in match.groups() if group), "")
            return f"{kind}: {labels.clip(named.strip(chr(39) + chr(34)), 40)}" if named else kind
    return ""


def command_of(call: Call) -> str:
    """The first words of the program in a shell line that the call's error names, else of its first program."""
    line = shell_line.normalise(kinds.shell_command(call.tool, call.input)[:2000], "")[0]
    programs = [words for words in shell_line.programs(line) if words[0] not in _SKIP]
    named = [words for words in programs if words[0] in call.error]
    return next((labels.clip(" ".join(words[:WORDS]), 60, call.input) for words in [*named, *programs]), "")
