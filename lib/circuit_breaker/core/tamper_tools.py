"""Does a call of a tool that is no shell write what is guarded: an editor's, a patch, somebody's MCP server? Pure."""

from __future__ import annotations

from circuit_breaker.core.guarding import PATHS
from circuit_breaker.core.tamper_guard import Guards, Tampered
from circuit_breaker.core.tamper_words import resolve, without_marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.guarding import Guarded

READING_WORDS = frozenset((
    "get", "list", "read", "search", "find", "query", "fetch", "view", "show", "describe", "status", "stat", "info",
    "tree", "grep", "cat", "count", "exists", "resolve", "look", "inspect",
))  # fmt: skip
CHANGING_WORDS = frozenset((
    "write", "edit", "create", "delete", "remove", "move", "rename", "update", "set", "put", "append", "insert",
    "replace", "modify", "save", "copy", "patch", "apply",
))  # fmt: skip
TAKING_WORDS = frozenset(("delete", "remove", "move", "rename"))
SETTINGS_WORDS = (
    "hook", "plugin", "marketplace", "circuit", "breaker", "env", '"mode"', "observe", "enforce", "threshold", "bypass",
    '"type"', '"command"', '"matcher"', '"timeout"', '"args"', '"if"', '"async', '"once"', '"shell"', '"statusmessage"',
)  # fmt: skip
TEXTS = ("content", "old_string", "new_string", "body", "text", "description")  # parameters that are no paths
PATH_MAX = 1024  # a longer text is no path


def edit(name: str, values: dict[object, object], cwd: str, guarded: Guarded) -> None:
    """Edit, Write and their kind: by the file they name; an edit of the host's settings may prove itself harmless."""
    guards = Guards(guarded)
    for key in PATHS:
        place = values.get(key)
        if not isinstance(place, str) or not place:
            continue
        reason = guards.reason(resolve(without_marks(place), cwd, guarded.user_home))
        if reason == "registration" and name in ("edit", "multiedit") and _spares_hooks(values):
            continue
        if reason:
            raise Tampered(reason)


def _spares_hooks(values: dict[object, object]) -> bool:
    """Whether an edit of a settings file cannot touch hooks or plugins: it exchanges whole quoted texts for others.

    Anything more could, for one missing quote or comma makes the host skip the whole file, hooks and all.
    """
    edits = values.get("edits", [values])
    return isinstance(edits, list) and bool(edits) and all(_exchanges_texts(edit) for edit in edits)


def _exchanges_texts(edit: object) -> bool:
    old, new = (edit.get("old_string"), edit.get("new_string")) if isinstance(edit, dict) else (None, None)
    if not isinstance(edit, dict) or not isinstance(old, str) or not isinstance(new, str):
        return False
    low = (old + new).lower()
    if edit.get("replace_all") or "\\" in low or any(word in low for word in SETTINGS_WORDS):
        return False
    before, after = _kind(old), _kind(new)
    if before != after or not before:
        return False
    return before.startswith("members") or all(_is_rule(text) for text in (old + "," + new).split('"')[1::2])


def _kind(text: str) -> str:
    """What whole thing a piece of JSON is: "members" of an object or "values" of a list (and its last comma); "" if none."""
    pieces = text.split('"')
    if len(pieces) % 2 == 0:
        return ""
    bare = "S".join("".join(piece.split()) for piece in pieces[::2])  # each quoted text is an S
    for scalar in ("true", "false", "null"):
        bare = bare.replace(scalar, "V")
    while "{" in bare or "[" in bare:  # from the innermost pair outwards, each valid one becomes a V
        start = max(bare.rfind("{"), bare.rfind("["))
        end = bare.find("}" if bare[start] == "{" else "]", start)
        inner = bare[start + 1 : max(end, 0)].split(",")
        allowed = ("S:S", "S:V") if bare[start] == "{" else ("S", "V")
        if end < 0 or not (inner == [""] or all(item in allowed for item in inner)):
            return ""
        bare = bare[:start] + "V" + bare[end + 1 :]
    comma = "," if bare.endswith(",") else ""
    items = bare[: len(bare) - len(comma)].split(",")
    if all(item in ("S:S", "S:V") for item in items):
        return "members" + comma
    return "values" + comma if all(item == "S" for item in items) else ""


def _is_rule(text: str) -> bool:
    """Whether a text is a permission rule such as `Bash(ls:*)`: nothing else in a settings file looks like one."""
    return text.endswith(")") and text.partition("(")[0].isalnum()


def patch(tool_input: object, cwd: str, guarded: Guarded) -> None:
    """apply_patch: the files its headers name."""
    guards = Guards(guarded)
    for _, text in strings(tool_input):
        for line in text.split("\n"):
            head, _, place = line.partition(" File: ")
            if (head.startswith("*** ") and place) or line.startswith("*** Move to: "):
                place = place or line.partition(": ")[2]
                reason = guards.reason(resolve(without_marks(place.strip()), cwd, guarded.user_home))
                if reason:
                    raise Tampered(reason)


def foreign(name: str, tool_input: object, cwd: str, guarded: Guarded, followed: tuple[str, ...]) -> None:
    """MCP and unknown tools: one that is not plainly a reading tool must not be handed a guarded path.

    `followed`: parameters that have been looked at as commands.
    """
    words = set(name.rpartition("__")[2].replace("-", "_").split("_"))
    if words & READING_WORDS and not words & CHANGING_WORDS:
        return
    guards = Guards(guarded)
    tree = bool(words & TAKING_WORDS)
    for key, text in strings(tool_input):
        if len(text) > PATH_MAX or "\n" in text or key in TEXTS or key in followed:
            continue
        if "/" in text or "." in text or "~" in text:
            reason = guards.reason(resolve(without_marks(text), cwd, guarded.user_home), tree and "/" in text)
            if reason:
                raise Tampered(reason)


def strings(value: object) -> list[tuple[str, str]]:
    """Every string in a JSON value with the key it stands under; keys are strings too. Any depth, any size."""
    found: list[tuple[str, str]] = []
    pending: list[tuple[str, object]] = [("", value)]
    while pending:
        key, item = pending.pop()
        if isinstance(item, str):
            found.append((key, item))
        elif isinstance(item, dict):
            found += [("", name) for name in item]
            pending += item.items()
        elif isinstance(item, (list, tuple)):
            pending += [(key, inner) for inner in item]
    return found
