"""Whatever happens in a session: no turn is stopped that no warning in an earlier turn came before, waiting is never blocked, and
`step` changes nothing that it is handed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Stream

from circuit_breaker.breaker.memory import Lane
from circuit_breaker.breaker.model import (
    DENIED,
    DENY,
    FAILED,
    INVALID,
    LAUNCHED,
    MAIN,
    OK,
    PERSON,
    STOP,
    WARN,
)

LOST = "lost"  # a failure whose batch never comes

CALLS = [
    ("Edit", {"file_path": "/p/a", "old_string": "x", "new_string": "y"}),
    ("Edit", {"file_path": "/p/b", "old_string": "x", "new_string": "y"}),
    ("Bash", {"command": "make"}),
    ("Bash", {"command": "npm test"}),
    ("Bash", {"command": "sleep 60"}),
    ("Bash", {"command": "gh pr checks 7"}),
    ("Read", {"file_path": "/p/a"}),
    ("TaskOutput", {"task_id": "b1"}),
    ("mcp__x__click", {"uid": "1"}),
]
TEXTS = ["<tool_use_error>no</tool_use_error>", "Exit code 1\nboom", "Exit code 1\nbang", "done", ""]
STEPS = st.one_of(
    st.tuples(
        st.sampled_from(CALLS),
        st.sampled_from(TEXTS),
        st.sampled_from([OK, FAILED, INVALID, INVALID, DENIED, LAUNCHED, LOST, LOST]),
    ),
    st.sampled_from(["person", "late", "machine", "bypass", "stop"]),
)


def take(stream, step):
    """One step; -> its decisions. A "late" prompt is yours, but only the transcript says so."""
    if step == "stop":
        return [stream.stop(again=True)]
    if isinstance(step, str):
        late = {"proven": False, "author": PERSON} if step == "late" else {}
        return [stream.prompt(person=step != "machine", bypass=step == "bypass", **late)]
    (tool, given), text, kind = step
    if kind != LOST:
        return stream.turn([(tool, given, text, kind)])
    call_id, asked = stream.ask(tool, given)
    return [asked] if asked.verdict == DENY else [stream.report(call_id, tool, given, text)]


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=12), st.integers(1, 8), st.sampled_from([1.0, 20.0, 90.0]))
def test_no_turn_is_stopped_that_no_warning_of_the_same_in_an_earlier_turn_of_its_prompt_came_before(
    steps, rounds, pace
):
    stream = Stream(pace=pace)
    warned, denied, prompt = set(), set(), stream.session.person
    for step in steps * rounds:
        decisions = take(stream, step)
        if stream.session.person != prompt:
            warned, prompt = set(), stream.session.person
        notices = [notice for decision in decisions for notice in decision.notices]
        for notice in notices:
            # Calls that are denied count together, whichever circuits deny them: five in a prompt.
            was_told = notice.name in warned
            if notice.reason == "kept_asking":
                was_told = bool(denied) and notice.count >= 5
            assert notice.kind != STOP or notice.rule == "hook_recursion" or was_told
        told = {notice.name for notice in notices if notice.kind in (WARN, DENY)}
        warned, denied = warned | told, denied | told


class Checked(Stream):
    """A stream that checks that `step` changes nothing that it is handed."""

    def send(self, event, lane=MAIN):
        handed = self.session, self.lanes.get(lane, Lane()), event
        before = repr(handed)
        decision = super().send(event, lane)
        assert repr(handed) == before
        return decision


@settings(max_examples=100)
@given(st.lists(STEPS, max_size=12), st.integers(1, 8), st.sampled_from([1.0, 20.0, 90.0]))
def test_step_changes_nothing_that_it_is_handed(steps, rounds, pace):
    stream = Checked(pace=pace)
    for step in steps * rounds:
        take(stream, step)
        if not isinstance(step, str):
            stream.bash("make | tail", "make: *** [all] Error 2")
            stream.stop()


LOOKS = [("gh run view 7", OK), ("gh pr checks 7", FAILED), ("kubectl get pods", OK), ("curl -sf x", FAILED)]


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(LOOKS), min_size=1, max_size=4, unique=True),
    st.booleans(),
    st.integers(1, 30),
    st.floats(60.0, 600.0),
)
def test_looks_at_what_changes_by_itself_a_minute_apart_are_never_blocked(looks, waits, rounds, pace):
    stream = Stream(pace=pace)
    for _ in range(rounds):
        for command, kind in looks:
            if waits:
                stream.bash("sleep 20")
            answers = stream.turn([("Bash", {"command": command}, "pending", kind)])
            assert all(answer.verdict in ("allow", "warn") for answer in answers)
    assert stream.states() == {}


@pytest.mark.parametrize("kind", [OK, FAILED])
def test_looks_after_waits_are_quiet_up_to_poll_max(kind):
    stream = Stream(pace=10.0)
    for _ in range(18):
        stream.bash("sleep 10")
        for name in "abc":
            stream.call("Bash", {"command": f"gh run view {name}"}, "pending", kind)
            stream.call("Bash", {"command": f"cat out/{name}"}, "pending", kind)
    assert stream.said == []
