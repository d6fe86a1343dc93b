"""Checks of doctor on installations: registered once, complete, unchanged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from install import bundle, disk, receipt, scopes, settings
from install.apply import install_again
from protection import Way
from shared import ROOT, progress

from circuit_breaker.runtime import packages
from circuit_breaker.words.texts import PLUGIN, number
from doctor import Finding, fault, note, ok

FRESH = "get a fresh copy of the plugin and run its `install`"  # a damaged copy cannot repair itself


def registrations(ways: list[Way], sources: list[scopes.Source], project: Path) -> Iterator[Finding]:
    """Findings about how `ways` are registered and about their files."""
    for source in scopes.registered(sources):
        label = source.label if source.label in ("project", "local") else "user"
        yield from _settled(scopes.scope(label, str(project)), source)
    for way in ways:
        yield from _line_ends(way)
    if len(ways) > 1:
        names = "; ".join(way.label for way in ways)
        text = f"registered {len(ways)} times, so every hook runs {len(ways)} times: {names}"
        fix = "keep one: `circuit-breaker uninstall --scope ...` or `claude plugin uninstall circuit-breaker`"
        yield fault("double", text, fix)


def _settled(scope: scopes.Scope, source: scopes.Source) -> Iterator[Finding]:
    """Whether each line is registered once and has its files."""
    kept = receipt.load_receipt(scope.root)
    as_installed = kept["files"] if kept else {}
    sums = {name: disk.text_checksum(disk.read_through(scope.root / name)) for name in as_installed}
    damaged = kept is None or sums != as_installed
    helpless = damaged and os.path.realpath(scope.root) == str(ROOT)
    fix = FRESH if helpless else f"circuit-breaker install --scope {scope.name}"

    def broken(about: str, text: str) -> Finding:
        return fault(about, text, fix, None if helpless else lambda: install_again(scope.name))

    if kept is None:
        there = (scope.root / "plugin" / "__main__.py").is_file()
        what = "whose receipt is lost" if there else "whose files are gone"
        yield broken("files", f"{source.path} registers hooks {what}: {scope.root}")
        return
    counts = settings.present(source.document, kept["settings"]["registrations"])
    lost = sorted({event for (event, _), count in counts.items() if count == 0})
    twice = sorted({event for (event, _), count in counts.items() if count > 1})
    if lost:
        yield broken("registered", f"{source.path}: not registered for {', '.join(lost)}")
    if twice:
        yield broken("registered", f"{source.path}: registered twice for {', '.join(twice)}")
    if not lost and not twice:
        yield ok("registered", f"{source.path}: all {len(counts)} lines are registered, each once")
    gone = [name for name, found in sums.items() if found is None]
    edited = [name for name, found in sums.items() if found not in (None, as_installed[name])]
    names, what = (gone, "missing") if gone else (edited, "changed since")
    if names:
        text = f"{scope.root}: {number(len(names), 'file')} {what} ({names[0]} ...)"
        yield broken("files", text) if gone else note("files", text, fix)
    else:
        yield ok("files", f"{scope.root}: {len(sums)} files, all as installed (version {kept['version']})")
    lacking = [name for name in scopes.COMMANDS if not (scope.commands / name).is_file()]
    if lacking:
        yield broken("commands", f"{scope.commands}: {', '.join(lacking)} missing")
    else:
        yield ok("commands", f"{scope.commands}: /circuit-status and /reset-circuit")
    if scope.launcher and PLUGIN in kept["commands"]:
        yield from _launcher(scope.launcher)


def _launcher(path: Path) -> Iterator[Finding]:
    found = shutil.which(PLUGIN)
    if not found:
        text = f"{path.parent} is not on your PATH, so `circuit-breaker` is not found"
        yield note("command", text, 'add it: export PATH="$HOME/.local/bin:$PATH"')
    elif os.path.realpath(found) != os.path.realpath(path):
        text = f"`circuit-breaker` runs {found}, not {path}"
        yield note("command", text, f"remove one of the two, or call {path}")


def _line_ends(way: Way) -> Iterator[Finding]:
    """Whether a copy was checked out with CRLF, so that `sh` cannot run its `hooks/run`."""
    damaged = [name for name in bundle.names_below(way.root) if b"\r\n" in (way.root / name).read_bytes()]

    def rewrite() -> str:
        for name in damaged:
            disk.replace_file(way.root / name, disk.with_unix_ends((way.root / name).read_bytes()))
        return f"{way.root}: Unix line ends again in {number(len(damaged), 'file')}"

    if damaged:
        found = f"{way.root}: Windows line ends in {number(len(damaged), 'file')} (core.autocrlf?)"
        made = fault if "hooks/run" in damaged else note
        text = f"{found}, so the hooks cannot start"
        yield made("line ends", text, "circuit-breaker doctor --fix", rewrite)


def optional_packages(ways: list[Way]) -> Iterator[Finding]:
    """Whether the two optional packages are installed."""
    for root in sorted({way.root for way in ways} or {ROOT}):
        vendor = str(root / bundle.VENDOR)
        if all(packages.package(name, vendor) for name in packages.PACKAGES):
            yield ok("packages", f"{root}: {bundle.BOTH} are installed")
        else:
            text = "Optional packages not installed; built-in fallback in use"
            yield note("packages", text, "circuit-breaker doctor --fix (needs pip)", partial(_fetch, root))


def _fetch(root: Path) -> str:
    progress(f"installing with pip (at most {bundle.PIP_SECONDS} s) ...", at_once=True)
    why = bundle.fetch(root)
    progress.end()
    if why:
        raise OSError(f"packages: {why}")
    return f"{root}: packages added"
