"""Edits a JSON text to a new value and leaves all other bytes as they are. Pure."""

from __future__ import annotations

import codecs
import json
import re
from difflib import SequenceMatcher
from typing import Any, NamedTuple

_WHITE = re.compile(r"[ \t\r\n]*")
MAX_DEPTH = 200  # far beyond real settings; deeper nesting would exhaust the stack


class Unreadable(ValueError):
    """Raised for a text that is not valid JSON; the message ends with line and column."""

    def __init__(self, what: str, text: str = "", at: int = 0) -> None:
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        super().__init__(f"{what}: line {line} column {column}")


class Child(NamedTuple):
    """A member of an object or an element of an array (then `key` is None). start: offset of its key or value."""

    key: str | None
    start: int
    at: int
    end: int


def decode_text(data: bytes) -> tuple[bytes, str]:
    """(byte order mark or b"", text). Raises Unreadable for anything but UTF-8."""
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable("UTF-16, where Claude Code reads UTF-8")
    try:
        return bom, data[len(bom) :].decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[len(bom) : error.start].decode("utf-8", "replace")
        raise Unreadable("not UTF-8", before, len(before)) from None


def parse_strictly(text: str, once: bool = True) -> Any:
    """The value of `text`, parsed as strictly as Claude Code does; with `once`, duplicate keys in an object are refused too.
    (Claude Code takes the last one: measured on 2.1.330.)

    Raises Unreadable.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object if once else None, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg}", text, error.pos) from None
    except _Twice as twice:
        raise Unreadable(
            f"the key {twice.args[0]!r} occurs twice in one object", text, _second(text)
        ) from None
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}", text) from None
    except RecursionError:
        raise Unreadable("nested too deeply", text) from None
    if _deep(value, MAX_DEPTH):
        raise Unreadable("nested too deeply", text)
    return value


def children(text: str, start: int) -> list[Child]:
    """The members or elements of the object or array at offset `start` of valid JSON."""
    found: list[Child] = []
    at = _past_blank(text, start + 1)
    while text[at] not in "}]":
        first, key = at, None
        if text[start] == "{":
            key, at = json.decoder.scanstring(text, at + 1)  # type: ignore[attr-defined]
            at = _past_blank(text, _past_blank(text, at) + 1)
        end = _READER.raw_decode(text, at)[1]
        found.append(Child(key, first, at, end))
        at = _past_blank(text, end)
        at = _past_blank(text, at + 1) if text[at] == "," else at
    return found


def position(text: str, path: list[Any]) -> int:
    """The offset of the value at `path` (keys and indexes), or of the deepest value on it that exists."""
    at = _past_blank(text, 0)
    for step in path:
        inside = children(text, at) if text[at] in "{[" else []
        if isinstance(step, int):
            inside = inside[step : step + 1]
        else:
            inside = [child for child in inside if child.key == step]
        if not inside:
            return at
        at = inside[0].at
    return at


def rewrite(text: str, target: Any) -> str:
    """`text` edited to have the value `target`. New parts get the text's own style, removed parts go with their comma, and every
    other byte stays. A blank text is replaced by a new one."""
    if not text.strip():
        return json.dumps(target, indent=2, ensure_ascii=False) + "\n"
    start = _past_blank(text, 0)
    edits: list[tuple[int, int, str]] = []
    _compare(text, start, parse_strictly(text), target, _style(text), edits)
    for first, last, replacement in sorted(edits, reverse=True):
        text = text[:first] + replacement + text[last:]
    if not same(parse_strictly(text), target):
        raise AssertionError("the edited text does not have the wanted value")
    return text


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; 1, 1.0 and true differ."""
    return _canonical(one) == _canonical(other)


# --- Reading ---------------------------------------------------------------------------------------------------------


class _Twice(Exception):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return value


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


_READER = json.JSONDecoder()


def _second(text: str) -> int:
    """The offset of the first duplicate key."""
    queue = [_past_blank(text, 0)]
    while queue:
        at = queue.pop(0)
        if text[at] not in "{[":
            continue
        seen: set[str] = set()
        for child in children(text, at):
            if child.key is not None and child.key in seen:
                return child.start
            seen.add(child.key or "")
            queue.append(child.at)
    return 0


def _deep(value: Any, left: int) -> bool:
    if left == 0:
        return True
    if isinstance(value, dict):
        return any(_deep(inner, left - 1) for inner in value.values())
    return isinstance(value, list) and any(_deep(inner, left - 1) for inner in value)


def _past_blank(text: str, at: int) -> int:
    blank = _WHITE.match(text, at)
    return blank.end() if blank else at


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


# --- Writing ---------------------------------------------------------------------------------------------------------


class _Style(NamedTuple):
    """unit: one step of indentation; newline: a line end; flat: whether the whole text is one line."""

    unit: str
    newline: str
    flat: bool


def _style(text: str) -> _Style:
    newline = "\r\n" if "\r\n" in text else "\n"
    start = _past_blank(text, 0)
    inside = children(text, start) if text[start] in "{[" else []
    indent = _indent(text, inside[0].start) if inside else None
    flat = bool(inside) and "\n" not in text.strip()
    return _Style("  " if indent is None or indent == "" else indent, newline, flat)


def _indent(text: str, at: int) -> str | None:
    """The indentation before `at` if nothing else precedes it on its line, else None."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if not before.strip() and "\n" in text[:at] else None


def _compare(
    text: str, at: int, old: Any, new: Any, style: _Style, edits: list[tuple[int, int, str]]
) -> None:
    if same(old, new):
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        inside = children(text, at)
        gone = [child for child in inside if child.key not in new]
        fresh = [(key, value) for key, value in new.items() if key not in old]
        for child in inside:
            if child.key in new:
                _compare(text, child.at, old[child.key], new[child.key], style, edits)
        return _container(text, at, inside, gone, fresh, style, edits)
    if isinstance(old, list) and isinstance(new, list):
        inside = children(text, at)
        gone, late = _align(text, inside, old, new, style, edits)
        return _container(text, at, inside, gone, [(None, value) for value in late], style, edits)
    edits.append((at, _READER.raw_decode(text, at)[1], json.dumps(new, ensure_ascii=False)))
    return None


def _align(
    text: str,
    inside: list[Child],
    old: list[Any],
    new: list[Any],
    style: _Style,
    edits: list[tuple[int, int, str]],
) -> tuple[list[Child], list[Any]]:
    """(elements to remove, elements to add at the end); an element that stays but changed is edited itself.

    Elements can only be removed, changed in place or added at the end; other changes fail the last check of `rewrite`.
    """
    matcher = SequenceMatcher(
        None, [_canonical(value) for value in old], [_canonical(value) for value in new], False
    )
    gone: list[Child] = []
    late: list[Any] = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            continue
        paired = min(i2 - i1, j2 - j1)
        for k in range(paired):
            _compare(text, inside[i1 + k].at, old[i1 + k], new[j1 + k], style, edits)
        gone += inside[i1 + paired : i2]
        late += new[j1 + paired : j2]
    return gone, late


def _container(
    text: str, at: int, inside: list[Child], gone: list[Child], fresh: list[tuple[str | None, Any]],
    style: _Style, edits: list[tuple[int, int, str]],
) -> None:  # fmt: skip
    """Remove `gone` from the container at `at` and add `fresh` at its end."""
    stay = [child for child in inside if child not in gone]
    close = _past_blank(text, inside[-1].end if inside else at + 1)
    if not stay:
        own = _line_indent(text, at)
        body = _fresh(fresh, None if style.flat else own + style.unit, style) if fresh else ""
        if body and not style.flat:
            body = style.newline + own + style.unit + body + style.newline + own
        if body or inside:
            edits.append((at + 1, close, body))
        return
    for child in gone:
        index = inside.index(child)
        before = [other for other in inside[:index] if other in stay]
        if before:  # together with the comma and white space before it
            edits.append((inside[index - 1].end, child.end, ""))
        else:  # together with those after it
            edits.append((child.start, inside[index + 1].start, ""))
    if not fresh:
        return
    indent = None if style.flat else _indent(text, stay[-1].start)
    joint = ", " if indent is None else "," + style.newline + indent
    edits.append((inside[-1].end, inside[-1].end, joint + _fresh(fresh, indent, style)))


def _fresh(fresh: list[tuple[str | None, Any]], indent: str | None, style: _Style) -> str:
    pieces = []
    for key, value in fresh:
        piece = json.dumps(value, ensure_ascii=False, indent=None if indent is None else style.unit)
        if indent is not None:
            piece = piece.replace("\n", style.newline + indent)
        pieces.append(piece if key is None else json.dumps(key, ensure_ascii=False) + ": " + piece)
    return (", " if indent is None else "," + style.newline + indent).join(pieces)


def _line_indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
