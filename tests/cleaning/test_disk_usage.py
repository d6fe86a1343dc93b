"""The measure of what we keep and of what Claude Code keeps: true, largest first, and never a change."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from homes import DAY, Home, aged, lines

from circuit_breaker.cleaning import claude_code, disk_usage, inventory
from circuit_breaker.runtime import claude_folder, files


def facts(home: Home, **limits: int) -> dict[str, Any]:
    return disk_usage.memory_facts(home.places, home.config(**limits))


def surveyed(folder: Path, seconds: float = 60.0) -> inventory.Inventory:
    return inventory.survey(str(folder), None, int, time.monotonic() + seconds)


def report(home: Home, plain: bool = True, **limits: int) -> str:
    return disk_usage.memory_report(facts(home, **limits), home.places, time.time(), plain)


def test_own_use_is_counted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write("a_telemetry.jsonl", lines(10))
    home.write("b_telemetry.jsonl", lines(4000))
    home.write("circuit_breaker_incidents.jsonl", lines(7))
    home.write("session_a_state.json", {"a": 1})
    home.write("archives/telemetry/a_telemetry.20260101T000000Z.jsonl.gz", b"x" * 100)
    home.write("archives/sessions/session_b_state.20260101T000000Z.json.gz", b"x" * 11)
    (home.runtime / "sessions" / "s").mkdir(parents=True)
    (home.runtime / "sessions" / "s" / "main.json").write_bytes(b"x" * 13)
    found = facts(home)
    assert found["telemetry_files"] == 2
    assert found["telemetry_lines"] == 4010
    assert found["session_files"] == 1
    assert (found["archive_bytes"], found["telemetry_archives"], found["session_archives"]) == (111, 1, 1)
    assert found["total_bytes"] == sum(p.stat().st_size for p in home.path.rglob("*") if p.is_file())
    assert (found["runtime_bytes"], found["runtime_sessions"]) == (13, 1)
    assert found["limits"] == home.config().memory_limits
    json.dumps(found)


def test_archives_of_clean_are_listed_the_newest_first(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = home.runtime / "archives" / "claude"
    folder.mkdir(parents=True)
    for name, size in (("debug-logs.20260101T000000Z", 2048), ("transcripts.20260301T000000Z", 4096)):
        (folder / f"{name}.tar.gz").write_bytes(b"x" * size)
    found = facts(home)
    assert [(row["archive"], row["bytes"]) for row in found["clean_archives"]] == [
        ("transcripts.20260301T000000Z.tar.gz", 4096),
        ("debug-logs.20260101T000000Z.tar.gz", 2048),
    ]
    text = report(home)
    assert (
        "archives of clean  6.0 KB, removed after 90 days: transcripts.20260301T000000Z.tar.gz (4.0 KB), "
        "debug-logs.20260101T000000Z.tar.gz (2.0 KB)"
    ) in text
    kept = report(home, archive_keep_days=0)
    assert "kept for ever" in kept


def test_warnings_begin_at_eighty_percent(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write("lines79_telemetry.jsonl", lines(799))
    home.write("lines80_telemetry.jsonl", lines(800))
    home.write("kb79_telemetry.jsonl", b"x" * (40 * 1024 - 1))
    home.write("kb80_telemetry.jsonl", b"x" * (40 * 1024))
    home.write("days79_telemetry.jsonl", b"{}\n", age=5.5 * DAY)
    home.write("days80_telemetry.jsonl", b"{}\n", age=5.61 * DAY)
    for n in range(7):
        home.write(f"session_{n}_state.json", {})
    told = "\n".join(facts(home)["warnings"])
    assert "lines80_telemetry.jsonl: 800 of 1000 lines (80%)" in told
    assert "kb80_telemetry.jsonl: 40.0 KB of 50 KB (80%)" in told
    assert "days80_telemetry.jsonl: last written 5.6 days ago, archived at 7 days (80%)" in told
    assert "79_" not in told
    assert "session files" not in told
    home.write("session_8_state.json", {})
    assert "session files: 8 of 10 (80%)" in facts(home)["warnings"]
    assert not any("lines" in text for text in facts(home, telemetry_max_lines=0)["warnings"])


def test_home_that_is_not_there_or_no_folder_is_empty(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.path.rmdir()
    assert facts(home)["total_bytes"] == 0
    home.path.write_text("a file")
    assert facts(home)["telemetry_files"] == 0
    assert facts(home)["unreadable"]


ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def host(base: Path) -> Path:
    folder = base / "claude"
    for name, size, age in (
        (f"projects/-big/{ONE}.jsonl", 9000, 40 * DAY),
        (f"projects/-big/{ONE}/subagents/agent-1.jsonl", 500, DAY),
        (f"projects/-big/{ONE}/tool-results/x.txt", 700, DAY),
        (f"projects/-small/{TWO}.jsonl", 1000, DAY),
        ("file-history/s/a@v1", 4000, DAY),
        ("shell-snapshots/snap.sh", 30, DAY),
        ("plugins/cache/m/p/1.0/big.bin", 2000, DAY),
        ("todos/t.json", 20, DAY),
        ("debug/d.txt", 10, DAY),
        ("history.jsonl", 50, DAY),
        ("something-new/x", 60, DAY),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        aged(path, age)
    return folder


def test_what_the_host_keeps_is_told_by_kind_and_project_biggest_first(tmp_path: Path) -> None:
    folder = host(tmp_path)
    found = disk_usage.claude_code_facts(surveyed(folder), str(tmp_path / "project"))
    assert [(row["name"], row["bytes"], row["files"]) for row in found["kinds"]] == [
        ("transcripts", 10_000, 2),
        ("file-history", 4000, 1),
        ("plugin-caches", 2000, 1),
        ("tool-results", 700, 1),
        ("subagent-transcripts", 500, 1),
        ("something-new", 60, 1),
        ("prompt history", 50, 1),
        ("shell-snapshots", 30, 1),
        ("todos", 20, 1),
        ("debug-logs", 10, 1),
    ]
    assert [(row["name"], row["bytes"]) for row in found["projects"]] == [("-big", 10_200), ("-small", 1000)]
    assert (found["bytes"], found["files"], found["complete"]) == (17_370, 11, True)
    assert round((time.time() - found["kinds"][0]["oldest"]) / DAY) == 40


def test_links_are_counted_as_links(tmp_path: Path) -> None:
    folder = host(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "huge").write_bytes(b"x" * 10**6)
    (folder / "projects" / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    assert disk_usage.claude_code_facts(surveyed(folder), "/nowhere")["bytes"] < 18_500


def test_measuring_stops_at_its_deadline_and_says_so(tmp_path: Path, mocker: Any) -> None:
    folder = host(tmp_path)
    found = disk_usage.claude_code_facts(surveyed(folder, -1.0), "/nowhere")
    assert found["complete"] is False
    home = Home(tmp_path)
    mocker.patch.object(disk_usage, "SECONDS", -1.0)
    mocker.patch.dict(os.environ, {"CLAUDE_CONFIG_DIR": str(folder)})
    assert "too large to measure" in report(home)


def test_cleanup_period_is_the_one_that_counts(tmp_path: Path, mocker: Any) -> None:
    folder, project = host(tmp_path), tmp_path / "project"
    (project / ".claude").mkdir(parents=True)
    assert claude_code.cleanup_days(str(folder), str(project)) == (30, "")
    (folder / "settings.json").write_text('{"cleanupPeriodDays": 99}')
    assert claude_code.cleanup_days(str(folder), str(project)) == (99, str(folder / "settings.json"))
    (project / ".claude" / "settings.json").write_text('{"cleanupPeriodDays": 5}')
    assert claude_code.cleanup_days(str(folder), str(project))[0] == 5
    (project / ".claude" / "settings.local.json").write_text("{broken")
    assert claude_code.cleanup_days(str(folder), str(project))[0] == 5
    theirs = tmp_path / "managed-settings.json"
    theirs.write_text('{"cleanupPeriodDays": 365}')
    mocker.patch.object(claude_folder, "managed_settings", return_value=[str(theirs)])
    assert claude_code.cleanup_days(str(folder), str(project)) == (365, str(theirs))


def test_report_changes_nothing_and_names_both_parts(tmp_path: Path, mocker: Any) -> None:
    folder, home = host(tmp_path), Home(tmp_path)
    home.write("a_telemetry.jsonl", lines(900))
    mocker.patch.dict(os.environ, {"CLAUDE_CONFIG_DIR": str(folder)})
    before = {str(p): p.lstat().st_mtime_ns for p in tmp_path.rglob("*")}
    text = report(home, plain=False)
    assert {str(p): p.lstat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    assert "a_telemetry.jsonl: 900 of 1000 lines (90%)" in text
    assert "KEPT BY CLAUDE CODE (only measured; nothing here is changed unless you run `clean`)" in text
    assert "cleanupPeriodDays 30 (its default)" in text
    assert text.index("transcripts ") < text.index("file-history ")
    plain = report(home)
    assert plain.isascii()
    assert max(map(len, text.splitlines())) < 120 + len(str(tmp_path))


def test_folders_of_another_user_count_as_nothing(tmp_path: Path, mocker: Any) -> None:
    home = Home(tmp_path)
    for name in ("sessions/s", "armed", "archives/claude"):
        (home.runtime / name).mkdir(parents=True)
    (home.path / "archives" / "telemetry").mkdir(parents=True)
    away = PermissionError(13, "Permission denied")
    mocker.patch.object(files.system, "scandir", side_effect=away)
    mocker.patch.object(files.system, "listdir", side_effect=away)
    found = facts(home)
    assert (found["runtime_sessions"], found["runtime_bytes"], found["clean_archives"]) == (0, 0, [])
    assert found["unreadable"]
