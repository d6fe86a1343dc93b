"""What each check of doctor finds, and how to fix it."""

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


def ok(about: str, text: str) -> Finding:
    """A check that found nothing wrong."""
    return Finding(about, OK, text)


def note(about: str, text: str, fix: str = "", action: Callable[[], str] | None = None) -> Finding:
    """Something to know, which is no fault."""
    return Finding(about, NOTE, text, fix, action)


def fault(about: str, text: str, fix: str, action: Callable[[], str] | None = None) -> Finding:
    """Something that must be fixed."""
    return Finding(about, FAULT, text, fix, action)
