"""The sweep of one folder: the survey, the plan, and its steps on the files. Each step is safe to interrupt."""

from __future__ import annotations

from stat import S_ISREG

from circuit_breaker.breaker.config import DAY
from circuit_breaker.breaker.model import Record
from circuit_breaker.janitor import disk, ledger, retention
from circuit_breaker.janitor.disk import TooMany
from circuit_breaker.janitor.retention import NEVER, OF_CLEAN, Action, Archive, Sweep
from circuit_breaker.runtime import claude_folder, files, store
from circuit_breaker.runtime.home import safe_name

READ_MOST = 1 << 20  # bytes read at a session start itself: ten milliseconds of JSON
MOST_CUTS = 20  # session files rewritten at a session start itself: each waits for the disk
LARGEST = 1 << 28  # bytes; a larger session file is not read to be shortened
# What an action does -> how the report counts it.
COUNTED = {"rotate": "rotated", "archive": "archived", "cut": "shortened", "prune": "pruned"}
COUNTED.update(clear="cleared", forget="forgotten", expire="expired")


class Report(Record):
    """What was done. steps: the actions. spared: archives beyond a limit that stay for now. errors, unreadable: sentences; unreadable
    files are left alone. finished: False beside another process. task: what is left for the background: "", "compress", or "sweep"
    if it was too large."""

    steps: list[Action] = []
    spared = 0
    errors: list[str] = []
    unreadable: list[str] = []
    finished = True
    task = ""

    def facts(self) -> dict[str, int]:
        """The counts. put_away: bytes moved into archives; freed: bytes removed (an archive frees some once it is compressed)."""
        counts = dict.fromkeys(COUNTED.values(), 0)
        for step in self.steps:
            counts[COUNTED[step.do]] += 1
        away = sum(step.size for step in self.steps if step.do in ("rotate", "archive"))
        freed = sum(step.size for step in self.steps if not step.into)
        entries = sum(step.entries for step in self.steps)
        return {**counts, "entries": entries, "spared": self.spared, "put_away": away, "freed": freed}


# --- The survey


def survey_home(sweep: Sweep) -> None:
    """Survey the folder and its archives; links are listed, never followed. A missing folder counts as empty.

    Raises TooMany beyond `most` entries (ten times as many archives or sessions), OSError if a folder cannot be listed. Without a
    `most` temporary files of sessions are looked for too.
    """
    folder = sweep.folder
    if files.exists(folder) and not disk.real_folder(folder):
        raise files.Refused(0, "not a folder (a link or a file in its place)", folder)
    sweep.archives = archives_of(folder, sweep.most)
    for _, name, info in disk.listing(folder, sweep.most):
        sweep.entries += 1
        kind = retention.file_kind(name)
        if kind and (kind != "scraps" or not claude_folder.alive(retention.scrap_of(name))):
            getattr(sweep, kind)[name] = info
    ours = [f"archives/{name}" for name in retention.FOLDERS]  # where every temporary file is ours
    if sweep.runtime:
        for _, name, info in disk.listing(f"{folder}/sessions", 10 * sweep.most):
            if name != safe_name(sweep.asking):
                sweep.memories[name] = info
        ours += ["armed", "janitor"]
        if sweep.most == NEVER:
            ours += ["sessions", *(f"sessions/{name}" for name in sweep.memories)]
    for inner in ours:
        for path, info in scraps(f"{folder}/{inner}").items():
            sweep.scraps[path[len(folder) + 1 :]] = info


def archives_of(folder: str, most: float = NEVER) -> dict[str, Archive]:
    """The archives of a folder by id. Raises TooMany, OSError."""
    found: dict[str, Archive] = {}
    for name in retention.FOLDERS if disk.real_folder(f"{folder}/archives") else ():
        for _, entry, info in disk.listing(f"{folder}/archives/{name}", 10 * most):
            key, packed = f"{name}/{entry.removesuffix('.gz')}", entry[-3:] == ".gz"
            if retention.split(key) and S_ISREG(info.st_mode) and (packed or name != OF_CLEAN):
                known = found.get(key) or found.setdefault(key, Archive(key, 0, info.st_mtime, home=folder))
                known.packed, known.plain = known.packed or packed, known.plain or not packed
                known.size += info.st_size
    return found


def scraps(folder: str) -> dict[str, retention.Stat]:
    """The temporary files that killed processes left in a folder of ours: path -> its `lstat` result."""
    found = {}
    for path, name, info in disk.listing(folder):
        stem, process = retention.temporary(name)
        if stem and not claude_folder.alive(process):
            found[path] = info
    return found


def count_lines(sweep: Sweep) -> None:
    """Count lines where the rules need them. Raises TooMany."""
    names = retention.uncounted(sweep)
    _check_size(sweep, [sweep.telemetry[name] for name in names])
    for name in names:
        try:
            data = files.read(f"{sweep.folder}/{name}")
        except OSError as error:
            sweep.unreadable.append(f"{name}: cannot be read: {files.reason(error)}")
            continue
        if data:
            sweep.lines[name] = data.count(b"\n") + (data[-1:] != b"\n")


def _check_size(sweep: Sweep, infos: list[retention.Stat]) -> None:
    """Raise TooMany if these files have more bytes than a session start itself can read."""
    if sweep.most < NEVER and sum(info.st_size for info in infos) > READ_MOST:
        raise TooMany


# --- The plan


def planned(sweep: Sweep) -> Sweep:
    """Survey the folder and plan its sweep; changes nothing. Raises OSError, and TooMany for more than `most` entries, or with a
    `most` for more than READ_MOST bytes to read."""
    sweep.moment = disk.archive_time(sweep.now)
    survey_home(sweep)
    count_lines(sweep)
    retention.plan(sweep)
    _check_size(sweep, [sweep.sessions[name] for name in sweep.stay])
    for name in sweep.stay:
        _plan_cut(sweep, name)
    if sweep.most < NEVER and sum(action.do == "cut" for action in sweep.actions) > MOST_CUTS:
        raise TooMany
    retention.prune(sweep)
    return sweep


def _plan_cut(sweep: Sweep, name: str) -> None:
    """Plan to shorten a session file if it has to be."""
    try:
        data = files.read(f"{sweep.folder}/{name}", LARGEST) or b"{}"
        shorter, gone = ledger.cut_lists(data, sweep.limits)
    except (OSError, ValueError) as error:
        sweep.unreadable.append(f"{name}: cannot be read as a session file: {files.reason(error)}")
        return
    if gone:
        caps = {key: sweep.limits[retention.LISTS[key]] for key in gone}
        reasons = [f"{key} has {most + gone[key]} entries (limit {most})" for key, most in caps.items()]
        sweep.into_archive("cut", name, ", ".join(reasons), sweep.sessions[name], len(data) - len(shorter))


# --- The steps


def execute(sweep: Sweep, report: Report) -> None:
    """Carry out the plan and add what was done to `report`; nothing while another process is sweeping the folder.

    Each step checks its file again first. After a step failed (other than for a missing file), nothing more is removed. Never
    raises OSError: errors are in the report.
    """
    if not sweep.actions:
        return
    steps, archives = _Steps(sweep, report), sweep.folder + "/archives"
    freeing = [action for action in sweep.actions if action.do in ("expire", "forget")]
    steps.each(freeing)  # even on a full disk
    if len(freeing) == len(sweep.actions):
        return
    try:
        files.make_folder(archives, archives + "/telemetry", archives + "/sessions")
        with files.Lock(archives + "/.sweep.lock", 0.001) as lock:
            # On a full disk nothing is moved or removed: the lock file cannot be written to.
            files.system.ftruncate(lock.fd, 0)
            files.write_all(lock.fd, f"{files.system.getpid()}\n".encode())
            report.spared += sweep.spared
            steps.each([action for action in sweep.actions if action.do != "prune" and action not in freeing])
            if any(action.do == "prune" for action in sweep.actions) and not report.errors:
                arrived = archives_of(sweep.folder).values()  # as they really are, not as planned
                steps.each(retention.prunings(sweep, arrived)[0])
    except TimeoutError:
        report.finished = False
    except OSError as error:
        report.errors.append(f"{archives}: {files.reason(error)}")


class _Steps:
    """The steps on the files of one folder: `each` calls the method that an action's `do` names. It returns whether it was done."""

    def __init__(self, sweep: Sweep, report: Report) -> None:
        self.folder, self.limits, self.report = sweep.folder, sweep.limits, report
        self.old = sweep.now - sweep.limits["session_max_age_days"] * DAY

    def each(self, actions: list[Action]) -> None:
        for action in actions:
            try:
                if getattr(self, action.do)(action, f"{self.folder}/{action.name}"):
                    self.report.steps.append(action)
            except FileNotFoundError:
                continue  # removed since the survey
            except (OSError, ValueError) as error:
                self.report.errors.append(f"{action.name}: {files.reason(error)}")

    def rotate(self, action: Action, path: str) -> bool:
        info = files.system.lstat(path)
        same = (
            disk.file_version(info)[:2] == disk.file_version(action.info)[:2]
        )  # else a process has archived it
        return same and info.st_size >= action.size and self._move(action, path)  # it may have grown

    def archive(self, action: Action, path: str) -> bool:
        return _same(path, action) and self._move(action, path)  # else it is in use after all

    def _move(self, action: Action, path: str) -> bool:
        """Give a file the name of the action's archive, with a number if there are archives of that name."""
        archives = f"{self.folder}/archives/"
        stem, _, ending = action.into.rpartition(".")
        kept = disk.unused(archives + stem, f".{ending}", f".{ending}.gz") + f".{ending}"
        files.system.rename(path, kept)
        action.into = kept[len(archives) :]
        return True

    def cut(self, action: Action, path: str) -> bool:
        data = files.read(path, LARGEST) or b"{}"
        shorter, gone = ledger.cut_lists(data, self.limits)
        info = files.system.lstat(path)
        if not gone or not _same(path, action):
            return False

        def keep(beside: str) -> None:
            disk.liken(beside, info)
            self._move(action, beside)

        def finish(beside: str) -> None:
            disk.liken(beside, info)
            disk.create(f"{self.folder}/archives/{action.into}", lambda fd: files.write_all(fd, data), keep)
            if not _same(path, action):
                raise disk.Changed
            files.system.replace(beside, path)

        try:
            disk.create(path, lambda fd: files.write_all(fd, shorter), finish)
        except disk.Changed:  # just being written: both the archive and the file stay
            return False
        action.entries = sum(gone.values())
        return True

    def clear(self, action: Action, path: str) -> bool:
        if self.report.errors or not _same(path, action):
            return False
        files.system.unlink(path)
        return True

    def forget(self, action: Action, path: str) -> bool:
        action.size = forget_session(path, self.old)
        return bool(action.size)

    def prune(self, action: Action, path: str) -> bool:
        return not self.report.errors and self.expire(action, path)

    def expire(self, action: Action, path: str) -> bool:
        names = [f"{self.folder}/archives/{action.name}{ending}" for ending in (".gz", "")]
        there = [name for name in names if files.exists(name) and disk.file_version(files.system.lstat(name))]
        for name in there:
            files.system.unlink(name)
        return bool(there)


def forget_session(folder: str, before: float) -> int:
    """Remove a session's memory unless an entry is newer than `before` or no file, or its lock is taken. Returns its bytes (at least 1) or 0."""
    try:
        names = files.system.listdir(folder)
        infos = [files.system.lstat(f"{folder}/{name}") for name in names]
        if any(info.st_mtime > before or not disk.file_version(info) for info in infos):
            return 0
        path = f"{folder}/{store.LOCK_FILE}"
        with files.Lock(path, 0.001):
            for name in {*names} - {store.LOCK_FILE}:
                files.remove(f"{folder}/{name}")
            if files.fcntl:
                files.remove(path)
        if not files.fcntl:  # Windows cannot remove an open file
            files.remove(path)
        files.system.rmdir(folder)
    except OSError:
        return 0  # in use, just being written, or gone
    return max(1, sum(info.st_size for info in infos))


def _same(path: str, action: Action) -> bool:
    """Whether it is still the surveyed file, unchanged."""
    return disk.file_version(files.system.lstat(path)) == disk.file_version(action.info)
