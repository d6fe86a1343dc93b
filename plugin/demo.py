"""What does a runaway session look like? Plays one, and one that works, through the registered hook lines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from matcher import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

ROOT = Path(__file__).resolve().parent.parent
COOLDOWN = 3.0  # seconds, instead of ten: the demo really waits
CHECK = "python3 test_total.py"
TEST = "from total import total\nassert total([2, 3]) == 5, f'total([2, 3]) is {total([2, 3])}, not 5'\nprint('ok')\n"
WRONG, WORSE, RIGHT = "numbers[0]", "max(numbers)", "sum(numbers)"


class Surprise(Exception):
    """Something came out otherwise than told."""


class Outcome(NamedTuple):
    """How one call ended: its output, whether it failed, the reason when it was denied, what the model was told after it."""

    output: str
    failed: bool
    denied: str
    told: str


def demo(args: argparse.Namespace) -> int:
    """Play both sessions in a throw-away project; 1 if anything does not come out as told."""
    with _scene() as (project, env):
        try:
            _runaway(Host(project, env, "demo-runaway"))
            _working(Host(project, env, "demo-working"))
        except Surprise as surprise:
            print(f"\nThis did not come out as told: {surprise}", file=sys.stderr)
            print("`python3 plugin doctor` looks for the reason.", file=sys.stderr)
            return 1
    _say("\nThat is all: the loop was stopped, the work was not. Nothing of it is kept.")
    return 0


class Host:
    """What Claude Code does around a tool call: fires the lines of hooks.json for it, runs it unless one denies."""

    def __init__(self, project: Path, env: dict[str, str], session: str) -> None:
        self.project, self.session = project, session
        self.env = {**env, "CLAUDE_CODE_SESSION_ID": session}
        self.hooks = json.loads((ROOT / "hooks" / "hooks.json").read_text(encoding="utf-8"))["hooks"]
        self.calls = 0
        self.spoken = 0
        (project / "test_total.py").write_text(TEST, encoding="utf-8")
        (project / "total.py").write_text(f"def total(numbers):\n    return {WRONG}\n", encoding="utf-8")
        self.fire("SessionStart", "startup", source="startup")
        self.prompt("make the test pass")

    def prompt(self, text: str) -> None:
        """A person's prompt."""
        self.prompt_id = f"{self.session}-{time.monotonic_ns()}"
        self.fire("UserPromptSubmit", "", prompt=text)

    def command(self, name: str, arguments: str = "") -> str:
        """A slash command of ours: what the person reads."""
        text = f"/circuit-breaker:{name} {arguments}".strip()
        details = {
            "expansion_type": "slash_command",
            "command_args": arguments,
            "command_source": "plugin",
            "prompt": text,
        }
        full = f"circuit-breaker:{name}"
        answers = self.fire("UserPromptExpansion", full, command_name=full, **details)
        return "\n".join(str(answer.get("reason", "")) for answer in answers)

    def bash(self, command: str) -> Outcome:
        """A Bash call, really run in the project."""

        def run() -> tuple[bool, str]:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=self.project,
                env=self.env,
                capture_output=True,
                text=True,
                check=False,
            )
            output = (done.stdout + done.stderr).strip()
            return (
                done.returncode != 0,
                f"Exit code {done.returncode}\n{output}" if done.returncode else output,
            )

        return self._call("Bash", {"command": command}, run)

    def edit(self, old: str, new: str) -> Outcome:
        """An Edit call, really done in the project."""
        path = self.project / "total.py"

        def run() -> tuple[bool, str]:
            path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
            return False, f"The file {path} has been updated successfully."

        return self._call("Edit", {"file_path": str(path), "old_string": old, "new_string": new}, run)

    def _call(self, tool: str, tool_input: dict[str, Any], run: Any) -> Outcome:
        self.calls += 1
        call = {"tool_name": tool, "tool_input": tool_input, "tool_use_id": f"{self.session}-{self.calls}"}
        decisions = [a.get("hookSpecificOutput", {}) for a in self.fire("PreToolUse", tool, **call)]
        denied = next(
            (d["permissionDecisionReason"] for d in decisions if d.get("permissionDecision") == "deny"), ""
        )
        failed, output = (False, denied) if denied else run()
        if failed:
            self.fire("PostToolUseFailure", tool, **call, error=output, is_interrupt=False, duration_ms=20)
        answers = self.fire("PostToolBatch", "", tool_calls=[{**call, "tool_response": output}])
        told = "\n".join(a.get("hookSpecificOutput", {}).get("additionalContext", "") for a in answers)
        return Outcome(output, failed, denied, told.strip())

    def fire(self, event: str, subject: str, **fields: Any) -> list[dict[str, Any]]:
        """Run the registered lines of an event with /bin/sh, as the client does; the JSON objects they answer with."""
        body = {
            "session_id": self.session,
            "transcript_path": str(self.project / "transcript.jsonl"),
            "cwd": str(self.project),
            "permission_mode": "default",
            "hook_event_name": event,
            **({} if event == "SessionStart" else {"prompt_id": self.prompt_id}),
            **fields,
        }
        answers = []
        for group in self.hooks.get(event, []):
            if not fits(group.get("matcher", ""), subject):
                continue
            for hook in group["hooks"]:
                done = subprocess.run(
                    ["/bin/sh", "-c", hook["command"]],
                    input=json.dumps(body),
                    cwd=self.project,
                    env=self.env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                complaint = done.stderr.strip().rpartition("\n")[2]
                _expect(
                    done.returncode == 0, f"the {event} hook ended with code {done.returncode}: {complaint}"
                )
                _expect(not complaint, f"the {event} hook complained: {complaint}")
                if done.stdout.strip():
                    self.spoken += 1
                    answers.append(json.loads(done.stdout))
        return answers

    def state(self) -> str:
        """The state of the failing check's circuit, as /circuit-status tells it."""
        text = self.command("circuit-status", "--json")
        self.spoken -= 1
        document = json.loads(text[text.index("{") : text.rindex("}") + 1])
        return str(document["circuits"]["tool_failure"]["state"])


def _runaway(host: Host) -> None:
    _say("\nA session that runs away: the test fails, and the model just runs it again.\n")
    for number in (1, 2, 3):
        outcome = host.bash(CHECK)
        _show(number, CHECK, "failed")
        _expect(outcome.failed and not outcome.denied, f"run {number} should have failed by itself")
        _expect(
            bool(outcome.told) == (number == 3),
            f"after run {number} the model was told: {outcome.told or 'nothing'}",
        )
    _quote("The model is told", outcome.told)
    _expect(host.state() == "OPEN", f"the circuit is {host.state()} after three failures, not OPEN")
    _say("    The circuit is OPEN.\n")

    outcome = host.bash(CHECK)
    opened = time.monotonic()
    _expect(bool(outcome.denied), "the fourth run was let through")
    _show(4, CHECK, "denied")
    _quote("The model reads", outcome.denied)

    other = host.bash("ls")
    _expect(not other.denied and "total.py" in other.output, "other work was held up")
    _show(5, "ls", "done")
    _say("    Everything else goes on.\n")

    _expect(not host.edit(WRONG, RIGHT).denied, "the repair was held up")
    _show(6, f"edit total.py: {WRONG} becomes {RIGHT}", "done")
    wait = max(0.0, opened + COOLDOWN + 0.5 - time.monotonic())
    _say(f"    The model has changed course. The cooldown runs for {COOLDOWN:.0f} seconds ...")
    time.sleep(wait)
    outcome = host.bash(CHECK)
    _expect(not outcome.denied, "the probe was denied")
    _expect(outcome.output == "ok", f"the repaired test says {outcome.output}")
    _show(7, CHECK, "passed")
    _expect(host.state() == "CLOSED", f"the circuit is {host.state()} after a good probe, not CLOSED")
    _say("    One call went through as the probe, and it passed: the circuit is CLOSED.\n")
    _expect(not host.bash(CHECK).denied, "the circuit is closed, and yet the call was denied")
    _show(8, CHECK, "passed")


def _working(host: Host) -> None:
    _say("\nThe same work done well: each failure is followed by a change.\n")
    quiet = host.spoken
    for number, (old, new) in enumerate(((WRONG, WORSE), (WORSE, RIGHT))):
        _expect(host.bash(CHECK).failed, "the test passed too early")
        _show(2 * number + 1, CHECK, "failed")
        host.edit(old, new)
        _show(2 * number + 2, f"edit total.py: {old} becomes {new}", "done")
    outcome = host.bash(CHECK)
    _expect(outcome.output == "ok", f"the repaired test says {outcome.output}")
    _show(5, CHECK, "passed")
    _expect(host.spoken == quiet, "a hook spoke to a session that works")
    _expect(host.state() == "CLOSED", f"the circuit is {host.state()} though nothing looped")
    _say("    No hook said a word.")


@contextmanager
def _scene() -> Iterator[tuple[Path, dict[str, str]]]:
    """A throw-away home and project with a short cooldown, and an environment that knows nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="circuit-breaker-demo-"))
    try:
        home, project, state = folder / "home", folder / "project", folder / "state"
        for path in (home, project, state):
            path.mkdir(mode=0o700)
        config = {"circuit_breakers": {"tool_failure": {"cooldown_base_seconds": COOLDOWN}}}
        (state / "circuit_breaker_config.json").write_text(json.dumps(config), encoding="utf-8")
        yield (
            project,
            {
                "PATH": os.pathsep.join(
                    [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
                ),
                "HOME": str(home),
                "CIRCUIT_BREAKER_HOME": str(state),
                "XDG_STATE_HOME": str(home / "state"),
                "CLAUDE_PROJECT_DIR": str(project),
                "CLAUDE_PLUGIN_ROOT": str(ROOT),
                "CLAUDECODE": "1",
                "PYTHONDONTWRITEBYTECODE": "1",  # an edit within the same second must not run the old module
            },
        )
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
