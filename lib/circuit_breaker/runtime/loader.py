"""The start of a hook: our own modules, found without searching Python's path.

Every hook runs this file first, so it imports only what the interpreter has loaded already, and any Python 3 can read it.
"""

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader, spec_from_file_location

try:
    import posix as system
except ImportError:  # Windows names the same calls differently
    import nt as system  # type: ignore[no-redef]

PACKAGE = "circuit_breaker"
LIB = __file__.rpartition("/" + PACKAGE + "/")[0]


class Finder:
    """A finder for `sys.meta_path`: one look at the disk a module, where Python's own lists folder after folder."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        """The spec of a module or a folder of ours (their `__init__` files are empty: nothing to read); None for any other."""
        if name.partition(".")[0] != PACKAGE:
            return None
        place = LIB + "/" + name.replace(".", "/")
        try:
            system.stat(place)
        except OSError:
            return spec_from_file_location(name, place + ".py", loader=SourceFileLoader(name, place + ".py"))
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [place]
        return spec


def start(name: str, module: str = "hook") -> None:
    """Answer hook `name` with `runtime/MODULE.py` and end the process. Whatever is missing or torn, the call goes through.

    Exit code 0; 1 from a pinned interpreter that the hooks cannot run on: `run` looks for another one, which finds stdin unread.
    """
    if sys.version_info < (3, 9) or sys.implementation.name != "cpython":
        if "pinned" not in sys.argv:
            system.write(2, ("[circuit_breaker] " + name + ": needs CPython 3.9 or newer\n").encode())
        system._exit("pinned" in sys.argv)
    sys.path.insert(0, sys.path[-1])  # where `_json` and `fcntl` are: spares a listing of the whole library
    sys.meta_path.insert(0, Finder)
    try:
        __import__(PACKAGE + ".runtime." + module)
        sys.modules[PACKAGE + ".runtime." + module].serve(name)
    except Exception as error:  # noqa: BLE001 - serve has its own net: this one is for a library with holes
        line = "[circuit_breaker] " + name + ": " + type(error).__name__ + ": " + str(error) + "\n"
        system.write(2, line.encode("utf-8", "replace"))
    finally:
        system._exit(0)
