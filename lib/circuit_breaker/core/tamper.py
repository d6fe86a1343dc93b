"""Would this call switch the breaker off, or forge the person's override? Pure.

A guard against a loop that finds the switch, not a sandbox: docs/security.md says what gets round it.
"""

from __future__ import annotations

from circuit_breaker.core import guarding, tamper_tools
from circuit_breaker.core.guarding import EDITING, READING_TOOLS
from circuit_breaker.core.tamper_guard import Guards, Tampered, carries
from circuit_breaker.core.tamper_words import without_marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.guarding import Guarded
    from circuit_breaker.core.tamper_shell import Shell

SCHEDULING = ("cron", "schedul", "wakeup")
COMMANDS = ("command", "cmd", "script", "shell", "commands", "chars")
CODES = ("code", "source", "expression", "input", "js", "python")  # of a tool that is named for running it
RUNNING_WORDS = ("exec", "run", "eval", "js", "python", "node", "repl", "shell", "terminal", "kernel")
SHELL_WORDS = ("bash", "exec_command", "shell")


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
    return any(carries(text, guarded) for _, text in tamper_tools.strings(tool_input))


def _look(tool: str, tool_input: object, cwd: str, guarded: Guarded) -> None:
    name = str(tool).lower()
    if name in READING_TOOLS:
        return
    if name in ("skill", "slashcommand"):
        if any(_invokes(text, guarded) for _, text in tamper_tools.strings(tool_input)):
            raise Tampered("reset")
        return
    values = tool_input if isinstance(tool_input, dict) else {}
    if name == "config" and any("hooks" in text.lower() for _, text in tamper_tools.strings(tool_input)):
        raise Tampered("disable")
    orders = _orders(name, values)
    for order in orders:
        _run(order, _folder(values, cwd), guarded, name)
    if orders and not name.startswith("mcp__"):
        return
    if name in EDITING:
        tamper_tools.edit(name, values, cwd, guarded)
        return
    if name == "apply_patch":
        tamper_tools.patch(tool_input, cwd, guarded)
        return
    tamper_tools.foreign(name, tool_input, cwd, guarded, (*COMMANDS, *CODES, "args") if orders else ())


def _folder(values: dict[object, object], cwd: str) -> str:
    """The directory a command runs in, where its call names one."""
    for key in ("workdir", "cwd", "working_directory"):
        folder = values.get(key)
        if isinstance(folder, str) and folder.startswith("/"):
            return folder
    return cwd


def _orders(name: str, values: dict[object, object]) -> list[str]:
    """The command lines and programs that a call wants run; a list of words is one line."""
    if name in EDITING or name == "apply_patch":
        return []
    given = [
        values.get(key) for key in (*COMMANDS, *(CODES if any(w in name for w in RUNNING_WORDS) else ()))
    ]
    args = values.get("args")
    if isinstance(args, list) and isinstance(given[0], (str, type(None))):
        given[0] = [*filter(None, [given[0]]), *args]
    lines = [" ".join(map(_quoted, g)) if isinstance(g, list) and _texts(g) else g for g in given]
    return [line for line in lines if isinstance(line, str)]


def _texts(items: list[object]) -> bool:
    return all(isinstance(item, str) for item in items)


def _run(command: str, cwd: str, guarded: Guarded, tool: str) -> None:
    """Follow a shell line; what is no shell's is searched as program text."""
    if not guarding.may_reach(command, cwd, guarded):
        return
    from circuit_breaker.core import tamper_code
    from circuit_breaker.core.tamper_shell import Shell

    shell: Shell = Shell(guarded, Guards(guarded), cwd)
    text = without_marks(command)
    if not any(word in tool for word in SHELL_WORDS) or "powershell" in tool:
        tamper_code.judge(shell, text)
    if "powershell" not in tool:
        shell.run(text)


def _invokes(text: str, guarded: Guarded) -> bool:
    """Whether a skill's name or a slash command is the reset."""
    words = text.strip().lstrip("/").lower().split()
    return bool(words) and words[0] in {name.lower() for name in guarded.commands}


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
