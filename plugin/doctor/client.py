"""Checks of doctor on Claude Code: its version, the copy of the plugin that it runs, the texts we rely on, and what else it runs."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import statistics
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import Any

import protection
from host import hooks_of
from install import scopes, settings
from shared import ROOT, run_program

from circuit_breaker.runtime import files
from circuit_breaker.runtime.json import object_in, object_of, only, parse
from circuit_breaker.runtime.protocol import LAUNCHES, NOT_TYPED, REFUSALS, REFUSING, SAVED
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
# the texts of Claude Code by which we recognise refusals, background launches and machines' prompts
TEXTS = {*chain(*REFUSALS, *LAUNCHES), *REFUSING, *NOT_TYPED, *SAVED} - {""}
MARGIN = 8 << 20  # bytes before the first event's name in the program, from which our texts are searched
MILLISECONDS_FROM = 1000  # a timeout of this many seconds was probably meant as milliseconds
# slow hooks are searched in this many newest transcripts, in this many bytes at their ends
TRANSCRIPTS, TAIL = 5, 2 << 20
SLOW_CALL, SLOW_TURN = 200.0, 2000.0  # ms, for a hook on each call and one per turn
ON_CALLS = ("PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch")
SCRIPTS = ("circuit_breaker_*.py", "memory_janitor.py")


def claude_code(ways: list[protection.Way], quick: bool = False) -> Iterator[Finding]:
    """Findings about `claude` on the PATH. quick: without listing its plugins and without reading its program."""
    path = shutil.which("claude")
    if path is None:
        yield note("client", "`claude` is not on the PATH: its version was not checked")
        return
    said = re.search(r"(\d+)\.(\d+)\.(\d+)", _output([path, "--version"]))
    if said is None:
        yield note("client", f"{path} --version gave no version within {SECONDS:g} s")
        return
    version = (int(said[1]), int(said[2]), int(said[3]))
    level, text, fix = next(tier[1:] for tier in TIERS if version >= tier[0])
    yield Finding(level, "client", f"Claude Code {said[0]} ({path}): {text}", fix)
    if not quick and any(way.label.startswith("plugin ") for way in ways):
        yield from _running_copy(path, ways)
    if not quick and version >= FULL:
        yield from _drift(Path(os.path.realpath(path)), said[0])


def _running_copy(path: str, ways: list[protection.Way]) -> Iterator[Finding]:
    """The copy that Claude Code says it runs, and whether it could load it."""
    try:
        listed = parse(_output([path, "plugin", "list", "--json"]))
    except ValueError:
        yield note("copy", f"{path} plugin list --json gave no list: which copy runs is unknown")
        return
    checked = {os.path.realpath(way.root) for way in ways}
    for entry in (only(dict, one) for one in only(list, listed)):
        if not scopes.is_this_plugin(str(entry.get("id", ""))) or not entry.get("enabled"):
            continue
        runs = str(entry.get("readFromFolder") or entry.get("installPath") or "")
        if entry.get("errors"):
            text = f"Claude Code could not load {entry['id']}: {'; '.join(map(str, entry['errors']))[:300]}"
            yield fault("copy", text, f"claude plugin validate {quote(runs)}")
        elif os.path.realpath(runs) not in checked:
            text = f"Claude Code runs the copy in {runs}, which is not the one that was checked"
            yield fault("copy", text, f"python3 {quote(runs + '/plugin')} doctor")
        else:
            version = entry.get("version", "no version")
            yield ok("copy", f"the copy that Claude Code runs was checked: {runs} ({version})")


def _drift(binary: Path, version: str) -> Iterator[Finding]:
    """Whether Claude Code's program still contains the texts by which we recognise refusals and background launches."""
    try:
        with binary.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as program:
            start = max(0, program.find(b"PreToolUse") - MARGIN)  # 0: only a wrapper of the program
            lost = [text for text in sorted(TEXTS) if start and program.find(text.encode(), start) < 0]
    except (OSError, ValueError):
        return
    if lost:
        gone = f"Claude Code {version} no longer contains: {', '.join(map(repr, lost))}."
        fix = "update circuit-breaker; if it is the newest, report this"
        yield note("texts", f"{gone} Some refusals may be counted as results", fix)
    elif start:
        text = f"Claude Code {version} still has all {len(TEXTS)} texts by which its answers are recognised"
        yield ok("texts", text)


def _output(command: list[str]) -> str:
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    return run_program(command, SECONDS, env={**os.environ, **quiet}).stdout


# --- What runs beside us: notes, never faults


def others(sources: list[scopes.Source], project: Path, by_settings: bool) -> Iterator[Finding]:
    """Findings about other hooks and mods that a session here runs. by_settings: whether our lines are in a settings file."""
    user = scopes.claude_path()
    plugins = _plugins(sources)
    for path, document in [*((source.path, source.document) for source in sources), *plugins]:
        yield from _timeouts(path, document)
    yield from _slow(user / "projects")
    for top in (user, project / ".claude"):
        plugins += _hook_files(sorted(top.glob("skills/*")))
        scripts = [path.name for pattern in SCRIPTS for path in sorted((top / "hooks").glob(pattern))]
        if scripts:
            text = f"{top / 'hooks'} contains older hook scripts: {', '.join(scripts)}"
            yield note("older", text, "remove them when no settings file uses them any more")
    for path, document in plugins:
        if document.get("modules"):
            text = f"{path} contains a mod; a mod that does not pass events on switches off all hooks"
            yield note("mod", text, "if blocked calls run anyway, disable it and try again")
    for source in sources:
        for line in settings.older(source.document):
            text = f"{source.path} still registers the older hook scripts ({line})"
            yield note("older", text, "circuit-breaker install --migrate")
    if by_settings:
        yield from _editors()


def _plugins(sources: list[scopes.Source]) -> list[tuple[Path, dict[str, Any]]]:
    """(path, contents) of hooks.json of each other enabled plugin."""
    names = {name for source in sources for name, on in source.plugins.items() if on}
    others = sorted(name for name in names if not scopes.is_this_plugin(name))
    folders = [protection.plugin_folder(name, sources) for name in others]
    return _hook_files([folder for folder in folders if folder is not None])


def _hook_files(folders: list[Path]) -> list[tuple[Path, dict[str, Any]]]:
    paths = [folder / "hooks" / "hooks.json" for folder in folders if os.path.realpath(folder) != str(ROOT)]
    return [(path, object_in(str(path))) for path in paths]


def _timeouts(path: Path, document: dict[str, Any]) -> Iterator[Finding]:
    for event, handler in settings.entries(document):
        timeout = _number(handler.get("timeout")) if isinstance(handler, dict) else 0
        if timeout >= MILLISECONDS_FROM:
            name = str(handler.get("command") or handler.get("url") or handler.get("type"))[:60]
            text = f"{path}: the {event} hook {name!r} has a timeout of {timeout:g} seconds"
            yield note("timeout", text, f"if milliseconds were meant, write {timeout / 1000:g}")


def _slow(projects: Path) -> Iterator[Finding]:
    """Hooks that took long in the newest transcripts. (Claude Code records only hooks that printed something.)"""
    taken: dict[tuple[str, str], list[float]] = {}
    own = {settings.hook_command(entry) for _, entry in settings.entries({"hooks": hooks_of(ROOT)})}
    for event, command, ms in _hook_runs(projects):
        if command not in own and not settings.is_our_hook(command):
            taken.setdefault((event, command), []).append(ms)
    for (event, command), times in sorted(taken.items()):
        median = statistics.median(times)
        if len(times) < 2 or median < (SLOW_CALL if event in ON_CALLS else SLOW_TURN):
            continue
        text = f"slow {event} hook: {command[:60]!r} took {median:.0f} ms (median of {len(times)} runs)"
        yield note("slow", text, 'make it faster, or set "async": true if Claude need not wait for it')


def _hook_runs(projects: Path) -> Iterator[tuple[str, str, float]]:
    """(event, command, milliseconds) of each run of a hook in the newest transcripts."""
    newest = sorted(projects.glob("*/*.jsonl"), key=lambda path: files.last_written(str(path)))[-TRANSCRIPTS:]
    for path in newest:
        for line in files.part(str(path), -TAIL, TAIL)[0].splitlines():
            row = object_of(line) if b'"durationMs"' in line and b'"command"' in line else {}
            for one in [row.get("attachment"), *only(list, row.get("hookInfos"))]:
                info = only(dict, one)
                event, command = only(str, info.get("hookEvent", "Stop")), only(str, info.get("command"))
                if event and command:
                    yield event, command, _number(info.get("durationMs"))


def _number(value: Any) -> float:
    """A number of seconds or milliseconds; 0 for what can be none."""
    return value if isinstance(value, (int, float)) and 0 <= value < 10**12 else 0


def _editors() -> Iterator[Finding]:
    user = Path(os.environ.get("HOME") or os.environ.get("USERPROFILE") or ".")
    for name, program, folder in (("VS Code", "code", ".vscode"), ("Cursor", "cursor", ".cursor")):
        folders = (user / folder, user / f"{folder}-server")
        if shutil.which(program) or any(folder.is_dir() for folder in folders):
            text = f"{name}'s own agent also runs the hooks of Claude Code's settings, but does not report failures to them"
            fix = "nothing is blocked there; use Claude Code (its extension or a terminal) to be protected"
            yield note("editor", text, fix)
