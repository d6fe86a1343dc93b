"""How sizes, counts, names and texts of others are shown. Pure."""

from __future__ import annotations

from circuit_breaker.identity import labels

PLUGIN = "circuit-breaker"  # its name, and that of its command
TEXT_MAX = 200  # characters shown of any text


def size(count: float) -> str:
    """Bytes in words: 812 bytes, 4.0 KB, 1.3 MB, 212 GB."""
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


def files(count: int, total: int) -> str:
    """ "3 files (1.3 MB)"."""
    return f"{number(count, 'file')} ({size(total)})"


def printable(text: str, also: str = "") -> str:
    """A name or a text with "?" for characters that a terminal would obey; those of `also` stay."""
    return "".join(c if c.isprintable() or c in also else "?" for c in text)


def listed(names: list[str], most: int) -> str:
    """The first `most` names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(printable, names[:most])) + more


def quoted(path: str) -> str:
    """A path quoted for a shell."""
    safe = path.isascii() and path.translate(dict.fromkeys(map(ord, "/_-."), "a")).isalnum()
    return path if safe else "'" + path.replace("'", "'\\''") + "'"


def shown(text: str, limit: int = TEXT_MAX) -> str:
    """`text` as one line without control characters, at most `limit` characters."""
    return cut(labels.plain(text[: 4 * limit]), limit)


def cut(text: str, limit: int) -> str:
    """`text` shortened to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
