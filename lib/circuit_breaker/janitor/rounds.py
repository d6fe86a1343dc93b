"""One round of the janitor: it sweeps the home and the runtime folder and makes the note about them."""

from __future__ import annotations

import sys
import time

from circuit_breaker.janitor import notes, runtime_folder, survey, sweep
from circuit_breaker.runtime import files, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.janitor.retention import Action, SweepPlan
    from circuit_breaker.janitor.sweep import Report
    from circuit_breaker.runtime.home import Places


HOUR, DAY = 3600.0, 86400.0
PLUGIN_FOLDER = home.ROOT + "/plugin"  # for `python3 PLUGIN_FOLDER VERB`


class Round:
    """report: what was done. task: what is left for the background: "", "compress", or "sweep" if it was too large. finished: no
    other process was at work and nothing failed, so `note` can be trusted."""

    __slots__ = ("report", "task", "finished", "note")

    def __init__(self, where: Places, config: Config, now: float) -> None:
        self.report, self.task, self.finished = sweep.Report(), "", True
        self.note: dict[str, Any] = {
            "at": now,  # when this round looked
            "since": now - notes.SLACK,  # contents not changed after this are known to be within the limits
            "until": now + DAY,  # when the next age limit may be reached
            "asked": notes.asked(config),
            "entries": 0,  # entries of the home
            "folder": 0,  # the home's mtime in ns
            "spared": "",  # the running session, if files of it were over a limit and left alone
            "interpreter": sys.executable,
            "library": notes.__file__,
            "pinned": False,
        }

    def due(self, at: float) -> None:
        """Note that something is due then."""
        self.note["until"] = min(self.note["until"], at)


def roots(where: Places) -> list[tuple[str, bool]]:
    """The folders to sweep, each with whether all kinds of files count: the home (all), the runtime folder (only its error log)."""
    return [(where.home, True)] + ([(where.runtime, False)] if where.runtime != where.home else [])


def known_since(note: Mapping[str, Any], config: Config, now: float) -> float:
    """Epoch seconds up to which earlier rounds with the same limits checked file contents; 0.0 for never."""
    since = note.get("since")
    if isinstance(since, float) and since <= now and note.get("asked") == notes.asked(config):
        return since
    return 0.0


def make(
    where: Places,
    config: Config,
    now: float,
    session: str,
    since: float,
    most: float = float("inf"),
    on_step: Callable[[Action], None] | None = None,
) -> Round:
    """Do what is due in folders of up to `most` entries; `on_step` is called with each action. Never raises OSError."""
    made = Round(where, config, now)
    made.note["folder"] = _mtime(where.home)  # before the survey, so that later changes are noticed next time
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    for folder, whole in roots(where):
        try:
            plan = sweep.planned(folder, config.memory_limits, now, moment, session, whole, most, since)
        except survey.TooMany:
            made.task = "sweep"
            made.note["since"] = since
            made.note["entries"] = max(made.note["entries"], notes.SMALL + 1)
            continue
        except OSError as error:
            made.report.errors.append(f"{folder}: {files.why(error)}")
            continue
        _sweep(made, plan, folder, where, config, on_step)
        if whole:
            made.note["entries"] = max(made.note["entries"], plan.entries)
        if plan.deferred and made.finished:
            made.note["spared"], made.note["since"] = session, 0.0
    _runtime(made, where, config, now, session, most)
    made.finished = made.finished and not made.report.errors
    return made


def _sweep(
    made: Round,
    plan: SweepPlan,
    folder: str,
    where: Places,
    config: Config,
    on_step: Callable[[Action], None] | None,
) -> None:
    done: Report | None = sweep.Report()
    if plan.actions:
        notes.discard(where)  # so that a killed round does not look finished
        done = sweep.execute(folder, plan, config.memory_limits, on_step)
    if done is None:
        made.finished = False
        return
    made.report.add(done)
    made.report.unreadable += plan.unreadable
    if plan.pending or done.archives:
        made.task = made.task or "compress"
    made.due(plan.wake)


def _runtime(made: Round, where: Places, config: Config, now: float, session: str, most: float) -> None:
    """Clean the runtime folder: old sessions, stale markers, temporary files of killed processes."""
    report, limits = made.report, config.memory_limits
    days = limits["session_max_age_days"]
    folders = [where.armed, where.runtime + "/janitor", f"{where.runtime}/{survey.OF_CLEAN}"]
    folders += [where.runtime] if where.runtime != where.home else []
    try:
        old, due = runtime_folder.old_sessions(where, days, now, session, 10 * most)
        for folder, _ in old:
            freed = runtime_folder.forget_session(folder, now - days * DAY)
            report.forgotten += freed > 0
            report.freed += freed
        runtime_folder.disarm_ended(where, now, session)
        runtime_folder.old_notes(where, now)
        count, freed, expires = runtime_folder.remove_expired(where, limits["archive_keep_days"], now)
        report.expired += count
        report.freed += freed
        made.due(max(min(due, expires), now + HOUR))  # so that one round handles many of them
        if most == float("inf"):
            folders += runtime_folder.session_folders(where)
        report.cleared += runtime_folder.clear_scraps(folders, now)
    except survey.TooMany:
        made.task = "sweep"
    except OSError as error:
        report.errors.append(f"{where.runtime}: {files.why(error)}")


def _mtime(folder: str) -> int:
    try:
        return int(files.system.stat(folder).st_mtime_ns)
    except OSError:
        return 0
