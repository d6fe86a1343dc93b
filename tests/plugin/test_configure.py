"""config: what applies here, where it comes from, and one key changed without touching the rest."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from plugin.people import plugin

USER = ".config/claude-circuit-breaker/config.json"


@pytest.fixture
def mine(person):
    path = person.home / USER
    path.parent.mkdir(parents=True)
    return path


def project_file(person):
    return plugin(person, "config", "path").stdout.splitlines()[1].split()[1]


def test_path_names_both_files_literally_and_says_which_are_not_there(person):
    lines = plugin(person, "config", "path").stdout.splitlines()
    assert str(person.home / USER) in lines[0] and "not there yet" in lines[0]
    assert lines[1].split()[1].endswith("/circuit_breaker_config.json")


def test_path_names_the_project_s_file_behind_a_link_too_since_it_is_read(person, tmp_path):
    (tmp_path / "circuit_breaker_config.json").write_text('{"deny_limit": 7}')
    (person.project / ".claude").mkdir()
    (person.project / ".claude" / "memory").symlink_to(tmp_path)
    user, theirs, own, _ = plugin(person, "config", "path").stdout.splitlines()
    assert theirs.split() == ["project", f"{person.project}/.claude/memory/circuit_breaker_config.json"]
    assert own.split()[1].startswith(str(person.state))
    assert "deny_limit = 7" in plugin(person, "config", "show").stdout.splitlines()


def test_show_names_the_origin_of_each_value(person, mine):
    mine.write_text('{"deny_limit": 7, "mode": "observe"}')
    theirs = person.project / ".claude" / "memory" / "circuit_breaker_config.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"deny_limit": 9, "circuit_breakers": {"tool_failure": {"threshold": 4}}}')
    shown = json.loads(plugin(person, "config", "show", "--json").stdout)["values"]
    assert shown["deny_limit"] == {"value": 9, "origin": f"project file {theirs}"}
    assert shown["mode"] == {"value": "observe", "origin": f"user file {mine}"}
    assert shown["circuit_breakers.tool_failure.threshold"]["value"] == 4
    assert shown["bypass_keyword"] == {"value": "SUDO BYPASS", "origin": "default"}
    text = plugin(person, "config", "show", "--origin").stdout
    assert any(line.startswith("deny_limit = 9") and str(theirs) in line for line in text.splitlines())


def test_plugin_options_are_an_origin_too(person):
    done = plugin(person, "config", "show", "--json", CLAUDE_PLUGIN_OPTION_DENY_LIMIT="6")
    assert json.loads(done.stdout)["values"]["deny_limit"] == {"value": 6, "origin": "plugin options"}


def test_set_changes_one_key_and_leaves_every_other_byte(person, mine):
    before = '{\r\n\t"exclude": [ "Read" ],\r\n\t"deny_limit" : 5\r\n}\r\n'
    mine.write_bytes(before.encode())
    assert plugin(person, "config", "set", "deny_limit", "8").returncode == 0
    assert mine.read_bytes() == before.replace(": 5", ": 8").encode()


def test_a_list_can_be_set_to_any_other(person, mine):
    mine.write_text('{\n  "exclude": [\n    "Bash"\n  ]\n}\n')
    assert plugin(person, "config", "set", "exclude", '["Read", "Bash"]').returncode == 0
    assert mine.read_text() == '{\n  "exclude": [\n    "Read",\n    "Bash"\n  ]\n}\n'


def test_a_value_that_is_no_text_leaves_a_file_that_can_be_read(person, mine):
    mine.write_text('{"deny_limit": 8}')
    assert plugin(person, "config", "set", "bypass_keyword", '"\\ud800x"').returncode == 0
    assert json.loads(mine.read_bytes()) == {"deny_limit": 8, "bypass_keyword": "\ud800x"}
    assert plugin(person, "config", "check").returncode == 0


def test_set_makes_the_file_and_takes_a_rules_short_name(person):
    done = plugin(person, "config", "set", "tool_failure.threshold", "4")
    path = person.home / USER
    assert done.returncode == 0 and str(path) in done.stdout
    assert json.loads(path.read_text()) == {"circuit_breakers": {"tool_failure": {"threshold": 4}}}
    assert path.stat().st_mode & 0o777 == 0o600


def test_words_and_lists_are_values_too(person, mine):
    assert plugin(person, "config", "set", "mode", "observe").returncode == 0
    assert plugin(person, "config", "set", "exclude", '["mcp__*"]').returncode == 0
    assert json.loads(mine.read_text()) == {"mode": "observe", "exclude": ["mcp__*"]}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("deny_limit", "many", "deny_limit: expected"),
        ("deny_limit", "-1", "deny_limit: expected"),
        ("mode", "loud", "mode: expected"),
        ("tool_failure.treshold", "3", "tool_failure.threshold"),
        ("nonsense", "3", "config show"),
        ("circuit_breakers", "{}", "no key"),
    ],
)
def test_wrong_key_or_value_is_refused_with_the_next_step_and_changes_nothing(person, mine, key, value, says):
    mine.write_text('{"deny_limit": 5}')
    done = plugin(person, "config", "set", key, value)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert mine.read_text() == '{"deny_limit": 5}'


@pytest.mark.parametrize("broken", ["{broken", "[1]", '{"a": 1, "a": 2}'])
def test_file_that_is_no_config_is_named_and_left(person, mine, broken):
    mine.write_text(broken)
    for verb in (
        ["config", "set", "deny_limit", "3"],
        ["config", "unset", "deny_limit"],
        ["mode", "observe"],
    ):
        done = plugin(person, *verb)
        assert done.returncode in (1, 2) and str(mine) in done.stderr and "not touched" in done.stderr
    assert mine.read_text() == broken


def test_unset_removes_the_key_and_what_is_empty_then(person, mine):
    mine.write_text('{\n  "deny_limit": 7,\n  "circuit_breakers": {"tool_failure": {"threshold": 4}}\n}\n')
    assert plugin(person, "config", "unset", "tool_failure.threshold").returncode == 0
    assert mine.read_text() == '{\n  "deny_limit": 7\n}\n'
    assert "not set" in plugin(person, "config", "unset", "tool_failure.threshold").stdout


def test_unset_removes_a_key_that_nobody_knows(person, mine):
    mine.write_text('{"colour": 1, "deny_limit": 7}')
    assert plugin(person, "config", "unset", "colour").returncode == 0
    assert json.loads(mine.read_text()) == {"deny_limit": 7}


def test_set_in_the_project_goes_into_the_projects_file(person, mine):
    path = project_file(person)
    assert plugin(person, "config", "set", "deny_limit", "3", "--project").returncode == 0
    assert json.loads(Path(path).read_text()) == {"deny_limit": 3}
    assert not mine.exists()


def test_program_that_is_started_is_yours_to_name_and_not_the_projects(person, mine):
    program = '["curl", "-s", "https://example.org/$(x)"]'
    assert plugin(person, "config", "set", "on_stop", program).returncode == 0
    assert json.loads(mine.read_text())["on_stop"] == json.loads(program)
    done = plugin(person, "config", "set", "on_stop", program, "--project")
    assert done.returncode == 2 and "on_stop" in done.stderr and not Path(project_file(person)).exists()


def test_set_says_when_the_projects_file_comes_first(person, mine):
    plugin(person, "config", "set", "deny_limit", "3", "--project")
    done = plugin(person, "config", "set", "deny_limit", "9")
    assert done.returncode == 0 and "But 3 applies here: it is set by the project file" in done.stdout
    removed = plugin(person, "config", "unset", "deny_limit").stdout
    for said in (done.stdout, removed):  # each leads to the other
        assert said.endswith(" config unset deny_limit --project\n")
    last = plugin(person, "config", "unset", "deny_limit", "--project").stdout
    assert last.endswith("; 5 applies now.\n")


@pytest.mark.parametrize("version", [2, 1])
def test_set_says_why_a_default_does_not_overrule_your_value(person, mine, version):
    path = Path(project_file(person))
    key, value = ("tool_failure.threshold", 3) if version == 2 else ("call_cycle.max_period", 5)
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    path.write_text(json.dumps({"defaults_version": version}))
    if version == 2:
        plugin(person, "config", "set", key, "5")
    done = plugin(person, "config", "set", "--project", key, str(value))
    origin = f"user file {mine}" if version == 2 else "default"
    assert f"applies here: {origin} has it, and a default in {path} is no choice" in done.stdout
    document = json.loads(path.read_text())
    del document["defaults_version"]  # as it says
    path.write_text(json.dumps(document))
    assert json.loads(plugin(person, "config", "show", "--json").stdout)["values"][
        f"circuit_breakers.{key}"
    ] == {
        "value": value,
        "origin": f"project file {path}",
    }


def test_check_is_quiet_when_all_is_well_and_names_each_problem_otherwise(person, mine):
    assert plugin(person, "config", "check").stdout == "Config: no problems.\n"
    mine.write_text('{"deny_limit": "5", "colour": 1}')
    done = plugin(person, "config", "check")
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["deny_limit", "colour"]


def test_a_config_file_that_cannot_be_read_is_named_without_a_number(person):
    (person.home / ".config").write_text("in the way")
    mine = person.home / ".config" / "claude-circuit-breaker" / "config.json"
    for words in (["config", "show"], ["config", "check"], ["status"]):
        done = plugin(person, *words)
        said = done.stdout + done.stderr
        assert f"{mine}: not used: cannot be opened as a regular file\n" in said
        assert "Errno" not in said


def test_a_config_file_that_is_a_link_applies_and_stays_one(person, mine):
    kept = person.home / "dotfiles.json"
    kept.write_text('{"deny_limit": 7}')
    mine.symlink_to(kept)
    assert plugin(person, "config", "set", "mode", "observe").returncode == 0
    done = plugin(person, "config", "show", "--json")
    values = json.loads(done.stdout)["values"]
    assert (values["deny_limit"]["value"], values["mode"]["value"]) == (7, "observe")
    assert mine.is_symlink() and json.loads(kept.read_text()) == {"deny_limit": 7, "mode": "observe"}


def test_a_projects_config_file_that_is_a_link_is_not_used(person):
    theirs = person.project / ".claude" / "memory" / "circuit_breaker_config.json"
    theirs.parent.mkdir(parents=True)
    (person.home / "other.json").write_text('{"deny_limit": 7}')
    theirs.symlink_to(person.home / "other.json")
    done = plugin(person, "config", "check")
    assert done.returncode == 1 and f"{theirs}: not used" in done.stderr


def test_folders_that_set_makes_are_for_their_owner_alone(person):
    assert plugin(person, "config", "set", "deny_limit", "8", "--project").returncode == 0
    assert plugin(person, "config", "set", "deny_limit", "8").returncode == 0
    made = [person.state, *(path for path in person.state.rglob("*") if path.is_dir())]
    made += [(person.home / USER).parent]
    assert {oct(path.stat().st_mode & 0o777) for path in made} == {"0o700"}


def test_what_is_no_file_is_named_without_a_number(person, mine):
    mine.mkdir()
    done = plugin(person, "mode", "observe")
    assert done.returncode == 1 and "Errno" not in done.stderr and done.stderr.count(str(mine)) == 1


def test_values_set_at_once_are_all_there(person):
    keys = [
        "mode",
        "notify",
        "tool_failure.threshold",
        "budget.calls_per_prompt",
        "deny_limit",
        "agent_spawn.threshold",
    ]
    values = dict(zip(keys, ["observe", "false", "4", "70", "6", "30"]))
    with ThreadPoolExecutor(len(values)) as pool:
        done = list(pool.map(lambda key: plugin(person, "config", "set", key, values[key]), keys))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * len(keys)
    shown = plugin(person, "config", "show").stdout
    assert all(f"{key} = " in shown and values[key] in shown for key in keys)
    config = person.home / ".config" / "claude-circuit-breaker"
    assert len(json.loads((config / "config.json").read_text())) == 4
    assert [path.name for path in config.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    "verb", [("config", "check"), ("config", "show"), ("doctor",), ("status",), ("replay", ".")]
)
def test_what_a_project_calls_its_keys_is_no_command_for_your_terminal(person, verb):
    theirs = person.project / ".claude" / "memory" / "circuit_breaker_config.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text(json.dumps({"evil\x1b[2J\u202e\nall is well": 1}))
    done = plugin(person, *verb)
    assert "evil" in done.stdout + done.stderr
    assert not {"\x1b", "\u202e"} & {*done.stdout, *done.stderr}
    assert "all is well" not in (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize(
    "change", [("set", "deny_limit", "8"), ("unset", "deny_limit")], ids=lambda given: given[0]
)
def test_a_project_config_that_is_a_link_is_not_written_through(person, tmp_path, change):
    behind = tmp_path / "elsewhere.json"
    behind.write_text('{"deny_limit": 6}')
    link = person.project / ".claude" / "memory" / "circuit_breaker_config.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(behind)
    done = plugin(person, "config", *change, "--project")
    assert done.returncode == 1 and f"{link} is a link" in done.stderr
    assert behind.read_text() == '{"deny_limit": 6}'


@pytest.mark.parametrize(
    "key", ["deny_limit", "tool_failure.threshold", "circuit_breakers.tool_failure.threshold"]
)
@pytest.mark.parametrize("text", [None, "", '{"mode": "observe"}\n'])
def test_unset_of_what_is_not_set_says_so_and_touches_nothing(person, mine, key, text):
    if text is not None:
        mine.write_text(text)
    done = plugin(person, "config", "unset", key)
    assert done.returncode == 0 and f"{key} is not set in {mine}; nothing to do." in done.stdout
    assert (mine.read_text() if mine.exists() else None) == text


def test_unset_of_what_is_no_key_names_no_value_that_applies(person, mine):
    mine.write_text('{"nonsense": 1, "circuit_breakers": {"tool_failure": {"exclude": ["Bash"]}}}')
    for key in ("nonsense", "tool_failure.exclude"):
        said = plugin(person, "config", "unset", key).stdout
        assert said.endswith(f"{key} was removed from {mine}.\n")


def test_the_version_of_the_defaults_is_no_key_to_set(person, mine):
    done = plugin(person, "config", "set", "defaults_version", "1")
    assert done.returncode == 2 and not mine.exists()
