"""How does the state of everything read? Facts of `status --json` -> text. Pure."""

from __future__ import annotations

from circuit_breaker.breaker.model import CLOSED
from circuit_breaker.words.sentences import MARKS, NONE_ACTIVE, TITLE, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def status_text(facts: Mapping[str, Any], plain: bool = False) -> str:
    """The text of `status`: what is open and what lifts it first, then the rules, then what needs attention."""
    lines = [f"{'' if plain else chr(0x26A1) + ' '}{TITLE}", ""]
    live = [
        (rule, subject)
        for rule, entry in facts["circuits"].items()
        for subject in entry["subjects"]
        if subject["state"] != CLOSED
    ]
    if live:
        lines.append(f"Active Breakers: {len(live)}")
        for rule, subject in live:
            lines += _subject(rule, subject, plain)
        lines.append("")
        lines += _lifting(live, facts["bypass_keyword"])
    else:
        lines.append(NONE_ACTIVE)
    lines += ["", "Rules", *(_rule(name, entry, plain) for name, entry in facts["circuits"].items()), ""]
    lines += _rest(facts)
    return "\n".join(lines)


def state(name: str, plain: bool) -> str:
    """A state's word, with its mark where marks can be shown."""
    return name if plain else f"{MARKS[name]} {name}"


def _subject(rule: str, subject: Mapping[str, Any], plain: bool) -> list[str]:
    lines = [
        "",
        f"{state(subject['state'], plain)}  {rule}:{subject['subject']}",
        f"   why: {subject['cause']}",
    ]
    if subject["last_error"]:
        lines.append(f"   last error: {subject['last_error']}")
    if subject["trial_out"]:
        wait = "a trial of it is running"
    elif subject["retry_in"] is None:
        wait = "until a person speaks"
    elif subject["retry_in"] > 0:
        wait = f"a trial is let through in {duration(subject['retry_in'])}"
    else:
        wait = "the next try is let through as a trial"
    where = f"agent {subject['agent']}" if subject["agent"] else "main thread"
    lines.append(f"   next: {wait} (level {subject['level']}); session {subject['session'][:8]}, {where}")
    return lines


def _lifting(live: list[tuple[str, Mapping[str, Any]]], keyword: str) -> list[str]:
    rule, subject = live[0]
    return [
        "To lift it: let the agent change something the call depends on, or",
        f'  /reset-circuit --circuit "{rule}:{subject["subject"]}"   (or --all; in a terminal: python3 plugin reset)',
        f"  or press Esc and type {keyword} as the first line of your next prompt.",
    ]


def _rule(name: str, entry: Mapping[str, Any], plain: bool) -> str:
    if not entry["enabled"]:
        return f"  {name:<17} off"
    line = f"  {state(entry['state'], plain)} {name:<17} {entry['action']:<8} threshold {entry['threshold']:<4} trips {entry['trips']}"
    if entry["would_have_opened"]:
        line += f", would have opened {entry['would_have_opened']}"
    return line


def _rest(facts: Mapping[str, Any]) -> list[str]:
    health, counts = facts["health"], facts["incidents"]
    switched_off = "" if facts["enabled"] else " (switched off: `enabled` is false)"
    lines = [
        f"Mode: {facts['mode']}{switched_off}",
        f"Incidents: {counts['total']} ({counts['last_24h']} in the last 24 h)",
    ]
    if facts["mode"] == "observe":
        would = sum(entry["would_have_opened"] for entry in facts["circuits"].values())
        lines.append(
            f"Observing only: {would} circuits would have opened. To block for real: python3 plugin mode enforce"
        )
    if facts["bypass"]:
        lines.append(
            f"Bypass: granted for the current prompt; {facts['bypass']['let_through']} calls let through"
        )
    if health["errors"]:
        lines.append(
            f"Errors inside hooks: {health['errors']} (the calls went through); the last: {health['last_error'][:200]}"
        )
    lines += [f"Config problem: {problem}" for problem in health["config_problems"]]
    lines += [f"The project's config relaxes: {what}" for what in health["weakened"]]
    return lines
