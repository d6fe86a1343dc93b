"""The rules of memory protection: which files are over a limit, and what is done with each. Pure."""

from __future__ import annotations

from stat import S_ISDIR, S_ISREG

from circuit_breaker.breaker.config import DAY, HOUR
from circuit_breaker.breaker.model import Record
from circuit_breaker.runtime.home import CONFIG, ERRORS, INCIDENTS, NAME, STATE
from circuit_breaker.words import cleanup, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any as Stat  # os.stat_result


LOGS = (INCIDENTS, ERRORS)
OTHERS = (CONFIG, STATE, "python", NAME)
# Folders below archives/ -> how the names of the archives in them end, without `.gz`. OF_CLEAN: those that `clean` made.
OF_CLEAN = "claude"
FOLDERS = {"telemetry": ("jsonl", "json", "log"), "sessions": ("jsonl", "json", "log"), OF_CLEAN: ("tar",)}
# Lists of a session file -> their limits.
LISTS = {"evidence_ledger": "evidence_ledger_max", "tool_history": "tool_history_max"}
NEVER = float("inf")


class Sweep(Record):
    """The sweep of one folder: what is asked for, what the survey found, and what is planned."""

    folder = ""
    limits: dict[str, int] = {}  # a limit of 0 is no limit
    now = 0.0
    moment = ""  # TIME in the names of archives made now
    asking = ""  # the session that asks
    most = NEVER  # entries
    since = 0.0  # contents that were not changed after it are known to be within the limits
    runtime = False  # whether it is the runtime folder (too)

    # Name -> its `lstat` result. telemetry: our own logs too, since the same rules apply. scraps: temporary files of killed processes.
    telemetry: dict[str, Stat] = {}
    sessions: dict[str, Stat] = {}
    scraps: dict[str, Stat] = {}
    memories: dict[str, Stat] = {}  # the folders of sessions in the runtime folder
    lines: dict[str, int] = {}  # of telemetry, where counted
    archives: dict[str, Archive] = {}  # by id
    entries = 0  # of any kind
    unreadable: list[str] = []  # sentences

    actions: list[Action] = []  # in the order of execution
    wake = NEVER  # epoch seconds when the next remaining file reaches an age limit
    spared = 0  # archives beyond a limit that stay for now
    deferred = False  # whether a file was left alone because it belongs to the running session
    # Session files that remain, are not being written, and may have lists that are too long.
    stay: list[str] = []

    def is_old(self, written: float, age: float) -> bool:
        """Whether what was written at a time has this age (0: no limit), in seconds; if not yet, the sweep wakes when it has."""
        old = 0 < age <= self.now - written
        self.wake = self.wake if old or not age else min(self.wake, written + age)
        return old

    def into_archive(self, do: str, name: str, reason: str, info: Stat, size: int = -1) -> None:
        """Add an action that archives a file. size: bytes that become free, by default the whole file's."""
        stem, _, ending = name.rpartition(".")
        into = f"{file_kind(name)}/{stem}.{self.moment}.{ending}"
        self.actions.append(Action(do, name, reason, info.st_size if size < 0 else size, info, into))


class Archive:
    """One archived file. id: FOLDER/BASE.TIME.EXT, without the `.gz` it has if `packed`; `plain` too while it is compressed. name: by
    which it is listed and restored. original: the file's name before. size: bytes on disk. home: the folder with the folder
    archives/. Raises ValueError for another id."""

    plain = False

    def __init__(self, key: str, size: int, mtime: float, packed: bool = False, home: str = "") -> None:
        self.id, self.size, self.mtime, self.packed, self.home = key, size, mtime, packed, home
        self.base, self.at, ending = split(key)
        self.original = f"{self.base}.{ending}"
        self.folder, _, name = key.partition("/")
        self.name = name + ".gz"

    @property
    def path(self) -> str:
        return f"{self.home}/archives/{self.id}{'.gz' * self.packed}"

    @property
    def age_order(self) -> tuple[str, float, str]:
        """A key to sort archives by, the oldest first."""
        return self.at, self.mtime, self.id


class Action:
    """One step. do: rotate, archive, cut, prune or expire (an archive), clear (a temporary file of a killed process) or forget (a
    session). info: the `lstat` result of the file in the survey, None for an archive or a session. size: bytes concerned. into: id
    of the archive it makes, or "". entries: removed from lists."""

    def __init__(self, do: str, name: str, reason: str, size: int, info: Stat = None, into: str = "") -> None:
        self.do, self.name, self.reason, self.size, self.info, self.into = do, name, reason, size, info, into
        self.entries = 0


def file_kind(name: str) -> str:
    """telemetry, sessions or scraps; "" for a file that is not ours."""
    if name[-16:] == "_telemetry.jsonl" or name in LOGS:
        return "telemetry"
    if name[:8] == "session_" and name[-11:] == "_state.json" and len(name) > 18:
        return "sessions"
    return "scraps" if scrap_of(name) else ""


def scrap_of(name: str) -> int:
    """The PID in `PATH.PID.tmp`; 0 for another form of name, or if PATH is not a file of ours."""
    stem, process = temporary(name)
    archive = f"telemetry/{stem.removesuffix('.gz')}"
    ours = process and (stem in OTHERS or file_kind(stem) in FOLDERS or split(archive))
    return process if ours else 0


def temporary(name: str) -> tuple[str, int]:
    """(PATH, PID) of a process's temporary file `PATH.PID.tmp`, or of what that becomes while it is exchanged; ("", 0) for another name."""
    for ending in (".spare", ".last", ".lock"):
        name = name.removesuffix(ending)
    stem, _, number = name[:-4].rpartition(".")
    if name[-4:] != ".tmp" or not (stem and number.isascii() and number.isdigit()):
        return "", 0
    return stem, int(number)


def split(key: str) -> tuple[str, ...]:
    """(BASE, TIME, EXT) of an archive's id; () for another name. (Other programs write other forms of TIME.)"""
    folder, _, name = key.partition("/")
    stem, _, ending = name.rpartition(".")
    base, _, at = stem.rpartition(".")
    if not base or ending not in FOLDERS.get(folder, ()) or not at[7:] or not at[:8].isdigit():
        return ()
    fine = arrival(at) if folder == OF_CLEAN else at.isascii() and not at.strip("0123456789TZ-_")
    return (base, at, ending) if fine else ()


def uncounted(sweep: Sweep) -> list[str]:
    """Telemetry whose lines must be counted: under the size limit, large enough for too many lines, and changed since."""
    most, most_bytes = sweep.limits["telemetry_max_lines"], sweep.limits["telemetry_max_kb"] * 1024 or NEVER
    return [
        name
        for name, info in sweep.telemetry.items()
        if most and most <= info.st_size < most_bytes and changed(info, sweep.since) and S_ISREG(info.st_mode)
    ]


def changed(info: Stat, since: float) -> bool:
    """Whether a file's contents or name changed at or after `since`."""
    return bool(info.st_ctime >= since or info.st_mtime >= since)


def plan(sweep: Sweep) -> None:
    """Plan what is due, without what needs a look into session files or at all archives (see `prune`). Files of the running session
    and session files written within the hour are left alone."""
    _expiries(sweep)
    _memories(sweep)
    _rotations(sweep)
    _sessions(sweep)
    for name, info in sweep.scraps.items():
        if S_ISREG(info.st_mode) and sweep.is_old(info.st_mtime, HOUR):
            sweep.actions.append(Action("clear", name, cleanup.LEFT_BEHIND, info.st_size, info))


def _expiries(sweep: Sweep) -> None:
    days = sweep.limits["archive_keep_days"]
    for archive in sweep.archives.values():
        made = arrival(archive.at)
        if archive.folder == OF_CLEAN and sweep.is_old(made, days * DAY):
            reason = cleanup.too_old((sweep.now - made) / DAY, days)
            sweep.actions.append(Action("expire", archive.id, reason, archive.size))


def _rotations(sweep: Sweep) -> None:
    most, kb, days = (sweep.limits[f"telemetry_max_{what}"] for what in ("lines", "kb", "age_days"))
    for name, info in sweep.telemetry.items():
        size, lines, idle = info.st_size, sweep.lines.get(name, 0), sweep.now - info.st_mtime
        if not size or not S_ISREG(info.st_mode):  # nothing to archive
            continue
        if kb and size >= kb * 1024:
            reason = f"{texts.size(size)} (limit {kb} KB)"
        elif most and lines >= most:
            reason = cleanup.too_many(lines, "line", most)
        elif sweep.is_old(info.st_mtime, days * DAY):
            reason = cleanup.too_old(idle / DAY, days)
        else:
            continue
        if belongs(name, sweep.asking):
            sweep.deferred = True
        else:
            sweep.into_archive("rotate", name, reason, info)


def _sessions(sweep: Sweep) -> None:
    limits, since = sweep.limits, sweep.since - HOUR  # what was being written then was not read
    days, active = limits["session_max_age_days"], limits["session_max_active"]
    smallest = min((2 * limits[key] + 2 for key in LISTS.values() if limits[key]), default=NEVER)
    ranked = sorted((-info.st_mtime, name) for name, info in sweep.sessions.items() if S_ISREG(info.st_mode))
    for rank, (_, name) in enumerate(ranked, 1):
        info = sweep.sessions[name]
        idle = sweep.now - info.st_mtime
        if belongs(name, sweep.asking):
            sweep.deferred = True
        elif not sweep.is_old(info.st_mtime, HOUR):
            continue
        elif sweep.is_old(info.st_mtime, days * DAY):
            sweep.into_archive("archive", name, cleanup.too_old(idle / DAY, days), info)
        elif active and rank > active:
            sweep.into_archive("archive", name, cleanup.too_many(rank, "session file", active), info)
        elif info.st_size >= smallest and changed(info, since):
            sweep.stay.append(name)


def _memories(sweep: Sweep) -> None:
    """A session's memory is removed without an archive, since it contains only hashes and counts."""
    days = sweep.limits["session_max_age_days"]
    for name, info in sweep.memories.items():
        age = (sweep.now - info.st_mtime) / DAY  # replacing a file changes its folder's time
        if S_ISDIR(info.st_mode) and sweep.is_old(info.st_mtime, days * DAY):
            sweep.actions.append(Action("forget", f"sessions/{name}", cleanup.too_old(age, days), 0))


def prune(sweep: Sweep) -> None:
    """Plan the removal of archives beyond the limits, counting those that the plan's actions will add."""
    coming = [Archive(a.into, a.size, a.info.st_mtime) for a in sweep.actions if a.info and a.into]
    removals, sweep.spared = prunings(sweep, [*sweep.archives.values(), *coming])
    sweep.actions += removals


def prunings(sweep: Sweep, archives: Iterable[Archive]) -> tuple[list[Action], int]:
    """(actions that remove the oldest archives beyond the limits, number of archives beyond them that stay for now).

    If one round archived more than the limit allows, everything younger than cleanup.GRACE_DAYS stays: the first sweep of a
    large home must not remove what it has just archived.
    """
    piles: dict[str, list[Archive]] = {}
    for archive in archives:
        pile = "" if archive.folder == "sessions" else archive.original
        if archive.folder != OF_CLEAN:
            piles.setdefault(pile, []).append(archive)
    gone, spared = [], 0
    for pile, found in piles.items():
        keep = sweep.limits["telemetry_keep_rotations" if pile else "archive_keep_count"]
        if not keep or len(found) <= keep:
            continue
        found.sort(key=lambda archive: archive.age_order)
        # the time alone, without the number of a second archive
        rounds = [archive.at[:16] for archive in found]
        largest = max(rounds.count(moment) for moment in {*rounds})
        youngest = sweep.now - cleanup.GRACE_DAYS * DAY if largest > keep else NEVER
        beyond = found[:-keep]
        settled = [archive for archive in beyond if arrival(archive.at) <= youngest]
        spared += len(beyond) - len(settled)
        reason = cleanup.too_many(len(found), "archive", keep)
        gone += [Action("prune", archive.id, reason, archive.size) for archive in settled]
    return gone, spared


def arrival(at: str) -> float:
    """Epoch seconds of an archive's TIME (YYYYMMDDTHHMMSSZ); 0.0 for another form. Years are counted from 1 March, so that leap days are
    the last day of a year; 400 years have 146,097 days."""
    digits = at[:8] + at[9:15]
    if len(digits) != 14 or not digits.isdigit() or at[8:9] + at[15:16] != "TZ":
        return 0.0
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719_469
    return days * DAY + int(digits[8:10]) * HOUR + int(digits[10:12]) * 60.0 + int(digits[12:14])


def belongs(name: str, session: str) -> bool:
    """Whether a file's name contains this session id as a whole word."""
    pieces = name.split(session) if session else []
    return any(not (left[-1:].isalnum() or right[:1].isalnum()) for left, right in zip(pieces, pieces[1:]))
