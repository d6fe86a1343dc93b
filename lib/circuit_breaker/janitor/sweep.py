"""The sweep of one folder: the survey, the plan, and its steps on the files. Each step is safe to interrupt."""

from __future__ import annotations

from circuit_breaker.breaker.model import Record
from circuit_breaker.janitor import disk, retention
from circuit_breaker.janitor.disk import NEVER, TooMany
from circuit_breaker.janitor.retention import Action, Archive, Found, SweepPlan
from circuit_breaker.runtime import files
from circuit_breaker.runtime import running as processes
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import stat_result


ARCHIVE_FOLDERS = ("telemetry", "sessions")  # below archives/
READ_MOST = 1 << 20  # bytes read at a session start itself: ten milliseconds of JSON
MOST_CUTS = 20  # session files rewritten at a session start itself: each waits for the disk
LARGEST = 1 << 28  # bytes; a larger session file is not read to be shortened


class Report(Record):
    """What was done: counts (put_away and freed in bytes), steps, archive names, errors, and files left alone because they are
    unreadable."""

    rotated = archived = shortened = entries = pruned = spared = cleared = forgotten = expired = 0
    put_away = freed = 0
    steps: list[Action] = []
    archives: list[str] = []
    errors: list[str] = []
    unreadable: list[str] = []

    def facts(self) -> dict[str, int]:
        return {key: getattr(self, key) for key, default in self.FIELDS.items() if default == 0}


# --- The survey


def look(folder: str, most: float = NEVER) -> Found:
    """Survey `folder` and its archives; links are listed, never followed. A missing folder counts as empty.

    Raises TooMany beyond `most` entries (ten times as many archives), OSError if a folder cannot be listed.
    """
    if files.exists(folder) and not disk.real_folder(folder):
        raise files.Refused(0, "not a folder (a link or a file in its place)", folder)
    found = archives_of(folder, most)
    kinds = {
        retention.TELEMETRY: found.telemetry,
        retention.SESSION: found.sessions,
        retention.SCRAP: found.scraps,
    }
    for _, name, info in disk.listing(folder, most):
        found.entries += 1
        kind = retention.file_kind(name)
        if kind and (kind != retention.SCRAP or not processes.alive(retention.scrap_of(name))):
            kinds[kind][name] = info
    return found


def archives_of(home: str, most: float = NEVER) -> Found:
    """The archives of a home, and what killed processes left beside them. Raises TooMany, OSError."""
    found = Found()
    for name in ARCHIVE_FOLDERS if disk.real_folder(f"{home}/archives") else ():
        for _, entry, info in disk.listing(f"{home}/archives/{name}", 10 * most):
            process, packed = retention.scrap_of(entry), entry[-3:] == ".gz"
            if process and not processes.alive(process):
                found.scraps[f"archives/{name}/{entry}"] = info
            key = f"{name}/{entry.removesuffix('.gz')}"
            if retention.split(key) is None or not retention.regular(info):
                continue
            known = found.archives.get(key) or found.archives.setdefault(key, Archive(key, 0, info.st_mtime))
            known.packed, known.plain = known.packed or packed, known.plain or not packed
            known.size += info.st_size
    return found


def count_lines(
    found: Found, folder: str, limits: Mapping[str, int], since: float = 0.0, most: float = NEVER
) -> list[str]:
    """Count lines where the rules need them. Returns a sentence for each unreadable file. Raises TooMany."""
    unreadable = []
    names = retention.uncounted(found, limits, since)
    _check_size((found.telemetry[name] for name in names), most)
    for name in names:
        try:
            data = files.read(f"{folder}/{name}")
        except OSError as error:
            unreadable.append(f"{name}: cannot be read: {files.why(error)}")
            continue
        if data:
            found.lines[name] = data.count(b"\n") + (data[-1:] != b"\n")
    return unreadable


def _check_size(infos: Iterable[stat_result], most: float) -> None:
    """Raise TooMany if there is a `most` and these files have more bytes than a session start itself can read."""
    if most < NEVER and sum(info.st_size for info in infos) > READ_MOST:
        raise TooMany


# --- The plan


def planned(
    folder: str,
    limits: Mapping[str, int],
    now: float,
    running: str = "",
    most: float = NEVER,
    since: float = 0.0,
) -> SweepPlan:
    """The plan for one folder; changes nothing. Contents not changed after `since` are taken to be within the limits.

    Raises TooMany for more than `most` entries or more than READ_MOST bytes to read (only with a `most`); OSError.
    """
    found = look(folder, most)
    unreadable = count_lines(found, folder, limits, since, most)
    plan = retention.plan(found, limits, now, disk.moment(now), running, since)
    plan.unreadable = unreadable
    _check_size((found.sessions[name] for name in plan.stay), most)
    cuts = sum(_plan_cut(plan, folder, name, found.sessions[name], limits) for name in plan.stay)
    if most < NEVER and cuts > MOST_CUTS:
        raise TooMany
    retention.prune(plan, found, limits)
    return plan


def _plan_cut(plan: SweepPlan, folder: str, name: str, info: stat_result, limits: Mapping[str, int]) -> bool:
    """Plan to shorten a session file. Returns whether it has to be."""
    from circuit_breaker.janitor import ledger  # imports `json`, which only this needs

    try:
        data = files.read(f"{folder}/{name}", LARGEST) or b"{}"
        shorter, gone = ledger.cut(data, limits)
    except (OSError, ValueError) as error:
        plan.unreadable.append(f"{name}: cannot be read as a session file: {files.why(error)}")
        return False
    if gone:
        caps = {key: limits[retention.LISTS[key]] for key in gone}
        plan.into_archive("cut", name, memory.too_long(gone, caps), info, len(data) - len(shorter))
    return bool(gone)


# --- The steps


def execute(folder: str, plan: SweepPlan, limits: Mapping[str, int], report: Report) -> bool:
    """Carry out `plan` in `folder` and add what was done to `report`. False if another process is sweeping the folder.

    Each step checks its file again first. After a step failed (other than for a missing file), nothing more is removed. Never
    raises OSError: errors are in the report.
    """
    if not plan.actions:
        return True
    sweep, archives = _Sweep(folder, limits, report), folder + "/archives"
    try:
        for path in (archives, *(f"{archives}/{name}" for name in ARCHIVE_FOLDERS)):
            files.folder(path)
        with files.Lock(archives + "/.sweep.lock", 0.001) as lock:
            # On a full disk nothing is moved or removed: the lock file cannot be written to.
            files.system.ftruncate(lock.fd, 0)
            files.write_all(lock.fd, f"{files.system.getpid()}\n".encode())
            report.spared += plan.spared
            steps = [action for action in plan.actions if action.do != "prune"]
            sweep.each(steps)
            if len(steps) < len(plan.actions) and not report.errors:
                arrived = archives_of(folder).archives.values()  # as they really are, not as planned
                sweep.each(retention.prunings(arrived, limits, plan.now)[0])
    except TimeoutError:
        return False
    except OSError as error:
        report.errors.append(f"{archives}: {files.why(error)}")
    return True


class _Sweep:
    """The steps on the files of one folder: `each` calls the method that an action's `do` names."""

    def __init__(self, folder: str, limits: Mapping[str, int], report: Report) -> None:
        self.folder, self.limits, self.report = folder, limits, report

    def each(self, actions: list[Action]) -> None:
        for action in actions:
            self.report.steps.append(action)
            try:
                getattr(self, action.do)(action, f"{self.folder}/{action.name}")
            except FileNotFoundError:
                continue  # removed since the survey
            except (OSError, ValueError) as error:
                self.report.errors.append(f"{action.name}: {files.why(error)}")

    def rotate(self, action: Action, path: str) -> None:
        info = files.system.lstat(path)
        same = retention.regular(info) and action.info and info.st_ino == action.info.st_ino
        if same and info.st_size >= action.size:  # it may have grown; another file: a process has archived it
            self._move(action, path)
            self.report.rotated += 1

    def archive(self, action: Action, path: str) -> None:
        if _same(path, action):  # else it is in use after all
            self._move(action, path)
            self.report.archived += 1

    def _move(self, action: Action, path: str) -> None:
        self._store(action, lambda kept: files.system.rename(path, kept))
        self.report.put_away += action.size
        self.report.freed += action.size

    def _store(self, action: Action, make: Callable[[str], None]) -> None:
        """`make` the action's archive at a path with a number if there are archives of that name."""
        archives = f"{self.folder}/archives/"
        stem, _, ending = action.into.rpartition(".")
        kept = disk.unused(archives + stem, f".{ending}", f".{ending}.gz") + f".{ending}"
        make(kept)
        self.report.archives.append(kept[len(archives) :])

    def cut(self, action: Action, path: str) -> None:
        from circuit_breaker.janitor import ledger

        data = files.read(path, LARGEST) or b"{}"
        shorter, gone = ledger.cut(data, self.limits)
        info = files.system.lstat(path)
        if not gone or not _same(path, action):
            return

        def keep(beside: str) -> None:
            disk.liken(beside, info)
            self._store(action, lambda kept: files.system.rename(beside, kept))

        def finish(beside: str) -> None:
            disk.liken(beside, info)
            disk.create(f"{self.folder}/archives/{action.into}", lambda fd: files.write_all(fd, data), keep)
            if not _same(path, action):
                raise disk.Changed
            files.system.replace(beside, path)

        try:
            disk.create(path, lambda fd: files.write_all(fd, shorter), finish)
        except disk.Changed:  # just being written: both the archive and the file stay
            return
        self.report.shortened += 1
        self.report.entries += sum(gone.values())
        self.report.freed += action.size

    def clear(self, action: Action, path: str) -> None:
        if not self.report.errors and _same(path, action):
            files.system.unlink(path)
            self.report.cleared += 1
            self.report.freed += action.size

    def prune(self, action: Action, path: str) -> None:
        if self.report.errors:
            return
        names = [f"{self.folder}/archives/{action.name}{ending}" for ending in (".gz", "")]
        there = [name for name in names if files.exists(name) and retention.regular(files.system.lstat(name))]
        for name in there:
            files.system.unlink(name)
        self.report.pruned += bool(there)
        if there and action.name not in self.report.archives:  # else it was counted as freed before
            self.report.freed += action.size


def _same(path: str, action: Action) -> bool:
    """Whether it is still the surveyed file, unchanged."""
    now = disk.version(files.system.lstat(path))
    return bool(now) and action.info is not None and now == disk.version(action.info)
