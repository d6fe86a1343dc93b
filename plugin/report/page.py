"""The report as one HTML file: no script, no network, every value escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from string import Template

from incidents import Incident
from shared import moment, short, version, with_tilde

from circuit_breaker.words.status import ID
from circuit_breaker.words.texts import number
from report import timeline
from report.content import Content, Stop
from report.markup import NOTHING, Html, escaped, join, tag
from report.past import BLOCKED, FAILED, Call, PastSession
from report.waste import Waste

LAYOUT = Path(__file__)  # beside it: the page and its style
CARDS, ROWS = 200, 12  # at most so many are shown; the rest is counted
NUMBERS = ("characters", "turns carried", "sessions", "runs", "time lost")  # columns
EVENTS = {
    "trip": "blocked",
    "probe": "retry allowed:",
    "would_trip": "would have been blocked",
    "ending": "turn stopped",
    "close": "closed",
    "reset": "reset",
    "asked": "asked you",
}


def page(made: Content) -> bytes:
    """The whole file as UTF-8."""
    template, style = (LAYOUT.with_name(name).read_text("utf-8") for name in ("page.html", "style.css"))
    ends = [(end.command, end.error, end.sessions, day(end.last)) for end in made.dead_ends]
    slow = sorted(made.waste.slow, key=lambda one: -one.seconds)
    again = [(one.label, one.session[:ID], one.times, f"{one.seconds:,.0f} s") for one in slow]
    why = made.not_protected
    parts = {
        "style": Html(style),
        "headline": headline(made),
        "lede": _lede(made),
        "since": day(made.since),
        "until": day(made.until),
        "scope": made.scope,
        "version": version(),
        "banner": tag("p.banner", tag("b", "NOT PROTECTED"), " ", why) if why else NOTHING,
        "tiles": _tiles(made),
        "stops": _cards(made.stops) if made.stops else _calm("No call was blocked and no turn was stopped."),
        "sessions": _timelines(made) if made.shown else _calm("No transcript of this period was found."),
        "context": _context(made.waste) if made.waste.largest else _calm("No results in this period."),
        "dead_ends": _table(("command", "error", "sessions", "last"), ends) if ends else _calm("None."),
        "slow": _table(("command", "session", "runs", "time lost"), again) if again else _calm("None."),
        "others": _others(made.others),
    }
    whole = Template(template).substitute({name: escaped(part) for name, part in parts.items()})
    return whole.encode("utf-8", "replace")


def headline(made: Content) -> str:
    """What happened, in one sentence."""
    period = lasting(made.until - made.since)
    stopped = [stop.first.session for stop in made.really]
    would = len(made.stops) - len(stopped)
    if stopped:
        loops, where = number(len(stopped), "loop"), number(len(set(stopped)), "session")
        return f"{loops} {'was' if len(stopped) == 1 else 'were'} stopped in {where} in the last {period}"
    if would:
        return f"{number(would, 'loop')} would have been stopped in the last {period}"
    return f"Nothing {'had to be stopped' if made.sessions else 'happened'} in the last {period}"


def lasting(seconds: float) -> str:
    """A period in words: 12 hours, 7 days."""
    hours = round(seconds / 3600)
    if hours >= 72 and hours % 24 == 0:
        return number(hours // 24, "day")
    return number(hours, "hour") if seconds >= 5400 else number(max(1, round(seconds / 60)), "minute")


def day(t: float) -> str:
    """`28 Nov 20:14`."""
    return moment(t, "%d %b %H:%M")


def _calm(text: str) -> Html:
    """What is said in place of an empty section."""
    return tag("p.calm", text)


def _more(count: int, what: str = "more") -> Html:
    """How many are not shown; empty for none."""
    return tag("p.more", f"and {count:,} {what}") if count > 0 else NOTHING


def _tiles(made: Content) -> Html:
    stops = made.really or made.stops
    tokens = sum(stop.tokens for stop in stops)
    stopped = "loop stopped" if len(stops) == 1 else "loops stopped"
    tiles = [
        (f"{len(stops):,}", stopped if made.really or not stops else "would have been stopped"),
        (f"{made.blocked:,}", "call blocked" if made.blocked == 1 else "calls blocked"),
        (short(tokens) if tokens else "–", "tokens spent in loops"),
        (f"{made.sessions:,}", "session" if made.sessions == 1 else "sessions"),
    ]
    return tag("dl.tiles", *(tag("div", tag("dd", count), tag("dt", what)) for count, what in tiles))


def _lede(made: Content) -> str:
    said = f"{number(made.sessions, 'session')} made {number(made.calls, 'call')}."
    if made.blocked:
        said += f" {number(made.blocked, 'repeat')} did not run."
    if made.warned:
        warned = number(made.warned, "warning")
        said += f" {warned} to Claude {'was' if made.warned == 1 else 'were'} enough."
    return said


def _cards(stops: list[Stop]) -> Html:
    more = _more(len(stops) - CARDS, "earlier ones: `incidents` lists them.")
    return join([tag("div.cards", *map(_card, stops[:CARDS])), more])


def _card(stop: Stop) -> Html:
    first = stop.first
    rule, _, subject = first.circuit.partition(":")
    calls = Counter(first.calls)
    chips = [
        tag("li", tag("code", call), f" ×{n}" if n > 1 else "")
        for call, n in calls.items()
        if len(calls) > 1 or call != subject
    ]
    facts = [day(first.t), with_tilde(first.project), f"session {first.session[:ID]}"]
    facts += [f"subagent {first.agent}"] if first.agent else []
    facts += [f"at least {short(stop.tokens)} tokens"] if stop.tokens else []
    closed = "closed" if stop.events[-1].event == "close" else ""
    return tag(
        f"article.card {'would_trip' if first.event == 'would_trip' else closed}",
        tag("header", tag("h3", tag("code", subject or first.circuit)), tag("span.badge", stop.outcome)),
        tag("p", first.cause[:1].upper() + first.cause[1:], ". ", tag("span.rule", rule)),
        tag("p.meta", " · ".join(facts)),
        tag("ul.chips", *chips) if chips else NOTHING,
        tag("ol.steps", *_steps(stop)),
    )


def _steps(stop: Stop) -> list[Html]:
    """A line for each step; an allowed retry is left out, since its result is a step."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in stop.events:
        if one.event != "probe" or one.row.get("after") != "HALF_OPEN":
            found.setdefault((one.event, "" if one is stop.first else one.cause), []).append(one.t)
    steps = []
    for (event, why), times in [*found.items()][:ROWS]:
        again = f" ({len(times)} times)" if len(times) > 1 else ""
        when, what = tag("time", timeline.time_of_day(times[0])), tag("b", EVENTS.get(event, event))
        steps.append(tag("li", when, what, why, again))
    return steps


def _timelines(made: Content) -> Html:
    rest = made.sessions - len(made.shown)
    more = _more(rest, f"quieter session{'s' * (rest != 1)} without an incident.")
    return join([timeline.legend(), *(_session(one, made.incidents) for one in made.shown), more])


def _session(session: PastSession, incidents: list[Incident]) -> Html:
    kinds, calls = Counter(call.kind for call in session.calls), number(len(session.calls), "call")
    facts = [f"session {session.name[:ID]}", calls, number(kinds[FAILED], "failure")]
    facts += [f"{kinds[BLOCKED]} blocked"] if kinds[BLOCKED] else []
    header = tag("header", tag("h3", with_tilde(session.project)), tag("span.meta", " · ".join(facts)))
    own = [one for one in incidents if one.session == session.name]
    return tag("section.session", header, timeline.drawn(session, own))


def _others(incidents: list[Incident]) -> Html:
    """What happened outside loops; empty for nothing."""
    rows = [(f"{day(one.t)} {one.event}", one.cause, one.session[:ID]) for one in incidents]
    table = _table(("when", "what", "session"), rows)
    return join([tag("h2", "Also on record"), table, _more(len(rows) - ROWS)]) if rows else NOTHING


def _context(waste: Waste) -> Html:
    bars = [100 * one.weight / waste.largest[0].weight for one in waste.largest]
    parts = [_carried("largest results", waste.largest, bars)]
    if waste.unused:
        parts.append(tag("h4", "Whole files that no later call names"))
        parts.append(_carried("file", sorted(waste.unused, key=lambda one: -one.weight)))
    if waste.again:
        again = sorted(waste.again, key=lambda one: -one.size)
        rows = [(one.label, one.session.name[:ID], f"{one.size:,}") for one in again]
        parts.append(tag("h4", "Files that the main thread read again after a subagent"))
        parts.append(_table(("file", "session", "characters"), rows))
    return join(parts)


def _carried(title: str, calls: list[Call], bars: Sequence[float] = ()) -> Html:
    rows = [(one.label, one.session.name[:ID], f"{one.size:,}", f"{one.turns:,}") for one in calls]
    return _table((title, "session", "characters", "turns carried"), rows, bars)


def _table(names: Sequence[str], rows: Sequence[Sequence[object]], bars: Sequence[float] = ()) -> Html:
    """A table of the first ROWS rows. bars: the length of each row's bar in percent. Numbers are right-aligned."""
    sides = [".n" if name in NUMBERS else ".wide" if name == "session" else "" for name in names]
    lines = []
    for at, (first, *rest) in enumerate(rows[:ROWS]):
        bar = tag("i.bar", style=f"width:{bars[at]:.1f}%") if bars else NOTHING
        cells = [tag(f"td{side}", cell) for cell, side in zip(rest, sides[1:])]
        lines.append(tag("tr", tag("td", tag("code", first), bar), *cells))
    head = tag("tr", *(tag(f"th{side}", name) for name, side in zip(names, sides)))
    return tag("table", tag("thead", head), tag("tbody", *lines))
