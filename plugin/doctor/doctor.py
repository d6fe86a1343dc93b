"""The verb `doctor`: checks the installation and says how to fix each fault; --fix applies the fixes it can."""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Callable

import protection
from install import disk, scopes
from shared import Refusal, answer, how_to_call, places_here, progress, remembered

from circuit_breaker.identity.labels import plain
from circuit_breaker.runtime import files, health, home, status
from doctor import FAULT, NOTE, Finding, client, fault, machine, note, ok, probe, registered


def doctor(args: argparse.Namespace) -> int:
    """Print the findings; exit code 1 if something needs a fix."""
    findings = examine()
    fixed = [_fixed(one, one.action) for one in findings if one.action] if args.fix else []
    if fixed:
        findings = examine()
    more = {"fixed": fixed} if args.fix else {}
    text = "\n".join([*fixed, findings_report(findings, findings)])
    answer(args.json, text, ok=not faults(findings), findings=as_json(findings), **more)
    return 1 if faults(findings) else 0


def examine(just_installed: scopes.Scope | None = None) -> list[Finding]:
    """The findings of all checks. just_installed: the scope that `install` has just written."""
    try:
        where = places_here(str(just_installed.base) if just_installed and just_installed.memory else None)
    except files.Refused as error:
        return [fault("home", files.reason(error), health.FIX)]
    findings = list(_checks(where, just_installed))
    progress.end()
    called = how_to_call() + " "
    return [one._replace(fix=one.fix.replace("circuit-breaker ", called, 1)) for one in findings]


def _checks(where: home.Places, just_installed: scopes.Scope | None) -> Iterator[Finding]:
    project = Path(where.project)
    sources = scopes.chain(project)
    ways: list[protection.Way] = []

    def found() -> Iterator[Finding]:
        ways.extend(way for way in protection.ways(where, sources) if way.groups)
        yield from registered.registrations(ways, sources, project)

    def fired() -> Iterator[Finding]:
        lost = health.write_fault(where)
        for way in ways:
            progress(f"running the hooks of {way.label} ...", at_once=True)
            if lost:
                yield note("fires", f"{way.label}: not run, since {lost}")
            elif way.ours or just_installed is not None:
                yield from probe.fired_lines(way, where)
            else:
                text = f"{way.label}: not run, since they are the project's own programs"
                called = quote(f"{way.root}/plugin")
                yield note("fires", text, f"if you trust it: python3 {called} doctor")
        progress("asking Claude Code ...", at_once=True)

    for findings in (  # each begins when the ones before it have ended
        _protected(where),
        machine.settings_chain(sources),
        found(),
        machine.interpreter(where),
        fired(),
        client.claude_code(ways, quick=just_installed is not None),
        client.others(sources, project, bool(scopes.registered(sources))),
        registered.optional_packages(ways),
        machine.state_findings(where),
    ):
        try:
            yield from findings
        except OSError as error:  # such as a folder that `sudo` made: the other checks say more about it
            yield fault("access", disk.error_text(error), "make it yours (chown), or move it away")


def _protected(where: home.Places) -> Iterator[Finding]:
    """The second line of `status`, and when the hooks last ran."""
    config = home.configuration(where, os.environ)
    working = copy.copy(config)
    working.enabled = True
    said = protection.protection_of(where, working, remembered(where), time.time())
    if said["protected"]:
        yield ok("protected", f"protected: {said['how']}")
    else:
        fix = said["fix"] if not said["fix"].endswith(" doctor") else "see the faults below"
        yield fault("protected", f"not protected: {said['why']}", fix)
    why, fix = status.cannot_block(where, config)
    if why not in ("", said["why"]):
        yield note("mode", why, fix)
    elif config.mode == "observe":
        text = "mode observe records what it would block, and blocks nothing"
        yield note("mode", text, "circuit-breaker mode enforce")


def faults(findings: list[Finding]) -> list[Finding]:
    """Those that need a fix."""
    return [finding for finding in findings if finding.level == FAULT]


def findings_report(findings: list[Finding], shown: list[Finding]) -> str:
    """The findings to show, and a summary of all."""
    wrong, count = len(faults(findings)), len(findings)
    summary = f"{wrong} of {count} checks need a fix." if wrong else f"all is well ({count} checks)."
    return "\n".join([*map(_line, shown), f"doctor: {summary}"])


def as_json(findings: list[Finding]) -> list[dict]:
    """The findings for `--json`."""
    return [{"id": f.id, "level": f.level, "text": f.text, "fix": f.fix} for f in findings]


def _line(finding: Finding) -> str:
    word = {FAULT: "FAULT", NOTE: "note "}.get(finding.level, "ok   ")
    return f"{word}  {plain(finding.text)}" + (f"\n       fix: {plain(finding.fix)}" if finding.fix else "")


def _fixed(finding: Finding, action: Callable[[], str]) -> str:
    """Fix one finding. Returns what was done, or why it could not be."""
    try:
        return f"fixed  {action()}"
    except (OSError, Refusal) as error:
        return f"FAILED {finding.id}: could not be fixed: {disk.error_text(error)}"
