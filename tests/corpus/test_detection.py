"""Every rule measured on real sessions: loops are caught in time, work is left alone."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import replay
from filelock import FileLock

from circuit_breaker.breaker.layers import build
from circuit_breaker.replay import recording

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus" / "dev"
FRESH = CORPUS.with_name("fresh")
ALLOWED = ("loop", "minor", "struggle")  # episodes in which a trip is right, or neither required nor wrong

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real sessions is not beside the project"),
]


@pytest.fixture(scope="module")
def labels():
    return json.loads((CORPUS / "labels.json").read_text())


@pytest.fixture(scope="module")
def totals(tmp_path_factory):
    """One replay of the corpus for all workers of this run."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return replayed()
    kept = tmp_path_factory.getbasetemp().parent / "totals"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            kept.write_bytes(pickle.dumps(replayed()))
    return pickle.loads(kept.read_bytes())


def replayed():
    found = replay.Totals()
    for _ in found.run(recording.recordings([str(CORPUS)]), build()):
        pass
    return found


def within(entry, episode):
    """Does the entry lie in the episode, by session, lane and index?"""
    return (
        entry["session"] == episode["session"]
        and entry["agent"] == episode["agent_id"]
        and episode["first_event"] <= entry["event"] <= episode["last_event"] + 1
    )


def test_the_whole_corpus_was_read(totals, labels):
    assert (len(totals.sessions), totals.calls, totals.broken_lines) == (687, 42_971, 0)
    assert labels["meta"]["sessions"] == 687


def test_every_labelled_loop_is_caught_in_time(totals, labels):
    late = []
    for episode in labels["episodes"]:
        if episode["kind"] != "loop":
            continue
        caught = [e["event"] for e in totals.trips + totals.warnings if within(e, episode)]
        if not caught or min(caught) > episode["should_trip_by_event"]:
            late.append((episode["session"], caught[:1]))
    assert late == []


def test_loops_of_one_call_are_stopped_not_only_told(totals, labels):
    stopped = {
        episode["session"]: min(e["event"] for e in totals.trips if within(e, episode))
        for episode in labels["episodes"]
        if episode["kind"] == "loop" and any(within(e, episode) for e in totals.trips)
    }
    only_told = {e["session"] for e in labels["episodes"] if e["kind"] == "loop"} - stopped.keys()
    # three failing searches with different arguments: there is no call to block, the fourth turn went elsewhere
    assert len(only_told) == 1
    in_time = [
        session
        for session, event in stopped.items()
        if event <= next(e["should_trip_by_event"] for e in labels["episodes"] if e["session"] == session)
    ]
    # one of them is the flood of agents, which is warned about at 26 and blocked at 101 (agent_spawn)
    assert sorted(stopped.keys() - set(in_time)) == ["doc-claude-code-69332"]


def test_no_trip_on_work_that_was_judged_good(totals, labels):
    judged = {entry["session"] for entry in labels["clean"]} | {e["session"] for e in labels["episodes"]}
    excused = [episode for episode in labels["episodes"] if episode["kind"] in ALLOWED]
    wrong = [
        (trip["session"], trip["rule"], trip["subject"], trip["event"])
        for trip in totals.trips
        if trip["session"] in judged and not any(within(trip, episode) for episode in excused)
    ]
    assert wrong == []


def test_warnings_speak_in_at_most_one_percent_of_the_clean_sessions(totals, labels):
    clean = {entry["session"] for entry in labels["clean"]}
    spoken = {(entry["session"], entry["rule"]) for entry in totals.warnings if entry["session"] in clean}
    assert len({session for session, _ in spoken}) <= 0.01 * len(clean), Counter(rule for _, rule in spoken)


def test_of_45_loops_of_other_sources_41_are_caught_36_in_time_and_36_stopped_and_work_is_left_alone():
    command = [sys.executable, str(ROOT / "bench"), "detect", str(FRESH), "--alone", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    [found] = json.loads(done.stdout)[str(FRESH)].values()
    assert (found["loops"], found["clean"]) == (45, 1004)
    assert found["caught"] >= 41 and found["in_time"] >= 36 and found["stopped"] >= 36
    assert found["clean_stopped"] == found["traps_stopped"] == 0
    assert found["clean_warned"] <= 4
