"""Shell command lines, word by word: the normal form, the directory a line runs in, its simple commands. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


LONGEST = 4_000  # characters that are read; the rest of a longer line is compared unchanged
DEPTH = 3  # levels of commands inside commands that are read
_FRONTS = 24  # `cd`, waits and assignments that are taken off the front
_SPECIAL = {ord(c): "\0" for c in "'\"\\#<"}
_SPLITTING = {**{ord(c): "\0" for c in "'\"\\#`$\n;&|()<>"}, ord("\t"): " ", ord("\r"): " "}
_KEYWORDS = frozenset("if then else elif fi while until do done ! { } ( ) esac".split())
# Programs that run the command after them, with those of their options that take a value.
_WRAPPERS = {
    **dict.fromkeys(
        "nohup command exec builtin unbuffer caffeinate doas setsid chronic cross-env".split(), ""
    ),
    **dict.fromkeys(("timeout", "gtimeout"), "-k -s --kill-after --signal"),
    "sudo": "-u -g -h -p -C -D -R -T -U",
    "ionice": "-c -n -p",
    "env": "-u -C -S",
    "time": "-f -o",
    "nice": "-n",
    "xargs": "-I -n -P -L -d -a -E -s",
    "stdbuf": "-i -o -e",
}
_REDIRECTS = ("&>>", "<<<", "<<-", "<<", ">>", ">&", "&>", ">|", "<&", "<>", ">", "<")
_NO_FILES = ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "$null", "NUL")


def is_in(word: str, table: str) -> bool:
    """Whether a table of words with a blank around each has this word."""
    return " " not in word and f" {word} " in table


def is_assignment(word: str) -> bool:
    """Whether it is NAME=value or NAME+=value."""
    name, sign, _ = word.partition("=")
    return bool(sign) and name.rstrip("+").replace("_", "a").isalnum() and not name[:1].isdigit()


def assignments(command: str) -> str:
    """The assignments in front of a line, `A=1 B=2` of `export A=1 && B=2 make`."""
    found = []
    for word in command[:LONGEST].split(" "):
        if is_assignment(word):
            found.append(word.rstrip(";"))
        elif word not in ("", "env", "export", "&&", ";"):
            break
    return " ".join(found)


def normalise(command: str, cwd: str) -> tuple[str, str]:
    """(the command in its normal form, the directory it runs in).

    White space outside quotes is folded, comments are left out; a leading `cd X`, `sleep N`, `timeout N`, `echo words` and
    plain assignments are taken off.
    """
    text = fold(command[:LONGEST])
    for _ in range(_FRONTS):
        shorter, directory = _strip_front(text, cwd)
        if shorter == text or not shorter:
            break
        text, cwd = shorter, directory
    return text + command[LONGEST:], cwd


def fold(command: str) -> str:
    """The command with white space outside quotes folded and without comments; unchanged from a here-document on."""
    marks = command.translate(_SPECIAL)
    i = marks.find("\0")
    if i < 0:
        return _trimmed(_folded(command))
    out: list[str] = []
    plain, start, tail = "", 0, ""
    while i >= 0:
        c = command[i]
        if c in "'\"" or (c == "\\" and command[i + 1 : i + 2] != "\n"):
            end = i + 2 if c == "\\" else closing(command, i) + 1
            out.append(_folded(plain + command[start:i]))
            out.append(command[i:end])
            plain, start = "", end
        elif c == "\\":
            plain, start = f"{plain}{command[start:i]} ", i + 2
            end = start
        elif c == "#" and (not i or command[i - 1] in " \t\n;&|("):
            end = command.find("\n", i)
            end = end if end >= 0 else len(command)
            plain, start = plain + command[start:i], end
        elif command.startswith("<<<", i):
            end = i + 3
        elif command.startswith("<<", i):
            tail = command[i:].rstrip()
            break
        else:
            end = i + 1
        i = marks.find("\0", end)
    out.append(_folded(plain + command[start : i if tail else None]))
    return "".join(out).lstrip() + tail if tail else _trimmed("".join(out))


def _trimmed(text: str) -> str:
    text = text.strip()
    return text if text.endswith("\\;") else text.rstrip("; \n")


def _folded(text: str) -> str:
    """An unquoted piece with single blanks, without empty lines, and without blanks beside operators."""
    first, *lines = text.split("\n")
    text = _one_blank(first)
    if lines:
        inner = filter(None, (" ".join(line.split()) for line in lines[:-1]))
        text = "\n".join([text.rstrip(), *inner, _one_blank(lines[-1]).lstrip()])
    for operator in ";|&\n":
        if operator in text:
            text = text.replace(" " + operator, operator).replace(operator + " ", operator)
    return text


def _one_blank(text: str) -> str:
    words = text.split()
    if not words:
        return " " if text else ""
    return (" " if text[0].isspace() else "") + " ".join(words) + (" " if text[-1].isspace() else "")


def _strip_front(text: str, cwd: str) -> tuple[str, str]:
    whole = text[:1] == "(" and text[-1:] == ")" and len(text) <= LONGEST
    if whole and end_of_substitution("$" + text, 0) == len(text) + 1:
        return _trimmed(text[1:-1]), cwd
    word, rest = first_word(text)
    if word == "cd" or word.lower() in ("set-location", "sl", "chdir"):
        target, left = first_word(rest)
        after = _past_joint(left)
        if not after or not target or target[0] == "-" or "$" in target or "`" in target:
            return text, cwd
        return after, resolve(target, cwd)
    if word == "sleep" or word.lower() == "start-sleep":
        seconds, left = first_word(rest)
        if seconds.lower() in ("-s", "-seconds", "-m", "-milliseconds"):
            seconds, left = first_word(left)
        after = _past_joint(left)
        return (after, cwd) if after and seconds[:1].isdigit() else (text, cwd)
    if word == "echo":
        return _echoed(rest)[1] or text, cwd
    if word in ("timeout", "env"):
        return _past_wrapper(word, rest) or text, cwd
    if is_assignment(word) and "$(" not in word and "`" not in word:
        name = word.partition("=")[0].rstrip("+")
        after = _past_joint(rest) or (rest if rest[:1] == " " else "")
        if after and "$" + name not in after and "${" + name not in after:
            return after.lstrip(), cwd
    return text, cwd


def echoed(command: str) -> str:
    """What a line prints before it does anything else: `try 3` of `echo "try 3"; make`; "" for nothing."""
    word, rest = first_word(command[:LONGEST])
    if word != "echo":
        return ""
    said, after = _echoed(rest)
    return said if after else ""


def _echoed(text: str) -> tuple[str, str]:
    """(the plain words after `echo`, the command after them); ("", "") if it does more than print them."""
    words: list[str] = []
    while text[:1] == " ":
        word, text = first_word(text)
        if not word or "$" in word or "`" in word or "\\" in word:
            break
        words.append(word)
    else:
        return " ".join(words), _past_joint(text)
    return "", ""


def _past_wrapper(wrapper: str, rest: str) -> str:
    """The command after `timeout -k 5 30` or `env`; "" if there is none or an option is not known."""
    word, left = first_word(rest)
    while wrapper == "timeout" and word[:1] == "-" and left[:1] == " ":
        if word in ("-k", "-s", "--kill-after", "--signal"):
            left = first_word(left)[1]
        word, left = first_word(left)
    if left[:1] != " ":
        return ""
    if wrapper == "env":
        return rest.lstrip() if is_assignment(word) else ""
    return left.lstrip() if word[:1].isdigit() else ""


def first_word(text: str) -> tuple[str, str]:
    """(the first word of a folded command without its quotes, the rest)."""
    text = text.lstrip(" ")
    word = text.partition(" ")[0]
    if word.isalnum():
        return word, text[len(word) :]
    out: list[str] = []
    i = 0
    while i < len(text) and text[i] not in " ;&|\n()<>":
        if text[i] in "'\"":
            end = closing(text, i)
            out.append(text[i + 1 : end])
            i = end + 1
        elif text[i] == "\\" and text[i + 1 : i + 2] in (" ", "'", '"', "(", ")", "&", "$"):
            out.append(text[i + 1])
            i += 2
        else:
            out.append(text[i])
            i += 1
    return "".join(out), text[i:]


def _past_joint(text: str) -> str:
    """The command after `&&`, `;`, a line end or `|| exit;` at the start of `text`; "" if there is none."""
    text = text.lstrip(" ")
    for silent in ("2>/dev/null", ">/dev/null"):
        text = text.removeprefix(silent).lstrip(" ")
    if text.startswith("||"):
        word, left = first_word(text[2:])
        if word not in ("exit", "return", "true", ":", "false"):
            return ""
        text = left.lstrip(" 0123456789")
        return text[1:].lstrip(" \n") if text[:1] in (";", "\n") else ""
    if text.startswith("&&"):
        return text[2:].lstrip(" \n")
    return text[1:].lstrip(" \n") if text[:1] in (";", "\n") and text[1:2] != ";" else ""


def resolve(target: str, cwd: str) -> str:
    """`target` relative to `cwd`, without `.` and `..`; a Windows path with slashes."""
    if "\\" in target or cwd[1:2] == ":":
        target, cwd = target.replace("\\", "/"), cwd.replace("\\", "/")
    rooted = target[:1] in ("/", "~") or target[1:2] == ":"
    path = target if rooted or not cwd else f"{cwd}/{target}"
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] not in ("..", "~", ""):
            parts.pop()
        elif part not in ("", ".", "..") or (part == ".." and parts != [""]) or (not parts and not part):
            parts.append(part)
    return "/".join(parts) or ("/" if path[:1] == "/" else ".")


def spelled(path: str) -> str:
    """One spelling of a directory: `C:\\p`, `C:/p` and `/c/p` are `c:/p`."""
    drive = path[:1] if path[1:2] == ":" else path[1:2] if path[:1] == "/" and path[2:3] in ("/", "") else ""
    if not drive.isalpha():
        return path
    return f"{drive.lower()}:{path[2:]}".replace("\\", "/").rstrip("/")


def closing(text: str, at: int) -> int:
    """Index of the quote that closes the one at `at`; the length of the text if there is none."""
    quote = text[at]
    end = text.find(quote, at + 1)
    if quote == "'":
        return end if end >= 0 else len(text)
    while end >= 0:
        slashes = end - 1
        while slashes > at and text[slashes] == "\\":
            slashes -= 1
        if (end - slashes) % 2:
            return end
        end = text.find(quote, end + 1)
    return len(text)


def end_of_substitution(text: str, at: int) -> int:
    """Index after the `$( )` or backticks that begin at `at`; past the end if they are not closed."""
    if text[at] == "`":
        end = text.find("`", at + 1)
        return end + 1 if end >= 0 else len(text) + 1
    if not text.startswith("$(", at):
        return at + 1
    depth, i = 1, at + 2
    while i < len(text) and depth:
        c = text[i]
        if c in "'\"":
            i = closing(text, i)
        elif c in "()":
            depth += 1 if c == "(" else -1
        i += 1
    return i if not depth else len(text) + 1


class Segment:
    """One simple command. `words`: without quotes; `targets`: files it redirects into (`adds`: only appends); `inner`: commands in
    its $( ); `given`: text of its here-documents and here-strings; `joint`: the operator after it ("" for the last)."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.targets: list[str] = []
        self.inner: list[str] = []
        self.adds = False
        self.given = self.joint = ""


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
    bodies: list[str] = []  # the end words of here-documents that begin on the next line
    redirect = ""
    i, size = 0, len(command)
    while i <= size:  # the end counts as a line end
        text, i = _word(command, marks, i, now.inner)
        sign = command[i : i + 1] or "\n"
        if text is not None:
            if redirect in ("<<", "<<-"):
                bodies.append(text)
            elif redirect:
                _redirected(now, redirect, text)
            elif not (text.isdigit() and sign in "<>"):  # the descriptor of `2>`
                now.words.append(text)
            redirect = ""
        if sign in " \t\r":
            i += 1
        elif sign in "<>" or command.startswith("&>", i):
            redirect = next(operator for operator in _REDIRECTS if command.startswith(operator, i))
            i += len(redirect)
        else:
            pair = command[i : i + 2]
            redirect, now.joint = "", pair if pair in ("&&", "||", ";;") else pair[:1]
            i = _past_bodies(command, i + 1, bodies, now) if sign == "\n" else i + 1
            if now.words or now.targets or now.inner:
                if sign == ")" and _is_piped_on(command[i : i + 16]):
                    now.joint = "|"
                yield now
                now = Segment()


def programs(command: str) -> Iterator[list[str]]:
    """The program of each simple command in a line with its arguments."""
    return filter(None, (program(segment.words) for segment in segments(command)))


def first_program(command: str) -> list[str]:
    """The first program that a command runs, with its arguments; [] for none."""
    return next(programs(normalise(command[:2000], "")[0]), [])


def _word(command: str, marks: str, i: int, inner: list[str]) -> tuple[str | None, int]:
    """(the word at `i` without quotes, None for none; index of what ends it). The commands in its $( ) are added to `inner`."""
    pieces: list[str] = []
    size = len(command)
    while i < size:
        special = marks.find("\0", i)
        if special != i:
            end = special if special >= 0 else size
            pieces.append(command[i:end])
            i = end
            continue
        c = command[i]
        if c in "'\"":
            end = closing(command, i)
            pieces.append(command[i + 1 : end])
            if c == '"':
                inner += substitutions(pieces[-1])
            i = end + 1  # a quote that is left open ends with the line
        elif c == "\\":
            if command[i + 1 : i + 2] != "\n":
                pieces.append(command[i + 1 : i + 2] or c)
            i += 2
        elif c in "`$":
            end = end_of_substitution(command, i)
            if end > i + 1:
                inner += substitutions(command[i:end])
            pieces.append(command[i:end])
            i = end
        elif c == "#" and (pieces or (i and command[i - 1] not in " \t\n;&|(")):
            pieces.append(c)
            i += 1
        elif c == "#":
            end = command.find("\n", i)
            i = end if end >= 0 else size
        else:
            break
    return "".join(pieces) if pieces else None, min(i, size)


def _redirected(segment: Segment, redirect: str, target: str) -> None:
    """Note what a redirection gives to a simple command, or the file that it goes into."""
    if redirect == "<<<":
        segment.given += target
    if (redirect[0] == "<" and redirect != "<>") or target in _NO_FILES:
        return
    if redirect != ">&" or not (target == "-" or target.isdigit()):
        segment.adds = redirect.endswith(">>") and (segment.adds or not segment.targets)
        segment.targets.append(target)


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
        if word in _KEYWORDS or is_assignment(word):
            i += 1
        elif word[:1] == "$" and words[i + 1 : i + 2] == ["="]:
            i += 2  # PowerShell's assignment
        elif name == "timeout" and words[i + 1 : i + 2] in (["/t"], ["/T"]):
            return i  # Windows' own, which only waits
        elif name not in _WRAPPERS or (name == "command" and words[i + 1 : i + 2] in (["-v"], ["-V"])):
            return i
        else:
            i = len(words) - len(past_options(words[i + 1 :], _WRAPPERS[name].split()))
            i += name.endswith("timeout")
    return i


def past_options(words: list[str], valued: Sequence[str]) -> list[str]:
    """The words after the leading options; options in `valued` take a value."""
    i = 0
    while i < len(words) and words[i][:1] == "-":
        i += 2 if words[i] in valued else 1
    return words[i:]
