"""Files are read, replaced, appended to and locked without harm: real files, two processes for the lock."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from circuit_breaker.runtime import files

LIB = Path(__file__).resolve().parent.parent.parent / "lib"
# argv: the library, the lock, and which kinds of lock the disk refuses with which error.
HOLDER = """
import sys; sys.path.insert(0, sys.argv[1])
from circuit_breaker.runtime import files
def refuse(*_):
    raise OSError(int(sys.argv[4]), "refused")
for name in sys.argv[3].split():
    setattr(files.fcntl, name, refuse)
with files.Lock(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""


# Kinds of lock that a disk refuses.
WITHOUT = {"nothing": "", "flock": "flock"}


def ask(path: Path, without: str = "", error: int = errno.ENOLCK) -> subprocess.Popen[str]:
    """Another process that takes the lock, says so, and holds it until a line is sent to it."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(LIB), str(path), without, str(error)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def hold(path: Path, without: str = "", error: int = errno.ENOLCK) -> subprocess.Popen[str]:
    """`ask`, and wait until it holds the lock."""
    holder = ask(path, without, error)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def let_go(holder: subprocess.Popen[str]) -> None:
    holder.communicate("\n")


def test_missing_file_reads_as_nothing(tmp_path: Path) -> None:
    assert files.read(str(tmp_path / "none")) is None


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_what_is_replaced_is_read_again(tmp_path: Path, size: int) -> None:
    path = str(tmp_path / "file")
    files.replace(path, b"old")
    files.replace(path, b"x" * size)
    assert files.read(path) == b"x" * size
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_exchanged_is_read_again(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    for size in (3, 100_000, 4096, 0, 1, 70_000, 2):
        files.exchange(path, b"x" * size)
        assert files.read(path) == b"x" * size
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert os.stat(path).st_nlink == 1
    assert sorted(os.listdir(tmp_path)) == ["file", "file.spare"]


@pytest.mark.parametrize(
    "call", ["open", "write", "ftruncate", "unlink", "link", "replace", "second replace"]
)
@pytest.mark.parametrize("after", [False, True])
def test_exchange_that_is_cut_short_leaves_one_of_the_two(
    tmp_path: Path, mocker: MockerFixture, call: str, after: bool
) -> None:
    path = str(tmp_path / "file")
    files.exchange(path, b"older")
    files.exchange(path, b"old")
    name = call.rpartition(" ")[2]
    usual, calls = getattr(files.system, name), itertools.count(1 if name == call else 0)

    def killed(*given: Any, **named: Any) -> None:
        comes_to_it = next(calls)
        if after or not comes_to_it:
            usual(*given, **named)
        if comes_to_it:
            raise KeyboardInterrupt

    if call == "unlink":
        (tmp_path / "file.last").write_text("of somebody who was killed")

    mocker.patch.object(files.system, name, killed)
    with pytest.raises(KeyboardInterrupt):
        files.exchange(path, b"the new one")
    mocker.stopall()
    assert files.read(path) in (b"old", b"the new one")
    for data in (b"next", b"and another", b"last"):
        files.exchange(path, data)
        assert files.read(path) == data
    assert sorted(os.listdir(tmp_path)) == ["file", "file.spare"]


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_a_disk_without_second_names_is_written_all_the_same(
    tmp_path: Path, mocker: MockerFixture, error: int
) -> None:
    mocker.patch.object(files.system, "link", side_effect=OSError(error, os.strerror(error)))
    for data in (b"one", b"two", b"three"):
        files.exchange(str(tmp_path / "file"), data)
        assert (tmp_path / "file").read_bytes() == data
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "second name", "last is a folder"])
def test_what_stands_in_the_place_of_the_spare_is_let_alone(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_text("somebody's")
    files.exchange(str(path), b"old")
    spare = tmp_path / "file.spare"
    spare.unlink(missing_ok=True)
    if kind == "folder":
        spare.mkdir()
    elif kind == "fifo":
        os.mkfifo(spare)
    elif kind == "link":
        spare.symlink_to(other)
    elif kind == "second name":
        os.link(other, spare)
    else:
        (tmp_path / "file.last").mkdir()
    before = os.lstat(spare).st_mode if spare.exists() else 0
    files.exchange(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert other.read_text() == "somebody's"
    assert not before or os.lstat(spare).st_mode == before


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "dangling link", "link to a folder"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "it", tmp_path / "other"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        if kind == "link":
            other.write_text("somebody's")
        elif kind == "link to a folder":
            other.mkdir()
        path.symlink_to(other)
    with pytest.raises(files.Refused):
        files.read(str(path))
    with pytest.raises(OSError):
        files.append(str(path), b"x")
    with pytest.raises(OSError), files.Lock(str(path)):
        pass
    assert not other.is_file() or other.read_text() == "somebody's"


def test_replacing_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    files.replace(str(tmp_path / "link"), b"ours")
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert not (tmp_path / "link").is_symlink()


def test_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 101)
    assert files.read(str(tmp_path / "large"), 101) == b"x" * 101
    with pytest.raises(files.Refused):
        files.read(str(tmp_path / "large"), 100)


def test_failed_replacement_leaves_the_old_bytes_and_no_scrap(tmp_path: Path, mocker) -> None:  # type: ignore[no-untyped-def]
    path = str(tmp_path / "file")
    files.replace(path, b"old")
    mocker.patch.object(files.system, "write", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space"):
        files.replace(path, b"new")
    mocker.stopall()
    assert files.read(path) == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_short_writes_are_carried_on(tmp_path: Path, mocker) -> None:  # type: ignore[no-untyped-def]
    write = files.system.write
    mocker.patch.object(files.system, "write", side_effect=lambda fd, data: write(fd, bytes(data[:3])))
    files.replace(str(tmp_path / "file"), b"0123456789")
    mocker.stopall()
    assert files.read(str(tmp_path / "file")) == b"0123456789"


def test_lines_of_two_processes_never_mix(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from circuit_breaker.runtime import files\n"
        "for n in range(300): files.append(sys.argv[2], (sys.argv[3] * 200).encode() + b'\\n')"
    )
    log = tmp_path / "log"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(LIB), str(log), mark]) for mark in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    lines = log.read_text().splitlines()
    assert len(lines) == 600
    assert set(lines) == {"a" * 200, "b" * 200}


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "under a file"])
def test_folder_that_is_none_of_ours_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind in ("file", "under a file"):
        path.write_text("x")
    else:
        if kind == "link":
            (tmp_path / "other").mkdir()
        path.symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        files.make_folder(str(path / "deeper" if kind == "under a file" else path))


def test_folder_is_made_for_its_owner_alone_parents_included(tmp_path: Path) -> None:
    files.make_folder(str(tmp_path / "a" / "b"))
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")] == [0o700, 0o700]


@pytest.fixture(params=WITHOUT)
def without(request: pytest.FixtureRequest, mocker: MockerFixture) -> str:
    """What the disk of this test refuses, in this process too."""
    names = WITHOUT[request.param]
    for name in names.split():
        mocker.patch.object(files.fcntl, name, side_effect=OSError(errno.ENOLCK, "refused"))
    return names


def test_lock_waits_for_its_holder_and_then_gives_up(tmp_path: Path, without: str) -> None:
    holder = hold(tmp_path / "lock", without)
    with pytest.raises(TimeoutError), files.Lock(str(tmp_path / "lock"), wait=0.2):
        pass
    let_go(holder)
    with files.Lock(str(tmp_path / "lock"), wait=0.2):
        pass
    assert os.listdir(tmp_path) == ["lock"]


def test_lock_is_taken_as_soon_as_it_is_free(tmp_path: Path, without: str) -> None:
    holder = hold(tmp_path / "lock", without)
    waiter = ask(tmp_path / "lock", without)
    time.sleep(0.3)
    assert waiter.poll() is None
    let_go(holder)
    assert waiter.stdout is not None
    assert waiter.stdout.readline() == "held\n"
    let_go(waiter)


def test_killed_holder_frees_the_lock(tmp_path: Path, without: str) -> None:
    holder = hold(tmp_path / "lock", without)
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, and nobody has taken notice yet
    with files.Lock(str(tmp_path / "lock"), wait=0.5):
        pass
    assert os.listdir(tmp_path) == ["lock"]
    holder.communicate()


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP])
def test_whatever_a_disk_calls_it_that_has_no_flock_a_record_lock_is_taken(
    tmp_path: Path, mocker: MockerFixture, error: int
) -> None:
    mocker.patch.object(files.fcntl, "flock", side_effect=OSError(error, "refused"))
    holder = hold(tmp_path / "lock", "flock", error)
    with pytest.raises(TimeoutError), files.Lock(str(tmp_path / "lock"), wait=0.05):
        pass
    let_go(holder)
    assert os.listdir(tmp_path) == ["lock"]


def test_disk_without_any_lock_raises_its_error_and_leaves_nothing_open(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    for name in ("flock", "lockf"):
        mocker.patch.object(files.fcntl, name, side_effect=OSError(errno.ENOLCK, "refused"))
    before = os.listdir("/dev/fd")
    with pytest.raises(OSError, match="refused"), files.Lock(str(tmp_path / "lock")):
        pass
    assert os.listdir("/dev/fd") == before


def test_other_trouble_with_a_lock_is_raised(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(files.fcntl, "flock", side_effect=OSError(errno.EIO, "broken"))
    with pytest.raises(OSError, match="broken"), files.Lock(str(tmp_path / "lock")):
        pass


def test_alarm_of_the_caller_survives_waiting_for_a_lock(tmp_path: Path) -> None:
    import signal

    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        holder = hold(tmp_path / "lock")
        with pytest.raises(TimeoutError), files.Lock(str(tmp_path / "lock"), wait=0.1):
            pass
        let_go(holder)
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)
