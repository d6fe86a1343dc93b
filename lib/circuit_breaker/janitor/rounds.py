"""One round of the janitor: it sweeps the home and the runtime folder and makes the note about them.

What is too large for a session start, and the compression, is left to a background process: in its own process session, without an
open file that Claude Code would wait for.
"""

from __future__ import annotations

import sys
import time

from circuit_breaker.janitor import disk, notes, runtime_folder, sweep
from circuit_breaker.runtime import detached, files, home, json
from circuit_breaker.runtime.home import ROOT, Places
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.config import Config


PLUGIN_FOLDER = ROOT + "/plugin"  # for `python3 PLUGIN_FOLDER VERB`
DEADLINE = 120.0  # seconds of the background process; the next session start continues where it stopped
_LINE = "import sys; sys.path.insert(0, sys.argv[1]); from circuit_breaker.janitor import rounds; rounds.run(sys.argv[2:])"


class Round:
    """report: what was done. task: what is left for the background: "", "compress", or "sweep" if it was too large. finished: no
    other process was at work and nothing failed, so `note` can be trusted."""

    __slots__ = ("report", "task", "finished", "note")

    def __init__(self, where: Places, config: Config, now: float) -> None:
        self.report, self.task, self.finished = sweep.Report(), "", True
        self.note: dict[str, Any] = {
            "at": now,  # when this round looked
            "since": now - notes.SLACK,  # contents not changed after this are known to be within the limits
            "until": now + notes.DAY,  # when the next age limit may be reached
            "asked": notes.asked(config),
            "entries": 0,  # entries of the home
            "folder": notes.written(
                where.home
            ),  # before the survey, so that later changes are noticed next time
            "spared": "",  # the running session, if files of it were over a limit and left alone
            "interpreter": sys.executable,
            "library": notes.__file__,
            "pinned": files.exists(where.runtime + "/python"),
        }

    def due(self, at: float) -> None:
        """Note that something is due then."""
        self.note["until"] = min(self.note["until"], at)

    def keep(self, where: Places) -> None:
        """Save the note of a round that was finished."""
        self.finished = self.finished and not self.report.errors
        if self.task:
            self.due(self.note["at"] + notes.AGAIN)
        try:
            if self.finished:
                notes.save(where, self.note)
        except OSError as error:
            self.report.errors.append(f"note: {files.why(error)}")


def roots(where: Places) -> list[str]:
    """The folders to sweep: the home, and the runtime folder (for its error log)."""
    return list(dict.fromkeys((where.home, where.runtime)))


def make(where: Places, config: Config, now: float, session: str, most: float = disk.NEVER) -> Round:
    """Do what is due in folders of up to `most` entries. Never raises OSError."""
    made, limits = Round(where, config, now), config.memory_limits
    since = notes.known_since(where, config, now)
    for folder in roots(where):
        try:
            plan = sweep.planned(folder, limits, now, session, most, since)
            if plan.actions:
                notes.discard(where)  # so that a killed round does not look finished
        except disk.TooMany:
            made.task, made.note["since"], made.note["entries"] = "sweep", since, notes.SMALL + 1
            continue
        except OSError as error:
            made.report.errors.append(f"{folder}: {files.why(error)}")
            continue
        made.finished = sweep.execute(folder, plan, limits, made.report) and made.finished
        made.report.unreadable += plan.unreadable
        if plan.pending or made.report.archives:
            made.task = made.task or "compress"
        made.due(plan.wake)
        made.note["entries"] = max(made.note["entries"], plan.entries)
        if plan.deferred:
            made.note["spared"], made.note["since"] = session, 0.0
    try:
        due = runtime_folder.clean(where, limits, now, session, most, made.report)
        made.due(max(due, now + notes.HOUR))  # so that one round handles many of them
    except disk.TooMany:
        made.task = "sweep"
    except OSError as error:
        made.report.errors.append(f"{where.runtime}: {files.why(error)}")
    made.keep(where)
    return made


# --- The background process


def start(where: Places, session: str, task: str) -> None:
    """Start `run` for these places in another process and return at once. task: "sweep" or "compress".

    Raises OSError if no process can be started.
    """
    given = [where.runtime, where.home, where.project, where.user_config, where.user, session, task]
    detached.start([sys.executable, "-I", "-S", "-X", "utf8", "-c", _LINE, ROOT + "/lib", *given])


def run(arguments: list[str]) -> None:
    """The body of the process. `arguments`: the five places, the session that started it, the task. Ends within DEADLINE.

    What a round did here is left as a report for the next session start.
    """
    import os

    from circuit_breaker.janitor import archives

    *paths, session, task = arguments
    where = Places(*paths)
    if hasattr(os, "nice"):
        os.nice(10)
    now, deadline, faults = time.time(), time.monotonic() + DEADLINE, []
    if task == "sweep":
        report = make(where, home.configuration(where, home.environment()), now, session).report
        done = memory.done(report.facts(), PLUGIN_FOLDER)
        if done:
            files.append(notes.report_path(where), done.encode("utf-8", "replace") + b"\n")
        faults = report.errors + report.unreadable
    for folder in roots(where):
        faults += archives.compress_all(folder, deadline)[2]
    said = [memory.shown(memory.trouble([fault])) for fault in faults[:5]]
    if said:
        lines = [json.dump({"t": round(now, 3), "error": text}) for text in said]
        files.append(where.errors, b"\n".join(lines) + b"\n")
