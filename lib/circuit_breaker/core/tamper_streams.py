"""What do editors of streams, fetchers and told programs write, and what do readers print? Pure."""

from __future__ import annotations

from circuit_breaker.core import tamper_code
from circuit_breaker.core.tamper_guard import HOLE, STAR, Tampered
from circuit_breaker.core.tamper_lex import unescape
from circuit_breaker.core.tamper_programs import unknown
from circuit_breaker.core.tamper_words import has, split_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

PASSING = ("cat", "sort", "uniq", "head", "tail", "tac", "tee", "grep", "egrep", "rg", "fgrep")
GREPS = ("grep", "egrep", "rg", "fgrep")
OUTPUTS = ("-o", "-O", "-P", "--output", "--output-document", "--output-dir", "--directory-prefix", "-D")
HEADERS = ("+++ ", "--- ", "rename to ", "w ", "wq ")  # lines that name a file: of patches, of ed


def edit_stream(shell: Shell, name: str, args: list[str]) -> None:
    """sed and awk: in place, or writing to a file that their program names."""
    if "awk" in name:
        for arg in args:
            if "inplace" in args:
                shell.touch(arg)
            elif ">" in arg or "system" in arg or "|" in arg:
                tamper_code.judge(shell, arg)
                reason = (
                    tamper_code.named(shell, arg.lower(), tamper_code.literals(arg)) if ">" in arg else ""
                )
                if reason and "print" in arg:
                    raise Tampered(reason)
        return
    flags = [arg for arg in args if arg[:1] == "-"]
    place = any(
        flag.startswith("--in-place") or (flag[:2] != "--" and "i" in flag.split("e")[0]) for flag in flags
    )
    for arg in args:
        if place:
            shell.touch(arg)
        elif "w " in arg:
            for line in arg.replace(";", "\n").split("\n"):
                shell.touch(line.rpartition("w ")[2].strip())


def by_option(shell: Shell, name: str, args: list[str]) -> None:
    """Programs that read their operands and write where an option says."""
    options, operands = split_options(args)
    written: list[str] = []
    if name == "dd":
        written = [arg[3:] for arg in args if arg.startswith("of=")]
    elif name == "zip":
        written = operands[:1]
        for operand in operands[1:] if has(options, "m", "move") else []:
            shell.touch(operand, True)
    elif name in ("gzip", "gunzip", "bzip2", "xz", "zstd"):
        written = [] if has(options, "clt", "stdout", "list", "test") else operands
    elif name in ("jq", "yq", "dasel"):
        written = operands if has(options, "i", "inplace", "in-place") else []
    else:
        written = _fetched(name, args, operands)
    for place in written:
        shell.touch(place)


def _fetched(name: str, args: list[str], operands: list[str]) -> list[str]:
    """Where curl, wget and sort put what they get."""
    written: list[str] = []
    remote = name == "wget"
    for i, arg in enumerate(args):
        following = args[i + 1] if i + 1 < len(args) else ""
        bundle = arg[1:] if arg[:1] == "-" and arg[:2] != "--" else ""
        if arg in OUTPUTS or bundle[-1:] == "o" or (name == "wget" and bundle[-1:] == "O"):
            written += [following, f"{following}/{STAR}"]
        elif arg.startswith(("-o", "-O", "--output")):
            written.append(arg.partition("=")[2] or arg[2:])
        remote = remote or (name == "curl" and ("O" in bundle or arg == "--remote-name"))
    if remote:
        written += ["./" + url.rstrip("/").rpartition("/")[2] for url in operands if "/" in url]
    return written


def told(shell: Shell, name: str, args: list[str], stdin: str) -> None:
    """Programs that are told on stdin, or in a file, what to write or run: patch, ed, at, crontab, make."""
    for arg in args:
        if arg not in ("-", "/dev/stdin"):
            unknown(shell, arg)
    known = [shell.content(arg) for arg in args if not arg.startswith("-")]
    text = "\n".join([stdin, *known]).replace(HOLE, "")
    if name in ("at", "batch"):
        shell.child().run(text)
    for line in text.split("\n"):
        if name == "crontab":
            shell.child().run(" ".join(line.split()[5:]))
        elif name == "make" and line.startswith("\t"):
            shell.child().run(line.lstrip("\t@-+").replace("$$", "$"))
        elif line.startswith(HEADERS):
            place = line.split()[-1]
            shell.touch(place)
            shell.touch(place.partition("/")[2] if place[:2] in ("a/", "b/") else "")


def printed(shell: Shell, name: str, args: list[str], stdin: str) -> str:
    """What a program prints, where it is plain enough to be told; else HOLE."""
    options, operands = split_options(args)
    if name == "pwd":
        return shell.cwd
    if name in ("realpath", "readlink", "grealpath") and operands:
        return shell.path(operands[-1])
    if name == "dirname" and operands:
        return operands[0].rstrip("/").rpartition("/")[0] or "."
    if name == "basename" and operands:
        return operands[0].rstrip("/").rpartition("/")[2]
    if name == "mktemp":
        return "/tmp/made-by-mktemp"
    if name in ("which", "whence", "yes"):
        return "\n".join(operands)
    if name == "tr" and len(operands) == 2 and len(unescape(operands[0])) == 1:
        return stdin.replace(unescape(operands[0]), unescape(operands[1])[:1])
    if name in ("ls", "exa", "eza", "lsd") and has(options, "d") and operands:
        return "\n".join(operands)
    if name in ("ls", "exa", "eza", "lsd"):
        return "\n".join(_listed(shell, operand) for operand in operands or ["."])
    if name in GREPS:
        return _filtered(options, operands, stdin)
    if name not in PASSING:
        return HOLE
    if name == "tee":
        shell.files.update({shell.path(operand): stdin for operand in operands})
        return stdin or HOLE
    known = [stdin if operand == "-" else shell.content(operand) for operand in operands]
    if any(known):
        return "\n".join(known)
    return (stdin or HOLE) if not operands or name in ("head", "tail") else HOLE


def _listed(shell: Shell, folder: str) -> str:
    """A file's own name, and for a folder the names of what guarded things lie in."""
    place = shell.path(folder)
    below = [path[len(place) + 1 :] for path, _, _ in shell.guards.entries if path.startswith(place + "/")]
    names = sorted({name.partition("/")[0] for name in below})
    return "\n".join([folder, f"{folder}/{STAR}", STAR, *names])


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
