"""What install adds outside its folder: the command, the files of a project's home, and sections in texts of yours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from shared import PLUGIN

from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.runtime import home
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
    """A section between two marker lines, at the end of a text."""

    begin: str
    body: str
    end: str

    def addition(self, text: str) -> str:
        """What to append to `text` to add the section; "" if it is there."""
        if self.begin in text:
            return ""
        newline = "\r\n" if "\r\n" in text else "\n"
        gap = "" if not text else newline if text.endswith("\n") else 2 * newline
        return gap + f"{self.begin}\n{self.body}{self.end}\n".replace("\n", newline)

    def removed(self, text: str, piece: str) -> str:
        """`text` without the appended `piece`; if that was edited (or is none of ours), without all from marker to marker."""
        if self.begin in piece and piece in text:
            return text.replace(piece, "", 1)
        start, end = text.find(self.begin), text.find(self.end)
        if start == -1 or end < start:
            return text
        end += len(self.end)
        for newline in ("\r\n", "\n"):
            if text.startswith(newline, end):
                return text[:start] + text[end + len(newline) :]
        return text[:start] + text[end:]


PROTOCOL = Section(
    "<!-- circuit-breaker:begin -->",
    """## Circuit breaker

A circuit breaker watches tool calls in this session. When it blocks a call, that call has been failing or repeating without
progress: do not retry it and do not work around it. Say in one sentence what did not work, then do something different, or ask.
Other calls still work, and one retry is allowed after a cooldown. The breaker's state, its configuration and `SUDO BYPASS`
belong to the user: never write, reset or type them yourself. `/circuit-status` shows the state.
""",
    "<!-- circuit-breaker:end -->",
)


def exclusion(paths: list[str]) -> Section:
    """The section of .git/info/exclude that ignores `paths` (relative to the repository, with /)."""
    body = "".join(f"/{path}\n" for path in paths)
    return Section("# circuit-breaker:begin", body, "# circuit-breaker:end")


def home_files(scope: scopes.Scope) -> dict[Path, bytes]:
    """The files that install adds to a project's home: the config file, and a .gitignore for the rest."""
    if scope.memory is None:
        return {}
    ignored = "*\n" if scope.name == "local" else f"*\n!.gitignore\n!{home.CONFIG}\n"
    return {
        scope.memory / home.CONFIG: (json.dumps(DEFAULTS, indent=2) + "\n").encode("ascii"),
        scope.memory / ".gitignore": ignored.encode("ascii"),
    }


def our_text(scope: scopes.Scope, name: str, folder: Path) -> bytes | None:
    """The bytes of our file `name` (see Scope.placed) in the version in `folder`; None if that version has no such file."""
    if name == PLUGIN:
        return LAUNCHER.format(plugin=str(scope.root / "plugin")).encode("utf-8", "surrogateescape")
    data = disk.read_through(folder / "commands" / name)
    return None if data is None else disk.with_unix_ends(data)
