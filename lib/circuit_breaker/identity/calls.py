"""The key of a call (equal calls have equal keys), and what kind of call it is. Pure.

Keys are hashes: a call's input and output cannot be read from them.
"""

from __future__ import annotations

from circuit_breaker.identity import mcp_names, tokens
from circuit_breaker.identity.keys import canonical, digest, spelled
from circuit_breaker.shell import powershell, programs, reading, shell_line, waits

READS, ACTS, WRITES = 0, 1, 2  # what a call changes: nothing, something that is no file, a file
# --- The names of tools: Claude Code's own, and those that other programs give theirs. (Those of MCP tools: see mcp_names.py.)
POWERSHELLS = frozenset(("PowerShell", "powershell", "pwsh"))
SHELLS = POWERSHELLS | {"Bash", "bash", "exec_command", "shell", "shell_command", "local_shell"}
WRITERS = frozenset(
    "Edit Write MultiEdit NotebookEdit edit write multiedit patch apply_patch create_file"
    " str_replace_editor".split()
)
SPAWNING = ("Agent", "Task")  # Claude Code's names of the tool that starts an agent
SPAWNERS = frozenset((*SPAWNING, "task"))  # names that other programs give it, too
READERS = ("Read", "read")
SEARCH_TOOLS = frozenset("Grep Glob grep glob".split())
_HERE = SEARCH_TOOLS.union(READERS, ("LS", "list", "NotebookRead"))
FETCHERS, WEB_SEARCHES = ("WebFetch", "webfetch"), ("WebSearch", "web_search")
LOOKUPS = _HERE.union(FETCHERS, WEB_SEARCHES[:1])
VERBATIM = _HERE.union(("Edit", "Write"))  # they return the content of files: every change in it counts
LIVE_TOOLS = frozenset((*FETCHERS, "TaskList", "TaskGet"))  # what they look at changes by itself
MONITOR = "Monitor"
WAITERS = frozenset((MONITOR, *"Sleep Wait sleep wait TaskOutput ScheduleWakeup wait_agent".split()))
ENDERS = ("KillShell", "KillBash", "TaskStop")  # they end a command in the background
TYPIST = "write_stdin"  # it types into a command in the background; without text it waits for its output
# --- Parameters
PATHS = ("file_path", "path", "notebook_path", "filePath")  # they name a file
COSMETIC = "description timeout run_in_background yield_time_ms max_output_tokens justification".split()
# Progress notes of some agents, and what a service is given to tell one request from its repetition.
NOTES = "task_progress toolSummary toolAction nonce idempotency_key idempotencyKey client_token clientToken".split()
# What Claude Code adds before the gate sees a call, and does not show after the turn (2.1.330).
ADDED = {
    MONITOR: ["timeout_ms"],
    "ToolSearch": ["max_results"],
    "SendMessage": "type recipient recipient_kind content summary".split(),
}
# --- Words in commands and names
# One of these, a folder's name or the keyword is in each line that tampers with the breaker.
OUR_WORDS = ("circuit", "claude", "plugin")
# Last words of tools that only note a thought.
_THINKING = ("think", "thinking", "thinkdeep", "sequentialthinking")
_IDLE = ("echo", "printf", "true", ":")
_WORKING = frozenset("$*`0123456789")  # characters that no line which only talks has
_EVALUATED = frozenset("$`")  # nor one that talks at length
_AT_LENGTH = 7  # words
_JOINTS = frozenset(";&|$`")
_TALK_MAX = 2000  # characters of a command that may only talk or change the directory
_HOSTS_AT_HOME = ("localhost", "127.", "0.0.0.0", "[::1]", "::1", "10.", "192.168.", "host.docker.internal")


def call_key(tool: str, tool_input: object, cwd: str = "") -> str:
    """A hash of the tool and its input without cosmetic parameters; for a shell command also of the directory it runs in."""
    if isinstance(tool_input, dict):
        if tool in SHELLS:
            return digest(f"{tool}\n{_shell_call(tool, tool_input, cwd)}")
        added = ADDED.get(tool, []) if tool != "SendMessage" or "to" in tool_input else []
        tool_input = {
            name: _without_snapshot(value) if tool.startswith("mcp__") else _as_run(name, value, cwd)
            for name, value in tool_input.items()
            if name not in NOTES
            and name not in added
            and not (name == "description" and tool in SPAWNERS)
            and not (name == "replace_all" and value is False)
        }
    if tool.startswith("mcp__") and is_idle(line_of(tool, tool_input)):
        return digest(f"{tool}\nnothing")
    tool = SPAWNING[0] if tool in SPAWNING else tool
    return digest(f"{tool}\n{canonical(tool_input)}")


def _shell_call(tool: str, tool_input: dict[str, object], cwd: str) -> str:
    """One text for equal calls of a shell: the directory, the command in its normal form, the other parameters that count."""
    given = {name: value for name, value in tool_input.items() if name not in COSMETIC}
    name, command = command_of(given)
    directory = directory_of(given, cwd)
    given.pop("workdir", None)
    if is_idle(command):
        return "nothing"  # with any words
    command = powershell.as_shell(command) if tool in POWERSHELLS else command
    if waits.line_waits(command) == waits.ALONE:
        return "wait"  # all mere waits are one call, of any length
    command, directory = shell_line.normalise(command, directory)
    if name:
        given[name] = command
    return f"{spelled(directory)}\n{canonical(given)}"


def _as_run(name: str, value: object, cwd: str) -> object:
    """A value as Claude Code hands it to its own tools: it makes paths absolute, takes "5" for 5 and "true" for true."""
    if name in PATHS and isinstance(value, str):
        settled = value[:1] == "/" and "//" not in value and "/." not in value and value[-1] != "/"
        return spelled(value if settled else shell_line.resolve(value, cwd))
    return str(value).lower() if isinstance(value, (int, float)) else value


def _without_snapshot(value: object) -> object:
    """A page node's id without the number of its snapshot; other values unchanged."""
    return tokens.node_of(value) or value if isinstance(value, str) and len(value) < 24 else value


def command_of(given: dict[str, object]) -> tuple[str, str]:
    """(the parameter that holds the shell command, the command); ("", "") when there is none."""
    for name in ("command", "cmd"):
        value = given.get(name)
        if isinstance(value, str):
            return name, value
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            return name, value[-1] if value[0] in ("bash", "sh", "zsh", "/bin/bash") else " ".join(value)
    return "", ""


def directory_of(given: dict[str, object], cwd: str) -> str:
    """The directory in which a shell call begins."""
    directory = given.get("workdir")
    return directory if isinstance(directory, str) and directory else cwd


def shell_command(tool: str, tool_input: object) -> str:
    """The shell command of a call, PowerShell translated for the shell readers; "" for any other tool."""
    if tool not in SHELLS or not isinstance(tool_input, dict):
        return ""
    command = command_of(tool_input)[1]
    return powershell.as_shell(command) if tool in POWERSHELLS else command


def line_of(tool: str, tool_input: object) -> str:
    """The shell command of a call, also the one that an MCP tool is given to run; "" for any other."""
    if tool.startswith("mcp__"):
        return mcp_names.remote_command(tool, tool_input)
    return shell_command(tool, tool_input)


def shape_key(tool: str, tool_input: object) -> tuple[str, dict[str, str] | None]:
    """What similar calls share: (tool and digest of the first two words, None) for a shell line, else (tool, {parameter: digest})."""
    if not isinstance(tool_input, dict):
        return tool, {}
    if line_of(tool, tool_input) or tool in SHELLS:
        return f"{tool} {digest(' '.join(main_program(tool, tool_input)[:2]))}", None
    counted = {name: value for name, value in tool_input.items() if name not in COSMETIC}
    return tool, {name: digest(canonical(value)) for name, value in counted.items()}


def main_program(tool: str, tool_input: object) -> list[str]:
    """The first program of a shell line with its arguments, here or on another machine, behind what only comes first; [] for none."""
    ran = reading.all_programs(line_of(tool, tool_input)[:2000])
    first = [words for words in ran if words[0] not in programs.DECORATION and not reading.carries(words)]
    return (first or ran or [[]])[0]


def service(tool: str, tool_input: object) -> str:
    """The outside service that a call uses: a host, "WebSearch" or an MCP server's name; "" for none."""
    if tool in WEB_SEARCHES:
        return WEB_SEARCHES[0]
    if tool.startswith("mcp__"):
        return tool.split("__")[1]
    if "gh api" in shell_command(tool, tool_input)[: shell_line.LONGEST]:
        return "api.github.com"
    return next((host[:80] for host, _ in map(host_of, urls_of(tool, tool_input)) if host), "")


def urls_of(tool: str, tool_input: object) -> list[str]:
    """The URLs in the arguments of a WebFetch, or of curl and wget in a shell, in order."""
    given = tool_input if isinstance(tool_input, dict) else {}
    if tool in FETCHERS and isinstance(given.get("url"), str):
        return [given["url"]]
    command = shell_command(tool, tool_input)[: shell_line.LONGEST]
    if "curl" not in command and "wget" not in command:
        return []
    fetching = [words for words in shell_line.programs(command) if words[0] in ("curl", "wget")]
    return [word for words in fetching for word in words[1:] if "://" in word]


def host_of(url: str) -> tuple[str, str]:
    """(host, port) of a URL; ("", "") unless it is a machine outside this one and the local network."""
    scheme, sign, rest = url.partition("://")
    rest = rest if sign else url
    for end in "/?#":
        rest = rest.partition(end)[0]
    rest = rest.rpartition("@")[2].lower()
    host, _, port = rest.rpartition(":")
    if not port.isdigit():
        host, port = rest, "80" if sign and scheme == "http" else "443"
    plain = host.replace(".", "").replace("-", "").replace("_", "")
    outside = plain.isalnum() and host.isascii() and not host.startswith(_HOSTS_AT_HOME)
    return (host, port) if outside else ("", "")


def change_level(tool: str, tool_input: object) -> int:
    """WRITES, ACTS (it may change something else than a file) or READS."""
    command = shell_command(tool, tool_input)
    named = "apply_patch" in command[: shell_line.LONGEST]
    patches = named and main_program(tool, tool_input)[:1] == ["apply_patch"]
    if tool in WRITERS or patches:
        return WRITES
    if command:
        looks = reading.is_reading(command, loosely=True)
    elif tool.startswith("mcp__"):
        thinks = "".join(mcp_names.words_of(tool)[-1:]) in _THINKING
        looks = thinks or mcp_names.is_reading_tool(tool, tool_input)
    else:
        looks = tool not in SPAWNERS
    return READS if looks else ACTS


def is_idle(command: str) -> bool:
    """Whether a shell line only talks: `echo "Done."`, `true`, `cat <<EOF`. A bare word may be for something, and so may a number,
    unless it is in a sentence."""
    if not command.lstrip().startswith((*_IDLE, "cat <<")) or len(command) > _TALK_MAX:
        return False
    if not (_EVALUATED if len(command.split()) >= _AT_LENGTH else _WORKING).isdisjoint(command):
        return False
    quotes = '"' in command or "'" in command or "<<" in command
    said = quotes or command.strip() in ("true", ":", "echo done", "echo ok", "echo ready")
    return said and not any(
        segment.targets or not (segment.words == ["cat"] or "".join(segment.words[:1]) in _IDLE)
        for segment in shell_line.segments(command)
    )


def goes_elsewhere(tool: str, tool_input: object) -> bool:
    """Whether a shell line only changes the directory."""
    words = shell_command(tool, tool_input)[:_TALK_MAX].split()
    return len(words) == 2 and words[0] in ("cd", "pushd", "Set-Location") and _JOINTS.isdisjoint(words[1])


def schedules(tool: str) -> bool:
    """Whether it is a tool that schedules a prompt."""
    name = tool.lower()
    return "cron" in name or "schedul" in name or "wakeup" in name
