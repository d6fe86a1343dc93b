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
_SHAPE: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "version": str,
    "scope": str,
    "files": dict,  # relative path -> checksum
    "folders": list,  # folders that we made outside, relative to the scope's base or absolute, outermost first
    "settings": dict,  # before, was, after: checksums (null: no file); made; registrations; deny; backup: in R/backups
    "commands": dict,  # name as in Scope.placed -> {"sum": checksum, "backup": name or null}
    "claude_md": (dict, type(None)),  # {"before": checksum, "added": text}
    "exclude": (dict, type(None)),  # the same for git's exclude file
    "memory": dict,  # file name in .claude/memory -> checksum
    "backups": list,  # names in R/backups, oldest first
}


def load_receipt(root: Path) -> dict[str, Any] | None:
    """The receipt in `root`; None if there is none, or it has another version or shape. Raises OSError."""
    data = files.read(str(root / RECEIPT))
    try:
        kept = jsontext.parse_strictly(jsontext.decode_text(data or b"null")[1])
    except jsontext.Unreadable:
        return None
    if not isinstance(kept, dict) or kept.get("schema") != SCHEMA:
        return None
    kept.setdefault("exclude", None)  # missing before 0.2
    return kept if _sound(kept) else None


def _sound(kept: dict[str, Any]) -> bool:
    """Whether all values have the expected types. (A receipt can come with a cloned repository.)"""
    if not all(isinstance(kept.get(key), kind) for key, kind in _SHAPE.items()):
        return False
    part, sections = kept["settings"], [kept["claude_md"], kept["exclude"]]
    made, ours = part.get("made"), part.get("registrations")
    handlers = [
        handler
        for groups in (ours.values() if isinstance(ours, dict) else [None])
        for group in (groups if isinstance(groups, list) else [{}])
        for handler in (group.get("hooks", [{}]) if isinstance(group, dict) else [{}])
    ]
    rules = part.get("deny", [])
    texts = [
        *kept["files"],
        *kept["folders"],
        *kept["backups"],
        *(rules if isinstance(rules, list) else [None]),
    ]
    texts += [handler.get("command") if isinstance(handler, dict) else None for handler in handlers]
    maybe = [part.get(key) for key in ("before", "was", "after", "backup")]
    maybe += [
        command.get(key) if isinstance(command, dict) else 0
        for command in kept["commands"].values()
        for key in ("sum", "backup")
    ]
    return (
        all(isinstance(text, str) for text in texts)
        and all(text is None or isinstance(text, str) for text in maybe)
        and isinstance(made, list)
        and all(section is None or isinstance(section.get("added"), str) for section in sections)
    )


def receipt_text(kept: dict[str, Any]) -> bytes:
    """The bytes of a receipt."""
    return (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode("ascii")


def adopt(root: Path, added: dict[str, Any]) -> None:
    """Add the files `added` (path -> checksum) to the receipt of `root`, if any, so that uninstall removes them."""
    kept = load_receipt(root)
    if kept is not None:
        kept["files"].update(added)
        files.replace(str(root / RECEIPT), receipt_text(kept))
