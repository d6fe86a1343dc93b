"""The three kinds of waste that the report names, from transcripts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from plugin.transcripts import Transcript
from report import dead_ends, past
from report.waste import Waste, without_choosers

from circuit_breaker.runtime import home

LONG = "line of a file\n" * 2000


@pytest.fixture
def read(tmp_path):
    """A transcript -> what is wasted in it."""

    def run(transcript):
        path = transcript.save(tmp_path)
        return Waste(past.past_sessions([[path]], 0.0, time.time() + 1e6))

    return run


@pytest.fixture
def made():
    return Transcript("s1", "/work/app", time.time() - 5000)


def test_largest_results_are_weighed_by_the_turns_that_carry_them(made, read):
    made.bash("cat early.log", "x" * 1000)
    for _ in range(9):
        made.bash("true", "")
    made.bash("cat late.log", "x" * 5000)
    made.bash("true", "")
    first, second = read(made).largest[:2]
    assert (first.size, first.turns, first.weight) == (1000, 11, 11_000)
    assert (second.size, second.turns) == (5000, 1)


def test_turns_that_carry_a_result_are_found_without_walking_through_all_turns(made, tmp_path):
    for number in range(9):
        made.bash(f"cat {number}.log", "x")
    (session,) = past.past_sessions([[made.save(tmp_path)]], 0.0, time.time() + 1e6)

    class Indexed(list):
        def __iter__(self):
            raise AssertionError("linear in the turns, for each call")

    session.turns = {lane: Indexed(begun) for lane, begun in session.turns.items()}
    session.compactions = Indexed(session.compactions)
    assert [call.turns for call in session.calls] == list(range(8, -1, -1))


def test_compaction_ends_what_is_carried(made, read):
    made.bash("cat a.log", "x" * 1000)
    made.bash("true")
    made.compacted()
    for _ in range(5):
        made.bash("true")
    assert read(made).largest[0].turns == 1


def test_whole_file_that_no_later_call_names_is_unused(made, read):
    made.call("Read", {"file_path": "/work/app/used.py"}, LONG)
    made.call("Read", {"file_path": "/work/app/unused.py"}, LONG)
    made.call("Read", {"file_path": "/work/app/part.py", "offset": 10, "limit": 9000}, LONG)
    made.call("Read", {"file_path": "/work/app/small.py"}, "short")
    made.call("Edit", {"file_path": "/work/app/used.py", "old_string": "a", "new_string": "b"}, "done")
    assert [one.label for one in read(made).unused] == ["Read unused.py"]


def test_file_that_the_main_thread_reads_after_a_subagent_is_named_once(made, read):
    made.call("Read", {"file_path": "/work/app/a.py"}, "text", agent="a1")
    made.call("Read", {"file_path": "/work/app/a.py"}, "text")
    made.call("Read", {"file_path": "/work/app/a.py"}, "text")
    made.call("Read", {"file_path": "/work/app/b.py"}, "text")
    assert [one.label for one in read(made).again] == ["Read a.py"]


@pytest.mark.parametrize(
    ("command", "plain"),
    [
        ("make test", "make test"),
        ("make test 2>&1 | tail -20", "make test"),
        ("make test | grep -E 'a|b' | head > out.txt", "make test"),
        ("make test > log 2>&1; tail log", "make test; tail log"),
        ("cat a | sort", "cat a"),
        ("a | b | tail", "a; b"),
    ],
)
def test_what_only_chooses_lines_is_left_out_of_a_command(command, plain):
    assert without_choosers(command) == plain


def test_slow_command_run_again_for_other_lines_is_named_with_the_time_it_took(made, read):
    for tail in ("| tail -5", "| grep FAIL", "> log"):
        made.bash(f"make test {tail}", "out", seconds=30)
    slow = read(made).slow
    assert [(one.label, one.times, one.seconds) for one in slow] == [("make test", 3, 60.0)]


@pytest.mark.parametrize("between", ["edit", "other command", "subagent's edit"])
def test_slow_command_after_a_change_is_work(made, read, between):
    made.bash("make test | tail -5", "out", seconds=30)
    if between == "other command":
        made.bash("git checkout other")
    else:
        agent = "" if between == "edit" else "a1"
        made.call("Edit", {"file_path": "a", "old_string": "a", "new_string": "b"}, "done", agent=agent)
    made.bash("make test | tail -9", "out", seconds=30)
    assert read(made).slow == []


def test_same_slow_command_and_a_quick_one_are_no_waste_of_this_kind(made, read):
    made.bash("make test", "out", seconds=30)
    made.bash("make test", "out", seconds=30)
    made.bash("ls | tail", "out")
    made.bash("ls | head", "out")
    assert read(made).slow == []


# --- dead ends


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Exit code 127\n/bin/bash: line 1: prisma: command not found", "command not found: prisma"),
        ("sh: 1: npx: not found", "command not found: npx"),
        ("zsh: command not found: jq", "command not found: jq"),
        ("ModuleNotFoundError: No module named 'yaml'", "missing module: yaml"),
        ("Error: Cannot find module 'left-pad'", "missing module: left-pad"),
        ("cat: illegal option -- A\nusage: cat [-belnstuv] [file ...]", "unknown option: A"),
        ("Error: unknown flag: --wisp", "unknown option: --wisp"),
        ("ValueError: invalid argument: 7", ""),
        ("error: unrecognized arguments: --colour", "unknown option: --colour"),
        ("npm WARN EBADENGINE Unsupported engine {", "unsupported engine"),
        ("error: unknown command 'deploi' for 'fly'", "unknown command: deploi"),
        ("AssertionError: 404 page not found", ""),
        ("Exit code 1\n3 failed, 2 passed", ""),
    ],
)
def test_environment_errors_are_told_from_failing_work(text, error):
    assert dead_ends.error_of(text) == error


@pytest.fixture
def scan(tmp_path):
    where = home.places({"HOME": str(tmp_path)}, "/work/app")
    Path(where.runtime).mkdir(parents=True, mode=0o700)

    def run(paths, seconds=float("inf")):
        look = dead_ends.Scan(where, paths[0].parent)
        look.look(paths, seconds)
        return look, look.found(time.time())

    return run


def failing(tmp_path, count, days=1.0, command="cd x && npx prisma migrate deploy --force"):
    paths = []
    for number in range(count):
        made = Transcript(f"s{days}-{number}", "/work/app", time.time() - days * 86_400)
        made.bash(command, "Exit code 127\nsh: 1: npx: not found", fails=True)
        paths.append(made.save(tmp_path))
    return paths


def test_same_error_of_the_same_command_in_three_sessions_is_a_dead_end(tmp_path, scan):
    paths = failing(tmp_path, 3)
    _, found = scan(paths)
    assert [(end.command, end.error, end.sessions) for end in found] == [
        ("npx prisma migrate", "command not found: npx", 3)
    ]
    assert scan(paths[:2])[1] == []


def test_old_ones_are_forgotten_and_a_success_clears_them(tmp_path, scan):
    paths = failing(tmp_path, 3, days=15)
    assert scan(paths)[1] == []
    paths = failing(tmp_path, 3)
    made = Transcript("good", "/work/app", time.time())
    made.bash("npx prisma migrate deploy", "done")
    paths.append(made.save(tmp_path))
    assert scan(paths)[1] == []


def test_look_goes_on_where_the_last_one_stopped(tmp_path, scan):
    paths = failing(tmp_path, 3)
    look, found = scan(paths, seconds=0.0)
    assert found == [] and not any(read for read, *_ in look.files.values())
    assert len(scan(paths)[1]) == 1
    sizes = {path: path.stat().st_size for path in paths}
    look, found = scan(paths, seconds=0.0)  # nothing is left to read
    assert len(found) == 1
    assert {path: look.files[str(path)][0] for path in paths} == sizes


def test_call_that_is_running_during_a_look_is_found_by_the_next_one(tmp_path, scan):
    paths = failing(tmp_path, 3)
    rows = paths[0].read_text().splitlines(keepends=True)
    paths[0].write_text(rows[0])
    look, found = scan(paths)
    assert found == [] and look.files[str(paths[0])][0] == 0
    paths[0].write_text("".join(rows))
    assert len(scan(paths)[1]) == 1


def test_call_that_never_ended_is_not_waited_for_after_the_next_prompt(tmp_path, scan):
    made = Transcript("s", "/work/app", time.time())
    made.bash("make", "")
    made.rows.pop()
    made.prompt()
    path = made.save(tmp_path)
    assert scan([path])[0].files[str(path)][0] == path.stat().st_size


def test_calls_that_forks_copied_are_one_session(tmp_path, scan):
    original = Transcript("s", "/work/app", time.time() - 86_400)
    original.bash("npx prisma migrate deploy", "sh: 1: npx: not found", fails=True)
    forks = [original.fork(name) for name in ("a", "b")]
    paths = [one.save(tmp_path) for one in (original, *forks)]
    assert scan(paths)[1] == []
    for fork in forks:
        fork.bash("npx prisma migrate deploy", "sh: 1: npx: not found", fails=True)
        fork.save(tmp_path)
    assert [end.sessions for end in scan(paths)[1]] == [3]


def test_kept_findings_that_are_torn_are_made_anew(tmp_path, scan):
    paths = failing(tmp_path, 3)
    look, _ = scan(paths)
    for torn in (b"{", b"[]", b'{"version": 2, "files": {"a": [1]}}', b'{"version": 2, "files": []}'):
        with open(look.path, "wb") as stream:
            stream.write(torn)
        assert len(scan(paths)[1]) == 1
