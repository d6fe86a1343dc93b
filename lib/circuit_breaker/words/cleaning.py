"""The sentences of `clean`: what is in Claude Code's folder, what would be archived, what stays and why. Pure."""

from __future__ import annotations

from circuit_breaker.words.memory import COLUMNS, columns, listed, number, shown, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


SHOWN = 5  # projects listed


def table(facts: Mapping[str, Any], now: float) -> str:
    """The table by kind: what is there, what would be archived, and when Claude Code itself removes it."""
    lines = [
        f"Claude Code's folder: {shown(facts['folder'])}, {size(facts['bytes'])} in {number(facts['files'], 'file')}",
        "",
        f"  {'kind':<21}{COLUMNS}{'to archive':>11}   removed by Claude Code",
    ]
    for row in facts["kinds"]:
        goes = size(row["goes_bytes"]) if row["goes_files"] else "-"
        lines.append(f"  {row['kind']:<21}{columns(row, now)}{goes:>11}   {row['by_itself']}")
    if facts["measured"]:
        rest = ", ".join(f"{shown(row['name'])} {size(row['bytes'])}" for row in facts["measured"])
        lines += ["", f"Measured only, never cleaned: {rest}"]
    if facts["projects"]:
        biggest = ", ".join(f"{shown(row['name'])} {size(row['bytes'])}" for row in facts["projects"][:SHOWN])
        lines.append(f"Biggest projects: {biggest}")
    return "\n".join([*lines, *stays(facts)])


def stays(facts: Mapping[str, Any]) -> list[str]:
    """What stays of the chosen kinds, and why."""
    if not facts["stays"]:
        return []
    parts = [
        f"{row['reason']}: {number(row['files'], 'file')}, {size(row['bytes'])}" for row in facts["stays"]
    ]
    return [f"Stays: {'; '.join(parts)}"]


def offer(goes: int, files: int, command: str) -> str:
    """The last lines of a dry run."""
    if not files:
        return "Nothing was changed, and there is nothing to archive. See --older-than and --kind."
    return (
        f"Nothing was changed. To archive {number(files, 'file')} ({size(goes)}, less the size of the archive):\n"
        f"  {command} --apply"
    )


def too_big(total: int, most: int) -> str:
    """Why `--max-total` cannot be met."""
    return (
        f"{size(total)} would remain, more than {size(most)}: these files are newer than --older-than or must stay. "
        "A smaller --older-than (for example 7d) frees more."
    )


def archived(kind: str, files: int, count: int, archive: str, archive_bytes: int) -> str:
    """The line for a kind that was archived."""
    return f"{kind}: archived {number(files, 'file')} ({size(count)}) in {shown(archive)} ({size(archive_bytes)})"


def left(paths: list[str]) -> str:
    """The line for chosen files that were left in place."""
    return f"left in place, because they changed or are in use: {listed(paths, 3)}"


def no_room(kind: str, missing: int, place: str) -> str:
    """The line for a kind that the disk has no room to archive."""
    return (
        f"{kind}: nothing was removed: about {size(missing)} more room is needed in {shown(place)} for the archive. "
        f"Archive less at a time (another --kind, or a larger --older-than), or remove a kind without an archive: "
        f"--kind debug-logs --delete"
    )


def existing(paths: list[str]) -> str:
    """The line for files that were not restored because they exist."""
    return (
        f"{number(len(paths), 'file')} already there, left as they are: {listed(paths, 3)}. "
        "To get the archived ones, move those away first."
    )


def restored_old(days: int) -> str:
    """The warning that Claude Code will remove restored files again, since they keep their old times."""
    return (
        f"Claude Code removes files that were last written more than {days} days ago when it next starts (at most once a "
        f"day). Resume the session you need now, or set a larger cleanupPeriodDays in settings.json first."
    )
