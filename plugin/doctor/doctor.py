"""The verb doctor: checks the installation; each finding with its fix, --fix does those that can be done."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from install import scopes

from circuit_breaker.runtime import files, home
from doctor import machine, probe, registered
from doctor.finding import FAULT, NOTE, Finding


def doctor(args: argparse.Namespace) -> int:
    """Print what was found; 1 when something needs a cure."""
    findings = examine(os.environ, os.getcwd())
    mended: list[str] = []
    if args.fix:
        for finding in findings:
            if finding.mend is not None:
                mended += _mend(finding)
        findings = examine(os.environ, os.getcwd()) if mended else findings
    if args.json:
        report = {"schema": 1, "ok": healthy(findings), "findings": as_json(findings)}
        print(json.dumps({**report, "mended": mended} if args.fix else report, indent=2))
        return 0 if healthy(findings) else 1
    for line in mended:
        print(f"mended  {line}")
    for finding in findings:
        print(_line(finding))
    print(_summary(findings))
    return 0 if healthy(findings) else 1


def examine(env: Mapping[str, str], cwd: str, just_installed: scopes.Scope | None = None) -> list[Finding]:
    """Every check, in the order in which a person would ask. `just_installed` says which installation is meant."""
    try:
        where = home.places(env, cwd)
    except files.Refused as error:
        return [Finding("home", FAULT, str(error), "set HOME to an absolute path")]
    project = just_installed.base if just_installed and just_installed.name != "user" else Path(where.project)
    sources = scopes.chain(env, project)
    found, findings = registered.installations(env, project, sources)
    findings += machine.settings_chain(sources)
    findings += machine.interpreter(where, env)
    for installation in found:
        if installation.ours or just_installed is not None:
            findings += probe.lines(installation, project, env)
            continue
        text = f"{installation.label}: not run, since they are the project's own programs"
        findings.append(
            Finding("fires", NOTE, text, f"if you trust it: python3 {installation.root / 'plugin'} doctor")
        )
    findings += machine.client(env, found)
    findings += registered.optional_packages(found)
    findings += machine.state(where, env)
    return findings


def healthy(findings: list[Finding]) -> bool:
    """Does nothing need a cure?"""
    return all(finding.level != FAULT for finding in findings)


def verdict(findings: list[Finding]) -> str:
    """What needs a cure, and the summary."""
    return "\n".join(
        [_line(finding) for finding in findings if finding.level == FAULT] + [_summary(findings)]
    )


def _summary(findings: list[Finding]) -> str:
    faults = sum(finding.level == FAULT for finding in findings)
    if not faults:
        return f"doctor: all is well ({len(findings)} checks)."
    return f"doctor: {faults} of {len(findings)} checks need a cure."


def as_json(findings: list[Finding]) -> list[dict[str, Any]]:
    """The findings as `--json` prints them."""
    return [{"id": f.id, "level": f.level, "text": f.text, "cure": f.cure} for f in findings]


def _line(finding: Finding) -> str:
    word = {FAULT: "FAULT", NOTE: "note "}.get(finding.level, "ok   ")
    return f"{word}  {finding.text}" + (f"\n       cure: {finding.cure}" if finding.cure else "")


def _mend(finding: Finding) -> list[str]:
    """Mend one finding; what was done, nothing when it could not be."""
    assert finding.mend is not None
    try:
        return [finding.mend()]
    except OSError as error:
        return [f"{finding.id}: could not be mended: {error}"]
