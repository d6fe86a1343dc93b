"""One text and one short hash for equal JSON values and for outputs, one spelling of a directory. Pure."""

from __future__ import annotations

from _imp import source_hash

LONG = 4096  # characters; a longer string is replaced by its hash
OUTPUT_MAX = 32_000  # characters: more than Claude Code passes on of a command's output
_KEPT = 8_000  # characters of a longer text that are kept at either end, and up to _LINE more
_LINE = 4_000  # to the end of a line
PICTURE = "[picture "  # begins the key of one
_DEPTH_MAX = 40  # levels; deeper input is left out
_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
# folders with made-up file names, and how Playwright's begin
_STORES = ("tool-results/", "tool-results\\", "/_logs/", "\\_logs\\", "playwright-mcp/page-", "playwright-cli/page-")  # fmt: skip


def digest(text: str) -> str:
    """A hash of `text` as 12 hex digits: SipHash, which every interpreter has built in. It differs between Python 3.10 and 3.11,
    so keys made with it are valid only while a session stays on one Python."""
    return source_hash(0, text.encode("utf-8", "surrogatepass")).hex()[:12]


def word(text: str) -> str:
    """`digest` in the letters g to v, so that the key of a picture is not taken for an id and blinded."""
    return digest(text).translate(_LETTERS)


def spelled(path: str) -> str:
    """One spelling of a directory: `C:\\p`, `C:/p` and `/c/p` are `c:/p`."""
    drive = path[:1] if path[1:2] == ":" else path[1:2] if path[:1] == "/" and path[2:3] in ("/", "") else ""
    if not drive.isalpha():
        return path
    return f"{drive.lower()}:{path[2:]}".replace("\\", "/").rstrip("/")


def canonical(value: object) -> str:
    """One text for equal JSON values: keys sorted, strings quoted by `repr`, long ones hashed, names of stored files blinded."""
    return without_stored(_written(value))


def _written(value: object, depth: int = 0) -> str:
    if isinstance(value, str):
        if len(value) > LONG:
            return f"<{len(value)} {digest(value)}>"  # cheaper than quoting a megabyte
        return repr(value)
    if depth > _DEPTH_MAX and isinstance(value, (dict, list)):
        return "..."
    if isinstance(value, dict):
        inner = [f"{name!r}:{_written(value[name], depth + 1)}" for name in sorted(value, key=str)]
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join([_written(item, depth + 1) for item in value]) + "]"
    return repr(value)


def texts_in(value: object) -> tuple[list[str], list[str]]:
    """(all strings in a JSON value in order, all keys in it)."""
    texts: list[str] = []
    names: list[str] = []
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            names += value
            left += reversed(value.values())
        elif isinstance(value, list):
            left += reversed(value)
    return texts, names


def without_stored(text: str) -> str:
    """The text with the file names replaced that Claude Code and npm make up (results, pictures, logs)."""
    for place in _STORES:
        if place in text:
            text = _without_names(text, place)
    if "[Image: source: " in text:
        first, *rest = text.split("[Image: source: ")
        text = first + "".join(["[Image: source: X]" + part.partition("]")[2] for part in rest])
    return text


def _without_names(text: str, place: str) -> str:
    """The text with the name after each `place` replaced by X; its ending stays."""
    pieces = text.split(place)
    for i, piece in enumerate(pieces[1:], 1):
        end = 0
        while end < min(len(piece), 200) and (piece[end].isalnum() or piece[end] in "-_."):
            end += 1
        name = piece[:end].rstrip(".")
        dot = name.rfind(".", -6)
        pieces[i] = ("X" + (name[dot:] if dot > 0 else "") if name else "") + piece[len(name) :]
    return place.join(pieces)


def without_digits(text: str) -> str:
    """The text without its digits. (`str.translate` takes a hundred times as long if the text is not ASCII.)"""
    data = text.encode("utf-8", "surrogatepass").translate(None, b"0123456789")
    return data.decode("utf-8", "surrogatepass")


def shortened(text: str) -> str:
    """A long text as its two ends, with a hash of the middle (without digits) between them."""
    if len(text) <= OUTPUT_MAX:
        return text
    begin, end = text.find("\n", _KEPT, _KEPT + _LINE), text.rfind("\n", -_KEPT - _LINE, -_KEPT)
    begin, end = begin if begin >= 0 else _KEPT, end if end >= 0 else len(text) - _KEPT
    return f"{text[:begin]}\n{word(without_digits(text[begin:end]))}\n{text[end:]}"


def digits_key(text: str) -> str:
    """A key that is equal for texts that differ only in digits."""
    return digest(without_digits(shortened(text)))
