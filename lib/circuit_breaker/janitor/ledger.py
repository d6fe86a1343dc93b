"""Shortens the long lists of a session file to their last entries and leaves every other byte as it is. Pure."""

from __future__ import annotations

from json.decoder import JSONDecoder

from circuit_breaker.janitor.jsonparts import children
from circuit_breaker.janitor.retention import LISTS


def cut_lists(data: bytes, limits: dict[str, int]) -> tuple[bytes, dict[str, int]]:
    """(a session file with each list of LISTS cut to its last entries, {key: entries removed}); {} if there is nothing to do. It edits
    the text, so the rest keeps its bytes, number formats, order and indentation. Raises ValueError if `data` is not one JSON object."""
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
    # from the back, so that earlier offsets stay valid
    for member in reversed(children(text, text.index("{"))):
        if member.key in LISTS and text[member.at] == "[":
            entries = children(text, member.at)
            excess = _over(member.key, entries, limits)
            if excess:
                text = text[: entries[0].start] + text[entries[excess].start :]
                gone[member.key] = gone.get(member.key, 0) + excess
    return text.encode("utf-8"), gone


def _over(key: str, entries: object, limits: dict[str, int]) -> int:
    """The number of entries that a list has beyond its limit."""
    most = limits[LISTS[key]]
    return max(0, len(entries) - most) if most and isinstance(entries, list) else 0
