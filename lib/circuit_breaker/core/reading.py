"""Does a shell command only look at things, and does it wait for something? Pure.

A careful reading of ordinary command lines, not a shell: what it cannot tell counts as changing something.
"""

from __future__ import annotations

from circuit_breaker.core.shell import Segment, is_assignment, program, segments

# Programs that look and change nothing (policy 4: the one fixed list). Options that make one of them write are in `_WRITES`.
READING = frozenset(
    [
        "ls",
        "ll",
        "la",
        "dir",
        "cat",
        "bat",
        "head",
        "tail",
        "less",
        "more",
        "grep",
        "egrep",
        "fgrep",
        "rg",
        "ag",
        "ack",
        "find",
        "fd",
        "locate",
        "pwd",
        "echo",
        "printf",
        "which",
        "whereis",
        "type",
        "command",
        "stat",
        "file",
        "wc",
        "nl",
        "tac",
        "sort",
        "uniq",
        "cut",
        "tr",
        "column",
        "paste",
        "comm",
        "join",
        "fold",
        "fmt",
        "rev",
        "jq",
        "yq",
        "xmllint",
        "diff",
        "cmp",
        "colordiff",
        "ps",
        "pgrep",
        "top",
        "htop",
        "free",
        "uptime",
        "du",
        "df",
        "date",
        "cal",
        "env",
        "printenv",
        "id",
        "whoami",
        "groups",
        "hostname",
        "uname",
        "arch",
        "nproc",
        "lscpu",
        "tree",
        "test",
        "[",
        "[[",
        "true",
        "false",
        ":",
        "sleep",
        "wait",
        "readlink",
        "realpath",
        "basename",
        "dirname",
        "seq",
        "awk",
        "gawk",
        "sed",
        "curl",
        "strings",
        "xxd",
        "hexdump",
        "od",
        "md5sum",
        "sha1sum",
        "sha256sum",
        "cksum",
        "ping",
        "dig",
        "nslookup",
        "host",
        "lsof",
        "netstat",
        "ss",
        "jobs",
        "history",
        "man",
        "help",
        "watch",
        "exa",
        "eza",
        "zcat",
        "zgrep",
        "getent",
        "locale",
        "tty",
        "ldd",
        "nm",
        "objdump",
        "readelf",
        "ffprobe",
        "identify",
        "exiftool",
    ]
)
# Programs with reading subcommands; "" stands for none given. A second word is looked at where the first one needs it.
SUBCOMMANDS = {
    "git": "status log diff show rev-parse ls-files ls-tree ls-remote blame describe shortlog reflog cat-file grep "
    "rev-list merge-base whatchanged name-rev for-each-ref count-objects check-ignore var version help",
    "gh": "status",
    "npm": "ls list view info outdated root prefix why explain",
    "pnpm": "ls list why outdated",
    "yarn": "list why info",
    "pip": "list show freeze check",
    "pip3": "list show freeze check",
    "uv": "tree version",
    "cargo": "tree metadata search version",
    "go": "list env version doc",
    "docker": "ps logs images inspect version info stats top port",
    "podman": "ps logs images inspect version info stats top port",
    "kubectl": "get describe logs top version explain api-resources",
    "systemctl": "status show is-active is-enabled list-units cat",
    "journalctl": "",
    "brew": "list info search",
    "apt": "list show search",
    "bundle": "list show",
    "terraform": "show output version",
    "aws": "",
    "tmux": "ls list-sessions capture-pane",
}
DEEPER = {
    "git remote": ("", "-v", "show", "get-url"),
    "git stash": ("list", "show"),
    "git config": ("--get", "--list", "-l", "--get-all", "--get-regexp"),
    "git worktree": ("list",),
    "git branch": ("", "-a", "-r", "-v", "-vv", "--list", "--show-current", "--all", "--contains"),
    "git tag": ("", "-l", "--list"),
    "git submodule": ("status",),
    "gh run": ("view", "list", "watch"),
    "gh pr": ("view", "list", "checks", "diff", "status"),
    "gh issue": ("view", "list", "status"),
    "gh repo": ("view", "list"),
    "gh release": ("view", "list"),
    "gh workflow": ("view", "list"),
    "gh auth": ("status",),
    "docker compose": ("ps", "logs", "top", "images", "config"),
    "docker image": ("ls", "inspect"),
    "docker container": ("ls", "inspect", "logs"),
}
_WRITES = {
    "find": ("-delete", "-exec", "-execdir", "-ok", "-fprint", "-fls"),
    "fd": ("-x", "-X", "--exec", "--exec-batch"),
    "sed": ("-i", "--in-place"),
    "awk": ("-i",),
    "curl": (
        "-X",
        "--request",
        "-d",
        "--data",
        "-o",
        "-O",
        "--output",
        "-T",
        "--upload-file",
        "-F",
        "--form",
        "--remote-name",
    ),
    "sort": ("-o", "--output"),
    "yq": ("-i", "--inplace"),
    "tree": ("-o",),
    "date": ("-s", "--set"),
    "gh": ("-X", "-f", "-F", "--method", "--field", "--raw-field", "--input"),
}


def is_reading(command: str) -> bool:
    """Does every segment of the command only look at things?"""
    if not all(_reads(segment) for segment in segments(command)):
        return False
    return all(is_reading(inner) for inner in _substitutions(command))


def _substitutions(command: str) -> list[str]:
    """The commands inside `$(...)` and backticks, one level."""
    found = []
    at = command.find("$(")
    while at >= 0:
        depth, end = 1, at + 2
        while end < len(command) and depth:
            depth += {"(": 1, ")": -1}.get(command[end], 0)
            end += 1
        if command[at + 2 : at + 3] != "(":
            found.append(command[at + 2 : end - 1])
        at = command.find("$(", end)
    ticks = command.split("`")
    return found + ticks[1::2]


def _reads(segment: Segment) -> bool:
    if segment.writes:
        return False
    words = program(segment.words)
    if not words:
        return not any(is_assignment(word) for word in segment.words) or bool(segment.words)
    name, rest = words[0], words[1:]
    if name in ("for", "case", "select", "cd", "export", "set", "local"):
        return True
    if any(
        word.startswith(flag) if len(flag) == 2 else word.split("=")[0] == flag
        for flag in _WRITES.get(name, ())
        for word in rest
    ):
        return False
    if name in READING:
        return True
    if name == "watch":
        return True
    if rest in (["--version"], ["--help"], ["-V"], ["-v"], ["version"]):
        return True
    return _reading_subcommand(name, rest)


def _reading_subcommand(name: str, rest: list[str]) -> bool:
    plain = _without_options(name, rest)
    first = plain[0] if plain else ""
    deeper = DEEPER.get(f"{name} {first}")
    if deeper is not None:
        after = rest[rest.index(first) + 1 :]
        return (after[0] if after else "") in deeper
    if name == "gh" and first == "api":
        return True
    if name == "aws":
        return len(plain) > 1 and plain[1].startswith(("describe", "list", "get", "ls", "wait"))
    return name in SUBCOMMANDS and (
        first in SUBCOMMANDS[name].split() or (not SUBCOMMANDS[name] and name != "aws")
    )


def _without_options(name: str, words: list[str]) -> list[str]:
    plain, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in (
                "-C",
                "-c",
                "-n",
                "--namespace",
                "--context",
                "-R",
                "--repo",
                "--prefix",
                "--git-dir",
            )
        else:
            plain.append(word)
    return plain


def waits(command: str) -> bool:
    """Does it wait before or while it looks: a sleep in front or in a loop, `--watch`, `watch`, `until`?"""
    parts = segments(command)
    for i, segment in enumerate(parts):
        words = segment.words
        if not words:
            continue
        if (
            words[0] in ("until", "watch", "wait")
            or "--watch" in words
            or (words[:2] == ["gh", "run"] and "watch" in words[2:3])
        ):
            return True
        if words[0] in ("sleep", "do") and (i < len(parts) - 1 or len(parts) == 1 or "sleep" in words):
            return True
        if words[0] in ("kubectl", "gh") and "-w" in words:
            return True
    return False
