"""Checks of doctor on Claude Code: its version, the copy of the plugin that it runs, the texts we rely on."""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from install import scopes
from protection import Way
from shared import run_program

from circuit_breaker.runtime import protocol
from doctor import FAULT, NOTE, OK, Finding, fault, note, ok

SECONDS = 20.0
FULL = (2, 1, 330)
# From which version on Claude Code does what. Measured: PostToolBatch exists from 118 on, prompt_id from 196 on.
TIERS = (
    (FULL, OK, "fully supported", ""),
    ((2, 1, 196), OK, "works; fully supported from 2.1.330 on", ""),
    ((2, 1, 118), NOTE, "blocks loops, but SUDO BYPASS never takes effect before 2.1.196", "claude update"),
    ((0, 0, 0), FAULT, "nothing is blocked before 2.1.118", "claude update"),
)
MARGIN = 8 << 20  # bytes before the first event's name in the program, from which our texts are searched


def claude_code(env: Mapping[str, str], ways: list[Way], quick: bool = False) -> Iterator[Finding]:
    """Findings about `claude` on the PATH. quick: without listing its plugins and without reading its program."""
    path = shutil.which("claude", path=env.get("PATH"))
    if path is None:
        yield note("client", "`claude` is not on the PATH: its version was not checked")
        return
    said = re.search(r"(\d+)\.(\d+)\.(\d+)", _output([path, "--version"], env))
    if said is None:
        yield note("client", f"{path} --version gave no version within {SECONDS:g} s")
        return
    version = (int(said[1]), int(said[2]), int(said[3]))
    level, text, fix = next(tier[1:] for tier in TIERS if version >= tier[0])
    yield Finding("client", level, f"Claude Code {said[0]} ({path}): {text}", fix)
    if not quick and any(way.label.startswith("plugin ") for way in ways):
        yield from _running_copy(path, env, ways)
    if not quick and version >= FULL:
        yield from _drift(Path(os.path.realpath(path)), said[0])


def _running_copy(path: str, env: Mapping[str, str], ways: list[Way]) -> Iterator[Finding]:
    """The copy that Claude Code says it runs, and whether it could load it."""
    try:
        listed = json.loads(_output([path, "plugin", "list", "--json"], env))
    except ValueError:
        yield note("copy", f"{path} plugin list --json gave no list: which copy runs is unknown")
        return
    checked = {os.path.realpath(way.root) for way in ways}
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    for entry in entries:
        if not scopes.is_ours(str(entry.get("id", ""))) or not entry.get("enabled"):
            continue
        runs = str(entry.get("readFromFolder") or entry.get("installPath") or "")
        if entry.get("errors"):
            text = f"Claude Code could not load {entry['id']}: {'; '.join(map(str, entry['errors']))[:300]}"
            yield fault("copy", text, "claude plugin validate " + runs)
        elif os.path.realpath(runs) not in checked:
            text = f"Claude Code runs the copy in {runs}, which is not the one that was checked"
            yield fault("copy", text, f"python3 {runs}/plugin doctor")
        else:
            version = entry.get("version", "no version")
            yield ok("copy", f"the copy that Claude Code runs was checked: {runs} ({version})")


def _drift(binary: Path, version: str) -> Iterator[Finding]:
    """Whether Claude Code's program still contains the texts by which we recognise refusals and background launches."""
    try:
        with binary.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as program:
            start = max(0, program.find(b"PreToolUse") - MARGIN)
            texts = sorted(set(_flat(protocol.TEXTS))) if start else []  # 0: only a wrapper of the program
            lost = [text for text in texts if program.find(text.encode(), start) < 0]
    except (OSError, ValueError):
        return
    if lost:
        gone = f"Claude Code {version} no longer contains: {', '.join(map(repr, lost))}."
        fix = "update circuit-breaker; if it is the newest, report this"
        yield note("texts", f"{gone} Some refusals may be counted as results", fix)
    elif texts:
        text = f"Claude Code {version} still has all {len(texts)} texts by which its answers are recognised"
        yield ok("texts", text)


def _flat(rows: Iterable[Any]) -> Iterable[str]:
    for row in rows:
        if isinstance(row, str):
            yield from [row] if row else []
        else:
            yield from _flat(row)


def _output(command: list[str], env: Mapping[str, str]) -> str:
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    return run_program(command, SECONDS, env={**env, **quiet}).stdout
