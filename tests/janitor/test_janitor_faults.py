"""What goes wrong while files are archived, provoked on real files and real processes: nothing is lost."""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from homes import DAY, Home, lines, wait_for
from samples import samples

from circuit_breaker.janitor import archives, disk, ledger, rounds, session_start, sweep
from circuit_breaker.janitor.retention import Sweep
from circuit_breaker.runtime import files

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*fork.*:DeprecationWarning"
)  # the test runner has threads, a hook has none
MOMENT = "20260921T120000Z"

# A process that archives and compresses what lies in a home, and dies by SIGKILL before its Nth change of the disk.
DIES = """
import os, signal, sys, time
sys.path[:0] = [{lib!r}, {tests!r}]
from pathlib import Path
from homes import Home
from circuit_breaker.janitor import archives, rounds
from circuit_breaker.runtime import files
from circuit_breaker.janitor import ledger
home, left = Home(Path(sys.argv[1])), int(sys.argv[2])
config = home.config()
def step(event, arguments=()):
    global left
    if event in ("open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.utime", "os.chmod", "write", "fsync"):
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
whole = files.write_all
def torn(fd, data):
    step("write")
    whole(fd, bytes(data)[: len(data) // 2])
    step("write")
    whole(fd, bytes(data)[len(data) // 2 :])
files.write_all = torn
sys.addaudithook(step)
rounds.make(home.places, config, time.time(), "")
archives.compress_all(str(home.path), float("inf"))
print("whole")
"""


def content(home: Home) -> tuple[list[str], dict[str, Any]]:
    """Every line of telemetry and every session document that can still be had; each compressed archive has to be whole."""
    found: set[str] = set()
    documents: dict[str, Any] = {}
    for path in [*home.path.glob("*_telemetry.jsonl"), *home.archives("telemetry")]:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found.update(data.decode().splitlines())
    for path in [*home.archives("sessions"), *home.path.glob("session_*_state.json")]:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        name = path.name.split("_state")[0]
        document = json.loads(data)
        if len(document["tool_history"]) >= len(documents.get(name, {}).get("tool_history", [])):
            documents[name] = document
    return sorted(found), documents


def fill(home: Home) -> None:
    home.write("a_telemetry.jsonl", lines(1200), age=3600)
    home.write("b_telemetry.jsonl", lines(1200, width=30).replace(b"n", b"m"), age=3600)
    home.write("session_old_state.json", {"tool_history": [1]}, age=8 * DAY)
    home.write("session_long_state.json", {"tool_history": list(range(80))}, age=7200)


def plan_of(home: Home) -> Sweep:
    return sweep.planned(Sweep(folder=str(home.path), limits=home.config().memory_limits, now=time.time()))


def carry_out(home: Home, planned: Sweep) -> sweep.Report:
    report = sweep.Report()
    sweep.execute(planned, report)
    assert report.finished
    return report


@pytest.mark.slow
def test_kill_before_any_change_of_the_disk_loses_nothing(tmp_path: Path) -> None:
    script = DIES.format(lib=str(ROOT / "lib"), tests=str(ROOT / "tests"))
    for number in range(1, 400, samples(here=6, in_ci=2)):
        home = Home(tmp_path / f"{number:03d}") if (tmp_path / f"{number:03d}").mkdir() is None else None
        assert home is not None
        fill(home)
        before = content(home)
        command = [sys.executable, "-I", "-S", "-c", script, str(tmp_path / f"{number:03d}"), str(number)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        assert content(home) == before, number
        assert {"session_long_state.json"} <= home.names(), number
        # and the next start finishes what was begun
        assert rounds.make(home.places, home.config(), time.time(), "").errors == []
        archives.compress_all(str(home.path), float("inf"))
        assert content(home) == before, number
        assert home.names() - {n for n in home.names() if n.endswith(".tmp")} == {"session_long_state.json"}
        assert all(path.suffix == ".gz" for path in home.archives()), number
        if ended.returncode == 0:
            assert number > 40  # or it has not been killed where it counts
            return
    pytest.fail("the sweep never ended")


@pytest.mark.slow
def test_kill_at_any_time_of_compressing_large_files_loses_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    script = DIES.format(lib=str(ROOT / "lib"), tests=str(ROOT / "tests"))
    for n in range(6):
        home.write(f"{n}_telemetry.jsonl", lines(60_000).replace(b"n", b"%d" % n), age=3600)
    before = content(home)
    for attempt in range(0, 40, samples(here=4, in_ci=2)):
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", script, str(tmp_path), "0"], stdout=subprocess.PIPE
        )
        time.sleep(0.04 + 0.011 * attempt)
        process.kill()
        said = process.communicate()[0]
        assert content(home) == before
        if b"whole" in said:
            break
    archives.compress_all(str(home.path), float("inf"))
    assert content(home) == before
    assert all(path.suffix == ".gz" for path in home.archives())


WRITER = """
import os, sys, time
path, keep = sys.argv[1], sys.argv[2] == "keep"
fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
n = 0
while not os.path.exists(path + ".stop"):
    os.write(fd, b'{"n":%d,"x":"........................................"}\\n' % n)
    n += 1
    if not keep:
        os.close(fd)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    time.sleep(0.0002)
print(n)
"""


@pytest.mark.slow
@pytest.mark.parametrize("habit", ["keep", "reopen"])
def test_writer_loses_no_line_while_its_file_is_rotated_and_compressed(tmp_path: Path, habit: str) -> None:
    home = Home(tmp_path)
    path = home.path / "a_telemetry.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), habit], stdout=subprocess.PIPE)
    end = time.monotonic() + samples(here=2, in_ci=6)
    rotations = 2 if habit == "reopen" else 1
    while time.monotonic() < end or len(home.archives("telemetry")) < rotations:
        rounds.make(home.places, home.config(telemetry_keep_rotations=0), time.time(), "")
        archives.compress_all(str(home.path), float("inf"))
    (home.path / "a_telemetry.jsonl.stop").touch()
    written = int(writer.communicate()[0])
    archives.compress_all(str(home.path), float("inf"))
    found = [json.loads(line)["n"] for line in content(home)[0]]
    assert sorted(found) == list(range(written))
    assert all(archive.suffix == ".gz" for archive in home.archives("telemetry"))


def test_file_that_somebody_holds_open_for_writing_waits_for_its_compression(tmp_path: Path) -> None:
    home = Home(tmp_path)
    path = home.write("a_telemetry.jsonl", lines(1000))
    with path.open("ab") as file:
        carry_out(home, plan_of(home))
        assert archives.compress_all(str(home.path), float("inf")) == []
        assert [archive.suffix for archive in home.archives()] == [".jsonl"]
        file.write(b'{"last":1}\n')
    errors = archives.compress_all(str(home.path), float("inf"))
    if not hasattr(files.fcntl, "F_SETLEASE"):
        pytest.skip("only Linux can tell at once that the writer has gone")
    assert errors == []
    assert [archive.suffix for archive in home.archives()] == [".gz"]
    assert content(home)[0] == sorted([*lines(1000).decode().splitlines(), '{"last":1}'])


def test_without_the_kernels_answer_an_hour_of_silence_is_waited_for(tmp_path: Path, mocker: Any) -> None:
    home = Home(tmp_path)
    mocker.patch.object(archives.files.fcntl, "fcntl", side_effect=OSError(22, "Invalid argument"))
    home.write("young_telemetry.jsonl", lines(1000), age=3500)
    home.write("quiet_telemetry.jsonl", lines(1000), age=3700)
    carry_out(home, plan_of(home))
    assert archives.compress_all(str(home.path), float("inf")) == []
    assert [a.name.split("_")[0] for a in home.archives("telemetry") if a.suffix == ".gz"] == ["quiet"]


TWICE = """
import os, sys, time
sys.path[:0] = [{lib!r}, {tests!r}]
from pathlib import Path
from homes import Home
home = Home(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(home.start(session="s" + sys.argv[2]))
"""


@pytest.mark.slow
def test_sessions_that_start_at_once_do_the_work_once(tmp_path: Path) -> None:
    script = TWICE.format(lib=str(ROOT / "lib"), tests=str(ROOT / "tests"))
    for turn in range(samples(here=2, in_ci=5)):
        base = tmp_path / str(turn)
        base.mkdir()
        home = Home(base)
        for n in range(20):
            home.write(f"{n}_telemetry.jsonl", lines(1000))
        starts = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(base), str(n)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(6)
        ]
        for start in starts:
            assert start.stdout is not None
            assert start.stdout.readline() == "ready\n"
        said = []
        for start in starts:
            assert start.stdin is not None
            start.stdin.write("go\n")
            start.stdin.flush()
        for start in starts:
            said.append(start.communicate()[0].strip())
        assert sum("Archived 20 log files" in text for text in said) == 1, said
        assert sorted(text for text in said if text)[1:] == []
        assert wait_for(lambda archives=home.archives: [a.suffix for a in archives()] == [".gz"] * 20)
        assert not home.names()


@pytest.mark.parametrize("bytes_left", [0, 5_000])
def test_full_disk_removes_nothing_and_says_so(tmp_path: Path, bytes_left: int) -> None:
    home = Home(tmp_path)
    home.write("circuit_breaker_config.json", "{}")
    for n in range(7):
        home.write(
            f"archives/telemetry/a_telemetry.2026010{n + 1}T000000Z.jsonl", os.urandom(20_000), age=3600
        )
    (home.path / "archives").chmod(0o700)
    home.write("a_telemetry.jsonl", os.urandom(60_000))
    home.write(
        "session_long_state.json", {"tool_history": [os.urandom(200).hex() for _ in range(80)]}, age=7200
    )
    before = {p.read_bytes() for p in home.path.rglob("*") if p.is_file() and not p.name.startswith(".")}

    def starve() -> dict[str, Any]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, resource.RLIM_INFINITY))
        made = rounds.make(home.places, home.config(), time.time(), "")
        errors = archives.compress_all(str(home.path), float("inf"))
        return {"errors": made.errors, "compress": errors, "pruned": made.facts()["pruned"]}

    told, _ = in_a_child(starve)
    assert told["errors"]
    assert told["pruned"] == 0
    assert before <= {p.read_bytes() for p in home.path.rglob("*") if p.is_file()}
    assert not list(home.path.rglob("*.tmp"))
    assert not list(home.path.rglob("*.gz"))


def test_session_start_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write("a_telemetry.jsonl", os.urandom(60_000))

    def starve() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return home.start()

    answer, told = in_a_child(starve)
    assert answer.startswith("Circuit breaker: NOT PROTECTED: nothing can be kept in ")
    assert told.startswith("[circuit_breaker] ")
    assert told.count("\n") == 1
    assert home.names() >= {"a_telemetry.jsonl"}


def in_a_child(act: Callable[[], Any], user: int = 0) -> tuple[Any, str]:
    """What `act` returns and says on stderr (a pipe) in a forked process, which may starve itself or be another user."""
    ours, theirs = os.pipe()
    heard, said = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(said, 2)
            sys.dont_write_bytecode = True  # a starved one would leave cut-off files for every other test
            if user:
                os.setgid(user)
                os.setuid(user)
            os.write(theirs, json.dumps(act()).encode())
        finally:
            os._exit(0)
    for fd in (theirs, said):
        os.close(fd)
    with os.fdopen(ours) as answer, os.fdopen(heard) as stderr:
        text, told = answer.read(), stderr.read()
    os.waitpid(child, 0)
    assert text, f"the child died: {told}"
    return json.loads(text), told


@pytest.fixture
def open_home() -> Any:
    """A home that another user can reach too: pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        home = Home(Path(folder))
        yield home
        for path in [home.path, *home.path.rglob("*")]:
            path.chmod(0o755)


NOBODY = 65534


@pytest.mark.parametrize("archives_too", [False, True])
def test_read_only_folder_removes_nothing_and_says_one_line(open_home: Home, archives_too: bool) -> None:
    home = open_home
    home.write("a_telemetry.jsonl", lines(1000))
    home.write("session_old_state.json", {"a": 1}, age=8 * DAY)
    for n in range(7):
        home.write(f"archives/telemetry/a_telemetry.2026010{n + 1}T000000Z.jsonl", lines(3))
    user = 0 if os.geteuid() else NOBODY
    for path in [home.runtime, home.path, *home.path.rglob("*"), *home.runtime.rglob("*")]:
        if user:
            os.chown(path, user, user)
    if archives_too:
        home.path.joinpath("archives/telemetry").chmod(0o500)
    home.path.chmod(0o500)
    before = sorted(p for p in home.path.rglob("*") if p.is_file())
    answer, told = in_a_child(lambda: home.start(), user)
    assert answer == ""
    assert told.startswith("[memory_cleanup] ")
    assert told.count("\n") == 1
    assert sorted(p for p in home.path.rglob("*") if p.is_file() and not p.name.startswith(".")) == before


def test_links_are_not_followed_out_of_the_home(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a_telemetry.jsonl").write_bytes(lines(5000))
    (outside / "session_s_state.json").write_text(json.dumps({"tool_history": list(range(99))}))
    home = Home(tmp_path)
    for name in ("a_telemetry.jsonl", "session_s_state.json"):
        (home.path / name).symlink_to(outside / name)
    (home.path / "dangling_telemetry.jsonl").symlink_to(outside / "nothing")
    os.utime(home.path / "session_s_state.json", (1, 1), follow_symlinks=False)
    before = {p.name: p.read_bytes() for p in outside.iterdir()}
    assert home.start() == ""
    assert {p.name: p.read_bytes() for p in outside.iterdir()} == before
    assert home.archives() == []


@pytest.mark.parametrize("what", ["archives", "archives/telemetry"])
def test_linked_archive_folder_is_not_used(tmp_path: Path, what: str, capfd: Any) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    home = Home(tmp_path)
    home.write("a_telemetry.jsonl", lines(1000))
    (home.path / what).parent.mkdir(exist_ok=True)
    (home.path / what).symlink_to(outside)
    for n in range(9):
        (outside / f"a_telemetry.2026010{n}T000000Z.jsonl").write_bytes(b"{}\n")
    before = sorted(outside.rglob("*"))
    assert home.start() == ""
    assert home.names() == {"a_telemetry.jsonl"}
    assert sorted(outside.rglob("*")) == before
    assert "[memory_cleanup]" in capfd.readouterr().err
    assert sweep.archives_of(str(home.path)) == {}


def test_home_that_is_a_link_itself_is_not_used(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "a_telemetry.jsonl").write_bytes(lines(1000))
    home = Home(tmp_path)
    home.path.rmdir()
    home.path.symlink_to(real)
    home.start()
    assert [p.name for p in real.iterdir()] == ["a_telemetry.jsonl"]


def test_linked_session_folder_is_not_emptied(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.json").write_text("years")
    home = Home(tmp_path)
    (home.runtime / "sessions").mkdir()
    (home.runtime / "sessions" / "old").symlink_to(outside)
    for path in (outside / "thesis.json", outside, home.runtime / "sessions" / "old"):
        os.utime(path, (1, 1), follow_symlinks=False)
    home.start()
    assert (outside / "thesis.json").read_text() == "years"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1,2", b"\xff\xfe\x00", b'{"tool_history": [1,,2]}' * 30, b"null" * 90]
)
def test_session_file_that_is_not_json_is_left_alone(tmp_path: Path, data: bytes) -> None:
    home = Home(tmp_path)
    path = home.write("session_broken_state.json", data * 20, age=7200)
    home.write("a_telemetry.jsonl", lines(1000))
    assert "Archived 1 log file" in home.start()
    assert path.read_bytes() == data * 20


def test_unreadable_files_are_left_alone_and_the_others_are_done(open_home: Home) -> None:
    home = open_home
    home.write("fine_telemetry.jsonl", lines(1000))
    secret = home.write("secret_telemetry.jsonl", lines(1000))
    session = home.write("session_x_state.json", {"tool_history": list(range(99))}, age=7200)
    user = 0 if os.geteuid() else NOBODY
    for path in [home.runtime, home.path]:
        if user:
            os.chown(path, user, user)
    for path in (secret, session):
        path.chmod(0)
    said, told = in_a_child(lambda: home.start(), user)
    assert "Archived 1 log file" in said
    assert home.names() == {"secret_telemetry.jsonl", "session_x_state.json"}
    assert "secret_telemetry.jsonl: cannot be read" in told
    assert "Errno" not in told
    assert told.count("\n") == 1


def test_files_that_vanish_between_survey_and_sweep_are_no_fault(tmp_path: Path) -> None:
    home = Home(tmp_path)
    fill(home)
    planned = plan_of(home)
    (home.path / "a_telemetry.jsonl").unlink()
    (home.path / "session_old_state.json").unlink()
    (home.path / "session_long_state.json").unlink()
    report = carry_out(home, planned)
    assert report.errors == []
    assert [step.do for step in report.steps] == ["rotate"]


def test_files_of_the_runtime_folder_that_vanish_while_they_are_looked_at_are_no_fault(
    tmp_path: Path, mocker: Any, capfd: Any
) -> None:
    home = Home(tmp_path)
    home.start()
    whole = files.system.scandir

    class Listing(list):  # type: ignore[type-arg]
        """What `scandir` returns, with names of files that another session's start replaces at this moment."""

        def __init__(self, folder: str) -> None:
            gone = [Path(folder, name) for name in ("note.json", "note.json.12.tmp")]
            for path in gone:
                path.touch()
            super().__init__(whole(folder))
            for path in gone:
                path.unlink()

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *fault: object) -> None:
            self.clear()

    mocker.patch.object(files.system, "scandir", Listing)
    home.ahead = 2 * DAY
    home.start()
    assert capfd.readouterr().err == ""


def test_files_that_changed_between_survey_and_sweep_are_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    fill(home)
    planned = plan_of(home)
    (home.path / "a_telemetry.jsonl").unlink()
    new = home.write("a_telemetry.jsonl", b"new\n")
    old = home.write("session_old_state.json", {"tool_history": [2]})
    long = home.write("session_long_state.json", {"tool_history": list(range(90))})
    report = carry_out(home, planned)
    assert report.errors == []
    assert [step.do for step in report.steps] == ["rotate"]
    assert new.read_bytes() == b"new\n"
    assert json.loads(old.read_text()) == {"tool_history": [2]}
    assert json.loads(long.read_text()) == {"tool_history": list(range(90))}


def test_session_written_while_it_is_cut_keeps_what_was_written(tmp_path: Path, mocker: Any) -> None:
    home = Home(tmp_path)
    path = home.write("session_long_state.json", {"tool_history": list(range(80))}, age=7200)
    planned = plan_of(home)
    whole = disk.liken

    def interrupted(*arguments: Any) -> None:
        whole(*arguments)
        path.write_text('{"new": 1}')

    mocker.patch.object(disk, "liken", interrupted)
    report = carry_out(home, planned)
    assert report.steps == []
    assert path.read_text() == '{"new": 1}'
    assert not list(home.path.rglob("*.tmp"))


def test_filesystem_without_second_names_gets_a_copy_as_archive(tmp_path: Path, mocker: Any) -> None:
    home = Home(tmp_path)
    path = home.write("session_long_state.json", {"tool_history": list(range(80))}, age=7200)
    before = path.read_bytes()
    mocker.patch.object(files.system, "link", side_effect=OSError(95, "Operation not supported"))
    assert carry_out(home, plan_of(home)).facts()["shortened"] == 1
    (archive,) = home.archives("sessions")
    assert archive.read_bytes() == before
    assert len(json.loads(path.read_text())["tool_history"]) == 50


def test_compressed_file_that_does_not_read_back_costs_nothing(tmp_path: Path, mocker: Any) -> None:
    home = Home(tmp_path)
    home.write("a_telemetry.jsonl", lines(3000))
    carry_out(home, plan_of(home))
    whole = files.write_all

    def bad_disk(fd: int, data: bytes) -> None:
        whole(fd, bytes(data[:-4]) + b"zzzz" if len(data) > 100 else data)

    mocker.patch.object(archives.files, "write_all", bad_disk)
    assert len(archives.compress_all(str(home.path), float("inf"))) == 1
    (archive,) = home.archives()
    assert archive.read_bytes() == lines(3000)
    assert not list(home.path.rglob("*.tmp"))


def test_deadline_stops_within_a_file_and_the_next_time_goes_on(tmp_path: Path, mocker: Any) -> None:
    home = Home(tmp_path)
    home.write("a_telemetry.jsonl", lines(100_000))
    home.write("b_telemetry.jsonl", lines(1000))
    carry_out(home, plan_of(home))
    clock = iter([0.0, 1.0, 2.0, 3.0])
    mocker.patch.object(archives.time, "monotonic", side_effect=lambda: next(clock, 9.0))
    assert archives.compress_all(str(home.path), 3.0) == []
    assert not list(home.path.rglob("*.gz*"))
    mocker.stopall()
    assert archives.compress_all(str(home.path), float("inf")) == []
    assert [archive.suffix for archive in home.archives()] == [".gz", ".gz"]


def test_leftover_of_a_killed_compression_is_cleared_and_is_no_archive(tmp_path: Path) -> None:
    home = Home(tmp_path)
    name = f"archives/telemetry/a_telemetry.{MOMENT}.jsonl.gz.{2**22 + 7}.tmp"
    path = home.write(name, b"half", age=7200)
    (home.path / "archives").chmod(0o700)
    assert sweep.archives_of(str(home.path)) == {}
    home.start()
    assert not path.exists()


def test_child_outlives_the_start_and_finishes_the_work(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for n in range(3):
        home.write(f"{n}_telemetry.jsonl", lines(1000))
    assert "Archived 3 log files" in home.start()
    assert wait_for(lambda: [a.suffix for a in home.archives()] == [".gz"] * 3)
    assert wait_for(lambda: not list(home.path.rglob("*.tmp")))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child of ours is left behind


@pytest.mark.slow
def test_large_home_is_swept_by_the_child_and_said_at_the_next_start(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for n in range(1500):
        home.write(f"{n}_telemetry.jsonl", lines(1000) if n % 100 == 0 else b"{}\n")
    assert home.start() == ""
    assert wait_for(lambda: len(list(home.path.glob("archives/telemetry/*.gz"))) == 15)
    assert wait_for(lambda: list((home.runtime / "janitor").glob("*.said")))
    assert "Archived 15 log files" in home.start()
    assert home.start() == ""


def test_child_cannot_be_started_and_the_start_goes_on(tmp_path: Path, mocker: Any, capfd: Any) -> None:
    home = Home(tmp_path)
    home.write("a_telemetry.jsonl", lines(1000))
    mocker.patch.object(rounds.detached, "_fork", side_effect=OSError(11, "Resource temporarily unavailable"))
    assert "Archived 1 log file" in home.start()
    assert "background process: " in capfd.readouterr().err


LOADED = (
    session_start,
    ledger,
    rounds,
)  # before another user's process needs them from a folder it cannot read
