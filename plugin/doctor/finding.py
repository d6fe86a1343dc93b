"""One finding of doctor."""

from __future__ import annotations

from typing import Callable, NamedTuple

OK, NOTE, FAULT = "ok", "note", "fault"


class Finding(NamedTuple):
    """One line of doctor. fix: what to do. action: does it, where possible, and returns what it did."""

    id: str
    level: str
    text: str
    fix: str = ""
    action: Callable[[], str] | None = None
