"""Recurring dead ends: the same command failing with the same environment error in several sessions of a project.

A missing program, module or option stays missing until it is installed, and each new session runs into it again. Transcripts are read
from where the last scan stopped; results are kept in the runtime folder.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.identity import labels
from circuit_breaker.identity.calls import SHELLS, shell_command
from circuit_breaker.replay import transcript
from circuit_breaker.runtime import files, home
from circuit_breaker.runtime.json import object_of, parse
from circuit_breaker.shell import shell_line
from report import past

DAYS, SESSIONS = 14, 3
WORDS = 3  # first words by which a command is the same
VERSION = 2
SUCCESSES_MAX = 400  # successful commands remembered per transcript
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


def of_projects(
    where: home.Places, folders: Iterable[Path], now: float, seconds: float = float("inf")
) -> list[DeadEnd]:
    """The dead ends of each project (a folder of transcripts), most frequent first, after reading on for at most `seconds`."""
    found: list[DeadEnd] = []
    for folder in folders:
        scan = Scan(where, folder)
        scan.look([path for group in past.groups(folder, now - DAYS * 86_400) for path in group], seconds)
        found += scan.found(now)
    return sorted(found, key=lambda end: (-end.sessions, -end.last))


def error_of(text: str) -> str:
    """The environment error in a failure's text, or ""."""
    text = text[: past.HEAD]
    for kind, pattern in ERRORS:
        found = pattern.search(text)
        if found:
            named = next((group for group in found.groups() if group), "")
            return f"{kind}: {labels.clip(named.strip(chr(39) + chr(34)), 40)}" if named else kind
    return ""


def first_words(tool: str, given: object, text: str = "") -> str:
    """The first words of the program in a shell line that the error names, else of its first program."""
    first = ""
    line = shell_line.normalise(shell_command(tool, given)[:2000], "")[0]
    for words in shell_line.programs(line):
        if words[0] in _SKIP:
            continue
        shown = labels.clip(" ".join(words[:WORDS]), 60, given)
        if text and words[0] in text:
            return shown
        first = first or shown
    return first


class Scan:
    """The environment errors in the transcripts of one project, kept in R/dead_ends/ between scans.

    files: path -> [bytes read so far, {id of a call: (t, session, command, error)}, {command: t of its last success}], those that began
    first at the beginning. What follows a call without a result is read again.
    """

    def __init__(self, where: home.Places, folder: Path) -> None:
        self.where = where
        self.path = f"{where.runtime}/dead_ends/{home.slug(str(folder))}.json"
        self.files: dict[str, list[Any]] = {}
        try:
            kept = parse(files.read(self.path) or b"")
            if kept["version"] == VERSION:
                entries = kept["files"].items()
                self.files = {
                    path: [int(read), failures, successes] for path, (read, failures, successes) in entries
                }
                self.found(0.0)  # raises for an entry of another shape
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self.files = {}  # scanned again

    def look(self, paths: list[Path], seconds: float = float("inf")) -> None:
        """Continue reading `paths` for at most `seconds` and save the results."""
        deadline = time.monotonic() + seconds
        before = json.dumps(self.files)
        self.files = {str(path): self.files.get(str(path), [0, {}, {}]) for path in paths}
        for path in reversed(paths):
            with contextlib.suppress(OSError):
                self._read_on(path, deadline)
        if json.dumps(self.files) == before or not files.exists(self.where.runtime):
            return  # nothing new, or no runtime folder yet
        with contextlib.suppress(OSError):  # then the next scan reads it all again
            files.make_folder(self.where.runtime + "/dead_ends")
            data = json.dumps({"version": VERSION, "files": self.files}, separators=(",", ":"))
            files.replace(self.path, data.encode("ascii"))

    def _read_on(self, path: Path, deadline: float) -> None:
        entry = self.files[str(path)]
        if path.stat().st_size < entry[0]:
            entry[:] = [0, {}, {}]
        at: int = entry[0]
        open_calls: dict[str, tuple[int, str, Any]] = {}
        with path.open("rb") as stream:
            stream.seek(at)
            for line in stream:
                if time.monotonic() > deadline or not line.endswith(b"\n"):
                    break  # it is late, or the line is still being written
                if b'"tool_' in line or open_calls:
                    _note(line, at, entry, open_calls)
                at += len(line)
        entry[0] = min([at, *(begun for begun, *_ in open_calls.values())])

    def found(self, now: float) -> list[DeadEnd]:
        """Dead ends in at least SESSIONS sessions within DAYS and without a success since."""
        cleared: dict[str, float] = {}
        for _, _, successes in self.files.values():
            for command, t in successes.items():
                cleared[command] = max(t, cleared.get(command, 0.0))
        met: dict[tuple[str, str], dict[str, float]] = {}
        calls: dict[str, list[Any]] = {}
        for _, failures, _ in reversed(self.files.values()):
            calls.update(failures)  # the original of a call that a fork copied comes last
        for t, session, command, error in calls.values():
            if now - t <= DAYS * 86_400 and t > cleared.get(command, 0.0):
                met.setdefault((command, error), {})[session] = t
        return [
            DeadEnd(command, error, len(times), max(times.values()))
            for (command, error), times in met.items()
            if len(times) >= SESSIONS
        ]


def _note(line: bytes, at: int, entry: list[Any], open_calls: dict[str, tuple[int, str, Any]]) -> None:
    """Add to `entry` what the line of a transcript at offset `at` says; `open_calls`: shell calls without a result, by id."""
    row = object_of(line)
    _, failures, successes = entry
    for record in transcript.records_in_row(row) if transcript.is_row(row) else ():
        event, call_id = record["hook_event_name"], record.get("tool_use_id", "")
        if event == "PreToolUse" and record["tool_name"] in SHELLS:
            open_calls[call_id] = at, record["tool_name"], record["tool_input"]
        elif not call_id and event != transcript.REQUEST:
            open_calls.clear()  # a prompt, or the end of a turn: they get none
        if event == "PreToolUse" or call_id not in open_calls:
            continue
        _, tool, given = open_calls.pop(call_id)
        error = error_of(record.get("error", ""))
        if event == "PostToolUse":
            command = first_words(tool, given)
            successes.pop(command, None)  # so that it moves to the end
            successes[command] = record["t"]
            if len(successes) > SUCCESSES_MAX:
                del successes[next(iter(successes))]
        elif event == "PostToolUseFailure" and error:
            command = first_words(tool, given, record["error"][: past.HEAD])
            failures[call_id] = [record["t"], record["session_id"], command, error]
