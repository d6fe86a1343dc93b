"""The configuration and its defaults. Pure; layers.py merges config files and options over them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

HOUR, DAY = 3600.0, 86_400.0  # seconds


def _rule(action: str, **numbers: float) -> dict[str, Any]:
    return {"enabled": True, "action": action, **numbers}


class Config:
    """The merged configuration: an attribute for every key of a config file, with its default. `problems`: sentences that begin with a
    key's path; `weakened`: "path = value" of keys that the project's file made weaker."""

    enabled = True
    mode = "enforce"
    notify = True
    on_stop: list[str] = []
    export: dict[str, Any] = {"otlp": False, "endpoint": ""}
    poll_gap_seconds: float = 60
    bypass_keyword = "SUDO BYPASS"
    bypass_unknown = "grant"
    exclude: list[str] = []
    half_open_successes = 1
    deny_limit = 5
    probe_lease_seconds: float = 60
    cooldown_steps: list[float] = [1, 2, 6, 12, 60]
    circuit_breakers = {
        "tool_failure": _rule(
            "block",
            threshold=3,
            window_turns=5,
            same_error=3,
            threshold_with_progress=6,
            family_warn=4,
            family_open=6,
            cooldown_base_seconds=10,
        ),
        "repeated_call": _rule(
            "block",
            threshold=4,
            same_edit=4,
            launches=5,
            poll_max=20,
            digits_max=20,
            cooldown_base_seconds=10,
        ),
        "call_cycle": _rule("block", threshold=3, threshold_long=4, max_period=10, cooldown_base_seconds=10),
        "service_down": _rule("block", threshold=5, window_seconds=60, cooldown_base_seconds=30),
        "failing_streak": _rule("warn", threshold=10, stop_at=20, empty_searches=8),
        "budget": _rule(
            "ask",
            calls_per_prompt=0,
            tokens_per_prompt=0,
            tokens_per_session=0,
            tokens_since_progress=0,
            minutes_since_progress=0,
        ),
        "sequential_tools": _rule("warn", threshold=10, window_turns=1, cooldown_base_seconds=5),
        "agent_spawn": _rule("warn", threshold=25, block_at=100, cooldown_base_seconds=10),
        "external_api": _rule(
            "observe", threshold=10, window_seconds=60, session_max=50, cooldown_base_seconds=30
        ),
        "hook_recursion": _rule("block", threshold=5, cooldown_base_seconds=5),
    }
    memory_limits = {
        "telemetry_max_lines": 1000,
        "telemetry_max_kb": 50,
        "telemetry_max_age_days": 7,
        "telemetry_keep_rotations": 5,
        "session_max_active": 10,
        "session_max_age_days": 7,
        "evidence_ledger_max": 100,
        "tool_history_max": 50,
        "archive_keep_count": 20,
        "archive_keep_days": 90,
    }

    def __init__(self, values: Mapping[str, Any], problems: list[str], weakened: list[str]) -> None:
        self.__dict__.update(values)
        self.problems, self.weakened = problems, weakened


KEYS = [name for name in vars(Config) if name[:1] != "_"]  # so Config has no method of such a name
DEFAULTS_VERSION = 2
DEFAULTS: Mapping[str, Any] = {
    "defaults_version": DEFAULTS_VERSION,
    **{key: vars(Config)[key] for key in KEYS},
}
OPTION = "CLAUDE_PLUGIN_OPTION_"  # prefix of the variables in which Claude Code passes the plugin's options
RULES = tuple(Config.circuit_breakers)
LIMITS = tuple(key for key in Config.circuit_breakers["budget"] if key not in ("enabled", "action"))


def opinion(config: Config) -> dict[str, Any]:
    """The document that gives this configuration when merged over the defaults."""
    values = {key: getattr(config, key) for key in KEYS}
    return {"defaults_version": DEFAULTS_VERSION, **_differing(values, DEFAULTS)}


def _differing(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are no defaults, nested like them."""
    found = {}
    for key, value in values.items():
        if value != defaults.get(key):
            found[key] = _differing(value, defaults[key]) if isinstance(value, dict) else value
    return found


def is_on(rule: str, keys: Mapping[str, Any]) -> bool:
    """Whether a rule is on: enabled, with a threshold above 0 (budget: with any limit)."""
    if not keys["enabled"]:
        return False
    return any(keys[limit] for limit in LIMITS) if rule == "budget" else bool(keys["threshold"])


def excludes(config: Config, tool: str, rule: str) -> bool:
    """Whether a tool is left out of this rule, or of all."""
    globs = [*config.exclude, *config.circuit_breakers[rule].get("exclude", ())]
    return any(matches(tool, glob) for glob in globs)


def matches(name: str, glob: str) -> bool:
    """Whether `name` matches a glob of `*` and `?`. (`fnmatch` would import `re`.)"""
    ends = {0}  # where the letters of the glob so far may end in the name
    for letter in glob:
        if letter == "*":
            ends = {*range(min(ends, default=len(name) + 1), len(name) + 1)}
        else:
            ends = {end + 1 for end in ends if end < len(name) and letter in ("?", name[end])}
    return len(name) in ends
