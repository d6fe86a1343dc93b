"""A learned limit is crossed by at most the chosen share of further prompts of the same kind."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.replay import calibration

FIVE = Fraction(5, 100)
TOLERANCE = 4  # standard errors: of 1,000 runs of these tests fewer than one would fail by chance


def test_limit_is_the_value_at_the_conformal_rank():
    values = list(range(1, 101))
    random.Random(1).shuffle(values)
    assert calibration.limit(values, FIVE) == 96  # the ceil(101 x 0.95)-th of 100
    assert calibration.limit(values, Fraction(1, 2)) == 51
    assert calibration.limit(range(1, 21), FIVE) == 20  # ceil(21 x 0.95) = 20: the largest of them


@pytest.mark.parametrize(
    ("risk", "needed"), [("0.05", 20), ("0.04", 24), ("0.01", 99), ("0.5", 20), ("0.03", 33)]
)
def test_fewer_prompts_than_the_risk_needs_are_refused(risk, needed):
    risk = Fraction(risk)
    assert calibration.needed(risk) == needed
    assert calibration.limit(range(needed), risk) <= needed
    assert calibration.limit(range(needed - 1), risk) is None


def test_limit_is_never_zero_since_that_would_switch_it_off():
    assert calibration.limit([0] * 50, FIVE) == 1


@given(
    st.lists(st.integers(0, 10**9), min_size=20, max_size=300), st.sampled_from(["0.05", "0.1", "0.2", "0.5"])
)
def test_at_most_the_share_of_the_values_themselves_lies_above_the_limit(values, share):
    limit = calibration.limit(values, Fraction(share))
    assert limit in values or limit == 1
    assert sum(value > limit for value in values) <= Fraction(share) * (len(values) + 1)


@pytest.mark.parametrize("risk", ["0.05", "0.2"])
@pytest.mark.parametrize("count", [20, 47, 300])
def test_over_many_calibrations_a_further_prompt_crosses_with_the_chosen_probability(risk, count):
    risk, dice = Fraction(risk), random.Random(f"{risk} {count}")
    crossed, runs = 0, 3000
    for _ in range(runs):
        values = [int(dice.lognormvariate(2.5, 1.4) * 1000) for _ in range(count + 1)]
        crossed += values[-1] > calibration.limit(values[:-1], risk)
    error = (float(risk * (1 - risk)) / runs) ** 0.5
    assert crossed / runs <= float(risk) + TOLERANCE * error
    least = (count + 1 - calibration.rank(count, risk)) / (count + 1)  # without ties it is exactly this
    assert crossed / runs >= least - TOLERANCE * error


def test_spread_says_where_the_crossing_share_lies_in_nine_of_ten_calibrations():
    dice, count = random.Random(7), 100
    low, high = calibration.spread(count, FIVE)
    assert low < 0.05 < high
    shares = []
    for _ in range(2000):
        shares.append(1 - sorted(dice.random() for _ in range(count))[calibration.rank(count, FIVE) - 1])
    inside = sum(low <= share <= high for share in shares) / len(shares)
    assert inside == pytest.approx(0.9, abs=0.03)


def test_more_prompts_make_the_spread_narrower():
    widths = [high - low for low, high in (calibration.spread(n, FIVE) for n in (20, 100, 1000, 10_000))]
    assert widths == sorted(widths, reverse=True)
