"""Limits learned from past good prompts: the method and its guarantee are in docs/budgets.md. Pure.

Split conformal prediction without a model to fit: the score of a prompt is what it needed, so nothing has to be split off.
"""

from __future__ import annotations

from math import ceil, exp, lgamma, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

LEAST = 20  # good prompts below which no limit is learned, whatever the risk


def needed(risk: Fraction) -> int:
    """How many good prompts it takes to learn a limit for `risk`."""
    return max(LEAST, ceil(1 / risk) - 1)


def rank(count: int, risk: Fraction) -> int:
    """Which of `count` sorted values is the limit, the smallest being the first; more than `count` where there are too few."""
    return ceil((count + 1) * (1 - risk))


def limit(values: Sequence[int], risk: Fraction) -> int:
    """The limit that a further value of the same kind crosses with a probability of at most `risk`.

    At least 1, since 0 switches a limit off. Raises ValueError for too few values.
    """
    if len(values) < needed(risk):
        raise ValueError(f"{len(values)} values, {needed(risk)} needed")
    return max(1, sorted(values)[rank(len(values), risk) - 1])


def spread(count: int, risk: Fraction) -> tuple[float, float]:
    """Between which shares of further good prompts a limit from `count` of them is crossed, in 9 of 10 calibrations.

    The share of values above the r-th smallest of n is a Beta(n + 1 - r, r) variable, whatever the values' distribution, as long
    as they are independent and no two are equal (equal ones make it smaller).
    """
    above = count + 1 - rank(count, risk)
    return _quantile(0.05, count, above), _quantile(0.95, count, above)


def _quantile(chance: float, count: int, above: int) -> float:
    """x such that a Beta(above, count + 1 - above) variable is at most x with probability `chance`."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        # Beta(a, n+1-a) <= x exactly when at least a of n independent draws of chance x succeed
        if 1 - _fewer_than(above, count, middle) < chance:
            low = middle
        else:
            high = middle
    return high


def _fewer_than(successes: int, trials: int, chance: float) -> float:
    logs = lgamma(trials + 1)
    return sum(
        exp(logs - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(chance) + (trials - k) * log(1 - chance))
        for k in range(successes)
    )
