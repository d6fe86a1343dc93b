"""The survey of Claude Code's folder by kind. It looks at names, sizes and times and opens no file."""

from __future__ import annotations

import os

from circuit_breaker.cleaning import kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


OF_ANOTHER = "belongs to another user"
EMPTY = "empty"
OTHER = "other files of projects"


class Unit:
    """A file, a folder or a session that is archived or left as a whole.

    path: relative to Claude Code's folder. parts: the files and folders it consists of, () for `path` alone. oldest, newest: epoch
    seconds of its writes. stays: why it is never archived, "" if it can be.
    """

    __slots__ = ("kind", "path", "parts", "files", "bytes", "oldest", "newest", "stays")

    def __init__(self, kind: str, path: str, files: int, size: int, oldest: float, newest: float) -> None:
        self.kind, self.path, self.files, self.bytes = kind, path, files, size
        self.oldest, self.newest = oldest, newest
        self.parts: tuple[str, ...] = ()
        self.stays = ""

    @property
    def session(self) -> str:
        """The session it belongs to; "" if its path has none."""
        for part in reversed(self.path.split("/")):
            found = kinds.session_of(part)
            if found:
                return found
        return ""

    @property
    def project(self) -> str:
        """Its folder below projects/; "" if it is elsewhere."""
        top, _, rest = self.path.partition("/")
        return rest.partition("/")[0] if top == "projects" else ""


class Pile:
    """The files of one kind in one folder, each a unit: rows of (name, bytes, written). There can be very many, so a Unit is
    made only when needed."""

    __slots__ = ("kind", "place", "rows")

    def __init__(self, kind: str, place: str) -> None:
        self.kind, self.place = kind, place
        self.rows: list[tuple[str, int, float]] = []

    def units(self) -> Iterator[Unit]:
        for name, size, written in self.rows:
            yield Unit(self.kind, f"{self.place}/{name}", 1, size, written, written)


class Row:
    """A sum: bytes, files, and the oldest and newest write (epoch seconds)."""

    __slots__ = ("bytes", "files", "oldest", "newest")

    def __init__(self) -> None:
        self.bytes, self.files, self.oldest, self.newest = 0, 0, float("inf"), 0.0

    def add(self, files: int, size: int, oldest: float, newest: float) -> None:
        self.files += files
        self.bytes += size
        self.oldest, self.newest = min(self.oldest, oldest), max(self.newest, newest)


class Inventory:
    """The result of a survey.

    folder: its real path. piles, groups: the units of the kinds that `clean` knows (files; folders and sessions). measured: label ->
    Row of everything else. links: links found in place of a folder. unreadable: sentences. complete: False if it was stopped.
    """

    def __init__(self, folder: str) -> None:
        self.folder = os.path.realpath(folder)
        self.piles: list[Pile] = []
        self.groups: list[Unit] = []
        self.measured: dict[str, Row] = {}
        self.links: list[str] = []
        self.unreadable: list[str] = []
        self.complete = True

    def units(self) -> Iterator[Unit]:
        """All units."""
        for pile in self.piles:
            yield from pile.units()
        yield from self.groups

    def by_kind(self) -> dict[str, Row]:
        """Kind or label -> its sum."""
        rows: dict[str, Row] = {}
        for pile in self.piles:
            for _, size, written in pile.rows:
                rows.setdefault(pile.kind, Row()).add(1, size, written, written)
        for unit in self.groups:
            rows.setdefault(unit.kind, Row()).add(unit.files, unit.bytes, unit.oldest, unit.newest)
        for label, other in self.measured.items():
            rows.setdefault(label, Row()).add(other.files, other.bytes, other.oldest, other.newest)
        return rows

    def by_project(self) -> dict[str, Row]:
        """Folder below projects/ -> the sum over its sessions."""
        rows: dict[str, Row] = {}
        for unit in self.units():
            if unit.path[:9] == "projects/":
                rows.setdefault(unit.project, Row()).add(unit.files, unit.bytes, unit.oldest, unit.newest)
        return rows


class SurveyStopped(Exception):
    """Raised by the caller's `on_folder` to stop the survey."""


def survey(folder: str, installed: Iterable[str] | None, on_folder: Callable[[int], None]) -> Inventory:
    """Survey everything below `folder`. Links are not followed, except `folder` itself.

    installed: the real paths of the plugin versions in use; None if unknown, then no version counts as old. on_folder: called
    once per folder with the number of files so far; it can raise SurveyStopped.
    """
    found = Inventory(folder)
    walk = _Walk(found, None if installed is None else set(installed), on_folder)
    try:
        walk.top()
    except SurveyStopped:
        found.complete = False
    return found


class _Walk:
    """One pass over Claude Code's folder. All paths are relative to it."""

    def __init__(
        self, found: Inventory, installed: set[str] | None, on_folder: Callable[[int], None]
    ) -> None:
        self.found, self.installed, self.on_folder = found, installed, on_folder
        self.root, self.seen = found.folder, 0
        self.me = os.geteuid() if hasattr(os, "geteuid") else 0  # on Windows every file has uid 0

    def top(self) -> None:
        files, folders = self.split("")
        for entry in files:
            label = kinds.MEASURED.get(entry.name, kinds.LOOSE)
            self.measure(label, entry)
        plain = {place: kind for kind in kinds.KINDS.values() if kind.unit for place in kind.folders}
        for name in folders:
            if name == "projects":
                self.projects(name)
            elif name == "plugins":
                self.plugins(name)
            elif name in plain:
                self.units_in(name, plain[name])
            else:
                self.weigh(name, self.row(kinds.MEASURED.get(name, name)))

    def split(self, path: str) -> tuple[list[os.DirEntry[str]], list[str]]:
        """(files, names of folders) in a folder, without links and special files."""
        self.on_folder(self.seen)
        try:
            with os.scandir(f"{self.root}/{path}") as listing:
                entries = list(listing)
        except OSError as error:
            self.found.unreadable.append(f"{path or self.root}: {error.strerror}")
            return [], []
        files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
        self.seen += len(files)
        folders = []
        if len(files) < len(entries):
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_symlink() and entry.is_dir():
                    self.found.links.append(f"{path}/{entry.name}".lstrip("/"))
        return files, folders

    def units_in(self, place: str, kind: kinds.Kind) -> None:
        """Add the units of a folder with one kind: each file, each folder, or both."""
        files, folders = self.split(place)
        if kind.unit == kinds.FOLDER:
            for entry in files:
                self.measure(kind.name, entry)
        else:
            self.files_as_units(place, kind.name, files)
        for name in folders:
            if kind.unit == kinds.FILE:
                self.weigh(f"{place}/{name}", self.row(kind.name))
            else:
                self.folder_as_unit(kind.name, f"{place}/{name}")

    def files_as_units(self, place: str, kind: str, files: list[os.DirEntry[str]]) -> None:
        pile, me = Pile(kind, place), self.me
        add = pile.rows.append
        for entry in files:
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # removed meanwhile
            if info.st_uid == me:
                add((entry.name, info.st_size, info.st_mtime))
            else:
                self.row(kind).add(1, info.st_size, info.st_mtime, info.st_mtime)
        if kind == kinds.BACKUPS and pile.rows:
            newest = max(pile.rows, key=lambda row: row[2])
            pile.rows.remove(newest)
            self.row(kind).add(1, *newest[1:], newest[2])
        self.found.piles.append(pile)

    def folder_as_unit(self, kind: str, path: str) -> Unit:
        unit = Unit(kind, path, 0, 0, float("inf"), 0.0)
        self.weigh(path, unit)
        if not unit.files:
            unit.stays = EMPTY
        self.found.groups.append(unit)
        return unit

    def weigh(self, path: str, into: Unit | Row) -> None:
        """Add up everything below a folder."""
        stack, me, foreign = [path], self.me, False
        files, size, oldest, newest = 0, 0, into.oldest, into.newest
        while stack:
            here = stack.pop()
            entries, folders = self.split(here)
            stack += [f"{here}/{name}" for name in folders]
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                written = info.st_mtime
                files += 1
                size += info.st_size
                if written < oldest:
                    oldest = written
                if written > newest:
                    newest = written
                if info.st_uid != me:
                    foreign = True
        into.files += files
        into.bytes += size
        into.oldest, into.newest = oldest, newest
        if foreign and isinstance(into, Unit):
            into.stays = OF_ANOTHER

    def projects(self, place: str) -> None:
        files, folders = self.split(place)
        for entry in files:
            self.measure(kinds.TRANSCRIPTS, entry)
        for name in folders:
            self.project(f"{place}/{name}")

    def project(self, place: str) -> None:
        """Add a project's sessions: ID.jsonl, other files named ID, and the folder ID (subagents, tool results and the rest)."""
        files, folders = self.split(place)
        rest = [entry for entry in files if entry.name[36:] != ".jsonl"]
        named = {kinds.session_of(entry.name) for entry in rest} | set(folders)
        whole = {
            name: Unit(kinds.TRANSCRIPTS, f"{place}/{name}", 0, 0, float("inf"), 0.0)
            for name in named
            if name and kinds.session_of(name) == name
        }
        lone: list[os.DirEntry[str]] = []
        agents: list[os.DirEntry[str]] = []
        for entry in files:
            name = entry.name
            if name[:36] in whole:
                self.measure_part(whole[name[:36]], place, entry)
            elif name[36:] == ".jsonl":
                lone.append(entry)
            elif (
                name[:6] == "agent-" and name[-6:] == ".jsonl"
            ):  # where older versions of Claude Code put subagents
                agents.append(entry)
            else:
                self.measure(kinds.TRANSCRIPTS if name[-6:] == ".jsonl" else OTHER, entry)
        self.files_as_units(place, kinds.TRANSCRIPTS, lone)
        self.files_as_units(place, kinds.SUBAGENTS, agents)
        for name in folders:
            if name in whole:
                self.session_folder(whole[name])
            else:
                self.weigh(f"{place}/{name}", self.row(kinds.MEASURED.get(name, OTHER)))
        self.found.groups += whole.values()

    def session_folder(self, unit: Unit) -> None:
        """Add a session's folder to its unit, which is as new as the newest file in it."""
        unit.parts += (unit.path,)
        files, folders = self.split(unit.path)
        for entry in files:
            self.measure_into(unit, entry)
        for name in folders:
            if name not in ("subagents", "tool-results"):
                self.weigh(f"{unit.path}/{name}", unit)
                continue
            kind = kinds.SUBAGENTS if name == "subagents" else kinds.RESULTS
            part = self.folder_as_unit(kind, f"{unit.path}/{name}")
            unit.newest = max(unit.newest, part.newest)
            if part.stays == OF_ANOTHER:
                unit.stays = OF_ANOTHER

    def plugins(self, place: str) -> None:
        """Add each old version in the plugin cache as a unit; installed ones and everything else are only measured."""
        files, folders = self.split(place)
        for entry in files:
            self.measure(kinds.MEASURED["plugins"], entry)
        for name in folders:
            if name != "cache":
                self.weigh(f"{place}/{name}", self.row(kinds.MEASURED.get(name, kinds.MEASURED["plugins"])))
        if "cache" not in folders:
            return
        for market in self.folders_in(f"{place}/cache"):
            for plugin in self.folders_in(market):
                for version in self.folders_in(plugin):
                    unit = self.folder_as_unit(kinds.PLUGINS, version)
                    if self.installed is None:
                        unit.stays = "what is installed is not known"
                    elif os.path.realpath(f"{self.root}/{version}") in self.installed:
                        unit.stays = "installed"

    def folders_in(self, place: str) -> list[str]:
        files, folders = self.split(place)
        for entry in files:
            self.measure(kinds.PLUGINS, entry)
        return [f"{place}/{name}" for name in folders]

    def row(self, label: str) -> Row:
        return self.found.measured.setdefault(label, Row())

    def measure(self, label: str, entry: os.DirEntry[str]) -> None:
        self.measure_into(self.row(label), entry)

    def measure_part(self, unit: Unit, place: str, entry: os.DirEntry[str]) -> None:
        unit.parts += (f"{place}/{entry.name}",)
        self.measure_into(unit, entry)

    def measure_into(self, into: Unit | Row, entry: os.DirEntry[str]) -> None:
        try:
            info = entry.stat(follow_symlinks=False)
        except OSError:
            return
        into.files += 1
        into.bytes += info.st_size
        into.oldest, into.newest = min(into.oldest, info.st_mtime), max(into.newest, info.st_mtime)
        if info.st_uid != self.me and isinstance(into, Unit):
            into.stays = OF_ANOTHER
