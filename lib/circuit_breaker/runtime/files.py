"""Reads, replaces, appends to and locks files safely: no links followed, nothing half written, no lock left by a dead process."""

from __future__ import annotations

import time

try:
    import posix as system
except ImportError:  # Windows names the same calls differently
    import nt as system  # type: ignore[no-redef]
try:
    import fcntl
except ImportError:  # Windows locks by `msvcrt`
    fcntl = None  # type: ignore[assignment]
_REGULAR, _FOLDER, _KIND = 0o100000, 0o040000, 0o170000
_NOFOLLOW = getattr(system, "O_NOFOLLOW", 0) | getattr(system, "O_CLOEXEC", 0)
_WAITS_NOT = getattr(system, "O_NONBLOCK", 0)  # for a FIFO in the place of a file
_CREATE = system.O_WRONLY | system.O_CREAT | _NOFOLLOW | getattr(system, "O_BINARY", 0)
READ = system.O_RDONLY | _WAITS_NOT | getattr(system, "O_BINARY", 0)  # follows links
STDIN_MAX = 1 << 26  # bytes of a payload: more than Claude Code sends
LOCK_SECONDS = 3.0  # Claude Code kills a hook after 5 s: give up and report it before that


class Refused(OSError):
    """A file or folder that is not safe to use: a link, not a regular file, another user's."""


def reason(error: Exception) -> str:
    """An error's text, of an OSError without its number and path."""
    return getattr(error, "strerror", None) or str(error)


def read(path: str, limit: int = 1 << 24, linked: bool = False) -> bytes | None:
    """The bytes of a regular file, None if it is missing. Raises Refused for a folder, a FIFO, more than `limit` bytes, or a link
    unless it may be `linked`; OSError if the machine has trouble, so that nothing is known of the file."""
    try:
        fd = _regular(path, READ if linked else READ | _NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        import errno

        trouble = (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)
        if error.errno in trouble:
            raise
        raise Refused(error.errno, "cannot be opened as a regular file", path) from error
    try:
        if system.fstat(fd).st_size > limit:
            raise Refused(0, "larger than it can be", path)
        return drain(fd, limit)
    finally:
        system.close(fd)


def _regular(path: str, flags: int) -> int:
    """A descriptor of a regular file. Raises Refused for anything else, and OSError."""
    fd: int = system.open(path, flags, 0o600)
    if system.fstat(fd).st_mode & _KIND != _REGULAR:
        system.close(fd)
        raise Refused(0, "not a regular file", path)
    return fd


def part(path: str, offset: int, most: int) -> tuple[bytes, int]:
    """(at most `most` bytes of a regular file from `offset`, or from so many before its end if that is negative; its size).

    (b"", -1) if it cannot be read. Links are followed: for Claude Code's own files, which people may link.
    """
    try:
        fd = _regular(path, READ)
    except (OSError, ValueError):  # the latter for a path with a zero byte
        return b"", -1
    try:
        size = system.fstat(fd).st_size
        system.lseek(fd, offset if offset >= 0 else max(0, size + offset), 0)
        return drain(fd, most), size
    except OSError:
        return b"", -1
    finally:
        system.close(fd)


def drain(fd: int, limit: int) -> bytes:
    """What a descriptor yields up to its end, at most `limit` bytes. Raises OSError."""
    chunks: list[bytes] = []
    while limit > 0:
        chunk = system.read(fd, min(limit, 1 << 16))
        if not chunk:
            break
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)


def replace(path: str, data: bytes) -> None:
    """Write `data` (0600) beside `path` and rename it: readers see the old bytes or the new ones. Raises OSError."""
    beside = f"{path}.{system.getpid()}.tmp"
    fd = system.open(beside, _CREATE | system.O_TRUNC, 0o600)
    try:
        try:
            write_all(fd, data)
        finally:
            system.close(fd)
        _rename(beside, path)
    except BaseException:
        remove(beside)
        raise


def exchange(path: str, data: bytes) -> None:
    """A faster `replace`, under a lock, for a file that is replaced at every call: two files take turns.

    Renaming over a file's only name takes 0.3 ms on ext4, a thirtieth of a start: it writes the new file to disk and frees the old
    one. Here the new bytes are written to `spare`, the old file gets the name `last`, `spare` is renamed to `path`, and `last` is
    the next spare; `path` is always one complete file. Two limits: a reader without the lock may see its open file rewritten two
    exchanges later, and after a power cut the content may be older or torn.
    """
    spare, last = path + ".spare", path + ".last"
    if not _write_spare(spare, data):
        replace(path, data)
    elif _name_also(path, last):
        _rename(spare, path)
        _rename(last, spare)
    else:
        _rename(spare, path)


def _rename(old: str, new: str) -> None:
    """Rename; on Windows retry for a second, because it fails while another process has either file open."""
    for _ in range(100 if system.__name__ == "nt" else 0):
        try:
            return system.replace(old, new)
        except PermissionError:
            time.sleep(0.01)
    return system.replace(old, new)


def _write_spare(spare: str, data: bytes) -> bool:
    """Write `data` into `spare`; False if that is no regular file with one name, or cannot be opened."""
    try:
        fd = _regular(spare, _CREATE | _WAITS_NOT)
    except OSError:
        return False
    try:
        if system.fstat(fd).st_nlink != 1:
            return False
        write_all(fd, data)
        system.ftruncate(fd, len(data))
    finally:
        system.close(fd)
    return True


def _name_also(path: str, name: str) -> bool:
    """Give a file a second name; False if it does not exist, or this disk or Python has no hard links."""
    try:
        try:
            system.link(path, name)
        except FileExistsError:  # left by a process that was killed
            remove(name)
            system.link(path, name)
    except (OSError, AttributeError):
        return False
    return True


def append(path: str, data: bytes) -> None:
    """Append `data` in one write, so that lines of two processes never mix. Creates the file (0600). Raises OSError."""
    fd = _regular(path, _CREATE | system.O_APPEND | _WAITS_NOT)
    try:
        write_all(fd, data)
    finally:
        system.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all bytes. Raises OSError on a full disk."""
    view = memoryview(data)
    while view:
        view = view[system.write(fd, view) :]


def remove(path: str) -> None:
    """Remove a file if it exists."""
    try:
        system.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return


def exists(path: str) -> bool:
    """Whether `path` exists (a dangling link counts)."""
    try:
        system.lstat(path)
    except (OSError, ValueError):
        return False
    return True


def size_of(path: str) -> int:
    """The size of a file in bytes, 0 if there is none."""
    try:
        return system.stat(path).st_size
    except (OSError, ValueError):
        return 0


def last_written(path: str) -> float:
    """When a file or a folder was last written, in epoch seconds; 0.0 if there is none."""
    try:
        return float(system.stat(path).st_mtime)
    except (OSError, ValueError):
        return 0.0


def names(folder: str) -> list[str]:
    """What is in a folder, sorted; [] if it is missing or cannot be listed."""
    try:
        return sorted(system.listdir(folder))
    except OSError:
        return []


def leads_to_folder(path: str) -> bool:
    """Whether it is a folder, or a link to one."""
    try:
        return system.stat(path).st_mode & _KIND == _FOLDER
    except OSError:
        return False


def is_own(path: str) -> bool:
    """Whether it is a folder, no link to one, and belongs to this user. (On Windows everything does.)"""
    info = system.lstat(path)
    owner = system.geteuid() if hasattr(system, "geteuid") else info.st_uid
    return info.st_mode & _KIND == _FOLDER and info.st_uid == owner


def make_folder(*paths: str) -> None:
    """Create folders (0700) and their parents if missing. Raises Refused for a link, a file or another user's folder."""
    for path in paths:
        try:
            info = system.lstat(path)
        except FileNotFoundError:
            _make(path)
            info = system.lstat(path)
        except NotADirectoryError as error:
            raise Refused(error.errno, "a file stands in the way", path) from error
        if info.st_mode & _KIND != _FOLDER:
            raise Refused(0, "not a folder (a link or a file in its place)", path)
        if not is_own(path):
            raise Refused(0, "belongs to another user", path)


def _make(path: str) -> None:
    parent = path.rstrip("/").rpartition("/")[0]
    if parent and not exists(parent):
        _make(parent)
    try:
        system.mkdir(path, 0o700)
    except FileExistsError:
        return


class Lock:
    """An exclusive lock on a file, held inside `with`. Waits up to `wait` seconds, then raises TimeoutError.

    It is a `flock`, on a disk without it (some NFS and Lustre) a record lock: all processes on a disk use the same kind. On a disk
    with neither, OSError is raised.
    """

    def __init__(self, path: str, wait: float = LOCK_SECONDS) -> None:
        self.path, self.wait, self.fd = path, wait, -1

    def __enter__(self) -> Lock:
        self.fd = _regular(self.path, system.O_RDWR | system.O_CREAT | _NOFOLLOW | _WAITS_NOT)
        try:
            self._wait()
        except BaseException:
            system.close(self.fd)
            raise
        return self

    def _wait(self) -> None:
        """Try until it is free, more often the longer it takes, so that newcomers do not overtake. (A blocking `flock` lets them.)"""
        since = 0.0
        pause = 0.002 + system.getpid() % 16 * 0.0002  # seconds; different for processes started together
        while True:
            try:
                return _take(self.fd)
            except (BlockingIOError, PermissionError):  # held: POSIX allows both for a record lock
                now = time.monotonic()
            since = since or now
            if now - since > self.wait:
                raise TimeoutError(f"{self.path}: still locked after {self.wait:g} s")
            time.sleep(pause / (1 + 4 * (now - since)))

    def __exit__(self, *_: object) -> None:
        system.close(self.fd)  # this releases it, as does the end of the process


def _take(fd: int) -> None:
    """Lock an open file. Raises BlockingIOError or PermissionError while another process holds it, OSError on a disk without locks."""
    if not fcntl:
        import msvcrt

        return msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    kind = fcntl.LOCK_EX | fcntl.LOCK_NB
    try:
        return fcntl.flock(fd, kind)
    except OSError as error:
        import errno

        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
    return fcntl.lockf(fd, kind)
