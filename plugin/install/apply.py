"""Installs and removes, one process at a time. A kill at any point leaves sessions working."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shared import Refusal

from circuit_breaker.runtime import files, home, packages
from install import bundle, disk, receipt, scopes
from install.plan import Change, Options, Plan, backup_path, backups_folder, plan_install, plan_removal

LOCK_WAIT = 60.0  # seconds: another installation may be waiting for pip


def put_in(scope: scopes.Scope, options: Options, quiet: bool) -> Plan:
    """Install or update. Returns the plan that was carried out. Raises Refusal (nothing was changed), OSError; no empty folder is left behind."""
    made = folders_to_make(scope, options)
    new = [*made, *disk.missing(backups_folder())]
    try:
        scope.root.parent.mkdir(parents=True, exist_ok=True)
        with _alone(scope):
            plan = plan_install(scope, options, made)
            _put_files(plan)  # with the receipt: from here on, everything can be removed again
            _write_backups(plan)
            _make_changes(plan, "install")
            _add_packages(plan, quiet)
            return plan
    except (Refusal, OSError):
        disk.remove_empty(*new)
        raise


def install_again(scope_name: str) -> str:
    """Install `scope_name` again, for `doctor --fix`. Returns what was done. Raises Refusal, OSError."""
    scope = scopes.scope(scope_name)
    plan = put_in(scope, Options(command=False), quiet=True)
    return f"{scope.root}: installed again ({plan.written} files, {len(plan.changes)} others)"


def take_out(scope: scopes.Scope, purge: bool) -> Plan:
    """Remove the installation of `scope`: the registrations, what they needed, then the files, the receipt last. Returns the plan that
    was carried out. Raises Refusal, OSError."""
    with _alone(scope):
        plan = plan_removal(scope, purge)
        _write_backups(plan)
        _make_changes(plan, "uninstall")
        if plan.kept is not None:
            bundle.take_away(scope.root, plan.kept["files"])
            for name in plan.done_with:
                files.remove(str(backup_path(name)))
            remove_empty_folders(plan)
            plan.left = bundle.take_away(scope.root, [receipt.RECEIPT])
    remove_empty_folders(plan)
    return plan


def folders_to_make(scope: scopes.Scope, options: Options) -> list[Path]:
    """The folders that do not exist yet, including the parents of the runtime folder, which the first session makes."""
    outside = [path for path in scope.outside if options.command or path != scope.launcher]
    runtime = [backups_folder().parent] if scope.name == "user" else []
    paths = [scope.root, *outside, *runtime]
    return list(dict.fromkeys(folder for path in paths for folder in disk.missing(path.parent)))


def remove_empty_folders(plan: Plan) -> None:
    """Remove the folders that the installation made, if they are empty."""
    kept, backups, scope = plan.kept or receipt.blank(), backups_folder(), plan.scope
    made = [Path(os.path.normpath(scope.base / text)) for text in kept["folders"]]
    if scope.name != "user":  # do not trust it: a receipt can come with a cloned repository
        made = [folder for folder in made if scope.base in folder.parents]
    ours = [backups.parent] if backups.parent.name == home.NAME else []
    disk.remove_empty(scope.root, backups, *ours, *made)


@contextmanager
def _alone(scope: scopes.Scope) -> Iterator[None]:
    """Hold the lock beside the installation, and clear what a killed process left. Raises Refusal if another holds it for LOCK_WAIT."""
    lock = Path(f"{scope.root}.lock")
    with ExitStack() as stack:
        if lock.parent.is_dir():
            try:
                stack.enter_context(disk.locked(lock, LOCK_WAIT))
            except TimeoutError:
                raise Refusal("another installation is running. Wait for it, then try again.") from None
        bundle.recover(scope.root)
        for path in (*scope.outside, scope.root / receipt.RECEIPT):
            files.remove(str(disk.scrap(Path(os.path.realpath(path)))))
        for scrap in backups_folder().glob("*" + disk.SCRAP):
            files.remove(str(scrap))
        yield


def _put_files(plan: Plan) -> None:
    """Write the installation's folder, with the receipt."""
    text = json.dumps(plan.kept, indent=1, sort_keys=True) + "\n"
    plan.written = bundle.put_in_place(
        plan.scope.root, {**plan.bundle, receipt.RECEIPT: text.encode("ascii")}
    )


def _add_packages(plan: Plan, quiet: bool) -> None:
    """Install the packages with pip, unless they are there."""
    root = plan.scope.root
    if all(bundle.has(root, name) for name in packages.PACKAGES):
        return
    if not quiet:
        print(f"Installing {bundle.BOTH} with pip (at most {bundle.PIP_SECONDS} s) ...", file=sys.stderr)
    plan.packages_problem = bundle.fetch(root)
    plan.written += not plan.packages_problem


def _write_backups(plan: Plan) -> None:
    if plan.backups:
        files.make_folder(str(backups_folder()))
    for name, data in plan.backups.items():
        disk.replace_file(backup_path(name), data, 0o600)


def _make_changes(plan: Plan, verb: str) -> None:
    """Make the changes in order. Raises Refusal if a file changed since the plan was made."""
    for change in plan.changes:
        if disk.read_through(change.path) != change.before:
            raise Refusal(f"{change.path} was changed while {verb} was running. Run {verb} again.")
        target = os.path.realpath(change.path)
        try:
            if change.after is None:
                files.remove(target)
                continue
            change.path.parent.mkdir(parents=True, exist_ok=True)
            # renaming over a file with hard links would leave the old bytes in them
            if not os.path.exists(target) or os.stat(target).st_nlink == 1:
                disk.replace_file(change.path, change.after, change.mode)
                continue
        except OSError as error:
            if error.errno not in disk.IN_PLACE or change.before is None:
                raise
        _write_in_place(plan, change)


def _write_in_place(plan: Plan, change: Change) -> None:
    """Overwrite a file that cannot be replaced or has hard links. Meanwhile there is a backup, because a kill leaves it incomplete."""
    before = change.before or b""
    name = "" if before in plan.backups.values() else plan.back_up(change.path, before)
    _write_backups(plan)
    after = change.after or b""
    with disk.naming(change.path), open(os.path.realpath(change.path), "r+b", 0) as file:
        files.write_all(file.fileno(), after)
        file.truncate(len(after))
        os.fsync(file.fileno())
    if name:
        del plan.backups[name]
        files.remove(str(backup_path(name)))
