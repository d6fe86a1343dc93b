"""A session as inline SVG: a strip per lane, with calls above the line, failures below it, and the breaker's actions across it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from incident_log import STOPS, Incident

from report.activity import BLOCKED, DENIED, FAILED, PastSession
from report.markup import Html, fill, join

COLUMNS = 480  # most marks of one kind in a strip
LANES = 8  # most strips of one session
MIDDLE = 16  # pixels from a strip's top to its line
# kind of mark -> (top, height, width) in pixels, in drawing order
SHAPES = {
    "prompt": (1, 30, 1),
    "call": (MIDDLE - 6, 5, 2),
    "edit": (MIDDLE - 11, 10, 2),
    "failed": (MIDDLE + 2, 8, 2),
    "denied": (MIDDLE + 2, 12, 2),
    "warning": (0, MIDDLE - 1, 3),
    "trip": (0, 32, 4),
}
LEGEND = {
    "call": "call",
    "edit": "edit",
    "failed": "failure",
    "denied": "denied or blocked",
    "prompt": "your prompt",
    "warning": "warning",
    "trip": "blocked or stopped",
}


class Mark(NamedTuple):
    """One mark on a strip."""

    t: float
    kind: str
    text: str


def drawn(session: PastSession, incidents: Iterable[Incident]) -> Html:
    """The strips of a session with its time axis."""
    start, end = session.start, max(session.end, session.start + 1)
    lanes: dict[str, list[Mark]] = {"": [Mark(t, "prompt", "your prompt") for t in session.prompts]}
    for call in session.calls:
        kind = {FAILED: "failed", DENIED: "denied", BLOCKED: "denied"}.get(call.kind) or (
            "edit" if call.change == 2 else "call"
        )
        lanes.setdefault(call.lane, []).append(Mark(call.t, kind, call.label))
    for one in incidents:
        kind = "trip" if one.event in STOPS else "warning" if one.event == "warning" else ""
        if kind and start <= one.t <= end + 60:
            lanes.setdefault(one.agent, []).append(Mark(min(one.t, end), kind, f"{one.circuit} {one.cause}"))
    shown = sorted(lanes.items(), key=lambda pair: (pair[0] != "", -len(pair[1])))
    strips = [_strip(lane, marks, start, end) for lane, marks in shown[:LANES]]
    if len(shown) > LANES:
        more = len(shown) - LANES
        strips.append(fill('<p class="more">and {n} more subagent{s}</p>', n=more, s="s" if more > 1 else ""))
    return join([*strips, _hours(start, end)])


def legend() -> Html:
    """The legend of the marks."""
    key = '<li><i class="key {kind}"></i>{text}</li>'
    keys = join(fill(key, kind=kind, text=text) for kind, text in LEGEND.items())
    return fill('<ul class="legend">{keys}</ul>', keys=keys)


def _strip(lane: str, marks: list[Mark], start: float, end: float) -> Html:
    columns: dict[tuple[str, int], list[Mark]] = {}
    for mark in marks:
        at = int(COLUMNS * (mark.t - start) / (end - start))
        columns.setdefault((mark.kind, min(max(at, 0), COLUMNS)), []).append(mark)
    order = list(SHAPES)
    in_order = sorted(columns.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    name = f"subagent {lane}" if lane else "main thread"
    calls = sum(mark.kind in ("call", "edit", "failed", "denied") for mark in marks)
    return fill(
        '<div class="lane"><span class="lane-name" title="{name}">{name}</span>'
        '<svg class="strip" role="img" aria-label="{name}: {calls} calls"><line class="axis" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        "{marks}</svg></div>",
        name=name,
        calls=calls,
        y=MIDDLE,
        marks=join(_mark(kind, at, found) for (kind, at), found in in_order),
    )


def _mark(kind: str, at: int, found: list[Mark]) -> Html:
    top, height, width = SHAPES[kind]
    text = found[0].text if len(found) == 1 else f"{len(found)} times, first: {found[0].text}"
    return fill(
        '<rect class="{kind}" x="{x}%" y="{y}" width="{w}" height="{h}"><title>{when} {text}</title></rect>',
        kind=kind,
        x=f"{99.4 * at / COLUMNS:.2f}",
        y=top,
        w=width,
        h=height,
        when=clock(found[0].t),
        text=text,
    )


def _hours(start: float, end: float) -> Html:
    times = [start + (end - start) * i / 4 for i in range(5)]
    shown = [clock(t) if end - start < 600 else clock(t)[:5] for t in times]
    return fill('<div class="hours">{at}</div>', at=join(fill("<span>{t}</span>", t=text) for text in shown))


def clock(t: float) -> str:
    """Epoch seconds as local time: `08:12:03`."""
    return time.strftime("%H:%M:%S", time.localtime(t))
