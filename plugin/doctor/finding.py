"""One finding of doctor, and one way in which a session gets our hooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, NamedTuple

OK, NOTE, FAULT = "ok", "note", "fault"


class Finding(NamedTuple):
    """One line of doctor: `cure` says what to do, `mend` does it where that is possible."""

    id: str
    level: str
    text: str
    cure: str = ""
    mend: Callable[[], str] | None = None


class Installation(NamedTuple):
    """One way in which a session here gets our hooks: its lines by event, as the host runs them; root: its files; ours: it is
    the person's own, or the one that this program belongs to, and not somebody's project that was only cloned."""

    label: str
    root: Path
    groups: dict[str, list[dict[str, Any]]]
    env: dict[str, str]
    ours: bool = True
