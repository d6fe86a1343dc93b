"""Calls that cannot be denied are warned about, then the turn is stopped; so are calls that are denied again and again."""

from __future__ import annotations

import pytest
from streams import Stream, said

from circuit_breaker.breaker.model import (
    ALLOW,
    CLOSED,
    DENY,
    FAILED,
    INVALID,
    MAIN,
    OPEN,
    OPENED,
    PERSON,
    STOP,
    WARN,
    Compacted,
    Reported,
    Result,
    Turn,
)

MISSING = "<tool_use_error>String to replace not found in file.\nString: nope</tool_use_error>"
EDIT = {"file_path": "/p/a.py", "old_string": "nope", "new_string": "x"}


def test_edit_that_never_matches_is_told_at_the_third_and_ended_at_the_sixth():
    stream = Stream()
    verdicts = [stream.call("Edit", EDIT, MISSING, INVALID).verdict for _ in range(6)]
    assert verdicts == [ALLOW, ALLOW, WARN, WARN, WARN, STOP]
    assert [t.name for t in stream.events("ending")] == ["tool_failure:Edit a.py"]


def test_urgency_rises_with_each_warning():
    stream = Stream()
    texts = [said(stream.call("Edit", EDIT, MISSING, INVALID)) for _ in range(5)]
    assert "3 more times" in texts[2] and "2 more times" in texts[3] and "once more" in texts[4]


def test_validation_failures_count_within_the_prompt_whatever_lies_between():
    stream = Stream()
    for i in range(5):
        assert stream.call("Edit", EDIT, MISSING, INVALID).verdict != STOP
        for j in range(6):
            stream.call("Write", {"file_path": f"/p/{i}-{j}", "content": "x"}, "written")
    said = [stream.call("Edit", EDIT, MISSING, INVALID).verdict for _ in range(2)]
    assert said == [WARN, STOP]  # what was never warned about is not stopped


def test_where_the_rule_only_warns_an_input_rejected_again_and_again_is_counted_twice_and_told_each_time():
    changes = {"circuit_breakers": {"tool_failure": {"action": "warn", "same_error": 0}}}
    stream = Stream(**changes)
    verdicts = [stream.call("Edit", EDIT, MISSING, INVALID).verdict for _ in range(9)]
    assert [n + 1 for n, verdict in enumerate(verdicts) if verdict != ALLOW] == [3, 6, 7, 8, 9]
    assert stream.lanes[""].tally["tool_failure"]["would"] == 2  # the circuit, then the end of the turn


def test_a_new_prompt_starts_the_count_of_validation_failures_anew():
    stream = Stream()
    for _ in range(5):
        stream.call("Edit", EDIT, MISSING, INVALID)
    stream.prompt()
    assert stream.call("Edit", EDIT, MISSING, INVALID).verdict != STOP


def test_edits_that_miss_with_ever_new_strings_are_told_and_ended():
    stream = Stream()
    verdicts = []
    for i in range(6):
        given = {"file_path": "/p/a.py", "old_string": f"nope {i}", "new_string": "x"}
        text = f"<tool_use_error>String to replace not found in file.\nString: nope {i}</tool_use_error>"
        verdicts.append(stream.call("Edit", given, text, INVALID).verdict)
    assert verdicts == [ALLOW, ALLOW, WARN, WARN, WARN, STOP]
    assert stream.states() == {}  # the next call is another one: there is nothing to deny
    assert stream.events("ending")[0].name == "tool_failure:Edit error"
    assert "stopped this turn: `Edit` returned the same error 6 turns in a row" in stream.said[-1][1]


def test_hammering_on_a_denied_call_ends_the_turn_at_the_limit():
    stream = Stream()
    for _ in range(3):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
    last = [stream.turn([("Bash", {"command": "make test"}, "", FAILED)])[-1].verdict for _ in range(5)]
    assert last == [ALLOW, ALLOW, ALLOW, ALLOW, STOP]


def test_equal_denied_calls_of_one_batch_count_once():
    stream = Stream()
    for _ in range(3):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
    said = stream.turn([("Bash", {"command": "make test"}, "", FAILED)] * 8)
    assert [d.verdict for d in said] == [DENY] * 8 + [ALLOW]


def test_siblings_of_a_running_probe_do_not_count_as_hammering():
    stream = Stream(deny_limit=1)
    for _ in range(3):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
    stream.now += 11
    given = {"command": "make test"}
    asked = [stream.ask("Bash", given) for _ in range(3)]
    assert [decision.verdict for _, decision in asked] == [ALLOW, DENY, DENY]
    results = [Result(id=call_id, tool="Bash", input=given, text="5 passed") for call_id, _ in asked]
    assert stream.send(Turn(results=results, cwd="/p", prompt=stream.session.prompt)).verdict == ALLOW
    assert stream.states() == {}


def test_parent_of_an_ended_subagent_is_told_which_and_why():
    stream = Stream()
    for _ in range(6):
        ended = stream.call("Edit", EDIT, MISSING, INVALID, lane="a1b2")
    assert ended.verdict == STOP
    told = stream.call("Agent", {"prompt": "do it"}, "(Subagent completed but returned no output.)")
    assert told.verdict == WARN and "a1b2" in said(told) and "Edit a.py" in said(told)
    assert stream.bash("ls", "a").verdict == ALLOW  # said once


def test_stop_hook_that_never_lets_go_is_ended_after_five():
    stream = Stream()
    stream.bash("ls", "a")
    assert [stream.stop().verdict for _ in range(6)] == [ALLOW] * 5 + [STOP]
    assert stream.states() == {"hook_recursion:Stop": OPEN}


def test_a_turn_that_brings_something_new_starts_the_stops_anew():
    stream = Stream()
    for i in range(20):
        assert stream.stop().verdict == ALLOW
        if i % 5 == 4:
            stream.bash(f"ls {i}", f"{i} files")


def test_turn_that_only_repeats_does_not_start_the_stops_anew():
    stream = Stream()
    stream.bash("ls", "a")
    verdicts = []
    for _ in range(3):
        verdicts += [stream.stop().verdict, stream.stop().verdict]
        stream.bash("ls", "a")
    assert STOP in verdicts


def test_a_plain_stop_and_a_prompt_close_the_recursion():
    stream = Stream()
    for _ in range(6):
        stream.stop()
    stream.stop(again=False)
    assert stream.states() == {}
    for _ in range(6):
        stream.stop()
    stream.prompt()
    assert stream.states() == {} or CLOSED in stream.states().values()


def test_you_are_shown_once_that_no_further_agents_may_start():
    stream = Stream(circuit_breakers={"agent_spawn": {"threshold": 1, "block_at": 1}})
    decisions = [stream.ask("Agent", {"prompt": f"part {number}"})[1] for number in range(4)]
    assert [decision.verdict for decision in decisions] == [ALLOW, DENY, DENY, DENY]
    assert [len([note for note in one.notices if note.kind == OPENED]) for one in decisions] == [0, 1, 0, 0]


def test_a_prompt_after_which_agents_may_start_again_keeps_the_count_of_an_error():
    stream = Stream(circuit_breakers={"agent_spawn": {"threshold": 1, "block_at": 1}})
    missing = "Exit code 127\nsh: cargo: not found"
    stream.call("Agent", {"prompt": "build"}, "done")
    for command in ("cargo build", "cargo test"):
        stream.bash(command, missing, fails=True)
    assert stream.ask("Agent", {"prompt": "test"})[1].verdict == DENY
    stream.prompt()
    assert [t.name for t in stream.events("close")] == ["agent_spawn:Agent"]
    assert stream.bash("cargo run", missing, fails=True).verdict == WARN


def test_with_the_action_warn_the_same_error_is_told_at_each_further_turn():
    stream = Stream(
        circuit_breakers={"tool_failure": {"action": "warn"}, "failing_streak": {"enabled": False}}
    )
    verdicts = [stream.bash(f"tool{i}", "Exit code 1\nthe same error", fails=True).verdict for i in range(12)]
    assert verdicts == [ALLOW] * 2 + [WARN] * 10
    assert stream.lanes[MAIN].tally["tool_failure"]["would"] == 1


def test_failing_turns_that_are_only_observed_are_counted_once_when_they_would_have_been_stopped():
    stream = Stream(mode="observe")
    for i in range(25):
        stream.bash(f"tool{i} x", f"Exit code 1\nerror {chr(97 + i)}", fails=True)
    assert stream.lanes[MAIN].tally["failing_streak"]["would"] == 1
    assert stream.said == []


def lost_failures(stream, times):
    """Failures of one call, each followed by another call, so that it is counted; the batch of the last one never comes."""
    for i in range(times):
        stream.lose("make", "Exit code 2\nboom")
        if i < times - 1:
            stream.call("Read", {"file_path": f"/p/{i}"}, f"{i}")


@pytest.mark.parametrize("event", ["prompt", "stop", "failure"])
def test_a_warning_that_came_up_where_nothing_can_be_read_is_given_after_the_next_batch(event):
    stream = Stream()
    lost_failures(stream, 3)
    if event == "stop":
        stream.stop()
    else:
        stream.prompt(proven=event == "prompt")
    if event == "failure":
        told = {"tool": "Bash", "input": {"command": "ls x"}, "text": "Exit code 2\nno x", "author": PERSON}
        stream.send(Reported(id="x", cwd="/p", prompt=stream.session.prompt, **told))
    assert (stream.events("warning"), stream.said) == ([], [])
    assert stream.states() == {"tool_failure:Bash make": OPEN}
    assert stream.bash("ls", "a").verdict == WARN
    assert [t.subject for t in stream.events("warning")] == ["Bash make"]
    assert stream.bash("ls -l", "a").verdict == ALLOW


def test_a_warning_about_a_stop_hook_is_given_after_the_next_batch():
    stream = Stream(circuit_breakers={"hook_recursion": {"action": "warn"}})
    for _ in range(8):
        assert stream.stop().verdict == ALLOW
    assert stream.lanes[MAIN].tally["hook_recursion"]["warned_at"] == 0
    assert stream.bash("ls", "a").verdict == WARN
    assert "made Claude continue" in stream.said[0][1]


def test_no_turn_is_stopped_before_its_warning_could_be_read():
    stream = Stream()
    for i in range(5):
        stream.lose(f"tool{i}", "Exit code 1\nthe same error")
        stream.send(Compacted())
        stream.stop()
    assert stream.bash("tool6", "Exit code 1\nthe same error", fails=True).verdict == WARN


def test_after_a_stopped_turn_hammering_is_counted_anew():
    stream = Stream()
    for _ in range(3):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
    ended = [stream.bash("make test").verdict == STOP for _ in range(15)]
    assert [n for n, stopped in enumerate(ended, 1) if stopped] == [5, 10, 15]
