"""The sentences of the guard: what Claude cannot do while a circuit is open, and what to do instead."""

from __future__ import annotations

from circuit_breaker.words.sentences import FOR_YOUR_EYES, NAME, clock


def own_shell(what: str) -> str:
    """Why a verb refuses in Claude's own shell; `what` is the verb as typed."""
    return (
        f"Blocked by circuit-breaker: `{what}` does not run in Claude's own shell while a circuit of this session is open. "
        "Type `/reset-circuit --all` in the session, or use another terminal."
    )


def holding_back(path: str) -> str:
    """Why a change of a settings file is held back."""
    return (
        f"{NAME} held back the change of {path}: it would switch the hooks off while a circuit is open. This session keeps the "
        "settings it has, without the other edits in that file. When the circuit has closed, save the file again or restart Claude Code."
    )


def held_back(at: float, path: str) -> str:
    """What you read about it after the circuit has closed, and in `status`."""
    return FOR_YOUR_EYES["held_back"].format(name=NAME, at=clock(at), file=path)


def config_changed(session: str) -> str:
    """What `status` says about a session whose config files were edited while a circuit is open."""
    return f"Config changed: session {session} uses it once its open circuits close; /reset-circuit applies it now."
