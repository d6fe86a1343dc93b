"""What are the words and operators of a shell command line? Pure.

A token is ("word", parts), ("op", text), ("array", name, inside), ("redirect", operator, parts) or ("here", [body, quoted],
parts of the delimiter, operator).
A part is (kind, text, quoted); kinds: TEXT as it stands, VAR (`NAME` or the inside of `${}`), SUB (a command whose output
stands there), PROCESS (a command behind a file name), SUM (arithmetic).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Part = tuple[str, str, bool]
    Token = tuple[Any, ...]

TEXT, VAR, SUB, PROCESS, SUM = "text", "var", "sub", "process", "sum"
OPERATORS = (";;&", "&&", "||", ";;", ";&", "|&", ";", "|", "&", "(", ")", "\n")
REDIRECTS = ("&>>", "<<-", "<<<", "<<", "<>", "<&", ">>", ">|", ">&", "&>", ">", "<")
ENDS = " \t\r\n;|&()<>"
SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
OCTAL, HEX = "01234567", "0123456789abcdefABCDEF"


def lex(text: str) -> list[Token]:
    """The tokens of a command line, here-documents with their bodies. Never raises; what is left open ends at the end."""
    tokens: list[Token] = []
    waiting: list[Token] = []  # here-documents whose bodies begin at the next line
    i = 0
    while i < len(text):
        c = text[i]
        if c in " \t\r":
            i += 1
        elif c == "\\" and text[i + 1 : i + 2] == "\n":
            i += 2
        elif c == "#":
            i = _find(text, "\n", i)
        elif c in "<>" and text[i + 1 : i + 2] == "(":
            parts, i = word(text, i)
            tokens.append(("word", parts))
        elif c in "<>" or text.startswith("&>", i):
            i = _redirect(text, i, tokens, waiting)
        elif text.startswith("((", i):
            i = closing(text, i + 1, "(", ")") + 1  # arithmetic; its << is no here-document
        elif c in ";|&()\n":
            operator = next(o for o in OPERATORS if text.startswith(o, i))
            tokens.append(("op", operator))
            i += len(operator)
            if operator == "\n":
                for token in waiting:
                    i = _body(text, i, token)
                waiting = []
        else:
            parts, end = word(text, i)
            after = text[end : end + 1]
            if after and after in "<>" and text[i:end].isdigit() and text[end + 1 : end + 2] != "(":
                parts = []  # a file descriptor's number
            if after == "(" and len(parts) == 1 and parts[0][1].endswith("="):
                end = closing(text, end, "(", ")")
                tokens.append(("array", parts[0][1].rstrip("+="), text[i + len(parts[0][1]) + 1 : end]))
                end += 1
            elif parts:
                tokens.append(("word", parts))
            i = max(end, i + 1)
    return tokens


def _redirect(text: str, i: int, tokens: list[Token], waiting: list[Token]) -> int:
    operator = next(o for o in REDIRECTS if text.startswith(o, i))
    i += len(operator)
    while text[i : i + 1] in (" ", "\t"):
        i += 1
    parts, i = word(text, i)
    if operator in ("<<", "<<-"):
        token: Token = ("here", ["", any(quoted for _, _, quoted in parts)], parts, operator)
        waiting.append(token)
        tokens.append(token)
    else:
        tokens.append(("redirect", operator, parts))
    return i


def _body(text: str, i: int, token: Token) -> int:
    """Read a here-document's body; without its last line it is all the rest, which is then read as commands as well."""
    delimiter = "".join(part[1] for part in token[2])
    start = at = i
    while at < len(text):
        end = _find(text, "\n", at)
        line = text[at:end]
        if (line.lstrip("\t") if token[3] == "<<-" else line).rstrip("\r") == delimiter:
            token[1][0] = text[start:at]
            return end + 1
        at = end + 1
    token[1][0] = text[start:]
    return i


def word(text: str, i: int) -> tuple[list[Part], int]:
    """The parts of the word that begins at `i`, and where it ends."""
    parts: list[Part] = []
    plain: list[str] = []

    def flush() -> None:
        if plain:
            parts.append((TEXT, "".join(plain), False))
            plain.clear()

    while i < len(text):
        c = text[i]
        if c in "<>" and text[i + 1 : i + 2] == "(":
            flush()
            end = closing(text, i + 1, "(", ")")
            parts.append((PROCESS, text[i + 2 : end], False))
            i = end + 1
        elif c in ENDS:
            break
        elif c == "\\":
            flush()
            if text[i + 1 : i + 2] != "\n":
                parts.append((TEXT, text[i + 1 : i + 2], True))
            i += 2
        elif c == "'":
            flush()
            end = _find(text, "'", i + 1)
            parts.append((TEXT, text[i + 1 : end], True))
            i = end + 1
        elif c == '"':
            flush()
            i = _quoted(text, i + 1, parts)
        elif text.startswith("$'", i):
            flush()
            end = i + 2
            while end < len(text) and text[end] != "'":
                end += 2 if text[end] == "\\" else 1
            parts.append((TEXT, unescape(text[i + 2 : end]), True))
            i = end + 1
        elif c in "$`":
            flush()
            i = _dollar(text, i, parts, False)
        else:
            plain.append(c)
            i += 1
    flush()
    return parts, i


def _quoted(text: str, i: int, parts: list[Part]) -> int:
    """Read a double-quoted string from behind its first quote."""
    plain: list[str] = []
    parts.append((TEXT, "", True))  # "" is a word too
    while i < len(text) and text[i] != '"':
        c = text[i]
        if c == "\\" and text[i + 1 : i + 2] in ("$", "`", '"', "\\", "\n"):
            plain.append("" if text[i + 1] == "\n" else text[i + 1])
            i += 2
        elif c in "$`":
            parts.append((TEXT, "".join(plain), True))
            plain = []
            i = _dollar(text, i, parts, True)
        else:
            plain.append(c)
            i += 1
    parts.append((TEXT, "".join(plain), True))
    return i + 1


def _dollar(text: str, i: int, parts: list[Part], quoted: bool) -> int:
    """Read an expansion at `$` or a backquote."""
    if text[i] == "`":
        end = i + 1
        while end < len(text) and text[end] != "`":
            end += 2 if text[end] == "\\" else 1
        parts.append((SUB, text[i + 1 : end].replace("\\`", "`"), quoted))
        return end + 1
    following = text[i + 1 : i + 2]
    if text.startswith("$((", i):
        end = closing(text, i + 1, "(", ")")
        parts.append((SUM, "", quoted))
        return end + 1
    if following == "(":
        end = closing(text, i + 1, "(", ")")
        parts.append((SUB, text[i + 2 : end], quoted))
        return end + 1
    if following == "{":
        end = closing(text, i + 1, "{", "}")
        parts.append((VAR, text[i + 2 : end], quoted))
        return end + 1
    if following and following in "@*#?$!-0123456789":
        parts.append((VAR, following, quoted))
        return i + 2
    end = i + 1
    while end < len(text) and (text[end] == "_" or text[end].isalnum()):
        end += 1
    if end > i + 1:
        parts.append((VAR, text[i + 1 : end], quoted))
    elif quoted or following != '"':
        parts.append((TEXT, "$", True))
    return end


def closing(text: str, i: int, opened: str, closed: str) -> int:
    """Where the bracket that opens at `i` closes; the end of the text if it does not."""
    depth = 0
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 1
        elif c == "'":
            i = _find(text, "'", i + 1)
        elif c == '"':
            i += 1
            while i < len(text) and text[i] != '"':
                i += 2 if text[i] == "\\" else 1
        elif c == opened:
            depth += 1
        elif c == closed:
            depth -= 1
            if not depth:
                return i
        i += 1
    return len(text)


def unescape(text: str) -> str:
    """Backslash escapes of `$'..'`, `printf` and `echo -e`: letters, octal, \\x and \\u."""
    out: list[str] = []
    i = 0
    while i < len(text):
        c, after = text[i], text[i + 1 : i + 2]
        i += 1
        if c != "\\" or not after:
            out.append(c)
            continue
        i += 1
        if after in SIMPLE:
            out.append(SIMPLE[after])
            continue
        limit = {"x": 2, "u": 4, "U": 8}.get(after, 3 + (after == "0"))
        digits = OCTAL if after in OCTAL else HEX
        start = i - 1 if after in OCTAL else i
        end = start
        while end < min(len(text), start + limit) and text[end] in digits:
            end += 1
        number = int(text[start:end] or "0", 8 if after in OCTAL else 16) if after in OCTAL + "xuU" else 0
        out.append(chr(number) if after in OCTAL + "xuU" and number < 0x110000 else after)
        i = end if after in OCTAL + "xuU" else i
    return "".join(out)


def _find(text: str, what: str, i: int) -> int:
    found = text.find(what, i)
    return len(text) if found < 0 else found


def words_of(tokens: list[Token]) -> list[Any]:
    """The words among tokens."""
    return [token for token in tokens if token[0] == "word"]


def plain(token: Token) -> str:
    """A word's text if it is one unquoted piece, as reserved words and names of functions are; else ""."""
    if token[0] != "word" or len(token[1]) != 1:
        return ""
    kind, text, quoted = token[1][0]
    return text if kind == TEXT and not quoted else ""


def sign(token: Token) -> str:
    """A plain word's text, or an operator; "" for any other word."""
    return str(token[1]) if token[0] == "op" else plain(token)
