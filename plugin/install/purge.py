"""What --purge removes for good: our state and configuration, and with --archives the archives."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from shared import places_here

from circuit_breaker.janitor import retention
from circuit_breaker.runtime import files, home
from install import disk, scopes

# Names of the files that we write into a home or runtime folder. In a folder that others use too, only these are removed: its
# `projects` and `backups` may be theirs.
_HEX = "[0-9a-f]"
IN_HOMES = (
    home.CONFIG, home.STATE, home.INCIDENTS, ".publish.lock", "archives/.compress.lock", "archives/.sweep.lock",
    "archives/telemetry/*.jsonl.gz", "archives/telemetry/*.log.gz", "archives/sessions/*.json.gz",
    "archives/telemetry/*.*T*Z*.jsonl", "archives/telemetry/*.*T*Z*.log", "archives/sessions/*.*T*Z*.json",
)  # fmt: skip
# a file, and the files that `files` and `store` write beside it
ENDINGS = ("", ".lock", ".spare", ".last", ".*.broken", ".*.tmp*")
OUR_FILES = (
    *IN_HOMES, *(f"projects/*-{_HEX * 12}/{name}" for name in IN_HOMES), "errors.log", "errors.log.1", "python",
    f"{home.NAME}.*.tmp*", f"sessions/{home.NAME}.*.tmp*", "armed/*", "any.lock", "services/lock", f"services/*{_HEX * 12}.json", "sessions/*/lock",
    "export/lock", "export/cursor.json", "export/spool.jsonl",
    *(f"sessions/*/{name}.json" for name in ("session", "main", "agent-*")),
    f"janitor/*-{_HEX * 12}.json", f"janitor/*-{_HEX * 12}.said", f"dead_ends/*-{_HEX * 12}.json", f"backups/*.*T*Z.{_HEX * 8}",
    "archives/claude/*.tar.gz", "archives/claude/*.removing", "archives/claude/.clean.lock",
)  # fmt: skip
# those of them that we make, and of these the ones that can be empty
FOLDERS = (
    "armed", "sessions", "janitor", "backups", "archives", "projects", "telemetry", "claude", "services", "export", "packages",
    "dead_ends",
)  # fmt: skip
IN_ARCHIVES = ("archives/telemetry", "archives/sessions")
EMPTY = ("armed", *IN_ARCHIVES, *(f"projects/*-{_HEX * 12}/{name}" for name in IN_ARCHIVES))


def purged_paths(scope: scopes.Scope) -> list[Path]:
    """The existing files and folders that --purge removes for this scope.

    --scope user: the runtime folder with the homes in it, and your config file. project, local: the project's home, and the runtime
    folder unless a user installation still uses it.
    """
    where = places_here(str(scope.base) if scope.memory is not None else None)
    runtime = Path(where.runtime)
    found = _ours(scope.memory) if scope.memory is not None else []
    if scope.memory is not None and runtime / "projects" in Path(where.home).parents:
        found.append(Path(where.home))
    sources = [source for source in scopes.chain(scope.base) if source.label == "user"]
    used = scopes.registered(sources) or any(on for *_, on in scopes.switches(sources))
    if scope.memory is None or not used:
        found += [runtime] if runtime.name == home.NAME else _ours(runtime)
        found += [Path(where.user_config + rest) for rest in ("", ".lock") if where.user_config]
    found = [path for path in dict.fromkeys(found) if os.path.lexists(path)]
    return [path for path in found if not any(other in path.parents for other in found)]


def archives(paths: list[Path]) -> list[Path]:
    """The archives in `paths`, compressed or not yet. (Their originals were removed by `clean` or the session-start cleanup.)"""
    inside = [found for path in paths if path.is_dir() for found in sorted(path.glob("**/archives/**/*"))]
    ours = [one for one in (*inside, *paths) if "archives" in one.parts]
    return [one for one in ours if one.suffix == ".gz" or retention.split(f"{one.parent.name}/{one.name}")]


def purge(paths: list[Path], spared: list[Path]) -> list[str]:
    """Remove `paths` except the files `spared`; of a link only the link itself. Returns what was removed."""
    gone = []
    for path in paths:
        if not os.path.lexists(path) or path in spared:
            continue
        if not path.is_dir() or path.is_symlink():
            files.remove(str(path))
        elif any(path in one.parents for one in spared):
            gone += purge(sorted(path.iterdir()), spared)
            continue
        else:
            shutil.rmtree(path)
        gone.append(str(path))
    around = {folder for path in paths for folder in path.parents}
    ours = {one for one in around if one.name in FOLDERS or one.parent.name in ("sessions", "projects")}
    disk.remove_empty(*ours, *(path.parent for path in paths if path.name.startswith("config.json")))
    return gone


def _ours(folder: Path) -> list[Path]:
    """Our files in a folder that others use too, the packages of `export`, and our folders in which nothing is."""
    found = [path for name in OUR_FILES for rest in ENDINGS for path in sorted(folder.glob(name + rest))]
    found = [path for path in found if path.is_symlink() or not path.is_dir()]
    folders = [path for pattern in EMPTY for path in folder.glob(pattern) if path.is_dir()]
    empty = [path for path in folders if not path.is_symlink() and not any(path.iterdir())]
    return [*found, *sorted(folder.glob("packages/otlp-3.*")), *empty]
