"""Starts a hook: finds our modules without searching Python's path, and runs each when it is first used.

Every hook runs this file first: it imports only what the interpreter has already loaded, and any Python 3 can read it. Without it,
half of a hook's cost beyond the interpreter's start would be unused modules: see docs/performance.md.
"""

import gc
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from _imp import create_dynamic, exec_dynamic, extension_suffixes
from marshal import loads

try:
    import posix as system
except ImportError:  # Windows names the same calls differently
    import nt as system  # type: ignore[no-redef]

EXTENSIONS = ("_json", "fcntl") if system.__name__ == "posix" else ()  # modules of Python in C
PACKAGE = "circuit_breaker"
FOLDERS = ("breaker", "cleaning", "identity", "janitor", "runtime", "shell", "words")  # those that hooks use
LIB = __file__.rpartition("/" + PACKAGE + "/")[0]
ANSWERED = 170  # exit code that no other program uses and no shell takes for a signal
PLAIN = type(sys)
NAMESPACE = type(sys.implementation)
# What an import asks of a module's spec; without one it makes an error and drops it.
SETTLED = NAMESPACE(_initializing=False)  # type: ignore[call-arg]


class Waiting(PLAIN):  # type: ignore[misc, valid-type]
    """A module that has not run yet, like those of `importlib.util.LazyLoader`, whose import costs too much."""

    def __getattribute__(self, name: str) -> object:
        if name[:2] != "__":  # names that the import system reads
            names = object.__getattribute__(self, "__dict__")
            self.__class__ = PLAIN  # type: ignore[assignment]  # first, because it may be used again while it runs
            exec(code_of(names["__name__"], names["__file__"]), names)  # type: ignore[arg-type]
        return object.__getattribute__(self, name)


def lay_out(name: str, path: str) -> object:
    """Put our folder at `path` into `sys.modules` as a package, with its modules (as Waiting) and folders.

    Importing them is then only a lookup. (Our `__init__` files are empty and need not run.) Raises OSError.
    """
    package = sys.modules[name] = PLAIN(name)
    package.__path__ = []  # what is missing in it cannot be imported
    package.__spec__ = SETTLED  # type: ignore[assignment]
    for entry in system.listdir(path):
        if entry[-3:] == ".py":
            part: object = Waiting(name + "." + entry[:-3])
            part.__file__ = path + "/" + entry  # type: ignore[attr-defined]
            part.__spec__ = SETTLED  # type: ignore[attr-defined]
            sys.modules[name + "." + entry[:-3]] = part  # type: ignore[assignment]
            setattr(package, entry[:-3], part)
        elif entry in FOLDERS:
            setattr(package, entry, lay_out(name + "." + entry, path + "/" + entry))
    return package


def load_extension(name: str) -> None:
    """Import an extension module of Python from the folder of the last path. If that fails, Python's own search does it when needed:
    it lists the folder and takes three times as long."""
    origin = sys.path[-1] + "/" + name + extension_suffixes()[0]
    try:
        module = create_dynamic(NAMESPACE(name=name, origin=origin))  # type: ignore[call-arg, arg-type]
        exec_dynamic(module)
        module.__spec__ = SETTLED  # type: ignore[assignment]
    except ImportError:
        return  # built into this Python, or not for this system
    sys.modules[name] = module


def code_of(name: str, source: str) -> object:
    """A module's code object: from Python's cache if valid, else from Python's loader, which renews the cache. Raises OSError, SyntaxError."""
    folder, _, file = source.rpartition("/")
    cache = folder + "/__pycache__/" + file[:-2] + str(sys.implementation.cache_tag) + ".pyc"
    try:
        info = system.stat(source)
        stamp = [int(info[at]) & 0xFFFFFFFF for at in (8, 6)]  # time and size, as in Python's cache
        fd = system.open(cache, system.O_RDONLY)
        try:
            data = system.read(fd, system.fstat(fd).st_size)
        finally:
            system.close(fd)
        head = MAGIC_NUMBER + bytes(4) + stamp[0].to_bytes(4, "little") + stamp[1].to_bytes(4, "little")
        if data[:16] == head:
            return loads(memoryview(data)[16:])
    except (OSError, ValueError, EOFError, TypeError):
        pass  # Python's loader renews the cache or reports the error
    loader = SourceFileLoader(name, source)
    try:
        return loader.get_code(name)
    except (EOFError, ValueError, TypeError, ImportError):
        # a full disk tore the cache; Python never renews such a one
        try:
            system.unlink(cache)
        except OSError:
            pass
        return loader.source_to_code(loader.get_data(source), source)


def start(name: str) -> None:
    """Answer hook `name` and end the process; with any error the call goes through.

    The exit code is 0. If `run` chose a pinned interpreter it is ANSWERED, or 1 if the hooks cannot run on it: then `run` looks for
    another one. stdin is still unread.
    """
    pinned = "pinned" in sys.argv
    if sys.version_info < (3, 9) or sys.implementation.name != "cpython":
        if not pinned:
            system.write(2, ("[circuit_breaker] " + name + ": needs CPython 3.9 or newer\n").encode())
        system._exit(pinned)
    gc.disable()  # a hook is too short for garbage to matter
    # Each of our modules imports it: this saves reading its file.
    features = sys.modules["__future__"] = PLAIN("__future__")
    features.annotations = None  # type: ignore[attr-defined]
    features.__spec__ = SETTLED  # type: ignore[assignment]
    try:
        for extension in EXTENSIONS:
            if extension not in sys.modules:
                load_extension(extension)
        lay_out(PACKAGE, LIB + "/" + PACKAGE)
        sys.modules[PACKAGE + ".runtime.hook"].serve(name)
    except Exception as error:  # noqa: BLE001 - serve catches its own errors: this is for missing modules
        line = "[circuit_breaker] " + name + ": " + type(error).__name__ + ": " + str(error) + "\n"
        system.write(2, line.encode("utf-8", "replace"))
    finally:
        system._exit(ANSWERED if pinned else 0)  # skips the interpreter's shutdown, a fifth of a start
