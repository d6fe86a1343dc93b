"""SessionStart as a real process: what Claude Code gets to see, and what is on the disk afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from homes import aged, lines, wait_for
from samples import samples

from circuit_breaker.breaker import config as settings

ROOT = Path(__file__).resolve().parents[2]
START = "SessionStart.startup.headless"


@pytest.fixture
def start(run_hook: Callable[..., Any], payload: Callable[..., Any]) -> Callable[..., Any]:
    """`start(session_id=..., python=..., env...)`: the janitor's answer; it always ends with exit code 0."""

    def run(name: str = START, python: str = sys.executable, env: Any = None, **changes: Any) -> Any:
        answer = run_hook("janitor", payload(name, **changes), python=python, **(env or {}))
        assert answer.code == 0
        return answer

    return run


def test_first_start_makes_what_the_hooks_need_and_says_nothing(
    machine: Any, start: Callable[..., Any], python: str
) -> None:
    answer = start(python=python)
    assert (answer.stdout, answer.stderr) == ("", "")
    made = (machine.runtime / "circuit_breaker_config.json").read_bytes()
    assert json.loads(made) == settings.DEFAULTS
    assert (machine.runtime / "python").read_text() == os.path.realpath(python) + "\n"
    assert machine.runtime.stat().st_mode & 0o777 == 0o700
    answer = start(python=python)
    assert (answer.stdout, answer.stderr) == ("", "")


def test_after_compaction_what_was_looked_at_before_may_be_looked_at_again(
    start: Callable[..., Any], run_hook: Callable[..., Any], payload: Callable[..., Any]
) -> None:
    for number in range(6):
        look = {"tool_name": "Read", "tool_input": {"file_path": "/p/a.py"}, "tool_response": "1\tx = 1"}
        batch = payload(
            "PostToolBatch.bash-exit-1", session_id="s", tool_calls=[{**look, "tool_use_id": f"t{number}"}]
        )
        assert run_hook("monitor", batch).stdout == ""
        if number % 2:
            start("SessionStart.compact", session_id="s")


def test_after_compaction_too_you_are_told_that_nothing_can_be_kept(
    machine: Any, run_hook: Callable[..., Any], payload: Callable[..., Any]
) -> None:
    machine.runtime.mkdir(mode=0o700)
    (machine.runtime / "sessions").write_text("in the way")
    answer = run_hook("janitor", payload("SessionStart.compact"))
    assert answer.code == 0 and "NOT PROTECTED" in answer.out["systemMessage"]


def test_what_was_done_is_said_in_one_paragraph_and_once(
    machine: Any, start: Callable[..., Any], python: str
) -> None:
    machine.runtime.mkdir(mode=0o700)
    (machine.runtime / "a_telemetry.jsonl").write_bytes(lines(1000))
    session = machine.runtime / "session_a_state.json"
    session.write_text(json.dumps({"tool_history": list(range(60))}))
    aged(session, 7200)
    said = start(python=python).out
    assert list(said) == ["systemMessage"]
    assert said["systemMessage"].startswith("[memory_cleanup] Archived 1 log file (")
    assert said["systemMessage"].count("\n") == 0
    assert start(python=python).stdout == ""
    archives = machine.runtime / "archives"
    assert wait_for(lambda: len(list(archives.glob("*/*.gz"))) == 2)


def test_host_does_not_wait_for_the_compression(machine: Any, start: Callable[..., Any]) -> None:
    machine.runtime.mkdir(mode=0o700)
    for n in range(8):
        (machine.runtime / f"{n}_telemetry.jsonl").write_bytes(os.urandom(1 << 22))
    start()  # its pipes are closed when it returns: a child that held them would keep `communicate` waiting
    assert [p.name for p in machine.runtime.rglob("*.gz")] != [f"{n}" for n in range(8)]
    assert wait_for(lambda: len(list(machine.runtime.rglob("*.gz"))) == 8, 60)


def test_command_that_the_message_names_gives_the_file_back(machine: Any, start: Callable[..., Any]) -> None:
    machine.runtime.mkdir(mode=0o700)
    (machine.runtime / "a_telemetry.jsonl").write_bytes(lines(1000))
    said = start().out["systemMessage"]
    command = said.rpartition("To get a file back: ")[2].rstrip(".")
    listed = subprocess.run(
        ["sh", "-c", command], env=machine.env, capture_output=True, text=True, check=True
    )
    name = listed.stdout.split()[2]
    back = command.replace("--list", name)
    subprocess.run(["sh", "-c", back], env=machine.env, capture_output=True, check=True)
    assert (machine.runtime / "a_telemetry.jsonl").read_bytes() == lines(1000)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b'{"session_id": 5, "cwd": []}', b'"x"', b"\xff", b"[" * 100_000]
)
def test_hostile_payload_ends_well(run_hook: Callable[..., Any], body: bytes) -> None:
    answer = run_hook("janitor", body)
    assert answer.code == 0
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("place", ["file", "relative", "nothing"])
def test_runtime_folder_that_cannot_be_is_one_line_and_said_to_you(
    machine: Any, start: Callable[..., Any], place: str
) -> None:
    (machine.home / "file").touch()
    there = {"file": str(machine.home / "file"), "relative": "some/where", "nothing": ""}[place]
    answer = start(
        env={"CIRCUIT_BREAKER_HOME": there, "HOME": "" if place == "nothing" else str(machine.home)}
    )
    assert "NOT PROTECTED" in answer.out["systemMessage"]
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith(("[memory_cleanup] ", "[circuit_breaker] "))


@pytest.mark.parametrize(
    "torn",
    ["janitor/notes", "janitor/session_start", "janitor/rounds", "runtime/hook", "runtime/files"],
)
def test_torn_module_is_one_line_and_no_harm(
    machine: Any, payload: Callable[..., Any], tmp_path: Path, torn: str
) -> None:
    copy = tmp_path / "plugin"
    for part in ("hooks", "lib/circuit_breaker"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    broken = copy / "lib" / "circuit_breaker" / f"{torn}.py"
    broken.write_text(broken.read_text()[:900] + "\n(((\n")
    done = subprocess.run(
        ["sh", "-c", f'sh "{copy}/hooks/run" janitor || true'],
        input=json.dumps(payload(START)).encode(),
        env=machine.env,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"")
    if torn not in ("runtime/hook", "runtime/files"):  # those are what says it
        assert done.stderr.startswith(b"[circuit_breaker] janitor: ")
        assert done.stderr.count(b"\n") == 1


def test_weakening_project_config_is_said(machine: Any, start: Callable[..., Any]) -> None:
    folder = machine.project / ".claude" / "memory"
    folder.mkdir(parents=True)
    (folder / "circuit_breaker_config.json").write_text('{"enabled": false}')
    env = {"CIRCUIT_BREAKER_HOME": "", "XDG_STATE_HOME": str(machine.home / "state")}
    for _ in range(2):
        assert "enabled = false" in start(env=env).out["systemMessage"]
    assert (folder / "circuit_breaker_config.json").read_text() == '{"enabled": false}'


def test_home_in_the_project_is_swept_where_it_is(machine: Any, start: Callable[..., Any]) -> None:
    folder = machine.project / ".claude" / "memory"
    folder.mkdir(parents=True)
    (folder / "circuit_breaker_config.json").write_text('{"memory_limits": {"telemetry_max_lines": 5}}')
    (folder / "a_telemetry.jsonl").write_bytes(lines(5))
    env = {"CIRCUIT_BREAKER_HOME": "", "XDG_STATE_HOME": str(machine.home / "state")}
    assert "Archived 1 log file" in start(env=env).out["systemMessage"]
    assert wait_for(lambda: list(folder.glob("archives/telemetry/a_telemetry.*.jsonl.gz")))


TELLS = """
import posix, sys
leave = posix._exit
def told(code):
    ran = [n for n, m in sys.modules.items() if type(m).__name__ != "Waiting"]
    posix.write(2, "\\n".join(ran).encode())
    leave(code)
posix._exit = told
sys.path.insert(0, "")
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {"__file__": sys.argv[1], "__name__": "__main__"})
"""


def test_start_when_nothing_is_due_runs_no_engine(
    machine: Any, start: Callable[..., Any], payload: Callable[..., Any], python: str
) -> None:
    real = os.path.realpath(python)
    start(python=real)
    done = subprocess.run(
        [real, "-I", "-S", "-X", "utf8", "-c", TELLS, str(ROOT / "hooks" / "memory_janitor.py")],
        input=json.dumps(payload(START)).encode(),
        env=machine.env,
        cwd=machine.project,
        capture_output=True,
        check=True,
    )
    ran = set(done.stderr.decode().splitlines())
    assert "circuit_breaker.janitor.notes" in ran
    ours = {name for name in ran if name.startswith("circuit_breaker.")}
    assert not ours & {
        "circuit_breaker.breaker.policy",
        "circuit_breaker.breaker.model",
        "circuit_breaker.runtime.protocol",
        "circuit_breaker.janitor.rounds",
    }
    assert not ran & {"re", "json", "typing", "collections", "functools", "dataclasses", "enum"}


def test_resumed_session_gets_its_marker_put_right(
    machine: Any, start: Callable[..., Any], payload: Callable[..., Any], run_hook: Callable[..., Any]
) -> None:
    failing = payload("PostToolBatch.bash-exit-1", session_id="again")
    for number in range(3):
        calls = [{**call, "tool_use_id": f"{call['tool_use_id']}-{number}"} for call in failing["tool_calls"]]
        for call in calls:
            failure = payload(
                "PostToolUseFailure.bash-exit-1", session_id="again", prompt_id=failing.get("prompt_id")
            )
            same = {
                "tool_use_id": call["tool_use_id"],
                "tool_name": call["tool_name"],
                "tool_input": call["tool_input"],
            }
            run_hook("monitor", {**failure, **same})
        run_hook("monitor", {**failing, "tool_calls": calls})
    marker = machine.runtime / "armed" / "again"
    assert marker.exists()
    marker.unlink()
    start(session_id="again")
    assert not marker.exists()
    start(session_id="again", source="resume")
    assert marker.exists()


@pytest.mark.slow
def test_many_sessions_leave_little(
    machine: Any, start: Callable[..., Any], payload: Callable[..., Any], registered: Callable[..., Any]
) -> None:
    """Each session starts, loops until its circuit opens, and a neighbour leaves telemetry and a state behind."""
    for number in range(samples(here=40, in_ci=100)):
        session = f"session-{number:03d}"
        loop = _failing_commands if number % 10 == 0 else _failing_edits
        for body in [payload(START, session_id=session), *loop(payload, session, number)]:
            for answer in registered(body):
                assert answer.code == 0
        with (machine.runtime / "agents_telemetry.jsonl").open("ab") as file:
            file.write(lines(40, width=100))
        state = {"tool_history": list(range(30)), "notes": "x" * 20_000}
        (machine.runtime / f"session_{session}_state.json").write_text(json.dumps(state))
        aged(machine.runtime / f"session_{session}_state.json", 3600 + 200 - number)
    start(session_id="last")
    assert wait_for(
        lambda: not [p for p in (machine.runtime / "archives").rglob("*.json*") if p.suffix != ".gz"]
    )
    published = machine.runtime / "circuit_breaker_state.json"
    assert json.loads(published.read_text())["circuits"]
    assert published.stat().st_size < 20_000
    sizes = {
        p.relative_to(machine.runtime): p.stat().st_size for p in machine.runtime.rglob("*") if p.is_file()
    }
    home = sum(size for p, size in sizes.items() if p.parts[0] not in ("sessions", "armed"))
    assert home < 1_000_000, sorted(sizes.items(), key=lambda item: -item[1])[:10]


def _failing_edits(payload: Callable[..., Any], session: str, number: int) -> list[Any]:
    batch = payload("PostToolBatch.edit-old-string-not-found", session_id=session, prompt_id=session)
    return [_renamed(batch, f"{session}-{turn}", batch["tool_calls"][0]["tool_input"]) for turn in range(4)]


def _failing_commands(payload: Callable[..., Any], session: str, number: int) -> list[Any]:
    bodies = []
    for turn in range(4):
        given = {"command": f"make x{number}"}
        failure = payload("PostToolUseFailure.bash-exit-1", session_id=session, prompt_id=session)
        batch = payload("PostToolBatch.bash-exit-1", session_id=session, prompt_id=session)
        bodies += [{**failure, "tool_use_id": f"{session}-{turn}", "tool_input": given}]
        bodies += [_renamed(batch, f"{session}-{turn}", given)]
    return bodies


def _renamed(batch: Any, call_id: str, given: Any) -> Any:
    return {**batch, "tool_calls": [{**batch["tool_calls"][0], "tool_use_id": call_id, "tool_input": given}]}
