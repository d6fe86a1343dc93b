"""Every short sequence of events keeps the invariants of the state machine."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from streams import Stream

from circuit_breaker.breaker.model import (
    CLOSED,
    DENY,
    FAILED,
    HALF_OPEN,
    OK,
    OPEN,
    Ask,
    Reported,
    Result,
    Turn,
)

CALL = ("Bash", {"command": "pytest -q"})


class Step(NamedTuple):
    """A move, what was decided on it, the session after it, and the calls that are still running then."""

    move: str
    decision: Any
    stream: Stream
    running: tuple[str, ...] = ()

    @property
    def circuit(self) -> Any:
        return next(iter(self.stream.lanes[""].circuits.values()), None)


MOVES = ("ask", "fails", "succeeds", "wait", "other", "edit", "prompt")
# The table at the top of breaker.py: every change of state that there is, by who ends ("probe", or a call that ran before) and what
# the gate said.
TABLE = {
    (CLOSED, "ask allow", CLOSED),
    (CLOSED, "late fails", CLOSED),  # below the threshold
    (CLOSED, "late succeeds", CLOSED),
    (OPEN, "ask deny", OPEN),
    (OPEN, "ask allow", HALF_OPEN),
    (OPEN, "late fails", OPEN),
    (OPEN, "late succeeds", OPEN),
    (HALF_OPEN, "ask deny", HALF_OPEN),
    (HALF_OPEN, "ask allow", HALF_OPEN),  # your prompt shows that the probe is over
    (HALF_OPEN, "probe succeeds", CLOSED),
    (HALF_OPEN, "probe fails", OPEN),
    # a later turn shows that the probe is over
    *((HALF_OPEN, move, OPEN) for move in ("late fails", "late succeeds", "other", "edit")),
    *((state, move, state) for state in (CLOSED, OPEN) for move in ("other", "edit")),
    *((state, move, state) for state in (CLOSED, OPEN, HALF_OPEN) for move in ("wait", "prompt")),
}


def opened() -> Step:
    """An open circuit."""
    stream = Stream()
    for _ in range(3):
        stream.bash("pytest -q", "Exit code 1\nboom", fails=True)
    stream.edits = 0
    return Step("", None, stream)


def ways(path: list[Step], moves: Iterable[str], length: int, times: int = 1) -> Iterator[list[Step]]:
    """Every way of up to `length` moves on from where `path` ends. `step` changes no memory that it is handed, so a longer way goes on
    from the memory of the shorter one. Each event of the call is delivered `times` times."""
    for move in moves:
        further = [*path, taken(path[-1], move, times)]
        yield further
        if length > 1:
            yield from ways(further, moves, length - 1, times)


def taken(before: Step, move: str, times: int) -> Step:
    """One move on."""
    stream, running, decision = branch(before.stream), before.running, None
    if move == "ask":
        call_id, decision = stream.ask(*CALL)
        for _ in range(times - 1):
            asked = Ask(id=call_id, tool=CALL[0], input=CALL[1], cwd="/p", prompt=stream.session.prompt)
            again = stream.send(asked)
            assert (again.notices, again.contacts) == (decision.notices, decision.contacts)
        running += (call_id,) if decision.verdict != DENY else ()
    elif move in ("fails", "succeeds") and running:
        call_id, *others = running
        running = tuple(others)
        for event in ended(call_id, move):
            for _ in range(times):
                stream.send(event)
    elif move == "wait":
        stream.now += 11
    elif move == "other":
        stream.bash(f"ls {stream.ids}", f"file {stream.ids}")
    elif move == "edit":
        stream.edits += 1
        given = {"file_path": "/p/a.py", "old_string": str(stream.edits), "new_string": "x"}
        stream.call("Edit", given, "updated")
    elif move == "prompt":
        stream.prompt()
    return Step(move, decision, stream, running)


def change(before: Step, after: Step) -> tuple[str, str, str]:
    """One move as in TABLE."""
    move = after.move
    if move == "ask":
        move = f"ask {after.decision.verdict}"
    elif move in ("fails", "succeeds"):
        probe = before.circuit is not None and before.circuit.probe == before.running[0]
        move = f"{'probe' if probe else 'late'} {move}"
    states = [step.circuit.state if step.circuit is not None else CLOSED for step in (before, after)]
    return states[0], move, states[1]


def moves_of(path: list[Step]) -> list[str]:
    return [taken.move for taken in path]


def branch(stream: Stream) -> Stream:
    """A session that goes on from here without a trace in this one."""
    other = copy.copy(stream)
    other.lanes, other.transitions, other.said = dict(stream.lanes), [*stream.transitions], [*stream.said]
    return other


def ended(call_id: str, how: str) -> list[Any]:
    """The events of a call that ended."""
    text = "Exit code 1\nboom" if how == "fails" else "5 passed"
    turn = Turn(results=[Result(id=call_id, tool=CALL[0], input=CALL[1], text=text)], cwd="/p")
    if how == "succeeds":
        return [turn]
    return [Reported(id=call_id, tool=CALL[0], input=CALL[1], kind=FAILED, text=text), turn]


def test_every_sequence_of_up_to_five_moves_keeps_the_table_and_the_invariants():
    seen = set()
    for path in ways([opened()], MOVES, 5):
        (before, after), moves = path[-2:], moves_of(path)
        circuit = after.circuit
        if before.running or after.move not in ("fails", "succeeds"):
            seen.add(change(before, after))
        assert len(after.stream.lanes[""].circuits) <= 1
        if circuit is None:
            continue
        assert 0 <= circuit.level <= 4
        assert bool(circuit.probe) <= (circuit.state == HALF_OPEN), moves
        assert circuit.state in (CLOSED, OPEN, HALF_OPEN)
        if after.move == "ask" and after.decision.verdict != DENY and circuit.state == HALF_OPEN:
            assert circuit.probe, moves
            early = before.circuit is not None and after.stream.now < before.circuit.retry_at
            assert not early or {"edit", "prompt"} & {*moves}, (
                moves,
                "a pass before retry_at needs a reason",
            )
    assert seen == TABLE


def test_never_two_probes_are_out():
    waited = [opened(), taken(opened(), "wait", 1)]
    for path in ways(waited, ("ask", "wait", "other", "edit"), 5):
        passed = 0
        for move, decision, *_ in path:
            passed += move == "ask" and decision.verdict != DENY
            if move in ("other", "edit"):
                passed = 0  # a later turn of the lane proves the probe over
        assert passed <= 1, moves_of(path)


def test_every_event_delivered_twice_gives_what_once_gives():
    for once, twice in zip(ways([opened()], MOVES, 4), ways([opened()], MOVES, 4, times=2)):
        one, both = once[-1].stream, twice[-1].stream
        assert one.lanes == both.lanes and one.session == both.session, moves_of(once)
        assert one.transitions == both.transitions, moves_of(once)


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
                results=[Result(id=call_id, tool=CALL[0], input=CALL[1], kind=OK, text="Exit code 1\nboom")],
                cwd="/p",
                prompt=stream.session.prompt,
            )
        )
        stream.now += 2
    after = [t for t in ran if t > 12]  # six stubborn failures open it
    for begin, length in ((12, 10), (30, 20), (60, 60), (150, 120), (300, 600), (900, 600)):
        assert sum(1 for t in after if begin <= t < begin + length) <= 2, (begin, after)
    assert len(ran) <= 6 + 9
