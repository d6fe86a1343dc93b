"""Imports run down, and each thing stands in its one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LIB = ROOT / "lib" / "circuit_breaker"
PACKAGE = "circuit_breaker"
MODULES = sorted(LIB.rglob("*.py"))
HOOKS = sorted((ROOT / "hooks").glob("*.py"))
PLUGIN = sorted((ROOT / "plugin").rglob("*.py"))
OURS = [*MODULES, *HOOKS, *PLUGIN]
# What each folder may import of ours besides itself.
BELOW = {
    "shell": set(),
    "identity": {"shell"},
    "breaker": {"identity", "shell"},
    "words": {"breaker", "identity"},
    "guard": {"breaker", "identity", "shell"},
    "runtime": {"words", "guard", "breaker", "identity", "janitor", "cleaning"},
    "janitor": {"words", "breaker", "identity", "runtime"},
    "cleaning": {"words", "breaker", "identity", "runtime", "janitor"},
    "replay": {"words", "breaker", "identity", "runtime"},
    "memory_cleanup": {"words", "breaker", "janitor", "runtime"},
}
PURE = [
    path
    for path in MODULES
    if path.relative_to(LIB).parts[0] in ("shell", "identity", "breaker", "words", "guard.py")
    or path.name in ("retention.py", "kinds.py", "selection.py")
]
# Recorded events have the names of payloads; a payload of protection.py runs a hook to see that it answers.
OF_RECORDINGS = {path.name for path in MODULES if path.parent.name == "replay"}
OF_RECORDINGS |= {"past.py", "dead_ends.py", "explain.py", "protection.py"}
WITHOUT_A_WORLD = (PACKAGE, "__future__", "_imp", "json.decoder", "math", "stat", "unicodedata")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    """The module as Python 3.9 reads it; newer syntax is an error here."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path), feature_version=(3, 9))


def imports(path: Path, at_any_depth: bool = True) -> set[str]:
    """The dotted names a module imports, those for type checkers included; without `at_any_depth` only at its top level."""
    found: set[str] = set()
    pending: list[ast.AST] = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: a relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        if at_any_depth or not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            pending.extend(ast.iter_child_nodes(node))
    return found


def folder(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def module_of(path: Path) -> str:
    return f"{PACKAGE}." + ".".join(path.relative_to(LIB).with_suffix("").parts)


def ours(path: Path) -> set[str]:
    """The modules of ours that a module imports, each by its full name."""
    known = {module_of(p) for p in MODULES}
    found = set()
    for imported in imports(path):
        while imported and imported not in known:
            imported = imported.rpartition(".")[0]
        found.add(imported)
    return found - {"", module_of(path)}


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py"], ids=name)
def test_imports_run_down(path: Path) -> None:
    here = folder(module_of(path))
    assert {folder(module) for module in ours(path)} - {here} <= BELOW[here]


def test_no_module_imports_itself_in_a_circle_type_only_imports_included() -> None:
    edges = {module_of(path): ours(path) for path in MODULES}
    verbs = {".".join(path.relative_to(ROOT / "plugin").with_suffix("").parts): path for path in PLUGIN}
    for verb, path in verbs.items():
        named = {name for full in imports(path) for name in (full, full.rpartition(".")[0])}
        edges[verb] = (named & set(verbs)) - {verb}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        pending = [start]
        while pending:
            for module in edges.get(pending.pop(), set()) - seen:
                seen.add(module)
                pending.append(module)
        return seen

    assert [module for module in edges if module in reached(module)] == []


@pytest.mark.parametrize("path", PURE, ids=name)
def test_pure_parts_know_nothing_of_the_world(path: Path) -> None:
    outside = {i for i in imports(path) if i.split(".")[0] not in WITHOUT_A_WORLD}
    assert {i for i in outside if not i.startswith(("collections.abc.", "typing.", "json.decoder."))} == set()
    called = {
        node.func.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_library_knows_neither_hooks_nor_verbs(path: Path) -> None:
    faces = {p.stem for p in PLUGIN} - {"__main__", "__init__"}
    assert {i for i in imports(path) if i.split(".")[0] in faces} == set()


@pytest.mark.parametrize(
    ("what", "pattern", "home"),
    [
        (
            "Claude Code's answers",
            r"""["'](hookSpecificOutput|permissionDecision|additionalContext|stopReason|systemMessage|decision)["']""",
            {"protocol.py", "host.py"},  # host.py plays Claude Code
        ),
        (
            "Claude Code's payloads",
            r"""payload\.fields|["'](session_id|agent_id|transcript_path|tool_(name|input|calls|response)|command_(name|args))["']""",
            {"protocol.py", "hook.py", "host.py", *OF_RECORDINGS},
        ),
        (
            "the names of Claude Code's tools",
            r"""["']([\w ]* )?(MultiEdit|Notebook(Edit|Read)|Web(Fetch|Search)|Task(Output|Stop|List)|ScheduleWakeup|KillShell|Monitor)"""
            r"""( [\w ]*)?["']""",
            {"calls.py", "protocol.py"},  # protocol.py reads a refusal that begins with such a name
        ),
        ("the lock", r"^\s*(import|from) (fcntl|msvcrt)\b", {"files.py", "packages.py"}),
        ("the two packages", r"^\s*(import|from) (filelock|platformdirs)\b", {"packages.py"}),
        (
            "the marks",
            "[\U0001f6a8\u26a0\u2705]",
            {"sentences.py", "verdicts.py"},
        ),  # verdicts.py reads those of test runners
    ],
)
def test_each_thing_has_one_place(what: str, pattern: str, home: set[str]) -> None:
    holders = {path for path in OURS if re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)}
    assert {name(path) for path in holders if path.name not in home} == set(), what


@pytest.mark.parametrize("path", [p for p in OURS if p.name != "__init__.py"], ids=name)
def test_module_says_in_its_first_line_what_it_holds(path: Path) -> None:
    if path.parent.name == "hooks":
        assert re.search(r"# \w.*[.?]$", path.read_text(encoding="utf-8").splitlines()[0])
        return
    said = ast.get_docstring(tree(path))
    assert said, "no docstring"
    assert said.splitlines()[0].rstrip(")").endswith(".")


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_swallows_every_fault_but_the_two_places_that_fail_open(path: Path) -> None:
    broad = [
        node.lineno for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler) and swallows(node)
    ]
    allowed = name(path) in ("lib/circuit_breaker/runtime/hook.py", "lib/circuit_breaker/runtime/loader.py")
    assert len(broad) <= (1 if allowed else 0), broad


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes every exception and does not raise it on."""
    caught = handler.type
    broad = caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))
    return broad and not isinstance(handler.body[-1], ast.Raise)


# What runs in a process of its own (see runtime/detached.py).
BODIES = {"run"}


def test_public_name_means_one_thing_in_the_whole_house() -> None:
    places: dict[str, list[str]] = {}
    for path in [*MODULES, *PLUGIN]:
        for node in tree(path).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
                places.setdefault(node.name, []).append(name(path))
    assert len(places) > 500
    assert {one: found for one, found in places.items() if len(found) > 1 and one not in BODIES} == {}
