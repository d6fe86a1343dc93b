"""Adds our registrations to a settings document and removes them. Pure."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable, NamedTuple

from circuit_breaker.runtime.json import only
from install import jsontext

Document = dict[str, Any]  # an object of a settings file
Groups = dict[str, list[Document]]  # by event, as in `hooks` of a settings file
Paths = list[list[str]]  # of containers, outermost first
PLACEHOLDER = "${CLAUDE_PLUGIN_ROOT}"
# Recognises our lines without a receipt. A mark beside them would not last: Claude Code drops unknown keys when it rewrites a
# settings file.
_OURS = re.compile(r'circuit-breaker/hooks(?:"; .*\$H)?/run" \w+')
_OLDER = re.compile(
    r"\.claude[/\\]+hooks[/\\]+(?:[^\"'\s]*[/\\])?(?:circuit_breaker_\w+|memory_janitor)\.py\b"
)

# Claude Code skips the whole file where one of these is of another type (2.1.196 to 2.1.332).
SETTINGS: Mapping[str, type] = {
    "hooks": dict,
    "disableAllHooks": bool,
    "permissions": dict,
    "env": dict,
    "enabledPlugins": dict,
    "statusLine": dict,
    "model": str,
}
RULES = ("allow", "deny", "ask")  # lists in the permissions
STRICT = ("PreToolUse", "PermissionRequest")  # of other events newer versions leave out only the bad entry
HANDLER: Mapping[str, type] = {
    "command": str,
    "if": str,
    "statusMessage": str,
    "args": list,
    "async": bool,
    "once": bool,
}
NEEDED = {"command": "command", "http": "url"}  # what a hook of a type must have
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false"}


class Merged(NamedTuple):
    """document: with our entries; made: the containers that were added."""

    document: Document
    made: Paths


def our_groups(hooks_json: Any, root: str, windows: bool = False) -> Groups:
    """Event -> groups of `hooks/hooks.json` for a settings file, with `root` as the plugin's folder. root: text inside double quotes of a
    shell line (see `in_double_quotes`). On Windows the entries ask Claude Code for bash."""
    more = {"shell": "bash"} if windows else {}
    return with_commands(hooks_json["hooks"], lambda line: line.replace(PLACEHOLDER, root), **more)


def with_commands(groups: Mapping[str, Any], change: Callable[[str], str], **more: str) -> Groups:
    """`groups` (by event) with each command changed, and the keys `more` added to its handler."""
    return {
        event: [
            {**group, "hooks": [{**one, "command": change(one["command"]), **more} for one in group["hooks"]]}
            for group in found
        ]
        for event, found in groups.items()
    }


def in_double_quotes(path: str) -> str:
    """`path` escaped for the inside of double quotes in a shell line. Raises ValueError if that is impossible."""
    if any(ord(letter) < 32 or letter == "\x7f" for letter in path):
        raise ValueError("a control character in the path")
    # UnicodeEncodeError (a ValueError) for a name that is not text: no settings file can hold it.
    path.encode("utf-8")
    return re.sub(r'([\\"$`])', r"\\\1", path)


def with_ours(document: Document, ours: Groups, rules: Sequence[str] = ()) -> Merged:
    """`document` with each group of `ours` once, and with `rules` in its permissions.deny. What is there already is left as it is, in
    any order. Raises ValueError for a container of another type."""
    merged = Merged(copy.deepcopy(document), [])
    for event, groups in ours.items():
        there = _list_at(merged, "hooks", event)
        there += [copy.deepcopy(group) for group in groups if not any(_serves(one, group) for one in there)]
    deny = _list_at(merged, "permissions", "deny") if rules else []
    deny += [rule for rule in rules if rule not in deny]
    return merged


def without_ours(document: Document, made: Paths | None, rules: Sequence[str] = ()) -> Document:
    """`document` without our lines, of any version, and without `rules`. Empty groups are removed too, and the containers of `made`
    that are empty; if `made` is None, all that we emptied."""
    return _without(document, is_our_hook, made, rules)


def only_ours(document: Document) -> Groups:
    """Our entries in the document, by event."""
    ours: Groups = _without(document, lambda entry: not is_our_hook(entry), None).get("hooks", {})
    return ours


def holds(document: Document, ours: Groups) -> bool:
    """Whether each line of `ours` is registered, once, in a document that Claude Code does not skip."""
    if fault(document) or with_ours(document, ours).document != document:
        return False
    return set(present(document, ours).values()) == {1}


def registers(document: Document) -> bool:
    """Whether any line of ours is in the document."""
    return any(is_our_hook(entry) for _, entry in entries(document))


def is_our_hook(entry: Any) -> bool:
    """Whether a hook entry is one of our lines, of any version and in any folder."""
    return bool(_OURS.search(hook_command(entry)))


def older(document: Document) -> list[str]:
    """The lines of the older hook scripts, as `EVENT: command`; also in flat lists of strings."""
    return [f"{event}: {hook_command(entry)}" for event, entry in entries(document) if _is_older(entry)]


def without_older(document: Document) -> Document:
    """`document` without the lines that `older` names, and without the containers that they leave empty."""
    return _without(document, _is_older, None)


def _is_older(entry: Any) -> bool:
    return bool(_OLDER.search(hook_command(entry)))


def fault(document: Document) -> tuple[str, list[Any]] | None:
    """(what would make Claude Code skip the whole file, the path to it); None if nothing would."""
    wrong = _wrong_type(document, SETTINGS)
    if wrong:
        return f'"{wrong}" is not {_KINDS[SETTINGS[wrong]]}', [wrong]
    wrong = _wrong_type(document.get("permissions", {}), dict.fromkeys(RULES, list))
    if wrong:
        return f'"{wrong}" of the permissions is not a list', ["permissions", wrong]
    for event, groups in document.get("hooks", {}).items():
        if not isinstance(groups, list):
            return f"the hooks of {event} are not a list", ["hooks", event]
        for i, group in enumerate(groups):
            handlers = group.get("hooks") if isinstance(group, dict) else None
            if not isinstance(handlers, list):
                return f"an entry of {event} is not an object with a list of hooks", ["hooks", event, i]
            if event in STRICT and not isinstance(group.get("matcher", ""), str):
                return f"a matcher of {event} is not text", ["hooks", event, i, "matcher"]
            for k, handler in enumerate(handlers):
                found = _handler_fault(event, handler)
                if found:
                    return found[0], ["hooks", event, i, "hooks", k, *found[1]]
    return None


def _handler_fault(event: str, handler: Any) -> tuple[str, list[str]] | None:
    if not isinstance(handler, dict) or not isinstance(handler.get("type"), str):
        return f"a hook of {event} is not an object with a type", []
    timeout = handler.get("timeout", 1)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        return f"a timeout of {event} is not a number", ["timeout"]
    if event not in STRICT:
        return None
    if timeout <= 0:
        return f"a timeout of {event} is not positive", ["timeout"]
    missing = NEEDED.get(handler["type"], "type")
    if missing not in handler:
        return f'a hook of {event} has no "{missing}"', []
    wrong = _wrong_type(handler, HANDLER)
    return (f'"{wrong}" of a hook of {event} is not {_KINDS[HANDLER[wrong]]}', [wrong]) if wrong else None


def _wrong_type(given: Document, types: Mapping[str, type]) -> str:
    return next((name for name, kind in types.items() if not isinstance(given.get(name, kind()), kind)), "")


def settings_of(data: bytes | None, once: bool = True) -> Document:
    """The settings in a file's bytes; {} for a blank or missing file. once: see `parse_strictly`. Raises Unreadable."""
    text = jsontext.decode_text(data or b"")[1]
    document = jsontext.parse_strictly(text, once) if text.strip() else {}
    if not isinstance(document, dict):
        raise jsontext.Unreadable("the settings are not an object", text, jsontext.position(text, []))
    return document


def check_shape(data: bytes, document: Document) -> None:
    """Raise jsontext.Unreadable, with the place in `data`, for what would make Claude Code skip the whole file."""
    wrong = fault(document)
    if wrong:
        text = jsontext.decode_text(data)[1]
        raise jsontext.Unreadable(wrong[0], text, jsontext.position(text, wrong[1]))


def commands(ours: Groups, event: str) -> list[str]:
    """The command lines of `ours` for `event`."""
    return [handler["command"] for group in ours.get(event, []) for handler in group["hooks"]]


def present(document: Document, ours: Groups) -> dict[tuple[str, str], int]:
    """How often each line (event, command) of `ours` occurs in `document`."""
    there = Counter((event, hook_command(entry)) for event, entry in entries(document))
    return {(event, line): there[event, line] for event in ours for line in commands(ours, event)}


def entries(document: Document) -> Iterator[tuple[str, Any]]:
    """(event, handler) for each handler of a document, and for what stands in place of one."""
    for event, groups in only(dict, document.get("hooks")).items():
        yield from ((event, entry) for entry in _handlers(groups))


def _serves(group: Any, wanted: Document) -> bool:
    """Whether `group` holds all that `wanted` holds, for the same matcher. A timeout that you changed stays changed."""
    if not isinstance(group, dict) or group.get("matcher", "") != wanted.get("matcher", ""):
        return False
    there = [hook_command(handler) for handler in _handlers([group])]
    return all(handler["command"] in there for handler in wanted["hooks"])


def hook_command(entry: Any) -> str:
    """The command of a hook entry, or the entry itself if it is text, as the older system wrote it; "" if it has none."""
    return only(str, entry.get("command") if isinstance(entry, dict) else entry)


def _handlers(groups: Any) -> list[Any]:
    """The handlers of an event, and what stands there in place of a group."""
    found: list[Any] = []
    for group in groups if isinstance(groups, list) else [groups]:
        handlers = group.get("hooks") if isinstance(group, dict) else None
        found += handlers if isinstance(handlers, list) else [group]
    return found


def _list_at(merged: Merged, outer: str, last: str) -> list[Any]:
    """The list `last` in the object `outer` of the document, both made where missing."""
    document, made = merged
    made += [] if outer in document else [[outer]]
    lists = document.setdefault(outer, {})
    if not isinstance(lists, dict):
        raise ValueError(f'"{outer}" is not an object')
    made += [] if last in lists else [[outer, last]]
    found = lists.setdefault(last, [])
    if not isinstance(found, list):
        raise ValueError(f'"{last}" of the {outer} is not a list')
    return found


def _without(
    document: Document, unwanted: Callable[[Any], bool], made: Paths | None, rules: Sequence[str] = ()
) -> Document:
    """`document` without the unwanted entries and rules, and without the empty containers of `made`; None: without those it emptied."""
    result = copy.deepcopy(document)
    hooks, permissions = only(dict, result.get("hooks")), only(dict, result.get("permissions"))
    changed = []
    for event, groups in hooks.items():
        hooks[event] = _kept(groups, unwanted)
        changed += [["hooks", event]] if hooks[event] != groups else []
    denied = permissions.get("deny")
    if isinstance(denied, list):
        permissions["deny"] = [rule for rule in denied if rule not in rules]
        changed += [["permissions", "deny"]] if permissions["deny"] != denied else []
    if made is None:
        made = [*changed, *([outer] for outer, _ in changed)]
    for outer, lists in (("hooks", hooks), ("permissions", permissions)):
        for last in [last for last in lists if [outer, last] in made and not lists[last]]:
            del lists[last]
        if [outer] in made and result.get(outer) == {}:
            del result[outer]
    return result


def _kept(groups: Any, unwanted: Callable[[Any], bool]) -> Any:
    if not isinstance(groups, list):
        return [] if unwanted(groups) else groups
    kept = []
    for group in groups:
        entries = _handlers([group])
        left = [entry for entry in entries if not unwanted(entry)]
        if left == entries:
            kept.append(group)
        elif left:
            kept.append({**group, "hooks": left})
    return kept
