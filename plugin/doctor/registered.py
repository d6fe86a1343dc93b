"""Checks of doctor on installations: registered once, complete, unchanged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from install import bundle, disk, receipt, scopes, settings
from install.apply import SOURCE, install_again
from protection import Way
from shared import PLUGIN

from circuit_breaker.runtime import packages
from doctor import Finding, fault, note, ok

FRESH = "get a fresh copy of the plugin and run its `install`"  # a damaged copy cannot repair itself


def registrations(ways: list[Way], sources: list[scopes.Source], project: Path) -> list[Finding]:
    """Findings about how `ways` are registered and about their files."""
    findings = []
    for source in scopes.registered(sources):
        label = source.label if source.label in ("project", "local") else "user"
        env = {**os.environ, "CLAUDE_PROJECT_DIR": str(project)}
        findings += _settled(scopes.scope(label, env, str(project)), source)
    for way in ways:
        findings += _line_ends(way)
    if len(ways) > 1:
        names = "; ".join(way.label for way in ways)
        text = f"registered {len(ways)} times, so every hook runs {len(ways)} times: {names}"
        fix = "keep one: `circuit-breaker uninstall --scope ...` or `claude plugin uninstall circuit-breaker`"
        findings.append(fault("double", text, fix))
    return findings


def _settled(scope: scopes.Scope, source: scopes.Source) -> list[Finding]:
    """Whether each line is registered once and has its files."""
    itself = os.path.realpath(scope.root) == str(SOURCE)
    fix = FRESH if itself else f"circuit-breaker install --scope {scope.name}"

    def broken(about: str, text: str) -> Finding:
        return fault(about, text, fix, None if itself else lambda: install_again(scope.name))

    kept = receipt.load_receipt(scope.root)
    if kept is None:
        there = (scope.root / "plugin" / "__main__.py").is_file()
        what = "whose receipt is lost" if there else "whose files are gone"
        return [broken("files", f"{source.path} registers hooks {what}: {scope.root}")]
    findings = []
    counts = settings.present(source.document, kept["settings"]["registrations"])
    lost = sorted({event for (event, _), count in counts.items() if count == 0})
    twice = sorted({event for (event, _), count in counts.items() if count > 1})
    for what, events in (("not registered", lost), ("registered twice", twice)):
        if events:
            findings.append(broken("registered", f"{source.path}: {what} for {', '.join(events)}"))
    if not findings:
        findings.append(ok("registered", f"{source.path}: all {len(counts)} lines are registered, each once"))
    sums = {name: disk.text_checksum(disk.read_through(scope.root / name)) for name in kept["files"]}
    gone = [name for name, found in sums.items() if found is None]
    edited = [name for name, found in sums.items() if found not in (None, kept["files"][name])]
    if gone:
        findings.append(broken("files", f"{scope.root}: {len(gone)} files are missing ({gone[0]} ...)"))
    elif edited:
        text = f"{scope.root}: {len(edited)} files were changed since ({edited[0]} ...)"
        findings.append(note("files", text, fix))
    else:
        text = f"{scope.root}: {len(sums)} files, all as installed (version {kept['version']})"
        findings.append(ok("files", text))
    lacking = [name for name in scopes.COMMANDS if not (scope.commands / name).is_file()]
    if lacking:
        findings.append(broken("commands", f"{scope.commands}: {', '.join(lacking)} missing"))
    else:
        findings.append(ok("commands", f"{scope.commands}: /circuit-status and /reset-circuit"))
    if scope.launcher and PLUGIN in kept["commands"]:
        findings += _launcher(scope.launcher)
    return findings


def _launcher(path: Path) -> list[Finding]:
    found = shutil.which(PLUGIN)
    if found and os.path.realpath(found) == os.path.realpath(path):
        return []
    if found:
        text = f"`circuit-breaker` runs {found}, not {path}"
        return [note("command", text, f"remove one of the two, or call {path}")]
    text = f"{path.parent} is not on your PATH, so `circuit-breaker` is not found"
    return [note("command", text, 'add it: export PATH="$HOME/.local/bin:$PATH"')]


def _line_ends(way: Way) -> list[Finding]:
    """Whether a copy was checked out with CRLF, so that `sh` cannot run its `hooks/run`."""
    damaged = [name for name in bundle.names_below(way.root) if b"\r\n" in (way.root / name).read_bytes()]
    if not damaged:
        return []

    def rewrite() -> str:
        for name in damaged:
            disk.put(way.root / name, disk.with_unix_ends((way.root / name).read_bytes()))
        return f"{way.root}: {len(damaged)} files have Unix line ends again"

    found = f"{way.root}: {len(damaged)} files have Windows line ends (core.autocrlf?)"
    made = fault if "hooks/run" in damaged else note
    return [made("line ends", f"{found}, so the hooks cannot start", "circuit-breaker doctor --fix", rewrite)]


def optional_packages(ways: list[Way]) -> list[Finding]:
    """Whether the two optional packages are installed."""
    return [_packages(root) for root in sorted({way.root for way in ways} or {SOURCE})]


def _packages(root: Path) -> Finding:
    vendor = str(root / bundle.VENDOR)
    if all(packages.source(name, vendor) != "missing" for name in packages.PACKAGES):
        return ok("packages", f"{root}: {' and '.join(packages.PACKAGES)} are installed")

    def fetch() -> str:
        why = bundle.fetch(root)
        if why:
            raise OSError(f"packages: {why}")
        found = bundle.packages_below(root)
        receipt.adopt(root, {name: disk.text_checksum(data) for name, data in found.items()})
        return f"{root}: packages added"

    text = "Optional packages not installed; built-in fallback in use"
    return note("packages", text, "circuit-breaker doctor --fix (needs pip)", fetch)
