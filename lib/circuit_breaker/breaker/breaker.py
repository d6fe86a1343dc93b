"""The states of one circuit and the steps between them.

    state       a call asks                            it succeeds with a new result      it fails, or the same result again
    CLOSED      pass                                   clears the streak                  count; at the threshold: `trip`
    OPEN        before `retry_at`: deny; after it, or   ignore (a late result)             ignore
                with an early probe: HALF_OPEN, and
                this call is the one probe (`admit`)
    HALF_OPEN   deny while the probe runs; after its    the probe: `succeed`, CLOSED and   the probe: `fail`, OPEN at once,
                lease, or a later turn (`release`),     one level down                     one level up
                the next call is the probe

Each function takes a Circuit and returns a new one; `now` is in epoch seconds; the cooldown at a level is `base` times that step.
"""

from __future__ import annotations

from circuit_breaker.breaker.model import CLOSED, EARNED, HALF_OPEN, OPEN, RUNNING, USED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.breaker.model import SomeCircuit

ADMITTED, TAKEN, COOLING, SPENT = "", "probe_running", "cooling_down", "early_used"
UNPROBED = {"probe": "", "early": "", "good": 0}


def cooldown(base: float, level: int, steps: list[float]) -> float:
    """Seconds of cooldown at a level: `base` times the level's step."""
    return float(base * steps[min(level, len(steps) - 1)])


def trip(circuit: SomeCircuit, now: float, base: float, steps: list[float]) -> SomeCircuit:
    """CLOSED -> OPEN. A circuit that is not CLOSED stays as it is."""
    if circuit.state != CLOSED:
        return circuit
    wait = cooldown(base, circuit.level, steps)
    opened = {"state": OPEN, "trips": circuit.trips + 1, "opened_at": now}
    return circuit.but(**UNPROBED, **opened, retry_at=now + wait, cooldown=wait)


def bounded(circuit: SomeCircuit, now: float) -> SomeCircuit:
    """Limit the cooldown and the lease to their own lengths from now: the clock may have been set back."""
    if circuit.retry_at is not None and circuit.retry_at - now > circuit.cooldown:
        circuit = circuit.but(retry_at=now + circuit.cooldown)
    if circuit.lease - now > circuit.leased:
        circuit = circuit.but(lease=now + circuit.leased)
    return circuit


def admit(circuit: SomeCircuit, call_id: str, now: float, lease: float) -> tuple[SomeCircuit, str]:
    """Whether this call may pass: (circuit, ADMITTED; if not TAKEN, COOLING, or SPENT if this level's early probe was used).

    OPEN and due, or with an earned early probe: HALF_OPEN, and this call is the probe. HALF_OPEN: the probe may ask again; another
    call becomes the probe if none is running or the lease has passed.
    """
    circuit = bounded(circuit, now)
    if circuit.state == CLOSED or (circuit.probe and circuit.probe == call_id):
        return circuit, ADMITTED
    probing = circuit.but(state=HALF_OPEN, probe=call_id, lease=now + lease, leased=lease)
    if circuit.state == HALF_OPEN:
        running = circuit.probe and now < circuit.lease
        return (circuit, TAKEN) if running else (probing, ADMITTED)
    due = circuit.retry_at is not None and now >= circuit.retry_at
    if circuit.early == EARNED:
        return probing.but(early="" if due else RUNNING), ADMITTED
    return (probing, ADMITTED) if due else (circuit, SPENT if circuit.early == USED else COOLING)


def earn(circuit: SomeCircuit) -> SomeCircuit:
    """Give an OPEN circuit an early probe, at most one per level."""
    if circuit.state != OPEN or circuit.early or circuit.retry_at is None:
        return circuit
    return circuit.but(early=EARNED)


def fail(circuit: SomeCircuit, now: float, base: float, steps: list[float]) -> SomeCircuit:
    """The probe failed or returned the same result: OPEN, one level up, with a cooldown from now. If it was an early probe, the new level
    has none; the highest level has one for all its cooldowns."""
    level = min(circuit.level + 1, len(steps) - 1)
    wait = cooldown(base, level, steps)
    used = circuit.early == RUNNING or (circuit.early == USED and level == circuit.level)
    after = {**UNPROBED, "early": USED if used else ""}
    return circuit.but(**after, state=OPEN, level=level, retry_at=now + wait, cooldown=wait)


def release(circuit: SomeCircuit, ran: bool) -> SomeCircuit:
    """The probe ended without a verdict (refused, in the background, interrupted, lost): OPEN, same level and `retry_at`. An early probe
    that never `ran` can be used again."""
    early = circuit.early if circuit.early != RUNNING else USED if ran else EARNED
    return circuit.but(state=OPEN, probe="", early=early)


def overdue(circuit: SomeCircuit, now: float) -> SomeCircuit:
    """The probe has probably died: the next call may be the probe, and until then its late result counts."""
    return circuit.but(lease=now, leased=0.0) if circuit.probe else circuit


def succeed(circuit: SomeCircuit, needed: int) -> SomeCircuit:
    """A good probe: CLOSED and one level down after `needed` in a row, else HALF_OPEN until the next one."""
    if circuit.good + 1 < needed:
        early = USED if circuit.early == RUNNING else circuit.early
        return circuit.but(probe="", good=circuit.good + 1, early=early)
    return close(circuit)


def close(circuit: SomeCircuit) -> SomeCircuit:
    """CLOSED, one level down."""
    level = max(0, circuit.level - 1)
    return circuit.but(**UNPROBED, state=CLOSED, level=level, retry_at=0.0, cooldown=0.0, count=0)
