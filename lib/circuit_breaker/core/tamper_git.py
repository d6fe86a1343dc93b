"""Does a git command take guarded files of a work tree away or overwrite them? Pure.

What brings back committed states of the whole tree (`checkout BRANCH`, `checkout .`, `reset --hard`, plain `stash`) is daily work and
passes. What takes away files git does not hold (`clean`, `stash -u`) counts over the whole tree, the rest where it names them.
"""

from __future__ import annotations

from circuit_breaker.core.tamper_guard import HOLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.tamper_shell import Shell

VALUED = ("-c", "--git-dir", "--work-tree", "--namespace", "--exec-path")
RUNNING = (
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "GIT_PAGER",
    "GIT_SSH_COMMAND",
    "EDITOR",
    "PAGER",
)  # commands git starts
MOVING = (
    "checkout",
    "switch",
    "restore",
    "reset",
    "stash",
    "pull",
    "merge",
    "rebase",
    "revert",
    "cherry-pick",
    "am",
    "apply",
)
NAMING = (
    ".claude",
    "circuit",
)  # a folder above guarded files counts when it is one of these, not the whole tree


def git(shell: Shell, args: list[str], stdin: str) -> str:
    """Follow a git command; return what it prints."""
    inner = shell.child()
    inner.depth = shell.depth
    i = 0
    while i < len(args) and args[i].startswith("-"):
        if args[i] in ("-C", "--work-tree") and i + 1 < len(args):
            inner.cwd = inner.path(args[i + 1])
            i += 1
        elif args[i].startswith("--work-tree="):
            inner.cwd = inner.path(args[i].partition("=")[2])
        elif args[i] in VALUED:
            if args[i + 1 : i + 2] and args[i + 1].startswith("alias.") and "=!" in args[i + 1]:
                inner.child().run(args[i + 1].partition("=!")[2])
            i += 1
        i += 1
    verb, rest = (args[i] if i < len(args) else ""), args[i + 1 :]
    flags = [arg for arg in rest if arg.startswith("-")]
    places = [
        _pathspec(inner, arg)
        for arg in rest
        if not arg.startswith("-") and not arg.startswith((":!", ":(exclude", ":^"))
    ]
    for name in RUNNING:
        inner.child().run(" ".join(inner.vars.get(name, [])))
    if verb in ("submodule", "rebase", "bisect", "filter-branch", "filter-repo"):
        for arg in [*rest, " ".join(rest[1:])]:
            inner.child().run(arg if " " in arg and not arg.startswith("-") else "")
    if verb in MOVING and rest[:1] not in (["list"], ["show"]) and inner.guards.reason(inner.path(".")):
        inner.touch(".")  # the work tree of the plugin itself
    if verb == "rev-parse" and "--show-toplevel" in rest:
        return shell.guarded.project or HOLE
    if verb == "clean":
        _clean(inner, rest, flags, places)
    elif verb == "stash":
        _stash(inner, rest, flags, places[1:])
    elif verb in ("checkout", "restore"):
        for place in places:
            _named(inner, place)
    elif verb in ("rm", "mv") and "--cached" not in flags:
        for place in places:
            inner.touch(place, True)
    elif verb == "config":
        for arg in rest:
            inner.child().run(arg[1:] if arg.startswith("!") else "")
    elif verb == "apply" and stdin and stdin != HOLE:
        for line in stdin.split("\n"):
            if line.startswith(("+++ ", "--- ")):
                inner.touch(line.split()[-1].partition("/")[2])
    elif verb == "worktree" and rest[:1] == ["remove"]:
        for place in places[1:]:
            inner.touch(place, True)
    elif verb in ("clone", "init", "archive", "bundle", "format-patch") and places:
        inner.touch(places[-1])
    for flag in flags:
        if flag.startswith("--output="):
            inner.touch(flag.partition("=")[2])
    return HOLE


def _pathspec(shell: Shell, arg: str) -> str:
    """`:/x` and `:(top)x` count from the top of the tree, which we take for the project."""
    for top in (":(top)", ":/"):
        if arg.startswith(top):
            return f"{shell.guarded.project}/{arg[len(top) :]}"
    return arg


def _named(shell: Shell, place: str) -> None:
    """A pathspec counts at or inside what is guarded, or at a folder above that is named for it."""
    path, project = shell.path(place), shell.guards.project
    below = path[len(project) :] if path == project or path.startswith(project + "/") else path
    shell.touch(place, any(name in below for name in NAMING))


def _clean(shell: Shell, rest: list[str], flags: list[str], places: list[str]) -> None:
    letters = "".join(flag[1:] for flag in flags if not flag.startswith("--"))
    if (
        "n" in letters
        or "--dry-run" in flags
        or not ("f" in letters or "--force" in flags or "i" in letters or "--interactive" in flags)
    ):
        return
    spared = any(
        ".claude" in arg
        for i, arg in enumerate(rest)
        if (rest[i - 1] if i else "") in ("-e", "--exclude") or arg.startswith(("-e.", "--exclude="))
    )
    named = [place for i, place in enumerate(places) if ".claude" not in place or not spared]
    for place in named or ([] if spared else ["."]):
        shell.touch(place, True)


def _stash(shell: Shell, rest: list[str], flags: list[str], places: list[str]) -> None:
    if rest[:1] and rest[0] not in ("push", "save", "-u", "-a", "--include-untracked", "--all", "--"):
        return
    if "--" in rest or (rest[:1] == ["push"] and places):
        for place in places:
            _named(shell, place)
        return
    if any(
        flag in ("-u", "-a", "--include-untracked", "--all")
        or (flag[:2] != "--" and ("u" in flag or "a" in flag))
        for flag in flags
    ):
        path, project = shell.path("."), shell.guards.project
        inside = path == project or (path.startswith(project + "/") and "/.claude/worktrees/" not in path)
        shell.touch(shell.guarded.project if inside else ".", True)
