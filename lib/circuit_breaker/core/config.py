"""What did people configure, and what is wrong with it? Defaults, layers, problems. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

DEFAULTS_VERSION = 1
DEFAULTS: Mapping[str, Any] = {
    "defaults_version": DEFAULTS_VERSION,
    "enabled": True,
    "mode": "enforce",
    "bypass_keyword": "SUDO BYPASS",
    "bypass_unknown": "grant",
    "exclude": [],
    "half_open_successes": 1,
    "deny_limit": 5,
    "probe_lease_seconds": 60,
    "cooldown_steps": [1, 2, 6, 12, 60],
    "circuit_breakers": {
        "tool_failure": {
            "enabled": True,
            "action": "block",
            "threshold": 3,
            "window_turns": 5,
            "same_error": 3,
            "threshold_with_progress": 6,
            "cooldown_base_seconds": 10,
        },
        "repeated_call": {
            "enabled": True,
            "action": "block",
            "threshold": 4,
            "poll_max": 20,
            "digits_max": 20,
            "cooldown_base_seconds": 10,
        },
        "call_cycle": {
            "enabled": True,
            "action": "block",
            "threshold": 3,
            "threshold_long": 4,
            "max_period": 5,
            "cooldown_base_seconds": 10,
        },
        "sequential_tools": {
            "enabled": True,
            "action": "warn",
            "threshold": 10,
            "window_turns": 1,
            "cooldown_base_seconds": 5,
        },
        "agent_spawn": {
            "enabled": True,
            "action": "warn",
            "threshold": 25,
            "block_at": 100,
            "cooldown_base_seconds": 10,
        },
        "external_api": {
            "enabled": True,
            "action": "observe",
            "threshold": 10,
            "window_seconds": 60,
            "session_max": 50,
            "cooldown_base_seconds": 30,
        },
        "hook_recursion": {"enabled": True, "action": "block", "threshold": 5, "cooldown_base_seconds": 5},
    },
    "memory_limits": {
        "telemetry_max_lines": 1000,
        "telemetry_max_kb": 50,
        "telemetry_max_age_days": 7,
        "telemetry_keep_rotations": 5,
        "session_max_active": 10,
        "session_max_age_days": 7,
        "evidence_ledger_max": 100,
        "tool_history_max": 50,
        "archive_keep_count": 20,
    },
}
OPTION = "CLAUDE_PLUGIN_OPTION_"  # the host hands the plugin's options over in variables that begin so
RULES = tuple(DEFAULTS["circuit_breakers"])
WORDS = {
    "mode": ("enforce", "observe"),
    "bypass_unknown": ("grant", "refuse"),
    "action": ("block", "warn", "observe"),
}
SCALARS = tuple(
    key for key, value in DEFAULTS.items() if not isinstance(value, dict) and key != "defaults_version"
)


class Config:
    """The merged configuration. `rules` and `memory_limits` hold every key of DEFAULTS; `problems` are sentences that begin
    with the path of a key; `weakened` names what the project's file relaxed below the layers under it."""

    __slots__ = (*SCALARS, "rules", "memory_limits", "problems", "weakened")

    def __init__(self, values: Mapping[str, Any], problems: list[str], weakened: list[str]) -> None:
        for key in SCALARS:
            setattr(self, key, values[key])
        self.rules: dict[str, dict[str, Any]] = values["circuit_breakers"]
        self.memory_limits: dict[str, int] = values["memory_limits"]
        self.problems, self.weakened = problems, weakened

    if TYPE_CHECKING:
        enabled: bool
        mode: str
        bypass_keyword: str
        bypass_unknown: str
        exclude: list[str]
        half_open_successes: int
        deny_limit: int
        probe_lease_seconds: float
        cooldown_steps: list[float]


def build(layers: Iterable[tuple[str, object]] = ()) -> Config:
    """Merge `layers` (name, document) over the defaults, key by key, later ones winning.

    A name says where the document came from and stands in the problems; the layer called "project" may weaken, which is
    recorded. A document that names the `defaults_version` it was made from has no opinion where it equals those defaults.
    """
    values = {key: value for key, value in DEFAULTS.items() if not isinstance(value, dict)}
    values["circuit_breakers"] = {name: dict(rule) for name, rule in DEFAULTS["circuit_breakers"].items()}
    values["memory_limits"] = dict(DEFAULTS["memory_limits"])
    problems: list[str] = []
    weakened: list[str] = []
    for name, document in layers:
        from circuit_breaker.core import merging

        merging.merge(name, document, values, problems, weakened)
    return Config(values, problems, weakened)


def is_untouched(data: bytes) -> bool:
    """Is that the file of the first run, byte for byte? It has no opinion, so nobody need read it: most hooks find just this one."""
    return int.from_bytes(data, "little") % _PRIME == _UNTOUCHED


_PRIME, _UNTOUCHED = 2**61 - 1, 0x83A3D7DD7E37A5B  # the file as one number modulo a prime
