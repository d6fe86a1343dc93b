"""One text and one short hash for equal JSON values."""

from __future__ import annotations

from _imp import source_hash

LONG = 4096  # characters; a longer string is replaced by its hash
_DEPTH_MAX = 40  # levels; deeper input is left out


def digest(text: str) -> str:
    """A hash of `text` as 12 hex digits: SipHash, which every interpreter has built in. It differs between Python 3.10 and 3.11,
    so keys made with it are valid only while a session stays on one Python."""
    return digest_of(text.encode("utf-8", "surrogatepass"))


def digest_of(data: bytes) -> str:
    """`digest` of a text's UTF-8."""
    return source_hash(0, data).hex()[:12]


def word(text: str) -> str:
    """`digest` in the letters g to v, so that the key of a picture is not taken for an id and blinded."""
    return in_letters(digest(text))


def in_letters(digest: str) -> str:
    """A digest in the letters g to v in place of hex digits."""
    return digest.translate(_LETTERS)


_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")


def canonical(value: object, depth: int = 0) -> str:
    """One text for equal JSON values: keys sorted, strings quoted by `repr`, long ones hashed."""
    if isinstance(value, str):
        if len(value) > LONG:
            return f"<{len(value)} {digest(value)}>"  # cheaper than quoting a megabyte
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
