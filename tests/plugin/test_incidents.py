"""incidents: what happened in all projects, newest last; filtered, as JSON, and followed."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time

import pytest
from plugin.people import ROOT, plugin

HOSTILE = "<img src=x onerror=alert(1)> \x1b[31mred\x1b[0m \u202egnp.exe " + "x" * 10_000


def line(**changes):
    row = {
        "t": time.time() - 60, "event": "trip", "circuit": "tool_failure:Bash make", "session": "b7e1c2d3-0000",
        "agent": None, "project": "/work/app", "cause": "failed 3 times", "calls": ["Bash make", "Bash make"],
        "cooldown": 10.0, "level": 0, "tokens": {"input": 5, "output": 1, "cache_read": 1000},
    }  # fmt: skip
    return json.dumps({**row, **changes}) + "\n"


@pytest.fixture
def log(person):
    def write(*lines, project="app-0123"):
        folder = person.state / "projects" / project
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "circuit_breaker_incidents.jsonl"
        with path.open("a") as stream:
            stream.writelines(lines)
        return path

    return write


def rows(person, *arguments):
    return json.loads(plugin(person, "incidents", "--json", *arguments).stdout)["incidents"]


def test_nothing_happened_is_said_with_the_next_step(person):
    done = plugin(person, "incidents")
    assert done.returncode == 0 and not done.stdout and "--since 7d" in done.stderr
    assert rows(person) == []


def test_text_says_when_what_why_where_and_what_it_cost(person, log):
    log(line())
    text = plugin(person, "incidents").stdout
    assert "trip       tool_failure:Bash make" in text and "failed 3 times" in text
    assert "/work/app, session b7e1c2d3; 1,006 tokens" in text
    assert "calls: Bash make (2 times)" in text


def test_newest_stands_last_whatever_project_it_is_of(person, log):
    now = time.time()
    log(line(t=now - 30, cause="second"), line(t=now - 10, cause="last"), project="one")
    log(line(t=now - 50, cause="first"), line(t=now - 20, cause="third"), project="two")
    assert [row["cause"] for row in rows(person)] == ["first", "second", "third", "last"]


def test_filters_leave_the_session_the_circuit_the_rule_and_the_period(person, log):
    log(
        line(session="aaaa1111"), line(circuit="repeated_call:Bash ls"), line(t=time.time() - 90_000, cause="old")
    )  # fmt: skip
    assert len(rows(person, "--session", "aaaa")) == 1
    assert len(rows(person, "--circuit", "repeated_call")) == 1
    assert len(rows(person, "--circuit", "tool_failure:Bash make")) == 1
    assert len(rows(person)) == 2 and len(rows(person, "--since", "2d")) == 3
    assert [row["cause"] for row in rows(person, "--since", "2d")][0] == "old"


def test_log_that_was_archived_within_the_period_still_counts(person, log):
    path = log(line(cause="now"))
    archive = path.parent / "archives" / "telemetry" / "circuit_breaker_incidents.20261129T000000Z.jsonl.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(gzip.compress(line(t=time.time() - 600, cause="before").encode()))
    assert [row["cause"] for row in rows(person)] == ["before", "now"]


def test_lines_that_are_no_incidents_are_passed_over(person, log):
    log(
        "{torn",
        "\n",
        "[]\n",
        '{"t": "soon", "event": "trip"}\n',
        '{"t": NaN, "event": "trip"}\n',
        '{"t": 1e30, "event": "trip"}\n',
        f'{{"t": {10**400}, "event": "trip"}}\n',
        "\xff\n",
        line(),
    )
    assert len(rows(person)) == 1


def test_hostile_texts_come_out_as_harmless_lines(person, log):
    log(
        line(
            circuit=f"tool_failure:{HOSTILE}",
            cause=HOSTILE,
            calls=[HOSTILE],
            project=HOSTILE,
            session=HOSTILE,
        )
    )
    for done in (plugin(person, "incidents"), plugin(person, "incidents", "--json")):
        assert done.returncode == 0 and "<img src=x onerror=alert(1)> red" in done.stdout
        assert not {"\x1b", "\u202e"} & set(done.stdout) and max(map(len, done.stdout.splitlines())) < 800


@pytest.mark.parametrize("wrong", ["soon", "-1h", "12x", "2026-13-01"])
def test_wrong_period_is_wrong_usage(person, wrong):
    done = plugin(person, "incidents", f"--since={wrong}")
    assert done.returncode == 2 and "give 90m, 24h, 7d" in done.stderr


def test_follow_prints_what_comes_and_nothing_twice(person, log):
    log(line(cause="before"))
    command = [sys.executable, "-I", "-S", str(ROOT / "plugin"), "incidents", "--follow", "--json"]
    process = subprocess.Popen(command, env=person.env, cwd=person.project, stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    try:
        assert json.loads(process.stdout.readline())["cause"] == "before"
        log(line(cause="of a new project"), project="two")
        assert json.loads(process.stdout.readline())["cause"] == "of a new project"
        log(line(cause="out of order", t=time.time() - 90))
        assert json.loads(process.stdout.readline())["cause"] == "out of order"
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait()
        process.stdout.close()
