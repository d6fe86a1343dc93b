"""The second line of `status`: protected, or why not and the command that fixes it, in every condition there is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from client.driver import copy_plugin
from plugin.people import ROOT, Person, plugin


def second_line(person, *arguments, **env):
    done = plugin(person, "status", *arguments, **env)
    return done.stdout.splitlines()[1], done.returncode


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def change(path, **keys):
    write(path, {**(json.loads(path.read_text()) if path.exists() else {}), **keys})


def run_a_turn(person, session="b7e1c2d3"):
    """What `--plugin-dir` does: hooks run though no settings register them."""
    call = {"tool_name": "Bash", "tool_input": {"command": "true"}, "tool_use_id": "t1", "tool_response": ""}
    body = {"session_id": session, "hook_event_name": "PostToolBatch", "cwd": "/", "tool_calls": [call]}
    script = ROOT / "hooks" / "circuit_breaker_monitor.py"
    subprocess.run(
        [sys.executable, "-I", "-S", script], input=json.dumps(body).encode(), env=person.env, check=True
    )
    return person.state / "sessions" / session


def fail_a_turn(person, number, session="b7e1c2d3"):
    call = {"tool_name": "Bash", "tool_input": {"command": "make"}, "tool_use_id": f"t{number}"}
    body = {**call, "session_id": session, "hook_event_name": "PostToolUseFailure", "cwd": "/", "error": "no"}
    batch = {**body, "hook_event_name": "PostToolBatch", "tool_calls": [{**call, "tool_response": "no"}]}
    script = ROOT / "hooks" / "circuit_breaker_monitor.py"
    for sent in (body, batch):
        line = [sys.executable, "-I", "-S", script]
        subprocess.run(line, input=json.dumps(sent).encode(), env=person.env, check=True, capture_output=True)
    return person.state / "sessions" / session


def aged(folder, seconds):
    then = time.time() - seconds
    for path in folder.iterdir():
        os.utime(path, (then, then))


def test_never_installed_is_not_protected(person):
    line, code = second_line(person)
    assert line.startswith("NOT PROTECTED: not installed") and line.endswith("install") and code == 1


@pytest.mark.parametrize("scope", ["user", "project", "local"])
def test_installed_is_protected_by_the_settings_it_names(person, scope):
    person.install(scope)
    line, code = second_line(person)
    name = "settings.local.json" if scope == "local" else "settings.json"
    assert line.startswith(f"Protected: hooks of {scope} settings (") and name in line and code == 0


def test_config_dir_of_claude_is_looked_into(person, tmp_path):
    person.install("user")
    line, code = second_line(person, CLAUDE_CONFIG_DIR=str(tmp_path / "another"))
    assert line.startswith("NOT PROTECTED: not installed") and code == 1


@pytest.fixture
def clone(person, tmp_path):
    """The plugin, enabled through a directory marketplace as `claude plugin` writes it."""
    folder = copy_plugin(tmp_path / "a clone")
    change(
        person.settings,
        extraKnownMarketplaces={"circuit-breaker": {"source": {"source": "directory", "path": str(folder)}}},
        enabledPlugins={"circuit-breaker@circuit-breaker": True},
    )
    cached = copy_plugin(person.home / ".claude/plugins/cache/circuit-breaker/circuit-breaker/0.1.0")
    entry = {"scope": "user", "installPath": str(cached)}
    listing = person.home / ".claude" / "plugins" / "installed_plugins.json"
    write(listing, {"version": 2, "plugins": {"circuit-breaker@circuit-breaker": [entry]}})
    return folder


def test_enabled_plugin_is_protected(person, clone):
    line, code = second_line(person)
    assert line.startswith("Protected: hooks of plugin circuit-breaker@circuit-breaker") and code == 0


def test_clone_that_was_moved_is_not_protected_though_a_copy_is_left(person, clone):
    clone.rename(clone.with_name("moved"))
    line, code = second_line(person)
    assert f"its files are gone from {clone}; fix: claude plugin marketplace" in line and code == 1


@pytest.mark.parametrize("text", ['{"hooks": {', "[]", '{"hooks": 3}', ""])
def test_plugin_whose_registrations_are_damaged_is_not_protected(person, clone, text):
    (clone / "hooks" / "hooks.json").write_text(text)
    line, code = second_line(person)
    assert f"its files are gone from {clone}; fix: claude plugin marketplace" in line and code == 1


def test_plugin_disabled_for_the_project_is_not_protected(person, clone):
    write(
        person.project / ".claude" / "settings.json",
        {"enabledPlugins": {"circuit-breaker@circuit-breaker": False}},
    )
    line, code = second_line(person)
    assert "the plugin is disabled in" in line and "claude plugin enable" in line and code == 1


def test_plugin_of_another_marketplace_runs_from_its_copy(person, clone):
    document = json.loads(person.settings.read_text())
    document["extraKnownMarketplaces"]["circuit-breaker"]["source"] = {"source": "github", "repo": "a/b"}
    write(person.settings, document)
    shutil.rmtree(clone)
    assert second_line(person)[1] == 0
    shutil.rmtree(person.home / ".claude" / "plugins" / "cache")
    line, code = second_line(person)
    assert "its files are gone" in line and code == 1


@pytest.mark.parametrize("enabled", [True, False])
def test_options_of_the_plugin_count_in_a_terminal_as_they_do_in_its_hooks(person, clone, enabled):
    name = "circuit-breaker@circuit-breaker"
    options = {"mode": "observe", "tool_failure_threshold": 4, "a=b": 1, "notify": "\0\ud800"}
    change(person.settings, enabledPlugins={name: enabled}, pluginConfigs={name: {"options": options}})
    assert second_line(person)[0].startswith(
        "Observing only" if enabled else "NOT PROTECTED: the plugin is disabled"
    )
    assert ("tool_failure.threshold = 4" in plugin(person, "config", "show").stdout) is enabled
    said = plugin(person, "mode", "enforce").stdout
    assert (
        'But "observe" applies here: it is set by the plugin options. To change it: claude' in said
    ) is enabled


def test_plugin_dir_is_seen_live_and_names_its_session(person):
    run_a_turn(person)
    line, code = second_line(person)
    assert (
        line
        == "Protected: session b7e1c2d3 only, as its hooks run; hooks last ran just now in session b7e1c2d3"
    )
    assert code == 0


def test_hooks_that_last_ran_hours_ago_prove_nothing(person):
    aged(run_a_turn(person), 2 * 3600)
    assert second_line(person)[0].startswith("NOT PROTECTED: not installed")


@pytest.mark.parametrize("verb", [["reset", "--all"], ["mode", "observe"]])
def test_what_you_do_in_a_terminal_is_no_sign_of_hooks_that_run(person, verb):
    for number in range(3):
        folder = fail_a_turn(person, number)
    aged(folder, 3 * 86_400)
    assert plugin(person, *verb).returncode == 0
    assert "hooks last ran" not in second_line(person)[0]
    assert not json.loads(plugin(person, "status", "--json").stdout)["protection"]["protected"]


@pytest.mark.parametrize("scope", ["user", "project"])
def test_hooks_that_ran_before_the_uninstall_prove_nothing(person, scope):
    person.install(scope)
    aged(run_a_turn(person), 1)
    person.uninstall(scope)
    assert second_line(person)[0].startswith("NOT PROTECTED: not installed")


def test_hooks_that_ran_before_the_settings_changed_prove_nothing(person):
    aged(run_a_turn(person), 60)
    change(person.settings, model="opus")
    assert second_line(person)[0].startswith("NOT PROTECTED: not installed")


@pytest.mark.parametrize("damage", ["moved", "a file removed", "a file edited"])
def test_hooks_that_ran_before_their_files_changed_prove_nothing(person, damage):
    person.install("user")
    for path in (person.root.parent, *person.root.rglob("*")):
        os.utime(path, (time.time() - 300,) * 2)
    aged(run_a_turn(person), 60)
    rules = person.root / "lib" / "circuit_breaker" / "breaker" / "rules.py"
    if damage == "moved":
        person.root.rename(person.home / "elsewhere")
    elif damage == "a file removed":
        rules.unlink()
    else:
        rules.write_text("torn =")
    line, code = second_line(person)
    assert line.startswith("NOT PROTECTED: ") and code == 1


def test_live_session_of_another_project_does_not_protect_this_one(person, tmp_path):
    run_a_turn(person)
    (tmp_path / "elsewhere").mkdir()
    line, code = second_line(person, "--project", str(tmp_path / "elsewhere"))
    assert line.startswith("NOT PROTECTED") and code == 1


def test_installed_says_when_its_hooks_last_ran(person):
    person.install()
    aged(run_a_turn(person), 190)
    assert second_line(person)[0].endswith("; hooks last ran 3 min ago in session b7e1c2d3")


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
def test_hooks_switched_off_anywhere_are_not_protected(person, name):
    person.install()
    path = person.project / ".claude" / name
    change(path, disableAllHooks=True)
    line, code = second_line(person)
    assert (
        line == f"NOT PROTECTED: disableAllHooks is true in {path}; fix: remove disableAllHooks from {path}"
    )
    assert code == 1


def test_nearer_file_that_switches_hooks_on_again_wins(person):
    person.install()
    change(person.settings, disableAllHooks=True)
    change(person.project / ".claude" / "settings.json", disableAllHooks=False)
    assert second_line(person)[1] == 0


@pytest.fixture
def status_here(person, capsys):
    """A `status` of this process."""
    from types import SimpleNamespace

    import operate

    def status():
        words = dict.fromkeys(["session", "project", "circuit"], None)
        flags = dict.fromkeys(["watch", "line", "all", "json", "memory"], False)
        code = operate.status(SimpleNamespace(**words, **flags, plain=True))
        return capsys.readouterr().out.splitlines()[1], code

    return status


@pytest.fixture
def administrator(status_here, tmp_path, mocker):
    """Managed settings."""
    from circuit_breaker.runtime import claude_folder

    path = tmp_path / "etc" / "managed-settings.json"
    path.parent.mkdir()
    mocker.patch.object(claude_folder, "managed_settings", return_value=[str(path)])

    def status(**settings):
        write(path, settings)
        return status_here()

    return status


def test_managed_settings_can_switch_hooks_off(person, administrator):
    person.install()
    assert administrator()[1] == 0
    assert "disableAllHooks is true" in administrator(disableAllHooks=True)[0]
    line, code = administrator(allowManagedHooksOnly=True)
    assert "only an administrator's hooks" in line and code == 1


def test_managed_settings_that_hold_our_hooks_protect(person, administrator):
    person.install()
    hooks = json.loads(person.settings.read_text())["hooks"]
    write(person.settings, {})
    line, code = administrator(allowManagedHooksOnly=True, hooks=hooks)
    assert line.startswith("Protected: hooks of managed settings (") and code == 0


def test_files_that_are_gone_are_not_protected(person):
    person.install()
    shutil.rmtree(person.root / "lib")
    line, code = second_line(person)
    assert f"registers hooks whose files are gone from {person.root}; fix: " in line and code == 1


@pytest.mark.parametrize(
    "module", ["breaker/monitor.py", "breaker/rules.py", "identity/results.py", "runtime/store.py"]
)
def test_hooks_that_fail_at_a_turn_are_not_protected(person, module):
    person.install("user")
    (person.root / "lib" / "circuit_breaker" / module).write_text("torn =")
    line, code = second_line(person)
    assert (
        line.startswith("NOT PROTECTED: the hooks of user settings") and "SyntaxError" in line and code == 1
    )


def test_event_that_is_no_longer_registered_is_named(person):
    person.install()
    document = json.loads(person.settings.read_text())
    del document["hooks"]["PostToolBatch"]
    write(person.settings, document)
    line, code = second_line(person)
    assert "no longer registers PostToolBatch; fix: " in line and code == 1


def test_settings_that_claude_code_skips_are_named(person):
    person.install()
    person.settings.write_text(person.settings.read_text() + ",")
    line, code = second_line(person)
    assert f"Claude Code skips {person.settings}" in line and code == 1


def test_hooks_that_find_no_python_are_not_protected(person, tmp_path):
    person.install()
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname", "cat"):
        found = shutil.which(name)
        if found:
            (tmp_path / "bin" / name).symlink_to(found)
    line, code = second_line(person, PATH=str(tmp_path / "bin"))
    assert "do not run" in line and "doctor" in line and code == 1


def test_programs_of_a_project_that_was_only_cloned_are_not_started(person, tmp_path):
    person.install("project")
    trap = tmp_path / "started"
    (person.project / ".claude" / "circuit-breaker" / "hooks" / "run").write_text(f"touch '{trap}'\n")
    second_line(person)
    assert not trap.exists()


def test_runtime_folder_that_is_none_is_said_first(person):
    person.install()
    shutil.rmtree(person.state, ignore_errors=True)
    person.state.write_text("a file in its place")
    line, code = second_line(person)
    assert line.startswith(f"NOT PROTECTED: nothing can be kept in {person.state} (") and code == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_runtime_folder_of_somebody_else_is_said_first(person):
    person.install()
    person.state.mkdir(exist_ok=True)
    os.chown(person.state, 12345, -1)
    line, code = second_line(person)
    assert line.startswith("NOT PROTECTED: nothing can be kept in") and "belongs to" in line and code == 1


@pytest.mark.parametrize("missing", ["the lock", "the room"])
def test_folder_without_a_lock_or_without_room_is_said_first(person, status_here, mocker, missing):
    from circuit_breaker.runtime import files

    person.install()
    error = (
        OSError(37, "No locks available") if missing == "the lock" else OSError(28, "No space left on device")
    )
    mocker.patch.object(files, "Lock" if missing == "the lock" else "exchange", side_effect=error)
    line, code = status_here()
    assert (
        line.startswith("NOT PROTECTED: nothing can be kept in") and "fix: set CIRCUIT_BREAKER_HOME" in line
    )
    assert code == 1


def test_disabled_by_configuration_is_not_protected(person):
    person.install()
    plugin(person, "config", "set", "enabled", "false")
    line, code = second_line(person)
    assert "`enabled` is false" in line and "config show --origin" in line and code == 1


def test_observe_mode_blocks_nothing_and_says_so(person):
    person.install()
    plugin(person, "mode", "observe")
    line, code = second_line(person)
    assert (
        line == f"Observing only, nothing is blocked: hooks of user settings ({person.settings})"
        and code == 0
    )
    said = plugin(person, "status").stdout
    assert "all systems operational" not in said and said.endswith("plugin mode enforce\n")
    assert plugin(person, "status", "--line").stdout == "observing only\n"
    findings = json.loads(plugin(person, "doctor", "--json").stdout)["findings"]
    (note,) = [one for one in findings if one["id"] == "mode"]
    assert note["level"] == "note" and note["fix"].endswith("mode enforce")


def test_a_key_that_stands_twice_protects_as_claude_code_reads_it_the_last_one_counting(person):
    person.install()
    text = person.settings.read_text()
    person.settings.write_text(text.replace("{", '{"model": "a", "model": "b", ', 1))
    line, code = second_line(person)
    assert line.startswith("Protected: hooks of user settings (") and code == 0
    person.settings.write_text(text.rstrip()[:-1] + ', "hooks": {}}')
    line, code = second_line(person)
    assert line.startswith("NOT PROTECTED: not installed") and code == 1


@pytest.mark.parametrize("name", ['a "b" c', "it's", "back\\slash", "do$HOME", "tick`s"])
def test_a_home_with_quotes_in_its_name_is_protected(person, tmp_path, name, monkeypatch):
    person = Person(tmp_path / name)
    monkeypatch.setenv("HOME", str(person.home))
    person.install()
    line, code = second_line(person)
    assert line == f"Protected: hooks of user settings ({person.settings})" and code == 0


def test_json_and_the_status_line_say_the_same(person):
    done = plugin(person, "status", "--json")
    facts = json.loads(done.stdout)["protection"]
    assert done.returncode == 1 and facts["protected"] is False and facts["why"] and facts["fix"]
    assert plugin(person, "status", "--line").stdout == "NOT PROTECTED\n"
    person.install()
    done = plugin(person, "status", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["protection"]["why"] == ""
    assert plugin(person, "status", "--line").stdout == ""


def test_status_never_starts_claude(person, tmp_path):
    person.install()
    (tmp_path / "bin").mkdir()
    trap = tmp_path / "bin" / "claude"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/started'\n")
    trap.chmod(0o755)
    second_line(person, PATH=f"{trap.parent}:{os.environ['PATH']}")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("on", [True, False])
def test_a_fix_that_is_pasted_starts_nothing_that_a_cloned_project_names(person, tmp_path, on):
    made = tmp_path / "made"
    write(
        person.project / ".claude" / "settings.json",
        {"enabledPlugins": {f"circuit-breaker@x$(touch {made})": on}},
    )
    line, code = second_line(person)
    fix = line.partition("; fix: ")[2]
    assert fix.startswith("claude plugin ") and code == 1
    subprocess.run(["sh", "-c", f"claude() {{ :; }}; {fix}"], env=person.env, check=True)
    assert not made.exists()


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"HOME": ""}, "HOME"),
        ({"XDG_STATE_HOME": "here"}, "XDG_STATE_HOME"),
        ({"CIRCUIT_BREAKER_HOME": "x"}, "CIRCUIT_BREAKER_HOME"),
    ],
)
def test_without_an_absolute_folder_nothing_is_protected_and_the_variable_is_named(person, env, named):
    line, code = second_line(person, **env)
    assert line.startswith(f"NOT PROTECTED: {named} is not set to an absolute path; fix: ") and code == 1
    assert plugin(person, "status", "--line", **env).stdout == "NOT PROTECTED\n"
    protection = json.loads(plugin(person, "status", "--json", **env).stdout)["protection"]
    assert protection["protected"] is False and f"; fix: {protection['fix']}" in line
    assert named in plugin(person, "doctor", **env).stdout
