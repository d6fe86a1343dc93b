"""Refuses commands that change the breaker in Claude's own shell while a circuit of that session is open.

Claude Code gives the shells it starts (Claude's and your `!` lines, which look the same) CLAUDE_CODE_SESSION_ID and not
CLAUDE_PROJECT_DIR; its hooks get both, a terminal of your own neither.
"""

from __future__ import annotations

from circuit_breaker.runtime import home, store
from circuit_breaker.words import sentences


def verb_refusal(what: str, env: home.Environment) -> str:
    """Why the command `what` (`reset`, `config set`) must not run; "" if it may. Raises OSError if the runtime folder is unknown or
    cannot be read."""
    session = env.get("CLAUDE_CODE_SESSION_ID", "")
    if not session or env.get("CLAUDE_PROJECT_DIR"):
        return ""
    return sentences.own_shell(what) if store.armed_lanes(home.places(env), session) else ""
