"""Shortens the long lists of a session file to their last entries and leaves every other byte as it is. Pure."""

from __future__ import annotations

from json.decoder import JSONDecoder

from circuit_breaker.janitor.retention import LISTS


def cut(data: bytes, limits: dict[str, int]) -> tuple[bytes, dict[str, int]]:
    """(a session file with each list of LISTS cut to its last entries, {key: entries removed}); {} if there is nothing to do.

    It edits the text, so the rest keeps its bytes, number formats, order and indentation. Raises ValueError if `data` is not one
    JSON object.
    """
    text = data.decode("utf-8")
    try:
        document = JSONDecoder().decode(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    if not any(_over(key, document.get(key), limits) for key in LISTS):
        return data, {}
    gone: dict[str, int] = {}
    for key, entries in reversed(_lists(text)):  # from the back, so that earlier offsets stay valid
        excess = _over(key, entries, limits)
        if excess:
            text = text[: entries[0]] + text[entries[excess] :]
            gone[key] = gone.get(key, 0) + excess
    return text.encode("utf-8"), gone


def _over(key: str, entries: object, limits: dict[str, int]) -> int:
    """The number of entries that a list has beyond its limit."""
    most = limits[LISTS[key]]
    return max(0, len(entries) - most) if most and isinstance(entries, list) else 0


def _lists(text: str) -> list[tuple[str, list[int]]]:
    """The top-level lists with a limit, each with the offsets of its entries. `text` is a valid JSON object."""
    value = JSONDecoder().raw_decode
    found: list[tuple[str, list[int]]] = []
    at = _next(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = value(text, at)
        at = _next(text, at)
        if key in LISTS and text[at] == "[":
            starts: list[int] = []
            found.append((key, starts))
            at = _next(text, at + 1)
            while text[at] != "]":
                starts.append(at)
                at = _next(text, value(text, at)[1])
            at += 1
        else:
            at = value(text, at)[1]
        at = _next(text, at)
    return found


def _next(text: str, at: int) -> int:
    """The offset of the next character that is no blank and only separates values."""
    while text[at] in " \t\r\n,:":
        at += 1
    return at
