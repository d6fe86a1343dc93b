"""Budget limits learned from past good prompts; docs/budgets.md describes the method and its guarantee.

This is split conformal prediction. The score of a prompt is its use itself: no model is fitted, so no prompts are split off for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, exp, lgamma, log
from typing import NamedTuple

from circuit_breaker.breaker.config import Config
from circuit_breaker.replay.recording import Recorded, skip
from circuit_breaker.replay.rerun import Requests, Rerun
from circuit_breaker.replay.transcript import INTERRUPTED, REQUEST
from circuit_breaker.runtime.protocol import NOT_TYPED

LEAST = 20  # with fewer good prompts no limit is learned, whatever the risk
GOOD, UNFINISHED, STOPPED, TRIPPED = "good", "unfinished", "interrupted", "tripped"


class PastPrompt(NamedTuple):
    """One prompt of yours: `calls`, `tokens` (sum of all four kinds, None if the recording has no usage) and `ending`."""

    calls: int
    tokens: int | None
    ending: str


class Prompts(Rerun):
    """The prompts of one session, beginning with your first one: `found`, complete after `finish`. A machine's prompt counts to the
    prompt before it."""

    def __init__(self, name: str, config: Config, fault: Callable[[str], None] = skip) -> None:
        super().__init__(name, config, fault=fault)
        self.found: list[PastPrompt] = []
        self._begun = False
        self._begin()

    def _begin(self) -> None:
        self._before = self.calls, len(self.trips)
        self._tokens, self._messages = 0, Requests()
        self._seen = self._answered = self._paid = self._interrupted = False
        self._waiting: set[object] = set()

    def take(self, record: Recorded) -> None:
        super().take(record)
        name = record["hook_event_name"]
        if name == "UserPromptSubmit":
            text = str(record.get("prompt", ""))
            if not (record.get("machine") or record.get("agent_id") or text.startswith(NOT_TYPED)):
                self._close()
                self._begin()
                self._begun = True
            else:
                self._answered = False
        elif name == REQUEST:
            self._tokens += sum(self._messages.add(record, []))
            self._paid = self._paid or any(record["usage"])
            if "agent_id" not in record:
                self._answered = record["said"] and not record["calls"] and not record["failed"]
                self._seen = True
        elif name == "PreToolUse":
            self._waiting.add(record.get("tool_use_id"))
        elif name == INTERRUPTED or record.get("user_rejected"):
            self._interrupted = self._interrupted or "agent_id" not in record
        if "tool_use_id" in record and name != "PreToolUse":
            self._waiting.discard(record["tool_use_id"])

    def finish(self) -> None:
        super().finish()
        self._close()

    def _close(self) -> None:
        calls, trips = self._before
        calls = self.calls - calls
        if not self._begun or not (calls or self._seen):
            return
        # Hook events do not contain Claude's answer.
        ended = self._answered if self._seen else not self._waiting
        tripped = len(self.trips) > trips
        ending = TRIPPED if tripped else STOPPED if self._interrupted else GOOD if ended else UNFINISHED
        self.found.append(PastPrompt(calls, self._tokens if self._paid else None, ending))


# --- The limits


def needed(risk: Fraction) -> int:
    """The number of good prompts needed to learn a limit for `risk`."""
    return max(LEAST, ceil(1 / risk) - 1)


def rank(count: int, risk: Fraction) -> int:
    """The 1-based position of the limit among `count` sorted values; more than `count` if there are too few."""
    return ceil((count + 1) * (1 - risk))


def limit(values: Sequence[int], risk: Fraction) -> int | None:
    """The limit that a further value exceeds with a probability of at most `risk`. At least 1, since 0 switches a budget off. None for
    too few values."""
    if len(values) < needed(risk):
        return None
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
