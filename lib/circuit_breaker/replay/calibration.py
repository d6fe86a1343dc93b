"""Budget limits learned from past good prompts; docs/budgets.md describes the method and its guarantee. Pure.

This is split conformal prediction. The score of a prompt is its use itself: no model is fitted, so no prompts are split off for that.
"""

from __future__ import annotations

from math import ceil, exp, lgamma, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

LEAST = 20  # with fewer good prompts no limit is learned, whatever the risk


def needed(risk: Fraction) -> int:
    """The number of good prompts needed to learn a limit for `risk`."""
    return max(LEAST, ceil(1 / risk) - 1)


def rank(count: int, risk: Fraction) -> int:
    """The 1-based position of the limit among `count` sorted values; more than `count` if there are too few."""
    return ceil((count + 1) * (1 - risk))


def limit(values: Sequence[int], risk: Fraction) -> int:
    """The limit that a further value exceeds with a probability of at most `risk`.

    At least 1, since 0 switches a budget off. Raises ValueError for too few values.
    """
    if len(values) < needed(risk):
        raise ValueError(f"{len(values)} values, {needed(risk)} needed")
    return max(1, sorted(values)[rank(len(values), risk) - 1])


def spread(count: int, risk: Fraction) -> tuple[float, float]:
    """(low, high): in 9 of 10 calibrations with `count` prompts, the share of further prompts over the limit is between these.

    The share of values above the r-th smallest of n has a Beta(n + 1 - r, r) distribution if the values are independent and no two
    are equal (equal ones make it smaller).
    """
    above = count + 1 - rank(count, risk)
    return _quantile(0.05, count, above), _quantile(0.95, count, above)


def _quantile(chance: float, count: int, above: int) -> float:
    """The `chance` quantile of Beta(above, count + 1 - above)."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        # Beta(a, n+1-a) <= x is as likely as at least a successes in n draws with probability x
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
