"""How does it get out without a trace? `uninstall`: registrations first, then files, each as the receipt lists it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import disk
import plan
import purge
import receipt
import runtime
import scopes
from removal_plan import Removal, listing, of_uninstall

from circuit_breaker.runtime import files, home, own_shell, packages

LOCK_SECONDS = 60.0


class Taken(NamedTuple):
    """What was taken out: kept: the receipt that was followed; left: what lies in the folder still, and is not ours."""

    kept: dict[str, Any] | None
    removal: Removal
    left: list[str]
    runtime_folder: Path


def uninstall(args: argparse.Namespace) -> int:
    """Take the installation of `args.scope` out; 0 as well when there is none. 1 when something stands in the way."""
    if not args.dry_run and own_shell.refuses("uninstall", os.environ):
        return 1
    scope = scopes.scope(args.scope, os.environ, os.getcwd())
    state = purge.state(scope, os.environ, os.getcwd()) if args.purge else []
    if state and not args.json:
        print(
            "--purge would remove for good:"
            if args.dry_run
            else "--purge removes for good, where still there:"
        )
        print("".join(f"  {path}\n" for path in state), end="")
    try:
        taken = _take_out(scope, args.purge, args.dry_run)
    except plan.Stopped as stopped:
        if args.json:
            print(json.dumps({"schema": 1, "ok": False, "problem": str(stopped)}))
        print(f"uninstall: {stopped}", file=sys.stderr)
        return 1
    except TimeoutError:
        print("uninstall: an installation is running. Wait for it, then try again.", file=sys.stderr)
        return 1
    gone = []
    if args.purge and not args.dry_run:
        gone = purge.purge(state)
        _folders(scope, taken.kept, taken.runtime_folder)
    if args.json:
        print(json.dumps(_facts(scope, taken, gone, args.dry_run)))
        return 0
    _report(scope, taken, args.dry_run)
    return 0


def _take_out(scope: scopes.Scope, all_of_it: bool, dry_run: bool) -> Taken:
    runtime_folder = Path(home.runtime_folder(os.environ))
    if dry_run:
        kept = _receipt(scope)
        return Taken(kept, of_uninstall(scope, kept, runtime_folder, all_of_it), [], runtime_folder)
    lock = Path(f"{scope.root}.lock")
    with packages.lock(str(lock), LOCK_SECONDS) if lock.parent.is_dir() else nullcontext():
        try:
            runtime.recover(scope.root)
            for path in (*scope.outside, scope.root / receipt.NAME):
                disk.scraps(path)
            kept = _receipt(scope)
            removal = of_uninstall(scope, kept, runtime_folder, all_of_it)
            left = carry_out(scope, kept, removal, runtime_folder)
        finally:
            files.remove(str(lock))
    _folders(scope, kept, runtime_folder)
    return Taken(kept, removal, left, runtime_folder)


def carry_out(
    scope: scopes.Scope, kept: dict[str, Any] | None, removal: Removal, runtime_folder: Path
) -> list[str]:
    """Registrations, then what they needed, then the files, the receipt last. What is left in the folder: not ours."""
    put_aside(removal.backups, runtime_folder)
    for change in removal.changes:
        if disk.read(change.path) != change.before:
            raise plan.Stopped(f"{change.path} was changed while uninstall was running. Run uninstall again.")
        if change.after is None:
            files.remove(os.path.realpath(change.path))
        else:
            disk.replace(change.path, change.after)
    if kept is not None:
        runtime.take_away(scope.root, list(kept["files"]))
    backups = runtime_folder / "backups"
    for name in removal.done_with if backups.is_dir() else ():
        files.remove(str(backups / Path(name).name))
    _folders(scope, kept, runtime_folder)
    return runtime.drop(scope.root) if kept is not None or not listing(scope.root) else []


def put_aside(backups: dict[str, bytes], runtime_folder: Path) -> list[str]:
    """Write backups (name -> bytes) into R/backups; their paths."""
    if backups:
        files.folder(str(runtime_folder / "backups"))
    paths = [runtime_folder / "backups" / name for name in backups]
    for path, data in zip(paths, backups.values()):
        disk.replace(path, data, 0o600)
    return [str(path) for path in paths]


def _receipt(scope: scopes.Scope) -> dict[str, Any] | None:
    try:
        kept = receipt.load(scope.root)
    except receipt.Damaged as damaged:
        raise plan.Stopped(
            f"{damaged}. Nothing was changed. Run install again: it writes a new one; then uninstall."
        ) from None
    if kept is None or kept["scope"] == scope.name:
        return kept
    raise plan.Stopped(
        f"what is installed in {scope.root} has the scope {kept['scope']}: use --scope {kept['scope']}."
    )


def _folders(scope: scopes.Scope, kept: dict[str, Any] | None, runtime_folder: Path) -> None:
    """Remove the folders that the installation made and that are empty now."""
    for name in kept["backups"] if kept else []:
        disk.scraps(runtime_folder / "backups" / Path(name).name)
    disk.remove_empty(runtime_folder / "backups")
    if runtime_folder.name == home.NAME:
        disk.remove_empty(runtime_folder)
    for text in reversed(kept["folders"] if kept else []):
        folder = Path(os.path.normpath(scope.base / text))
        if (
            scope.name == "user" or scope.base in folder.parents
        ):  # a receipt may come with somebody's repository
            disk.remove_empty(folder)


def _facts(scope: scopes.Scope, taken: Taken, gone: list[str], dry_run: bool) -> dict[str, Any]:
    changes = taken.removal.changes
    return {
        "schema": 1,
        "ok": True,
        "scope": scope.name,
        "dry_run": dry_run,
        "installed": taken.kept is not None or bool(changes),
        "changed": [str(change.path) for change in changes],
        "backups": [str(taken.runtime_folder / "backups" / name) for name in taken.removal.backups],
        "left": taken.left,
        "notes": taken.removal.notes,
        "purged": gone,
        "diff": "".join(change.diff() for change in changes),
    }


def _report(scope: scopes.Scope, taken: Taken, dry_run: bool) -> None:
    changes, kept = taken.removal.changes, taken.kept
    if kept is None and not changes:
        print(f"circuit-breaker is not installed here (scope {scope.name}): nothing to take out.")
        return
    if dry_run:
        print("".join(change.diff() for change in changes), end="")
        print(
            f"Files that would go: {len(kept['files']) if kept else 0} in {scope.root}. Nothing was changed."
        )
        return
    print(f"Took circuit-breaker out (scope {scope.name}).")
    for change in changes:
        print(f"  {'removed ' if change.after is None else 'changed '}  {change.path}")
    print(f"  removed   {scope.root}")
    for name in taken.removal.backups:
        print(f"  backup    {taken.runtime_folder / 'backups' / name}")
    for note in taken.removal.notes:
        print(f"  note      {note}")
    if taken.left:
        names = ", ".join(taken.left[:5]) + (" ..." if len(taken.left) > 5 else "")
        print(f"  left      {scope.root}: {names} (not ours)")
