"""Masks the parts of a text that could be a secret. Pure.

It masks too much rather than too little: the text is about to be written to disk.
"""

from __future__ import annotations

from circuit_breaker.shell import shell_line

MASK = "…"
_END = frozenset(" \t\r\n\"'`,;&)}]<>|")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.[]")
# Names, or parts of names, whose value is a secret.
_NAMES = (
    "passw passphrase passcode secret token api_key apikey api-key access_key accesskey access-key private_key credential"
    " authorization bearer cookie session_key signature auth_ _auth"
).split()
# Short names: they count only before `=` or as a JSON key.
_SHORT = "pass pwd key sig auth pin otp pw".split()
_WHOLE = ("authorization", "cookie")  # headers: the rest of the line is the value
_PROSE = frozenset(
    "is was are not for required missing invalid authentication failed expired error incorrect mismatch must cannot could"
    " denied found in of at to or and field prompt provided yes no the a an has have should does did with from on"
    " manager file hash reset length policy input".split()
)
_OPTIONS = "-p -u -P -H -a -U -b -w -W -passin -passout -storepass -keypass --user --pass --pw --header --auth --proxy-user --key --pin".split()
# Programs of which any argument may be a secret.
_TALKERS = (
    "echo printf openssl htpasswd chpasswd mysqladmin smbpasswd security keytool pass ssh-keygen".split()
)
_KEEPERS = frozenset(("secret", "secrets"))  # `gh secret set`, `kubectl create secret`
_LOGINS = frozenset("login auth unlock password passwd encrypt_string requirepass identified".split())
_NOT_PASSWORDS = tuple("-path -print -prune -perm -port -pthread -pedantic -pipe -pie -python -proto".split())
_PREFIXES = tuple(
    "sk- sk_ pk_ rk_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox AKIA ASIA AIza eyJ ya29. npm_ pypi- hf_ dop_v1_ SG.".split()
)
_SOURCES = ("pass:", "password:")  # openssl's `-passin pass:SECRET`
_FILE_ENDS = tuple(".py .js .ts .tsx .go .rs .json .md .log .txt .html .css .java .rb".split())
_DEPTH_MAX = 8  # levels of nested input that are searched; nothing deeper is shown
_SEARCHED_MAX = 8000  # characters of a parameter that are searched
_TEXTS_MAX = 500  # parameters that are searched


def masked(text: str, tool_input: object = None) -> str:
    """`text` with each part that could be a secret replaced; secrets in the call's input are replaced too."""
    for secret in sorted(given_secrets(tool_input), key=len, reverse=True):
        text = text.replace(secret, MASK)
    out, done = "", 0
    for start, end in sorted(_spans(text)):
        if end > done:
            out += text[done : max(start, done)] + MASK
            done = end
    return out + text[done:]


def without_unsearched(text: str, tool_input: object) -> str:
    """`text` with each word masked that occurs where the input's long or many texts are not searched: it could be a secret there."""
    texts = [text for _, text in _texts("", tool_input)]
    unsearched = "\n".join([*(text[_SEARCHED_MAX:] for text in texts[:_TEXTS_MAX]), *texts[_TEXTS_MAX:]])
    words = [word.strip("\"'`.,:;()[]{}<>") for word in text.split()]
    for part in {part for word in words for part in (word, _last_part(word))}:
        if len(part) >= 4 and part in unsearched:
            text = text.replace(part, MASK)
    return text


def given_secrets(tool_input: object) -> set[str]:
    """Possible secrets in a call's input: in parameters, assignments, options, headers, URLs and logins."""
    found: set[str] = set()
    for name, whole in _texts("", tool_input)[:_TEXTS_MAX]:
        text = whole[:_SEARCHED_MAX]
        if name.lower() in _SHORT or any(part in name.lower() for part in _NAMES):
            found.update((text, _last_part(text)))
        for start, end in _spans(text):
            found.add(text[start:end])
            found.update(_last_part(part) for part in text[start:end].split(";"))
        if name in ("command", "cmd"):
            found.update(_values(text))
    return {secret for value in found for secret in (value, value.strip("\"'\\ ")) if len(secret) >= 4}


def _texts(name: str, value: object, depth: int = 0) -> list[tuple[str, str]]:
    """(parameter, text) for each text in the input; a list of words is one text."""
    if isinstance(value, str):
        return [(name, value)]
    if depth > _DEPTH_MAX:
        return []
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _texts(str(key), inner, depth + 1)]
    if not isinstance(value, list):
        return []
    words = " ".join([part for part in value if isinstance(part, str)])
    inner = [pair for part in value if not isinstance(part, str) for pair in _texts(name, part, depth + 1)]
    return [(name, words), *inner]


def _last_part(value: str) -> str:
    """The last part of `user:secret`, `session=secret`, `Bearer secret`."""
    return value.strip().rpartition(" ")[2].rpartition("=")[2].rpartition(":")[2]


def _values(command: str, depth: int = 0) -> set[str]:
    """Possible secrets in a command: values of assignments and options, here-strings and here-documents."""
    found: set[str] = set()
    for given in command.split("<<<")[1:]:
        span = _word(given, len(given) - len(given.lstrip()))
        found.add(given[span[0] : span[1]] if span else "")
    found.update(line for line in command.partition("<<")[2].split("\n")[1:] if " " not in line)
    for segment in shell_line.segments(command, _SEARCHED_MAX):
        words = segment.words
        named = shell_line.program(words)
        talks = bool(named) and (named[0] in _TALKERS or not _KEEPERS.isdisjoint(named[1:3]))
        for i, word in enumerate(words):
            before = words[i - 1] if i else ""
            value = word.partition("=")[2]
            if " " in word and depth < 3:  # a command for another shell
                found |= _values(word, depth + 1)
            if value and (shell_line.is_assignment(word) or word[:1] == "-"):
                found.update((value, value.rpartition("=")[2]))
            elif before in _OPTIONS or before.lower() in _LOGINS:
                found.update((word, *map(str.strip, word.split(":"))))
            elif talks and i and "/" not in word:
                found.add(word)
            found.add(_option_secret(word, before))
    return found


def _option_secret(word: str, before: str) -> str:
    """What an option makes a possible secret: all of the word after `-p`, `secret` of `-psecret` and `pass:secret`; "" if nothing."""
    if before in _OPTIONS:
        return word
    if word[:2] in ("-p", "-P") and len(word) > 3 and not word.startswith(_NOT_PASSWORDS):
        return word[2:]
    return word.partition(":")[2] if word.startswith(_SOURCES) else ""


def _spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each possible secret in the text."""
    spans = _keys(text)
    lowered = text.lower()
    if len(lowered) == len(text):  # a few letters grow when lowered
        for names, strict in ((_NAMES, False), (_SHORT, True)):
            for name in names:
                at = lowered.find(name)
                while at >= 0:
                    span = _value_after(text, lowered, at, at + len(name), strict)
                    if span:
                        spans.append(span)
                    at = lowered.find(name, max(at + len(name), span[1] if span else 0))
    at = text.find("://")
    while at >= 0:
        end = at + 3
        while end < len(text) and text[end] not in " \t\r\n\"'`<>":
            end += 1
        last = text.rfind("@", at, end)
        if last >= 0:
            spans.append((at + 3, last))
        at = text.find("://", max(end, at + 3))
    return spans + _words(text)


def _keys(text: str) -> list[tuple[int, int]]:
    """Spans of PEM blocks; one without an end reaches to the end of the text."""
    spans = []
    at = text.find("-----BEGIN")
    while at >= 0:
        end = text.find("-----END", at)
        close = text.find("-----", end + 8) if end >= 0 else -1
        spans.append((at, close + 5 if close >= 0 else len(text)))
        at = text.find("-----BEGIN", spans[-1][1])
    return spans


def _value_after(text: str, lowered: str, start: int, end: int, strict: bool) -> tuple[int, int] | None:
    """The span of the value after the name at `start:end`; None if there is none."""
    size = len(text)
    before, first = text[max(0, start - 1) : start], text[start]
    if strict and before.isalnum() and not (first.isupper() and before.islower()):
        return None
    name = lowered[start:end]
    while end < min(size, start + 64) and lowered[end] in _NAME:
        if strict:
            return None
        end += 1
    i = end
    while i < size and text[i] in "\"'\\":
        i += 1
    quoted = i > end
    while i < size and text[i] in " \t":
        i += 1
    if i < size and text[i] in "=:":
        if strict and text[i] == ":" and not quoted:
            return None
        i += 2 if text[i : i + 2] in ("=>", ":=", "==") else 1
        while i < size and text[i] in " \t":
            i += 1
    elif strict or i == end or i >= size:
        return None
    else:
        return _in_prose(text, i)
    if lowered[start:end].startswith(_WHOLE) or name in _WHOLE:
        stop = min([at for at in (text.find(c, i) for c in "\"'\n") if at >= i] or [size])
        return (i, stop) if stop > i else _word(text, i)
    return _word(text, i)


def _in_prose(text: str, i: int) -> tuple[int, int] | None:
    """The span of the word after a name and a blank; None if it is an ordinary word of a sentence."""
    span = _word(text, i)
    if span is None:
        return None
    word = text[span[0] : span[1]].strip(".:!?")
    return None if len(word) < 4 or word.lower() in _PROSE else span


def _word(text: str, i: int, schemes: int = 2) -> tuple[int, int] | None:
    """The span of the value at `i`: inside its quotes, or one word; two for `Bearer X` and the like."""
    while text[i : i + 1] == "\\":
        i += 1
    if i >= len(text):
        return None
    if text[i] in "'\"`":
        return i + 1, max(i + 1, shell_line.closing(text, i))
    end = i
    while end < len(text) and text[end] not in _END:
        end += 1
    scheme = schemes and text[i:end].lower() in ("bearer", "basic", "token", "digest")
    if scheme and text[end : end + 1] == " ":
        following = _word(text, end + 1, schemes - 1)
        return (i, following[1]) if following else (i, end)
    return (i, end) if end > i else None


def _words(text: str) -> list[tuple[int, int]]:
    """Spans of words that look like a key, or follow an option that could take a secret."""
    spans = []
    i, size, before = 0, len(text), ""
    while i < size:
        while i < size and text[i] in _END:
            i += 1
        start = i
        while i < size and text[i] not in _END:
            i += 1
        if i == start:
            break
        word = text[start:i]
        if before in _OPTIONS:
            quoted = start and text[start - 1] in "'\""
            i = max(i, shell_line.closing(text, start - 1)) if quoted else i
            spans.append((start, i))
        elif _option_secret(word, before):
            spans.append((i - len(_option_secret(word, before)), i))
        elif any(map(looks_secret, (word, word.rpartition("=")[2], word.rpartition(":")[2]))):
            spans.append((start, i))
        before = word
    return spans


def looks_secret(word: str) -> bool:
    """Whether a word has the form of a known key, or is long and mixes letters and digits."""
    if word.startswith(_PREFIXES) and len(word) >= 12:
        return True
    core = word.strip(".:")
    if len(core) < 16:
        return False
    if "/" in core and any(looks_secret(part) for part in core.split("/") if len(part) >= 20):
        return True
    if "/" in core and (core[0] in "/.~" or len(core) < 32 or "." in core):
        return False
    if core.count("-") == 4 and len(core) == 36:
        return False  # a uuid
    letters = sum([c.isalpha() for c in core])
    digits = sum([c.isdigit() for c in core])
    mixed = digits >= 3 and letters >= 3 and letters + digits >= 0.8 * len(core)
    return mixed and not core.endswith(_FILE_ENDS)
