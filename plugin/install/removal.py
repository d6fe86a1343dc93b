"""The plan of a removal: what it changes outside the installation's folder. Changes nothing itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from circuit_breaker.runtime import home
from install import disk, jsontext, scopes, settings
from install.changes import Obstacle, Plan, saved_bytes
from install.section import PROTOCOL, Section, exclusion

HOME_ORDER = (home.CONFIG, ".gitignore")  # the second is removed if nothing is left to ignore


def plan_removal(scope: scopes.Scope, kept: dict[str, Any] | None, all_of_it: bool) -> Plan:
    """What a removal changes outside the installation's folder. Raises Obstacle."""
    plan = Plan(scope, kept)
    if kept is None:
        return plan
    identical = _cleaned_settings(plan, kept["settings"])
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


def _cleaned_settings(plan: Plan, record: dict[str, Any]) -> bool:
    """Plan the change of the settings file. True if it becomes, or still is, what it was before, byte for byte."""
    path = plan.scope.settings
    data = disk.read_through(path)
    if data is None:
        return record["before"] is None
    try:
        document = settings.settings_of(jsontext.decode_text(data)[1])
        cleaned = settings.without_ours(document, record["registrations"], record["made"])
        cleaned = settings.without_rules(cleaned, record.get("deny") or [], record["made"] or [])
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
