"""What each check of doctor finds, and how to fix it."""

from __future__ import annotations

from functools import partial
from typing import Callable, NamedTuple

OK, NOTE, FAULT = "ok", "note", "fault"


class Finding(NamedTuple):
    """One line of doctor. fix: what to do. action: does it, where possible, and returns what it did."""

    level: str
    id: str
    text: str
    fix: str = ""
    action: Callable[[], str] | None = None


# A check that found nothing wrong, something to know, and something that must be fixed.
ok, note, fault = partial(Finding, OK), partial(Finding, NOTE), partial(Finding, FAULT)
