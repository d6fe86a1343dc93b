"""What would a sweep do in this folder? The survey, the reading it needs, and the plan that follows."""

from __future__ import annotations

from circuit_breaker.janitor import retention, survey
from circuit_breaker.janitor.retention import NEVER, Action, Found, Plan
from circuit_breaker.runtime import files
from circuit_breaker.words import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import stat_result


MOST_CUTS = 20  # session files that a foreground rewrites: each waits for the disk
LARGEST = 1 << 28  # bytes of a session file that is read to be cut


class Planned:
    """A plan and what the survey behind it has to say: unreadable (sentences), entries of the folder, pending (something put
    away is not compressed yet)."""

    __slots__ = ("plan", "unreadable", "entries", "pending")

    def __init__(self, plan: Plan, unreadable: list[str], found: Found) -> None:
        self.plan, self.unreadable, self.entries = plan, unreadable, found.entries
        self.pending = any(archive.plain for archive in found.archives.values())


def planned(
    folder: str,
    limits: Mapping[str, int],
    now: float,
    moment: str,
    running: str = "",
    whole: bool = True,
    most: float = float("inf"),
    since: float = 0.0,
) -> Planned:
    """The plan for one folder. Changes nothing. Contents that have not changed after `since` are taken as known to be fine.

    Raises survey.TooMany when there are more than `most` entries, or more to read than a foreground has time for; OSError.
    """
    found = survey.look(folder, most, whole, retention.horizon(limits, now))
    unreadable = survey.count_lines(found, folder, limits, since, most)
    plan = retention.plan(found, limits, now, moment, running)
    cuts: list[Action] = []
    changed = since - retention.HOUR  # one that was being written at the last survey was not read then
    stay = {name: found.sessions[name] for name in plan.stay if survey.changed(found.sessions[name], changed)}
    if stay and (limits["evidence_ledger_max"] or limits["tool_history_max"]):
        if most < NEVER and sum(info.st_size for info in stay.values()) > survey.READ_MOST:
            raise survey.TooMany(folder)
        cuts, unread = _cuts(folder, stay, limits, moment)
        unreadable += unread
        if most < NEVER and len(cuts) > MOST_CUTS:
            raise survey.TooMany(folder)
    if cuts:  # their archives count too, so the removals are worked out anew
        plan.actions = [action for action in plan.actions if action.do != "prune"] + cuts
        plan.actions += retention.prunings(found, limits, [action for action in plan.actions if action.into])
    return Planned(plan, unreadable, found)


def _cuts(
    folder: str, stay: Mapping[str, stat_result], limits: Mapping[str, int], moment: str
) -> tuple[list[Action], list[str]]:
    from circuit_breaker.janitor import ledger  # `json` is paid where a session file has to be read

    actions, unreadable = [], []
    for name, info in stay.items():
        if info.st_size < ledger.shortest(limits):
            continue
        try:
            text = (files.read(f"{folder}/{name}", LARGEST) or b"{}").decode("utf-8")
            shorter, gone = ledger.cut(text, limits)
        except (OSError, ValueError) as error:
            unreadable.append(f"{name}: cannot be read as a session file: {error}")
            continue
        if gone:
            caps = {key: limits[ledger.LISTS[key]] for key in gone}
            away = len(text.encode("utf-8")) - len(shorter.encode("utf-8"))
            into = retention.archive_id(name, moment)
            actions.append(Action("cut", name, memory.too_long(gone, caps), away, info, into))
    return actions, unreadable
