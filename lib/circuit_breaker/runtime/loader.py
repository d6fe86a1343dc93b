"""The start of a hook: our modules and the two extension modules they need, found without searching Python's path.

Every hook pays for this file first, so it imports only what the interpreter has loaded already.
"""

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader, SourceFileLoader, spec_from_file_location
from _imp import extension_suffixes

try:
    import posix as system
except ImportError:  # Windows names the same calls differently
    import nt as system  # type: ignore[no-redef]

PACKAGE = "circuit_breaker"
FOLDERS = ("breaker", "identity", "words", "runtime", "janitor", "replay")
EXTENSIONS = ("_json", "fcntl")
LIB = __file__.rpartition(f"/{PACKAGE}/")[0]


class Finder:
    """A finder for `sys.meta_path`: one stat a module, where Python's own lists folder after folder."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]
        """The spec of a module of ours, or of an extension module in the interpreter's last folder; None for any other."""
        if name in EXTENSIONS:
            place = f"{sys.path[-1]}/{name}{extension_suffixes()[0]}"
            try:
                system.stat(place)
            except OSError:
                return None
            return spec_from_file_location(name, place, loader=ExtensionFileLoader(name, place))
        package, _, part = name.partition(".")
        if package != PACKAGE:
            return None
        place = f"{LIB}/{name.replace('.', '/')}"
        if not part or part in FOLDERS:
            spec = ModuleSpec(name, None, is_package=True)  # our __init__ files are empty: nothing to read
            spec.submodule_search_locations = [place]
            return spec
        return spec_from_file_location(name, f"{place}.py", loader=SourceFileLoader(name, f"{place}.py"))


def start(name, module="hook"):  # type: ignore[no-untyped-def]
    """Answer hook `name` with `runtime/MODULE.py` and end the process. Whatever is missing or torn, the call goes through."""
    sys.meta_path.insert(0, Finder)
    try:
        __import__(f"{PACKAGE}.runtime.{module}")
        sys.modules[f"{PACKAGE}.runtime.{module}"].serve(name)
    except Exception as error:  # noqa: BLE001 - serve has its own net: this one is for a library with holes
        line = f"[circuit_breaker] {name}: {type(error).__name__}: {error}\n"
        system.write(2, line.encode("utf-8", "replace"))
    finally:
        system._exit(0)
