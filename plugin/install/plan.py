"""The plans of an installation and of its removal: what they change, and why they may be refused. They change nothing themselves."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.runtime import home
from install import bundle, disk, jsontext, receipt, scopes, settings
from install.changes import Obstacle, Plan, saved_bytes
from install.recovered import blank, home_files, our_text, receipt_of
from install.section import PROTOCOL, Section, exclusion

# Many projects ignore `lib/`; the .gitignore nearer to the files wins.
IGNORE = {"project": b"!*\n!*/\n__pycache__/\n", "local": b"*\n"}
AS_THEY_ARE = b"* -text\n"  # git must not change line ends: `sh` cannot run CRLF
HOME_ORDER = (home.CONFIG, ".gitignore")  # the second is removed if nothing is left to ignore


class Options(NamedTuple):
    """The options of install. command: whether to put `circuit-breaker` into ~/.local/bin."""

    migrate: bool = False
    claude_md: bool = False
    deny_rules: bool = False
    command: bool = True


def plan_install(scope: scopes.Scope, source: Path, options: Options, made: list[Path]) -> Plan:
    """The plan of an installation from `source`; `made`: the folders that it makes. Raises Obstacle, OSError."""
    if scope.root.is_symlink():
        raise Obstacle(f"{scope.root} is a link. Nothing was changed. Remove it and try again.")
    old = receipt_of(scope, source) or blank()
    _never_twice(scope)
    files = bundle.contents(source)
    files.update(bundle.sources_of_packages(source, scope.root, files[bundle.LOCK]))
    if scope.name != "user":
        files[".gitignore"], files[".gitattributes"] = IGNORE[scope.name], AS_THEY_ARE
    ours = settings.our_groups(json.loads(files["hooks/hooks.json"]), scope.shell, sys.platform == "win32")
    plan = Plan(scope, bundle=files, previous=old["version"], folders=made)
    section = PROTOCOL if options.claude_md else None
    # of a receipt that can be committed relative to the project
    new = [str(folder) if scope.name == "user" else os.path.relpath(folder, scope.base) for folder in made]
    plan.kept = {
        "schema": receipt.SCHEMA,
        "version": json.loads(files["plugin.json"])["version"],
        "scope": scope.name,
        "files": {name: disk.text_checksum(data) for name, data in files.items()},
        "folders": list(dict.fromkeys([*old["folders"], *new])),
        # in this order: the registrations need what comes before them
        "exclude": _excluded(plan, old, options),
        "memory": _project_home(plan, old["memory"]),
        "commands": _placed_files(plan, source, old["commands"], options),
        "settings": _registered(plan, old["settings"], ours, options),
        "claude_md": _added_section(plan, scope.claude_md, old["claude_md"], section),
    }
    plan.kept["backups"] = [*old["backups"], *plan.backups]
    plan.require_writable()
    return plan


def _never_twice(scope: scopes.Scope) -> None:
    """Raise Obstacle if a session here would also run our hooks from another installation."""
    project = Path(home.places(os.environ, os.getcwd()).project) if scope.name == "user" else scope.base
    chain = scopes.chain(os.environ, project)
    found = [
        (f"the plugin {name} is enabled in {path}", f"run `claude plugin uninstall {name}`")
        for path, name in scopes.enabled(chain)
    ]
    found += [
        (f"Claude Code loads the plugin from {folder}", "remove that folder")
        for folder in scopes.skill_copies(chain, os.environ)
    ]
    found += [
        (f"circuit-breaker is registered in {source.path} already", f"run `uninstall --scope {source.label}`")
        for source in scopes.registered(chain)
        if os.path.realpath(source.path) != os.path.realpath(scope.settings)
    ]
    for what, way_out in found:
        raise Obstacle(
            f"{what}; its hooks would run twice. Nothing was changed. Keep that one, or {way_out} first."
        )


def _registered(
    plan: Plan, old: dict[str, Any], ours: dict[str, list[dict[str, Any]]], options: Options
) -> dict[str, Any]:
    """Plan the change of the settings file. Returns the receipt's part about it. Raises Obstacle if the file cannot be edited."""
    path = plan.scope.settings
    data = disk.read_through(path)
    had = old.get("deny", [])
    rules = sorted({*had, *scopes.deny_rules(plan.scope)}) if options.deny_rules else had
    try:
        document = settings.settings_of(jsontext.decode_text(data or b"")[1])
        found = settings.older(document)
        if found and not options.migrate:
            raise Obstacle(
                f"{path} registers the older hook scripts:\n  " + "\n  ".join(found)
                + "\nNothing was changed. Run install again with --migrate to replace these lines (the scripts stay)."
            )  # fmt: skip
        settings.with_rules(document, rules)
        there = settings.fault(document) is None and settings.with_ours(document, ours).document == document
        there = there and set(settings.present(document, ours).values()) == {1}
        if there and old["registrations"] == ours and rules == had and not found:
            return old
        base = settings.without_ours(document, old["registrations"], old["made"])
        base = settings.without_older(settings.without_rules(base, had, old["made"] or []))
        clean = jsontext.edited(data or b"", base) if base != document else data or b""
        settings.check_shape(jsontext.decode_text(clean)[1], base)
    except (jsontext.Unreadable, ValueError) as error:
        raise Obstacle(f"{path} was not touched: {error}. Fix it there and try again.") from None
    merged = settings.with_ours(base, ours)
    ruled = settings.with_rules(merged.document, rules)
    after = jsontext.edited(clean, ruled.document)
    name = plan.back_up(path, data) if data is not None and data != after else None
    plan.change(path, data, after)
    record = {
        "registrations": ours,
        "deny": rules,
        "made": merged.made + ruled.made,
        "was": disk.checksum(data),
        "after": disk.checksum(after),
    }
    if disk.checksum(data) in (old["was"], old["after"]):
        # After an update or a kill, uninstall still restores what was there before the first installation.
        back = name if disk.checksum(data) == old["before"] else old["backup"]
        return {**record, "before": old["before"], "backup": back}
    before = data if found or data is None else clean
    return {**record, "before": disk.checksum(before), "backup": name}


def _placed_files(plan: Plan, source: Path, old: dict[str, Any], options: Options) -> dict[str, Any]:
    """Plan our files outside the folder. Returns the receipt's part about them."""
    kept = {}
    for name, path in plan.scope.placed.items():
        after, before = our_text(plan.scope, name, source), disk.read_through(path)
        mine = old.get(name)
        is_launcher = name == scopes.PLUGIN
        if not mine and (before == after or is_launcher and not options.command):
            continue  # your own copy, which works and stays; or you asked to leave it out
        foreign = before not in (None, after) and (not mine or disk.text_checksum(before) != mine["sum"])
        if is_launcher and (foreign or path.is_symlink() or disk.hindrance(path)):
            plan.notes.append(f"{path} is not ours to write: it stays as it is")
            continue
        if foreign and not mine and not options.migrate:
            raise Obstacle(
                f"{path} is there already and is not ours. Nothing was changed. Rename it, or run install again with "
                f"--migrate: it is then kept as a backup, and uninstall brings it back."
            )
        saved = plan.back_up(path, before or b"") if foreign else None
        kept[name] = {"sum": disk.text_checksum(after), "backup": mine["backup"] if mine else saved}
        plan.change(path, before, after, 0o755 if is_launcher else None)
    return kept


def _project_home(plan: Plan, old: dict[str, Any]) -> dict[str, Any]:
    """Plan the project's home: the config file with the defaults, and a .gitignore for the rest, each only if missing."""
    kept = dict(old)
    for path, after in home_files(plan.scope).items():
        if not os.path.lexists(path):
            kept[path.name] = disk.checksum(after)
            plan.change(path, None, after)
    return kept


def _excluded(plan: Plan, old: dict[str, Any], options: Options) -> dict[str, Any] | None:
    """Plan git's exclude file for a local installation, so that git ignores its files; skipped if it is not writable."""
    kept: dict[str, Any] | None = old["exclude"]
    found = scopes.git_exclude(plan.scope.base) if plan.scope.name == "local" else None
    if found is None or disk.hindrance(found[0]):
        return kept
    paths = scopes.local_paths(plan.scope, found[1], options.claude_md or bool(old["claude_md"]))
    return _added_section(plan, found[0], kept, exclusion(paths))


def _added_section(
    plan: Plan, path: Path, kept: dict[str, Any] | None, section: Section | None
) -> dict[str, Any] | None:
    """Plan to add a section to a text of yours. Returns the receipt's part about it."""
    if section is None:
        return kept
    before = disk.read_through(path)
    piece = section.addition((before or b"").decode("utf-8", "surrogateescape"))
    if not piece:
        return kept
    plan.change(path, before, (before or b"") + piece.encode("utf-8"))
    return {"before": disk.checksum(before), "added": piece}


def plan_removal(scope: scopes.Scope, kept: dict[str, Any] | None, all_of_it: bool) -> Plan:
    """What a removal changes outside the installation's folder. Raises Obstacle."""
    plan = Plan(scope, kept)
    if kept is None:
        return plan
    identical = _unregistered(plan, kept["settings"])
    if kept["claude_md"]:
        _removed_section(plan, scope.claude_md, PROTOCOL, kept["claude_md"])
    for name, path in scope.placed.items():
        if name in kept["commands"]:
            _removed_file(plan, path, kept["commands"][name], name == scopes.PLUGIN)
    _cleaned_home(plan, kept["memory"], all_of_it)
    excluded = scopes.git_exclude(scope.base) if kept["exclude"] else None
    if excluded:
        _removed_section(plan, excluded[0], exclusion([]), kept["exclude"])
    if identical:
        plan.done_with = kept["backups"]
    plan.require_writable()
    return plan


def _unregistered(plan: Plan, record: dict[str, Any]) -> bool:
    """Plan the change of the settings file. True if it becomes, or still is, what it was before, byte for byte."""
    path = plan.scope.settings
    data = disk.read_through(path)
    if data is None:
        return record["before"] is None
    try:
        document = settings.settings_of(jsontext.decode_text(data)[1])
        cleaned = settings.without_ours(document, record["registrations"], record["made"])
        cleaned = settings.without_rules(cleaned, record.get("deny", []), record["made"] or [])
        candidate: bytes | None = jsontext.edited(data, cleaned)
    except jsontext.Unreadable as error:
        raise Obstacle(
            f"{path} was not touched: {error}. Nothing was changed, since the registrations in it may still point at "
            f"our files. Fix it there and run uninstall again."
        ) from None
    if cleaned == document:  # our entries are gone already, by hand or by a killed removal
        return disk.checksum(data) == record["before"]
    if record["before"] is None and cleaned == {}:
        candidate = None  # we made the file, and nothing else is in it
    unedited = disk.checksum(data) == record["after"]
    if unedited and record["backup"] and disk.checksum(candidate) != record["before"]:
        saved = saved_bytes(record["backup"])
        candidate = saved if disk.checksum(saved) == record["before"] else candidate
    identical = disk.checksum(candidate) == record["before"]
    if not identical:
        name = plan.back_up(path, data)
        why = "was edited since" if record["before"] != "" else "has lost its receipt"
        plan.notes.append(f"{path} {why}: only our entries were removed; it is kept as backups/{name}")
    plan.change(path, data, candidate)
    return identical


def _removed_section(plan: Plan, path: Path, section: Section, record: dict[str, Any]) -> None:
    data = disk.read_through(path)
    if data is not None:
        text = section.removed(data.decode("utf-8", "surrogateescape"), record["added"])
        after = text.encode("utf-8", "surrogateescape")
        plan.change(path, data, None if data and not after and record["before"] is None else after)


def _removed_file(plan: Plan, path: Path, record: dict[str, Any], is_launcher: bool) -> None:
    data = disk.read_through(path)
    if data is not None and disk.text_checksum(data) != record["sum"]:
        if is_launcher:
            plan.notes.append(f"{path} is not the file that install created, so it stays")
            return
        plan.notes.append(f"{path} was edited since: it is kept as backups/{plan.back_up(path, data)}")
    if data is not None:
        plan.change(path, data, saved_bytes(record["backup"]))


def _cleaned_home(plan: Plan, kept: dict[str, Any], all_of_it: bool) -> None:
    """Plan to remove the project's config file if it was not edited, and its .gitignore if nothing is left to ignore."""
    folder = plan.scope.memory
    going: set[str] = set()
    if folder is None:
        return
    for name in HOME_ORDER:
        path = folder / name
        data = disk.read_through(path)
        if data is None or name not in kept:
            continue
        if name == ".gitignore" and set(listing(folder)) - going - {name} and not all_of_it:
            continue
        if kept[name] not in (disk.checksum(data), disk.text_checksum(data)) and not all_of_it:
            plan.notes.append(f"{path} was edited since, so it stays (--purge removes it)")
            continue
        going.add(name)
        plan.change(path, data, None)


def listing(folder: Path) -> list[str]:
    """The names in a folder; none if it does not exist."""
    return os.listdir(folder) if folder.is_dir() else []
