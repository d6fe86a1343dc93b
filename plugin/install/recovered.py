"""The receipt of an installation, or one reconstructed from our names, checksums and lines if it is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.runtime import home
from install import bundle, disk, jsontext, receipt, scopes, settings
from install.changes import Obstacle
from install.section import PROTOCOL, exclusion

LAUNCHER = """#!/usr/bin/env python3
# The command line of the Claude Code plugin circuit-breaker, put here by its `install`.
import os, runpy, sys

plugin = {plugin!r}
if not os.path.isdir(plugin):
    sys.exit("circuit-breaker: " + plugin + " is gone. Install the plugin again, or remove " + sys.argv[0])
runpy.run_path(plugin, {{"CALLED": sys.argv[0]}}, "__main__")
"""


def blank() -> dict[str, Any]:
    """What a receipt says where there is no installation."""
    sums = {"before": "", "was": "", "after": ""}
    return {
        "version": "", "settings": {"registrations": None, "made": [], "backup": None, **sums}, "commands": {}, "memory": {},
        "claude_md": None, "exclude": None, "folders": [], "backups": [],
    }  # fmt: skip


def receipt_of(scope: scopes.Scope, source: Path) -> dict[str, Any] | None:
    """The receipt of the installation of `scope`; None if there is no trace of one. Raises Obstacle for one of another scope,
    OSError."""
    root = scope.root
    kept = receipt.load_receipt(root)
    if kept is not None:
        other = kept["scope"]
        if other == scope.name:
            return kept
        raise Obstacle(
            f"the installation in {root} has the scope {other}. Nothing was changed. Use --scope {other}, or run "
            f"`uninstall --scope {other}` first."
        )
    if not (root / "plugin" / "__main__.py").is_file() and not _registers(scope):
        return None
    kept = blank()
    names = [*bundle.names_below(root), *bundle.packages_below(root), ".gitignore", ".gitattributes"]
    excluded = scopes.git_exclude(scope.base)
    return {
        **kept,
        "version": version_in(root),
        "files": {name: disk.text_checksum(disk.read_through(root / name)) for name in names},
        "settings": {**kept["settings"], "made": None},
        "commands": _placed(scope, source),
        "memory": {path.name: disk.checksum(data) for path, data in home_files(scope).items()},
        "claude_md": _section(scope.claude_md, PROTOCOL.begin),
        "exclude": _section(excluded[0], exclusion([]).begin) if excluded else None,
    }


def home_files(scope: scopes.Scope) -> dict[Path, bytes]:
    """The files that install adds to a project's home: the config file, and a .gitignore for the rest."""
    if scope.memory is None:
        return {}
    ignored = "*\n" if scope.name == "local" else f"*\n!.gitignore\n!{home.CONFIG}\n"
    return {
        scope.memory / home.CONFIG: (json.dumps(DEFAULTS, indent=2) + "\n").encode("ascii"),
        scope.memory / ".gitignore": ignored.encode("ascii"),
    }


def our_text(scope: scopes.Scope, name: str, folder: Path) -> bytes | None:
    """The bytes of our file `name` (see Scope.placed) in the version in `folder`; None if that version has no such file."""
    if name == scopes.PLUGIN:
        return LAUNCHER.format(plugin=str(scope.root / "plugin")).encode("utf-8", "surrogateescape")
    data = disk.read_through(folder / "commands" / name)
    return None if data is None else disk.with_unix_ends(data)


def version_in(folder: Path) -> str:
    """The version of the plugin in `folder`; "" if unknown."""
    try:
        return str(json.loads((folder / "plugin.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _registers(scope: scopes.Scope) -> bool:
    try:
        text = jsontext.decode_text(disk.read_through(scope.settings) or b"")[1]
        return settings.registers(settings.settings_of(text))
    except (OSError, jsontext.Unreadable):
        return False


def _placed(scope: scopes.Scope, source: Path) -> dict[str, Any]:
    found = {}
    for name, path in scope.placed.items():
        here = disk.text_checksum(disk.read_through(path))
        if here and here in [disk.checksum(our_text(scope, name, folder)) for folder in (scope.root, source)]:
            found[name] = {"sum": here, "backup": None}
    return found


def _section(path: Path, begin: str) -> dict[str, Any] | None:
    there = begin.encode() in (disk.read_through(path) or b"")
    return {"before": "", "added": ""} if there else None
