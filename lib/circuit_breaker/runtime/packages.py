"""platformdirs, for the command line; hooks do not import it.

From `lib/_vendor` (see `lib/requirements.lock`), else from the interpreter's site-packages, else `home.base_folder` replaces it.
"""

from __future__ import annotations

import importlib
import os
import sys

from circuit_breaker.runtime import files, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


PACKAGES = ("platformdirs",)
VENDOR = home.ROOT + "/lib/_vendor"


def package(name: str, vendor: str = VENDOR) -> ModuleType | None:
    """The package `name`, from `vendor` or the interpreter; None if neither has one for this Python."""
    if name in sys.modules:
        return sys.modules[name]
    sys.path.insert(0, vendor)
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError, AttributeError, TypeError):  # missing, damaged, or for another Python
        return None
    finally:
        sys.path.remove(vendor)


def data_folder(env: Mapping[str, str]) -> str:
    """The folder of a user's installation: `user_data_path` of platformdirs. Raises files.Refused without HOME."""
    platformdirs = package("platformdirs")
    path = str(platformdirs.user_data_path(home.NAME)) if platformdirs and env is os.environ else ""
    path = path if os.path.isabs(path) else home.base_folder(env, "XDG_DATA_HOME", "/.local/share")
    if not os.path.isabs(path):
        raise files.Refused(0, "set HOME to an absolute path", path)
    return path
