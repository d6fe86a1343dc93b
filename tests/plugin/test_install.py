"""In and out without a trace: the laws on real files, order, scopes, and what an installer must never do."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from install import apply, bundle, disk, plan, receipt, scopes
from plugin.people import Person, plugin
from plugin.settings_documents import LINES, NASTY, REFUSED
from plugin.transcripts import Transcript
from samples import samples
from shared import Refusal

from circuit_breaker.breaker.config import DEFAULTS
from circuit_breaker.runtime import files, hook

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("circuit-status.md", "reset-circuit.md")


# --- the laws -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NASTY)
def test_install_and_uninstall_give_the_very_bytes_back(person, name):
    person.settings.write_bytes(NASTY[name])
    before = person.tree()
    person.install()
    assert sum(str(person.root) in line for line in person.lines()) == LINES
    person.uninstall()
    assert person.tree() == before


@pytest.mark.parametrize("scope", ["user", "project", "local"])
def test_without_settings_nothing_at_all_is_left_behind(person, scope):
    before = person.tree()
    person.install(scope)
    assert person.tree() != before
    person.uninstall(scope)
    assert person.tree() == before


@pytest.mark.parametrize("scope", ["user", "project", "local"])
def test_a_second_install_changes_no_byte(person, scope):
    person.settings.write_bytes(NASTY["others on our events"])
    person.install(scope)
    once = person.tree()
    person.install(scope)
    assert person.tree() == once


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place_and_not_touched(person, name):
    person.settings.write_bytes(REFUSED[name][0])
    before = person.tree()
    with pytest.raises(Refusal, match=REFUSED[name][1]):
        person.install()
    assert person.tree() == before


def test_edited_since_means_exactly_our_entries_go(person):
    person.settings.write_text('{\n    "model": "opus"\n}\n')
    person.install()
    text = person.settings.read_text()
    edited = text.replace('"model": "opus"', '"model": "haiku",\n    "env": {"A": "ü"}').replace(
        '"Stop": [', '"Stop": [\n            {"hooks": [{"type": "command", "command": "mine"}]},'
    )
    person.settings.write_text(edited)
    person.uninstall()
    left = person.settings.read_text()
    assert json.loads(left) == {
        "model": "haiku",
        "env": {"A": "ü"},
        "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]},
    }
    assert '    "model": "haiku",\n    "env": {"A": "ü"}' in left
    assert (person.state / "backups").is_dir(), "what was edited is kept before it is changed"


def test_every_change_is_backed_up_under_a_name_that_is_printed(person):
    person.settings.write_text('{"model": "opus"}')
    said = json.loads(plugin(person, "install", "--json").stdout)
    (backup,) = said["backups"]
    assert Path(backup).read_text() == '{"model": "opus"}'
    assert Path(backup).stat().st_mode & 0o777 == 0o600


def test_mode_and_links_of_the_settings_survive(person, tmp_path):
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "settings.json").write_text('{"model": "opus"}\n')
    (dotfiles / "settings.json").chmod(0o640)
    person.settings.symlink_to(dotfiles / "settings.json")
    person.install()
    assert person.settings.is_symlink()
    assert len(person.lines()) == LINES
    assert (dotfiles / "settings.json").stat().st_mode & 0o777 == 0o640
    person.uninstall()
    assert person.settings.is_symlink()
    assert (dotfiles / "settings.json").read_text() == '{"model": "opus"}\n'
    assert [path.name for path in dotfiles.iterdir()] == ["settings.json"]


def test_a_read_only_settings_file_is_taken_at_its_word(person):
    person.settings.write_text("{}\n")
    person.settings.chmod(0o444)
    before = person.tree()
    with pytest.raises(Refusal, match="read-only"):
        person.install()
    assert person.tree() == before


def test_settings_that_change_under_our_hands_are_left_alone(person, mocker):
    person.settings.write_text("{}\n")
    place = apply._put_files

    def meanwhile(*arguments):
        person.settings.write_text('{"model": "opus"}\n')
        return place(*arguments)

    mocker.patch.object(apply, "_put_files", meanwhile)
    with pytest.raises(Refusal, match="changed while install was running"):
        person.install()
    assert person.settings.read_text() == '{"model": "opus"}\n'


def test_installers_that_come_and_go_are_never_inside_together(person):
    scope = scopes.scope("user")
    inside: list[int] = []
    most: list[int] = []

    def come_and_go():
        for _ in range(8):
            with apply._alone(scope):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.002)
                inside.pop()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(come_and_go) for _ in range(4)]:
            done.result()
    assert max(most) == 1
    assert not os.path.lexists(f"{scope.root}.lock")


def test_a_full_disk_leaves_the_settings_whole(person, mocker):
    person.settings.write_text('{"model": "opus"}\n')
    mocker.patch.object(files.system, "fsync", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space"):
        person.install()
    assert person.settings.read_text() == '{"model": "opus"}\n'
    mocker.stopall()


# --- never twice ----------------------------------------------------------------------------------------------------


def test_a_plugin_enabled_through_the_client_stops_the_installer(person):
    person.settings.write_text('{"enabledPlugins": {"circuit-breaker@circuit-breaker": true}}')
    with pytest.raises(Refusal, match="is enabled in"):
        person.install()
    person.settings.write_text(
        '{"enabledPlugins": {"circuit-breaker@circuit-breaker": false, "other@x": true}}'
    )
    person.install()


def test_a_copy_among_the_skills_stops_the_installer_unless_it_is_disabled(person):
    copy = person.home / ".claude" / "skills" / "cb"
    shutil.copytree(ROOT / ".claude-plugin", copy / ".claude-plugin")
    with pytest.raises(Refusal, match="loads the plugin from .*skills/cb"):
        person.install()
    person.settings.write_text('{"enabledPlugins": {"circuit-breaker@skills-dir": false}}')
    person.install()


@pytest.mark.parametrize(
    ("first", "second"), [("user", "project"), ("project", "local"), ("project", "user"), ("local", "user")]
)
def test_a_second_scope_stops_the_installer(person, first, second):
    person.install(first)
    before = person.tree()
    with pytest.raises(Refusal, match=f"--scope {first}"):
        person.install(second)
    assert person.tree() == before


# --- updates, repairs -----------------------------------------------------------------------------------------------


def older_source(folder):
    """A version before this one: another number, a file less, a file more, lines that were registered otherwise."""
    for name in bundle.contents(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "plugin.json").write_text(
        re.sub(r'"version": "', '"version": "0.0.', (ROOT / "plugin.json").read_text())
    )
    hooks = (ROOT / "hooks" / "hooks.json").read_text()
    (folder / "hooks" / "hooks.json").write_text(hooks.replace("exit 0' 0;", "exit 0' 0; : older;"))
    (folder / "lib" / "circuit_breaker" / "gone.py").write_text("")
    (folder / "plugin" / "demo.py").unlink()
    return folder


@pytest.mark.parametrize("name", ["others on our events", "empty event with room", "CRLF", "nothing at all"])
def test_an_update_leaves_only_the_new_version_and_uninstall_still_gives_the_first_bytes_back(
    person, tmp_path, monkeypatch, name
):
    person.settings.write_bytes(NASTY[name])
    before = person.tree()
    monkeypatch.setattr(plan, "SOURCE", older_source(tmp_path / "older"))
    person.install()
    assert all(": older;" in line for line in person.lines() if "circuit-breaker" in line)
    monkeypatch.setattr(plan, "SOURCE", ROOT)
    person.install()
    assert not any(": older;" in line for line in person.lines())
    assert not (person.root / "lib" / "circuit_breaker" / "gone.py").exists()
    assert (person.root / "plugin" / "demo.py").exists()
    assert [path.name for path in person.root.parent.iterdir()] == [person.root.name]
    person.uninstall()
    assert person.tree() == before


@pytest.mark.slow
def test_lines_that_run_while_it_is_updated_never_fail_never_deny_and_print_nothing(
    person, tmp_path, monkeypatch
):
    sources = [older_source(tmp_path / "older"), ROOT]
    monkeypatch.setattr(plan, "SOURCE", sources[0])
    person.install()
    env = {**person.env, "CIRCUIT_BREAKER_HOME": str(tmp_path / "breaker"), "CLAUDE_CODE_SESSION_ID": "s"}
    body = json.dumps(
        {
            "hook_event_name": "PreToolUse",
            "session_id": "s",
            "tool_name": "Agent",
            "tool_input": {},
            "tool_use_id": "1",
        }
    )
    line = next(line for line in person.lines() if 'run" gate' in line and "armed" not in line)
    (tmp_path / "line").write_text(line)
    loop = f"while [ ! -e '{tmp_path}/enough' ]; do printf %s '{body}' | sh '{tmp_path}/line' || echo failed; done"
    running = [
        subprocess.Popen(
            ["/bin/sh", "-c", loop],
            env=env,
            cwd=person.project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    for number in range(samples(here=6, in_ci=20)):
        plan.SOURCE = sources[number % 2 ^ 1]
        person.install()
    (tmp_path / "enough").touch()
    assert [process.communicate()[0] for process in running] == ["", ""]


def test_files_of_other_people_in_the_folder_survive_an_update_and_the_removal(person, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "SOURCE", older_source(tmp_path / "older"))
    person.install()
    (person.root / "config.json").write_text("{}")
    (person.root / "lib" / "theirs.txt").write_text("mine")
    monkeypatch.setattr(plan, "SOURCE", ROOT)
    person.install()
    assert (person.root / "config.json").read_text() == "{}"
    assert (person.root / "lib" / "theirs.txt").read_text() == "mine"
    person.uninstall()
    left = {str(path.relative_to(person.root)) for path in person.root.rglob("*")}
    assert left == {"config.json", "lib", "lib/theirs.txt"}


def test_half_an_installation_is_repaired_by_installing_again(person):
    person.settings.write_bytes(NASTY["tabs"])
    before = person.tree()
    person.install()
    whole = person.tree()
    (person.root / "hooks" / "run").unlink()
    (person.root / "lib" / "circuit_breaker" / "breaker" / "policy.py").write_text("torn")
    (person.home / ".claude" / "commands" / "reset-circuit.md").unlink()
    person.install()
    assert person.tree().keys() == whole.keys()
    assert (person.root / "hooks" / "run").read_bytes() == (ROOT / "hooks" / "run").read_bytes()
    assert person.settings.read_bytes() == whole["home/.claude/settings.json"]
    person.uninstall()
    assert person.tree() == before


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_without_its_receipt_an_installation_is_still_taken_over(person, damage):
    person.settings.write_text('{\n  "model": "opus"\n}\n')
    person.install()
    path = person.root / receipt.RECEIPT
    path.unlink() if damage == "gone" else path.write_text('{"schema": 1')
    person.install()
    assert len(person.lines()) == LINES
    person.uninstall()
    assert person.settings.read_text() == '{\n  "model": "opus"\n}\n'
    assert not person.root.exists()


@pytest.mark.parametrize("then", ["delete the file", "take our entries out"])
def test_a_backup_outlives_an_uninstall_that_did_not_bring_its_bytes_back(person, then):
    person.settings.write_text('{"model": "opus"}')
    person.install()
    person.settings.unlink() if then == "delete the file" else person.settings.write_text(
        '{"model": "haiku"}'
    )
    left = person.settings.read_text() if person.settings.exists() else None
    assert person.uninstall() == 0
    assert (person.settings.read_text() if person.settings.exists() else None) == left
    assert [path.read_text() for path in (person.state / "backups").iterdir()] == ['{"model": "opus"}']


def test_another_scope_in_the_same_folder_stops_the_installer_even_without_its_registrations(person):
    person.install("project")
    (person.project / ".claude" / "settings.json").write_text("{}")
    with pytest.raises(Refusal, match="--scope project"):
        person.install("local")
    assert person.uninstall("local") == 1
    person.install("project")


def disk_is_full_at(number, mocker):
    """The disk is full at the write of this number."""
    write, count = Path.write_bytes, [0]

    def full(path, data):
        count[0] += 1
        if count[0] == number:
            raise OSError(28, "No space left on device")
        return write(path, data)

    mocker.patch.object(Path, "write_bytes", full)


def test_a_full_disk_while_files_are_staged_leaves_nothing(person, mocker):
    before = person.tree()
    disk_is_full_at(20, mocker)
    with pytest.raises(OSError, match="No space"):
        person.install()
    mocker.stopall()
    assert person.tree() == before


def test_a_full_disk_while_it_is_updated_leaves_the_old_version_whole(person, tmp_path, monkeypatch, mocker):
    monkeypatch.setattr(plan, "SOURCE", older_source(tmp_path / "older"))
    person.install()
    before = person.tree()
    monkeypatch.setattr(plan, "SOURCE", ROOT)
    disk_is_full_at(3, mocker)
    with pytest.raises(OSError, match="No space"):
        person.install()
    mocker.stopall()
    assert person.tree() == before


def test_a_link_in_place_of_a_folder_of_the_installation_is_not_followed(person, tmp_path):
    person.install("project")
    root = person.project / ".claude" / "circuit-breaker"
    shutil.rmtree(root / "lib")
    (tmp_path / "elsewhere").mkdir()
    (root / "lib").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="must be a folder, not a link"):
        person.install("project")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_in_place_of_the_installation_is_refused(person, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    person.root.symlink_to(tmp_path / "elsewhere")
    before = person.tree()
    with pytest.raises(Refusal, match="is a link"):
        person.install()
    assert person.tree() == before


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"a": 1}, "settings": {"made": None}},
        {
            "settings": {
                "registrations": {"Stop": [3]},
                "made": [],
                "before": None,
                "after": "",
                "was": "",
                "backup": None,
            }
        },
        {"commands": {"circuit-status.md": "x"}},
        {"claude_md": {"added": 7}},
        {"claude_md": {"added": "what was there before is missing"}},
        {"commands": {"circuit-status.md": {}}},
        {"folders": [None]},
        {"folders": ["\ud800"]},
        {"files": {"a\0b": "x"}},
        {"schema": 2},
    ],
)
def test_a_receipt_that_makes_no_sense_counts_as_lost(person, change):
    person.settings.write_text('{"model": "opus"}')
    before = person.tree()
    for then in ("repaired first", "removed at once"):
        person.install()
        path = person.root / receipt.RECEIPT
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        if then == "repaired first":
            person.install()
        assert person.uninstall() == 0
        shutil.rmtree(
            person.state, ignore_errors=True
        )  # the backup of a file whose first bytes nobody knows any more
        left = {name: data for name, data in person.tree().items() if data is not None}
        assert left == {name: data for name, data in before.items() if data is not None}


@pytest.mark.parametrize("scope", ["user", "project", "local"])
def test_without_its_receipt_an_installation_is_removed_by_names_and_checksums(person, scope):
    person.install(scope)
    base = person.home if scope == "user" else person.project
    root = person.root if scope == "user" else person.project / ".claude" / "circuit-breaker"
    (root / receipt.RECEIPT).unlink()
    (root / "mine.txt").write_text("mine")
    (base / ".claude" / "commands" / "mine.md").write_text("mine")
    assert person.uninstall(scope) == 0
    left = {path.name for path in base.rglob("*") if path.is_file() and "backups" not in path.parts}
    assert left - {"settings.json", "settings.local.json"} == {"mine.txt", "mine.md"}


def test_a_folder_that_somebody_else_made_there_is_not_emptied(person):
    person.root.mkdir(parents=True)
    (person.root / "diary.txt").write_text("mine")
    person.install()
    person.uninstall()
    assert (person.root / "diary.txt").read_text() == "mine"


# --- commands, CLAUDE.md, the older system --------------------------------------------------------------------------


def test_a_command_of_the_same_name_is_not_overwritten_but_put_aside_with_consent(person):
    mine = person.home / ".claude" / "commands" / "reset-circuit.md"
    mine.parent.mkdir()
    mine.write_text("my own reset\n")
    before = person.tree()
    with pytest.raises(Refusal, match="not ours"):
        person.install()
    assert mine.read_text() == "my own reset\n"
    person.install(migrate=True)
    assert mine.read_bytes() == (ROOT / "commands" / "reset-circuit.md").read_bytes()
    person.uninstall()
    assert person.tree() == before


def test_an_edited_command_is_kept_when_it_goes(person):
    person.install()
    command = person.home / ".claude" / "commands" / "circuit-status.md"
    command.write_text("edited\n")
    person.uninstall()
    assert not command.exists()
    assert [path.read_text() for path in (person.state / "backups").iterdir()] == ["edited\n"]


def test_a_command_that_an_install_replaced_outlives_the_uninstall_as_a_backup(person):
    person.settings.write_text("{}")
    person.install()
    command = person.home / ".claude" / "commands" / "circuit-status.md"
    command.write_text("edited\n")
    person.install()
    person.uninstall()
    assert not command.exists()
    assert [path.read_text() for path in (person.state / "backups").iterdir()] == ["edited\n"]


def test_a_command_put_aside_outlives_an_uninstall_that_does_not_bring_it_back(person):
    mine = person.home / ".claude" / "commands" / "reset-circuit.md"
    mine.parent.mkdir()
    mine.write_text("my own reset\n")
    person.install(migrate=True)
    mine.unlink()
    person.uninstall()
    assert not mine.exists()
    assert [path.read_text() for path in (person.state / "backups").iterdir()] == ["my own reset\n"]


@pytest.mark.parametrize("text", [None, "", "# Mine\n", "# Mine", "# Mine\r\n\r\n- ü\r\n"])
def test_the_section_comes_to_the_end_of_claude_md_and_leaves_without_a_trace(person, text):
    path = person.home / ".claude" / "CLAUDE.md"
    if text is not None:
        path.write_bytes(text.encode())
    before = person.tree()
    person.install(claude_md=True)
    said = path.read_bytes().decode()
    assert said.startswith(text or "")
    assert said.count("<!-- circuit-breaker:begin -->") == 1
    assert "\r\n" not in (text or "") or "\n" not in said.replace("\r\n", "")
    person.install(claude_md=True)
    assert path.read_bytes().decode() == said
    person.uninstall()
    assert person.tree() == before


def test_an_edited_section_goes_from_marker_to_marker(person):
    path = person.home / ".claude" / "CLAUDE.md"
    path.write_text("# Mine\n")
    person.install(claude_md=True)
    path.write_text(path.read_text().replace("## Circuit breaker", "## Edited") + "\nmore of mine\n")
    person.uninstall()
    assert "circuit-breaker" not in path.read_text()
    assert path.read_text().startswith("# Mine\n")
    assert path.read_text().endswith("\nmore of mine\n")


OLDER = (
    b'{"hooks": {"PostToolUse": [{"hooks": [{"type": "command", "command": "python3 ~/.claude/hooks/circuit_breaker_monitor.py"}, '
    b'{"type": "command", "command": "mine"}]}], "PreToolUse": [".claude/hooks/circuit_breaker_gate.py"]}, "model": "opus"}'
)


def test_the_older_system_is_shown_replaced_with_consent_and_given_back(person):
    person.settings.write_bytes(OLDER)
    before = person.tree()
    with pytest.raises(Refusal, match=r"(?s)PostToolUse: python3 ~.*PreToolUse: \.claude/hooks.*--migrate"):
        person.install()
    assert person.settings.read_bytes() == OLDER
    person.install(migrate=True)
    lines = person.lines()
    assert not any(".claude/hooks" in line for line in lines)
    assert "mine" in lines
    person.uninstall()
    assert person.tree() == before


def test_the_client_may_rewrite_the_file_and_drop_what_it_does_not_know(person):
    person.settings.write_text('{"model": "opus"}')
    person.install()
    document = json.loads(person.settings.read_text())
    document["enabledPlugins"] = {"other@x": True}
    person.settings.write_text(json.dumps(document, indent=2))
    shutil.rmtree(person.root)  # and the receipt is lost as well
    person.install()
    assert len(person.lines()) == LINES
    person.uninstall()
    assert json.loads(person.settings.read_text()) == {"model": "opus", "enabledPlugins": {"other@x": True}}


def test_two_installations_at_once_are_one(person):
    line = [sys.executable, "-I", "-S", str(ROOT / "plugin"), "install", "--json"]
    both = [
        subprocess.Popen(line, env=person.env, cwd=person.project, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0], [
        finding for one in said for finding in one.get("doctor", [one]) if finding.get("level") != "ok"
    ]
    assert len(person.lines()) == LINES
    assert sorted(bool(one["written"]) for one in said) == [False, True]
    assert [path.name for path in person.root.parent.iterdir()] == [person.root.name]


# --- scopes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["project", "local"])
def test_a_projects_installation_lies_in_it_and_names_no_path_of_this_machine(person, scope):
    person.install(scope)
    root = person.project / ".claude" / "circuit-breaker"
    name = {"project": "settings.json", "local": "settings.local.json"}[scope]
    assert (root / receipt.RECEIPT).is_file()
    for path in [root / receipt.RECEIPT, root.parent / name]:
        assert str(person.home.parent) not in path.read_text()
    assert all(
        "$CLAUDE_PROJECT_DIR/.claude/circuit-breaker" in line for line in person.lines(root.parent / name)
    )
    assert {path.name for path in (root.parent / "commands").iterdir()} == set(COMMANDS)
    memory = root.parent / "memory"
    assert json.loads((memory / "circuit_breaker_config.json").read_text()) == DEFAULTS
    assert not any(path.name == "settings.json" for path in (person.home / ".claude").iterdir())


def test_what_a_team_commits_is_the_installation_and_the_config_and_nothing_else(person):
    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(person.project), *arguments], capture_output=True, text=True, check=True
        ).stdout

    git("init", "-q")
    (person.project / ".gitignore").write_text("lib/\n*.lock\n")  # as so many projects have it
    person.install("project")
    (person.project / ".claude" / "memory" / "circuit_breaker_state.json").write_text("{}")
    cache = person.project / ".claude" / "circuit-breaker" / "lib" / "circuit_breaker" / "__pycache__"
    cache.mkdir()
    (cache / "x.pyc").write_text("")
    seen = set(git("status", "--porcelain", "-uall", "--no-renames").split())
    for name in receipt.load_receipt(person.project / ".claude" / "circuit-breaker")["files"]:
        assert f".claude/circuit-breaker/{name}" in seen, name
    assert ".claude/memory/circuit_breaker_config.json" in seen
    assert not any("state.json" in name or "pyc" in name for name in seen)


def test_a_local_installation_stays_out_of_the_repository(person):
    subprocess.run(["git", "init", "-q", str(person.project)], check=True)
    person.install("local")
    done = subprocess.run(
        ["git", "-C", str(person.project), "status", "--porcelain", "-uall"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "circuit-breaker/" not in done.stdout


def test_a_pulled_project_is_taken_out_by_somebody_else(person, tmp_path, monkeypatch):
    (person.project / ".claude").mkdir()
    (person.project / ".claude" / "settings.json").write_text('{\n  "model": "opus"\n}\n')
    person.install("project")
    colleague = Person(tmp_path / "colleague")
    shutil.rmtree(colleague.project)
    shutil.copytree(person.project, colleague.project)
    monkeypatch.setenv("HOME", str(colleague.home))
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(colleague.project))
    colleague.uninstall("project")
    left = {path.name: path.read_text() for path in colleague.project.rglob("*") if path.is_file()}
    assert left == {"settings.json": '{\n  "model": "opus"\n}\n'}


def test_a_hostile_receipt_reaches_nothing_outside_the_installation(person):
    person.install("project")
    root = person.project / ".claude" / "circuit-breaker"
    for name in ("precious.txt", "empty"):
        (person.home / name).mkdir() if name == "empty" else (person.home / name).write_text("mine")
    kept = json.loads((root / receipt.RECEIPT).read_text())
    (root / "link").symlink_to(person.home)
    kept["files"].update(
        {"../../../home/precious.txt": "x", str(person.home / "precious.txt"): "x", "link/precious.txt": "x"}
    )
    kept["folders"] += ["../home/empty", str(person.home / "empty")]
    kept["claude_md"] = {"before": None, "added": "our rules"}
    (person.project / "CLAUDE.md").write_text("our rules")
    kept["settings"]["backup"] = "../../../../precious.txt"
    kept["backups"] = ["../../../../precious.txt"]
    kept["commands"]["../../../home/precious.txt"] = {"sum": "x", "backup": None}
    (root / receipt.RECEIPT).write_text(json.dumps(kept))
    person.uninstall("project")
    assert (person.home / "precious.txt").read_text() == "mine"
    assert (person.home / "empty").is_dir()
    assert (person.project / "CLAUDE.md").read_text() == "our rules"


def test_the_persons_home_is_no_project(person, monkeypatch):
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(person.home))
    with pytest.raises(OSError, match="--scope user"):
        person.install("project")


def test_an_edited_project_config_stays_unless_purged(person):
    person.install("project")
    config = person.project / ".claude" / "memory" / "circuit_breaker_config.json"
    config.write_text('{"mode": "observe"}')
    person.uninstall("project")
    assert config.read_text() == '{"mode": "observe"}'
    person.install("project")
    person.uninstall("project", purge=True)
    assert not config.exists()


def test_uninstall_of_another_scope_names_the_one_that_is_there(person, capsys, monkeypatch):
    person.install("project")
    (person.project / "src").mkdir()
    monkeypatch.chdir(person.project / "src")
    assert person.uninstall() == 0
    said = capsys.readouterr().out
    other = f"{person.project}/.claude/settings.json. To remove it, run `uninstall --scope project`.\n"
    assert f"But circuit-breaker is registered in {other}" in said


def test_uninstall_names_the_plugin_where_that_is_what_runs_here(person, capsys):
    person.settings.write_text('{"enabledPlugins": {"circuit-breaker@circuit-breaker": true}}')
    assert person.uninstall() == 0
    said = capsys.readouterr().out
    assert "nothing to remove.\nBut the plugin circuit-breaker@circuit-breaker is enabled in " in said
    assert "run `claude plugin uninstall circuit-breaker@circuit-breaker`." in said


def test_a_state_folder_that_cannot_take_the_backup_is_an_obstacle_before_anything_changes(person):
    person.settings.write_text('{"model": "opus"}')
    person.state.write_text("in the way")
    before = person.tree()
    with pytest.raises(Refusal, match="is not writable. Nothing was changed"):
        person.install()
    assert person.tree() == before


# --- purge ----------------------------------------------------------------------------------------------------------


def test_purge_names_and_removes_state_config_and_archives_and_nothing_else(person, capsys):
    before = person.tree()
    person.install()
    config = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    for path in (
        person.state / "sessions" / "s" / "session.json",
        person.state / "projects" / "p" / "archives" / "a.gz",
        config,
    ):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    person.uninstall(purge=True, archives=True, dry_run=True)
    assert config.exists()
    capsys.readouterr()
    person.uninstall(purge=True, archives=True)
    said = capsys.readouterr().out
    assert str(person.state) in said
    assert str(config) in said
    left = person.tree()
    left.pop("home/.config")
    assert left == before


def test_purge_keeps_every_archive_and_says_where_they_are_until_they_are_asked_for(person, capsys):
    person.install()
    put_away = [
        person.state / "archives" / "claude" / "transcripts.20260101T000000Z.tar.gz",
        person.state
        / "projects"
        / "p-0123456789ab"
        / "archives"
        / "telemetry"
        / "a.20260101T000000Z.jsonl.gz",
        person.state
        / "archives"
        / "sessions"
        / "session_a_state.20260101T000000Z-02.json",  # not compressed yet
    ]
    state = [
        person.state / "archives" / ".clean.lock",
        person.state / "projects" / "p-0123456789ab" / "circuit_breaker_state.json",
        person.state / "projects" / "q-0123456789ab" / "circuit_breaker_state.json",
    ]
    for path in (*put_away, *state):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
    person.uninstall(purge=True)
    said = capsys.readouterr().out
    assert {path for path in person.state.rglob("*") if path.is_file()} == set(put_away)
    assert all(f"keeps 1 archive in {path.parent}\n" in said for path in put_away)
    assert "--purge --archives" in said
    person.uninstall(purge=True, archives=True)
    assert not person.state.exists()


def test_purge_keeps_the_backup_that_it_made_of_settings_somebody_edited(person, capsys):
    person.settings.parent.mkdir(exist_ok=True)
    person.settings.write_text('{"model": "opus"}')
    person.install()
    edited = person.settings.read_text().replace("opus", "sonnet")
    person.settings.write_text(edited)
    person.uninstall(purge=True)
    (backup,) = (person.state / "backups").iterdir()
    assert backup.read_text() == edited
    assert str(backup) in capsys.readouterr().out


def test_archives_without_purge_is_wrong_usage_and_changes_nothing(person):
    person.install()
    before = person.tree()
    assert person.uninstall(archives=True) == 2
    assert person.tree() == before


@pytest.fixture
def chosen(person, monkeypatch):
    """The runtime folder of an installation: a folder of yours with a file that is not ours."""
    folder = person.home / "stuff"
    folder.mkdir(mode=0o700)
    (folder / "diary.txt").write_text("mine")
    monkeypatch.setenv("CIRCUIT_BREAKER_HOME", str(folder))
    person.install()
    return folder


def test_purge_of_a_folder_that_somebody_chose_removes_only_what_is_ours(person, chosen):
    (chosen / "errors.log").write_text("x")
    (chosen / "sessions" / "s").mkdir(parents=True)
    (chosen / "sessions" / "s" / "lock").write_text("")
    for name in ("session", "main", "agent-a1"):
        for rest in ("", ".spare", ".last", ".12.broken", ".12.tmp"):
            (chosen / "sessions" / "s" / f"{name}.json{rest}").write_text("{}")
    (chosen / "archives" / "telemetry").mkdir(parents=True)
    for killed in (
        "circuit_breaker_state.json.12.tmp",
        "python.12.tmp",
        "claude-circuit-breaker.12.tmp.spare",
        "sessions/claude-circuit-breaker.12.tmp.lock",
        "archives/telemetry/a_telemetry.20260101T000000Z.jsonl.gz.12.tmp",
    ):
        (chosen / killed).write_text("{")
    person.uninstall(purge=True)
    assert [path.name for path in chosen.iterdir()] == ["diary.txt"]


def test_purge_of_a_folder_that_somebody_chose_removes_what_sessions_left_in_it(person, chosen, monkeypatch):
    monkeypatch.setenv("CLAUDE_CODE_SESSION_ID", "s1")
    config = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"export": {"otlp": true}}')
    now, payload = time.time(), {"session_id": "s1", "cwd": str(person.project), "prompt_id": "p"}

    def tell(hook_name, event, **fields):
        body = json.dumps({**payload, "hook_event_name": event, **fields}).encode()
        hook.answer_to(hook_name, body, os.environ, now)

    tell("janitor", "SessionStart", source="startup")
    for number in range(15):
        tool, error = (
            ("mcp__srv__x", "MCP error -32000: Connection closed") if number % 3 else ("Bash", "boom")
        )
        call = {"tool_name": tool, "tool_input": {"command": "make"}, "tool_use_id": f"t{number}"}
        tell("monitor", "PostToolUseFailure", error=error, **call)
        tell("monitor", "PostToolBatch", tool_calls=[{**call, "tool_response": error}])
    (chosen / "old_telemetry.jsonl").write_text("{}\n" * 2000)
    (chosen / "packages" / "otlp-3.11" / "opentelemetry").mkdir(parents=True)
    made = Transcript("s1", str(person.project), now)
    made.bash("pyton x.py", "Exit code 127\n/bin/bash: line 1: pyton: command not found", fails=True)
    made.save(person.home)
    for verb in ("sweep", "status"):
        assert plugin(person, verb, CIRCUIT_BREAKER_HOME=str(chosen)).returncode == 0
    names = {path.name for path in chosen.iterdir()}
    assert {"services", "export", "armed", "sessions", "any.lock", "archives", "python", "dead_ends"} <= names
    person.uninstall(purge=True, archives=True)
    assert [path.name for path in chosen.iterdir()] == ["diary.txt"]


def test_purge_of_a_home_that_was_chosen_as_the_runtime_folder_spares_what_only_sounds_like_ours(
    person, monkeypatch
):
    monkeypatch.setenv("CIRCUIT_BREAKER_HOME", str(person.home))
    person.home.chmod(0o700)
    theirs = [
        "projects/novel/chapter.txt",
        "backups/photos.tar",
        "sessions/jam.ogg",
        "archives/letters.gz",
        "python/notes.py",
    ]
    for name in theirs:
        (person.home / name).parent.mkdir(parents=True, exist_ok=True)
        (person.home / name).write_text("mine")
    before = person.tree()
    for scope in ("user", "project"):
        person.install(scope)
        (person.home / "sessions" / "s1").mkdir()
        (person.home / "sessions" / "s1" / "session.json").write_text("{}")
        (person.home / "errors.log").write_text("x")
        person.uninstall(scope, purge=True)
        assert person.tree() == before


def test_purge_of_a_project_leaves_the_state_that_a_persons_installation_uses(person):
    person.install("project")
    person.state.mkdir(mode=0o700)
    (person.state / "errors.log").write_text("x")
    settings = json.loads((person.project / ".claude" / "settings.json").read_text())
    person.settings.write_text(json.dumps(settings))  # the user registered it too
    person.uninstall("project", purge=True)
    assert (person.state / "errors.log").exists()


# --- the command line -----------------------------------------------------------------------------------------------


def test_dry_run_prints_a_diff_and_the_files_and_changes_nothing(person):
    person.settings.write_text('{\n  "model": "opus"\n}\n')
    before = person.tree()
    done = plugin(person, "install", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"--- {person.settings}" in done.stdout
    assert '\n-  "model": "opus"\n+  "model": "opus",\n+  "hooks": {\n' in done.stdout
    assert str(person.root / "hooks" / "run") in done.stdout
    assert person.tree() == before


def test_registrations_go_even_when_their_files_were_deleted_by_hand(person):
    person.settings.write_text('{"model": "opus"}')
    person.install()
    shutil.rmtree(person.home / ".local")
    person.uninstall()
    assert person.settings.read_text() == '{"model": "opus"}'


def test_uninstall_without_an_installation_is_no_error_and_changes_nothing(person):
    before = person.tree()
    for _ in range(2):
        done = plugin(person, "uninstall")
        assert done.returncode == 0
        assert "not installed" in done.stdout
    assert person.tree() == before


def test_the_clone_may_go_and_the_installed_copy_takes_itself_out(person, tmp_path):
    clone = tmp_path / "clone"
    for name in bundle.contents(ROOT):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    before = person.tree()
    plugin(person, "install", source=clone)
    shutil.rmtree(clone)
    done = plugin(person, "status", "--json", source=person.root)
    assert json.loads(done.stdout)["schema"] == 1, done.stderr
    done = plugin(person, "uninstall", source=person.root)
    assert done.returncode == 0, done.stderr
    assert person.tree() == before


def test_install_works_without_pip_under_every_python_from_39_up(person, python):
    person.settings.write_bytes(NASTY["not ASCII"])
    before = person.tree()
    done = plugin(person, "install", "--json", python=python)
    said = json.loads(done.stdout)
    assert said["packages_problem"] == "this Python has no pip"
    assert said["packages"] == {"filelock": False, "platformdirs": False}
    assert {
        finding["level"] for finding in said["doctor"] if finding["id"] in ("registered", "files", "commands")
    } == {"ok"}
    assert plugin(person, "uninstall", python=python).returncode == 0
    assert person.tree() == before


def test_an_installation_says_that_its_command_is_not_on_the_path(person):
    said = plugin(person, "install").stdout
    assert f"note   {person.home}/.local/bin is not on your PATH, so `circuit-breaker` is not found" in said
    assert 'fix: add it: export PATH="$HOME/.local/bin:$PATH"' in said
    more = f"{person.home}/.local/bin:{os.environ['PATH']}"
    assert "is not on your PATH" not in plugin(person, "install", PATH=more).stdout


@pytest.mark.parametrize(
    "folder", ["a b", 'quo"te', "dollar$HOME", "back`tick`", "ünï", "$(touch pwned)", "semi;colon", "it's"]
)
def test_registered_lines_run_from_a_folder_of_any_name(person, tmp_path, monkeypatch, folder):
    data = tmp_path / folder
    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    person.install()
    assert (data / "claude-circuit-breaker" / "hooks" / "run").is_file()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(person.home),
        "CIRCUIT_BREAKER_HOME": str(tmp_path / "breaker"),
    }
    (line,) = (line for line in person.lines() if line.endswith('/run" command'))
    body = {
        "hook_event_name": "UserPromptExpansion",
        "session_id": "s",
        "command_name": "circuit-status",
        "command_args": "",
    }
    for pinned in (False, True):
        if pinned:
            (tmp_path / "breaker").mkdir()
            (tmp_path / "breaker" / "python").write_text(sys.executable + "\n")
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            input=json.dumps(body),
            capture_output=True,
            text=True,
            env=env,
            cwd=tmp_path,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "CIRCUIT BREAKER STATUS" in done.stdout
    assert not (tmp_path / "pwned").exists()


def test_missing_packages_are_no_reason_to_fail(person, capsys):
    person.install()
    assert not (person.root / "lib" / "_vendor").exists()
    assert len(person.lines()) == LINES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "scope"),
    [("install", "user"), ("update", "user"), ("uninstall", "user"), ("install", "project")],
)
def test_killed_while_it_works_every_session_still_works_and_installing_again_repairs_it(
    tmp_path, verb, scope
):
    source = tmp_path / "source"
    for name in bundle.contents(ROOT):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    script, each = str(Path(__file__).with_name("killing.py")), samples(here=12, in_ci=3)
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, verb, scope, str(tmp_path / "kill"), str(source), str(each)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["problems"] == []
    assert said["kills"] > 30 // each


def test_a_file_called_dot_claude_above_the_project_makes_no_project_of_its_folder(
    person, tmp_path, monkeypatch
):
    monkeypatch.delenv("CLAUDE_PROJECT_DIR")
    (tmp_path / ".claude").write_text("\n")
    inner = person.project / "src"
    inner.mkdir()
    monkeypatch.chdir(inner)
    person.install("project")
    assert (inner / ".claude" / "settings.json").is_file()


# --- odd machines ---------------------------------------------------------------------------------------------------


def test_a_group_that_is_not_ours_to_give_is_no_reason_to_stop(person, mocker):
    person.settings.write_text('{"model": "opus"}')
    mocker.patch.object(disk.os, "fchown", side_effect=PermissionError(1, "Operation not permitted"))
    person.install()
    assert len(person.lines()) == LINES
    person.uninstall()
    assert person.settings.read_text() == '{"model": "opus"}'


def test_settings_that_cannot_be_renamed_over_are_written_in_place_after_a_backup(person, mocker):
    person.settings.write_text('{"model": "opus"}')
    number = person.settings.stat().st_ino
    rename = os.replace

    def busy(source, target):
        if Path(target) == person.settings:
            raise OSError(errno.EBUSY, "Device or resource busy", str(target))
        rename(source, target)

    mocker.patch.object(disk.os, "replace", busy)
    person.install()
    assert len(person.lines()) == LINES
    assert '{"model": "opus"}' in [path.read_text() for path in (person.state / "backups").iterdir()]
    person.uninstall()
    assert person.settings.read_text() == '{"model": "opus"}'
    assert person.settings.stat().st_ino == number
    assert [path.name for path in person.settings.parent.iterdir()] == ["settings.json"]
    assert not person.state.exists()


def test_settings_with_hard_links_keep_them(person):
    person.settings.write_text('{"model": "opus"}')
    other = person.home / "dotfiles.json"
    os.link(person.settings, other)
    before = person.tree()
    person.install()
    assert other.read_bytes() == person.settings.read_bytes()
    assert len(person.lines()) == LINES
    person.uninstall()
    assert person.tree() == before
    assert other.samefile(person.settings)


def test_settings_keep_their_extended_attributes(person):
    person.settings.write_text('{"model": "opus"}')
    try:
        os.setxattr(person.settings, "user.note", b"mine")
    except (AttributeError, OSError) as error:
        pytest.skip(f"none here: {error}")
    person.install()
    person.uninstall()
    assert os.getxattr(person.settings, "user.note") == b"mine"


def test_settings_that_are_really_bind_mounted_are_edited_and_given_back(person, tmp_path):
    outer = tmp_path / "settings.json"
    outer.write_text('{\n  "model": "opus"\n}\n')
    person.settings.touch()
    line = (
        f"mount --bind {outer} {person.settings} && {sys.executable} -I -S {ROOT}/plugin install --json >/dev/null; "
        f"grep -c claude-circuit-breaker/hooks {outer}; {sys.executable} -I -S {ROOT}/plugin uninstall"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", line],
        capture_output=True, text=True, check=False, cwd=person.project, env=person.env,
    )  # fmt: skip
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no mount namespaces here: " + done.stderr[:100])
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[0]) == LINES
    assert outer.read_text() == '{\n  "model": "opus"\n}\n'


def test_a_dangling_link_is_filled_where_its_folder_is_there_and_named_where_not(person, tmp_path):
    person.settings.symlink_to(tmp_path / "dotfiles" / "settings.json")
    before = person.tree()
    with pytest.raises(Refusal, match="is a link to .*whose folder does not exist"):
        person.install()
    assert person.tree() == before
    (tmp_path / "dotfiles").mkdir()
    person.install()
    assert (tmp_path / "dotfiles" / "settings.json").is_file()
    person.uninstall()
    assert person.tree() == before
    assert list((tmp_path / "dotfiles").iterdir()) == []


@pytest.mark.parametrize("scope", ["user", "project", "local"])
@pytest.mark.parametrize("where", ["settings", "backup", "receipt"])
def test_a_failed_run_leaves_no_empty_folder(person, mocker, scope, where):
    settings = {"user": person.settings, "local": person.project / ".claude" / "settings.local.json"}
    path = settings.get(scope, person.project / ".claude" / "settings.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    before = [name for name, data in person.tree().items() if data is None]
    wanted = {"settings": "settings", "backup": f"{path.name}.2", "receipt": "receipt.json"}[where]
    put, write = disk.replace_file, Path.write_bytes

    def full(path, *rest):
        if Path(path).name.startswith(wanted):
            raise OSError(28, "No space left on device", str(path))
        return (put if rest[1:] or isinstance(path, Path) and where != "receipt" else write)(path, *rest)

    mocker.patch.object(disk, "replace_file", full)
    if where == "receipt":
        mocker.patch.object(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        person.install(scope)
    mocker.stopall()
    folders = [name for name, data in person.tree().items() if data is None]
    filled = {str(Path(name).parent) for name in person.tree()}
    assert [name for name in folders if name not in before and name not in filled] == []


def git(folder, *arguments):
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("kind", ["repository", "below one", "worktree"])
def test_a_local_installation_leaves_nothing_for_git_add(person, tmp_path, monkeypatch, kind):
    top = tmp_path / "repository"
    git(tmp_path, "init", "-q", str(top))
    git(top, "-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-m", "first")
    project = {"repository": top, "below one": top / "a [b]", "worktree": tmp_path / "worktree"}[kind]
    if kind == "worktree":
        git(top, "worktree", "add", "-q", str(project))
    project.mkdir(exist_ok=True)
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(project))
    exclude = top / ".git" / "info" / "exclude"
    before = exclude.read_bytes()
    for _ in range(2):
        person.install("local", claude_md=True)
        git(project, "add", "-A")
        assert git(project, "status", "--porcelain") == ""
    person.uninstall("local")
    assert exclude.read_bytes() == before


def test_local_installations_that_share_an_exclude_file_leave_each_other_alone(person, monkeypatch):
    git(person.project, "init", "-q")
    inner = person.project / "inner"
    inner.mkdir()
    exclude = person.project / ".git" / "info" / "exclude"
    before = exclude.read_bytes()
    person.install("local")
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(inner))
    person.install("local")
    assert git(person.project, "status", "--porcelain", "-uall") == ""
    person.uninstall("local")
    assert git(person.project, "status", "--porcelain", "-uall") == ""
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", str(person.project))
    person.uninstall("local")
    assert exclude.read_bytes() == before


@pytest.mark.parametrize("updated", [True, False])
def test_the_section_of_an_older_installation_leaves_the_exclude_file(person, updated):
    git(person.project, "init", "-q")
    exclude = person.project / ".git" / "info" / "exclude"
    before = exclude.read_bytes()
    person.install("local")
    exclude.write_bytes(
        before + b"\n# circuit-breaker:begin\n/.claude/circuit-breaker\n# circuit-breaker:end\n"
    )
    path = person.project / ".claude" / "circuit-breaker" / receipt.RECEIPT
    path.write_text(json.dumps({**json.loads(path.read_text()), "exclude": {"before": "", "added": ""}}))
    if updated:
        person.install("local")
        assert exclude.read_bytes().count(b"begin") == 1
    person.uninstall("local")
    assert exclude.read_bytes() == before


def test_the_first_version_understands_a_receipt(person):
    person.install("project")
    kept = json.loads((person.project / ".claude" / "circuit-breaker" / receipt.RECEIPT).read_text())
    asked = {"schema", "version", "scope", "files", "folders", "settings", "commands", "claude_md", "exclude", "memory", "backups"}  # fmt: skip
    assert asked <= set(kept)
    assert set(kept["memory"]) == set(scopes.HOME)


def test_a_receipt_without_what_only_the_first_version_reads_is_understood(person):
    before = person.tree()
    person.install("project")
    path = person.project / ".claude" / "circuit-breaker" / receipt.RECEIPT
    kept = json.loads(path.read_text())
    at_home = {name: {"sum": there, "backup": None} for name, there in kept.pop("memory").items()}
    kept["commands"].update(at_home)
    path.write_text(json.dumps({key: value for key, value in kept.items() if key not in receipt.FOR_OLDER}))
    person.install("project")
    person.uninstall("project")
    assert person.tree() == before


def test_an_exclude_file_that_is_not_utf_8_gets_its_bytes_back(person):
    git(person.project, "init", "-q")
    exclude = person.project / ".git" / "info" / "exclude"
    exclude.write_bytes(b"caf\xe9/\n")
    person.install("local")
    assert git(person.project, "status", "--porcelain") == ""
    person.uninstall("local")
    assert exclude.read_bytes() == b"caf\xe9/\n"


def test_a_project_that_is_committed_through_crlf_still_works_and_can_be_removed(person, tmp_path):
    origin = person.project
    git(tmp_path, "init", "-q", str(origin))
    person.install("project")
    git(origin, "add", "-A")
    git(origin, "-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "-m", "first")
    shutil.rmtree(origin / ".claude")
    git(origin, "-c", "core.autocrlf=true", "checkout", "--", ".")
    root = origin / ".claude" / "circuit-breaker"
    assert b"\r" not in (root / "hooks" / "run").read_bytes()
    assert b"\r" in (origin / ".claude" / "commands" / "circuit-status.md").read_bytes()
    person.uninstall("project")
    assert [path.name for path in origin.iterdir()] == [".git"]


def test_an_installation_from_a_checkout_with_crlf_has_unix_line_ends(person, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    for name in bundle.names_below(ROOT):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes().replace(b"\n", b"\r\n"))
    monkeypatch.setattr(plan, "SOURCE", clone)
    person.install()
    assert (person.root / "hooks" / "run").read_bytes() == (ROOT / "hooks" / "run").read_bytes()
    person.uninstall()
    assert not person.root.exists()


@pytest.mark.parametrize(
    "env",
    [
        {"XDG_DATA_HOME": "/dev/null/data"},
        {"CLAUDE_CONFIG_DIR": "/dev/null/claude"},
        {"HOME": "relative"},
        {"HOME": "/proc/nowhere"},
        {"CIRCUIT_BREAKER_HOME": "/dev/null/state"},
    ],
)
@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_what_the_disk_refuses_is_said_in_words(person, env, verb):
    done = plugin(person, verb, **env)
    assert "Errno" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1 or verb == "uninstall"


# --- what it says ---------------------------------------------------------------------------------------------------


def test_an_update_and_a_downgrade_are_named(person, tmp_path):
    old, new = "0.0." + version(), version()
    older = older_source(tmp_path / "older")
    assert f"Installed circuit-breaker {old} for you" in plugin(person, "install", source=older).stdout
    assert f"Updated circuit-breaker {old} -> {new} for you" in plugin(person, "install").stdout
    assert "Nothing had to change" in plugin(person, "install").stdout
    assert f"Downgraded circuit-breaker {new} -> {old}" in plugin(person, "install", source=older).stdout


def version():
    return json.loads((ROOT / "plugin.json").read_text())["version"]


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_comes_with_a_user_installation_and_leaves_with_it(person):
    before = person.tree()
    person.install()
    command = person.home / ".local" / "bin" / "circuit-breaker"
    done = subprocess.run(
        [str(command), "status", "--json"], capture_output=True, text=True, env=person.env, check=False
    )
    assert json.loads(done.stdout)["schema"] == 1, done.stderr
    person.uninstall()
    assert person.tree() == before
    person.install(command=False)
    assert not command.exists()
    person.uninstall()
    person.install("project")
    assert not command.exists()


def test_a_command_of_that_name_that_is_not_ours_is_neither_replaced_nor_removed(person):
    command = person.home / ".local" / "bin" / "circuit-breaker"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n# of pipx\n")
    before = person.tree()
    done = plugin(person, "install")
    assert f"{command} is not ours to write" in done.stdout
    assert command.read_text() == "#!/bin/sh\n# of pipx\n"
    person.uninstall()
    assert person.tree() == before


def test_a_command_that_is_a_dangling_link_is_left_alone(person):
    command = person.home / ".local" / "bin" / "circuit-breaker"
    command.parent.mkdir(parents=True)
    command.symlink_to("/nowhere/pipx/venvs/x")
    before = person.tree()
    person.install()
    person.uninstall()
    assert person.tree() == before


def test_a_command_that_was_replaced_since_stays(person):
    person.install()
    command = person.home / ".local" / "bin" / "circuit-breaker"
    command.write_text("#!/bin/sh\n# of pipx\n")
    person.uninstall()
    assert command.read_text() == "#!/bin/sh\n# of pipx\n"


# --- deny rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["others on our events", "tabs", "nothing at all", "CRLF", "one line"])
def test_deny_rules_come_when_asked_for_stay_in_an_update_and_leave_without_a_trace(person, name):
    person.settings.write_bytes(NASTY[name])
    before = person.tree()
    person.install()
    person.install(deny_rules=True)
    person.install()
    deny = json.loads(person.settings.read_text(encoding="utf-8-sig"))["permissions"]["deny"]
    assert sum("circuit-breaker" in rule for rule in deny) == 3
    person.uninstall()
    assert person.tree() == before


@pytest.mark.parametrize("scope", ["user", "project"])
@pytest.mark.parametrize(
    ("variables", "rules"),
    [
        ({}, ["~/.local/state/claude-circuit-breaker", "~/.config/claude-circuit-breaker"]),
        (
            {"XDG_STATE_HOME": "/var/state", "XDG_CONFIG_HOME": "/etc/mine"},
            ["//var/state/claude-circuit-breaker", "//etc/mine/claude-circuit-breaker"],
        ),
        ({"CIRCUIT_BREAKER_HOME": "{home}/breaker"}, ["~/breaker", "~/.config/claude-circuit-breaker"]),
        ({"CIRCUIT_BREAKER_HOME": "{home}"}, ["~/.config/claude-circuit-breaker"]),
    ],
)
def test_deny_rules_name_the_folders_that_are_used_here(person, monkeypatch, scope, variables, rules):
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=person.home))
    found = scopes.deny_rules(scopes.scope(scope))
    own = "~/.local/share/claude-circuit-breaker" if scope == "user" else "/.claude/circuit-breaker"
    assert set(found) == {f"Edit({folder}/**)" for folder in [*rules, own]}


def test_deny_rule_that_was_there_before_is_yours(person):
    yours = {"permissions": {"deny": ["Edit(~/.config/claude-circuit-breaker/**)"]}}
    person.settings.write_text(json.dumps(yours))
    person.install(deny_rules=True)
    person.settings.write_text(json.dumps({**json.loads(person.settings.read_text()), "model": "opus"}))
    person.uninstall()
    assert json.loads(person.settings.read_text()) == {**yours, "model": "opus"}


@pytest.mark.parametrize("first", [None, "install", "install with them"])
@pytest.mark.parametrize("before", ["{}", '{"model": "opus", "permissions": {"deny": ["Read(x)"]}}'])
def test_deny_rules_leave_without_the_receipt_too_and_none_come_unasked(person, before, first):
    person.settings.write_text(before)
    person.install(deny_rules=first != "install")
    (person.root / receipt.RECEIPT).unlink()
    if first:
        person.install(deny_rules=first != "install")
    assert person.uninstall() == 0
    assert json.loads(person.settings.read_text()) == json.loads(before)


def test_deny_rules_of_your_own_stay(person):
    person.settings.write_text('{"permissions": {"deny": ["WebSearch"]}}')
    person.install(deny_rules=True)
    document = json.loads(person.settings.read_text())
    document["permissions"]["deny"].append("Bash(rm *)")
    person.settings.write_text(json.dumps(document))
    person.uninstall()
    assert json.loads(person.settings.read_text()) == {"permissions": {"deny": ["WebSearch", "Bash(rm *)"]}}


def test_permissions_of_a_wrong_shape_are_refused_with_and_without_deny_rules(person):
    person.settings.write_text('{"permissions": {"deny": "everything"}}')
    for asked in (True, False):
        with pytest.raises(Refusal, match='"deny" of the permissions is not a list'):
            person.install(deny_rules=asked)
