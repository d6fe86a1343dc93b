"""How does a hook come up quickly? Our modules are at hand without a search, and run when something of theirs is first used.

No annotations import and no module of ours here: this file is what every hook pays for first.
"""

import builtins
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from _imp import create_builtin, create_dynamic, exec_builtin, exec_dynamic, extension_suffixes
from marshal import loads

try:
    import posix as system
except ImportError:  # Windows names the same calls differently
    import nt as system  # type: ignore[no-redef]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType as Module
    from typing import Any
else:
    Module = type(sys)

# The extension modules that every hook needs; the import system would list folder after folder to find them.
EXTENSIONS = ("_json", "fcntl")
# What running a module can raise that is missing, torn, or of another version than its neighbours.
FAULTS = (
    ImportError,
    OSError,
    SyntaxError,
    ValueError,
    NameError,
    AttributeError,
    TypeError,
    LookupError,
    EOFError,
)
PACKAGE = "circuit_breaker"
LONGEST = 1 << 16  # bytes of byte code that are read at once; more of them go the long way
HEADER = 16  # bytes: magic number, flags, the source's time and size


def start(name: str, entry: str = "hook") -> None:
    """Answer hook `name` (see edge/hook.py, or another module of edge that serves) and end the process."""
    collector = create_builtin(ModuleSpec("gc", None))
    exec_builtin(collector)
    collector.disable()  # a hook does not live long enough for its garbage to matter
    here = __file__.rpartition("start.py")[0]
    lay_out(here)
    builtins.__import__ = _import  # type: ignore[assignment]
    try:
        for extension in EXTENSIONS:
            _load_extension(extension)
        sys.path.append(here[: -len(PACKAGE) - 2])
        _module(f"{PACKAGE}.edge", entry).serve(name)
    except FAULTS as error:  # serve has its own net: this is for a library with holes
        system.write(
            2, f"[circuit_breaker] {name}: {type(error).__name__}: {error}\n".encode("utf-8", "replace")
        )
    finally:
        system._exit(0)  # whatever is missing, the call goes through


def lay_out(folder: str) -> None:
    """Put our packages in their places, and what each of our modules asks of `__future__`."""
    features = _OURS["__future__"] = sys.modules["__future__"] = Module("__future__")
    features.__dict__.update(annotations=None, __getattr__=_feature)
    top = _package(PACKAGE, folder[:-1])
    for part in ("core", "edge"):
        top.__dict__[part] = _package(f"{PACKAGE}.{part}", folder + part)


def _package(name: str, path: str) -> Module:
    module = _PACKAGES[name] = sys.modules[name] = Module(name)
    module.__path__ = [path]
    return module


_PACKAGES: "dict[str, Module]" = {}
_OURS: "dict[str, Module]" = {}  # what is in its place


class Later(Module):
    """A module that has not run yet: the first name that is asked of it runs it."""

    def __getattribute__(self, name: str) -> "Any":
        if name[:2] == "__":
            return Module.__getattribute__(self, name)  # the import system asks: that is no use of the module
        _run(self)
        return getattr(self, name)


def _import(
    name: str, names: "Any" = None, places: "Any" = None, wanted: "Any" = None, level: int = 0
) -> Module:
    """What an `import` statement calls. Python's own looks each module over again, at every statement and for each name of it;
    ours are either in their places or in the folder of their package."""
    if not wanted:
        return _find(name, names, places, wanted, level)
    if name in _PACKAGES:
        package = _PACKAGES[name]
        for part in wanted:
            if part not in package.__dict__:
                _module(name, part)
        return package
    if name not in _OURS:
        parent, _, part = name.rpartition(".")
        if parent not in _PACKAGES or level:
            return _find(name, names, places, wanted, level)
        _module(parent, part)
    module = _OURS[name]
    if type(module) is Later:
        _run(module)
    return module


_find = builtins.__import__


def _module(package: str, part: str) -> "Any":
    """Module `part` of a package of ours, put in its place and not yet run."""
    name, parent = f"{package}.{part}", _PACKAGES[package]
    module = parent.__dict__[part] = _OURS[name] = sys.modules[name] = Later(name)
    module.__file__ = f"{parent.__path__[0]}/{part}.py"
    return module


def _run(module: Module) -> None:
    module.__class__ = Module  # first: Later's say in each name takes ten times as long as the name
    try:
        exec(_code(module.__name__, str(module.__file__)), module.__dict__)
    except BaseException:
        module.__class__ = Later  # so that whoever asks next hears the same reason
        raise


def _feature(name: str) -> "Any":
    """What our stand-in for `__future__`, which each of our modules names and none uses, has not: the real one has it."""
    if name[:2] == "__":
        raise AttributeError(name)
    del sys.modules["__future__"]
    import __future__

    return getattr(__future__, name)


def _load_extension(name: str) -> None:
    """Load an extension module from the interpreter's own last folder, where they are; elsewhere an import will find it."""
    if name in sys.builtin_module_names:
        return
    path = f"{sys.path[-1]}/{name}{extension_suffixes()[0]}"
    try:
        module = create_dynamic(ModuleSpec(name, None, origin=path))
        exec_dynamic(module)
    except ImportError:
        return
    sys.modules[name] = module


def _code(name: str, source: str) -> "Any":
    """The module's byte code: from Python's cache, else by the long way, which renews the cache."""
    try:
        folder, _, file = source.rpartition("/")
        data = _read(f"{folder}/__pycache__/{file[:-3]}.{sys.implementation.cache_tag}.pyc")
        if data[4:HEADER] == b"\0\0\0\0" + stamp_of(source) and data[:4] == MAGIC_NUMBER:
            return loads(memoryview(data)[HEADER:])
    except (OSError, ValueError, EOFError, TypeError):
        pass  # the long way mends it, or says what is wrong
    return SourceFileLoader(name, source).get_code(name)


def stamp_of(source: str) -> bytes:
    """What tells one version of a source file from another: its time and size, as Python's own cache has them. Raises OSError."""
    info = system.stat(source)
    return (int(info[8]) & 0xFFFFFFFF).to_bytes(4, "little") + (int(info[6]) & 0xFFFFFFFF).to_bytes(
        4, "little"
    )


def _read(path: str) -> bytes:
    fd = system.open(path, system.O_RDONLY)
    try:
        return bytes(system.read(fd, LONGEST))
    finally:
        system.close(fd)
