"""`export otlp` against a real collector: each incident once, whatever goes down meanwhile."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from export import NotAccepted, Spool, counts

ROOT = Path(__file__).resolve().parents[2]
rotel = pytest.importorskip("rotel", reason="the collector has no wheel for this Python")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Collector:
    """rotel, on loopback only; it writes what it receives into a log."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.grpc = folder, free_port(), free_port()
        self.log = folder / "received.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        agent = Path(rotel.__file__).with_name("rotel-agent")
        command = [
            str(agent),
            "start",
            "--otlp-http-endpoint",
            f"127.0.0.1:{self.port}",
            "--exporter",
            "blackhole",
        ]
        command += ["--otlp-grpc-endpoint", f"127.0.0.1:{self.grpc}", "--pid-file", str(self.folder / "pid")]
        command += ["--debug-log", "logs", "--debug-log", "metrics", "--debug-log-verbosity", "detailed"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(20)
            self.process = None

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ids(self) -> Counter[str]:
        return Counter(re.findall(r"circuit_breaker\.incident\.id: Str\((\w+)\)", self.text()))


@pytest.fixture
def collector(tmp_path: Path) -> Any:
    folder = tmp_path / "collector"
    folder.mkdir()
    made = Collector(folder)
    yield made
    made.kill()


def verb(machine: Any, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "plugin"), "export", "otlp", *words]
    return subprocess.run(
        command,
        env=machine.env,
        cwd=machine.project,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def switch_on(machine: Any, endpoint: str) -> None:
    config = machine.home / ".config" / "claude-circuit-breaker" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"export": {"otlp": True, "endpoint": endpoint}}))


def incidents(machine: Any, first: int, last: int) -> None:
    """Incidents as hooks leave them in the spool."""
    spool = machine.runtime / "export" / "spool.jsonl"
    spool.parent.mkdir(parents=True, exist_ok=True)
    with spool.open("a") as file:
        for number in range(first, last):
            row = {
                "t": 1.79e9 + number,
                "event": "trip",
                "circuit": "tool_failure:Bash make",
                "session": f"s{number}",
            }
            file.write(json.dumps({**row, "calls": ["Bash make"], "tokens": {"cache_read": 10}}) + "\n")


def test_a_trip_of_a_real_session_reaches_the_collector(
    machine: Any, run_hook: Any, payload: Any, collector: Collector
) -> None:
    switch_on(machine, f"http://127.0.0.1:{collector.port}")
    collector.start()
    for number in range(3):
        call = {"tool_name": "Bash", "tool_input": {"command": "make all"}, "tool_use_id": f"t{number}"}
        run_hook("monitor", payload("PostToolUseFailure.bash-exit-1", session_id="s", **call))
        calls = [{**call, "tool_response": "Exit code 1\nno"}]
        run_hook(
            "monitor", payload("PostToolBatch.bash-exit-1", session_id="s", tool_calls=calls, prompt_id="p7")
        )
    until = time.monotonic() + 60  # the trip itself starts the export in the background
    while "circuit_breaker.trips" not in collector.text() and time.monotonic() < until:
        time.sleep(0.05)
    text = collector.text()
    for said in (
        "EventName: circuit_breaker.trip",
        "circuit_breaker.rule: Str(tool_failure)",
        "session.id: Str(s)",
        "gen_ai.conversation.id: Str(s)",
        "prompt.id: Str(p7)",
        "gen_ai.tool.name: Str(Bash)",
        "gen_ai.tool.call.id: Str(t2)",
        "service.name: Str(claude-circuit-breaker)",
        "Name: circuit_breaker.trips",
    ):
        assert said in text, said
    assert "Nothing to send" in verb(machine).stdout
    assert sum(collector.ids().values()) == 1
    incidents(machine, 0, 3)
    run_hook("janitor", payload("SessionStart.startup.headless", session_id="t"))
    while sum(collector.ids().values()) < 4 and time.monotonic() < until + 60:
        time.sleep(0.05)
    assert set(collector.ids().values()) == {1} and len(collector.ids()) == 4


@pytest.mark.slow
def test_each_incident_arrives_once_though_the_collector_is_killed_twice(
    machine: Any, collector: Collector
) -> None:
    switch_on(machine, f"http://127.0.0.1:{collector.port}")
    incidents(machine, 0, 450)
    away = verb(machine)
    assert away.returncode == 1 and "Nothing is lost" in away.stderr and "Traceback" not in away.stderr
    for first in (450, 900):
        collector.start()
        assert verb(machine).returncode == 0
        collector.kill()
        incidents(machine, first, first + 450)
        assert verb(machine).returncode == 1
    collector.start()
    assert verb(machine).returncode == 0
    assert set(collector.ids().values()) == {1} and len(collector.ids()) == 1350
    trips = re.findall(r"Name: circuit_breaker\.trips.*?Value: (\d+)", collector.text(), re.DOTALL)
    assert sum(map(int, trips)) == 1350


@pytest.mark.slow
def test_an_export_that_is_killed_goes_on_where_it_was(machine: Any, collector: Collector) -> None:
    switch_on(machine, f"http://127.0.0.1:{collector.port}")
    incidents(machine, 0, 4000)
    collector.start()
    command = [sys.executable, str(ROOT / "plugin"), "export", "otlp"]
    process = subprocess.Popen(command, env=machine.env, cwd=machine.project, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(collector.ids()) < 200 and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert verb(machine).returncode == 0
    ids = collector.ids()
    assert len(ids) == 4000
    assert (
        sum(ids.values()) <= 4000 + 200
    )  # at most the one batch that was accepted and not yet noted, under the same ids


class Parts:
    """A sender that counts what it is given, and refuses the counters at first."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.refuses = True

    counted: Any = None

    def logs(self, rows: Any) -> None:
        self.sent.update(f"log {row.session}" for row in rows)

    def metrics(self, rows: Any) -> None:
        if self.refuses:
            raise NotAccepted
        self.sent.update(f"counted {row.session}" for row in rows)


@pytest.mark.parametrize("kept", [None, b"{", b"[]", b'{"spool": 1, "logs": 9, "metrics": 9}'])
def test_what_was_accepted_is_not_sent_again_unless_the_cursor_is_lost(
    machine: Any, kept: bytes | None
) -> None:
    incidents(machine, 0, 450)
    os.chmod(machine.runtime, 0o700)
    spool, sender = Spool(str(machine.runtime)), Parts()
    with pytest.raises(NotAccepted):
        spool.drain(sender)
    if kept is not None:
        Path(spool.cursor).write_bytes(kept)
    sender.refuses = False
    assert spool.drain(sender) == 450
    assert {sender.sent[f"log s{number}"] for number in range(450)} == {1 if kept is None else 2}
    assert {sender.sent[f"counted s{number}"] for number in range(450)} == {1}
    assert spool.drain(sender) == 0 and "spool.jsonl" not in os.listdir(spool.folder)


@pytest.mark.parametrize("later", [3, 450])
def test_an_export_killed_while_it_ends_a_spool_sends_every_incident_of_the_next_one(
    machine: Any, mocker: Any, later: int
) -> None:
    incidents(machine, 0, 5)
    os.chmod(machine.runtime, 0o700)
    spool, sender = Spool(str(machine.runtime)), Parts()
    sender.refuses = False

    def removed(path: str) -> None:
        os.truncate(path, 0)  # the next spool gets the inode of this one
        raise KeyboardInterrupt

    kill = mocker.patch("os.remove", side_effect=removed)
    with pytest.raises(KeyboardInterrupt):
        spool.drain(sender)
    mocker.stop(kill)
    incidents(machine, 5, 5 + later)
    assert spool.drain(sender) == later
    assert all(
        sender.sent[f"{part} s{number}"] == 1 for part in ("log", "counted") for number in range(5 + later)
    )


class Counting(Parts):
    """A sender that adds up the tokens it is given."""

    tokens = 0

    def metrics(self, rows: Any) -> None:
        self.tokens += counts(rows, self.counted)["tokens", "tool_failure", "input"]


def test_the_tokens_of_a_loop_that_goes_on_are_counted_once_over_all_exports(machine: Any) -> None:
    machine.runtime.mkdir(mode=0o700)
    spool, sender = Spool(str(machine.runtime)), Counting()
    rows = [("trip", 3000, 3000), ("ending", 8000, 8000), ("ending", 13_000, 13_000), ("close", None, 13_000)]
    rows += [
        ("trip", 20_000, 33_000),
        ("trip", 500, 33_500),
        ("warning", 900, 33_500),
        ("ending", 800, 33_800),
    ]
    for number, (event, tokens, total) in enumerate(rows):
        row = {"t": 1.79e9 + number, "event": event, "circuit": "tool_failure:Bash make", "session": "s"}
        Path(spool.path).write_text(json.dumps({**row, "tokens": {"input": tokens}}) + "\n")
        assert spool.drain(sender) == 1
        assert sender.tokens == total, event


def test_test_event_and_what_is_missing_are_said(machine: Any, collector: Collector) -> None:
    nowhere = verb(machine)
    assert nowhere.returncode == 2 and "--endpoint" in nowhere.stderr
    no_url = verb(machine, "--test", "--endpoint", "localhost:4318")
    assert no_url.returncode == 2 and "http://" in no_url.stderr
    collector.start()
    sent = verb(machine, "--test", "--endpoint", f"http://127.0.0.1:{collector.port}/")
    assert sent.returncode == 0 and "EventName: circuit_breaker.test" in collector.text()


def test_nothing_is_kept_for_a_collector_where_it_is_off(machine: Any, run_hook: Any, payload: Any) -> None:
    for number in range(3):
        call = {"tool_name": "Bash", "tool_input": {"command": "make all"}, "tool_use_id": f"t{number}"}
        run_hook("monitor", payload("PostToolUseFailure.bash-exit-1", session_id="s", **call))
        calls = [{**call, "tool_response": "Exit code 1\nno"}]
        run_hook("monitor", payload("PostToolBatch.bash-exit-1", session_id="s", tool_calls=calls))
    assert not (machine.runtime / "export").exists()
    shutil.rmtree(machine.runtime)


ODD = {
    "half a character": {"cause": "\ud800", "calls": ["Bash \udfff"], "session": "\ud800"},
    "no lists": {"calls": 5, "tokens": [1], "circuit": {}, "session": []},
    "numbers out of range": {"t": 9e10, "level": 10**30, "tokens": {"input": 10**30, "output": True}},
    "no time": {"t": {}},
    "another time": {"t": 1e300},
    "before all time": {"t": -5},
    "no event": {"event": {}},
}


@pytest.mark.parametrize("name", [*ODD, "nested too deeply", "an address that cannot be"])
def test_an_odd_line_of_the_spool_holds_up_no_other(machine: Any, collector: Collector, name: str) -> None:
    incidents(machine, 0, 1)
    row = {"t": 1.79e9, "event": "trip", "circuit": "tool_failure:Bash x", **ODD.get(name, {})}
    with (machine.runtime / "export" / "spool.jsonl").open("a") as spool:
        spool.write("[" * 100_000 + "\n" if name == "nested too deeply" else json.dumps(row) + "\n")
    incidents(machine, 1, 2)
    collector.start()
    if name == "an address that cannot be":
        nobody = verb(machine, "--endpoint", f"http://{'a' * 70}.example")
        assert (
            nobody.returncode == 1 and "Nothing is lost" in nobody.stderr and "Traceback" not in nobody.stderr
        )
    done = verb(machine, "--endpoint", f"http://127.0.0.1:{collector.port}")
    assert done.returncode == 0, done.stderr
    assert {"session.id: Str(s0)", "session.id: Str(s1)"} <= set(
        re.findall(r"session\.id: Str\(s\d\)", collector.text())
    )
    assert not (machine.runtime / "export" / "spool.jsonl").exists()
