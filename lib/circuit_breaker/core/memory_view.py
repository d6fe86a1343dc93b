"""How do our own use and the host's read, as text? Pure."""

from __future__ import annotations

from circuit_breaker.core.model import HALF_OPEN
from circuit_breaker.core.wording import MARKS
from circuit_breaker.core.wording_memory import number, shown, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WARN_AT = 0.8  # of a limit
DAY = 86400.0
SHOWN = 12  # rows of a table


def warnings(facts: Mapping[str, Any]) -> list[str]:
    """What has come to 80 % of a limit, a clause each. `facts`: "files" (name, size, lines, age in days), the counts, "limits"."""
    limits, found = facts["limits"], []

    def near(what: str, value: float, limit: float, words: str) -> None:
        if limit and value >= WARN_AT * limit:
            found.append(f"{what}: {words} ({value / limit:.0%})")

    for row in facts["files"]:
        name, kb = shown(row["name"]), limits["telemetry_max_kb"]
        near(
            name,
            row["lines"],
            limits["telemetry_max_lines"],
            f"{row['lines']} of {limits['telemetry_max_lines']} lines",
        )
        near(name, row["size"] / 1024, kb, f"{size(row['size'])} of {kb} KB")
        days = limits["telemetry_max_age_days"]
        near(name, row["age_days"], days, f"last written {row['age_days']:.1f} days ago, put away at {days}")
    for key, limit, thing in (
        ("session_files", "session_max_active", "session files"),
        ("session_archives", "archive_keep_count", "session archives"),
    ):
        near(thing, facts[key], limits[limit], f"{facts[key]} of {limits[limit]}")
    return found


def own(facts: Mapping[str, Any], home: str, plain: bool) -> str:
    """Our own use against the limits."""
    limits = facts["limits"]
    lines = [
        "MEMORY",
        f"  home               {size(facts['total_bytes'])} in {shown(home)}",
        f"  telemetry and logs {number(facts['telemetry_files'], 'file')}, {number(facts['telemetry_lines'], 'line')}; "
        f"each is put away at {limits['telemetry_max_lines']} lines, {limits['telemetry_max_kb']} KB "
        f"or {limits['telemetry_max_age_days']} days",
        f"  session files      {facts['session_files']} of {limits['session_max_active']}, "
        f"put away after {limits['session_max_age_days']} days",
        f"  archives           {size(facts['archive_bytes'])}: {number(facts['telemetry_archives'], 'log')} "
        f"({limits['telemetry_keep_rotations']} kept of each), {facts['session_archives']} of "
        f"{limits['archive_keep_count']} sessions; python3 plugin restore --list",
        f"  runtime folder     {size(facts['runtime_bytes'])}, {number(facts['runtime_sessions'], 'session')} remembered",
    ]
    mark = "" if plain else f"{MARKS[HALF_OPEN]} "
    near = facts["warnings"]
    lines += [f"  {mark}WARNING {text}" for text in near[:SHOWN]]
    if len(near) > SHOWN:
        lines.append(f"  {mark}WARNING and {len(near) - SHOWN} more files near a limit")
    return "\n".join(lines)


def host(facts: Mapping[str, Any], now: float) -> str:
    """What the host itself keeps: by kind and by project, biggest first."""
    days = facts["cleanup_days"]
    set_by = f"set in {shown(facts['cleanup_from'])}" if facts["cleanup_from"] else "its default"
    least = "" if facts["complete"] else "at least "
    lines = [
        "KEPT BY THE HOST (measured only; never touched by us)",
        f"  {least}{size(facts['bytes'])} in {number(facts['files'], 'file')} under {shown(facts['folder'])}",
        f"  cleanupPeriodDays {days} ({set_by}): the host deletes older transcripts itself",
    ]
    if not facts["complete"]:
        lines.append(
            "  the folder is too large to be measured in the time there is: what follows is a part of it"
        )
    lines += _table("kind", facts["kinds"], now) + _table("project", facts["projects"], now)
    return "\n".join(lines)


def _table(title: str, rows: list[Mapping[str, Any]], now: float) -> list[str]:
    if not rows:
        return []
    lines = ["", f"  {title:<40} {'size':>10} {'files':>9} {'oldest':>9} {'newest':>9}"]
    for row in rows[:SHOWN]:
        name = shown(row["name"])
        name = name if len(name) <= 40 else "..." + name[-37:]
        ages = (f"{max(0, now - row[key]) / DAY:.0f} d" for key in ("oldest", "newest"))
        lines.append(
            f"  {name:<40} {size(row['bytes']):>10} {row['files']:>9,} "
            + " ".join(f"{age:>9}" for age in ages)
        )
    if len(rows) > SHOWN:
        rest = sum(row["bytes"] for row in rows[SHOWN:])
        lines.append(f"  {f'and {len(rows) - SHOWN} more':<40} {size(rest):>10}")
    return lines
