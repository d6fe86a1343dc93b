"""Layers are merged key by key; every problem is named with the path of its key and costs only that key."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker.breaker import config as settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from([*settings.DEFAULTS, "nonsense"])


def test_no_layers_are_the_defaults_without_problems():
    config = settings.build()
    assert config.problems == [] and config.rules["tool_failure"]["threshold"] == 3
    assert config.memory_limits == settings.DEFAULTS["memory_limits"]


def test_the_defaults_as_a_file_are_no_problem():
    assert settings.build([("user", copy.deepcopy(dict(settings.DEFAULTS)))]).problems == []


def test_only_the_untouched_defaults_are_known_without_reading_them():
    written = (json.dumps(settings.DEFAULTS, indent=2) + "\n").encode("ascii")
    assert settings.is_untouched(written)
    for changed in (written.replace(b"10", b"11", 1), written[:-1], written + b" ", b"{}", b""):
        assert not settings.is_untouched(changed)


def test_a_partial_rule_keeps_the_other_keys():
    config = settings.build([("user", {"circuit_breakers": {"tool_failure": {"threshold": 5}}})])
    assert config.rules["tool_failure"] == {
        **settings.DEFAULTS["circuit_breakers"]["tool_failure"],
        "threshold": 5,
    }
    assert config.rules["repeated_call"] == settings.DEFAULTS["circuit_breakers"]["repeated_call"]


def test_later_layers_win_key_by_key():
    config = settings.build(
        [
            ("user", {"mode": "observe", "deny_limit": 7}),
            ("project", {"deny_limit": 9}),
            ("plugin", {"mode": "enforce"}),
        ]
    )
    assert (config.mode, config.deny_limit) == ("enforce", 9)


def test_a_file_made_with_the_defaults_has_no_opinion_where_it_equals_them():
    made = {**settings.DEFAULTS, "deny_limit": 3}
    config = settings.build([("user", {"mode": "observe", "deny_limit": 7}), ("project", made)])
    assert (config.mode, config.deny_limit) == ("observe", 3)


def test_a_file_without_a_version_means_what_it_says():
    config = settings.build([("user", {"mode": "observe"}), ("project", {"mode": "enforce"})])
    assert config.mode == "enforce"


def test_what_a_projects_file_relaxes_is_obeyed_and_said():
    relaxed = {
        "enabled": False,
        "mode": "observe",
        "bypass_keyword": "PLEASE",
        "circuit_breakers": {"tool_failure": {"action": "warn"}, "call_cycle": {"enabled": False}},
    }
    config = settings.build([("project file x", relaxed)])
    assert (config.enabled, config.mode, config.bypass_keyword) == (False, "observe", "PLEASE")
    assert [said.partition(" = ")[0] for said in config.weakened] == [
        "enabled",
        "mode",
        "bypass_keyword",
        "circuit_breakers.tool_failure.action",
        "circuit_breakers.call_cycle.enabled",
    ]


def test_a_persons_own_file_may_relax_without_being_told():
    assert settings.build([("user file x", {"mode": "observe"})]).weakened == []


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
    ({"colour": 1}, "colour"),
]


@pytest.mark.parametrize(
    ("document", "path"), WRONG, ids=[f"{path} {i}" for i, (_, path) in enumerate(WRONG)]
)
def test_problem_names_its_key_and_leaves_the_default(document, path):
    config = settings.build([("user", {**document, "deny_limit": document.get("deny_limit", 8)})])
    assert [problem.split(":")[0] for problem in config.problems] == [path]
    assert config.rules == settings.build().rules


@pytest.mark.parametrize("document", [None, 3, "x", [], True])
def test_a_document_that_is_no_object_is_one_problem(document):
    config = settings.build([("user", document)])
    assert len(config.problems) == 1 and config.mode == "enforce"


def test_options_of_the_plugin_reach_top_level_and_rule_keys():
    layer = settings.option_layer(
        {
            "CLAUDE_PLUGIN_OPTION_MODE": "observe",
            "CLAUDE_PLUGIN_OPTION_TOOL_FAILURE_THRESHOLD": "5",
            "CLAUDE_PLUGIN_OPTION_ENABLED": "true",
            "CLAUDE_PLUGIN_OPTION_EXCLUDE": "Read, Grep",
            "PATH": "/bin",
        }
    )
    config = settings.build([("plugin options", layer)])
    assert (config.mode, config.enabled, config.exclude) == ("observe", True, ["Read", "Grep"])
    assert config.rules["tool_failure"]["threshold"] == 5 and config.problems == []


def test_an_option_that_is_no_number_is_a_problem():
    config = settings.build(
        [("plugin options", settings.option_layer({"CLAUDE_PLUGIN_OPTION_DENY_LIMIT": "many"}))]
    )
    assert config.deny_limit == 5 and len(config.problems) == 1


@given(st.dictionaries(KEYS, JSON, max_size=5))
def test_no_document_ever_raises_or_leaves_a_key_out(document):
    config = settings.build([("project", document)])
    plain = settings.build()
    assert config.rules.keys() == plain.rules.keys()
    assert config.memory_limits.keys() >= plain.memory_limits.keys()
    for name, rule in plain.rules.items():
        assert config.rules[name].keys() >= rule.keys()
    assert config.mode in settings.WORDS["mode"]
