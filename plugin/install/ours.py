"""What install adds outside its folder: the command, the files of a project's home, and sections in texts of yours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.runtime import home
from circuit_breaker.words.texts import PLUGIN
from install import disk, scopes

LAUNCHER = """#!/usr/bin/env python3
# The command line of the Claude Code plugin circuit-breaker, put here by its `install`.
import os, runpy, sys

plugin = {plugin!r}
if not os.path.isdir(plugin):
    sys.exit("circuit-breaker: " + plugin + " is gone. Install the plugin again, or remove " + sys.argv[0])
runpy.run_path(plugin, {{"CALLED": sys.argv[0]}}, "__main__")
"""


class Section(NamedTuple):
    """A section between two marker lines, at the end of a text. It follows a line break, unless it made the file."""

    begin: bytes
    body: bytes
    end: bytes

    def added(self, before: bytes | None) -> bytes:
        """The text `before` (None: no file) with the section."""
        if before is not None and self.begin in before:
            return before
        lines = b"%b\n%b%b\n" % self
        if before is None:
            return lines
        newline = b"\r\n" if b"\r\n" in before else b"\n"
        return before + (b"\n" + lines).replace(b"\n", newline)

    def removed(self, text: bytes | None) -> bytes | None:
        """`text` without all from marker to marker and the line break before it; None if the file was made for the section."""
        if not text:
            return text
        marked = re.escape(self.begin) + b".*?" + re.escape(self.end) + b"(\r?\n)?"
        left = re.sub(b"(\r?\n)?" + marked, b"", text, count=1, flags=re.DOTALL)
        return None if not left and text.startswith(self.begin) else left


PROTOCOL = Section(
    b"<!-- circuit-breaker:begin -->",
    b"""## Circuit breaker

A circuit breaker watches tool calls in this session. When it blocks a call, that call has been failing or repeating without
progress: do not retry it and do not work around it. Say in one sentence what did not work, then do something different, or ask.
Other calls still work, and one retry is allowed after a cooldown. The breaker's state, its configuration and `SUDO BYPASS`
belong to the user: never write, reset or type them yourself. `/circuit-status` shows the state.
""",
    b"<!-- circuit-breaker:end -->",
)

# The section in git's exclude file of an installation whose receipt has `exclude`: it names no project.
OLDER_EXCLUSION = Section(b"# circuit-breaker:begin", b"", b"# circuit-breaker:end")


def exclusion(scope: scopes.Scope, with_claude_md: bool = False) -> list[tuple[Path, Section]]:
    """(exclude file, section in it) for a local installation in a repository, so that git ignores its files."""
    found = scopes.git_exclude(scope.base) if scope.name == "local" else None
    if found is None:
        return []
    path, inner = found
    paths = [scope.settings, scope.root, *scope.placed.values()]
    paths += [scope.claude_md] if with_claude_md else []
    names = [inner + path.relative_to(scope.base).as_posix() for path in paths]
    lines = "".join("/" + re.sub(r"([*?\[\]\\])", r"\\\1", name) + "\n" for name in names)
    # worktrees and nested projects share the file
    mark = f"# circuit-breaker in {str(scope.base)!a}:".encode()
    body = lines.encode("utf-8", "surrogateescape")
    return [(path, Section(mark + b" begin", body, mark + b" end"))]


def our_text(scope: scopes.Scope, name: str, folder: Path) -> bytes | None:
    """The bytes of our file `name` (see Scope.placed) in the version in `folder`; None if that version has no such file."""
    if name == PLUGIN:
        return LAUNCHER.format(plugin=str(scope.root / "plugin")).encode("utf-8", "surrogateescape")
    if name == home.CONFIG:
        return (json.dumps(DEFAULTS, indent=2) + "\n").encode("ascii")
    if name == ".gitignore":
        return b"*\n" if scope.name == "local" else f"*\n!.gitignore\n!{home.CONFIG}\n".encode("ascii")
    data = disk.read_through(folder / "commands" / name)
    return None if data is None else disk.with_unix_ends(data)
