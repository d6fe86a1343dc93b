"""A transcript becomes the hook events it stands for."""

from __future__ import annotations

import json

import pytest
from payloads_of import payloads

from circuit_breaker.identity import errors
from circuit_breaker.replay import recording, transcript
from circuit_breaker.runtime.protocol import REFUSALS


def row(kind, content, second=0, **more):
    stamp = f"2026-11-23T01:00:{second:02d}.000Z"
    return {
        "type": kind,
        "sessionId": "s",
        "timestamp": stamp,
        "cwd": "/p",
        "message": {"content": content},
        **more,
    }


def call(second, call_id="t1", message="m1", tokens=10, **more):
    found = row(
        "assistant",
        [{"type": "tool_use", "id": call_id, "name": "Bash", "input": {"command": "pwd"}}],
        second,
    )
    found["message"].update(id=message, usage={"input_tokens": tokens, "output_tokens": 1})
    return {**found, **more}


def result(second, text, call_id="t1", error=False, **more):
    return row(
        "user",
        [{"type": "tool_result", "tool_use_id": call_id, "content": text, "is_error": error}],
        second,
        **more,
    )


def only(found):
    """The one hook event of a row (a request is none)."""
    [one] = [one for one in transcript.records_in_row(found) if one["hook_event_name"] != transcript.REQUEST]
    return one


def request(found):
    return next(
        one for one in transcript.records_in_row(found) if one["hook_event_name"] == transcript.REQUEST
    )


def test_call_carries_its_turn_time_and_directory():
    found = only(call(5))
    assert found == {
        "session_id": "s",
        "t": 1_795_395_605.0,
        "cwd": "/p",
        "hook_event_name": "PreToolUse",
        "turn": "m1",
        "tool_use_id": "t1",
        "tool_name": "Bash",
        "tool_input": {"command": "pwd"},
    }


def test_request_says_what_its_message_cost_and_whether_it_holds_calls():
    found = request(call(5))
    assert (found["message"], found["usage"], found["calls"], found["failed"]) == (
        "m1",
        [10, 1, 0, 0],
        True,
        False,
    )
    text = row("assistant", [{"type": "text", "text": "done"}])
    found = request({**text, "requestId": "r1", "isApiErrorMessage": True})
    assert (found["message"], found["usage"], found["calls"]) == ("r1", [0, 0, 0, 0], False)
    assert found["said"] and found["failed"]


@pytest.mark.parametrize(
    ("text", "error", "name", "why"),
    [
        ("/p", False, "PostToolUse", None),
        ("Exit code 1", True, "PostToolUseFailure", None),
        (
            "<tool_use_error>File has not been read yet</tool_use_error>",
            True,
            "PostToolUseFailure",
            "validation_error",
        ),
        ("<tool_use_error>Sibling tool call errored</tool_use_error>", True, "ToolNotRun", "cancelled"),
        ("The user doesn't want to proceed with this tool use.", True, "ToolNotRun", "user_rejected"),
        ("[Request interrupted by user for tool use]", True, "ToolNotRun", "user_rejected"),
        ("Permission to use Bash with command x has been denied.", True, "ToolNotRun", "permission_denied"),
        (
            "Claude requested permissions to use Bash, but you haven't granted it yet.",
            True,
            "ToolNotRun",
            "permission_denied",
        ),
        ("PreToolUse:Bash hook error: no", True, "ToolNotRun", "permission_denied"),
    ],
)
def test_result_is_told_by_its_mark_and_its_text(text, error, name, why):
    found = only(result(1, text, error=error))
    assert found["hook_event_name"] == name
    assert {
        key
        for key in ("validation_error", "cancelled", "user_rejected", "permission_denied")
        if found.get(key)
    } == ({why} if why else set())


@pytest.mark.parametrize(("begins", "contains"), REFUSALS)
def test_what_counts_as_refused_in_a_session_does_so_in_its_transcript(begins, contains):
    found = only(result(1, f"{begins}x{contains}", error=True))
    yours = errors.is_your_no(begins)
    assert found["hook_event_name"] == "ToolNotRun"
    assert found["user_rejected" if yours else "permission_denied"] is True
    assert only(result(1, f"log: {begins}x{contains}", error=True))["hook_event_name"] == "PostToolUseFailure"


def test_content_blocks_are_one_text_in_which_pictures_differ_as_for_the_hooks():
    def said(data):
        picture = {"type": "image", "source": {"type": "base64", "data": data}}
        blocks = [{"type": "text", "text": "a"}, picture, {"type": "text", "text": "b"}]
        return only(result(1, blocks))["tool_response"]

    first, _, last = said("x").split("\n")
    assert (first, last) == ("a", "b") and said("x") == said("x") != said("y")


@pytest.mark.parametrize(
    "text",
    [
        "<command-name>/clear</command-name>",
        "<local-command-stdout>x",
        "<bash-input>ls",
        "Caveat: these",
        " ",
    ],
)
def test_what_no_person_typed_as_a_prompt_is_none(text):
    assert transcript.records_in_row(row("user", text)) == []


def test_interruption_is_no_prompt():
    assert only(row("user", "[Request interrupted by user]"))["hook_event_name"] == transcript.INTERRUPTED


@pytest.mark.parametrize(
    "more",
    [
        {"promptSource": "system", "isMeta": True},
        {"promptSource": "sdk", "isMeta": True},
        {"turnOrigin": "scheduled"},
        {"origin": {"kind": "peer"}},
        {"origin": {"kind": "task-notification"}},
    ],
)
def test_prompt_that_a_machine_wrote_is_marked(more):
    assert only(row("user", "go on", **more))["machine"] is True
    assert "machine" not in only(row("user", "go on", promptSource="typed", origin={"kind": "human"}))


def test_your_prompt_keeps_its_id():
    found = only(row("user", "go on", promptId="p7"))
    assert (found["hook_event_name"], found["prompt"], found["prompt_id"]) == (
        "UserPromptSubmit",
        "go on",
        "p7",
    )


@pytest.mark.parametrize(
    "more", [{"isMeta": True}, {"isCompactSummary": True}, {"isSidechain": True, "agentId": "a"}]
)
def test_summaries_notes_and_what_agents_are_told_are_no_prompts(more):
    assert transcript.records_in_row(row("user", "go on", **more)) == []


def test_subagent_is_a_lane_of_its_own_though_older_clients_do_not_name_it():
    assert only(call(1, isSidechain=True, agentId="a5"))["agent_id"] == "a5"
    assert only(call(1, isSidechain=True))["agent_id"] == "sidechain"


@pytest.mark.parametrize(
    "odd", [{}, {"message": None}, {"message": {"content": 3}}, {"timestamp": "never"}, {"sessionId": None}]
)
def test_row_of_another_shape_is_passed_over_or_taken_for_what_it_holds(odd):
    assert all("hook_event_name" in one for one in transcript.records_in_row({**row("assistant", []), **odd}))


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))


def read(folder):
    """All records of a folder's recordings."""
    copied = set()
    return [
        r
        for group in recording.recordings([str(folder)])
        for r in recording.records(group, pytest.fail, copied)
    ]


def events(records):
    return [
        (r.get("agent_id"), r["hook_event_name"])
        for r in records
        if r["hook_event_name"] not in recording.NO_EVENTS
    ]


def test_files_of_subagents_are_read_with_their_session_in_the_order_of_time(tmp_path):
    rows = [row("user", "go", 0), call(1), result(4, "/p"), call(5, "t3", "m3"), result(6, "/p", "t3")]
    side = {"isSidechain": True, "agentId": "a5"}
    inner = [call(2, "t2", "m2", **side), result(3, "/p", "t2", **side)]
    write(tmp_path / "s.jsonl", rows)
    write(tmp_path / "s" / "subagents" / "agent-a5.jsonl", inner)
    write(tmp_path / "s" / "tool-results" / "large.jsonl", [{"what": "a tool printed"}])
    assert len(recording.recordings([str(tmp_path)])) == 1
    assert events(read(tmp_path)) == [
        (None, "UserPromptSubmit"),
        (None, "PreToolUse"),
        ("a5", "PreToolUse"),
        ("a5", "PostToolUse"),
        (None, "PostToolUse"),
        (None, "PreToolUse"),
        (None, "PostToolUse"),
    ]


def test_rows_that_a_fork_copied_are_read_once_and_belong_to_the_older_session(tmp_path):
    own = [{**one, "uuid": f"u{n}"} for n, one in enumerate([row("user", "go", 0), call(1), result(2, "/p")])]
    copies = [{**one, "sessionId": "fork"} for one in own]
    fresh = [{**call(9, "t9", "m9"), "sessionId": "fork", "uuid": "u9"}]
    begun = {"type": "queue-operation", "sessionId": "fork", "timestamp": "2026-11-23T01:00:08.000Z"}
    write(tmp_path / "a-fork.jsonl", [begun, *copies, *fresh])
    write(tmp_path / "z-original.jsonl", own)
    found = [
        (r["session_id"], r["hook_event_name"]) for r in read(tmp_path) if r["hook_event_name"] != "Request"
    ]
    assert found == [
        ("s", "UserPromptSubmit"),
        ("s", "PreToolUse"),
        ("s", "PostToolUse"),
        ("fork", "PreToolUse"),
    ]


def test_message_in_several_rows_is_one_turn():
    rows = [call(1, "a"), call(2, "b"), result(3, "/p", "a"), result(4, "/p", "b")]
    records = [{**only(one), "i": i} for i, one in enumerate(rows)]
    found = list(payloads(records))
    assert [one["hook_event_name"] for one in found] == ["PreToolUse", "PreToolUse", "PostToolBatch"]


def test_parallel_calls_under_message_ids_of_their_own_keep_their_names_and_are_one_turn():
    rows = [call(n, f"t{n}", f"m{n}") for n in range(3)]
    rows += [result(3 + n, f"r{n}", f"t{n}") for n in range(3)]
    rows += [call(7, "t7", "m7"), result(8, "r7", "t7")]
    records = [{**only(one), "i": i} for i, one in enumerate(rows)]
    found = list(payloads(records))
    assert [one["hook_event_name"] for one in found] == [
        *["PreToolUse"] * 3,
        "PostToolBatch",
        "PreToolUse",
        "PostToolBatch",
    ]
    batch = found[3]["tool_calls"]
    assert [(c["tool_name"], c["tool_use_id"], c["tool_response"]) for c in batch] == [
        ("Bash", f"t{n}", f"r{n}") for n in range(3)
    ]


def test_result_that_comes_after_the_next_message_has_begun_keeps_its_call():
    rows = [
        call(1, "a", "m1"),
        call(2, "b", "m1"),
        result(3, "ra", "a"),
        call(4, "c", "m2"),
        result(5, "rc", "c"),
        result(6, "rb", "b"),
    ]
    records = [{**only(one), "i": i} for i, one in enumerate(rows)]
    batches = [one["tool_calls"] for one in payloads(records) if one["hook_event_name"] == "PostToolBatch"]
    seen = {c["tool_use_id"]: (c["tool_name"], c["tool_response"]) for batch in batches for c in batch}
    assert seen == {"a": ("Bash", "ra"), "b": ("Bash", "rb"), "c": ("Bash", "rc")}


def test_compaction_is_the_session_start_that_a_hook_gets():
    boundary = {**row("system", None), "subtype": "compact_boundary"}
    records = [{**only(one), "i": i} for i, one in enumerate([call(1), result(2, "/p"), boundary])]
    found = list(payloads(records))
    assert [one["hook_event_name"] for one in found] == ["PreToolUse", "PostToolBatch", "SessionStart"]
    assert found[-1]["source"] == "compact"
