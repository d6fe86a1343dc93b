"""The checks of doctor that look at installations: registered once, with all their files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from install import bundle, disk, receipt, scopes, settings
from install.apply import SOURCE, install_again

from circuit_breaker.runtime import packages
from doctor.finding import FAULT, NOTE, OK, Finding, Installation


def installations(
    env: Mapping[str, str], project: Path, sources: list[scopes.Source]
) -> tuple[list[Installation], list[Finding]]:
    """The installations that a session in `project` would run, and what is wrong with how they are registered."""
    found: list[Installation] = []
    findings: list[Finding] = []
    for source in scopes.registered(sources):
        label = source.label if source.label in ("project", "local") else "user"
        scope = scopes.scope(label, {**env, "CLAUDE_PROJECT_DIR": str(project)}, str(project))
        groups = _our_groups(source.document)
        own = label == "user" or os.path.realpath(scope.root) == str(SOURCE)
        where = f"{label} settings {source.path}"
        found.append(Installation(where, scope.root, groups, {"CLAUDE_PROJECT_DIR": str(project)}, own))
        findings += _settled(scope, source)
    for path, name in scopes.enabled(sources):
        root = _client_root(env, sources, name)
        if root is None:
            findings.append(
                Finding(
                    "registered", NOTE, f"{name} is enabled in {path}; where the client keeps it is unknown"
                )
            )
            continue
        hooks = json.loads((root / "hooks" / "hooks.json").read_text(encoding="utf-8"))["hooks"]
        own = not path.is_relative_to(project)
        found.append(
            Installation(f"plugin {name} ({path})", root, hooks, {"CLAUDE_PLUGIN_ROOT": str(root)}, own)
        )
        findings.append(
            Finding("registered", OK, f"the plugin {name} is enabled through the client ({path})")
        )
    if len(found) > 1:
        names = "; ".join(installation.label for installation in found)
        cure = "keep one: `python3 plugin uninstall --scope ...` or `claude plugin uninstall circuit-breaker`"
        findings.append(
            Finding(
                "double",
                FAULT,
                f"registered {len(found)} times, so every hook runs {len(found)} times: {names}",
                cure,
            )
        )
    if not found and not findings:
        text = f"not installed: no settings file that a session in {project} reads registers the hooks"
        findings.append(Finding("registered", FAULT, text, "python3 plugin install"))
    return found, findings


def _settled(scope: scopes.Scope, source: scopes.Source) -> list[Finding]:
    """Is each line there once, and each file it needs?"""
    cure = f"python3 plugin install --scope {scope.name}"
    kept = receipt.load_receipt(scope.root)
    if kept is None:
        there = (scope.root / "plugin" / "__main__.py").is_file()
        what = "whose receipt is lost" if there else "whose files are gone"
        text = f"{source.path} registers hooks {what}: {scope.root}"
        return [
            Finding(
                "files", FAULT, text, f"{cure}, or python3 plugin uninstall", lambda: _install(scope.name)
            )
        ]
    counts = settings.present(source.document, kept["settings"]["registrations"])
    lost = sorted({event for (event, _), count in counts.items() if count == 0})
    twice = sorted({event for (event, _), count in counts.items() if count > 1})
    findings = []
    if lost:
        findings.append(
            Finding(
                "registered",
                FAULT,
                f"{source.path}: not registered for {', '.join(lost)}",
                cure,
                lambda: _install(scope.name),
            )
        )
    if twice:
        findings.append(
            Finding(
                "registered",
                FAULT,
                f"{source.path}: registered twice for {', '.join(twice)}",
                cure,
                lambda: _install(scope.name),
            )
        )
    if not findings:
        findings.append(Finding("registered", OK, f"{source.path}: {len(counts)} lines, each there once"))
    gone = [name for name in kept["files"] if not (scope.root / name).is_file()]
    edited = [
        name
        for name in kept["files"]
        if name not in gone and disk.checksum(disk.read_through(scope.root / name)) != kept["files"][name]
    ]
    if gone:
        findings.append(
            Finding(
                "files",
                FAULT,
                f"{scope.root}: {len(gone)} files are missing ({gone[0]} ...)",
                cure,
                lambda: _install(scope.name),
            )
        )
    elif edited:
        findings.append(
            Finding(
                "files", NOTE, f"{scope.root}: {len(edited)} files were changed since ({edited[0]} ...)", cure
            )
        )
    else:
        findings.append(
            Finding(
                "files",
                OK,
                f"{scope.root}: {len(kept['files'])} files, all as installed (version {kept['version']})",
            )
        )
    lacking = [name for name in scopes.COMMANDS if not (scope.commands / name).is_file()]
    if lacking:
        findings.append(
            Finding(
                "commands",
                FAULT,
                f"{scope.commands}: {', '.join(lacking)} missing",
                cure,
                lambda: _install(scope.name),
            )
        )
    else:
        findings.append(Finding("commands", OK, f"{scope.commands}: /circuit-status and /reset-circuit"))
    return findings


def optional_packages(installations: list[Installation]) -> list[Finding]:
    """The two packages of the cold side."""
    roots = {installation.root for installation in installations} or {SOURCE}
    findings = []
    for root in sorted(roots):
        lacking = [
            name
            for name in packages.PACKAGES
            if packages.source(name, str(root / bundle.VENDOR)) == "missing"
        ]
        if not lacking:
            findings.append(Finding("packages", OK, f"{root}: {' and '.join(packages.PACKAGES)} are there"))
            continue
        text = f"{root}: {' and '.join(lacking)} missing; this project's own few lines serve instead"

        def mend(root: Path = root) -> str:
            why = bundle.fetch(root)
            if why:
                raise OSError(f"packages: {why}")
            receipt.adopt(
                root, {name: disk.checksum(data) for name, data in bundle.packages_below(root).items()}
            )
            return f"{root}: packages added"

        findings.append(Finding("packages", NOTE, text, "python3 plugin doctor --fix (needs pip)", mend))
    return findings


def _our_groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Our groups of a settings document."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for event, found in document.get("hooks", {}).items():
        for group in found:
            mine = [handler for handler in group["hooks"] if settings.is_ours(handler)]
            if mine:
                groups.setdefault(event, []).append({**group, "hooks": mine})
    return groups


def _client_root(env: Mapping[str, str], sources: list[scopes.Source], name: str) -> Path | None:
    """The folder from which the client runs the plugin `name`: a directory marketplace's source, else its copy."""
    market = name.partition("@")[2]
    candidates: list[Any] = []
    for source in sources:
        known = source.document.get("extraKnownMarketplaces")
        entry = known.get(market) if isinstance(known, dict) else None
        if isinstance(entry, dict) and isinstance(entry.get("source"), dict):
            candidates.append(entry["source"].get("path"))
    candidates += _install_paths(scopes.claude_folder(env) / "plugins" / "installed_plugins.json", name)
    paths = [Path(path) for path in candidates if isinstance(path, str)]
    return next((path for path in paths if (path / "hooks" / "hooks.json").is_file()), None)


def _install_paths(listing: Path, name: str) -> list[Any]:
    try:
        document = json.loads(listing.read_text(encoding="utf-8"))
        entries = document.get("plugins", document).get(name)
    except (OSError, ValueError, AttributeError):
        return []  # not there, or of a form that a later client made up
    entries = entries if isinstance(entries, list) else [entries]
    return [entry.get("installPath") for entry in entries if isinstance(entry, dict)]


def _install(scope: str) -> str:
    return install_again(scope)
