"""The verb `demo`: a runaway session and a working one, played through the registered hook lines."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

from host import Called, Host, hooks_of
from shared import ROOT

CHECK = "python3 test_total.py"
TEST = "from total import total\nassert total([2, 3]) == 5, f'total([2, 3]) is {total([2, 3])}, not 5'\nprint('ok')\n"
WRONG, WORSE, RIGHT = "numbers[0]", "max(numbers)", "sum(numbers)"


class Surprise(Exception):
    """Raised if a step does not turn out as announced."""


def demo(args: argparse.Namespace) -> int:
    """Play both sessions in a throw-away project; exit code 1 if a step does not turn out as announced."""
    with _scene() as (project, env):
        try:
            _runaway(_Session(project, env, "demo-runaway"))
            _working(_Session(project, env, "demo-working"))
        except Surprise as surprise:
            print(f"\nThis did not turn out as it should: {surprise}", file=sys.stderr)
            print("To find out why: `python3 plugin doctor`.", file=sys.stderr)
            return 1
    _say("\nThat is all: the loop was stopped, the work was not.\nThe throw-away project is deleted.")
    return 0


class _Session:
    """A session in the demo's project. A hook line that fails or prints an error ends the demo."""

    def __init__(self, project: Path, env: dict[str, str], name: str) -> None:
        self.project = project
        self.host = Host(hooks_of(ROOT), project, env, name)
        (project / "test_total.py").write_text(TEST, encoding="utf-8")
        (project / "total.py").write_text(f"def total(numbers):\n    return {WRONG}\n", encoding="utf-8")
        self.host.fire("SessionStart", source="startup")
        self.host.prompt("make the test pass")

    def bash(self, command: str) -> Called:
        """Make a Bash call, really run in the project."""

        def run() -> tuple[bool, str]:
            line, env = ["/bin/sh", "-c", command], self.host.env
            done = subprocess.run(
                line, cwd=self.project, env=env, capture_output=True, text=True, check=False
            )
            output = (done.stdout + done.stderr).strip()
            failed = done.returncode != 0
            return failed, f"Exit code {done.returncode}\n{output}" if failed else output

        return self._call("Bash", {"command": command}, run)

    def edit(self, old: str, new: str) -> Called:
        """Make an Edit call, really done in the project."""
        path = self.project / "total.py"

        def run() -> tuple[bool, str]:
            path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
            return False, f"The file {path} has been updated successfully."

        return self._call("Edit", {"file_path": str(path), "old_string": old, "new_string": new}, run)

    def _call(self, tool: str, given: dict[str, Any], run: Callable[[], tuple[bool, str]]) -> Called:
        called = self.host.call(tool, given, run)
        _expect(not self.host.problems, "; ".join(self.host.problems))
        return called

    @property
    def spoken(self) -> int:
        """How many lines printed anything."""
        return sum(bool(fired.answer) for fired in self.host.fired)

    def state(self) -> str:
        """The state of the failing test's circuit, from /circuit-status."""
        text = self.host.command("circuit-breaker:circuit-status", "--json")
        _expect("{" in text, f"/circuit-status answered {text or 'nothing'}")
        self.host.fired.pop()
        document = json.loads(text[text.index("{") : text.rindex("}") + 1])
        return str(document["circuits"]["tool_failure"]["state"])


def _runaway(session: _Session) -> None:
    _say("\nA session that runs away: the test fails, and Claude just runs it again.\n")
    for number in (1, 2, 3):
        called = session.bash(CHECK)
        _show(number, CHECK, "failed")
        _expect(called.failed and not called.denied, f"run {number} should have failed by itself")
        said = called.warned or "nothing"
        _expect(bool(called.warned) == (number == 3), f"after run {number} the warning was: {said}")
    _quote("Claude is warned", called.warned)
    _expect(session.state() == "OPEN", f"the circuit is {session.state()} after three failures, not OPEN")
    _say("    The circuit is OPEN.\n")

    called = session.bash(CHECK)
    _expect(bool(called.denied), "the fourth run was not blocked")
    _show(4, CHECK, "blocked")
    _quote("Claude reads", called.denied)

    other = session.bash("ls")
    _expect(not other.denied and "total.py" in other.output, "other work was blocked")
    _show(5, "ls", "done")
    _say("    Other calls still work.\n")

    _expect(not session.edit(WRONG, RIGHT).denied, "the repair was blocked")
    _show(6, f"edit total.py: {WRONG} becomes {RIGHT}", "done")
    _say("    The code has changed, so one retry is allowed at once.")
    called = session.bash(CHECK)
    _expect(not called.denied, "the retry was blocked")
    _expect(called.output == "ok", f"the repaired test says {called.output}")
    _show(7, CHECK, "passed")
    _expect(session.state() == "CLOSED", f"the circuit is {session.state()} after a good retry, not CLOSED")
    _say("    The retry passed: the circuit is CLOSED.\n")
    _expect(not session.bash(CHECK).denied, "the circuit is closed, and yet the call was blocked")
    _show(8, CHECK, "passed")


def _working(session: _Session) -> None:
    _say("\nThe same work done well: each failure is followed by a change.\n")
    quiet = session.spoken
    for number, (old, new) in enumerate(((WRONG, WORSE), (WORSE, RIGHT))):
        _expect(session.bash(CHECK).failed, "the test passed too early")
        _show(2 * number + 1, CHECK, "failed")
        session.edit(old, new)
        _show(2 * number + 2, f"edit total.py: {old} becomes {new}", "done")
    called = session.bash(CHECK)
    _expect(called.output == "ok", f"the repaired test says {called.output}")
    _show(5, CHECK, "passed")
    _expect(session.spoken == quiet, "a hook spoke to a session that works")
    _expect(session.state() == "CLOSED", f"the circuit is {session.state()} though nothing looped")
    _say("    No hook printed anything.")


@contextmanager
def _scene() -> Iterator[tuple[Path, dict[str, str]]]:
    """A throw-away home and project, and an environment with nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="circuit-breaker-demo-"))
    try:
        home, project, state = folder / "home", folder / "project", folder / "state"
        for path in (home, project, state):
            path.mkdir(mode=0o700)
        search = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        env = {
            "PATH": os.pathsep.join(search),
            "HOME": str(home),
            "CIRCUIT_BREAKER_HOME": str(state),
            "XDG_STATE_HOME": str(home / "state"),
            "CLAUDE_PROJECT_DIR": str(project),
            "CLAUDE_PLUGIN_ROOT": str(ROOT),
            "CLAUDECODE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",  # otherwise an edit within the same second would run the old module
        }
        yield project, env
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise Surprise(otherwise)


def _say(text: str) -> None:
    print(text, flush=True)


def _show(number: int, what: str, how: str) -> None:
    _say(f"{number:3} {what:<62} {how:>8}")


def _quote(who: str, text: str) -> None:
    _say(f"    {who}:")
    for paragraph in text.splitlines():
        _say(textwrap.fill(paragraph, 78, initial_indent="    | ", subsequent_indent="    | "))
