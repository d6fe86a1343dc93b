"""The report as one HTML file: no script, no network, every value escaped."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from incident_log import Incident
from incidents import shortened

from report import timeline
from report.activity import BLOCKED, PastSession
from report.dead_ends import DeadEnd
from report.markup import Html, fill, join
from report.stops import Stop, Story
from report.style import CSS
from report.waste import Waste

CARDS, SESSIONS, ROWS = 200, 24, 12  # at most so many are shown; the rest is counted
ID = 8
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # forbids scripts and network access, in case a text gets in unescaped


class Content(NamedTuple):
    """The contents of a report. shown: sessions with a timeline; sessions, calls, blocked: counts over all sessions;
    not_protected: the sentence, "" if the project is protected."""

    since: float
    until: float
    scope: str
    story: Story
    incidents: list[Incident]
    shown: list[PastSession]
    sessions: int
    calls: int
    blocked: int
    waste: Waste
    dead_ends: list[DeadEnd]
    not_protected: str
    version: str


def page(made: Content) -> bytes:
    """The whole file as UTF-8."""
    parts = [
        fill(
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
            'initial-scale=1"><meta http-equiv="Content-Security-Policy" content="{policy}"><title>{title}</title>'
            "<style>{css}</style></head><body><main>",
            policy=POLICY,
            title=f"circuit-breaker: {headline(made)}",
            css=Html(CSS),
        ),
        _top(made),
        _stopped(made),
        _sessions(made),
        _context(made.waste),
        _dead_ends(made.dead_ends),
        _slow(made.waste),
        _others(made.story.others),
        fill(
            "<footer>{scope}, {since} to {until}. Made by circuit-breaker {version} on this machine, from its incident logs and "
            "Claude Code's transcripts. Tokens are those of the requests that ran in a loop before it was stopped: a lower "
            "bound. Commands are shortened, secrets left out.</footer></main></body></html>",
            scope=made.scope,
            since=moment(made.since),
            until=moment(made.until),
            version=made.version,
        ),
    ]
    return join(parts).encode("utf-8", "replace")


def headline(made: Content) -> str:
    """What happened, in one sentence."""
    period = lasting(made.until - made.since)
    stops = [stop for stop in made.story.stops if stop.first.event != "would_trip"]
    would = len(made.story.stops) - len(stops)
    if stops:
        where = len({stop.first.session for stop in stops})
        return f"{counted(len(stops), 'loop was', 'loops were')} stopped in {counted(where, 'session')} in the last {period}"
    if would:
        return f"{counted(would, 'loop')} would have been stopped in the last {period}"
    if made.sessions:
        return f"Nothing had to be stopped in the last {period}"
    return f"Nothing happened in the last {period}"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 loop`, `1,200 loops`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def lasting(seconds: float) -> str:
    """A period in words: 12 hours, 7 days."""
    hours = round(seconds / 3600)
    if hours >= 72 and hours % 24 == 0:
        return counted(hours // 24, "day")
    return counted(hours, "hour") if seconds >= 5400 else counted(max(1, round(seconds / 60)), "minute")


def moment(t: float) -> str:
    """`28 Nov 20:14`."""
    return time.strftime("%d %b %H:%M", time.localtime(t))


def short(number: int) -> str:
    """1,234; 56 k; 1.2 M."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1000:.0f} k" if number < 1_000_000 else f"{number / 1_000_000:.1f} M"


def _top(made: Content) -> Html:
    tokens = sum(stop.tokens for stop in made.story.stops)
    loops = len(made.story.stops)
    tiles = [
        ("loop stopped" if loops == 1 else "loops stopped", f"{loops:,}"),
        ("call blocked" if made.blocked == 1 else "calls blocked", f"{made.blocked:,}"),
        ("tokens spent in loops", short(tokens) if tokens else "–"),
        ("session" if made.sessions == 1 else "sessions", f"{made.sessions:,}"),
    ]
    if made.story.stops and all(stop.first.event == "would_trip" for stop in made.story.stops):
        tiles[0] = ("would have been stopped", tiles[0][1])
    banner = (
        fill('<p class="banner"><b>NOT PROTECTED</b> {why}</p>', why=made.not_protected)
        if made.not_protected
        else ""
    )
    return fill(
        '<p class="brand">circuit-breaker · {since} to {until}</p><h1>{headline}.</h1><p class="lede">{lede}</p>{banner}<dl class="tiles">{tiles}</dl>',
        since=moment(made.since),
        until=moment(made.until),
        headline=headline(made),
        lede=_lede(made),
        banner=banner,
        tiles=join(
            fill("<div><dd>{number}</dd><dt>{name}</dt></div>", name=name, number=n) for name, n in tiles
        ),
    )


def _lede(made: Content) -> str:
    said = [f"{counted(made.sessions, 'session')} made {counted(made.calls, 'call')}."]
    if made.blocked:
        said.append(f"{counted(made.blocked, 'repeat')} did not run.")
    if made.story.warned:
        said.append(
            f"{counted(made.story.warned, 'warning')} to Claude {'was' if made.story.warned == 1 else 'were'} enough."
        )
    return " ".join(said)


def _stopped(made: Content) -> Html:
    title = Html("<h2>What was stopped</h2>")
    stops = made.story.stops
    if not stops:
        return join([title, Html('<p class="calm">No call was blocked and no turn was stopped.</p>')])
    cards = [_card(stop) for stop in stops[:CARDS]]
    more = fill(
        '<p class="more">and {n} earlier ones: `incidents` lists them.</p>', n=f"{len(stops) - CARDS:,}"
    )
    return join(
        [title, Html('<div class="cards">'), *cards, Html("</div>"), *([more] if len(stops) > CARDS else [])]
    )


def _card(stop: Stop) -> Html:
    first = stop.first
    rule, _, subject = first.circuit.partition(":")
    repeated: dict[str, int] = {}
    for call in first.calls:
        repeated[call] = repeated.get(call, 0) + 1
    chips = [
        fill("<li><code>{call}</code>{times}</li>", call=call, times=f" ×{n}" if n > 1 else "")
        for call, n in repeated.items()
        if len(repeated) > 1 or call != subject
    ]
    steps = [_step(*step) for step in _steps(stop)[:ROWS]]
    cost = f"at least {short(stop.tokens)} tokens" if stop.tokens else ""
    whose = [moment(first.t), shortened(first.project), f"session {first.session[:ID]}"]
    whose += [f"subagent {first.agent}"] if first.agent else []
    kind = (
        "would_trip" if first.event == "would_trip" else "closed" if stop.events[-1].event == "close" else ""
    )
    return fill(
        '<article class="card {kind}"><header><h3><code>{subject}</code></h3><span class="badge">{outcome}</span></header>'
        '<p>{cause}. <span class="rule">{rule}</span></p><p class="meta">{whose}</p>{chips}'
        '<ol class="steps">{steps}</ol></article>',
        kind=kind,
        subject=subject or first.circuit,
        outcome=stop.outcome,
        cause=first.cause[:1].upper() + first.cause[1:],
        rule=rule,
        whose=" · ".join([*whose, *([cost] if cost else [])]),
        chips=fill('<ul class="chips">{chips}</ul>', chips=join(chips)) if chips else "",
        steps=join(steps),
    )


def _steps(stop: Stop) -> list[tuple[float, str, str, int]]:
    """(first time, event, why, count) for each step; an allowed retry is left out, since its result is a step."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in stop.events:
        if one.event == "probe" and one.row.get("after") == "HALF_OPEN":
            continue
        why = "" if one is stop.first else one.cause
        found.setdefault((one.event, why), []).append(one.t)
    return [(times[0], event, why, len(times)) for (event, why), times in found.items()]


def _step(t: float, event: str, why: str, times: int) -> Html:
    return fill(
        "<li><time>{when}</time><b>{event}</b>{why}{times}</li>",
        when=timeline.clock(t),
        event=EVENTS.get(event, event),
        why=why,
        times=f" ({times} times)" if times > 1 else "",
    )


EVENTS = {
    "trip": "blocked",
    "probe": "retry allowed:",
    "would_trip": "would have been blocked",
    "ending": "turn stopped",
    "close": "closed",
    "reset": "reset",
    "asked": "asked you",
}


def _sessions(made: Content) -> Html:
    title = Html("<h2>Sessions</h2>")
    if not made.shown:
        return join([title, Html('<p class="calm">No transcript of this period was found.</p>')])
    rest = made.sessions - len(made.shown)
    more = (
        [fill('<p class="more">and {n} without an incident.</p>', n=counted(rest, "quieter session"))]
        if rest > 0
        else []
    )
    return join([title, timeline.legend(), *(_session(one, made.incidents) for one in made.shown), *more])


def _session(session: PastSession, incidents: Iterable[Incident]) -> Html:
    own = [one for one in incidents if one.session == session.name]
    failures = sum(call.kind == "failed" for call in session.calls)
    blocked = sum(call.kind == BLOCKED for call in session.calls)
    facts = [counted(len(session.calls), "call"), counted(failures, "failure")]
    facts += [f"{blocked} blocked"] if blocked else []
    return fill(
        '<section class="session"><header><h3>{project}</h3><span class="meta">session {name} · {facts}</span></header>{strips}'
        "</section>",
        project=shortened(session.project),
        name=session.name[:ID],
        facts=" · ".join(facts),
        strips=timeline.drawn(session, own),
    )


def _context(waste: Waste) -> Html:
    parts = [
        Html("<h2>Where the context went</h2>"),
        Html(
            '<p class="hint">Every result stays in the context and is sent again with every later turn. Ask for fewer lines, '
            "or let a subagent do the reading.</p>"
        ),
    ]
    if not waste.largest:
        return join([*parts, Html('<p class="calm">No results in this period.</p>')])
    top = waste.largest[0].weight
    rows = [
        (one.label, one.session[:ID], f"{one.size:,}", f"{one.turns:,}", 100 * one.weight / top)
        for one in waste.largest
    ]
    parts.append(_table(("largest results", "session", "characters", "turns carried"), rows))
    unused = sorted(waste.unused, key=lambda one: -one.weight)[:ROWS]
    if unused:
        parts.append(Html("<h4>Whole files that no later call names</h4>"))
        parts.append(
            _table(
                ("file", "session", "characters", "turns carried"),
                [(one.label, one.session[:ID], f"{one.size:,}", f"{one.turns:,}", 0) for one in unused],
            )
        )
    again = sorted(waste.again, key=lambda one: -one.size)[:ROWS]
    if again:
        parts.append(Html("<h4>Files that the main thread read again after a subagent</h4>"))
        rows_again = [(one.label, one.session[:ID], f"{one.size:,}", 0) for one in again]
        parts.append(_table(("file", "session", "characters"), rows_again))
    return join(parts)


def _dead_ends(ends: list[DeadEnd]) -> Html:
    title = Html(
        '<h2>Recurring dead ends</h2><p class="hint">The same environment error of the same command in at least three sessions '
        "of a project within 14 days. Install what is missing, or say in CLAUDE.md what to use instead.</p>"
    )
    if not ends:
        return join([title, Html('<p class="calm">None.</p>')])
    rows = [(end.command, end.error, f"{end.sessions}", moment(end.last), 0) for end in ends[:ROWS]]
    return join([title, _table(("command", "error", "sessions", "last"), rows)])


def _slow(waste: Waste) -> Html:
    title = Html(
        '<h2>Slow commands run again for other lines</h2><p class="hint">They took over 20 s each, nothing changed in between, and only '
        "<code>| tail</code>, <code>| grep</code> or a redirection differed. Write the output to a file once instead.</p>"
    )
    slow = sorted(waste.slow, key=lambda one: -one.seconds)[:ROWS]
    if not slow:
        return join([title, Html('<p class="calm">None.</p>')])
    rows = [(one.label, one.session[:ID], f"{one.times}", f"{one.seconds:,.0f} s", 0) for one in slow]
    return join([title, _table(("command", "session", "runs", "time lost"), rows)])


def _others(others: list[Incident]) -> Html:
    if not others:
        return Html("")
    rows = [(f"{moment(one.t)} {one.event}", one.cause, one.session[:ID], 0) for one in others[:ROWS]]
    parts = [Html("<h2>Also on record</h2>"), _table(("when", "what", "session"), rows)]
    if len(others) > ROWS:
        parts.append(fill('<p class="more">and {n} more</p>', n=len(others) - ROWS))
    return join(parts)


def _table(names: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Html:
    """A table. The last value of a row is the length of its bar in percent; numbers are right-aligned."""
    numbers = ("characters", "turns carried", "sessions", "runs", "time lost")

    def side(name: str) -> str:
        return "n" if name in numbers else "wide" if name == "session" else ""

    head = join(fill('<th class="{side}">{name}</th>', name=name, side=side(name)) for name in names)
    lines = []
    for *values, length in rows:
        bar = fill('<i class="bar" style="width:{w}%"></i>', w=f"{float(length):.1f}") if length else Html("")  # type: ignore[arg-type]
        cells = [
            fill('<td class="{s}">{v}</td>', v=value, s=side(name))
            for name, value in zip(names[1:], values[1:])
        ]
        lines.append(
            fill("<tr><td><code>{v}</code>{bar}</td>{cells}</tr>", v=values[0], bar=bar, cells=join(cells))
        )
    return fill(
        "<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>", head=head, lines=join(lines)
    )
