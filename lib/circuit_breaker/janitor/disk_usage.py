"""The measure of what we keep and of what Claude Code keeps. Changes nothing."""

from __future__ import annotations

import os
import time

from circuit_breaker.janitor import retention, survey
from circuit_breaker.runtime import files, json
from circuit_breaker.runtime.home import environment
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.runtime.home import Places


SECONDS = 2.0  # for measuring Claude Code's folder: the command that shows it has five
LINES_KB = 4096  # a larger file's lines are not counted: its size alone is far over the limit
CLEANUP_DAYS = 30  # Claude Code's default
KINDS = {  # folder of Claude Code -> its kind
    "projects": "transcripts",
    "file-history": "file history",
    "shell-snapshots": "shell snapshots",
    "session-env": "session environments",
    "todos": "todos",
    "tasks": "tasks",
    "debug": "debug logs",
    "logs": "logs",
    "statsig": "feature flags",
    "telemetry": "telemetry",
    "backups": "backups",
    "paste-cache": "pasted text",
    "image-cache": "pasted images",
    "plans": "plans",
}
WITHIN = {  # folder below a session's or the plugins' one -> a kind of its own
    "subagents": "subagent transcripts",
    "tool-results": "tool results",
    "memory": "project memory",
    "cache": "plugin caches",
    "data": "plugin data",
    "marketplaces": "plugin marketplaces",
}


def memory_facts(where: Places, config: Config) -> dict[str, Any]:
    """The `memory` of `status --json`: our own use in bytes, files and lines, the limits, what has come to 80 % of one."""
    now, limits = time.time(), config.memory_limits
    unreadable: list[str] = []
    found = retention.Found()  # a home that cannot be listed shows as empty; `doctor` says why
    try:
        found = survey.look(where.home)
        unreadable += survey.count_lines(
            found, where.home, {**limits, "telemetry_max_lines": 1, "telemetry_max_kb": LINES_KB}
        )
    except OSError as error:
        unreadable.append(str(error))
    archives = found.archives.values()
    facts: dict[str, Any] = {
        "total_bytes": _bytes_in(where.home, skip=(where.runtime + "/projects",)),
        "telemetry_files": sum(name not in retention.LOGS for name in found.telemetry),
        "telemetry_lines": sum(count for name, count in found.lines.items() if name not in retention.LOGS),
        "session_files": len(found.sessions),
        "archive_bytes": sum(archive.size for archive in archives),
        "telemetry_archives": sum(archive.folder == "telemetry" for archive in archives),
        "session_archives": sum(archive.folder == "sessions" for archive in archives),
        "runtime_bytes": _bytes_in(where.sessions) + _bytes_in(where.armed),
        "runtime_sessions": _entries(where.sessions),
        "limits": dict(limits),
        "unreadable": unreadable,
    }
    rows = [
        {
            "name": name,
            "size": info.st_size,
            "lines": found.lines.get(name, 0),
            "age_days": max(0.0, now - info.st_mtime) / retention.DAY,
        }
        for name, info in sorted(found.telemetry.items(), key=lambda row: -row[1].st_size)
    ]
    facts["warnings"] = memory.warnings({**facts, "files": rows})
    return facts


def memory_report(where: Places, config: Config, now: float, plain: bool) -> str:
    """Our own use against the limits, then what Claude Code keeps in its folder."""
    facts = memory_facts(where, config)
    env = environment()
    folder = env.get("CLAUDE_CONFIG_DIR", "") or (where.user and where.user + "/.claude")
    text = memory.own(facts, where.home, plain)
    if not folder or not os.path.isdir(folder):
        return text
    return f"{text}\n\n{memory.host(host_facts(folder, where.project, time.monotonic() + SECONDS), now)}"


def host_facts(folder: str, project: str, deadline: float = float("inf")) -> dict[str, Any]:
    """What lies in Claude Code's folder: bytes, files, oldest and newest write by kind and by project, biggest first.

    Stops at `deadline` (time.monotonic) with `complete` False. Links are not followed.
    """
    kinds: dict[str, list[float]] = {}
    projects: dict[str, list[float]] = {}
    stack: list[tuple[str, str, str, int]] = [(folder, "", "", 0)]
    complete = True
    while stack:
        if time.monotonic() >= deadline:
            complete = False
            break
        path, kind, owner, depth = stack.pop()
        try:
            with os.scandir(path) as listing:
                entries = list(listing)
        except OSError:
            continue  # not ours to read, or gone
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    inner = _kind(entry.name, kind, depth)
                    stack.append(
                        (
                            entry.path,
                            inner,
                            entry.name if depth == 1 and kind == "transcripts" else owner,
                            depth + 1,
                        )
                    )
                    continue
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            _count(kinds, kind or _loose(entry.name), info)
            if owner:
                _count(projects, owner, info)
    days, source = cleanup_days(folder, project)
    return {
        "folder": folder,
        "bytes": int(sum(row[0] for row in kinds.values())),
        "files": int(sum(row[1] for row in kinds.values())),
        "complete": complete,
        "kinds": _rows(kinds),
        "projects": _rows(projects),
        "cleanup_days": days,
        "cleanup_from": source,
    }


def cleanup_days(folder: str, project: str) -> tuple[int, str]:
    """Claude Code's `cleanupPeriodDays` and the settings file it stands in ("" for the default)."""
    for path in (
        f"{project}/.claude/settings.local.json",
        f"{project}/.claude/settings.json",
        f"{folder}/settings.json",
    ):
        try:
            document = json.parse(files.read(path, 1 << 20) or b"{}")
        except (OSError, ValueError):
            continue
        days = document.get("cleanupPeriodDays") if isinstance(document, dict) else None
        if isinstance(days, int) and not isinstance(days, bool):
            return days, path
    return CLEANUP_DAYS, ""


def _kind(name: str, kind: str, depth: int) -> str:
    if depth == 0:
        return KINDS.get(name, name)
    if kind in ("plugins", "transcripts"):
        return WITHIN.get(name, kind)
    return kind


def _loose(name: str) -> str:
    """The kind of a file directly in Claude Code's folder."""
    if name.startswith("history"):
        return "prompt history"
    return "settings and the like"


def _count(table: dict[str, list[float]], key: str, info: os.stat_result) -> None:
    row = table.setdefault(key, [0, 0, info.st_mtime, info.st_mtime])
    row[0] += info.st_size
    row[1] += 1
    row[2], row[3] = min(row[2], info.st_mtime), max(row[3], info.st_mtime)


def _rows(table: dict[str, list[float]]) -> list[dict[str, Any]]:
    ranked = sorted(table.items(), key=lambda item: (-item[1][0], item[0]))
    return [
        {"name": name, "bytes": int(row[0]), "files": int(row[1]), "oldest": row[2], "newest": row[3]}
        for name, row in ranked
    ]


def _bytes_in(folder: str, skip: tuple[str, ...] = ()) -> int:
    """The bytes of all regular files below `folder`, links not followed."""
    total, stack = 0, [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as listing:
                for entry in listing:
                    if entry.is_dir(follow_symlinks=False):
                        stack += [entry.path] if entry.path not in skip else []
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def _entries(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0
