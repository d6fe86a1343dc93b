"""What people read of a call and of an error: clipped labels, without secrets or control characters.

Labels and clips are the only text of a session that reaches the disk.
"""

from __future__ import annotations

from circuit_breaker.identity import masking, shell_commands, shell_line
from circuit_breaker.identity.calls import SHELLS, bare_look, shell_command
from circuit_breaker.identity.errors import own_lines
from circuit_breaker.identity.results import without_escapes

LABEL_MAX = 60
CLIP_MAX, HEAD_MAX = 160, 60  # characters of an error that people read, and of its first line in them
_PATHS = ("file_path", "path", "notebook_path", "filePath")
# Programs whose first word is a subcommand or the name of a task: no secret stands there.
_TASKED = frozenset(
    "git gh npm npx pnpm yarn bun pip pip3 uv poetry cargo go docker docker-compose podman kubectl helm systemctl brew apt"
    " apt-get bundle terraform make just task mise rake gradle gradlew mvn dotnet flutter swift mix composer php artisan"
    " rails django-admin tox nox hatch pre-commit turbo nx deno ng vite next tsc jest vitest playwright aws gcloud az"
    " tmux bd gt rtk entire supabase vercel firebase heroku fly wrangler rustup conda cmake ctest bazel sbt ruff mypy"
    " golangci-lint xcodebuild adb".split()
)
# Programs whose first operand is a script, whatever it is called.
_INTERPRETERS = frozenset("node ruby perl bash sh zsh dash ksh php tsx ts-node Rscript lua pwsh".split())
# First words after which a second one names a task as well.
_DEEPER = frozenset(
    "run test exec compose pr issue remote stash worktree branch submodule repo release workflow get describe logs"
    " install build x tool mod rollout image container volume network db functions mol migrate deploy pm ec2 s3 iam"
    " lambda".split()
)
_ENDINGS = (
    ".py .js .mjs .cjs .ts .tsx .jsx .sh .bash .rb .go .rs .java .php .pl .lua .md .json .toml .yaml .yml .txt .log .html .css"
    " .sql .c .h .cpp .ipynb .lock .cfg .ini .xml .csv"
).split()


def error_clip(text: str, tool_input: object) -> str:
    """What people read of an error: the first and the last line that say most, without what only echoes the input."""
    first, last = _telling_lines("\n".join(own_lines(text, tool_input)))
    found = clip(first, HEAD_MAX if last else CLIP_MAX, tool_input)
    return f"{found} … {clip(last, CLIP_MAX - HEAD_MAX, tool_input)}" if last else found


def _telling_lines(text: str) -> tuple[str, str]:
    """The lines of a long error that say most: its first, and its last, where a traceback or a test run names what broke."""
    lines = text.split("\n")
    if len(lines) < 3 or len(text) < CLIP_MAX:
        return text, ""
    return lines[0], lines[-1]


def label(tool: str, tool_input: object) -> str:
    """`Bash git status`, `Edit app.py`, `mcp__server__tool`: the tool, and the first plain words or the file's base name."""
    name = plain(tool)[:LABEL_MAX] or "?"
    if not isinstance(tool_input, dict):
        return name
    if tool in SHELLS:
        return f"{name} {_command_label(shell_command(tool, tool_input))}".strip()[:LABEL_MAX]
    for parameter in _PATHS:
        value = tool_input.get(parameter)
        if isinstance(value, str) and value:
            base = plain(value.rstrip("/").replace("\\", "/").rpartition("/")[2])[:40]
            return f"{name} {base}"[:LABEL_MAX] if base and not masking.looks_secret(base) else name
    return name


def _command_label(command: str) -> str:
    """The program and up to two plain words after it; nothing that could be a secret."""
    look = bare_look(command)
    if look:
        return words_label(look)
    for segment in shell_commands.segments(shell_line.normalise(command[:2000], "")[0]):
        words = shell_commands.program(segment.words)
        if words:
            return words_label(words)
    return ""


def words_label(words: list[str]) -> str:
    """The program and up to two plain words after it."""
    program = words[0]
    if not _is_name(program) or program.startswith("-"):
        return ""
    taken = [program]
    rest = words[1:]
    if program.startswith("python") or program in _INTERPRETERS:
        return " ".join([program, *_script(rest)])
    for word in rest[:2]:
        file = word.replace("\\", "/").rpartition("/")[2]
        if file.endswith(tuple(_ENDINGS)) and _is_name(file):
            taken.append(file)
        elif not _is_task(word) or (program if len(taken) == 1 else taken[1]) not in (
            _TASKED if len(taken) == 1 else _DEEPER
        ):
            break
        else:
            taken.append(word)
            if program not in _TASKED:
                break
    return " ".join(taken)


def _script(words: list[str]) -> list[str]:
    """What an interpreter runs: its script by its name, `-m` and the module, or `-c`; [] where that cannot be shown."""
    for i, word in enumerate(words):
        if word == "-m" and words[i + 1 : i + 2] and _is_name(words[i + 1]):
            return ["-m", words[i + 1]]
        if word in ("-c", "-e", "-"):
            return [word]
        if word[:1] != "-":
            file = word.replace("\\", "/").rstrip("/").rpartition("/")[2]
            return [file] if _is_name(file) else []
    return []


def _is_name(word: str) -> bool:
    """The name of a program, a module or a file: short, and nothing of a value."""
    bare = word.replace("-", "").replace("_", "").replace(".", "").replace("+", "")
    return (
        0 < len(word) <= 30
        and word.isascii()
        and (bare.isalnum() or word == "[")
        and not masking.looks_secret(word)
    )


def _is_task(word: str) -> bool:
    """A subcommand or the name of a task: short and lower-case, hardly a digit."""
    bare = word.replace("-", "").replace("_", "").replace(":", "").replace(".", "")
    return (
        _is_name(word.replace(":", "-"))
        and word[0].isalpha()
        and word.islower()
        and sum([c.isdigit() for c in bare]) <= 2
        and len(word) <= 24
    )


def plain(text: str) -> str:
    """One line without escape sequences, control characters and characters that turn the reading direction."""
    if text.isprintable():
        return text
    if "\x1b" in text or "\x9b" in text:
        text = without_escapes(text.replace("\x9b", "\x1b["))
    return " ".join("".join([c if c.isprintable() else " " for c in text]).split())


def clip(text: str, limit: int = CLIP_MAX, tool_input: object = None) -> str:
    """One line of at most `limit` characters, secrets masked; `tool_input` is the call's own, whose secrets are masked too."""
    if "\x1b" in text[: limit * 16]:
        text = without_escapes(text[: limit * 16])
    if len(text) > limit * 8:  # no piece of a word that goes on
        text = text[: limit * 8].rstrip()
        text = text[: max(text.rfind(" "), text.rfind("\n"), 0)]
    short = plain(masking.masked(text, tool_input))
    short = " ".join(masking.without_words_of(short, masking.unsearched(tool_input)).split())
    return short if len(short) <= limit else short[: limit - 1] + masking.MASK
