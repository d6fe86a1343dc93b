"""Many hooks at once, of one session and of many, lose nothing and count nothing twice. Real processes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from faults.sessions import BASE, SESSION, Host, ask, denied, failed, turn
from preloaded import UNLOCKED, library
from samples import samples

AT_ONCE = 64
QUICK = {"circuit_breakers": {"tool_failure": {"cooldown_base_seconds": 0}}}  # an open circuit probes at once


LOST = "gave up"  # in place of an answer: three seconds were not enough to get the lock, and the hook said so
PACE = 1.0  # seconds for AT_ONCE events on a machine that has nothing better to do; it takes half a second


@pytest.fixture
def host(machine: Any) -> Host:
    return Host(machine)


def send(host: Host, event: Any) -> Any:
    """The answer to an event; LOST when its hook said that it could not get a lock."""
    process = host.begin(event)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    if b"still locked after" in err:
        return LOST
    assert err == b""
    return json.loads(out) if out else None


def at_once(host: Host, events: Sequence[Any]) -> list[Any]:
    """Send events through AT_ONCE processes at a time; their answers in the order of the events.

    An event may be LOST only on a machine that is too busy for its lock to go round in time, and never in silence.
    """

    started, before = time.monotonic(), len(host.faults())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda event: send(host, event), events))
    lost = answers.count(LOST)
    assert len(host.faults()) - before == lost
    busy = (time.monotonic() - started) / len(events) * AT_ONCE > PACE
    assert lost == 0 or busy
    return answers


@pytest.mark.slow
def test_all_events_of_one_session_at_once_are_counted(host: Host) -> None:
    sent = samples(here=200, in_ci=300)
    answers = at_once(host, [turn(f"t{n}", f"step {n}", f"result {n}") for n in range(sent)])
    assert set(answers) <= {None, LOST}
    memory = host.memory()
    assert (memory["turn"], memory["n"]) == (answers.count(None),) * 2
    assert host.armed() == set()


NO_FLOCK = "-DFLOCK=ENOSYS"


@pytest.mark.slow
@pytest.mark.parametrize("refusing", ["", NO_FLOCK])
def test_of_64_at_once_what_a_kill_does_not_hit_is_counted(host: Host, tmp_path: Path, refusing: str) -> None:
    if refusing:
        host.machine.env["LD_PRELOAD"] = library(tmp_path, UNLOCKED, refusing)
    chance, rounds = random.Random(7), samples(here=2, in_ci=4)

    def sent(n: int) -> str:
        process = host.begin(turn(f"t{n}", f"step {n}", f"result {n}"))
        if n % 4 == 0:
            time.sleep(chance.uniform(0.0, 1.0))
            process.kill()
        out, err = process.communicate(timeout=60)
        if process.returncode == -9:
            return "killed"
        assert (process.returncode, out) == (0, b"")
        assert err == b"" or b"still locked after" in err, err
        return LOST if err else "counted"

    started = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(sent, range(rounds * AT_ONCE)))
    assert ends.count("killed") > 2 * rounds
    assert ends.count(LOST) == 0 or time.monotonic() - started > rounds * PACE
    counted = ends.count("counted")
    memory = host.memory()
    assert counted <= memory["turn"] <= counted + ends.count("killed")
    assert memory["n"] == memory["turn"]
    assert host.send(turn("after", "echo after", "after")) is None  # no lock of the dead is left
    assert host.memory()["turn"] == memory["turn"] + 1


@pytest.mark.slow
def test_64_events_delivered_twice_at_once_count_once(host: Host) -> None:
    answers = at_once(
        host, [turn(f"t{n // 2}", f"step {n // 2}", f"result {n // 2}") for n in range(2 * AT_ONCE)]
    )
    assert set(answers) <= {None, LOST}
    counted = sum(1 for n in range(AT_ONCE) if None in answers[2 * n : 2 * n + 2])
    memory = host.memory()
    assert (memory["turn"], memory["n"]) == (counted, counted)


@pytest.mark.slow
def test_events_of_many_sessions_at_once_stay_apart(host: Host) -> None:
    def script(session: str, loops: bool) -> list[Any]:
        sent = []
        for n in range(4):
            command = "make" if loops else f"make part{n}"
            sent += [failed(f"t{n}", command, session_id=session), turn(f"t{n}", command, session_id=session)]
            sent += [
                turn(f"u{n}", f"echo {n}", session_id=session),
                turn(f"u{n}", f"echo {n}", session_id=session),
            ]
        return sent

    scripts = {
        f"session-{n}": script(f"session-{n}", loops=n % 2 == 0) for n in range(samples(here=16, in_ci=32))
    }
    with ThreadPoolExecutor(
        AT_ONCE
    ) as pool:  # the events of one session come in order, the sessions all at once
        list(pool.map(lambda events: [send(host, event) for event in events], scripts.values()))
    for n, session in enumerate(scripts):
        assert host.memory(session)["turn"] == 8, session
        assert host.states(session) == (["OPEN"] if n % 2 == 0 else []), session
        assert host.armed(session) == ({"main.json"} if n % 2 == 0 else set()), session
    assert all(
        ".publish.lock" in line for line in host.faults()
    )  # for people; on a busy machine the next one writes it


def trip(host: Host, lane: str = "") -> None:
    """Three equal failures of `make` in a lane."""
    changes = {"agent_id": lane} if lane else {}
    for n in range(3):
        host.told(failed(f"{lane}t{n}", "make", **changes))
        host.told(turn(f"{lane}t{n}", "make", "Exit code 1\nno", **changes))


@pytest.mark.slow
def test_of_64_askers_at_once_one_is_the_probe(host: Host) -> None:
    host.configure(**QUICK)
    trip(host)
    for round_number in range(samples(here=2, in_ci=6)):
        ids = [f"r{round_number}-{n}" for n in range(AT_ONCE)]
        answers = at_once(host, [ask(call_id, "make") for call_id in ids])
        assert {a is None or a == LOST or denied(a) for a in answers} == {True}
        let_through = [call_id for call_id, answer in zip(ids, answers) if answer is None]
        assert len(let_through) == 1
        assert host.states() == ["HALF_OPEN"]
        assert host.send(failed(let_through[0], "make")) is None
        assert host.states() == ["OPEN"]
        assert host.armed() == {"main.json"}


@pytest.mark.slow
def test_verdict_of_the_probe_among_64_other_events_closes_once(host: Host) -> None:
    host.configure(**QUICK)
    trip(host)
    assert host.send(ask("probe", "make")) is None
    others = [turn(f"o{n}", f"echo {n}", f"{n}", agent_id="worker") for n in range(AT_ONCE)]
    verdict = turn("probe", "make", "built")
    answers = at_once(host, [*others[:32], verdict, verdict, *others[32:]])
    lost = [*answers[:32], *answers[34:]].count(LOST)
    if answers[32:34] == [LOST, LOST]:
        assert host.states() == ["HALF_OPEN"]  # neither was heard: the circuit waits for the verdict
        assert host.send(verdict) is None
    assert host.states() == []
    assert host.armed() == set()
    assert host.memory(name="agent-worker.json")["turn"] == AT_ONCE - lost
    incidents = (host.runtime / "circuit_breaker_incidents.jsonl").read_text()
    assert incidents.count('"event":"close"') == 1


@pytest.mark.slow
def test_disarming_one_lane_while_another_arms_leaves_no_open_circuit_unguarded(host: Host) -> None:
    host.configure(**QUICK)
    for round_number in range(samples(here=8, in_ci=20)):
        session = f"s{round_number}"
        mine = {"session_id": session}
        theirs = {"session_id": session, "agent_id": "helper"}
        for n in range(3):
            host.told(failed(f"t{n}", "make", **mine))
            host.told(turn(f"t{n}", "make", "Exit code 1\nno", **mine))
            if n < 2:
                host.told(failed(f"h{n}", "lint", **theirs))
                host.told(turn(f"h{n}", "lint", "Exit code 1\nno", **theirs))
        host.told(failed("h2", "lint", **theirs))
        assert host.told(ask("probe", "make", **mine)) is None
        # the main lane closes its circuit in the same moment as the helper's opens
        running = [
            host.begin(turn("probe", "make", "built", **mine)),
            host.begin(turn("h2", "lint", "Exit code 1\nno", **theirs)),
        ]
        while any(process.poll() is None for process in running):
            unguarded(host, session)
        for process in running:
            process.communicate()
        unguarded(host, session)
        assert host.states(session) == []
        assert host.states(session, "agent-helper.json") == ["OPEN"]
        assert host.armed(session) == {"agent-helper.json"}
    assert host.faults() == []


def unguarded(host: Host, session: str) -> None:
    """Fails when a lane's circuit is open before and after a moment in which the marker is not there."""
    for name in ("main.json", "agent-helper.json"):
        before = host.states(session, name)
        there = (host.runtime / "armed" / session).exists()
        if before and not there:
            assert not host.states(session, name), (session, name)


@pytest.mark.slow
@pytest.mark.parametrize("refusing", ["", NO_FLOCK])
def test_reset_among_64_other_events_is_done_or_says_that_it_was_not(
    host: Host, tmp_path: Path, refusing: str
) -> None:
    if refusing:
        host.machine.env["LD_PRELOAD"] = library(tmp_path, UNLOCKED, refusing)
    asked = {
        "hook_event_name": "UserPromptExpansion",
        "command_name": "reset-circuit",
        "command_args": "--all",
    }
    for round_number in range(samples(here=1, in_ci=3)):
        trip_again(host, round_number)
        assert host.states() == ["OPEN"]
        others = [
            turn(f"o{round_number}-{n}", f"echo {n}", f"{round_number}.{n}", agent_id="worker")
            for n in range(AT_ONCE)
        ]
        answers = at_once(host, [*others[:32], ("command", {**BASE, **asked}), *others[32:]])
        said = answers[32]["reason"]
        assert ("Reset to CLOSED" in said) != ("Not reset" in said), said
        assert host.states() == ([] if "Reset to CLOSED" in said else ["OPEN"])
        if "Not reset" in said:
            assert "Reset to CLOSED" in host.send(("command", {**BASE, **asked}))["reason"]
        assert host.armed() == set()


def trip_again(host: Host, number: int) -> None:
    """Three equal failures of `make`, with ids of their own."""
    for n in range(3):
        host.told(failed(f"r{number}.{n}", "make"))
        host.told(turn(f"r{number}.{n}", "make", "Exit code 1\nno"))


def test_two_equal_calls_at_once_in_one_lane_count_as_the_host_reports_them(host: Host) -> None:
    events = [turn(f"t{n}", "echo same", "same") for n in range(3)]
    for event, answer in zip(events, at_once(host, events)):
        if answer == LOST:
            host.send(event)
    assert host.memory()["turn"] == 3
    assert sorted(host.memory()["seen"]) == ["t0", "t1", "t2"]
    assert host.armed(SESSION) == set()


# Runs a hook script and says at its end: the processor's seconds it took, and those it took while it held a lock.
HOLDING = """
import fcntl, posix, sys, time
lock, close, leave = fcntl.flock, posix.close, posix._exit
since, held = {}, [0.0]
def taken(fd, how):
    lock(fd, how)
    since[fd] = time.process_time()
def closed(fd):
    close(fd)
    if fd in since:
        held[0] += time.process_time() - since.pop(fd)
def told(code):
    posix.write(2, f"{time.process_time()} {held[0]}".encode())
    leave(code)
fcntl.flock, posix.close, posix._exit = taken, closed, told
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {"__name__": "__main__", "__file__": sys.argv[1]})
"""
TEXTS = {
    "one line": lambda size: "x" * size,
    "numbered lines": lambda size: "".join(f"{n} error: thing {n} failed\n" for n in range(size // 32)),
    "progress": lambda size: "\x1b[31m.\x1b[0m\r" * (size // 11),
    "JSON": lambda size: json.dumps([{"a": n, "b": "x"} for n in range(size // 20)]),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("event", [turn, failed])
def test_of_a_payload_of_6_mb_only_the_decision_is_made_under_the_lock(
    host: Host, tmp_path: Path, event: Any, text: str
) -> None:
    launcher = tmp_path / "holding.py"
    launcher.write_text(HOLDING)
    process = host.begin(event("t", "make", "Exit code 1\n" + TEXTS[text](6_000_000)), str(launcher))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")
    whole, held = map(float, err.split())
    assert 0 < held < whole / 4
