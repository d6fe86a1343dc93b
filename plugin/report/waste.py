"""Three kinds of waste in working sessions, which are only reported because no rule should act on them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from heapq import nlargest
from operator import attrgetter
from typing import NamedTuple

from circuit_breaker.identity import labels
from circuit_breaker.identity.calls import READERS, WRITES, shell_command
from circuit_breaker.shell import shell_line
from report.past import FAILED, OK, Call, PastSession

LARGEST = 5  # results listed
WHOLE = 20_000  # characters from which a file that was read completely is reported
SLOW = 20.0  # seconds from which a command counts as slow
# Programs after a pipe that only select which lines are shown.
CHOOSERS = frozenset(
    "head tail grep egrep fgrep rg sed awk cut sort uniq wc less more cat tee tr nl column".split()
)
LABEL = 80


class Slow(NamedTuple):
    """A slow command that ran `times` times although only the lines shown differed."""

    label: str
    times: int
    seconds: float
    session: str


class Waste:
    """The waste in sessions: the largest results, whole files that nothing used, files read again, slow commands run again."""

    def __init__(self, sessions: Iterable[PastSession]) -> None:
        self.largest: list[Call] = []
        self.unused: list[Call] = []
        self.again: list[Call] = []
        self.slow: list[Slow] = []
        for session in sessions:
            results = [*self.largest, *(call for call in session.calls if call.kind == OK and call.size)]
            self.largest = nlargest(LARGEST, results, attrgetter("weight"))
            self.unused += _unused(session.calls)
            self.again += _read_again(session.calls)
            self.slow += _slow(session)


def _unused(calls: list[Call]) -> list[Call]:
    """Completely read files of WHOLE characters or more whose names no later call mentions."""
    waiting: dict[str, Call] = {}
    for call in calls:
        if waiting:
            text = str(call.input)
            for name in [name for name in waiting if name in text]:
                del waiting[name]
        whole = call.tool in READERS and call.kind == OK and call.size >= WHOLE
        if whole and call.path and isinstance(call.input, dict) and not {"offset", "limit"} & set(call.input):
            waiting[posixpath.basename(call.path.replace("\\", "/"))] = call
    return list(waiting.values())


def _read_again(calls: list[Call]) -> list[Call]:
    """The main thread's reads of files that a subagent had read before, one of each file."""
    read_by_subagents: set[str] = set()
    found: dict[str, Call] = {}
    for call in calls:
        if call.tool not in READERS or call.kind != OK or not call.path:
            continue
        if call.lane:
            read_by_subagents.add(call.path)
        elif call.path in read_by_subagents:
            found.setdefault(call.path, call)
    return list(found.values())


def _slow(session: PastSession) -> list[Slow]:
    """Slow commands that ran again in a lane with nothing changed in between, only to show other lines."""
    runs: dict[tuple[str, str], list[Call]] = {}
    found: list[Slow] = []

    def settle(keys: Iterable[tuple[str, str]]) -> None:
        for key in keys:
            same = runs.pop(key)
            if len({str(call.input) for call in same}) > 1:
                wasted = sum(call.ended - call.t for call in same[1:])
                found.append(Slow(labels.clip(key[1], LABEL, same[0].input), len(same), wasted, session.name))

    for call in session.calls:
        command = shell_command(call.tool, call.input)
        key = (call.lane, without_choosers(command)) if command else ("", "")
        if command and call.kind in (OK, FAILED) and call.ended - call.t >= SLOW:
            runs.setdefault(key, []).append(call)
        elif call.change:
            settle([key for key in runs if key[0] == call.lane or call.change == WRITES])
    settle(list(runs))
    return found


def without_choosers(command: str) -> str:
    """A command without the parts that only select lines: `make test 2>&1 | tail -5 > log` gives `make test`."""
    kept: list[str] = []
    piped = False
    for segment in shell_line.segments(shell_line.normalise(command, "")[0]):
        words = shell_line.program(segment.words)
        if not (piped and words and words[0] in CHOOSERS):
            kept.append(" ".join(segment.words))
        piped = segment.joint in ("|", "|&")
    return "; ".join(kept)
