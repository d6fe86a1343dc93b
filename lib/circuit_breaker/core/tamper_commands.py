"""What does one simple command do: a word of the shell itself, a wrapper around another, a shell in a shell? Pure."""

from __future__ import annotations

from circuit_breaker.core import tamper_code, tamper_files, tamper_programs
from circuit_breaker.core.tamper_guard import HOLE
from circuit_breaker.core.tamper_lex import lex, unescape
from circuit_breaker.core.tamper_words import skip_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

DEPTH_MAX = 24  # shells within shells, wrappers around wrappers
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish", "rbash")
# wrapper -> its options that take a value of their own
WRAPPERS = {
    "env": "u C chdir unset", "sudo": "u g h p C T R D r t user group chdir", "doas": "u C", "nohup": "", "time": "f o", "command": "",
    "exec": "a", "nice": "n", "ionice": "c n p", "stdbuf": "i o e", "timeout": "k s", "gtimeout": "k s", "setsid": "",
    "builtin": "", "busybox": "", "toybox": "", "chronic": "", "strace": "e o p s", "unbuffer": "", "caffeinate": "t w",
    "systemd-run": "p u", "npx": "p package", "bunx": "", "pnpx": "", "uvx": "from with", "xvfb-run": "n s", "firejail": "",
    "noglob": "", "chroot": "", "unshare": "", "setarch": "", "taskset": "", "flock": "w E timeout", "catchsegv": "", "watch": "n d", "entr": "",
}  # fmt: skip
RUNNERS = {("npm", "exec"), ("npm", "x"), ("pnpm", "dlx"), ("pnpm", "exec"), ("yarn", "dlx"), ("yarn", "exec"), ("bun", "x"),
           ("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("bundle", "exec"), ("pipx", "run"), ("hatch", "run"), ("pdm", "run"), ("pyenv", "exec"), ("conda", "run"), ("mise", "exec"), ("asdf", "exec"), ("rye", "run")}  # fmt: skip


def perform(shell: Shell, fields: list[str], stdin: str, operator: str = ";") -> str:
    """Follow one command; return what it prints, HOLE where that cannot be told."""
    shell.left[0] -= 1
    if shell.left[0] < 0 or shell.depth > DEPTH_MAX or not fields or not fields[0]:
        return HOLE
    shell.depth += 1
    out = _dispatch(shell, fields, stdin, operator)
    shell.depth -= 1
    return out


def _dispatch(shell: Shell, fields: list[str], stdin: str, operator: str) -> str:
    name = fields[0].rpartition("/")[2].lower()
    name = name[:-4] if name.endswith(".exe") else name
    args = fields[1:]
    shell.moved = shell.moved and name in ("cd", "pushd")
    said = _builtin(shell, name, args, stdin, operator)
    if said is not None:
        return said
    if name in WRAPPERS:
        return _wrapped(shell, name, args, stdin)
    if args and (name, args[0]) in RUNNERS:
        return _wrapped(shell, "npx", args[1:], stdin)
    if name in SHELLS:
        return _shell(shell, args, stdin)
    if name in tamper_programs.CLIENTS:
        return tamper_programs.client(shell, args, stdin)
    if name in tamper_programs.TYPISTS:
        return tamper_programs.typist(shell, args, stdin)
    kind = name.rstrip("0123456789.")
    if kind in tamper_programs.CODE_OPTIONS:
        return tamper_programs.interpreter(shell, kind, args, stdin)
    if "/" in fields[0]:
        tamper_programs.own(shell, fields[0], args)
        written = shell.content(fields[0])
        if written:
            tamper_code.judge(shell, written)
            return _text_of(shell, fields[0], stdin, shell.child(), args)
    return tamper_files.perform(shell, name, args, stdin)


def _builtin(shell: Shell, name: str, args: list[str], stdin: str, operator: str) -> str | None:
    """The shell's own words; None if `name` is none of them."""
    if name in ("cd", "pushd"):
        places = [arg for arg in args if not arg.startswith("-") or arg == "-"]
        if operator != "||" or not shell.moved:  # `cd here || cd there` goes to one of them
            target = places[0] if places else "~"
            if name == "pushd":
                shell.stack.append(shell.cwd)
            there = shell.before if target == "-" else shell.path(target)
            shell.before, shell.cwd, shell.moved = shell.cwd, there, True
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
    if name == "alias":
        for arg in args:
            word, equals, value = arg.partition("=")
            if equals:
                shell.functions[word] = lex(value + ' "$@"')
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
    if rest and name == "command" and args[0] in ("-v", "-V"):
        return rest[0]
    if name in ("command", "builtin"):
        return perform(shell, rest, stdin)
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
            return shell.child().run(stdin, "", [arg for arg in args[i:] if arg != "--"])
    rest = [arg for arg in args[i:] if arg not in ("-", "--")]
    if not rest:
        return shell.child().run(stdin)
    if not tamper_programs.own(shell, rest[0], rest[1:]):
        for arg in rest[1:]:
            tamper_programs.unknown(shell, arg)
    return _text_of(shell, rest[0], stdin, shell.child(), rest[1:])


def _text_of(shell: Shell, field: str, stdin: str, runner: Shell, args: list[str] | None = None) -> str:
    """Follow a script, if this very command wrote it."""
    path = shell.path(field)
    text = stdin if path in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0") else shell.content(field)
    return runner.run(text, stdin, args) if text and text != HOLE else HOLE
