"""The sweep of one folder: the plan, and its steps on the files. Each step is safe to interrupt."""

from __future__ import annotations

from circuit_breaker.breaker.model import Record
from circuit_breaker.janitor import copies, notes, retention, survey
from circuit_breaker.janitor.retention import NEVER, Action, SweepPlan
from circuit_breaker.runtime import files
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import stat_result


MOST_CUTS = 20  # session files rewritten at a session start itself: each waits for the disk
LARGEST = 1 << 28  # bytes; a larger session file is not read to be shortened


class Report(Record):
    """What was done: counts (put_away and freed in bytes), archive names, errors, and files left alone because they are unreadable."""

    rotated = archived = shortened = entries = pruned = spared = cleared = forgotten = expired = put_away = (
        freed
    ) = 0
    archives: list[str] = []
    errors: list[str] = []
    unreadable: list[str] = []

    def facts(self) -> dict[str, int]:
        return {key: getattr(self, key) for key, default in self.FIELDS.items() if default == 0}

    def add(self, other: Report) -> None:
        """Add the report of another sweep."""
        for key in self.FIELDS:
            setattr(self, key, getattr(self, key) + getattr(other, key))


def planned(
    folder: str,
    limits: Mapping[str, int],
    now: float,
    moment: str,
    running: str = "",
    whole: bool = True,
    most: float = float("inf"),
    since: float = 0.0,
) -> SweepPlan:
    """The plan for one folder; changes nothing. Contents not changed after `since` are taken to be within the limits.

    Raises survey.TooMany for more than `most` entries or more than READ_MOST bytes to read (only with a `most`); OSError.
    """
    found = survey.look(folder, most, whole, retention.horizon(limits, now))
    unreadable = survey.count_lines(found, folder, limits, since, most)
    plan = retention.plan(found, limits, now, moment, running)
    changed = since - retention.HOUR  # files being written at the last survey were not read then
    stay = {name: found.sessions[name] for name in plan.stay if notes.changed(found.sessions[name], changed)}
    if most < NEVER and sum(info.st_size for info in stay.values()) > survey.READ_MOST:
        raise survey.TooMany(folder)
    cuts, unread = _cuts(folder, stay, limits, moment)
    if most < NEVER and len(cuts) > MOST_CUTS:
        raise survey.TooMany(folder)
    if cuts:  # their archives count too, so removals are planned again
        plan.actions += cuts
        retention.prune(plan, found, limits)
    plan.unreadable = unreadable + unread
    return plan


def _cuts(
    folder: str, stay: Mapping[str, stat_result], limits: Mapping[str, int], moment: str
) -> tuple[list[Action], list[str]]:
    actions: list[Action] = []
    unreadable: list[str] = []
    if not stay or not (limits["evidence_ledger_max"] or limits["tool_history_max"]):
        return actions, unreadable
    from circuit_breaker.janitor import ledger  # imports `json`, which only this needs

    for name, info in stay.items():
        if info.st_size < ledger.shortest(limits):
            continue
        try:
            text = (files.read(f"{folder}/{name}", LARGEST) or b"{}").decode("utf-8")
            shorter, gone = ledger.cut(text, limits)
        except (OSError, ValueError) as error:
            unreadable.append(f"{name}: cannot be read as a session file: {files.why(error)}")
            continue
        if gone:
            caps = {key: limits[ledger.LISTS[key]] for key in gone}
            away = len(text.encode("utf-8")) - len(shorter.encode("utf-8"))
            into = retention.archive_id(name, moment)
            actions.append(Action("cut", name, memory.too_long(gone, caps), away, info, into))
    return actions, unreadable


def execute(
    folder: str, plan: SweepPlan, limits: Mapping[str, int], on_step: Callable[[Action], None] | None = None
) -> Report | None:
    """Carry out `plan` in `folder`. None if another process is sweeping it.

    Each step checks its file again first. After a step failed (other than for a missing file), nothing more is removed. Never
    raises OSError: errors are in the report.
    """
    sweep = _Sweep(folder, limits, on_step)
    if not plan.actions:
        return sweep.report
    archives, report = folder + "/archives", sweep.report
    try:
        for path in (archives, *(f"{archives}/{name}" for name in survey.ARCHIVE_FOLDERS)):
            files.folder(path)
        with files.Lock(archives + "/.sweep.lock", 0.001) as lock:
            _room(lock.fd)
            report.spared = plan.spared
            steps = [action for action in plan.actions if action.do != "prune"]
            sweep.each(steps)
            if len(steps) < len(plan.actions) and not report.errors:
                arrived = survey.archives_of(folder)  # as they really are, not as planned
                sweep.each(retention.prunings(arrived, limits, plan.now, [])[0])
    except TimeoutError:
        return None
    except OSError as error:
        report.errors.append(f"{archives}: {files.why(error)}")
    return report


def _room(fd: int) -> None:
    """Write to the disk, so that nothing is moved or removed on a full one. Raises OSError."""
    files.system.ftruncate(fd, 0)
    files.write_all(fd, f"{files.system.getpid()}\n".encode())


class _Sweep:
    """The steps on the files of one folder: `each` calls the method that an action's `do` names."""

    def __init__(
        self, folder: str, limits: Mapping[str, int], on_step: Callable[[Action], None] | None
    ) -> None:
        self.folder, self.limits, self.on_step, self.report = folder, limits, on_step, Report()

    def each(self, actions: list[Action]) -> None:
        for action in actions:
            if self.on_step:
                self.on_step(action)
            try:
                getattr(self, action.do)(action, f"{self.folder}/{action.name}")
            except FileNotFoundError:
                continue  # removed since the survey
            except (OSError, ValueError) as error:
                self.report.errors.append(f"{action.name}: {files.why(error)}")

    def rotate(self, action: Action, path: str) -> None:
        info, seen = files.system.lstat(path), action.info
        if seen is None or not retention.regular(info) or info.st_ino != seen.st_ino:
            return  # another process has archived it
        if info.st_size >= seen.st_size:  # it may have grown since
            self._move(action, path)
            self.report.rotated += 1

    def archive(self, action: Action, path: str) -> None:
        if _same(path, action):  # else it is in use after all
            self._move(action, path)
            self.report.archived += 1

    def _move(self, action: Action, path: str) -> None:
        key = self._free(action.into)
        files.system.rename(path, f"{self.folder}/archives/{key}")
        self.report.put_away += action.size
        self.report.freed += action.size
        self.report.archives.append(key)

    def _free(self, key: str) -> str:
        """`key`, with a number if archives of that name exist."""
        place, _, name = key.rpartition("/")
        base, at, ending = retention.split(name) or ("", "", "")
        chosen, number = f"{self.folder}/archives/{key}", 1
        while files.exists(chosen) or files.exists(chosen + ".gz"):
            number += 1
            key = f"{place}/{base}.{at}-{number:02d}{ending}"
            chosen = f"{self.folder}/archives/{key}"
        return key

    def cut(self, action: Action, path: str) -> None:
        from circuit_breaker.janitor import ledger

        data = files.read(path, LARGEST)
        if data is None:
            return
        shorter, gone = ledger.cut(data.decode("utf-8"), self.limits)
        info = files.system.lstat(path)
        if not gone or not _same(path, action):
            return
        beside = f"{path}.{files.system.getpid()}.tmp"
        try:
            copies.write(beside, shorter.encode("utf-8"), info)
            key = self._free(action.into)
            _keep(path, f"{self.folder}/archives/{key}", data, info)
            if not _same(path, action):  # just being written: both the archive and the file stay
                return
            files.system.replace(beside, path)
        finally:
            files.remove(beside)
        self.report.shortened += 1
        self.report.entries += sum(gone.values())
        self.report.freed += action.size
        self.report.archives.append(key)

    def clear(self, action: Action, path: str) -> None:
        if not self.report.errors and _same(path, action):
            files.system.unlink(path)
            self.report.cleared += 1
            self.report.freed += action.size

    def prune(self, action: Action, path: str) -> None:
        gone = False
        for ending in (".gz", "") if not self.report.errors else ():
            name = f"{self.folder}/archives/{action.name}{ending}"
            if files.exists(name) and retention.regular(files.system.lstat(name)):
                files.system.unlink(name)
                gone = True
        self.report.pruned += gone
        made_now = action.name in self.report.archives  # it was counted as freed before
        self.report.freed += action.size if gone and not made_now else 0


def _same(path: str, action: Action) -> bool:
    """Whether it is still the surveyed file, unchanged."""
    info, seen = files.system.lstat(path), action.info
    return (
        seen is not None
        and retention.regular(info)
        and (info.st_ino, info.st_dev) == (seen.st_ino, seen.st_dev)
        and (info.st_mtime_ns, info.st_size) == (seen.st_mtime_ns, seen.st_size)
    )


def _keep(path: str, kept: str, data: bytes, info: stat_result) -> None:
    """Keep the whole file as an archive: a hard link, or a copy on a file system without them."""
    try:
        return files.system.link(path, kept)
    except OSError:
        beside = f"{kept}.{files.system.getpid()}.tmp"
    try:
        copies.write(beside, data, info)
        files.system.rename(beside, kept)
    finally:
        files.remove(beside)
