"""Calls that act: steps on a page or device, and writes that change a file again each time they are sent. Pure."""

from __future__ import annotations

from circuit_breaker.identity import mcp_names
from circuit_breaker.identity.calls import LOOKUPS, SHELLS, WRITERS, line_of, shell_command
from circuit_breaker.shell import live, reading
from circuit_breaker.shell.shell_line import LONGEST, is_in, past_options, program, segments

# Words in tool names (or in the `action` of a tool that does everything) that stand for a step on a page or device.
_GESTURES = frozenset(
    "click tap press key keys type scroll swipe drag drop hover navigate back forward next previous step fill select focus"
    " dblclick doubleclick mouse pinch rotate advance reload touch keyboard goto walk turn jump button joystick"
    " keyevent undo redo input keystroke keystrokes frame tick send-keys stuff write-chars continue resume finish".split()
)
_SCRIPTS = frozenset("evaluate eval script javascript js code".split())
# In a page's script: a step.
_MOVING = "scroll .click( dispatchEvent .focus( .submit( .goBack( history.".split()
_DEVICES = (
    "xdotool ydotool cliclick adb idb axe maestro xte wtype appium agent-browser playwright-cli tmux screen zellij osascript"
    " scrot maim grim import screencapture".split()
)
_POINTERS = frozenset("xdotool ydotool cliclick xte wtype".split())  # with any arguments
_EDITING_WORDS = frozenset("edit write insert append patch replace update modify create str".split())
_FILE_WORDS = frozenset(
    "file files text content lines line symbol body range block note notes cell notebook".split()
)
_NAMING = frozenset("file path filename filepath".split())  # in names of parameters
_SENDING = frozenset("send reply post notify broadcast publish add create".split())
_MESSAGES = frozenset(
    "message messages mail email gmail sms dm comment notification telegram tweet issue ticket incident event".split()
)
_MAKING = frozenset(
    "create add insert new make post upload send publish append duplicate clone copy spawn".split()
)
# What is sent to a terminal or a device: a look shows its effect.
_TYPED = frozenset("command commands cmd line data".split())
_DETACHING = frozenset(("--detach", "-d"))
_MIGRATORS = frozenset("alembic flask rails rake knex sequelize-cli sequelize migrate goose dbmate".split())
_ONE_ON = frozenset(
    "+1 -1 db:rollback db:migrate:undo migrate:up migrate:down rollback up-by-one down downgrade".split()
)


def is_gesture(tool: str, given: object) -> bool:
    """Whether it is a gesture: a click, a key, a scroll. Its result only confirms it; what it did is seen by looking."""
    found = _on_devices(tool, given)
    if any(words[0] in _POINTERS or not _GESTURES.isdisjoint(words) for words in found):
        return True
    if tool in SHELLS or tool in WRITERS or tool in LOOKUPS or mcp_names.is_reading_tool(tool, given):
        return False
    words = _words(tool, given)
    if not _GESTURES.isdisjoint(words) or ("terminal" in words and words[0] in ("write", "send")):
        return True
    told = given.values() if isinstance(given, dict) and not _SCRIPTS.isdisjoint(words) else ()
    return any(sign in str(value) for value in told for sign in _MOVING)


def runs_device(tool: str, given: object) -> bool:
    """Whether a shell line runs a program that works on a page or device."""
    return bool(_on_devices(tool, given))


def _on_devices(tool: str, given: object) -> list[list[str]]:
    """The programs of a shell line that work on a page or device, with all words of their arguments."""
    line = line_of(tool, given)[:LONGEST]
    ran = reading.all_programs(line) if any(name in line for name in _DEVICES) else []
    return [[words[0], *" ".join(words[1:]).split()] for words in ran if words[0] in _DEVICES]


def _words(tool: str, given: object) -> list[str]:
    """The words of an MCP tool's name, then those of the `action` that it is given."""
    action = given.get("action") if isinstance(given, dict) else ""
    return mcp_names.words_of(tool) + (mcp_names.name_words(action) if isinstance(action, str) else [])


def sends_message(tool: str, given: object) -> bool:
    """Whether it sends a message, posts a comment or opens a ticket: only the numbers of its receipt are new when it is sent again."""
    words = mcp_names.name_words(tool.rpartition("__")[0]) + _words(tool, given)
    sends = not _MESSAGES.isdisjoint(words) and not _SENDING.isdisjoint(words)
    return sends and not mcp_names.is_reading_tool(tool, given)


def makes_more(tool: str, given: object) -> bool:
    """Whether a call makes, writes or sends one more of something each time."""
    if tool in SHELLS:
        command = shell_command(tool, given)
        return _line_adds(command) or any(map(_makes, reading.all_programs(command)))
    words = mcp_names.words_of(tool)
    named = [*words, *given] if isinstance(given, dict) else words
    typed = words[:1] == ["send"] and not _TYPED.isdisjoint(named)
    makes = not _MAKING.isdisjoint(words[:1]) and not typed
    return makes or adds_again(tool, given) or sends_message(tool, given)


def _makes(words: list[str]) -> bool:
    low = " ".join(words[1:]).lower()
    return not _MAKING.isdisjoint(low.split()) or "insert into" in low or words[0] in ("mkdir", "touch")


def steps_through_history(tool: str, given: object) -> bool:
    """Whether it goes on to another commit or migration in the same words each time: `git bisect bad`, `git rebase --continue`."""
    return any(map(_steps_on, reading.all_programs(line_of(tool, given))))


def _steps_on(words: list[str]) -> bool:
    if words[0] != "git":
        return words[0] in _MIGRATORS and not _ONE_ON.isdisjoint(words[1:])
    verb, *rest = past_options(words[1:], ("-c", "-C")) or ("",)
    if verb in ("rebase", "am", "cherry-pick", "revert"):
        return rest[:1] in (["--continue"], ["--skip"])
    if verb == "pull":
        return True
    if verb == "bisect":
        return rest != []
    if verb not in ("checkout", "switch", "reset") or "--" in rest:
        return False
    named = [verb, *rest][-1]
    detached = not _DETACHING.isdisjoint(rest)
    return detached or named.rstrip("0123456789").endswith(("~", "^")) or _names_commit(named)


def _names_commit(word: str) -> bool:
    """Whether it is a commit's hash, or a version's tag: `4f0c0d7`, `v2.1.0`."""
    bare = word.strip("0123456789abcdef")
    digits = word.strip("v").replace(".", "")
    is_hash = 7 <= len(word) <= 40 and not bare and not word.isalpha()
    return is_hash or ("." in word and digits.isdigit())


def asks_page(tool: str, given: object) -> bool:
    """Whether its result shows the page or device: a script run in a page, or a device program that makes no gesture."""
    if _on_devices(tool, given):
        return not is_gesture(tool, given)
    return not _SCRIPTS.isdisjoint(mcp_names.words_of(tool))


def asks_database(tool: str, given: object) -> bool:
    """Whether a shell line runs a database's client: what it shows changes mostly because of what you did."""
    return any(is_in(words[0], live.DATABASES) for words in reading.all_programs(line_of(tool, given)))


def adds_again(tool: str, given: object) -> bool:
    """Whether it is a write that makes no sense twice with the same input: an edit, a file, a patch, an appended line.

    A shell line counts if it only writes files, by appending or rewriting (`>>`, `tee -a`, `sed -i`, `patch`). One whose result is
    the same each time (`>`, `tee`) does not count, nor one that does more than write.
    """
    if isinstance(given, dict) and given.get("command") == "view":
        return False
    if tool in WRITERS:
        return True
    if tool in SHELLS:
        return _line_adds(shell_command(tool, given))
    if not tool.startswith("mcp__") or mcp_names.is_reading_tool(tool, given):
        return False
    words = mcp_names.words_of(tool)
    named = mcp_names.name_words("_".join(map(str, given))) if isinstance(given, dict) else []
    in_file = not _NAMING.isdisjoint(named) or not _FILE_WORDS.isdisjoint(words)
    return in_file and not _EDITING_WORDS.isdisjoint(words)


def _line_adds(command: str) -> bool:
    found = False
    for segment in segments(command):
        words = program(segment.words)
        adds = segment.adds or (bool(words) and _adds(words[0], words[1:]))
        if segment.targets and not segment.adds:
            return False
        if not all(reading.is_reading(inner) for inner in segment.inner):
            return False
        if words and (segment.adds or not adds) and not reading.program_reads(words[0], words[1:]):
            return False  # it does more, whatever file its output goes into
        found = found or adds
    return found


def _adds(name: str, rest: list[str]) -> bool:
    low = name.lower()
    if low in ("add-content", "ac") or (low == "out-file" and "-append" in [word.lower() for word in rest]):
        return True
    if low in ("patch", "apply_patch", "ed", "ex"):
        return "--dry-run" not in rest
    if low == "tee":
        return "-a" in rest or "--append" in rest
    if low in ("sed", "gsed", "yq"):
        return any(word[:1] == "-" and word.lstrip("-nErs")[:1] == "i" for word in rest)
    if low in ("perl", "ruby"):
        return any(word[:1] == "-" and word.lstrip("-pnlaw0")[:1] == "i" for word in rest[:3])
    return low in ("awk", "gawk") and rest[:2] == ["-i", "inplace"]
