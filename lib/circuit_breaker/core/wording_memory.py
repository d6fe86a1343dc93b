"""What does a person read of memory protection? Every sentence of it. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "[memory_cleanup]"
LEFT_BEHIND = "left behind by a process that was killed"


def size(count: float) -> str:
    """Bytes for people: 812 bytes, 4.0 KB, 1.3 MB, 212 GB."""
    if count < 1024:
        return f"{count:.0f} byte{'s' * (count != 1)}"
    for unit in ("KB", "MB", "GB", "TB"):
        count /= 1024
        if count < 1024 or unit == "TB":
            break
    return f"{count:.1f} {unit}" if count < 100 else f"{count:.0f} {unit}"


def number(count: int, thing: str) -> str:
    """ "1 file", "1,200 files"."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def shown(name: str) -> str:
    """A file's name as a terminal can bear it."""
    return "".join(c if c.isprintable() else "?" for c in name)


def too_large(count: int, limit: int) -> str:
    """Why a file of `count` bytes is rotated; `limit` in KB."""
    return f"{size(count)} (limit {limit} KB)"


def too_many(count: int, thing: str, limit: int) -> str:
    """Why the oldest of `count` things go."""
    return f"{number(count, thing)} (limit {limit})"


def too_old(days: float, limit: int) -> str:
    """Why a file goes that nobody has written to for so many days."""
    return f"last written {number(int(days), 'day')} ago (limit {limit})"


def too_long(gone: Mapping[str, int], limits: Mapping[str, int]) -> str:
    """Why lists are cut: key -> how many entries go, key -> how many stay."""
    return ", ".join(
        f"{key} has {limits[key] + count} entries (limit {limits[key]})" for key, count in gone.items()
    )


def done(facts: Mapping[str, int], plugin: str) -> str:
    """One short paragraph: what was done, how much was freed, how to get it back. "" when nothing was done to files of people.

    Our own memory of old sessions and the scraps of killed processes are told beside the rest, not by themselves: they age
    out nearly every day, and there is nothing in them that anybody wrote or could miss.
    """
    parts = []
    away = [
        number(facts[key], thing)
        for key, thing in (("rotated", "log file"), ("archived", "session file"))
        if facts[key]
    ]
    if away:
        parts.append(f"put away {' and '.join(away)} ({size(facts['put_away'])})")
    if facts["shortened"]:
        entries = number(facts["entries"], "old entry").replace("entrys", "entries")
        parts.append(f"shortened {number(facts['shortened'], 'session file')} by {entries} (archived first)")
    if facts["pruned"]:
        parts.append(f"removed {number(facts['pruned'], 'archive')} beyond the limit")
    if not parts:
        return ""
    if facts["cleared"]:
        parts.append(f"cleared {number(facts['cleared'], 'temporary file')} of killed processes")
    if facts["forgotten"]:
        parts.append(f"forgot {number(facts['forgotten'], 'old session')}")
    text = ", ".join(parts)
    back = (
        f" To get a file back: python3 {_quoted(plugin)} restore --list."
        if away or facts["shortened"]
        else ""
    )
    return f"{PREFIX} {text[0].upper()}{text[1:]}: {size(facts['freed'])} freed.{back}"


def weakened(keys: list[str]) -> str:
    """What a project's config file relaxes; it is obeyed, and said."""
    shown_keys = ", ".join(shown(key) for key in keys[:5]) + (
        f" and {len(keys) - 5} more" if len(keys) > 5 else ""
    )
    return f"[circuit_breaker] This project's configuration weakens the circuit breaker: {shown_keys}."


def trouble(errors: list[str]) -> str:
    """The one line for stderr when something could not be done."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{PREFIX} {shown(errors[0])}{more}. What could not be put away was left as it is."


def _quoted(path: str) -> str:
    plain = (
        path.isascii()
        and path.replace("/", "a").replace("_", "a").replace("-", "a").replace(".", "a").isalnum()
    )
    return path if plain else "'" + path.replace("'", "'\\''") + "'"
