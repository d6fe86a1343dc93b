"""A transcript becomes the hook events it stands for."""

from __future__ import annotations

import json

import pytest

from circuit_breaker.replay import recording, transcript


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
    [one] = transcript.records(found)
    return one


def test_call_carries_its_turn_time_directory_and_price():
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
        "tokens": 11,
    }


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


def test_content_blocks_are_one_text():
    found = only(result(1, [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]))
    assert found["tool_response"] == "a\n\nb"


@pytest.mark.parametrize(
    "text",
    [
        "<command-name>/clear</command-name>",
        "<local-command-stdout>x",
        "<bash-input>ls",
        "Caveat: these",
        "[Request interrupted by user]",
        " ",
    ],
)
def test_what_no_person_typed_as_a_prompt_is_none(text):
    assert transcript.records(row("user", text)) == []


def test_prompt_of_a_person_keeps_its_id():
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
    assert transcript.records(row("user", "go on", **more)) == []


def test_subagent_is_a_lane_of_its_own_though_older_clients_do_not_name_it():
    assert only(call(1, isSidechain=True, agentId="a5"))["agent_id"] == "a5"
    assert only(call(1, isSidechain=True))["agent_id"] == "sidechain"


@pytest.mark.parametrize(
    "odd", [{}, {"message": None}, {"message": {"content": 3}}, {"timestamp": "never"}, {"sessionId": None}]
)
def test_row_of_another_shape_is_passed_over_or_taken_for_what_it_holds(odd):
    assert all("hook_event_name" in one for one in transcript.records({**row("assistant", []), **odd}))


def test_files_of_subagents_are_read_with_their_session_in_the_order_of_time(tmp_path):
    main, agents = tmp_path / "s.jsonl", tmp_path / "s" / "subagents"
    agents.mkdir(parents=True)
    rows = [row("user", "go", 0), call(1), result(4, "/p"), call(5, "t3", "m3"), result(6, "/p", "t3")]
    side = {"isSidechain": True, "agentId": "a5"}
    inner = [call(2, "t2", "m2", **side), result(3, "/p", "t2", **side)]
    main.write_text("".join(json.dumps(one) + "\n" for one in rows))
    (agents / "agent-a5.jsonl").write_text("".join(json.dumps(one) + "\n" for one in inner))
    [group] = recording.files([str(tmp_path)])
    [(name, records)] = [(n, list(r)) for n, r in recording.sessions(group, pytest.fail)]
    assert name == "s"
    assert [(one.get("agent_id"), one["hook_event_name"]) for one in records] == [
        (None, "UserPromptSubmit"),
        (None, "PreToolUse"),
        ("a5", "PreToolUse"),
        ("a5", "PostToolUse"),
        (None, "PostToolUse"),
        (None, "PreToolUse"),
        (None, "PostToolUse"),
    ]


def test_message_in_several_rows_is_one_turn_and_paid_for_once():
    rows = [call(1, "a"), call(2, "b"), result(3, "/p", "a"), result(4, "/p", "b")]
    records = [{**only(one), "i": i} for i, one in enumerate(rows)]
    found = list(recording.payloads(records))
    assert [one.payload["hook_event_name"] for one in found] == ["PreToolUse", "PreToolUse", "PostToolBatch"]
    assert [one.tokens for one in found] == [11, 0, 0]
