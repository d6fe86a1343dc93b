"""The rules of memory protection: which files are over a limit, what is done with each, and why. Pure."""

from __future__ import annotations

from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any as Stat  # what `lstat` gives


TELEMETRY, SESSION, LOG, SCRAP = "telemetry", "session", "log", "scrap"
LOGS = ("circuit_breaker_incidents.jsonl", "errors.log")
PUBLISHED = ("circuit_breaker_config.json", "circuit_breaker_state.json", "python")
ENDINGS = (".jsonl", ".json", ".log")
HOUR, DAY = 3600.0, 86400.0
NEVER = float("inf")
_KIND, _REGULAR = 0o170000, 0o100000


class Found:
    """What a survey saw in one folder: by kind, name -> what `lstat` said of it. Facts only.

    lines: telemetry whose lines were counted. archives: archive id -> Archive, of archives/telemetry and archives/sessions.
    """

    __slots__ = ("telemetry", "sessions", "scraps", "lines", "archives", "entries", "first")

    def __init__(self) -> None:
        self.telemetry: dict[str, Stat] = {}  # logs of our own obey the same rules and stand here too
        self.sessions: dict[str, Stat] = {}
        self.scraps: dict[str, Stat] = {}
        self.lines: dict[str, int] = {}
        self.archives: dict[str, Archive] = {}
        self.entries = 0  # of the folder itself, of any kind
        self.first = (
            NEVER  # the oldest write among telemetry that the survey left out as far from every limit
        )


class Archive:
    """One archived file. id: folder/BASE.TIME.EXT, without the `.gz` that it has once `packed`. size in bytes on disk."""

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
    """One thing to do. do: rotate, archive, cut, prune (an archive id) or clear (a killed process's scrap); info: the file as
    it was surveyed, None for an archive; size: bytes it is about."""

    __slots__ = ("do", "name", "reason", "size", "info", "into")

    def __init__(
        self, do: str, name: str, reason: str, size: int, info: Stat | None = None, into: str = ""
    ) -> None:
        self.do, self.name, self.reason, self.size, self.info, self.into = do, name, reason, size, info, into


class SweepPlan:
    """now: of its survey. actions, in the order they are to be carried out. wake: epoch seconds at which a file left alone reaches a limit by age.
    spared: archives beyond a limit that stay for a while. deferred: something was left alone because it belongs to the running session. stay: session files that stay, that
    are not being written, and whose lists may be too long."""

    __slots__ = ("now", "actions", "wake", "spared", "deferred", "stay")

    def __init__(self, now: float) -> None:
        self.now = now
        self.actions: list[Action] = []
        self.wake = NEVER
        self.spared = 0
        self.deferred = False
        self.stay: list[str] = []


def file_kind(name: str) -> str:
    """TELEMETRY, SESSION, LOG or SCRAP; "" for what is none of ours to touch."""
    if name[-16:] == "_telemetry.jsonl":
        return TELEMETRY
    if name[:8] == "session_" and name[-11:] == "_state.json" and len(name) > 18:
        return SESSION
    if name in LOGS:
        return LOG
    return SCRAP if name[-4:] == ".tmp" and scrap_of(name) else ""


def scrap_of(name: str) -> int:
    """The process that left `PATH.PID.tmp` behind, 0 if the name is not of that form or PATH is no file of ours."""
    stem, _, number = name[:-4].rpartition(".")
    if not (number.isascii() and number.isdigit()) or name[-4:] != ".tmp":
        return 0
    known = (
        stem in PUBLISHED
        or file_kind(stem) in (TELEMETRY, SESSION, LOG)
        or split(stem.removesuffix(".gz")) is not None
    )
    return int(number) if known else 0


def regular(info: Stat) -> bool:
    """Neither a link nor a folder nor anything else than a plain file."""
    return info.st_mode & _KIND == _REGULAR


def split(name: str) -> tuple[str, str, str] | None:
    """BASE, TIME and ending of an archive's name (without `.gz`), None if it is not one."""
    for ending in ENDINGS:
        if name.endswith(ending):
            base, _, at = name[: -len(ending)].rpartition(".")
            fine = (
                base and len(at) >= 8 and at[:8].isdigit() and at.isascii() and not at.strip("0123456789TZ-_")
            )
            return (base, at, ending) if fine else None
    return None


def archive_id(name: str, moment: str) -> str:
    """Where a file goes that is archived at `moment`: telemetry and logs, or sessions; without the `.gz` it gets later."""
    folder = "sessions" if file_kind(name) == SESSION else "telemetry"
    ending = next((e for e in ENDINGS if name.endswith(e)), "")
    return f"{folder}/{name.removesuffix(ending)}.{moment}{ending}"


def horizon(limits: Mapping[str, int], now: float) -> tuple[float, float]:
    """Telemetry of fewer bytes than the first and written after the second is far from every limit and need not be listed."""
    most, most_bytes = limits["telemetry_max_lines"] or NEVER, limits["telemetry_max_kb"] * 1024 or NEVER
    return min(most, most_bytes), now - (limits["telemetry_max_age_days"] * DAY or NEVER)


def uncounted(found: Found, limits: Mapping[str, int], since: float = 0.0) -> list[str]:
    """Telemetry whose lines have to be counted: small enough in bytes, large enough to hold that many lines, and changed
    after `since` (an earlier survey counted the others)."""
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
    """What the rules ask for. `moment` is the TIME of this sweep's archives, `running` the id of the session that asks.

    A limit of 0 is no limit. What belongs to `running` is left alone, and session files written within the hour.
    """
    made = SweepPlan(now)
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
    """Plan the removal of archives anew, for the time when those of the plan's actions have arrived."""
    made.actions = [action for action in made.actions if action.do != "prune"]
    coming = [action for action in made.actions if action.into]
    removals, made.spared = prunings(found, limits, made.now, coming)
    made.actions += removals


def prunings(
    found: Found, limits: Mapping[str, int], now: float, coming: list[Action]
) -> tuple[list[Action], int]:
    """The archives to be removed once those of the `coming` actions have arrived: the oldest beyond the limits; and how many
    beyond them stay for now.

    Where one round archived more than the limit, everything younger than memory.GRACE_DAYS stays: the first sweep of a big home must
    not remove what it has just archived.
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
    """How many archives one round made at most."""
    made: dict[str, int] = {}
    for archive in archives:
        moment = archive.at[:16]  # without the number of one that came second
        made[moment] = made.get(moment, 0) + 1
    return max(made.values(), default=0)


def arrival(at: str) -> float:
    """Epoch seconds of an archive's TIME (YYYYMMDDTHHMMSSZ); 0.0 for one of another form.

    The calendar is counted from 1 March of the year 0: leap days come last then, and 400 years have 146,097 days.
    """
    digits = at[:8] + at[9:15]
    if len(digits) != 14 or not digits.isdigit() or at[8:9] + at[15:16] != "TZ":
        return 0.0
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719_469
    return days * DAY + int(digits[8:10]) * HOUR + int(digits[10:12]) * 60.0 + int(digits[12:14])


def belongs(name: str, session: str) -> bool:
    """True when a file's name carries this session id as a whole word."""
    if not session:
        return False
    start = name.find(session)
    while start >= 0:
        end = start + len(session)
        if not (start and name[start - 1].isalnum()) and not name[end : end + 1].isalnum():
            return True
        start = name.find(session, start + 1)
    return False
