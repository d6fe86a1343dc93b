"""Whether a shell command only looks at things. Pure.

It reads ordinary lines and is no full shell parser: what it cannot read counts as changing something.
"""

from __future__ import annotations

from circuit_breaker.shell import live, powershell, shell_line, snippets
from circuit_breaker.shell.shell_line import is_in, operands, past_options, program, segments

# Programs that only look, unless a rule below says otherwise.
# One string with a blank around each word: a set would be built at every start for one or two lookups.
READING = (
    " ls ll la dir cat bat head tail less more grep egrep fgrep rg ag ack find fd locate pwd echo printf which where whereis"
    " type command stat file wc nl tac sort uniq cut tr column paste comm join fold fmt rev jq yq xmllint diff cmp"
    " colordiff ps pgrep top htop free uptime du df date cal env printenv id whoami groups hostname uname arch nproc"
    " lscpu tree test [ [[ true false : sleep timeout wait readlink realpath basename dirname seq awk gawk mawk sed curl strings xxd"
    " hexdump od md5sum sha1sum sha256sum shasum md5 cksum ping dig nslookup host lsof netstat ss jobs history man help"
    " exa eza zcat zgrep getent locale tty ldd nm objdump readelf ffprobe identify findstr zipinfo journalctl"
    " base64"
    " for case select cd pushd popd export set local exit return break continue read shift declare "
)
# Aliases of PowerShell's reading cmdlets that mean nothing else in a Unix shell.
_ALIASES = " gci gc gi gl gp gps gsv gm gcm gdr gv gal gjb sls ft fl fw measure foreach % ? rvpa oh sl chdir cls iwr irm "
# Programs that edit files: a line with one of them has changed something before the rest runs.
EDITORS = "patch apply_patch cp mv dd ed set-content add-content out-file copy-item move-item".split()
# Test runners: their -v runs tests.
TESTERS = " pytest py.test unittest nose2 nosetests tox rspec phpunit behave trial ctest "
VERSIONS = (["--version"], ["--help"], ["-V"], ["-v"], ["version"])
SHELL_PROGRAMS = frozenset(("bash", "sh", "zsh", "dash"))
# Subcommands that only look, and the words with which other subcommands only look; "-" is for none.
SUBCOMMANDS = {
    "git": "status log diff show rev-parse ls-files ls-tree ls-remote blame describe shortlog cat-file grep rev-list"
    " merge-base whatchanged name-rev for-each-ref count-objects check-ignore var version help show-ref diff-tree"
    " diff-index show-branch range-diff cherry fsck",
    **dict.fromkeys(("npm", "pnpm", "yarn"), "ls list view info outdated root prefix why explain"),
    "bun": "pm",
    **dict.fromkeys(("pip", "pip3"), "list show freeze check index"),
    "uv": "tree version",
    "cargo": "tree metadata search version info",
    "go": "list version doc env",
    "systemctl": "-",
    "docker compose": "config",
    "brew": "list info search",
    **dict.fromkeys(("apt", "apt-cache"), "list show search policy depends"),
    "bundle": "list show",
    **dict.fromkeys(("terraform", "tofu"), "show output version providers graph"),
    **dict.fromkeys(("terraform state", "tofu state"), "list show pull"),
    **dict.fromkeys(("terraform workspace", "tofu workspace"), "- list show"),
    "openssl": "s_client x509 verify version ciphers",
    **dict.fromkeys(("alembic", "flask db"), "current history heads show branches check"),
    "cast": "receipt tx block block-number balance call code nonce logs chain-id",
    "solana": "confirm balance block block-height slot",
    "git remote": "- -v show get-url",
    "git stash": "list show",
    "git worktree": "list",
    "git branch": "- -a -r -v -vv --list --show-current --all --contains --merged --no-merged",
    "git tag": "- -l --list",
    "git submodule": "- status",
    "git reflog": "- show -n -5 -10 -20",
    "git notes": "show list",
    "git bisect": "log",
    "bun pm": "ls",
    "dpkg": "-l -L -s -S --list",
    "rpm": "-q -qa -ql -qi",
    "crontab": "-l",
    "security": "find-generic-password find-internet-password find-certificate find-identity list-keychains",
    "tar": "-t -tf -tvf -tzf -tzvf tf tvf tzf tzvf --list",
    "unzip": "-l -v -Z -p",
}
# Programs that run the command after one of these words ("": directly after the name). Options before it are skipped.
RUNNERS = {
    **dict.fromkeys("npx bunx pnpx uvx rtk winpty xcrun fvm".split(), ("",)),
    **dict.fromkeys(
        "pipx uv poetry pipenv hatch pdm rye pixi conda mamba coverage doppler dotenvx infisical op volta".split(),
        ("run",),
    ),
    **dict.fromkeys(("npm", "mise"), ("exec", "x")),
    **dict.fromkeys(("pnpm", "yarn"), ("exec", "dlx")),
    **dict.fromkeys(("bundle", "opam", "rbenv", "fnm"), ("exec",)),
    "bun": ("x",),
    "dotenv": ("run", ""),
}
# Words of the shell itself: behind a runner they name a script of the project, as in `pdm run test`.
_SHELL_WORDS = " test type set read export local select history help clear "
# Options of these that take a value.
_RUNNER_VALUED = "-n --name -p --package --with --python --extra --group --env-file -e -f --project --directory --rcfile --source".split()
_VALUED = frozenset(
    "-C -c -n --namespace --context -R --repo --prefix --git-dir --work-tree -f --file".split()
)
_TEES = ("tee", "tee-object")
# Each line that writes a file has one of these: most long ones need not be taken apart again.
_WRITE_SIGNS = (">", "sed", "perl", "apply", *_TEES, *EDITORS)
_EVALS = ("eval", "iex", "invoke-expression")
_COMPOSE_VALUED = "-f -p --file --project-name --profile --env-file --project-directory".split()
# What these print is the line's own text, or a file's.
_SAYING = ("echo", "printf", "cat", "write-output", *_TEES)
_BREAKING = frozenset(" ()'\"<>|;&")  # of a word with one of these a shell makes several
_ASKING_METHODS = ("blocknumber", "_call", "status", "list")  # ends of JSON-RPC methods
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


def is_reading(command: str, depth: int = 0, loosely: bool = False) -> bool:
    """Whether every part of the command only looks at things. `loosely`: also what could not be guarded, code that filters a pipe and
    what `npx` runs."""
    if len(command) > shell_line.LONGEST or depth > shell_line.DEPTH:
        return False
    piped = False
    for segment in segments(command):
        if not reads(segment, depth, loosely, piped):
            return False
        piped = segment.joint == "|"
    return True


def reads(segment: shell_line.Segment, depth: int = 0, loosely: bool = False, piped: bool = False) -> bool:
    """Whether one simple command only looks at things. `piped`: it is given the output of the one before it."""
    if segment.targets or not all(is_reading(inner, depth + 1, loosely) for inner in segment.inner):
        return False
    words = program(segment.words)
    if not words or program_reads(words[0], words[1:], depth, loosely):
        return True
    if not loosely:
        return False
    name, *rest = program(behind_runner(words)) or words
    return (piped and snippets.only_looks(name, rest)) or program_reads(name, rest, depth, loosely)


def all_programs(command: str, depth: int = 0) -> list[list[str]]:
    """Each program that a line runs, with its arguments: also those in `$( )`, behind `npx`, in `bash -c "..."`, on another machine."""
    found = []
    for segment in segments(command) if depth <= shell_line.DEPTH else ():
        words = program(segment.words)
        for each in filter(None, (words, program(behind_runner(words)) if words else [])):
            found += [each, *all_programs(inner_line(each)[1], depth + 1)]
        for inner in segment.inner:
            found += all_programs(inner, depth + 1)
    return found


def carries(words: list[str]) -> bool:
    """Whether a program only runs another one: `npx`, `bash -c`, `ssh`."""
    return bool(behind_runner(words) or inner_line(words)[1])


def behind_runner(words: list[str]) -> list[str]:
    """What `npx`, `uv run` and the like start, with its arguments; [] for any other program and for scripts of a project."""
    verbs = RUNNERS.get(words[0].rpartition("/")[2], ())
    rest = words[2:] if words[1:] and words[1] in verbs else words[1:] if "" in verbs else []
    while rest and (rest[0][:1] == "-" or shell_line.is_assignment(rest[0])) and rest[0] != "-m":
        rest = rest[2:] if rest[0] in _RUNNER_VALUED else rest[1:]
    if rest and is_in(rest[0], _SHELL_WORDS):
        return []
    return ["python", *rest] if rest[:1] == ["-m"] else rest


def program_reads(name: str, rest: list[str], depth: int = 0, loosely: bool = False) -> bool:
    """Whether program `name` with the arguments `rest` only looks at things."""
    listed = is_in(name, READING)
    if not listed and ("-" in name or is_in(name, _ALIASES)):
        cmdlet = powershell.cmdlet_reads(name, rest)
        if cmdlet is not None:
            return cmdlet
    line = " ".join(operands(rest, _VALUED)) if name == "watch" else inner_line([name, *rest])[1]
    if line or name == "watch":
        return name not in ("script", *_EVALS) and is_reading(line, depth + 1, loosely)
    if name == "gh" and rest[:2] == ["api", "graphql"]:
        return not any("mutation" in word or word == "--input" for word in rest)
    flags = _WRITES.get(name, "").split()
    if any(
        word.startswith(flag) if len(flag) == 2 else word.partition("=")[0] == flag
        for word in rest
        for flag in flags
    ):
        return False
    if name in ("curl", "wget"):
        return _only_fetches(name, rest)
    if name in ("awk", "gawk", "mawk", "sed", "uniq", "xxd", "hostname"):
        return _keeps_off(name, rest)
    if name == "find":
        starts = [i + 1 for i, word in enumerate(rest) if word in ("-exec", "-execdir")]
        ran = [program(until_its_end(rest[i:])) for i in starts]
        return all(words and program_reads(words[0], words[1:], depth + 1) for words in ran)
    asks_version = rest in VERSIONS and not (rest == ["-v"] and is_in(name, TESTERS))
    if listed or asks_version or (name == "kill" and rest[:1] == ["-0"]) or live.is_live(name, rest):
        return True
    return _only_sleeps(name, rest) or _reading_subcommand(name, rest)


def _only_sleeps(name: str, rest: list[str]) -> bool:
    """Whether it is code that only waits; most arguments do not even name a wait."""
    named = any("sleep" in word or "setTimeout" in word for word in rest)
    return named and snippets.only_sleeps(name, rest)


def writes_file(command: str) -> bool:
    """Whether a line writes a file. What it keeps of the output of a program is a log and does not count."""
    low = command[: shell_line.LONGEST].lower()
    if not any(sign in low for sign in _WRITE_SIGNS):
        return False
    logs = False  # such output comes through the pipe
    for segment in segments(command):
        name, *rest = program(segment.words) or ["echo"]
        says = name.lower() in _SAYING
        if edits(name, rest) or (says and not logs and (segment.targets or name.lower() in _TEES)):
            return True
        logs = segment.joint == "|" and (logs or not says)
    return False


def edits(name: str, rest: list[str]) -> bool:
    """Whether program `name` with the arguments `rest` edits a file: `sed -i`, `patch`, `cp`."""
    low = name.lower()
    if low in EDITORS or (low == "git" and rest[:1] == ["apply"]):
        return True
    in_place = any(word[:2] == "-i" or word in ("--in-place", "-pi") for word in rest)
    return in_place and low in ("sed", "perl", "gsed")


def inner_line(words: list[str]) -> tuple[str, str]:
    """(machine, container or device, "" for this machine; the line that a program runs there) of `bash -c "..."`, `eval "..."`,
    `ssh HOST cmd`, `docker exec NAME cmd`; ("", "") for any other program."""
    name, rest = words[0].rpartition("/")[2].removesuffix(".exe"), words[1:]
    if name.lower() in _EVALS:
        return "", " ".join(rest)
    if name in SHELL_PROGRAMS or name in ("script", "su", "nix-shell", "flock"):
        marks = [word == "--run" or (word[:1] == "-" != word[1:2] and word[-1] == "c") for word in rest]
        return "", next((line for line, marked in zip(rest[1:], marks) if marked), "")
    if name in ("pwsh", "powershell", "cmd"):
        options = [i for i, word in enumerate(rest) if word.lower() in ("-command", "-c", "/c")]
        return "", powershell.as_shell(" ".join(rest[options[0] + 1 :])) if options else ""
    if name == "ssh":
        rest = past_options(rest, "-i -p -o -l -F -J -L -R -D -b -c -m".split())
        return " ".join([name, *rest[:1]]), " ".join(rest[1:])
    if name not in ("docker", "podman", "docker-compose", "kubectl", "oc", "adb"):
        return "", ""
    rest = past_options(rest, ["-n", "--namespace", "--context", "-s", *_COMPOSE_VALUED])
    if rest[:1] == ["compose"]:
        name, rest = "docker-compose", past_options(rest[1:], _COMPOSE_VALUED)
    started = ("exec", "run") if name == "docker-compose" else ("shell",) if name == "adb" else ("exec",)
    if rest[:1] == [] or rest[0] not in started:
        return "", ""
    rest = rest[1:]
    plain = past_options(
        rest, "-e -u -w --user --workdir --env -c -n -v --volume --name --entrypoint".split()
    )
    named = [] if name == "adb" else plain[:1]
    plain = rest[rest.index("--") + 1 :] if "--" in rest else plain[len(named) :]
    return " ".join([name.removesuffix("-compose"), *map(_service_of, named)]), _joined(plain)


def _service_of(container: str) -> str:
    """`web` for `shop-web-1`, the name that docker compose gives its container."""
    parts = container.replace("_", "-").split("-")
    return "-".join(parts[1:-1]) if len(parts) > 2 and parts[-1].isdigit() else container


def _joined(words: list[str]) -> str:
    """The words as one line; those with blanks or brackets are quoted again."""
    return " ".join([w if _BREAKING.isdisjoint(w) else "'" + w.replace("'", "'\\''") + "'" for w in words])


def until_its_end(words: list[str]) -> list[str]:
    """The command that find's `-exec` runs, of the words after it."""
    ends = (";", "+", "\\;", "-exec", "-execdir")
    return words[: next((i for i, word in enumerate(words) if word in ends), len(words))]


def _keeps_off(name: str, rest: list[str]) -> bool:
    """Whether a program that writes in a way of its own (sed, awk, uniq, xxd, hostname) does not."""
    plain = [word for word in rest if word[:1] != "-"]
    if name in ("uniq", "xxd", "hostname"):
        return len(plain) < (1 if name == "hostname" else 2)
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
    if method.startswith("get") or "_get" in method or method.endswith(_ASKING_METHODS):
        return True
    return url.endswith(("/_search", "/_count")) or '"query":' in said


def _only_fetches(name: str, rest: list[str]) -> bool:
    """Whether it is curl without a body, a writing method or an output file, or wget that prints or only checks."""
    if name == "wget":
        return "--spider" in rest or any(word in ("-O-", "-qO-", "-") for word in rest)
    short = [word for word in rest if word[:1] == "-"]
    gets = "--get" in rest or any(word[-1:] == "G" for word in short) or _asks_by_post(rest)
    for option, value in _curl_options(rest):
        if option in ("-X", "--request") and value not in ("GET", "HEAD") and not (gets and value == "POST"):
            return False
        if option in ("-o", "-D", "--output") and value not in ("/dev/null", "-"):
            return False
        if option in ("-O", "-T", "-F", "-K", "-c"):
            return False
        if option.startswith(("-d", "--data", "--json", "--url-query")) and not gets:
            return False
    return True


def _curl_options(rest: list[str]) -> list[tuple[str, str]]:
    """(option, what may be its value) for each option of curl; `-sX POST` has two."""
    found = []
    for word, following in zip(rest, [*rest[1:], ""]):
        if word[:2] == "--":
            option, _, given = word.partition("=")
            found.append((option, given or following))
            continue
        for at, letter in enumerate(word[1:] if word[:1] == "-" else "", 2):
            found.append((f"-{letter}", word[at:] or following))
            if letter in "oDXdHuAebwmxrECyYzPQtU":
                break  # the rest is its value
    return found


def _reading_subcommand(name: str, rest: list[str]) -> bool:
    plain = operands(rest, _VALUED)
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
    if name == "ip":
        return not {"add", "del", "delete", "set", "flush", "change", "replace", "exec"}.intersection(rest)
    return not {first, *rest[:1]}.isdisjoint(SUBCOMMANDS.get(name, "").split())
