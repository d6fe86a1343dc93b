"""The hooks on Windows, as far as reading its Python's sources goes: the registered lines by a POSIX shell, as Git Bash runs them, and a
Python that has `nt`, drives, backslashes and texts in its environment (`windows_python.py`). Never run on a real machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from homes import aged, lines, wait_for
from registrations import ROOT, SCRIPTS, lines_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for open files in /proc")

SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
SIMULATION = ROOT / "tests" / "windows_python.py"


class Windows:
    """A drive C: in a folder, in which every process runs."""

    def __init__(self, box: Path, payload: Callable[..., Any]) -> None:
        self.box, self.payload, self.drive = box, payload, box / "C:"
        for name in ("Python", "proj/src", "Users/ada"):
            (self.drive / name).mkdir(parents=True)
        (box / "c:").symlink_to("C:")  # for the import system: Windows takes a drive in either case
        shutil.copytree(
            ROOT / "lib", self.drive / "plugin" / "lib", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copytree(ROOT / "hooks", self.drive / "plugin" / "hooks")
        self.python = self.drive / "Python" / "python.exe"
        self.python.write_text(f'#!/bin/sh\nexec {PYTHON} -I -S -X utf8 {SIMULATION} "$@"\n')
        self.python.chmod(0o755)
        (box / "bin").mkdir()
        (box / "bin" / "python").symlink_to(self.python)
        (box / "bin" / "sh").symlink_to("/bin/sh")
        self.runtime = self.drive / "Users/ada/.local/state/claude-circuit-breaker"
        self.env = {
            "PATH": str(box / "bin"),
            "HOME": "C:/Users/ada",
            "USERPROFILE": "C:\\Users\\ada",
            "LOCALAPPDATA": "C:\\Users\\ada\\AppData\\Local",
            "CLAUDE_PROJECT_DIR": "C:\\proj",
            "CLAUDE_PLUGIN_ROOT": "C:/plugin",
            "CLAUDE_CODE_SESSION_ID": SESSION,
        }

    def body(self, name: str, changes: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.payload(
            name, **{"session_id": SESSION, "prompt_id": "p", "cwd": "C:\\proj", **changes}
        )
        return found

    def run(self, command: list[str], given: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            env={**self.env, **env},
            cwd=self.box,
            check=False,
            timeout=60,
        )

    def fire(
        self, name: str, env: dict[str, str] | None = None, **changes: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """The line registered for a payload, run."""
        body = self.body(name, changes)
        return self.run(["/bin/sh", "-c", lines_for(body)[-1]], json.dumps(body).encode(), **(env or {}))

    def send(self, name: str, env: dict[str, str] | None = None, **changes: Any) -> Any:
        """What the line registered for a payload answers; exit code 0, and not a word on stderr."""
        done = self.fire(name, env, **changes)
        assert (done.returncode, done.stderr) == (0, b"")
        return json.loads(done.stdout or b"null")

    def script(self, hook: str, name: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        """A hook's script by this Python, without a shell."""
        command = [str(self.python), "-I", "-S", "-X", "utf8", f"C:\\plugin\\hooks\\{SCRIPTS[hook]}"]
        return self.run(command, json.dumps(self.body(name, {})).encode(), **env)

    def say(self, code: str, **env: str) -> str:
        """What a line of code prints that has our library."""
        head = "import sys; sys.path.insert(0, 'C:/plugin/lib'); from circuit_breaker.runtime import files, home; "
        done = self.run([str(self.python), "-I", "-S", "-X", "utf8", "-c", head + code], **env)
        assert done.stderr == b""
        return done.stdout.decode().strip()

    def fail(self, number: int, **changes: Any) -> Any:
        call = {"tool_name": "PowerShell", "tool_input": {"command": "make"}, "tool_use_id": f"t{number}"}
        self.send("PostToolUseFailure.bash-exit-1", **call, **changes)
        calls = [{**call, "tool_response": "Exit code 1\nno"}]
        return self.send("PostToolBatch.bash-exit-1", tool_calls=calls, **changes)

    def trip(self) -> None:
        self.send("SessionStart.startup.headless", prompt_id=None)
        for number in range(3):
            self.fail(number)

    def denies(self, command: str = "make", **changes: Any) -> bool:
        call = {"tool_name": "PowerShell", "tool_input": {"command": command}, "tool_use_id": "t9"}
        answer = self.send("PreToolUse.bash", **{**call, **changes})
        return bool(answer) and answer["hookSpecificOutput"]["permissionDecision"] == "deny"

    def memory(self, name: str = "main.json") -> Any:
        return json.loads((self.runtime / "sessions" / SESSION / name).read_bytes())


@pytest.fixture
def windows(tmp_path: Path, payload: Callable[..., Any]) -> Windows:
    return Windows(tmp_path, payload)


def test_loop_is_denied_shown_and_reset(windows: Windows) -> None:
    for _ in range(2):
        assert windows.send("SessionStart.startup.headless", prompt_id=None) is None
    assert (windows.runtime / "python").read_text() == "c:/Python/python.exe\n"
    assert windows.send("UserPromptSubmit") is None
    assert [bool(windows.fail(number)) for number in range(3)] == [False, False, True]
    assert windows.denies()
    asked = {"command_name": "circuit-breaker:circuit-status", "command_args": ""}
    shown = windows.send("UserPromptExpansion.plugin-command", **asked)["reason"]
    assert "tool_failure:PowerShell make" in shown
    asked = {"command_name": "circuit-breaker:reset-circuit", "command_args": "--all"}
    assert "Reset to CLOSED" in windows.send("UserPromptExpansion.plugin-command", **asked)["reason"]
    assert not windows.denies()
    assert windows.send("Stop") is None
    assert not (windows.runtime / "errors.log").exists()


def test_every_spelling_of_a_directory_is_one_directory_and_one_project(windows: Windows) -> None:
    spellings = ["C:\\proj", "C:/proj", "c:\\proj", "/c/proj", "C:\\proj\\"]
    windows.trip()
    for spelling in spellings:
        assert windows.denies(cwd=spelling), spelling
    assert not windows.denies(cwd="C:\\proj\\src")
    assert not windows.denies(cwd="D:\\proj")
    for spelling in spellings:
        windows.send("UserPromptSubmit", env={"CLAUDE_PROJECT_DIR": spelling})
    assert len(list((windows.runtime / "projects").iterdir())) == 1


def test_guard_knows_the_breakers_own_folders(windows: Windows) -> None:
    windows.trip()
    for command in (
        "Remove-Item C:\\Users\\ada\\.local\\state\\claude-circuit-breaker -Recurse",
        "Remove-Item $env:USERPROFILE\\.local\\state\\claude-circuit-breaker\\armed -Recurse",
        "Set-Content C:\\plugin\\hooks\\run ''",
        "python C:\\plugin\\plugin reset --all",
    ):
        assert windows.denies(command), command


def test_without_home_the_folder_of_your_profile_serves(windows: Windows) -> None:
    del windows.env["HOME"]
    done = windows.script("janitor", "SessionStart.startup.headless")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert windows.runtime.is_dir()
    assert windows.say("print(home.places(home.environment()).your_home)") == "c:/Users/ada"
    listed = windows.drive / "Users/ada/.claude/sessions"
    listed.mkdir(parents=True)
    (listed / "7.json").write_text('{"sessionId": "runs"}')
    code = "from circuit_breaker.runtime import claude_folder; print(claude_folder.listed_sessions(home.environment()))"
    assert windows.say(code) == "{'runs'}"
    del windows.env["USERPROFILE"]
    said = json.loads(windows.script("janitor", "SessionStart.startup.headless").stdout)
    assert "NOT PROTECTED" in said["systemMessage"]


@pytest.mark.parametrize(
    ("cwd", "project"),
    [
        ("C:\\proj\\src", "c:/proj"),
        ("C:/proj/src/deep", "c:/proj"),
        ("/c/proj", "c:/proj"),
        ("C:\\other", "c:/other"),
    ],
)
def test_project_of_a_terminal_is_the_nearest_folder_of_claude_code(
    windows: Windows, cwd: str, project: str
) -> None:
    del windows.env["CLAUDE_PROJECT_DIR"]
    for folder in ("proj", "Users/ada"):  # your own is no project
        (windows.drive / folder / ".claude").mkdir()
    code = f"print(home.places(home.environment(), {cwd!r}).project)"
    assert windows.say(code) == project
    assert (
        windows.say("print(home.places(home.environment(), 'C:\\\\Users\\\\ada\\\\x').project)")
        == "c:/Users/ada/x"
    )


def test_python_inside_the_project_is_not_pinned(windows: Windows) -> None:
    windows.send("SessionStart.startup.headless", env={"CLAUDE_PROJECT_DIR": "c:\\Python"}, prompt_id=None)
    assert not (windows.runtime / "python").exists()


def test_file_that_somebody_has_open_for_a_moment_is_replaced_all_the_same(windows: Windows) -> None:
    windows.fail(0)
    for number in (1, 2):
        windows.env["REFUSALS"] = "5"
        windows.fail(number)
    assert windows.denies()
    path = windows.runtime / "sessions" / SESSION / "session.json"
    with ThreadPoolExecutor(1) as pool:
        with path.open("rb"):  # a virus scanner, say
            sent = pool.submit(windows.send, "UserPromptSubmit", prompt_id="next")
            time.sleep(0.5)
            assert not sent.done()
        assert sent.result() is None
    assert windows.memory("session.json")["prompt"] == "next"


def test_file_that_stays_open_costs_one_line_and_no_call(windows: Windows) -> None:
    windows.fail(0)
    before = windows.memory()
    with open(windows.runtime / "sessions" / SESSION / "main.json", "rb"):
        body = windows.body("PostToolBatch.bash-exit-1", {})
        done = windows.run(["/bin/sh", "-c", lines_for(body)[-1]], json.dumps(body).encode())
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (0, b"", 1)
    assert b"WinError 32" in done.stderr
    assert windows.memory() == before
    for number in (7, 8):
        windows.fail(number)
    assert windows.memory()["turn"] == before["turn"] + 2


def test_16_events_at_once_are_all_counted(windows: Windows) -> None:
    def sent(number: int) -> subprocess.CompletedProcess[bytes]:
        call = {
            "tool_name": "PowerShell",
            "tool_input": {"command": f"step {number}"},
            "tool_use_id": f"t{number}",
        }
        calls = [{**call, "tool_response": f"done {number}"}]
        return windows.fire("PostToolBatch.bash-exit-1", tool_calls=calls)

    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(sent, range(16)))
    assert {(done.returncode, done.stdout) for done in ended} == {(0, b"")}
    for number, done in enumerate(ended):
        if done.stderr:  # on a busy machine a hook may give up its lock, and says so
            assert b"still locked after" in done.stderr
            assert sent(number).stderr == b""
    assert windows.memory()["turn"] == 16


def test_verbs_that_need_no_more_than_files_find_what_the_hooks_keep(windows: Windows) -> None:
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "plugin", windows.drive / "plugin" / "plugin", ignore=without)
    windows.trip()
    del windows.env["CLAUDE_CODE_SESSION_ID"], windows.env["CLAUDE_PROJECT_DIR"]  # a terminal of your own

    def verb(*words: str) -> str:
        done = windows.run([str(windows.python), "C:\\plugin\\plugin\\__main__.py", *words])
        assert done.stderr == b""
        return done.stdout.decode()

    assert "tool_failure:PowerShell make" in verb("status")
    assert "C:\\Users\\ada\\AppData\\Local" in verb("config", "path")
    assert "tool_failure:PowerShell make" in verb("reset", "--all")
    windows.env.update(CLAUDE_CODE_SESSION_ID=SESSION, CLAUDE_PROJECT_DIR="C:\\proj")
    assert not windows.denies()


def test_janitor_archives_and_forgets(windows: Windows) -> None:
    windows.trip()
    (home,) = (windows.runtime / "projects").iterdir()
    (home / "tool_telemetry.jsonl").write_bytes(lines(2000))
    aged(home / "tool_telemetry.jsonl", 7200)  # nobody writes to it, as far as Windows can tell
    old = windows.runtime / "sessions" / "old"
    shutil.copytree(windows.runtime / "sessions" / SESSION, old)
    for path in (*old.iterdir(), old):
        aged(path, 30 * 86400.0)
    said = windows.send("SessionStart.startup.headless", session_id="new", prompt_id=None)
    assert "Archived 1 log file" in said["systemMessage"]
    assert wait_for(lambda: list(home.glob("archives/telemetry/tool_telemetry.*.jsonl.gz")))
    assert wait_for(lambda: not old.exists())
    assert not (windows.runtime / "errors.log").exists()
