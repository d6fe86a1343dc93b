"""Changes of files outside an installation's folder: their plan, diff, backup and execution."""

from __future__ import annotations

import difflib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from shared import Refusal

from circuit_breaker.runtime import files, home
from install import disk
from install.scopes import Scope


class Change(NamedTuple):
    """The change of a file from `before` to `after` (None: no file). mode: for a new file."""

    path: Path
    before: bytes | None
    after: bytes | None
    mode: int | None = None

    @property
    def label(self) -> str:
        """What happens to the file, in a word."""
        return "created" if self.before is None else "removed" if self.after is None else "changed"

    def diff(self) -> str:
        """The change as a unified diff."""
        both = (self.before, self.after)
        old, new = ((data or b"").decode("utf-8", "replace").splitlines(keepends=True) for data in both)
        names = ["/dev/null" if data is None else str(self.path) for data in both]
        lines = difflib.unified_diff(old, new, names[0], names[1])
        no_newline = "\n\\ No newline at end of file\n"
        return "".join(line if line.endswith("\n") else line + no_newline for line in lines)


@dataclass
class Plan:
    """The plan of an installation or removal, and how it went. kept: the receipt, to write or to go by; notes: what stays as it is,
    and why.

    Of an installation: previous is the installed version, "" for none; written: the number of files written; packages_problem: why
    packages are missing. Of a removal: done_with names the backups that are no longer needed; left: what is not ours in the folder,
    once the removal is done.
    """

    scope: Scope
    kept: dict[str, Any] | None = None
    changes: list[Change] = field(default_factory=list)  # in this order
    backups: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    bundle: dict[str, bytes] = field(default_factory=dict)
    previous: str = ""
    written: int = 0
    packages_problem: str = ""
    done_with: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def change(self, path: Path, before: bytes | None, after: bytes | None, mode: int | None = None) -> None:
        """Add the change of a file, if it is one."""
        if before != after:
            self.changes.append(Change(path, before, after, mode))

    def back_up(self, path: Path, data: bytes) -> str:
        """Add the former contents of `path` to the backups. Returns the name of the backup."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"{path.name}.{stamp}.{disk.checksum(data)[:8]}"  # type: ignore[index]
        self.backups[name] = data
        return name

    def require_writable(self) -> None:
        """Raise Refusal for the first file that is not writable."""
        for path in [*(change.path for change in self.changes), *map(backup_path, self.backups)]:
            hindrance = disk.hindrance(path)
            if hindrance:
                raise Refusal(f"{hindrance}. Nothing was changed; fix that and try again.")

    def write_backups(self) -> None:
        """Write the backups into R/backups."""
        if self.backups:
            files.folder(str(backups_folder()))
        for name, data in self.backups.items():
            disk.put(backup_path(name), data, 0o600)

    def make_changes(self, verb: str) -> None:
        """Make the changes in order. Raises Refusal if a file changed since the plan was made."""
        for change in self.changes:
            if disk.read_through(change.path) != change.before:
                raise Refusal(f"{change.path} was changed while {verb} was running. Run {verb} again.")
            try:
                if change.after is None:
                    files.remove(os.path.realpath(change.path))
                    continue
                change.path.parent.mkdir(parents=True, exist_ok=True)
                disk.put(change.path, change.after, change.mode)
            except OSError as error:
                if error.errno not in disk.IN_PLACE or change.before is None:
                    raise
                self.back_up(change.path, change.before)
                self.write_backups()
                disk.put_in_place(change.path, change.after or b"")

    def diff(self) -> str:
        """All changes as unified diffs."""
        return "".join(change.diff() for change in self.changes)

    def facts(self, dry_run: bool) -> dict[str, Any]:
        """The plan for --json."""
        return {
            "dry_run": dry_run,
            "scope": self.scope.name,
            "root": str(self.scope.root),
            "changed": [str(change.path) for change in self.changes],
            "backups": [str(backup_path(name)) for name in self.backups],
            "notes": self.notes,
            "diff": self.diff(),
        }

    def rows(self) -> list[tuple[str, object]]:
        """(label, text) of each change, backup and note."""
        rows: list[tuple[str, object]] = [(change.label, change.path) for change in self.changes]
        rows += [("backup", backup_path(name)) for name in self.backups]
        return rows + [("note", note) for note in self.notes]


def backups_folder() -> Path:
    """The folder R/backups."""
    return Path(home.runtime_folder(os.environ), "backups")


def backup_path(name: str) -> Path:
    """The path of a backup. (Of a path only the last part counts: a receipt can come with a cloned repository.)"""
    return backups_folder() / Path(name).name


def saved_bytes(name: str | None) -> bytes | None:
    """The bytes of the backup `name`, or None."""
    return disk.read_through(backup_path(name)) if name else None
