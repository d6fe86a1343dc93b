"""The selection of `clean`: which units are archived, which stay, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from circuit_breaker.breaker.config import DAY
from circuit_breaker.cleaning import kinds
from circuit_breaker.cleaning.claude_code import InUse
from circuit_breaker.cleaning.inventory import Unit, sums

YOUNG = "younger than the limit"
FRESH = "of a session written to within 24 hours"
OPEN = "in use by a running process"
FITS = "within the total"


class Wish(NamedTuple):
    """What you asked for."""

    names: list[str]  # of kinds
    before: float  # epoch seconds; files written later stay
    project: str = ""  # its folder below projects/, "" for all
    most: int | None = None  # bytes of these kinds that can stay (--max-total); None: no limit


class Chosen:
    """bundles: kind -> units for its archive. freed: kind -> the sum of the selected files by their own kind (a session includes its
    subagents and tool results). stays: reason -> the sum of what stays of the chosen kinds. total: bytes of the chosen kinds."""

    def __init__(self) -> None:
        self.bundles: dict[str, list[Unit]] = {}
        self.freed: dict[str, Unit] = {}
        self.stays: dict[str, Unit] = {}
        self.total = 0

    @property
    def bytes(self) -> int:
        return sum(row.bytes for row in self.freed.values())


def choose(units: Iterable[Unit], wish: Wish, now: float, used: InUse) -> Chosen:
    """Select everything that can be archived, or with `wish.most` the oldest until the rest fits. If transcripts are chosen, a
    session is selected or left together with its subagents and tool results."""
    known = list(units)
    busy = busy_sessions(known, now)
    if wish.project:
        known = _of_project(known, wish.project)
    along = {one.path for unit in known for one in unit.inner} if kinds.TRANSCRIPTS in wish.names else set()
    chosen, ready, stays, goes = Chosen(), [], [], []
    for unit in known:
        if unit.kind not in wish.names or not unit.path or unit.path in along:
            continue
        whole = [unit, *unit.inner]
        chosen.total += sum(one.bytes for one in whole)
        reason = _reason(unit, wish.before, now, busy, used)
        if reason:
            stays += [(reason, one) for one in whole]
        else:
            ready.append(whole)
    rest = chosen.total
    for whole in sorted(ready, key=lambda whole: (whole[0].newest, whole[0].path)):
        if wish.most is not None and rest <= wish.most:
            stays += [(FITS, one) for one in whole]
            continue
        chosen.bundles.setdefault(whole[0].kind, []).append(whole[0])
        goes += [(one.kind, one) for one in whole]
        rest -= sum(one.bytes for one in whole)
    chosen.freed, chosen.stays = sums(goes), sums(stays)
    return chosen


def busy_sessions(units: Iterable[Unit], now: float) -> set[str]:
    """The sessions with a file written within 24 hours."""
    return {unit.session for unit in units if now - unit.newest < DAY} - {""}


def _of_project(units: list[Unit], project: str) -> list[Unit]:
    """The units in the project's folder, and those elsewhere that are named after one of its sessions."""

    def its_own(name: str) -> bool:
        return name == project or (len(project) == kinds.LONGEST and name.startswith(project + "-"))

    sessions = {unit.session for unit in units if its_own(unit.project)} - {""}
    return [unit for unit in units if (its_own(unit.project) if unit.project else unit.session in sessions)]


def _reason(unit: Unit, before: float, now: float, busy: set[str], used: InUse) -> str:
    """Why a unit stays; "" if it can be archived."""
    session = unit.session if unit.kind in kinds.OF_SESSIONS else ""
    if unit.stays:
        return unit.stays
    if unit.newest > before:
        return YOUNG
    if used.uses(unit.path, *unit.parts):
        return OPEN
    if session in busy or (not session and unit.kind not in kinds.OF_NO_SESSION and now - unit.newest < DAY):
        return FRESH
    # A shell snapshot is in use as long as its session; an old plugin version, as long as a session that began before the update.
    together = unit.kind == kinds.SNAPSHOTS and unit.newest >= used.since - 60 or unit.kind == kinds.PLUGINS
    return OPEN if together and used.clients else ""
