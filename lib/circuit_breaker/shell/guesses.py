"""Whether a shell line that is not known to look probably does: good enough after a wait. Pure."""

from __future__ import annotations

from circuit_breaker.shell import live, powershell, programs, reading, shell_line, snippets
from circuit_breaker.shell.shell_line import is_in, operands

# Programs that are known to act, besides those of the other tables.
_ACTING = (
    " nox karma ruff mypy black flake8 pylint pyright rollup esbuild sbt gradlew mvnw cmake bazel flutter dart gcc g++ cc clang clang++"
    " rustc javac kotlinc java scala mix stack cabal zig gem apt-get dnf yum apk pacman ansible-playbook rails rsync scp sftp zip sudo"
    " su open start createdb dropdb pg_dump pg_restore ffmpeg convert magick wget http https xh telnet ssh claude codex gemini aider"
    " xdotool screen dotnet "
)
_ALSO_CHANGING = " run test stuff invoke call execute post fix format clean setup "
# Whether a line acts, is not known, or looks: it runs code that only reads, or its words say that it shows something.
ACTS, UNKNOWN, LOOKS = 0, 1, 2
_REPOSITORIES = ("git", "hg", "svn", "jj", "dvc")
_TASK_RUNNERS = " make just task rake mise npm pnpm yarn bun composer "
_SCRIPT_RUNNERS = ("tsx", "ts-node", "deno", "bun")


def guess(command: str, depth: int = 0) -> int:
    """ACTS, UNKNOWN or LOOKS: of the parts of a line the least."""
    if not command or len(command) > shell_line.LONGEST or depth > shell_line.DEPTH:
        return ACTS
    return min((_guess(segment, depth) for segment in shell_line.segments(command)), default=ACTS)


def _guess(segment: shell_line.Segment, depth: int) -> int:
    if reading.reads(segment):
        return LOOKS
    words = shell_line.program(segment.words)
    read = all(reading.is_reading(inner, loosely=True) for inner in segment.inner)
    if not words or segment.targets or not read:
        return ACTS
    words = shell_line.program(reading.behind_runner(words)) or words
    name, rest, line = words[0], words[1:], reading.inner_line(words)[1]
    if line:
        return guess(line, depth + 1)
    if segment.given and rest in ([], ["-"]):
        rest = ["-c", segment.given]
    if snippets.only_looks(name, rest) or _says_it_looks(name, rest):
        return LOOKS
    own = "/" in segment.words[shell_line.program_at(segment.words)]
    script = live.script_of(name, operands(rest)) or (name if own else "")
    verb = script.replace("-", "_").partition("_")[0]
    if verb == "check" or is_in(verb, live.LOOKING):
        return UNKNOWN  # python check_job.py
    return ACTS if own or name in reading.SHELL_PROGRAMS or _acts(name, rest) else UNKNOWN


def _acts(name: str, rest: list[str]) -> bool:
    """Whether a program is known, so that other tables say what it does, or its first words say that it changes something."""
    if name in _REPOSITORIES and operands(rest)[:1] in (["pull"], ["update"], ["up"], ["incoming"]):
        return False  # it shows whether there is something new, and takes it
    bare = name.rstrip("0123456789.")
    tables = (programs.HOUSEKEEPING, programs.BUILDERS, programs.BINARIES, reading.EDITORS, reading.RUNNERS)
    if bare in programs.INTERPRETERS or name in reading.SUBCOMMANDS or any(name in known for known in tables):
        return True
    listed = (reading.READING, reading.TESTERS, live.ALWAYS, live.SERVICES, live.OF_FILES, live.DATABASES)
    if any(is_in(bare, known) or is_in(name, known) for known in (*listed, _ACTING)):
        return True
    if "-" in name and powershell.cmdlet_reads(name, rest) is not None:
        return True
    return any(map(changes, [name, *operands(rest)[:2]]))


def _says_it_looks(name: str, rest: list[str]) -> bool:
    """Whether the words say that it lists or shows something: `X list`, `make db-status`, `cargo run -- status`."""
    if "--" in rest:
        rest = rest[rest.index("--") + 1 :]
    elif name == "go" and rest[:1] == ["run"]:
        rest = rest[2:]
    elif name.rstrip("0123456789.") in (*programs.INTERPRETERS, *_SCRIPT_RUNNERS):
        rest = [word for word in rest if word != "run"]
        script = next(iter(operands(rest)), "")
        if live.tells(live.script_of(script, [])):
            return True
        rest = rest[rest.index(script) + 1 :] if script else []  # manage.py showmigrations
        if any(map(live.tells, operands(rest)[:1])):
            return True
    first, second, *_ = [*operands(rest), "", ""]
    if is_in(name, _TASK_RUNNERS):
        return live.tells(second if first == "run" else first)
    if changes(first) or changes(name):
        return False
    if any(word in live.ASKING for word in rest) or first.startswith("show") or first.endswith(live.ENDS):
        return True
    return is_in(first, live.LOOKING) or (is_in(second, live.LOOKING) and first.replace("-", "").isalpha())


def changes(word: str) -> bool:
    """Whether a subcommand, or the first word of a tool's name, says that something is changed."""
    return is_in(word, live.CHANGING) or is_in(word, _ALSO_CHANGING)
