"""The sentences of the guard: what Claude may not do while a circuit is open, and what to do instead."""

from __future__ import annotations

from circuit_breaker.words.sentences import FOR_YOUR_EYES, NAME, clock


def own_shell(what: str) -> str:
    """Why a verb refuses in Claude's own shell; `what` is the verb as it was typed."""
    return (
        f"Blocked by circuit-breaker: `{what}` does not run in Claude's own shell while a circuit of this session is open. "
        "Type `/reset-circuit --all` in the session, or use another terminal."
    )


def holding_back(path: str) -> str:
    """Why a change of a settings file is not taken over now."""
    return (
        f"{NAME} held back the change of {path}: it would switch the hooks off while a circuit is open. This session keeps the "
        "settings it has, other edits in that file included. When the circuit has closed, save the file again or restart."
    )


def held_back(at: float, path: str) -> str:
    """What you read of it once the circuit has closed, and in `status`."""
    return FOR_YOUR_EYES["held_back"].format(name=NAME, at=clock(at), file=path)


def config_changed(session: str) -> str:
    """What `status` says of a session whose config files were edited by hand."""
    return f"Config changed: it applies in session {session} when what is open there closes; /reset-circuit applies it now."
