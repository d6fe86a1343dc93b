"""The sentences of the guard: what Claude may not do while a circuit is open, and what to do instead."""

from __future__ import annotations


def own_shell(what: str) -> str:
    """Why a verb refuses in Claude's own shell; `what` is the verb as it was typed."""
    return (
        f"Blocked by circuit-breaker: `{what}` does not run in Claude's own shell while a circuit of this session is open. "
        "Type `/reset-circuit --all` in the session, or use another terminal."
    )
