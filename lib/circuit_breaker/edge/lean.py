"""What byte code do hooks run? Python's own, less what nobody asks a hook for, and modules that go together in one file.

Loading byte code is half of what a hook costs beyond its interpreter's start. Docstrings, annotations, line numbers and what only
a type checker reads are two fifths of it, and each name that several modules share is made anew for each of them.
"""

from __future__ import annotations

import ast
import marshal
import sys
from importlib.util import MAGIC_NUMBER

from circuit_breaker import start
from circuit_breaker.edge import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

LINES = "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab"


def renew(root: str) -> int:
    """Make the lean byte code of each group of start.GROUPS that is missing or older than a source. `root` is the package's folder
    and ends in a slash. How many were made; a folder that cannot be written to is no fault, hooks then take Python's cache."""
    made = 0
    for group in start.GROUPS:
        path = start.lean_path(root, group)
        sources = {f"{start.PACKAGE}.{part}": f"{root}{part.replace('.', '/')}.py" for part in group.split()}
        try:
            if not _is_fresh(path, sources):
                modules = {name: (start.stamp_of(source), lean(source)) for name, source in sources.items()}
                files.replace(path, MAGIC_NUMBER + marshal.dumps(modules))
                made += 1
        except (OSError, SyntaxError, ValueError):
            continue
    return made


def _is_fresh(path: str, sources: dict[str, str]) -> bool:
    try:
        data = files.read(path, start.LONGEST) or b""
        known = marshal.loads(data[4:]) if data[:4] == MAGIC_NUMBER else {}
        return {name: start.stamp_of(source) for name, source in sources.items()} == {
            name: stamp for name, (stamp, _) in known.items()
        }
    except (OSError, ValueError, EOFError, TypeError, AttributeError):
        return False


def lean(source: str) -> CodeType:
    """The byte code of a source file without docstrings, annotations and line numbers. Raises OSError, SyntaxError."""
    tree = ast.parse((files.read(source) or b"").decode("utf-8"))
    bare = ast.fix_missing_locations(_Bare().visit(tree))
    return _unlined(compile(bare, source, "exec", dont_inherit=True, optimize=2))


def _unlined(code: CodeType) -> CodeType:
    inner = tuple(_unlined(const) if hasattr(const, "co_code") else const for const in code.co_consts)
    return code.replace(co_consts=inner, **{LINES: b""})  # type: ignore[arg-type]


class _Bare(ast.NodeTransformer):
    """Takes out annotations, and what stands under `if TYPE_CHECKING`."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse or ast.copy_location(ast.Pass(), node)
        return node
