"""Each fault is found, named with its cure, and mended where it can be."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from doctor import machine, registered
from doctor.finding import FAULT, NOTE, Installation
from install import scopes
from install.apply import SOURCE
from plugin.people import plugin
from plugin.settings_documents import LINES

from circuit_breaker.runtime import home


def look(person, **env):
    """doctor's findings without the run of the lines, by id."""
    where = home.places({**os.environ, **env}, str(person.project))
    sources = scopes.chain(os.environ, person.project)
    installations, findings = registered.installations(os.environ, person.project, sources)
    findings += machine.settings_chain(sources) + machine.interpreter(where, {**os.environ, **env})
    findings += machine.state(where, os.environ)
    return {finding.id: finding for finding in findings}, installations


def faults(person, **env):
    return {name for name, finding in look(person, **env)[0].items() if finding.level == FAULT}


def test_a_fresh_installation_is_well_and_every_line_fires(person):
    person.settings.write_text('{"model": "opus"}')
    plugin(person, "install")
    done = plugin(person, "doctor", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["schema"], said["ok"]) == (0, 1, True), said
    texts = {finding["id"]: finding["text"] for finding in said["findings"]}
    assert f"all {LINES} lines fire" in texts["fires"]
    assert "denied the fourth time" in texts["fires"]
    assert texts["cost"].startswith("Overhead per tool call: ")
    assert all(set(finding) == {"id", "level", "text", "cure"} for finding in said["findings"])


def test_looking_leaves_no_trace(person):
    person.install()
    before = person.tree()
    plugin(person, "doctor")
    assert person.tree() == before


def test_without_an_installation_it_says_so_and_exits_1(person):
    done = plugin(person, "doctor")
    assert done.returncode == 1
    assert "not installed" in done.stdout
    assert "cure: python3 plugin install" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "event"), [("hooks/run", "files"), ("lib/circuit_breaker/breaker/policy.py", "files")]
)
def test_missing_files_are_found_and_mended(person, file, event):
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
    assert "the PostToolBatch line complained: torn apart" in done.stdout


def test_lost_and_doubled_registrations_are_found_and_mended(person):
    person.install()
    document = json.loads(person.settings.read_text())
    stop = document["hooks"].pop("Stop")
    person.settings.write_text(json.dumps(document))
    assert "not registered for Stop" in look(person)[0]["registered"].text
    document["hooks"]["Stop"] = stop * 2
    person.settings.write_text(json.dumps(document))
    assert "registered twice for Stop" in look(person)[0]["registered"].text
    plugin(person, "doctor", "--fix")
    assert not faults(person)


def test_a_missing_command_is_found_and_mended(person):
    person.install()
    command = person.home / ".claude" / "commands" / "reset-circuit.md"
    command.unlink()
    assert faults(person) == {"commands"}
    plugin(person, "doctor", "--fix")
    assert command.is_file()


def test_a_double_registration_is_found(person):
    person.install()
    document = json.loads(person.settings.read_text())
    market = {"source": {"source": "directory", "path": str(SOURCE)}}
    document.update(enabledPlugins={"circuit-breaker@m": True}, extraKnownMarketplaces={"m": market})
    person.settings.write_text(json.dumps(document))
    found, installations = look(person)
    assert "every hook runs 2 times" in found["double"].text
    assert [installation.root for installation in installations] == [person.root, SOURCE]


def test_switched_off_hooks_are_found_wherever_they_are_switched_off(person):
    person.install()
    (person.project / ".claude").mkdir()
    (person.project / ".claude" / "settings.local.json").write_text('{"disableAllHooks": true}')
    assert "settings.local.json" in look(person)[0]["disabled"].text


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
def test_a_settings_file_that_the_client_skips_is_found_with_its_place(person, name):
    person.install()
    (person.project / ".claude").mkdir()
    (person.project / ".claude" / name).write_text('{\n  "permissions": {"deny": ["Bash"],}\n}\n')
    finding = look(person)[0]["settings"]
    assert finding.level == FAULT
    assert "line 2" in finding.text
    assert name in finding.cure


def test_an_administrators_settings_count(person, tmp_path, mocker):
    path = tmp_path / "managed-settings.json"
    path.write_text('{"allowManagedHooksOnly": true}')
    mocker.patch.object(scopes, "managed", return_value=[path])
    assert "managed" in faults(person)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_every_platform_has_its_place_for_them(platform):
    assert all(path.name.endswith(".json") for path in scopes.managed(platform))
    assert scopes.managed(platform)


def test_a_stale_pin_is_found_and_mended(person):
    person.install()
    person.state.mkdir(mode=0o700)
    (person.state / "python").write_text("/nowhere/python3\n")
    assert "/nowhere/python3" in look(person)[0]["pin"].text
    plugin(person, "doctor", "--fix")
    assert not (person.state / "python").exists()


@pytest.mark.parametrize("kind", ["a folder", "no program", "a program that fails"])
def test_a_pin_that_does_not_start_is_found_and_mended(person, tmp_path, kind):
    person.install()
    person.state.mkdir(mode=0o700)
    named = tmp_path / "named"
    if kind == "a folder":
        named.mkdir()
    else:
        named.write_text("#!/bin/sh\nexit 3\n" if kind == "a program that fails" else "\0\1\2")
        named.chmod(0o755)
    (person.state / "python").write_text(f"{named}\n")
    assert look(person)[0]["pin"].level == FAULT
    plugin(person, "doctor", "--fix")
    assert not (person.state / "python").exists()


def test_shims_the_store_stub_and_old_interpreters_are_named_as_what_they_are(person, tmp_path):
    def interpreter_at(folder, script):
        path = tmp_path / folder / "python3"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return look(person, PATH=str(path.parent))[0]["python"]

    shim = interpreter_at("pyenv/shims", f'exec {sys.executable} "$@"')
    assert (shim.level, "pyenv shim" in shim.text) == (NOTE, True)
    stub = interpreter_at("Microsoft/WindowsApps", "exit 49")
    assert (stub.level, "store stub" in stub.text) == (FAULT, True)
    old = interpreter_at("old", "echo 3 8")
    assert (old.level, "3.8" in old.text) == (FAULT, True)
    broken = interpreter_at("broken", "exit 1")
    assert broken.level == FAULT
    assert "no python3" in look(person, PATH=str(tmp_path))[0]["python"].text


@pytest.mark.parametrize(
    ("program", "level"),
    [
        ('#!/bin/sh\necho "2.1.330 (Claude Code)"\n# PreToolUse PostToolBatch Stop', "ok"),
        ('#!/bin/sh\necho "1.0.40"\n# PreToolUse Stop', "fault"),
        ('#!/bin/sh\necho "2.1.100"\n', "note"),
        ("#!/bin/sh\nexit 3\n", "note"),
    ],
)
def test_a_client_that_does_not_know_an_event_is_found(tmp_path, program, level):
    path = tmp_path / "claude"
    path.write_text(program)
    path.chmod(0o755)
    installation = Installation("x", Path("/"), {"PreToolUse": [], "PostToolBatch": [], "Stop": []}, {})
    (finding,) = machine.client({"PATH": f"{tmp_path}:/bin"}, [installation])
    assert finding.level == level, finding


def test_folders_that_are_open_to_others_are_found_and_mended(person):
    person.install()
    person.state.mkdir(mode=0o700)
    person.state.chmod(0o755)
    assert "mode" in faults(person)
    plugin(person, "doctor", "--fix")
    assert person.state.stat().st_mode & 0o777 == 0o700


def test_problems_of_the_configuration_are_found_with_the_path_of_the_key(person):
    person.install()
    path = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"circuit_breakers": {"tool_failure": {"threshold": "three"}}}')
    finding = look(person)[0]["config"]
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
    assert "--fix" in finding["cure"]
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
