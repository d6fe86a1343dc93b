"""What failed before its turn ended? Kept until the batch comes that says what else the turn held. Pure."""

from __future__ import annotations

from circuit_breaker.core import trials
from circuit_breaker.core.model import FAILED, HALF_OPEN, MAIN, REPORTED, Record
from circuit_breaker.core.outcomes import Outcome, outcome_of
from circuit_breaker.core.work import Work

PENDING_MAX = 64
# what an outcome that waits for its batch keeps on disk, in this order
KEPT = (
    "id",
    "tool",
    "key",
    "kind",
    "label",
    "result",
    "digits",
    "error",
    "clip",
    "empty",
    "poll",
    "miss",
    "change",
)


class Reported(Record):
    """One call's outcome before its batch: a failure (or, where somebody registers it, a success)."""

    KIND = REPORTED
    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "kind": FAILED,
        "text": "",
        "result": "",
        "digits": "",
        "cwd": "",
        "prompt": "",
        "lane": MAIN,
    }


def reported(work: Work, event: Reported) -> None:
    """A failure before its batch: kept until the turn ends; a failed probe opens its circuit at once."""
    lane = work.lane
    if event.id in lane.seen or event.id in lane.pending:
        return
    lane.cwd = lane.cwd or event.cwd  # a lane's first turn: the directory after it is the best that is known
    outcome = outcome_of(event, event.kind, lane.cwd)
    lane.pending[event.id] = packed(outcome)
    while len(lane.pending) > PENDING_MAX:
        del lane.pending[next(iter(lane.pending))]
    circuit = work.gate_of(event.tool, event.input, outcome.key)
    if circuit is not None and circuit.state == HALF_OPEN and circuit.probe == event.id:
        trials.probed(work, circuit, outcome)


def packed(outcome: Outcome) -> list:
    """The outcome as one row of memory; its input is left out."""
    return [getattr(outcome, name) for name in KEPT]


def unpacked(kept: list) -> Outcome:
    """The outcome of such a row."""
    return Outcome(**dict(zip(KEPT, kept)))
