"""The verb `demo`: a runaway session and a working one, played through the registered hook lines."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

from host import Called, Host, hooks_of
from shared import ROOT, Refusal, how_to_call, run_program, say

CHECK = "python3 test_total.py"
TEST = "from total import total\nassert total([2, 3]) == 5, f'total([2, 3]) is {total([2, 3])}, not 5'\nprint('ok')\n"
WRONG, WORSE, RIGHT = "numbers[0]", "max(numbers)", "sum(numbers)"


def demo(args: argparse.Namespace) -> int:
    """Play both sessions in a throw-away project. Raises Refusal if a step does not turn out as announced."""
    with _scene() as (project, env):
        _runaway(_Session(project, env, "demo-runaway"))
        _working(_Session(project, env, "demo-working"))
    say("\nThat is all: the loop was stopped, the work was not.\nThe throw-away project is deleted.")
    return 0


def _runaway(session: _Session) -> None:
    say("\nA session that runs away: the test fails, and Claude just runs it again.\n")
    for number in (1, 2, 3):
        warned = session.bash(CHECK, "failed").warned
        _expect(bool(warned) == (number == 3), f"after run {number} the warning was: {warned or 'nothing'}")
    _quote("Claude is warned", warned)
    session.expect_circuit("OPEN")
    say("    The circuit is OPEN.\n")
    _quote("Claude reads", session.bash(CHECK, "blocked").denied)
    session.bash("ls", "done")
    say("    Other calls still work.\n")
    session.edit(WRONG, RIGHT)
    say("    The code has changed, so one retry is allowed at once.")
    session.bash(CHECK, "passed")
    session.expect_circuit("CLOSED")
    say("    The retry passed: the circuit is CLOSED.\n")
    session.bash(CHECK, "passed")


def _working(session: _Session) -> None:
    say("\nThe same work done well: each failure is followed by a change.\n")
    before = len(session.host.fired)
    for old, new in ((WRONG, WORSE), (WORSE, RIGHT)):
        session.bash(CHECK, "failed")
        session.edit(old, new)
    session.bash(CHECK, "passed")
    spoken = [fired for fired in session.host.fired[before:] if fired.answer]
    _expect(not spoken, "a hook spoke to a session that works")
    session.expect_circuit("CLOSED")
    say("    No hook printed anything.")


class _Session:
    """A session in the demo's project, which prints a line for each call. A hook line that fails or prints an error ends the demo."""

    def __init__(self, project: Path, env: dict[str, str], name: str) -> None:
        self.project, self.number = project, 0
        self.host = Host(hooks_of(ROOT), project, env, name)
        (project / "test_total.py").write_text(TEST, encoding="utf-8")
        (project / "total.py").write_text(f"def total(numbers):\n    return {WRONG}\n", encoding="utf-8")
        self.host.fire("SessionStart", source="startup")
        self.host.prompt("make the test pass")

    def bash(self, command: str, outcome: str) -> Called:
        """Make a Bash call, really run in the project. outcome: `failed`, `blocked`, `passed` (a test) or `done`."""

        def run() -> tuple[bool, str]:
            done = run_program(["/bin/sh", "-c", command], 60.0, cwd=self.project, env=self.host.env)
            code, output = done.returncode, (done.stdout + done.stderr).strip()
            return code != 0, f"Exit code {code}\n{output}" if code else output

        return self._call("Bash", {"command": command}, run, command, outcome)

    def edit(self, old: str, new: str) -> None:
        """Make an Edit call, really done in the project."""
        path = self.project / "total.py"
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        given = {"file_path": str(path), "old_string": old, "new_string": new}
        said = f"The file {path} has been updated successfully."
        self._call("Edit", given, lambda: (False, said), f"edit total.py: {old} becomes {new}", "done")

    def _call(
        self, tool: str, given: dict, run: Callable[[], tuple[bool, str]], what: str, outcome: str
    ) -> Called:
        called = self.host.call(tool, given, run)
        self.number += 1
        _expect(not self.host.problems, "; ".join(self.host.problems))
        found = "passed" if called.output == "ok" else "done"
        found = "blocked" if called.denied else "failed" if called.failed else found
        _expect(found == outcome, f"{what} was {found}, not {outcome}: {called.output}")
        say(f"{self.number:3} {what:<62} {outcome:>8}")
        return called

    def expect_circuit(self, state: str) -> None:
        """Ask /circuit-status for the state of the failing test's circuit."""
        text = self.host.command("circuit-breaker:circuit-status", "--json")
        _expect("{" in text, f"/circuit-status answered {text or 'nothing'}")
        document = json.loads(text[text.index("{") : text.rindex("}") + 1])
        found = document["circuits"]["tool_failure"]["state"]
        _expect(found == state, f"the circuit is {found}, not {state}")


@contextmanager
def _scene() -> Iterator[tuple[Path, dict[str, str]]]:
    """A throw-away home and project, and an environment with nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="circuit-breaker-demo-"))
    try:
        home, project, state = folder / "home", folder / "project", folder / "state"
        for path in (home, project, state):
            path.mkdir(mode=0o700)
        env = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(home),
            "CIRCUIT_BREAKER_HOME": str(state),
            "XDG_STATE_HOME": str(home / "state"),
            "CLAUDE_PLUGIN_ROOT": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",  # otherwise an edit within the same second would run the old module
        }
        yield project, env
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise Refusal(
            f"this did not turn out as it should: {otherwise}. `{how_to_call()} doctor` finds out why."
        )


def _quote(who: str, text: str) -> None:
    say(f"    {who}:")
    for paragraph in text.splitlines():
        say(textwrap.fill(paragraph, 78, initial_indent="    | ", subsequent_indent="    | "))
