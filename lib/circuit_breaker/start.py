"""How does a hook come up quickly? Our modules are at hand without a search, and run when something of theirs is first used.

No annotations import and no module of ours here: this file is what every hook pays for first.
"""

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, ExtensionFileLoader, SourceFileLoader
from _imp import extension_suffixes
from gc import disable
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

# What hooks import on their common ways. A module that is not named here is found in the usual way.
MODULES = {
    "core": "asking blinding breaker closing config detectors evidence identity labels masking memory model outcomes pending policy"
    " reading rings shell simple_commands stopping trials turns verdicts volatile wording work",
    "edge": "armed codec files home hook incidents opening origin protocol stamp store",
}
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
HEADER = 16  # bytes: magic number, flags, the source's time and size


def start(name: str, entry: str = "hook") -> None:
    """Answer hook `name` (see edge/hook.py, or another module of edge that serves) and end the process."""
    disable()  # a hook does not live long enough for its garbage to matter
    here = __file__.rpartition("start.py")[0]
    features = sys.modules["__future__"] = Module("__future__")
    features.__dict__.update(annotations=None, __getattr__=_feature)
    lay_out(here)
    try:
        for extension in EXTENSIONS:
            _load_extension(extension)
        sys.path.append(here[: -len(PACKAGE) - 2])
        getattr(sys.modules[f"{PACKAGE}.edge"], entry).serve(name)
    except FAULTS as error:  # serve has its own net: this is for a library with holes
        system.write(
            2, f"[circuit_breaker] {name}: {type(error).__name__}: {error}\n".encode("utf-8", "replace")
        )
    finally:
        system._exit(0)  # whatever is missing, the call goes through


def lay_out(folder: str) -> None:
    """Put the package and the modules of MODULES in their places, none of them run."""
    top = _placed(PACKAGE, folder, Module)
    for package, names in MODULES.items():
        inner = _placed(f"{PACKAGE}.{package}", f"{folder}{package}/", Module)
        setattr(top, package, inner)
        for name in names.split():
            setattr(
                inner, name, _placed(f"{PACKAGE}.{package}.{name}", f"{folder}{package}/{name}.py", Later)
            )


def _placed(name: str, path: str, kind: "type[Module]") -> Module:
    module = sys.modules[name] = kind(name)
    if kind is Module:
        module.__path__ = [path[:-1]]
        path += "__init__.py"
    module.__file__ = path
    return module


class Later(Module):
    """A module that has not run yet: the first name that is asked of it runs it."""

    def __getattr__(self, name: str) -> "Any":
        if name[:2] == "__":
            raise AttributeError(name)  # the import system asks; that is no use of the module
        code = _code(self.__name__, str(self.__file__))
        self.__class__ = Module  # type: ignore[assignment]
        try:
            exec(code, self.__dict__)
        except BaseException:
            self.__class__ = Later  # so that whoever asks next hears the same reason
            raise
        return getattr(self, name)


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
    loader = ExtensionFileLoader(name, path)
    spec = ModuleSpec(name, loader, origin=path)
    try:
        module = loader.create_module(spec)
        module.__spec__, module.__loader__ = spec, loader
        loader.exec_module(module)
    except ImportError:
        return
    sys.modules[name] = module


def _code(name: str, source: str) -> "Any":
    """The module's byte code from its cache; where that is missing or stale, by the long way, which renews it."""
    folder, _, file = source.rpartition("/")
    try:
        fd = system.open(
            f"{folder}/__pycache__/{file[:-3]}.{sys.implementation.cache_tag}.pyc", system.O_RDONLY
        )
        try:
            data = system.read(fd, system.fstat(fd).st_size)
        finally:
            system.close(fd)
        info = system.stat(source)
        stamp = int(info[8]).to_bytes(4, "little") + int(info[6]).to_bytes(4, "little")
        if data[4:HEADER] == b"\0\0\0\0" + stamp and data[:4] == MAGIC_NUMBER:
            return loads(memoryview(data)[HEADER:])
    except (OSError, ValueError, EOFError, TypeError, OverflowError):
        pass  # the long way mends it, or says what is wrong
    return SourceFileLoader(name, source).get_code(name)
