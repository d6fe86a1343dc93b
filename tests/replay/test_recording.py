"""Recorded hook events come back as the payloads a host would have sent, whatever stands in the file."""

from __future__ import annotations

import gzip
import json
import os
import threading
import tracemalloc

from payloads_of import payloads

from circuit_breaker.replay import recording


def record(name, number, call="t1", turn=0, **more):
    given = {"tool_name": "Bash", "tool_input": {"command": "pwd"}} if name == "PreToolUse" else {}
    found = {"hook_event_name": name, "session_id": "s", "i": number, "t": 100.0 + number, **given}
    if name != "UserPromptSubmit":
        found.update(tool_use_id=call, turn=turn)
    return {key: value for key, value in {**found, **more}.items() if value is not None}


def fed(records):
    return list(payloads(records))


def names(found):
    return [one["hook_event_name"] for one in found]


def read(path, lines):
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n"
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt") as stream:
        stream.write(text)
    return grouped([path])


def grouped(group):
    """(the records of a recording by session, what could not be read)"""
    sessions, broken = {}, []
    for one in recording.records(group, broken.append, set()):
        sessions.setdefault(one["session_id"], []).append(one)
    return list(sessions.items()), broken


def test_turn_ends_in_a_batch_that_belongs_to_its_last_record():
    found = fed(
        [
            record("PreToolUse", 0, "a"),
            record("PreToolUse", 1, "b"),
            record("PostToolUse", 2, "a", tool_response="one"),
            record("PostToolUseFailure", 3, "b", error="boom"),
            record("PreToolUse", 4, "c", turn=1),
        ]
    )
    assert names(found) == ["PreToolUse", "PreToolUse", "PostToolUseFailure", "PostToolBatch", "PreToolUse"]
    batch = found[3]
    assert (batch["i"], batch["t"]) == (3, 103.0)
    assert [call["tool_response"] for call in batch["tool_calls"]] == ["one", "boom"]


def test_calls_that_never_reached_a_hook_are_heard_of_as_the_host_tells_them():
    found = fed(
        [
            record("PreToolUse", 0, "refused"),
            record("PreToolUse", 1, "sibling"),
            record("PreToolUse", 2, "denied"),
            record("PostToolUseFailure", 3, "refused", error="bad input", validation_error=True),
            record("ToolNotRun", 4, "sibling", error="cancelled", cancelled=True),
            record(
                "ToolNotRun",
                5,
                "denied",
                error="Permission to use Bash has been denied",
                permission_denied=True,
            ),
        ]
    )
    assert [(one["hook_event_name"], one["i"]) for one in found] == [
        ("PreToolUse", 2),
        ("PostToolBatch", 5),
    ]
    told = {call["tool_use_id"]: call["tool_response"] for call in found[-1]["tool_calls"]}
    assert told == {
        "refused": "<tool_use_error>bad input</tool_use_error>",
        "denied": "Permission to use Bash has been denied",
    }


def test_turn_that_a_person_rejected_has_no_batch():
    found = fed([record("PreToolUse", 0), record("ToolNotRun", 1, error="no", user_rejected=True)])
    assert names(found) == ["PreToolUse"]


def test_recorded_batch_is_taken_as_it_is():
    own = record(
        "PostToolBatch", 2, None, None, tool_calls=[{"tool_use_id": "t1", "tool_response": "recorded"}]
    )
    found = fed([record("PreToolUse", 0), record("PostToolUse", 1, tool_response="other"), own])
    assert names(found) == ["PreToolUse", "PostToolBatch"]
    assert found[-1]["tool_calls"][0]["tool_response"] == "recorded"


def test_lanes_have_turns_of_their_own():
    found = fed(
        [
            record("PreToolUse", 0, "a"),
            record("PreToolUse", 1, "b", agent_id="x"),
            record("PostToolUse", 2, "b", agent_id="x", tool_response="b"),
            record("PreToolUse", 3, "c", turn=1, agent_id="x"),
            record("PostToolUse", 4, "a", tool_response="a"),
        ]
    )
    batches = [(one.get("agent_id"), one["i"]) for one in found if names([one]) == ["PostToolBatch"]]
    assert batches == [("x", 2), (None, 4)]


def test_without_turns_a_turn_ends_when_every_call_has_its_result():
    rows = []
    for number in range(3):
        rows.append(record("PreToolUse", 2 * number, f"t{number}", None))
        rows.append(record("PostToolUse", 2 * number + 1, f"t{number}", None, tool_response="x"))
    assert names(fed(rows)).count("PostToolBatch") == 3


def test_log_of_results_alone_has_a_turn_for_each():
    call = {"tool_name": "Bash", "tool_input": {"command": "pwd"}, "tool_response": "/p"}
    with_turns = [record("PostToolUse", i, f"t{i}", i, **call) for i in range(4)]
    bare = [record("PostToolUse", i, None, None, **call) for i in range(4)]
    assert names(fed(with_turns)) == names(fed(bare)) == ["PostToolBatch"] * 4


def test_zipped_and_plain_files_say_the_same(tmp_path):
    rows = [record("PreToolUse", 0), record("PostToolUse", 1, tool_response="x")]
    assert read(tmp_path / "a.jsonl", rows) == read(tmp_path / "b.jsonl.gz", rows) == ([("s", rows)], [])


def test_line_without_an_end_is_named_and_ends_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "LINE_MAX", 1000)
    path, good = tmp_path / "a.jsonl.gz", record("PreToolUse", 0)
    sessions, broken = read(path, [good, " " * 1000, record("PreToolUse", 1)])
    assert sessions == [("s", [good])]
    assert [line.partition(": ")[0] for line in broken] == [f"{path}:2"]


def test_broken_lines_are_named_and_passed_over(tmp_path):
    path = tmp_path / "a.jsonl"
    good = record("PreToolUse", 0)
    sessions, broken = read(
        path,
        ["{torn", "[1]", "", {"x": 1}, good, record("PreToolUse", 1, call={"not": "an id"}), "[" * 100_000]
        + [record(name, 0) for name in ("Request", "Interrupted", "Compacted")],
    )
    assert sessions == [("s", [good])]
    assert [line.partition(": ")[0] for line in broken] == [f"{path}:{n}" for n in (1, 2, 4, 6, 7, 8, 9, 10)]


def test_file_that_is_cut_off_gives_what_it_holds(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    read(path, [record("PreToolUse", i, f"t{i}") for i in range(2000)])
    path.write_bytes(path.read_bytes()[:-20])
    [(_, records)], broken = grouped([path])
    assert records and len(broken) == 1


def test_file_that_is_damaged_is_named_and_gives_what_came_before(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    read(path, [record("PreToolUse", i, f"t{i}") for i in range(2000)])
    whole, came = path.read_bytes(), 0
    for at in range(12, len(whole) - 8, len(whole) // 60):
        path.write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])
        sessions, broken = grouped([path])
        found = [r.get("tool_use_id") for _, rs in sessions for r in rs]
        assert broken and all(line.startswith(str(path)) for line in broken)
        assert not found or found[0] == "t0"
        came += bool(found)
    assert came


def test_records_without_index_or_time_get_one_they_can_be_sorted_by(tmp_path):
    rows = [record("PreToolUse", 0, f"t{n}", i=bad, t=bad) for n, bad in enumerate((None, "7", [], True, {}))]
    [(_, records)] = read(tmp_path / "a.jsonl", rows)[0]
    assert [(one["i"], one["t"]) for one in records] == [(n, 0.0) for n in range(5)]


def test_thirty_thousand_records_take_no_more_room_than_a_few():
    def rows(count):
        for number in range(count):
            kind = "PostToolUse" if number % 2 else "PreToolUse"
            yield record(kind, number, f"t{number // 2}", number // 2, tool_response="x" * 100)

    peaks = []
    for count in (1_000, 30_000):
        tracemalloc.start()
        for _ in payloads(rows(count)):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000  # bytes; all of them together take 15 MB


def test_lines_come_whole_however_long_they_are_and_however_the_file_ends(tmp_path):
    lines = [json.dumps(record("PreToolUse", n, f"t{n}", more="ü" * n)) for n in range(0, 60, 7)]
    for name, end in (("a.jsonl", "\n"), ("b.jsonl", ""), ("c.jsonl", "\n\n"), ("d.jsonl.gz", "\r\n")):
        path = tmp_path / name
        with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as stream:
            stream.write(("\ufeff" + "\n".join(lines) + end).encode())
        [(_, records)], broken = grouped([path])
        assert [json.dumps(found) for found in records] == lines and not broken


def test_a_pipe_is_read_whole():
    """`replay <(zcat FILE.gz)`, `replay /dev/stdin`: what was read of a pipe is gone."""
    rows = [json.dumps(record("PreToolUse", number, call=f"t{number}")) for number in range(600)]
    read_end, write_end = os.pipe()

    def write():
        with open(write_end, "w") as pipe:
            pipe.write("\n".join(rows))

    writer = threading.Thread(target=write)
    writer.start()
    (group,) = recording.recordings([f"/dev/fd/{read_end}"])
    ((_, found),), broken = grouped(group)
    writer.join()
    os.close(read_end)
    assert not broken and len([one for one in found if one["hook_event_name"] == "PreToolUse"]) == 600
