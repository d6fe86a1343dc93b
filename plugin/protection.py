"""Finds out whether a project is protected: the hooks are registered, not switched off, complete, they run and can save state.

It reads settings and the runtime folder, and runs one hook line against a throw-away folder. It never starts Claude Code.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from host import Groups, Host, hooks_of
from install import bundle, scopes, settings
from shared import ROOT, how_to_call

from circuit_breaker.breaker.config import Config
from circuit_breaker.cleaning.claude_code import install_paths
from circuit_breaker.runtime import files, home, packages, status
from circuit_breaker.runtime.json import object_in, only
from circuit_breaker.words import status as words

LIVE = 3600.0  # seconds after its last hook in which a session counts as protected
NEEDED = ("PreToolUse", "PostToolBatch")  # without hooks for these events nothing is blocked
_FOLDER = re.compile(r'"((?:[^"\\]|\\.)+)/hooks(?:/run)?"')  # the plugin's folder in a registered line


class Way(NamedTuple):
    """One way in which sessions here get our hooks. ours: its programs can be run safely (they do not come with a cloned project).
    why, fix: why it does not protect, "" if it does."""

    label: str
    root: Path
    groups: Groups
    ours: bool
    why: str = ""
    fix: str = ""


def protection_of(where: home.Places, config: Config, kept: Iterable[status.Kept], now: float) -> dict:
    """`protection` of `status --json`: whether protected, how or why not, and the command that fixes it."""
    last = max(status.of_project(kept, where), key=lambda one: one.seen, default=None)
    how, (why, fix) = "", status.cannot_block(where, config)
    if not why:
        sources = scopes.chain(Path(where.project))
        found = ways(where, sources)
        how, why, fix = _registered(where, sources, found)
        if why and last and now - last.seen < LIVE and last.seen > _changed(where, sources, found):
            how, why, fix = f"session {last.name[: words.ID]} only, as its hooks run", "", ""
    if last and not why:
        how += f"; hooks last ran {ago(now - last.seen)} in session {last.name[: words.ID]}"
    fix = fix.replace("circuit-breaker ", how_to_call() + " ", 1)
    return {"protected": not why, "how": how, "why": why, "fix": fix}


def ago(seconds: float) -> str:
    """Seconds as `3 min ago`, rounded down."""
    if seconds < 10:
        return "just now"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or unit == "min" and seconds >= 60:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _changed(where: home.Places, sources: list[scopes.Source], found: list[Way]) -> float:
    """When a settings file or a copy of the plugin was last changed or removed: hooks that ran before that prove nothing."""
    paths = [*(source.path for source in sources), Path(where.project, ".claude")]
    with contextlib.suppress(OSError):  # no HOME
        above = Path(packages.data_folder()).parent
        paths.append(above if above.is_dir() or str(above.parent) == where.your_home else above.parent)
    for root in {way.root for way in found} - {Path()}:
        names = [root / name for name in bundle.names_below(root)]
        paths += [root if root.is_dir() else root.parent, *names, *(name.parent for name in names)]
    return max((files.last_written(str(path)) for path in set(paths)), default=0.0)


def _registered(where: home.Places, sources: list[scopes.Source], found: list[Way]) -> tuple[str, str, str]:
    """(how, why, fix) according to the settings; `why` is "" if they protect."""
    switches = [(off, s.path) for s in sources if isinstance(off := s.document.get("disableAllHooks"), bool)]
    off, path = switches[-1] if switches else (False, "")
    if off:  # the last file that sets it counts (measured on 2.1.330)
        return "", f"disableAllHooks is true in {path}", f"remove disableAllHooks from {path}"
    managed = [source.document for source in sources if source.label == "managed"]
    managed_only = any(document.get("allowManagedHooksOnly") is True for document in managed)
    found = [way for way in found if not managed_only or way.label.startswith("managed")]
    for way in [way for way in found if not way.why]:
        problem = _tried(way, where) if way.ours else ""
        if not problem:
            return f"hooks of {way.label}", "", ""
        found.append(way._replace(why=problem, fix="circuit-breaker doctor"))
    for way in reversed(found):
        if way.why:
            return "", way.why, way.fix
    for source in sources:
        if source.problem:
            why = f"Claude Code skips {source.path}: {source.problem}"
            return "", why, f"correct {source.path} at that place"
    if managed_only:
        ask = "ask your administrator to register the hooks"
        return "", "managed settings allow only an administrator's hooks", ask
    return "", "not installed: no settings that apply here register the hooks", "circuit-breaker install"


def ways(where: home.Places, sources: list[scopes.Source]) -> list[Way]:
    """Every way in which sessions here get our hooks (settings, plugin), including those that do not protect."""
    copies = {folder: _groups_in(folder) for folder in scopes.skill_copies(sources)}
    among_skills = [
        Way(f"plugin in {folder}", folder, groups, True) for folder, groups in copies.items() if groups
    ]
    return [*_by_settings(where, sources), *_by_plugin(sources), *among_skills]


def _by_settings(where: home.Places, sources: list[scopes.Source]) -> Iterator[Way]:
    for source in scopes.registered(sources):
        label = source.label if source.label in ("project", "local") else "user"
        groups = settings.only_ours(source.document)
        named = [_FOLDER.search(line) for event in groups for line in settings.commands(groups, event)]
        text = next((found[1] for found in named if found), "")
        root = Path(re.sub(r"\\([\\\"$`])", r"\1", text.replace("$CLAUDE_PROJECT_DIR", where.project)))
        own = label == "user" or os.path.realpath(root) == str(ROOT)
        lost = [event for event in NEEDED if not settings.commands(groups, event)]
        why = "" if _is_whole(root) else f"{source.path} registers hooks whose files are gone from {root}"
        if lost:
            why = f"{source.path} no longer registers {' and '.join(lost)}"
        fix = f"circuit-breaker install --scope {label}" if why else ""
        yield Way(f"{source.label} settings ({source.path})", root, groups, own, why, fix)


def _by_plugin(sources: list[scopes.Source]) -> Iterator[Way]:
    """The plugin, if the merged settings enable it. The last file that names it counts."""
    switched = {name: (path, on) for path, name, on in scopes.switches(sources)}
    for name, (path, on) in switched.items():
        folder = plugin_folder(name, sources)
        groups = _groups_in(folder) if on and folder else {}
        why = fix = ""
        if not on:
            why, fix = f"the plugin is disabled in {path}", f"claude plugin enable {quote(name)}"
        elif folder is None:
            why = f"the plugin is enabled in {path}, but Claude Code has no copy of it"
            fix = f"claude plugin install {quote(name)}"
        elif not groups:
            why = f"the plugin is enabled in {path}, but its files are gone from {folder}"
            market = quote(name.partition("@")[2])
            fix = f"claude plugin marketplace remove {market}, then add it from where the clone is now"
        yield Way(f"plugin {name} ({path})", folder or Path(), groups, not why, why, fix)


def _is_whole(root: Path) -> bool:
    return all((root / name).is_file() for name in bundle.NEEDED)


def _groups_in(root: Path) -> Groups:
    """The registrations of a whole copy of the plugin; {} if it is damaged."""
    with contextlib.suppress(OSError):
        return hooks_of(root) if _is_whole(root) else {}
    return {}


def plugin_folder(name: str, sources: list[scopes.Source]) -> Path | None:
    """The folder that Claude Code runs the plugin from: a directory marketplace's, there or not (it tries no other), else the copy."""
    market = name.partition("@")[2]
    base = scopes.claude_path() / "plugins"
    known = [source.document.get("extraKnownMarketplaces") for source in reversed(sources)]
    for document in [*known, object_in(f"{base}/known_marketplaces.json")]:
        found = only(dict, only(dict, only(dict, document).get(market)).get("source"))
        if found.get("source") == "directory" and isinstance(found.get("path"), str):
            return Path(found["path"])
    listed = object_in(f"{base}/installed_plugins.json")
    plugins = listed.get("plugins", listed)
    return next(map(Path, install_paths(only(dict, plugins).get(name))), None)


def _tried(way: Way, where: home.Places) -> str:
    """Run the PostToolBatch line in a throw-away folder. Returns why it does nothing, "" if it works."""
    name = "status-probe"
    call = {"tool_name": "Bash", "tool_input": {"command": "true"}, "tool_use_id": name, "tool_response": ""}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CLAUDE", "CIRCUIT_BREAKER"))}
    with tempfile.TemporaryDirectory(prefix="circuit-breaker-status-") as folder:
        env.update(CIRCUIT_BREAKER_HOME=folder, CLAUDE_PLUGIN_OPTION_ENABLED="true")
        env.update(CLAUDE_PROJECT_DIR=where.project, CLAUDE_PLUGIN_ROOT=str(way.root))
        host = Host(way.groups, Path(folder), env, name)
        host.fire("PostToolBatch", tool_calls=[call])
        if os.path.exists(f"{folder}/sessions/{name}/main.json"):  # written after the turn was judged
            return ""
        said = next(iter(host.problems), "they keep nothing of a turn")
    return f"the hooks of {way.label} do not run: {said}"
