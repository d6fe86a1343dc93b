"""The plans of an installation and of its removal: what they change, and why they may be refused. They change nothing themselves."""

from __future__ import annotations

import difflib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from shared import ROOT, Refusal, places_here, version

from circuit_breaker.janitor.disk import archive_time
from circuit_breaker.runtime import home
from circuit_breaker.runtime.json import only
from circuit_breaker.words.texts import PLUGIN
from install import bundle, disk, jsontext, receipt, scopes, settings
from install.ours import OLDER_EXCLUSION, PROTOCOL, exclusion, our_text

SOURCE = ROOT  # of what is installed
# Many projects ignore `lib/`; the .gitignore nearer to the files wins.
IGNORE = {"project": b"!*\n!*/\n__pycache__/\n", "local": b"*\n"}
AS_THEY_ARE = b"* -text\n"  # git must not change line ends: `sh` cannot run CRLF


class Options(NamedTuple):
    """The options of install. command: whether to put `circuit-breaker` into ~/.local/bin."""

    migrate: bool = False
    claude_md: bool = False
    deny_rules: bool = False
    command: bool = True


class Change(NamedTuple):
    """The change of a file from `before` to `after` (None: no file). mode: for a new file."""

    path: Path
    before: bytes | None
    after: bytes | None
    mode: int = 0o666

    @property
    def label(self) -> str:
        """What happens to the file, in a word."""
        return "created" if self.before is None else "removed" if self.after is None else "changed"

    def diff(self) -> str:
        """The change as a unified diff."""
        both = (self.before, self.after)
        old, new = ((data or b"").decode("utf-8", "replace").splitlines(keepends=True) for data in both)
        names = ["/dev/null" if data is None else str(self.path) for data in both]
        lines = difflib.unified_diff(old, new, names[0], names[1])
        no_newline = "\n\\ No newline at end of file\n"
        return "".join(line if line.endswith("\n") else line + no_newline for line in lines)


@dataclass
class Plan:
    """The plan of an installation or removal, and how it went. kept: the receipt, to write or to go by; notes: what stays as it is,
    and why.

    Of an installation: previous is the installed version, "" for none; written: the number of files written; packages_problem: why
    packages are missing. Of a removal: done_with names the backups whose bytes it brings back; left: what is not ours in the folder,
    once the removal is done.
    """

    scope: scopes.Scope
    kept: dict | None = None
    changes: list[Change] = field(default_factory=list)  # in this order
    backups: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    bundle: dict[str, bytes] = field(default_factory=dict)
    previous: str = ""
    written: int = 0
    packages_problem: str = ""
    done_with: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        return str((self.kept or receipt.blank())["version"])

    def change(self, path: Path, before: bytes | None, after: bytes | None, mode: int = 0o666) -> None:
        """Add the change of a file, if it is one."""
        if before != after:
            self.changes.append(Change(path, before, after, mode))

    def back_up(self, path: Path, data: bytes) -> str:
        """Add the former contents of `path` to the backups. Returns the name of the backup."""
        name = f"{path.name}.{archive_time(time.time())}.{disk.checksum(data)[:8]}"  # type: ignore[index]
        self.backups[name] = data
        return name

    def require_writable(self) -> None:
        """Raise Refusal for the first file that is not writable."""
        for path in [*(change.path for change in self.changes), *map(backup_path, self.backups)]:
            hindrance = disk.hindrance(path)
            if hindrance:
                raise Refusal(f"{hindrance}. Nothing was changed; fix that and try again.")

    def diff(self) -> str:
        return "".join(change.diff() for change in self.changes)

    def facts(self, dry_run: bool) -> dict:
        """The plan for --json."""
        return {
            "dry_run": dry_run,
            "scope": self.scope.name,
            "root": str(self.scope.root),
            "changed": [str(change.path) for change in self.changes],
            "backups": [str(backup_path(name)) for name in self.backups],
            "notes": self.notes,
            "diff": self.diff(),
        }

    def rows(self) -> list[tuple[str, object]]:
        """(label, text) of each change, backup and note."""
        rows: list[tuple[str, object]] = [(change.label, change.path) for change in self.changes]
        rows += [("backup", backup_path(name)) for name in self.backups]
        return rows + [("note", note) for note in self.notes]


# --- Installing


def plan_install(scope: scopes.Scope, options: Options, made: list[Path]) -> Plan:
    """The plan of an installation; `made`: the folders that it makes. Raises Refusal, OSError."""
    if scope.root.is_symlink():
        raise Refusal(f"{scope.root} is a link. Nothing was changed. Remove it and try again.")
    old = receipt_of(scope) or receipt.blank()
    _never_twice(scope)
    files = bundle.contents(SOURCE)
    if scope.name != "user":
        files[".gitignore"], files[".gitattributes"] = IGNORE[scope.name], AS_THEY_ARE
    ours = settings.our_groups(json.loads(files["hooks/hooks.json"]), scope.shell, sys.platform == "win32")
    plan = Plan(scope, bundle=files, previous=old["version"])
    # in this order: the registrations need what comes before them
    for path, section in exclusion(scope, options.claude_md):
        if not disk.hindrance(path):
            before = disk.read_through(path)
            plan.change(path, before, section.added(_without_older(before, old)))
    placed = _placed_files(plan, old["commands"], options)
    registered = _registered(plan, old["settings"], ours, options)
    if options.claude_md:
        before = disk.read_through(scope.claude_md)
        plan.change(scope.claude_md, before, PROTOCOL.added(before))
    # of a receipt that can be committed relative to the project
    new = [str(folder) if scope.name == "user" else os.path.relpath(folder, scope.base) for folder in made]
    plan.kept = {
        "schema": receipt.SCHEMA,
        "version": json.loads(files["plugin.json"])["version"],
        "scope": scope.name,
        "files": {name: disk.text_checksum(data) for name, data in files.items()},
        "folders": list(dict.fromkeys([*old["folders"], *new])),
        "memory": {name: placed.pop(name)["sum"] for name in scopes.HOME if name in placed},
        "commands": placed,
        "settings": registered,
        "backups": [*old["backups"], *plan.backups],
        **receipt.FOR_OLDER,
    }
    plan.require_writable()
    return plan


def _never_twice(scope: scopes.Scope) -> None:
    """Raise Refusal if a session here would also run our hooks from another installation."""
    for what, way_out in other_copies(scope):
        twice = f"{what}; its hooks would run twice. Nothing was changed."
        raise Refusal(f"{twice} Keep that one, or {way_out} first.")


def other_copies(scope: scopes.Scope) -> list[tuple[str, str]]:
    """(what else gives sessions here our hooks, how to remove it)."""
    chain = scopes.chain(Path(places_here().project) if scope.name == "user" else scope.base)
    found = [
        (f"the plugin {name} is enabled in {path}", f"run `claude plugin uninstall {quote(name)}`")
        for path, name, on in scopes.switches(chain)
        if on
    ]
    found += [
        (f"Claude Code loads the plugin from {folder}", "remove that folder")
        for folder in scopes.skill_copies(chain)
    ]
    return found + [
        (f"circuit-breaker is registered in {source.path}", f"run `uninstall --scope {source.label}`")
        for source in scopes.registered(chain)
        if os.path.realpath(source.path) != os.path.realpath(scope.settings)
    ]


def _registered(plan: Plan, old: dict, ours: settings.Groups, options: Options) -> dict:
    """Plan the change of the settings file. Returns the receipt's part about it. Raises Refusal if the file cannot be edited."""
    path = plan.scope.settings
    data = disk.read_through(path)
    had = old.get("deny", [])
    rules = sorted({*had, *scopes.deny_rules(plan.scope)}) if options.deny_rules else had
    try:
        document = settings.settings_of(data)
        older = settings.older(document)
        if older and not options.migrate:
            listed, hint = "\n  ".join(older), "Run install again with --migrate to replace these lines"
            raise Refusal(
                f"{path} registers the older hook scripts:\n  {listed}\nNothing was changed. {hint} (the scripts stay)."
            )
        if old["registrations"] == ours and rules == had and not older and settings.holds(document, ours):
            return old
        base = settings.without_older(settings.without_ours(document, old["made"], had))
        clean = jsontext.edited(data or b"", base) if base != document else data or b""
        settings.check_shape(clean, base)
        merged = settings.with_ours(base, ours, rules)
    except ValueError as error:
        raise Refusal(f"{path} was not touched: {error}. Fix it there and try again.") from None
    after = jsontext.edited(clean, merged.document)
    name = plan.back_up(path, data) if data is not None and data != after else None
    plan.change(path, data, after)
    now = disk.checksum(data)
    added = [rule for rule in rules if rule not in base.get("permissions", {}).get("deny", [])]
    record: dict = {"registrations": ours, "deny": added, "made": merged.made}
    record.update(was=now, after=disk.checksum(after))
    if now in (old["was"], old["after"]):
        # After an update or a kill, uninstall still restores what was there before the first installation.
        return {**record, "before": old["before"], "backup": name if now == old["before"] else old["backup"]}
    return {**record, "before": disk.checksum(data if older or data is None else clean), "backup": name}


def _placed_files(plan: Plan, old: dict, options: Options) -> dict:
    """Plan our files outside the folder. Returns the receipt's part about them."""
    kept = {}
    for name, path in plan.scope.placed.items():
        after, before = our_text(plan.scope, name, SOURCE), disk.read_through(path)
        mine = old.get(name)
        is_launcher = name == PLUGIN
        if name in scopes.HOME and os.path.lexists(path):
            kept.update({name: mine} if mine else {})  # made once, never rewritten
            continue
        if not mine and (before == after or is_launcher and not options.command):
            continue  # your own copy, which works and stays; or you asked to leave it out
        foreign = before not in (None, after) and (not mine or disk.text_checksum(before) != mine["sum"])
        if is_launcher and (foreign or path.is_symlink() or disk.hindrance(path)):
            plan.notes.append(f"{path} is not ours to write: it stays as it is")
            continue
        if foreign and not mine and not options.migrate:
            raise Refusal(
                f"{path} is there already and is not ours. Nothing was changed. Rename it, or run install again with "
                f"--migrate: it is then kept as a backup, and uninstall brings it back."
            )
        saved = plan.back_up(path, before or b"") if foreign else None
        kept[name] = {"sum": disk.text_checksum(after), "backup": mine["backup"] if mine else saved}
        plan.change(path, before, after, 0o755 if is_launcher else 0o666)
    return kept


def _without_older(text: bytes | None, kept: dict) -> bytes | None:
    """A text without the section that an older installation put into git's exclude file, if the receipt lists one."""
    return OLDER_EXCLUSION.removed(text) if kept.get("exclude") else text


# --- Removing


def plan_removal(scope: scopes.Scope, all_of_it: bool) -> Plan:
    """What a removal changes outside the installation's folder. Raises Refusal, OSError."""
    kept = receipt_of(scope)
    plan = Plan(scope, kept)
    if kept is None:
        return plan
    if _unregistered(plan, kept["settings"]):
        plan.done_with = [name for name in kept["backups"] if name.startswith(f"{scope.settings.name}.")]
    for path, section in [(scope.claude_md, PROTOCOL), *exclusion(scope)]:
        before = disk.read_through(path)
        plan.change(path, before, section.removed(_without_older(before, kept)))
    for name, path in scope.placed.items():
        if name in kept["commands"]:
            _remove_placed(plan, name, path, kept["commands"][name], all_of_it)
    plan.require_writable()
    return plan


def _unregistered(plan: Plan, record: dict) -> bool:
    """Plan the change of the settings file. True if it becomes, or still is, what it was before, byte for byte."""
    path, before = plan.scope.settings, record["before"]
    data = disk.read_through(path)
    if data is None:
        return before is None
    try:
        document = settings.settings_of(data)
        cleaned = settings.without_ours(document, record["made"], record.get("deny", []))
        after: bytes | None = jsontext.edited(data, cleaned)
    except jsontext.Unreadable as error:
        why = "since the registrations in it may still point at our files"
        raise Refusal(
            f"{path} was not touched: {error}. Nothing was changed, {why}. Fix it there and run uninstall again."
        ) from None
    if cleaned == document:  # our entries are gone already, by hand or by a killed removal
        return disk.checksum(data) == before
    if before is None and cleaned == {}:
        after = None  # we made the file, and nothing else is in it
    if disk.checksum(data) == record["after"] and disk.checksum(after) != before:  # not edited since
        saved = saved_bytes(record["backup"])
        after = saved if saved is not None and disk.checksum(saved) == before else after
    identical = disk.checksum(after) == before
    if not identical:
        name = plan.back_up(path, data)
        why = "was edited since" if before != "" else "has lost its receipt"
        plan.notes.append(f"{path} {why}: only our entries were removed; it is kept as backups/{name}")
    plan.change(path, data, after)
    return identical


def _remove_placed(plan: Plan, name: str, path: Path, record: dict, all_of_it: bool) -> None:
    """Plan to remove a file of ours. An edited command is backed up; another edited file stays, and a .gitignore that is still needed."""
    data = disk.read_through(path)
    if data is None:
        return
    if disk.text_checksum(data) != record["sum"]:
        if name in scopes.COMMANDS:
            plan.notes.append(f"{path} was edited since: it is kept as backups/{plan.back_up(path, data)}")
        elif name == PLUGIN or not all_of_it:
            plan.notes.append(f"{path} was edited since, so it stays")
            return
    removed = {change.path for change in plan.changes}
    if name == ".gitignore" and not all_of_it and set(path.parent.iterdir()) - removed != {path}:
        return
    saved = saved_bytes(record["backup"])
    plan.change(path, data, saved)
    plan.done_with += [record["backup"]] if saved is not None else []


# --- Which installation is there


def receipt_of(scope: scopes.Scope) -> dict | None:
    """The receipt of the installation of `scope`, made anew from our names, checksums and lines if it is lost; None if there is no
    trace of one. Raises Refusal for one of another scope, OSError."""
    root = scope.root
    kept = receipt.load_receipt(root)
    if kept is not None:
        other = kept["scope"]
        if other == scope.name:
            return kept
        hint = f"Use --scope {other}, or run `uninstall --scope {other}` first."
        raise Refusal(f"the installation in {root} has the scope {other}. Nothing was changed. {hint}")
    document = _settings_of(scope)
    if not (root / "plugin" / "__main__.py").is_file() and not settings.registers(document):
        return None
    kept = receipt.blank()
    names = [*bundle.names_below(root), ".gitignore", ".gitattributes"]
    denied = only(list, only(dict, document.get("permissions")).get("deny"))
    deny = [rule for rule in scopes.deny_rules(scope) if rule in denied]
    kept.update(version=version(root), settings={**kept["settings"], "made": None, "deny": deny})
    kept["files"] = {name: disk.text_checksum(disk.read_through(root / name)) for name in names}
    for name, path in scope.placed.items():
        here = disk.text_checksum(disk.read_through(path))
        if here and here in [disk.checksum(our_text(scope, name, folder)) for folder in (root, SOURCE)]:
            kept["commands"][name] = {"sum": here, "backup": None}
    return kept


def _settings_of(scope: scopes.Scope) -> dict:
    """What the settings file of the scope says; {} if it cannot be read."""
    try:
        return settings.settings_of(disk.read_through(scope.settings))
    except (OSError, jsontext.Unreadable):
        return {}


# --- Backups


def backups_folder() -> Path:
    return Path(home.runtime_folder(os.environ), "backups")


def backup_path(name: str) -> Path:
    """The path of a backup. (Of a path only the last part counts: a receipt can come with a cloned repository.)"""
    return backups_folder() / Path(name).name


def saved_bytes(name: str | None) -> bytes | None:
    """The bytes of the backup `name`, or None."""
    return disk.read_through(backup_path(name)) if name else None
