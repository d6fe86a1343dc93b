"""The survey of Claude Code's folder by kind. It looks at names, sizes and times and opens no file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from circuit_breaker.cleaning import kinds

OF_ANOTHER = "belongs to another user"
EMPTY = "empty"
NEWEST = "the newest one"
INSTALLED, UNKNOWN = "installed", "what is installed is not known"
_INSIDE = {"subagents": kinds.SUBAGENTS, "tool-results": kinds.RESULTS}  # folders of a session


class Unit:
    """A file, a folder or a session that is archived or left as a whole; or, without a path, a sum of what is only measured.

    path: relative to Claude Code's folder. parts: the files and folders a session consists of, [] for `path` alone. inner: a session's
    subagents and tool results. oldest, newest: epoch seconds of its writes. stays: why it is never archived, "" if it can be.
    """

    __slots__ = ("kind", "path", "parts", "inner", "files", "bytes", "oldest", "newest", "stays")

    def __init__(self, kind: str = "", path: str = "") -> None:
        self.kind, self.path, self.files, self.bytes = kind, path, 0, 0
        self.oldest, self.newest, self.stays = float("inf"), 0.0, ""
        self.parts: list[str] = []
        self.inner: list[Unit] = []

    @property
    def session(self) -> str:
        """The session it belongs to; "" if its path has none."""
        return next(filter(None, map(kinds.session_of, reversed(self.path.split("/")))), "")

    @property
    def project(self) -> str:
        """Its folder below projects/; "" if it is elsewhere."""
        top, _, rest = self.path.partition("/")
        return rest.partition("/")[0] if top == "projects" else ""


class Inventory:
    """The result of a survey. folder: its real path. units: what `clean` can archive by path, the sums of everything else by label.
    links: links found in place of a folder. unreadable: sentences. complete: False if it was stopped."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.realpath(folder)
        self.units: dict[str, Unit] = {}
        self.links: list[str] = []
        self.unreadable: list[str] = []
        self.complete = True

    def unit(self, kind: str, path: str = "") -> Unit:
        key = path or kind
        return self.units.get(key) or self.units.setdefault(key, Unit(kind, path))

    def by_kind(self) -> dict[str, Unit]:
        """Kind or label -> its sum."""
        return sums([(unit.kind, unit) for unit in self.units.values()])


def sums(named: list[tuple[str, Unit]]) -> dict[str, Unit]:
    """The sums of the units of each name."""
    found: dict[str, Unit] = {}
    for name, unit in named:
        whole = found.get(name) or found.setdefault(name, Unit())
        whole.files += unit.files
        whole.bytes += unit.bytes
        whole.oldest, whole.newest = min(whole.oldest, unit.oldest), max(whole.newest, unit.newest)
    return found


def survey(
    folder: str,
    installed: list[str] | None,
    on_folder: Callable[[int], object],
    deadline: float = float("inf"),
) -> Inventory:
    """Survey everything below `folder` until `deadline` (time.monotonic). Links are not followed, except `folder` itself.

    installed: the real paths of the plugin versions in use; None if unknown, then no version counts as old. on_folder: called
    once per folder with the number of files so far.
    """
    found = Inventory(folder)
    _walk(found, on_folder, deadline)
    _settle(found, installed)
    return found


def _walk(found: Inventory, on_folder: Callable[[int], object], deadline: float) -> None:
    me = os.geteuid() if hasattr(os, "geteuid") else 0  # on Windows every file has uid 0
    seen, stack = 0, [""]
    while stack:
        if time.monotonic() >= deadline:
            found.complete = False
            return
        here = stack.pop()
        on_folder(seen)
        whole = _of_folder(found, here)
        for entry in _listing(found, here):
            if not entry.is_file(follow_symlinks=False):
                path = f"{here}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    stack.append(path)
                elif os.path.isdir(f"{found.folder}/{path}"):  # a link; no error if it leads nowhere
                    found.links.append(path)
                continue
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # removed meanwhile
            seen += 1
            row, written = whole or _of_file(found, here, entry.name), info.st_mtime
            row.files += 1
            row.bytes += info.st_size
            if written < row.oldest:
                row.oldest = written
            if written > row.newest:
                row.newest = written
            if info.st_uid != me:
                row.stays = OF_ANOTHER


def _listing(found: Inventory, path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(f"{found.folder}/{path}") as listing:
            return list(listing)
    except OSError as error:
        found.unreadable.append(f"{path or found.folder}: {error.strerror}")
        return []


def _of_folder(found: Inventory, path: str) -> Unit | None:
    """What all files of a folder are added to; None if each has its own place."""
    parts = path.split("/")
    top, depth = parts[0], len(parts)
    if top == "projects":
        return _of_project(found, path, parts)
    if parts[:2] == ["plugins", "cache"]:
        return found.unit(kinds.PLUGINS) if depth < 5 else found.unit(kinds.PLUGINS, "/".join(parts[:5]))
    if top == "plugins":
        return found.unit(kinds.MEASURED.get("/".join(parts[1:2]), kinds.MEASURED[top]))
    kind, whole = kinds.PLACES.get(top, ("", ""))
    if not kind:
        return found.unit(kinds.MEASURED.get(top, top)) if top else None
    if depth == 1:
        return found.unit(kind) if whole == kinds.FOLDER else None
    return found.unit(kind) if whole == kinds.FILE else found.unit(kind, "/".join(parts[:2]))


def _of_project(found: Inventory, path: str, parts: list[str]) -> Unit | None:
    if len(parts) < 3:
        return found.unit(kinds.OTHER) if len(parts) == 1 else None
    if kinds.session_of(parts[2]) != parts[2]:
        return found.unit(kinds.MEASURED.get(parts[2], kinds.OTHER))
    if len(parts) > 3 and parts[3] in _INSIDE:
        return found.unit(_INSIDE[parts[3]], "/".join(parts[:4]))
    session = found.unit(kinds.TRANSCRIPTS, "/".join(parts[:3]))
    if len(parts) == 3:
        session.parts.append(path)
    return session


def _of_file(found: Inventory, folder: str, name: str) -> Unit:
    """What a file is added to, where each has its own place: a session has ID.jsonl and other files named ID."""
    if not folder:
        return found.unit(kinds.MEASURED.get(name, kinds.LOOSE))
    path = f"{folder}/{name}"
    if folder in kinds.PLACES:
        return found.unit(kinds.PLACES[folder][0], path)
    session = kinds.session_of(name)
    if session:
        unit = found.unit(kinds.TRANSCRIPTS, f"{folder}/{session}")
        unit.parts.append(path)
        return unit
    if name[:6] == "agent-" and name[-6:] == ".jsonl":  # where older versions of Claude Code put subagents
        return found.unit(kinds.SUBAGENTS, path)
    return found.unit(kinds.OTHER)


def _settle(found: Inventory, installed: list[str] | None) -> None:
    """Mark what stays for what else is there: a session is as new as the newest file of it, the newest backup is needed."""
    units = [unit for unit in found.units.values() if unit.path]
    backups = [unit for unit in units if unit.kind == kinds.BACKUPS]
    if backups:
        max(backups, key=lambda unit: unit.newest).stays = NEWEST
    for unit in units:
        if not unit.files and unit.kind != kinds.TRANSCRIPTS:
            unit.stays = EMPTY
        elif unit.kind in (kinds.SUBAGENTS, kinds.RESULTS):
            session = found.units.get(unit.path.rpartition("/")[0])
            if session:
                session.inner.append(unit)
                session.newest = max(session.newest, unit.newest)
                session.stays = session.stays or unit.stays
        elif unit.kind == kinds.PLUGINS:
            real = os.path.realpath(f"{found.folder}/{unit.path}")
            unit.stays = UNKNOWN if installed is None else INSTALLED if real in installed else unit.stays
