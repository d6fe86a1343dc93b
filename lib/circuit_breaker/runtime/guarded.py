"""What is guarded in this session, and whether a call tampers with it (see guard.py). Runs outside the session's lock."""

from __future__ import annotations

from circuit_breaker import guard
from circuit_breaker.guard import Guarded
from circuit_breaker.identity.calls import schedules
from circuit_breaker.runtime import files
from circuit_breaker.runtime.home import ROOT, slashed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from circuit_breaker.breaker.model import Ask
    from circuit_breaker.runtime.home import Places

VARIABLES = ("HOME", "USERPROFILE", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "CLAUDE_PLUGIN_ROOT")


def refusal(event: Ask, where: Places, keyword: str, armed: bool, env: Mapping[str, str]) -> str:
    """Why a call is denied in any state of the circuits: "forgery", a word from `guard.reaches_for`, or "" if it is not.

    `armed`: a circuit of the session is not CLOSED; otherwise only a forgery is looked for.
    """
    if schedules(event.tool) and guard.carries_override(event.input, keyword):
        return "forgery"
    return (
        guard.reaches_for(event.tool, event.input, event.cwd, guarded(where, keyword, env)) if armed else ""
    )


def guarded(where: Places, keyword: str, env: Mapping[str, str]) -> Guarded:
    """The runtime folder, your config folder, and the copy that runs unless it is a checkout inside the project (your own work).

    None of them that contains the project or your home: guarding it would guard everything.
    """
    folders = [where.runtime, slashed(where.user_config).rpartition("/")[0]]
    if not _holds(where.project, ROOT) or files.exists(ROOT + "/receipt.json"):
        folders.append(ROOT)
    return Guarded(
        folders=[one for one in folders if not _holds(one, where.project) and not _holds(one, where.user)],
        project=where.project,
        variables={**{name: env.get(name, "") for name in VARIABLES}, "CIRCUIT_BREAKER_HOME": where.runtime},
        keyword=keyword,
    )


def _holds(folder: str, path: str) -> bool:
    """Whether a folder is or contains `path`."""
    return f"{path}/".startswith(folder.rstrip("/") + "/")
