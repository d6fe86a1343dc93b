"""The start of a hook: our own modules, found without searching Python's path, each run when something of it is first used.

Every hook runs this file first, so it imports only what the interpreter has loaded already, and any Python 3 can read it. Half of what
a hook would cost beyond its interpreter's start is code that is read and not used: docs/performance.md has the figures.
"""

import gc
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from marshal import loads

try:
    import posix as system
except ImportError:  # Windows names the same calls differently
    import nt as system  # type: ignore[no-redef]

PACKAGE = "circuit_breaker"
LIB = __file__.rpartition("/" + PACKAGE + "/")[0]
ANSWERED = 170  # no other program ends with it, and a shell takes it for no kill of ours
LONGEST = 1 << 18  # bytes of byte code that are read at once; a longer module goes the long way
PLAIN = type(sys)


class Waiting(PLAIN):  # type: ignore[misc, valid-type]
    """A module that has not run yet: what `importlib.util.LazyLoader` makes, without what that imports."""

    def __getattribute__(self, name: str) -> object:
        if name[:2] != "__":  # the names that the import system itself asks for
            names = object.__getattribute__(self, "__dict__")
            self.__class__ = PLAIN  # type: ignore[assignment]  # first: while it runs it may be asked for again
            exec(code_of(names["__name__"], names["__file__"]), names)  # type: ignore[arg-type]
        return object.__getattribute__(self, name)


def lay_out(name: str, path: str) -> object:
    """The folder of ours at `path` as a package in `sys.modules`, with all that is in it: modules that wait, and folders.

    Then an import is a look into `sys.modules`. (Our `__init__` files are empty: nothing to run.)
    """
    package = sys.modules[name] = PLAIN(name)
    for entry in system.listdir(path):
        if entry[-3:] == ".py":
            part: object = Waiting(name + "." + entry[:-3])
            part.__file__ = path + "/" + entry  # type: ignore[attr-defined]
            sys.modules[name + "." + entry[:-3]] = part  # type: ignore[assignment]
            setattr(package, entry[:-3], part)
        elif "." not in entry and entry[0] != "_":
            setattr(package, entry, lay_out(name + "." + entry, path + "/" + entry))
    return package


def code_of(name: str, source: str) -> object:
    """A source's byte code: from Python's cache where that fits it, else by the long way, which renews the cache. Raises OSError, SyntaxError."""
    folder, _, file = source.rpartition("/")
    try:
        info = system.stat(source)
        stamp = [int(info[at]) & 0xFFFFFFFF for at in (8, 6)]  # its time and size, as Python's cache has them
        fd = system.open(
            folder + "/__pycache__/" + file[:-2] + str(sys.implementation.cache_tag) + ".pyc", system.O_RDONLY
        )
        try:
            data = system.read(fd, LONGEST)
        finally:
            system.close(fd)
        head = MAGIC_NUMBER + bytes(4) + stamp[0].to_bytes(4, "little") + stamp[1].to_bytes(4, "little")
        if data[:16] == head and len(data) < LONGEST:
            return loads(memoryview(data)[16:])
    except (OSError, ValueError, EOFError, TypeError):
        pass  # the long way renews the cache, or says what is wrong
    return SourceFileLoader(name, source).get_code(name)


def start(name: str, module: str = "hook") -> None:
    """Answer hook `name` with `runtime/MODULE.py` and end the process. Whatever is missing or torn, the call goes through.

    Exit code 0. A pinned interpreter says to `run` how it went: ANSWERED; 1 where the hooks cannot run on it, and `run` looks for
    another one, which finds stdin unread.
    """
    pinned = "pinned" in sys.argv
    if sys.version_info < (3, 9) or sys.implementation.name != "cpython":
        if not pinned:
            system.write(2, ("[circuit_breaker] " + name + ": needs CPython 3.9 or newer\n").encode())
        system._exit(pinned)
    gc.disable()  # a hook ends before its garbage matters
    features = sys.modules["__future__"] = type(sys)(
        "__future__"
    )  # each of our modules names it: spares its file
    features.annotations = None  # type: ignore[attr-defined]
    sys.path.insert(0, sys.path[-1])  # where `_json` and `fcntl` are: spares a listing of the whole library
    try:
        lay_out(PACKAGE, LIB + "/" + PACKAGE)
        sys.modules[PACKAGE + ".runtime." + module].serve(name)
    except Exception as error:  # noqa: BLE001 - serve has its own net: this one is for a library with holes
        line = "[circuit_breaker] " + name + ": " + type(error).__name__ + ": " + str(error) + "\n"
        system.write(2, line.encode("utf-8", "replace"))
    finally:
        system._exit(ANSWERED if pinned else 0)  # skips the interpreter's tear-down, a fifth of a start
