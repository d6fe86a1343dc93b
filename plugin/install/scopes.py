"""The places of each scope, and the settings files that Claude Code reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.runtime import files, home, packages
from install import disk, jsontext, settings

PLUGIN = "circuit-breaker"
COMMANDS = ("circuit-status.md", "reset-circuit.md")


class Scope(NamedTuple):
    """base: what the receipt's relative paths start from; claude: the `.claude` folder; root: the installation;
    shell: `root` as the registered lines name it; memory: the project's home, None for a person's installation."""

    name: str
    base: Path
    claude: Path
    settings: Path
    root: Path
    shell: str
    claude_md: Path
    memory: Path | None

    @property
    def commands(self) -> Path:
        return self.claude / "commands"

    @property
    def outside(self) -> list[Path]:
        """Every file that an installation may write outside of its own folder."""
        memory = [self.memory / name for name in (home.CONFIG, ".gitignore")] if self.memory else []
        return [self.settings, self.claude_md, *(self.commands / name for name in COMMANDS), *memory]


class Source(NamedTuple):
    """One settings file of the client's chain, as read: `problem` says why there is no `document`."""

    label: str
    path: Path
    document: dict[str, Any]
    problem: str


def scope(name: str, env: Mapping[str, str], cwd: str) -> Scope:
    """The places of the scope `name`. Raises files.Refused where it has none."""
    if name == "user":
        claude = claude_folder(env)
        root = Path(packages.data_folder(env))
        try:
            shell = settings.quoted(root.as_posix())  # a Windows path as its bash takes it
        except ValueError:
            raise files.Refused(
                0, "a path that no settings file can hold; set XDG_DATA_HOME to another", str(root)
            ) from None
        return Scope(name, root, claude, claude / "settings.json", root, shell, claude / "CLAUDE.md", None)
    project = Path(home.places(env, cwd).project)
    claude = project / ".claude"
    if os.path.realpath(claude) == os.path.realpath(claude_folder(env)):
        raise files.Refused(
            0, "this is your home, not a project: go to the project, or use --scope user", str(project)
        )
    local = name == "local"
    return Scope(
        name, project, claude, claude / ("settings.local.json" if local else "settings.json"), claude / PLUGIN,
        "$CLAUDE_PROJECT_DIR/.claude/" + PLUGIN, project / ("CLAUDE.local.md" if local else "CLAUDE.md"), claude / "memory",
    )  # fmt: skip


def claude_folder(env: Mapping[str, str]) -> Path:
    """The client's own folder of this person: CLAUDE_CONFIG_DIR, else HOME/.claude."""
    own, user = env.get("CLAUDE_CONFIG_DIR", ""), env.get("HOME", "") or env.get("USERPROFILE", "")
    path = own or (user and os.path.join(user, ".claude"))
    if not os.path.isabs(path):
        raise files.Refused(0, "set HOME to an absolute path", path)
    return Path(path)


def managed(platform: str = sys.platform) -> list[Path]:
    """Where an administrator's settings lie."""
    if platform == "win32":
        tops = [Path(r"C:\Program Files\ClaudeCode"), Path(r"C:\ProgramData\ClaudeCode")]
    elif platform == "darwin":
        tops = [Path("/Library/Application Support/ClaudeCode")]
    else:
        tops = [Path("/etc/claude-code")]
    return [
        path
        for top in tops
        for path in (top / "managed-settings.json", *sorted((top / "managed-settings.d").glob("*.json")))
    ]


def chain(env: Mapping[str, str], project: Path) -> list[Source]:
    """Every settings file that a session in `project` reads and that is there."""
    user = claude_folder(env)
    paths = [("user", user / "settings.json")]
    if os.path.realpath(project / ".claude") != os.path.realpath(user):
        paths += [
            ("project", project / ".claude" / "settings.json"),
            ("local", project / ".claude" / "settings.local.json"),
        ]
    paths += [("managed", path) for path in managed()]
    found = []
    for label, path in paths:
        try:
            data = disk.read_through(path)
            if data is None:
                continue
            text = jsontext.decode_text(data)[1]
            document = settings.settings_of(text)
            settings.check_shape(text, document)
            found.append(Source(label, path, document, ""))
        except (OSError, jsontext.Unreadable) as error:
            found.append(Source(label, path, {}, str(error)))
    return found


def enabled(sources: list[Source]) -> list[tuple[Path, str]]:
    """The settings files that enable the plugin through the client, each with the name it goes by there."""
    found = []
    for source in sources:
        plugins = source.document.get("enabledPlugins")
        for name, on in plugins.items() if isinstance(plugins, dict) else ():
            if name.partition("@")[0] == PLUGIN and on is not False:
                found.append((source.path, name))
    return found


def registered(sources: list[Source]) -> list[Source]:
    """The settings files in which entries of ours stand."""
    return [
        source for source in sources if settings.without_ours(source.document, None, []) != source.document
    ]
