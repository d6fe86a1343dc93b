"""Edits a JSON text to a new value and leaves all other bytes as they are. Pure."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from circuit_breaker.janitor.jsonparts import Child, children, end_of, past_blank

MAX_DEPTH = 200  # far beyond real settings; deeper nesting would exhaust the stack


class Unreadable(ValueError):
    """Raised for a text that is not valid JSON; the message ends with line and column."""

    def __init__(self, what: str, text: str = "", at: int = 0) -> None:
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        super().__init__(f"{what}: line {line} column {column}")


Pair = tuple[Child, Any, Any]  # with its old and its new value
Late = tuple[str, Any]  # a new member's key as text or "", its value
Edit = tuple[int, int, str]  # start, end, new text


def edited(data: bytes, target: Any) -> bytes:
    """`data` edited to have the value `target`; see `rewrite`. Raises Unreadable."""
    bom, text = decode_text(data)
    after = rewrite(text, target).encode("utf-8", "backslashreplace")  # half a surrogate pair becomes \uXXXX
    return bom + after


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
    """The value of `text`, parsed as strictly as Claude Code does; with `once`, duplicate keys in an object are refused too. (Claude Code
    takes the last one: measured on 2.1.330.) Raises Unreadable."""
    try:
        value = json.loads(text, parse_constant=_constant)
    except ValueError as error:  # without a place if it comes from `_constant`
        what, at = getattr(error, "msg", error), getattr(error, "pos", 0)
        raise Unreadable(f"not JSON: {what}", text, at) from None
    except RecursionError:
        raise Unreadable("nested too deeply", text) from None
    _check(text, once)
    return value


def position(text: str, path: list[Any]) -> int:
    """The offset of the value at `path` (keys and indexes), or of the deepest value on it that exists."""
    at = past_blank(text, 0)
    for step in path:
        inside = [child for index, child in enumerate(children(text, at)) if step in (child.key, index)]
        if not inside:
            return at
        at = inside[0].at
    return at


def rewrite(text: str, target: Any) -> str:
    """`text` edited to have the value `target`. New parts get the text's own style, removed parts go with their comma, and every
    other byte stays. A blank text is replaced by a new one."""
    if not text.strip():
        return _written(target, "  ") + "\n"
    edits = _Editor(text).edits(past_blank(text, 0), parse_strictly(text), target)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if not same(parse_strictly(text), target):
        raise AssertionError("the edited text does not have the wanted value")
    return text


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; 1, 1.0 and true differ."""
    return _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _check(text: str, once: bool) -> None:
    """Raise Unreadable for a text that is nested too deeply, or with `once` has a key twice in one object."""
    pending = [(past_blank(text, 0), 0)]
    for at, depth in pending:
        if depth == MAX_DEPTH:
            raise Unreadable("nested too deeply", text)
        seen = set()
        for child in children(text, at):
            if once and child.key is not None and child.key in seen:
                raise Unreadable(f"the key {child.key!r} occurs twice in one object", text, child.start)
            seen.add(child.key)
            pending += [(child.at, depth + 1)] if text[child.at] in "{[" else []


class _Editor:
    """Finds the edits of `text` that give a value in it another one, in the text's style."""

    def __init__(self, text: str) -> None:
        self.text = text
        inside = children(text, past_blank(text, 0))
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.flat = bool(inside) and "\n" not in text.strip()
        self.unit = (self._indent(inside[0].start) if inside else None) or "  "

    def edits(self, at: int, old: Any, new: Any) -> Iterator[Edit]:
        """The edits that change the value at offset `at`, which is `old`, to `new`."""
        if same(old, new):
            return
        inside = children(self.text, at)
        kept, late = _kept(inside, old, new)
        if not kept:
            line = self.text[self.text.rfind("\n", 0, at) + 1 : at]
            own = line[: len(line) - len(line.lstrip(" \t"))]
            yield at, end_of(self.text, at), self._written(new, None if self.flat else own)
            return
        for child, before, after in kept:
            yield from self.edits(child.at, before, after)
        yield from self._resized(inside, [child for child, _, _ in kept], late)

    def _resized(self, inside: list[Child], kept: list[Child], late: list[Late]) -> Iterator[Edit]:
        """The edits that remove the children of a container that are not `kept`, and add `late` at its end."""
        yield inside[0].start, kept[0].start, ""
        for before, child in zip(inside, inside[1:]):
            if child not in kept and child.start > kept[0].start:
                yield before.end, child.end, ""
        indent = None if self.flat else self._indent(kept[-1].start)
        joint = ", " if indent is None else "," + self.newline + indent
        added = "".join(joint + key + self._written(value, indent) for key, value in late)
        yield kept[-1].end, kept[-1].end, added

    def _written(self, value: Any, indent: str | None) -> str:
        """A value as text, on a line with this indentation; None: on one line."""
        text = _written(value, None if indent is None else self.unit)
        return text.replace("\n", f"{self.newline}{indent}")

    def _indent(self, at: int) -> str | None:
        """The indentation before `at` if nothing else precedes it on its line, else None."""
        before = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return before if not before.strip() and "\n" in self.text[:at] else None


def _kept(inside: list[Child], old: Any, new: Any) -> tuple[list[Pair], list[Late]]:
    """(children of a container that stay, what to add at its end); none stays in another kind, or if a new element does not come last."""
    kept: list[Pair] = []
    late: list[Late] = []
    if isinstance(old, dict) and isinstance(new, dict):
        kept = [(child, old[child.key], new[child.key]) for child in inside if child.key in new]
        late = [(_written(key) + ": ", new[key]) for key in new if key not in old]
    elif isinstance(old, list) and isinstance(new, list):
        matcher = SequenceMatcher(None, [*map(_canonical, old)], [*map(_canonical, new)], False)
        for _, i1, i2, j1, j2 in matcher.get_opcodes():
            kept += zip(inside[i1:i2], old[i1:i2], new[j1:j2])
            late = [("", value) for value in new[j1 + i2 - i1 : j2]]
            if late and j2 < len(new):
                return [], []
    return kept, late


def _written(value: Any, indent: str | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
