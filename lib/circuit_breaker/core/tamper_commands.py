"""What does one simple command write, delete or start? Shell words, wrappers, interpreters, the host's client. Pure."""

from __future__ import annotations

from circuit_breaker.core import tamper_code, tamper_files
from circuit_breaker.core.tamper_guard import HOLE, Tampered, carries
from circuit_breaker.core.tamper_lex import unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash")
# wrapper -> its options that take a value of their own
WRAPPERS = {
    "env": "u C chdir unset", "sudo": "u g h p C T R D r t user group chdir", "doas": "u C", "nohup": "", "time": "f o", "command": "",
    "exec": "a", "nice": "n", "ionice": "c n p", "stdbuf": "i o e", "timeout": "k s", "gtimeout": "k s", "setsid": "",
    "builtin": "", "busybox": "", "toybox": "", "chronic": "", "strace": "e o p s", "unbuffer": "", "caffeinate": "t w",
    "systemd-run": "p u", "npx": "p package", "bunx": "", "pnpx": "", "uvx": "from with", "xvfb-run": "n s", "firejail": "",
    "noglob": "", "chroot": "", "unshare": "", "setarch": "", "taskset": "", "flock": "w E timeout", "catchsegv": "", "watch": "n d",
}  # fmt: skip
RUNNERS = {("npm", "exec"), ("npm", "x"), ("pnpm", "dlx"), ("pnpm", "exec"), ("yarn", "dlx"), ("yarn", "exec"), ("bun", "x"),
           ("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("bundle", "exec"), ("pipx", "run"), ("hatch", "run"), ("pdm", "run")}  # fmt: skip
# interpreter -> options whose value is code
INTERPRETERS = {
    "python": "c", "pypy": "c", "py": "c", "node": "e p eval print pe", "nodejs": "e p eval print", "bun": "e eval p print",
    "deno": "", "tsx": "e eval", "ruby": "e", "perl": "e E", "php": "r", "lua": "e", "osascript": "e", "rscript": "e", "julia": "e eval",
    "tclsh": "", "groovy": "e", "elixir": "e eval", "swift": "e", "ts-node": "e eval", "guile": "c", "emacs": "eval",
}  # fmt: skip
TYPISTS = (
    "tmux",
    "screen",
    "xdotool",
    "ydotool",
    "wtype",
    "osascript",
    "expect",
    "kitty",
    "kitten",
    "wezterm",
    "zellij",
    "dtach",
)
HOOKS = ("circuit_breaker_gate.py", "circuit_breaker_monitor.py")
HOOKS_OF_A_PLUGIN = ("prompt.py", "command.py", "stop.py", "run")
OVERRIDES = ("reset", "mode", "uninstall")


def perform(shell: Shell, fields: list[str], stdin: str, operator: str = ";") -> str:
    """Follow one command; return what it prints, HOLE where that cannot be told."""
    if shell.left[0] < 0 or not fields or not fields[0]:
        return HOLE
    name = fields[0].rpartition("/")[2].lower()
    name = name[:-4] if name.endswith(".exe") else name
    args = fields[1:]
    said = _builtin(shell, name, args, stdin, operator)
    if said is not None:
        return said
    if name in WRAPPERS:
        return _wrapped(shell, name, args, stdin)
    if args and (name, args[0]) in RUNNERS:
        return _wrapped(shell, "npx", args[1:], stdin)
    if name in SHELLS:
        return _shell(shell, args, stdin)
    if name in ("claude", "claude-code", "@anthropic-ai"):
        return _client(shell, args, stdin)
    if name in TYPISTS:
        return _typist(shell, args, stdin)
    kind = name.rstrip("0123456789.")
    if kind in INTERPRETERS:
        return _interpreter(shell, kind, args, stdin)
    if "/" in fields[0]:
        _script(shell, fields[0], args, stdin)
        written = shell.files.get(shell.path(fields[0]), "")
        if written:
            tamper_code.judge(shell, written)
            return _text_of(shell, fields[0], stdin, shell.child(), args)
    return tamper_files.perform(shell, name, args, stdin)


def _builtin(shell: Shell, name: str, args: list[str], stdin: str, operator: str) -> str | None:
    """The shell's own words; None if `name` is none of them."""
    if name in ("cd", "pushd"):
        places = [arg for arg in args if not arg.startswith("-") or arg == "-"]
        if operator != "||":
            target = places[0] if places else "~"
            if name == "pushd":
                shell.stack.append(shell.cwd)
            there = shell.before if target == "-" else shell.path(target)
            shell.before, shell.cwd = shell.cwd, there
        return ""
    if name == "popd":
        shell.cwd = shell.stack.pop() if shell.stack else shell.before
        return ""
    if name in ("export", "declare", "typeset", "local", "readonly"):
        for arg in args:
            variable, equals, value = arg.partition("=")
            if equals:
                shell.vars[variable.rstrip("+")] = [value]
        return ""
    if name in ("read", "mapfile", "readarray"):
        lines = stdin.split("\n") if stdin else [HOLE]
        for arg in args or ["REPLY"]:
            if not arg.startswith("-"):
                shell.vars[arg] = lines[:64]
        return ""
    if name == "set":
        rest = args[args.index("--") + 1 :] if "--" in args else []
        if rest:
            shell.run("", "", rest)
        return ""
    if name == "eval":
        shell.depth += 1
        out = shell.run(" ".join(args), stdin)
        shell.depth -= 1
        return out
    if name in ("source", "."):
        return _text_of(shell, args[0], stdin, shell) if args else ""
    if name == "trap" and args:
        return shell.child().run(args[0])
    if name == "echo":
        words = args[1:] if args[:1] and args[0] in ("-n", "-e", "-ne", "-en", "-E") else args
        text = " ".join(words)
        return unescape(text) if words is not args and "e" in args[0] else text
    if name == "printf" and args:
        return _printf(shell, args)
    return None


def _printf(shell: Shell, args: list[str]) -> str:
    variable = args[1] if args[0] == "-v" and len(args) > 2 else ""
    words = args[2:] if variable else args
    form, rest = unescape(words[0]), words[1:]
    out = []
    while True:
        pieces = form.split("%")
        text = pieces[0]
        for piece in pieces[1:]:
            kind = piece.lstrip("-+ 0123456789.")[:1]
            value = rest.pop(0) if rest and kind in ("s", "b", "q", "d", "c") and kind else ""
            text += value + piece.lstrip("-+ 0123456789.")[1:] if kind else "%"
        out.append(text)
        if not rest or len(pieces) == 1:
            break
    if variable:
        shell.vars[variable] = ["".join(out)]
    return "" if variable else "".join(out)


def skip_options(args: list[str], valued: str) -> list[str]:
    """The arguments behind the leading options; `valued` names those whose value is the next argument."""
    names = valued.split()
    i = 0
    while i < len(args) and args[i].startswith("-") and args[i] != "-":
        if args[i] == "--":
            return args[i + 1 :]
        option = args[i].lstrip("-")
        i += 2 if option in names else 1
    return args[i:]


def _wrapped(shell: Shell, name: str, args: list[str], stdin: str) -> str:
    """`env A=b cmd`, `sudo -u x cmd`, `timeout 5 cmd`: the inner command counts."""
    inner = shell.child()
    for i, arg in enumerate(args):
        if arg in ("-C", "-D", "--chdir") and name in ("env", "sudo") and i + 1 < len(args):
            inner.cwd = shell.path(args[i + 1])
        if arg in ("-S", "--split-string") and name == "env":
            return inner.run(" ".join(args[i + 1 :]), stdin)
        if arg in ("-c", "--call", "--command") and name in ("npx", "flock") and i + 1 < len(args):
            return inner.run(args[i + 1], stdin)
    rest = skip_options(args, WRAPPERS[name])
    while rest and name in ("env", "sudo", "doas") and "=" in rest[0]:
        variable, _, value = rest[0].partition("=")
        inner.vars[variable] = [value]
        rest = skip_options(rest[1:], WRAPPERS[name])
    if name in ("timeout", "gtimeout", "flock", "chroot", "taskset"):
        rest = rest[1:]
    if name == "watch" or (name == "npx" and len(rest) == 1 and " " in rest[0]):
        return inner.run(" ".join(rest), stdin)
    if rest and name in ("npx", "bunx", "pnpx") and rest[0].startswith("@anthropic-ai/claude-code"):
        rest = ["claude", *rest[1:]]
    if rest and name == "command" and args and args[0] in ("-v", "-V"):
        return HOLE
    return perform(inner, rest, stdin) if rest else ""


def _shell(shell: Shell, args: list[str], stdin: str) -> str:
    i = 0
    while i < len(args) and args[i][:1] in ("-", "+") and args[i] not in ("-", "--"):
        option = args[i]
        if "c" in option and not option.startswith("--") and i + 1 < len(args):
            rest = [arg for arg in args[i + 1 :] if arg != "--"]
            return shell.child().run(rest[0], stdin, rest[2:]) if rest else ""
        i += 2 if option in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file") else 1
        if "s" in option and not option.startswith("--"):
            return shell.child().run(stdin, "", args[i:])
    rest = [arg for arg in args[i:] if arg not in ("-", "--")]
    if not rest:
        return shell.child().run(stdin)
    _script(shell, rest[0], rest[1:], stdin)
    _plain_arguments(shell, rest[1:])
    return _text_of(shell, rest[0], stdin, shell.child(), rest[1:])


def _text_of(shell: Shell, field: str, stdin: str, runner: Shell, args: list[str] | None = None) -> str:
    """Follow a script, if this very command wrote it."""
    path = shell.path(field)
    text = stdin if path in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0") else shell.files.get(path, "")
    return runner.run(text, stdin, args) if text and text != HOLE else HOLE


def _plain_arguments(shell: Shell, args: list[str]) -> None:
    """Arguments of a program we do not know: it may write to whatever guarded path it is given."""
    for arg in args:
        tamper_files.unknown(shell, arg)


def _script(shell: Shell, field: str, args: list[str], stdin: str) -> bool:
    """Whether a program is this breaker's own command line or hook; Tampered where that would lift the protection."""
    path = shell.path(field)
    parent, _, base = path.rpartition("/")
    home = shell.vars.get("CIRCUIT_BREAKER_HOME", [""])[0]
    elsewhere = bool(home) and not shell.guards.reason(shell.path(home), True) and HOLE not in home
    if base == "plugin" or path.endswith("/plugin/__main__.py"):
        verbs = [arg for arg in args if arg in OVERRIDES]
        if verbs and not (verbs[0] == "reset" and elsewhere):
            raise Tampered(verbs[0])
        return True
    known = bool(shell.guarded.plugin) and path.startswith(shell.path(shell.guarded.plugin) + "/hooks/")
    ours = base in HOOKS or (
        base in HOOKS_OF_A_PLUGIN and parent.endswith("/hooks") and (known or not shell.guarded.plugin)
    )
    if ours and not elsewhere and (base != "run" or args):
        raise Tampered("reset")  # a made-up prompt or result fed to a hook lifts a circuit as well
    return ours


def _client(shell: Shell, args: list[str], stdin: str) -> str:
    """Another client of the host: a prompt with the override, or the plugin switched off."""
    said = " ".join(args) + "\n" + stdin
    low = said.lower()
    if args[:1] in (["plugin"], ["plugins"]):
        words = [arg.lower() for arg in args[1:] if not arg.startswith("-")]
        ours = any("circuit-breaker" in word for word in words) or "--all" in args or "-a" in args
        off = {"disable", "uninstall", "remove", "rm", "un", "off"}
        if ours and off & set(words):
            raise Tampered("disable")
        return HOLE
    if args[:1] == ["config"]:
        if (
            any(word in low for word in ("disableallhooks", "hooks", "enabledplugins"))
            and "get" not in args
            and "list" not in args
        ):
            raise Tampered("disable")
        return HOLE
    if carries(said, shell.guarded) or any(
        w in low for w in ("plugin reset", "disableallhooks", "claude-circuit-breaker")
    ):
        raise Tampered("client")
    if "circuit" in low and any(w in low for w in ("/plugin", "disable", "uninstall", "plugin mode")):
        raise Tampered("client")
    return HOLE


def _typist(shell: Shell, args: list[str], stdin: str) -> str:
    """Programs that type into a terminal in the person's place, or start others."""
    if carries(" ".join(args) + " " + stdin, shell.guarded):
        raise Tampered("client")
    for arg in args:
        if " " in arg:
            shell.child().run(arg)
            tamper_code.judge(shell, arg)
    return HOLE


def _interpreter(shell: Shell, kind: str, args: list[str], stdin: str) -> str:
    """python, node, ruby, perl ...: code on the line or on stdin, a script, a module."""
    codes = INTERPRETERS[kind].split()
    i = 0
    found = False
    in_place = False
    while i < len(args) and args[i].startswith("-") and args[i] != "-":
        option, _, value = args[i].lstrip("-").partition("=")
        if not args[i].startswith("--") and kind in ("perl", "ruby"):
            in_place = in_place or "i" in option.split("e")[0]
        if kind == "python" and option == "m":
            return _module(shell, args[i + 1 : i + 2], args[i + 2 :], stdin)
        takes = option in codes or (not args[i].startswith("--") and option[-1:] in codes)
        if takes and (value or i + 1 < len(args)):
            tamper_code.judge(shell, value or args[i + 1])
            found = True
            i += 1 if value else 2
            if kind == "python":
                break
        elif kind in ("python", "pypy") and option[:1] == "c" and len(option) > 1:
            tamper_code.judge(shell, option[1:])
            found = True
            i += 1
        else:
            i += 2 if option in ("W", "X", "r", "require", "import", "I", "M") and kind != "php" else 1
    rest = args[i:]
    if kind in ("deno", "bun") and rest[:1] in (["eval"], ["run"]):
        found = rest[0] == "eval"
        tamper_code.judge(shell, " ".join(rest[1:]) if found else "")
        rest = rest[1:]
    if in_place:
        for arg in rest:
            shell.touch(arg)
        return ""
    if found or rest[:1] in ([], ["-"]):
        if not found:
            tamper_code.judge(shell, stdin)
        _code_arguments(shell, " ".join(args) + stdin, [arg for arg in rest if arg != "-"])
        return HOLE
    script = rest[0]
    if _script(shell, script, rest[1:], stdin):
        return HOLE
    tamper_code.judge(shell, shell.files.get(shell.path(script), ""))
    _plain_arguments(shell, rest[1:])
    return HOLE


def _code_arguments(shell: Shell, code: str, args: list[str]) -> None:
    """Paths handed to code on the line: a write in the code may go there."""
    if tamper_code.writes(code):
        for arg in args:
            shell.touch(arg)


def _module(shell: Shell, module: list[str], args: list[str], stdin: str) -> str:
    if not module:
        return HOLE
    if module[0].replace(".__main__", "") == "plugin":
        _script(shell, "plugin", args, stdin)
    elif module[0] == "json.tool":
        for arg in [arg for arg in args if not arg.startswith("-")][1:2]:
            shell.touch(arg)
    elif module[0] not in ("pytest", "unittest", "py_compile", "http.server", "pip", "mypy", "ruff"):
        _plain_arguments(shell, args)
    return HOLE
