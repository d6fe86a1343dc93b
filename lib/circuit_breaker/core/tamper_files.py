"""Which files does a program write, move or delete? One function for each family of programs. Pure."""

from __future__ import annotations

from circuit_breaker.core import tamper_code, tamper_find, tamper_git
from circuit_breaker.core.reading import READING
from circuit_breaker.core.tamper_guard import HOLE, STAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

READERS = READING | frozenset(
    [
        "batcat",
        "md5",
        "sha512sum",
        "shasum",
        "b2sum",
        "sdiff",
        "delta",
        "hd",
        "pr",
        "expand",
        "whence",
        "zless",
        "gzcat",
        "bzcat",
        "xzcat",
        "base64",
        "fuser",
        "getfacl",
        "lsattr",
        "namei",
        "lsd",
        "yes",
        "cloc",
        "tokei",
        "scc",
        "pytest",
        "mypy",
        "pyright",
        "flake8",
        "pylint",
        "shellcheck",
        "hadolint",
        "tsc",
        "jsonlint",
        "plutil",
        "open",
        "xdg-open",
        "gh",
        "glow",
        "pygmentize",
        "let",
        "shift",
        "return",
        "exit",
        "break",
        "continue",
        "unset",
        "alias",
        "unalias",
        "kill",
        "pkill",
        "killall",
        "umask",
        "ulimit",
        "shopt",
        "getopts",
        "hash",
        "bg",
        "fg",
        "disown",
        "logger",
        "say",
        "notify-send",
        "in",
        "esac",
        "info",
        "tldr",
        "bc",
        "expr",
    ]
)
PASSING = ("cat", "sort", "uniq", "head", "tail", "tac", "tee", "rev", "grep", "egrep", "rg", "fgrep")
REMOVERS = (
    "rm",
    "unlink",
    "shred",
    "srm",
    "trash",
    "trash-put",
    "rimraf",
    "del-cli",
    "rmtrash",
    "rmdir",
    "wipe",
    "gio",
    "del",
    "rd",
    "grm",
)
COPIERS = ("cp", "install", "ln", "scp", "ditto", "gcp", "link", "pax")
VALUED = {"cp": "S suffix t target-directory", "mv": "S suffix t target-directory", "ln": "S suffix t target-directory",
          "install": "m o g S t mode owner group target-directory", "rsync": "e f rsh exclude include filter exclude-from files-from"}  # fmt: skip


def perform(shell: Shell, name: str, args: list[str], stdin: str) -> str:
    """Follow a program that handles files; return what it prints."""
    if name in REMOVERS:
        _remove(shell, name, args)
    elif name in ("mv", "gmv", "rename", "mmv"):
        _move(shell, args)
    elif name in COPIERS:
        _copy(shell, name, args)
    elif name == "rsync":
        _rsync(shell, args)
    elif name in ("chmod", "chown", "chgrp", "chattr", "chflags", "setfacl", "xattr"):
        _permissions(shell, args)
    elif name in ("tar", "gtar", "bsdtar"):
        _tar(shell, args)
    elif name in ("unzip", "7z", "7za", "unrar"):
        _unpack(shell, name, args)
    elif name in ("find", "gfind", "fd", "fdfind"):
        return tamper_find.find(shell, name, args)
    elif name in ("xargs", "gxargs", "parallel"):
        tamper_find.xargs(shell, name, args, stdin)
    elif name == "git":
        return tamper_git.git(shell, args, stdin)
    elif name in ("sed", "gsed", "awk", "gawk", "mawk"):
        _edit_stream(shell, name, args, stdin)
    elif name in ("curl", "wget", "sort", "jq", "yq", "gzip", "gunzip", "dd", "zip", "dasel"):
        _writes_by_option(shell, name, args)
    elif name in ("patch", "ed", "ex", "sponge", "at", "batch", "crontab"):
        _reads_orders(shell, name, args, stdin)
    elif name not in READERS:
        for arg in args:
            unknown(shell, arg)
    return _printed(shell, name, args, stdin)


def unknown(shell: Shell, arg: str) -> None:
    """An argument of a program that we do not know: taken for a file it writes, if it looks like a path at all."""
    for value in {arg, arg.partition("=")[2], arg[2:] if arg[:1] == "-" else ""}:
        if "/" in value or "~" in value or "." in value or STAR in value:
            shell.touch(value)


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


def _remove(shell: Shell, name: str, args: list[str]) -> None:
    options, operands = split_options(args)
    tree = has(options, "rR", "recursive") or name not in ("rm", "unlink", "shred", "rmdir", "grm")
    for operand in operands:
        shell.touch(operand, tree)


def _destination(options: list[str], operands: list[str]) -> tuple[list[str], str]:
    """(sources, destination) of cp, mv, ln and install."""
    for option in options:
        head, equals, value = option.partition("=")
        if equals and head in ("-t", "--target-directory"):
            return operands, value
        if head.startswith("-t") and len(head) > 2:
            return operands, head[2:]
    return operands[:-1], operands[-1] if len(operands) > 1 else ""


def _inside(target: str, source: str) -> str:
    """Where `source` lands when `target` is a folder."""
    base = source.rstrip("/").rpartition("/")[2]
    return f"{target}/{STAR if base in ('', '.', '..') else base}"


def _move(shell: Shell, args: list[str]) -> None:
    options, operands = split_options(args, VALUED["mv"])
    sources, target = _destination(options, operands)
    for source in sources:
        shell.touch(source, True)
        shell.touch(_inside(target, source), True)
    shell.touch(target)


def _copy(shell: Shell, name: str, args: list[str]) -> None:
    options, operands = split_options(args, VALUED.get(name, ""))
    sources, target = _destination(options, operands)
    if name == "install" and has(options, "d", "directory"):
        sources, target = [], ""
        for operand in operands:
            shell.touch(operand)
    if name in ("ln", "link") and len(operands) == 1:
        sources, target = operands, "."
    tree = has(options, "rRa", "recursive", "archive") or name == "ditto"
    links = name in ("ln", "link") or has(options, "sl", "symbolic-link", "link")
    shell.touch(target)
    for source in sources:
        shell.touch(_inside(target, source), tree)
        if links:
            place, led = shell.path(target), shell.path(_link_target(shell, source, target, options))
            shell.links += [(place, led), (shell.path(_inside(target, source)), led)]


def _link_target(shell: Shell, source: str, target: str, options: list[str]) -> str:
    """What a link leads to: a symbolic one is read from the folder it stands in, where that makes a difference."""
    if not has(options, "s", "symbolic") or source[:1] in ("/", "~", HOLE):
        return source
    beside = shell.path(target).rpartition("/")[0] + "/" + source
    return beside if shell.guards.reason(shell.path(beside), True) else source


def _rsync(shell: Shell, args: list[str]) -> None:
    options, operands = split_options(args, VALUED["rsync"])
    target = operands[-1] if len(operands) > 1 else ""
    spared = any(".claude" in option for option in options)
    deletes = any(option.startswith("--del") for option in options) and not spared
    for source in operands[:-1]:
        shell.touch(f"{target}/{STAR}" if source.endswith("/") else _inside(target, source), True)
        if any(option.startswith("--remove-source") for option in options):
            shell.touch(source, True)
    if target:
        shell.touch(target, deletes)


def _permissions(shell: Shell, args: list[str]) -> None:
    """On a guarded path: any change. On a folder above one: only what takes the owner's rights away."""
    operands = [arg for arg in args if not arg.startswith("-") or arg[1:2] in ("r", "w", "x")]
    mode = operands[0] if operands else ""
    takes = mode[:1] == "-" or any(f"{who}{sign}" in mode for who in "ua" for sign in "-=")
    takes = takes or (mode.isdigit() and mode[-3:-2] < "6")
    for operand in operands:
        shell.touch(operand, takes)


def _tar(shell: Shell, args: list[str]) -> None:
    first = args[0] if args and not args[0].startswith("-") else ""
    letters = first + "".join(arg[1:] for arg in args if arg.startswith("-") and not arg.startswith("--"))
    extracts = "x" in letters or "--extract" in args or "--get" in args
    creates = any(c in letters for c in "cru") or "--create" in args
    folder, members = ".", []
    i = 1 if first else 0
    archive = 1 if first and "f" in first else 0  # `tar xf ARCHIVE`: the bundle's value comes first
    while i < len(args):
        arg = args[i]
        if arg in ("-C", "--directory") and i + 1 < len(args):
            folder, i = args[i + 1], i + 1
        elif arg.startswith(("--directory=", "-C")):
            folder = arg.partition("=")[2] or arg[2:]
        elif arg == "--file" or (arg.startswith("-") and not arg.startswith("--") and arg.endswith("f")):
            if creates and i + 1 < len(args):
                shell.touch(args[i + 1])
            i += 1
        elif arg in ("-X", "-T", "--exclude-from", "--files-from", "--exclude"):
            i += 1
        elif not arg.startswith("-"):
            if archive:
                archive = 0
                if creates:
                    shell.touch(arg)
            else:
                members.append(arg)
        i += 1
    if extracts:
        for member in members or [STAR]:
            shell.touch(f"{folder}/{member}", bool(members))
            shell.touch(folder)
    if "--remove-files" in args:
        for member in members:
            shell.touch(f"{folder}/{member}", True)


def _unpack(shell: Shell, name: str, args: list[str]) -> None:
    folder = "."
    for i, arg in enumerate(args):
        if name == "unzip" and arg == "-d" and i + 1 < len(args):
            folder = args[i + 1]
        elif name != "unzip" and arg.startswith("-o"):
            folder = arg[2:]
    if "-l" in args or "-t" in args or args[:1] in (["l"], ["t"]):
        return
    shell.touch(folder)
    shell.touch(f"{folder}/{STAR}")


def _edit_stream(shell: Shell, name: str, args: list[str], stdin: str) -> None:
    """sed and awk: in place, or writing to a file that their program names."""
    awk = "awk" in name
    place = any(a == "inplace" for a in args) if awk else any(a.startswith("--in-place") for a in args)
    if not awk:
        place = place or any(a[:1] == "-" and a[:2] != "--" and "i" in a.split("e")[0] for a in args)
    for arg in args:
        if place:
            shell.touch(arg)
        elif awk and (">" in arg or "system" in arg):
            tamper_code.judge(shell, arg)
            for text in tamper_code.literals(arg):
                if "print" in arg:
                    shell.touch(text)
        elif not awk and ("w " in arg):
            for line in arg.replace(";", "\n").split("\n"):
                shell.touch(line.rpartition("w ")[2].strip())


def _writes_by_option(shell: Shell, name: str, args: list[str]) -> None:
    """Programs that read their operands and write where an option says."""
    if name == "dd":
        for arg in args:
            if arg.startswith("of="):
                shell.touch(arg[3:])
        return
    options, operands = split_options(args)
    if name in ("gzip", "gunzip", "zip"):
        if not has(options, "clt", "stdout", "list", "test"):
            for operand in operands[:1] if name == "zip" else operands:
                shell.touch(operand)
        return
    if name in ("jq", "yq", "dasel"):
        if has(options, "i", "inplace", "in-place"):
            for operand in operands:
                shell.touch(operand)
        return
    for i, arg in enumerate(args):
        if arg in (
            "-o",
            "-O",
            "-P",
            "--output",
            "--output-document",
            "--output-dir",
            "--directory-prefix",
            "-D",
            "-c",
        ):
            following = args[i + 1] if i + 1 < len(args) else ""
            shell.touch(following)
            shell.touch(following + "/" + STAR)
        elif arg.startswith(("-o", "-O", "--output")):
            shell.touch(arg.partition("=")[2] or arg[2:])
        elif arg in ("-OJ", "-JO", "--remote-name", "-LO", "-sO", "-sLO", "-fsSLO") or (
            name == "wget" and not options
        ):
            shell.touch("./" + operands[-1].rstrip("/").rpartition("/")[2] if operands else "")


def _reads_orders(shell: Shell, name: str, args: list[str], stdin: str) -> None:
    """Programs that are told on stdin what to write or run."""
    for arg in args:
        if arg != "-":
            unknown(shell, arg)
    text = stdin if stdin != HOLE else ""
    if name in ("at", "batch"):
        shell.child().run(text)
    for line in text.split("\n"):
        if name == "crontab":
            shell.child().run(" ".join(line.split()[5:]))
        elif line.startswith(("+++ ", "--- ", "rename to ", "w ", "wq ")):
            place = line.split()[-1]
            shell.touch(place)
            shell.touch(place.partition("/")[2] if place[:2] in ("a/", "b/") else "")


def _printed(shell: Shell, name: str, args: list[str], stdin: str) -> str:
    """What a program prints, where it is plain enough to be told."""
    options, operands = split_options(args)
    if name == "pwd":
        return shell.cwd
    if name in ("realpath", "readlink", "grealpath") and operands:
        return shell.path(operands[-1])
    if name == "dirname" and operands:
        return operands[0].rstrip("/").rpartition("/")[0] or "."
    if name == "basename" and operands:
        return operands[0].rstrip("/").rpartition("/")[2]
    if name == "ls":
        return "\n".join(f"{o}\n{o}/{STAR}\n{STAR}" for o in operands) if operands else STAR
    if name not in PASSING:
        return HOLE
    if name in ("grep", "egrep", "rg", "fgrep"):
        return _filtered(options, operands, stdin)
    known = [shell.files.get(shell.path(operand), "") for operand in operands]
    if any(known):
        return "\n".join(known)
    return (stdin or HOLE) if not operands or name in ("tee", "head", "tail") else HOLE


def _filtered(options: list[str], operands: list[str], stdin: str) -> str:
    """What grep lets through of known text; HOLE where its pattern is no plain text."""
    pattern = operands[0].replace("\\", "").strip("^$") if operands else ""
    if len(operands) > 1:
        paths = [f"{operand}/{HOLE}\n{operand}" for operand in operands[1:]]
        return "\n".join(paths) if has(options, "lL", "files-with-matches") else HOLE
    if not stdin or any(c in "*[+?(|" for c in pattern):
        return HOLE
    without = has(options, "v", "invert-match")
    return "\n".join(line for line in stdin.split("\n") if (pattern in line) != without)
