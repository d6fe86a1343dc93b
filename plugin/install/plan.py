"""The plan of an installation: what it changes, and why it may be refused. Changes nothing itself."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.runtime import home
from install import bundle, disk, jsontext, receipt, scopes, settings
from install.changes import Obstacle, Plan
from install.recovered import blank, home_files, our_text, receipt_of
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


def plan_install(scope: scopes.Scope, source: Path, options: Options, made: list[Path]) -> Plan:
    """The plan of an installation from `source`; `made`: the folders that it makes. Raises Obstacle, OSError."""
    if scope.root.is_symlink():
        raise Obstacle(f"{scope.root} is a link. Nothing was changed. Remove it and try again.")
    old = receipt_of(scope, source) or blank(scope)
    _never_twice(scope)
    files = bundle.contents(source)
    files.update(bundle.sources_of_packages(source, scope.root, files[bundle.LOCK]))
    if scope.name != "user":
        files[".gitignore"], files[".gitattributes"] = IGNORE[scope.name], AS_THEY_ARE
    ours = settings.our_groups(json.loads(files["hooks/hooks.json"]), scope.shell, sys.platform == "win32")
    plan = Plan(scope, bundle=files, previous=old["version"], folders=made)
    folders = [*old["folders"], *(portable(scope, folder) for folder in made)]
    plan.kept = {
        "schema": receipt.SCHEMA,
        "version": json.loads(files["plugin.json"])["version"],
        "scope": scope.name,
        "files": {name: disk.text_checksum(data) for name, data in files.items()},
        "folders": list(dict.fromkeys(folders)),
        # in this order: the registrations need what comes before them
        "exclude": _excluded(plan, old, options),
        "memory": _project_home(plan, old["memory"]),
        "commands": _placed_files(plan, source, old["commands"], options),
        "settings": _registered(plan, old["settings"], ours, options),
        "claude_md": _section(
            plan, scope.claude_md, old["claude_md"], PROTOCOL if options.claude_md else None
        ),
    }
    plan.kept["backups"] = [*old["backups"], *plan.backups]
    plan.require_writable()
    return plan


def portable(scope: scopes.Scope, folder: Path) -> str:
    """`folder` as stored in a receipt: relative to the project if the receipt can be committed."""
    return str(folder) if scope.name == "user" else os.path.relpath(folder, scope.base)


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
    had = old.get("deny") or []
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
    with_section = options.claude_md or bool(old["claude_md"])
    return _section(plan, found[0], kept, exclusion(scopes.local_paths(plan.scope, found[1], with_section)))


def _section(
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
