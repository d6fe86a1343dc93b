"""status, reset and mode: what a person sees and handles from a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plugin.transcripts import Transcript

from circuit_breaker.breaker.config import RULES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def env(tmp_path):
    (tmp_path / "project").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "CIRCUIT_BREAKER_HOME": str(tmp_path / "state"),
        "CLAUDE_PROJECT_DIR": str(tmp_path / "project"),
        "PYTHONIOENCODING": "utf-8",
    }


def run(env, *arguments, **changes):
    command = [sys.executable, str(ROOT / "plugin"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**env, **changes}, check=False, encoding="utf-8"
    )


def fail(env, times=3, session="s1", command="make test", agent=None, tool="Bash", given=None):
    for i in range(times):
        payload = {
            "session_id": session,
            "cwd": env["CLAUDE_PROJECT_DIR"],
            "prompt_id": "p1",
            "tool_name": tool,
            "tool_input": given or {"command": command},
            "tool_use_id": f"{session}{command}{agent}{i}",
            **({"agent_id": agent} if agent else {}),
        }
        call = {name: payload[name] for name in ("tool_name", "tool_input", "tool_use_id")}
        for event in (
            {**payload, "hook_event_name": "PostToolUseFailure", "error": "Exit code 2\nboom"},
            {
                **payload,
                "hook_event_name": "PostToolBatch",
                "tool_calls": [{**call, "tool_response": "Exit code 2\nboom"}],
            },
        ):
            script = str(ROOT / "hooks" / "circuit_breaker_monitor.py")
            subprocess.run(
                [sys.executable, "-I", "-S", script],
                input=json.dumps(event).encode(),
                env=env,
                check=True,
                stdout=subprocess.DEVNULL,
            )


def test_status_of_a_fresh_machine_says_that_nothing_protects_it(env):
    done = run(env, "status")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].endswith("CIRCUIT BREAKER STATUS")
    assert lines[1].startswith("NOT PROTECTED: not installed") and "; fix: " in lines[1]
    assert "all systems operational" not in done.stdout


def test_status_of_a_session_whose_hooks_run_says_that_all_is_well(env):
    fail(env, times=1)
    done = run(env, "status")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[1] == "Protected: session s1 only, as its hooks run; hooks last ran just now in session s1"
    assert "Active Breakers: None (all systems operational)" in lines
    assert "Rules" not in lines  # nothing is to be seen of any
    assert "repeated_call" in run(env, "status", "--all").stdout


def test_status_json_has_every_rule_closed_when_nothing_happened(env):
    facts = json.loads(run(env, "status", "--json").stdout)
    assert facts["schema"] == 1
    assert set(facts["circuits"]) == set(RULES)
    assert facts["protection"]["protected"] is False and facts["protection"]["fix"]
    for rule in facts["circuits"].values():
        assert (rule["state"], rule["trips"], rule["subjects"], rule["warned_at"]) == ("CLOSED", 0, [], None)
    assert {
        "total_bytes",
        "telemetry_files",
        "telemetry_lines",
        "session_files",
        "archive_bytes",
        "limits",
    } <= set(facts["memory"])
    assert facts["incidents"] == {"total": 0, "last_24h": 0}
    assert facts["health"]["errors"] == 0


def test_open_circuit_is_shown_with_why_and_how_to_lift_it(env):
    fail(env)
    done = run(env, "status")
    assert "🚨 OPEN  tool_failure:Bash make test" in done.stdout
    assert "last error: Exit code 2 boom" in done.stdout
    assert '/reset-circuit --circuit "tool_failure:Bash make test"' in done.stdout
    subject = json.loads(run(env, "status", "--json").stdout)["circuits"]["tool_failure"]["subjects"][0]
    assert (subject["subject"], subject["state"], subject["session"], subject["agent"]) == (
        "Bash make test",
        "OPEN",
        "s1",
        None,
    )
    assert 0 < subject["retry_in"] <= 10 and subject["count"] == 3


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [(["--plain"], {}), ([], {"NO_COLOR": "1"}), ([], {"PYTHONIOENCODING": "ascii"})],
)
def test_words_stand_alone_where_marks_cannot_be_shown(env, arguments, changes):
    fail(env)
    done = run(env, "status", *arguments, **changes)
    assert "OPEN  tool_failure" in done.stdout
    assert done.stdout.isascii()


def test_reset_closes_on_record_and_a_second_one_says_there_is_nothing(env):
    fail(env)
    done = run(env, "reset", "--circuit", "tool_failure:Bash make test")
    assert done.returncode == 0 and "Reset to CLOSED: tool_failure:Bash make test" in done.stdout
    log = Path(env["CIRCUIT_BREAKER_HOME"], "circuit_breaker_incidents.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log] == ["trip", "reset"]
    assert not os.listdir(Path(env["CIRCUIT_BREAKER_HOME"], "armed"))
    again = run(env, "reset", "--circuit", "tool_failure:Bash make test")
    assert again.returncode == 1 and "no open circuit" in again.stderr
    assert run(env, "reset", "--all").returncode == 0


def test_reset_reaches_subagents_and_one_session_only_when_asked(env):
    fail(env, session="s1", agent="a1")
    fail(env, session="s2")
    assert run(env, "reset", "--all", "--session", "s1").stdout.count("tool_failure") == 1
    facts = json.loads(run(env, "status", "--json").stdout)
    assert [s["session"] for s in facts["circuits"]["tool_failure"]["subjects"]] == ["s2"]


def test_published_state_names_what_is_open_and_is_small(env):
    fail(env)
    path = Path(env["CIRCUIT_BREAKER_HOME"], "circuit_breaker_state.json")
    state = json.loads(path.read_text())
    assert state["version"] == 1
    assert [c["circuit"] for c in state["circuits"]] == ["tool_failure:Bash make test"]
    assert path.stat().st_mode & 0o777 == 0o600
    run(env, "reset", "--all")
    assert json.loads(path.read_text())["circuits"] == []


def test_everything_written_is_for_its_owner_alone(env):
    fail(env)
    root = Path(env["CIRCUIT_BREAKER_HOME"])
    for path in [root, *root.rglob("*")]:
        assert path.lstat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_unknown_circuit_and_session_are_an_error_with_the_next_step(env):
    for arguments in (["--circuit", "nonsense"], ["--session", "nobody"]):
        done = run(env, "status", *arguments)
        assert done.returncode == 1 and done.stderr and not done.stdout


@pytest.mark.parametrize("session", ["nobody", "s"])
def test_reset_of_an_unknown_session_says_so_instead_of_that_nothing_is_open(env, session):
    fail(env)
    done = run(env, "reset", "--all", "--session", session)
    assert (done.returncode, done.stdout) == (1, "") and f"no session {session} is" in done.stderr
    assert "1 open" in run(env, "status", "--line").stdout


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["reset"], ["reset", "--all", "--circuit", "x"], ["mode", "loud"]]
)
def test_wrong_usage_exits_two_without_a_traceback(env, arguments):
    done = run(env, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_mode_flips_one_key_of_the_persons_file_and_keeps_the_rest(env):
    path = Path(env["HOME"], ".config", "claude-circuit-breaker", "config.json")
    path.parent.mkdir(parents=True)
    path.write_text('{"deny_limit": 7, "mode": "enforce", "exclude": ["Read"]}')
    assert run(env, "mode", "observe").returncode == 0
    assert json.loads(path.read_text()) == {"deny_limit": 7, "mode": "observe", "exclude": ["Read"]}
    assert json.loads(run(env, "status", "--json").stdout)["mode"] == "observe"
    assert f"To block: python3 {ROOT / 'plugin'} mode enforce\n" in run(env, "status").stdout


def test_observing_counts_no_rule_that_only_warns_among_what_would_be_blocked(env):
    run(env, "config", "set", "tool_failure.action", "warn")
    run(env, "mode", "observe")
    fail(env)
    assert "Observing only: 0 calls would have been blocked." in run(env, "status").stdout
    assert "trips 0, threshold reached 1\n" in run(env, "status").stdout
    run(env, "config", "set", "tool_failure.action", "block")
    assert "Observing only: 1 call would have been blocked." in run(env, "status").stdout
    assert "trips 0, would have blocked 1\n" in run(env, "status").stdout


def test_a_bypass_of_a_session_that_has_ended_is_not_called_active(env):
    prompt = {
        "session_id": "s1",
        "prompt_id": "p1",
        "cwd": env["CLAUDE_PROJECT_DIR"],
        "prompt": "SUDO BYPASS",
    }
    body = json.dumps({**prompt, "hook_event_name": "UserPromptSubmit"}).encode()
    line = [sys.executable, "-I", "-S", str(ROOT / "hooks" / "prompt.py")]
    subprocess.run(line, input=body, env=env, check=True, stdout=subprocess.DEVNULL)
    assert "Bypass: active for the current prompt" in run(env, "status").stdout
    (Path(env["HOME"]) / ".claude" / "sessions").mkdir(parents=True)
    for path in Path(env["CIRCUIT_BREAKER_HOME"], "sessions", "s1").iterdir():
        os.utime(path, (time.time() - 4000,) * 2)
    assert "Bypass" not in run(env, "status").stdout


def test_mode_refuses_a_file_it_cannot_read_and_leaves_it(env):
    path = Path(env["HOME"], ".config", "claude-circuit-breaker", "config.json")
    path.parent.mkdir(parents=True)
    path.write_text("{broken")
    done = run(env, "mode", "observe")
    assert done.returncode == 1 and "not touched" in done.stderr
    assert path.read_text() == "{broken"


def test_config_problems_are_named_with_the_path_of_their_key(env):
    home = Path(env["CIRCUIT_BREAKER_HOME"])
    home.mkdir(mode=0o700)
    (home / "circuit_breaker_config.json").write_text(
        '{"circuit_breakers": {"tool_failure": {"threshold": "3"}}, "colour": 1}'
    )
    problems = json.loads(run(env, "status", "--json").stdout)["health"]["config_problems"]
    assert [problem.split(":")[0] for problem in problems] == [
        "circuit_breakers.tool_failure.threshold",
        "colour",
    ]
    assert "circuit_breakers.tool_failure.threshold" in run(env, "status").stdout


def test_recurring_dead_end_of_the_project_is_one_line(env):
    for number in range(3):
        made = Transcript(f"s{number}", env["CLAUDE_PROJECT_DIR"], time.time() - 3600)
        made.bash("npx prisma go", "Exit code 127\nsh: 1: npx: not found", fails=True)
        made.save(Path(env["HOME"]))
    assert (
        'Recurring dead end: `npx prisma go` failed with "command not found: npx" in 3 sessions'
        in run(env, "status").stdout
    )
    assert json.loads(run(env, "status", "--json").stdout)["dead_ends"][0]["sessions"] == 3


# --- several projects and sessions


@pytest.fixture
def machine_wide(env, tmp_path):
    """Two projects of one person, each with a home of its own in the runtime folder."""
    env = {name: value for name, value in env.items() if name != "CIRCUIT_BREAKER_HOME"}
    (tmp_path / "other").mkdir()
    (tmp_path / "home").mkdir()
    return env, {**env, "CLAUDE_PROJECT_DIR": str(tmp_path / "other")}


def test_status_shows_every_project_and_names_it_and_project_narrows_it(machine_wide):
    here, there = machine_wide
    fail(here, session="here1")
    fail(there, session="there1", command="npm test")
    text = run(here, "status").stdout
    assert "Active Breakers: 2" in text
    assert (
        f"project: {here['CLAUDE_PROJECT_DIR']}" in text and f"project: {there['CLAUDE_PROJECT_DIR']}" in text
    )
    text = run(here, "status", "--project", there["CLAUDE_PROJECT_DIR"]).stdout
    assert "Active Breakers: 1" in text and "npm test" in text and "make test" not in text
    assert run(here, "status", "--line").stdout.startswith("⚡ 1 open · make test ")
    assert run(here, "status", "--session", "ther").stdout.count("OPEN") == 2  # the circuit and its rule


NOWHERE = "there is no folder /nowhere/at-all, and no session of it is remembered"
NOBODY = "no session nobody is remembered"
NONSENSE = "circuit is called nonsense"
MISTYPED = {
    "status --project /nowhere/at-all": NOWHERE,
    "reset --all --project /nowhere/at-all": NOWHERE,
    "incidents --project /nowhere/at-all": NOWHERE,
    "report --project /nowhere/at-all": NOWHERE,
    "status --session nobody": NOBODY,
    "reset --all --session nobody": NOBODY,
    "incidents --session nobody": NOBODY,
    "explain --session nobody": "nothing was blocked in session nobody",
    "explain Bash ls --session nobody": NOBODY,
    "report nobody": "nothing of session nobody",
    "status --circuit nonsense": NONSENSE,
    "reset --circuit nonsense": NONSENSE,
    "incidents --circuit nonsense": NONSENSE,
}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("mistyped", MISTYPED)
def test_name_that_nothing_is_known_of_is_no_reassurance(machine_wide, mistyped, shared):
    env = machine_wide[0]
    if shared:
        env["CIRCUIT_BREAKER_HOME"] = f"{env['HOME']}/breaker"
    fail(env)
    done = run(env, *mistyped.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(mistyped.split()[0] + ": ") and MISTYPED[mistyped] in done.stderr
    assert run(env, "status", "--line").stdout.startswith("⚡ 1 open")


@pytest.mark.parametrize("verb", ["status", "reset --all", "incidents"])
@pytest.mark.parametrize("option", ["--session", "--project"])
def test_name_that_is_empty_chooses_nothing(env, verb, option):
    fail(env)
    done = run(env, *verb.split(), option, "")
    assert (done.returncode, done.stdout) == (2, "") and "is empty" in done.stderr
    assert run(env, "reset", "--circuit", "").returncode == 2
    assert "Active Breakers: 1" in run(env, "status").stdout


def test_one_home_for_all_projects_keeps_them_apart_where_one_is_named(machine_wide):
    here, there = ({**one, "CIRCUIT_BREAKER_HOME": f"{one['HOME']}/breaker"} for one in machine_wide)
    fail(here, session="here1")
    fail(there, session="there1", command="npm test")
    named = ["--project", there["CLAUDE_PROJECT_DIR"]]
    assert "make test" not in run(here, "incidents", *named).stdout
    assert "make test" not in run(here, "reset", "--all", *named).stdout
    left = json.loads(run(here, "status", "--json").stdout)["circuits"]["tool_failure"]["subjects"]
    assert [one["session"] for one in left] == ["here1"]


def test_one_home_for_all_projects_does_not_take_their_sessions_for_those_of_this_one(machine_wide):
    here, there = ({**one, "CIRCUIT_BREAKER_HOME": f"{one['HOME']}/breaker"} for one in machine_wide)
    fail(there, session="there1", command="npm test")
    said = json.loads(run(here, "status", "--json").stdout)["protection"]
    assert not said["protected"] and "there1" not in said["how"]
    assert "no session of this project is remembered" in run(here, "explain", "Bash", "ls").stderr
    fail(here, session="here1")
    assert run(here, "status", "--line").stdout.startswith("⚡ 1 open · make test ")


def test_reset_applies_each_projects_own_rules(machine_wide):
    here, there = machine_wide
    fail(there, session="there1", command="npm test")
    fail(there, session="there1", command="make lint")
    theirs = Path(there["HOME"]) / ".local/state/claude-circuit-breaker/sessions/there1/session.json"
    before = theirs.read_bytes()
    home = Path(json.loads(run(here, "status", "--json").stdout)["home"])
    home.mkdir(parents=True, exist_ok=True)
    rules = {"circuit_breakers": {"tool_failure": {"enabled": False}}}
    (home / "circuit_breaker_config.json").write_text(json.dumps(rules))
    done = run(here, "reset", "--circuit", "tool_failure:Bash npm test")
    assert done.stdout.count("Reset to CLOSED") == 1
    assert theirs.read_bytes() == before and b"frozen" in before
    assert "make lint" in run(there, "status").stdout


def test_reset_all_reaches_every_project_and_says_which(machine_wide):
    here, there = machine_wide
    fail(here, session="here1")
    fail(there, session="there1", command="npm test")
    done = run(here, "reset", "--all", "--project", there["CLAUDE_PROJECT_DIR"])
    assert (
        done.stdout
        == f"Reset to CLOSED: tool_failure:Bash npm test (session there1; {there['CLAUDE_PROJECT_DIR']})\n"
    )
    assert "session here1" in run(there, "reset", "--all").stdout
    facts = json.loads(run(here, "status", "--json").stdout)
    assert facts["circuits"]["tool_failure"]["state"] == "CLOSED"
    log = Path(json.loads(run(there, "status", "--json").stdout)["home"], "circuit_breaker_incidents.jsonl")
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["trip", "reset"]


def test_reset_of_many_sessions_publishes_each_project_once(machine_wide):
    here, there = machine_wide
    for name in ("s1", "s2", "s3"):
        fail(here, session=name)
        fail(there, session=f"{name}there")
    traced = [sys.executable, "-c", PUBLISHED, str(ROOT / "plugin"), "reset", "--all"]
    done = subprocess.run(traced, capture_output=True, text=True, env=here, check=True)
    assert done.stdout.count("Reset to CLOSED") == 6
    assert sorted(done.stderr.split()) == sorted(str(path) for path in published(here))
    assert all(json.loads(path.read_text())["circuits"] == [] for path in published(here))


PUBLISHED = """
import os, runpy, sys
real, sys.argv = os.replace, sys.argv[1:]
import posix
def replace(old, new, **more):
    if new.endswith("circuit_breaker_state.json"):
        print(new, file=sys.stderr)
    return real(old, new, **more)
posix.replace = replace
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def published(env):
    runtime = Path(env["HOME"], ".local/state/claude-circuit-breaker")
    return [*runtime.glob("projects/*/circuit_breaker_state.json")]


def test_a_session_that_cannot_be_reached_keeps_no_other_from_the_new_mode(env):
    for name in ("a1", "b1"):
        fail(env, session=name)
    sessions = Path(env["CIRCUIT_BREAKER_HOME"], "sessions")
    (sessions / "a1/lock").unlink()
    (sessions / "a1/lock").mkdir()
    done = run(env, "mode", "observe")
    assert done.returncode == 1
    assert "was changed, but not in use yet in session a1 (" in done.stderr
    assert b"frozen" in (sessions / "a1/session.json").read_bytes()
    assert b"frozen" not in (sessions / "b1/session.json").read_bytes()


@pytest.mark.parametrize("words", [["reset", "--all"], ["status"], ["mode", "observe"]])
def test_what_goes_through_many_sessions_shows_how_far_it_is(machine_wide, words):
    here, _ = machine_wide
    for name in ("s1", "s2"):
        fail(here, session=name)
    in_a_terminal = [sys.executable, "-c", IMPATIENT, str(ROOT / "plugin"), *words]
    done = subprocess.run(in_a_terminal, capture_output=True, env=here, check=False)
    assert re.search(rb"\r\x1b\[K[12] of 2 sessions", done.stderr)
    assert done.stderr.endswith(b"\r\x1b[K")


IMPATIENT = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path[:0] = [sys.argv[0], sys.argv[0][:-6] + "lib"]
import shared
shared.SHOW_AFTER = -1.0
sys.stderr.isatty = lambda: True
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_what_a_killed_reset_did_not_publish_the_next_one_does(machine_wide):
    here, _ = machine_wide
    fail(here)
    (state,) = published(here)
    before = state.read_bytes()
    assert run(here, "reset", "--all").returncode == 0
    state.write_bytes(before)  # as after a kill between the two
    assert "Nothing to reset" in run(here, "reset", "--all").stdout
    assert json.loads(state.read_text())["circuits"] == []


def test_sessions_that_have_ended_stand_apart_and_block_no_status_line(machine_wide):
    here, _ = machine_wide
    listed = Path(here["HOME"], ".claude", "sessions")
    listed.mkdir(parents=True)
    (listed / f"{os.getpid()}.json").write_text('{"sessionId": "runs1"}')
    fail(here, session="ended1")
    fail(here, session="runs1", command="npm test")
    folder = Path(here["HOME"], ".local/state/claude-circuit-breaker/sessions/ended1")
    for path in folder.iterdir():
        os.utime(path, (time.time() - 4000,) * 2)
    text = run(here, "status").stdout
    assert "Active Breakers: 1" in text
    before, _, after = text.partition("In sessions that have ended")
    assert "npm test" in before and "make test" not in before and "make test" in after
    assert "1 open · npm test" in run(here, "status", "--line").stdout
    assert "session ended1, which has ended" in run(here, "reset", "--all").stdout


def test_long_lists_are_capped_and_all_shows_them(env):
    from circuit_breaker.breaker.model import Circuit
    from circuit_breaker.runtime import home, store

    where = home.places(env, env["CLAUDE_PROJECT_DIR"])
    hostile = "Bash <img src=x onerror=alert(1)> \x1b[31mred\x1b[0m \u202egnp.exe " + "x" * 10_000
    for number in range(40):
        subject = f"Bash t{number}" if number else hostile

        def decide(session, lane, subject=subject):
            circuit = Circuit(
                rule="tool_failure",
                subject=subject,
                state="OPEN",
                retry_at=time.time() + 60,
                cooldown=60.0,
                count=3,
            )
            lane.circuits[circuit.name] = circuit
            return session.but(home=where.home), lane.but(turn=1), None

        store.update(where, f"s{number}", "", decide)
    done = run(env, "status")
    assert (
        "Active Breakers: 40" in done.stdout and "... and 20 more: `status --all` lists them." in done.stdout
    )
    assert run(env, "status", "--all").stdout.count("OPEN  tool_failure:") == 40
    assert "<img src=x onerror=alert(1)> red" in run(env, "status", "--all").stdout
    for arguments in ([], ["--all"], ["--line"], ["--json"]):
        shown = run(env, "status", *arguments).stdout
        assert not {"\x1b", "\u202e"} & set(shown)
        assert arguments == ["--json"] or max(map(len, shown.splitlines())) < 400


def test_watch_fits_the_window_and_shows_the_time():
    from operate import frame

    lines = frame("\n".join(["🚨 OPEN " + "x" * 100] * 50), rows=12).split("\n")
    assert lines[0].startswith("\x1b[?7l")  # long lines do not wrap, until the end of the frame
    assert len(lines) == 12 and lines[-2] == "... 40 more lines"
    assert re.fullmatch(r"\d\d:\d\d:\d\d\x1b\[\?7h", lines[-1])


def test_line_for_a_terminal_unblocks_its_circuit_whatever_the_file_is_called(env, tmp_path):
    name = "a \"b\" 'c' $(touch made) `t`.txt"
    fail(env, tool="Read", given={"file_path": f"/p/{name}"})
    line = re.search(r"in a terminal: (.*?)   \(or --all\)", run(env, "status").stdout)[1]
    done = subprocess.run(
        ["sh", "-c", line],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    assert done.stdout.startswith(f"Reset to CLOSED: tool_failure:Read {name} (session s1")
    assert not (tmp_path / "made").exists()
