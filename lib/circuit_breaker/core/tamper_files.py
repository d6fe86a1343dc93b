"""Which files does a program write, move or delete? One function for each family of programs. Pure."""

from __future__ import annotations

from circuit_breaker.core import tamper_find, tamper_git, tamper_streams
from circuit_breaker.core.reading import is_listed
from circuit_breaker.core.tamper_code import judge
from circuit_breaker.core.tamper_guard import HOLE, STAR
from circuit_breaker.core.tamper_programs import container, unknown
from circuit_breaker.core.tamper_words import has, split_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

OTHER_READING = frozenset((
    "batcat", "md5", "sha512sum", "shasum", "b2sum", "sdiff", "delta", "hd", "pr", "expand", "whence",
    "zless", "gzcat", "bzcat", "xzcat", "base64", "fuser", "getfacl", "lsattr", "namei", "lsd", "yes",
    "cloc", "tokei", "scc", "pytest", "mypy", "pyright", "flake8", "pylint", "shellcheck", "hadolint",
    "tsc", "jsonlint", "open", "xdg-open", "gh", "glow", "pygmentize", "let", "shift", "return",
    "exit", "break", "continue", "unset", "alias", "unalias", "kill", "pkill", "killall", "umask", "ulimit",
    "shopt", "getopts", "hash", "bg", "fg", "disown", "logger", "say", "notify-send", "in", "esac", "info",
    "tldr", "bc", "expr",
))  # fmt: skip
ORDERS = (
    "-c",
    "-qc",
    "-e",
    "-ec",
    "--command",
    "--eval",
    "--exec",
    "--cmd",
    "-x",
)  # options whose value is a program
REMOVERS = frozenset(
    [
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
    ]
)
COPIERS = frozenset(["cp", "install", "ln", "scp", "ditto", "gcp", "link", "pax", "aws", "gsutil"])
VALUED = {"cp": "S suffix t target-directory", "mv": "S suffix t target-directory", "ln": "S suffix t target-directory",
          "install": "m o g S t mode owner group target-directory", "rsync": "e f rsh exclude include filter exclude-from files-from"}  # fmt: skip


def perform(shell: Shell, name: str, args: list[str], stdin: str) -> str:
    """Follow a program that handles files; return what it prints."""
    if name in REMOVERS:
        _remove(shell, name, args)
    elif name in ("mv", "gmv"):
        _move(shell, args)
    elif name in ("rename", "prename", "mmv"):
        _remove(shell, name, args)
    elif name in COPIERS:
        _copy(shell, name, args)
    elif name == "rsync":
        _rsync(shell, args)
    elif name in ("chmod", "chown", "chgrp", "chattr", "chflags", "setfacl", "xattr"):
        _permissions(shell, args)
    elif name in ("tar", "gtar", "bsdtar"):
        _tar(shell, args)
    elif name in ("unzip", "7z", "7za", "unrar", "cpio"):
        _unpack(shell, name, args)
    elif name in ("find", "gfind", "fd", "fdfind"):
        return tamper_find.find(shell, name, args)
    elif name in ("xargs", "gxargs", "parallel"):
        tamper_find.xargs(shell, name, args, stdin)
    elif name == "git":
        return tamper_git.git(shell, args, stdin)
    elif name in ("sed", "gsed", "awk", "gawk", "mawk"):
        tamper_streams.edit_stream(shell, name, args)
    elif name in (
        "curl",
        "wget",
        "sort",
        "jq",
        "yq",
        "gzip",
        "gunzip",
        "bzip2",
        "xz",
        "zstd",
        "dd",
        "zip",
        "dasel",
    ):
        tamper_streams.by_option(shell, name, args)
    elif name in ("patch", "ed", "ex", "sponge", "at", "batch", "crontab", "make", "gmake"):
        tamper_streams.told(shell, "make" if name == "gmake" else name, args, stdin)
    elif name in ("docker", "podman", "nerdctl"):
        container(shell, args)
    elif not is_listed(name) and name not in OTHER_READING:
        _unknown_program(shell, name, args)
    return tamper_streams.printed(shell, name, args, stdin)


def _unknown_program(shell: Shell, name: str, args: list[str]) -> None:
    """A program nobody here knows: its arguments may be files it writes, or orders in a language of its own."""
    remote = name in ("ssh", "mosh", "kubectl") and not {"localhost", "127.0.0.1", "::1"} & set(args)
    taking = name in ("rclone", "cmake", "lftp") and bool(
        {"sync", "purge", "delete", "rm", "remove_directory", "mirror"} & set(args)
    )
    for before, arg in zip(["", *args], args):
        if remote:
            continue
        unknown(shell, arg)
        shell.touch(arg if taking else "", True)
        orders = arg.lstrip(".!")
        if " " in arg and (before in ORDERS or orders != arg or name == "ssh"):
            shell.child().run(
                orders.partition(" ")[2] if orders.startswith(("shell ", "system ")) else orders
            )
            judge(shell, arg)


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
        led = shell.path(source)
        shell.copies += [(shell.path(target), led), (shell.path(_inside(target, source)), led)]
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
        else:
            led = shell.path(source)
            shell.copies += [(shell.path(target), led), (shell.path(_inside(target, source)), led)]


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
        if arg in ("-d", "-D") and name in ("unzip", "cpio") and i + 1 < len(args):
            folder = args[i + 1]
        elif arg.startswith("-o") and name not in ("unzip", "cpio"):
            folder = arg[2:]
    operands = [arg for arg in args if not arg.startswith("-")]
    if name.startswith("7z") and operands[:1] in (["a"], ["u"], ["d"]):
        shell.touch(operands[1] if len(operands) > 1 else "")
        for operand in operands[2:] if "-sdel" in args else []:
            shell.touch(operand, True)
    elif "-l" not in args and "-t" not in args and operands[:1] not in (["l"], ["t"]):
        shell.touch(folder)
        shell.touch(f"{folder}/{STAR}")
