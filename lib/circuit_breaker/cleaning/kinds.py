"""The kinds of files in Claude Code's folder: where each lies, what it is for, and whether `clean` may archive it. Pure.

Observed with 2.1.197 and 2.1.330. What Claude Code removes itself was tried with 2.1.330: files 60 days old, old plugin versions and
headless sessions.
"""

from __future__ import annotations

TRANSCRIPTS = "transcripts"
SUBAGENTS = "subagent-transcripts"
RESULTS = "tool-results"
PLUGINS = "plugin-caches"
SNAPSHOTS = "shell-snapshots"
BACKUPS = "backups"
OF_SESSIONS = (
    TRANSCRIPTS,
    SUBAGENTS,
    RESULTS,
    "debug-logs",
    "file-history",
    "todos",
    "pastes",
)  # a session's id
OF_NO_SESSION = (BACKUPS, PLUGINS)
FILE, FOLDER, EITHER = "file", "folder", "either"  # what a unit of a kind is


PERIOD = "after {days} days"


class Kind:
    """name: as typed after --kind. folders: where it is. unit: FILE, FOLDER or EITHER; "" if the survey has special rules for it.
    what: its purpose, as in `docs/disk.md`. lost: what does not work until it is restored. by_itself: when Claude Code removes it;
    {days} is `cleanupPeriodDays`."""

    __slots__ = ("name", "folders", "unit", "what", "lost", "by_itself")

    def __init__(
        self, name: str, folders: tuple[str, ...], unit: str, what: str, lost: str, by_itself: str = PERIOD
    ) -> None:
        self.name, self.folders, self.unit = name, folders, unit
        self.what, self.lost, self.by_itself = what, lost, by_itself


KINDS = {
    kind.name: kind
    for kind in (
        Kind("debug-logs", ("debug",), FILE, "logs of sessions started with --debug", "nothing"),
        Kind(
            SNAPSHOTS,
            ("shell-snapshots",),
            FILE,
            "your shell's functions and aliases, for the commands of one session",
            "nothing",
        ),
        Kind(
            "file-history",
            ("file-history",),
            FOLDER,
            "copies of files from before an edit",
            "/rewind cannot bring back the files of that session",
        ),
        Kind(
            RESULTS,
            ("projects/*/*/tool-results",),
            "",
            "large outputs that a transcript only names",
            "a resumed session cannot read those outputs again",
        ),
        Kind(
            SUBAGENTS,
            ("projects/*/*/subagents",),
            "",
            "what subagents did",
            "a resumed session cannot show or continue those subagents",
        ),
        Kind(
            TRANSCRIPTS,
            ("projects",),
            "",
            "your sessions, each with its subagents and tool results",
            "the session is not in --resume",
        ),
        Kind(
            "todos",
            ("todos", "tasks"),
            EITHER,
            "task lists of sessions",
            "a resumed session has no task list",
        ),
        Kind(
            "pastes",
            ("paste-cache", "image-cache"),
            EITHER,
            "text and images that you pasted into prompts",
            "an old prompt that you call up again lacks what was pasted",
        ),
        Kind(
            BACKUPS,
            ("backups",),
            FILE,
            "earlier versions of .claude.json; the newest one stays",
            "nothing, unless .claude.json gets lost",
        ),
        Kind(
            PLUGINS,
            ("plugins/cache",),
            "",
            "versions of plugins that are no longer installed",
            "nothing",
            "14 days after an update",
        ),
    )
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
    if len(found) < 36 or not (found[8] == found[13] == found[18] == found[23] == "-"):
        return ""
    digits = found.replace("-", "")
    return found if len(digits) == 32 and digits.isalnum() and digits.isascii() else ""


def project_folder(path: str) -> str:
    """The name of a project's folder under `projects/`: its path with dashes for everything but letters and digits. For a path of
    more than 200 characters this is only the beginning; Claude Code appends a checksum."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in path)[:200]
