"""What is guarded, and could a call reach it at all? Most cannot, and are not followed. Pure."""

from __future__ import annotations

from circuit_breaker.core.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EDITING = ("edit", "write", "multiedit", "notebookedit", "update")
READING_TOOLS = (
    "read", "grep", "glob", "ls", "notebookread", "webfetch", "websearch", "todowrite", "todoread",
    "bashoutput", "killshell", "killbash", "taskoutput", "taskstop", "taskcreate", "taskupdate",
    "tasklist", "taskget", "agent", "task", "askuserquestion", "exitplanmode", "enterplanmode",
    "toolsearch", "lsp", "view_image", "update_plan", "list",
)  # fmt: skip
PATHS = ("file_path", "notebook_path", "path", "filePath", "filename")
# The parameters of the host's own shell tool: its line is the command alone, and runs where the call is made.
BASH = ("command", "description", "timeout", "run_in_background", "dangerouslyDisableSandbox")
HINTS = (
    "circuit", "claude", "settings", "plugin", "hooks/", "bypass", "reset-", "rm", "mv", "find", "clean", "stash", "rsync",
    "chmod", "chown", "del", "trash", "shred", "tar", "cd", "wipe", "rename",
)  # fmt: skip
SIGNS = (
    "`",
    "*",
    "?",
    "[",
    "{",
    "..",
    "\\x",
    "\\0",
    "\\u",
)  # by which a line can name a thing without its name


class Guarded(Record):
    """What is protected, as the edge sees it: plain absolute paths and words; "" where a thing does not exist.

    state: R, the runtime folder. home: folder of config, state, incidents and archives. configs: config files, the person's
    and the project's. settings: the host's settings files, the person's first. plugin: its root, "" when that lies
    inside the session's own project. keyword: the bypass. commands: names of the reset command.
    """

    FIELDS: dict[str, Any] = {
        "state": "",
        "home": "",
        "configs": (),
        "settings": (),
        "plugin": "",
        "project": "",
        "user_home": "",
        "keyword": "",
        "commands": (),
    }


def concerns(tool: str, tool_input: object, cwd: str, guarded: Guarded) -> bool:
    """Could this call write or run what is guarded? False only where `tamper.tampering` is sure to find nothing."""
    name = tool.lower()
    if name in READING_TOOLS:
        return False
    if not isinstance(tool_input, dict):
        return True
    if name in EDITING:
        return any(_may_name(tool_input.get(key), guarded) for key in PATHS)
    command = tool_input.get("command")
    if name == "bash" and isinstance(command, str) and all(key in BASH for key in tool_input):
        return may_reach(command, cwd or guarded.project, guarded)
    return True


def may_reach(command: str, cwd: str, guarded: Guarded) -> bool:
    """A cheap first question: could this line reach anything of ours?"""
    thin = command.lower().replace('"', "").replace("'", "").replace("\\", "")
    if any(word in thin for word in HINTS) or any(sign in command for sign in SIGNS):
        return True
    if "$" in command and "=" in command:
        return True
    near = cwd.lower()
    return "claude" in near or any(name in thin or name in near for name in _names(guarded))


def _may_name(place: object, guarded: Guarded) -> bool:
    """Could this be the path of something of ours? Whatever its dots and slashes come to, the last name of a guarded file or folder
    stands in it."""
    if not isinstance(place, str) or not place:
        return False
    if place[0] != "/" or not place.isascii():
        return True
    low = place.lower()
    return any(word in low for word in ("circuit", "claude", "plugin", *_names(guarded)))


def _names(guarded: Guarded) -> list[str]:
    """The last names of the guarded places; one that ends in a dot or a slash has none, and any text holds that."""
    places = (guarded.state, guarded.home, guarded.plugin, *guarded.configs, *guarded.settings)
    last = [place.lower().rpartition("/")[2] for place in places if place]
    return ["" if name in (".", "..") else name for name in last]
