"""The plan of a removal: what it changes outside the installation's folder. Changes nothing itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.runtime import home
from install import disk, jsontext, scopes, settings
from install.changes import Change, Obstacle, backup, require_writable, saved_bytes
from install.section import PROTOCOL, Section, exclusion

HOME_ORDER = (home.CONFIG, ".gitignore")  # the second is removed if nothing is left to ignore


class Removal(NamedTuple):
    """changes: in order; backups: name -> bytes; done_with: backups that are no longer needed; notes: what stays, and why."""

    changes: list[Change]
    backups: dict[str, bytes]
    done_with: list[str]
    notes: list[str]


def plan_removal(
    scope: scopes.Scope, kept: dict[str, Any] | None, runtime_folder: Path, all_of_it: bool
) -> Removal:
    """The changes outside the installation's folder. Raises Obstacle."""
    removal = Removal([], {}, [], [])
    if kept is None:
        return removal
    identical = _cleaned_settings(scope, kept["settings"], runtime_folder, removal)
    if kept["claude_md"]:
        _removed_section(scope.claude_md, PROTOCOL, kept["claude_md"], removal)
    for name, path in scope.placed.items():
        if name in kept["commands"]:
            _removed_file(path, kept["commands"][name], name == scopes.PLUGIN, runtime_folder, removal)
    _cleaned_home(scope, kept["memory"], all_of_it, removal)
    excluded = scopes.git_exclude(scope.base) if kept["exclude"] else None
    if excluded:
        _removed_section(excluded[0], exclusion([]), kept["exclude"], removal)
    if identical:
        removal.done_with.extend(kept["backups"])
    require_writable(removal.changes)
    return removal


def _cleaned_settings(
    scope: scopes.Scope, record: dict[str, Any], runtime_folder: Path, removal: Removal
) -> bool:
    """Add the change of the settings file. True if it becomes, or still is, what it was before, byte for byte."""
    data = disk.read_through(scope.settings)
    if data is None:
        return record["before"] is None
    try:
        bom, text = jsontext.decode_text(data)
        document = settings.settings_of(text)
        cleaned = settings.without_ours(document, record["registrations"], record["made"])
        cleaned = settings.without_rules(cleaned, record.get("deny", []), record["made"] or [])
        candidate: bytes | None = bom + jsontext.rewrite(text, cleaned).encode("utf-8", "surrogatepass")
    except jsontext.Unreadable as error:
        raise Obstacle(
            f"{scope.settings} was not touched: {error}. Nothing was changed, since the registrations in it may still point at "
            f"our files. Fix it there and run uninstall again."
        ) from None
    if cleaned == document:  # our entries are gone already, by hand or by a killed removal
        return disk.checksum(data) == record["before"]
    if record["before"] is None and cleaned == {}:
        candidate = None  # we made the file, and nothing else is in it
    unedited = disk.checksum(data) == record["after"]
    if unedited and disk.checksum(candidate) != record["before"] and record["backup"]:
        saved = saved_bytes(runtime_folder, record["backup"])
        candidate = saved if disk.checksum(saved) == record["before"] else candidate
    identical = disk.checksum(candidate) == record["before"]
    if not identical:
        name = backup(scope.settings, data, removal.backups)
        why = "was edited since" if record["before"] != "" else "has lost its receipt"
        removal.notes.append(
            f"{scope.settings} {why}: only our entries were removed; it is kept as backups/{name}"
        )
    removal.changes.append(Change(scope.settings, data, candidate))
    return identical


def _removed_section(path: Path, section: Section, record: dict[str, Any], removal: Removal) -> None:
    data = disk.read_through(path)
    if data is None:
        return
    text = data.decode("utf-8", "surrogateescape")
    after: bytes | None = section.removed(text, record["added"]).encode("utf-8", "surrogateescape")
    if after != data:
        after = after or (None if record["before"] is None else after)
        removal.changes.append(Change(path, data, after))


def _removed_file(
    path: Path, record: dict[str, Any], is_launcher: bool, runtime_folder: Path, removal: Removal
) -> None:
    data = disk.read_through(path)
    if data is None:
        return
    if disk.text_checksum(data) != record["sum"]:
        if is_launcher:
            removal.notes.append(f"{path} is not the file that install created, so it stays")
            return
        name = backup(path, data, removal.backups)
        removal.notes.append(f"{path} was edited since: it is kept as backups/{name}")
    removal.changes.append(Change(path, data, saved_bytes(runtime_folder, record["backup"])))


def _cleaned_home(scope: scopes.Scope, kept: dict[str, Any], all_of_it: bool, removal: Removal) -> None:
    """Plan to remove the project's config file if it was not edited, and its .gitignore if nothing is left to ignore."""
    if scope.memory is None or not kept:
        return
    for name in HOME_ORDER:
        data = disk.read_through(scope.memory / name)
        if data is None or name not in kept:
            continue
        going = {change.path.name for change in removal.changes if change.path.parent == scope.memory} | {
            name
        }
        others = [entry for entry in listing(scope.memory) if entry not in going]
        if name == ".gitignore" and others and not all_of_it:
            continue
        if kept[name] not in (disk.checksum(data), disk.text_checksum(data)) and not all_of_it:
            removal.notes.append(f"{scope.memory / name} was edited since, so it stays (--purge removes it)")
            continue
        removal.changes.append(Change(scope.memory / name, data, None))


def listing(folder: Path) -> list[str]:
    """The names in a folder; none if it does not exist."""
    return os.listdir(folder) if folder.is_dir() else []
