"""The plan of an installation: what it changes, and why it may be refused. Changes nothing itself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.runtime import home
from install import bundle, disk, jsontext, receipt, scopes, settings
from install.changes import Change, Obstacle, backup, require_writable
from install.recovered import home_files, our_text, receipt_of, version_in
from install.section import PROTOCOL, Section, exclusion

# Many projects ignore `lib/`; the .gitignore nearer to the files wins.
IGNORE = {"project": b"!*\n!*/\n__pycache__/\n", "local": b"*\n"}
AS_THEY_ARE = b"* -text\n"  # git must not change line ends: `sh` cannot run CRLF


class Options(NamedTuple):
    """The options of install. command: whether to put `circuit-breaker` into ~/.local/bin."""

    migrate: bool = False
    claude_md: bool = False
    deny_rules: bool = False
    command: bool = True


class InstallPlan(NamedTuple):
    """bundle: the installation's files; kept: its receipt; previous: the installed version, "" for none; changes: in order;
    backups: name -> bytes; folders: those to make, outermost first; notes: what was left alone, and why."""

    scope: scopes.Scope
    bundle: dict[str, bytes]
    kept: dict[str, Any]
    previous: str
    changes: list[Change]
    backups: dict[str, bytes]
    folders: list[Path]
    notes: list[str]


def plan_install(
    scope: scopes.Scope, source: Path, env: Mapping[str, str], options: Options, made: list[Path]
) -> InstallPlan:
    """The plan of an installation from `source`; `made`: the folders that it makes. Raises Obstacle, OSError."""
    if scope.root.is_symlink():
        raise Obstacle(f"{scope.root} is a link. Nothing was changed. Remove it and try again.")
    old = receipt_of(scope, source)
    if old and old["scope"] != scope.name:
        raise Obstacle(
            f"the installation in {scope.root} has the scope {old['scope']}. Nothing was changed. Update it with "
            f"--scope {old['scope']}, or run `uninstall --scope {old['scope']}` first."
        )
    _never_twice(scope, env)
    files = bundle.contents(source)
    files.update(bundle.sources_of_packages(source, scope.root, files[bundle.LOCK]))
    if scope.name != "user":
        files[".gitignore"], files[".gitattributes"] = IGNORE[scope.name], AS_THEY_ARE
    backups: dict[str, bytes] = {}
    notes: list[str] = []
    ours = settings.our_groups(json.loads(files["hooks/hooks.json"]), scope.shell, sys.platform == "win32")
    kept_settings, change = _merged_settings(scope, old, ours, options, backups)
    kept_placed, placed = _placed_files(scope, source, old, options, backups, notes)
    kept_memory, in_memory = _project_home(scope, old)
    kept_section: dict[str, Any] | None = old["claude_md"] if old else None
    section: list[Change] = []
    if options.claude_md:
        kept_section, section = _added_section(scope.claude_md, kept_section, PROTOCOL)
    kept_exclude, exclude = _excluded(scope, old["exclude"] if old else None, bool(kept_section))
    folders = [*(old["folders"] if old else []), *(portable(scope, folder) for folder in made)]
    kept = {
        "schema": receipt.SCHEMA,
        "version": json.loads(files["plugin.json"])["version"],
        "scope": scope.name,
        "files": {name: disk.text_checksum(data) for name, data in files.items()},
        "folders": list(dict.fromkeys(folders)),
        "settings": kept_settings,
        "commands": kept_placed,
        "memory": kept_memory,
        "claude_md": kept_section,
        "exclude": kept_exclude,
        "backups": [*(old["backups"] if old else []), *backups],
    }
    ordered = [
        *exclude,
        *in_memory,
        *placed,
        change,
        *section,
    ]  # before the registrations, which need them
    ordered = [one for one in ordered if one.before != one.after]
    require_writable(ordered)
    previous = old["version"] if old else version_in(scope.root)
    return InstallPlan(scope, files, kept, previous, ordered, backups, made, notes)


def portable(scope: scopes.Scope, folder: Path) -> str:
    """`folder` as stored in a receipt: relative to the project if the receipt can be committed."""
    return str(folder) if scope.name == "user" else os.path.relpath(folder, scope.base)


def _never_twice(scope: scopes.Scope, env: Mapping[str, str]) -> None:
    """Raise Obstacle if a session here would also run our hooks from another installation."""
    project = Path(home.places(env, os.getcwd()).project) if scope.name == "user" else scope.base
    chain = scopes.chain(env, project)
    for path, name in scopes.enabled(chain):
        raise Obstacle(
            f"the plugin {name} is enabled in {path}; its hooks would run twice. Nothing was changed. "
            f"Keep that one, or run `claude plugin uninstall {name}` first."
        )
    for folder in scopes.skill_copies(chain, env):
        raise Obstacle(
            f"Claude Code loads the plugin from {folder}; its hooks would run twice. Nothing was changed. "
            f"Keep that one, or remove that folder first."
        )
    for source in scopes.registered(chain):
        if os.path.realpath(source.path) != os.path.realpath(scope.settings):
            raise Obstacle(
                f"circuit-breaker is registered in {source.path} already; its hooks would run twice. Nothing was changed. "
                f"Keep that one, or run `uninstall --scope {source.label}` first."
            )


def _merged_settings(
    scope: scopes.Scope,
    old: dict[str, Any] | None,
    ours: dict[str, Any],
    options: Options,
    backups: dict[str, bytes],
) -> tuple[dict[str, Any], Change]:
    """(the receipt's part about the settings file, the file's change). Raises Obstacle if the file cannot be edited."""
    data = disk.read_through(scope.settings)
    kept = old["settings"] if old else {"registrations": None, "made": []}
    had = kept.get("deny", [])
    rules = sorted({*had, *scopes.deny_rules(scope)}) if options.deny_rules else had
    try:
        bom, text = jsontext.decode_text(data or b"")
        document = settings.settings_of(text)
        found = settings.older(document)
        if found and not options.migrate:
            raise Obstacle(
                f"{scope.settings} registers the older hook scripts:\n  " + "\n  ".join(found)
                + "\nNothing was changed. Run install again with --migrate to replace these lines (the scripts stay)."
            )  # fmt: skip
        settings.with_rules(document, rules)
        there = settings.fault(document) is None and settings.with_ours(document, ours).document == document
        there = there and set(settings.present(document, ours).values()) == {1}
        if there and old and kept["registrations"] == ours and rules == had and not found:
            return kept, Change(scope.settings, data, data)
        base = settings.without_ours(document, kept["registrations"], kept["made"])
        base = settings.without_older(settings.without_rules(base, had, kept["made"] or []))
        base_text = jsontext.rewrite(text, base) if base != document else text
        settings.check_shape(base_text, base)
    except (jsontext.Unreadable, ValueError) as error:
        raise Obstacle(f"{scope.settings} was not touched: {error}. Fix it there and try again.") from None
    merged = settings.with_ours(base, ours)
    ruled = settings.with_rules(merged.document, rules)
    after = bom + jsontext.rewrite(base_text, ruled.document).encode("utf-8", "surrogatepass")
    record = {
        "registrations": ours,
        "deny": rules,
        "made": merged.made + ruled.made,
        "was": disk.checksum(data),
        "after": disk.checksum(after),
    }
    name = backup(scope.settings, data, backups) if data is not None and data != after else None
    change = Change(scope.settings, data, after)
    if old and disk.checksum(data) in (kept["was"], kept["after"]):
        # After an update or a kill, uninstall still restores what was there before the first installation.
        back = name if disk.checksum(data) == kept["before"] else kept["backup"]
        return {**record, "before": kept["before"], "backup": back}, change
    clean = bom + base_text.encode("utf-8", "surrogatepass")
    before = data if found or clean == data or data is None else clean
    return {**record, "before": disk.checksum(before), "backup": name}, change


def _placed_files(
    scope: scopes.Scope,
    source: Path,
    old: dict[str, Any] | None,
    options: Options,
    backups: dict[str, bytes],
    notes: list[str],
) -> tuple[dict[str, Any], list[Change]]:
    """(the receipt's part about our files outside the folder, their changes)."""
    kept, changes = {}, []
    for name, path in scope.placed.items():
        after, before = our_text(scope, name, source), disk.read_through(path)
        mine = old["commands"].get(name) if old else None
        is_launcher = name == scopes.PLUGIN
        if before == after and not mine or is_launcher and not options.command and not mine:
            continue  # your own copy, which works and stays; or you asked to leave it out
        foreign = before not in (None, after) and (not mine or disk.text_checksum(before) != mine["sum"])
        if is_launcher and (foreign or path.is_symlink() or disk.hindrance(path)):
            notes.append(f"{path} is not ours to write: it stays as it is")
            continue
        if foreign and not mine and not options.migrate:
            raise Obstacle(
                f"{path} is there already and is not ours. Nothing was changed. Rename it, or run install again with "
                f"--migrate: it is then kept as a backup, and uninstall brings it back."
            )
        saved = backup(path, before or b"", backups) if foreign else None
        kept[name] = {"sum": disk.text_checksum(after), "backup": mine["backup"] if mine else saved}
        changes.append(Change(path, before, after, 0o755 if is_launcher else None))
    return kept, changes


def _project_home(scope: scopes.Scope, old: dict[str, Any] | None) -> tuple[dict[str, Any], list[Change]]:
    """Plan the project's home: the config file with the defaults, and a .gitignore for the rest, each only if missing."""
    kept = dict(old["memory"]) if old else {}
    changes: list[Change] = []
    if scope.memory is None:
        return {}, changes
    for name, after in home_files(scope).items():
        path = scope.memory / name
        if not os.path.lexists(path):
            kept[name] = disk.checksum(after)
            changes.append(Change(path, None, after))
    return kept, changes


def _added_section(
    path: Path, kept: dict[str, Any] | None, section: Section
) -> tuple[dict[str, Any] | None, list[Change]]:
    before = disk.read_through(path)
    try:
        piece = section.addition((before or b"").decode("utf-8"))
    except UnicodeDecodeError:
        raise Obstacle(
            f"{path} is not UTF-8. Nothing was changed. Fix it, or leave --claude-md out."
        ) from None
    if not piece:
        return kept, []
    after = (before or b"") + piece.encode("utf-8")
    return {"before": disk.checksum(before), "added": piece}, [Change(path, before, after)]


def _excluded(
    scope: scopes.Scope, kept: dict[str, Any] | None, with_section: bool
) -> tuple[dict[str, Any] | None, list[Change]]:
    """Plan git's exclude file for a local installation, so that git ignores its files; skipped if it is not writable."""
    found = scopes.git_exclude(scope.base) if scope.name == "local" else None
    if found is None or disk.hindrance(found[0]):
        return kept, []
    return _added_section(found[0], kept, exclusion(scopes.local_paths(scope, found[1], with_section)))
