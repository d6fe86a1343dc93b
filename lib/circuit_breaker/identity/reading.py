"""Whether a shell command only looks at things. Pure.

It reads ordinary lines and is no full shell parser: what it cannot read counts as changing something.
"""

from __future__ import annotations

from circuit_breaker.identity import live, powershell, reading_table, waits
from circuit_breaker.identity.shell_line import LONGEST, Segment, past_options, program, segments

# Programs that only look, unless reading_table.py says otherwise (policy 4: the one fixed list).
# One string with a blank around each word: a set would be built at every start for one or two lookups.
READING = (
    " ls ll la dir cat bat head tail less more grep egrep fgrep rg ag ack find fd locate pwd echo printf which where whereis"
    " type command stat file wc nl tac sort uniq cut tr column paste comm join fold fmt rev jq yq xmllint diff cmp"
    " colordiff ps pgrep top htop free uptime du df date cal env printenv id whoami groups hostname uname arch nproc"
    " lscpu tree test [ [[ true false : sleep wait readlink realpath basename dirname seq awk gawk mawk sed curl strings xxd"
    " hexdump od md5sum sha1sum sha256sum shasum md5 cksum ping dig nslookup host lsof netstat ss jobs history man help"
    " exa eza zcat zgrep getent locale tty ldd nm objdump readelf ffprobe identify findstr zipinfo journalctl"
    " base64"
    " for case select cd pushd popd export set local exit return break continue read shift declare "
)
# Programs with subcommands; reading_table.py has those that only look.
WITH_SUBCOMMANDS = (
    " git gh npm pnpm yarn bun pip pip3 uv cargo go docker podman docker-compose kubectl helm systemctl brew apt apt-cache"
    " bundle terraform tmux "
)
# Other programs that look, write or run a command, by their arguments: see reading_table.py and `program_reads`.
_RULED = (
    " bash sh zsh dash watch curl wget find fd rg sed sort yq tree date history journalctl xxd awk gawk mawk uniq hostname"
    " dpkg rpm crontab tar unzip aws ip "
)
_VERBOSE = " pytest py.test unittest nose2 nosetests tox rspec phpunit behave trial ctest "  # their -v runs something
VERSIONS = (["--version"], ["--help"], ["-V"], ["-v"], ["version"])
SHELL_PROGRAMS = frozenset(("bash", "sh", "zsh", "dash"))
DEPTH = 3  # levels of commands inside commands that are read


def is_reading(command: str, depth: int = 0) -> bool:
    """Whether every part of the command only looks at things."""
    if len(command) > LONGEST or depth > DEPTH:
        return False
    return all(reads(segment, depth) for segment in segments(command))


def reads(segment: Segment, depth: int = 0) -> bool:
    """Whether one simple command only looks at things."""
    if segment.targets or not all(is_reading(inner, depth + 1) for inner in segment.inner):
        return False
    words = program(segment.words)
    return not words or program_reads(words[0], words[1:], depth)


def program_reads(name: str, rest: list[str], depth: int = 0) -> bool:
    """Whether program `name` with the arguments `rest` only looks at things."""
    if depth > DEPTH:
        return False
    listed = live.is_in(name, READING)
    if not listed and ("-" in name or name in powershell.READING_ALIASES):
        cmdlet = powershell.reads(name, rest)
        if cmdlet is not None:
            return cmdlet
    elsewhere = told_elsewhere(name, rest)[1]
    if elsewhere:
        return is_reading(elsewhere, depth + 1)
    if not has_subcommands(name) and not live.is_in(name, _RULED):
        looks = listed or _asks_version(name, rest) or live.is_live(name, rest)
        looks = looks or (name == "timeout" and rest[:1] in (["/t"], ["/T"]))
        return looks or waits.is_sleeping_script(name, rest)
    if name in SHELL_PROGRAMS:
        told = told_command(rest)
        return bool(told) and is_reading(told, depth + 1)
    if name == "watch":
        return is_reading(" ".join(reading_table.without_options(rest)), depth + 1)
    if not reading_table.only_looks(
        name, rest, listed or _asks_version(name, rest) or live.is_live(name, rest)
    ):
        return False
    return name != "find" or all(
        bool(inner) and program_reads(inner[0], inner[1:], depth + 1)
        for inner in (
            program(_until_its_end(rest[i + 1 :]))
            for i, word in enumerate(rest)
            if word in ("-exec", "-execdir")
        )
    )


def _asks_version(name: str, rest: list[str]) -> bool:
    return rest in VERSIONS and not (rest == ["-v"] and live.is_in(name, _VERBOSE))


def has_subcommands(name: str) -> bool:
    """Whether the program is in WITH_SUBCOMMANDS."""
    return live.is_in(name, WITH_SUBCOMMANDS)


def told_command(rest: list[str]) -> str:
    """The command that `bash -lc "..."` runs."""
    for i, word in enumerate(rest[:-1]):
        if word[:1] == "-" and word[:2] != "--" and word[-1] == "c":
            return rest[i + 1]
    return ""


def told_elsewhere(name: str, rest: list[str]) -> tuple[str, str]:
    """(machine, container or device; command that runs there) of `ssh HOST cmd`, `docker exec NAME cmd`; else ("", "")."""
    if name in ("docker", "podman", "docker-compose", "kubectl", "oc", "adb"):
        rest = past_options(rest, ("-n", "--namespace", "--context", "-s", "-f", "-p"))
        if rest[:1] == ["compose"]:
            rest = past_options(rest[1:], ("-f", "-p"))
        given, rest = rest[:1], rest[1:]
        if given not in (["exec"], ["shell"]) or (given == ["shell"]) != (name == "adb"):
            return "", ""
        plain = past_options(rest, ("-e", "-u", "-w", "--user", "--workdir", "--env", "-c", "-n"))
        place = name if name == "adb" else " ".join([name, *plain[:1]])
        if "--" in rest:
            return place, _joined(rest[rest.index("--") + 1 :])
        return place, _joined(plain if name == "adb" else plain[1:])
    if name == "ssh":
        valued = ("-i", "-p", "-o", "-l", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-m")
        plain = past_options(rest, valued)
        return " ".join([name, *plain[:1]]), " ".join(plain[1:])
    return "", ""


def _joined(words: list[str]) -> str:
    """The words as one line; those with blanks are quoted again."""
    return " ".join([f"'{word}'" if " " in word and "'" not in word else word for word in words])


def _until_its_end(words: list[str]) -> list[str]:
    """The command after find's `-exec`."""
    for i, word in enumerate(words):
        if word in (";", "+", "-exec", "-execdir"):
            return words[:i]
    return words
