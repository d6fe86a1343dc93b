"""The verbs `install` and `uninstall`, and what they print."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from doctor import doctor
from install import bundle, purge, receipt, scopes
from install.apply import folders_to_make, put_in, remove_empty_folders, take_out
from install.plan import Options, Plan, backup_path, other_copies, plan_install, plan_removal
from shared import Refusal, answer, how_to_call

from circuit_breaker.runtime import packages
from circuit_breaker.words.texts import listed, number


def install(args: argparse.Namespace) -> int:
    """Install or update for `args.scope`; exit code 1 if doctor finds a fault. Raises Refusal."""
    scope = scopes.scope(args.scope)
    options = Options(args.migrate, args.claude_md, args.deny_rules, not args.no_command)
    if args.dry_run:
        plan = plan_install(scope, options, folders_to_make(scope, options))
        names = [str(scope.root / name) for name in [*plan.bundle, receipt.RECEIPT]]
        answer(args.json, _preview(plan, names), ok=True, **plan.facts(dry_run=True), files=names)
        return 0
    plan = put_in(scope, options, args.json)
    findings = doctor.examine(scope)
    faults = doctor.faults(findings)
    shown = [one for one in findings if one in faults or one.id == "command"]
    rows = [("files", plan.scope.root), *plan.rows()]
    if plan.packages_problem:
        what = f"{bundle.BOTH} not installed ({plan.packages_problem}); built-in fallback in use"
        rows.append(("packages", what))
    done = [_headline(plan), *_lines(rows), doctor.findings_report(findings, shown), *_next_steps(scope)]
    answer(args.json, "\n".join(done), ok=not faults, **_facts(plan), doctor=doctor.as_json(findings))
    return 1 if faults else 0


def uninstall(args: argparse.Namespace) -> int:
    """Remove the installation of `args.scope`; exit code 0 also if there is none. Raises Refusal."""
    if args.archives and not args.purge:
        raise Refusal("--archives works only with --purge; without it, only the installation is removed.", 2)
    scope = scopes.scope(args.scope)
    state = purge.purged_paths(scope) if args.purge else []
    spared = [] if args.archives else purge.archives(state)
    if state and not args.json:
        print("--purge would remove:" if args.dry_run else "--purge removes for good:")
        print("\n".join([*(f"  {path}" for path in state), *_spared(spared)]))
    plan = (plan_removal if args.dry_run else take_out)(scope, args.purge)
    gone = []
    if args.purge and not args.dry_run:
        gone = purge.purge(state, [*spared, *map(backup_path, plan.backups)])
        remove_empty_folders(plan)
    more = {"installed": plan.kept is not None, "left": plan.left, "purged": gone}
    facts = {**plan.facts(args.dry_run), **more, "archives": [str(path) for path in spared]}
    answer(args.json, "\n".join(_removed(plan, args.dry_run)), ok=True, **facts)
    return 0


def _spared(archives: list[Path]) -> list[str]:
    """What --purge says about the archives that it keeps."""
    counts = Counter(path.parent for path in archives).items()
    lines = [f"  but keeps {number(count, 'archive')} in {folder}" for folder, count in counts]
    hint = "  `tar` and `gzip` can read them; --purge --archives removes them too."
    return [*lines, hint] if lines else []


def _preview(plan: Plan, names: list[str]) -> str:
    """A diff of each file outside the installation's folder, and the list of files inside."""
    diff = plan.diff() or "No file outside the installation would change.\n"
    title = f"Files of the installation ({len(names)}), and {bundle.BOTH} if pip can install them:"
    return diff + "\n".join([title, *(f"  {name}" for name in names), "Nothing was changed."])


def _facts(plan: Plan) -> dict:
    """What an installation did, for --json."""
    return {
        **plan.facts(dry_run=False),
        "written": plan.written,
        "created": [str(change.path) for change in plan.changes if change.before is None],
        "version": plan.version,
        "previous": plan.previous,
        "packages": {name: bundle.has(plan.scope.root, name) for name in packages.PACKAGES},
        "packages_problem": plan.packages_problem,
    }


def _next_steps(scope: scopes.Scope) -> list[str]:
    command = how_to_call(scope.root)
    removal = "uninstall" if scope.name == "user" else f"uninstall --scope {scope.name}"
    return [
        "Try it:",
        "  start `claude` and type /circuit-status",
        f"  {command} {'demo':<{len(removal)}}   watch a runaway session being stopped",
        f"  {command} {removal}   removes it again",
    ]


def _lines(rows: Iterable[tuple[str, object]]) -> list[str]:
    return [f"  {label:<9} {text}" for label, text in rows]


def _headline(plan: Plan) -> str:
    new, old = plan.version, plan.previous
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


def _removed(plan: Plan, dry_run: bool) -> list[str]:
    """What a removal did or would do."""
    scope = plan.scope
    if plan.kept is None:
        return [
            f"circuit-breaker is not installed here (scope {scope.name}): nothing to remove.",
            *(f"But {what}. To remove it, {way_out}." for what, way_out in other_copies(scope)),
        ]
    if dry_run:
        count = len(plan.kept["files"])
        return [f"{plan.diff()}Files that would be removed: {count} in {scope.root}. Nothing was changed."]
    rows = [*plan.rows(), ("removed", scope.root)]
    if plan.left:
        rows.append(("left", f"{scope.root}: {listed(plan.left, 5)} (not ours)"))
    return [f"Removed circuit-breaker (scope {scope.name}).", *_lines(rows)]
