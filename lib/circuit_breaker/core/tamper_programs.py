"""What does a program start in its turn: this breaker's own verbs, another client, code for an interpreter? Pure."""

from __future__ import annotations

from circuit_breaker.core import tamper_code
from circuit_breaker.core.tamper_guard import HOLE, STAR, Tampered, carries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

CODE_OPTIONS = {  # interpreter -> its options whose value is code
    "python": "c",
    "pypy": "c",
    "py": "c",
    "node": "e p eval print pe",
    "nodejs": "e p eval print",
    "bun": "e eval p print",
    "deno": "",
    "tsx": "e eval",
    "ts-node": "e eval",
    "ruby": "e",
    "perl": "e E",
    "php": "r",
    "lua": "e",
    "osascript": "e",
    "rscript": "e",
    "julia": "e eval",
    "tclsh": "",
    "groovy": "e",
    "elixir": "e eval",
    "guile": "c",
    "emacs": "eval",
    "pwsh": "c command Command",
    "powershell": "c command Command",
}
VALUED_OPTIONS = {  # interpreter -> other options that take the next argument
    "python": ("W", "X"),
    "node": ("r", "require", "import", "loader"),
    "ruby": ("I", "r"),
    "perl": ("I",),
    "php": ("d", "f"),
}
TYPISTS = frozenset(
    [
        "tmux",
        "screen",
        "xdotool",
        "ydotool",
        "wtype",
        "expect",
        "kitty",
        "kitten",
        "wezterm",
        "zellij",
        "dtach",
    ]
)
CLIENTS = ("claude", "claude-code")
HOOKS = ("circuit_breaker_gate.py", "circuit_breaker_monitor.py")
HOOKS_OF_A_PLUGIN = ("prompt.py", "command.py", "stop.py", "run")
READING_MODULES = ("pytest", "unittest", "py_compile", "http.server", "pip", "mypy", "ruff")
OFF = {"disable", "uninstall", "remove", "rm", "un", "off"}


def unknown(shell: Shell, arg: str) -> None:
    """An argument of a program that we do not know: taken for a file it writes, if it looks like a path at all."""
    for value in {arg, arg.partition("=")[2], arg[2:] if arg[:1] == "-" else ""}:
        if "/" in value or "~" in value or "." in value or STAR in value:
            shell.touch(value)


def own(shell: Shell, field: str, args: list[str]) -> bool:
    """Whether a program is this breaker's own command line or hook; Tampered where that would lift the protection."""
    path = shell.original(shell.path(field))
    parent, _, base = path.rpartition("/")
    home = shell.vars.get("CIRCUIT_BREAKER_HOME", [""])[0]
    elsewhere = bool(home) and not shell.guards.reason(shell.path(home), True) and HOLE not in home
    if base == "plugin" or path.endswith("/plugin/__main__.py"):
        verbs = [arg for arg in args if arg in tamper_code.OVERRIDES]
        if verbs and not (verbs[0] == "reset" and elsewhere):
            raise Tampered(verbs[0])
        return True
    plugin = shell.guarded.plugin
    within = not plugin or path.startswith(shell.path(plugin) + "/hooks/")
    hook = base in HOOKS or (base in HOOKS_OF_A_PLUGIN and parent.endswith("/hooks") and within)
    if hook and not elsewhere and (base != "run" or args):
        raise Tampered("reset")  # a made-up prompt or result fed to a hook lifts a circuit as well
    return hook


def client(shell: Shell, args: list[str], stdin: str) -> str:
    """Another client of the host: a prompt with the override, or the plugin switched off."""
    said = " ".join(args) + "\n" + stdin
    low = said.lower()
    if args[:1] in (["plugin"], ["plugins"]):
        words = {arg.lower() for arg in args[1:]}
        if OFF & words and ("circuit-breaker" in low or words & {"--all", "-a"}):
            raise Tampered("disable")
        return HOLE
    if args[:1] == ["config"]:
        if "hooks" in low and not {"get", "list", "ls"} & set(args):
            raise Tampered("disable")
        return HOLE
    if carries(said, shell.guarded) or "plugin reset" in low or "claude-circuit-breaker" in low:
        raise Tampered("client")
    if "circuit" in low and any(word in low for word in ("/plugin", "disable", "uninstall", "plugin mode")):
        raise Tampered("client")
    return HOLE


def typist(shell: Shell, args: list[str], stdin: str) -> str:
    """Programs that type into a terminal in the person's place, or start others."""
    if carries(" ".join(args) + " " + stdin, shell.guarded):
        raise Tampered("client")
    for arg in args:
        if " " in arg:
            shell.child().run(arg)
            tamper_code.judge(shell, arg)
    return HOLE


def container(shell: Shell, args: list[str]) -> None:
    """docker and podman: what a container is given to write to; its own paths are not ours."""
    mounts = [value for flag, value in zip(args, args[1:]) if flag in ("-v", "--volume", "--mount")]
    mounts += [arg.partition("=")[2] for arg in args if arg.startswith(("--volume=", "--mount="))]
    for mount in mounts:
        fields = dict(part.partition("=")[::2] for part in mount.split(","))
        source = fields.get("source", fields.get("src", mount.partition(":")[0]))
        if not mount.endswith((":ro", ",ro", ",readonly")) and source[:1] in ("/", "~", "."):
            place = shell.path(source)
            whole = place in (shell.guards.user_home, "/") or "/.claude" in place
            shell.touch(source, whole)


def interpreter(shell: Shell, kind: str, args: list[str], stdin: str) -> str:
    """python, node, ruby, perl ...: code on the line or on stdin, a script, a module."""
    i, found, in_place = 0, False, False
    while i < len(args) and args[i].startswith("-") and args[i] != "-":
        option, _, value = args[i].lstrip("-").partition("=")
        short = not args[i].startswith("--")
        in_place = in_place or (short and kind in ("perl", "ruby") and "i" in option.split("e")[0])
        if kind in ("python", "py") and option[-1:] == "m" and short:
            return _module(shell, args[i + 1 : i + 2], args[i + 2 :])
        code, taken = _code(kind, option, value, args[i + 1] if i + 1 < len(args) else "", short)
        tamper_code.judge(shell, code)
        found = found or bool(code)
        i += taken
        if code and kind == "python":
            break
    rest = args[i:]
    if kind in ("deno", "bun") and rest[:1] in (["eval"], ["run"]):
        found = rest[0] == "eval"
        tamper_code.judge(shell, " ".join(rest[1:]) if found else "")
        rest = rest[1:]
    if in_place:
        for arg in rest:
            shell.touch(arg)
    elif found or rest[:1] in ([], ["-"]):
        tamper_code.judge(shell, "" if found else stdin)
        code = " ".join(args) + stdin
        for arg in rest if tamper_code.writes(code) else []:  # the code may write to what it is handed
            shell.touch(arg, tamper_code.takes_trees(code))
    else:
        _script(shell, rest[0], rest[1:], stdin)
    return HOLE


def _code(kind: str, option: str, value: str, following: str, short: bool) -> tuple[str, int]:
    """(code that an option carries or "", arguments it takes up)."""
    letters = CODE_OPTIONS[kind].split()
    if option in letters or (short and option[-1:] in letters):
        return (value, 1) if value else (following, 2)
    if short and option[:1] in letters and len(option) > 1:
        return option[1:] + ("=" + value if value else ""), 1
    return "", 2 if option in VALUED_OPTIONS.get(kind, ()) else 1


def _script(shell: Shell, field: str, args: list[str], stdin: str) -> None:
    path = shell.path(field)
    if "/claude-code/" in path and path.endswith(("cli.js", "cli.mjs")):
        client(shell, args, stdin)
    elif not own(shell, field, args):
        tamper_code.judge(shell, shell.content(field))
        for arg in args:
            unknown(shell, arg)


def _module(shell: Shell, module: list[str], args: list[str]) -> str:
    name = module[0] if module else ""
    if name.partition(".")[0] == "plugin":
        own(shell, "plugin", args)
    elif name == "json.tool":
        for arg in [arg for arg in args if not arg.startswith("-")][1:2]:
            shell.touch(arg)
    elif name not in READING_MODULES:
        for arg in args:
            unknown(shell, arg)
    return HOLE
