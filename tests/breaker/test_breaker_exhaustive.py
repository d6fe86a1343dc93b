"""Every short sequence of events keeps the invariants of the state machine (policy 7)."""

from __future__ import annotations

import itertools

import pytest
from streams import Stream

from circuit_breaker.breaker.model import (
    CLOSED,
    DENY,
    FAILED,
    HALF_OPEN,
    OK,
    OPEN,
    Ask,
    Prompt,
    Reported,
    Result,
    Turn,
)
from circuit_breaker.breaker.policy import step

CALL = ("Bash", {"command": "pytest -q"})


def play(moves, twice=False):
    """Run one sequence on an open circuit; yields (move, decision or None, stream) after each move."""
    stream = Stream()
    for _ in range(3):
        stream.bash("pytest -q", "Exit code 1\nboom", fails=True)
    stream.edits = 0
    asked = []
    for move in moves:
        decision = None
        if move == "ask":
            call_id, decision = stream.ask(*CALL)
            if twice:
                assert (
                    stream.send(
                        Ask(id=call_id, tool=CALL[0], input=CALL[1], cwd="/p", prompt=stream.session.prompt)
                    )
                    == decision
                )
            if decision.verdict != DENY:
                asked.append(call_id)
        elif move in ("fails", "succeeds") and asked:
            call_id = asked.pop(0)
            text = "Exit code 1\nboom" if move == "fails" else "5 passed"
            events = [Turn(results=[Result(id=call_id, tool=CALL[0], input=CALL[1], text=text)], cwd="/p")]
            if move == "fails":
                events.insert(0, Reported(id=call_id, tool=CALL[0], input=CALL[1], kind=FAILED, text=text))
            for event in events:
                for _ in range(2 if twice else 1):
                    stream.send(event)
        elif move == "wait":
            stream.now += 11
        elif move == "other":
            stream.bash(f"ls {stream.ids}", f"file {stream.ids}")
        elif move == "edit":
            stream.edits += 1
            stream.call(
                "Edit",
                {"file_path": "/p/a.py", "old_string": str(stream.edits), "new_string": "x"},
                "updated",
            )
        elif move == "prompt":
            stream.prompt()
        yield move, decision, stream


MOVES = ("ask", "fails", "succeeds", "wait", "other", "edit", "prompt")


@pytest.mark.parametrize("length", [1, 2, 3, 4, pytest.param(5, marks=pytest.mark.slow)])
def test_every_sequence_keeps_the_invariants(length):
    for moves in itertools.product(MOVES, repeat=length):
        coins = 0
        retry_at = None
        for move, decision, stream in play(moves):
            circuits = stream.lanes[""].circuits
            assert len(circuits) <= 1
            circuit = next(iter(circuits.values()), None)
            if circuit is not None:
                assert 0 <= circuit.level <= 4
                assert bool(circuit.probe) <= (circuit.state == HALF_OPEN), moves
                assert circuit.state in (CLOSED, OPEN, HALF_OPEN)
            if move in ("edit", "prompt"):
                coins += 1
            if (
                move == "ask"
                and decision.verdict != DENY
                and circuit is not None
                and circuit.state == HALF_OPEN
            ):
                assert circuit.probe, moves
                early = retry_at is not None and stream.now < retry_at
                assert not early or coins, (moves, "a pass before retry_at needs a reason")
            retry_at = circuit.retry_at if circuit is not None else None


def test_never_two_probes_are_out():
    for moves in itertools.product(("ask", "wait", "other", "edit"), repeat=5):
        passed = []
        for move, decision, stream in play(("wait", *moves)):
            if move == "ask" and decision.verdict != DENY:
                passed.append(stream.ids)
            if move in ("other", "edit"):
                passed.clear()  # a later turn of the lane proves the probe over
            assert len(passed) <= 1, moves


def test_every_event_delivered_twice_gives_what_once_gives():
    for moves in itertools.product(MOVES, repeat=4):
        once = [stream for _, _, stream in play(moves)][-1]
        both = [stream for _, _, stream in play(moves, twice=True)][-1]
        assert once.lanes == both.lanes and once.session == both.session, moves
        assert once.transitions == both.transitions, moves


def test_trivial_edits_buy_at_most_one_call_a_cooldown():
    stream = Stream()
    ran, start = [], stream.now
    for i in range(900):
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": f"a{i}", "new_string": f"b{i}"}, "updated")
        call_id, asked = stream.ask(*CALL)
        if asked.verdict != DENY:
            ran.append(stream.now - start)
            stream.send(
                Reported(id=call_id, tool=CALL[0], input=CALL[1], kind=FAILED, text="Exit code 1\nboom")
            )
        stream.send(
            Turn(
                results=[Result(id=call_id, tool=CALL[0], input=CALL[1], hint=OK, text="Exit code 1\nboom")],
                cwd="/p",
                prompt=stream.session.prompt,
            )
        )
        stream.now += 2
    after = [t for t in ran if t > 12]  # six stubborn failures open it
    for begin, length in ((12, 10), (30, 20), (60, 60), (150, 120), (300, 600), (900, 600)):
        assert sum(1 for t in after if begin <= t < begin + length) <= 2, (begin, after)
    assert len(ran) <= 6 + 9


def test_memory_handed_to_step_is_not_changed():
    stream = Stream()
    for _ in range(2):
        stream.bash("pytest -q", "Exit code 1\nboom", fails=True)
    session, lane = stream.session, stream.lanes[""]
    before = (repr(session), repr(lane))
    events = [
        Ask(id="x", tool=CALL[0], input=CALL[1], cwd="/p"),
        Reported(id="x", tool=CALL[0], input=CALL[1], text="Exit code 1\nboom"),
        Turn(results=[Result(id="x", tool=CALL[0], input=CALL[1], text="Exit code 1\nboom")], cwd="/p"),
        Prompt(id="new"),
    ]
    for event in events:
        step(session, lane, event, stream.config, stream.now)
        assert (repr(session), repr(lane)) == before
