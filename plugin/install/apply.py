"""Installs and removes, one process at a time. A kill at any point leaves sessions working."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from circuit_breaker.runtime import files, home, packages
from install import bundle, disk, receipt, scopes
from install.changes import Change, Obstacle, make_changes, require_writable, write_backups
from install.plan import InstallPlan, Options, plan_install
from install.recovered import receipt_of
from install.removal import Removal, listing, plan_removal

SOURCE = Path(__file__).resolve().parent.parent.parent
LOCK_WAIT = 60.0  # seconds: another installation may be waiting for pip


class Removed(NamedTuple):
    """The result of a removal. kept: the receipt that was used; left: names in the folder that are not ours."""

    kept: dict[str, Any] | None
    removal: Removal
    left: list[str]
    runtime_folder: Path


def put_in(scope: scopes.Scope, options: Options, quiet: bool) -> tuple[InstallPlan, dict[str, Any]]:
    """Plan an installation and carry it out. Raises Obstacle (nothing was changed), OSError; no empty folder is left behind."""
    runtime_folder = Path(home.runtime_folder(os.environ))
    made = folders_to_make(scope, options)
    new = [*made, *disk.missing(runtime_folder / "backups"), *disk.missing(scope.root.parent)]
    try:
        scope.root.parent.mkdir(parents=True, exist_ok=True)
        with _alone(scope):
            bundle.recover(scope.root)
            planned = plan_install(scope, SOURCE, os.environ, options, made)
            saved = [Change(runtime_folder / "backups" / name, None, b"") for name in planned.backups]
            require_writable(saved)
            return planned, _carry_out(planned, runtime_folder, quiet)
    except (Obstacle, OSError):
        for folder in sorted(new, key=lambda folder: -len(folder.parts)):
            disk.remove_empty(folder)
        raise


def install_again(scope_name: str) -> str:
    """Install `scope_name` again, for `doctor --fix`. Returns what was done. Raises OSError."""
    scope = scopes.scope(scope_name, os.environ, os.getcwd())
    try:
        _, done = put_in(scope, Options(command=False), quiet=True)
    except Obstacle as obstacle:
        raise OSError(str(obstacle)) from None
    return f"{scope.root}: installed again ({done['written']} files, {len(done['changed'])} others)"


def take_out(scope: scopes.Scope, purge: bool, dry_run: bool) -> Removed:
    """Remove the installation of `scope`. Raises Obstacle, OSError."""
    runtime_folder = Path(home.runtime_folder(os.environ))
    if dry_run:
        kept = _own_receipt(scope)
        return Removed(kept, plan_removal(scope, kept, runtime_folder, purge), [], runtime_folder)
    with _alone(scope):
        bundle.recover(scope.root)
        for path in (*scope.outside, scope.root / receipt.RECEIPT):
            disk.remove_scrap(path)
        kept = _own_receipt(scope)
        removal = plan_removal(scope, kept, runtime_folder, purge)
        left = _carry_out_removal(scope, kept, removal, runtime_folder)
    remove_empty_folders(scope, kept, runtime_folder)
    return Removed(kept, removal, left, runtime_folder)


def folders_to_make(scope: scopes.Scope, options: Options) -> list[Path]:
    """The folders that do not exist yet, including the parents of the runtime folder, which the first session makes."""
    state = Path(home.runtime_folder(os.environ)).parent
    wanted = [scope.root.parent, scope.claude, scope.commands, scope.memory or state]
    if scope.launcher and options.command:
        wanted.append(scope.launcher.parent)
    return list(dict.fromkeys(folder for path in wanted for folder in disk.missing(path)))


def remove_empty_folders(scope: scopes.Scope, kept: dict[str, Any] | None, runtime_folder: Path) -> None:
    """Remove the folders that the installation made, if they are empty."""
    for name in kept["backups"] if kept else []:
        disk.remove_scrap(runtime_folder / "backups" / Path(name).name)
    disk.remove_empty(runtime_folder / "backups")
    if runtime_folder.name == home.NAME:
        disk.remove_empty(runtime_folder)
    for text in reversed(kept["folders"] if kept else []):
        folder = Path(os.path.normpath(scope.base / text))
        if (
            scope.name == "user" or scope.base in folder.parents
        ):  # do not trust it: a receipt can come with a cloned repository
            disk.remove_empty(folder)


@contextmanager
def _alone(scope: scopes.Scope) -> Iterator[None]:
    """Hold the lock beside the installation's folder. Raises Obstacle if another process holds it for LOCK_WAIT."""
    lock = Path(f"{scope.root}.lock")
    if not lock.parent.is_dir():
        yield  # there is no folder to lock
        return
    try:
        with packages.lock(str(lock), LOCK_WAIT):
            try:
                yield
            finally:
                files.remove(str(lock))
    except TimeoutError:
        raise Obstacle("another installation is running. Wait for it, then try again.") from None


def _carry_out(planned: InstallPlan, runtime_folder: Path, quiet: bool = False) -> dict[str, Any]:
    """Write the files, the backups, what the registrations need, then the registrations. Returns what was done."""
    kept = planned.kept
    written, why_not = _put_files(
        planned, quiet
    )  # with the receipt: from here on, everything can be removed again
    for folder in planned.folders:
        folder.mkdir(exist_ok=True)
    backups = write_backups(planned.backups, runtime_folder)
    for path in planned.scope.outside:
        disk.remove_scrap(path)
    make_changes(planned.changes, runtime_folder, "install")
    return {
        "written": written,
        "changed": [str(change.path) for change in planned.changes],
        "created": [str(change.path) for change in planned.changes if change.before is None],
        "backups": backups,
        "version": kept["version"],
        "previous": planned.previous,
        "notes": planned.notes,
        "packages": {
            name: f"{bundle.VENDOR}/{name}/__init__.py" in kept["files"] for name in packages.PACKAGES
        },
        "packages_problem": why_not,
        "root": str(planned.scope.root),
    }


def _put_files(planned: InstallPlan, quiet: bool) -> tuple[int, str]:
    """Write the installation's folder and receipt. Returns (files written, why the packages were not added)."""
    root, kept = planned.scope.root, planned.kept
    wanted = planned.bundle
    lacking = not all(f"{bundle.VENDOR}/{name}/__init__.py" in wanted for name in packages.PACKAGES)
    same = _equals(root, wanted)
    if same and not lacking:
        return _put_receipt(root, kept), ""
    new = bundle.stage(root, wanted)
    why_not = ""
    if lacking:
        if not quiet:
            names = " and ".join(packages.PACKAGES)
            print(f"Installing {names} with pip (at most {bundle.PIP_SECONDS} s) ...", file=sys.stderr)
        why_not = bundle.fetch(new)
        kept["files"].update(
            {name: disk.text_checksum(data) for name, data in bundle.packages_below(new).items()}
        )
        if same and why_not:
            bundle.clear(new)
            return _put_receipt(root, kept), why_not
    (new / receipt.RECEIPT).write_bytes(receipt.receipt_text(kept))
    bundle.swap(root)
    return len(kept["files"]), why_not


def _put_receipt(root: Path, kept: dict[str, Any]) -> int:
    """The files are up to date: write only the receipt, if it changed. Returns 1 if it did, else 0."""
    if disk.read_through(root / receipt.RECEIPT) == receipt.receipt_text(kept):
        return 0
    disk.put(root / receipt.RECEIPT, receipt.receipt_text(kept))
    return 1


def _equals(root: Path, wanted: dict[str, bytes]) -> bool:
    old = receipt.load_receipt(root)
    if old is None or set(old["files"]) != set(wanted):
        return False
    return all(disk.read_through(root / name) == data for name, data in wanted.items())


def _own_receipt(scope: scopes.Scope) -> dict[str, Any] | None:
    kept = receipt_of(scope, SOURCE)
    if kept is None or kept["scope"] == scope.name:
        return kept
    raise Obstacle(
        f"the installation in {scope.root} has the scope {kept['scope']}: use --scope {kept['scope']}."
    )


def _carry_out_removal(
    scope: scopes.Scope, kept: dict[str, Any] | None, removal: Removal, runtime_folder: Path
) -> list[str]:
    """Remove the registrations, what they needed, then the files, the receipt last. Returns the names left in the folder (not ours)."""
    write_backups(removal.backups, runtime_folder)
    make_changes(removal.changes, runtime_folder, "uninstall")
    if kept is not None:
        bundle.take_away(scope.root, list(kept["files"]))
    for name in removal.done_with:
        if (runtime_folder / "backups").is_dir():
            files.remove(str(runtime_folder / "backups" / Path(name).name))
    remove_empty_folders(scope, kept, runtime_folder)
    return bundle.drop(scope.root) if kept is not None or not listing(scope.root) else []
