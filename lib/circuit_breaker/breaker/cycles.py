"""Rings: the lane's last calls repeating in the same order with unchanged results."""

from __future__ import annotations

from circuit_breaker.breaker.memory import GESTURES, POLL, Lane, Past


def moved_on(lane: Lane, ring: list[Past], since: int) -> bool:
    """Whether there was progress since call `since`, where the ring began. Its own calls do not count: their results repeat."""
    keys = [member.key for member in ring]
    own = {past.n for past in lane.recent if past.key in keys}
    found = lane.progress + lane.news if any(member.kind in GESTURES for member in ring) else lane.progress
    return any(n >= since and before < since and n not in own for n, before in found)


def periods_at(recent: list[Past], end: int, longest: int) -> list[int]:
    """Possible periods of a ring that ends at `recent[end]`: the same call and result is that far back, or up to 2 calls more."""
    same = recent[end].call
    back = {far for far in range(2, min(longest + 2, end) + 1) if recent[end - far].call == same}
    periods = range(2, min(longest, end) + 1)
    return [period for period in periods if not back.isdisjoint(range(period, period + 3))]


def ring_at(recent: list[Past], end: int, period: int) -> tuple[list[Past], int, int]:
    """(records of the last round, whole rounds, n of the first call) of the ring of that period that ends at `recent[end]`;
    ([], 0, -1) if there is none."""
    best: tuple[list[Past], int, int] = ([], 0, -1)
    for start, ring, strangers in _last_rounds(recent, end, period):
        rounds, first, earlier = 0, start, start
        while earlier >= 0:
            rounds, first = rounds + 1, earlier
            earlier = _round_before(recent, first, ring, strangers)
        if rounds > best[1] and not _belongs(strangers, rounds):
            best = (ring, rounds, recent[first].n)
    return best


def _last_rounds(recent: list[Past], end: int, period: int) -> list[tuple[int, list[Past], list[Past]]]:
    """(index of its start, its records, the foreign call in it if any) of each way in which a round may end at `recent[end]`."""
    found = []
    for window in range(period, min(period, end) + 2):
        start = end - window + 1
        for foreign in range(1, window - 1) if window > period else (-1,):
            ring = [recent[start + i] for i in range(window) if i != foreign]
            polls = 2 * sum([r.kind == POLL for r in ring]) >= period  # a long ring takes as long as a wait
            if not polls and ring[0].turn != ring[-1].turn and _is_ring([r.call for r in ring]):
                found.append((start, ring, [recent[start + foreign]] if foreign > 0 else []))
    return found


def _is_ring(calls: list[tuple[str, str]]) -> bool:
    """Whether these (key, result) are a round: at least two calls, no repeats of a shorter round. A B A C is one, and so is A B A' C,
    where A returns two results in turn."""
    size = len(calls)
    if len(dict(calls)) < 2:
        return False
    parts = [part for part in range(2, size // 2 + 1) if size % part == 0]
    return not any(calls == calls[:part] * (size // part) for part in parts)


def _belongs(strangers: list[Past], rounds: int) -> bool:
    """Whether a foreign call is part of the ring, so that its period is another one: the same call in every round, with always equal
    results (a longer ring) or always new ones (no ring)."""
    if len(strangers) < max(1, rounds - 1) or any(s.key != strangers[0].key for s in strangers):
        return False
    changed = sum([1 for one, other in zip(strangers, strangers[1:]) if one.result != other.result])
    return changed in (0, len(strangers) - 1)


def _round_before(recent: list[Past], first: int, ring: list[Past], strangers: list[Past]) -> int:
    """Index of the start of the round before `first`: the ring's calls and results in order; -1 if there is none. One foreign call
    among or after them is added to `strangers`."""
    at = first - 1
    foreign: list[Past] = []
    for member in reversed(ring):
        if at >= 0 and not foreign and recent[at].call != member.call:
            foreign.append(recent[at])
            at -= 1
        if at < 0 or recent[at].call != member.call:
            return -1
        at -= 1
    strangers += foreign
    return at + 1
