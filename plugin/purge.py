"""What state, configuration and archives are there to be removed for good, and only those?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import disk
import scopes

from circuit_breaker.edge import files, home

# What we write into a home or a runtime folder that somebody else chose; see "On disk" in the interface.
OURS = (
    home.CONFIG, home.STATE, home.INCIDENTS, ".publish.lock", "archives/telemetry", "archives/sessions",
    "archives/.compress.lock", "armed", "sessions", "projects", "backups", "janitor", "python", "errors.log", "errors.log.1",
)  # fmt: skip


def state(scope: scopes.Scope, env: Mapping[str, str], cwd: str) -> list[Path]:
    """The files and folders that --purge removes for this scope, each of them there.

    A person's installation: the runtime folder with every project's home in it, and the person's config. A project's: its home;
    the runtime folder too, unless a person's installation still uses it.
    """
    where = (
        home.places(env, cwd)
        if scope.name == "user"
        else home.places({**env, "CLAUDE_PROJECT_DIR": str(scope.base)})
    )
    found = []
    if scope.memory is not None:
        found += _ours(scope.memory)
        found.append(Path(where.home))
    sources = [source for source in scopes.chain(env, scope.base) if source.label == "user"]
    still_used = scope.name != "user" and (scopes.registered(sources) or scopes.enabled(sources))
    if not still_used:
        found += (
            [Path(where.runtime)] if Path(where.runtime).name == home.NAME else _ours(Path(where.runtime))
        )
        found += [Path(where.user_config)] if where.user_config else []
    inside = scope.memory
    found = [path for path in found if path != inside and os.path.lexists(path)]
    return [path for path in dict.fromkeys(found) if not any(other in path.parents for other in found)]


def purge(paths: list[Path]) -> list[str]:
    """Remove each of `paths` that is still there; a link is removed itself, never what it points at. What went."""
    gone = []
    for path in paths:
        if not os.path.lexists(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            files.remove(str(path))
        gone.append(str(path))
        if path.name == "config.json" or path.parent.name in ("archives", "memory"):
            disk.remove_empty(path.parent)
            if path.parent.name == "archives":
                disk.remove_empty(path.parent.parent)
    return gone


def _ours(folder: Path) -> list[Path]:
    return [folder / name for name in OURS]
