"""The report as one HTML file: no script, no network, every value escaped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from incident_log import Incident
from incidents import shortened

from circuit_breaker.words.memory import number
from circuit_breaker.words.status import ID
from report import timeline
from report.activity import BLOCKED, FAILED, PastSession
from report.dead_ends import DeadEnd
from report.markup import Html, fill, join
from report.stops import Stop, Story
from report.waste import Carried, Waste

CARDS, SESSIONS, ROWS = 200, 24, 12  # at most so many are shown; the rest is counted
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # forbids scripts and network access, in case a text gets in unescaped
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
    whole = fill(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        'initial-scale=1"><meta http-equiv="Content-Security-Policy" content="{policy}"><title>circuit-breaker: {title}</title>'
        "<style>{css}</style></head><body><main>{sections}"
        "<footer>{scope}, {since} to {until}. Made by circuit-breaker {version} on this machine, from its incident logs and "
        "Claude Code's transcripts. Tokens are those of the requests that ran in a loop before it was stopped: a lower "
        "bound. Commands are shortened, secrets left out.</footer></main></body></html>",
        policy=POLICY,
        title=headline(made),
        css=Html(Path(__file__).with_name("style.css").read_text(encoding="utf-8")),
        sections=join(_sections(made)),
        scope=made.scope,
        since=moment(made.since),
        until=moment(made.until),
        version=made.version,
    )
    return whole.encode("utf-8", "replace")


def headline(made: Content) -> str:
    """What happened, in one sentence."""
    period = lasting(made.until - made.since)
    stopped = [stop.first.session for stop in made.story.stops if stop.first.event != "would_trip"]
    would = len(made.story.stops) - len(stopped)
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


def moment(t: float) -> str:
    """`28 Nov 20:14`."""
    return time.strftime("%d %b %H:%M", time.localtime(t))


def short(count: int) -> str:
    """1,234; 56 k; 1.2 M."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1000:.0f} k" if count < 1_000_000 else f"{count / 1_000_000:.1f} M"


def _sections(made: Content) -> list[Html]:
    ends = [(end.command, end.error, end.sessions, moment(end.last)) for end in made.dead_ends[:ROWS]]
    slow = sorted(made.waste.slow, key=lambda one: -one.seconds)[:ROWS]
    others = made.story.others
    also = [(f"{moment(one.t)} {one.event}", one.cause, one.session[:ID]) for one in others[:ROWS]]
    return [
        _top(made),
        _section(
            "What was stopped", _cards(made.story.stops), "No call was blocked and no turn was stopped."
        ),
        _section("Sessions", _timelines(made), "No transcript of this period was found."),
        _section(
            "Where the context went",
            _context(made.waste),
            "No results in this period.",
            "Every result stays in the context and is sent again with every later turn. Ask for fewer lines, or let a subagent "
            "do the reading.",
        ),
        _section(
            "Recurring dead ends",
            _table(("command", "error", "sessions", "last"), ends),
            "None.",
            "The same environment error of the same command in at least three sessions of a project within 14 days. Install "
            "what is missing, or say in CLAUDE.md what to use instead.",
        ),
        _section(
            "Slow commands run again for other lines",
            _table(
                ("command", "session", "runs", "time lost"),
                [(one.label, one.session[:ID], one.times, f"{one.seconds:,.0f} s") for one in slow],
            ),
            "None.",
            Html(
                "They took over 20 s each, nothing changed in between, and only <code>| tail</code>, <code>| grep</code> or a "
                "redirection differed. Write the output to a file once instead."
            ),
        ),
        _section(
            "Also on record", join([_table(("when", "what", "session"), also), _more(len(others) - ROWS)])
        )
        if others
        else Html(""),
    ]


def _section(title: str, body: Html, none: str = "", hint: str = "") -> Html:
    """A section. none: what is said if its body is empty."""
    return fill(
        "<h2>{title}</h2>{hint}{body}",
        title=title,
        hint=fill('<p class="hint">{hint}</p>', hint=hint) if hint else "",
        body=body or fill('<p class="calm">{none}</p>', none=none),
    )


def _more(count: int, what: str = "") -> Html:
    """How many are not shown; empty for none."""
    return (
        fill('<p class="more">and {n} {what}</p>', n=f"{count:,}", what=what or "more")
        if count > 0
        else Html("")
    )


def _top(made: Content) -> Html:
    stops = made.story.stops
    tokens = sum(stop.tokens for stop in stops)
    stopped = "loop stopped" if len(stops) == 1 else "loops stopped"
    if stops and all(stop.first.event == "would_trip" for stop in stops):
        stopped = "would have been stopped"
    tiles = [
        (stopped, f"{len(stops):,}"),
        ("call blocked" if made.blocked == 1 else "calls blocked", f"{made.blocked:,}"),
        ("tokens spent in loops", short(tokens) if tokens else "–"),
        ("session" if made.sessions == 1 else "sessions", f"{made.sessions:,}"),
    ]
    why = made.not_protected
    return fill(
        '<p class="brand">circuit-breaker · {since} to {until}</p><h1>{headline}.</h1><p class="lede">{lede}</p>{banner}'
        '<dl class="tiles">{tiles}</dl>',
        since=moment(made.since),
        until=moment(made.until),
        headline=headline(made),
        lede=_lede(made),
        banner=fill('<p class="banner"><b>NOT PROTECTED</b> {why}</p>', why=why) if why else "",
        tiles=join(fill("<div><dd>{n}</dd><dt>{name}</dt></div>", name=name, n=n) for name, n in tiles),
    )


def _lede(made: Content) -> str:
    said = f"{number(made.sessions, 'session')} made {number(made.calls, 'call')}."
    if made.blocked:
        said += f" {number(made.blocked, 'repeat')} did not run."
    if made.story.warned:
        warned = number(made.story.warned, "warning")
        said += f" {warned} to Claude {'was' if made.story.warned == 1 else 'were'} enough."
    return said


def _cards(stops: list[Stop]) -> Html:
    if not stops:
        return Html("")
    return fill(
        '<div class="cards">{cards}</div>{more}',
        cards=join(map(_card, stops[:CARDS])),
        more=_more(len(stops) - CARDS, "earlier ones: `incidents` lists them."),
    )


def _card(stop: Stop) -> Html:
    first = stop.first
    rule, _, subject = first.circuit.partition(":")
    calls = Counter(first.calls)
    chips = [
        fill("<li><code>{call}</code>{times}</li>", call=call, times=f" ×{n}" if n > 1 else "")
        for call, n in calls.items()
        if len(calls) > 1 or call != subject
    ]
    facts = [moment(first.t), shortened(first.project), f"session {first.session[:ID]}"]
    facts += [f"subagent {first.agent}"] if first.agent else []
    facts += [f"at least {short(stop.tokens)} tokens"] if stop.tokens else []
    closed = "closed" if stop.events[-1].event == "close" else ""
    return fill(
        '<article class="card {kind}"><header><h3><code>{subject}</code></h3><span class="badge">{outcome}</span></header>'
        '<p>{cause}. <span class="rule">{rule}</span></p><p class="meta">{facts}</p>{chips}'
        '<ol class="steps">{steps}</ol></article>',
        kind="would_trip" if first.event == "would_trip" else closed,
        subject=subject or first.circuit,
        outcome=stop.outcome,
        cause=first.cause[:1].upper() + first.cause[1:],
        rule=rule,
        facts=" · ".join(facts),
        chips=fill('<ul class="chips">{chips}</ul>', chips=join(chips)) if chips else "",
        steps=_steps(stop),
    )


def _steps(stop: Stop) -> Html:
    """A line for each step; an allowed retry is left out, since its result is a step."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in stop.events:
        if one.event != "probe" or one.row.get("after") != "HALF_OPEN":
            found.setdefault((one.event, "" if one is stop.first else one.cause), []).append(one.t)
    return join(
        fill(
            "<li><time>{when}</time><b>{event}</b>{why}{times}</li>",
            when=timeline.clock(times[0]),
            event=EVENTS.get(event, event),
            why=why,
            times=f" ({len(times)} times)" if len(times) > 1 else "",
        )
        for (event, why), times in [*found.items()][:ROWS]
    )


def _timelines(made: Content) -> Html:
    if not made.shown:
        return Html("")
    rest = made.sessions - len(made.shown)
    more = _more(rest, f"quieter session{'s' * (rest != 1)} without an incident.")
    return join([timeline.legend(), *(_session(one, made.incidents) for one in made.shown), more])


def _session(session: PastSession, incidents: Iterable[Incident]) -> Html:
    kinds = Counter(call.kind for call in session.calls)
    facts = [number(len(session.calls), "call"), number(kinds[FAILED], "failure")]
    facts += [f"{kinds[BLOCKED]} blocked"] if kinds[BLOCKED] else []
    return fill(
        '<section class="session"><header><h3>{project}</h3><span class="meta">session {name} · {facts}</span></header>{strips}'
        "</section>",
        project=shortened(session.project),
        name=session.name[:ID],
        facts=" · ".join(facts),
        strips=timeline.drawn(session, [one for one in incidents if one.session == session.name]),
    )


def _context(waste: Waste) -> Html:
    if not waste.largest:
        return Html("")
    bars = [100 * one.weight / waste.largest[0].weight for one in waste.largest]
    parts = [_carried("largest results", waste.largest, bars)]
    if waste.unused:
        parts.append(Html("<h4>Whole files that no later call names</h4>"))
        parts.append(_carried("file", sorted(waste.unused, key=lambda one: -one.weight)[:ROWS]))
    if waste.again:
        again = sorted(waste.again, key=lambda one: -one.size)[:ROWS]
        parts.append(Html("<h4>Files that the main thread read again after a subagent</h4>"))
        parts.append(
            _table(
                ("file", "session", "characters"),
                [(one.label, one.session[:ID], f"{one.size:,}") for one in again],
            )
        )
    return join(parts)


def _carried(title: str, results: list[Carried], bars: Sequence[float] = ()) -> Html:
    rows = [(one.label, one.session[:ID], f"{one.size:,}", f"{one.turns:,}") for one in results]
    return _table((title, "session", "characters", "turns carried"), rows, bars)


def _table(names: Sequence[str], rows: Sequence[Sequence[object]], bars: Sequence[float] = ()) -> Html:
    """A table; empty without rows. bars: the length of each row's bar in percent. Numbers are right-aligned."""
    if not rows:
        return Html("")
    sides = ["n" if name in NUMBERS else "wide" if name == "session" else "" for name in names]
    lengths = [fill('<i class="bar" style="width:{w}%"></i>', w=f"{bar:.1f}") for bar in bars]
    lengths += [Html("")] * (len(rows) - len(bars))
    lines = [
        fill(
            "<tr><td><code>{v}</code>{bar}</td>{cells}</tr>",
            v=row[0],
            bar=bar,
            cells=join(fill('<td class="{s}">{v}</td>', v=v, s=s) for v, s in zip(row[1:], sides[1:])),
        )
        for row, bar in zip(rows, lengths)
    ]
    return fill(
        "<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>",
        head=join(fill('<th class="{s}">{name}</th>', name=name, s=s) for name, s in zip(names, sides)),
        lines=join(lines),
    )
