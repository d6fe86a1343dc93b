"""Layers are merged key by key; every problem is named with the path of its key and costs only that key."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import Stream

from circuit_breaker.breaker import config as settings
from circuit_breaker.breaker.layers import WORDS, build, option_layer
from circuit_breaker.breaker.model import ALLOW, DENY
from circuit_breaker.runtime import home

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from([*settings.DEFAULTS, "nonsense"])


def test_no_layers_are_the_defaults_without_problems():
    config = build()
    assert config.problems == [] and config.circuit_breakers["tool_failure"]["threshold"] == 3
    assert config.memory_limits == settings.DEFAULTS["memory_limits"]


def test_the_defaults_as_a_file_are_no_problem():
    assert build([("user", copy.deepcopy(dict(settings.DEFAULTS)))]).problems == []


def test_only_a_file_that_is_not_as_it_was_first_written_needs_merging(tmp_path):
    where = home.places({"CIRCUIT_BREAKER_HOME": str(tmp_path), "CLAUDE_PROJECT_DIR": "/p"})
    for change, layers in (
        ({}, 0),
        ({"deny_limit": 5}, 0),
        ({"deny_limit": 6}, 1),
        ({"defaults_version": 1}, 1),
    ):
        document = {**settings.DEFAULTS, **change}
        (tmp_path / home.CONFIG).write_text(json.dumps(document, indent=2) + "\n")
        assert len(home.layers(where, {})[0]) == layers


def test_a_partial_rule_keeps_the_other_keys():
    config = build([("user", {"circuit_breakers": {"tool_failure": {"threshold": 5}}})])
    assert config.circuit_breakers["tool_failure"] == {
        **settings.DEFAULTS["circuit_breakers"]["tool_failure"],
        "threshold": 5,
    }
    assert config.circuit_breakers["repeated_call"] == settings.DEFAULTS["circuit_breakers"]["repeated_call"]


def test_later_layers_win_key_by_key():
    config = build(
        [
            ("user", {"mode": "observe", "deny_limit": 7}),
            ("project", {"deny_limit": 9}),
            ("plugin", {"mode": "enforce"}),
        ]
    )
    assert (config.mode, config.deny_limit) == ("enforce", 9)


def test_a_file_made_with_the_defaults_has_no_opinion_where_it_equals_them():
    made = {**settings.DEFAULTS, "deny_limit": 3}
    config = build([("user", {"mode": "observe", "deny_limit": 7}), ("project", made)])
    assert (config.mode, config.deny_limit) == ("observe", 3)


def test_a_file_without_a_version_means_what_it_says():
    config = build([("user", {"mode": "observe"}), ("project", {"mode": "enforce"})])
    assert config.mode == "enforce"


def test_a_file_made_with_earlier_defaults_has_no_opinion_where_it_equals_those():
    made = {"defaults_version": 1, "circuit_breakers": {"call_cycle": {"max_period": 5, "threshold": 4}}}
    rule = build([("user", made)]).circuit_breakers["call_cycle"]
    assert (rule["max_period"], rule["threshold"]) == (10, 4)
    made["defaults_version"] = settings.DEFAULTS_VERSION
    assert build([("user", made)]).circuit_breakers["call_cycle"]["max_period"] == 5


RELAXED = [
    ({"enabled": False}, "enabled"),
    ({"mode": "observe"}, "mode"),
    ({"exclude": ["*"]}, "exclude"),
    ({"deny_limit": 0}, "deny_limit"),
    ({"deny_limit": 50}, "deny_limit"),
    ({"cooldown_steps": [0]}, "cooldown_steps"),
    ({"cooldown_steps": [1, 2, 6]}, "cooldown_steps"),
    ({"poll_gap_seconds": 1}, "poll_gap_seconds"),
    ({"probe_lease_seconds": 0}, "probe_lease_seconds"),
]
RELAXED_RULES = [
    ("tool_failure", {"action": "warn"}),
    ("tool_failure", {"action": "ask"}),
    ("tool_failure", {"threshold": 1000}),
    ("tool_failure", {"threshold": 0}),
    ("tool_failure", {"window_turns": 1}),
    ("tool_failure", {"exclude": ["Bash"]}),
    ("repeated_call", {"same_edit": 0}),
    ("call_cycle", {"enabled": False}),
    ("call_cycle", {"max_period": 2}),
    ("failing_streak", {"stop_at": 0}),
    ("hook_recursion", {"cooldown_base_seconds": 0}),
]


@pytest.mark.parametrize(("document", "path"), RELAXED, ids=[str(document) for document, _ in RELAXED])
def test_what_a_projects_file_relaxes_is_obeyed_and_said(document, path):
    config = build([("project file x", document)])
    assert getattr(config, path) == document[path]
    assert [said.partition(" = ")[0] for said in config.weakened] == [path]


@pytest.mark.parametrize(("rule", "keys"), RELAXED_RULES, ids=[f"{r} {k}" for r, k in RELAXED_RULES])
def test_what_a_projects_file_relaxes_of_a_rule_is_obeyed_and_said(rule, keys):
    config = build([("project file x", {"circuit_breakers": {rule: keys}})])
    ((key, value),) = keys.items()
    assert config.circuit_breakers[rule][key] == value
    assert [said.partition(" = ")[0] for said in config.weakened] == [f"circuit_breakers.{rule}.{key}"]


def test_what_a_projects_file_tightens_is_no_weakening():
    tighter = {
        "deny_limit": 3,
        "cooldown_steps": [2, 4, 12, 24, 120],
        "circuit_breakers": {
            "tool_failure": {"threshold": 2, "window_turns": 9},
            "sequential_tools": {"action": "block"},
            "budget": {"calls_per_prompt": 100},
        },
    }
    assert build([("project file x", tighter)]).weakened == []


def test_a_rule_that_was_off_or_only_observed_cannot_be_weakened():
    yours = {"circuit_breakers": {"tool_failure": {"enabled": False}, "call_cycle": {"action": "observe"}}}
    theirs = {
        "circuit_breakers": {
            "tool_failure": {"threshold": 50, "action": "warn"},
            "call_cycle": {"threshold": 50},
            "external_api": {"threshold": 50},
        }
    }
    assert build([("user", yours), ("project file x", theirs)]).weakened == []
    assert build([("user", {"mode": "observe"}), ("project x", theirs)]).weakened == []


def test_a_budget_is_weakened_when_its_limit_is_raised_or_taken_away_but_not_by_a_first_limit():
    yours = ("user", {"circuit_breakers": {"budget": {"calls_per_prompt": 200}}})
    for limit in (300, 0):
        theirs = ("project x", {"circuit_breakers": {"budget": {"calls_per_prompt": limit}}})
        assert build([yours, theirs]).weakened == [f"circuit_breakers.budget.calls_per_prompt = {limit}"]
    theirs = ("project x", {"circuit_breakers": {"budget": {"tokens_per_prompt": 10}}})
    assert build([yours, theirs]).weakened == []


def test_every_number_of_a_rule_has_a_direction_in_which_it_weakens():
    for rule, defaults in settings.DEFAULTS["circuit_breakers"].items():
        for key, value in defaults.items():
            if key in ("enabled", "action"):
                continue
            base = {"circuit_breakers": {rule: {key: 20, "enabled": True, "action": "block"}}}
            said = []
            for other in (10, 30):
                changed = ("project x", {"circuit_breakers": {rule: {key: other}}})
                said += build([("user", base), changed]).weakened
            assert len(said) == 1, (rule, key, value)


ONLY_YOURS = [
    {"on_stop": ["sh", "-c", "true"]},
    {"notify": False},
    {"bypass_keyword": "PLEASE"},
    {"bypass_unknown": "refuse"},
    {"export": {"otlp": True}},
    {"export": {"endpoint": "http://collector.example"}},
]


@pytest.mark.parametrize("document", ONLY_YOURS, ids=str)
@pytest.mark.parametrize("layer", ["project file x", "plugin options"])
def test_what_only_your_own_file_may_set_is_a_problem_elsewhere_and_never_obeyed(document, layer):
    ((key, value),) = document.items()
    config = build([(layer, document)])
    assert getattr(config, key) == settings.DEFAULTS[key]
    assert [problem.partition(":")[0].partition(".")[0] for problem in config.problems] == [key]
    assert config.weakened == []
    obeyed = build([("user file x", document)])
    assert obeyed.problems == []
    assert getattr(obeyed, key) == ({**settings.DEFAULTS[key], **value} if isinstance(value, dict) else value)


def test_a_projects_file_made_with_the_defaults_is_no_problem_and_hides_nothing_of_yours():
    yours = {"notify": False, "on_stop": ["notify-send", "stopped"], "bypass_keyword": "LET GO"}
    config = build([("user", yours), ("project x", copy.deepcopy(dict(settings.DEFAULTS)))])
    assert config.problems == [] and config.weakened == []
    assert (config.notify, config.on_stop, config.bypass_keyword) == (
        False,
        ["notify-send", "stopped"],
        "LET GO",
    )


def test_keys_of_the_published_config_that_have_no_use_here_are_ignored():
    published = {"resource_limits": {"x": 1}, "circuit_breakers": {"call_cycle": {"window_turns": "any"}}}
    config = build([("user", published)])
    assert config.problems == [] and "window_turns" not in config.circuit_breakers["call_cycle"]


def test_a_rule_looks_unless_it_is_off_or_has_no_number_to_look_for():
    rules = build().circuit_breakers
    assert [rule for rule in settings.RULES if not settings.is_on(rule, rules[rule])] == ["budget"]
    assert settings.is_on("budget", {**rules["budget"], "minutes_since_progress": 30})
    assert not settings.is_on("call_cycle", {**rules["call_cycle"], "threshold": 0})
    assert not settings.is_on("call_cycle", {**rules["call_cycle"], "enabled": False})


def test_your_own_file_may_relax_without_a_word():
    assert build([("user file x", {"mode": "observe"})]).weakened == []


WRONG = [
    ({"enabled": "yes"}, "enabled"),
    ({"mode": "loud"}, "mode"),
    ({"bypass_keyword": ""}, "bypass_keyword"),
    ({"bypass_keyword": "two\nlines"}, "bypass_keyword"),
    ({"exclude": "Bash"}, "exclude"),
    ({"exclude": [1]}, "exclude"),
    ({"deny_limit": -1}, "deny_limit"),
    ({"deny_limit": 1.5}, "deny_limit"),
    ({"deny_limit": True}, "deny_limit"),
    ({"half_open_successes": 0}, "half_open_successes"),
    ({"cooldown_steps": []}, "cooldown_steps"),
    ({"cooldown_steps": [1, float("nan")]}, "cooldown_steps"),
    ({"probe_lease_seconds": float("inf")}, "probe_lease_seconds"),
    ({"circuit_breakers": []}, "circuit_breakers"),
    ({"circuit_breakers": {"nonsense": {}}}, "circuit_breakers.nonsense"),
    ({"circuit_breakers": {"tool_failure": 3}}, "circuit_breakers.tool_failure"),
    ({"circuit_breakers": {"tool_failure": {"threshold": "3"}}}, "circuit_breakers.tool_failure.threshold"),
    ({"circuit_breakers": {"tool_failure": {"colour": 3}}}, "circuit_breakers.tool_failure.colour"),
    ({"circuit_breakers": {"tool_failure": {"action": "shout"}}}, "circuit_breakers.tool_failure.action"),
    ({"memory_limits": {"telemetry_max_lines": None}}, "memory_limits.telemetry_max_lines"),
    ({"memory_limits": {"archive_keep_days": "90"}}, "memory_limits.archive_keep_days"),
    ({"notify": "no"}, "notify"),
    ({"on_stop": "notify-send"}, "on_stop"),
    ({"on_stop": ["", "x"]}, "on_stop"),
    ({"on_stop": ["a\0b"]}, "on_stop"),
    ({"export": True}, "export"),
    ({"export": {"otlp": 1}}, "export.otlp"),
    ({"export": {"endpoint": None}}, "export.endpoint"),
    ({"export": {"colour": 1}}, "export.colour"),
    ({"poll_gap_seconds": -1}, "poll_gap_seconds"),
    ({"circuit_breakers": {"budget": {"calls_per_prompt": 1.5}}}, "circuit_breakers.budget.calls_per_prompt"),
    ({"circuit_breakers": {"failing_streak": {"stop_at": None}}}, "circuit_breakers.failing_streak.stop_at"),
    ({"colour": 1}, "colour"),
]


@pytest.mark.parametrize(
    ("document", "path"), WRONG, ids=[f"{path} {i}" for i, (_, path) in enumerate(WRONG)]
)
def test_problem_names_its_key_and_leaves_the_default(document, path):
    config = build([("user", {**document, "deny_limit": document.get("deny_limit", 8)})])
    assert [problem.split(":")[0] for problem in config.problems] == [path]
    assert config.circuit_breakers == build().circuit_breakers


@pytest.mark.parametrize("document", [None, 3, "x", [], True])
def test_a_document_that_is_no_object_is_one_problem(document):
    config = build([("user", document)])
    assert len(config.problems) == 1 and config.mode == "enforce"


def test_a_problem_shows_the_value_as_the_file_has_it():
    config = build([("user", {"mode": None, "enabled": None, "deny_limit": False})])
    assert [problem.partition("got ")[2].partition(" (")[0] for problem in config.problems] == [
        "null",
        "null",
        "false",
    ]


def test_options_of_the_plugin_reach_top_level_and_rule_keys():
    layer = option_layer(
        {
            "CLAUDE_PLUGIN_OPTION_MODE": "observe",
            "CLAUDE_PLUGIN_OPTION_TOOL_FAILURE_THRESHOLD": "5",
            "CLAUDE_PLUGIN_OPTION_ENABLED": "true",
            "CLAUDE_PLUGIN_OPTION_EXCLUDE": "Read, Grep",
            "PATH": "/bin",
        }
    )
    config = build([("plugin options", layer)])
    assert (config.mode, config.enabled, config.exclude) == ("observe", True, ["Read", "Grep"])
    assert config.circuit_breakers["tool_failure"]["threshold"] == 5 and config.problems == []


def test_an_option_that_is_no_number_is_a_problem():
    config = build([("plugin options", option_layer({"CLAUDE_PLUGIN_OPTION_DENY_LIMIT": "many"}))])
    assert config.deny_limit == 5 and len(config.problems) == 1


@given(st.dictionaries(KEYS, JSON, max_size=5))
def test_no_document_ever_raises_or_leaves_a_key_out(document):
    config = build([("project", document)])
    plain = build()
    assert config.circuit_breakers.keys() == plain.circuit_breakers.keys()
    assert config.memory_limits.keys() >= plain.memory_limits.keys()
    for name, rule in plain.circuit_breakers.items():
        assert config.circuit_breakers[name].keys() >= rule.keys()
    assert config.mode in WORDS["mode"]


@pytest.mark.parametrize("threshold", [2, 4, 6, 7, 10, 25])
def test_a_call_that_repeats_is_blocked_at_its_threshold_whatever_that_is(threshold):
    stream = Stream(circuit_breakers={"repeated_call": {"threshold": threshold}})
    for _ in range(threshold):
        assert stream.ask("Bash", {"command": "ls"})[1].verdict == ALLOW
        stream.bash("ls", "a")
    assert stream.ask("Bash", {"command": "ls"})[1].verdict == DENY
