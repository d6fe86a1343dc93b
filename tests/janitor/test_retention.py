"""The rules of memory protection: at each limit, and just short of it."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.janitor import retention
from circuit_breaker.janitor.retention import Archive, Sweep

NOW = 1_790_000_000.0
DAY, HOUR = 86400.0, 3600.0
LIMITS: dict[str, int] = DEFAULTS["memory_limits"]
MOMENT = "20260921T120000Z"


def stat(size: int = 100, age: float = 2 * HOUR, mode: int = 0o100644) -> os.stat_result:
    written = NOW - age
    return os.stat_result((mode, 1, 1, 1, 0, 0, size, written, written, written))


def plan(found: Sweep, running: str = "", **limits: int) -> Sweep:
    made = found.but(limits={**LIMITS, **limits}, now=NOW, moment=MOMENT, asking=running)
    retention.plan(made)
    retention.prune(made)
    return made


def telemetry(
    size: int = 100, age: float = 2 * HOUR, lines: int = 0, name: str = "a_telemetry.jsonl"
) -> Sweep:
    found = Sweep()
    found.telemetry[name] = stat(size, age)
    if lines:
        found.lines[name] = lines
    return found


def sessions(ages: dict[str, float], **facts: Any) -> Sweep:
    found = Sweep()
    for name, age in ages.items():
        found.sessions[f"session_{name}_state.json"] = stat(age=age, **facts)
    return found


def done(found: Sweep, running: str = "", **limits: int) -> list[tuple[str, str]]:
    return [(action.do, action.name) for action in plan(found, running, **limits).actions]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (telemetry(size=20_000, lines=1000), "1,000 lines (limit 1000)"),
        (telemetry(size=20_000, lines=1001), "1,001 lines (limit 1000)"),
        (telemetry(size=50 * 1024), "50.0 KB (limit 50 KB)"),
        (telemetry(size=50 * 1024 + 1), "50.0 KB (limit 50 KB)"),
        (telemetry(age=7 * DAY), "last written 7 days ago (limit 7)"),
        (telemetry(age=7 * DAY + 1), "last written 7 days ago (limit 7)"),
    ],
)
def test_telemetry_is_rotated_at_each_limit_and_past_it(found: Sweep, reason: str) -> None:
    assert [(a.do, a.reason, a.into) for a in plan(found).actions] == [
        ("rotate", reason, f"telemetry/a_telemetry.{MOMENT}.jsonl")
    ]


@pytest.mark.parametrize(
    "found",
    [
        telemetry(size=20_000, lines=999),
        telemetry(size=50 * 1024 - 1, lines=999),
        telemetry(age=7 * DAY - 1),
        telemetry(size=0, age=70 * DAY),
    ],
    ids=["one line short", "one byte short", "one second short", "empty"],
)
def test_telemetry_short_of_every_limit_stays(found: Sweep) -> None:
    assert done(found) == []


def test_incidents_and_error_log_obey_the_same_rules() -> None:
    for name in ("circuit_breaker_incidents.jsonl", "errors.log"):
        assert done(telemetry(size=50 * 1024, name=name)) == [("rotate", name)]
        assert done(telemetry(size=50 * 1024 - 1, name=name)) == []
    (action,) = plan(telemetry(size=50 * 1024, name="errors.log")).actions
    assert action.into == f"telemetry/errors.{MOMENT}.log"


def test_limit_of_zero_is_no_limit() -> None:
    big = telemetry(size=10**9, lines=10**6, age=900 * DAY)
    assert done(big, telemetry_max_lines=0, telemetry_max_kb=0, telemetry_max_age_days=0) == []
    many = sessions({str(n): 100 * DAY + n for n in range(50)})
    assert done(many, session_max_active=0, session_max_age_days=0) == []
    found = Sweep()
    for n in range(30):
        archive = Archive(f"telemetry/a_telemetry.202601{n + 1:02d}T000000Z.jsonl", 1, NOW, packed=True)
        found.archives[archive.id] = archive
    assert done(found, telemetry_keep_rotations=0) == []


def test_session_file_is_archived_at_seven_days_and_not_a_second_before() -> None:
    found = sessions({"old": 7 * DAY, "young": 7 * DAY - 1})
    assert done(found) == [("archive", "session_old_state.json")]
    assert plan(found).actions[0].into == f"sessions/session_old_state.{MOMENT}.json"


def test_only_what_is_older_than_the_ten_newest_sessions_is_archived() -> None:
    ten = {f"s{n:02d}": 2 * HOUR + n for n in range(10)}
    assert done(sessions(ten)) == []
    assert done(sessions({**ten, "eleventh": 3 * HOUR})) == [("archive", "session_eleventh_state.json")]


def test_session_written_within_the_hour_is_left_alone_and_looked_at_again_after_it() -> None:
    ages = {f"s{n:02d}": 10.0 + n for n in range(12)}
    assert done(sessions(ages)) == []
    assert plan(sessions(ages)).wake == pytest.approx(NOW - 21.0 + HOUR)
    over = {**ages, "idle": HOUR}
    assert done(sessions(over)) == [("archive", "session_idle_state.json")]


def test_running_session_is_never_touched_however_old_its_files() -> None:
    found = sessions({"abc-1": 30 * DAY, "abc-12": 30 * DAY})
    found.telemetry["abc-1_telemetry.jsonl"] = stat(size=10**6)
    made = plan(found, running="abc-1")
    assert [a.name for a in made.actions] == ["session_abc-12_state.json"]
    assert made.deferred


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o010600], ids=["link", "folder", "fifo"])
def test_what_is_no_regular_file_is_left_alone(mode: int) -> None:
    found = Sweep()
    found.telemetry["a_telemetry.jsonl"] = stat(size=10**6, mode=mode)
    found.sessions["session_a_state.json"] = stat(age=100 * DAY, mode=mode)
    found.scraps["a_telemetry.jsonl.1.tmp"] = stat(age=100 * DAY, mode=mode)
    assert done(found) == []


@pytest.mark.parametrize(("there", "gone"), [(4, 0), (5, 1), (7, 3)])
def test_five_rotations_are_kept_of_each_file_the_coming_one_included(there: int, gone: int) -> None:
    found = telemetry(size=60_000)
    for n in range(there):
        for base in ("a_telemetry", "other_telemetry"):
            key = f"telemetry/{base}.202601{n + 1:02d}T000000Z.jsonl"
            found.archives[key] = Archive(key, 10, NOW - n, packed=True)
    wanted = [f"telemetry/a_telemetry.202601{n + 1:02d}T000000Z.jsonl" for n in range(gone)]
    others = [f"telemetry/other_telemetry.202601{n + 1:02d}T000000Z.jsonl" for n in range(max(0, there - 5))]
    assert sorted(a.name for a in plan(found).actions if a.do == "prune") == sorted(wanted + others)


@pytest.mark.parametrize(("there", "gone"), [(19, 0), (20, 0), (21, 1)])
def test_twenty_session_archives_are_kept(there: int, gone: int) -> None:
    found = Sweep()
    for n in range(there):
        key = f"sessions/session_{n}_state.20260101T0000{n:02d}Z.json"
        found.archives[key] = Archive(key, 10, NOW, packed=True)
    assert [a.name for a in plan(found).actions] == [
        f"sessions/session_{n}_state.20260101T0000{n:02d}Z.json" for n in range(gone)
    ]


def test_of_archives_made_at_one_moment_those_of_the_oldest_files_go() -> None:
    found = sessions({f"s{n:02d}": 8 * DAY + n for n in range(25)})
    made = plan(found)
    assert (sum(a.do == "archive" for a in made.actions), made.spared) == (25, 5)
    assert not [a for a in made.actions if a.do == "prune"]
    arrived = [Archive(action.into, 1, action.info.st_mtime, packed=True) for action in made.actions]
    assert retention.prunings(Sweep(limits=LIMITS, now=NOW + 6.9 * DAY), arrived) == ([], 5)
    gone, spared = retention.prunings(Sweep(limits=LIMITS, now=NOW + 8 * DAY), arrived)
    assert [a.name for a in gone] == [f"sessions/session_s{n}_state.{MOMENT}.json" for n in range(24, 19, -1)]
    assert spared == 0


@given(st.integers(0, 2**33))
def test_time_of_an_archive_is_what_the_calendar_says(seconds: int) -> None:
    assert retention.arrival(time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))) == seconds
    assert retention.arrival(time.strftime("%Y%m%dT%H%M%SZ-02", time.gmtime(seconds))) == seconds
    assert retention.arrival(time.strftime("%Y%m%d_%H%M%S", time.gmtime(seconds))) == 0.0


def test_scrap_goes_after_an_hour() -> None:
    found = Sweep()
    found.scraps["circuit_breaker_state.json.123.tmp"] = stat(age=HOUR)
    found.scraps["circuit_breaker_state.json.124.tmp"] = stat(age=HOUR - 1)
    assert done(found) == [("clear", "circuit_breaker_state.json.123.tmp")]
    assert plan(found).wake == NOW + 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a_telemetry.jsonl", "telemetry"),
        ("_telemetry.jsonl", "telemetry"),
        ("a_telemetry.jsonl.gz", ""),
        ("a_telemetry.json", ""),
        ("session_x_state.json", "sessions"),
        ("session_state.json", ""),
        ("session__state.json", "sessions"),
        ("my_session_x_state.json", ""),
        ("circuit_breaker_config.json", ""),
        ("circuit_breaker_state.json", ""),
        ("circuit_breaker_incidents.jsonl", "telemetry"),
        ("errors.log", "telemetry"),
        ("other.log", ""),
        ("circuit_breaker_state.json.77.tmp", "scraps"),
        ("session_x_state.json.77.tmp", "scraps"),
        ("a_telemetry.20260921T120000Z.jsonl.gz.77.tmp", "scraps"),
        ("notes.2024.tmp", ""),
        ("thesis.docx.2024.tmp", ""),
        ("a_telemetry.jsonl.x.tmp", ""),
        ("a_telemetry.jsonl..tmp", ""),
    ],
)
def test_only_names_of_ours_are_ours(name: str, kind: str) -> None:
    assert retention.file_kind(name) == kind


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a_telemetry.20260921T120000Z.jsonl", ("a_telemetry", "20260921T120000Z", "jsonl")),
        ("a_telemetry.20260921T120000Z-02.jsonl", ("a_telemetry", "20260921T120000Z-02", "jsonl")),
        ("session_a.b_state.20260921T120000Z.json", ("session_a.b_state", "20260921T120000Z", "json")),
        ("a_telemetry.jsonl", None),
        ("README.old.json", None),
        (".20260921T120000Z.json", None),
    ],
)
def test_archive_names_are_told_from_others(name: str, parts: Any) -> None:
    assert (retention.split("telemetry/" + name) or None) == parts


def test_lines_are_counted_only_where_the_answer_matters() -> None:
    found = Sweep()
    sizes = {"tiny": 999, "could": 1000, "most": 50 * 1024 - 1, "large": 50 * 1024}
    for name, size in sizes.items():
        found.telemetry[f"{name}_telemetry.jsonl"] = stat(size=size, age=5 * HOUR)
    names = ["could_telemetry.jsonl", "most_telemetry.jsonl"]
    assert retention.uncounted(found.but(limits=LIMITS)) == names
    assert retention.uncounted(found.but(limits=LIMITS, since=NOW - 5 * HOUR)) == names
    assert retention.uncounted(found.but(limits=LIMITS, since=NOW - 5 * HOUR + 1)) == []
    assert retention.uncounted(found.but(limits={**LIMITS, "telemetry_max_lines": 0})) == []


def test_session_file_that_is_too_small_for_a_long_list_is_not_read() -> None:
    sizes = {"short": 2 * 50 + 1, "could": 2 * 50 + 2}
    found = Sweep()
    for name, size in sizes.items():
        found.sessions[f"session_{name}_state.json"] = stat(size=size)
    assert plan(found).stay == ["session_could_state.json"]
    assert plan(found, evidence_ledger_max=0, tool_history_max=0).stay == []


def test_wake_is_when_the_oldest_file_reaches_its_age() -> None:
    found = sessions({"a": 3 * DAY})
    found.telemetry["a_telemetry.jsonl"] = stat(age=2 * DAY)
    assert plan(found).wake == NOW + 4 * DAY
    assert plan(telemetry(age=5 * DAY)).wake == NOW + 2 * DAY


@pytest.mark.parametrize(
    ("name", "session", "belongs"),
    [
        ("session_abc_state.json", "abc", True),
        ("abc_telemetry.jsonl", "abc", True),
        ("session_abcd_state.json", "abc", False),
        ("session_xabc_state.json", "abc", False),
        ("session_abcd_abc_state.json", "abc", True),
        ("session_abc_state.json", "", False),
    ],
)
def test_session_owns_the_files_that_carry_its_id_as_a_word(name: str, session: str, belongs: bool) -> None:
    assert retention.belongs(name, session) is belongs
