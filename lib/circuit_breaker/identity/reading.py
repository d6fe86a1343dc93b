"""Whether a shell command only looks at things. Pure.

It reads ordinary lines and is no full shell parser: what it cannot read counts as changing something.
"""

from __future__ import annotations

from circuit_breaker.identity import live, powershell, shell_line, waits
from circuit_breaker.identity.shell_line import is_in, past_options, program, segments

# Programs that only look, unless a rule below says otherwise.
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
# Aliases of PowerShell's reading cmdlets that mean nothing else in a Unix shell.
_ALIASES = " gci gc gi gl gp gps gsv gm gcm gdr gv gal gjb sls ft fl fw measure foreach % ? rvpa oh sl chdir cls iwr irm "
_VERBOSE = " pytest py.test unittest nose2 nosetests tox rspec phpunit behave trial ctest "  # their -v runs something
VERSIONS = (["--version"], ["--help"], ["-V"], ["-v"], ["version"])
SHELL_PROGRAMS = frozenset(("bash", "sh", "zsh", "dash"))
# Subcommands that only look, and the words with which other subcommands only look; "-" is for none.
SUBCOMMANDS = {
    "git": "status log diff show rev-parse ls-files ls-tree ls-remote blame describe shortlog cat-file grep rev-list"
    " merge-base whatchanged name-rev for-each-ref count-objects check-ignore var version help show-ref diff-tree"
    " diff-index show-branch range-diff cherry fsck",
    "gh": "status search",
    "npm": "ls list view info outdated root prefix why explain",
    "pnpm": "ls list why outdated",
    "yarn": "list why info",
    "bun": "pm",
    "pip": "list show freeze check index",
    "pip3": "list show freeze check index",
    "uv": "tree version",
    "cargo": "tree metadata search version info",
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
    **dict.fromkeys(("terraform", "tofu"), "show output version providers graph"),
    **dict.fromkeys(("terraform state", "tofu state"), "list show pull"),
    **dict.fromkeys(("terraform workspace", "tofu workspace"), "- list show"),
    "openssl": "s_client x509 verify version ciphers",
    **dict.fromkeys(("alembic", "flask db"), "current history heads show branches check"),
    "cast": "receipt tx block block-number balance call code nonce logs chain-id",
    "solana": "confirm balance block block-height slot",
    "tmux": "ls list-sessions has-session capture-pane",
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
# First arguments with which these programs only look.
_FIRST = {
    "dpkg": "-l -L -s -S --list",
    "rpm": "-q -qa -ql -qi",
    "crontab": "-l",
    "tar": "-t -tf -tvf -tzf -tzvf tf tvf tzf tzvf --list",
    "unzip": "-l -v -Z -p",
}
_VALUED = frozenset(
    "-C -c -n --namespace --context -R --repo --prefix --git-dir --work-tree -f --file".split()
)
_BREAKING = frozenset(" ()'\"<>|;&")  # of a word with one of these a shell makes several
# The options with which these programs write.
_WRITES = {
    "curl": "--upload-file --form --remote-name --remote-name-all --cookie-jar --config",
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
    "openssl": "-out",
    "fuser": "-k",
}


def is_reading(command: str, depth: int = 0) -> bool:
    """Whether every part of the command only looks at things."""
    if len(command) > shell_line.LONGEST or depth > shell_line.DEPTH:
        return False
    return all(reads(segment, depth) for segment in segments(command))


def only_looks(command: str, depth: int = 0) -> bool:
    """`is_reading`, and also what that leaves out because it could not be guarded: code that filters a pipe, what `npx` runs."""
    if len(command) > shell_line.LONGEST or depth > shell_line.DEPTH:
        return False
    piped = False
    for segment in segments(command):
        if not (reads(segment, depth) or _looks(segment, piped, depth)):
            return False
        piped = segment.joint == "|"
    return True


def _looks(segment: shell_line.Segment, piped: bool, depth: int) -> bool:
    from circuit_breaker.identity import snippets

    if segment.targets or not all(only_looks(inner, depth + 1) for inner in segment.inner):
        return False
    name, *rest = program(segment.words) or (":",)
    told = told_elsewhere(name, rest)[1] or (told_command(rest) if name in SHELL_PROGRAMS else "")
    if told:
        return only_looks(told, depth + 1)
    ran = behind_runner(name, rest)
    if ran:
        return program_reads(ran[0], ran[1:], depth + 1)
    return program_reads(name, rest, depth) or (piped and snippets.only_looks(name, rest))


def behind_runner(name: str, rest: list[str]) -> list[str]:
    """The program, with its arguments, that `npx`, `uv run` and the like start; [] if `name` is no such runner."""
    from circuit_breaker.identity import attempts_table as table

    verbs = table.RUNNERS.get(name, ())
    if rest[:1] and rest[0] in verbs:
        rest = rest[1:]
    elif "" not in verbs:
        return []
    while rest and (rest[0][:1] == "-" or shell_line.is_assignment(rest[0])):
        rest = rest[2:] if rest[0] in table.RUNNER_VALUED else rest[1:]
    return [rest[0].rpartition("/")[2], *rest[1:]] if rest else []


def reads(segment: shell_line.Segment, depth: int = 0) -> bool:
    """Whether one simple command only looks at things."""
    if segment.targets or not all(is_reading(inner, depth + 1) for inner in segment.inner):
        return False
    words = program(segment.words)
    return not words or program_reads(words[0], words[1:], depth)


def program_reads(name: str, rest: list[str], depth: int = 0) -> bool:
    """Whether program `name` with the arguments `rest` only looks at things."""
    if depth > shell_line.DEPTH:
        return False
    listed = is_in(name, READING)
    if not listed and ("-" in name or is_in(name, _ALIASES)):
        cmdlet = powershell.reads(name, rest)
        if cmdlet is not None:
            return cmdlet
    told = told_elsewhere(name, rest)[1]
    if told or name == "watch":
        return is_reading(told or " ".join(_without_options(rest)), depth + 1)
    if name in SHELL_PROGRAMS:
        told = told_command(rest)
        return is_reading(told, depth + 1) if told else live.is_live(name, rest)
    if name == "gh" and rest[:2] == ["api", "graphql"]:
        return not any("mutation" in word or word == "--input" for word in rest)
    flags = _WRITES.get(name, "").split()
    if any(_is_flag(word, flag) for word in rest for flag in flags):
        return False
    if name in ("curl", "wget"):
        return _only_fetches(name, rest)
    if name in ("awk", "gawk", "mawk", "sed", "uniq", "xxd", "hostname"):
        return _keeps_off(name, rest)
    if name == "find":
        ran = (rest[i + 1 :] for i, word in enumerate(rest) if word in ("-exec", "-execdir"))
        return all(_found_is_read(words, depth) for words in ran)
    looks = (
        listed
        or (name == "kill" and rest[:1] == ["-0"])
        or _asks_version(name, rest)
        or live.is_live(name, rest)
    )
    if looks or waits.is_sleeping_script(name, rest):
        return True
    if name in _FIRST:
        return rest[:1] != [] and rest[0] in _FIRST[name].split()
    return (name == "timeout" and rest[:1] in (["/t"], ["/T"])) or _reading_subcommand(name, rest)


def _asks_version(name: str, rest: list[str]) -> bool:
    return rest in VERSIONS and not (rest == ["-v"] and is_in(name, _VERBOSE))


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
        name = name.removesuffix("-compose")
        given, rest = rest[:1], rest[1:]
        if given not in (["exec"], ["shell"]) or (given == ["shell"]) != (name == "adb"):
            return "", ""
        plain = past_options(rest, ("-e", "-u", "-w", "--user", "--workdir", "--env", "-c", "-n"))
        place = name if name == "adb" else " ".join([name, *map(_service_of, plain[:1])])
        if "--" in rest:
            return place, _joined(rest[rest.index("--") + 1 :])
        return place, _joined(plain if name == "adb" else plain[1:])
    if name == "ssh":
        valued = ("-i", "-p", "-o", "-l", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-m")
        plain = past_options(rest, valued)
        return " ".join([name, *plain[:1]]), " ".join(plain[1:])
    return "", ""


def _service_of(container: str) -> str:
    """`web` for `shop-web-1`, the name that docker compose gives its container."""
    parts = container.replace("_", "-").split("-")
    return "-".join(parts[1:-1]) if len(parts) > 2 and parts[-1].isdigit() else container


def _joined(words: list[str]) -> str:
    """The words as one line; those with blanks or brackets are quoted again."""
    return " ".join([word if _BREAKING.isdisjoint(word) else _quoted(word) for word in words])


def _quoted(word: str) -> str:
    return f"'{word}'" if "'" not in word else f'"{word}"' if '"' not in word else word


def _found_is_read(words: list[str], depth: int) -> bool:
    """Whether the command after find's `-exec` only looks."""
    inner = program(until_its_end(words))
    return bool(inner) and program_reads(inner[0], inner[1:], depth + 1)


def until_its_end(words: list[str]) -> list[str]:
    """The command that find's `-exec` runs, of the words after it."""
    ends = (";", "+", "\\;", "-exec", "-execdir")
    return words[: next((i for i, word in enumerate(words) if word in ends), len(words))]


def _is_flag(word: str, flag: str) -> bool:
    return word.startswith(flag) if len(flag) == 2 else word.partition("=")[0] == flag


def _keeps_off(name: str, rest: list[str]) -> bool:
    """Whether a program that writes in a way of its own (sed, awk, uniq, xxd, hostname) does not."""
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


def _asks_by_post(rest: list[str]) -> bool:
    """Whether the body of a request is a question: GraphQL without a mutation, a search, JSON-RPC whose method gets something."""
    url = next((word for word in rest if "://" in word or "/_" in word), "").partition("?")[0]
    said = "".join(" ".join([word for word in rest if word[:1] in "{["]).split())
    if "mutation" in said or url.endswith("_by_query"):
        return False
    method = said.partition('"method":"')[2].partition('"')[0].lower()
    asked = (
        method.startswith("get")
        or "_get" in method
        or method.endswith(("blocknumber", "_call", "status", "list"))
    )
    return url.endswith(("/_search", "/_count")) or '"query":' in said or asked


def _only_fetches(name: str, rest: list[str]) -> bool:
    """Whether it is curl without a body, a writing method or an output file, or wget that prints or only checks."""
    if name == "wget":
        return "--spider" in rest or any(word in ("-O-", "-qO-", "-") for word in rest)
    gets = (
        "--get" in rest or any(word[-1:] == "G" and word[:1] == "-" for word in rest) or _asks_by_post(rest)
    )
    for i, word in enumerate(rest):
        value = rest[i + 1] if i + 1 < len(rest) else ""
        if word[:2] == "--":
            option, _, given = word.partition("=")
            if (
                option == "--request"
                and (given or value) not in ("GET", "HEAD")
                and not (gets and value == "POST")
            ):
                return False
            if option == "--output" and (given or value) not in ("/dev/null", "-"):
                return False
            if option.startswith(("--data", "--json", "--url-query")) and not gets:
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
        if letter == "X" and given not in ("GET", "HEAD") and not (gets and given == "POST"):
            return False
        if letter in "oDXdHuAebwmxrECyYzPQtU":
            return True  # the rest is its value
    return True


def _reading_subcommand(name: str, rest: list[str]) -> bool:
    plain = _without_options(rest)
    first = plain[0] if plain else "-"
    if name == "gh" and first == "api":
        told = [word for word in rest if word.startswith(("-X", "--method"))][:1]
        return not told or (told[0] in ("-X", "--method") and rest[rest.index(told[0]) + 1 :][:1] == ["GET"])
    deeper = SUBCOMMANDS.get(f"{name} {first}")
    if deeper is not None:
        return [*rest[rest.index(first) + 1 :], "-"][0] in deeper.split()
    if name == "git" and first in ("config", "symbolic-ref"):
        asks = any(word.startswith(("--get", "--list", "--show")) or word == "-l" for word in rest)
        return asks or len([word for word in plain if word != "get"]) == 2
    if name == "go" and first == "env":
        return True
    if name == "aws":
        return len(plain) > 1 and plain[1].startswith(("describe", "list", "get-caller", "ls", "wait"))
    if name == "ip":
        return not {"add", "del", "delete", "set", "flush", "change", "replace", "exec"}.intersection(rest)
    return first in SUBCOMMANDS.get(name, "").split()


def _without_options(words: list[str]) -> list[str]:
    """The words that are neither options nor values of them."""
    plain, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word[:1] == "-":
            skip = word in _VALUED
        else:
            plain.append(word)
    return plain
