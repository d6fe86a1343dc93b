"""The simple commands of a shell command line, word by word. Pure."""

from __future__ import annotations

from circuit_breaker.identity.shell_line import closing, end_of_substitution, is_assignment, normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


# Programs that run the command after them, with those of their options that take a value.
WRAPPERS = {
    "sudo": "-u -g -h -p -C -D -R -T -U",
    "ionice": "-c -n -p",
    "gtimeout": "-k -s --kill-after --signal",
    "env": "-u -C -S",
    "time": "-f -o",
    "nice": "-n",
    "xargs": "-I -n -P -L -d -a -E -s",
    "timeout": "-k -s --kill-after --signal",
    "stdbuf": "-i -o -e",
    **dict.fromkeys(
        (
            "nohup",
            "command",
            "exec",
            "builtin",
            "unbuffer",
            "caffeinate",
            "doas",
            "setsid",
            "chronic",
            "cross-env",
        ),
        "",
    ),
}
KEYWORDS = frozenset("if then else elif fi while until do done ! { } ( ) esac".split())
LONGEST = 4_000  # characters of a command that are looked at
_BLANK = " \t\r"
_SPLITTING = {**{ord(c): "\0" for c in "'\"\\#`$\n;&|()<>"}, ord("\t"): " ", ord("\r"): " "}


class Segment:
    """One simple command. `words`: without quotes; `targets`: files it redirects into (`adds`: only appends); `inner`: commands in
    its $( ); `given`: text of its here-documents and here-strings; `joint`: the operator after it ("" for the last)."""

    __slots__ = ("words", "targets", "adds", "inner", "given", "joint")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.targets: list[str] = []
        self.adds = False
        self.inner: list[str] = []
        self.given = ""
        self.joint = ""

    @property
    def writes(self) -> bool:
        """Whether it redirects into a file."""
        return bool(self.targets)


def segments(command: str, longest: int = LONGEST) -> Iterator[Segment]:
    """The simple commands of a line in order, read lazily. Of the text of a here-document, commands in $( ) go to `inner`."""
    command = command[:longest]
    marks = command.translate(_SPLITTING)
    now = Segment()
    if "\0" not in marks:  # one command of bare words
        now.words = [word for word in marks.split(" ") if word]
        if now.words:
            yield now
        return
    marks = marks.replace(" ", "\0")
    word: list[str] = []
    bodies: list[str] = []  # the end words of here-documents that begin on the next line
    started, redirect = False, ""
    i, size = 0, len(command)
    while i <= size:  # the end counts as a line end
        special = marks.find("\0", i) if i < size else size
        if special < 0:
            special = size
        if special > i:
            word.append(command[i:special])
            started, i = True, special
        c = command[i] if i < size else "\n"
        if c in "'\"":
            end = closing(command, i)
            word.append(command[i + 1 : end])
            if c == '"':
                now.inner += substitutions(command[i + 1 : end])
            started, i = True, min(end + 1, size)  # a quote that is left open ends with the line
        elif c == "\\":
            if command[i + 1 : i + 2] != "\n":
                word.append(command[i + 1 : i + 2] or "\\")
                started = True
            i = min(i + 2, size)
        elif c in "`$":
            end = end_of_substitution(command, i)
            if end > i + 1:
                now.inner += substitutions(command[i:end])
            word.append(command[i:end])
            started, i = True, min(end, size)
        elif c == "#":
            if started or (i and command[i - 1] not in " \t\n;&|("):
                word.append(c)
                started, i = True, i + 1
            else:
                end = command.find("\n", i)
                i = size if end < 0 else end
        else:
            if started:
                text, word, started = "".join(word), [], False
                if redirect[:2] == "<<" and redirect != "<<<":
                    bodies.append(text)
                elif redirect == "<<<":
                    now.given += text
                elif redirect and _into_a_file(redirect, text):
                    now.adds = redirect.endswith(">>") and (now.adds or not now.targets)
                    now.targets.append(text)
                elif redirect:
                    pass
                elif not (text.isdigit() and c in "<>"):  # the descriptor of `2>`
                    now.words.append(text)
                redirect = ""
            if c in _BLANK:
                i += 1
            elif c in "<>" or command.startswith(("&>", "&>>"), i):
                redirect = _redirect(command, i)
                i += len(redirect)
            else:
                begin, done = i, now
                if c == "\n" and bodies and i < size:
                    i = _past_bodies(command, i + 1, bodies, now)
                else:
                    i += 1
                if done.words or done.targets or done.inner:
                    twice = c in "&|;" and command[begin + 1 : begin + 2] == c
                    done.joint = c * 2 if twice else c if begin < size else ""
                    if c == ")" and _is_piped_on(command[i : i + 16]):
                        done.joint = "|"
                    yield done
                    now = Segment()
                redirect = ""


def _is_piped_on(rest: str) -> bool:
    """Whether `rest`, the text after a subshell, is a pipe: `(cd a; make) 2>&1 | tail`."""
    rest = rest.lstrip(" )").removeprefix("2>&1").lstrip(" ")
    return rest[:1] == "|" and rest[:2] != "||"


def substitutions(text: str) -> list[str]:
    """The commands in `$( )` and backticks of a text, single quotes ignored; `$(( ))` is no command."""
    found: list[str] = []
    i = 0
    while i < len(text):
        here = [at for at in (text.find("$(", i), text.find("`", i)) if at >= 0]
        if not here:
            break
        at = min(here)
        if text.startswith("$((", at):
            i = at + 3  # there may be commands inside
            continue
        end = end_of_substitution(text, at)
        found.append(text[at + 1 : end - 1] if text[at] == "`" else text[at + 2 : end - 1])
        i = max(end, at + 1)
    return found


def _redirect(command: str, at: int) -> str:
    for operator in ("&>>", "<<<", "<<-", "<<", ">>", ">&", "&>", ">|", "<&", "<>", ">"):
        if command.startswith(operator, at):
            return operator
    return "<"


def _into_a_file(redirect: str, target: str) -> bool:
    if redirect[0] == "<" and redirect != "<>":
        return False
    if redirect == ">&" and (target == "-" or target.isdigit()):
        return False
    return target not in ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "$null", "NUL")


def _past_bodies(command: str, i: int, bodies: list[str], segment: Segment) -> int:
    """Index after the here-documents that begin at `i`; their text goes to `segment`, the last of the line."""
    while bodies:
        end_word, begin = bodies.pop(0), i
        while i < len(command):
            line_end = command.find("\n", i)
            line = command[i : line_end if line_end >= 0 else len(command)]
            i = line_end + 1 if line_end >= 0 else len(command)
            if line.strip() == end_word:
                break
        segment.inner += substitutions(command[begin:i])
        segment.given += command[begin:i]
    return i


def program(words: list[str]) -> list[str]:
    """The program that a segment runs, by its base name, and its arguments; assignments, keywords and wrappers are skipped."""
    i = program_at(words)
    return [words[i].rpartition("/")[2].removesuffix(".exe"), *words[i + 1 :]] if i < len(words) else []


def program_at(words: list[str]) -> int:
    """Index of the program's name; past the end if there is none."""
    i = 0
    while i < len(words):
        word = words[i]
        name = word.rpartition("/")[2]
        if word in KEYWORDS or is_assignment(word):
            i += 1
        elif word[:1] == "$" and words[i + 1 : i + 2] == ["="]:
            i += 2  # PowerShell's assignment
        elif name == "timeout" and words[i + 1 : i + 2] in (["/t"], ["/T"]):
            return i  # Windows' own, which only waits
        elif name in WRAPPERS and not (name == "command" and words[i + 1 : i + 2] in (["-v"], ["-V"])):
            i = _past_options(name, words, i + 1)
        else:
            return i
    return i


def _past_options(wrapper: str, words: list[str], i: int) -> int:
    valued = WRAPPERS[wrapper].split()
    while i < len(words) and words[i][:1] == "-":
        i += 2 if words[i] in valued else 1
    return i + 1 if wrapper.endswith("timeout") else i


def first_words(command: str, cwd: str = "", count: int = 2) -> str:
    """The program and first arguments of a command, separated by blanks."""
    for segment in segments(normalise(command[:2000], cwd)[0]):
        words = program(segment.words)
        if words:
            return " ".join(words[:count])
    return ""
