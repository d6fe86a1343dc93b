"""The sweep of one folder: the plan, and its steps on the files. Each step is safe to interrupt."""

from __future__ import annotations

from circuit_breaker.janitor import copies, retention, survey
from circuit_breaker.janitor.retention import NEVER, Action, Found, SweepPlan
from circuit_breaker.runtime import files
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import stat_result


MOST_CUTS = 20  # session files rewritten at a session start itself: each waits for the disk
LARGEST = 1 << 28  # bytes; a larger session file is not read to be shortened
COUNTS = (
    "rotated",
    "archived",
    "shortened",
    "entries",
    "pruned",
    "spared",
    "cleared",
    "forgotten",
    "expired",
    "put_away",
    "freed",
)


class Report:
    """What was done: counts (put_away and freed in bytes), archive names, errors, and files left alone because they are unreadable."""

    __slots__ = (*COUNTS, "archives", "errors", "unreadable")

    def __init__(self) -> None:
        for key in COUNTS:
            setattr(self, key, 0)
        self.archives: list[str] = []
        self.errors: list[str] = []
        self.unreadable: list[str] = []

    if TYPE_CHECKING:
        rotated: int
        archived: int
        shortened: int
        entries: int
        pruned: int
        spared: int
        cleared: int
        forgotten: int
        expired: int
        put_away: int
        freed: int

    def facts(self) -> dict[str, int]:
        return {key: getattr(self, key) for key in COUNTS}

    def add(self, other: Report) -> None:
        """Add the report of another sweep."""
        for key in COUNTS:
            setattr(self, key, getattr(self, key) + getattr(other, key))
        self.archives += other.archives
        self.errors += other.errors
        self.unreadable += other.unreadable


class Planned:
    """A plan with facts of its survey: unreadable (sentences), entries (of the folder), pending (an archive is not compressed yet)."""

    __slots__ = ("plan", "unreadable", "entries", "pending")

    def __init__(self, plan: SweepPlan, unreadable: list[str], found: Found) -> None:
        self.plan, self.unreadable, self.entries = plan, unreadable, found.entries
        self.pending = any(archive.plain for archive in found.archives.values())


def planned(
    folder: str,
    limits: Mapping[str, int],
    now: float,
    moment: str,
    running: str = "",
    whole: bool = True,
    most: float = float("inf"),
    since: float = 0.0,
) -> Planned:
    """The plan for one folder; changes nothing. Contents not changed after `since` are taken to be within the limits.

    Raises survey.TooMany for more than `most` entries or more than READ_MOST bytes to read (only with a `most`); OSError.
    """
    found = survey.look(folder, most, whole, retention.horizon(limits, now))
    unreadable = survey.count_lines(found, folder, limits, since, most)
    plan = retention.plan(found, limits, now, moment, running)
    cuts: list[Action] = []
    changed = since - retention.HOUR  # files being written at the last survey were not read then
    stay = {name: found.sessions[name] for name in plan.stay if survey.changed(found.sessions[name], changed)}
    if stay and (limits["evidence_ledger_max"] or limits["tool_history_max"]):
        if most < NEVER and sum(info.st_size for info in stay.values()) > survey.READ_MOST:
            raise survey.TooMany(folder)
        cuts, unread = _cuts(folder, stay, limits, moment)
        unreadable += unread
        if most < NEVER and len(cuts) > MOST_CUTS:
            raise survey.TooMany(folder)
    if cuts:  # their archives count too, so removals are planned again
        plan.actions += cuts
        retention.prune(plan, found, limits)
    return Planned(plan, unreadable, found)


def _cuts(
    folder: str, stay: Mapping[str, stat_result], limits: Mapping[str, int], moment: str
) -> tuple[list[Action], list[str]]:
    from circuit_breaker.janitor import ledger  # imports `json`, which only this needs

    actions, unreadable = [], []
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
    report = Report()
    if not plan.actions:
        return report
    archives = folder + "/archives"
    try:
        for path in (archives, *(f"{archives}/{name}" for name in survey.ARCHIVE_FOLDERS)):
            files.folder(path)
        lock = files.Lock(archives + "/.sweep.lock", 0.001).__enter__()
    except (TimeoutError, ValueError):  # ValueError: an alarm works only in the main thread
        return None
    except OSError as error:
        report.errors.append(f"{archives}: {files.why(error)}")
        return report
    try:
        _room(lock.fd)
        report.spared = plan.spared
        steps = [action for action in plan.actions if action.do != "prune"]
        _each(folder, steps, limits, report, on_step)
        if len(steps) < len(plan.actions) and not report.errors:
            arrived = survey.archives_of(folder)  # as they really are, not as planned
            _each(folder, retention.prunings(arrived, limits, plan.now, [])[0], limits, report, on_step)
    except OSError as error:
        report.errors.append(f"{archives}: {files.why(error)}")
    finally:
        lock.__exit__(None, None, None)
    return report


def _each(
    folder: str,
    actions: list[Action],
    limits: Mapping[str, int],
    report: Report,
    on_step: Callable[[Action], None] | None,
) -> None:
    for action in actions:
        if on_step:
            on_step(action)
        try:
            _STEPS[action.do](folder, action, limits, report)
        except FileNotFoundError:
            continue  # removed since the survey
        except (OSError, ValueError) as error:
            report.errors.append(f"{action.name}: {files.why(error)}")


def _room(fd: int) -> None:
    """Write to the disk, so that nothing is moved or removed on a full one. Raises OSError."""
    files.system.ftruncate(fd, 0)
    files.write_all(fd, f"{files.system.getpid()}\n".encode())


def _same(path: str, action: Action) -> bool:
    """Whether it is still the surveyed file, unchanged."""
    info, seen = files.system.lstat(path), action.info
    return (
        seen is not None
        and retention.regular(info)
        and (info.st_ino, info.st_dev) == (seen.st_ino, seen.st_dev)
        and (info.st_mtime_ns, info.st_size) == (seen.st_mtime_ns, seen.st_size)
    )


def _free(folder: str, key: str) -> str:
    """`key`, with a number if archives of that name exist."""
    base, at, ending = retention.split(key.rpartition("/")[2]) or ("", "", "")
    chosen, number = key, 1
    while files.exists(f"{folder}/archives/{chosen}") or files.exists(f"{folder}/archives/{chosen}.gz"):
        number += 1
        chosen = f"{key.rpartition('/')[0]}/{base}.{at}-{number:02d}{ending}"
    return chosen


def _move(folder: str, action: Action, report: Report) -> None:
    key = _free(folder, action.into)
    files.system.rename(f"{folder}/{action.name}", f"{folder}/archives/{key}")
    report.put_away += action.size
    report.freed += action.size
    report.archives.append(key)


def _rotate(folder: str, action: Action, limits: Mapping[str, int], report: Report) -> None:
    info, seen = files.system.lstat(f"{folder}/{action.name}"), action.info
    if (
        seen is None
        or not retention.regular(info)
        or info.st_ino != seen.st_ino
        or info.st_size < seen.st_size
    ):
        return  # another process has archived it; it may have grown since
    _move(folder, action, report)
    report.rotated += 1


def _archive(folder: str, action: Action, limits: Mapping[str, int], report: Report) -> None:
    if not _same(f"{folder}/{action.name}", action):
        return  # in use after all
    _move(folder, action, report)
    report.archived += 1


def _cut(folder: str, action: Action, limits: Mapping[str, int], report: Report) -> None:
    from circuit_breaker.janitor import ledger

    path = f"{folder}/{action.name}"
    data = files.read(path, LARGEST)
    if data is None:
        return
    shorter, gone = ledger.cut(data.decode("utf-8"), limits)
    info = files.system.lstat(path)
    if not gone or not _same(path, action):
        return
    beside = f"{path}.{files.system.getpid()}.tmp"
    try:
        copies.write(beside, shorter.encode("utf-8"), info)
        key = _free(folder, action.into)
        kept = f"{folder}/archives/{key}"
        _keep(path, kept, data, info)
        if not _same(path, action):  # just being written: both the archive and the file stay
            return
        files.system.replace(beside, path)
    finally:
        files.remove(beside)
    report.shortened += 1
    report.entries += sum(gone.values())
    report.freed += action.size
    report.archives.append(key)


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


def _clear(folder: str, action: Action, limits: Mapping[str, int], report: Report) -> None:
    if report.errors or not _same(f"{folder}/{action.name}", action):
        return
    files.system.unlink(f"{folder}/{action.name}")
    report.cleared += 1
    report.freed += action.size


def _prune(folder: str, action: Action, limits: Mapping[str, int], report: Report) -> None:
    if report.errors:
        return
    path = f"{folder}/archives/{action.name}"
    gone = 0
    for name in (path + ".gz", path):
        try:
            info = files.system.lstat(name)
            if retention.regular(info):
                files.system.unlink(name)
                gone += 1
        except FileNotFoundError:
            continue
    report.pruned += 1 if gone else 0
    if gone and action.name not in report.archives:  # archives made just now were counted as freed before
        report.freed += action.size


_STEPS: dict[str, Callable[[str, Action, Mapping[str, int], Report], None]] = {
    "rotate": _rotate,
    "archive": _archive,
    "cut": _cut,
    "clear": _clear,
    "prune": _prune,
}
