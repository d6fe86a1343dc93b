"""Numbers of lines and columns in an error: they move with each edit, even if it does not help. Pure."""

from __future__ import annotations

_AROUND = "()[]{}<>,.:;'\"`"  # beside a number
_SIDES = ("|", "│", "▕", "┃")  # between a line of code and its number
_DRESS = ">❯➜→│┃ "  # before it
_WORD_MAX = 300
_DIGITS = frozenset("0123456789")
_FRAMES = [f"#{number}{sign}" for number in range(10) for sign in ("  ", " /")]  # gdb, PHP
_STACK = ('File "', "at ", "-->", "location: '", "TestContext.", *_FRAMES)  # how a line of a stack begins
_INSIDE = (":in ", ": in ", " panicked at ", "thrown in ", "Uncaught ")  # Ruby, pytest, Rust, PHP
_FRAME = 8  # lines of code shown around a place
PLACES_MAX = 8  # line numbers remembered of an error
LINES_MAX = 1000  # lines read
NEAR = 9  # lines by which an edit that does not help moves an error
_PLACES = ("line", "lines", "column", "col", "char")


def are_near(one: list[int], other: list[int]) -> bool:
    """Whether an error of the same words stands about where the other one stood: it moved, and was not fixed at one of many places."""
    return all(abs(here - there) <= NEAR for here, there in zip(one, other))


def without_places(text: str) -> tuple[str, list[int]]:
    """(the text without places, the first line numbers in them): `File "a.py", line 12`, `12 |  x = 1`, `a.c:12:5: x` beside shown code.

    Where nothing but its place tells an error from the next one (`a.ts(12,5): error x`, `12:5  error  x`), the place is news: they are
    fixed one after the other.
    """
    lines = text.split("\n", LINES_MAX)
    frames = [_is_frame(line) for line in lines]
    found: list[int] = []
    for i, line in enumerate(lines):
        told = line.strip()
        go = told.endswith(" H") and ".go:" in told  # the offset behind it is blinded
        placed = go or told.startswith(_STACK) or any(sign in line for sign in _INSIDE)
        pytest = lines[i - 1 : i] != [] and lines[i - 1].startswith("E   ") and told[:4] != "E   "
        if placed or pytest or any(frames[max(i - 2, 0) : i + 3]):
            lines[i] = _without_places(line, found)
    if found:
        numbers = {number + near for number in found[:64] for near in range(-_FRAME, _FRAME + 1)}
        lines = [_without_number(line, numbers) for line in lines]
    return "\n".join(lines), found[:PLACES_MAX]


def _is_frame(line: str) -> bool:
    """Whether it shows code (`> 12 |  x = 1`, `12|  x = 1`, `12:   x = 1`), or marks a place in it: `~~~^~~~`."""
    numbered = line.lstrip(_DRESS)
    code = numbered.lstrip("0123456789")
    if code != numbered:
        return code.lstrip()[:1] in _SIDES or code[:3] == ":  "
    return ("^" in line or "~" in line) and not line.strip("^~-|+ ")


def _without_places(line: str, found: list[int]) -> str:
    """The line without places; their line numbers are added to `found`."""
    words = line.split(" ")
    for i, word in enumerate(words):
        if _DIGITS.isdisjoint(word):
            continue
        core = word.strip(_AROUND)
        if not core.replace(":", "", 1).isdecimal():
            words[i] = _without_place(word, found) if ":" in word or "(" in word else word
            continue
        named = i and words[i - 1].lower().strip("(,:").endswith(_PLACES)
        pair = ":" in core and (word[:1] in "([" or not "".join(words[:i]))  # `App.tsx (3:9)`, eslint
        framed = "".join(words[i + 1 : i + 2])[:1] in _SIDES and not "".join(words[:i]).strip(_DRESS)
        if named or pair or framed:
            found.append(int(core.partition(":")[0][:9] or 0))
            words[i] = word.replace(core, "#")
    return " ".join(words)


def _without_place(word: str, found: list[int]) -> str:
    """`a.ts#): x` of `a.ts(12,5): x`, `b/a.go#: x` of `b/a.go:12:9: x`; any word but a file with a place unchanged."""
    at = 1
    while 0 < at < _WORD_MAX:
        signs = [sign for sign in (word.find(":", at + 1), word.find("(", at + 1)) if sign > 0]
        at = min(signs, default=-1)
        begin = end = at + 1 + (word[at + 1 : at + 2] == "[")
        while end < len(word) and word[end] in "0123456789:,":
            end += 1
        folder, _, name = word[: max(at, 0)].replace("\\", "/").replace("(", "/").rpartition("/")
        stem, _, ending = name.rpartition(".")
        is_file = stem and ending.isalnum() and ending[0].isalpha() and len(ending) <= 6
        if word[begin:end][:1].isdecimal() and is_file and folder[-1:] != "/":  # `//x.com:443` is a host
            number = word[begin:end].replace(",", ":").partition(":")[0]
            found.append(int(number[:9] or 0))
            return word[:at] + "#" + word[end:]
    return word


def _without_number(line: str, numbers: set[int]) -> str:
    """A line of code without its number in front: `12   x = 1`, `> 12|x = 1`, `12: x = 1`."""
    code = line.lstrip(_DRESS)
    number = code[: len(code) - len(code.lstrip("0123456789"))]
    rest = code[len(number) :]
    shown = rest[:1] in _SIDES or rest[:2] == "  " or rest[:2] in (": ", "\t")
    if number and rest and shown and int(number[:9]) in numbers:
        return line[: len(line) - len(code)] + "#" + rest
    return line
