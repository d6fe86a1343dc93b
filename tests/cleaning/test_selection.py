"""The choice of `clean`: nothing young, open, foreign or unknown goes; sessions go as a whole; the oldest go first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.cleaning import kinds, selection
from circuit_breaker.cleaning.claude_code import InUse
from circuit_breaker.cleaning.inventory import Unit
from circuit_breaker.cleaning.selection import Wish

NOW, DAY = 1_790_000_000.0, 86400.0
IDS = [f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "12345"]
ALL = list(kinds.KINDS)
PATHS = {
    "transcripts": "projects/-p{p}/{s}.jsonl",
    "subagent-transcripts": "projects/-p{p}/{s}/subagents",
    "tool-results": "projects/-p{p}/{s}/tool-results",
    "debug-logs": "debug/{s}.txt",
    "file-history": "file-history/{s}",
    "todos": "todos/{s}-agent-{s}.json",
    "pastes": "image-cache/{s}",
    "shell-snapshots": "shell-snapshots/{n}.sh",
    "backups": "backups/{n}",
    "plugin-caches": "plugins/cache/m/p/{n}",
}


def unit(
    kind: str, days: float, session: str = IDS[0], size: int = 10, project: int = 0, number: int = 0
) -> Unit:
    path = PATHS[kind].format(p=project, s=session, n=number)
    return written(Unit(kind, path), size, NOW - days * DAY)


def written(one: Unit, size: int, at: float) -> Unit:
    one.files, one.bytes, one.oldest, one.newest = 1, size, at, at
    return one


def wish(*names: str, days: float = 30, **more: Any) -> Wish:
    return Wish(list(names or ALL), NOW - days * DAY, **more)


def gone(units: list[Unit], what: Wish, running: InUse | None = None) -> set[str]:
    chosen = selection.choose(units, what, NOW, running or InUse())
    return {one.path for bundle in chosen.bundles.values() for one in bundle}


def test_age_decides_to_the_second() -> None:
    old, young = unit("backups", 30, number=1), unit("backups", 30 - 1 / DAY, number=2)
    assert gone([old, young], wish()) == {old.path}
    assert gone([unit("backups", -5)], wish()) == set()  # a time in the future


@pytest.mark.parametrize("kind", ["transcripts", "debug-logs", "file-history", "todos", "pastes"])
def test_session_that_was_written_to_today_keeps_everything(kind: str) -> None:
    old, today = unit(kind, 60), unit("file-history", 0.9)
    assert gone([old, today], wish(kind)) == set()
    assert gone([old, unit("file-history", 1.1)], wish(kind)) == {old.path}
    assert gone([old, unit("file-history", 0.9, session=IDS[1])], wish(kind)) == {old.path}


def test_session_goes_with_its_subagents_and_tool_results_or_stays_with_them() -> None:
    session = [unit("transcripts", 60), unit("subagent-transcripts", 70), unit("tool-results", 80)]
    session[0].inner = session[1:]
    chosen = selection.choose(session, wish("transcripts"), NOW, InUse())
    assert {kind: [one.path for one in bundle] for kind, bundle in chosen.bundles.items()} == {
        "transcripts": [session[0].path]
    }
    freed = {kind: (row.files, row.bytes) for kind, row in chosen.freed.items()}
    assert freed == {"transcripts": (1, 10), "subagent-transcripts": (1, 10), "tool-results": (1, 10)}
    session[0].newest = NOW - 5 * DAY
    assert gone(session, wish()) == set()
    assert gone(session, wish("tool-results")) == {session[2].path}


def test_open_files_and_running_sessions_stay() -> None:
    running = InUse()
    running.sessions, running.paths = {IDS[1]}, {"backups/7", "backups"}
    units = [unit("transcripts", 60, IDS[1]), unit("backups", 60, number=7), unit("backups", 60, number=8)]
    assert gone(units, wish(), running) == {"backups/8"}


def test_snapshots_stay_while_a_session_runs_that_may_have_made_them() -> None:
    running = InUse()
    running.clients, running.since = 1, NOW - 50 * DAY
    before, after = unit("shell-snapshots", 51, number=1), unit("shell-snapshots", 49, number=2)
    assert gone([before, after, unit("plugin-caches", 60)], wish(), running) == {before.path}


def test_what_names_no_session_but_is_of_one_stays_for_a_day() -> None:
    fresh, older, backup = (
        unit("shell-snapshots", 0.9),
        unit("shell-snapshots", 1.1, number=1),
        unit("backups", 0.9),
    )
    assert gone([fresh, older, backup], wish(days=0)) == {older.path, backup.path}


def test_project_takes_what_bears_an_id_of_its_sessions() -> None:
    units = [unit("transcripts", 60, IDS[0], project=1), unit("transcripts", 60, IDS[1], project=2)]
    units += [unit("debug-logs", 60, IDS[0]), unit("debug-logs", 60, IDS[1]), unit("shell-snapshots", 60)]
    assert gone(units, wish(project="-p1")) == {units[0].path, units[2].path}


def test_project_of_a_very_long_path_is_found_by_its_beginning() -> None:
    long = "-" + "x" * 199
    there = written(Unit("transcripts", f"projects/{long}-a1b2/{IDS[0]}.jsonl"), 10, 1.0)
    assert gone([there], wish(project=kinds.project_folder("/" + "x" * 300))) == {there.path}


units_of_any_kind = st.lists(
    st.builds(
        unit,
        kind=st.sampled_from(ALL),
        days=st.floats(-2, 100),
        session=st.sampled_from(IDS),
        size=st.integers(0, 1000),
        project=st.integers(0, 1),
        number=st.integers(0, 3),
    ),
    unique_by=lambda one: one.path,
    max_size=40,
)


@given(
    units_of_any_kind,
    st.lists(st.sampled_from(ALL), min_size=1, unique=True),
    st.floats(0, 60),
    st.none() | st.integers(0, 5000),
    st.sets(st.sampled_from(IDS), max_size=2),
    st.sets(st.integers(0, 39), max_size=3),
)
def test_whatever_lies_there_only_what_may_go_goes(
    units: list[Unit], names: list[str], days: float, most: int | None, open_ids: set[str], foreign: set[int]
) -> None:
    running = InUse()
    running.sessions = open_ids
    for number in foreign & set(range(len(units))):
        units[number].stays = "belongs to another user"
    for session in units:  # as the survey makes it: a session is as new as the newest of it
        if session.kind == "transcripts":
            parts = [
                one for one in units if one.project == session.project and one.session == session.session
            ]
            session.newest = max(one.newest for one in parts)
            session.inner = [one for one in parts if one.kind in (kinds.SUBAGENTS, kinds.RESULTS)]
    what = Wish(names, NOW - days * DAY, "", most)
    chosen = selection.choose(units, what, NOW, running)
    bundled = [one for bundle in chosen.bundles.values() for one in bundle]
    busy = {one.session for one in units if NOW - one.newest < DAY} - {""}
    assert len({one.path for one in bundled}) == len(bundled)
    for one in bundled:
        assert one.kind in names and not one.stays and one.newest <= what.before
        assert one.session not in open_ids | busy or one.kind in (
            "shell-snapshots",
            "backups",
            "plugin-caches",
        )
    assert chosen.bytes + sum(row.bytes for row in chosen.stays.values()) == chosen.total
    stays_for_size = chosen.stays.get(selection.FITS, Unit()).files
    if most is None or not bundled:
        assert most is not None or not stays_for_size
        return
    assert chosen.total - chosen.bytes <= most or not stays_for_size
    last = max(bundled, key=lambda one: (one.newest, one.path))
    parts = [last, *(one for one in units if last.kind == "transcripts" and one.kind in (kinds.SUBAGENTS, kinds.RESULTS)
             and (one.project, one.session) == (last.project, last.session))]  # fmt: skip
    assert chosen.total - chosen.bytes + sum(one.bytes for one in parts) > most or not last.bytes


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("debug-logs", "debug-logs"),
        ("Debug Logs", "debug-logs"),
        ("debug", "debug-logs"),
        ("tool_results", "tool-results"),
        ("t", ""),
        ("", ""),
        ("settings", ""),
    ],
)
def test_kind_is_known_by_its_name_or_its_beginning(word: str, name: str) -> None:
    if name:
        assert kinds.kind_named(word) == name
    else:
        with pytest.raises(ValueError, match="the kinds are"):
            kinds.kind_named(word)
