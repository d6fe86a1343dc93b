"""One text and one short hash for equal JSON values."""

from __future__ import annotations

from _imp import source_hash

LONG = 4096  # characters of a value that is known by its hash
_DEPTH_MAX = 40  # deeper nested input is taken by its text


def digest(text: str) -> str:
    """12 hex digits that stand for `text`: SipHash, which every interpreter has built in. It differs between Python 3.10 and 3.11,
    so what is known by it, and a subject that has it for a name, lasts as long as a session on one Python."""
    return digest_of(text.encode("utf-8", "surrogatepass"))


def digest_of(data: bytes) -> str:
    """`digest` of a text's UTF-8."""
    return source_hash(0, data).hex()[:12]


def word(text: str) -> str:
    """`digest` in letters of which none is a hex digit: what stands for a picture is no id that changes by itself."""
    return in_letters(digest(text))


def in_letters(digest: str) -> str:
    """A digest without a digit or a letter of a hex number."""
    return digest.translate(_LETTERS)


_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")


def canonical(value: object, depth: int = 0) -> str:
    """One text for equal JSON values: keys sorted, strings quoted by `repr`, long ones hashed."""
    if isinstance(value, str):
        if len(value) > LONG:
            return f"<{len(value)} {digest(value)}>"  # a megabyte is hashed where it stands, not quoted and copied about
        return repr(value)
    if value is None or isinstance(value, (int, float)):
        return repr(value)
    if depth > _DEPTH_MAX:
        return "..."
    if isinstance(value, dict):
        inner = [f"{name!r}:{canonical(value[name], depth + 1)}" for name in sorted(value, key=str)]
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join([canonical(item, depth + 1) for item in value]) + "]"
    return repr(value)
