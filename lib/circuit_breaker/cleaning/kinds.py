"""The kinds of files in Claude Code's folder: where each lies, and when Claude Code removes it (docs/disk.md says what for). Pure.

Observed with 2.1.197 and 2.1.330. What Claude Code removes itself was tried with 2.1.330: files 60 days old, old plugin versions and
headless sessions.
"""

from __future__ import annotations

LOGS, SNAPSHOTS, HISTORY = "debug-logs", "shell-snapshots", "file-history"
RESULTS, SUBAGENTS, TRANSCRIPTS = "tool-results", "subagent-transcripts", "transcripts"
TODOS, PASTES, BACKUPS, PLUGINS = "todos", "pastes", "backups", "plugin-caches"
KINDS = (LOGS, SNAPSHOTS, HISTORY, RESULTS, SUBAGENTS, TRANSCRIPTS, TODOS, PASTES, BACKUPS, PLUGINS)
OF_SESSIONS = (TRANSCRIPTS, SUBAGENTS, RESULTS, LOGS, HISTORY, TODOS, PASTES)  # named after a session
OF_NO_SESSION = (BACKUPS, PLUGINS)
FILE, FOLDER, EITHER = "file", "folder", "either"
# Folders with one kind -> (the kind, what is archived as a whole: each file, each folder, or both).
PLACES = {
    "debug": (LOGS, FILE),
    "shell-snapshots": (SNAPSHOTS, FILE),
    "file-history": (HISTORY, FOLDER),
    "todos": (TODOS, EITHER),
    "tasks": (TODOS, EITHER),
    "paste-cache": (PASTES, EITHER),
    "image-cache": (PASTES, EITHER),
    "backups": (BACKUPS, FILE),
}
# Folders and files that are only measured -> their label in `status --memory`.
MEASURED = {
    "session-env": "session environments",
    "plans": "plans",
    "memory": "project memory",
    "data": "plugin data",
    "marketplaces": "plugin marketplaces",
    "plugins": "plugins",
    "statsig": "feature flags",
    "history.jsonl": "prompt history",
}
LOOSE = "settings and the like"  # files directly in the folder
OTHER = "other files of projects"
LONGEST = 200  # characters of a project's folder; a longer name is cut there and ends in a checksum


def kind_named(word: str) -> str:
    """The kind named `word`: its name (spaces or underscores are fine too) or the beginning of just one. Raises ValueError."""
    wanted = word.strip().lower().replace(" ", "-").replace("_", "-")
    found = [name for name in KINDS if name == wanted] or [name for name in KINDS if name.startswith(wanted)]
    if len(found) != 1 or not wanted:
        raise ValueError(f"{word}: not a kind; the kinds are {', '.join(KINDS)}")
    return found[0]


def session_of(name: str) -> str:
    """The session id (a UUID) at the beginning of a file's name; "" for another name."""
    found = name[:36]
    if len(found) < 36 or found[8:24:5] != "----":
        return ""
    digits = found.replace("-", "")
    return found if len(digits) == 32 and digits.isalnum() and digits.isascii() else ""


def project_folder(path: str) -> str:
    """The name of a project's folder under `projects/`: its path with dashes for everything but letters and digits. For a path of
    LONGEST characters or more this is only the beginning."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in path)[:LONGEST]
