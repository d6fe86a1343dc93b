"""The verbs `install` and `uninstall`, and what they print."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from doctor import doctor
from install import purge, receipt, scopes
from install.apply import SOURCE, Removed, folders_to_make, put_in, remove_empty_folders, take_out
from install.changes import Obstacle
from install.plan import InstallPlan, Options, plan_install

from circuit_breaker.runtime import own_shell, packages


def install(args: argparse.Namespace) -> int:
    """Install or update for `args.scope`; exit code 1 if it is refused or doctor finds a fault."""
    scope = scopes.scope(args.scope, os.environ, os.getcwd())
    options = Options(args.migrate, args.claude_md, args.deny_rules, not args.no_command)
    try:
        if args.dry_run:
            made = folders_to_make(scope, options)
            return _show_plan(plan_install(scope, SOURCE, os.environ, options, made), args.json)
        _, done = put_in(scope, options, args.json)
    except Obstacle as obstacle:
        return _say_obstacle("install", obstacle, args.json)
    return _report_install(scope, done, args.json)


def uninstall(args: argparse.Namespace) -> int:
    """Remove the installation of `args.scope`; exit code 0 also if there is none, 1 if it is refused."""
    if not args.dry_run and own_shell.refuses("uninstall", os.environ):
        return 1
    if args.archives and not args.purge:
        print(
            "uninstall: --archives works only with --purge; without it, only the installation is removed.",
            file=sys.stderr,
        )
        return 2
    scope = scopes.scope(args.scope, os.environ, os.getcwd())
    state = purge.purged_paths(scope, os.environ, os.getcwd()) if args.purge else []
    spared = [] if args.archives else purge.archives(state)
    if state and not args.json:
        print("--purge would remove:" if args.dry_run else "--purge removes for good:")
        print("".join(f"  {path}\n" for path in state), end="")
        _name_archives(spared)
    try:
        removed = take_out(scope, args.purge, args.dry_run)
    except Obstacle as obstacle:
        return _say_obstacle("uninstall", obstacle, args.json)
    gone = []
    if args.purge and not args.dry_run:
        fresh = [removed.runtime_folder / "backups" / name for name in removed.removal.backups]
        gone = purge.purge(state, [*spared, *fresh])
        remove_empty_folders(scope, removed.kept, removed.runtime_folder)
    if args.json:
        facts = _removal_facts(scope, removed, gone, args.dry_run)
        print(json.dumps({**facts, "archives": [str(path) for path in spared]}))
    else:
        _report_removal(scope, removed, args.dry_run)
    return 0


def _name_archives(spared: list[Path]) -> None:
    for folder in dict.fromkeys(path.parent for path in spared):
        count = sum(path.parent == folder for path in spared)
        print(f"  but keeps {count} archive{'' if count == 1 else 's'} in {folder}")
    if spared:
        print("  `tar` and `gzip` can read them; --purge --archives removes them too.")


def _say_obstacle(verb: str, obstacle: Obstacle, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"schema": 1, "ok": False, "problem": str(obstacle)}))
    print(f"{verb}: {obstacle}", file=sys.stderr)
    return 1


def _show_plan(planned: InstallPlan, as_json: bool) -> int:
    """Print the plan for --dry-run: a diff of each file outside the installation, and the list of files inside."""
    diff = "".join(change.diff() for change in planned.changes)
    names = [str(planned.scope.root / name) for name in [*planned.bundle, receipt.RECEIPT]]
    if as_json:
        facts = {"diff": diff, "files": names, "changed": [str(change.path) for change in planned.changes]}
        print(json.dumps({"schema": 1, "ok": True, "dry_run": True, **facts}))
        return 0
    print(diff or "No file outside the installation would change.\n", end="")
    print(
        f"Files of the installation ({len(names)}), and {' and '.join(packages.PACKAGES)} if pip can install them:"
    )
    print("".join(f"  {name}\n" for name in names) + "Nothing was changed.")
    return 0


def _report_install(scope: scopes.Scope, done: dict[str, Any], as_json: bool) -> int:
    findings = doctor.examine(os.environ, str(scope.base if scope.name != "user" else Path.cwd()), scope)
    ok = doctor.healthy(findings)
    if as_json:
        facts = {"schema": 1, "ok": ok, "scope": scope.name, **done, "doctor": doctor.as_json(findings)}
        print(json.dumps(facts))
        return 0 if ok else 1
    print(_headline(scope, done))
    print(f"  files     {scope.root}")
    for path in done["changed"]:
        print(f"  {'created ' if path in done['created'] else 'changed '}  {path}")
    for path in done["backups"]:
        print(f"  backup    {path}")
    for note in done["notes"]:
        print(f"  note      {note}")
    if done["packages_problem"]:
        names = " and ".join(packages.PACKAGES)
        print(f"  packages  {names} not installed ({done['packages_problem']}); built-in fallback in use")
    print(doctor.verdict(findings))
    command = how_to_call(scope)
    print("Try it:")
    print("  start `claude` and type /circuit-status")
    print(f"  {command} demo        watch a runaway session being stopped")
    print(
        f"  {command} uninstall{'' if scope.name == 'user' else ' --scope ' + scope.name}   removes it again"
    )
    return 0 if ok else 1


def how_to_call(scope: scopes.Scope) -> str:
    """How to call the installed copy: `circuit-breaker` if that is on the PATH."""
    found = shutil.which(scopes.PLUGIN)
    if scope.launcher and found and os.path.realpath(found) == os.path.realpath(scope.launcher):
        return scopes.PLUGIN
    return f"python3 {shlex.quote(str(scope.root / 'plugin'))}"


def _headline(scope: scopes.Scope, done: dict[str, Any]) -> str:
    new, old = done["version"], done["previous"]
    whom = {
        "user": "for you, in every project",
        "project": f"for everybody in {scope.base}",
        "local": f"for you, in {scope.base}",
    }[scope.name]
    if not done["written"] and not done["changed"]:
        return f"circuit-breaker {new} is already installed {whom}. Nothing had to change."
    if old in ("", new):
        return f"Installed circuit-breaker {new} {whom}."
    verb = "Updated" if _order(old) < _order(new) else "Downgraded"
    return f"{verb} circuit-breaker {old} -> {new} {whom}."


def _order(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def _removal_facts(scope: scopes.Scope, removed: Removed, gone: list[str], dry_run: bool) -> dict[str, Any]:
    changes = removed.removal.changes
    return {
        "schema": 1,
        "ok": True,
        "scope": scope.name,
        "dry_run": dry_run,
        "installed": removed.kept is not None or bool(changes),
        "changed": [str(change.path) for change in changes],
        "backups": [str(removed.runtime_folder / "backups" / name) for name in removed.removal.backups],
        "left": removed.left,
        "notes": removed.removal.notes,
        "purged": gone,
        "diff": "".join(change.diff() for change in changes),
    }


def _report_removal(scope: scopes.Scope, removed: Removed, dry_run: bool) -> None:
    changes, kept = removed.removal.changes, removed.kept
    if kept is None and not changes:
        print(f"circuit-breaker is not installed here (scope {scope.name}): nothing to remove.")
        for source in scopes.registered(scopes.chain(os.environ, Path.cwd())):
            print(f"{source.path} registers it: uninstall --scope {source.label}")
        return
    if dry_run:
        print("".join(change.diff() for change in changes), end="")
        count = len(kept["files"]) if kept else 0
        print(f"Files that would be removed: {count} in {scope.root}. Nothing was changed.")
        return
    print(f"Removed circuit-breaker (scope {scope.name}).")
    for change in changes:
        print(f"  {'removed ' if change.after is None else 'changed '}  {change.path}")
    print(f"  removed   {scope.root}")
    for name in removed.removal.backups:
        print(f"  backup    {removed.runtime_folder / 'backups' / name}")
    for note in removed.removal.notes:
        print(f"  note      {note}")
    if removed.left:
        names = ", ".join(removed.left[:5]) + (" ..." if len(removed.left) > 5 else "")
        print(f"  left      {scope.root}: {names} (not ours)")
