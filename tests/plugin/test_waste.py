"""The waste that the report names, from transcripts."""

from __future__ import annotations

import time

import pytest
from plugin.transcripts import Transcript
from report import dead_ends, past
from report.content import Content

LONG = "line of a file\n" * 2000


@pytest.fixture
def read(tmp_path):
    """A transcript -> what is wasted in it."""

    def run(transcript):
        path = transcript.save(tmp_path)
        sessions = [*past.sessions([[path]], 0.0, time.time() + 1e6)]
        return Content(0.0, time.time(), "", [], sessions, "")

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
def found(tmp_path):
    """Transcripts -> the dead ends in them."""

    def run(*transcripts):
        paths = [[transcript.save(tmp_path)] for transcript in transcripts]
        ends = dead_ends.found(list(past.sessions(paths, 0.0, time.time() + 1e6)))
        return [(end.command, end.error, end.sessions) for end in ends]

    return run


def failing(count, command="cd x && npx prisma migrate deploy --force", project="/work/app"):
    transcripts = [Transcript(f"{project[-3:]}{n}", project, time.time() - 5000) for n in range(count)]
    for made in transcripts:
        made.bash(command, "Exit code 127\nsh: 1: npx: not found", fails=True)
    return transcripts


def test_same_error_of_the_same_command_in_three_sessions_is_a_dead_end(found):
    assert found(*failing(3)) == [("npx prisma migrate", "command not found: npx", 3)]
    assert found(*failing(2)) == found(*failing(2), *failing(2, project="/work/two")) == []


def test_a_success_clears_a_dead_end_and_a_failure_after_it_counts_anew(found):
    good = Transcript("good", "/work/app", time.time())
    good.bash("npx prisma migrate deploy", "done")
    assert found(*failing(3), good) == []
    good.bash("npx prisma migrate deploy", "sh: 1: npx: not found", fails=True)
    assert found(*failing(3), good) == []


def test_a_call_that_never_ended_clears_no_dead_end(found):
    cut = Transcript("cut", "/work/app", time.time())
    cut.bash("npx prisma migrate deploy")
    del cut.rows[-1]
    assert len(found(*failing(3), cut)) == 1
