"""A lock as a file that only one process can make, for a disk that has neither `flock` nor record locks.

What a killed holder leaves is removed by whoever makes the file that stands for this one mark: of several who come upon it one can,
and none of the others removes what a quicker one has made since.
"""

from __future__ import annotations

import posix
import time

HELD_SECONDS = 600.0  # after which a file whose maker cannot be asked holds nothing any more
_CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
_NAMES = 2**61 - 1  # a prime: marks are told apart by the remainder


def take(path: str) -> bytes:
    """Make the file `path`. -> the mark in it. Raises BlockingIOError while another process holds it, OSError."""
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
    """Remove the file that `take` made, unless another one stands there by now."""
    if _content(path) == mark:
        posix.unlink(path)


def _make(path: str, mark: bytes) -> None:
    """Make `path` with its content at once, where the disk knows second names. Raises FileExistsError."""
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
    except OSError:  # a full disk: nothing of this name may stay that is not signed
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
    """Remove `path` if it holds nothing any more; what another one left who was killed at doing so, in the same way."""
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
    """Process number, the moment, its birth, where such numbers count, and the machine: different at each call."""
    pid = posix.getpid()
    text = f"{pid} {time.monotonic_ns()}/{_state(pid)[1]}/{_space()} {posix.uname().nodename}"
    return text.encode("utf-8", "surrogateescape")


def _is_dead(mark: bytes) -> bool:
    """Whether the process that made this mark is gone. One of another machine, or one that has not signed yet, counts as alive."""
    pid, _, rest = mark.decode("utf-8", "surrogateescape").partition(" ")
    life, _, machine = rest.partition(" ")
    born, _, space = life.partition("/")[2].partition("/")
    if (
        not (pid.isascii() and pid.isdigit())
        or machine != posix.uname().nodename
        or space not in ("", _space())
    ):
        return False
    try:
        posix.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    state, start = _state(int(pid))
    return state in ("Z", "X") or (
        start != born and "" not in (start, born)
    )  # the number is another's by now


def _state(pid: int) -> tuple[str, str]:
    """A process's state and when it began, in ticks since the machine's start; twice "" where Linux does not say."""
    fields = _content(f"/proc/{pid}/stat").decode("utf-8", "replace").rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def _space() -> str:
    """The namespace of process numbers: containers may share a disk and the machine's name."""
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
