"""What is one whole round over the home and the runtime folder, and what is noted about it?"""

from __future__ import annotations

import sys
import time

from circuit_breaker.janitor import plans, stamp, survey, sweep, upkeep
from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.janitor.retention import Action
    from circuit_breaker.janitor.sweep import Report
    from circuit_breaker.runtime.home import Places


HOUR, DAY = 3600.0, 86400.0


class Round:
    """report: what was done. task: what is left for a process that has time: "" or "compress", or "sweep" for what was too
    large. finished: nobody else was at it and nothing went wrong, so that `note` may be believed. planned: by folder."""

    __slots__ = ("report", "task", "finished", "planned", "note")

    def __init__(self, where: Places, config: Config, now: float) -> None:
        self.report, self.task, self.finished = sweep.Report(), "", True
        self.planned: dict[str, plans.Planned] = {}
        self.note: dict[str, Any] = {
            "at": now,  # of this look
            "since": now - stamp.SLACK,  # contents that have not changed after it are known to be fine
            "until": now + DAY,  # a limit by age may be reached then
            "asked": stamp.asked(config),
            "entries": 0,  # of the home
            "folder": 0,  # its mtime in ns
            "spared": "",  # the session whose files were left alone though a rule was about them
            "interpreter": sys.executable,
            "library": stamp.__file__,
            "pinned": False,
        }


def roots(where: Places) -> list[tuple[str, bool]]:
    """The folders that rules are about: the home with all kinds of files, and the runtime folder with its error log."""
    return [(where.home, True)] + ([(where.runtime, False)] if where.runtime != where.home else [])


def known_since(note: Mapping[str, Any], config: Config, now: float) -> float:
    """Up to when earlier rounds with the same limits know the contents of files; 0.0 for not at all."""
    since = note.get("since")
    if isinstance(since, float) and since <= now and note.get("asked") == stamp.asked(config):
        return since
    return 0.0


def go(
    where: Places,
    config: Config,
    now: float,
    session: str,
    since: float,
    most: float = float("inf"),
    tell: Callable[[Action], None] | None = None,
) -> Round:
    """Do what the rules ask for, in folders of up to `most` entries; `tell` hears of each action. Never raises OSError."""
    made = Round(where, config, now)
    made.note["folder"] = _mtime(
        where.home
    )  # before the survey: what comes and goes after it shall be seen next time
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    for folder, whole in roots(where):
        try:
            found = plans.planned(folder, config.memory_limits, now, moment, session, whole, most, since)
        except survey.TooMany:
            made.task = "sweep"
            made.note["since"] = since
            made.note["entries"] = max(made.note["entries"], stamp.SMALL + 1)
            continue
        except OSError as error:
            made.report.errors.append(f"{folder}: {error}")
            continue
        made.planned[folder] = found
        _carry_out(made, folder, where, config, session, tell)
        if whole:
            made.note["entries"] = max(made.note["entries"], found.entries)
    _runtime(made, where, config, now, session, most)
    made.finished = made.finished and not made.report.errors
    return made


def _carry_out(
    made: Round,
    folder: str,
    where: Places,
    config: Config,
    session: str,
    tell: Callable[[Action], None] | None,
) -> None:
    found = made.planned[folder]
    plan, note = found.plan, made.note
    done: Report | None = sweep.Report()
    if plan.actions:
        stamp.forget(where)  # a round that is killed must not look finished
        done = sweep.carry_out(folder, plan, config.memory_limits, tell)
    if done is None:
        made.finished = False
        return
    made.report.add(done)
    made.report.unreadable += found.unreadable
    if found.pending or done.archives:
        made.task = made.task or "compress"
    note["until"] = min(note["until"], plan.wake)
    if plan.deferred:
        note["spared"], note["since"] = session, 0.0


def _runtime(made: Round, where: Places, config: Config, now: float, session: str, most: float) -> None:
    """Old sessions, stale markers and scraps of the runtime folder."""
    report = made.report
    days = config.memory_limits["session_max_age_days"]
    folders = [where.armed, where.runtime + "/janitor"] + (
        [where.runtime] if where.runtime != where.home else []
    )
    try:
        old, due = upkeep.old_sessions(where, days, now, session, 10 * most)
        for folder, _ in old:
            freed = upkeep.forget(folder, now - days * DAY)
            report.forgotten += freed > 0
            report.freed += freed
        made.note["until"] = min(made.note["until"], max(due, now + HOUR))  # one round for many of them
        upkeep.markers(where, now, session)
        upkeep.old_notes(where, now)
        if most == float("inf"):
            folders += upkeep.session_folders(where)
        report.cleared += upkeep.scraps(folders, now)
    except survey.TooMany:
        made.task = "sweep"
    except OSError as error:
        report.errors.append(f"{where.runtime}: {error}")


def _mtime(folder: str) -> int:
    try:
        return int(files.system.stat(folder).st_mtime_ns)
    except OSError:
        return 0
