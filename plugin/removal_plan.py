"""What does taking an installation out change, outside of its folder? Reads, decides, changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import disk
import jsontext
import plan
import protocol_section
import scopes
import settings

from circuit_breaker.runtime import home

MEMORY = (home.CONFIG, ".gitignore")  # in this order: the second goes when it has nothing left to ignore


class Removal(NamedTuple):
    """changes in the order to make them; backups: name -> bytes; done_with: backups that nobody needs any more;
    notes: what stays, and why."""

    changes: list[plan.Change]
    backups: dict[str, bytes]
    done_with: list[str]
    notes: list[str]


def of_uninstall(
    scope: scopes.Scope, kept: dict[str, Any] | None, runtime_folder: Path, all_of_it: bool
) -> Removal:
    """What taking it out changes outside of the installation's folder. Raises plan.Stopped."""
    removal = Removal([], {}, [], [])
    identical = _settings(scope, kept, runtime_folder, removal)
    if kept is None:
        return removal
    if kept["claude_md"]:
        _section(scope, kept["claude_md"], removal)
    for name in scopes.COMMANDS:
        if name in kept["commands"]:
            _command(scope.commands / name, kept["commands"][name], runtime_folder, removal)
    _memory(scope, kept["memory"], all_of_it, removal)
    if identical:
        removal.done_with.extend(kept["backups"])
    for change in removal.changes:
        hindrance = disk.writable(change.path)
        if hindrance:
            raise plan.Stopped(f"{hindrance}. Nothing was changed; make it writable and try again.")
    return removal


def _settings(
    scope: scopes.Scope, kept: dict[str, Any] | None, runtime_folder: Path, removal: Removal
) -> bool:
    """Add the change of the settings file; True when the very bytes of before come back (or never went away)."""
    data = disk.read(scope.settings)
    record = (
        kept["settings"]
        if kept
        else {"registrations": None, "made": None, "before": "", "after": "", "backup": None}
    )
    if data is None:
        return record["before"] is None
    try:
        bom, text = jsontext.decode(data)
        document = settings.read(text)
        cleaned = settings.remove(document, record["registrations"], record["made"])
        candidate: bytes | None = bom + jsontext.rewrite(text, cleaned).encode("utf-8", "surrogatepass")
    except jsontext.Unreadable as error:
        raise plan.Stopped(
            f"{scope.settings} was not touched: {error}. Nothing was changed, since the registrations in it may still point at "
            f"our files. Mend it there and run uninstall again."
        ) from None
    if cleaned == document:  # nothing of ours is in it: taken out by hand, or by a removal that was killed
        return disk.digest(data) == record["before"]
    if record["before"] is None and cleaned == {}:
        candidate = None  # the file is ours, and nothing of anybody else is in it
    unedited = disk.digest(data) == record["after"]
    if unedited and disk.digest(candidate) != record["before"] and record["backup"]:
        saved = disk.read(runtime_folder / "backups" / Path(record["backup"]).name)
        candidate = saved if disk.digest(saved) == record["before"] else candidate
    identical = disk.digest(candidate) == record["before"]
    if not identical:
        name = plan.backup(scope.settings, data, removal.backups)
        removal.notes.append(
            f"{scope.settings} was edited since: only our entries went; it is kept as backups/{name}"
        )
    removal.changes.append(plan.Change(scope.settings, data, candidate))
    return identical


def _section(scope: scopes.Scope, record: dict[str, Any], removal: Removal) -> None:
    data = disk.read(scope.claude_md)
    if data is None:
        return
    after: bytes | None = protocol_section.without(
        data.decode("utf-8", "surrogateescape"), record["added"]
    ).encode("utf-8", "surrogateescape")
    if after == data:
        return
    removal.changes.append(
        plan.Change(scope.claude_md, data, after or (None if record["before"] is None else after))
    )


def _command(path: Path, record: dict[str, Any], runtime_folder: Path, removal: Removal) -> None:
    data = disk.read(path)
    if data is None:
        return
    if disk.digest(data) != record["sum"]:
        name = plan.backup(path, data, removal.backups)
        removal.notes.append(f"{path} was edited since: it is kept as backups/{name}")
    saved = disk.read(runtime_folder / "backups" / Path(record["backup"]).name) if record["backup"] else None
    removal.changes.append(plan.Change(path, data, saved))


def _memory(scope: scopes.Scope, kept: dict[str, Any], all_of_it: bool, removal: Removal) -> None:
    """The project's configuration goes if nobody edited it; its .gitignore when it has nothing left to ignore."""
    if scope.memory is None or not kept:
        return
    for name in MEMORY:
        data = disk.read(scope.memory / name)
        if data is None or name not in kept:
            continue
        going = {change.path.name for change in removal.changes if change.path.parent == scope.memory} | {
            name
        }
        others = [entry for entry in listing(scope.memory) if entry not in going]
        if name == ".gitignore" and others and not all_of_it:
            continue
        if disk.digest(data) != kept[name] and not all_of_it:
            removal.notes.append(f"{scope.memory / name} was edited since: it stays (--purge removes it)")
            continue
        removal.changes.append(plan.Change(scope.memory / name, data, None))


def listing(folder: Path) -> list[str]:
    """The names in a folder, none when it is not there."""
    return os.listdir(folder) if folder.is_dir() else []
