"""Whatever breaks under a hook, the call goes through: kills, torn memory, full disks, clocks, missing parts."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.sessions import BASE, ROOT, SESSION, Host, ask, denied, failed, turn
from registrations import SCRIPTS, lines_for
from samples import also_in_ci, samples

PROMPT = ("prompt", {**BASE, "hook_event_name": "UserPromptSubmit", "prompt": "go on", "prompt_id": "p2"})
START = ("janitor", {**BASE, "hook_event_name": "SessionStart", "source": "startup"})
COMPACT = ("janitor", {**START[1], "source": "compact"})
STOP = ("stop", {**BASE, "hook_event_name": "Stop", "stop_hook_active": False})

pytestmark = pytest.mark.oldest_and_newest  # the kill loops, which are slow, run under every Python


@pytest.fixture
def host(machine: Any, python: str) -> Host:
    """A machine whose session has worked a little and has one open circuit; its interpreter is pinned."""
    host = Host(machine, python)
    host.send(START)
    host.told(("prompt", {**PROMPT[1], "prompt_id": "p1"}))
    for n in range(3):
        host.told(failed(f"t{n}", "make"))
        host.told(turn(f"t{n}", "make", "Exit code 1\nno"))
    assert host.states() == ["OPEN"]
    return host


def registered(
    host: Host, event: tuple[str, dict[str, Any]], **env: str
) -> list[subprocess.CompletedProcess[bytes]]:
    """The registered lines of an event, as /bin/sh runs them; they must end in time, with 0, and deny nothing."""
    body = event[1]
    session = {"CLAUDE_CODE_SESSION_ID": str(body["session_id"])}
    done = [
        subprocess.run(
            ["/bin/sh", "-c", line],
            input=json.dumps(body).encode(),
            capture_output=True,
            env={**host.machine.env, **session, **env},
            cwd=host.machine.project,
            check=False,
            timeout=30,
        )
        for line in lines_for(body)
    ]
    for process in done:
        assert process.returncode == 0
        assert b'"deny"' not in process.stdout
        assert b"Traceback" not in process.stderr
    return done


def every_event(host: Host, **env: str) -> list[subprocess.CompletedProcess[bytes]]:
    """One of each event, about a call that no circuit is against."""
    events = [
        ask("n1", "git status"),
        failed("n1", "git status"),
        turn("n1", "git status", "Exit code 1\nno"),
        STOP,
        PROMPT,
        START,
    ]
    return [process for event in events for process in registered(host, event, **env)]


def status(host: Host, **env: str) -> dict[str, Any]:
    """`python3 plugin status --json`: the state must be readable whatever happened."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "plugin"), "status", "--json"],
        capture_output=True,
        env={**host.machine.env, **env},
        cwd=host.machine.project,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, 1) and not done.stderr, (
        done.stderr
    )  # 1: nothing protects this throw-away project
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_kills_at_random_moments_leave_memory_that_can_be_read(host: Host) -> None:
    chance = random.Random(7)
    scratch = host.runtime / "sessions" / SESSION
    for n in range(samples(here=60, in_ci=150)):
        kind = n % 5
        events = [
            turn(f"k{n}", f"echo {n}", f"{n}"),
            failed(f"k{n}", "make"),
            ask(f"k{n}", "make"),
            PROMPT,
            STOP,
        ]
        process = host.begin(events[kind])
        time.sleep(chance.uniform(0.0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for name in ("main.json", "session.json"):
            host.memory(name=name)  # whole JSON, every time
        assert not host.states() or host.armed() == {"main.json"}  # an open circuit is never unguarded
    before = len(host.faults())
    assert host.send(turn("last", "echo last", "last")) is None
    assert len(host.faults()) == before
    assert list(scratch.glob("*.broken")) == []
    assert status(host)["health"]["errors"] == before


# name -> what stands in place of a memory file
DAMAGES: dict[str, Callable[[Path], Any]] = {
    "garbage": lambda path: path.write_bytes(os.urandom(300)),
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(b'{"v":2,"turn":3,"recent":[[1,'),
    "another version": lambda path: path.write_bytes(b'{"v":99}'),
    "wrong types": lambda path: path.write_bytes(b'{"v":2,"turn":"three","streaks":[1],"circuits":7,"spawns":{}}'),
    "wrong rows": lambda path: path.write_bytes(b'{"v":2,"streaks":{"k":["x"]},"recent":[7],"circuits":{"c":{"keys":7}}}'),
    "too large": lambda path: path.write_bytes(b" " * 400_000),
    "a folder": lambda path: path.mkdir(),
    "a FIFO": lambda path: os.mkfifo(path),
    "a link": lambda path: path.symlink_to(_victim(path)),
    "a dangling link": lambda path: path.symlink_to(path.parent / "nowhere"),
}  # fmt: skip


def _victim(path: Path) -> Path:
    victim = path.parent.parent / "victim"
    victim.write_text("not ours to write")
    return victim


def put(damage: str, path: Path) -> None:
    """Have `damage` stand in place of `path`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    DAMAGES[damage](path)


@pytest.mark.parametrize("name", ["main.json", *also_in_ci("session.json")])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_memory_is_set_aside_and_said(host: Host, name: str, damage: str) -> None:
    path = host.runtime / "sessions" / SESSION / name
    put(damage, path)
    every_event(host)
    assert status(host)["health"]["errors"] >= 1
    if damage == "a link":
        assert (path.parent.parent / "victim").read_text() == "not ours to write"
    faults = len(host.faults())
    assert (
        host.send(turn("after", "echo after", "after")) is None
    )  # the next event finds memory of ours again
    assert len(host.faults()) == faults
    assert "after" in host.memory()["seen"]


@pytest.mark.parametrize("most", [4, 5, 6])
def test_without_a_free_descriptor_nothing_is_forgotten(host: Host, most: int) -> None:
    for hook, body in (ask("n1", "ls"), failed("n2", "ls"), turn("n3", "ls"), STOP, PROMPT, START, COMPACT):
        done = subprocess.run(
            [host.python, "-I", "-S", "-X", "utf8", str(ROOT / "hooks" / SCRIPTS[hook])],
            input=json.dumps(body).encode(),
            capture_output=True,
            env=host.machine.env,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
            check=False,
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), hook
        assert list(host.runtime.rglob("*.broken")) == [], hook
        assert (host.states(), host.armed()) == (["OPEN"], {"main.json"}), hook
    assert denied(host.send(ask("n4", "make"))) or host.states() == ["HALF_OPEN"]


@pytest.mark.parametrize(
    "place",
    [
        f"sessions/{SESSION}/lock",
        f"sessions/{SESSION}",
        f"armed/{SESSION}",
        "armed",
        "sessions",
        "errors.log",
        "python",
        "circuit_breaker_config.json",
        "circuit_breaker_incidents.jsonl",
        "circuit_breaker_state.json",
        ".publish.lock",
    ],
)
@pytest.mark.parametrize(
    "damage", ["a folder", "a FIFO", "a link", *also_in_ci("garbage", "empty", "a dangling link")]
)
def test_whatever_stands_in_place_of_a_file_of_ours_nothing_is_denied(
    host: Host, place: str, damage: str
) -> None:
    path = host.runtime / place
    put(damage, path)
    every_event(host)
    status(host)
    if damage == "a link":
        assert (path.parent.parent / "victim").read_text() == "not ours to write"


@pytest.mark.parametrize("room", [0, 1, 64, 200, 512, 1024, 4096])
def test_full_disk_lets_calls_through_and_keeps_memory_whole(host: Host, room: int, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"  # its byte code is cut off too
    for name in ("hooks", "lib/circuit_breaker"):
        shutil.copytree(ROOT / name, plugin / name, ignore=shutil.ignore_patterns("__pycache__"))
    for event in (ask("n1", "ls"), turn("n1", "ls", "a b"), failed("n2", "cat x"), PROMPT):
        for line in lines_for(event[1]):
            done = subprocess.run(
                ["/bin/sh", "-c", line],
                input=json.dumps(event[1]).encode(),
                capture_output=True,
                env={
                    **host.machine.env,
                    "CLAUDE_CODE_SESSION_ID": SESSION,
                    "CLAUDE_PLUGIN_ROOT": str(plugin),
                },
                cwd=host.machine.project,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
                check=False,
                timeout=30,
            )
            assert done.returncode == 0
            assert b'"deny"' not in done.stdout
    assert host.states() == ["OPEN"]
    assert list((host.runtime / "sessions" / SESSION).glob("*.tmp")) == []
    status(host)
    assert denied(host.send(ask("n3", "make"))) or host.states() == ["HALF_OPEN"]


def test_full_filesystem_lets_calls_through(host: Host, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here: " + mounted.stderr.decode().strip())
    try:
        home = {"CIRCUIT_BREAKER_HOME": str(disk / "breaker")}
        every_event(host, **home)
        try:
            (disk / "filler").write_bytes(b"x" * 100_000)
        except OSError:
            pass  # full, as wanted
        every_event(host, **home)
        status(host, **home)
        (disk / "filler").unlink()
        every_event(host, **home)
        assert status(host, **home)["health"]["errors"] >= 0
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("home", ["/proc", "/nonexistent/deep/down", "", "relative", "/dev/null"])
def test_home_that_cannot_be_written_lets_calls_through(host: Host, home: str) -> None:
    *calls, start = every_event(host, CIRCUIT_BREAKER_HOME="", XDG_STATE_HOME="", HOME=home)
    assert all(process.stdout == b"" for process in calls)
    if home == "/nonexistent/deep/down" and Path(home).exists():  # root may make it
        shutil.rmtree("/nonexistent")
        assert start.stdout == b""
    else:
        assert json.loads(start.stdout)["systemMessage"].startswith("Circuit breaker: NOT PROTECTED")


def test_without_any_python_calls_go_through(host: Host, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    (host.runtime / "python").write_text("/gone/python3\n")
    assert all(process.stdout == b"" for process in every_event(host, PATH=str(tools)))
    assert all(process.stdout == b"" for process in every_event(host, PATH=str(tmp_path / "no tools")))


@pytest.mark.parametrize(
    "pin",
    ["/gone/python3", "", "\n", "python3", "/bin/false", "/etc/passwd", "/", "a b\nc", "$(touch pwned)"],
)
def test_pin_that_is_no_python_denies_nothing(host: Host, pin: str) -> None:
    (host.runtime / "python").write_text(pin)
    turns = host.memory()["turn"]
    every_event(host)
    assert not (host.machine.project / "pwned").exists()
    if pin != "/bin/false":  # what is no program is passed over for the first Python found
        assert host.memory()["turn"] > turns


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"mode": 7, "circuit_breakers": []}', "\0", '{"enabled": "no"}']
)
def test_unreadable_config_is_a_problem_that_status_names(host: Host, text: str) -> None:
    (host.runtime / "circuit_breaker_config.json").write_text(text)
    assert all(process.stderr == b"" for process in every_event(host))
    assert status(host)["health"]["config_problems"]


@pytest.mark.parametrize(
    "session",
    [
        "../../../escaped",
        "/escaped",
        "a/../../escaped",
        "..",
        ".",
        "",
        "~root",
        "x" * 5000,
        "sp ace\n$(touch escaped)",
        "nul\0",
        "ünï",
        "-rf",
    ],
)
def test_session_id_that_is_no_name_stays_in_its_folder(machine: Any, session: str, python: str) -> None:
    host = Host(machine, python)
    host.send(START)
    changes = {"session_id": session}
    env = {"CLAUDE_CODE_SESSION_ID": session.replace("\0", "")}
    for n in range(3):
        for event in (
            failed(f"t{n}", "make", **changes),
            turn(f"t{n}", "make", "Exit code 1\nno", **changes),
        ):
            registered(host, event, **env)
    around = {path.name for path in machine.home.parent.rglob("*")}
    assert "escaped" not in around
    known = {path.name for path in (host.runtime / "sessions").iterdir()} if session else set()
    assert all(name.replace("-", "").lstrip("~").isalnum() for name in known)
    if session:  # its loop is stopped all the same
        lines = lines_for(ask("t9", "make", **changes)[1])
        answers = [
            subprocess.run(
                ["/bin/sh", "-c", line],
                input=json.dumps(ask("t9", "make", **changes)[1]).encode(),
                capture_output=True,
                env={**machine.env, **env},
                check=True,
            ).stdout
            for line in lines
        ]
        assert any(b'"deny"' in answer for answer in answers)


# The clock. No switch for it in the hooks: a launcher puts another one in place before the script runs.

LAUNCHER = """
import sys, time
real, ahead, path = time.time, float(sys.argv[1]), sys.argv[2]
time.time = lambda: real() + ahead
with open(path, "rb") as source:
    code = compile(source.read(), path, "exec")
exec(code, {"__name__": "__main__", "__file__": path})
"""
DAY = 86_400.0


@pytest.fixture
def at(host: Host, tmp_path: Path) -> Callable[[float, Any], Any]:
    """`at(seconds, event)`: the answer to an event on a clock that is so far from ours."""
    launcher = tmp_path / "launcher.py"
    launcher.write_text(LAUNCHER)
    return lambda seconds, event: host.send(event, str(launcher), str(seconds))


def test_clock_that_jumps_back_holds_nobody_longer_than_the_cooldown(
    host: Host, at: Callable[..., Any]
) -> None:
    assert denied(at(-DAY, ask("b1", "make")))
    assert denied(at(-DAY + 5, ask("b2", "make")))
    assert at(-DAY + 31, ask("b3", "make")) is None
    assert host.states() == ["HALF_OPEN"]


def test_clock_that_jumps_forward_lets_one_probe_through(host: Host, at: Callable[..., Any]) -> None:
    assert at(365 * DAY, ask("f1", "make")) is None
    assert denied(at(365 * DAY, ask("f2", "make")))


def test_clock_at_the_ends_of_time_denies_nothing_else(host: Host, at: Callable[..., Any]) -> None:
    for seconds in (-4e9, -1.79e9, 1e10, 1e14):
        assert at(seconds, ask("e1", "git status")) is None
        assert at(seconds, turn(f"e{seconds}", "git status", f"{seconds}")) is None
