"""Translates PowerShell lines for the shell readers, and says which cmdlets only look. Pure.

It reads ordinary lines and is no full parser: what it cannot read counts as changing something.
"""

from __future__ import annotations

from circuit_breaker.shell.shell_line import LONGEST

# Verbs of cmdlets that only look, and other cmdlets that change nothing outside the shell.
_VERBS = frozenset(
    "get test select sort group measure where foreach compare find search show resolve trace join split read wait"
    " convertfrom convertto receive".split()
)
_CMDLETS = frozenset(
    "write-host write-output write-error write-warning write-verbose write-information write-debug write-progress"
    " out-string out-host out-null out-default out-gridview format-table format-list format-wide format-custom format-hex"
    " set-location push-location pop-location set-strictmode set-variable clear-host import-csv import-clixml import-module"
    " start-sleep new-timespan new-object".split()
)
# Keywords that stand before a statement.
_KEYWORDS = frozenset(
    "if elseif else foreach for while do until switch try catch finally return throw function filter param begin"
    " process end in trap".split()
)
# How methods and properties begin that only return a value.
_ANSWERS = (
    "get to is has contains starts ends index last split trim replace substring join exists read parse max min abs round"
    " floor ceiling now equals compare match pad count format combine"
).split()
_WORD_ENDS = frozenset(" \t\r\n;|&(){}<>,'\"`")


def cmdlet_reads(name: str, rest: list[str]) -> bool | None:
    """Whether a cmdlet or an alias that looks only looks here; None for a name that is no cmdlet."""
    low = name.lower()
    if "{" in rest:
        return False  # a block that was not taken apart
    if low in ("invoke-webrequest", "invoke-restmethod", "iwr", "irm"):
        options = [word.lower() for word in rest]
        method = options[options.index("-method") + 1 :][:1] if "-method" in options else ["get"]
        return {"-outfile", "-body", "-infile"}.isdisjoint(options) and method in (["get"], ["head"])
    if "-" not in low or low in _CMDLETS:
        return True  # reading.py asks only for aliases that look
    verb, dash, noun = low.partition("-")
    if not dash or not verb.isalpha() or not noun.isalnum():
        return None
    return True if verb in _VERBS else False if name[0].isupper() else None


def as_shell(line: str) -> str:
    """The line's first LONGEST characters with / in paths, backslash escapes, blocks as plain statements, and `echo` before bare expressions."""
    line, rest = line[:LONGEST], line[LONGEST:]
    out: list[str] = []
    i, size, fresh = 0, len(line), True  # fresh: a statement may begin here
    while i < size:
        c = line[i]
        if c in " \t\r":
            out.append(" ")
            i += 1
        elif c in "\n;|&(){}":
            out.append(";" if c in "{}" else c)
            i += 1
            i = _past_members(line, i) if c == ")" else i
            fresh = c != ")" and (c != "&" or "&" in (line[i - 2 : i - 1], line[i : i + 1]))
            while not fresh and c == "&" and line[i : i + 1] == " ":  # a lone one calls what follows it
                i += 1
        elif line.startswith("<#", i):
            i = _after(line, "#>", i + 2)
        elif c == "#" and (not i or line[i - 1] in " \t\n;|&(){}"):
            end = line.find("\n", i)
            i = size if end < 0 else end
        elif fresh:
            i, fresh = _statement(line, i, out)
        else:
            i = _piece(line, i, out)
    return "".join(out) + rest


def _statement(line: str, i: int, out: list[str]) -> tuple[int, bool]:
    """Translate the first word of a statement. -> (index after it, whether a statement still has to begin)."""
    c = line[i]
    if c in "'\"@0123456789-,+!" or (c == "`" and line[i + 1 : i + 2] == "\n"):
        if c not in "`!":
            out.append("echo ")
            return _piece(line, i, out), False
        return i + (2 if c == "`" else 1), True
    if c == "$":
        return _expression(line, i, out)
    end = _end_of_word(line, i)
    word = line[i:end]
    if word.lower() in _KEYWORDS:
        return end, True
    if c == "[":
        close = line.find("]", i)
        member = line[close + 1 : end] if 0 < close < end else ""
        if close > 0 and line[close + 1 : close + 2] in ("$", "(", "'", '"'):
            return close + 1, True  # a cast
        if member[:2] == "::" and (line[end : end + 1] != "(" or _answers(member[2:])):
            out.append("echo ")
    out.append(word.replace("\\", "/"))
    return max(end, i + 1), False


def _expression(line: str, i: int, out: list[str]) -> tuple[int, bool]:
    """The same for a statement that begins with a variable: of an assignment the right side counts, a value is echoed."""
    end = line.find("}", i) + 1 if line.startswith("${", i) else i + 1
    end = _end_of_word(line, max(end, i + 1))
    word = line[i:end]
    name, sign, value = word.partition("=")
    if sign and name.rstrip("+-*?") and not value.startswith("="):
        return i + len(name) + 1, True
    rest = line[end : end + 40].lstrip(" ")
    for sign in ("=", "+=", "-=", "??="):
        if rest.startswith(sign) and not rest.startswith("=="):
            return line.index(sign, end) + len(sign), True
    if line[end : end + 1] != "(" or _answers(word.rpartition(".")[2]):
        out.append("echo ")
    out.append(word.replace("\\", "/"))
    return end, False


def _past_members(line: str, i: int) -> int:
    """Index after the properties and harmless method names at `i`: after `.Length` in `(X).Length`."""
    while line[i : i + 1] == ".":
        end = _end_of_word(line, i)
        if line[end : end + 1] == "(" and not _answers(line[i + 1 : end]):
            break
        i = end
    return i


def _answers(member: str) -> bool:
    return member.lower().startswith(tuple(_ANSWERS))


def _end_of_word(line: str, i: int) -> int:
    while i < len(line) and line[i] not in _WORD_ENDS:
        i += 1
    return i


def _piece(line: str, i: int, out: list[str]) -> int:
    """Append the word or quote at `i`, translated. -> index after it."""
    c = line[i]
    if c == "@" and line[i + 1 : i + 2] in ("'", '"') and line[i + 2 : i + 4].lstrip("\r")[:1] == "\n":
        end = _after(line, "\n" + line[i + 1] + "@", i + 2)
        out.append("'" + line[i + 2 : end - 2].strip().replace("'", '"') + "'")
        return end
    if c == "'":
        end = _after(line, "'", i + 1)
        out.append(line[i:end].replace("\\", "/"))
        return end
    if c == '"':
        end = i + 1
        while end < len(line) and line[end] != '"':
            end += 2 if line[end] == "`" else 1
        out.append(line[i : end + 1].replace("\\", "/").replace("`", "\\"))
        return end + 1
    if c == "`":
        following = line[i + 1 : i + 2]
        out.append(" " if following in "\r\n" else "\\" + following)
        return i + 2
    if line.startswith("*>", i):
        out.append("&>")
        return i + 2
    end = i + 1
    while end < len(line) and line[end] not in _WORD_ENDS and line[end] != "*":
        end += 1
    out.append(line[i:end].replace("\\", "/"))
    return end


def _after(line: str, mark: str, i: int) -> int:
    end = line.find(mark, i)
    return end + len(mark) if end >= 0 else len(line)
