"""Sweeping and restoring by hand: the plan, the deed, and the way back byte for byte."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import shared
from homes import DAY, Home, aged, lines, wait_for

from circuit_breaker import memory_cleanup
from circuit_breaker.janitor.archives import restore_file
from circuit_breaker.runtime import files

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*fork.*:DeprecationWarning"
)  # the test runner has threads, a hook has none


class Plugin:
    """`python3 plugin VERB` on a home of its own."""

    def __init__(self, base: Path) -> None:
        self.home = Home(base, together=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "CIRCUIT_BREAKER_HOME": str(self.home.path),
            "CLAUDE_PROJECT_DIR": str(self.home.project),
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "plugin"), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["schema"] == 1
        return document

    def listed(self) -> list[str]:
        return [row["archive"] for row in self.json("restore", "--list")["archives"]]


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def fill(home: Home) -> None:
    home.write("a_telemetry.jsonl", lines(1000))
    home.write("b_telemetry.jsonl", lines(3))
    home.write("session_old_state.json", {"a": 1}, age=8 * DAY)
    home.write("session_long_state.json", {"tool_history": list(range(80))}, age=7200)
    home.write("circuit_breaker_state.json.4194399.tmp", b"{", age=7200)
    folder = home.runtime / "sessions" / "gone"
    folder.mkdir(parents=True)
    aged(folder, 9 * DAY)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_dry_run_says_what_why_and_where_to_and_changes_nothing(plugin: Plugin) -> None:
    fill(plugin.home)
    before = snapshot(plugin.home.path)
    done = plugin("sweep", "--dry-run")
    assert done.returncode == 0
    said = done.stdout
    assert "a_telemetry.jsonl: 1,000 lines (limit 1000) -> telemetry/a_telemetry.20" in said
    assert (
        "session_old_state.json: last written 8 days ago (limit 7) -> sessions/session_old_state.20" in said
    )
    assert (
        "session_long_state.json: tool_history has 80 entries (limit 50) -> sessions/session_long_state.20"
        in said
    )
    assert "circuit_breaker_state.json.4194399.tmp: left behind by a process that was killed" in said
    assert "sessions/gone: last written 9 days ago (limit 7)" in said
    assert "b_telemetry.jsonl" not in said
    assert snapshot(plugin.home.path) == before


def test_sweep_does_what_the_dry_run_said(plugin: Plugin) -> None:
    fill(plugin.home)
    wanted = plugin.json("sweep", "--dry-run")
    assert wanted["dry_run"] is True
    done = plugin.json("sweep")
    named = [(row["do"], row["file"], row["reason"]) for row in wanted["actions"]]
    assert [(row["do"], row["file"], row["reason"]) for row in done["actions"]] == named
    assert {row["do"] for row in done["actions"]} == {"rotate", "archive", "cut", "clear", "forget"}
    assert (done["rotated"], done["archived"], done["shortened"], done["cleared"], done["forgotten"]) == (
        1,
        1,
        1,
        1,
        1,
    )
    assert done["errors"] == []
    assert plugin.home.names() == {"b_telemetry.jsonl", "session_long_state.json"}
    assert [a.suffix for a in plugin.home.archives()] == [".gz"] * 3
    assert plugin("sweep").stdout == f"Nothing to do in {plugin.home.path}.\n"


def test_sweep_says_in_words_what_it_did(plugin: Plugin) -> None:
    fill(plugin.home)
    said = plugin("sweep").stdout.splitlines()[-1]
    assert said.startswith("[memory_cleanup] Archived 1 log file and 1 session file (")
    assert "shortened 1 session file by 30 old entries (archived first)" in said


def test_prunings_are_in_the_plan_with_their_reason(plugin: Plugin) -> None:
    for n in range(6):
        plugin.home.write(
            f"archives/telemetry/a_telemetry.2026010{n + 1}T000000Z.jsonl.gz", gzip.compress(b"{}\n")
        )
    actions = plugin.json("sweep", "--dry-run")["actions"]
    assert [(a["do"], a["file"], a["reason"]) for a in actions] == [
        ("prune", "telemetry/a_telemetry.20260101T000000Z.jsonl", "6 archives (limit 5)")
    ]


def test_round_trip_is_byte_for_byte_with_its_mode(plugin: Plugin) -> None:
    noise = os.urandom(200_000)
    files = {"a_telemetry.jsonl": noise, "session_x_state.json": b'{"a": 1.50}\r\n\xc3\xa9'}
    for name, data in files.items():
        plugin.home.write(name, data, age=8 * DAY).chmod(0o640)
    plugin("sweep")
    assert plugin.home.names() == set()
    for archive in plugin.listed():
        assert archive.endswith(".gz")
        done = plugin("restore", archive)
        assert done.returncode == 0, done.stderr
    for name, data in files.items():
        assert (plugin.home.path / name).read_bytes() == data
        assert (plugin.home.path / name).stat().st_mode & 0o777 == 0o640
    assert len(plugin.home.archives()) == 2
    plugin("sweep")
    assert "session_x_state.json" in plugin.home.names()  # not archived again at once because of its old age


def test_name_is_good_before_and_after_its_compression(plugin: Plugin) -> None:
    name = "a_telemetry.20260101T000000Z.jsonl"
    plugin.home.write(f"archives/telemetry/{name}", lines(5))
    assert plugin.listed() == [name + ".gz"]
    assert plugin("restore", name + ".gz").returncode == 0
    assert (plugin.home.path / "a_telemetry.jsonl").read_bytes() == lines(5)


def test_existing_file_is_never_overwritten(plugin: Plugin) -> None:
    plugin.home.write("archives/telemetry/a_telemetry.20260101T000000Z.jsonl.gz", gzip.compress(b"old\n"))
    there = plugin.home.write("a_telemetry.jsonl", b"new\n")
    done = plugin("restore", "a_telemetry.20260101T000000Z.jsonl.gz")
    assert done.returncode == 1
    assert f"{there} exists and is not overwritten. Move it away first" in done.stderr
    assert there.read_bytes() == b"new\n"
    there.unlink()
    there.symlink_to(plugin.home.path / "nowhere")
    assert plugin("restore", "a_telemetry.20260101T000000Z.jsonl.gz").returncode == 1
    assert not (plugin.home.path / "nowhere").exists()


@pytest.mark.parametrize("harm", ["cut", "flip", "tail", "empty"])
def test_damaged_archive_restores_nothing(plugin: Plugin, harm: str) -> None:
    whole = gzip.compress(lines(2000))
    data = {
        "cut": whole[:-20],
        "flip": whole[:100] + bytes([whole[100] ^ 255]) + whole[101:],
        "tail": whole + b"more",
        "empty": b"",
    }[harm]
    plugin.home.write("archives/telemetry/a_telemetry.20260101T000000Z.jsonl.gz", data)
    done = plugin("restore", "a_telemetry.20260101T000000Z.jsonl.gz")
    assert done.returncode == 1
    assert "Nothing was written." in done.stderr
    assert "Traceback" not in done.stderr
    assert plugin.home.names() == set()


def test_two_restores_at_once_give_no_file_the_bytes_of_another(tmp_path: Path) -> None:
    one, other = (f"{tmp_path}/{'x' * 60}{n}" for n in "ab")  # whose temporary names are the same
    half, over = threading.Event(), threading.Event()

    def first() -> Iterator[bytes]:
        yield b"one"
        half.set()
        over.wait(10)

    def second() -> Iterator[bytes]:
        yield b"other"
        over.set()
        ended.exception(10)

    with ThreadPoolExecutor() as pool:
        ended = pool.submit(restore_file, one, first(), lambda path: None)
        half.wait(10)
        with contextlib.suppress(OSError):
            restore_file(other, second(), lambda path: None)
    assert isinstance(ended.exception(), OSError)
    assert {path.read_bytes() for path in tmp_path.iterdir()} <= {b"other"}


@pytest.mark.parametrize("name", ["nothing", "../../etc/passwd", "a_telemetry.jsonl", ""])
def test_unknown_archive_is_refused_with_a_way_on(plugin: Plugin, name: str) -> None:
    plugin.home.write("a_telemetry.jsonl", lines(1))
    done = plugin("restore", name)
    assert done.returncode == (1 if name else 2)
    assert "--list" in done.stderr


def test_archives_are_listed_newest_first_with_their_sizes(plugin: Plugin) -> None:
    assert plugin("restore", "--list").stdout == f"No archives in {plugin.home.path}/archives.\n"
    for day in (1, 3, 2):
        plugin.home.write(f"archives/telemetry/a_telemetry.2026010{day}T000000Z.jsonl.gz", b"x" * 2048)
    said = plugin("restore", "--list").stdout.splitlines()
    assert [line.split()[-1][:22] for line in said[:3]] == [
        f"a_telemetry.2026010{day}T0" for day in (3, 2, 1)
    ]
    assert "2.0 KB" in said[0]


def test_error_log_goes_back_where_it_came_from(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path)
    plugin.env["CLAUDE_PROJECT_DIR"] = str(tmp_path / "project")
    del plugin.env["CIRCUIT_BREAKER_HOME"]
    plugin.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    runtime = tmp_path / "state" / "claude-circuit-breaker"
    runtime.mkdir(parents=True, mode=0o700)
    (runtime / "errors.log").write_bytes(lines(1000))
    plugin("sweep")
    assert not (runtime / "errors.log").exists()
    (name,) = plugin.listed()
    assert plugin("restore", name).returncode == 0
    assert (runtime / "errors.log").read_bytes() == lines(1000)


def test_sweep_beside_another_one_says_so(plugin: Plugin) -> None:
    plugin.home.write("a_telemetry.jsonl", lines(1000))
    (plugin.home.path / "archives").mkdir(mode=0o700)
    with files.Lock(f"{plugin.home.path}/archives/.sweep.lock"):
        done = plugin("sweep")
    assert done.returncode == 1
    assert "another process is sweeping" in done.stderr
    assert plugin.home.names() == {"a_telemetry.jsonl"}


def test_running_session_is_spared_by_hand_too(plugin: Plugin) -> None:
    plugin.home.write("session_me_state.json", {"a": 1}, age=9 * DAY)
    plugin.env["CLAUDE_CODE_SESSION_ID"] = "me"
    plugin("sweep")
    assert plugin.home.names() == {"session_me_state.json"}


def test_failure_is_exit_1_and_a_sentence(plugin: Plugin, tmp_path: Path) -> None:
    plugin.home.write("a_telemetry.jsonl", lines(1000))
    (plugin.home.path / "archives").symlink_to(tmp_path)
    done = plugin("sweep")
    assert done.returncode == 1
    assert "sweep: " in done.stderr
    assert "Traceback" not in done.stderr
    assert plugin.home.names() == {"a_telemetry.jsonl"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_sweep_shows_how_far_it_is_and_leaves_no_trace_of_it(mocker: Any) -> None:
    terminal = mocker.patch.object(sys, "stderr", Terminal())
    clock = mocker.patch.object(shared.time, "monotonic", return_value=100.0)
    progress = shared.Progress()
    for seconds, shown in ((100.9, False), (101.1, True), (101.15, False), (101.3, True)):
        clock.return_value = seconds
        before = len(terminal.getvalue())
        progress("a_telemetry.jsonl")
        assert (len(terminal.getvalue()) > before) is shown
    assert "a_telemetry.jsonl" in terminal.getvalue()
    progress.end()
    assert terminal.getvalue().endswith("\r\x1b[K")
    progress("sending ...", at_once=True)  # a step that is long in itself
    assert terminal.getvalue().endswith("sending ...")


def test_progress_is_for_terminals_only(mocker: Any) -> None:
    pipe = mocker.patch.object(sys, "stderr", io.StringIO())
    mocker.patch.object(shared, "SHOW_AFTER", -1.0)
    progress = shared.Progress()
    progress("a_telemetry.jsonl")
    progress.end()
    assert pipe.getvalue() == ""


def test_old_names_still_do_their_work(plugin: Plugin, mocker: Any) -> None:
    mocker.patch.dict(os.environ, plugin.env)
    fill(plugin.home)
    names = memory_cleanup.rotate_all_telemetry()
    assert [name.split(".")[0] for name in names] == ["a_telemetry"]
    assert plugin.home.names() >= {"session_old_state.json", "session_long_state.json", "b_telemetry.jsonl"}
    assert wait_for(lambda: [p.name for p in plugin.home.archives()] == names)
    said = memory_cleanup.auto_cleanup_on_startup()
    assert said.startswith("[memory_cleanup] Archived 1 session file")
    assert plugin.home.names() == {"session_long_state.json", "b_telemetry.jsonl"}
    assert memory_cleanup.auto_cleanup_on_startup() == ""
    assert memory_cleanup.rotate_all_telemetry() == []


def test_rotating_telemetry_removes_no_archive_of_a_session(plugin: Plugin, mocker: Any) -> None:
    mocker.patch.dict(os.environ, plugin.env)
    fill(plugin.home)
    archives = plugin.home.path / "archives"
    of = {
        "telemetry": "a_telemetry.{}.jsonl.gz",
        "sessions": "session_a_state.{}.json.gz",
        "claude": "todos.{}.tar.gz",
    }
    for folder, name in of.items():
        (archives / folder).mkdir(parents=True, exist_ok=True)
        for minute in range(60):
            (archives / folder / name.format(f"20250101T00{minute:02}00Z")).write_bytes(b"x")
    memory_cleanup.rotate_all_telemetry()
    left = {folder: len(list((archives / folder).glob("*20250101*"))) for folder in of}
    assert left["telemetry"] < 60 and (left["sessions"], left["claude"]) == (60, 60)


def test_old_names_never_raise(tmp_path: Path, mocker: Any, capfd: Any) -> None:
    mocker.patch.dict(os.environ, {"CIRCUIT_BREAKER_HOME": "relative"})
    assert memory_cleanup.auto_cleanup_on_startup() == ""
    assert memory_cleanup.rotate_all_telemetry() == []
    (tmp_path / "file").touch()
    mocker.patch.dict(os.environ, {"CIRCUIT_BREAKER_HOME": str(tmp_path / "file")})
    assert memory_cleanup.auto_cleanup_on_startup() == ""
    assert memory_cleanup.rotate_all_telemetry() == []
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 4
    assert all(line.startswith("[memory_cleanup] ") for line in told)


def test_sweep_by_hand_and_the_child_of_a_start_may_meet(plugin: Plugin) -> None:
    for n in range(5):
        plugin.home.write(f"{n}_telemetry.jsonl", lines(2000))
    plugin.home.start()
    assert plugin("sweep").returncode == 0
    assert wait_for(lambda: [a.suffix for a in plugin.home.archives()] == [".gz"] * 5)
