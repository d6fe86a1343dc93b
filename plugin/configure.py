"""The verbs `config` and `mode`: show the effective values, their origins and files, check them and change them."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from install import disk, jsontext, settings
from shared import Refusal, answer, how_to_call, places_here, say, session_names

from circuit_breaker.breaker import config as rules
from circuit_breaker.breaker.layers import Layer, build
from circuit_breaker.identity.labels import plain
from circuit_breaker.runtime import files, frozen, home
from circuit_breaker.words.texts import listed

LOCK_WAIT = 5.0  # seconds


def config(args: argparse.Namespace) -> int:
    """Carry out an action. Exit code 1 if `check` finds a problem or a file is unusable, 2 for a wrong key or value."""
    action = {"path": _path, "show": _show, "check": _check, "set": _set, "unset": _unset}[args.action]
    return action(args, places_here())


def _path(_: argparse.Namespace, where: home.Places) -> int:
    for label, path in (
        ("user", where.user_config),
        ("project", where.theirs),
        ("project", where.project_config),
    ):
        if path:
            say(f"{label:<8} {path}{'' if os.path.lexists(path) else '   (not there yet)'}")
    print("Later lines win, key by key; plugin options (CLAUDE_PLUGIN_OPTION_*) win over both.")
    return 0


def _show(args: argparse.Namespace, where: home.Places) -> int:
    effective = home.configuration(where, os.environ)
    named = origins(where)
    rows = {
        key: {"value": value, "origin": named.get(key, "default")}
        for key, value in values_of(effective).items()
    }
    lines = {f"{key} = {_shown(row['value'])}": row["origin"] for key, row in rows.items()}
    text = "\n".join(f"{line:<62} {origin}" if args.origin else line for line, origin in lines.items())
    answer(args.json, text, values=rows, problems=effective.problems)
    _warn_of(args, effective.problems)
    return 0


def values_of(effective: rules.Config) -> dict[str, Any]:
    """Dotted key -> the value that applies."""
    return flat({key: getattr(effective, key) for key in rules.KEYS})


def flat(document: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Dotted key -> value, for nested objects."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        found.update(flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value})
    return found


def origins(where: home.Places) -> dict[str, str]:
    """Dotted key -> the layer that its value comes from; keys with their default are missing."""
    found: dict[str, str] = {}
    values = deepcopy(dict(rules.DEFAULTS))
    for name, document in home.layers(where, os.environ)[0]:
        layer = Layer(name, document, [])
        layer.merge("", document, values, rules.DEFAULTS)
        found.update({path: name for path, _, _ in layer.changes})
    return found


def _check(args: argparse.Namespace, where: home.Places) -> int:
    effective = home.configuration(where, os.environ)
    problems, weakened = effective.problems, effective.weakened
    said = [f"The project's config weakens: {relaxed}" for relaxed in weakened]
    said += [] if problems else ["Config: no problems."]
    answer(args.json, "\n".join(said), problems=problems, weakened=weakened)
    _warn_of(args, problems)
    return 1 if problems else 0


def _warn_of(args: argparse.Namespace, problems: list[str]) -> None:
    for problem in () if args.json else problems:
        say(f"Config problem: {plain(problem)}", sys.stderr)


def _set(args: argparse.Namespace, where: home.Places) -> int:
    key = known(args.key)
    try:
        value = json.loads(args.value)
    except (ValueError, RecursionError):
        value = args.value  # a word
    return _change(where, key, value, args.project)


def mode(args: argparse.Namespace) -> int:
    """Write `mode` into your config file and keep the rest of it."""
    return _change(places_here(), "mode", args.mode, in_project=False)


def _change(where: home.Places, key: str, value: Any, in_project: bool) -> int:
    """Write one key, and say so if the value of another file applies nevertheless."""
    path = write_values(where, {key: value}, in_project)
    say(f"{key} is now {_shown(value)} in {path}")
    effective = values_of(home.configuration(where, os.environ)).get(key)
    if not jsontext.same(effective, value):
        origin = origins(where).get(key, "default")
        why = f"it is set by the {origin}. {_way_out(where, key, origin)}"
        if origin.startswith(("default", "user file") if in_project else "default"):
            why = f"{origin} has it, and a default in {path} is no choice"
            why += ' as long as the line "defaults_version" is there.'
        say(f"But {_shown(effective)} applies here: {why}")
    return 0


def _way_out(where: home.Places, key: str, origin: str) -> str:
    """How to change a key whose value comes from `origin`."""
    if origin == "plugin options":
        return "To change it: claude plugin install circuit-breaker@circuit-breaker --config KEY=VALUE"
    if origin == f"project file {where.theirs}":
        return "To change it, edit that file."
    return (
        f"To remove it there: {how_to_call()} config unset {key}{' --project' * origin.startswith('project')}"
    )


def _unset(args: argparse.Namespace, where: home.Places) -> int:
    path = _target(where, args.project)
    key = args.key if _removed(read_config(path)[1], args.key) else known(args.key)
    if not _removed(read_config(path)[1], key):
        say(f"{key} is not set in {path}; nothing to do.")
        return 0
    with _edited(path) as document:
        _removed(document, key)
    values = values_of(home.configuration(where, os.environ))
    now = f"; {_shown(values[key])} applies now" if key in values else ""
    origin = origins(where).get(key, "default")
    by = "." if origin == "default" else f", set by the {origin}. {_way_out(where, key, origin)}"
    say(f"{key} was removed from {path}{now}{by}")
    return 0


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def write_values(where: home.Places, values: dict[str, Any], in_project: bool = False) -> Path:
    """Write values by dotted key into your config file or the project's and keep every other byte. Returns the file. Raises Refusal for a
    value that its key cannot take, and for a file that is not a JSON object."""
    path = _target(where, in_project)
    alone: dict[str, Any] = {}
    for key, value in values.items():
        _put_into(alone, key, value, path)
    layer = f"{'project' if in_project else 'user'} file {path}"
    for problem in build([(layer, alone)]).problems:
        raise Refusal(f"{problem.partition(f' ({layer})')[0]}. Nothing was changed.", 2)
    for folder in disk.missing(path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)  # parents included: one of them is the runtime folder
    with _edited(path) as document:
        for key, value in values.items():
            _put_into(document, key, value, path)
    return path


@contextmanager
def _edited(path: Path) -> Iterator[dict[str, Any]]:
    """The contents of a config file to change, under its lock; they are written at the end. Raises Refusal."""
    with disk.locked(path.with_name(path.name + ".lock"), LOCK_WAIT):
        data, document = read_config(path)
        yield document
        disk.replace_file(path, jsontext.edited(data, document), 0o600)
    where = places_here()
    failed = [why for name in session_names(where) if (why := frozen.thaw(where, name))]
    if failed:
        raise Refusal(f"{path} was changed, but not in use yet in {listed(failed, 3)}. Try again.")


def _put_into(document: dict[str, Any], key: str, value: Any, path: Path) -> None:
    *outer, last = key.split(".")
    for step in outer:
        document = document.setdefault(step, {})
        if not isinstance(document, dict):
            raise Refusal(f"{path}: {step} is not an object. Fix that first; nothing was changed.")
    document[last] = value


def known(key: str) -> str:
    """The full name of a key; the prefix of rules and memory limits can be left out. Raises Refusal."""
    defaults = [*values_of(build()), *(f"circuit_breakers.{rule}.exclude" for rule in rules.RULES)]
    for full in (key, f"circuit_breakers.{key}", f"memory_limits.{key}"):
        if full in defaults:
            return full
    short = {name.rpartition("circuit_breakers.")[2]: name for name in defaults}
    near = difflib.get_close_matches(key, [*short, *defaults], 1, 0.5)
    hint = f"Did you mean {near[0]}?" if near else "`config show` lists all keys."
    raise Refusal(f"there is no key {key}. {hint}", 2)


def read_config(path: Path) -> tuple[bytes, dict[str, Any]]:
    """(bytes, value) of a config file; (b"", {}) if there is none. Raises Refusal."""
    try:
        data = disk.read_through(path) or b""
        return data, settings.settings_of(data)
    except (jsontext.Unreadable, files.Refused) as error:
        raise Refusal(
            f"{path}: {files.reason(error)}. Fix or remove it, then try again; it was not touched."
        ) from None


def _target(where: home.Places, in_project: bool) -> Path:
    if not in_project and not where.user_config:
        raise Refusal("HOME is not set, so there is no config file to write.")
    path = Path(where.project_config if in_project else where.user_config)
    if in_project and path.is_symlink():
        raise Refusal(
            f"{path} is a link, which no hook follows. Remove it, then try again; nothing was changed."
        )
    return path


def _removed(document: Any, key: str) -> bool:
    """Remove the value of a dotted key, and the objects that this leaves empty. False if there was none."""
    first, _, rest = key.partition(".")
    there = isinstance(document, dict) and first in document
    if not there or rest and not _removed(document[first], rest):
        return False
    if not rest or not document[first]:
        del document[first]
    return True
