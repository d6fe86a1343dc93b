"""Merges config files and options over the defaults, and says what is wrong with them and what they weaken. Pure."""

from __future__ import annotations

from circuit_breaker.breaker.config import (
    DEFAULTS,
    DEFAULTS_VERSION,
    LIMITS,
    OPTION,
    RULES,
    Config,
    copy_of_defaults,
    is_on,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


# Defaults of earlier versions that differ: in a file made from them, such a value is not your choice.
EARLIER_DEFAULTS: Mapping[int, Mapping[str, Any]] = {1: {"circuit_breakers.call_cycle.max_period": 5}}
WORDS = {
    "mode": ("enforce", "observe"),
    "bypass_unknown": ("grant", "refuse"),
    "action": ("block", "ask", "warn", "observe"),
}
# Read from your own file only: a cloned repository must not run a program, turn off messages or change the keyword. Plugin
# options are environment variables, which a project's settings can set too.
YOURS = ("notify", "on_stop", "export", "bypass_keyword", "bypass_unknown")
FOREIGN = ("project", "plugin options")  # prefixes of layer names that a project can write
IGNORED = ("resource_limits",)  # from the published config; so is `window_turns` in a rule without it


def build(layers: Iterable[tuple[str, object]] = ()) -> Config:
    """Merge `layers` (name, document) over the defaults, key by key, later ones winning.

    A name says where the document came from; problems quote it. Layers whose names begin with one of FOREIGN may not set the
    keys in YOURS. What a layer weakens is recorded if its name begins with "project". Values equal to the defaults of the
    `defaults_version` that a document names are ignored.
    """
    values = copy_of_defaults()
    problems: list[str] = []
    weakened: list[str] = []
    for name, document in layers:
        layer = Layer(name, document, problems)
        layer.merge(values)
        if name.startswith("project"):
            weakened += layer.weakened()
    return Config(values, problems, weakened)


class Layer:
    """One document that is merged; `changes`: (path, before, after) of each key that it set."""

    def __init__(self, name: str, document: object, problems: list[str]) -> None:
        self.name, self.document, self.problems = name, document, problems
        self.foreign = name.startswith(FOREIGN)
        self.made_from = document.get("defaults_version") if isinstance(document, dict) else None
        self.changes: list[tuple[str, Any, Any]] = []
        self.before: dict[str, int] = {}  # rule -> its strength without this layer

    def merge(self, values: dict[str, Any]) -> None:
        """Merge the document into `values`, key by key; faults are added to `problems`."""
        if not isinstance(self.document, dict):
            self.problems.append(f"{self.name}: expected one JSON object, got {shown(self.document)}")
            return
        self.before = _strengths(values)
        self._merge_table("", self.document, values, DEFAULTS)

    def weakened(self) -> list[str]:
        """The keys that made the configuration weaker, as "path = value"."""
        return [
            f"{path} = {shown(after)}"
            for path, before, after in self.changes
            if _weaker(path.rpartition(".")[2], before, after) and self._mattered(path)
        ]

    def _mattered(self, path: str) -> bool:
        """Whether the rule of that key (any rule, for a key of all) did anything before, so that there was something to weaken."""
        table, *inner = path.split(".")
        if table in ("memory_limits", "export"):
            return False
        strengths = [self.before[inner[0]]] if inner else self.before.values()
        return any(strength > _STRENGTH["observe"] for strength in strengths)

    def _merge_table(
        self, path: str, document: object, values: dict[str, Any], defaults: Mapping[str, Any]
    ) -> None:
        if not isinstance(document, dict):
            self._problem(path, f"expected an object, got {shown(document)}")
            return
        for key, value in document.items():
            inner = f"{path}.{key}" if path else key
            if isinstance(defaults.get(key), dict):
                self._merge_table(inner, value, values[key], defaults[key])
            elif path == "circuit_breakers":
                known = ", ".join(RULES)
                self.problems.append(f"{inner}: unknown rule ({self.name}); the rules are {known}")
            elif inner not in IGNORED:
                self._merge_key(inner, key, value, values, defaults)

    def _merge_key(
        self, path: str, key: str, value: object, values: dict[str, Any], defaults: Mapping[str, Any]
    ) -> None:
        of_a_rule = path.startswith("circuit_breakers.")
        if key not in defaults and not (of_a_rule and key == "exclude"):
            if not (of_a_rule and key == "window_turns"):
                self._problem(path, "unknown key")
            return
        default = defaults.get(key, [])
        if self._is_silent(path, value, default):
            return
        if self.foreign and path.partition(".")[0] in YOURS:
            self._problem(path, "only your own config file may set this, so it is ignored")
            return
        expected = _expected(key, value, default)
        before = values.get(key, default)
        if expected:
            self.problems.append(
                f"{path}: expected {expected}, got {shown(value)} ({self.name}); using {shown(before)}"
            )
            return
        self.changes.append((path, before, value))
        values[key] = value

    def _is_silent(self, path: str, value: object, default: object) -> bool:
        """Whether it is the default of the version that the file was made from, and so not your choice."""
        version = self.made_from
        if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= DEFAULTS_VERSION:
            return False
        earlier = EARLIER_DEFAULTS.get(version, {})
        return bool(value == earlier.get(path, default))

    def _problem(self, path: str, what: str) -> None:
        self.problems.append(f"{path}: {what} ({self.name})")


_STRENGTH = {"block": 4, "ask": 3, "warn": 2, "observe": 1, "enforce": 2, True: 1, False: 0}
# Every number of a rule is in one of these: the smaller (or larger) it is, the weaker the breaker.
_WEAKER_WHEN_LESS = (
    "window_turns window_seconds max_period poll_gap_seconds half_open_successes probe_lease_seconds cooldown_base_seconds"
).split()
_WEAKER_WHEN_MORE = (
    "threshold same_error threshold_with_progress family_warn family_open same_edit launches poll_max digits_max"
    " threshold_long stop_at empty_searches block_at session_max deny_limit"
).split() + list(LIMITS)
_FRACTIONS = (
    "cooldown_base_seconds",
    "window_seconds",
    "probe_lease_seconds",
    "poll_gap_seconds",
    "minutes_since_progress",
)
_AT_LEAST_ONE = ("half_open_successes", "window_turns", "cooldown_steps")


def _strengths(values: Mapping[str, Any]) -> dict[str, int]:
    """Each rule's strength by its present action: 0 off, 1 observe, 2 warn, 3 ask, 4 block."""
    strengths = {}
    for rule, keys in values["circuit_breakers"].items():
        action = "observe" if values["mode"] == "observe" else keys["action"]
        strengths[rule] = _STRENGTH[action] if values["enabled"] and is_on(rule, keys) else 0
    return strengths


def _weaker(key: str, before: Any, after: Any) -> bool:
    if key in ("enabled", "mode", "action"):
        return _STRENGTH[after] < _STRENGTH[before]
    if key in _WEAKER_WHEN_MORE:
        return bool(before) and (not after or after > before)  # 0 switches it off
    if key in _WEAKER_WHEN_LESS:
        return bool(after < before)
    if key == "exclude":
        return not set(after) <= set(before)
    if key == "cooldown_steps":
        longest = max(len(before), len(after))
        return any(_step(after, level) < _step(before, level) for level in range(longest))
    return False


def _step(steps: list[float], level: int) -> float:
    return steps[min(level, len(steps) - 1)]


def _expected(key: str, value: Any, default: object) -> str:
    """What the value should be, for a message; "" if it is valid."""
    texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if key in WORDS:
        fine, what = value in WORDS[key], " or ".join([f'"{word}"' for word in WORDS[key]])
    elif isinstance(default, bool):
        fine, what = isinstance(value, bool), "true or false"
    elif isinstance(default, str):
        fine = isinstance(value, str) and bool(value.strip() or not default) and "\n" not in value
        what = "a line of text"
    elif key == "cooldown_steps":
        fine = isinstance(value, list) and bool(value) and all(_number(step) for step in value)
        what = "a list of numbers of 0 or more"
    elif key == "on_stop":
        fine = texts and not any("\0" in word for word in value) and (not value or bool(value[0].strip()))
        what = "a program and its arguments as a list of texts"
    elif isinstance(default, list):
        fine, what = texts, "a list of tool names"
    elif key in _FRACTIONS:
        fine, what = _number(value), "a number of 0 or more"
    else:
        least = 1 if key in _AT_LEAST_ONE and _number(value) else 0
        fine = _number(value) and not isinstance(value, float) and value >= least
        what = f"a whole number of {least} or more"
    return "" if fine else what


def _number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < 1e12  # NaN and infinity fail both ends


def shown(value: object) -> str:
    """A value as at most 40 characters for a message."""
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 40 else text[:37] + "..."


def option_layer(env: Mapping[str, str]) -> dict[str, Any]:
    """The plugin's options (`CLAUDE_PLUGIN_OPTION_<KEY>`) as a document; `<RULE>_<KEY>` sets a key of a rule."""
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
