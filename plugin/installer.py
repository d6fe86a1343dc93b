"""The verbs `install` and `uninstall`, and what they print."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path
from typing import Any

from doctor import doctor
from install import purge, receipt, scopes
from install.apply import SOURCE, folders_to_make, put_in, remove_empty_folders, take_out
from install.changes import Plan, backup_path
from install.plan import Options, plan_install
from shared import Refusal, places, print_json, program

from circuit_breaker.runtime import own_shell, packages
from circuit_breaker.words.memory import number

Rows = list[tuple[str, object]]  # label, text
BOTH = " and ".join(packages.PACKAGES)


def install(args: argparse.Namespace) -> int:
    """Install or update for `args.scope`; exit code 1 if doctor finds a fault. Raises Refusal."""
    scope = scopes.scope(args.scope, os.environ, os.getcwd())
    options = Options(args.migrate, args.claude_md, args.deny_rules, not args.no_command)
    if args.dry_run:
        _show_plan(plan_install(scope, SOURCE, options, folders_to_make(scope, options)), args.json)
        return 0
    done = put_in(scope, options, args.json)
    findings = doctor.examine(os.environ, os.getcwd(), scope)
    ok = doctor.healthy(findings)
    if args.json:
        print_json(ok=ok, scope=scope.name, **done, doctor=doctor.as_json(findings))
    else:
        _report_install(scope, done, doctor.verdict(findings))
    return 0 if ok else 1


def uninstall(args: argparse.Namespace) -> int:
    """Remove the installation of `args.scope`; exit code 0 also if there is none. Raises Refusal."""
    if not args.dry_run and own_shell.refuses("uninstall", os.environ):
        return 1
    if args.archives and not args.purge:
        raise Refusal("--archives works only with --purge; without it, only the installation is removed.", 2)
    scope = scopes.scope(args.scope, os.environ, os.getcwd())
    state = purge.purged_paths(scope, os.environ, os.getcwd()) if args.purge else []
    spared = [] if args.archives else purge.archives(state)
    if state and not args.json:
        print("--purge would remove:" if args.dry_run else "--purge removes for good:")
        print("".join(f"  {path}\n" for path in state), end="")
        _name_archives(spared)
    plan = take_out(scope, args.purge, args.dry_run)
    gone = []
    if args.purge and not args.dry_run:
        gone = purge.purge(state, [*spared, *map(backup_path, plan.backups)])
        remove_empty_folders(plan)
    if args.json:
        facts = _removal_facts(plan, args.dry_run)
        print_json(ok=True, **facts, purged=gone, archives=[str(path) for path in spared])
    else:
        _report_removal(plan, args.dry_run)
    return 0


def _name_archives(spared: list[Path]) -> None:
    for folder, count in Counter(path.parent for path in spared).items():
        print(f"  but keeps {number(count, 'archive')} in {folder}")
    if spared:
        print("  `tar` and `gzip` can read them; --purge --archives removes them too.")


def _show_plan(plan: Plan, as_json: bool) -> None:
    """Print the plan for --dry-run: a diff of each file outside the installation, and the list of files inside."""
    diff, names = plan.diff(), [str(plan.scope.root / name) for name in [*plan.bundle, receipt.RECEIPT]]
    if as_json:
        print_json(ok=True, dry_run=True, diff=diff, files=names, changed=plan.changed())
        return
    print(diff or "No file outside the installation would change.\n", end="")
    print(f"Files of the installation ({len(names)}), and {BOTH} if pip can install them:")
    print("".join(f"  {name}\n" for name in names) + "Nothing was changed.")


def _report_install(scope: scopes.Scope, done: dict[str, Any], verdict: str) -> None:
    print(_headline(scope, done))
    rows: Rows = [("files", scope.root)]
    rows += [("created" if path in done["created"] else "changed", path) for path in done["changed"]]
    rows += [("backup", path) for path in done["backups"]] + [("note", note) for note in done["notes"]]
    if done["packages_problem"]:
        why = f"{BOTH} not installed ({done['packages_problem']}); built-in fallback in use"
        rows.append(("packages", why))
    _print_rows(rows)
    print(verdict)
    command, option = program(scope.root), "" if scope.name == "user" else f" --scope {scope.name}"
    print("Try it:")
    print("  start `claude` and type /circuit-status")
    print(f"  {command} demo        watch a runaway session being stopped")
    print(f"  {command} uninstall{option}   removes it again")


def _print_rows(rows: Rows) -> None:
    for label, text in rows:
        print(f"  {label:<9} {text}")


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


def _removal_facts(plan: Plan, dry_run: bool) -> dict[str, Any]:
    return {
        "scope": plan.scope.name,
        "dry_run": dry_run,
        "installed": plan.kept is not None,
        "changed": plan.changed(),
        "backups": [str(backup_path(name)) for name in plan.backups],
        "left": plan.left,
        "notes": plan.notes,
        "diff": plan.diff(),
    }


def _report_removal(plan: Plan, dry_run: bool) -> None:
    scope = plan.scope
    if plan.kept is None:
        print(f"circuit-breaker is not installed here (scope {scope.name}): nothing to remove.")
        for source in scopes.registered(scopes.chain(os.environ, Path(places().project))):
            print(f"{source.path} registers it: uninstall --scope {source.label}")
        return
    if dry_run:
        count = len(plan.kept["files"])
        print(f"{plan.diff()}Files that would be removed: {count} in {scope.root}. Nothing was changed.")
        return
    print(f"Removed circuit-breaker (scope {scope.name}).")
    rows: Rows = [("removed" if change.after is None else "changed", change.path) for change in plan.changes]
    rows += [("removed", scope.root), *(("backup", backup_path(name)) for name in plan.backups)]
    rows += [("note", note) for note in plan.notes]
    if plan.left:
        names = ", ".join(plan.left[:5]) + (" ..." if len(plan.left) > 5 else "")
        rows.append(("left", f"{scope.root}: {names} (not ours)"))
    _print_rows(rows)
