"""Changes of files outside an installation's folder: their plan, diff, backup and execution."""

from __future__ import annotations

import difflib
import os
import time
from pathlib import Path
from typing import NamedTuple

from circuit_breaker.runtime import files
from install import disk


class Obstacle(Exception):
    """Raised if an installation or removal is refused. The message says why and what to do next."""


class Change(NamedTuple):
    """The change of a file from `before` to `after` (None: no file). mode: for a new file."""

    path: Path
    before: bytes | None
    after: bytes | None
    mode: int | None = None

    def diff(self) -> str:
        """The change as a unified diff."""
        old, new = (
            (data or b"").decode("utf-8", "replace").splitlines(keepends=True)
            for data in (self.before, self.after)
        )
        names = ["/dev/null" if data is None else str(self.path) for data in (self.before, self.after)]
        lines = difflib.unified_diff(old, new, names[0], names[1])
        return "".join(
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines
        )


def require_writable(changes: list[Change]) -> None:
    """Raise Obstacle for the first file that is not writable."""
    for change in changes:
        hindrance = disk.hindrance(change.path)
        if hindrance:
            raise Obstacle(f"{hindrance}. Nothing was changed; fix that and try again.")


def backup(path: Path, data: bytes, backups: dict[str, bytes]) -> str:
    """Add the former contents of `path` to `backups`. Returns the name of the backup."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{path.name}.{stamp}.{disk.checksum(data)[:8]}"  # type: ignore[index]
    backups[name] = data
    return name


def saved_bytes(runtime_folder: Path, name: str | None) -> bytes | None:
    """The backup `name` in R/backups, or None. (A path is refused: a receipt can come with a cloned repository.)"""
    return disk.read_through(runtime_folder / "backups" / Path(name).name) if name else None


def write_backups(backups: dict[str, bytes], runtime_folder: Path) -> list[str]:
    """Write backups (name -> bytes) into R/backups. Returns their paths."""
    if backups:
        files.folder(str(runtime_folder / "backups"))
    paths = [runtime_folder / "backups" / name for name in backups]
    for path, data in zip(paths, backups.values()):
        disk.put(path, data, 0o600)
    return [str(path) for path in paths]


def make_changes(changes: list[Change], runtime_folder: Path, verb: str) -> None:
    """Make the changes in order. Raises Obstacle if a file changed since the plan was made."""
    for change in changes:
        if disk.read_through(change.path) != change.before:
            raise Obstacle(f"{change.path} was changed while {verb} was running. Run {verb} again.")
        try:
            _make(change)
        except OSError as error:
            if error.errno not in disk.IN_PLACE or change.before is None:
                raise
            kept: dict[str, bytes] = {}
            backup(change.path, change.before, kept)
            write_backups(kept, runtime_folder)
            disk.put_in_place(change.path, change.after or b"")


def _make(change: Change) -> None:
    if change.after is None:
        files.remove(os.path.realpath(change.path))
        return
    change.path.parent.mkdir(parents=True, exist_ok=True)
    disk.put(change.path, change.after, change.mode)
