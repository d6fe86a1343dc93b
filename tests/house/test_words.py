"""One word for each thing, in everything that you read."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What other tools and older texts of ours say; the right column is what we say.
INSTEAD = {
    r"the person|somebody": "you",
    r"the host": "Claude Code",
    r"put away|puts away|putting away": "archive",
    r"mend|mends|mended|mending|cure|cures|cured": "fix",
    r"trial|trials": "probe, or one retry",
    r"told|tellings?": "warned, warning",
    r"takes it all out|took out": "remove",
    r"to lift it|lifts it|lifted": "unblock",
    r"may go": "can be deleted",
}
FORBIDDEN = re.compile(r"\b(" + "|".join(INSTEAD) + r")\b", re.IGNORECASE)
PROSE = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "commands").glob("*.md")),
]
CODE = [
    *sorted((ROOT / "lib" / "circuit_breaker").rglob("*.py")),
    *sorted(path for path in (ROOT / "plugin").rglob("*.py")),
]
TESTS = [*sorted((ROOT / "bench").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def found(text: str) -> list[str]:
    return [match.group(0) for match in FORBIDDEN.finditer(text)]


@pytest.mark.parametrize("path", PROSE, ids=name)
def test_no_document_says_it_otherwise(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert found(re.sub(r"`[^`\n]*`", "", text)) == []  # names in files and JSON are names


@pytest.mark.parametrize("path", CODE, ids=name)
def test_nothing_printed_says_it_otherwise(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    said = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    sentences = [text for text in said if " " in text.strip() and not text.startswith(" ")]
    assert [(text, found(text)) for text in sentences if found(text)] == []


@pytest.mark.parametrize("path", [*CODE, *TESTS], ids=name)
def test_no_docstring_or_comment_says_it_otherwise(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    said = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    said += [token.string for token in tokens if token.type == tokenize.COMMENT]
    texts = [re.sub(r"`[^`\n]*`", "", text) for text in said]
    assert [(text, found(text)) for text in texts if found(text)] == []
