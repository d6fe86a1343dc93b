"""SessionStart on real files: each rule at its boundary and one past it, what is said, and what is left alone."""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from homes import DAY, Home, aged, lines, wait_for

from circuit_breaker.breaker import model
from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.janitor import archives, disk, notes, rounds, session_start
from circuit_breaker.runtime import hook, incidents, store


@pytest.fixture(params=[False, True], ids=["home apart", "home is the runtime folder"])
def home(tmp_path: Path, request: Any) -> Home:
    return Home(tmp_path, together=request.param)


@pytest.fixture(autouse=True)
def no_child(mocker: Any) -> Any:
    """What is left to the child is tested beside; here it must not run on."""
    return mocker.patch.object(rounds, "start_round")


def test_telemetry_of_999_lines_stays_and_of_1000_goes(home: Home) -> None:
    home.write("stays_telemetry.jsonl", lines(999))
    home.write("goes_telemetry.jsonl", lines(1000))
    home.write("open_end_telemetry.jsonl", lines(1000)[:-1])
    said = home.start()
    assert home.names() == {"stays_telemetry.jsonl"}
    assert [a.read_bytes() for a in home.archives("telemetry")] == [lines(1000), lines(1000)[:-1]]
    assert said.startswith("[memory_cleanup] Archived 2 log files (")
    assert "freed" not in said  # it is only moved
    assert "restore --list" in said


def test_telemetry_short_of_50_kb_stays_and_at_50_kb_goes(home: Home) -> None:
    home.write("stays_telemetry.jsonl", b"x" * (50 * 1024 - 1))
    home.write("goes_telemetry.jsonl", b"x" * (50 * 1024))
    home.start()
    assert home.names() == {"stays_telemetry.jsonl"}


def test_telemetry_goes_at_seven_days(home: Home) -> None:
    home.write("stays_telemetry.jsonl", b"{}\n", age=7 * DAY - 60)
    home.write("goes_telemetry.jsonl", b"{}\n", age=7 * DAY)
    home.start()
    assert home.names() == {"stays_telemetry.jsonl"}


def test_session_goes_at_seven_days_and_beyond_the_ten_newest(home: Home) -> None:
    for n in range(10):
        home.write(f"session_{n}_state.json", {"n": n}, age=2 * 3600 + n)
    home.write("session_eleventh_state.json", {"n": 11}, age=3 * DAY)
    home.start()
    assert home.names() == {f"session_{n}_state.json" for n in range(10)}
    home.write("session_9_state.json", {"n": 9}, age=7 * DAY)
    home.ahead = 5
    home.start()
    assert home.names() == {f"session_{n}_state.json" for n in range(9)}
    assert len(home.archives("sessions")) == 2


def test_archived_session_keeps_bytes_mode_and_time(home: Home) -> None:
    path = home.write("session_a_state.json", {"a": 1}, age=8 * DAY)
    path.chmod(0o640)
    before, data = path.stat(), path.read_bytes()
    home.start()
    (archive,) = home.archives("sessions")
    assert archive.read_bytes() == data
    assert (archive.stat().st_mode, archive.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


@pytest.mark.parametrize(("key", "most"), [("evidence_ledger", 100), ("tool_history", 50)])
def test_long_lists_are_cut_after_the_whole_file_was_archived(home: Home, key: str, most: int) -> None:
    fine = home.write("session_fine_state.json", {"x": 1.50, key: list(range(most))}, age=7200)
    long = home.write("session_long_state.json", {"z": 1.50, key: list(range(most + 1)), "a": [1]}, age=7200)
    long.chmod(0o604)
    whole, untouched, before = long.read_bytes(), fine.read_bytes(), long.stat()
    said = home.start()
    assert fine.read_bytes() == untouched
    assert json.loads(long.read_text()) == {"z": 1.5, key: list(range(1, most + 1)), "a": [1]}
    assert list(json.loads(long.read_text())) == ["z", key, "a"]
    assert (long.stat().st_mode, long.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    (archive,) = home.archives("sessions")
    assert archive.read_bytes() == whole
    assert archive.stat().st_mode == before.st_mode
    assert "Shortened 1 session file by 1 old entry (archived first)" in said
    assert not list(home.path.rglob("*.tmp"))


def test_five_rotations_are_kept_of_each_file(home: Home) -> None:
    for n in range(7):
        home.write("a_telemetry.jsonl", lines(1000) + b"%d\n" % n)
        home.ahead = 10.0 * n
        home.start()
    kept = [a.read_bytes().split(b"\n")[-2] for a in home.archives("telemetry")]
    assert kept == [b"2", b"3", b"4", b"5", b"6"]


def test_rotations_within_one_second_do_not_overwrite_each_other(home: Home, mocker: Any) -> None:
    mocker.patch("time.time", return_value=time.time())
    for n in range(3):
        home.write("a_telemetry.jsonl", lines(1000) + b"%d\n" % n)
        home.start()
    assert [a.read_bytes().split(b"\n")[-2] for a in home.archives("telemetry")] == [b"1", b"2", b"0"]
    assert [a.name.partition("Z")[2] for a in home.archives("telemetry")] == [
        "-02.jsonl",
        "-03.jsonl",
        ".jsonl",
    ]


def test_twenty_session_archives_are_kept(home: Home) -> None:
    for n in range(8, 23):
        home.write(f"archives/sessions/session_{n:02d}_state.20260101T{23 - n:06d}Z.json", {"n": n})
    (home.path / "archives").chmod(0o700)
    for n in range(8):
        home.write(f"session_{n:02d}_state.json", {"n": n}, age=8 * DAY + n)
    home.start()
    kept = sorted(json.loads(a.read_text())["n"] for a in home.archives("sessions"))
    assert kept == list(range(20))


def test_round_that_archives_more_than_the_limit_removes_none_of_it_for_a_week(home: Home) -> None:
    for n in range(50):
        home.write(f"session_{n:02d}_state.json", {"n": n}, age=8 * DAY + n)
    said = home.start()
    assert len(home.archives("sessions")) == 50
    assert said.startswith("[memory_cleanup] Archived 50 session files (")
    assert "30 archives beyond the limit will be removed after 7 days." in said
    for days in (1, 6.9):
        home.ahead = days * DAY
        home.write(f"session_{days}_state.json", {"n": 99}, age=8 * DAY)
        home.start()
        assert len(home.archives("sessions")) == 50 + (1 if days == 1 else 2)
    home.ahead = 7.1 * DAY
    assert "Removed 32 archives beyond the limit" in home.start()
    assert len(home.archives("sessions")) == 20


def test_running_session_and_what_was_written_within_the_hour_are_left_alone(home: Home) -> None:
    names = {
        "session_me_state.json": 30 * DAY,
        "session_busy_state.json": 3500.0,
        "me_telemetry.jsonl": 0.0,
    }
    for name, age in names.items():
        home.write(name, lines(2000) if "telemetry" in name else {"tool_history": list(range(99))}, age=age)
    before = {name: (home.path / name).read_bytes() for name in names}
    assert home.start(session="me", session_max_active=1) == ""
    assert {name: (home.path / name).read_bytes() for name in names} == before
    home.start(session="other", session_max_active=1)
    assert home.names() == {"session_busy_state.json"}
    assert (home.path / "session_busy_state.json").read_bytes() == before["session_busy_state.json"]
    home.ahead = 200
    home.start(session="other", session_max_active=1)
    assert json.loads((home.path / "session_busy_state.json").read_text()) == {
        "tool_history": list(range(49, 99))
    }


def test_published_state_config_and_foreign_files_are_never_touched(home: Home) -> None:
    for name in (
        "circuit_breaker_state.json",
        "circuit_breaker_config.json",
        "notes.md",
        "notes.2024.tmp",
        "a.jsonl",
    ):
        home.write(name, b"x" * 200_000, age=90 * DAY)
    home.start()
    assert {p.name for p in home.path.iterdir()} >= {
        "circuit_breaker_state.json",
        "circuit_breaker_config.json",
        "notes.md",
        "notes.2024.tmp",
        "a.jsonl",
    }
    assert home.archives() == []


def test_incidents_are_bounded_by_the_same_rules(home: Home) -> None:
    home.write("circuit_breaker_incidents.jsonl", lines(1000))
    home.start()
    assert home.names() == set()
    assert [a.name.split(".")[0] for a in home.archives("telemetry")] == ["circuit_breaker_incidents"]


def test_error_log_is_bounded_where_it_lies(home: Home) -> None:
    (home.runtime / "errors.log").write_bytes(lines(1000))
    home.start()
    assert not (home.runtime / "errors.log").exists()
    (archive,) = (home.runtime / "archives" / "telemetry").glob("errors.*.log")
    assert archive.read_bytes() == lines(1000)


def test_nothing_done_is_nothing_said(home: Home) -> None:
    home.write("a_telemetry.jsonl", lines(10))
    home.write("session_a_state.json", {"tool_history": [1]}, age=7200)
    assert home.start() == ""
    assert home.start() == ""
    assert not (home.path / "archives").exists()


def test_partial_limits_are_merged_with_the_defaults(home: Home) -> None:
    config = build([("project file", {"memory_limits": {"telemetry_max_lines": 10}})])
    home.write("a_telemetry.jsonl", lines(10))
    home.write("session_a_state.json", {"tool_history": list(range(51))}, age=7200)
    session_start.message("x", "startup", home.places, config, time.time())
    assert home.names() == {"session_a_state.json"}
    assert json.loads((home.path / "session_a_state.json").read_text()) == {
        "tool_history": list(range(1, 51))
    }


def test_limit_that_is_lowered_acts_at_the_next_start_on_files_known_to_be_fine(home: Home) -> None:
    home.write("a_telemetry.jsonl", lines(500), age=7200)
    home.start()
    home.start(telemetry_max_lines=500)
    assert home.names() == set()


def test_growth_is_noticed_at_the_next_start(home: Home) -> None:
    path = home.write("a_telemetry.jsonl", lines(999))
    home.start()
    with path.open("ab") as file:
        file.write(b"{}\n")
    home.start()
    assert home.names() == set()


def test_age_is_noticed_though_nothing_changed(home: Home) -> None:
    home.write("a_telemetry.jsonl", lines(3), age=7 * DAY - 3600)
    home.start()
    home.ahead = 3000
    home.start()
    assert home.names() == {"a_telemetry.jsonl"}
    home.ahead = 3700
    home.start()
    assert home.names() == set()


def test_clock_that_jumped_back_does_not_silence_the_rules(home: Home) -> None:
    home.ahead = 400 * DAY
    home.start()
    home.write("a_telemetry.jsonl", lines(1000))
    home.ahead = 0
    home.start()
    assert home.names() == set()


def test_disabled_plugin_leaves_files_alone(home: Home) -> None:
    home.write("a_telemetry.jsonl", lines(5000))
    assert home.start(enabled=False) == ""
    assert home.names() == {"a_telemetry.jsonl"}
    home.start()
    assert home.names() == set()


def test_config_is_made_once_with_the_defaults_and_never_rewritten(home: Home) -> None:
    home.start()
    path = home.path / "circuit_breaker_config.json"
    assert json.loads(path.read_text()) == DEFAULTS
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"mode": "observe"}')
    home.start()
    home.ahead = 2 * DAY
    home.start()
    assert path.read_text() == '{"mode": "observe"}'
    path.unlink()
    home.start()
    assert json.loads(path.read_text()) == DEFAULTS


def test_config_that_appears_meanwhile_is_not_overwritten(home: Home, mocker: Any) -> None:
    path = home.path / "circuit_breaker_config.json"
    whole = disk.create

    def slow(name: str, *steps: Any) -> None:
        path.write_text('{"mode": "observe"}')
        whole(name, *steps)

    mocker.patch.object(disk, "create", slow)
    home.start()
    assert path.read_text() == '{"mode": "observe"}'
    assert not list(home.path.glob("*.tmp"))


def test_interpreter_is_pinned_as_the_real_one(home: Home) -> None:
    home.start()
    pin = home.runtime / "python"
    assert pin.read_text() == os.path.realpath(sys._base_executable) + "\n"
    before = pin.stat().st_mtime_ns
    home.ahead = 2 * DAY
    home.start()
    assert pin.stat().st_mtime_ns == before
    pin.write_text("/nowhere/python\n")
    home.ahead = 4 * DAY
    home.start()
    assert pin.read_text() == os.path.realpath(sys._base_executable) + "\n"


def test_interpreter_inside_the_project_is_not_pinned(home: Home, mocker: Any) -> None:
    inside = home.project / "venv" / "python3"
    inside.parent.mkdir()
    inside.write_bytes(b"#!/bin/sh\n")
    inside.chmod(0o755)
    mocker.patch.object(sys, "_base_executable", str(inside))
    mocker.patch.object(sys, "executable", str(inside))
    home.start()
    assert not (home.runtime / "python").exists()


def test_old_sessions_are_forgotten_and_the_running_one_and_young_ones_are_not(home: Home) -> None:
    for name, age in {"old": 8 * DAY, "me": 8 * DAY, "young": 6 * DAY, "touched": 8 * DAY}.items():
        folder = home.runtime / "sessions" / name
        folder.mkdir(parents=True)
        for file in ("session.json", "main.json", "lock"):
            (folder / file).write_text("{}")
            aged(folder / file, age)
        if name == "touched":
            aged(folder / "main.json", 60)
        aged(folder, age)
    assert home.start(session="me") == ""  # nobody wrote it, nobody can miss it
    assert {p.name for p in (home.runtime / "sessions").iterdir()} == {"me", "young", "touched"}


def test_markers_without_a_session_go_and_others_stay(home: Home) -> None:
    armed = home.runtime / "armed"
    armed.mkdir()
    (home.runtime / "sessions" / "lives").mkdir(parents=True)  # an event a moment ago
    for name, text in {
        "lives": "lives/main.json\n",
        "gone": "gone/main.json\n",
        "me": "me/main.json\n",
        "_any": "~abc/main.json\n",
    }.items():
        (armed / name).write_text(text)
        aged(armed / name, 7200)
    (armed / "fresh").write_text("fresh/main.json\n")
    home.start(session="me")
    assert {p.name for p in armed.iterdir()} == {"lives", "me", "fresh"}


def test_session_without_events_for_an_hour_is_no_longer_open_unless_it_runs(
    home: Home, tmp_path: Path, mocker: Any
) -> None:
    mocker.patch.dict(os.environ, {"CLAUDE_CONFIG_DIR": str(tmp_path / "claude")})
    (tmp_path / "claude" / "sessions").mkdir(parents=True)
    (tmp_path / "claude" / "sessions" / f"{os.getpid()}.json").write_text('{"sessionId": "idle"}')
    opened = Lane(circuits={"tool_failure:Bash make": open_circuit()})
    for name in ("quiet", "busy", "idle", "me"):
        folder = home.runtime / "sessions" / name
        folder.mkdir(parents=True)
        (folder / "session.json").write_bytes(store.encode(Session(home=str(home.path))))
        (folder / "main.json").write_bytes(store.encode(opened))
        (home.runtime / "armed").mkdir(exist_ok=True)
        (home.runtime / "armed" / name).write_text(f"{name}/main.json\n")
    incidents.publish(home.places)
    home.start(session="me")
    assert open_sessions(home) == {"quiet", "busy", "idle", "me"}
    for name in ("quiet", "busy", "idle", "me"):
        aged(home.runtime / "armed" / name, 3700)
        aged(home.runtime / "sessions" / name, 3700 if name != "busy" else 3500)
    home.start(session="me")
    assert open_sessions(home) == {"busy", "idle", "me"}
    assert (home.runtime / "sessions" / "quiet" / "main.json").exists()  # it may still go on


def test_session_that_is_forgotten_leaves_the_published_state(home: Home) -> None:
    folder = home.runtime / "sessions" / "old"
    folder.mkdir(parents=True)
    (folder / "session.json").write_bytes(store.encode(Session(home=str(home.path))))
    (folder / "main.json").write_bytes(
        store.encode(Lane(circuits={"tool_failure:Bash make": open_circuit()}))
    )
    (home.runtime / "armed").mkdir()
    (home.runtime / "armed" / "old").write_text("old/main.json\n")
    incidents.publish(home.places)
    for path in (*folder.iterdir(), folder, home.runtime / "armed" / "old"):
        aged(path, 40 * 86_400)
    home.start(session="me")
    assert not folder.exists() and open_sessions(home) == set()


def test_state_that_cannot_be_published_leaves_nothing_else_undone(home: Home) -> None:
    folder = home.runtime / "sessions" / "old"
    folder.mkdir(parents=True)
    (folder / "session.json").write_bytes(store.encode(Session(home=str(home.path))))
    (home.runtime / "armed").mkdir()
    (home.runtime / "armed" / "old").write_text("old/main.json\n")
    incidents.publish(home.places)
    (home.path / ".publish.lock").unlink()
    (home.path / ".publish.lock").mkdir()
    for path in (*folder.iterdir(), folder, home.runtime / "armed" / "old"):
        aged(path, 40 * 86_400)
    home.start(session="me")
    assert not folder.exists()
    assert [*(home.runtime / "janitor").glob("*.json")]  # the note of a round that was finished


def open_circuit() -> model.Circuit:
    return model.Circuit(rule="tool_failure", subject="Bash make", state=model.OPEN, opened_at=time.time())


def open_sessions(home: Home) -> set[str]:
    published = json.loads((home.path / "circuit_breaker_state.json").read_text())
    armed = {path.name for path in (home.runtime / "armed").iterdir()}
    assert {row["session"] for row in published["circuits"]} == armed
    return armed


def test_scraps_of_killed_processes_go_and_those_of_living_ones_stay(home: Home) -> None:
    dead, alive = 2**22 + 5, os.getpid()  # beyond what Linux gives out
    kept = []
    for folder in (home.path, home.runtime, home.runtime / "armed", home.runtime / "janitor"):
        folder.mkdir(exist_ok=True)
        for process, age in ((dead, 7200), (alive, 7200), (dead + 1, 10)):
            path = folder / f"circuit_breaker_state.json.{process}.tmp"
            path.write_text("{")
            aged(path, age)
            kept += [] if process == dead else [path]
    home.write("a_telemetry.jsonl", lines(1000))
    said = home.start()
    assert sorted(p for p in home.runtime.parent.rglob("*.tmp")) == sorted(set(kept))
    assert f"cleared {3 if home.path == home.runtime else 4} temporary files of killed processes" in said


def test_weakening_config_of_a_project_is_said_at_each_start(home: Home) -> None:
    config = build(
        [("project file", {"mode": "observe", "circuit_breakers": {"tool_failure": {"enabled": False}}})]
    )
    for _ in range(2):
        answer = session_start.message("x", "startup", home.places, config, time.time())
        assert "mode = 'observe'" in answer
        assert "circuit_breakers.tool_failure.enabled = false" in answer


def test_what_a_child_did_is_said_once(home: Home) -> None:
    home.start()
    path = Path(notes.note_path(home.places, notes.REPORT))
    path.write_text("[memory_cleanup] Archived 3 log files (9 KB): 9 KB freed.\n")
    assert home.start() == "[memory_cleanup] Archived 3 log files (9 KB): 9 KB freed."
    assert home.start() == ""


def test_large_home_is_left_to_a_child_and_the_foreground_does_nothing(home: Home, no_child: Any) -> None:
    for n in range(notes.SMALL + 1):
        home.write(f"{n}_telemetry.jsonl", b"x" * 60_000 if n % 50 == 0 else b"{}\n")
    assert home.start() == ""
    assert len(home.names()) == notes.SMALL + 1
    no_child.assert_called_once()


def test_many_session_files_to_be_cut_are_left_to_a_child(home: Home, no_child: Any) -> None:
    for n in range(21):
        home.write(f"session_{n}_state.json", {"tool_history": list(range(60))}, age=7200)
    assert home.start(session_max_active=0) == ""
    no_child.assert_called_once()
    assert home.archives() == []


def test_note_about_a_home_that_nobody_visits_is_forgotten(home: Home) -> None:
    home.start()
    old = home.runtime / "janitor" / "-somewhere-else-1234.json"
    old.write_text("{}")
    aged(old, 31 * DAY)
    home.ahead = 2 * DAY
    home.start()
    assert not old.exists()


def of_clean(home: Home, days: float, kind: str = "transcripts") -> Path:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - days * DAY))
    path = home.runtime / "archives" / "claude" / f"{kind}.{moment}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 2048)
    return path


def test_archives_of_clean_go_after_their_days_and_it_is_said(home: Home) -> None:
    old, young = of_clean(home, 90), of_clean(home, 89.9)
    other = old.with_name("notes.tar.gz")
    other.write_bytes(b"")
    said = home.start()
    assert said == "[memory_cleanup] Removed 1 archive of `clean` (see archive_keep_days): 2.0 KB freed."
    assert not old.exists()
    assert young.exists() and other.exists()
    assert home.start() == ""
    home.ahead = 0.2 * DAY
    assert "Removed 1 archive of `clean`" in home.start()
    assert not young.exists()


def test_archives_of_clean_are_kept_for_ever_at_zero_days(home: Home) -> None:
    old = of_clean(home, 4000)
    assert home.start(archive_keep_days=0) == ""
    assert old.exists()
    assert "Removed 1 archive" in home.start(archive_keep_days=30)


def test_payload_without_a_usable_session_id_is_no_obstacle(home: Home) -> None:
    for payload in ({}, {"session_id": None}, {"session_id": 5}, {"session_id": ""}):
        home.write("a_telemetry.jsonl", lines(1000))
        session, source, _ = hook.started(payload)
        session_start.message(session, source, home.places, home.config(), time.time() + home.ahead)
        home.ahead += 5
    assert len(home.archives("telemetry")) == 4


def test_compression_keeps_bytes_mode_and_time_and_removes_the_plain_file(home: Home) -> None:
    data = lines(5000)
    path = home.write("a_telemetry.jsonl", data, age=3600)
    path.chmod(0o640)
    before = path.stat()
    home.start()
    assert archives.compress_all(str(home.path), time.monotonic() + 60) == []
    (archive,) = home.archives("telemetry")
    assert archive.name.startswith("a_telemetry.20")
    assert archive.name.endswith("Z.jsonl.gz")
    assert gzip.decompress(archive.read_bytes()) == data
    assert (archive.stat().st_mode, archive.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_folders_of_archives_are_private(home: Home) -> None:
    home.write("a_telemetry.jsonl", lines(1000))
    home.start()
    for folder in ("archives", "archives/telemetry", "archives/sessions"):
        assert (home.path / folder).stat().st_mode & 0o777 == 0o700


def test_child_is_asked_for_only_when_something_waits(home: Home, no_child: Any) -> None:
    home.start()
    no_child.assert_not_called()
    home.write("a_telemetry.jsonl", lines(1000))
    home.start()
    no_child.assert_called_once()
    assert wait_for(lambda: home.archives("telemetry"))
