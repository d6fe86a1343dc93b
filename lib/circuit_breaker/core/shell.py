"""What does a shell command line say? Its simple commands, what each of them runs, and where. Pure."""

from __future__ import annotations

WRAPPERS = frozenset(
    [
        "sudo",
        "env",
        "time",
        "nohup",
        "command",
        "exec",
        "builtin",
        "xargs",
        "nice",
        "stdbuf",
        "unbuffer",
        "caffeinate",
    ]
)
KEYWORDS = frozenset(
    ["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "(", ")", "esac"]
)
_BLANK = " \t\r"


class Segment:
    """One simple command: `words` without quotes, `writes` when it redirects into a file, `after` the operator before it."""

    __slots__ = ("words", "writes", "after")

    def __init__(self, words: list[str], writes: bool, after: str) -> None:
        self.words, self.writes, self.after = words, writes, after


def segments(command: str) -> list[Segment]:
    """The simple commands of a line, in order; here-documents are left out."""
    if "<<" in command:
        command = _without_bodies(command)
    found: list[Segment] = []
    words: list[str] = []
    word: list[str] = []
    started = writes = False
    redirect = ""
    after = ""
    i, size = 0, len(command)
    while i < size:
        c = command[i]
        if c in "'\"":
            end = _closing(command, i)
            word.append(command[i + 1 : end])
            started, i = True, end + 1
            continue
        if c == "\\" and i + 1 < size:
            if command[i + 1] != "\n":
                word.append(command[i + 1])
                started = True
            i += 2
            continue
        if c in _BLANK or c in "\n;&|()<>":
            if started:
                if redirect:
                    writes = writes or _into_a_file(redirect, "".join(word))
                    redirect = ""
                else:
                    words.append("".join(word))
                word, started = [], False
            if c in _BLANK:
                i += 1
                continue
            if c in "<>" or (c == "&" and command[i + 1 : i + 2] == ">"):
                if words and words[-1].isdigit() and i and command[i - 1].isdigit():
                    words.pop()  # the descriptor of `2>`
                i, redirect = _redirect(command, i)
                continue
            operator = command[i : i + 2] if command[i : i + 2] in ("&&", "||", ";;", "|&") else c
            if words or writes:
                found.append(Segment(words, writes, after))
            words, writes, redirect, after = [], False, "", operator
            i += len(operator)
            continue
        if c == "#" and not started and (not i or command[i - 1] in " \t\n;"):
            end = command.find("\n", i)
            i = size if end < 0 else end
            continue
        word.append(c)
        started, i = True, i + 1
    if started:
        if redirect:
            writes = writes or _into_a_file(redirect, "".join(word))
        else:
            words.append("".join(word))
    if words or writes:
        found.append(Segment(words, writes, after))
    return found


def _closing(text: str, at: int) -> int:
    """Index of the quote that closes the one at `at` (the end of the text when none does)."""
    quote = text[at]
    i = at + 1
    while i < len(text):
        if text[i] == "\\" and quote == '"':
            i += 2
            continue
        if text[i] == quote:
            return i
        i += 1
    return len(text)


def _redirect(command: str, at: int) -> tuple[int, str]:
    for operator in ("&>>", "<<<", "<<-", "<<", ">>", ">&", "&>", ">|", "<&", "<>", ">", "<"):
        if command.startswith(operator, at):
            return at + len(operator), "<<" if operator in ("<<", "<<-") else operator
    return at + 1, ">"


def _into_a_file(operator: str, target: str) -> bool:
    if operator[0] == "<" and operator != "<>":
        return False
    return not (target == "/dev/null" or (operator == ">&" and (target.isdigit() or target == "-")))


def _without_bodies(command: str) -> str:
    """The command without the bodies of its here-documents; what follows the word on its line stays."""
    at = command.find("<<")
    while at >= 0:
        begin = at + (3 if command.startswith("<<-", at) else 2)
        if command.startswith("<<<", at):
            at = command.find("<<", at + 3)
            continue
        word = (
            command[begin:].lstrip(_BLANK).split("\n", 1)[0].split(" ", 1)[0].rstrip(";|&)>").strip("'\"\\")
        )
        line_end = command.find("\n", begin)
        if not word or line_end < 0:
            return command
        close = line_end
        while close >= 0:
            close = command.find("\n", close)
            if close < 0:
                break
            close += 1
            if command[close:].split("\n", 1)[0].strip() == word:
                command = command[: line_end + 1] + command[close:].partition("\n")[2]
                break
        at = command.find("<<", begin)
    return command


def program(words: list[str]) -> list[str]:
    """The words of what a segment really runs: without assignments, keywords and wrappers; the program by its base name."""
    i = 0
    while i < len(words):
        word = words[i]
        name = word.rpartition("/")[2]
        if word in KEYWORDS or is_assignment(word):
            i += 1
        elif name == "timeout":
            i = _past_timeout(words, i)
        elif name in WRAPPERS and (
            name != "command" or i + 1 < len(words) and words[i + 1] not in ("-v", "-V")
        ):
            i += 1
            while i < len(words) and (words[i].startswith("-") or (name == "nice" and words[i].isdigit())):
                i += 2 if name == "xargs" and words[i] in ("-I", "-n", "-P", "-L", "-d") else 1
        else:
            return [name, *words[i + 1 :]]
    return []


def _past_timeout(words: list[str], i: int) -> int:
    i += 1
    while i < len(words) and words[i].startswith("-"):
        i += 2 if words[i] in ("-k", "-s", "--kill-after", "--signal") else 1
    return i + 1


def is_assignment(word: str) -> bool:
    name, sign, _ = word.partition("=")
    return bool(sign) and name.replace("_", "a").isalnum() and not name[:1].isdigit()


def normalise(command: str, cwd: str) -> tuple[str, str]:
    """(the command without what does not make it another one, the directory it runs in).

    White space outside quotes is folded; a leading `sleep N`, `timeout N`, plain assignments and `cd X` are taken off.
    """
    text = fold(command)
    while True:
        shorter, cwd = _strip_front(text, cwd)
        if shorter == text or not shorter:
            return shorter or text, cwd
        text = shorter


def fold(command: str) -> str:
    """White space outside quotes folded to one space; from a here-document on, everything is as it was."""
    if "'" not in command and '"' not in command and "\\" not in command and "\n" not in command:
        return " ".join(command.split())
    here = command.find("<<")
    head, tail = (
        (command, "") if here < 0 or command.startswith("<<<", here) else (command[:here], command[here:])
    )
    out: list[str] = []
    i = start = 0
    while i < len(head):
        c = head[i]
        if c in "'\"":
            out.append(_folded(head[start:i]))
            end = min(_closing(head, i) + 1, len(head))
            out.append(head[i:end])
            i = start = end
        elif c == "\\":
            i += 2
        else:
            i += 1
    out.append(_folded(head[start:]))
    return "".join(out).strip(" \n;") + tail


def _folded(text: str) -> str:
    """White space of an unquoted piece folded; its ends keep one blank, a line end stays one."""
    if not text:
        return ""
    lines = [" ".join(line.split()) for line in text.replace("\\\n", " ").split("\n")]
    joined = "\n".join(line for i, line in enumerate(lines) if line or i in (0, len(lines) - 1))
    head = " " if text[0] in _BLANK and joined[:1] not in ("", "\n", " ") else ""
    tail = " " if text[-1] in _BLANK and joined[-1:] not in ("", "\n", " ") else ""
    if not joined.strip():
        return "\n" if "\n" in text else " "
    return head + joined + tail


def _strip_front(text: str, cwd: str) -> tuple[str, str]:
    word, _, rest = text.partition(" ")
    if word == "cd":
        target, left = _first_word(rest)
        after = _past_joint(left)
        if after is None or not target or target == "-" or "$" in target or "`" in target:
            return text, cwd
        return after, resolve(target, cwd)
    if word == "sleep":
        seconds, left = _first_word(rest)
        after = _past_joint(left)
        return (text, cwd) if after is None or not seconds[:1].isdigit() else (after, cwd)
    if word == "timeout":
        words = rest.split(" ")
        i = _past_timeout(["timeout", *words], 0) - 1
        return (text, cwd) if i >= len(words) or i < 1 else (" ".join(words[i:]), cwd)
    if (
        is_assignment(word)
        and "$(" not in word
        and "`" not in word
        and rest
        and '"' not in word
        and "'" not in word
    ):
        return rest, cwd
    return text, cwd


def _first_word(text: str) -> tuple[str, str]:
    text = text.lstrip(" ")
    if text[:1] in ("'", '"'):
        end = _closing(text, 0)
        return text[1:end], text[end + 1 :]
    end = 0
    while end < len(text) and text[end] not in " ;&|\n":
        end += 1
    return text[:end], text[end:]


def _past_joint(text: str) -> str | None:
    """What follows `&&`, `;` or a line end; None when nothing that belongs together does."""
    text = text.lstrip(" ")
    if text.startswith("&&"):
        return text[2:].lstrip(" \n")
    if text[:1] in (";", "\n"):
        return text[1:].lstrip(" \n")
    return None


def resolve(target: str, cwd: str) -> str:
    """`target` seen from `cwd`, without `.` and `..`."""
    path = target if target[:1] in ("/", "~") else f"{cwd}/{target}"
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] not in ("..", "~", ""):
            parts.pop()
        elif part not in ("", ".") or (not parts and not part):
            parts.append(part)
    return "/".join(parts) or "/"


def first_words(command: str, cwd: str = "", count: int = 2) -> str:
    """The first words of what a command really runs."""
    for segment in segments(normalise(command, cwd)[0]):
        words = program(segment.words)
        if words:
            return " ".join(words[:count])
    return ""
