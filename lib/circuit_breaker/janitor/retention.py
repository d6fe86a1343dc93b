"""The rules of memory protection: which files are over a limit, and what is done with each. Pure."""

from __future__ import annotations

from circuit_breaker.breaker.model import Record
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any as Stat  # os.stat_result


TELEMETRY, SESSION, LOG, SCRAP = "telemetry", "session", "log", "scrap"
LOGS = ("circuit_breaker_incidents.jsonl", "errors.log")
PUBLISHED = ("circuit_breaker_config.json", "circuit_breaker_state.json", "python")
ENDINGS = (".jsonl", ".json", ".log")
HOUR, DAY = 3600.0, 86400.0
NEVER = float("inf")
_KIND, _REGULAR = 0o170000, 0o100000


class Found(Record):
    """What a survey found in one folder: for each kind, name -> its `lstat` result.

    telemetry: our own logs too, since the same rules apply. lines: telemetry name -> lines, where counted. archives: archive id ->
    Archive, of archives/telemetry and archives/sessions. entries: all entries of the folder, of any kind. first: oldest write among the
    telemetry that the survey left out because it is far from every limit.
    """

    telemetry: dict[str, Stat] = {}
    sessions: dict[str, Stat] = {}
    scraps: dict[str, Stat] = {}
    lines: dict[str, int] = {}
    archives: dict[str, Archive] = {}
    entries = 0
    first = NEVER


class Archive:
    """One archived file. id: folder/BASE.TIME.EXT, without the `.gz` it has if `packed`. size: bytes on disk."""

    __slots__ = ("id", "base", "at", "ending", "size", "mtime", "packed", "plain")

    def __init__(self, key: str, size: int, mtime: float, packed: bool, plain: bool) -> None:
        self.id, self.size, self.mtime, self.packed, self.plain = key, size, mtime, packed, plain
        parts = split(key.rpartition("/")[2])
        if parts is None:
            raise ValueError(f"{key}: not the name of an archive")
        self.base, self.at, self.ending = parts

    @property
    def original(self) -> str:
        """The file's name before it was archived."""
        return self.base + self.ending

    @property
    def folder(self) -> str:
        return self.id.partition("/")[0]


class Action:
    """One step. do: rotate, archive, cut, prune (an archive) or clear (a temporary file of a killed process). info: the file's
    `lstat` in the survey, None for an archive. size: bytes concerned."""

    __slots__ = ("do", "name", "reason", "size", "info", "into")

    def __init__(
        self, do: str, name: str, reason: str, size: int, info: Stat | None = None, into: str = ""
    ) -> None:
        self.do, self.name, self.reason, self.size, self.info, self.into = do, name, reason, size, info, into


class SweepPlan(Record):
    """The plan for one folder.

    now: time of the survey. actions: in the order of execution. wake: epoch seconds when the next remaining file reaches an age limit.
    spared: archives beyond a limit that stay for now. deferred: whether a file was left alone because it belongs to the running session.
    stay: session files that remain, are not being written, and may have lists that are too long. Of the survey: unreadable (sentences),
    entries (of the folder), pending (an archive is not compressed yet).
    """

    now = 0.0
    actions: list[Action] = []
    wake = NEVER
    spared = 0
    deferred = False
    stay: list[str] = []
    unreadable: list[str] = []
    entries = 0
    pending = False


def file_kind(name: str) -> str:
    """TELEMETRY, SESSION, LOG or SCRAP; "" for a file that is not ours."""
    if name[-16:] == "_telemetry.jsonl":
        return TELEMETRY
    if name[:8] == "session_" and name[-11:] == "_state.json" and len(name) > 18:
        return SESSION
    if name in LOGS:
        return LOG
    return SCRAP if name[-4:] == ".tmp" and scrap_of(name) else ""


def scrap_of(name: str) -> int:
    """The PID in `PATH.PID.tmp`; 0 for another form of name, or if PATH is not a file of ours."""
    stem, process = temporary(name)
    ours = stem in PUBLISHED or file_kind(stem) in (TELEMETRY, SESSION, LOG)
    return process if ours or split(stem.removesuffix(".gz")) is not None else 0


def temporary(name: str) -> tuple[str, int]:
    """(PATH, PID) of a process's temporary file `PATH.PID.tmp`; ("", 0) for another name."""
    stem, _, number = name[:-4].rpartition(".")
    if name[-4:] != ".tmp" or not (stem and number.isascii() and number.isdigit()):
        return "", 0
    return stem, int(number)


def regular(info: Stat) -> bool:
    """Whether it is a regular file (no link, no folder)."""
    return info.st_mode & _KIND == _REGULAR


def split(name: str) -> tuple[str, str, str] | None:
    """(BASE, TIME, EXT) of an archive's name without `.gz`; None for another name."""
    for ending in ENDINGS:
        if name.endswith(ending):
            base, _, at = name[: -len(ending)].rpartition(".")
            fine = (
                base and len(at) >= 8 and at[:8].isdigit() and at.isascii() and not at.strip("0123456789TZ-_")
            )
            return (base, at, ending) if fine else None
    return None


def archive_id(name: str, moment: str) -> str:
    """The id of the archive of file `name` made at `moment`: below telemetry/ or sessions/, without `.gz`."""
    folder = "sessions" if file_kind(name) == SESSION else "telemetry"
    ending = next((e for e in ENDINGS if name.endswith(e)), "")
    return f"{folder}/{name.removesuffix(ending)}.{moment}{ending}"


def horizon(limits: Mapping[str, int], now: float) -> tuple[float, float]:
    """(bytes, epoch seconds): telemetry that is smaller and was written later is far from every limit and need not be listed."""
    most, most_bytes = limits["telemetry_max_lines"] or NEVER, limits["telemetry_max_kb"] * 1024 or NEVER
    return min(most, most_bytes), now - (limits["telemetry_max_age_days"] * DAY or NEVER)


def uncounted(found: Found, limits: Mapping[str, int], since: float = 0.0) -> list[str]:
    """Telemetry whose lines must be counted: under the size limit, large enough for too many lines, and changed after `since`
    (earlier surveys counted the others)."""
    most, most_bytes = limits["telemetry_max_lines"], limits["telemetry_max_kb"] * 1024 or NEVER
    if not most:
        return []
    return [
        name
        for name, info in found.telemetry.items()
        if most <= info.st_size < most_bytes
        and (info.st_ctime >= since or info.st_mtime >= since)
        and regular(info)
    ]


def plan(found: Found, limits: Mapping[str, int], now: float, moment: str, running: str = "") -> SweepPlan:
    """What is due. `moment`: TIME of this sweep's archives; `running`: id of the session that asks.

    A limit of 0 is no limit. Files of `running` and session files written within the hour are left alone.
    """
    made = SweepPlan(now=now, entries=found.entries)
    made.pending = any(archive.plain for archive in found.archives.values())
    _rotations(made, found, limits, now, running)
    _sessions(made, found, limits, now, running)
    _scraps(made, found, now)
    for action in made.actions:
        if action.do != "clear":
            action.into = archive_id(action.name, moment)
    prune(made, found, limits)
    return made


def _rotations(made: SweepPlan, found: Found, limits: Mapping[str, int], now: float, running: str) -> None:
    most, most_bytes = limits["telemetry_max_lines"] or NEVER, limits["telemetry_max_kb"] * 1024 or NEVER
    age = limits["telemetry_max_age_days"] * DAY or NEVER
    (few, old), first = horizon(limits, now), min(now, found.first)
    lines = found.lines
    for name, info in found.telemetry.items():
        written, size = info.st_mtime, info.st_size
        if size < few and written > old:
            first = min(first, written)
            continue
        if not size or not regular(info):  # nothing to archive
            continue
        if size >= most_bytes:
            reason = memory.too_large(size, limits["telemetry_max_kb"])
        elif lines.get(name, 0) >= most:
            reason = memory.too_many(lines[name], "line", limits["telemetry_max_lines"])
        elif written <= old:
            reason = memory.too_old((now - written) / DAY, limits["telemetry_max_age_days"])
        else:
            first = min(first, written)
            continue
        if belongs(name, running):
            made.deferred = True
            continue
        made.actions.append(Action("rotate", name, reason, size, info))
    made.wake = min(made.wake, first + age)


def _sessions(made: SweepPlan, found: Found, limits: Mapping[str, int], now: float, running: str) -> None:
    age, active = limits["session_max_age_days"] * DAY or NEVER, limits["session_max_active"] or NEVER
    ranked = sorted(
        ((-info.st_mtime, name, info) for name, info in found.sessions.items() if regular(info)),
        key=lambda row: row[:2],
    )
    for rank, (_, name, info) in enumerate(ranked, 1):
        written = info.st_mtime
        due = rank > active or now - written >= age
        if belongs(name, running):
            made.deferred = True
        elif now - written < HOUR:
            made.wake = min(made.wake, written + HOUR)
        elif due and now - written >= age:
            reason = memory.too_old((now - written) / DAY, limits["session_max_age_days"])
            made.actions.append(Action("archive", name, reason, info.st_size, info))
        elif due:
            reason = memory.too_many(rank, "session file", limits["session_max_active"])
            made.actions.append(Action("archive", name, reason, info.st_size, info))
        else:
            made.wake = min(made.wake, written + age)
            made.stay.append(name)


def _scraps(made: SweepPlan, found: Found, now: float) -> None:
    for name, info in found.scraps.items():
        if not regular(info):
            continue
        if now - info.st_mtime < HOUR:
            made.wake = min(made.wake, info.st_mtime + HOUR)
            continue
        made.actions.append(Action("clear", name, memory.LEFT_BEHIND, info.st_size, info))


def prune(made: SweepPlan, found: Found, limits: Mapping[str, int]) -> None:
    """Plan the removal of archives again, counting those that the plan's actions will add."""
    made.actions = [action for action in made.actions if action.do != "prune"]
    coming = [action for action in made.actions if action.into]
    removals, made.spared = prunings(found, limits, made.now, coming)
    made.actions += removals


def prunings(
    found: Found, limits: Mapping[str, int], now: float, coming: list[Action]
) -> tuple[list[Action], int]:
    """(actions that remove the oldest archives beyond the limits, archives beyond them that stay for now), counting what the
    `coming` actions will add.

    If one round archived more than the limit allows, everything younger than memory.GRACE_DAYS stays: the first sweep of a
    large home must not remove what it has just archived.
    """
    each, whole = limits["telemetry_keep_rotations"] or NEVER, limits["archive_keep_count"] or NEVER
    piles: dict[str, list[Archive]] = {}
    arrived = [Archive(a.into, a.size, a.info.st_mtime if a.info else 0.0, False, True) for a in coming]
    for archive in [*found.archives.values(), *arrived]:
        pile = "sessions" if archive.folder == "sessions" else f"{archive.base}{archive.ending}"
        piles.setdefault(pile, []).append(archive)
    gone, spared = [], 0
    for pile, archives in piles.items():
        keep = whole if pile == "sessions" else each
        if len(archives) <= keep:
            continue
        archives.sort(key=lambda a: (a.at, a.mtime, a.id))
        reason = memory.too_many(len(archives), "archive", int(keep))
        youngest = now - memory.GRACE_DAYS * DAY if largest_round(archives) > keep else NEVER
        beyond = archives[: len(archives) - int(keep)]
        settled = [a for a in beyond if arrival(a.at) <= youngest]
        spared += len(beyond) - len(settled)
        gone += [Action("prune", a.id, reason, a.size) for a in settled]
    return gone, spared


def largest_round(archives: list[Archive]) -> int:
    """The number of archives of the largest round."""
    made: dict[str, int] = {}
    for archive in archives:
        moment = archive.at[:16]  # without the number of a second archive at the same time
        made[moment] = made.get(moment, 0) + 1
    return max(made.values(), default=0)


def arrival(at: str) -> float:
    """Epoch seconds of an archive's TIME (YYYYMMDDTHHMMSSZ); 0.0 for another form.

    Years are counted from 1 March, so that leap days are the last day of a year; 400 years have 146,097 days.
    """
    digits = at[:8] + at[9:15]
    if len(digits) != 14 or not digits.isdigit() or at[8:9] + at[15:16] != "TZ":
        return 0.0
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719_469
    return days * DAY + int(digits[8:10]) * HOUR + int(digits[10:12]) * 60.0 + int(digits[12:14])


def belongs(name: str, session: str) -> bool:
    """Whether a file's name contains this session id as a whole word."""
    if not session:
        return False
    start = name.find(session)
    while start >= 0:
        end = start + len(session)
        if not (start and name[start - 1].isalnum()) and not name[end : end + 1].isalnum():
            return True
        start = name.find(session, start + 1)
    return False
