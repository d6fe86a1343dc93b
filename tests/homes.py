"""Throw-away homes for the tests of memory protection: places, files of a given age, what lies where."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.layers import build
from circuit_breaker.janitor import session_start
from circuit_breaker.runtime.home import Places

DAY = 86400.0


class Home:
    """A home, a runtime folder beside it (or the same one), and a clock that reads the real time plus `ahead`."""

    def __init__(self, base: Path, together: bool = False) -> None:
        self.runtime = base / "runtime"
        self.path = self.runtime if together else base / "home"
        self.project = base / "project"
        for folder in (self.runtime, self.path, self.project):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.places = Places(
            str(self.runtime), str(self.path), str(self.project), str(base / "config.json"), str(base)
        )
        self.ahead = 0.0

    def config(self, enabled: bool = True, **limits: int) -> Config:
        return build([("user file", {"enabled": enabled, "memory_limits": limits})])

    def start(
        self, session: str = "new-session", source: str = "startup", enabled: bool = True, **limits: int
    ) -> str:
        """One SessionStart in this process; what it says."""
        now = time.time() + self.ahead
        return session_start.message(session, source, self.places, self.config(enabled, **limits), now)

    def write(self, name: str, data: Any, age: float = 0.0) -> Path:
        """A file of the home; `data` is bytes, text or a value to be written as JSON; `age` in seconds."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(data, (bytes, str)):
            data = json.dumps(data, indent=2)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return aged(path, age - self.ahead)

    def names(self) -> set[str]:
        """The files that rules are about: of the home itself, without the config."""
        return {
            p.name
            for p in self.path.glob("*")
            if p.is_file() and p.name not in ("circuit_breaker_config.json", "python")
        }

    def archives(self, kind: str = "*") -> list[Path]:
        """What is archived, compressed or not."""
        return sorted(
            p
            for p in self.path.glob(f"archives/{kind}/*")
            if not p.name.startswith(".") and p.suffix != ".tmp"
        )


def aged(path: Path, age: float) -> Path:
    if age:
        then = time.time() - age
        os.utime(path, (then, then), follow_symlinks=False)
    return path


def lines(count: int, width: int = 0) -> bytes:
    """JSON lines, each with its number; `width` fills them up."""
    return b"".join(b'{"n":%d,"x":"%s"}\n' % (n, b"x" * width) for n in range(count))


def wait_for(true: Any, seconds: float = 20.0) -> Any | None:
    """What `true()` returns as soon as that is something; None when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = true()
        if found:
            return found
        time.sleep(0.02)
    return None
