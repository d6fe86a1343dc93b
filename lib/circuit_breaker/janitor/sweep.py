"""The sweep of one folder: its plan, and the steps on real files, each safe to interrupt."""

from __future__ import annotations

from circuit_breaker.janitor import copies, retention, survey
from circuit_breaker.janitor.retention import NEVER, Action, Found, SweepPlan
from circuit_breaker.runtime import files
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import stat_result


MOST_CUTS = 20  # session files that a foreground rewrites: each waits for the disk
LARGEST = 1 << 28  # bytes of a session file that is read to be cut
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
    """What was done, in numbers (bytes for put_away and freed), under which names; what went wrong, and what was left alone
    because it cannot be read."""

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
        """Take in what another sweep did."""
        for key in COUNTS:
            setattr(self, key, getattr(self, key) + getattr(other, key))
        self.archives += other.archives
        self.errors += other.errors
        self.unreadable += other.unreadable


class Planned:
    """A plan and what the survey behind it has to say: unreadable (sentences), entries of the folder, pending (something
    archived is not compressed yet)."""

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
    """The plan for one folder. Changes nothing. Contents that have not changed after `since` are taken as known to be fine.

    Raises survey.TooMany when there are more than `most` entries, or more to read than a foreground has time for; OSError.
    """
    found = survey.look(folder, most, whole, retention.horizon(limits, now))
    unreadable = survey.count_lines(found, folder, limits, since, most)
    plan = retention.plan(found, limits, now, moment, running)
    cuts: list[Action] = []
    changed = since - retention.HOUR  # one that was being written at the last survey was not read then
    stay = {name: found.sessions[name] for name in plan.stay if survey.changed(found.sessions[name], changed)}
    if stay and (limits["evidence_ledger_max"] or limits["tool_history_max"]):
        if most < NEVER and sum(info.st_size for info in stay.values()) > survey.READ_MOST:
            raise survey.TooMany(folder)
        cuts, unread = _cuts(folder, stay, limits, moment)
        unreadable += unread
        if most < NEVER and len(cuts) > MOST_CUTS:
            raise survey.TooMany(folder)
    if cuts:  # their archives count too, so the removals are worked out anew
        plan.actions += cuts
        retention.prune(plan, found, limits)
    return Planned(plan, unreadable, found)


def _cuts(
    folder: str, stay: Mapping[str, stat_result], limits: Mapping[str, int], moment: str
) -> tuple[list[Action], list[str]]:
    from circuit_breaker.janitor import ledger  # `json` is paid where a session file has to be read

    actions, unreadable = [], []
    for name, info in stay.items():
        if info.st_size < ledger.shortest(limits):
            continue
        try:
            text = (files.read(f"{folder}/{name}", LARGEST) or b"{}").decode("utf-8")
            shorter, gone = ledger.cut(text, limits)
        except (OSError, ValueError) as error:
            unreadable.append(f"{name}: cannot be read as a session file: {error}")
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
    """Do what `plan` says in `folder`. None when another process is at it already.

    Each step looks again at its file first. As soon as one step fails for another reason than a file that has gone, nothing
    is removed any more. Never raises OSError: what went wrong stands in the report.
    """
    report = Report()
    if not plan.actions:
        return report
    archives = folder + "/archives"
    try:
        for path in (archives, *(f"{archives}/{name}" for name in survey.ARCHIVE_FOLDERS)):
            files.folder(path)
        lock = files.Lock(archives + "/.sweep.lock", 0.001).__enter__()
    except (TimeoutError, ValueError):  # ValueError: no waiting with an alarm outside the main thread
        return None
    except OSError as error:
        report.errors.append(f"{archives}: {error}")
        return report
    try:
        _room(lock.fd)
        report.spared = plan.spared
        steps = [action for action in plan.actions if action.do != "prune"]
        _each(folder, steps, limits, report, on_step)
        if len(steps) < len(plan.actions) and not report.errors:
            arrived = survey.archives_of(folder)  # not as planned but as it came out
            _each(folder, retention.prunings(arrived, limits, plan.now, [])[0], limits, report, on_step)
    except OSError as error:
        report.errors.append(f"{archives}: {error}")
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
            continue  # it vanished between survey and sweep
        except (OSError, ValueError) as error:
            report.errors.append(f"{action.name}: {error}")


def _room(fd: int) -> None:
    """Write something first: on a full disk nothing is moved or removed. Raises OSError."""
    files.system.ftruncate(fd, 0)
    files.write_all(fd, f"{files.system.getpid()}\n".encode())


def _same(path: str, action: Action) -> bool:
    """True when it is still the file that was surveyed, unchanged."""
    info, seen = files.system.lstat(path), action.info
    return (
        seen is not None
        and retention.regular(info)
        and (info.st_ino, info.st_dev) == (seen.st_ino, seen.st_dev)
        and (info.st_mtime_ns, info.st_size) == (seen.st_mtime_ns, seen.st_size)
    )


def _free(folder: str, key: str) -> str:
    """`key`, or the first of its numbered sisters that no archive has."""
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
        return  # another process has archived it; that it has grown meanwhile is no matter
    _move(folder, action, report)
    report.rotated += 1


def _archive(folder: str, action: Action, limits: Mapping[str, int], report: Report) -> None:
    if not _same(f"{folder}/{action.name}", action):
        return  # it is in use after all
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
        if not _same(path, action):  # written to this very moment: the archive stays, the file too
            return
        files.system.replace(beside, path)
    finally:
        files.remove(beside)
    report.shortened += 1
    report.entries += sum(gone.values())
    report.freed += action.size
    report.archives.append(key)


def _keep(path: str, kept: str, data: bytes, info: stat_result) -> None:
    """The whole file as an archive: a second name for it, or a copy where the filesystem knows no second names."""
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
    if gone and action.name not in report.archives:  # what has just been archived counts as freed already
        report.freed += action.size


_STEPS: dict[str, Callable[[str, Action, Mapping[str, int], Report], None]] = {
    "rotate": _rotate,
    "archive": _archive,
    "cut": _cut,
    "clear": _clear,
    "prune": _prune,
}
