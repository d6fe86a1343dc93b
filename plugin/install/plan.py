"""What an installation would change, and what stands in its way. Reads, decides, changes nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.runtime import home
from install import bundle, disk, jsontext, receipt, scopes, settings
from install import claude_md as section_text
from install.changes import Change, Obstacle, backup, require_writable

# A project's own rules may leave out `lib/`, as many do; the nearer file wins.
IGNORE = {"project": b"!*\n!*/\n__pycache__/\n", "local": b"*\n"}


class InstallPlan(NamedTuple):
    """runtime: the installation's files; kept: its receipt; changes in the order to make them; backups: name -> bytes;
    folders: what has to be made, outermost first."""

    scope: scopes.Scope
    runtime: dict[str, bytes]
    kept: dict[str, Any]
    changes: list[Change]
    backups: dict[str, bytes]
    folders: list[Path]


def plan_install(
    scope: scopes.Scope,
    source: Path,
    env: Mapping[str, str],
    migrate: bool,
    claude_md: bool,
    made: list[Path],
) -> InstallPlan:
    """The plan of an installation from `source`; `made`: the folders that it makes. Raises Obstacle, OSError."""
    if scope.root.is_symlink():
        raise Obstacle(f"{scope.root} is a link. Nothing was changed. Remove it and try again.")
    try:
        old = receipt.load_receipt(scope.root)
    except receipt.Damaged:
        old = None  # the form of our lines serves in its place, and a new one is written
    if old and old["scope"] != scope.name:
        raise Obstacle(
            f"what is installed in {scope.root} has the scope {old['scope']}. Nothing was changed. Update it with "
            f"--scope {old['scope']}, or run `python3 plugin uninstall --scope {old['scope']}` first."
        )
    _never_twice(scope, env)
    files = bundle.contents(source)
    files.update(bundle.sources_of_packages(source, scope.root, files[bundle.LOCK]))
    if scope.name != "user":
        files[".gitignore"] = IGNORE[scope.name]
    backups: dict[str, bytes] = {}
    ours = settings.our_groups(json.loads(files["hooks/hooks.json"]), scope.shell, sys.platform == "win32")
    kept_settings, change = _merged_settings(scope, old, ours, migrate, backups)
    kept_commands, changes = _placed_commands(scope, old, files, migrate, backups)
    kept_memory, in_memory = _project_home(scope, old)
    kept_section, section = _added_section(scope, old, claude_md)
    folders = [*(old["folders"] if old else []), *(portable(scope, folder) for folder in made)]
    kept = {
        "schema": receipt.SCHEMA,
        "version": json.loads(files["plugin.json"])["version"],
        "scope": scope.name,
        "files": {name: disk.checksum(data) for name, data in files.items()},
        "folders": list(dict.fromkeys(folders)),
        "settings": kept_settings,
        "commands": kept_commands,
        "memory": kept_memory,
        "claude_md": kept_section,
        "backups": [*(old["backups"] if old else []), *backups],
    }
    ordered = [*in_memory, *changes, change, *section]  # what the registrations need comes before them
    ordered = [one for one in ordered if one.before != one.after]
    require_writable(ordered)
    return InstallPlan(scope, files, kept, ordered, backups, made)


def portable(scope: scopes.Scope, folder: Path) -> str:
    """`folder` as a receipt keeps it: relative to the project where the receipt may be committed with it."""
    return str(folder) if scope.name == "user" else os.path.relpath(folder, scope.base)


def _never_twice(scope: scopes.Scope, env: Mapping[str, str]) -> None:
    """Raise Obstacle when a session here would run our hooks from another installation as well."""
    project = Path(home.places(env, os.getcwd()).project) if scope.name == "user" else scope.base
    chain = scopes.chain(env, project)
    for path, name in scopes.enabled(chain):
        raise Obstacle(
            f"the plugin {name} is enabled through the client ({path}); its hooks would run twice. Nothing was changed. "
            f"Keep that one, or run `claude plugin uninstall {name}` first."
        )
    for source in scopes.registered(chain):
        if os.path.realpath(source.path) != os.path.realpath(scope.settings):
            raise Obstacle(
                f"circuit-breaker is registered in {source.path} already; its hooks would run twice. Nothing was changed. "
                f"Keep that one, or run `python3 plugin uninstall --scope {source.label}` first."
            )


def _merged_settings(
    scope: scopes.Scope,
    old: dict[str, Any] | None,
    ours: dict[str, Any],
    migrate: bool,
    backups: dict[str, bytes],
) -> tuple[dict[str, Any], Change]:
    """The receipt's part about the settings file, and its change. Raises Obstacle for a file that cannot be merged into."""
    data = disk.read_through(scope.settings)
    kept = old["settings"] if old else {"registrations": None, "made": None}
    try:
        bom, text = jsontext.decode_text(data or b"")
        document = settings.settings_of(text)
        found = settings.older(document)
        if found and not migrate:
            raise Obstacle(
                f"{scope.settings} registers the system that this one replaces:\n  " + "\n  ".join(found)
                + "\nNothing was changed. Run install again with --migrate to replace these lines (the scripts stay)."
            )  # fmt: skip
        there = settings.fault(document) is None and settings.with_ours(document, ours).document == document
        there = there and set(settings.present(document, ours).values()) == {1}
        if there and old and kept["registrations"] == ours and not found:
            return kept, Change(scope.settings, data, data)
        base = settings.without_older(settings.without_ours(document, kept["registrations"], kept["made"]))
        base_text = jsontext.rewrite(text, base) if base != document else text
        settings.check_shape(base_text, base)
    except jsontext.Unreadable as error:
        raise Obstacle(f"{scope.settings} was not touched: {error}. Mend it there and try again.") from None
    merged = settings.with_ours(base, ours)
    after = bom + jsontext.rewrite(base_text, merged.document).encode("utf-8", "surrogatepass")
    record = {
        "registrations": ours,
        "made": merged.made,
        "was": disk.checksum(data),
        "after": disk.checksum(after),
    }
    name = backup(scope.settings, data, backups) if data is not None and data != after else None
    change = Change(scope.settings, data, after)
    if old and disk.checksum(data) in (kept["was"], kept["after"]):
        # An update, or one that was killed: uninstall still gives back what stood there before the first installation.
        back = name if disk.checksum(data) == kept["before"] else kept["backup"]
        return {**record, "before": kept["before"], "backup": back}, change
    clean = bom + base_text.encode("utf-8", "surrogatepass")
    before = data if found or clean == data or data is None else clean
    return {**record, "before": disk.checksum(before), "backup": name}, change


def _placed_commands(
    scope: scopes.Scope,
    old: dict[str, Any] | None,
    files: dict[str, bytes],
    migrate: bool,
    backups: dict[str, bytes],
) -> tuple[dict[str, Any], list[Change]]:
    kept, changes = {}, []
    for name in scopes.COMMANDS:
        path, after = scope.commands / name, files["commands/" + name]
        before = disk.read_through(path)
        mine = (old or {"commands": {}})["commands"].get(name)
        aside = mine["backup"] if mine else None
        if before is not None and before == after and not mine:
            continue  # somebody's own copy: it serves, and it stays
        if before is not None and before != after and (not mine or disk.checksum(before) != mine["sum"]):
            if not mine and not migrate:
                raise Obstacle(
                    f"{path} is there already and is not ours. Nothing was changed. Rename it, or run install again with "
                    f"--migrate: it is put aside then, and uninstall puts it back."
                )
            put_aside = backup(path, before, backups)
            aside = aside if mine else put_aside
        kept[name] = {"sum": disk.checksum(after), "backup": aside}
        changes.append(Change(path, before, after))
    return kept, changes


def _project_home(scope: scopes.Scope, old: dict[str, Any] | None) -> tuple[dict[str, Any], list[Change]]:
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
            kept[name] = disk.checksum(after)
            changes.append(Change(path, None, after))
    return kept, changes


def _added_section(
    scope: scopes.Scope, old: dict[str, Any] | None, wanted: bool
) -> tuple[dict[str, Any] | None, list[Change]]:
    kept = old["claude_md"] if old else None
    if not wanted:
        return kept, []
    before = disk.read_through(scope.claude_md)
    try:
        piece = section_text.added((before or b"").decode("utf-8"))
    except UnicodeDecodeError:
        raise Obstacle(
            f"{scope.claude_md} is not UTF-8. Nothing was changed. Mend it, or leave --claude-md out."
        ) from None
    if not piece:
        return kept, []
    after = (before or b"") + piece.encode("utf-8")
    return {"before": disk.checksum(before), "added": piece}, [Change(scope.claude_md, before, after)]
