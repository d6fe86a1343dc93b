"""Streams known from reports and from other agents' tests: what must be stopped, and what must stay quiet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cases
import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT.parent / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the project")


def played(name):
    case = cases.load(CASES / f"{name}.json")
    return case, cases.play(case["events"])


STOPPED = (
    "npm-install-with-the-same-error-through-edits",
    "powershell-same-command-under-other-descriptions",
    "same-large-output-again-and-again",
    "same-screenshot-again-and-again",
    "trial-that-was-moved-to-the-background-proves-nothing",
)
WARNED = ("refused-sleep-sent-again-and-again", "same-server-started-in-the-background-thirty-times")
WORK = (
    "browser-two-clicks-then-a-look-four-times",
    "ci-checks-looked-at-after-each-background-wait",
    "ci-checks-with-the-wait-as-a-call-of-its-own",
    "make-with-fewer-compiler-errors-each-time",
    "powershell-run-mend-run",
    "slow-page-waited-for-and-looked-at",
)
RECORDINGS = {  # what `replay` says of each: (rule, event) of its warnings, and of its first trip
    "ab_check": ([], []),
    "bash_append_same_counts": ([("repeated_call", 6)], [("repeated_call", 8)]),
    "edit_same_snippet_grows": ([("repeated_call", 6)], [("repeated_call", 8)]),
    "find_other_roots_nothing": ([("failing_streak", 16), ("failing_streak", 32)], []),
    "prose_varied_two_errors": ([("tool_failure", 12)], [("tool_failure", 18)]),
    "ring_of_6_mixed_tools": ([("call_cycle", 24)], [("call_cycle", 36)]),
    "transcript_parallel_ids": ([], []),
}


def test_no_case_is_left_out():
    assert {path.stem for path in CASES.glob("*.json")} == {*STOPPED, *WARNED, *WORK}
    assert {path.stem for path in (CASES / "replay").iterdir()} == set(RECORDINGS)
    for name in (*STOPPED, *WARNED, *WORK):
        expected = "trip" if name in STOPPED else "told" if name in WARNED else "no_trip"
        assert cases.load(CASES / f"{name}.json")["expect"] == expected


@pytest.mark.parametrize("name", STOPPED)
def test_it_is_stopped_in_time(name):
    case, run = played(name)
    assert run.tripped and run.tripped[0] <= case["by_event"]


@pytest.mark.parametrize("name", WARNED)
def test_it_is_warned_about_in_time(name):
    case, run = played(name)
    assert run.told and run.told[0] <= case["by_event"]


@pytest.mark.parametrize("name", WORK)
def test_it_is_work_and_nothing_is_said(name):
    case, run = played(name)
    assert case["warnings"] == "none"
    assert (run.told, run.said) == ([], [])


@pytest.mark.parametrize("name", RECORDINGS)
def test_replay_says_it_of_the_recording(name):
    path = CASES / "replay" / f"{name}.jsonl"
    command = [sys.executable, str(ROOT / "plugin"), "replay", str(path), "--defaults", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    warnings = [(entry["rule"], entry["event"]) for entry in found["warnings"]]
    trips = [(entry["rule"], entry["event"]) for entry in found["trips"]]
    assert found["sessions"] == 1 and found["broken"]["lines"] == 0
    expected, first = RECORDINGS[name]
    assert [entry for entry in warnings if entry not in trips] == expected
    assert trips[:1] == first


def test_a_call_that_is_refused_before_it_runs_ends_the_turn_after_warnings():
    _, run = played("refused-sleep-sent-again-and-again")
    assert run.stopped and run.warned[0] < run.stopped[0] <= 14


def test_a_probe_in_the_background_leaves_its_circuit_open():
    _, run = played("trial-that-was-moved-to-the-background-proves-nothing")
    assert "OPEN" in run.states[6] and "OPEN" in run.states[8]
