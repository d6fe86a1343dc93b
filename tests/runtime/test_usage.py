"""A transcript is read on from where it was left, each message once, whatever happens to the file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.breaker.memory import Position
from circuit_breaker.runtime import usage


def row(message, output, read=100, calls=(), second=0, **more):
    said = {"input_tokens": 1, "output_tokens": output, "cache_read_input_tokens": read}
    content = [{"type": "tool_use", "id": call, "name": "Bash", "input": {}} for call in calls]
    stamp = f"2026-11-23T01:{second // 60:02d}:{second % 60:02d}.000Z"
    body = {"id": message, "content": content, "usage": said}
    return {"type": "assistant", "timestamp": stamp, "message": body, **more}


def line(found):
    return (json.dumps(found) + "\n").encode()


@pytest.fixture
def log(tmp_path):
    class Log:
        path = tmp_path / "s.jsonl"
        position = Position()

        def write(self, *rows, mode="ab"):
            with self.path.open(mode) as stream:
                stream.write(b"".join(r if isinstance(r, bytes) else line(r) for r in rows))

        def read(self):
            added, self.position = usage.read_on(str(self.path), self.position)
            json.dumps(self.position.as_row())  # it is kept in memory
            return added

    return Log()


def test_only_what_was_written_since_the_last_look_is_counted(log):
    log.write(row("m1", 10))
    assert log.read() == [1, 10, 100, 0]
    assert log.read() == [0, 0, 0, 0]
    log.write(row("m2", 5), {"type": "user", "message": {"content": "x", "usage": {"input_tokens": 9}}})
    assert log.read() == [1, 5, 100, 0]


def test_message_of_several_rows_counts_once_by_its_largest_usage(log):
    log.write(row("m1", 1), row("m1", 40), row("m1", 40))
    assert log.read() == [1, 40, 100, 0]
    log.write(row("m1", 60))
    assert log.read() == [0, 20, 0, 0]


def test_cache_writes_are_counted_and_a_message_without_an_id_by_its_request_or_row(log):
    found = {**row("", 1), "requestId": "r1"}
    found["message"]["usage"]["cache_creation_input_tokens"] = 7
    log.write(found, found, {**row("", 2), "uuid": "u1"}, row("", 3))
    assert log.read() == [2, 3, 200, 7]  # the last one has nothing to be known by


def test_line_that_is_not_whole_yet_is_the_next_looks(log):
    whole = line(row("m2", 5))
    log.write(row("m1", 10), whole[:30])
    assert log.read() == [1, 10, 100, 0]
    log.write(whole[30:])
    assert log.read() == [1, 5, 100, 0]


def test_missing_file_is_nothing_now_and_read_when_it_is_there(log):
    assert log.read() == [0, 0, 0, 0]
    log.write(row("m1", 10))
    assert log.read() == [1, 10, 100, 0]
    log.path.unlink()
    assert log.read() == [0, 0, 0, 0]


def test_truncated_file_starts_over_and_counts_no_copy_again(log):
    rows = [row(f"m{n}", 10, second=n) for n in range(9)]
    log.write(*rows)
    assert log.read() == [9, 90, 900, 0]
    log.write(*rows[:3], row("new", 5, second=20), mode="wb")
    assert log.read() == [1, 5, 100, 0]
    log.write(row("newer", 6, second=21))
    assert log.read() == [1, 6, 100, 0]


def test_at_most_a_megabyte_is_read_at_once_and_the_rest_later(log):
    padding = {"type": "user", "message": {"content": "x" * 200_000}}
    for number in range(12):
        log.write(row(f"m{number}", 1), padding)
    first = log.read()
    assert 0 < first[1] < 12
    assert log.position.offset <= usage.READ_MAX
    rest = [log.read()[1] for _ in range(4)]
    assert first[1] + sum(rest) == 12 and rest[-1] == 0


def test_line_longer_than_a_look_is_passed_over(log):
    log.write(row("m1", 1), {**row("big", 9), "x": "y" * (3 * usage.READ_MAX)}, row("m2", 2))
    assert sum(log.read()[1] for _ in range(6)) == 3


@pytest.mark.parametrize("what", ["folder", "fifo", "\0", "x" * 5000])
def test_what_is_no_file_is_nothing(tmp_path, what):
    import os

    path = str(tmp_path / "p") if what in ("folder", "fifo") else what
    if what == "folder":
        os.mkdir(path)
    elif what == "fifo":
        os.mkfifo(path)
    assert usage.read_on(path, Position()) == ([0, 0, 0, 0], Position(offset=0))
    assert usage.last_calls(path, 3) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "assistant", "message": None},
        {"type": "assistant", "message": {"id": "m", "usage": []}},
        {"type": "assistant", "message": {"id": 7, "usage": {"output_tokens": 3}}},
        {"type": "assistant", "message": {"id": "m", "usage": {"output_tokens": "3", "input_tokens": True}}},
        {"type": "assistant", "message": {"id": "m", "usage": {"output_tokens": -3, "input_tokens": 1.5}}},
        ["usage"],
        "usage",
    ],
)
def test_row_of_another_shape_counts_nothing(log, odd):
    log.write(odd, b'{"usage": torn\n', b'"usage" \xff\xfe\n')
    assert log.read() == [0, 0, 0, 0]


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 99)), max_size=30),
    st.lists(st.integers(1, 400), max_size=30),
)
def test_however_often_one_looks_the_sum_is_the_largest_usage_of_each_message(tmp_path_factory, found, cuts):
    """Rows of one message stand together, as Claude Code writes them; looks may come in the middle of a line."""
    rows = [row(message, output) for message, output in sorted(found)]
    data = b"".join(map(line, rows))
    path = tmp_path_factory.mktemp("log") / "s.jsonl"
    position, total, written = Position(), [0, 0, 0, 0], 0
    for cut in [*cuts, len(data)]:
        with path.open("ab") as stream:
            stream.write(data[written : written + cut])
        written += cut
        added, position = usage.read_on(str(path), position)
        total = [a + b for a, b in zip(total, added)]
    largest = {message: max(o for m, o in found if m == message) for message, _ in found}
    assert total == [len(largest), sum(largest.values()), 100 * len(largest), 0]


def test_last_calls_are_the_messages_that_hold_them(log):
    log.write(
        row("m1", 10, calls=["t1"]),
        row("m2", 20),  # says something and calls nothing
        row("m3", 1),
        row("m3", 30, calls=["t2"]),
        row("m3", 30, calls=["t3"]),
        row("m4", 40, calls=["t4"]),
    )
    assert usage.last_calls(str(log.path), 1) == [1, 40, 100, 0]
    assert usage.last_calls(str(log.path), 2) == usage.last_calls(str(log.path), 3) == [2, 70, 200, 0]
    assert usage.last_calls(str(log.path), 99) == [3, 80, 300, 0]


def test_subagents_file_lies_in_the_folder_of_its_session():
    assert usage.transcript_of("/h/p/s.jsonl", "") == "/h/p/s.jsonl"
    assert usage.transcript_of("/h/p/s.jsonl", "a1b2") == "/h/p/s/subagents/agent-a1b2.jsonl"
    assert (
        usage.transcript_of("/h/p/s.jsonl", "../../x")
        == usage.transcript_of("", "a1")
        == usage.transcript_of("", "")
        == ""
    )
