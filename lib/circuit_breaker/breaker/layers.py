"""Merges config files and options over the defaults, and says what is wrong with them and what they weaken. Pure."""

from __future__ import annotations

from circuit_breaker.breaker.breaker import cooldown
from circuit_breaker.breaker.config import DEFAULTS, DEFAULTS_VERSION, OPTION, RULES, Config, is_on

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


# Defaults of earlier versions that differ: in a file made from them, such a value is not your choice.
EARLIER_DEFAULTS: Mapping[int, Mapping[str, Any]] = {1: {"circuit_breakers.call_cycle.max_period": 5}}
WORDS = {  # strongest first
    "mode": ("enforce", "observe"),
    "bypass_unknown": ("grant", "refuse"),
    "action": ("block", "ask", "warn", "observe"),
}
# Read from your own file only: a cloned repository must not run a program, turn off messages or change the keyword. Plugin
# options are environment variables, which a project's settings can set too.
YOURS = ("notify", "on_stop", "export", "bypass_keyword", "bypass_unknown")
FOREIGN = ("project", "plugin options")  # prefixes of layer names that a project can write
IGNORED = ("resource_limits",)  # from the published config; so is `window_turns` in a rule without it
TIMES = ("_seconds", "minutes_since_progress")  # ends of keys that take fractions
AT_LEAST_ONE = ("half_open_successes", "window_turns", "cooldown_steps")
# Ends of keys; of all others, more is weaker.
LESS_IS_WEAKER = ("_seconds", "window_turns", "max_period", "half_open_successes")


def build(layers: Iterable[tuple[str, object]] = ()) -> Config:
    """Merge `layers` (name, document) over the defaults, key by key, later ones winning.

    A name says where the document came from; problems quote it. Layers whose names begin with one of FOREIGN may not set the
    keys in YOURS. What a layer weakens is recorded if its name begins with "project". Values equal to the defaults of the
    `defaults_version` that a document names are ignored.
    """
    values = _copied(DEFAULTS)
    problems: list[str] = []
    weakened: list[str] = []
    for name, document in layers:
        active = _active(values)
        layer = Layer(name, document, problems)
        layer.merge("", document, values, DEFAULTS)
        if name.startswith("project"):
            weakened += [
                f"{path} = {value_shown(after)}"
                for path, before, after in layer.changes
                if _mattered(path, active) and _weaker(path.rpartition(".")[2], before, after)
            ]
    return Config(values, problems, weakened)


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in table.items()}


class Layer:
    """One document that is merged; `changes`: (path, before, after) of each key that it set."""

    def __init__(self, name: str, document: object, problems: list[str]) -> None:
        self.name, self.problems = name, problems
        self.changes: list[tuple[str, Any, Any]] = []
        version: Any = document.get("defaults_version") if isinstance(document, dict) else None
        # Defaults that it was made from, if it says so: values equal to them are not your choice.
        known = version in range(1, DEFAULTS_VERSION + 1)
        self.earlier = EARLIER_DEFAULTS.get(version, {}) if known else None

    def merge(self, path: str, document: object, values: dict[str, Any], defaults: Mapping[str, Any]) -> None:
        """Merge the table at `path` ("": the whole document) into `values`, key by key; faults are added to `problems`."""
        if not isinstance(document, dict):
            what = f"expected an object, got {value_shown(document)}"
            self.problems.append(f"{path}: {what} ({self.name})" if path else f"{self.name}: {what}")
            return
        of_rule = path.startswith("circuit_breakers.")
        for key, value in document.items():
            inner = f"{path}.{key}" if path else key
            if isinstance(defaults.get(key), dict):
                self.merge(inner, value, values[key], defaults[key])
            elif path == "circuit_breakers":
                self._problem(inner, "unknown rule", f"; the rules are {', '.join(RULES)}")
            elif key in defaults or (of_rule and key == "exclude"):
                self._set(inner, key, value, values, defaults.get(key, []))
            elif inner not in IGNORED and not (of_rule and key == "window_turns"):
                self._problem(inner, "unknown key")

    def _set(self, path: str, key: str, value: object, values: dict[str, Any], default: Any) -> None:
        if self.earlier is not None and value == self.earlier.get(path, default):
            return
        if self.name.startswith(FOREIGN) and path.partition(".")[0] in YOURS:
            self._problem(path, "only your own config file may set this, so it is ignored")
            return
        expected, before = _expected(key, value, default), values.get(key, default)
        if expected:
            self._problem(
                path, f"expected {expected}, got {value_shown(value)}", f"; using {value_shown(before)}"
            )
            return
        self.changes.append((path, before, value))
        values[key] = value

    def _problem(self, path: str, what: str, more: str = "") -> None:
        self.problems.append(f"{path}: {what} ({self.name}){more}")


def _active(values: Mapping[str, Any]) -> list[str]:
    """The rules that do more than count."""
    if not values["enabled"] or values["mode"] == "observe":
        return []
    rules = values["circuit_breakers"]
    return [name for name, keys in rules.items() if is_on(name, keys) and keys["action"] != "observe"]


def _mattered(path: str, active: list[str]) -> bool:
    """Whether a key's rule (any rule, for a key of all) did anything before, so that there was something to weaken."""
    table, *inner = path.split(".")
    if table in ("defaults_version", "memory_limits", "export"):
        return False
    return inner[0] in active if inner else bool(active)


def _weaker(key: str, before: Any, after: Any) -> bool:
    if key in WORDS:
        return WORDS[key].index(after) > WORDS[key].index(before)
    if key == "enabled":
        return bool(before and not after)
    if key == "exclude":
        return not set(after) <= set(before)
    if key == "cooldown_steps":
        longest = max(len(before), len(after))
        return any(cooldown(1, level, after) < cooldown(1, level, before) for level in range(longest))
    if key.endswith(LESS_IS_WEAKER):
        return bool(after < before)
    return bool(before) and (not after or after > before)  # 0 switches it off


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
    elif key.endswith(TIMES):
        fine, what = _number(value), "a number of 0 or more"
    else:
        least = 1 if key in AT_LEAST_ONE and _number(value) else 0
        fine = _number(value) and not isinstance(value, float) and value >= least
        what = f"a whole number of {least} or more"
    return "" if fine else what


def _number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < 1e12  # NaN and infinity fail both ends


def value_shown(value: object) -> str:
    """A value as at most 40 characters for a message."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def option_layer(env: Mapping[str, str]) -> dict[str, Any]:
    """The plugin's options (`CLAUDE_PLUGIN_OPTION_<KEY>`) as a document; `<RULE>_<KEY>` sets a key of a rule."""
    layer: dict[str, Any] = {}
    for name, text in env.items():
        if not name.startswith(OPTION):
            continue
        key, table, defaults = name[len(OPTION) :].lower(), layer, DEFAULTS
        rule = next((rule for rule in RULES if key.startswith(rule + "_")), "")
        if rule:
            key, defaults = key[len(rule) + 1 :], DEFAULTS["circuit_breakers"][rule]
            table = layer.setdefault("circuit_breakers", {}).setdefault(rule, {})
        table[key] = _from_text(text, defaults.get(key))
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
