"""The sentences of budgets: warnings at 50 % and 80 %, the dialog and the stopped turn at 100 %. Pure."""

from __future__ import annotations

from circuit_breaker.breaker.model import FOR_YOU, QUESTION, STOP, SUBAGENT, WARN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.model import Notice

_WHAT = {
    "calls_per_prompt": "tool calls in this prompt",
    "tokens_per_prompt": "tokens in this prompt",
    "tokens_per_session": "tokens in this session",
    "tokens_since_progress": "tokens since the last progress",
    "minutes_since_progress": "minutes since the last progress",
}
SENTENCES = {
    WARN: "Warning from {name}: you {cause} ({percent} %).{idle} At 100 % the user will be asked whether to go on, or the turn is "
    "stopped where nobody can answer. Finish what matters most first, and say what is left to do.",
    FOR_YOU: "{name}: {percent} % of {limit}: {cause}. To change it: circuit-breaker config set budget.{limit} N",
    QUESTION: "{name}: Claude {cause}{spent}.{idle} Yes continues and asks again at {again:,}; No interrupts Claude.",
    STOP: "{name} stopped this turn: {limit}: {cause}{spent}.{idle} To go on: send a new prompt, or circuit-breaker config set "
    "budget.{limit} N",
    SUBAGENT: "Warning from {name}: the subagent {agent} was stopped because the budget is used up: the session {cause}. Its task is "
    "not done. Do not start another; finish with what you have, and say what is left.",
}


def sentence_of(notice: Notice, name: str) -> str:
    """A notice of the budget as a paragraph; `name`: the breaker's."""
    facts = notice.facts
    return SENTENCES[notice.kind].format(
        name=name,
        agent=notice.agent,
        cause=cause(notice.count, facts),
        percent=int(100 * notice.count // max(1, facts.get("of", 1))),
        limit=facts.get("limit", ""),
        again=facts.get("again", 0),
        spent=_spent(facts),
        idle=_idle(facts),
    )


def cause(count: int, facts: dict[str, Any]) -> str:
    """How much of a limit is used: "used 80 of 100 tool calls in this prompt"."""
    limit = facts.get("limit", "")
    return f"used {count:,} of {facts.get('of', 0):,} {_WHAT.get(limit, limit)}"


def _spent(facts: dict[str, Any]) -> str:
    """What it was used for: the tools called most, and the tokens."""
    tools = ", ".join(f"{tool} {calls}" for tool, calls in facts.get("tools", ()))
    tokens = facts.get("tokens") or (0, 0, 0, 0)
    reads = f", {tokens[2]:,} of them cache reads" if tokens[2] else ""
    cost = f"{sum(tokens):,} tokens{reads}" if any(tokens) else ""
    said = "; ".join(part for part in (tools, cost) if part)
    return f" ({said})" if said else ""


def _idle(facts: dict[str, Any]) -> str:
    minutes = facts.get("idle", 0) // 60
    return f" There was no progress for {minutes} min." if minutes else ""
