"""Whether state can be kept here is found out by keeping some, and leaves nothing behind."""

from __future__ import annotations

import errno
import itertools
import os
import time
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from circuit_breaker.breaker.config import DEFAULTS, HOUR
from circuit_breaker.janitor import sweep
from circuit_breaker.janitor.retention import Sweep
from circuit_breaker.runtime import files, health
from circuit_breaker.runtime.home import Places


def places(runtime: Path) -> Places:
    return Places(str(runtime), str(runtime), "/p", "", "/h")


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("there", ["nothing", "the folder", "a session"])
def test_folder_that_can_be_used_is_well_and_stays_as_it_is(tmp_path: Path, there: str) -> None:
    runtime = tmp_path / "state" / "breaker"
    if there != "nothing":
        runtime.mkdir(parents=True)
    if there == "a session":
        (runtime / "sessions" / "s").mkdir(parents=True)
    before = everything(tmp_path)
    assert health.write_fault(places(runtime)) == ""
    assert everything(tmp_path) == before


def test_folder_that_another_process_makes_meanwhile_is_let_alone(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    """Two sessions start at once on a new machine."""
    where = places(tmp_path / "breaker")
    usual, tried = files.exchange, []

    def meanwhile(path: str, data: bytes) -> None:
        tried.append(path)
        if len(tried) == 3:  # of the second folder
            files.make_folder(where.sessions)
        usual(path, data)

    mocker.patch.object(files, "exchange", meanwhile)
    assert health.write_fault(where) == ""
    assert everything(tmp_path) == [where.runtime, where.sessions]


@pytest.mark.parametrize("folder", ["", "sessions", "armed"])
@pytest.mark.parametrize("call", ["write", "link", "replace", "second replace", "unlink"])
def test_what_a_killed_check_leaves_is_cleared(
    tmp_path: Path, mocker: MockerFixture, folder: str, call: str
) -> None:
    where = places(tmp_path)
    files.make_folder(where.sessions, where.armed)
    child = os.fork()
    if not child:
        name = call.rpartition(" ")[2]
        usual, calls = getattr(files.system, name), itertools.count(1 if name == call else 0)
        die = lambda *given: os._exit(9) if next(calls) else usual(*given)  # noqa: E731
        mocker.patch.object(files.system, name, side_effect=die)
        health._try_out(f"{tmp_path}/{folder}".rstrip("/"))
    os.waitpid(child, 0)
    assert len(everything(tmp_path)) > 2
    later, limits = time.time() + HOUR, DEFAULTS["memory_limits"]
    found = sweep.planned(Sweep(folder=where.runtime, limits=limits, runtime=True, now=later))
    sweep.execute(found, sweep.Report())
    assert [path for path in everything(tmp_path) if "/archives" not in path] == [where.armed, where.sessions]


@pytest.mark.parametrize("where", ["", "sessions", "armed"])
@pytest.mark.parametrize("kind", ["a file", "a link"])
def test_what_stands_in_the_way_of_a_folder_is_the_reason(tmp_path: Path, where: str, kind: str) -> None:
    runtime = tmp_path / "breaker"
    if where:
        runtime.mkdir()
    (tmp_path / "other").mkdir()
    if kind == "a file":
        (runtime / where).write_text("x")
    else:
        (runtime / where).symlink_to(tmp_path / "other")
    before = everything(tmp_path)
    assert str(runtime) in health.write_fault(places(runtime))
    assert everything(tmp_path) == before


@pytest.mark.parametrize("call", ["open", "write", "replace"])
@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_what_the_disk_refuses_is_the_reason(
    tmp_path: Path, mocker: MockerFixture, call: str, error: int
) -> None:
    mocker.patch.object(files.system, call, side_effect=OSError(error, os.strerror(error)))
    said = health.write_fault(places(tmp_path / "breaker"))
    assert os.strerror(error).lower() in said.lower()


def test_folder_of_another_user_is_the_reason(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(files.system, "geteuid", return_value=os.geteuid() + 1)
    assert "another user" in health.write_fault(places(tmp_path))


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_disk_without_flock_is_well_and_one_without_any_lock_is_the_reason(
    tmp_path: Path, mocker: MockerFixture, error: int
) -> None:
    refused = OSError(error, os.strerror(error))
    mocker.patch.object(files.fcntl, "flock", side_effect=refused)
    assert health.write_fault(places(tmp_path / "breaker")) == ""
    mocker.patch.object(files.fcntl, "lockf", side_effect=refused)
    said = health.write_fault(places(tmp_path / "breaker"))
    assert os.strerror(error).lower() in said.lower()
    assert everything(tmp_path) == []
