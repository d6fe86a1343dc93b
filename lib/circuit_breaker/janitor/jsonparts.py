"""Where the parts of a JSON text lie. Pure."""

from __future__ import annotations

from collections import namedtuple
from json.decoder import WHITESPACE, JSONDecoder, scanstring  # type: ignore[attr-defined]

_READER = JSONDecoder()


# A member of an object or an element of an array (then `key` is None). start: offset of its key or value; at, end: of its value.
Child = namedtuple("Child", ("key", "start", "at", "end"))


def children(text: str, start: int) -> list[Child]:
    """The members or elements of the object or array at offset `start` of valid JSON; none of another value."""
    found: list[Child] = []
    at = past_blank(text, start + 1)
    while text[start] in "{[" and text[at] not in "}]":
        first, key = at, None
        if text[start] == "{":
            key, at = scanstring(text, at + 1)
            at = past_blank(text, past_blank(text, at) + 1)
        end = end_of(text, at)
        found.append(Child(key, first, at, end))
        at = past_blank(text, end)
        at = past_blank(text, at + 1) if text[at] == "," else at
    return found


def end_of(text: str, at: int) -> int:
    """Where the value at offset `at` of valid JSON ends."""
    end: int = _READER.raw_decode(text, at)[1]
    return end


def past_blank(text: str, at: int) -> int:
    """The offset of the next character that is not blank."""
    end: int = WHITESPACE.match(text, at).end()
    return end
