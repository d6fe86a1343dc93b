"""What would an installation change, and what stands in its way? Reads, decides, changes nothing."""

from __future__ import annotations

import difflib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import disk
import jsontext
import protocol_section
import receipt
import runtime
import scopes
import settings

from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.runtime import home

# A project's own rules may leave out `lib/`, as many do; the nearer file wins.
IGNORE = {"project": b"!*\n!*/\n__pycache__/\n", "local": b"*\n"}


class Stopped(Exception):
    """Nothing was changed, and why; the message says what to do next."""


class Change(NamedTuple):
    """One file outside the installation: from `before` to `after` (None: no file)."""

    path: Path
    before: bytes | None
    after: bytes | None

    def diff(self) -> str:
        """As a unified diff."""
        old, new = (
            (data or b"").decode("utf-8", "replace").splitlines(keepends=True)
            for data in (self.before, self.after)
        )
        names = ["/dev/null" if data is None else str(self.path) for data in (self.before, self.after)]
        lines = difflib.unified_diff(old, new, names[0], names[1])
        return "".join(
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines
        )


class Plan(NamedTuple):
    """runtime: the installation's files; kept: its receipt; changes in the order to make them; backups: name -> bytes;
    folders: what has to be made, outermost first."""

    scope: scopes.Scope
    runtime: dict[str, bytes]
    kept: dict[str, Any]
    changes: list[Change]
    backups: dict[str, bytes]
    folders: list[Path]


def of_install(
    scope: scopes.Scope,
    source: Path,
    env: Mapping[str, str],
    migrate: bool,
    claude_md: bool,
    made: list[Path],
) -> Plan:
    """The plan of an installation from `source`; `made`: the folders that it makes. Raises Stopped, OSError."""
    if scope.root.is_symlink():
        raise Stopped(f"{scope.root} is a link. Nothing was changed. Remove it and try again.")
    try:
        old = receipt.load(scope.root)
    except receipt.Damaged:
        old = None  # the form of our lines serves in its place, and a new one is written
    if old and old["scope"] != scope.name:
        raise Stopped(
            f"what is installed in {scope.root} has the scope {old['scope']}. Nothing was changed. Update it with "
            f"--scope {old['scope']}, or run `python3 plugin uninstall --scope {old['scope']}` first."
        )
    _never_twice(scope, env)
    files = runtime.contents(source)
    files.update(runtime.sources_of_packages(source, scope.root, files[runtime.LOCK]))
    if scope.name != "user":
        files[".gitignore"] = IGNORE[scope.name]
    backups: dict[str, bytes] = {}
    ours = settings.registrations(json.loads(files["hooks/hooks.json"]), scope.shell, sys.platform == "win32")
    kept_settings, change = _settings(scope, old, ours, migrate, backups)
    kept_commands, changes = _commands(scope, old, files, migrate, backups)
    kept_memory, in_memory = _memory(scope, old)
    kept_section, section = _section(scope, old, claude_md)
    folders = [*(old["folders"] if old else []), *(portable(scope, folder) for folder in made)]
    kept = {
        "schema": receipt.SCHEMA,
        "version": json.loads(files["plugin.json"])["version"],
        "scope": scope.name,
        "files": {name: disk.digest(data) for name, data in files.items()},
        "folders": list(dict.fromkeys(folders)),
        "settings": kept_settings,
        "commands": kept_commands,
        "memory": kept_memory,
        "claude_md": kept_section,
        "backups": [*(old["backups"] if old else []), *backups],
    }
    ordered = [*in_memory, *changes, change, *section]  # what the registrations need comes before them
    ordered = [one for one in ordered if one.before != one.after]
    for one in ordered:
        hindrance = disk.writable(one.path)
        if hindrance:
            raise Stopped(f"{hindrance}. Nothing was changed; make it writable and try again.")
    return Plan(scope, files, kept, ordered, backups, made)


def portable(scope: scopes.Scope, folder: Path) -> str:
    """`folder` as a receipt keeps it: relative to the project where the receipt may be committed with it."""
    return str(folder) if scope.name == "user" else os.path.relpath(folder, scope.base)


def _never_twice(scope: scopes.Scope, env: Mapping[str, str]) -> None:
    """Raise Stopped when a session here would run our hooks from another installation as well."""
    project = Path(home.places(env, os.getcwd()).project) if scope.name == "user" else scope.base
    chain = scopes.chain(env, project)
    for path, name in scopes.enabled(chain):
        raise Stopped(
            f"the plugin {name} is enabled through the client ({path}); its hooks would run twice. Nothing was changed. "
            f"Keep that one, or run `claude plugin uninstall {name}` first."
        )
    for source in scopes.registered(chain):
        if os.path.realpath(source.path) != os.path.realpath(scope.settings):
            raise Stopped(
                f"circuit-breaker is registered in {source.path} already; its hooks would run twice. Nothing was changed. "
                f"Keep that one, or run `python3 plugin uninstall --scope {source.label}` first."
            )


def _settings(
    scope: scopes.Scope,
    old: dict[str, Any] | None,
    ours: dict[str, Any],
    migrate: bool,
    backups: dict[str, bytes],
) -> tuple[dict[str, Any], Change]:
    """The receipt's part about the settings file, and its change. Raises Stopped for a file that cannot be merged into."""
    data = disk.read(scope.settings)
    kept = old["settings"] if old else {"registrations": None, "made": None}
    try:
        bom, text = jsontext.decode(data or b"")
        document = settings.read(text)
        found = settings.older(document)
        if found and not migrate:
            raise Stopped(
                f"{scope.settings} registers the system that this one replaces:\n  " + "\n  ".join(found)
                + "\nNothing was changed. Run install again with --migrate to replace these lines (the scripts stay)."
            )  # fmt: skip
        there = settings.fault(document) is None and settings.merge(document, ours).document == document
        there = there and set(settings.present(document, ours).values()) == {1}
        if there and old and kept["registrations"] == ours and not found:
            return kept, Change(scope.settings, data, data)
        base = settings.without_older(settings.remove(document, kept["registrations"], kept["made"]))
        base_text = jsontext.rewrite(text, base) if base != document else text
        settings.check(base_text, base)
    except jsontext.Unreadable as error:
        raise Stopped(f"{scope.settings} was not touched: {error}. Mend it there and try again.") from None
    merged = settings.merge(base, ours)
    after = bom + jsontext.rewrite(base_text, merged.document).encode("utf-8", "surrogatepass")
    record = {
        "registrations": ours,
        "made": merged.made,
        "was": disk.digest(data),
        "after": disk.digest(after),
    }
    name = backup(scope.settings, data, backups) if data is not None and data != after else None
    change = Change(scope.settings, data, after)
    if old and disk.digest(data) in (kept["was"], kept["after"]):
        # An update, or one that was killed: uninstall still gives back what stood there before the first installation.
        back = name if disk.digest(data) == kept["before"] else kept["backup"]
        return {**record, "before": kept["before"], "backup": back}, change
    clean = bom + base_text.encode("utf-8", "surrogatepass")
    before = data if found or clean == data or data is None else clean
    return {**record, "before": disk.digest(before), "backup": name}, change


def _commands(
    scope: scopes.Scope,
    old: dict[str, Any] | None,
    files: dict[str, bytes],
    migrate: bool,
    backups: dict[str, bytes],
) -> tuple[dict[str, Any], list[Change]]:
    kept, changes = {}, []
    for name in scopes.COMMANDS:
        path, after = scope.commands / name, files["commands/" + name]
        before = disk.read(path)
        mine = (old or {"commands": {}})["commands"].get(name)
        aside = mine["backup"] if mine else None
        if before is not None and before == after and not mine:
            continue  # somebody's own copy: it serves, and it stays
        if before is not None and before != after and (not mine or disk.digest(before) != mine["sum"]):
            if not mine and not migrate:
                raise Stopped(
                    f"{path} is there already and is not ours. Nothing was changed. Rename it, or run install again with "
                    f"--migrate: it is put aside then, and uninstall puts it back."
                )
            put_aside = backup(path, before, backups)
            aside = aside if mine else put_aside
        kept[name] = {"sum": disk.digest(after), "backup": aside}
        changes.append(Change(path, before, after))
    return kept, changes


def _memory(scope: scopes.Scope, old: dict[str, Any] | None) -> tuple[dict[str, Any], list[Change]]:
    """The project's home: the configuration with the defaults, and a .gitignore for all the rest. Both only if missing."""
    kept = dict(old["memory"]) if old else {}
    changes: list[Change] = []
    if scope.memory is None:
        return kept, changes
    defaults = (json.dumps(DEFAULTS, indent=2) + "\n").encode("ascii")
    for name, after in (
        (".gitignore", f"*\n!.gitignore\n!{home.CONFIG}\n".encode()),
        (home.CONFIG, defaults),
    ):
        path = scope.memory / name
        if not os.path.lexists(path):
            kept[name] = disk.digest(after)
            changes.append(Change(path, None, after))
    return kept, changes


def _section(
    scope: scopes.Scope, old: dict[str, Any] | None, wanted: bool
) -> tuple[dict[str, Any] | None, list[Change]]:
    kept = old["claude_md"] if old else None
    if not wanted:
        return kept, []
    before = disk.read(scope.claude_md)
    try:
        piece = protocol_section.added((before or b"").decode("utf-8"))
    except UnicodeDecodeError:
        raise Stopped(
            f"{scope.claude_md} is not UTF-8. Nothing was changed. Mend it, or leave --claude-md out."
        ) from None
    if not piece:
        return kept, []
    after = (before or b"") + piece.encode("utf-8")
    return {"before": disk.digest(before), "added": piece}, [Change(scope.claude_md, before, after)]


def backup(path: Path, data: bytes, backups: dict[str, bytes]) -> str:
    """Put what `path` held among the `backups`; -> the name it is kept under."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{path.name}.{stamp}.{disk.digest(data)[:8]}"  # type: ignore[index]
    backups[name] = data
    return name
