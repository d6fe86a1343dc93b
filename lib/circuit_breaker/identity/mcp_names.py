"""What the names of MCP tools say: whether a tool only reads, shows something live, is a shell or asks a database. Pure."""

from __future__ import annotations

from circuit_breaker.shell import reading
from circuit_breaker.shell.shell_line import is_in

READING_NAMES = frozenset(
    "get list read search find query fetch view show describe status lookup browse inspect check count"
    " ls cat grep glob resolve explain analyze screenshot snapshot zoom download retrieve dump peek info log logs details whoami ping health history diff scrape receive".split()
)
# What a tool gives whose name ends with it: `pod_state`, `page_source`, `issue_read`.
_GIVEN = frozenset(
    "status state progress info summary source messages output log logs history metrics result results details tree ui size len"
    " count list read get search".split()
)
_ASKED = frozenset("sql query execute statement run".split())  # in names of tools that are given a query
SQL_READS = ("select", "show", "explain", "describe", "with", "pragma", "values")
_SQL_WRITES = tuple(
    "insert update delete create alter drop merge truncate grant call copy replace mutation".split()
)
# In names of MCP tools that are shells.
_RUNNING = frozenset("exec execute run call command shell bash terminal process ssh".split())
# First words of names whose second word names what is changed: `set_status`, `add_list`.
CHANGING_NAMES = frozenset(
    "set add create update delete remove post send put change edit move rename save publish assign mark clear reset upload open close"
    " log transition append insert write archive restore cancel toggle sort reorder switch click select generate import export apply accept reject replace".split()
)
# What a tool changes that is named `resolve`; any other thing it looks up (`resolve_library_id`).
_RESOLVED = frozenset(
    "issue thread comment conversation discussion incident alert ticket conflict conflicts finding error".split()
)
# Words that only say where a tool works; names of reading tools without a reading word.
_WHERE = frozenset("browser page tab mobile android ios device simulator emulator screen ui chrome".split())
_SHOWING = frozenset("console_messages network_requests tabs_context list tree dom html state".split())
# Words in the names of MCP tools and servers that stand for live things.
_LIVE = (
    " status state run runs job jobs build builds pipeline pipelines workflow workflows check checks deployment deployments deploy"
    " pod pods container containers log logs process processes service services health url page pages snapshot screenshot console"
    " network task tasks queue event events metric metrics alert alerts message messages notification notifications session"
    " sessions request requests response inbox monitor progress ci docker kubernetes k8s browser chrome devtools playwright"
    " puppeteer selenium android ios mobile device simulator emulator github gitlab jenkins circleci vercel sentry datadog"
    " prediction predictions generation generations operation operations batch batches render training crawl scrape transcription export"
    " migration rollout campaign order orders payment payments transaction transactions"
    " grafana prometheus slack computer terminal execution executions instance instances node nodes cluster "
)
_OF_FILES = (
    " git file files filesystem directory directories folder folders path code symbol symbols docs documentation library memory schema"
    " definition definitions reference references content contents "
)


def remote_command(tool: str, tool_input: object) -> str:
    """The shell command that an MCP tool is given to run, on this machine or another; "" for any other tool."""
    if not tool.startswith("mcp__") or not isinstance(tool_input, dict):
        return ""
    named = [name for name in ("command", "cmd", "cmdString", "cli_command") if name in tool_input]
    command = tool_input[named[0]] if named else ""
    runs = isinstance(command, str) and not _RUNNING.isdisjoint(words_of(tool))
    return command if runs else ""


def is_reading_tool(tool: str, tool_input: object) -> bool:
    """Whether an MCP tool only reads: by its name, its `action` where one tool does everything, or the command or query it is given."""
    given = tool_input if isinstance(tool_input, dict) else {}
    for name in ("action", "method"):
        action = given.get(name)
        if isinstance(action, str) and not READING_NAMES.isdisjoint(name_words(action)[:2]):
            return True
    server, words = tool.rpartition("__")[0], words_of(tool)
    command = remote_command(tool, given)
    if command:
        return reading.is_reading(command, loosely=True)
    if sql_verb(words, given) in _SQL_WRITES:
        return False
    while len(words) > 1 and words[0] not in READING_NAMES:
        if words[0] not in _WHERE and words[0] not in server.lower():
            break
        words = words[1:]  # browser_take_screenshot, mobile_list_elements
    then = next((words[at + 1 :] for at, word in enumerate(words) if word in ("and", "or")), [])
    if not CHANGING_NAMES.isdisjoint(then):
        return False  # find_and_replace
    changes = words[:1] == ["resolve"] and not _RESOLVED.isdisjoint(words)
    if len(words) > 1 and (changes or words[0] in CHANGING_NAMES):
        return False
    gives = len(words) > 1 and words[-1] in _GIVEN
    return gives or "_".join(words) in _SHOWING or not READING_NAMES.isdisjoint(words[:2])


def sql_verb(words: list[str], given: dict[str, object]) -> str:
    """The first word of the query that an MCP tool is given; `words`: of its name."""
    text = next((given[name] for name in ("sql", "query", "statement") if name in given), "")
    if _ASKED.isdisjoint(words) or not isinstance(text, str):
        return ""
    return (text[:40].lstrip("( ").split() or [""])[0].partition("(")[0].lower()


def is_live_name(words: list[str]) -> bool:
    """Whether the words of a tool's name stand for something live and not for files."""
    return any(is_in(word, _LIVE) for word in words) and not any(is_in(word, _OF_FILES) for word in words)


def words_of(tool: str) -> list[str]:
    """The words of a tool's name, without its server."""
    return name_words(tool.rpartition("__")[2])


def name_words(name: str) -> list[str]:
    """The words of a tool's name in lower case: two each for `getIssue`, `list-files`, `LIST_URLS` and `Search-Docs-Tool`."""
    near = zip("_" + name, name, name[1:] + "_")
    spaced = "".join("_" + c if c.isupper() and (not a.isupper() or b.islower()) else c for a, c, b in near)
    return [word for word in spaced.lower().replace("-", "_").split("_") if word not in ("", "tool")]
