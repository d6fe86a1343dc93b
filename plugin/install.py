"""How does it get in? `install`: plan, files, registrations, in this order. (`uninstall` is in removal.py.)"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import disk
import doctor
import plan
import receipt
import runtime
import scopes
from removal import put_aside, uninstall

from circuit_breaker.runtime import files, home, packages

__all__ = ["install", "uninstall"]
SOURCE = Path(__file__).resolve().parent.parent
LOCK_SECONDS = 60.0  # another installation may be waiting for pip


def install(args: argparse.Namespace) -> int:
    """Install or update for `args.scope`; its exit code: 1 when something stands in the way or doctor finds a fault."""
    scope = scopes.scope(args.scope, os.environ, os.getcwd())
    try:
        if args.dry_run:
            made = _folders_to_make(scope)
            planned = plan.of_install(scope, SOURCE, os.environ, args.migrate, args.claude_md, made)
            return _show(planned, args.json)
        planned, done = put_in(scope, args.migrate, args.claude_md, args.json)
    except plan.Stopped as stopped:
        return _refuse(str(stopped), args.json)
    except TimeoutError:
        return _refuse("another installation is running. Wait for it, then try again.", args.json)
    return _report(scope, planned, done, args.json)


def again(scope_name: str) -> str:
    """Install `scope_name` once more, as doctor does to mend an installation; what was done. Raises OSError."""
    scope = scopes.scope(scope_name, os.environ, os.getcwd())
    try:
        _, done = put_in(scope, migrate=False, claude_md=False, quiet=True)
    except plan.Stopped as stopped:
        raise OSError(str(stopped)) from None
    return f"{scope.root}: installed again ({done['written']} files, {len(done['changed'])} others)"


def put_in(
    scope: scopes.Scope, migrate: bool, claude_md: bool, quiet: bool
) -> tuple[plan.Plan, dict[str, Any]]:
    """Plan and carry out, alone. Raises plan.Stopped (nothing was changed), TimeoutError (another one is at it), OSError."""
    made = _folders_to_make(scope)
    lock = f"{scope.root}.lock"
    scope.root.parent.mkdir(parents=True, exist_ok=True)
    try:
        with packages.lock(lock, LOCK_SECONDS):
            try:
                runtime.recover(scope.root)
                planned = plan.of_install(scope, SOURCE, os.environ, migrate, claude_md, made)
                return planned, carry_out(planned, Path(home.runtime_folder(os.environ)), quiet)
            finally:
                files.remove(lock)
    except plan.Stopped:
        for folder in reversed(made):
            disk.remove_empty(folder)
        raise


def carry_out(planned: plan.Plan, runtime_folder: Path, quiet: bool = False) -> dict[str, Any]:
    """Make the changes of `planned`: files, backups, what the registrations need, the registrations. What was done.

    Raises plan.Stopped when a file changed after the plan was made, OSError when the disk refuses.
    """
    root, kept = planned.scope.root, planned.kept
    written, why_not = _place(planned, quiet)  # the receipt is in it: from here on all can be taken out again
    for folder in planned.folders:
        folder.mkdir(exist_ok=True)
    backups = put_aside(planned.backups, runtime_folder)
    for path in planned.scope.outside:
        disk.scraps(path)
    for change in planned.changes:
        if disk.read(change.path) != change.before:
            raise plan.Stopped(f"{change.path} was changed while install was running. Run install again.")
        change.path.parent.mkdir(parents=True, exist_ok=True)
        disk.replace(change.path, change.after or b"")
    return {
        "written": written,
        "changed": [str(change.path) for change in planned.changes],
        "backups": backups,
        "version": kept["version"],
        "packages": {
            name: f"{runtime.VENDOR}/{name}/__init__.py" in kept["files"] for name in packages.PACKAGES
        },
        "packages_problem": why_not,
        "root": str(root),
    }


def _place(planned: plan.Plan, quiet: bool) -> tuple[int, str]:
    """Bring the installation's folder and receipt up to the plan. -> (files written, why the packages were not added)"""
    root, kept = planned.scope.root, planned.kept
    wanted = planned.runtime
    lacking = not all(f"{runtime.VENDOR}/{name}/__init__.py" in wanted for name in packages.PACKAGES)
    same = _equals(root, wanted)
    if same and not lacking:
        return _keep(root, kept), ""
    new = runtime.stage(root, wanted)
    why_not = ""
    if lacking:
        if not quiet:
            names = " and ".join(packages.PACKAGES)
            print(f"Adding {names} by pip, {runtime.PIP_SECONDS} s at most ...", file=sys.stderr)
        why_not = runtime.fetch(new)
        kept["files"].update({name: disk.digest(data) for name, data in runtime.packages_below(new).items()})
        if same and why_not:
            runtime.clear(new)
            return _keep(root, kept), why_not
    (new / receipt.NAME).write_bytes(receipt.text(kept))
    runtime.swap(root)
    return len(kept["files"]), why_not


def _keep(root: Path, kept: dict[str, Any]) -> int:
    """The files are those of the plan already: at most the receipt has news."""
    if disk.read(root / receipt.NAME) == receipt.text(kept):
        return 0
    disk.replace(root / receipt.NAME, receipt.text(kept))
    return 1


def _equals(root: Path, wanted: dict[str, bytes]) -> bool:
    try:
        old = receipt.load(root)
    except receipt.Damaged:
        return False
    if old is None or set(old["files"]) != set(wanted):
        return False
    return all(disk.read(root / name) == data for name, data in wanted.items())


def _folders_to_make(scope: scopes.Scope) -> list[Path]:
    """All that would have to be made; the parent of the runtime folder as well, since the first session makes that."""
    state = Path(home.runtime_folder(os.environ)).parent
    wanted = [scope.root.parent, scope.claude, scope.commands, scope.memory or state]
    return list(dict.fromkeys(folder for path in wanted for folder in disk.missing(path)))


def _refuse(text: str, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"schema": 1, "ok": False, "problem": text}))
    print(f"install: {text}", file=sys.stderr)
    return 1


def _show(planned: plan.Plan, as_json: bool) -> int:
    """What --dry-run prints: the diff of each file outside, and the list of those inside."""
    diff = "".join(change.diff() for change in planned.changes)
    names = [str(planned.scope.root / name) for name in [*planned.runtime, receipt.NAME]]
    if as_json:
        changed = [str(change.path) for change in planned.changes]
        print(
            json.dumps(
                {"schema": 1, "ok": True, "dry_run": True, "diff": diff, "files": names, "changed": changed}
            )
        )
        return 0
    print(diff or "No file outside the installation would change.\n", end="")
    print(
        f"Files of the installation ({len(names)}), and {' and '.join(packages.PACKAGES)} where pip is to be had:"
    )
    for name in names:
        print(f"  {name}")
    print("Nothing was changed.")
    return 0


def _report(scope: scopes.Scope, planned: plan.Plan, done: dict[str, Any], as_json: bool) -> int:
    findings = doctor.examine(os.environ, str(scope.base if scope.name != "user" else Path.cwd()), scope)
    ok = doctor.healthy(findings)
    if as_json:
        print(
            json.dumps(
                {"schema": 1, "ok": ok, "scope": scope.name, **done, "doctor": doctor.as_json(findings)}
            )
        )
        return 0 if ok else 1
    whom = {
        "user": "you, in every project",
        "project": f"everybody in {scope.base}",
        "local": f"you, in {scope.base}",
    }
    if not done["written"] and not done["changed"]:
        print(
            f"circuit-breaker {done['version']} is installed for {whom[scope.name]}. Nothing had to change."
        )
    else:
        print(f"Installed circuit-breaker {done['version']} for {whom[scope.name]}.")
    print(f"  files     {scope.root}")
    for path in done["changed"]:
        print(f"  changed   {path}")
    for path in done["backups"]:
        print(f"  backup    {path}")
    if done["packages_problem"]:
        print(
            f"  packages  {' and '.join(packages.PACKAGES)} were not added ({done['packages_problem']}); all works without them"
        )
    print(doctor.verdict(findings))
    plugin = shlex.quote(str(scope.root / "plugin"))
    print("Try it:")
    print("  start `claude` and type /circuit-status")
    print(f"  python3 {plugin} demo        a runaway session, stopped before your eyes")
    print(
        f"  python3 {plugin} uninstall{'' if scope.name == 'user' else ' --scope ' + scope.name}   takes it all out again"
    )
    return 0 if ok else 1
