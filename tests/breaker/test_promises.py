"""A warning promises only what will happen: a rule that only warns neither blocks nor stops, and some calls are never blocked."""

from __future__ import annotations

import pytest
from streams import Stream

from circuit_breaker.breaker.config import RULES
from circuit_breaker.breaker.model import DENY, INVALID, OPENED, QUESTION, WARN
from circuit_breaker.words.sentences import sentence_of

MISSING = "<tool_use_error>String to replace not found in file.\nString: nope</tool_use_error>"
EDIT = {"file_path": "/p/a.py", "old_string": "nope", "new_string": "x"}


def same(stream, i):
    return stream.bash("ls", "a")


def same_edit(stream, i):
    return stream.call("Edit", {"file_path": "/p/a", "old_string": "a", "new_string": "aa"}, f"{i}")


def ring(stream, i):
    stream.bash("ls", "a")
    return stream.bash("pwd", "b")


def other_forms(stream, i):
    return stream.bash(f"pytest t.py -{'vxsqlr'[i % 6]}", "Exit code 1\nE   boom", fails=True)


def same_errors(stream, i):
    return stream.bash(f"tool{i}", "Exit code 1\nthe same error", fails=True)


def rejected(stream, i):
    return stream.call("Edit", EDIT, MISSING, INVALID)


def costly(stream, i):
    return stream.call("Read", {"file_path": f"/p/{i}"}, f"{i}")


MILD = [
    (same, "repeated_call", {}),
    (same_edit, "repeated_call", {}),
    (ring, "call_cycle", {}),
    (other_forms, "tool_failure", {"same_error": 0}),
    (same_errors, "tool_failure", {}),
    (rejected, "tool_failure", {}),
    (costly, "budget", {"calls_per_prompt": 4}),
]


@pytest.mark.parametrize(("turns", "rule", "keys"), MILD)
def test_a_rule_that_only_warns_promises_neither_a_blocked_call_nor_a_stopped_turn(turns, rule, keys):
    others = {name: {"enabled": name == rule} for name in RULES}
    stream = Stream(circuit_breakers={**others, rule: {"enabled": True, "action": "warn", **keys}})
    for i in range(12):
        turns(stream, i)
    assert {verdict for verdict, _ in stream.said} == {WARN}
    assert not any(word in text for _, text in stream.said for word in ("blocked", "stopped", "asked"))


def test_a_schedule_that_is_never_blocked_is_not_said_to_be():
    stream = Stream()
    for _ in range(12):
        stream.call("CronCreate", {"prompt": "look", "cron": "* * * * *"}, "scheduled")
    assert stream.states() == {}
    assert [verdict for verdict, _ in stream.said] == [WARN]
    assert "blocked" not in stream.said[0][1]


def test_a_ring_that_may_compare_two_versions_is_told_of_no_block_rounds_before_it():
    stream = Stream(circuit_breakers={"repeated_call": {"enabled": False}})
    for _ in range(5):
        for command, text in zip(
            ("sed -i s/1/2/ a", "./bench", "sed -i s/2/1/ a", "./bench"), ("", "fast", "", "slow")
        ):
            stream.bash(command, text)
    assert stream.states() == {}
    assert [verdict for verdict, _ in stream.said] == [WARN]
    assert "blocked" not in stream.said[0][1]


def test_a_denied_subagent_is_none_of_those_that_were_started():
    stream = Stream(circuit_breakers={"agent_spawn": {"threshold": 1, "block_at": 2}})
    for i in range(5):
        stream.ask("Agent", {"prompt": f"{i}"})
    assert [("2 times" in text) for verdict, text in stream.said if verdict == DENY] == [True] * 3


@pytest.mark.parametrize("attended", [True, False])
def test_you_are_told_that_you_will_be_asked_where_you_can_be(attended):
    stream = Stream(attended=attended, circuit_breakers={"tool_failure": {"action": "ask"}})
    for _ in range(3):
        decision = stream.bash("make", "Exit code 2\nboom", fails=True)
    shown = [sentence_of(notice, "SUDO BYPASS") for notice in decision.notices]
    assert {"asked" in text or "asks you" in text for text in shown} == {attended}
    assert {"blocked" in text for text in shown} == {not attended}
    assert stream.ask("Bash", {"command": "make"})[1].verdict == (QUESTION if attended else DENY)


@pytest.mark.parametrize(("attended", "kinds"), [(True, [QUESTION]), (False, [DENY, OPENED])])
def test_question_about_a_further_subagent_is_all_that_you_are_shown_of_it(attended, kinds):
    stream = Stream(attended=attended, circuit_breakers={"agent_spawn": {"threshold": 1, "action": "ask"}})
    asked = [stream.ask("Agent", {"prompt": f"{i}"})[1] for i in range(2)][-1]
    assert [notice.kind for notice in asked.notices] == kinds
    assert stream.events("warning") == []  # the denial says it
