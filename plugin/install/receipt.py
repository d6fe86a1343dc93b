"""The receipt of an installation: what it added, so that exactly this can be removed.

It is `receipt.json` in the installation's folder and is written before anything outside changes. Its paths are relative, because a
project's receipt is committed with the project.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from circuit_breaker.runtime import files
from install import jsontext

RECEIPT = "receipt.json"
SCHEMA = 1
_MAYBE: tuple[Any, ...] = (str, None)
# For `_fits`: a type, None, ... (missing), several of these, [of each element], {key: of its value}, {str: of every value}.
_SHAPE: dict[Any, Any] = {
    "schema": int,
    "version": str,
    "scope": str,
    "files": dict,  # relative path -> checksum
    "folders": [str],  # that we made outside, relative to the scope's base or absolute, outermost first
    "settings": {
        **dict.fromkeys(("before", "was", "after"), _MAYBE),  # checksums (null: no file)
        "backup": _MAYBE,  # in R/backups
        "made": list,
        "registrations": {str: [{"hooks": [{"command": str}]}]},
        "deny": ([str], ...),
    },
    "commands": {str: {"sum": _MAYBE, "backup": _MAYBE}},  # by the names in Scope.placed
    "memory": ({str: str}, ...),  # those in the project's home -> checksum
    "backups": [str],  # names in R/backups, oldest first
}
FOR_OLDER = {"claude_md": None, "exclude": None}  # to version 0.1, a receipt without them is lost


def blank() -> dict[str, Any]:
    """What a receipt says where there is no installation."""
    sums = dict.fromkeys(("before", "was", "after"), "")
    settings: dict[str, Any] = {"registrations": None, "made": [], "backup": None, **sums}
    return {"version": "", "settings": settings, "commands": {}, "folders": [], "backups": []}


def load_receipt(root: Path) -> dict[str, Any] | None:
    """The receipt in `root`; None if there is none, or it has another version or shape. Raises OSError."""
    data = files.read(str(root / RECEIPT))
    try:
        kept = jsontext.parse_strictly(jsontext.decode_text(data or b"null")[1])
        text = json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except (jsontext.Unreadable, UnicodeEncodeError):
        return None
    if not _fits(kept, _SHAPE) or kept["schema"] != SCHEMA or b"\\u0000" in text:  # no path holds this
        return None
    at_home = {name: {"sum": there, "backup": None} for name, there in kept.get("memory", {}).items()}
    return {**kept, "commands": {**at_home, **kept["commands"]}}


def _fits(value: Any, shape: Any) -> bool:
    """Whether all values have the expected types. (A receipt can come with a cloned repository.)"""
    if isinstance(shape, tuple):
        return any(_fits(value, one) for one in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(one, shape[0]) for one in value)
    if not isinstance(shape, dict):
        return value is shape if shape in (None, ...) else isinstance(value, shape)
    if not isinstance(value, dict):
        return False
    if str in shape:
        return all(_fits(one, shape[str]) for one in value.values())
    return all(_fits(value.get(key, ...), inner) for key, inner in shape.items())
