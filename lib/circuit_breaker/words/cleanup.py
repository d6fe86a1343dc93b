"""The sentences of memory protection: what was archived or removed and why, and disk use (ours and Claude Code's). Pure."""

from __future__ import annotations

from circuit_breaker.breaker.config import DAY
from circuit_breaker.breaker.model import HALF_OPEN
from circuit_breaker.words.sentences import MARKS
from circuit_breaker.words.texts import listed, number, printable, size

PREFIX = "[memory_cleanup]"
GRACE_DAYS = 7  # archives beyond a limit stay this long if one round made them all, so that you can react to its message
THINGS = {"rotated": "log file", "forgotten": "old session", "cleared": "temporary file"}
THINGS.update(dict.fromkeys(("archived", "shortened"), "session file"))  # others are archives
LEFT_BEHIND = "left behind by a process that was killed"
WARN_AT = 0.8  # of a limit
SHOWN = 12  # rows shown of a table
COLUMNS = f"{'size':>11}{'files':>10}{'oldest':>10}{'newest':>10}"


def too_many(count: int, thing: str, limit: int) -> str:
    """Why the oldest of `count` things are archived or removed."""
    return f"{number(count, thing)} (limit {limit})"


def too_old(days: float, limit: int) -> str:
    """Why a file last written `days` ago is archived or removed."""
    return f"last written {number(int(days), 'day')} ago (limit {limit})"


def done(facts: dict[str, int], program: str) -> str:
    """A paragraph: what was done, how much was freed, how to restore it. "" when no file of yours was touched.

    Forgotten sessions and temporary files of killed processes are only mentioned together with something else: they are
    removed nearly every day and contain nothing of yours.
    """
    many = {key: number(count, THINGS.get(key, "archive")) for key, count in facts.items()}
    away = " and ".join(many[key] for key in ("rotated", "archived") if facts[key])
    entries = f"{facts['entries']:,} old {'entry' if facts['entries'] == 1 else 'entries'}"
    spared = f" {many['spared']} beyond the limit will be removed after {GRACE_DAYS} days."
    said = (
        (away, f"archived {away} ({size(facts['put_away'])})"),
        (facts["shortened"], f"shortened {many['shortened']} by {entries} (archived first)"),
        (facts["pruned"], f"removed {many['pruned']} beyond the limit"),
        (facts["expired"], f"removed {many['expired']} of `clean` (see archive_keep_days)"),
    )
    parts = [text for count, text in said if count]
    if not parts:
        return ""
    parts += [f"cleared {many['cleared']} of killed processes"] if facts["cleared"] else []
    parts += [f"forgot {many['forgotten']}"] if facts["forgotten"] else []
    text = ", ".join(parts)
    after = spared if facts["spared"] else ""
    if away or facts["shortened"]:
        after += f" To get a file back: {program} restore --list."
    freed = f": {size(facts['freed'])} freed" if facts["freed"] else ""
    return f"{PREFIX} {text[0].upper()}{text[1:]}{freed}.{after}"


def weakened(keys: list[str]) -> str:
    """The warning that a project's config file weakens these keys."""
    return f"[circuit_breaker] This project's configuration weakens the circuit breaker: {listed(keys, 5)}."


def trouble(errors: list[str]) -> str:
    """The line on stderr when something could not be done."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{PREFIX} {printable(errors[0])}{more}. What could not be archived was left as it is."


def warnings(facts: dict, telemetry: list[tuple[str, int, int, float]]) -> list[str]:
    """A clause for each value at or above 80 % of its limit. `telemetry`: (name, bytes, lines, age in days) of each file."""
    limits, found = facts["limits"], []

    def near(what: str, value: float, limit: float, words: str) -> None:
        if limit and value >= WARN_AT * limit:
            found.append(f"{what}: {words} ({value / limit:.0%})")

    most, kb, days = (limits[f"telemetry_max_{what}"] for what in ("lines", "kb", "age_days"))
    for name, count, lines, age in telemetry:
        near(printable(name), lines, most, f"{lines} of {most} lines")
        near(printable(name), count / 1024, kb, f"{size(count)} of {kb} KB")
        near(printable(name), age, days, f"last written {age:.1f} days ago, archived at {days} days")
    for key, limit in (("session_files", "session_max_active"), ("session_archives", "archive_keep_count")):
        near(key.replace("_", " "), facts[key], limits[limit], f"{facts[key]} of {limits[limit]}")
    return found


def own_table(facts: dict, home: str, plain: bool) -> str:
    """The table of our own disk use against the limits."""
    limits = facts["limits"]
    lines = [
        "MEMORY",
        f"  home               {size(facts['total_bytes'])} in {printable(home)}",
        f"  telemetry and logs {number(facts['telemetry_files'], 'file')}, {number(facts['telemetry_lines'], 'line')}; "
        f"each is archived at {limits['telemetry_max_lines']} lines, {limits['telemetry_max_kb']} KB "
        f"or {limits['telemetry_max_age_days']} days",
        f"  session files      {facts['session_files']} of {limits['session_max_active']}, "
        f"archived after {limits['session_max_age_days']} days",
        f"  archives           {size(facts['archive_bytes'])}: {number(facts['telemetry_archives'], 'log')} "
        f"({limits['telemetry_keep_rotations']} kept of each), {facts['session_archives']} of "
        f"{limits['archive_keep_count']} sessions; `restore --list` shows them",
        f"  archives of clean  {_clean_archives(facts['clean_archives'], limits['archive_keep_days'])}",
        f"  runtime folder     {size(facts['runtime_bytes'])}, {number(facts['runtime_sessions'], 'session')} remembered",
    ]
    mark = "" if plain else f"{MARKS[HALF_OPEN]} "
    near = facts["warnings"]
    lines += [f"  {mark}WARNING {text}" for text in near[:SHOWN]]
    if len(near) > SHOWN:
        lines.append(f"  {mark}WARNING and {len(near) - SHOWN} more files near a limit")
    return "\n".join(lines)


def _clean_archives(archives: list[dict], days: int) -> str:
    """The archives that `clean` made, the newest by name."""
    if not archives:
        return "none"
    names = [f"{row['archive']} ({size(row['bytes'])})" for row in archives]
    kept = f"removed after {days} days" if days else "kept for ever"
    return f"{size(sum(row['bytes'] for row in archives))}, {kept}: {listed(names, SHOWN)}"


def claude_code_table(facts: dict, now: float) -> str:
    """The tables of what Claude Code keeps, by kind and by project, biggest first."""
    days = facts["cleanup_days"]
    set_by = f"set in {printable(facts['cleanup_from'])}" if facts["cleanup_from"] else "its default"
    least = "" if facts["complete"] else "at least "
    lines = [
        "KEPT BY CLAUDE CODE (only measured; nothing here is changed unless you run `clean`)",
        f"  {least}{size(facts['bytes'])} in {number(facts['files'], 'file')} under {printable(facts['folder'])}",
        f"  cleanupPeriodDays {days} ({set_by}): Claude Code deletes older transcripts itself",
    ]
    if not facts["complete"]:
        lines.append("  the folder is too large to measure in time: these figures cover a part of it")
    lines += _table("kind", facts["kinds"], now) + _table("project", facts["projects"], now)
    return "\n".join(lines)


def _table(title: str, rows: list[dict], now: float) -> list[str]:
    lines = ["", f"  {title:<40}{COLUMNS}"] if rows else []
    for row in rows[:SHOWN]:
        name = printable(row["name"])
        lines.append(f"  {name if len(name) <= 40 else '...' + name[-37:]:<40}{columns(row, now)}")
    if len(rows) > SHOWN:
        rest = sum(row["bytes"] for row in rows[SHOWN:])
        lines.append(f"  {f'and {len(rows) - SHOWN} more':<40}{size(rest):>11}")
    return lines


def columns(row: dict, now: float) -> str:
    """The columns of a row in a table of Claude Code's folder."""
    oldest, newest = (f"{max(0, now - row[key]) / DAY:.0f} d" for key in ("oldest", "newest"))
    return f"{size(row['bytes']):>11}{row['files']:>10,}{oldest:>10}{newest:>10}"
