"""A lock file that only one process can create, for a disk with neither `flock` nor record locks.

A killed holder leaves its file. Whoever wants to remove it must first create a file named after the mark in it. Only one process
can, so that none removes the file of a newer holder.
"""

from __future__ import annotations

import posix
import time

HELD_SECONDS = 600.0  # age at which a file counts as left behind, even if its maker may be alive
_CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
_NAMES = 2**61 - 1  # a prime: a mark modulo it is its number in a file name


def take(path: str) -> bytes:
    """Create the file `path`. Returns its mark. Raises BlockingIOError while another process holds it, and OSError."""
    mark = _mark()
    try:
        posix.lstat(path)
    except FileNotFoundError:
        try:
            _make(path, mark)
            return mark
        except FileExistsError:
            pass
    _clear(path)
    raise BlockingIOError(0, "locked")


def release(path: str, mark: bytes) -> None:
    """Remove the file that `take` created, unless it is another process's by now."""
    if _content(path) == mark:
        posix.unlink(path)


def _make(path: str, mark: bytes) -> None:
    """Create `path`, together with its content if the disk has hard links. Raises FileExistsError."""
    beside = f"{path}.{posix.getpid()}.{time.monotonic_ns()}.tmp"
    try:
        _write(beside, mark)
        posix.link(beside, path)
    except FileExistsError:
        raise
    except OSError:
        _write(path, mark)
    finally:
        _remove(beside)


def _write(path: str, data: bytes) -> None:
    fd = posix.open(path, _CREATE, 0o600)
    try:
        posix.write(fd, data)
    except OSError:  # a full disk: no file may stay without its mark
        _remove(path)
        raise
    finally:
        posix.close(fd)


def _remove(path: str) -> None:
    try:
        posix.unlink(path)
    except FileNotFoundError:
        return


def _clear(path: str) -> None:
    """Remove `path` if it was left behind. If another process was killed while it did so, first remove the file of that one."""
    mark = _content(path)
    if not _is_left(path, mark):
        return
    right = f"{path}.{int.from_bytes(mark, 'big') % _NAMES}.tmp"
    try:
        _make(right, _mark())
    except FileExistsError:
        _clear(right)
        return
    try:
        if _content(path) == mark and _is_left(path, mark):
            _remove(path)
    finally:
        _remove(right)


def _is_left(path: str, mark: bytes) -> bool:
    try:
        return time.time() - posix.lstat(path).st_mtime > HELD_SECONDS or _is_dead(mark)
    except FileNotFoundError:
        return False


def _mark() -> bytes:
    """Text for a lock file, different at each call: PID, monotonic time / start of the process / PID namespace, machine."""
    pid = posix.getpid()
    text = f"{pid} {time.monotonic_ns()}/{_state(pid)[1]}/{_space()} {posix.uname().nodename}"
    return text.encode("utf-8", "surrogateescape")


def _is_dead(mark: bytes) -> bool:
    """Whether the process of this mark has ended. On another machine, or without a mark yet, it counts as alive."""
    pid, _, rest = mark.decode("utf-8", "surrogateescape").partition(" ")
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
    fields = _content(f"/proc/{pid}/stat").decode("utf-8", "replace").rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def _space() -> str:
    """The PID namespace, or "": containers may share a disk and the machine's name."""
    try:
        return posix.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _content(path: str) -> bytes:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return posix.read(fd, 1 << 12)
    except OSError:
        return b""
    finally:
        posix.close(fd)
