"""Lean byte code does what its source says, is never older than it, and is missed by nobody where it cannot be made."""

from __future__ import annotations

import json
import marshal
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from registrations import SCRIPTS, lines_for

from circuit_breaker import start
from circuit_breaker.edge import lean

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = f"{ROOT}/lib/circuit_breaker/"
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))  # as it is pinned
PARTS = [part for group in start.GROUPS for part in group.split()]
TURN = {
    "session_id": "s",
    "hook_event_name": "PostToolBatch",
    "cwd": "/p",
    "tool_calls": [
        {"tool_name": "Bash", "tool_input": {"command": "make"}, "tool_use_id": "t", "tool_response": ""}
    ],
}


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A copy of the plugin that no hook has run in, with lean byte code for this Python."""
    copy = tmp_path / "plugin"
    for part in ("hooks", "lib/circuit_breaker"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    run(
        copy, [sys.executable, "-I", "-S", "-X", "utf8", str(copy / "hooks" / "stop.py")], {}, {}
    )  # Python's own
    assert lean.renew(f"{copy}/lib/circuit_breaker/") == len(start.GROUPS)
    return copy


def run(plugin: Path, line: list[str], payload: Any, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line, input=json.dumps(payload), capture_output=True, text=True, check=True, cwd=plugin, env=env
    )


def monitor(plugin: Path, machine: Any, payload: Any = TURN) -> str:
    """What the monitor says on stderr."""
    script = str(plugin / "hooks" / "circuit_breaker_monitor.py")
    return run(plugin, [sys.executable, "-I", "-S", "-X", "utf8", script], payload, machine.env).stderr


def made(plugin: Path) -> list[Path]:
    return sorted(plugin.rglob("*.lean.pyc"))


def inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from inner(const)


def test_each_module_is_in_one_group_and_there() -> None:
    assert len(PARTS) == len(set(PARTS))
    assert all(Path(LIBRARY, *part.split(".")).with_suffix(".py").is_file() for part in PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_lean_code_defines_what_the_source_defines(part: str) -> None:
    source = f"{LIBRARY}{part.replace('.', '/')}.py"
    code = lean.lean(source)
    plain: dict[str, Any] = {"__name__": "plain"}
    bare: dict[str, Any] = {"__name__": "bare"}
    exec(compile(Path(source).read_text(), source, "exec"), plain)
    exec(code, bare)
    assert {name for name in plain if name[:2] != "__"} == {name for name in bare if name[:2] != "__"}
    for some in inner(code):
        assert getattr(some, lean.LINES) == b"" and {"typing", "__future__"}.isdisjoint(some.co_names)
    own = [value for value in bare.values() if getattr(value, "__globals__", None) is bare]
    assert [value for value in own if value.__doc__ or value.__annotations__] == []


def test_hook_runs_the_lean_code(plugin: Path, machine: Any) -> None:
    """Lean code of the right stamp that says something else is what runs."""
    path = next(path for path in made(plugin) if path.name.startswith("hook."))
    data = path.read_bytes()
    modules = marshal.loads(data[start.HEADER :])
    stamp, _ = modules["circuit_breaker.edge.hook"]
    modules["circuit_breaker.edge.hook"] = (stamp, compile("raise ValueError('lean')", "lean", "exec"))
    path.write_bytes(data[: start.HEADER] + marshal.dumps(modules))
    assert monitor(plugin, machine) == "[circuit_breaker] monitor: ValueError: lean\n"


def test_changed_source_counts_at_once(plugin: Path, machine: Any) -> None:
    source = plugin / "lib" / "circuit_breaker" / "edge" / "hook.py"
    source.write_text(source.read_text() + '\nraise ValueError("new source")\n')
    assert monitor(plugin, machine) == "[circuit_breaker] monitor: ValueError: new source\n"
    assert lean.renew(f"{plugin}/lib/circuit_breaker/") == 1  # its group; then there is nothing to do
    assert lean.renew(f"{plugin}/lib/circuit_breaker/") == 0
    assert monitor(plugin, machine) == "[circuit_breaker] monitor: ValueError: new source\n"


@pytest.mark.parametrize("time", [-5, 2**33])
def test_source_from_another_century_is_no_fault(plugin: Path, machine: Any, time: int) -> None:
    source = plugin / "lib" / "circuit_breaker" / "edge" / "hook.py"
    os.utime(source, (time, time))
    assert lean.renew(f"{plugin}/lib/circuit_breaker/") == 1
    assert lean.renew(f"{plugin}/lib/circuit_breaker/") == 0
    assert monitor(plugin, machine) == ""


@pytest.mark.parametrize("harm", ["empty", "torn", "garbage", "of another Python", "another value", "folder"])
def test_harmed_file_is_passed_over_and_made_anew(plugin: Path, machine: Any, harm: str) -> None:
    for path in made(plugin):
        data = path.read_bytes()
        path.unlink()
        if harm == "folder":
            path.mkdir()
        else:
            value = data[: start.HEADER] + marshal.dumps(["no", "modules"])
            contents = {"empty": b"", "torn": data[: len(data) // 2], "another value": value}
            path.write_bytes({**contents, "garbage": b"\xff" * 99}.get(harm, b"1234" + data[4:]))
    assert monitor(plugin, machine) == ""
    assert list((machine.runtime / "sessions").rglob("main.json"))  # the turn was counted
    assert lean.renew(f"{plugin}/lib/circuit_breaker/") == (0 if harm == "folder" else len(start.GROUPS))
    assert monitor(plugin, machine) == ""


def test_every_file_is_read_at_once(plugin: Path) -> None:
    assert len(made(plugin)) == len(start.GROUPS)
    assert all(path.stat().st_size < start.LONGEST for path in made(plugin))
    lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON)
    assert len(made(plugin)) == len(start.GROUPS) + len(lean.STARTS)
    assert all(path.stat().st_size < lean.LARGEST for path in made(plugin))


def registered(plugin: Path, machine: Any, payload: Any = TURN) -> tuple[str, str]:
    """What the registered line says on stdout and stderr, this Python being pinned."""
    machine.runtime.mkdir(exist_ok=True)
    (machine.runtime / "python").write_text(PYTHON + "\n")
    env = {**machine.env, "CLAUDE_PLUGIN_ROOT": str(plugin)}
    done = run(plugin, ["/bin/sh", "-c", lines_for(payload, plugin)[0]], payload, env)
    return done.stdout, done.stderr


def turns_counted(machine: Any) -> int:
    found = [json.loads(path.read_text())["turn"] for path in machine.runtime.rglob("main.json")]
    return int(found[0]) if found else 0


def begin_with(path: Path, does: str) -> None:
    """Put other byte code of the same make into a file that a hook is started from."""
    path.write_bytes(path.read_bytes()[: start.HEADER] + marshal.dumps(compile(does, "other", "exec")))


@pytest.fixture
def whole(plugin: Path) -> Path:
    """The monitor's one file in a plugin that has all of its byte code."""
    assert lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON) == len(lean.STARTS)
    assert lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON) == 0
    return Path(lean.start_path(f"{plugin}/lib/circuit_breaker/", "monitor", PYTHON))


def test_registered_line_starts_from_one_file_of_byte_code(plugin: Path, machine: Any, whole: Path) -> None:
    assert registered(plugin, machine) == ("", "")
    assert turns_counted(machine) == 1
    begin_with(whole, "import sys; sys.stderr.write('other')")
    assert registered(plugin, machine) == ("", "other")


def test_every_start_knows_its_script_and_its_modules() -> None:
    for name, (script, entry, parts) in lean.STARTS.items():
        assert SCRIPTS[name] == script + ".py"
        assert entry == ("opening" if name == "janitor" else "hook")
        assert len(set(parts.split())) == len(parts.split())
        assert f'names["start"]("{name}"' in (ROOT / "hooks" / SCRIPTS[name]).read_text()
        assert f"edge.{entry}" in parts.split()


@pytest.mark.parametrize("file", ["hooks/circuit_breaker_monitor.py", "lib/circuit_breaker/start.py"])
def test_changed_start_counts_at_once(plugin: Path, machine: Any, whole: Path, file: str) -> None:
    source = plugin / file
    source.write_text("import posix\nposix.write(2, b'new source')\n" + source.read_text())
    assert registered(plugin, machine)[1].startswith("new source")
    assert turns_counted(machine) == 1
    made = lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON)
    assert made == (len(lean.STARTS) if "start" in file else 0)  # the script does more than ours now
    assert lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON) == 0


def test_script_that_does_more_or_less_than_ours_runs_itself(plugin: Path, machine: Any, whole: Path) -> None:
    script = plugin / "hooks" / "circuit_breaker_monitor.py"
    ours = script.read_text()
    whole.unlink()
    for content in ("", "import sys; sys.exit('torn')", "pass\n" + ours, ours + "pass\n", ours[:-20]):
        script.write_text(content)
        assert lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON) == 0
    assert not whole.exists()
    script.write_text(ours)
    assert lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON) == 1


def test_changed_module_counts_at_once(plugin: Path, machine: Any, whole: Path) -> None:
    source = plugin / "lib" / "circuit_breaker" / "edge" / "hook.py"
    source.write_text(source.read_text() + '\nraise ValueError("new source")\n')
    assert registered(plugin, machine) == ("", "[circuit_breaker] monitor: ValueError: new source\n")


@pytest.mark.parametrize(
    "harm",
    [
        "missing",
        "empty",
        "torn",
        "garbage",
        "of another Python",
        "another value",
        "raises",
        "gives up",
        "killed",
        "folder",
        "fifo",
    ],
)
def test_turn_is_counted_once_whatever_the_file_has_come_to(
    plugin: Path, machine: Any, whole: Path, harm: str
) -> None:
    data = whole.read_bytes()
    programs = {
        "raises": "raise MemoryError",
        "gives up": "import posix; posix._exit(2)",
        "killed": "import posix; posix.kill(posix.getpid(), 9)",
    }
    if harm in programs:
        begin_with(whole, programs[harm])
    else:
        whole.unlink()
    if harm == "folder":
        whole.mkdir()
    elif harm == "fifo":
        os.mkfifo(whole)
    elif harm != "missing" and harm not in programs:
        value = data[: start.HEADER] + marshal.dumps(["no", "code"])
        contents = {"empty": b"", "torn": data[: len(data) // 2], "another value": value}
        whole.write_bytes({**contents, "garbage": b"\xff" * 99}.get(harm, b"1234" + data[4:]))
    assert registered(plugin, machine)[0] == ""
    assert turns_counted(machine) == 1
    assert not (machine.runtime / "errors.log").exists()


def test_maker_that_has_changed_makes_all_anew(plugin: Path, whole: Path) -> None:
    source = plugin / "lib" / "circuit_breaker" / "edge" / "lean.py"
    os.utime(source, (1, 1))
    everything = len(start.GROUPS) + len(lean.STARTS)
    assert lean.renew(f"{plugin}/lib/circuit_breaker/", PYTHON) == everything


def test_first_session_start_makes_it_and_a_folder_that_refuses_is_no_fault(
    plugin: Path, machine: Any, payload: Callable[..., Any]
) -> None:
    line = [sys.executable, "-I", "-S", "-X", "utf8", str(plugin / "hooks" / "memory_janitor.py")]
    started = payload("SessionStart.startup.headless")
    for path in made(plugin):
        path.unlink()
    done = run(plugin, line, started, machine.env)
    assert (done.stdout, done.stderr, len(made(plugin))) == ("", "", len(start.GROUPS) + len(lean.STARTS))
    for folder in (plugin / "lib" / "circuit_breaker").rglob("__pycache__"):
        shutil.rmtree(folder)
        folder.write_text("a file in the folder's place")
    shutil.rmtree(machine.runtime / "janitor")
    done = run(plugin, line, started, machine.env)
    assert (done.stdout, done.stderr, made(plugin)) == ("", "", [])
    assert monitor(plugin, machine) == ""
