"""What goes wrong while `clean` works, provoked on real files and real processes: nothing is lost, and nothing is removed that
is not in an archive."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from claude_folder import OLD, PROJECT, build, files_of, put, snapshot
from samples import samples

from circuit_breaker.cleaning import inventory, steps, tarball
from circuit_breaker.cleaning.claude_code import InUse
from circuit_breaker.janitor import disk

ROOT = Path(__file__).resolve().parents[2]
KILLS = samples(here=12, in_ci=50)

# `python3 plugin ARGUMENTS` that dies by SIGKILL before its Nth change of the disk, and says how many it makes if it lives.
DIES = """
import os, signal, sys
sys.path[:0] = [{plugin!r}, {lib!r}]
left, seen = int(sys.argv[1]), 0
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir", "os.utime", "os.chmod", "write", "fsync")
def step(event, arguments=()):
    global seen
    made = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
    if made or event in CHANGES:
        seen += 1
        if seen == left:
            os.kill(os.getpid(), signal.SIGKILL)
from circuit_breaker.runtime import files
whole, sync = files.write_all, os.fsync
def torn(fd, data):
    step("write")
    whole(fd, bytes(data)[: len(data) // 2])
    step("write")
    whole(fd, bytes(data)[len(data) // 2 :])
def synced(fd):
    step("fsync")
    sync(fd)
files.write_all, os.fsync = torn, synced
sys.argv[1:] = sys.argv[2:]
place = {plugin!r} + "/__main__.py"
spec = {{"__name__": "verbs", "__file__": place}}
exec(compile(open(place).read(), place, "exec"), spec)
import circuit_breaker.cleaning.tarball
sys.addaudithook(step)
code = spec["main"]()
print("changes", seen, file=sys.stderr)
sys.exit(code)
""".format(plugin=str(ROOT / "plugin"), lib=str(ROOT / "lib"))


class Place:
    """A made-up folder and its archives."""

    def __init__(self, base: Path) -> None:
        base.mkdir(exist_ok=True)
        self.base, self.folder, self.runtime = base, build(base), base / "breaker"
        self.archives = self.runtime / "archives" / "claude"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "CLAUDE_CONFIG_DIR": str(self.folder),
            "CIRCUIT_BREAKER_HOME": str(self.runtime),
            "CLAUDE_PROJECT_DIR": str(base),
            "PYTHONDONTWRITEBYTECODE": "1",  # a first run would make more changes than those that die
        }

    def run(self, *arguments: str, dies: int = 0, **more: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", DIES, str(dies), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, **more)

    def content(self) -> dict[str, bytes]:
        """Every file that can still be had: in its place, or in an archive; each archive has to be whole."""
        found: dict[str, bytes] = {}
        for path in self.archives.glob("*.tar.gz"):
            with tarfile.open(path) as tar:
                for member in tar:
                    content = tar.extractfile(member)
                    if content is not None:
                        found[member.name] = content.read()
        for name in files_of(self.folder):
            found[name] = (self.folder / name).read_bytes()
        return found

    def scraps(self) -> list[str]:
        return [path.name for path in self.archives.glob("*") if path.suffix in (".tmp", ".removing")]


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_the_next_run_finishes(tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    total = int(whole.run("clean", "--apply").stderr.rpartition("changes ")[2])
    assert total > 150
    stays = files_of(whole.folder)
    for number in sorted(random.Random(21).sample(range(1, total + 1), KILLS)):
        place = Place(tmp_path / f"{number:03d}")
        before = place.content()
        died = place.run("clean", "--apply", dies=number)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert place.content() == before, number
        done = place.run("clean", "--apply")
        assert done.returncode == 0, done.stderr
        assert files_of(place.folder) == stays, number
        assert place.content() == before, number
        assert place.scraps() == [], number


@pytest.mark.slow
def test_kills_while_an_archive_is_restored_leave_files_whole_and_the_next_run_finishes(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "place")
    before = snapshot(place.folder)
    place.run("clean", "--apply", "--kind", "transcripts")
    (archive,) = place.archives.glob("*.tar.gz")
    bare = files_of(place.folder)
    total = int(place.run("restore", archive.name).stderr.rpartition("changes ")[2])
    for number in sorted(random.Random(22).sample(range(1, total + 1), samples(here=6, in_ci=20))):
        for name in files_of(place.folder) - bare:
            (place.folder / name).unlink()
        shutil.rmtree(place.folder / f"projects/{PROJECT}/{OLD}")
        assert place.run("restore", archive.name, dies=number).returncode == -signal.SIGKILL
        for name in files_of(place.folder) & set(before):
            assert (place.folder / name).read_bytes() == before[name][0], number
        place.run("restore", archive.name)
        after = snapshot(place.folder)
        assert {name: value for name, value in after.items() if len(value) == 3} == {
            name: value for name, value in before.items() if len(value) == 3
        }, number


class Killed(Exception):
    """In place of a kill, at the moment when the archive is finished and nothing is removed yet."""


def archived_but_not_removed(place: Place) -> None:
    """The transcripts of the old session, in a finished archive and still in their place."""
    found = inventory.survey(str(place.folder), None, lambda seen: None)
    units = [unit for unit in found.units.values() if unit.kind == "transcripts" and unit.session == OLD]
    place.archives.mkdir(parents=True, mode=0o700)
    for path in (place.runtime, place.archives.parent):
        path.chmod(0o700)

    def killed() -> InUse:
        raise Killed

    members = steps.members(found.folder, units, print)
    with pytest.raises(Killed):
        steps.archive(found.folder, str(place.archives), "transcripts", members, killed, ignore)


def ignore(count: int, path: str) -> None:
    """No progress is shown."""


def of_session(place: Place) -> set[str]:
    return {name for name in files_of(place.folder) if name.startswith(f"projects/{PROJECT}/{OLD}")}


def test_next_run_removes_what_a_killed_one_has_archived(tmp_path: Path) -> None:
    place = Place(tmp_path)
    archived_but_not_removed(place)
    assert len(of_session(place)) == 6
    done = place.run("clean", "--apply", "--kind", "plugin-caches")
    assert "finished an interrupted run: removed 6 files" in done.stdout
    assert of_session(place) == set()
    assert [path.name.partition(".")[0] for path in place.archives.glob("*.tar.gz")].count("transcripts") == 1
    assert place.scraps() == []


def test_next_run_leaves_a_session_that_goes_on_meanwhile(tmp_path: Path) -> None:
    place = Place(tmp_path)
    archived_but_not_removed(place)
    before = of_session(place)
    with (place.folder / f"projects/{PROJECT}/{OLD}.jsonl").open("ab") as file:
        file.write(b"resumed\n")
    assert place.run("clean", "--apply", "--kind", "transcripts").returncode == 0
    assert of_session(place) == before
    assert place.scraps() == []


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_next_run_removes_nothing_whose_archive_is_damaged(tmp_path: Path, harm: str) -> None:
    place = Place(tmp_path)
    archived_but_not_removed(place)
    before = of_session(place)
    (archive,) = place.archives.glob("*.tar.gz")
    data = archive.read_bytes()
    archive.write_bytes(data[:-50] if harm == "cut" else data[:-60] + bytes([data[-60] ^ 255]) + data[-59:])
    done = place.run("clean", "--apply", "--kind", "debug-logs")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert of_session(place) == before


def test_full_disk_removes_nothing_and_says_how_much_room_is_missing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    big = put(place.folder, f"debug/{OLD}.txt", 60)
    big.write_bytes(os.urandom(8 << 20))
    os.utime(big, (1, 1))
    before = snapshot(place.folder)
    limit = (3 << 20, resource.RLIM_INFINITY)
    done = place.run("clean", "--apply", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert done.returncode == 1
    said = re.search(r"debug-logs: nothing was removed: about ([\d.]+) MB more room is needed", done.stderr)
    assert said, done.stderr
    assert 4 < float(said[1]) < 40
    assert snapshot(place.folder) == before
    assert list(place.archives.glob("*.tar.gz*")) == []
    assert place.run("clean", "--apply").returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A disk of its own of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_disk_that_gets_full_keeps_a_reserve_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    place = Place(tmp_path / "home")
    place.env["CIRCUIT_BREAKER_HOME"] = str(small_disk / "breaker")
    big = put(place.folder, f"debug/{OLD}.txt", 60)
    big.write_bytes(os.urandom(12 << 20))
    os.utime(big, (1, 1))
    before = snapshot(place.folder)
    done = place.run("clean", "--apply", "--kind", "debug-logs")
    assert done.returncode == 1
    assert "more room is needed" in done.stderr
    assert snapshot(place.folder) == before
    assert list(small_disk.rglob("*.tar.gz*")) == []
    big.write_bytes(b"small")
    os.utime(big, (1, 1))
    assert place.run("clean", "--apply", "--kind", "debug-logs").returncode == 0
    assert not big.exists()


def test_delete_makes_room_on_a_disk_that_is_full_to_the_last_byte(small_disk: Path) -> None:
    place = Place(small_disk / "home")
    big = put(place.folder, f"debug/{OLD}.txt", 60)
    big.write_bytes(os.urandom(4 << 20))
    os.utime(big, (1, 1))
    with open(small_disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            continue
    before = snapshot(place.folder)
    done = place.run("clean", "--apply")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert snapshot(place.folder) == before
    assert place.run("clean", "--delete", "--kind", "debug-logs", "--yes").returncode == 0
    assert not big.exists()


def test_archive_that_does_not_read_back_costs_nothing(tmp_path: Path, mocker: Any) -> None:
    place = Place(tmp_path)
    before = of_session(place)
    whole = tarball.files.write_all
    mocker.patch.object(
        tarball.files, "write_all", lambda fd, data: whole(fd, bytes(data[:-9]) + b"x" * len(data[-9:]))
    )
    found = inventory.survey(str(place.folder), None, lambda seen: None)
    units = [unit for unit in found.units.values() if unit.kind == "transcripts" and unit.session == OLD]
    place.archives.mkdir(parents=True)
    with pytest.raises(tarball.Damaged):
        steps.archive(
            found.folder,
            str(place.archives),
            "transcripts",
            steps.members(found.folder, units, print),
            InUse,
            ignore,
        )
    assert of_session(place) == before
    assert list(place.archives.iterdir()) == []


def test_file_that_changes_while_it_is_archived_costs_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    found = inventory.survey(str(place.folder), None, lambda seen: None)
    units = [unit for unit in found.units.values() if unit.kind == "transcripts" and unit.session == OLD]
    place.archives.mkdir(parents=True)
    members = steps.members(found.folder, units, print)

    def meddle(count: int, path: str) -> None:
        with (place.folder / path).open("ab") as file:
            file.write(b"more\n")

    before = of_session(place)
    with pytest.raises(disk.Changed):
        steps.archive(found.folder, str(place.archives), "transcripts", members, InUse, meddle)
    assert of_session(place) == before
    assert list(place.archives.iterdir()) == []


def test_session_written_to_after_the_survey_is_left_out(tmp_path: Path) -> None:
    place = Place(tmp_path)
    found = inventory.survey(str(place.folder), None, lambda seen: None)
    units = [unit for unit in found.units.values() if unit.kind == "transcripts" and unit.session == OLD]
    (place.folder / f"projects/{PROJECT}/{OLD}/new.json").write_text("{}")
    assert steps.members(found.folder, units, print) == []


def test_archive_from_elsewhere_cannot_write_outside_the_folder(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.archives.mkdir(parents=True, mode=0o700)
    for name in ("../escaped", "/tmp/escaped-for-certain", "debug/../../escaped"):
        path = place.archives / "debug-logs.20260101T000000Z.tar.gz"
        comment = json.dumps(
            {"schema": 1, "kind": "debug-logs", "folder": str(place.folder), "files": 1, "bytes": 1}
        )
        with tarfile.open(path, "w:gz", pax_headers={"comment": comment}) as tar:
            tar.addfile(tarfile.TarInfo(name))
        done = place.run("restore", path.name)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("escaped"))
    assert not os.path.exists("/tmp/escaped-for-certain")
