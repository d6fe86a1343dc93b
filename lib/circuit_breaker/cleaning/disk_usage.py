"""Disk use, ours and Claude Code's. Changes nothing."""

from __future__ import annotations

import os
import stat
import time

from circuit_breaker.breaker.config import DAY, Config
from circuit_breaker.cleaning import claude_code, inventory
from circuit_breaker.janitor import disk, retention, sweep
from circuit_breaker.runtime import claude_folder
from circuit_breaker.runtime.home import Places, environment
from circuit_breaker.words import cleanup

SECONDS = 2.0  # for measuring Claude Code's folder; the hook of /circuit-status has a timeout of five
LINES_KB = 4096  # lines of a larger file are not counted: its size alone is far over the limit


def memory_facts(where: Places, config: Config) -> dict:
    """`memory` of `status --json`: our use in bytes, files and lines, the limits, and what has reached 80 % of one."""
    now, limits = time.time(), config.memory_limits
    counted = {**limits, "telemetry_max_lines": 1, "telemetry_max_kb": LINES_KB}
    found = retention.Sweep(folder=where.home, limits=counted)
    kept: list[retention.Archive] = []
    sessions: list[object] = []
    for folder, look in (  # one that may not be listed, such as one that `sudo` made, is shown as empty
        (where.home, lambda: sweep.survey_home(found)),
        (where.home, lambda: sweep.count_lines(found)),
        (where.runtime, lambda: kept.extend(sweep.archives_of(where.runtime).values())),
        (where.sessions, lambda: sessions.extend(disk.listing(where.sessions))),
    ):
        disk.attempt(folder, look, found.unreadable)
    telemetry = [
        (name, info.st_size, found.lines.get(name, 0), max(0.0, now - info.st_mtime) / DAY)
        for name, info in sorted(found.telemetry.items(), key=lambda row: -row[1].st_size)
    ]
    theirs = [lines for name, _, lines, _ in telemetry if name not in retention.LOGS]
    archives = [(one.folder, one.size) for one in found.archives.values() if one.folder != retention.OF_CLEAN]
    of_clean = [one for one in kept if one.folder == retention.OF_CLEAN]
    of_clean.sort(key=lambda one: one.age_order, reverse=True)
    facts: dict = {
        "total_bytes": _bytes_in(where.home, skip=where.runtime + "/projects"),
        "telemetry_files": len(theirs),
        "telemetry_lines": sum(theirs),
        "session_files": len(found.sessions),
        "archive_bytes": sum(size for _, size in archives),
        "telemetry_archives": sum(folder == "telemetry" for folder, _ in archives),
        "session_archives": sum(folder == "sessions" for folder, _ in archives),
        "clean_archives": [
            {"archive": one.name, "bytes": one.size, "made": retention.arrival(one.at)} for one in of_clean
        ],
        "runtime_bytes": _bytes_in(where.sessions) + _bytes_in(where.armed),
        "runtime_sessions": len(sessions),
        "limits": dict(limits),
        "unreadable": found.unreadable,
    }
    facts["warnings"] = cleanup.warnings(facts, telemetry)
    return facts


def memory_report(facts: dict, where: Places, now: float, plain: bool) -> str:
    """The text of `status --memory`: our own use against the limits (see `memory_facts`), then Claude Code's folder."""
    folder = claude_folder.path(environment())
    text = cleanup.own_table(facts, where.home, plain)
    if not folder or not os.path.isdir(folder):
        return text
    found = inventory.survey(folder, None, int, time.monotonic() + SECONDS)
    return f"{text}\n\n{cleanup.claude_code_table(claude_code_facts(found, where.project), now)}"


def claude_code_facts(found: inventory.Inventory, project: str) -> dict:
    """Claude Code's folder by kind and by project, biggest first: bytes, files, oldest and newest write."""
    kinds, units = found.by_kind(), found.units.values()
    days, source = claude_code.cleanup_days(found.folder, project)
    return {
        "folder": found.folder,
        "bytes": sum(row.bytes for row in kinds.values()),
        "files": sum(row.files for row in kinds.values()),
        "complete": found.complete,
        "kinds": _ranked(kinds),
        "projects": _ranked(inventory.sums([(unit.project, unit) for unit in units if unit.project])),
        "cleanup_days": days,
        "cleanup_from": source,
    }


def _ranked(table: dict[str, inventory.Unit]) -> list[dict]:
    """Rows for JSON, biggest first, without empty ones."""
    return [
        {"name": name, "bytes": row.bytes, "files": row.files, "oldest": row.oldest, "newest": row.newest}
        for name, row in sorted(table.items(), key=lambda item: (-item[1].bytes, item[0]))
        if row.files
    ]


def _bytes_in(folder: str, skip: str = "") -> int:
    """The bytes of all files below `folder` but those below `skip`; links are not followed."""
    found = disk.below(folder, skip)
    return sum(info.st_size for _, info in found if not stat.S_ISDIR(info.st_mode))
