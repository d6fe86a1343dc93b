"""What a session guards: which calls tamper with it (see guard.py), which commands do not run in Claude's own shell.

It runs outside the session's lock.
"""

from __future__ import annotations

from circuit_breaker import guard
from circuit_breaker.breaker.model import FORGERY, Ask
from circuit_breaker.identity.calls import OUR_WORDS, PATHS, POWERSHELLS, WRITERS, command_of, schedules
from circuit_breaker.runtime import files, home, store
from circuit_breaker.runtime.home import CONFIG, INCIDENTS, NAME, ROOT, STATE, Places, slashed
from circuit_breaker.words import sentences

VARIABLES = ("HOME", "USERPROFILE", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "CLAUDE_PLUGIN_ROOT")
LONGEST = 20_000  # characters that are cheap to search


def call_refusal(event: Ask, where: Places, keyword: str, armed: bool, env: home.Environment) -> str:
    """Why a call is denied in any state of the circuits: FORGERY, a word from `guard.reaches_for`, or "" if it is not.

    `armed`: a circuit of the session is not CLOSED; otherwise only a forgery is looked for.
    """
    if schedules(event.tool) and guard.carries_override(event.input, keyword):
        return FORGERY
    folders = guarded_folders(where)
    if not armed or not may_tamper(event, folders, keyword):
        return ""
    variables = {**{name: env.get(name, "") for name in VARIABLES}, "CIRCUIT_BREAKER_HOME": where.runtime}
    named = {"folders": folders, "name": NAME, "files": (CONFIG, STATE, INCIDENTS), "variables": variables}
    what = guard.Guarded(**named, project=where.project, keyword=keyword)
    return guard.reaches_for(event.tool, event.input, event.cwd, what)


def guarded_folders(where: Places) -> list[str]:
    """The runtime folder, your config folder, and the copy that runs unless it is a checkout inside the project (your own work).

    None of them that contains the project or your home: guarding it would guard everything.
    """
    folders = [where.runtime, slashed(where.user_config).rpartition("/")[0]]
    if not _holds(where.project, ROOT) or files.exists(ROOT + "/receipt.json"):
        folders.append(ROOT)
    return [one for one in folders if not _holds(one, where.project) and not _holds(one, where.your_home)]


def may_tamper(event: Ask, folders: list[str], keyword: str) -> bool:
    """A cheap check, which usually suffices: whether a shell command or an edit has a word that what tampers has; True in any doubt."""
    given = event.input if isinstance(event.input, dict) else {}
    text = command_of(given)[1]
    if event.tool in WRITERS and not text:
        text = "\n".join([str(given[name]) for name in PATHS if name in given])
        if "*" in text or "?" in text or "[" in text:
            return True  # as a glob it could match a folder
    if not text or event.tool in POWERSHELLS or len(text) > LONGEST or "$" in text:
        return True
    text = f"{text}\n{event.cwd}".lower().replace("\\\n", " ")
    for quote in "'\"\\":
        text = text.replace(quote, "")
    names = [folder.rpartition("/")[2].lower() for folder in folders]
    return any(sign in text for sign in (*OUR_WORDS, *keyword.lower().split()[-1:], *names))


def _holds(folder: str, path: str) -> bool:
    """Whether a folder is or contains `path`."""
    return f"{path}/".startswith(folder.rstrip("/") + "/")


def verb_refusal(what: str, env: home.Environment) -> str:
    """Why the command `what` (`reset`, `config set`) must not run; "" if it may. Raises OSError if the runtime folder is unknown or
    cannot be read.

    Claude Code gives the shells it starts (Claude's and your `!` lines, which look the same) CLAUDE_CODE_SESSION_ID and not
    CLAUDE_PROJECT_DIR; its hooks get both, a terminal of your own neither.
    """
    session = env.get("CLAUDE_CODE_SESSION_ID", "")
    if not session or env.get("CLAUDE_PROJECT_DIR"):
        return ""
    return sentences.own_shell(what) if store.armed_lanes(home.places(env), session) else ""
