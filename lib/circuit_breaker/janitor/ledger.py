"""Shortens the long lists of a session file to their last entries and leaves every other byte as it is. Pure."""

from __future__ import annotations

from json.decoder import JSONDecoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


# key of a list -> key of its limit
LISTS = {"evidence_ledger": "evidence_ledger_max", "tool_history": "tool_history_max"}
_value = JSONDecoder().raw_decode


def shortest(limits: Mapping[str, int]) -> int:
    """The smallest size in bytes of a file with a list over its limit (0: no list has a limit)."""
    return min((2 * limits[key] + 2 for key in LISTS.values() if limits[key]), default=0)


def cut(text: str, limits: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """(`text` with each list of LISTS cut to its last entries, {key: entries removed}); {} if there is nothing to do.

    It edits the text, so the rest keeps its bytes, number formats, order and indentation. Raises ValueError if `text` is not one
    JSON object.
    """
    spans, end = _members(text)
    if _skip(text, end) < len(text):
        raise ValueError("more than one JSON value")
    gone: dict[str, int] = {}
    for key, entries in reversed(spans):  # from the back, so that earlier offsets stay valid
        most = limits[LISTS[key]]
        if not most or len(entries) <= most:
            continue
        text = text[: entries[0]] + text[entries[-most] :]
        gone[key] = gone.get(key, 0) + len(entries) - most
    return text, gone


def _members(text: str) -> tuple[list[tuple[str, list[int]]], int]:
    """(top-level lists with a limit and the offsets of their entries, the offset of the object's end)."""
    spans: list[tuple[str, list[int]]] = []
    at = _skip(text, 1 if text[:1] == "\ufeff" else 0)
    if text[at : at + 1] != "{":
        raise ValueError("not a JSON object")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return spans, at + 1
    try:
        while True:
            if text[at : at + 1] != '"':
                raise ValueError(f"expected a key at character {at}")
            key, at = _value(text, at)
            at = _expect(text, _skip(text, at), ":")
            if key in LISTS and text[at : at + 1] == "[":
                entries, at = _entries(text, at)
                spans.append((key, entries))
            else:
                _, at = _value(text, at)
            at = _skip(text, at)
            if text[at : at + 1] == "}":
                return spans, at + 1
            at = _expect(text, at, ",")
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _entries(text: str, at: int) -> tuple[list[int], int]:
    """(offsets of a list's entries, offset of the character after the list); `at` is its opening bracket."""
    starts: list[int] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return starts, at + 1
    while True:
        starts.append(at)
        _, at = _value(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return starts, at + 1
        at = _expect(text, at, ",")


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in " \t\r\n":
        at += 1
    return at


def _expect(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise ValueError(f"expected {mark} at character {at}")
    return _skip(text, at + 1)
