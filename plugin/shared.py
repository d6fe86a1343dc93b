"""What several verbs share: refusals, JSON, progress, and how projects, times, versions and commands are named."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from circuit_breaker.identity.labels import plain
from circuit_breaker.runtime.json import object_in
from circuit_breaker.words.texts import PLUGIN, printable

if TYPE_CHECKING:
    from circuit_breaker.runtime import home, status

ROOT = Path(__file__).resolve().parent.parent
SHOW_AFTER = 1.0  # seconds before progress is shown
Item = TypeVar("Item")


class Refusal(Exception):
    """Raised if a verb cannot do what was asked; the message says why and what to do next. code: its exit code."""

    def __init__(self, why: str, code: int = 1) -> None:
        super().__init__(why)
        self.code = code


class Progress:
    """A line on stderr for long work, only in a terminal: call it with each step's text, at_once if the step itself is long. `end`
    removes it; what follows is new work."""

    def __init__(self) -> None:
        self.since, self.shown = time.monotonic(), 0.0

    def __call__(self, text: str, at_once: bool = False) -> None:
        now = time.monotonic()
        soon = now - self.since < SHOW_AFTER or now - self.shown < 0.1
        if not sys.stderr.isatty() or soon and not at_once:
            return
        self.shown = now
        print(f"\r\x1b[K{plain(text)[:78]}", end="", file=sys.stderr, flush=True)

    def counted(self, items: Iterable[Item], what: str) -> Iterator[Item]:
        """The items one after another; the line shows how many there were so far, and `what`."""
        for count, item in enumerate(items, 1):
            self(f"{count:,} {what}")
            yield item

    def end(self) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        self.since, self.shown = time.monotonic(), 0.0


progress = Progress()  # of the verb that runs


def say(text: str, to: TextIO | None = None) -> None:
    """Print a text to stdout (or `to`), with "?" for what a terminal would obey: names and settings of others can hold escape sequences."""
    progress.end()
    print(printable(text, "\n\t"), file=to or sys.stdout, flush=True)


def answer(as_json: bool, text: str, **facts: Any) -> None:
    """Print what a verb did or found: the facts with --json, else the text."""
    if as_json:
        progress.end()
        print(json.dumps({"schema": 1, **facts}, indent=2))
    elif text:
        say(text)


def places_here(project: str | None = None) -> home.Places:
    """The places of `project`, or of the project of the current directory."""
    from circuit_breaker.runtime import home  # not above: `demo` says what is wrong with a damaged library

    if project is None:
        return home.places(os.environ, os.getcwd())
    return home.places({**os.environ, "CLAUDE_PROJECT_DIR": os.path.abspath(project)})


def session_names(where: home.Places) -> Iterator[str]:
    """The names of the sessions on disk; the progress line shows how many were taken."""
    from circuit_breaker.runtime import files

    names = files.names(where.sessions)
    yield from progress.counted(names, f"of {len(names):,} sessions")
    progress.end()


def remembered(where: home.Places) -> list[status.Kept]:
    """The sessions on disk of all projects, read with the progress line."""
    from circuit_breaker.runtime import status

    return status.sessions_on_disk(where, session_names(where))


def run_program(command: list[str], seconds: float = 10.0, **more: Any) -> subprocess.CompletedProcess[str]:
    """A program that has ended, with its output as text. It reads nothing unless `input` is given. If it could not be started or took
    longer than `seconds`, its exit code is -1 and stderr says why."""
    more = {"input": "", "errors": "replace", **more}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, **more)
    except subprocess.TimeoutExpired:
        why = f"it took longer than {seconds:g} s"
    except (OSError, ValueError) as error:  # the second for a path with a zero byte
        why = f"it could not be started: {error}"
    return subprocess.CompletedProcess(command, -1, "", why)


def moment(t: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Epoch seconds as local time."""
    return time.strftime(form, time.localtime(t))


def short(count: int) -> str:
    """1,234; 56.7 k; 913 k; 1.2 M."""
    if count < 10_000:
        return f"{count:,}"
    size, unit = next(one for one in ((10**9, "G"), (10**6, "M"), (10**3, "k")) if count >= one[0])
    return f"{count / size:.{0 if count >= 100 * size else 1}f} {unit}"


def with_tilde(project: str) -> str:
    """A project's folder with ~ for your home."""
    user = os.environ.get("HOME", "")
    if user and project.startswith(user + "/"):
        return "~" + project[len(user) :]
    return project or "an unknown project"


def version(root: Path = ROOT) -> str:
    """The version of the plugin in `root`; "" if it is unknown."""
    return str(object_in(str(root / "plugin.json")).get("version", ""))


def how_to_call(root: Path = ROOT) -> str:
    """How to call the command line in `root` from any folder."""
    found = shutil.which(PLUGIN)
    if found:
        with contextlib.suppress(OSError):
            itself = os.path.realpath(found) == os.path.realpath(sys.argv[0])
            if itself or str(root) in Path(found).read_text(encoding="utf-8", errors="replace"):
                return PLUGIN
    return f"python3 {shlex.quote(str(root / 'plugin'))}"
