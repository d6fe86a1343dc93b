"""Streams known from reports and from other agents' tests: what must be stopped, and what must stay quiet."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the project")


def played(name):
    case = cases.load(CASES / f"{name}.json")
    return case, cases.play(case["events"])


@pytest.mark.parametrize(
    "name",
    [
        "npm-install-with-the-same-error-through-edits",
        "powershell-same-command-under-other-descriptions",
        "same-large-output-again-and-again",
        "same-screenshot-again-and-again",
        "trial-that-was-moved-to-the-background-proves-nothing",
    ],
)
def test_it_is_stopped_in_time(name):
    case, run = played(name)
    assert run.tripped and run.tripped[0] <= case["by_event"]


@pytest.mark.parametrize(
    "name", ["refused-sleep-sent-again-and-again", "same-server-started-in-the-background-thirty-times"]
)
def test_it_is_warned_about_in_time(name):
    case, run = played(name)
    assert run.told and run.told[0] <= case["by_event"]


@pytest.mark.parametrize(
    "name",
    [
        "browser-two-clicks-then-a-look-four-times",
        "ci-checks-looked-at-after-each-background-wait",
        "ci-checks-with-the-wait-as-a-call-of-its-own",
        "make-with-fewer-compiler-errors-each-time",
        "powershell-run-mend-run",
        "slow-page-waited-for-and-looked-at",
    ],
)
def test_it_is_work_and_nothing_is_said(name):
    _, run = played(name)
    assert (run.told, run.said) == ([], [])


def test_a_call_that_is_refused_before_it_runs_ends_the_turn_after_warnings():
    _, run = played("refused-sleep-sent-again-and-again")
    assert run.stopped and run.warned[0] < run.stopped[0] <= 14


def test_a_probe_in_the_background_leaves_its_circuit_open():
    _, run = played("trial-that-was-moved-to-the-background-proves-nothing")
    assert "OPEN" in run.states[6] and "OPEN" in run.states[8]
