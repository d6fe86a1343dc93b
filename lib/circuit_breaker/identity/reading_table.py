"""Arguments with which programs that can also write only look. Pure.

It has a rule for each program that reading.py cannot judge by its name alone.
"""

from __future__ import annotations

# Subcommands that only look; "-" is for none. DEEPER has second words for some of the others.
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
# First arguments with which these programs only look.
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
# The options with which these programs write.
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


def only_looks(name: str, rest: list[str], plain: bool) -> bool:
    """Whether program `name` with the arguments `rest` only looks. `plain`: it does unless a rule here says otherwise. The command
    after `find -exec` is not checked."""
    if name in ("curl", "wget"):
        return _only_fetches(name, rest)
    flags = _WRITES.get(name, "").split()
    if flags and any(_is_flag(word, flag) for word in rest for flag in flags):
        return False
    if name in ("awk", "gawk", "mawk", "sed", "uniq", "xxd", "hostname"):
        return _keeps_off(name, rest)
    if plain:
        return True
    if name in FIRST:
        return bool(rest) and rest[0] in FIRST[name].split()
    return _reading_subcommand(name, rest)


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


def _only_fetches(name: str, rest: list[str]) -> bool:
    """Whether it is curl without a body, a writing method or an output file, or wget that prints or only checks."""
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
    plain = without_options(rest)
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


def without_options(words: list[str]) -> list[str]:
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
