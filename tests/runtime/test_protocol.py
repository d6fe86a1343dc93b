"""What the recorded payloads of Claude Code say, and how they are answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from circuit_breaker.breaker import model
from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.model import (
    ALLOW,
    DENIED,
    DENY,
    FAILED,
    INTERRUPTED,
    INVALID,
    LAUNCHED,
    OK,
    STOP,
    WARN,
)
from circuit_breaker.breaker.policy import step
from circuit_breaker.identity import errors
from circuit_breaker.runtime import protocol, store

PAYLOADS = Path(__file__).resolve().parent.parent / "payloads"
EVENTS = sorted(
    p.stem for p in PAYLOADS.glob("*.json") if p.stem.split(".")[0] not in ("environment", "statusLine")
)
CONFIG = build()


def read(name: str, **changes: Any) -> Any:
    """The event of a recorded payload."""
    body = {**json.loads((PAYLOADS / f"{name}.json").read_text()), **changes}
    return protocol.event_of(protocol.Payload(body), "SUDO BYPASS")


def decide(event: Any) -> Any:
    return step(_memory("Session"), _memory("Lane"), event, CONFIG, 1_790_000_000.0)[2]


def _memory(name: str) -> Any:

    return getattr(store, name)()


@pytest.mark.parametrize("name", EVENTS)
def test_recorded_payload_becomes_its_event_and_trips_nothing(name: str) -> None:
    kinds = {
        "PreToolUse": "Ask",
        "PostToolUse": "Reported",
        "PostToolUseFailure": "Reported",
        "PostToolBatch": "Turn",
        "UserPromptSubmit": "Prompt",
        "Stop": "StopAsked",
        "SubagentStop": "StopAsked",
        "SessionStart.compact": "Compacted",
    }
    event = read(name)
    wanted = kinds.get(name, kinds.get(name.split(".")[0]))
    assert (None if event is None else type(event).__name__) == wanted
    if event is not None:
        assert decide(event).verdict == ALLOW


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("bash-exit-1", [OK]),  # the text alone does not say; PostToolUseFailure has
        ("edit-old-string-not-found", [INVALID]),
        ("edit-file-not-read", [INVALID]),
        ("edit-missing-file", [INVALID]),
        ("invalid-input", [INVALID]),
        ("malformed-json-input", [INVALID]),
        ("unknown-tool", [INVALID]),
        ("denied-by-permission-rule", [DENIED]),
        ("permission-not-granted-headless", [DENIED]),
        ("denied-by-hook-exit-2", [DENIED]),
        ("refused-headless-2.1.196", [DENIED] * 24),
        ("refused-headless-2.1.330", [DENIED] * 28),
        ("mcp-iserror", [OK]),
        ("parallel-mixed", [OK] * 4),
        ("in-subagent", [OK]),
    ],
)
def test_text_of_a_result_suggests_what_became_of_the_call(name: str, hints: list[str]) -> None:
    assert [result.kind for result in read(f"PostToolBatch.{name}").results][: len(hints)] == hints


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PostToolUseFailure.bash-exit-1", FAILED),
        ("PostToolUseFailure.mcp-server-crash", FAILED),
        ("PostToolUse.read", OK),
        ("PostToolUse.bash-run-in-background", LAUNCHED),
        ("PostToolUse.bash-timeout-auto-backgrounded", LAUNCHED),
    ],
)
def test_what_was_reported_before_the_batch_is_taken_at_its_word(name: str, kind: str) -> None:
    assert read(name).kind == kind


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ({"stdout": "", "backgroundTaskId": "b1"}, LAUNCHED),
        ({"status": "async_launched"}, LAUNCHED),
        ({"stdout": "x"}, OK),
    ],
)
def test_an_object_in_a_batch_says_what_goes_on_in_the_background(response: dict, kind: str) -> None:
    call = {
        "tool_name": "Bash",
        "tool_input": {"command": "x"},
        "tool_use_id": "t",
        "tool_response": response,
    }
    turn = read("PostToolBatch.bash-exit-1", tool_calls=[call])
    assert [result.kind for result in turn.results] == [kind]


def test_interrupt_is_no_failure() -> None:
    assert read("PostToolUseFailure.bash-exit-1", is_interrupt=True).kind == model.INTERRUPTED


@pytest.mark.parametrize(
    ("prompt", "bypass"),
    [
        ("SUDO BYPASS", True),
        ("SUDO BYPASS\nrun it again", True),
        ("SUDO BYPASS  ", True),
        ("sudo bypass", False),
        ("please SUDO BYPASS", False),
        ("SUDO BYPASS now", False),
        ("\nSUDO BYPASS", False),
        ("", False),
    ],
)
def test_keyword_counts_only_as_the_whole_first_line(prompt: str, bypass: bool) -> None:
    assert read("UserPromptSubmit", prompt=prompt).bypass is bypass


def test_notification_is_no_person() -> None:
    event = read("UserPromptSubmit.task-notification")
    assert (event.person, event.bypass) == (False, False)


def test_lane_is_the_agent() -> None:
    names = ("PreToolUse.in-subagent", "PreToolUse.bash")
    inside, outside = (
        protocol.Payload(json.loads((PAYLOADS / f"{name}.json").read_bytes())).lane for name in names
    )
    assert inside != "" == outside


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize(
    "wrong", [7, 1.5, True, [], {}, [7], {"x": [1]}, [{}], "", "x\ud800", None], ids=repr
)
def test_wrong_type_is_a_value_error_or_harmless(name: str, wrong: object) -> None:
    body = json.loads((PAYLOADS / f"{name}.json").read_text())
    for field in body:
        for spoilt in _spoilt(body, field, wrong):
            try:
                event = protocol.event_of(protocol.Payload(spoilt), "SUDO BYPASS")
            except ValueError:
                continue
            if event is not None:
                assert decide(event).verdict == ALLOW


def _spoilt(body: dict[str, Any], field: str, wrong: object) -> list[dict[str, Any]]:
    """The payload with that field replaced, and with each field of the objects inside it."""
    if field == "hook_event_name":
        return [{**body, field: wrong}]
    found = [{**body, field: wrong}]
    if isinstance(body[field], dict):
        found += [{**body, field: {**body[field], inner: wrong}} for inner in body[field]]
    if isinstance(body[field], list) and body[field] and isinstance(body[field][0], dict):
        found += [{**body, field: [{**body[field][0], inner: wrong}]} for inner in body[field][0]]
    return found


def test_answers_are_what_claude_code_reads() -> None:
    config = build([("user file", {"notify": False})])

    def answer(event: str, *kinds: str) -> Any:
        notices = [model.Notice(kind=kind, rule="tool_failure", subject="Bash make") for kind in kinds]
        return protocol.render(model.Decision(notices=notices), event, config)

    assert answer("PreToolUse") is None
    denied = answer("PreToolUse", DENY)["hookSpecificOutput"]
    assert denied["hookEventName"] == "PreToolUse" and denied["permissionDecision"] == "deny"
    assert denied["permissionDecisionReason"].startswith("Blocked by circuit-breaker (not a hook failure")
    for event in ("PreToolUse", "PostToolBatch"):
        warned = answer(event, WARN, model.SUBAGENT)["hookSpecificOutput"]
        assert warned["hookEventName"] == event and warned["additionalContext"].count("Warning from") == 2
    assert answer("PostToolBatch", model.OPENED) == {
        "systemMessage": "circuit-breaker blocked `Bash make`: it failed 0 times with nothing changed in between. "
        'To unblock: /reset-circuit --circuit "tool_failure:Bash make"'
    }
    for event in ("PostToolBatch", "Stop"):
        stopped = answer(event, STOP, model.OPENED)
        assert set(stopped) == {"continue", "stopReason"} and stopped["continue"] is False
    assert answer("Stop", WARN) is None


def test_a_stopped_turn_says_what_else_you_are_told_but_nothing_twice() -> None:
    stop = model.Notice(kind=STOP, rule="tool_failure", subject="Bash make")
    again = model.Notice(kind=model.OPENED, rule="tool_failure", subject="Bash make")
    other = model.Notice(kind=model.OPENED, rule="repeated_call", subject="Bash ls")
    held = model.Notice(kind=model.FOR_YOU, reason="held_back", facts={"at": "12:00 UTC", "file": "s.json"})
    answer = protocol.render(model.Decision(notices=[again, stop, other, held]), "PostToolBatch", build())
    assert answer is not None and "systemMessage" not in answer
    reason = answer["stopReason"].split("\n")
    assert [reason[0].count("Bash make"), "Bash ls" in reason[1], "s.json" in reason[2]] == [1, True, True]
    assert len(reason) == 3


def test_a_trip_and_a_stopped_turn_notify_the_terminal_once() -> None:
    config = build()
    hostile = "Bash \x1b]0;x\x07make"
    for kind in (model.OPENED, STOP):
        notice = model.Notice(kind=kind, rule="tool_failure", subject=hostile)
        answer = protocol.render(model.Decision(notices=[notice]), "PostToolBatch", config)
        assert answer is not None
        sequence = answer["terminalSequence"]
        assert sequence.startswith("\x1b]9;circuit-breaker ") and sequence.endswith("\x07")
        assert sequence[4:-1].isprintable() and "make" in sequence


@pytest.mark.parametrize(
    ("prompt", "similar"),
    [
        ("SUDO BYPASS", False),
        ("SUDO BYPASS\ngo on", False),
        ("sudo bypass", True),
        ("SUDO  BYPASS", True),
        ("SUDO BYPASS please", True),
        ('"SUDO BYPASS"', True),
        (" SUDO BYPASS", True),
        ("# SUDO BYPASS:", True),
        ("what does SUDO BYPASS do?", False),
        ("go on\nSUDO BYPASS", False),
        ("", False),
    ],
)
def test_a_first_line_that_only_looks_like_the_keyword_is_known(prompt: str, similar: bool) -> None:
    assert protocol.looks_like(prompt, "SUDO BYPASS") is similar


def test_of_the_refusals_those_of_the_person_are_known_as_such() -> None:
    yours = [beginning for beginning, _ in protocol.REFUSALS if errors.is_your_no(beginning)]
    assert yours == [beginning for beginning, _ in protocol.REFUSALS if " user " in f" {beginning.lower()}"]
    assert len(yours) == 3


def test_a_call_that_auto_mode_could_not_judge_was_refused() -> None:
    said = "claude-opus-5 is temporarily unavailable, so auto mode cannot determine the safety of Bash right now."
    assert protocol.outcome_by_text({"command": "make"}, said) == DENIED
    assert protocol.outcome_by_text({"command": "cat log"}, f"log: {said}") == OK


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<tool_use_error>Sibling tool call errored</tool_use_error>", INTERRUPTED),
        ("<tool_use_error>Cancelled: parallel tool call Bash(make) errored</tool_use_error>", INTERRUPTED),
        ("<tool_use_error>String to replace not found: Sibling tool call errored</tool_use_error>", INVALID),
        ("log: <tool_use_error>Sibling tool call errored</tool_use_error>", OK),
    ],
)
def test_a_call_that_is_dropped_because_its_parallel_call_failed_is_no_failure(text: str, kind: str) -> None:
    assert protocol.outcome_by_text({"command": "make"}, text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "Cannot write to /home/user/project/a.txt while in plan mode.",
        "Auto mode is unavailable: its safety check does not run for this session, so Write was not run. Other actions "
        "that need the check will be denied too.",
        "This command uses the `&` background operator, which defers execution past approval-time safety checks. "
        "Approve only if you trust it.",
        "Claude Code couldn't finish checking this command. Approve only if you trust it.",
        "Input redirection from '/home/user/k' was blocked by a deny rule.",
    ],
)
def test_a_call_that_was_not_run_in_any_mode_was_refused(text: str) -> None:
    assert protocol.outcome_by_text({"command": "make"}, text) == DENIED


@pytest.mark.parametrize(
    "text",
    [
        "PR 12: This command requires approval",
        "This command is deprecated.",
        "Cannot write to a.txt: disk full",
        "docs/faq.md:3:rm in '/x' needs approval. The path is inside\ndocs/faq.md:4:the project",
        "     1\tThis command requires approval",
        "Dangerous goods: 3",
    ],
)
def test_what_a_command_prints_about_approval_is_no_refusal(text: str) -> None:
    assert protocol.outcome_by_text({"command": "make"}, text) == OK
