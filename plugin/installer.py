"""The verbs `install` and `uninstall`, and what they print."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doctor import doctor
from install import bundle, purge, receipt, scopes
from install.apply import put_in, remove_empty_folders, take_out
from install.plan import Options, Plan, backup_path
from shared import Refusal, places, print_json, program

from circuit_breaker.runtime import own_shell, packages
from circuit_breaker.words.memory import number


def install(args: argparse.Namespace) -> int:
    """Install or update for `args.scope`; exit code 1 if doctor finds a fault. Raises Refusal."""
    scope = scopes.scope(args.scope, os.environ, os.getcwd())
    options = Options(args.migrate, args.claude_md, args.deny_rules, not args.no_command)
    plan = put_in(scope, options, args.json, args.dry_run)
    if args.dry_run:
        _show_plan(plan, args.json)
        return 0
    findings = doctor.examine(os.environ, os.getcwd(), scope)
    faults = doctor.faults(findings)
    if args.json:
        print_json(ok=not faults, **_facts(plan), doctor=doctor.as_json(findings))
    else:
        _report_install(plan, doctor.report(findings, faults))
    return 1 if faults else 0


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
        more = {"installed": plan.kept is not None, "left": plan.left, "purged": gone}
        print_json(ok=True, **plan.facts(args.dry_run), **more, archives=[str(path) for path in spared])
    else:
        _report_removal(plan, args.dry_run)
    return 0


def _name_archives(spared: list[Path]) -> None:
    for folder, count in Counter(path.parent for path in spared).items():
        print(f"  but keeps {number(count, 'archive')} in {folder}")
    if spared:
        print("  `tar` and `gzip` can read them; --purge --archives removes them too.")


def _show_plan(plan: Plan, as_json: bool) -> None:
    """Print the plan of an installation: a diff of each file outside its folder, and the list of files inside."""
    names = [str(plan.scope.root / name) for name in [*plan.bundle, receipt.RECEIPT]]
    if as_json:
        print_json(ok=True, **plan.facts(dry_run=True), files=names)
        return
    print(plan.diff() or "No file outside the installation would change.\n", end="")
    print(f"Files of the installation ({len(names)}), and {bundle.OPTIONAL} if pip can install them:")
    print("".join(f"  {name}\n" for name in names) + "Nothing was changed.")


def _facts(plan: Plan) -> dict[str, Any]:
    """What an installation did, for --json."""
    kept = plan.kept or receipt.blank()
    return {
        **plan.facts(dry_run=False),
        "written": plan.written,
        "created": [str(change.path) for change in plan.changes if change.before is None],
        "version": kept["version"],
        "previous": plan.previous,
        "packages": {name: bundle.has(plan.scope.root, name) for name in packages.PACKAGES},
        "packages_problem": plan.packages_problem,
    }


def _report_install(plan: Plan, verdict: str) -> None:
    rows = [("files", plan.scope.root), *plan.rows()]
    if plan.packages_problem:
        what = f"{bundle.OPTIONAL} not installed ({plan.packages_problem}); built-in fallback in use"
        rows.append(("packages", what))
    print(_headline(plan))
    _print_rows(rows)
    print(verdict)
    name, command = plan.scope.name, program(plan.scope.root)
    print("Try it:")
    print("  start `claude` and type /circuit-status")
    print(f"  {command} demo        watch a runaway session being stopped")
    print(f"  {command} uninstall{'' if name == 'user' else f' --scope {name}'}   removes it again")


def _print_rows(rows: Iterable[tuple[str, object]]) -> None:
    for label, text in rows:
        print(f"  {label:<9} {text}")


def _headline(plan: Plan) -> str:
    new, old = (plan.kept or {})["version"], plan.previous
    whom = {
        "user": "for you, in every project",
        "project": f"for everybody in {plan.scope.base}",
        "local": f"for you, in {plan.scope.base}",
    }[plan.scope.name]
    if not plan.written and not plan.changes:
        return f"circuit-breaker {new} is already installed {whom}. Nothing had to change."
    if old in ("", new):
        return f"Installed circuit-breaker {new} {whom}."
    verb = "Updated" if _order(old) < _order(new) else "Downgraded"
    return f"{verb} circuit-breaker {old} -> {new} {whom}."


def _order(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


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
    _print_rows([*plan.rows(), ("removed", scope.root)])
    if plan.left:
        names = ", ".join(plan.left[:5]) + (" ..." if len(plan.left) > 5 else "")
        _print_rows([("left", f"{scope.root}: {names} (not ours)")])
