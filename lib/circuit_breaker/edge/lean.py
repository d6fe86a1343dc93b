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
_ALWAYS = start.GROUPS[0] + " core.config core.model core.memory core.policy core.work"
# Hooks that are started from one file of byte code: script, module that serves, and the modules that nearly each event runs.
STARTS = {
    "gate": (
        "circuit_breaker_gate",
        "hook",
        _ALWAYS + " core.identity core.asking core.circuits core.breaker core.guarding core.shell",
    ),
    "monitor": (
        "circuit_breaker_monitor",
        "hook",
        _ALWAYS + " core.identity core.outcomes core.turns core.evidence core.blinding core.volatile",
    ),
    "prompt": ("prompt", "hook", _ALWAYS + " core.prompting"),
    "janitor": (
        "memory_janitor",
        "opening",
        "edge.opening edge.codec edge.files edge.home edge.stamp core.config core.model",
    ),
}
# What such a file does; the words in capitals are replaced by values that no source can hold. A script or a start.py that is not
# the one it was made from runs in its place.
_BEGIN = """
root = __file__.rpartition("__pycache__")[0]
script = root + "SCRIPT"
__file__ = root + "start.py"
exec("START")
if (stamp_of(__file__), stamp_of(script)) == "STAMPS":
    _LEAN.update("MODULES")
    start("NAME", "ENTRY")
__file__ = script
exec(compile(open(script, "rb").read(), script, "exec"))
"""


def renew(root: str, interpreter: str = "") -> int:
    """Make the byte code that is missing or older than a source: of each group of start.GROUPS, and, for the `interpreter` whose path
    is pinned, what its hooks are started from. `root` is the package's folder and ends in a slash. How many files were made;
    a folder that cannot be written to is no fault, hooks then take Python's cache."""
    made = 0
    names = STARTS if interpreter[:1] == "/" else ()
    wanted = [(start.lean_path(root, group), group, "") for group in start.GROUPS]
    wanted += [(start_path(root, name, interpreter), STARTS[name][2], name) for name in names]
    for path, parts, name in wanted:
        try:
            stamps = {part: start.stamp_of(_source(root, part)) for part in parts.split()}
            own = _own_stamps(root, name)
            head = MAGIC_NUMBER + bytes(4) + start.stamp_of(_source(root, "edge.lean"))
            if _known(path, head) != (own, stamps):
                modules = {
                    f"{start.PACKAGE}.{part}": (stamp, lean(_source(root, part)))
                    for part, stamp in stamps.items()
                }
                value = _beginning(root, name, own, modules) if name else modules
                files.replace(path, head + marshal.dumps(value))
                made += 1
        except (OSError, SyntaxError, ValueError):
            continue
    return made


def start_path(root: str, name: str, interpreter: str) -> str:
    """What hook `name` is started from; the registered line knows the interpreter's path alone, so its last name is in it."""
    return f"{root}__pycache__/start.{name}.{interpreter.rpartition('/')[2]}.lean.pyc"


def _source(root: str, part: str) -> str:
    return f"{root}{part.replace('.', '/')}.py"


def _own_stamps(root: str, name: str) -> tuple[bytes, ...]:
    """What start.py and the hook's script are known by. Raises OSError."""
    return tuple(map(start.stamp_of, (_source(root, "start"), root + _script(name)))) if name else ()


def _script(name: str) -> str:
    return f"../../hooks/{STARTS[name][0]}.py"


def _beginning(
    root: str, name: str, own: tuple[bytes, ...], modules: dict[str, tuple[bytes, CodeType]]
) -> CodeType:
    _check(root + _script(name), name)
    values = {
        "SCRIPT": _script(name),
        "START": lean(_source(root, "start")),
        "STAMPS": own,
        "MODULES": modules,
        "NAME": name,
        "ENTRY": STARTS[name][1],
    }
    code = compile(_BEGIN, name, "exec", dont_inherit=True)
    consts = [values.get(const, const) if isinstance(const, str) else const for const in code.co_consts]
    return _unlined(code).replace(co_consts=tuple(consts))


def _check(script: str, name: str) -> None:
    """Raises ValueError unless the script does what is done in its place: one that was harmed or edited runs itself."""
    text = (files.read(script) or b"").decode("utf-8").rstrip()
    call = (
        f'names["start"]("{name}")' if STARTS[name][1] == "hook" else f'names["start"]("{name}", "opening")'
    )
    if len(ast.parse(text).body) != _STATEMENTS or not text.endswith(call):
        raise ValueError(f"{script} does more than call start")


def _known(path: str, head: bytes) -> tuple[tuple[bytes, ...], dict[str, bytes]] | None:
    """The stamps that a file was made with: of start.py and the script, and of its modules. None for no file of this maker."""
    try:
        data = files.read(path, LARGEST) or b""
        if data[: len(head)] != head:
            return None
        found = marshal.loads(data[len(head) :])
        own: tuple[bytes, ...] = ()
        if hasattr(found, "co_consts"):
            own = next(const for const in found.co_consts if isinstance(const, tuple))
            found = next(const for const in found.co_consts if isinstance(const, dict))
        return own, {name[len(start.PACKAGE) + 1 :]: stamp for name, (stamp, _) in found.items()}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, StopIteration):
        return None


_STATEMENTS = 5  # of a hook's script
LARGEST = 1 << 17  # bytes: what is started from is a group and what goes with it


def lean(source: str) -> CodeType:
    """The byte code of a source file without docstrings, annotations and line numbers. Raises OSError, SyntaxError."""
    tree = ast.parse((files.read(source) or b"").decode("utf-8"))
    bare = ast.fix_missing_locations(_Bare().visit(tree))
    name = source.rpartition("/")[2]  # what a fault names; the whole path would be in each module's code
    return _unlined(compile(bare, name, "exec", dont_inherit=True, optimize=2))


def _unlined(code: CodeType) -> CodeType:
    inner = tuple(_unlined(const) if hasattr(const, "co_code") else const for const in code.co_consts)
    return code.replace(co_consts=inner, **{LINES: b""})  # type: ignore[arg-type]


class _Bare(ast.NodeTransformer):
    """Takes out annotations, what stands under `if TYPE_CHECKING`, and the import of a feature of `__future__`: its name stays."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module != "__future__":
            return node
        names: list[ast.expr] = [ast.Name(feature.name, ast.Store()) for feature in node.names]
        return ast.copy_location(ast.Assign(names, ast.Constant(None)), node)

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
