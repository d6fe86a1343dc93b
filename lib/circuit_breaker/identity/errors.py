"""When two errors are the same, and which errors say nothing about the call that failed. Pure."""

from __future__ import annotations

from circuit_breaker.identity import calls, keys, line_numbers, looks, results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

DENIED = "denied"  # breaker.model.DENIED, the kind of a refused call
READ_MAX = 1 << 14  # characters read by line: Claude Code cuts errors at 10 kB, MCP servers may send more
LINES_MAX = 1000  # lines taken apart; what follows is one more
_MISSES = (
    "not found|notfound|no such |nosuch|does not exist|doesn't exist|404|403|429|too large|maxcontentlength|exceeds maximum"
    "|exceeds the maximum|no matches|matched no |no files found|cannot find|can't find|could not find|couldn't find|could not be found"
    "|cannot read binary|is a directory|eisdir|enoent|not a directory|could not resolve to a|(empty)"
    "|no results|no content|no transcript|no record|could not retrieve|not available|is disabled|unknown |unable to find|is empty"
).split("|")
_NOT_RUN = (  # no look at all
    "spawn|command not found|no such tool|no such command|no such option|no such method|unknown tool|unknown command|unknown option"
    "|unknown flag|unknown shorthand|unknown argument|unknown method|unknown parameter|unknown field"
).split("|")
_TURNED_AWAY = ("status code 4", "status code 999")  # a site that shows its pages to people only
# Words of a line that compares a value with a limit, and how a test runner's own lines begin.
_LIMITS = "less than|greater than|at most |at least |exceed|budget|too slow|too large|<=|>=".split("|")
_RUNNERS_MARKS = tuple("✓✔√✕×✘✗✖●❯>⎯─│|")
# How a service says that it wants fewer calls, and a program that another one has the lock: the same call may succeed later.
_LATER = (
    "rate limit|rate-limit|ratelimit|rate_limit|too many requests|toomanyrequests|http 429|error 429|code 429|code: 429|(429)|status 429"
    "|retry after|retry-after|retry in|try again in|try again later|try again shortly|is overloaded|overloaded_error|currently overloaded|throttled|throttling|slow down"
    "|temporarily unavailable|service unavailable|starting up|not ready yet|not yet ready|get lock|file lock|state lock|lock is held"
    "|is locked by|database is locked|another process|another git process|another operation|is busy|resource busy|is in progress"
    "|already in progress|still in progress|still being processed"
).split("|")
# What was not reached: it may still be starting, or the network is down for the moment.
_UNREACHED = (
    "econnrefused|econnreset|etimedout|write epipe|: epipe|socket hang up|connection refused|connection timed out|connection reset|could not resolve host"
    "|temporary failure in name resolution|network is unreachable|no route to host|remote end hung up|early eof|handshake timeout"
    "|err_connection_|err_name_not|bad gateway|gateway time|http 50|error: 500|error: 502|error: 503|error: 504|status code 50"
    "|could not connect to|couldn't connect to|can't connect to|cannot connect to|can't reach database|connection to the server"
    "|connection was refused|actively refused|i/o timeout|no such host| enotfound|'enotfound|(enotfound|eai_again"
    "|no devices/emulators|device offline|daemon is not running"
).split("|")
# How a program calls what is still going on; only after a wait, since many a heading says "running".
_NOT_YET = (
    "running|pending|queued|waiting|in progress|not ready|not done|not finished|not complete|processing|starting|creating"
    "|provisioning"
).split("|")
_STATE_MAX = 300  # characters
_LATER_MAX = 1500  # characters at either end of a text that are searched for them
_MARKS = frozenset("^~ ")  # below code
# How lines begin that say what a build did again and what it took from a cache, which depends on what was changed; and parts of others.
_STEPS = tuple(
    "Starting a Gradle Daemon|All projects are up-to-date|Progress: resolved |[INFO] Downloading from |[INFO] Downloaded from |Building C"
    "|Built target |Linking C|Scanning dependencies of |Consolidate compiler generated |Blocking waiting for |building [html"
    "|updating environment: |loading pickled |Output written on |assets by |cacheable modules |runtime modules"
    " |modules by ".split("|")
)
_CACHES = (
    " actionable task", ": cache hit, ", ": cache miss, ", " files with Solc ", "proj (in ", " KiB [emitted]", " KiB [built]", '.rcgu.o" ',
)  # fmt: skip
_NUMBERED = tuple(
    f"{verb} " for verb in "Compiling Building Emitting Linking Generating Scanning Planning Write".split()
)
_OF_DOCKER = ("transferring ", "CACHED", "DONE ", "sha256:", "extracting ")  # behind its `#7 `
_NAMING = frozenset(("command", "cmd", "file_path", "pattern"))  # what these name is the news of their errors
_SPELLED = str.maketrans("0123456789.", "abcdefghijk")


def error_keys(kind: str, text: str, tool_input: object = None) -> tuple[str, str, list[int]]:
    """(the key of an error, the key of what it complains about, where: line numbers).

    An error is its outcome and its whole text without lines that repeat the input. (Not only its first and last lines: those are the
    same in every failure of a compiler.) What it complains about leaves out line numbers beside the code that they show, and the
    indented text of an edit as well.
    """
    texts = keys.texts_in(tool_input)[0]
    for given in texts if kind == DENIED else ():  # a refusal may name what is refused
        text = text.replace(given, "")
    before, sign, rest = text.partition("\nYou sent (first ")
    if sign:  # of an input that is no JSON
        text = before + rest[max(rest.find("\nCommon causes"), 0) :]
    sizes = {str(given.count("\n") + 1) for given in texts}
    names = texts if isinstance(tool_input, dict) and _NAMING.isdisjoint(tool_input) else []
    lines = own_lines(text, tool_input)
    lines = [line for line in lines if not _is_step(line)] or lines
    lines = _each(
        lambda line: _without_names(_without_size(_without_given(_without_step(line)), sizes), names), lines
    )
    if says_unreached(text):
        lines = _each(lambda line: without_hosts(line, texts), lines)
    tail = [text[READ_MAX:], _measured([*lines, text[READ_MAX:]])]
    blinded = results.blind("\n".join(lines + tail))
    key = _key_of(kind, blinded)
    told = [line for line in lines if not _is_indented_echo(line, texts)]
    if len(told) < len(lines):
        blinded = results.blind("\n".join(told + tail))
    complaint, numbers = line_numbers.without_places(blinded)
    return key, _key_of(kind, complaint), numbers


def _key_of(kind: str, blinded: str) -> str:
    return keys.digest(f"{kind}\n{results.unordered(blinded)}")


def _each(change: Callable[[str], str], lines: list[str]) -> list[str]:
    """The lines changed. Equal ones are changed once: a text can be thousands of them."""
    changed = {line: change(line) for line in dict.fromkeys(lines)}
    return [changed[line] for line in lines]


def _is_indented_echo(line: str, texts: list[str]) -> bool:
    """Whether it is `String:     x` of an edit whose text begins with blanks."""
    shown = line[8:].lstrip() if line.startswith("String: ") else ""
    return shown != "" and any(given[:READ_MAX].lstrip().startswith(shown) for given in texts)


def _without_names(line: str, texts: list[str]) -> str:
    """`Ref e40 not found` without the e40 that the call gave."""
    names = [text for text in texts if text in line and 1 < len(text) <= 64]
    if not names:
        return line
    return " ".join([_without_name(word, names) for word in line.split()])


def _without_name(word: str, names: list[str]) -> str:
    """`_` of `'e40'`, `locator('aria-ref=_` of `locator('aria-ref=e40')`."""
    core = word.strip("'\"`.,:;()[]")
    if core in names:
        return "_"
    head, sign, value = core.rpartition("=")
    return f"{head}=_" if sign and value in names else word


def without_hosts(line: str, texts: list[str]) -> str:
    """`connect ETIMEDOUT 104.16.1.34:443` without an address that the call did not name: a service has several, in any order."""
    words = line.split(" ")
    for i, word in enumerate(words):
        host = word.strip("()[]<>,;'\"").partition(":")[0]
        is_address = host.count(".") == 3 and host.replace(".", "").isdigit()
        if is_address and not any(host in text for text in texts):
            words[i] = word.replace(host, "0.0.0.0")  # still an address, so that its port is blinded
    return " ".join(words)


def _measured(lines: list[str]) -> str:
    """The numbers in lines that compare a measured value with a limit, spelled so that blinding leaves them: they are the news."""
    found: list[str] = []
    whole = "\n".join(lines).lower()
    if not any(sign in whole for sign in (" < ", " > ", *_LIMITS)):
        return ""
    for line in dict.fromkeys(lines[:-1]):
        if line[:1] not in _RUNNERS_MARKS and _compares(line.lower()):
            numbers = [word for word in map(_number, line.split()) if word]
            found += numbers if len(numbers) > 1 or "exceed" not in line.lower() else ()  # only the limit
    return " ".join(found).translate(_SPELLED)


def _compares(line: str) -> bool:
    signs = any(line.partition(sign)[2][:1].isdigit() for sign in (" < ", " > "))
    until_then = "retry" in line or "try again" in line
    return not until_then and (signs or any(word in line for word in _LIMITS))


def _number(word: str) -> str:
    """`812` of `812ms,`, `980` of `980`; "" for any other word. In brackets stands what a runner says of itself: `(12 ms)`."""
    bare = word.strip("'\"`.,;:").rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%")
    return bare if len(bare) <= 12 and bare.replace(".", "", 1).isdigit() else ""


def own_lines(text: str, tool_input: object = None) -> list[str]:
    """The lines of an error's first READ_MAX characters, without those that repeat the call's input or show a part of it above a mark."""
    texts = keys.texts_in(tool_input)[0]
    echoed = frozenset([line.strip() for given in texts for line in given[:READ_MAX].split("\n")])
    count = sum([given.count("\n") + 1 for given in texts])
    lines = text[:READ_MAX].rstrip().removesuffix("</tool_use_error>").split("\n", LINES_MAX)
    lines = _each(lambda line: _without_running_number(line.strip(), count), lines)
    own, whole = [""], "\n".join(texts)[:READ_MAX]
    if "At line:" in text or "Line |" in text:  # PowerShell shows the command, or its part, above a mark
        lines = _each(lambda line: _without_quote(line, whole), lines)
    repeats = {line for line in {*lines} if _echoes(line, echoed)}
    for line in filter(None, lines):
        if _MARKS.issuperset(line) and own[-1] in whole:
            own[-1] = ""
        else:
            own.append("" if line in repeats else line)
    return [line for line in own if line]


def _without_quote(line: str, whole: str) -> str:
    """A line with which PowerShell quotes the input, `+ ... Item a b` or `1 | Copy-Item a b`, as what is quoted; its mark as a mark."""
    quoted = line.lstrip("0123456789 ").lstrip("+|").strip(" .…")
    return quoted if quoted and (quoted in whole or not quoted.strip("~")) else line


def _without_given(line: str) -> str:
    """`..., input_value={'q': 'x'}, input_type=dict]`, as pydantic says it, without the value."""
    before, _, rest = line.partition(" input_value=")
    _, sign, after = rest.rpartition(", input_type=")
    return before + sign + after if sign else line


def _without_size(line: str, sizes: set[str]) -> str:
    """The line with the input's number of lines replaced."""
    pieces = line.split(" lines")
    for i, piece in enumerate(pieces[:-1]):
        before = piece.rstrip("0123456789")
        if piece[len(before) :] in sizes:
            pieces[i] = before + "N"
    return " lines".join(pieces)


def _echoes(line: str, echoed: frozenset[str]) -> bool:
    """Whether the line repeats one of the input: as it is, after `String: `, or after a line number (`12: x = 1`)."""
    if line in echoed or line.removeprefix("String: ") in echoed:
        return True
    bare = line.lstrip("0123456789")
    return len(bare) < len(line) and bare[:1] in (":", "\t", "|", " ") and bare[1:].strip() in echoed


def _without_step(line: str) -> str:
    """`[3/9] Compiling a.swift`, `[3 of 9] Compiling A` without the numbers: how many steps a build takes depends on what was changed."""
    number, _, rest = line.partition("] ")
    counts = number[:1] == "[" and number[1:].replace(" of ", "/").replace("/", "", 1).strip(" %").isdigit()
    return rest if counts and rest else line


def _is_step(line: str) -> bool:
    """Whether a line says what a build did again or took from a cache."""
    if line.startswith("> Task :"):
        return not line.endswith(" FAILED")
    if line.startswith("wandb: "):
        return "ERROR" not in line  # what it calls the run, which is another one each time
    if line[:1] == "[":  # [3/9] Compiling a.swift
        goes_on = "fail" not in line.lower() and "error" not in line.lower()
        return goes_on and line.partition("] ")[2].startswith(_NUMBERED) and _without_step(line) != line
    if line[:1] == "#":
        return line.partition(" ")[2].startswith(_OF_DOCKER)
    if line.startswith(("Compiling ", "Checking ", "Fresh ")):  # Cargo
        return line.split(" ")[2:3] != [] and line.split(" ")[2][:1] == "v"
    return line.startswith(_STEPS) or any(sign in line for sign in _CACHES)


def _without_running_number(line: str, given: int) -> str:
    """`bash: line 12991: x` without the number, if the input has fewer lines: that shell counts on over all calls."""
    program, sign, rest = line.partition(": line ")
    number, colon, what = rest.partition(":")
    if not sign or program.rpartition("/")[2] not in ("bash", "-bash", "sh", "zsh") or not number.isdecimal():
        return line
    return f"{program}:{what}" if colon and int(number[:9]) > given + 1 else line


def says_later(text: str) -> bool:
    """Whether a service asks to come back later, or something is locked for the moment: waiting is the right answer."""
    return _holds(text, _LATER)


def says_not_yet(text: str) -> bool:
    """Whether a short text names a state that ends by itself: `job 7: RUNNING`, `not ready (1/3)`."""
    words = text.lower().replace("_", " ") if len(text) <= _STATE_MAX else ""
    return any(state in words for state in _NOT_YET)


def says_unreached(text: str) -> bool:
    """Whether a connection failed."""
    return _holds(text, _UNREACHED)


def _holds(text: str, signs: list[str]) -> bool:
    """Whether one of the signs is at the beginning or end of a text."""
    low = (text if len(text) <= 2 * _LATER_MAX else text[:_LATER_MAX] + "\n" + text[-_LATER_MAX:]).lower()
    return any(sign in low for sign in signs)


def is_your_no(text: str) -> bool:
    """Whether you refused the call yourself: you know what you refuse, other calls too."""
    return text.startswith(("The user doesn't want to ", "User rejected "))


def says_nothing(text: str) -> bool:
    """Whether a failing command's output says only that it failed, or that it took too long: two such failures may have other reasons."""
    said = results.without_exit_code(text).strip()
    return not said or ("\n" not in said and "timed out after " in said)


def is_lookup_miss(tool: str, tool_input: object, text: str) -> bool:
    """Whether a reading call failed only because there was nothing to read, or too much. Such errors are no sign of a loop."""
    said = results.without_exit_code(text[:600]).strip().lower()
    answers = tool in calls.SHELLS and len(said.split()) < 2  # `inactive`, `null`
    start = said.replace("_", " ")  # channel_not_found
    misses = [*_MISSES, *_TURNED_AWAY] if tool in calls.FETCHERS else _MISSES
    if not answers and not start.startswith("no ") and not any(miss in start for miss in misses):
        return False
    if text.startswith("Exit code 127") or any(sign in start for sign in _NOT_RUN):
        return False  # it is the program that is missing
    downloads = (tool in calls.SHELLS or tool.startswith("mcp__")) and bool(calls.urls_of(tool, tool_input))
    return downloads or looks.look_of(tool, tool_input) != looks.NOTHING
