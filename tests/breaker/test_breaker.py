"""One row for each cell of the state table."""

from __future__ import annotations

import pytest

from circuit_breaker.breaker import breaker
from circuit_breaker.breaker.model import CLOSED, EARNED, HALF_OPEN, OPEN, USED, Circuit

BASE, STEPS, NOW, LEASE = 10.0, (1, 2, 6, 12, 60), 1000.0, 60.0


def opened(**changes):
    return breaker.trip(
        Circuit(rule="tool_failure", subject="Bash pytest", keys=["k"]), NOW, BASE, STEPS
    ).but(**changes)


def probing(**changes):
    circuit, refusal = breaker.admit(opened(), "probe", NOW + BASE, LEASE)
    assert not refusal
    return circuit.but(**changes)


def test_first_trip_waits_exactly_the_base():
    circuit = opened()
    assert (circuit.state, circuit.retry_at, circuit.level, circuit.trips) == (OPEN, NOW + BASE, 0, 1)


def test_tripping_an_open_circuit_changes_nothing():
    assert breaker.trip(opened(), NOW + 5, BASE, STEPS) == opened()


@pytest.mark.parametrize(("level", "seconds"), enumerate([10, 20, 60, 120, 600]))
def test_cooldown_grows_with_the_level(level, seconds):
    assert breaker.cooldown(BASE, level, STEPS) == seconds


def test_cooldown_of_zero_probes_at_once():
    circuit = breaker.trip(Circuit(), NOW, 0.0, STEPS)
    assert breaker.admit(circuit, "a", NOW, LEASE)[1] == breaker.ADMITTED


ASKED = [
    ("a closed circuit lets everything pass", Circuit(), NOW, "a", CLOSED, breaker.ADMITTED),
    ("an open one denies before its time", opened(), NOW + 9.9, "a", OPEN, breaker.COOLING),
    ("it says when the early retry is used", opened(early=USED), NOW + 9.9, "a", OPEN, breaker.SPENT),
    ("at its time it takes the caller as its probe", opened(), NOW + 10, "a", HALF_OPEN, breaker.ADMITTED),
    ("an earned probe needs no waiting", opened(early=EARNED), NOW + 1, "a", HALF_OPEN, breaker.ADMITTED),
    ("a second caller waits while the probe is out", probing(), NOW + 20, "b", HALF_OPEN, breaker.TAKEN),
    ("the probe itself may be asked about twice", probing(), NOW + 20, "probe", HALF_OPEN, breaker.ADMITTED),
    ("the lease ends at its second", probing(), NOW + 70, "b", HALF_OPEN, breaker.ADMITTED),
    ("the lease holds before it", probing(), NOW + 69.9, "b", HALF_OPEN, breaker.TAKEN),
    (
        "the next probe of several goes out",
        probing(probe="", good=1),
        NOW + 11,
        "b",
        HALF_OPEN,
        breaker.ADMITTED,
    ),
    ("without a person an agent limit stays", opened(retry_at=None), NOW + 9e9, "a", OPEN, breaker.COOLING),
]


@pytest.mark.parametrize(
    ("circuit", "now", "caller", "state", "refusal"), [row[1:] for row in ASKED], ids=[r[0] for r in ASKED]
)
def test_admission(circuit, now, caller, state, refusal):
    after, said = breaker.admit(circuit, caller, now, LEASE)
    assert (after.state, said) == (state, refusal)
    if state == HALF_OPEN and said == breaker.ADMITTED:
        assert after.probe == caller


def test_failed_probe_opens_one_level_up_with_the_cooldown_from_now():
    worse = breaker.fail(probing(), NOW + 30, BASE, STEPS)
    assert (worse.state, worse.level, worse.retry_at, worse.trips) == (OPEN, 1, NOW + 50, 1)


def test_level_stops_at_the_last_step():
    circuit = probing(level=4)
    assert breaker.fail(circuit, NOW, BASE, STEPS).level == 4


def test_good_probe_closes_and_takes_a_level_down():
    better = breaker.succeed(probing(level=2), 1)
    assert (better.state, better.level, better.probe) == (CLOSED, 1, "")


def test_several_good_probes_are_needed_when_asked_for():
    once = breaker.succeed(probing(level=1), 2)
    assert (once.state, once.good, once.probe) == (HALF_OPEN, 1, "")
    again, _ = breaker.admit(once, "second", NOW + 40, LEASE)
    assert breaker.succeed(again, 2).state == CLOSED


def test_one_bad_probe_among_several_starts_the_count_anew():
    once, _ = breaker.admit(breaker.succeed(probing(), 2), "second", NOW + 40, LEASE)
    assert breaker.fail(once, NOW + 41, BASE, STEPS).good == 0


@pytest.mark.parametrize("ran", [True, False])
def test_released_probe_leaves_level_and_time_as_they_were(ran):
    free = breaker.release(probing(level=1), ran)
    assert (free.state, free.level, free.retry_at, free.probe) == (OPEN, 1, NOW + BASE, "")


def test_early_probe_is_earned_once_a_level():
    earned = breaker.earn(opened())
    out, _ = breaker.admit(earned, "early", NOW + 1, LEASE)
    lost = breaker.fail(out, NOW + 2, BASE, STEPS)
    assert breaker.earn(lost).early == USED  # after a failed earned probe the cooldown runs in full
    natural, _ = breaker.admit(lost, "due", NOW + 22, LEASE)
    assert breaker.earn(breaker.fail(natural, NOW + 23, BASE, STEPS)).early == EARNED


def test_early_probe_that_never_ran_is_given_back_and_one_that_ran_is_spent():
    out, _ = breaker.admit(breaker.earn(opened()), "early", NOW + 1, LEASE)
    assert breaker.release(out, ran=False).early == EARNED
    spent = breaker.release(out, ran=True)
    assert spent.early == breaker.earn(spent).early == USED


def test_clock_that_jumps_back_never_prolongs_a_cooldown():
    circuit = opened()
    after, refusal = breaker.admit(circuit, "a", NOW - 5000, LEASE)
    assert refusal and after.retry_at == NOW - 5000 + BASE


@pytest.mark.parametrize("lease", [LEASE, 600.0])
def test_clock_that_jumps_back_never_prolongs_a_lease(lease):
    probe, _ = breaker.admit(opened(), "a", NOW + BASE, lease)
    for back in (5000.0, 1e6):
        waiting, refusal = breaker.admit(probe, "b", NOW - back, LEASE)
        assert (refusal, waiting.lease) == (breaker.TAKEN, NOW - back + lease)
        taken, refusal = breaker.admit(waiting, "b", NOW - back + lease, LEASE)
        assert (refusal, taken.probe) == (breaker.ADMITTED, "b")


def test_highest_level_has_one_early_probe_for_all_its_cooldowns():
    steps = [1, 2]
    circuit = breaker.trip(Circuit(), 0.0, 10.0, steps)
    circuit = breaker.fail(circuit, 0.0, 10.0, steps)
    earned = 0
    for now in (100.0, 200.0, 300.0, 400.0):
        circuit = breaker.earn(circuit)
        earned += circuit.early == EARNED
        circuit, _ = breaker.admit(circuit, "p", now - 99.0, 60.0)
        circuit = breaker.fail(circuit, now, 10.0, steps) if circuit.probe else circuit
    assert earned == 1
