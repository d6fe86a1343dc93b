"""The text of `status`, made from the facts of `status --json`. Pure."""

from __future__ import annotations

from circuit_breaker.breaker.model import CLOSED
from circuit_breaker.identity import labels
from circuit_breaker.words.sentences import MARKS, NONE_ACTIVE, TITLE, config_changed, duration, held_back
from circuit_breaker.words.texts import TEXT_MAX, cut, number, shown

NOT_PROTECTED = "NOT PROTECTED"
BOLT = "\u26a1 "
BLOCKING = ("block", "ask")  # the actions of a rule under which a call can be blocked
OPEN_MAX, ENDED_MAX = 20, 3  # circuits shown of running and of ended sessions
LABEL = 24  # characters of a call in the one-line form
ID = 8  # characters shown of a session's id
TOOLS = ("Bash ", "PowerShell ")  # left out in the one-line form


def status_text(facts: dict, plain: bool = False, everything: bool = False) -> str:
    """The text of `status`: protected or not, what is open and how to unblock it, then rules, mode and problems. `plain`: without marks;
    `everything`: show every rule and every circuit, ended sessions included."""
    protection = facts["protection"]
    lines = [f"{BOLT}{TITLE}"]
    if protection["protected"]:
        how = "Observing only, nothing is blocked" if facts["mode"] == "observe" else "Protected"
        lines += [f"{how}: {labels.plain(protection['how'])}", ""]
    else:
        lines += [not_protected(protection["why"], protection["fix"]), ""]
    lines += _circuits(facts, everything)
    rows = [_rule(name, entry) for name, entry in facts["circuits"].items() if everything or _seen(entry)]
    if rows:
        lines += ["", "Rules", *rows]
    text = "\n".join([*lines, "", *_rest(facts)])
    for mark in (BOLT, *[f"{mark} " for mark in MARKS.values()]) if plain else ():
        text = text.replace(mark, "")
    return text


def not_protected(why: str, fix: str) -> str:
    """The line of `status` where nothing protects you."""
    return f"{NOT_PROTECTED}: {labels.plain(why)}; fix: {labels.plain(fix)}"


def not_reset(session: str, error: OSError) -> str:
    """The line for a session that could not be reset."""
    return f"Not reset: session {session[:ID]} ({error.strerror or error}); try again."


def state_shown(name: str) -> str:
    """A state's name with its mark."""
    return f"{MARKS[name]} {name}"


def one_line(facts: dict, plain: bool = False) -> str:
    """The one-line form: `⚡ 1 open · pytest 8s`; "observing only" or "" when nothing is open."""
    if not facts["protection"]["protected"]:
        return NOT_PROTECTED
    live = [subject for subject in _live(facts) if not subject.get("ended")]
    if not live:
        return "observing only" if facts["mode"] == "observe" else ""
    first = min(live, key=lambda subject: (subject["retry_in"] is None, subject["retry_in"]))
    label = shown(first["subject"])
    label = next((label[len(tool) :] for tool in TOOLS if label.startswith(tool)), label)
    wait = first["retry_in"]
    left = "" if wait is None else " now" if wait <= 0 else " " + duration(wait).replace(" s", "s")
    if plain:
        return f"{len(live)} open: {label[:LABEL]}{left}"
    return f"{BOLT}{len(live)} open \u00b7 {cut(label, LABEL)}{left}"


def _live(facts: dict) -> list[dict]:
    """Every circuit that is not CLOSED."""
    found = [subject for entry in facts["circuits"].values() for subject in entry["subjects"]]
    return [subject for subject in found if subject["state"] != CLOSED]


def _circuits(facts: dict, everything: bool) -> list[str]:
    live = _live(facts)
    running = [subject for subject in live if not subject.get("ended")]
    ended = [subject for subject in live if subject.get("ended")]
    calm = facts["protection"]["protected"] and facts["mode"] != "observe"
    lines = [NONE_ACTIVE if calm else "Active Breakers: None"] if not running else []
    if running:
        lines.append(f"Active Breakers: {len(running)}")
        lines += _list(running, len(running) if everything else OPEN_MAX)
        lines += ["", *_unblock(running[0], facts)]
    if ended:
        lines += ["", f"In sessions that have ended (they block nothing now): {len(ended)}"]
        lines += _list(ended, len(ended) if everything else ENDED_MAX)
    if facts.get("others"):
        lines += ["", facts["others"]]
    return lines


def _list(found: list[dict], most: int) -> list[str]:
    lines = [line for subject in found[:most] for line in _subject(subject)]
    if len(found) > most:
        lines += ["", f"... and {len(found) - most} more: `status --all` lists them."]
    return lines


def _subject(subject: dict) -> list[str]:
    lines = ["", f"{state_shown(subject['state'])}  {subject['rule']}:{shown(subject['subject'])}"]
    lines.append(f"   why: {shown(subject['cause'])}")
    if subject["last_error"]:
        lines.append(f"   last error: {shown(subject['last_error'])}")
    tokens = subject.get("tokens")
    if tokens and any(tokens.values()):
        reads = f", {tokens['cache_read']:,} of them cache reads" if tokens["cache_read"] else ""
        lines.append(f"   cost: at least {sum(tokens.values()):,} tokens so far{reads}")
    where = f"subagent {shown(subject['agent'])}" if subject["agent"] else "main thread"
    session = subject["session"][:ID]
    whose = f"session {session}, {where}" if session else "every session of this project"
    following = "you are asked before the next call" if subject["rule"] == "budget" else _next(subject)
    lines.append(f"   next: {following} (level {subject['level']}); {whose}")
    if subject.get("project"):
        lines.append(f"   project: {shown(subject['project'])}")
    return lines


def _next(subject: dict) -> str:
    if subject["probe_out"]:
        return "one retry is running"
    if subject["retry_in"] is None:
        return "blocked until your next prompt"
    if subject["retry_in"] > 0:
        return f"one retry will be allowed in {duration(subject['retry_in'])}"
    return "one retry is allowed now"


def _unblock(subject: dict, facts: dict) -> list[str]:
    rule, whole = subject["rule"], len(subject["subject"]) < TEXT_MAX
    name = f"{rule}:{shown(subject['subject'])}" if whole else rule
    in_shell = "'" + name.replace("'", "'\\''") + "'"
    program, keyword = facts.get("program"), facts["bypass_keyword"]
    return [
        "To unblock: let Claude change something the call depends on, or",
        f'  /reset-circuit --circuit "{name}"   (or --all)',
        *([f"  in a terminal: {program} reset --circuit {in_shell}   (or --all)"] if program else []),
        f"  or press Esc and type {keyword} as the first line of your next prompt.",
    ]


def open_in_others(found: list[dict]) -> str:
    """One line about the open ones among the circuits of the project's other sessions; "" when there are none."""
    live = [subject for subject in found if subject["state"] != CLOSED]
    if not live:
        return ""
    named = ", ".join(f"{cut(shown(s['subject']), LABEL)} in {s['session'][:ID]}" for s in live[:3])
    more = f", and {len(live) - 3} more" if len(live) > 3 else ""
    return f"Open in other sessions of this project: {len(live)} ({named}{more})"


def _seen(entry: dict) -> bool:
    """Whether a rule is shown without --all."""
    return entry["state"] != CLOSED or any(entry[key] for key in ("trips", "warned_at", "would_have_opened"))


def _rule(name: str, entry: dict) -> str:
    if not entry["enabled"]:
        return f"  {name:<17} off"
    limit = "" if entry["threshold"] is None else f"threshold {entry['threshold']}"
    reached = "would have blocked" if entry["action"] in BLOCKING else "threshold reached"
    would = f", {reached} {entry['would_have_opened']}" if entry["would_have_opened"] else ""
    mark = state_shown(entry["state"])
    return f"  {mark} {name:<17} {entry['action']:<8} {limit:<14} trips {entry['trips']}{would}"


def _rest(facts: dict) -> list[str]:
    health, counts = facts["health"], facts["incidents"]
    switched_off = "" if facts["enabled"] else " (switched off: `enabled` is false)"
    lines = [
        f"Mode: {facts['mode']}{switched_off}",
        f"Incidents in this project: {counts['total']} ({counts['last_24h']} in the last 24 h)",
    ]
    if facts["mode"] == "observe":
        rules = facts["circuits"].values()
        would = sum(entry["would_have_opened"] for entry in rules if entry["action"] in BLOCKING)
        command = f"{facts.get('program', 'circuit-breaker')} mode enforce"
        lines.append(f"Observing only: {number(would, 'call')} would have been blocked. To block: {command}")
    for end in facts.get("dead_ends", ())[:1]:
        more = len(facts["dead_ends"]) - 1
        also = f" and {more} more" if more else ""
        lines.append(
            f'Recurring dead end: `{shown(end["command"])}` failed with "{shown(end["error"])}" in {end["sessions"]} sessions{also}: see `report`'
        )
    if facts["bypass"]:
        passed = number(facts["bypass"]["let_through"], "call")
        lines.append(f"Bypass: active for the current prompt; {passed} not blocked")
    if health["errors"]:
        last = shown(health["last_error"])
        lines.append(f"Errors inside hooks: {health['errors']} (the calls went through); the last: {last}")
    lines += [config_changed(name[:ID]) for name in facts["config_changed"]]
    lines += [held_back(row["t"], shown(row["file"])) for row in facts["held_back"]]
    lines += [f"Config problem: {shown(problem)}" for problem in health["config_problems"]]
    lines += [f"The project's config weakens the breaker: {shown(what)}" for what in health["weakened"]]
    return lines
