"""Do the arrows run down, and does each thing stand in its one place?"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LIB = ROOT / "lib" / "circuit_breaker"
CORE = sorted((LIB / "core").glob("*.py"))
EDGE = sorted((LIB / "edge").glob("*.py"))
FACES = [*sorted((ROOT / "hooks").glob("*.py")), *sorted((ROOT / "plugin").glob("*.py"))]
OURS = [*sorted(LIB.glob("*.py")), *CORE, *EDGE, *FACES]
IN_HOOKS = {path.stem for path in (ROOT / "hooks").glob("*.py")}
IN_PLUGIN = {path.stem for path in (ROOT / "plugin").glob("*.py")}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    """The module as Python 3.9 reads it; newer syntax is an error here."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path), feature_version=(3, 9))


def imports(path: Path) -> set[str]:
    """The dotted names a module imports, at any depth; what only type checkers see is left out."""
    found: set[str] = set()
    pending: list[ast.AST] = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{name(path)}: imports are absolute, so that they can be read and searched"
            )
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))
    return found


def within(imported: str, *packages: str) -> bool:
    return any(imported == package or imported.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("path", CORE, ids=name)
def test_core_imports_core_and_nothing_of_the_world(path: Path) -> None:
    allowed = ("circuit_breaker.core", "__future__", "_imp", "re", "json", "math", "unicodedata")
    assert {i for i in imports(path) if not within(i, *allowed)} == set()


@pytest.mark.parametrize("path", CORE, ids=name)
def test_core_neither_opens_nor_prints(path: Path) -> None:
    called = {
        node.func.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("path", EDGE, ids=name)
def test_edge_knows_no_face(path: Path) -> None:
    assert {i for i in imports(path) if i.split(".")[0] in IN_PLUGIN - {"__main__"}} == set()


@pytest.mark.parametrize("path", FACES, ids=name)
def test_faces_never_import_each_other(path: Path) -> None:
    others = IN_PLUGIN if path.parent.name == "hooks" else IN_HOOKS - IN_PLUGIN
    assert {i for i in imports(path) if i.split(".")[0] in others} == set()


@pytest.mark.parametrize(
    ("what", "pattern", "home"),
    [
        (
            "the host's answers",
            r"""["'](hookSpecificOutput|permissionDecision|additionalContext|stopReason)["']""",
            {"protocol.py", "demo.py"},  # the demo plays the host
        ),
        ("the lock", r"^\s*(import|from) (fcntl|msvcrt)\b", {"files.py", "deps.py"}),
        ("the two packages", r"^\s*(import|from) (filelock|platformdirs)\b", {"deps.py"}),
        ("the marks", "[\U0001f6a8\u26a0\u2705]", {"wording.py"}),
    ],
)
def test_each_thing_has_one_place(what: str, pattern: str, home: set[str]) -> None:
    holders = {path for path in OURS if re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)}
    assert {name(path) for path in holders if path.name not in home} == set(), what


@pytest.mark.parametrize("path", OURS, ids=name)
def test_module_says_in_its_first_line_what_it_answers(path: Path) -> None:
    module = tree(path)
    if not module.body:
        return
    if path.parent.name == "hooks":  # compiled at each start, so a comment
        assert re.search(r"# \w.*[.?]$", path.read_text(encoding="utf-8").splitlines()[0])
        return
    said: str | None = ast.get_docstring(module)
    assert said, "no docstring"
    first = said.splitlines()[0]
    assert first.rstrip(")").endswith(("?", "."))
    assert path not in CORE or first.endswith("Pure.")


@pytest.mark.parametrize("path", OURS, ids=name)
def test_module_stays_readable(path: Path) -> None:
    count = len(path.read_text(encoding="utf-8").splitlines())
    assert count <= 300


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_swallows_every_fault_but_the_one_place_that_fails_open(path: Path) -> None:
    broad = [
        node.lineno for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler) and swallows(node)
    ]
    assert len(broad) <= (1 if name(path) == "lib/circuit_breaker/edge/hook.py" else 0), broad


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes every exception and does not raise it on."""
    caught = handler.type
    broad = caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))
    return broad and not isinstance(handler.body[-1], ast.Raise)
