"""The paths of each scope, and the settings files that Claude Code reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shared import places_here, run_program

from circuit_breaker.breaker.config import OPTION
from circuit_breaker.runtime import claude_folder, files, home, packages
from circuit_breaker.runtime.json import only
from circuit_breaker.words.texts import PLUGIN
from install import disk, jsontext, settings

COMMANDS = ("circuit-status.md", "reset-circuit.md")
HOME = (home.CONFIG, ".gitignore")  # in a project's home: the config file, and what keeps the rest out of git


class Scope(NamedTuple):
    """base: start of the receipt's relative paths; commands: the folder of slash commands; root: the installation; shell: `root` as
    written in the registered lines; memory: the project's home, None for --scope user; launcher: the command `circuit-breaker`."""

    name: str
    base: Path
    commands: Path
    settings: Path
    root: Path
    shell: str
    claude_md: Path
    memory: Path | None
    launcher: Path | None

    @property
    def placed(self) -> dict[str, Path]:
        """Our files outside the installation's folder, by their names in the receipt."""
        found = {name: self.memory / name for name in HOME} if self.memory else {}
        found.update({PLUGIN: self.launcher} if self.launcher else {})
        return {**found, **{name: self.commands / name for name in COMMANDS}}

    @property
    def outside(self) -> list[Path]:
        """Every file that an installation can write outside its folder."""
        excluded = git_exclude(self.base) if self.name == "local" else None
        return [self.settings, self.claude_md, *self.placed.values(), *(excluded or ())[:1]]


class Source(NamedTuple):
    """A settings file that Claude Code reads. problem: why there is no `document`."""

    label: str
    path: Path
    document: dict
    problem: str

    @property
    def plugins(self) -> dict[str, bool]:
        """Plugin id -> whether it is enabled."""
        return {name: on is not False for name, on in only(dict, self.document.get("enabledPlugins")).items()}


def scope(name: str, project: str | None = None) -> Scope:
    """The Scope for `name`, of `project` or the project of the current directory. Raises files.Refused if it has no valid paths."""
    if name == "user":
        claude = claude_path()
        root = Path(packages.data_folder())
        try:
            shell = settings.in_double_quotes(root.as_posix())  # with slashes, as bash on Windows wants it
        except ValueError:
            why = "this path cannot be written in a settings file; set XDG_DATA_HOME to another folder"
            raise files.Refused(0, why, str(root)) from None
        user = os.environ.get("HOME", "") if os.name == "posix" else ""
        launcher = Path(user, ".local", "bin", PLUGIN) if os.path.isabs(user) else None
        own, notes = claude / "settings.json", claude / "CLAUDE.md"
        return Scope(name, root, claude / "commands", own, root, shell, notes, None, launcher)
    base = Path(places_here(project).project)
    claude = base / ".claude"
    if os.path.realpath(claude) == os.path.realpath(claude_path()):
        why = "this is your home, not a project: go to the project, or use --scope user"
        raise files.Refused(0, why, str(base))
    local = ".local" if name == "local" else ""
    own, notes = claude / f"settings{local}.json", base / f"CLAUDE{local}.md"
    shell = f"$CLAUDE_PROJECT_DIR/.claude/{PLUGIN}"
    memory = claude / "memory"
    return Scope(name, base, claude / "commands", own, claude / PLUGIN, shell, notes, memory, None)


def git_exclude(project: Path) -> tuple[Path, str] | None:
    """(exclude file of the repository around `project`, the project's path in it); None without git or a repository."""
    asked = ["rev-parse", "--git-path", "info/exclude", "--show-prefix"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    said = run_program(["git", "-C", str(project), *asked], env=env)
    exclude, _, inner = said.stdout.partition("\n")
    return None if said.returncode else (Path(os.path.normpath(project / exclude)), inner.rstrip("\n"))


def deny_rules(scope: Scope) -> list[str]:
    """The rules of --deny-rules: Claude Code itself refuses edits of our state and files. None for a folder that your home is in."""
    user = home.user_folder(os.environ)
    names = [f"/.claude/{PLUGIN}"] if scope.memory else []
    folders = [home.runtime_folder(os.environ), os.path.dirname(home.user_config(os.environ))]
    folders += [] if scope.memory else [str(scope.root)]
    for folder in folders:
        if folder and not f"{user}/".startswith(f"{folder}/"):
            in_home = user and folder.startswith(f"{user}/")
            names.append("~" + folder[len(user) :] if in_home else f"/{folder}")
    return [f"Edit({name}/**)" for name in names]


def claude_path() -> Path:
    """Claude Code's folder. Raises files.Refused if it has no absolute path."""
    path = claude_folder.path(os.environ)
    if not os.path.isabs(path):
        raise files.Refused(0, "set HOME to an absolute path", path)
    return Path(path)


def chain(project: Path) -> list[Source]:
    """The existing settings files that a session in `project` reads."""
    user, own = claude_path(), project / ".claude"
    at_home = os.path.realpath(own) == os.path.realpath(user)
    found = []
    for label, name in claude_folder.settings_files(str(user), str(project)):
        if at_home and label in ("project", "local"):
            continue
        path = Path(name)
        try:
            data = disk.read_through(path)
            if data is None:
                continue
            document = settings.settings_of(data, once=False)
            settings.check_shape(data, document)
            found.append(Source(label, path, document, ""))
        except (OSError, jsontext.Unreadable) as error:
            found.append(Source(label, path, {}, disk.error_text(error)))
    return found


def is_this_plugin(plugin_id: str) -> bool:
    """Whether `NAME@MARKETPLACE` names this plugin."""
    return plugin_id.partition("@")[0] == PLUGIN


def switches(sources: list[Source]) -> Iterator[tuple[Path, str, bool]]:
    """(settings file, plugin id, whether it is enabled) for each settings file that names the plugin."""
    for source in sources:
        yield from ((source.path, name, on) for name, on in source.plugins.items() if is_this_plugin(name))


def plugin_options() -> dict[str, str]:
    """The options of the plugin as Claude Code passes them to its hooks, by variable; none if no settings file here enables it."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):  # a verb says itself what is wrong with a folder
        sources = chain(Path(places_here().project))
        enabled = {name: on for _, name, on in switches(sources)}
        for source in sources:
            for name, kept in only(dict, source.document.get("pluginConfigs")).items():
                given = only(dict, only(dict, kept).get("options")) if enabled.get(name) else {}
                found.update({OPTION + key.upper(): str(value) for key, value in given.items()})
    return {name: text for name, text in found.items() if name.isidentifier() and text.isprintable()}


def skill_copies(sources: list[Source]) -> list[Path]:
    """Copies of the plugin among your skills, which Claude Code 2.1.160 or later loads unless a settings file disables them."""
    if any(source.plugins.get(f"{PLUGIN}@skills-dir") is False for source in sources):
        return []
    manifests = sorted(claude_path().glob("skills/*/.claude-plugin/plugin.json"))
    named = f'"name": "{PLUGIN}"'
    return [path.parents[1] for path in manifests if named in path.read_text("utf-8", "replace")]


def registered(sources: list[Source]) -> list[Source]:
    """The settings files with entries of ours."""
    return [source for source in sources if settings.registers(source.document)]
