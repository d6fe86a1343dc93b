"""What did people configure, and what is wrong with it? Defaults, layers, problems. Pure.

How do layers of configuration become one, and what is wrong with them? Pure.
"""

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
        # moved here

        merge(name, document, values, problems, weakened)
    return Config(values, problems, weakened)


def is_untouched(data: bytes) -> bool:
    """Is that the file of the first run, byte for byte? It has no opinion, so nobody need read it: most hooks find just this one."""
    return int.from_bytes(data, "little") % _PRIME == _UNTOUCHED


_PRIME, _UNTOUCHED = 2**61 - 1, 0x83A3D7DD7E37A5B  # the file as one number modulo a prime
_STRENGTH = {"block": 2, "warn": 1, "observe": 0, "enforce": 1, True: 1, False: 0}
_FRACTIONS = ("cooldown_base_seconds", "window_seconds", "probe_lease_seconds")
_AT_LEAST_ONE = ("half_open_successes", "window_turns", "cooldown_steps")


def merge(
    name: str, document: object, values: dict[str, Any], problems: list[str], weakened: list[str]
) -> None:
    """Lay one `document` over `values`, key by key; what is wrong with it goes to `problems`, what it relaxes to `weakened`."""
    if not isinstance(document, dict):
        problems.append(f"{name}: expected one JSON object, got {_shown(document)}")
        return
    silent = document.get("defaults_version") == DEFAULTS_VERSION
    soft = weakened if name.startswith("project") else None
    for key, value in document.items():
        if key == "circuit_breakers":
            _merge_rules(name, value, values, silent, problems, soft)
        elif key == "memory_limits":
            _merge_table(name, key, value, values[key], DEFAULTS[key], silent, problems, None)
        else:
            _merge_key(name, key, key, value, values, DEFAULTS, silent, problems, soft)


def _merge_rules(
    name: str,
    document: object,
    values: dict[str, Any],
    silent: bool,
    problems: list[str],
    soft: list[str] | None,
) -> None:
    if not isinstance(document, dict):
        problems.append(f"circuit_breakers: expected an object, got {_shown(document)} ({name})")
        return
    for rule, table in document.items():
        path = f"circuit_breakers.{rule}"
        if rule not in RULES:
            problems.append(f"{path}: unknown rule ({name}); the rules are {', '.join(RULES)}")
            continue
        defaults = DEFAULTS["circuit_breakers"][rule]
        _merge_table(name, path, table, values["circuit_breakers"][rule], defaults, silent, problems, soft)


def _merge_table(
    name: str,
    path: str,
    document: object,
    values: dict[str, Any],
    defaults: Mapping[str, Any],
    silent: bool,
    problems: list[str],
    soft: list[str] | None,
) -> None:
    if not isinstance(document, dict):
        problems.append(f"{path}: expected an object, got {_shown(document)} ({name})")
        return
    for key, value in document.items():
        _merge_key(name, f"{path}.{key}", key, value, values, defaults, silent, problems, soft)


def _merge_key(
    name: str,
    path: str,
    key: str,
    value: object,
    values: dict[str, Any],
    defaults: Mapping[str, Any],
    silent: bool,
    problems: list[str],
    soft: list[str] | None,
) -> None:
    known = key in defaults or (key == "exclude" and path.startswith("circuit_breakers."))
    if not known:
        problems.append(f"{path}: unknown key ({name})")
        return
    default = defaults.get(key, [])
    if silent and value == default:
        return
    expected = _expected(key, value, default)
    if expected:
        problems.append(
            f"{path}: expected {expected}, got {_shown(value)} ({name}); using {_shown(values.get(key, default))}"
        )
        return
    if soft is not None and _weaker(key, values.get(key), value):
        soft.append(f"{path} = {_shown(value)}")
    values[key] = value


def _weaker(key: str, before: object, after: object) -> bool:
    if key == "bypass_keyword":
        return before != after
    if key in ("enabled", "mode", "action"):
        return _STRENGTH[after] < _STRENGTH[before]
    return False


def _expected(key: str, value: object, default: object) -> str:
    """What should have stood there; "" when `value` is fine."""
    if key in WORDS:
        return (
            ""
            if isinstance(value, str) and value in WORDS[key]
            else " or ".join(f'"{word}"' for word in WORDS[key])
        )
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, str):
        fine = isinstance(value, str) and bool(value.strip()) and "\n" not in value
        return "" if fine else "a line of text"
    if key == "cooldown_steps":
        fine = isinstance(value, list) and bool(value) and all(_number(step) for step in value)
        return "" if fine else "a list of numbers of 0 or more"
    if isinstance(default, list):
        fine = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "" if fine else "a list of tool names"
    if not _number(value) or (isinstance(value, float) and key not in _FRACTIONS):
        return "a number of 0 or more" if key in _FRACTIONS else "a whole number of 0 or more"
    if key in _AT_LEAST_ONE and value < 1:  # type: ignore[operator]
        return "a whole number of 1 or more"
    return ""


def _number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < 1e9  # NaN and infinity fail both ends


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 40 else text[:37] + "..."


def option_layer(env: Mapping[str, str]) -> dict[str, Any]:
    """The document that the plugin's options (`CLAUDE_PLUGIN_OPTION_<KEY>`) amount to; `<RULE>_<KEY>` reaches a rule's key."""
    layer: dict[str, Any] = {}
    for name, text in env.items():
        if not name.startswith(OPTION):
            continue
        key = name[len(OPTION) :].lower()
        rule = next((rule for rule in RULES if key.startswith(rule + "_")), None)
        if rule is None:
            layer[key] = _from_text(text, DEFAULTS.get(key))
            continue
        inner = key[len(rule) + 1 :]
        value = _from_text(text, DEFAULTS["circuit_breakers"][rule].get(inner))
        layer.setdefault("circuit_breakers", {}).setdefault(rule, {})[inner] = value
    return layer


def _from_text(text: str, default: object) -> object:
    if isinstance(default, bool):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower(), text)
    if isinstance(default, (int, float)):
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number == number // 1 else number
    if isinstance(default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
