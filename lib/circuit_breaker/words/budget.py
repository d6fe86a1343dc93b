"""The sentences of budgets: warnings at 50 % and 80 %, the dialog and the stopped turn at 100 %. Pure."""

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
    """How much of a limit is used: "used 80 of 100 tool calls in this prompt"."""
    limit = facts.get("limit", "")
    return f"used {count:,} of {facts.get('of', 0):,} {_WHAT.get(limit, limit)}"


def warning(name: str, count: int, facts: dict[str, Any]) -> str:
    """What Claude reads at 50 % and 80 % of a limit."""
    end = "the user will be asked whether to go on, or the turn is stopped where nobody can answer"
    return (
        f"Warning from {name}: you {cause(count, facts)} ({_percent(count, facts)} %).{_idle(facts)} At 100 % {end}. "
        "Finish what matters most first, and say what is left to do."
    )


def for_you(name: str, count: int, facts: dict[str, Any]) -> str:
    """What you read at 50 % and 80 % of a limit, in one line."""
    return f"{name}: {_percent(count, facts)} % of {facts['limit']}: {cause(count, facts)}. To change it: circuit-breaker config set budget.{facts['limit']} N"


def question(name: str, count: int, facts: dict[str, Any]) -> str:
    """The reason in the dialog at 100 %: what was used, on what, how long without progress, what Yes and No do."""
    return (
        f"{name}: Claude {cause(count, facts)}{_spent(facts)}.{_idle(facts)} "
        f"Yes continues and asks again at {facts.get('again', 0):,}; No interrupts Claude."
    )


def stopped(name: str, count: int, facts: dict[str, Any]) -> str:
    """The stopReason at 100 % where nobody can be asked."""
    return (
        f"{name} stopped this turn: {facts['limit']}: {cause(count, facts)}{_spent(facts)}.{_idle(facts)} "
        f"To go on: send a new prompt, or circuit-breaker config set budget.{facts['limit']} N"
    )


def stopped_subagent(name: str, agent: str, count: int, facts: dict[str, Any]) -> str:
    """What the parent reads when its subagent was stopped at 100 %."""
    return (
        f"Warning from {name}: the subagent {agent} was stopped because the budget is used up: the session "
        f"{cause(count, facts)}. Its task is not done. Do not start another; finish with what you have, and say what is left."
    )


def _percent(count: int, facts: dict[str, Any]) -> int:
    return int(100 * count // max(1, facts.get("of", 1)))


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
