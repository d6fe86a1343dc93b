"""Is a turn that no rule is asked about really one that no rule had anything to say of?"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Stream

from circuit_breaker.core import detectors, evidence
from circuit_breaker.core.model import DENIED, FAILED, INVALID, LAUNCHED, OK

CALLS = [
    ("Bash", {"command": "make"}),
    ("Bash", {"command": "make all"}),
    ("Bash", {"command": "sleep 5; cat log"}),
    ("Bash", {"command": "curl https://example.org/a"}),
    ("Read", {"file_path": "/p/a"}),
    ("Read", {"file_path": "/p/b"}),
    ("Edit", {"file_path": "/p/a", "new_string": "x"}),
    ("WebFetch", {"url": "https://example.org"}),
]
RULES = {
    "tool_failure": {"threshold": 1, "same_error": 1, "window_turns": 5},
    "repeated_call": {"threshold": 1, "poll_max": 1, "digits_max": 1},
    "call_cycle": {"threshold": 1, "threshold_long": 1},
    "sequential_tools": {"threshold": 1, "window_turns": 3},
    "external_api": {"threshold": 1, "session_max": 1, "action": "warn"},
}


def sessions(calls):
    """Turns of up to three of these calls, now and then after a prompt."""
    outcome = st.sampled_from([OK, OK, OK, OK, OK, OK, FAILED, INVALID, DENIED, LAUNCHED])
    call = st.tuples(st.sampled_from(calls), st.sampled_from(["done", "done", "done 1"]), outcome)
    turn = st.lists(call, min_size=1, max_size=2)
    return st.lists(st.tuples(turn, st.integers(0, 9).map(lambda n: n == 9)), min_size=4, max_size=30)


@settings(max_examples=400, deadline=None)
@given(st.integers(2, len(CALLS)).flatmap(lambda n: sessions(CALLS[-n:])))
def test_no_rule_speaks_of_a_turn_that_says_nothing(moments):
    usual = evidence.says_nothing

    def checked(session, lane, outcomes):
        nothing = usual(session, lane, outcomes)
        if nothing:
            for name, detector in detectors.DETECTORS.items():
                assert detector(session, lane, outcomes, stream.config.rules[name], stream.now) == [], name
        return nothing

    stream = Stream(circuit_breakers=RULES)
    evidence.says_nothing = checked
    try:
        for calls, prompted in moments:
            if prompted:
                stream.prompt()
            stream.turn([(tool, given, text, kind) for (tool, given), text, kind in calls])
    finally:
        evidence.says_nothing = usual


def test_ordinary_work_says_nothing(mocker):
    told = mocker.spy(evidence, "says_nothing")
    stream = Stream()
    for number in range(4):
        stream.call("Read", {"file_path": f"/p/{number}"}, f"text {number}")
        stream.call("Edit", {"file_path": f"/p/{number}", "new_string": "x"}, "done")
        assert told.spy_return is True
    stream.call("Bash", {"command": "make"}, "Exit code 2", FAILED)
    assert told.spy_return is False
