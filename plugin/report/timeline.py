"""A session as inline SVG: a strip per lane, with calls above the line, failures below it, and the breaker's actions across it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from incidents import STOPS, Incident
from shared import moment

from circuit_breaker.identity.calls import WRITES
from circuit_breaker.words.texts import number
from report.markup import NOTHING, Html, join, tag
from report.past import BLOCKED, DENIED, FAILED, PastSession

COLUMNS = 480  # most marks of one kind in a strip
LANES = 8  # most strips of one session
MIDDLE = 16  # pixels from a strip's top to its line
# kind of mark -> (top, height, width in pixels, its name), in drawing order
SHAPES = {
    "prompt": (1, 30, 1, "your prompt"),
    "call": (MIDDLE - 6, 5, 2, "call"),
    "edit": (MIDDLE - 11, 10, 2, "edit"),
    "failed": (MIDDLE + 2, 8, 2, "failure"),
    "denied": (MIDDLE + 2, 12, 2, "denied or blocked"),
    "warning": (0, MIDDLE - 1, 3, "warning"),
    "trip": (0, 32, 4, "blocked or stopped"),
}
FAULTS = {FAILED: "failed", DENIED: "denied", BLOCKED: "denied"}  # how a call ended -> its mark
AXIS = Html(f'<line class="axis" x1="0" x2="100%" y1="{MIDDLE}" y2="{MIDDLE}"/>')


class Mark(NamedTuple):
    t: float
    kind: str
    text: str


def legend() -> Html:
    return tag("ul.legend", *(tag("li", tag(f"i.key {kind}"), name) for kind, (*_, name) in SHAPES.items()))


def drawn(session: PastSession, incidents: Iterable[Incident]) -> Html:
    """The strips of a session with its time axis."""
    start, end = session.start, max(session.end, session.start + 1)
    lanes: dict[str, list[Mark]] = {"": [Mark(t, "prompt", "your prompt") for t in session.prompts]}
    for call in session.calls:
        kind = FAULTS.get(call.kind) or ("edit" if call.change == WRITES else "call")
        lanes.setdefault(call.lane, []).append(Mark(call.t, kind, call.label))
    for one in incidents:
        kind = "trip" if one.event in STOPS else "warning" if one.event == "warning" else ""
        if kind and start <= one.t <= end + 60:
            lanes.setdefault(one.agent, []).append(Mark(min(one.t, end), kind, f"{one.circuit} {one.cause}"))
    busiest = sorted(lanes.items(), key=lambda pair: (pair[0] != "", -len(pair[1])))
    strips = [_strip(lane, marks, start, end) for lane, marks in busiest[:LANES]]
    rest = len(busiest) - LANES
    more = tag("p.more", f"and {number(rest, 'more subagent')}") if rest > 0 else NOTHING
    return join([*strips, more, _hours(start, end)])


def _strip(lane: str, marks: list[Mark], start: float, end: float) -> Html:
    columns: dict[tuple[str, int], list[Mark]] = {}
    for mark in marks:
        at = int(COLUMNS * (mark.t - start) / (end - start))
        columns.setdefault((mark.kind, min(max(at, 0), COLUMNS)), []).append(mark)
    order = list(SHAPES)
    in_order = sorted(columns.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    name = f"subagent {lane}" if lane else "main thread"
    calls = sum(mark.kind in ("call", "edit", "failed", "denied") for mark in marks)
    shown = [_mark(kind, at, found) for (kind, at), found in in_order]
    strip = tag("svg.strip", AXIS, *shown, role="img", aria_label=f"{name}: {calls} calls")
    return tag("div.lane", tag("span.lane-name", name, title=name), strip)


def _mark(kind: str, at: int, found: list[Mark]) -> Html:
    top, height, width, _ = SHAPES[kind]
    text = found[0].text if len(found) == 1 else f"{len(found)} times, first: {found[0].text}"
    title = tag("title", f"{time_of_day(found[0].t)} ", text)
    return tag(f"rect.{kind}", title, x=f"{99.4 * at / COLUMNS:.2f}%", y=top, width=width, height=height)


def _hours(start: float, end: float) -> Html:
    times = [start + (end - start) * i / 4 for i in range(5)]
    shown = [time_of_day(t) if end - start < 600 else time_of_day(t)[:5] for t in times]
    return tag("div.hours", *(tag("span", text) for text in shown))


def time_of_day(t: float) -> str:
    """Epoch seconds as local time: `08:12:03`."""
    return moment(t, "%H:%M:%S")
