"""Does a shell command only look at things, and does it wait for something? Pure.

A careful reading of ordinary command lines, not a shell: what it cannot tell counts as changing something.
"""

from __future__ import annotations

from circuit_breaker.core.simple_commands import LONGEST, Segment, program, segments

# Programs that look and change nothing (policy 4: the one fixed list). What makes one of them write is in `_WRITES`.
# One text with a blank around each: a set of them would be made at every start, and is asked once or twice.
READING = (
    " ls ll la dir cat bat head tail less more grep egrep fgrep rg ag ack find fd locate pwd echo printf which where whereis"
    " type command stat file wc nl tac sort uniq cut tr column paste comm join fold fmt rev jq yq xmllint diff cmp"
    " colordiff ps pgrep top htop free uptime du df date cal env printenv id whoami groups hostname uname arch nproc"
    " lscpu tree test [ [[ true false : sleep wait readlink realpath basename dirname seq awk gawk mawk sed curl strings xxd"
    " hexdump od md5sum sha1sum sha256sum shasum md5 cksum ping dig nslookup host lsof netstat ss jobs history man help"
    " exa eza zcat zgrep getent locale tty ldd nm objdump readelf ffprobe identify findstr zipinfo journalctl"
    " base64 Get-Content Get-ChildItem Get-Item Get-Location Get-Process Select-String Select-Object Test-Path Measure-Object"
    " Sort-Object Format-Table Format-List Out-String"
    " for case select cd pushd popd export set local exit return break continue read shift declare "
)
# Programs with reading subcommands; "-" stands for none given. A second word is looked at where `DEEPER` knows the first.
SUBCOMMANDS = {
    "git": "status log diff show rev-parse ls-files ls-tree ls-remote blame describe shortlog cat-file grep rev-list"
    " merge-base whatchanged name-rev for-each-ref count-objects check-ignore var version help show-ref diff-tree"
    " diff-index show-branch range-diff cherry fsck",
    "gh": "status search",
    "npm": "ls list view info outdated root prefix why explain",
    "pnpm": "ls list why outdated",
    "yarn": "list why info",
    "bun": "pm",
    "pip": "list show freeze check",
    "pip3": "list show freeze check",
    "uv": "tree version",
    "cargo": "tree metadata search version",
    "go": "list version doc",
    "docker": "ps logs images inspect version info stats top port wait",
    "podman": "ps logs images inspect version info stats top port wait",
    "docker-compose": "ps logs top images",
    "kubectl": "get describe logs top version explain api-resources wait cluster-info",
    "helm": "list ls status get history version",
    "systemctl": "- status show is-active is-enabled is-failed list-units list-timers cat",
    "brew": "list info search",
    "apt": "list show search policy",
    "apt-cache": "show search policy depends",
    "bundle": "list show",
    "terraform": "show output version",
    "tmux": "ls list-sessions has-session capture-pane",
}
DEEPER = {
    "git remote": "- -v show get-url",
    "git stash": "list show",
    "git worktree": "list",
    "git branch": "- -a -r -v -vv --list --show-current --all --contains --merged --no-merged",
    "git tag": "- -l --list",
    "git submodule": "- status",
    "git reflog": "- show -n -5 -10 -20",
    "git notes": "show list",
    "git bisect": "log",
    "gh run": "view list watch",
    "gh pr": "view list checks diff status",
    "gh issue": "view list status",
    "gh repo": "view list",
    "gh release": "view list",
    "gh workflow": "view list",
    "gh auth": "status",
    "gh label": "list",
    "gh api": "",
    "bun pm": "ls",
    "docker compose": "ps logs top images config",
    "docker image": "ls inspect history",
    "docker container": "ls inspect logs",
    "docker volume": "ls inspect",
    "docker network": "ls inspect",
    "kubectl config": "view current-context get-contexts",
    "kubectl rollout": "status history",
    "kubectl auth": "can-i",
}
# The first argument that makes these programs reading ones.
FIRST = {
    "dpkg": "-l -L -s -S --list",
    "rpm": "-q -qa -ql -qi",
    "crontab": "-l",
    "tar": "-t -tf -tvf -tzf -tzvf tf tvf tzf tzvf --list",
    "unzip": "-l -v -Z -p",
}
_VALUED = frozenset(
    "-C -c -n --namespace --context -R --repo --prefix --git-dir --work-tree -f --file".split()
)
_WRITES = {
    "find": "-delete -ok -okdir -fprint -fprint0 -fprintf -fls",
    "fd": "-x -X --exec --exec-batch",
    "rg": "--pre",
    "sed": "--in-place -f --file",
    "sort": "-o --output",
    "yq": "-i --inplace",
    "tree": "-o",
    "date": "-s --set",
    "history": "-c -d -w",
    "git": "--output --unset --add --replace-all --remove-section --rename-section --edit",
    "gh": "-f -F --field --raw-field --input",
    "journalctl": "--rotate --flush --vacuum-size --vacuum-time --vacuum-files",
    "xxd": "-r",
    "go": "-w -u",
}
_SHELLS = frozenset(("bash", "sh", "zsh", "dash"))
_DEPTH = 3  # commands inside commands that are followed


def is_reading(command: str, depth: int = 0) -> bool:
    """Does every part of the command only look at things?"""
    if len(command) > LONGEST or depth > _DEPTH:
        return False
    return all(_reads(segment, depth) for segment in segments(command))


def _reads(segment: Segment, depth: int) -> bool:
    if segment.writes or not all(is_reading(inner, depth + 1) for inner in segment.inner):
        return False
    words = program(segment.words)
    return not words or _program_reads(words[0], words[1:], depth)


def _program_reads(name: str, rest: list[str], depth: int) -> bool:
    if depth > _DEPTH:
        return False
    if name in _SHELLS:
        told = _told_command(rest)
        return bool(told) and is_reading(told, depth + 1)
    if name == "watch":
        return is_reading(" ".join(_without_options(rest)), depth + 1)
    if name in ("curl", "wget"):
        return _only_fetches(name, rest)
    flags = _WRITES.get(name, "").split()
    if flags and any(_is_flag(word, flag) for word in rest for flag in flags):
        return False
    if name in ("find", "awk", "gawk", "mawk", "sed", "uniq", "xxd", "hostname"):
        return _looks_only(name, rest, depth)
    if is_listed(name) or rest in (["--version"], ["--help"], ["-V"], ["-v"], ["version"]):
        return True
    if name in FIRST:
        return bool(rest) and rest[0] in FIRST[name].split()
    return _reading_subcommand(name, rest)


def is_listed(name: str) -> bool:
    """Is the program in READING?"""
    return " " not in name and f" {name} " in READING


def _is_flag(word: str, flag: str) -> bool:
    return word.startswith(flag) if len(flag) == 2 else word.partition("=")[0] == flag


def _told_command(rest: list[str]) -> str:
    """The command that `bash -lc "..."` runs."""
    for i, word in enumerate(rest[:-1]):
        if word[:1] == "-" and word[:2] != "--" and word[-1] == "c":
            return rest[i + 1]
    return ""


def _looks_only(name: str, rest: list[str], depth: int) -> bool:
    """Programs of the list that can be told to write in their own ways."""
    if name == "find":
        for i, word in enumerate(rest):
            if word in ("-exec", "-execdir"):
                inner = program(_until_its_end(rest[i + 1 :]))
                if not inner or not _program_reads(inner[0], inner[1:], depth + 1):
                    return False
        return True
    plain = [word for word in rest if word[:1] != "-"]
    if name == "hostname":
        return not plain
    if name in ("uniq", "xxd"):
        return len(plain) < 2
    if name == "sed":
        inplace = any(word[:1] == "-" and word[:2] != "--" and "i" in word for word in rest)
        return not inplace and not any(word[:2] == "w " or "/w " in word or "/gw " in word for word in rest)
    if any(word[:2] in ("-f", "-i") for word in rest):
        return False
    script = " ".join([word for word in plain if len(word) > 1])  # without the "|" of -F
    told = "print" in script and ">" in script.partition("print")[2].replace("=>", "")
    return not told and "system" not in script and "|" not in script.replace("||", "")


def _until_its_end(words: list[str]) -> list[str]:
    """The command after find's `-exec`."""
    for i, word in enumerate(words):
        if word in (";", "+", "-exec", "-execdir"):
            return words[:i]
    return words


def _only_fetches(name: str, rest: list[str]) -> bool:
    """curl without a body, a method that changes, or a file to write; wget that prints or only asks."""
    if name == "wget":
        return "--spider" in rest or any(word in ("-O-", "-qO-", "-") for word in rest)
    gets = "-G" in rest or "--get" in rest
    for i, word in enumerate(rest):
        value = rest[i + 1] if i + 1 < len(rest) else ""
        if word[:2] == "--":
            option, _, given = word.partition("=")
            if option == "--request" and (given or value) not in ("GET", "HEAD"):
                return False
            if option == "--output" and (given or value) not in ("/dev/null", "-"):
                return False
            if option.startswith(("--data", "--json", "--url-query")) and not gets:
                return False
            if option in (
                "--upload-file",
                "--form",
                "--remote-name",
                "--remote-name-all",
                "--cookie-jar",
                "--config",
            ):
                return False
        elif word[:1] == "-" and not _short_options_fetch(word[1:], value, gets):
            return False
    return True


def _short_options_fetch(letters: str, value: str, gets: bool) -> bool:
    for at, letter in enumerate(letters):
        given = letters[at + 1 :] or value
        if letter in "OTFKc" or (letter == "d" and not gets):
            return False
        if letter in "oD" and given not in ("/dev/null", "-"):
            return False
        if letter == "X" and given not in ("GET", "HEAD"):
            return False
        if letter in "oDXdHuAebwmxrECyYzPQtU":
            return True  # the rest is its value
    return True


def _reading_subcommand(name: str, rest: list[str]) -> bool:
    plain = _without_options(rest)
    first = plain[0] if plain else "-"
    if name == "gh" and first == "api":
        at = next((i for i, word in enumerate(rest) if word in ("-X", "--method")), -1)
        return not any(
            word[:2] == "-X" and len(word) > 2 or word.startswith("--method=") for word in rest
        ) and (at < 0 or rest[at + 1 : at + 2] == ["GET"])
    if f"{name} {first}" in DEEPER:
        after = rest[rest.index(first) + 1 :]
        return (after[0] if after else "-") in DEEPER[f"{name} {first}"].split()
    if name == "git" and first in ("config", "symbolic-ref"):
        asks = any(word.startswith(("--get", "--list", "--show")) or word == "-l" for word in rest)
        return asks or len([word for word in plain if word != "get"]) == 2
    if name == "go" and first == "env":
        return True
    if name == "aws":
        return len(plain) > 1 and plain[1].startswith(("describe", "list", "get-caller", "ls", "wait"))
    if name == "ip":
        return not any(
            word in ("add", "del", "delete", "set", "flush", "change", "replace", "exec") for word in rest
        )
    return name in SUBCOMMANDS and first in SUBCOMMANDS[name].split()


def _without_options(words: list[str]) -> list[str]:
    plain, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word[:1] == "-":
            skip = word in _VALUED
        else:
            plain.append(word)
    return plain


def waits(command: str, depth: int = 0) -> bool:
    """Does it wait before or while it looks: a sleep in front or in a loop, `--watch`, `watch`, `wait`, `until`?"""
    parts = list(segments(command)) if depth <= _DEPTH else []
    for i, segment in enumerate(parts):
        if "until" in segment.words[:1]:
            return True
        words = program(segment.words)
        if not words:
            continue
        if words[0] in ("watch", "wait") or (words[0] in SUBCOMMANDS and _waits_itself(words[1:3])):
            return True
        if words[0] == "sleep" and (i < len(parts) - 1 or len(parts) == 1):
            return True
        if "--watch" in words or (words[0] in ("kubectl", "gh") and "-w" in words):
            return True
        if words[0] in _SHELLS and waits(_told_command(words[1:]), depth + 1):
            return True
    return False


def _waits_itself(words: list[str]) -> bool:
    return words[:1] in (["wait"], ["watch"]) or words[1:] == ["watch"]
