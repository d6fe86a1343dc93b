"""Each hook as a real process: what it does with input that nobody should send, and with parts of itself missing."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registrations import ROOT, SCRIPTS, registered
from samples import samples

from circuit_breaker.breaker.memory import Lane
from circuit_breaker.runtime import store

SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
FIRST = {
    "gate": "PreToolUse.bash",
    "monitor": "PostToolBatch.bash-exit-1",
    "prompt": "UserPromptSubmit",
    "command": "UserPromptExpansion.plugin-command",
    "stop": "Stop",
    "janitor": "SessionStart.startup.headless",
    "guard": "ConfigChange.user-settings",
}
NO_PAYLOADS = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "half an object": b'{"session_id": "s"',
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "NaN": b'{"session_id": NaN}',
    "not UTF-8": b'{"session_id": "\xff\xfe"}',
    "nested deeply": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "two objects": b"{}{}",
    "nul bytes": b"\0" * 64,
    "10 MB of garbage": b"{" * 10_000_000,
}
BAD_JSON = (ValueError, UnicodeDecodeError, json.JSONDecodeError)
WRONG = (None, 7, 1.5, True, [], ["x"], {}, {"x": 1}, "", "x\udcff", "../../x", "x" * 70_000)


def faults(machine: Any) -> list[str]:
    """The lines of the error log, which a hook writes at most one of."""
    log = machine.runtime / "errors.log"
    return log.read_text().splitlines() if log.exists() else []


def answered(answer: Any) -> None:
    """Exit code 0, and nothing or one JSON object on stdout."""
    assert answer.code == 0
    assert answer.stdout == "" or isinstance(answer.out, dict)
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("hook", SCRIPTS)
def test_what_is_no_payload_is_one_line_in_the_log(
    machine: Any, run_hook: Callable[..., Any], hook: str, python: str
) -> None:
    for name, body in NO_PAYLOADS.items():
        before = len(faults(machine))
        answer = run_hook(hook, body, python)
        answered(answer)
        assert answer.stdout == "", name
        assert len(faults(machine)) == before + 1, name
        assert answer.stderr.count("\n") == 1, name
        error = json.loads(faults(machine)[-1])["error"]
        assert error.split(": ")[:2] in [[hook, kind.__name__] for kind in BAD_JSON], name


@pytest.mark.parametrize("hook", SCRIPTS)
def test_field_of_a_wrong_type_denies_nothing(
    machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any], hook: str
) -> None:
    body = payload(FIRST[hook])
    fields = [name for name in body if name != "hook_event_name"]
    for number, field in enumerate(fields):
        for value in (WRONG[number % len(WRONG)], WRONG[(number + 5) % len(WRONG)]):
            before = len(faults(machine))
            answer = run_hook(hook, json.dumps({**body, field: value}).encode())
            answered(answer)
            assert "deny" not in answer.stdout
            assert len(faults(machine)) <= before + 1, (field, value)


@pytest.mark.parametrize("hook", SCRIPTS)
def test_missing_field_denies_nothing(
    machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any], hook: str
) -> None:
    body = payload(FIRST[hook])
    for field in body:
        answer = run_hook(hook, {name: value for name, value in body.items() if name != field})
        answered(answer)
        assert "deny" not in answer.stdout


# Values of JSON that no client sends, for the field that each hook looks at first.
ODD = {
    "infinite": b"1e999",
    "number of 1 MB": b"9" * 1_000_000,
    "fraction of 1 MB": b"0." + b"9" * 1_000_000,
    "lone surrogates": b'{"command": "a \\ud800 \\udfff", "\\udc00": 1}',
    "nul": b'{"command": "a\\u0000b", "file_path": "\\u0000"}',
    "list in a list": b"[" * 900 + b"]" * 900,
    "object in an object": b'{"a":' * 900 + b"1" + b"}" * 900,
    "50,000 keys": b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(50_000)) + b"}",
    "the same key twice": b'{"command": "ls", "command": ["ls"]}',
}


@pytest.mark.parametrize("hook", SCRIPTS)
@pytest.mark.parametrize("value", ODD)
def test_value_that_no_client_sends_denies_nothing_and_leaves_memory_whole(
    machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any], hook: str, value: str
) -> None:
    run_hook("monitor", payload("PostToolBatch.bash-exit-1", session_id=SESSION))
    for field in ("tool_input", "tool_response", "agent_id", "prompt", "cwd", "session_id"):
        body = payload(FIRST[hook], session_id=SESSION)
        if field in body or field[:4] != "tool":
            body[field] = "@"
        else:
            body["tool_calls"] = [{"tool_name": "Bash", "tool_use_id": "t", field: "@"}]
        before = len(faults(machine))
        answer = run_hook(hook, json.dumps(body).encode().replace(b'"@"', ODD[value]))
        answered(answer)
        assert "deny" not in answer.stdout
        assert len(faults(machine)) <= before + 1, field
    assert list(machine.runtime.rglob("*.broken")) == []


@pytest.mark.parametrize("field", ["tool_use_id", "tool_name", "prompt_id", "cwd", "agent_id", "session_id"])
def test_name_of_any_length_leaves_memory_small_and_an_open_circuit_open(
    machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any], field: str
) -> None:
    def sent(hook: str, name: str, **changes: Any) -> Any:
        return run_hook(hook, payload(name, **{"session_id": SESSION, "prompt_id": "p", **changes})).out

    call = payload("PostToolBatch.bash-exit-1")["tool_calls"][0]
    for number in range(3):
        sent("monitor", "PostToolUseFailure.bash-exit-1", tool_use_id=f"t{number}")
        sent("monitor", "PostToolBatch.bash-exit-1", tool_calls=[{**call, "tool_use_id": f"t{number}"}])
    for number in range(3):
        odd = {field: f"{number}" + "x" * 300_000}
        sent("monitor", "PostToolUseFailure.bash-exit-1", **{"tool_use_id": f"u{number}", **odd})
        calls = [{**call, "tool_use_id": f"u{number}", **(odd if field in call else {})}]
        sent("monitor", "PostToolBatch.bash-exit-1", **{"tool_calls": calls, **odd})
        sent("prompt", "UserPromptSubmit", **{"prompt": "<task-notification>x", **odd})
    assert all(path.stat().st_size < 1 << 16 for path in machine.runtime.glob("sessions/*/*"))
    assert faults(machine) == []
    again = sent("gate", "PreToolUse.bash", tool_use_id="t9")
    assert again["hookSpecificOutput"]["permissionDecision"] == "deny"


def test_turn_of_20_000_calls_leaves_memory_that_is_read_again(
    machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any]
) -> None:
    for turn in range(2):
        calls = [
            {
                "tool_name": f"tool{n}",
                "tool_input": {"n": n},
                "tool_use_id": f"toolu_{turn}.{n:030d}",
                "tool_response": "x",
            }
            for n in range(20_000)
        ]
        answered(
            run_hook("monitor", payload("PostToolBatch.bash-exit-1", session_id=SESSION, tool_calls=calls))
        )
    assert json.loads((machine.runtime / "sessions" / SESSION / "main.json").read_text())["turn"] == 2
    assert faults(machine) == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>&1"])
@pytest.mark.parametrize("hook", SCRIPTS)
def test_whatever_is_closed_to_a_hook_it_ends_well(
    machine: Any, payload: Callable[..., Any], hook: str, closed: str
) -> None:
    script = str(ROOT / "hooks" / SCRIPTS[hook])
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -I -S -X utf8 "$1" {closed}', sys.executable, script],
        input=json.dumps(payload(FIRST[hook])).encode() if "<&-" not in closed else None,
        capture_output=True,
        env=machine.env,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr.count(b"\n") <= ("<&-" in closed)
    assert len(faults(machine)) <= 1


@pytest.mark.parametrize("name", ["PreToolUse.edit", "PostToolBatch.bash-exit-1"])
def test_payload_of_10_mb_is_an_ordinary_call(
    machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any], name: str, python: str
) -> None:
    body = payload(name)
    large = {"file_path": "/p/large", "content": "x1 " * 3_500_000}
    if "tool_calls" in body:
        body["tool_calls"][0]["tool_input"] = large
        body["tool_calls"][0]["tool_response"] = "done " * 2_000_000
    else:
        body["tool_input"] = large
    answer = run_hook("gate" if "Pre" in name else "monitor", body, python)
    assert (answer.code, answer.stdout, answer.stderr) == (0, "", "")
    assert all(path.stat().st_size < 65_536 for path in machine.runtime.rglob("*") if path.is_file())


@pytest.mark.parametrize("text", ["x", '\\\\"', "{[", "a\\n", "\\u001b[31m", "a b "])
@pytest.mark.parametrize("hook", SCRIPTS)
def test_text_of_10_mb_in_any_field_is_read_in_a_processors_second_or_two(
    machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any], hook: str, text: str
) -> None:
    body = payload(FIRST[hook], session_id=SESSION)
    fields = [name for name in ("prompt", "command_args", "file_path", "tool_input", "error") if name in body]
    for field in fields or ["cwd"]:
        sent = json.dumps({**body, field: {"command": "@@"} if field == "tool_input" else "@@"})
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        answered(run_hook(hook, sent.replace("@@", text * (10_000_000 // len(text))).encode()))
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10, field


def test_allowed_calls_print_nothing(
    payload: Callable[..., Any], run_hook: Callable[..., Any], python: str
) -> None:
    for name in ("bash", "edit", "mcp", "skill", "in-subagent", "agent-tool"):
        answer = run_hook("gate", payload(f"PreToolUse.{name}", session_id=SESSION), python)
        assert (answer.code, answer.stdout, answer.stderr) == (0, "", "")


@pytest.mark.parametrize("failed", [False, True])
def test_line_that_people_test_with_by_hand_is_taken(
    run_hook: Callable[..., Any], machine: Any, failed: bool, python: str
) -> None:
    line = {"tool_name": "Bash", "tool_result": {"isError": failed}, "session_id": "test", "turn_count": 1}
    answer = run_hook("monitor", line, python)
    assert (answer.code, answer.stdout, answer.stderr) == (0, "", "")
    lane = store.decode((machine.runtime / "sessions" / "test" / "main.json").read_bytes(), Lane)
    assert [past.ok for past in lane.recent] == [not failed]


def test_unknown_event_is_nothing_to_us(run_hook: Callable[..., Any], payload: Callable[..., Any]) -> None:
    for hook in ("gate", "monitor", "prompt", "stop"):
        answer = run_hook(hook, payload("Stop", hook_event_name="SomethingNew"))
        assert (answer.code, answer.stdout, answer.stderr) == (0, "", "")


# Parts of the plugin missing: every registered line, as /bin/sh runs it.

RUNTIME = [
    path.relative_to(ROOT).as_posix()
    for part in ("hooks", "lib/circuit_breaker")
    for path in sorted((ROOT / part).rglob("*"))
    if path.is_file() and "__pycache__" not in path.parts
]
BODIES = {"SubagentStop": "SubagentStop", "PostToolUseFailure": "PostToolUseFailure.bash-exit-1"}


def if_kept(source: str, target: str) -> None:
    """Copy a file; byte code may vanish meanwhile, because another test makes `run` remove it."""
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        if not source.endswith(".pyc"):
            raise


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The plugin's runtime files, byte code included, where they may be damaged."""
    for part in ("hooks", "lib/circuit_breaker"):
        unfinished = shutil.ignore_patterns("*.pyc.*")  # byte code that another test is writing
        shutil.copytree(ROOT / part, tmp_path / "plugin" / part, ignore=unfinished, copy_function=if_kept)
    return tmp_path / "plugin"


@pytest.fixture
def every_line(
    machine: Any, payload: Callable[..., Any], copy: Path
) -> Callable[[], list[subprocess.CompletedProcess[bytes]]]:
    """Runs every registered line of the copy, in an armed session whose interpreter is pinned."""
    armed = machine.runtime / "armed"
    armed.mkdir(parents=True, mode=0o700)
    machine.runtime.chmod(0o700)
    (machine.runtime / "python").write_text(sys.executable + "\n")
    lines = registered()
    by_event = {name.partition(".")[0]: name for name in FIRST.values()} | BODIES

    def run() -> list[subprocess.CompletedProcess[bytes]]:
        shutil.rmtree(
            machine.runtime / "sessions", ignore_errors=True
        )  # the same failure every few seconds is a loop
        (armed / SESSION).write_text(f"{SESSION}/main.json\n")
        env = {**machine.env, "CLAUDE_PLUGIN_ROOT": str(copy), "CLAUDE_CODE_SESSION_ID": SESSION}
        return [
            subprocess.run(
                ["/bin/sh", "-c", hook["command"]],
                input=json.dumps(payload(by_event[event], session_id=SESSION)).encode(),
                capture_output=True,
                env=env,
                cwd=machine.project,
                check=False,
                timeout=30,
            )
            for event, _, hook in lines
        ]

    return run


def nothing_is_denied(done: list[subprocess.CompletedProcess[bytes]], what: str) -> None:
    for process in done:
        assert process.returncode == 0, (what, process)
        assert b'"deny"' not in process.stdout, (what, process)
        assert b"Traceback" not in process.stderr, (what, process)


@pytest.mark.parametrize(
    "gone", ["hooks", "lib", "lib/circuit_breaker/breaker", "lib/circuit_breaker/runtime", "."]
)
def test_every_line_lets_the_call_through_when_a_folder_is_gone(
    every_line: Callable[..., Any], copy: Path, gone: str
) -> None:
    shutil.rmtree(copy / gone)
    nothing_is_denied(every_line(), gone)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["hooks", "lib/circuit_breaker/breaker", "lib/circuit_breaker/runtime", "rest"]
)
def test_every_line_lets_the_call_through_when_any_file_is_gone(
    every_line: Callable[..., Any], copy: Path, part: str
) -> None:
    folders = ("hooks", "lib/circuit_breaker/breaker", "lib/circuit_breaker/runtime")
    ours = [
        name for name in RUNTIME if name.startswith(part) or (part == "rest" and not name.startswith(folders))
    ]
    assert ours
    for name in ours[:: samples(here=8, in_ci=1)]:
        kept = (copy / name).read_bytes()
        (copy / name).unlink()
        nothing_is_denied(every_line(), name)
        (copy / name).write_bytes(kept)


@pytest.mark.parametrize("damage", ["empty", "torn", "a folder"])
def test_every_line_lets_the_call_through_when_a_script_is_damaged(
    every_line: Callable[..., Any], copy: Path, damage: str
) -> None:
    for name in ("hooks/run", "hooks/circuit_breaker_gate.py", "lib/circuit_breaker/runtime/loader.py"):
        kept = (copy / name).read_bytes()
        (copy / name).unlink()
        if damage == "a folder":
            (copy / name).mkdir()
        else:
            (copy / name).write_bytes(b"" if damage == "empty" else kept[: len(kept) // 2])
        done = every_line()
        assert {process.returncode for process in done} == {0}, name
        assert not any(b'"deny"' in process.stdout for process in done), name
        shutil.rmtree(copy / name) if damage == "a folder" else (copy / name).unlink()
        (copy / name).write_bytes(kept)


@pytest.mark.parametrize("hook", SCRIPTS)
def test_what_a_project_holds_is_never_run_in_place_of_python(
    machine: Any, payload: Callable[..., Any], hook: str
) -> None:
    impostor = machine.project / "impostor"
    impostor.write_text("#!/bin/sh\ntouch ran\n")
    impostor.chmod(0o755)
    below = machine.project / "state" / "claude-circuit-breaker"
    below.mkdir(parents=True)
    (below / "python").write_text(f"{impostor}\n")
    (below / "armed").mkdir()
    (below / "armed" / "_any").touch()
    machine.runtime.mkdir(parents=True, exist_ok=True)
    (machine.runtime / "python").write_text("./impostor\n")
    (machine.runtime / "armed").mkdir()
    (machine.runtime / "armed" / "_any").touch()
    body = json.dumps(payload(FIRST[hook], session_id=SESSION)).encode()
    line = next(h["command"] for _, _, h in registered() if h["command"].endswith(f'/run" {hook}'))
    for env in (
        {"CIRCUIT_BREAKER_HOME": "", "XDG_STATE_HOME": "state"},
        {"CIRCUIT_BREAKER_HOME": "state/claude-circuit-breaker"},
        {},
    ):
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            input=body,
            capture_output=True,
            env={**machine.env, "CLAUDE_PLUGIN_ROOT": str(ROOT), **env},
            cwd=machine.project,
            check=False,
        )
        assert done.returncode == 0
        assert not (machine.project / "ran").exists(), env
