"""Finds out whether a project is protected: the hooks are registered, not switched off, complete, they run and can save state.

It reads settings and the runtime folder, and runs one hook line against a throw-away folder. It never starts Claude Code.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from host import Groups, hooks_of, lines_for, run_line
from install import scopes, settings

from circuit_breaker.breaker.config import Config
from circuit_breaker.runtime import home, status
from circuit_breaker.words import status as words

ROOT = Path(__file__).resolve().parent.parent
LIVE = 3600.0  # seconds after its last hook in which a session counts as protected
NEEDED = ("PreToolUse", "PostToolBatch")  # without hooks for these events nothing is blocked
FILES = ("hooks/run", "lib/circuit_breaker/runtime/hook.py")
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


def program() -> str:
    """How to call this command line from any folder."""
    found = shutil.which("circuit-breaker")
    if found and (
        os.path.realpath(found) == os.path.realpath(sys.argv[0]) or str(ROOT) in _text(Path(found))
    ):
        return "circuit-breaker"
    return f"python3 {shlex.quote(str(ROOT / 'plugin'))}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def look(
    where: home.Places, config: Config, kept: Iterable[status.Kept], env: Mapping[str, str], now: float
) -> dict[str, Any]:
    """`protection` of `status --json`: whether protected, how or why not, and the command that fixes it."""
    mine = status.of_home(kept, where)
    last = max(mine, key=lambda one: one.seen, default=None)
    facts = {
        "protected": False,
        "how": "",
        "why": "",
        "fix": "",
        "last_run": None
        if last is None
        else {"session": last.name, "t": round(last.seen, 3), "ago": round(max(0.0, now - last.seen), 1)},
    }
    why, fix = status.holds_back(where, config)
    if not why:
        sources = scopes.chain(env, Path(where.project))
        how, why, fix = _registered(where, sources, env)
        live = last is not None and now - last.seen < LIVE and last.seen > _changed(sources)
        if why and last is not None and live:
            how, why, fix = f"session {last.name[: words.ID]} only, as its hooks run", "", ""
    if why:
        return {**facts, "why": why, "fix": fix.replace("circuit-breaker ", program() + " ", 1)}
    ran = f"; hooks last ran {ago(now - last.seen)} in session {last.name[: words.ID]}" if last else ""
    return {**facts, "protected": True, "how": how + ran}


def ago(seconds: float) -> str:
    """Seconds as `3 min ago`, rounded down."""
    if seconds < 10:
        return "just now"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or unit == "min" and seconds >= 60:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _registered(
    where: home.Places, sources: list[scopes.Source], env: Mapping[str, str]
) -> tuple[str, str, str]:
    """(how, why, fix) according to the settings; `why` is "" if they protect."""
    off = _switched_off(sources)
    found = ways(where, sources, env)
    if off[0] == "managed only":
        found = [way for way in found if way.label.startswith("managed")]
    elif off[0]:
        return "", *off
    whole = [way for way in found if not way.why]
    for way in whole:
        problem = _tried(way, where) if way.ours else ""
        if not problem:
            return f"hooks of {way.label}", "", ""
        found.append(way._replace(why=problem, fix="circuit-breaker doctor"))
    for way in reversed(found):
        if way.why:
            return "", way.why, way.fix
    broken = [source for source in sources if source.problem]
    if broken:
        return (
            "",
            f"Claude Code skips {broken[0].path}: {broken[0].problem}",
            f"correct {broken[0].path} at that place",
        )
    if off[0]:
        return (
            "",
            "managed settings allow only an administrator's hooks",
            "ask your administrator to register the hooks",
        )
    return "", "not installed: no settings that apply here register the hooks", "circuit-breaker install"


def ways(where: home.Places, sources: list[scopes.Source], env: Mapping[str, str]) -> list[Way]:
    """Every way in which sessions here get our hooks (settings, plugin), including those that do not protect."""
    skills = [
        folder for folder in scopes.skill_copies(sources, env) if (folder / "hooks" / "hooks.json").is_file()
    ]
    loaded = [Way(f"plugin in {folder}", folder, hooks_of(folder), True) for folder in skills]
    return [*_by_settings(where, sources, env), *_by_plugin(sources, env), *loaded]


def _switched_off(sources: list[scopes.Source]) -> tuple[str, str]:
    """(why, fix) if all hooks are switched off. The last file that sets it counts (measured on 2.1.330)."""
    for source in reversed(sources):
        value = source.document.get("disableAllHooks")
        if isinstance(value, bool):
            if value:
                return (
                    f"disableAllHooks is true in {source.path}",
                    f"remove disableAllHooks from {source.path}",
                )
            break
    if any(s.label == "managed" and s.document.get("allowManagedHooksOnly") is True for s in sources):
        return "managed only", ""
    return "", ""


def _by_settings(where: home.Places, sources: list[scopes.Source], env: Mapping[str, str]) -> list[Way]:
    ways = []
    for source in scopes.registered(sources):
        label = source.label if source.label in ("project", "local") else "user"
        groups = _our_groups(source.document)
        named = [_FOLDER.search(line) for event in groups for line in _lines(groups, event)]
        text = next((found[1] for found in named if found), "")
        text = re.sub(r"\\([\\\"$`])", r"\1", text.replace("$CLAUDE_PROJECT_DIR", where.project))
        root = Path(text)
        own = label == "user" or os.path.realpath(root) == str(ROOT)
        lost = [event for event in NEEDED if event not in groups]
        scope = f"circuit-breaker install --scope {label}"
        way = Way(f"{source.label} settings ({source.path})", root, groups, own)
        if lost:
            way = way._replace(why=f"{source.path} no longer registers {' and '.join(lost)}", fix=scope)
        elif not _whole(root):
            way = way._replace(
                why=f"{source.path} registers hooks whose files are gone from {root}", fix=scope
            )
        ways.append(way)
    return ways


def _by_plugin(sources: list[scopes.Source], env: Mapping[str, str]) -> list[Way]:
    """The plugin, if the merged settings enable it. The last file that names it counts."""
    switched: dict[str, tuple[Path, bool]] = {}
    for source in sources:
        plugins = source.document.get("enabledPlugins")
        for name, on in plugins.items() if isinstance(plugins, dict) else ():
            if name.partition("@")[0] == scopes.PLUGIN:
                switched[name] = source.path, on is not False
    ways = []
    for name, (path, on) in switched.items():
        label = f"plugin {name} ({path})"
        folder = plugin_folder(name, sources, env)
        again = f"claude plugin marketplace remove {name.partition('@')[2]}, then add it from where the clone is now"
        if not on:
            fix = f"claude plugin enable {name}"
            ways.append(Way(label, Path(), {}, False, f"the plugin is disabled in {path}", fix))
        elif folder is None:
            why = f"the plugin is enabled in {path}, but Claude Code has no copy of it"
            ways.append(Way(label, Path(), {}, False, why, f"claude plugin install {name}"))
        elif not _whole(folder) or not (folder / "hooks" / "hooks.json").is_file():
            why = f"the plugin is enabled in {path}, but its files are gone from {folder}"
            ways.append(Way(label, folder, {}, False, why, again))
        else:
            ways.append(Way(label, folder, hooks_of(folder), True))
    return ways


def plugin_folder(name: str, sources: list[scopes.Source], env: Mapping[str, str]) -> Path | None:
    """The folder that Claude Code runs the plugin from: that of a directory marketplace, even if it no longer exists (Claude Code
    tries no other), else the copy."""
    market = name.partition("@")[2]
    base = scopes.claude_folder(env) / "plugins"
    known = [source.document.get("extraKnownMarketplaces") for source in reversed(sources)]
    for document in [*known, _json(base / "known_marketplaces.json")]:
        entry = document.get(market) if isinstance(document, dict) else None
        found = entry.get("source") if isinstance(entry, dict) else None
        if (
            isinstance(found, dict)
            and found.get("source") == "directory"
            and isinstance(found.get("path"), str)
        ):
            return Path(found["path"])
    listed = _json(base / "installed_plugins.json")
    plugins = listed.get("plugins", listed) if isinstance(listed, dict) else {}
    entries = plugins.get(name) if isinstance(plugins, dict) else None
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and isinstance(entry.get("installPath"), str):
            return Path(entry["installPath"])
    return None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _our_groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for event, found in document.get("hooks", {}).items():
        mine = [{**g, "hooks": [h for h in g["hooks"] if settings.is_ours(h)]} for g in found]
        if any(group["hooks"] for group in mine):
            groups[event] = [group for group in mine if group["hooks"]]
    return groups


def _lines(groups: Groups, event: str) -> list[str]:
    return [handler["command"] for group in groups.get(event, []) for handler in group["hooks"]]


def _whole(root: Path) -> bool:
    return all((root / name).is_file() for name in FILES)


def _tried(way: Way, where: home.Places) -> str:
    """Run the PostToolBatch line in a throw-away folder. Returns why it does nothing, "" if it works."""
    call = {
        "tool_name": "Bash",
        "tool_input": {"command": "true"},
        "tool_use_id": "status-probe",
        "tool_response": "",
    }
    body = {
        "session_id": "status-probe",
        "hook_event_name": "PostToolBatch",
        "cwd": "/",
        "tool_calls": [call],
    }
    with tempfile.TemporaryDirectory(prefix="circuit-breaker-status-") as folder:
        env = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("CLAUDE", "CIRCUIT_BREAKER"))
            },
            "CIRCUIT_BREAKER_HOME": folder,
            "CLAUDE_PLUGIN_OPTION_ENABLED": "true",
            "CLAUDE_PROJECT_DIR": where.project,
            "CLAUDE_PLUGIN_ROOT": str(way.root),
        }
        fired = [run_line(line, body, env, Path(folder)) for line in lines_for(way.groups, body)]
        if os.path.exists(f"{folder}/sessions/status-probe"):
            return ""
        said = next((one.problem for one in fired if one.problem), "they keep nothing of a turn")
    return f"the hooks of {way.label} do not run: {said}"


def _changed(sources: list[scopes.Source]) -> float:
    """When a settings file that applies here was last written. Hooks that ran before that prove nothing."""
    times = []
    for source in sources:
        try:
            times.append(os.stat(source.path).st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
