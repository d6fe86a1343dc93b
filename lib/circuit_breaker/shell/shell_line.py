"""Shell command lines, word by word: the normal form, the directory a line runs in, its simple commands. Pure."""

from __future__ import annotations

LONGEST = 4_000  # characters that are read; the rest of a longer line is compared unchanged
FRONT = 600  # characters in which assignments come first
DEPTH = 3  # levels of commands inside commands that are read
_FRONTS = 24  # `cd`, waits and assignments that are taken off the front
_LEAVING = ("exit", "return", "true", ":", "false")
_VALUES = frozenset("$`")  # signs of what is replaced by a value
_SPLITTING = {**{ord(c): "\0" for c in "'\"\\#`$\n;&|()<>"}, ord("\t"): " ", ord("\r"): " "}
_KEYWORDS = frozenset("if then else elif fi while until do done ! { } ( ) esac".split())
# Programs that run the command after them, with those of their options that take a value.
_WRAPPERS = {
    **dict.fromkeys(
        "nohup command exec builtin unbuffer caffeinate doas setsid chronic cross-env firejail arch busybox".split(),
        "",
    ),
    **dict.fromkeys(("timeout", "gtimeout"), "-k -s --kill-after --signal"),
    "flock": "-w -E --timeout --wait",
    "sudo": "-u -g -h -p -C -D -R -T -U",
    "ionice": "-c -n -p",
    "env": "-u -C -S",
    "time": "-f -o",
    "nice": "-n",
    "xargs": "-I -n -P -L -d -a -E -s",
    "stdbuf": "-i -o -e",
    "taskset": "-c",
    "strace": "-e -o -p -s",
    "xvfb-run": "-e -f -n -p -s -w",
}
# Builtins of the shell whose names scripts of projects have.
_BUILTINS = frozenset(
    "test type read wait export set true false echo printf cd source hash jobs trap".split()
)
_ENDS = " \t\r\n;&|()<>"  # signs that end a word
_REDIRECTS = frozenset("&>> <<< <<- << >> >& &> >| <& <> > <".split())
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
    line = segments(command, FRONT) if "=" in command[:FRONT] else []
    for word in (word for segment in line for word in segment.words):
        if is_assignment(word):
            found.append(word)
        elif word not in ("env", "export"):
            break
    return " ".join(found)


def normalise(command: str, cwd: str) -> tuple[str, str]:
    """(the command in its normal form, the directory it runs in): that of `essence`, without comments, with single blanks outside quotes."""
    kept, cwd = essence(command, cwd)
    return _written(kept) + command[LONGEST:], cwd


def essence(command: str, cwd: str) -> tuple[list[Segment], str]:
    """(a line's simple commands, the directory they run in) without what only comes first: `cd X`, `sleep N`, `timeout N`,
    `echo words`, plain assignments, brackets around all of it."""
    kept = segments(command)
    for _ in range(_FRONTS):
        first = kept[0] if kept else Segment()
        if first.front == "(" and [segment for segment in kept if segment.joint == ")"] == kept[-1:]:
            first.front = kept[-1].joint = ""
        if first.front:
            break
        rest = _after(kept)
        if rest and _goes(first):
            cwd, kept = resolve(first.words[1], cwd), rest
        elif rest and (_pauses(first) or _only_says(first)):
            kept = rest
        elif not _drop_front(kept, rest):
            break
    return kept, cwd


def _written(kept: list[Segment]) -> str:
    text = "".join([segment.front + " ".join(segment.text) + segment.joint for segment in kept])
    return text if text.endswith("\\;") else text.rstrip("; \n")


def _after(kept: list[Segment]) -> list[Segment]:
    """The commands that run after the first in any case but its failure; [] if another joint follows it."""
    if kept[1:] and kept[0].joint == "||" and "".join(kept[1].words[:1]) in _LEAVING:
        kept = kept[1:]
    return kept[1:] if kept and kept[0].joint in ("&&", ";", "\n") and not kept[0].targets else []


def _goes(segment: Segment) -> bool:
    name, target = [*segment.words, "", ""][:2]
    goes = name == "cd" or name.lower() in ("set-location", "sl", "chdir")
    return goes and len(segment.words) == 2 and target[:1] not in ("", "-") and _VALUES.isdisjoint(target)


def _pauses(segment: Segment) -> bool:
    name, *rest = segment.words or [""]
    return name.lower() in ("sleep", "start-sleep") and len(rest) in (1, 2) and rest[-1][:1].isdigit()


def _only_says(segment: Segment) -> bool:
    return segment.words[:1] == ["echo"] and not any(c in word for word in segment.text for c in "$`\\")


def _is_unused(word: str, text: str) -> bool:
    """Whether it is a plain assignment to a variable that the text after it does not name."""
    name = word.partition("=")[0].rstrip("+")
    plain = is_assignment(word) and "$(" not in word and "`" not in word
    return plain and f"${name}" not in text and f"${{{name}" not in text


def _drop_front(kept: list[Segment], rest: list[Segment]) -> bool:
    """Take `timeout -k 5 30`, `env` or an assignment off the front of the first command, if there is one."""
    first = kept[0] if kept else Segment()
    words, size = first.words, 0
    if words[:1] == ["timeout"]:
        at = len(words) - len(past_options(words[1:], _WRAPPERS["timeout"].split()))
        size = at + 1 if words[at : at + 1] and words[at][:1].isdigit() else 0
    elif words[:1] == ["env"]:
        size = sum(map(is_assignment, words[1:2]))
    elif words and _is_unused(words[0], _written(kept).partition(first.text[0])[2]):
        size = 1
    if size and size == len(words) and rest:
        kept[:] = rest
    elif 0 < size < len(words):
        del words[:size], first.text[:size]
    else:
        return False
    return True


def echoed(command: str) -> str:
    """What a line prints before it does anything else: `try 3` of `echo "try 3"; make`; "" for nothing."""
    kept = segments(command)
    return " ".join(kept[0].words[1:]) if _after(kept) and _only_says(kept[0]) else ""


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
    """One simple command. `words`: without quotes; `text`: with quotes and redirections; `targets`: files it redirects into (`adds`:
    only appends); `inner`: commands in its $( ); `given`: text of its here-documents and here-strings; `joint`: the operator after
    it ("" for the last); `front`: brackets before it."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.text: list[str] = []
        self.targets: list[str] = []
        self.inner: list[str] = []
        self.adds = False
        self.given = self.joint = self.front = ""


def segments(command: str, longest: int = LONGEST) -> list[Segment]:
    """The simple commands of a line in order. Of the text of a here-document, commands in $( ) go to `inner`."""
    command = command[:longest]
    marks = command.translate(_SPLITTING)
    now = Segment()
    if "\0" not in marks:  # one command of bare words
        now.words = [word for word in marks.split(" ") if word]
        now.text = [*now.words]
        return [now] if now.words else []
    marks = marks.replace(" ", "\0")
    found: list[Segment] = []
    bodies: list[tuple[str, Segment]] = []  # of here-documents that begin on the next line: end word, owner
    redirect = ""
    i, size = 0, len(command)
    while i <= size:  # the end counts as a line end
        start = i
        text = None
        if command[i : i + 1] not in _ENDS:
            text, i = _word(command, marks, i, now.inner)
        sign = command[i : i + 1] or "\n"
        if text is not None:
            if not redirect:
                now.text.append("")
            now.text[-1] += command[start:i].replace("\\\n", "")
            if redirect in ("<<", "<<-"):
                bodies.append((text, now))
            elif redirect:
                _redirected(now, redirect, text)
            elif not (text.isdigit() and sign in "<>"):  # the descriptor of `2>`
                now.words.append(text)
            redirect = ""
        if sign in " \t\r":
            i += 1
        elif sign in "<>" or command.startswith("&>", i):
            redirect = next(command[i : i + n] for n in (3, 2, 1) if command[i : i + n] in _REDIRECTS)
            i += len(redirect)
            if text is None or not text.isdigit():
                now.text.append("")
            now.text[-1] += redirect
        else:
            pair = command[i : i + 2]
            redirect, now.joint = "", pair if pair in ("&&", "||", ";;") else pair[:1]
            i += len(now.joint) or 1
            if sign == "\n":
                i = _past_bodies(command, i, bodies, now)
            if now.words or now.targets or now.inner:
                if sign == ")" and _is_piped_on(command[i : i + 16]):
                    now.joint = "|"
                found.append(now)
                now = Segment()
            elif sign != "\n":
                now.front += now.joint
    return found


def programs(command: str) -> list[list[str]]:
    """The program of each simple command in a line with its arguments."""
    return list(filter(None, [program(segment.words) for segment in segments(command)]))


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


def _past_bodies(command: str, i: int, bodies: list[tuple[str, Segment]], last: Segment) -> int:
    """Index after the here-documents that begin at `i`; `last`: the simple command behind which their text stands."""
    while bodies:
        (end_word, owner), begin = bodies.pop(0), i
        end = i
        while i < len(command):
            line_end = command.find("\n", i)
            line = command[i : line_end if line_end >= 0 else len(command)]
            end, i = i, line_end + 1 if line_end >= 0 else len(command)
            if line.strip() == end_word:
                break
            end = i
        owner.inner += substitutions(command[begin:end])
        owner.given += command[begin:end]
        last.text.append("\n" + command[begin:i])
    return i


def program(words: list[str]) -> list[str]:
    """The program that a segment runs, by its base name, and its arguments; assignments, keywords and wrappers are skipped."""
    i = program_at(words)
    if i >= len(words):
        return []
    name = words[i].rpartition("/")[2].removesuffix(".exe")
    return [f"./{name}" if is_own_script(words[i]) else name, *words[i + 1 :]]


def is_own_script(word: str) -> bool:
    """Whether it is a script of a project that is named as a builtin of the shell is: `script/test`."""
    place, path, name = word.rpartition("/")
    return bool(path) and name in _BUILTINS and place[:1] not in ("", "/")


def program_at(words: list[str]) -> int:
    """Index of the program's name; past the end if there is none."""
    i = 0
    while i < len(words):
        word = words[i]
        name = word.rpartition("/")[2]
        if word in _KEYWORDS or is_assignment(word):
            i += 1
        elif name == "timeout" and words[i + 1 : i + 2] in (["/t"], ["/T"]):
            return i  # Windows' own, which only waits
        elif name == "flock" and past_options(words[i + 1 :], _WRAPPERS[name].split())[1:2] == ["-c"]:
            return i  # a line behind it (see reading.inner_line)
        elif name not in _WRAPPERS or (name == "command" and words[i + 1 : i + 2] in (["-v"], ["-V"])):
            return i
        else:
            i = len(words) - len(past_options(words[i + 1 :], _WRAPPERS[name].split()))
            i += name.endswith("timeout") or name == "flock"
    return i


def past_options(words: list[str], valued: list[str] | tuple[str, ...]) -> list[str]:
    """The words after the leading options; options in `valued` take a value."""
    i = 0
    while i < len(words) and words[i][:1] == "-":
        i += 2 if words[i] in valued else 1
    return words[i:]


def operands(words: list[str], valued: frozenset[str] = frozenset()) -> list[str]:
    """The words that are neither options nor values of them; options in `valued` take a value."""
    return [word for word, before in zip(words, ["", *words]) if word[:1] != "-" and before not in valued]
