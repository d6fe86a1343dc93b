"""Which guarded files do find and xargs hand to a command that writes or deletes? Pure."""

from __future__ import annotations

from circuit_breaker.core import tamper_commands
from circuit_breaker.core.tamper_guard import ANY, HOLE, STAR, WILD, fits, folders_above
from circuit_breaker.core.tamper_lex import lex, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

ACTIONS = ("-exec", "-execdir", "-ok", "-okdir")
XARGS_VALUED = (
    "-n",
    "-P",
    "-L",
    "-d",
    "-a",
    "-s",
    "-E",
    "--max-args",
    "--max-procs",
    "--delimiter",
    "--arg-file",
    "-j",
    "--jobs",
)


def find(shell: Shell, name: str, args: list[str]) -> str:
    """Follow a find; return the guarded paths among what it prints."""
    if name in ("fd", "fdfind"):
        return _fd(shell, args)
    roots: list[str] = []
    tests: list[str] = []
    commands: list[list[str]] = []
    i = 0
    while i < len(args):
        if args[i] in ACTIONS:
            end = next((k for k in range(i + 1, len(args)) if args[k] in (";", "+")), len(args))
            commands.append(args[i + 1 : end])
            i = end
        elif args[i][:1] in ("-", "(", "!", "\\") or tests:
            tests += [args[i]] if args[i] not in ("-H", "-L", "-P") else []
        else:
            roots.append(args[i])
        i += 1
    chosen = [path for root in roots or ["."] for path in _chosen(shell, shell.path(root), tests)]
    if "-delete" in tests:
        for path in chosen:
            shell.touch(path)
    for command in commands:
        for path in chosen:
            _with(shell, command, path)
    for test, value in zip(tests, tests[1:]):
        if test in ("-fprint", "-fprintf", "-fprint0", "-fls"):
            shell.touch(value)
    return "\n".join(chosen) or HOLE


def _with(shell: Shell, command: list[str], path: str) -> None:
    """Run a command with `path` in the place of `{}`."""
    tamper_commands.perform(shell, [word.replace("{}", path) for word in command], "")


def _chosen(shell: Shell, root: str, args: list[str]) -> list[str]:
    """The guarded paths, and the folders that hold them, which a find below `root` comes by."""
    if shell.guards.reason(root):
        return [root + "/" + STAR if HOLE in root else root]
    if any(mark in root for mark in WILD):
        above = {cut for sample in shell.guards.samples for cut in folders_above(sample) if fits(root, cut)}
        return [path for cut in sorted(above) for path in _chosen(shell, cut, args)]
    found: list[str] = []
    for sample in shell.guards.samples:
        if not (sample.startswith(root.rstrip("/") + "/") or root == "/"):
            continue
        parts = sample[len(root.rstrip("/")) + 1 :].split("/")
        for depth in range(len(parts) + 1):
            path = "/".join([root.rstrip("/"), *parts[:depth]]) or "/"
            if path not in found and _passes(args, path, root, depth, depth == len(parts)):
                found.append(path)
    return found


def _passes(args: list[str], path: str, root: str, depth: int, is_file: bool) -> bool:
    """Whether find's tests let a path through, as far as names, kinds and depth tell."""
    negated, alternative = False, "-o" in args or "-or" in args
    verdicts: list[bool] = []
    for i, arg in enumerate(args):
        value = args[i + 1] if i + 1 < len(args) else ""
        verdict = None
        if arg in ("!", "-not"):
            negated = True
            continue
        if arg in ("-name", "-iname"):
            verdict = _like(value, path.rpartition("/")[2], False)
        elif arg in ("-path", "-ipath", "-wholename"):
            near = "." + path[len(root.rstrip("/")) :]
            verdict = _like(value, path, True) or _like(value, near, True)
        elif arg in ("-regex", "-iregex"):
            verdict = any(hint in value for hint in ("claude", "circuit", "settings"))
        elif arg == "-type":
            verdict = ("f" in value) if is_file else ("d" in value)
        elif arg in ("-empty", "-xtype"):
            verdict = False
        elif (
            arg == "-maxdepth"
            and value.isdigit()
            and depth > int(value)
            or arg == "-mindepth"
            and value.isdigit()
            and depth < int(value)
            or arg == "-prune"
            and verdicts
            and verdicts[-1]
            and alternative
        ):
            return False
        if verdict is not None:
            if negated and alternative and verdict:
                return False
            verdicts.append(verdict != negated)
            negated = False
    if not verdicts:
        return True
    return any(verdicts) if alternative else all(verdicts)


def _like(pattern: str, text: str, slashes: bool) -> bool:
    """find's own wildcards, which take leading dots and, in -path, slashes."""
    star = HOLE if slashes else STAR
    marked = pattern.lower().replace("*", star).replace("?", ANY).replace(STAR, star)
    if text.startswith(".") and not slashes:
        marked, text = marked.replace(".", "_", 1) if marked.startswith(".") else marked, "_" + text[1:]
    return fits(marked, text)


def _fd(shell: Shell, args: list[str]) -> str:
    """fd PATTERN [FOLDER...] -x COMMAND: hidden files only if asked for."""
    at = next((i for i, arg in enumerate(args) if arg in ("-x", "-X", "--exec", "--exec-batch")), len(args))
    words = [arg for arg in args[:at] if not arg.startswith("-")]
    hidden = any(arg.startswith("-") and ("H" in arg or "u" in arg or "hidden" in arg) for arg in args[:at])
    pattern = words[0].replace("\\", "").strip("^$.*") if words else ""
    tests = ["-path", f"*{pattern}*"] if pattern else []
    chosen: list[str] = []
    for root in words[1:] or ["."]:
        chosen += _chosen(shell, shell.path(root), tests)
    if not hidden:
        chosen = [
            path for path in chosen if "/." not in path[len(shell.path(words[1] if words[1:] else ".")) :]
        ]
    for path in chosen:
        command = args[at + 1 :]
        _with(shell, command if any("{" in word for word in command) else [*command, "{}"], path)
    return "\n".join(chosen) or HOLE


def _words(text: str, whole_lines: bool) -> list[str]:
    """The words of a text as xargs takes them apart: at blanks, unless quoted, or at separators alone."""
    if whole_lines or "\0" in text:
        return [line for line in text.replace("\0", "\n").split("\n") if line]
    return ["".join(part[1] for part in parts) for _, parts in words_of(lex(text))]


def xargs(shell: Shell, name: str, args: list[str], stdin: str) -> None:
    """xargs and parallel: the words of stdin (or behind `:::`) become arguments."""
    mark, i = "", 0
    for option, value in zip(args, args[1:]):
        if option in ("-a", "--arg-file"):
            stdin = shell.content(value) or stdin
    words = _words(stdin, "-0" in args or "-d" in args) or [HOLE]
    if name == "parallel" and ":::" in args:
        words = args[args.index(":::") + 1 :]
        args = args[: args.index(":::")]
    while i < len(args) and args[i].startswith("-"):
        if args[i] in ("-I", "-i", "--replace") and i + 1 < len(args):
            mark, i = args[i + 1], i + 1
        elif args[i].startswith("-I") and len(args[i]) > 2:
            mark = args[i][2:]
        elif args[i] in XARGS_VALUED:
            i += 1
        i += 1
    command = args[i:]
    if name == "parallel" and len(command) == 1:
        command = command[0].split()
    mark = mark or ("{}" if any("{}" in word for word in command) else "")
    if not command:
        return
    for word in words[:64] if mark else [""]:
        filled = [part.replace(mark, word) for part in command] if mark else [*command, *words[:512]]
        tamper_commands.perform(shell, filled, "")
