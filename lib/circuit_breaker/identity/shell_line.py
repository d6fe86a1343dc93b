"""The normal form of a shell command line, and the directory it runs in. Pure.

Every shell call is normalised here; shell_commands.py and reading.py read what a line does.
"""

from __future__ import annotations

_SPECIAL = {ord(c): "\0" for c in "'\"\\#<"}
READ_MAX = 4_000  # characters that are normalised; the rest of a longer line is compared unchanged
_FRONTS = 24  # `cd`, waits and assignments that are taken off the front


def is_assignment(word: str) -> bool:
    """Whether it is NAME=value or NAME+=value."""
    name, sign, _ = word.partition("=")
    return bool(sign) and name.rstrip("+").replace("_", "a").isalnum() and not name[:1].isdigit()


def normalise(command: str, cwd: str) -> tuple[str, str]:
    """(the command in its normal form, the directory it runs in).

    White space outside quotes is folded, comments are left out; a leading `cd X`, `sleep N`, `timeout N` and plain
    assignments are taken off.
    """
    text = fold(command[:READ_MAX])
    for _ in range(_FRONTS):
        shorter, directory = _strip_front(text, cwd)
        if shorter == text or not shorter:
            break
        text, cwd = shorter, directory
    return text + command[READ_MAX:], cwd


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
    out.append(
        _folded(plain + (command[start : len(command) - len(command[i:])] if tail else command[start:]))
    )
    return _trimmed("".join(out), tail)


def _trimmed(text: str, tail: str = "") -> str:
    if tail:
        return text.lstrip() + tail
    text = text.strip()
    return text if text.endswith("\\;") else text.rstrip("; \n")


def _folded(text: str) -> str:
    """An unquoted piece with single blanks, without empty lines, and without blanks beside operators."""
    if not text:
        return ""
    if "\n" in text:
        first, *lines = text.split("\n")
        last = lines.pop()
        lines = [" ".join(line.split()) for line in lines]
        text = "\n".join([_one_blank(first).rstrip(), *filter(None, lines), _one_blank(last).lstrip()])
    else:
        text = _one_blank(text)
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
    if (
        text[0:1] == "("
        and text[-1:] == ")"
        and len(text) <= 4000
        and end_of_substitution("$" + text, 0) == len(text) + 1
    ):
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
    if word in ("timeout", "env"):
        return _past_wrapper(word, rest) or text, cwd
    if is_assignment(word) and "$(" not in word and "`" not in word:
        name = word.partition("=")[0].rstrip("+")
        after = _past_joint(rest) or (rest if rest[:1] == " " else "")
        if after and "$" + name not in after and "${" + name not in after:
            return after.lstrip(), cwd
    return text, cwd


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
