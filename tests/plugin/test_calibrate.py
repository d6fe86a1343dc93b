"""`python3 plugin calibrate`: limits from your own past, shown first and written only when you say so."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import calibrate
import pytest

from circuit_breaker.replay import calibration, recording

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus" / "dev"


def transcript(calls_of_prompts, session="s", tokens=1000):
    """A transcript with one prompt for each number of calls, each of them answered."""
    rows = []

    def add(kind, content, **message):
        stamp = f"2026-11-23T{len(rows) // 3600:02d}:{len(rows) // 60 % 60:02d}:{len(rows) % 60:02d}.000Z"
        common = {"sessionId": session, "timestamp": stamp, "uuid": f"{session}{len(rows)}", "type": kind}
        rows.append({**common, "message": {"content": content, **message}})

    for calls in calls_of_prompts:
        add("user", "go on")
        for _ in range(calls):
            name = f"{session}{len(rows)}"
            usage = {"output_tokens": 10, "cache_read_input_tokens": tokens}
            block = {"type": "tool_use", "id": name, "name": "Read", "input": {"file_path": f"/p/{name}"}}
            add("assistant", [block], id=name, usage=usage)
            add("user", [{"type": "tool_result", "tool_use_id": name, "content": name}])
        add("assistant", [{"type": "text", "text": "done"}], id=f"end{len(rows)}", usage={"output_tokens": 1})
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def person(tmp_path):
    class Person:
        home = tmp_path / "home"
        projects = home / ".claude" / "projects" / "-p"
        config = home / ".config" / "claude-circuit-breaker" / "config.json"
        env = {"PATH": "/usr/bin:/bin", "HOME": str(home)}

        def run(self, *arguments, code=0, **env):
            command = [sys.executable, str(ROOT / "plugin"), "calibrate", *map(str, arguments)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env={**self.env, **env}, cwd=tmp_path
            )
            assert done.returncode == code, done.stderr
            assert "Traceback" not in done.stderr
            return done

        def past(self, calls, name="a"):
            (self.projects / f"{name}.jsonl").write_text(transcript(calls, session=name))

    Person.projects.mkdir(parents=True)
    return Person()


def test_limits_come_from_your_own_transcripts_and_are_only_shown(person):
    person.past(range(1, 41))
    out = person.run().stdout
    assert "Learned from 40 good prompts" in out
    assert "calls_per_prompt: 39 " in out and "tokens_per_prompt: 39,391 " in out
    assert "<- limit" in out and "#" in out
    assert "at most 5 %" in out and "Nothing was changed" in out
    assert not person.config.exists()


def test_json_has_the_names_that_others_rely_on(person):
    person.past(range(1, 41))
    found = json.loads(person.run("--json", "--risk", "0.2").stdout)
    assert {k: found[k] for k in ("schema", "prompts", "risk")} == {"schema": 1, "prompts": 40, "risk": 0.2}
    assert found["limits"] == {"calls_per_prompt": 33, "tokens_per_prompt": 33 * 1010 + 1}


def test_apply_writes_the_two_keys_and_keeps_the_rest_of_your_config(person):
    person.past(range(1, 41))
    person.config.parent.mkdir(parents=True)
    person.config.write_text(
        '{"mode": "observe",\n "circuit_breakers": {"budget": {"tokens_per_session": 7}}}'
    )
    out = person.run("--apply").stdout
    assert f"Written to {person.config}" in out
    assert json.loads(person.config.read_text()) == {
        "mode": "observe",
        "circuit_breakers": {
            "budget": {"tokens_per_session": 7, "calls_per_prompt": 39, "tokens_per_prompt": 39_391}
        },
    }


@pytest.mark.parametrize(("risk", "have", "need"), [("0.05", 19, 20), ("0.01", 98, 99), ("1%", 50, 99)])
def test_too_few_good_prompts_are_refused_with_both_numbers(person, risk, have, need):
    person.past([1] * have)
    done = person.run("--risk", risk, "--apply", code=1)
    assert f"{have} good prompts" in done.stderr and f"at least {need}" in done.stderr
    assert not done.stdout and not person.config.exists()
    found = json.loads(person.run("--risk", risk, "--json", code=1).stdout)
    assert (found["schema"], found["prompts"]) == (1, have)
    assert found["limits"] == {"calls_per_prompt": None, "tokens_per_prompt": None}
    person.past([1] * (need - have), name="b")
    assert "Learned from" in person.run("--risk", risk).stdout


def test_one_project_is_named_by_its_folder(person, tmp_path):
    person.past([3] * 30)
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.jsonl").write_text(transcript([7] * 25, session="x"))
    assert json.loads(person.run(other, "--json").stdout)["limits"]["calls_per_prompt"] == 7
    assert json.loads(person.run("--json").stdout)["limits"]["calls_per_prompt"] == 3


def test_config_dir_of_claude_code_is_searched(person, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "projects" / "-q"
    elsewhere.mkdir(parents=True)
    (elsewhere / "x.jsonl").write_text(transcript([4] * 22))
    found = json.loads(person.run("--json", CLAUDE_CONFIG_DIR=str(tmp_path / "elsewhere")).stdout)
    assert found["prompts"] == 22


def test_session_that_was_forked_is_learned_from_once(person):
    person.past([5] * 25, name="s")
    text = (person.projects / "s.jsonl").read_text()
    (person.projects / "t.jsonl").write_text(text.replace('"sessionId": "s"', '"sessionId": "t"'))
    assert json.loads(person.run("--json").stdout)["prompts"] == 25


@pytest.mark.parametrize("risk", ["0", "1", "nan", "0.6", "5", "x", "1/0"])
def test_risk_that_is_no_share_is_wrong_usage(person, risk):
    assert "from 0.001 to 0.5" in person.run("--risk", risk, code=2).stderr


def test_no_transcripts_is_an_answer_of_no(person):
    assert "no recordings" in person.run(code=1).stderr
    person.projects.rmdir()
    person.projects.parent.rmdir()
    assert "no such file or folder" in person.run(code=1).stderr


def test_config_that_cannot_be_written_loses_nothing(person):
    person.past(range(1, 41))
    person.config.parent.mkdir(parents=True)
    person.config.write_text("{torn")
    assert str(person.config) in person.run("--apply", code=1).stderr
    assert person.config.read_text() == "{torn"


def test_claude_cannot_raise_its_own_budget_while_something_is_blocked(person):
    person.past(range(1, 41))
    armed = person.home / ".local" / "state" / "claude-circuit-breaker" / "armed"
    armed.mkdir(parents=True)
    (armed / "S1").write_text("S1/main.json\n")
    done = person.run("--apply", code=1, CLAUDE_CODE_SESSION_ID="S1")
    assert done.stderr and not person.config.exists()
    assert "Learned from" in person.run(CLAUDE_CODE_SESSION_ID="S1").stdout


def test_histogram_counts_every_value_once_and_marks_the_limit():
    values = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 987_654]
    lines = calibrate.histogram(values, 144)
    assert sum(int(line.split()[3]) for line in lines if line.split()[0] != "to") + sum(
        int(line.split()[2]) for line in lines if line.split()[0] == "to"
    ) == len(values)
    assert sum("<- limit" in line for line in lines) == 1


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real sessions is not beside the project")
def test_limit_from_one_half_of_real_prompts_is_crossed_by_at_most_the_share_of_the_other_half():
    calls = [
        p.calls for p in calibrate.past_prompts(recording.recordings([str(CORPUS)])) if p.ending == "good"
    ]
    assert len(calls) > 2000
    for risk in (Fraction(5, 100), Fraction(1, 10)):
        for seed in range(20):
            random.Random(seed).shuffle(calls)
            half = len(calls) // 2
            limit = calibration.limit(calls[:half], risk)
            crossed = sum(value > limit for value in calls[half:]) / (len(calls) - half)
            # both halves are samples: four standard errors of their difference
            assert crossed <= float(risk) + 4 * (2 * float(risk * (1 - risk)) / half) ** 0.5
