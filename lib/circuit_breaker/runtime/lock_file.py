"""A lock that only one process can create, for a disk with neither `flock` nor record locks: a link whose target is text, not a path.

The text is the mark of its holder. A killed holder leaves its link. Whoever wants to remove it must first create a link named after
that mark. Only one process can, so that none removes the link of a newer holder.
"""

from __future__ import annotations

import posix
import time

HELD_SECONDS = 600.0  # age at which a link counts as left behind, even if its maker may be alive
_NAMES = 2**61 - 1  # a prime: a mark modulo it is its number in a file name


def take(path: str) -> str:
    """Create the link `path`. Returns its mark. Raises BlockingIOError while another process holds it, and OSError."""
    mark = _mark()
    try:
        posix.symlink(mark, path)
    except FileExistsError:
        _clear(path)
        raise BlockingIOError(0, "locked") from None
    return mark


def release(path: str, mark: str) -> None:
    """Remove the link that `take` created, unless it is another process's by now."""
    if _target(path) == mark:
        posix.unlink(path)


def _clear(path: str) -> None:
    """Remove `path` if it was left behind. If another process was killed while it did so, first remove the link of that one."""
    mark = _target(path)
    if not _is_left(path, mark):
        return
    right = f"{path}.{int.from_bytes(mark.encode('utf-8', 'surrogateescape'), 'big') % _NAMES}.tmp"
    try:
        posix.symlink(_mark(), right)
    except FileExistsError:
        _clear(right)
        return
    try:
        if _target(path) == mark and _is_left(path, mark):
            _remove(path)
    finally:
        _remove(right)


def _remove(path: str) -> None:
    try:
        posix.unlink(path)
    except FileNotFoundError:
        return


def _is_left(path: str, mark: str) -> bool:
    try:
        return time.time() - posix.lstat(path).st_mtime > HELD_SECONDS or _is_dead(mark)
    except FileNotFoundError:
        return False


def _mark() -> str:
    """Text for a link, different at each call: PID, monotonic time / start of the process / PID namespace, machine."""
    pid = posix.getpid()
    return f"{pid} {time.monotonic_ns()}/{_state(pid)[1]}/{_space()} {posix.uname().nodename}"


def _is_dead(mark: str) -> bool:
    """Whether the process of this mark has ended. On another machine it counts as alive."""
    pid, _, rest = mark.partition(" ")
    life, _, machine = rest.partition(" ")
    born, _, space = life.partition("/")[2].partition("/")
    here = machine == posix.uname().nodename and space in ("", _space())
    if not here or not (pid.isascii() and pid.isdigit()):
        return False
    try:
        posix.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    state, start = _state(int(pid))
    other = start != born and "" not in (start, born)  # another process has the PID now
    return other or state in ("Z", "X")


def _state(pid: int) -> tuple[str, str]:
    """(state, start in clock ticks since boot) of a process from /proc; ("", "") without it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def _space() -> str:
    """The PID namespace, or "": containers may share a disk and the machine's name."""
    return _target("/proc/self/ns/pid")


def _target(link: str) -> str:
    try:
        return posix.readlink(link)
    except OSError:
        return ""
