"""Each fault is found, named with its fix, and fixed where it can be."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from argparse import Namespace
from pathlib import Path
from unittest.mock import patch

import pytest
from doctor import FAULT, NOTE, client, machine, probe
from doctor.doctor import doctor, examine
from install import bundle
from plugin.people import plugin
from plugin.settings_documents import LINES
from shared import ROOT

from circuit_breaker.runtime import claude_folder, files, hook


def look(person, **env):
    """doctor's findings without the run of the lines, by id."""
    with patch.dict(os.environ, env), patch.object(probe, "fired_lines", return_value=[]):
        findings = examine()
    return {finding.id: finding for finding in findings}


def fix(person):
    """`doctor --fix` without the run of the lines."""
    with patch.object(probe, "fired_lines", return_value=[]):
        doctor(Namespace(fix=True, json=False))


def faults(person, **env):
    return {name for name, finding in look(person, **env).items() if finding.level == FAULT}


def test_a_fresh_installation_is_well_and_every_line_fires(person):
    person.settings.write_text('{"model": "opus"}')
    plugin(person, "install")
    done = plugin(person, "doctor", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["schema"], said["ok"]) == (0, 1, True), said
    texts = {finding["id"]: finding["text"] for finding in said["findings"]}
    assert f"all {LINES} lines fire" in texts["fires"]
    assert "denied the fourth time" in texts["fires"]
    assert texts["overhead"].startswith("Overhead per tool call: ")
    assert all(set(finding) == {"id", "level", "text", "fix"} for finding in said["findings"])


def test_a_project_of_any_name_can_be_looked_at(person):
    person.install()
    project = person.project / 'a\nb $HOME "'
    (project / ".claude").mkdir(parents=True)
    done = plugin(person, "doctor", CLAUDE_PROJECT_DIR=str(project), cwd=project)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_looking_leaves_no_trace(person):
    person.install()
    for number in range(5):  # an MCP server that is down for all sessions
        error = "MCP error -32000: Connection closed"
        call = {"tool_name": "mcp__srv__x", "tool_input": {"n": number}, "tool_use_id": f"t{number}"}
        turn = {"hook_event_name": "PostToolBatch", "tool_calls": [{**call, "tool_response": error}]}
        failure = {"hook_event_name": "PostToolUseFailure", "error": error, **call}
        for event in (failure, turn):
            body = json.dumps({"session_id": "s", "cwd": str(person.project), **event}).encode()
            hook.answer_to("monitor", body, os.environ, time.time())
    assert list(person.state.glob("services/*.json")) and (person.state / "armed" / "_any").exists()
    before = person.tree()
    plugin(person, "doctor")
    assert person.tree() == before


def test_what_a_killed_doctor_left_is_removed_by_the_next(person):
    person.install()
    before = person.tree()
    alive, dead = f"doctor-{os.getpid()}", "doctor-99999999"
    for session in (alive, dead):
        for path in (person.state / "sessions" / session / "main.json", person.state / "armed" / session):
            path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            path.write_text("{}")
    plugin(person, "doctor")
    left = {name for name in person.tree().keys() - before.keys() if "doctor-" in name}
    assert {Path(name).name for name in left} == {alive, "main.json"}


def test_without_an_installation_it_says_so_and_exits_1(person):
    done = plugin(person, "doctor")
    assert done.returncode == 1
    assert "not installed" in done.stdout
    assert "fix: python3 " in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "event"), [("hooks/run", "files"), ("lib/circuit_breaker/breaker/policy.py", "files")]
)
def test_missing_files_are_found_and_fixed(person, file, event):
    person.install()
    (person.root / file).unlink()
    assert event in faults(person)
    done = plugin(person, "doctor", "--fix")
    assert "installed again" in done.stdout
    assert (person.root / file).is_file()
    assert not faults(person)


def test_a_line_that_does_not_deny_is_a_fault(person):
    person.install()
    (person.root / "hooks" / "circuit_breaker_monitor.py").write_text("")
    done = plugin(person, "doctor")
    assert done.returncode == 1
    assert "was not denied the fourth time" in done.stdout


def test_a_line_that_complains_is_a_fault_with_its_words(person):
    person.install()
    (person.root / "hooks" / "circuit_breaker_monitor.py").write_text("raise SystemExit('torn apart')")
    done = plugin(person, "doctor")
    assert done.returncode == 1
    assert "the PostToolBatch line printed an error: torn apart" in done.stdout


def test_lost_and_doubled_registrations_are_found_and_fixed(person):
    person.install()
    document = json.loads(person.settings.read_text())
    stop = document["hooks"].pop("Stop")
    person.settings.write_text(json.dumps(document))
    assert "not registered for Stop" in look(person)["registered"].text
    document["hooks"]["Stop"] = stop * 2
    person.settings.write_text(json.dumps(document))
    assert "registered twice for Stop" in look(person)["registered"].text
    fix(person)
    assert not faults(person)


def test_a_missing_command_is_found_and_fixed(person):
    person.install()
    command = person.home / ".claude" / "commands" / "reset-circuit.md"
    command.unlink()
    assert faults(person) == {"commands"}
    fix(person)
    assert command.is_file()


def test_a_double_registration_is_found(person):
    person.install()
    document = json.loads(person.settings.read_text())
    market = {"source": {"source": "directory", "path": str(ROOT)}}
    document.update(enabledPlugins={"circuit-breaker@m": True}, extraKnownMarketplaces={"m": market})
    person.settings.write_text(json.dumps(document))
    assert "every hook runs 2 times" in look(person)["double"].text


def test_switched_off_hooks_are_found_wherever_they_are_switched_off(person):
    person.install()
    (person.project / ".claude").mkdir()
    (person.project / ".claude" / "settings.local.json").write_text('{"disableAllHooks": true}')
    assert "disableAllHooks is true in" in look(person)["protected"].text


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
def test_a_settings_file_that_the_client_skips_is_found_with_its_place(person, name):
    person.install()
    (person.project / ".claude").mkdir()
    (person.project / ".claude" / name).write_text('{\n  "permissions": {"deny": ["Bash"],}\n}\n')
    finding = look(person)["settings"]
    assert finding.level == FAULT
    assert "line 2" in finding.text
    assert name in finding.fix


def test_a_fault_is_named_once_and_its_fix_is_not_doctor_itself(person, tmp_path):
    person.install()
    (tmp_path / "file").touch()
    found = look(person, CIRCUIT_BREAKER_HOME=str(tmp_path / "file"))
    assert "nothing can be kept" in found["protected"].text and "mode" not in found
    assert ": not run, since nothing can be kept" in found["fires"].text
    (person.root / "lib" / "circuit_breaker" / "runtime" / "hook.py").write_text("import missing")
    found = look(person)
    assert (found["protected"].level, found["protected"].fix) == (FAULT, "see the faults below")


def test_an_administrators_settings_count(person, tmp_path, mocker):
    path = tmp_path / "managed-settings.json"
    path.write_text('{"allowManagedHooksOnly": true}')
    mocker.patch.object(claude_folder, "managed_settings", return_value=[str(path)])
    assert "only an administrator's hooks" in look(person)["protected"].text


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_every_platform_has_its_place_for_them(platform, mocker):
    mocker.patch.object(files, "names", return_value=["10-hooks.json", "notes.txt"])
    ends = [path.partition("/managed-settings")[2] for path in claude_folder.managed_settings(platform)]
    assert ends[:2] == [".json", ".d/10-hooks.json"] and len(ends) == (4 if platform == "win32" else 2)


def test_a_stale_pin_is_found_and_fixed(person):
    person.install()
    person.state.mkdir(mode=0o700)
    (person.state / "python").write_text("/nowhere/python3\n")
    assert "/nowhere/python3" in look(person)["pin"].text
    fix(person)
    assert not (person.state / "python").exists()


@pytest.mark.parametrize("make", [os.mkfifo, lambda pin: os.symlink("/nowhere", pin)], ids=["fifo", "link"])
def test_a_pin_that_is_no_file_is_found_and_fixed(person, make):
    person.install()
    person.state.mkdir(mode=0o700)
    make(person.state / "python")
    assert look(person)["python"].level == FAULT
    fix(person)
    assert not os.path.lexists(person.state / "python")


@pytest.mark.parametrize("kind", ["a folder", "no program", "a program that fails"])
def test_a_pin_that_does_not_start_is_found_and_fixed(person, tmp_path, kind):
    person.install()
    person.state.mkdir(mode=0o700)
    named = tmp_path / "named"
    if kind == "a folder":
        named.mkdir()
    else:
        named.write_text("#!/bin/sh\nexit 3\n" if kind == "a program that fails" else "\0\1\2")
        named.chmod(0o755)
    (person.state / "python").write_text(f"{named}\n")
    assert look(person)["pin"].level == NOTE
    fix(person)
    assert not (person.state / "python").exists()


def python_at(folder, script, name="python3"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("script", ["echo 3 8", "exit 1", "exit 49", "echo", "echo 3 x"])
def test_a_python_that_does_not_fit_is_a_fault_unless_another_does(person, tmp_path, script):
    folder = tmp_path / "bin"
    python_at(folder, script)
    finding = look(person, PATH=str(folder))["python"]
    assert (finding.level, f"{folder}/python3" in finding.text) == (FAULT, True)
    python_at(folder, f'exec {sys.executable} "$@"', "python3.10")
    finding = look(person, PATH=str(folder))["python"]
    assert (finding.level, f"{folder}/python3.10" in finding.text) == ("ok", True)


def test_a_python_newer_than_any_that_was_tested_is_named(person, tmp_path):
    python_at(tmp_path / "bin", "echo 3 99")
    finding = look(person, PATH=str(tmp_path / "bin"))["python"]
    assert (finding.level, "newer than any it was tested on" in finding.text) == (NOTE, True)


@pytest.mark.parametrize(
    ("version", "level", "words"),
    [
        ("2.1.332", "ok", "fully supported"),
        ("2.1.330", "ok", "fully supported"),
        ("2.1.329", "ok", "works; fully supported from 2.1.330 on"),
        ("2.1.196", "ok", "works"),
        ("2.1.195", "note", "SUDO BYPASS never takes effect before 2.1.196"),
        ("2.1.118", "note", "blocks loops"),
        ("2.1.117", "fault", "nothing is blocked before 2.1.118"),
        ("1.0.40", "fault", "nothing is blocked"),
    ],
)
def test_the_version_of_claude_code_is_named_by_what_it_can_do(tmp_path, version, level, words):
    claude(tmp_path, f'echo "{version} (Claude Code)"')
    finding = about_claude(tmp_path)[0]
    assert (finding.level, words in finding.text) == (level, True), finding


def about_claude(folder):
    """What doctor finds about the `claude` in a folder."""
    with patch.dict(os.environ, PATH=f"{folder}:/bin"):
        return list(client.claude_code([]))


def claude(folder, script):
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_claude_that_gives_no_version_is_a_note(tmp_path):
    claude(tmp_path, "exit 3")
    assert [finding.level for finding in about_claude(tmp_path)] == ["note"]
    assert "not on the PATH" in about_claude("/nowhere")[0].text


def test_texts_that_claude_code_no_longer_holds_are_named(tmp_path):
    texts = client.TEXTS - {"tool-results"}
    claude(tmp_path, "echo 2.1.400; exit\n" + "#" * client.MARGIN + "\nPreToolUse\n" + "\n".join(texts))
    _, finding = about_claude(tmp_path)
    assert finding.level == NOTE
    assert "no longer contains: 'tool-results'." in finding.text


def test_folders_that_are_open_to_others_are_found_and_fixed(person):
    person.install()
    person.state.mkdir(mode=0o700)
    person.state.chmod(0o755)
    assert "mode" in faults(person)
    fix(person)
    assert person.state.stat().st_mode & 0o777 == 0o700


def test_problems_of_the_configuration_are_found_with_the_path_of_the_key(person):
    person.install()
    path = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"circuit_breakers": {"tool_failure": {"threshold": "three"}}}')
    finding = look(person)["config"]
    assert finding.level == FAULT
    assert finding.text.startswith("circuit_breakers.tool_failure.threshold")


def test_what_people_configured_does_not_fool_the_run_of_the_lines(person):
    person.install()
    path = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        '{"mode": "observe", "exclude": ["Bash"], "circuit_breakers": {"tool_failure": {"threshold": 0}}}'
    )
    done = plugin(person, "doctor")
    assert "denied the fourth time" in done.stdout
    assert done.returncode == 0


def test_packages_that_cannot_be_had_are_a_note_and_no_fault(person):
    person.install()
    shutil.rmtree(person.root / "lib" / "_vendor", ignore_errors=True)
    done = plugin(person, "doctor", "--json")
    (finding,) = [one for one in json.loads(done.stdout)["findings"] if one["id"] == "packages"]
    assert finding["level"] == "note"
    assert "--fix" in finding["fix"]
    assert done.returncode == 0


def test_the_programs_of_a_project_that_was_only_cloned_are_not_run(person):
    person.install("project")
    run = person.project / ".claude" / "circuit-breaker" / "hooks" / "run"
    run.write_text(f"touch '{person.home}/pwned'")
    done = plugin(person, "doctor")
    assert "not run, since they are the project's own programs" in done.stdout
    assert not (person.home / "pwned").exists()


def test_a_projects_own_doctor_runs_its_lines(person):
    person.install("project")
    done = plugin(person, "doctor", source=person.project / ".claude" / "circuit-breaker")
    assert f"all {LINES} lines fire" in done.stdout, done.stdout


# --- the copy that runs, in this environment's own folders -----------------------------------------------------------


def enable(person, folder, name="circuit-breaker@m"):
    market = {"source": {"source": "directory", "path": str(folder)}}
    document = {"enabledPlugins": {name: True}, "extraKnownMarketplaces": {name.partition("@")[2]: market}}
    person.settings.write_text(json.dumps(document))


def listing(tmp_path, *entries):
    claude(tmp_path, f"[ $1 = --version ] && echo 2.1.330 || echo '{json.dumps(entries)}'")
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_the_copy_that_claude_code_runs_is_the_one_that_is_checked(person, tmp_path):
    enable(person, ROOT)
    entry = {"id": "circuit-breaker@m", "enabled": True, "readFromFolder": f"{ROOT}/", "version": "9"}
    assert look(person, **listing(tmp_path, entry))["copy"].level == "ok"
    other = {**entry, "readFromFolder": None, "installPath": "/somewhere"}
    finding = look(person, **listing(tmp_path, other))["copy"]
    assert (finding.level, "/somewhere" in finding.text) == (FAULT, True)
    finding = look(person, **listing(tmp_path, {**entry, "errors": ["hooks.json: bad entry"]}))["copy"]
    assert (finding.level, "hooks.json: bad entry" in finding.text) == (FAULT, True)
    claude(tmp_path, "echo 2.1.330")
    assert look(person, PATH=f"{tmp_path}:{os.environ['PATH']}")["copy"].level == NOTE


def test_a_copy_among_the_skills_is_checked_like_any_other(person):
    copy = person.home / ".claude" / "skills" / "cb"
    for name in [*bundle.names_below(ROOT), ".claude-plugin/plugin.json"]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    found = look(person)
    assert (found["protected"].level, str(copy) in found["protected"].text) == ("ok", True)


@pytest.mark.parametrize("chosen", [False, True])
def test_lines_are_fired_in_the_runtime_folder_that_is_used_and_leave_nothing_there(person, chosen):
    person.install()
    state = person.home / "chosen" if chosen else person.state
    env = {"CIRCUIT_BREAKER_HOME": str(state)} if chosen else {}
    config = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"on_stop": ["touch", str(person.home / "stopped")]}))
    (state / "sessions" / "mine").mkdir(parents=True, mode=0o700)
    for path in (state, state / "sessions"):
        path.chmod(0o700)
    (state / "circuit_breaker_incidents.jsonl").write_text('{"t": 1.0, "event": "trip"}\n')
    before = person.tree()
    done = plugin(person, "doctor", **env)
    assert f"all {LINES} lines fire" in done.stdout, done.stdout
    published = {
        "circuit_breaker_state.json",
        ".publish.lock",
    }  # of a home in the runtime folder: nothing open in it
    after = {name: data for name, data in person.tree().items() if Path(name).name not in published}
    assert after == before


def test_a_runtime_folder_that_cannot_keep_anything_is_a_fault(person):
    person.install()
    person.state.parent.mkdir(parents=True, exist_ok=True)
    person.state.write_text("a file in its place")
    done = plugin(person, "doctor")
    assert done.returncode == 1
    assert "FAULT" in done.stdout
    assert "all is well" not in done.stdout


def test_it_says_when_the_hooks_last_ran(person):
    person.install()
    session = person.state / "sessions" / "b7e1c2d3"
    session.mkdir(parents=True, mode=0o700)
    (session / "session.json").write_text(json.dumps({}))
    (session / "session.json").chmod(0o600)
    then = time.time() - 200
    os.utime(session / "session.json", (then, then))
    assert "hooks last ran 3 min ago in session b7e1c2" in look(person)["protected"].text


# --- a damaged copy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["installed", "plugin"])
def test_a_copy_with_windows_line_ends_is_named_and_really_fixed(person, tmp_path, way):
    if way == "installed":
        person.install()
        root = person.root
    else:
        root = tmp_path / "clone"
        for name in [*bundle.names_below(ROOT), ".claude-plugin/plugin.json"]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        enable(person, root)
    for name in bundle.names_below(root):
        (root / name).write_bytes((root / name).read_bytes().replace(b"\n", b"\r\n"))
    done = plugin(person, "doctor")
    assert done.returncode == 1
    assert "Windows line ends in " in done.stdout
    done = plugin(person, "doctor", "--fix")
    assert done.returncode == 0, done.stdout
    assert f"all {LINES} lines fire" in done.stdout
    assert (root / "hooks" / "run").read_bytes() == (ROOT / "hooks" / "run").read_bytes()


def test_a_whole_copy_repairs_what_lies_outside_it(person):
    person.install()
    document = json.loads(person.settings.read_text())
    del document["hooks"]["PostToolBatch"]
    person.settings.write_text(json.dumps(document))
    (person.home / ".claude" / "commands" / "circuit-status.md").unlink()
    done = plugin(person, "doctor", "--fix", source=person.root)
    assert done.returncode == 0, done.stdout
    assert f"all {LINES} lines are registered" in done.stdout


def test_a_damaged_copy_does_not_pretend_to_repair_itself(person):
    person.install()
    (person.root / "hooks" / "stop.py").unlink()
    done = plugin(person, "doctor", "--fix", source=person.root)
    assert done.returncode == 1
    assert "get a fresh copy of the plugin" in done.stdout
    assert plugin(person, "doctor", "--fix").returncode == 0


# --- what runs beside us ----------------------------------------------------------------------------------------------


def test_a_timeout_in_milliseconds_is_named_with_the_seconds_that_were_meant(person):
    person.settings.write_text(
        '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "lint", "timeout": 5000}]}]}}'
    )
    finding = look(person)["timeout"]
    assert "'lint' has a timeout of 5000 seconds" in finding.text
    assert "write 5" in finding.fix


def transcript(person, *rows):
    path = person.home / ".claude" / "projects" / "p" / "s.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def hook_row(command, ms, event="PostToolUse"):
    return {"attachment": {"type": "hook_success", "hookEvent": event, "command": command, "durationMs": ms}}


def test_hooks_of_others_that_were_slow_in_recent_sessions_are_named(person):
    transcript(
        person,
        *[hook_row("format everything", ms) for ms in (700, 730, 760)],
        *[hook_row("quick", 90)] * 3,
        *[hook_row("once", 5000)],
        {"type": "system", "hookInfos": [{"command": "lint", "durationMs": 1500}]},
        {"type": "system", "hookInfos": [{"command": "lint", "durationMs": 1500}]},
        {"attachment": {"hookEvent": "Stop", "command": 7, "durationMs": "x"}},
    )
    finding = look(person)["slow"]
    assert "slow PostToolUse hook: 'format everything' took 730 ms (median of 3 runs)" in finding.text


@pytest.mark.parametrize(
    "row",
    [
        [{"durationMs": 1, "command": "x"}],
        {"hookInfos": 5, "durationMs": 1, "command": "x"},
        {"hookInfos": [{"hookEvent": ["Stop"], "command": "x", "durationMs": 9000}] * 2},
        {"hookInfos": [{"command": "x", "durationMs": 10**400}] * 2},
    ],
)
def test_odd_lines_of_a_transcript_are_passed_over(person, row):
    transcript(person, row)
    assert "slow" not in look(person)


def test_plugins_listed_in_a_wrong_shape_make_claude_code_skip_the_file(person):
    person.settings.write_text('{"enabledPlugins": ["a@b"]}')
    found = look(person)["settings"]
    assert (found.level, '"enabledPlugins" is not an object' in found.text) == (FAULT, True)


@pytest.mark.parametrize("theirs", ["", '{"session": "theirs"}\n'])
def test_the_log_keeps_what_another_session_writes_while_the_lines_are_fired(tmp_path, theirs):
    log = tmp_path / "log"
    log.write_text('{"session": "doctor-1"}\n' + theirs)
    probe._shorten(log, 0, "doctor-1")
    assert log.exists() == bool(theirs)
    log.write_text('{"session": "before"}\n')
    probe._shorten(log, 100, "doctor-1")
    assert log.read_text() == '{"session": "before"}\n'


def test_mods_and_scripts_of_others_are_named(person):
    skill = person.home / ".claude" / "skills" / "theirs" / "hooks"
    skill.mkdir(parents=True)
    (skill / "hooks.json").write_text('{"hooks": {}, "modules": ["./register.js"]}')
    scripts = person.project / ".claude" / "hooks"
    scripts.mkdir(parents=True)
    (scripts / "circuit_breaker_gate.py").write_text("")
    found = look(person)
    assert "contains a mod" in found["mod"].text
    assert "circuit_breaker_gate.py" in found["older"].text


@pytest.mark.parametrize(("folder", "name"), [(".vscode", "VS Code"), (".cursor-server", "Cursor")])
def test_editors_that_read_these_hooks_and_tell_of_no_failure_are_named(person, folder, name):
    person.install()
    assert "editor" not in look(person, PATH="/usr/bin:/bin")
    (person.home / folder).mkdir()
    assert look(person, PATH="/usr/bin:/bin")["editor"].text.startswith(name)


def test_the_published_configuration_of_the_older_system_is_accepted(person):
    person.install()
    path = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    path.parent.mkdir(parents=True)
    rules = {
        name: {"enabled": True, "threshold": 5, "window_turns": 3} for name in ("tool_failure", "agent_spawn")
    }
    path.write_text(json.dumps({"circuit_breakers": rules, "resource_limits": {"max_agents": 10}}))
    assert "config" not in look(person)


@pytest.mark.parametrize("check", ["state_findings", "settings_chain"])
def test_a_check_that_may_not_look_is_a_fault_and_the_others_are_made(person, mocker, check):
    person.install()

    def away(*_):
        raise PermissionError(13, "Permission denied", "/of/root")
        yield  # as each check does

    mocker.patch.object(machine, check, away)
    found = look(person)
    assert found["access"].text == "/of/root: permission denied" and found["access"].fix
    assert {"protected", "registered", "python"} <= found.keys()
