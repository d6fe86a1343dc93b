"""What is a circuit, and what is told of its changes? Pure.

Memory of an open circuit is read at every event of its session; how one lives (breaker.py) matters to few of them.
"""

from __future__ import annotations

from circuit_breaker.core.model import CLOSED, MAIN, Record


class Circuit(Record):
    """One breaker. `keys` are the calls it gates, `results` what each of them returned last while it looped."""

    FIELDS = {
        "rule": "",
        "subject": "",
        "keys": [],
        "results": {},
        "state": CLOSED,
        "level": 0,
        "trips": 0,
        "retry_at": 0.0,  # epoch seconds; None: until a person speaks
        "cooldown": 0.0,  # length of the running cooldown, seconds
        "probe": "",  # tool_use_id of the one probe that is out
        "probe_turn": -1,
        "lease": 0.0,  # epoch seconds from which another asker may take the probe over
        "credit": "",  # an early probe that was bought and not used: progress or prompt
        "bought": False,  # this level's early probe is spent
        "early": False,  # the probe that is out was bought
        "good": 0,  # good probes in a row
        "since": -1,  # n at which its evidence began
        "count": 0,
        "cause": "",
        "clip": "",
        "calls": [],
        "opened_at": 0.0,
    }
    CONTAINERS = ("keys", "results", "calls")

    @property
    def name(self) -> str:
        return f"{self.rule}:{self.subject}"


class Transition(Record):
    """Something worth a record. `event`: trip, probe, close, reset, bypass, ending (incidents), or warning (a telling)."""

    FIELDS = {
        "event": "",
        "circuit": "",
        "before": CLOSED,
        "after": CLOSED,
        "cause": "",
        "at": 0.0,
        "lane": MAIN,
        "calls": [],
        "cooldown": 0.0,
        "level": 0,
    }
    CONTAINERS = ("calls",)
