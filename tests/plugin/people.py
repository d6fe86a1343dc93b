"""A user's machine for the installer's tests: a HOME, a project, a Python without pip."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import installer
from install import apply, scopes
from install.plan import Options
from shared import Refusal

ROOT = Path(__file__).resolve().parents[2]


class Person:
    """A user's machine: a HOME with the client's folder in it, and a project."""

    def __init__(self, folder: Path) -> None:
        self.home, self.project = folder / "home", folder / "project"
        for path in (
            self.home / ".claude",
            self.home / ".local" / "share",
            self.home / ".local" / "state",
            self.project,
        ):
            path.mkdir(parents=True)
        self.settings = self.home / ".claude" / "settings.json"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CLAUDE_PROJECT_DIR": str(self.project),
        }
        self.root = self.home / ".local" / "share" / "claude-circuit-breaker"
        self.state = self.home / ".local" / "state" / "claude-circuit-breaker"

    def install(self, scope: str = "user", **options: bool) -> None:
        """What `install` does before doctor looks at it; raises Refusal."""
        chosen = scopes.scope(scope)
        apply.put_in(chosen, Options(**options), quiet=True)

    def uninstall(
        self, scope: str = "user", purge: bool = False, dry_run: bool = False, archives: bool = False
    ) -> int:
        options = {"scope": scope, "dry_run": dry_run, "purge": purge, "archives": archives, "json": False}
        try:
            return installer.uninstall(argparse.Namespace(**options))
        except Refusal as refusal:
            return refusal.code

    def tree(self) -> dict[str, bytes | None]:
        """Every file and folder of the machine."""
        found = {}
        for top in (self.home, self.project):
            for path in sorted(top.rglob("*")):
                if "__pycache__" in path.parts:
                    continue
                name = str(path.relative_to(top.parent))
                if path.is_symlink():
                    found[name] = os.fsencode(os.readlink(path))
                else:
                    found[name] = path.read_bytes() if path.is_file() else None
        return found

    def lines(self, settings: Path | None = None) -> list[str]:
        hooks = json.loads((settings or self.settings).read_text(encoding="utf-8-sig"))["hooks"]
        return [
            handler["command"] for groups in hooks.values() for group in groups for handler in group["hooks"]
        ]


def plugin(person, *arguments, python=sys.executable, source=ROOT, cwd=None, **env):
    """`python3 -I -S plugin ...`: a Python without pip."""
    return subprocess.run(
        [python, "-I", "-S", str(source / "plugin"), *arguments], capture_output=True, text=True, check=False,
        cwd=cwd or person.project, env={**person.env, **env},
    )  # fmt: skip
