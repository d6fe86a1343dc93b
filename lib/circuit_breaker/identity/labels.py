"""Labels of calls and clips of errors, for people: short, without secrets or control characters.

They are the only text of a session that is written to disk.
"""

from __future__ import annotations

from circuit_breaker.identity import masking
from circuit_breaker.identity.calls import PATHS, SHELLS, main_program
from circuit_breaker.identity.results import without_escapes

LABEL_MAX = 60
CLIP_MAX = 160  # characters of a clip
# Programs whose first word is a subcommand or a task, never a secret.
_TASKED = frozenset(
    "git gh npm npx pnpm yarn bun pip pip3 uv poetry cargo go docker docker-compose podman kubectl helm systemctl brew apt"
    " apt-get bundle terraform make just task mise rake gradle gradlew mvn dotnet flutter swift mix composer php artisan"
    " rails django-admin tox nox hatch pre-commit turbo nx deno ng vite next tsc jest vitest playwright aws gcloud az"
    " tmux bd gt rtk entire supabase vercel firebase heroku fly wrangler rustup conda cmake ctest bazel sbt ruff mypy"
    " golangci-lint xcodebuild adb".split()
)
# Programs whose first operand is a script, of any name.
_INTERPRETERS = frozenset("node ruby perl bash sh zsh dash ksh php tsx ts-node Rscript lua pwsh".split())
# First words after which the second word names a task too.
_DEEPER = frozenset(
    "run test exec compose pr issue remote stash worktree branch submodule repo release workflow get describe logs"
    " install build x tool mod rollout image container volume network db functions mol migrate deploy pm ec2 s3 iam"
    " lambda".split()
)
_ENDINGS = tuple(
    ".py .js .mjs .cjs .ts .tsx .jsx .sh .bash .rb .go .rs .java .php .pl .lua .md .json .toml .yaml .yml .txt .log .html .css"
    " .sql .c .h .cpp .ipynb .lock .cfg .ini .xml .csv".split()
)


def label(tool: str, tool_input: object) -> str:
    """`Bash git status`, `Edit app.py`, `mcp__server__tool`: the tool, then the command's first words or the file's name."""
    name = plain(tool)[:LABEL_MAX] or "?"
    if not isinstance(tool_input, dict):
        return name
    if tool in SHELLS:
        return f"{name} {words_label(main_program(tool, tool_input))}".strip()[:LABEL_MAX]
    for parameter in PATHS:
        value = tool_input.get(parameter)
        if isinstance(value, str) and value:
            base = plain(value.rstrip("/").replace("\\", "/").rpartition("/")[2])[:40]
            return f"{name} {base}"[:LABEL_MAX] if base and not masking.looks_secret(base) else name
    return name


def shape(tool: str, tool_input: object) -> str:
    """What calls of one `calls.shape_key` share: `Bash git log`, `Read`."""
    return f"{plain(tool)[:LABEL_MAX]} {words_label(main_program(tool, tool_input)[:2])}".strip()


def words_label(words: list[str]) -> str:
    """The program and up to two plain words after it, none that could be a secret; "" if there is none."""
    program = words[0].partition("@")[0].removeprefix("./") if words else ""  # npx vercel@latest
    if not _is_name(program) or program.startswith("-"):
        return ""
    taken = [program]
    rest = words[1:]
    if program.startswith("python") or program in _INTERPRETERS:
        return " ".join([program, *_script(rest)])
    for word in rest[:2]:
        file = word.replace("\\", "/").rpartition("/")[2]
        known = program in _TASKED if len(taken) == 1 else taken[1] in _DEEPER
        if file.endswith(_ENDINGS) and _is_name(file):
            taken.append(file)
        elif known and _is_task(word):
            taken.append(word)
        else:
            break
    return " ".join(taken)


def _script(words: list[str]) -> list[str]:
    """What an interpreter runs: the name of its script, `-m` and the module, or `-c`; [] if it could be a secret."""
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
    """Whether a word can be shown as the name of a program, module or file: short, plain, no secret."""
    bare = word.replace("-", "").replace("_", "").replace(".", "").replace("+", "")
    is_plain = len(word) <= 30 and word.isascii() and (bare.isalnum() or word == "[")
    return is_plain and not masking.looks_secret(word)


def _is_task(word: str) -> bool:
    """Whether a word can be shown as a subcommand or task: short, lower case, at most two digits."""
    is_plain = word[:1].isalpha() and word.islower() and sum([c.isdigit() for c in word]) <= 2
    return is_plain and len(word) <= 24 and _is_name(word.replace(":", "-"))


def plain(text: str) -> str:
    """The text as one line, without escape sequences and unprintable characters (control, direction marks)."""
    if text.isprintable():
        return text
    if "\x1b" in text or "\x9b" in text:
        text = without_escapes(text.replace("\x9b", "\x1b["))
    return " ".join("".join([c if c.isprintable() else " " for c in text]).split())


def clip(text: str, limit: int = CLIP_MAX, tool_input: object = None) -> str:
    """The text as one line of at most `limit` characters; secrets are masked, those in the call's `tool_input` too."""
    if "\x1b" in text[: limit * 16]:
        text = without_escapes(text[: limit * 16])
    if len(text) > limit * 8:  # cut between words, or half a secret could stay
        text = text[: limit * 8].rstrip()
        text = text[: max(text.rfind(" "), text.rfind("\n"), 0)]
    short = plain(masking.masked(text, tool_input))
    short = " ".join(masking.without_unsearched(short, tool_input).split())
    return short if len(short) <= limit else short[: limit - 1] + masking.MASK
