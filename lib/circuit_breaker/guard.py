"""The name check: finds calls that tamper with the breaker, and scheduled prompts that carry the override. Pure.

It looks for names and does not emulate a shell: a line that names something guarded is allowed only if every part of it just reads or
copies it elsewhere. `docs/security.md` says what gets round it. Linear in the call; only both ends of a command over `LONGEST` are read.
"""

from __future__ import annotations

from circuit_breaker.breaker.model import Record
from circuit_breaker.identity import calls
from circuit_breaker.identity.keys import spelled, texts_in
from circuit_breaker.shell import reading, shell_line

LONGEST = 20_000  # characters of a command that are read
CD_MAX = 40  # `cd` commands of a line that are followed
LOOKING = ("status", "doctor", "incidents", "explain", "report", "replay", "help")
# Claude Code, and programs that can type into a terminal in which it runs
CLIENTS = ("claude", "claude-code", "tmux", "screen", "expect")
REMOVING = ("rm", "mv", "rimraf", "rmtree", "shutil.rmtree", "remove-item", "move-item")
HOOKS_OFF = ("--bare", "--safe-mode", "disableallhooks")
_QUOTES = ("'", '"', "\\")
_JOINTS = dict.fromkeys(map(ord, "`,()[]{};|&<>=\t\r\n"), " ")
_UNSEEN = ("\u00ad", "\u180e", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff")


class Guarded(Record):
    """What is guarded in a session."""

    # The runtime folder, your config folder, and the plugin's unless it is inside the session's project.
    folders: tuple[str, ...] = ()
    name = ""  # of the runtime folder and of your config folder
    files: tuple[str, ...] = ()  # names of our files, wherever they are
    project = ""  # its path
    variables: dict[str, str] = {}  # name -> value of `HOME` and others that paths begin with
    keyword = ""  # the bypass keyword


def carries_override(tool_input: object, keyword: str) -> bool:
    """Whether a scheduling call's input contains the keyword or the reset command, as text or as a list of words."""
    texts, names = texts_in(tool_input)
    text = "\n".join(texts + names)
    if _says(text, keyword) or _says(text.lower(), "reset-circuit"):
        return True
    text = _without(text.lower().replace("\\\n", " ").replace("\\", "/"), _QUOTES)
    if "reset" not in text:
        return False
    verbs = _verbs(text.translate(_JOINTS).split())
    return any(verb == "reset" and refused(verb, rest) for verb, rest in verbs)


def reaches_for(tool: str, tool_input: object, cwd: str, guarded: Guarded) -> str:
    """How a call would tamper: `verb`, `library`, `client` or `files` (see words.PROTECTED); "" if it would not. `cwd`: before the call."""
    if tool in calls.LOOKUPS or tool in calls.SPAWNERS or not isinstance(tool_input, dict):
        return ""  # a subagent's calls are checked when it makes them
    place = _Place(guarded, cwd)
    command = calls.shell_command(tool, tool_input) or calls.command_of(tool_input)[1]
    if command:
        return _line(command, place)
    if tool.startswith("mcp__") and not calls.change_level(tool, tool_input):
        return ""
    texts, names = texts_in(tool_input)
    named = [tool_input.get(key) for key in calls.PATHS] if tool in calls.WRITERS else texts + names
    return "files" if any(isinstance(text, str) and place.is_guarded(text) for text in named) else ""


def _says(text: str, keyword: str) -> bool:
    """Whether a text contains the keyword, ignoring white space and invisible characters between its letters."""
    return "".join(keyword.split()) in "".join(_without(text, _UNSEEN).split())


def _without(text: str, letters: tuple[str, ...]) -> str:
    """A text without these characters. (`translate` takes a hundred times as long if the text is not ASCII.)"""
    for letter in letters:
        text = text.replace(letter, "")
    return text


class _Place:
    """Resolves the words of a call as paths, from the current directory of the line."""

    def __init__(self, guarded: Guarded, cwd: str) -> None:
        self.windows = any(folder[1:2] == ":" for folder in guarded.folders)
        variables = {name.lower(): self.slashed(value) for name, value in guarded.variables.items() if value}
        folders = [self.slashed(folder).rstrip("/") for folder in guarded.folders if folder]
        project = self.slashed(guarded.project)
        roots = {project, *variables.values(), *folders}
        self.blanks = sorted((root for root in roots if " " in root), key=len, reverse=True)
        self.variables = {name: self.joined(value) for name, value in variables.items()}
        self.folders = [self.joined(folder) for folder in folders]
        self.cwd = self.joined(self.slashed(cwd or guarded.project))
        self.keyword, self.files, self.entered = guarded.keyword, guarded.files, 0
        ends = [self.joined(project), self.variables.get("home", "")]
        self.tops = {
            "/",
            *(end[:at] for end in ends for at in range(1, len(end) + 1) if end[at:][:1] in ("", "/")),
        }
        # a project of that name has it in all its paths
        self.name = guarded.name + "/" * (guarded.name in guarded.project.lower())

    def slashed(self, path: str) -> str:
        """A path in lower case; on Windows with slashes and one spelling of the drive."""
        path = path.lower()
        return spelled(path.replace("\\", "/")) if self.windows else path

    def joined(self, text: str) -> str:
        """A text in which spaces inside known folders do not separate words."""
        for root in self.blanks:
            text = text.replace(root, root.replace(" ", "\0"))
        return text

    def plain(self, text: str) -> str:
        """A text in lower case, without quotes, with variables replaced, each known folder one word."""
        text = text.lower().replace("\\", "/") if self.windows else text.lower()
        text = _without(text, _QUOTES).replace("$env:", "$")
        for name, value in self.variables.items() if "$" in text else ():
            text = text.replace("${" + name + "}", value).replace("$" + name, value)
        return self.joined(text)

    @property
    def inside(self) -> bool:
        return self._holds(self.cwd)

    def is_guarded(self, word: str) -> bool:
        """Whether a word names a guarded folder, something in one, or one of our files."""
        word = self.plain(word)
        if word.rpartition("/")[2] in self.files or (self.name in word and " " not in word):
            return True
        if "/" not in word and not self.inside and self.cwd + "/" + word not in self.folders:
            return False
        return len(word) < 4096 and self._holds(self.path(word))

    def is_above(self, word: str) -> bool:
        """Whether a word names a parent of a guarded folder (your home, the project and their parents do not count)."""
        if len(word) > 4096:
            return False
        path = self.path(word)
        return path not in self.tops and any(folder.startswith(path + "/") for folder in self.folders)

    def enter(self, folder: str) -> None:
        if self.entered < CD_MAX:
            self.cwd, self.entered = self.path(folder), self.entered + 1

    def path(self, word: str) -> str:
        """A word as an absolute path; of `A:B` in `docker -v A:B` the first part."""
        if word[:1] == "~" and word[1:2] in ("", "/"):
            word = self.variables.get("home", "~") + word[1:]
        path = shell_line.resolve(word.partition(":/")[0] if ":/" in word[2:] else word, self.cwd)
        return spelled(path) if self.windows else path

    def _holds(self, path: str) -> bool:
        """Whether a path names a guarded folder, something in one, or (as a glob) could match one."""
        known = path.partition("*")[0].partition("?")[0].partition("[")[0]
        for folder in self.folders:
            if path == folder or path.startswith(folder + "/"):
                return True
            if known != path and folder.startswith(known) and "/" not in folder[len(known) - 1 :]:
                return True
        return False


def _line(command: str, place: _Place) -> str:
    if len(command) > LONGEST:
        command = command[: LONGEST // 2] + "\n" + command[-LONGEST // 2 :]
    text = place.plain(command.replace("\\\n", " "))
    folders = [folder.rpartition("/")[2] for folder in place.folders]
    signs = [*calls.OUR_WORDS, *place.keyword.lower().split()[-1:], *folders]
    if not place.inside and not any(sign in text for sign in signs):
        return ""
    if reading.is_reading(command):
        return ""
    words = text.translate(_JOINTS).split()
    if any(refused(verb, rest) for verb, rest in _verbs(words)):
        return "verb"
    if _uses_library(words):
        return "library"
    if _starts_client(command, words, place.keyword):
        return "client"
    return "files" if _names(words, place) and not _only_looks(command, place) else ""


def _verbs(words: list[str]) -> list[tuple[str, list[str]]]:
    """(verb, its arguments) for each use of our command line: `circuit-breaker VERB`, `python3 ANY/plugin VERB`, `-m plugin VERB`."""
    python, found = -9, []
    for i, word in enumerate(words):
        name = word.rstrip("/").rpartition("/")[2].partition("@")[0]
        if name.startswith(("python", "pypy")) or name == "py":
            python = i
            continue
        ours = name in ("plugin", "__main__.py", ".") and i - python < 7
        if ours or name in ("circuit-breaker", "circuit-breaker.exe"):
            rest = words[i + 1 : i + 12]
            while rest and rest[0][:1] == "-":
                del rest[0]
            found += [(rest[0], rest[1:])] if rest else []
    return found


def refused(verb: str, rest: list[str]) -> str:
    """The command, if this verb with these arguments changes the breaker, so that it refuses in Claude's own shell (see `guarded`)."""
    first = rest[0] if rest else ""
    if verb == "config" and first in ("set", "unset"):
        return f"config {first}"
    if verb == "calibrate":
        return "calibrate --apply" if any(word.startswith("--a") for word in rest) else ""
    if verb == "uninstall":
        return "" if "--dry-run" in rest else verb
    chooses = "observe" in rest or "enforce" in rest
    changes = verb == "mode" and chooses or verb == "reset" and first[:2] == "--"
    return verb if changes else ""


def _uses_library(words: list[str]) -> bool:
    """Whether the line imports our code that changes the breaker's memory, or runs a hook with a faked session or project."""
    if any(word.startswith(("circuit_breaker.runtime", "circuit_breaker.janitor")) for word in words):
        return True
    if ("circuit_breaker", "import") in zip(words, words[1:]):
        return True
    disguised = any(word in ("claude_project_dir", "claude_code_session_id") for word in words)
    return disguised and any("hooks/" in word or "circuit_breaker_" in word for word in words)


def _starts_client(command: str, words: list[str], keyword: str) -> bool:
    """Whether the line starts another Claude Code, or types into one, with the keyword or the reset command, or without hooks."""
    names = [word.rpartition("/")[2].partition("@")[0] for word in words]
    at = next((i for i, name in enumerate(names) if name in CLIENTS), -1)
    if at < 0:
        return False
    if any(word.startswith(HOOKS_OFF) for word in words[at + 1 :]):
        return True
    return _says(command, keyword) or any("reset-circuit" in word for word in words)


def _names(words: list[str], place: _Place) -> bool:
    """Whether the line runs in a guarded folder, enters one or names one."""
    start, named = place.cwd, place.inside
    removes = any(word.rpartition("/")[2] in REMOVING for word in words)
    for before, word in zip(["", *words], words):
        named = named or place.is_guarded(word) or (removes and place.is_above(word))
        if before in ("cd", "pushd", "set-location"):
            place.enter(word)
    place.cwd, place.entered = start, 0
    return named


def _only_looks(command: str, place: _Place) -> bool:
    """Whether every part of the line only reads, copies elsewhere or runs a verb that only looks, and none writes to guarded files."""
    if len(command) > shell_line.LONGEST:
        return False
    for segment in shell_line.segments(command):
        if any("$" in target or place.is_guarded(target) for target in segment.targets):
            return False
        segment.targets = []
        words = shell_line.program(segment.words)
        if not (reading.reads(segment) or _copies_away(words, place) or _runs_looking_verb(words)):
            return False
        if words[:1] in (["cd"], ["pushd"]) and len(words) > 1:
            place.enter(place.plain(words[1]))
    return True


def _copies_away(words: list[str], place: _Place) -> bool:
    moves = any(word.startswith(("-t", "--target", "--remove")) for word in words)
    if moves or words[:1] not in (["cp"], ["scp"], ["rsync"]) or len(words) < 3:
        return False
    return not place.is_guarded(words[-1]) and words[-1][:1] != "-"


def _runs_looking_verb(words: list[str]) -> bool:
    found = _verbs(words)
    return bool(found) and all(v in LOOKING or (v == "sweep" and "--dry-run" in rest) for v, rest in found)
