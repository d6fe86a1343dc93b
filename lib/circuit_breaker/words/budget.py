"""What a budget says: to Claude and to you at half and four fifths of it, in the dialog and in a stopped turn at its end. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHAT = {
    "calls_per_prompt": "tool calls in this prompt",
    "tokens_per_prompt": "tokens in this prompt",
    "tokens_per_session": "tokens in this session",
    "tokens_since_progress": "tokens since the last progress",
    "minutes_since_progress": "minutes since the last progress",
}


def cause(count: int, facts: dict[str, Any]) -> str:
    """How much of a limit is used, as a clause without a subject."""
    limit = facts.get("limit", "")
    return f"used {count:,} of {facts.get('of', 0):,} {_WHAT.get(limit, limit)}"


def warning(name: str, count: int, facts: dict[str, Any]) -> str:
    """What Claude reads before a limit is reached."""
    end = "the user will be asked whether to go on, or the turn is stopped where nobody can answer"
    return (
        f"Warning from {name}: you {cause(count, facts)} ({_percent(count, facts)} %).{_idle(facts)} At 100 % {end}. "
        "Finish what matters most first, and say what is left to do."
    )


def for_you(name: str, count: int, facts: dict[str, Any]) -> str:
    """The same for you, in one line."""
    return f"{name}: {_percent(count, facts)} % of {facts['limit']}: {cause(count, facts)}. To change it: circuit-breaker config set budget.{facts['limit']} N"


def question(name: str, count: int, facts: dict[str, Any]) -> str:
    """The dialog's reason: what was spent on what, since when nothing was achieved, what yes and no do."""
    return (
        f"{name}: Claude {cause(count, facts)}{_spent(facts)}.{_idle(facts)} "
        f"Yes goes on, and asks again at {facts.get('again', 0):,}; no interrupts."
    )


def stopped(name: str, count: int, facts: dict[str, Any]) -> str:
    """The reason of a turn that was stopped because nobody could be asked."""
    return (
        f"{name} stopped this turn: {facts['limit']}: {cause(count, facts)}{_spent(facts)}.{_idle(facts)} "
        f"To go on: a new prompt, or circuit-breaker config set budget.{facts['limit']} N"
    )


def stopped_subagent(name: str, agent: str, count: int, facts: dict[str, Any]) -> str:
    """What the parent of such a subagent reads."""
    return (
        f"Warning from {name}: the subagent {agent} was stopped because the budget is used up: the session "
        f"{cause(count, facts)}. Its task is not done. Start no other; finish with what there is, and say what is left."
    )


def _percent(count: int, facts: dict[str, Any]) -> int:
    return int(100 * count // max(1, facts.get("of", 1)))


def _spent(facts: dict[str, Any]) -> str:
    """On what: the tools called most, and the tokens."""
    tools = ", ".join(f"{tool} {calls}" for tool, calls in facts.get("tools", ()))
    tokens = facts.get("tokens") or (0, 0, 0, 0)
    reads = f", {tokens[2]:,} of them cache reads" if tokens[2] else ""
    cost = f"{sum(tokens):,} tokens{reads}" if any(tokens) else ""
    said = "; ".join(part for part in (tools, cost) if part)
    return f" ({said})" if said else ""


def _idle(facts: dict[str, Any]) -> str:
    minutes = facts.get("idle", 0) // 60
    return f" Nothing new was achieved for {minutes} min." if minutes else ""
