"""Calls that look, wait or search: what they look at, when they wait, whether they found anything. Pure."""

from __future__ import annotations

from circuit_breaker.identity import acts, calls, mcp_names
from circuit_breaker.identity.calls import LOOKUPS, PATHS, SHELLS, SPAWNERS, WRITERS, line_of
from circuit_breaker.shell import guesses, live, reading, shell_line, waits

# What a call looks at: nothing (it acts), files and the like, or something that changes by itself.
NOTHING, FILES, LIVE = 0, 1, 2
_WAITING_WORDS = frozenset("wait sleep delay await wakeup".split())
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".html", ".xml", ".yml")
_SEARCHERS = "grep egrep fgrep zgrep rg ag ack find fd locate mdfind which whereis pgrep Select-String sls findstr".split()
_LISTERS = frozenset("Get-ChildItem gci dir".split())  # with a filter they search
_FOUND_NOTHING = tuple(
    "no matches found|no files found|no results found|(bash completed with no output)|0 matches".split("|")
)
_NOTHING_ELSE = tuple(
    "permission denied|no such file or directory|operation not permitted|is a directory".split("|")
)


def wait_of(tool: str, given: object) -> int:
    """When a call waits: waits.NONE, BEFORE, AFTER or ALONE; its result does not matter."""
    given = given if isinstance(given, dict) else {}
    if tool in calls.WAITERS:
        return waits.NONE if given.get("block") is False else waits.ALONE
    if tool == calls.TYPIST:
        return waits.NONE if given.get("chars") else waits.ALONE
    command = line_of(tool, given)
    if command:
        return waits.line_waits(command)
    if not tool.startswith("mcp__"):
        return waits.NONE
    if given.get("action") in ("wait", "sleep"):
        return waits.ALONE
    if not _WAITING_WORDS.isdisjoint(mcp_names.words_of(tool)[:3]):
        return waits.ALONE
    # it answers when what it looks at has changed, or after a while
    asked = any(name.startswith("wait") and value for name, value in given.items() if isinstance(name, str))
    return waits.BEFORE if asked else waits.NONE


def reads_output(tool: str, given: object) -> bool:
    """Whether the call reads the output so far of something in the background, which may stay the same for a while."""
    given = given if isinstance(given, dict) else {}
    if tool == calls.TYPIST:
        return not given.get("chars")
    if given.get("action") == "poll" and "question" not in given:
        return True  # with a question it asks people
    if not tool.startswith("mcp__"):
        named = str(given.get("file_path") or line_of(tool, given))[: shell_line.LONGEST].replace("\\", "/")
        shown = "/tasks/" in named and any(map(_is_task_output, named.split()))
        return shown or tool.endswith(("Output", "OutputTool"))
    words = mcp_names.words_of(tool)
    return "poll" in words or ("output" in words and mcp_names.is_reading_tool(tool, given))


def _is_task_output(word: str) -> bool:
    """Whether it is the file of a background command's output: `/tmp/claude-1000/PROJECT/SESSION/tasks/bx52gg8mf.output`."""
    folder, _, file = word.strip("'\"").rpartition("/")
    return file.endswith(".output") and folder.endswith("/tasks") and "/claude" in folder


def look_of(tool: str, given: object) -> int:
    """NOTHING, FILES or LIVE."""
    command = line_of(tool, given)
    if command:
        return _line_looks(command)
    if tool in calls.LIVE_TOOLS or reads_output(tool, given):
        return LIVE
    if tool in LOOKUPS:
        path = next((given[name] for name in PATHS if name in given), "") if isinstance(given, dict) else ""
        return LIVE if isinstance(path, str) and live.is_log(path) else FILES
    if tool in WRITERS or tool in SPAWNERS or tool in SHELLS:
        return NOTHING
    words = mcp_names.name_words(tool.replace("__", "_"))
    if isinstance(given, dict) and mcp_names.sql_verb(words, given) in mcp_names.SQL_READS:
        return LIVE
    if not mcp_names.is_reading_tool(tool, given):
        return NOTHING
    return LIVE if mcp_names.is_live_name(words) else FILES


def may_look(tool: str, given: object) -> bool:
    """Whether it is a shell line or an MCP tool of which nothing is known: it may look as well as act."""
    command = line_of(tool, given)
    if command:
        return guesses.guess(command) != guesses.ACTS
    words = mcp_names.words_of(tool)
    if not tool.startswith("mcp__") or words[:1] == [] or acts.is_gesture(tool, given):
        return False
    return words[0] not in mcp_names.CHANGING_NAMES and not guesses.changes(words[0])


def _line_looks(command: str) -> int:
    """What a shell line looks at: NOTHING if one of its commands acts, else LIVE if one of them looks at something live."""
    if not reading.is_reading(command, loosely=True):
        return FILES if guesses.guess(command) == guesses.LOOKS else NOTHING
    is_live = "/dev/tcp/" in command or any(map(_is_live, reading.all_programs(command)))
    return LIVE if is_live else FILES


def _is_live(words: list[str]) -> bool:
    elsewhere = reading.inner_line(words)[0] or words[0] in ("watch", "viddy")
    return bool(elsewhere) or shell_line.is_in(words[0], live.SERVICES) or live.is_live(words[0], words[1:])


def found_nothing(tool: str, given: object, text: str) -> bool:
    """Whether it is a search (Grep, Glob, `grep`, `find`) that found nothing. `text`: its result or error."""
    command = line_of(tool, given)
    if (
        not (command or tool in calls.SEARCH_TOOLS)
        or not _says_nothing(text)
        or not reading.is_reading(command)
    ):
        return False  # `make | grep error` also builds
    return tool in calls.SEARCH_TOOLS or any(
        words[0] in _SEARCHERS or (words[0] in _LISTERS and len(words) > 2) or words[:2] == ["git", "grep"]
        for words in reading.all_programs(command)
    )


def _says_nothing(text: str) -> bool:
    """Whether the text is empty, 0, "No files found" and the like, or only errors about unreadable folders."""
    low = text[:2000].strip().lower()
    if low.startswith("exit code 1"):
        low = low.partition("\n")[2].strip()
    lines = map(str.strip, low.split("\n"))
    silent = len(text) <= 2000 and all(line.endswith(_NOTHING_ELSE) or line in ("", "0") for line in lines)
    return silent or low.startswith(_FOUND_NOTHING)


def shows_page(tool: str, given: object) -> bool:
    """Whether a look may show the effect of a click or key: a page, screen, picture or device, not a plain file."""
    if tool not in LOOKUPS or tool in calls.LIVE_TOOLS:
        return True
    path = given.get("file_path") if isinstance(given, dict) else None
    return isinstance(path, str) and path.lower().endswith(_PICTURES)
