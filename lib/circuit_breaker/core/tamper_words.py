"""What do the words of a shell command line expand to, and which of them are options? Pure."""

from __future__ import annotations

from circuit_breaker.core.tamper_guard import ANY, HOLE, STAR, clean
from circuit_breaker.core.tamper_lex import PROCESS, SUB, SUM, TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.guarding import Guarded
    from circuit_breaker.core.tamper_lex import Part
    from circuit_breaker.core.tamper_shell import Shell

SPLIT, LEFT, COMMA, RIGHT = "\ue003", "\ue004", "\ue005", "\ue006"  # between fields; of a brace expansion
PRIVATE = HOLE + STAR + ANY + SPLIT + LEFT + COMMA + RIGHT
TEXT_MAX = 1 << 18  # characters of one text: a longer one is not followed
FIELDS_MAX = 64  # of one word: more alternatives than these are not looked at
OURS = "/claude-circuit-breaker"


def without_marks(text: str) -> str:
    """A text in which nothing can be taken for one of our wildcards."""
    return (
        text.translate(dict.fromkeys(map(ord, PRIVATE), "?"))
        if any(mark in text for mark in PRIVATE)
        else text
    )


def bounded(text: str) -> str:
    """The text, or HOLE if it has grown beyond what is followed (`a=$a$a` sixty times over)."""
    return text if len(text) <= TEXT_MAX else HOLE


def expand(parts: list[Part], shell: Shell) -> list[str]:
    """The fields of a word; several where a variable holds several, or braces or unquoted blanks make them."""
    found = [""]
    braces = False
    for kind, text, quoted in parts:
        if kind == TEXT and (quoted or not any(c in "*?[{" for c in text)):
            values = [text.replace(",", COMMA).replace("}", RIGHT) if braces and not quoted else text]
        elif kind == TEXT:
            braces = braces or "{" in text
            values = [_glob(text, braces)]
        else:
            values = _values(kind, text, quoted, shell)
        found = [bounded(head + tail) for head in found for tail in values][:FIELDS_MAX]
    fields: list[str] = []
    for field in found:
        fields += _braces(field) if braces else [field]
    split = [piece for field in fields for piece in field.split(SPLIT)]
    bare = not any(quoted for _, _, quoted in parts)
    return [piece for piece in split if piece or not bare][:FIELDS_MAX]


def _values(kind: str, text: str, quoted: bool, shell: Shell) -> list[str]:
    if kind == SUM:
        return [HOLE]
    if kind == PROCESS:
        return [shell.behind_a_name(text)]
    values = _lines(shell.output_of(text)) if kind == SUB else parameter(text, shell)
    return values if quoted else [SPLIT.join(value.split()) if value else "" for value in values]


def _lines(out: str) -> list[str]:
    """A command's output, and each of its lines as well where they look like file names: the first may be all that is meant."""
    lines = out.split("\n")
    names = len(lines) > 1 and all("/" in line and " " not in line for line in lines if line)
    return [out, *lines] if names else [out]


def parameter(text: str, shell: Shell) -> list[str]:
    """The values of `$NAME` or of what stands inside `${...}`."""
    indirect = text.startswith("!")
    if text.startswith("#") and len(text) > 1:
        return [HOLE]
    end = 1 if indirect else 0
    while end < len(text) and (text[end] == "_" or text[end].isalnum()):
        end += 1
    end = max(end, 1)
    name, rest = text[indirect:end], text[end:]
    if rest.startswith("["):
        rest = rest[rest.find("]") + 1 :]
    values = shell.value(name)
    if indirect and values is not None:
        values = shell.value(values[0])
    operator = rest.lstrip(":")[:1]
    if values is None:
        if operator in ("-", "=") and operator:
            return shell.text_values(rest.lstrip(":")[1:])
        return [HOLE]
    if not rest or operator in ("-", "=", "?", "^", ","):
        return values
    if operator == "+":
        return shell.text_values(rest.lstrip(":")[1:])
    return [_edited(value, rest) for value in values]


def _edited(value: str, rest: str) -> str:
    """`${NAME%...}`, `${NAME##...}`, `${NAME/a/b}`, `${NAME:0:3}`, as far as plain text goes."""
    if rest in ("%/*", "%%/*"):
        return value.rpartition("/")[0]
    if rest in ("##*/", "#*/"):
        return value.rpartition("/")[2]
    sign = rest[0]
    plain = not any(c in "*?[$" for c in rest)
    if sign == "%" and plain:
        end = rest.lstrip("%")
        return value[: -len(end)] if end and value.endswith(end) else value
    if sign == "#" and plain:
        start = rest.lstrip("#")
        return value[len(start) :] if value.startswith(start) else value
    if sign == "/" and plain:
        old, _, new = rest.lstrip("/").partition("/")
        return value.replace(old, new) if old else value
    if sign == ":":
        numbers = rest[1:].split(":")
        if all(number.strip().isdecimal() and len(number) < 9 for number in numbers):
            first = int(numbers[0])
            return value[first : first + int(numbers[1])] if len(numbers) > 1 else value[first:]
    return HOLE


def _glob(text: str, braces: bool) -> str:
    """Unquoted text with its wildcards marked."""
    out: list[str] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c == "[" and "]" in text[i + 2 :]:
            out.append(ANY)
            i = text.index("]", i + 2)
        elif c in "*?":
            out.append(STAR if c == "*" else ANY)
        elif braces and c in "{,}":
            out.append({"{": LEFT, ",": COMMA, "}": RIGHT}[c])
        else:
            out.append(c)
        i += 1
    return "".join(out)


def _braces(text: str) -> list[str]:
    """`a{b,c}d` as abd, acd; marks that make no pair with a comma are the characters they were."""
    done: list[str] = []
    pending = [text]
    while pending and len(done) + len(pending) <= FIELDS_MAX:
        field = pending.pop()
        right = field.find(RIGHT)
        left = field.rfind(LEFT, 0, max(right, 0))
        if left < 0:
            done.append(field.replace(LEFT, "{").replace(COMMA, ",").replace(RIGHT, "}"))
            continue
        inner = field[left + 1 : right]
        options = inner.split(COMMA)
        if len(options) == 1:
            options = [HOLE if ".." in inner else "{" + inner + "}"]
        pending += [field[:left] + option + field[right + 1 :] for option in reversed(options)]
    return done


def resolve(field: str, cwd: str, user: str) -> str:
    """A field as the path it means: `~` (the home of `user`), `file://`, relative to `cwd`, dots and case taken away."""
    if field.startswith("file://"):
        field = field[7:]
    head, slash, rest = field.partition("/")
    if head == "~" or (head.startswith("~") and head[1:] == user.rpartition("/")[2]):
        return clean(user + slash + rest)
    if head == "~+" or not field.startswith(("/", HOLE)):
        return clean(f"{cwd}/{rest if head == '~+' else field}")
    return clean(field)


def environment(guarded: Guarded) -> dict[str, list[str]]:
    """What the variables say that lead to guarded places."""
    user = guarded.user_home
    state, config = user + "/.local/state", user + "/.config"
    if guarded.state.endswith(OURS):
        state = guarded.state[: -len(OURS)]
    for path in guarded.configs:
        if path.endswith(OURS + "/config.json"):
            config = path[: -len(OURS + "/config.json")]
    known = {
        "HOME": user,
        "TMPDIR": "/tmp",
        "TMP": "/tmp",
        "TEMP": "/tmp",
        "USER": user.rpartition("/")[2],
        "LOGNAME": user.rpartition("/")[2],
        "CIRCUIT_BREAKER_HOME": guarded.state,
        "XDG_STATE_HOME": state,
        "XDG_CONFIG_HOME": config,
        "CLAUDE_PROJECT_DIR": guarded.project,
        "CLAUDE_CONFIG_DIR": guarded.settings[0].rpartition("/")[0]
        if guarded.settings
        else user + "/.claude",
    }
    if guarded.plugin:
        known["CLAUDE_PLUGIN_ROOT"] = guarded.plugin
    return {name: [value] for name, value in known.items() if value}


def assignment(parts: list[Part]) -> bool:
    """Whether a word is `NAME=...`, `NAME+=...` or `NAME[i]=...`."""
    kind, text, quoted = parts[0]
    head, equals, _ = text.partition("=")
    name = head.rstrip("+").partition("[")[0]
    return bool(kind == TEXT and not quoted and equals and name.isidentifier())


def assigned(parts: list[Part], shell: Shell) -> tuple[str, list[str]]:
    """(name, values) of a word that is an assignment."""
    head, _, value = parts[0][1].partition("=")
    name = head.rstrip("+").partition("[")[0]
    rest: list[Part] = [(TEXT, value, False), *parts[1:]] if value else list(parts[1:])
    values = expand([(kind, text, quoted or kind != TEXT) for kind, text, quoted in rest], shell) or [""]
    if head.endswith("+"):
        values = [old + new for old in shell.vars.get(name, [""]) for new in values]
    return name, values


def skip_options(args: list[str], valued: str) -> list[str]:
    """The arguments behind the leading options; `valued` names those whose value is the next argument."""
    names = valued.split()
    i = 0
    while i < len(args) and args[i].startswith("-") and args[i] != "-":
        if args[i] == "--":
            return args[i + 1 :]
        option = args[i].lstrip("-")
        i += 2 if option in names else 1
    return args[i:]


def split_options(args: list[str], valued: str = "") -> tuple[list[str], list[str]]:
    """(options, operands), wherever they stand; behind `--` all are operands. A valued option's value is left out of both."""
    options: list[str] = []
    operands: list[str] = []
    names = valued.split()
    i = 0
    while i < len(args):
        arg = args[i]
        if arg == "--":
            return options, operands + args[i + 1 :]
        if arg.startswith("-") and len(arg) > 1:
            options.append(arg)
            if arg.lstrip("-") in names and i + 1 < len(args):
                options[-1] += "=" + args[i + 1]
                i += 1
        else:
            operands.append(arg)
        i += 1
    return options, operands


def has(options: list[str], letters: str, *names: str) -> bool:
    """Whether a one-letter option (alone or in a bundle) or a long one is among `options`."""
    return any(
        option.lstrip("-").partition("=")[0] in names
        if option.startswith("--")
        else any(letter in option.partition("=")[0] for letter in letters) or option[1:] in names
        for option in options
    )
