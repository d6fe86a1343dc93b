"""One round of the janitor: it sweeps the home and the runtime folder and makes the note about them.

What is too large for a session start, and the compression, is left to a background process: in its own process session, without an
open file that Claude Code would wait for.
"""

from __future__ import annotations

import sys
import time

from circuit_breaker.breaker.config import DAY, Config
from circuit_breaker.janitor import disk, notes, sweep
from circuit_breaker.janitor.retention import NEVER, Sweep
from circuit_breaker.runtime import detached, error_log, files, home, incidents, services, store
from circuit_breaker.runtime.home import ROOT, STATE, Places, slashed
from circuit_breaker.words import cleanup, texts

NOTE_DAYS = 30
DEADLINE = 120.0  # seconds of the background process; the next session start continues where it stopped


def own_command() -> str:
    """How to call the command line of this copy."""
    return f"python3 {texts.quoted(ROOT + '/plugin')}"


def roots(where: Places) -> list[str]:
    """The folders to sweep: the home, and the runtime folder (for its error log and the archives of `clean`)."""
    return list(dict.fromkeys((where.home, where.runtime)))


def sweeps(
    where: Places, config: Config, now: float, session: str, most: float = NEVER, since: float = 0.0
) -> list[Sweep]:
    """The sweeps that make a round."""
    asked = {"limits": config.memory_limits, "now": now, "asking": session, "most": most, "since": since}
    return [Sweep(folder=folder, runtime=folder == where.runtime, **asked) for folder in roots(where)]


def new_note(where: Places, config: Config, now: float) -> dict:
    """The note about a home that is looked at now and in which nothing is due."""
    return {
        "at": now,  # when this round looked
        "since": now - notes.SLACK,  # contents not changed after this are known to be within the limits
        "until": now + DAY,  # when the next age limit may be reached
        "asked": notes.asked(config),
        "entries": 0,  # entries of the home
        # before the survey, so that later changes are noticed next time
        "folder": files.last_written(where.home),
        "spared": "",  # the running session, if files of it were over a limit and left alone
        "pinned": files.exists(where.runtime + "/python"),
    }


def make(where: Places, config: Config, now: float, session: str, most: float = NEVER) -> sweep.Report:
    """Do what is due in folders of up to `most` entries, and save the note if it could be finished. Never raises OSError."""
    made = sweep.Report()
    # before memory of ended sessions goes, which says where their state is published
    disk.attempt(where.runtime, lambda: _tidy(where, config, now, session), made.errors)
    note, last = new_note(where, config, now), notes.load(where)
    known = last.get("since")
    if not isinstance(known, float) or known > now or last.get("asked") != note["asked"]:
        known = 0.0
    for plan in sweeps(where, config, now, session, most, known):
        try:
            if sweep.planned(plan).actions:
                files.remove(notes.note_path(where))  # so that a killed round does not look finished
        except disk.TooMany:
            made.task, note["since"], note["entries"] = "sweep", known, notes.SMALL + 1
            continue
        except OSError as error:
            made.errors.append(f"{plan.folder}: {files.reason(error)}")
            continue
        sweep.execute(plan, made)
        made.unreadable += plan.unreadable
        if any(step.into for step in made.steps) or any(one.plain for one in plan.archives.values()):
            made.task = made.task or "compress"
        note["until"] = min(note["until"], plan.wake)
        note["entries"] = max(note["entries"], plan.entries)
        if plan.deferred:
            note["spared"], note["since"] = session, 0.0
    if made.task:
        note["until"] = min(note["until"], now + notes.AGAIN)
    if made.finished and not made.errors:
        disk.attempt(where.runtime, lambda: notes.save(where, note), made.errors)
    return made


def _tidy(where: Places, config: Config, now: float, asking: str) -> None:
    """Remove markers of ended sessions, services of which nothing counts, notes about homes that nobody visits. Raises OSError."""
    _disarm_ended(where, now, asking)
    services.tidy(where, config, now)
    for path, name, info in disk.listing(where.runtime + "/janitor"):
        if name.endswith(".json") and disk.file_version(info) and now - info.st_mtime > NOTE_DAYS * DAY:
            # A home without a session start for a month; a lost note only costs one survey.
            files.remove(path)


def _disarm_ended(where: Places, now: float, asking: str) -> None:
    """Remove the markers of ended sessions (one that continues after all is armed again), and publish their homes' state anew."""
    homes = set()
    for name, sessions in notes.ended_sessions(where, now, asking).items():
        for session in sessions:
            try:
                homes.add(store.peek(where, session)[0].home)
            except OSError:
                continue
        if name == store.ARMED_ANY:
            lines = store.marker_lines(f"{where.armed}/{name}")
            store.keep_awake(where, {line: False for line in lines if line.partition("/")[0] in sessions})
        else:
            files.remove(f"{where.armed}/{name}")
    for folder in sorted(homes):
        if files.exists(f"{folder}/{STATE}"):
            incidents.show(where.elsewhere(folder, where.project))


# --- The config file and the interpreter


def write_config(where: Places) -> None:
    """Write the config file with the defaults if there is none; an existing one is never rewritten. Raises OSError."""
    if files.exists(where.project_config):
        return
    import json

    from circuit_breaker.breaker.config import DEFAULTS

    files.make_folder(where.home)
    text = json.dumps(DEFAULTS, indent=2).encode("ascii") + b"\n"
    try:
        disk.create(
            where.project_config,
            lambda fd: files.write_all(fd, text),
            lambda beside: disk.name(beside, where.project_config),
        )
    except FileExistsError:
        return  # another session wrote it first


def pin_interpreter(where: Places) -> None:
    """Pin the interpreter that runs this process for all hooks, with links resolved; never one inside the project. Raises OSError."""
    import os

    asked = getattr(sys, "_base_executable", "") or sys.executable or ""
    found = slashed(os.path.realpath(asked)) if asked else ""
    projects = where.project, slashed(os.path.realpath(where.project))
    inside = any(found.startswith(folder.rstrip("/") + "/") for folder in projects)
    if not os.path.isabs(found) or "\n" in found or inside or not os.access(found, os.X_OK):
        return
    pin, line = where.runtime + "/python", found.encode("utf-8", "surrogateescape") + b"\n"
    if files.read(pin, 1 << 14) != line:
        files.make_folder(where.runtime)
        files.replace(pin, line)


# --- The background process


def start_round(where: Places, session: str, task: str) -> None:
    """Start `run` for these places in another process and return at once. task: "sweep" or "compress". Raises OSError."""
    five = (where.runtime, where.home, where.project, where.user_config, where.your_home)
    detached.start_ours(__name__, *five, session, task)


def run(*arguments: str) -> None:
    """The body of the process, which ends within DEADLINE. It leaves what a round did as a report for the next session start.
    arguments: the five places, the session that started it, the task."""
    import os

    from circuit_breaker.janitor import archives

    *paths, session, task = arguments
    where = Places(*paths)
    if hasattr(os, "nice"):
        os.nice(10)
    now, deadline, faults = time.time(), time.monotonic() + DEADLINE, []
    if task == "sweep":
        made = make(where, home.configuration(where, home.environment()), now, session)
        done = cleanup.done(made.facts(), own_command())
        if done:
            files.append(notes.note_path(where, notes.REPORT), done.encode("utf-8", "replace") + b"\n")
        faults = made.errors + made.unreadable
    for folder in roots(where):
        faults += archives.compress_all(folder, deadline)
    for fault in faults[:5]:
        error_log.note(cleanup.trouble([fault]), where.runtime)
