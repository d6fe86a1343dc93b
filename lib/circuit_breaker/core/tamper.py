"""Would this call switch the breaker off, or forge the person's override? Pure.

A guard against a loop that finds the switch, not a sandbox: docs/security.md says what gets round it.
"""

from __future__ import annotations

from circuit_breaker.core.tamper_guard import Guarded, Guards, Tampered, carries
from circuit_breaker.core.tamper_words import resolve, without_marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

SCHEDULING = ("cron", "schedul", "wakeup")
EDITING = ("edit", "write", "multiedit", "notebookedit", "update")
READING_TOOLS = frozenset(
    [
        "read",
        "grep",
        "glob",
        "ls",
        "notebookread",
        "webfetch",
        "websearch",
        "todowrite",
        "todoread",
        "bashoutput",
        "killshell",
        "killbash",
        "taskoutput",
        "taskstop",
        "taskcreate",
        "taskupdate",
        "tasklist",
        "taskget",
        "agent",
        "task",
        "askuserquestion",
        "exitplanmode",
        "enterplanmode",
        "toolsearch",
        "lsp",
        "view_image",
        "update_plan",
        "list",
    ]
)
READING_WORDS = frozenset(
    [
        "get",
        "list",
        "read",
        "search",
        "find",
        "query",
        "fetch",
        "view",
        "show",
        "describe",
        "status",
        "stat",
        "info",
        "tree",
        "grep",
        "cat",
        "count",
        "exists",
        "resolve",
        "look",
        "inspect",
    ]
)
CHANGING_WORDS = frozenset(
    [
        "write",
        "edit",
        "create",
        "delete",
        "remove",
        "move",
        "rename",
        "update",
        "set",
        "put",
        "append",
        "insert",
        "replace",
        "modify",
        "save",
        "copy",
        "patch",
        "apply",
    ]
)
TAKING_WORDS = frozenset(["delete", "remove", "move", "rename"])
SETTINGS_WORDS = (
    "hook", "plugin", "marketplace", "circuit", "breaker", "env", '"mode"', "observe", "enforce", "threshold", "bypass", "\\u",
)  # fmt: skip
COMMANDS = ("command", "cmd", "script", "shell", "commands")
TEXTS_MAX = 4096  # strings of one call that are looked at for paths


def tampering(tool: str, tool_input: object, cwd: str, guarded: Guarded) -> str:
    """Why a call would switch the breaker off: reset, mode, uninstall, disable, client, state, config, registration or plugin.

    "" for an innocent one. `cwd` is the directory before the call.
    """
    try:
        _look(tool, tool_input, cwd or guarded.project, guarded)
    except Tampered as found:
        return str(found)
    return ""


def forging(tool: str, tool_input: object, guarded: Guarded) -> bool:
    """Whether a scheduling call's input carries the bypass keyword or the reset command in any string."""
    name = str(tool).lower()
    if not any(word in name for word in SCHEDULING):
        return False
    return any(carries(text, guarded) for _, text in _strings(tool_input))


def _look(tool: str, tool_input: object, cwd: str, guarded: Guarded) -> None:
    name = str(tool).lower()
    if name in READING_TOOLS:
        return
    if name in ("skill", "slashcommand"):
        if any(_invokes(text, guarded) for _, text in _strings(tool_input)):
            raise Tampered("reset")
        return
    values = tool_input if isinstance(tool_input, dict) else {}
    if name == "config" and any("hooks" in text.lower() for _, text in _strings(tool_input)):
        raise Tampered("disable")
    ran = False
    for key in COMMANDS:
        command = values.get(key)
        if isinstance(command, list) and all(isinstance(word, str) for word in command):
            command = " ".join(_quoted(word) for word in command)
        if isinstance(command, str) and (name != "apply_patch"):
            _run(command, _folder(values, cwd), guarded)
            ran = True
    if ran and not name.startswith("mcp__"):
        return
    if name in EDITING:
        _edit(name, values, cwd, guarded)
        return
    if name == "apply_patch":
        _patch(tool_input, cwd, guarded)
        return
    _foreign(name, tool_input, cwd, guarded)


def _folder(values: dict[object, object], cwd: str) -> str:
    """The directory a command runs in, where its call names one."""
    for key in ("workdir", "cwd", "working_directory"):
        folder = values.get(key)
        if isinstance(folder, str) and folder.startswith("/"):
            return folder
    return cwd


def _run(command: str, cwd: str, guarded: Guarded) -> None:
    if not _worth_a_look(command, cwd, guarded):
        return
    from circuit_breaker.core.tamper_shell import Shell

    shell: Shell = Shell(guarded, Guards(guarded), cwd)
    shell.run(without_marks(command))


def _worth_a_look(command: str, cwd: str, guarded: Guarded) -> bool:
    """A cheap first question: could this line reach anything of ours? Most cannot, and are not followed."""
    thin = command.lower().replace('"', "").replace("'", "").replace("\\", "")
    if any(
        word in thin
        for word in ("circuit", "claude", "settings", "plugin", "hooks/", "tmux", "screen", "expect")
    ):
        return True
    if any(sign in command for sign in ("`", "*", "?", "[", "{", "..", "\\x", "\\0", "\\u")):
        return True
    if "$" in command and "=" in command:
        return True
    near = cwd.lower()
    if ".claude" in near or near.startswith((guarded.state.lower() or "\0", guarded.plugin.lower() or "\0")):
        return True
    return any(
        word in thin
        for word in (
            "rm",
            "mv",
            "find",
            "clean",
            "stash",
            "rsync",
            "chmod",
            "chown",
            "del",
            "trash",
            "shred",
            "tar",
            "cd",
        )
    )


def _edit(name: str, values: dict[object, object], cwd: str, guarded: Guarded) -> None:
    """Edit, Write and their kind: by the file they name; an edit of the host's settings may prove itself harmless."""
    guards = Guards(guarded)
    for key in ("file_path", "notebook_path", "path", "filePath", "filename"):
        place = values.get(key)
        if not isinstance(place, str) or not place:
            continue
        reason = guards.reason(resolve(without_marks(place), cwd, guarded))
        if reason == "registration" and name in ("edit", "multiedit") and _spares_hooks(values):
            continue
        if reason:
            raise Tampered(reason)


def _spares_hooks(values: dict[object, object]) -> bool:
    """Whether an edit of a settings file cannot touch hooks or plugins: quoted texts for quoted texts, none of the words.

    Anything else could, for one missing quote makes the host skip the whole file, hooks and all.
    """
    edits = values.get("edits", [values])
    for edit in edits if isinstance(edits, list) and edits else [None]:
        old, new = (
            (edit.get("old_string"), edit.get("new_string")) if isinstance(edit, dict) else (None, None)
        )
        if not isinstance(old, str) or not isinstance(new, str) or edit.get("replace_all"):
            return False
        low = (old + "\n" + new).lower()
        if any(word in low for word in SETTINGS_WORDS) or _frame(old) != _frame(new) or not _frame(old)[0]:
            return False
    return True


def _frame(text: str) -> tuple[bool, bool, tuple[int, ...], str]:
    """What must stay equal for a document to stay one: brackets, quotes in pairs, how the piece begins and ends."""
    bare = text.strip()
    counts = tuple(bare.count(a) - bare.count(b) for a, b in ("{}", "[]"))
    return (bare.count('"') >= 2, bare.count('"') % 2 == 0, counts, bare[:1] + bare[-1:])


def _patch(tool_input: object, cwd: str, guarded: Guarded) -> None:
    """apply_patch: the files its headers name."""
    guards = Guards(guarded)
    for _, text in _strings(tool_input):
        for line in text.split("\n"):
            head, _, place = line.partition(" File: ")
            if (head.startswith("*** ") and place) or line.startswith("*** Move to: "):
                place = place or line.partition(": ")[2]
                reason = guards.reason(resolve(without_marks(place.strip()), cwd, guarded))
                if reason:
                    raise Tampered(reason)


def _foreign(name: str, tool_input: object, cwd: str, guarded: Guarded) -> None:
    """MCP and unknown tools: a tool that is not plainly a reading one must not be handed a guarded path."""
    words = set(name.rpartition("__")[2].replace("-", "_").split("_"))
    if words & READING_WORDS and not words & CHANGING_WORDS:
        return
    guards = Guards(guarded)
    tree = bool(words & TAKING_WORDS)
    for key, text in _strings(tool_input):
        if (
            not text
            or len(text) > 1024
            or "\n" in text
            or key in ("content", "old_string", "new_string", "body", "text", "description")
        ):
            continue
        if "/" in text or "." in text or "~" in text:
            reason = guards.reason(resolve(without_marks(text), cwd, guarded), tree and "/" in text)
            if reason:
                raise Tampered(reason)


def _invokes(text: str, guarded: Guarded) -> bool:
    """Whether a skill's name or a slash command is the reset."""
    words = text.strip().lstrip("/").lower().split()
    return bool(words) and words[0] in {name.lower() for name in guarded.commands}


def _strings(value: object) -> list[tuple[str, str]]:
    """Every string in a JSON value with the key it stands under; keys are strings too. Any depth, any size."""
    found: list[tuple[str, str]] = []
    pending: list[tuple[str, object]] = [("", value)]
    while pending:
        key, item = pending.pop()
        if isinstance(item, str):
            found.append((key, item))
        elif isinstance(item, dict):
            found += [("", name) for name in item if isinstance(name, str)]
            pending += [(str(name), inner) for name, inner in item.items()]
        elif isinstance(item, (list, tuple)):
            pending += [(key, inner) for inner in item]
    return found


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
