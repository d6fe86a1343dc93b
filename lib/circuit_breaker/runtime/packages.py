"""The only door to filelock and platformdirs, for the cold side; no hook on the hot path comes here.

`lib/_vendor` first (put there from `lib/requirements.lock`), else the interpreter's own site-packages, else this project's few lines.
"""

from __future__ import annotations

import importlib
import os
import sys

from circuit_breaker.runtime import files, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from types import ModuleType
    from typing import Any


PACKAGES = ("filelock", "platformdirs")
VENDOR = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "_vendor")


def package(name: str, vendor: str = VENDOR) -> ModuleType | None:
    """The package `name`, from `vendor` or from the interpreter; None where neither has one that this Python can read."""
    if name in sys.modules:
        return sys.modules[name]
    sys.path.insert(0, vendor)
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError, AttributeError, TypeError):  # missing, torn, or made for another Python
        return None
    finally:
        sys.path.remove(vendor)


def source(name: str, vendor: str = VENDOR) -> str:
    """ "vendored", "interpreter" or "missing"."""
    module = package(name, vendor)
    if module is None:
        return "missing"
    inside = os.path.realpath(module.__file__ or "").startswith(os.path.realpath(vendor) + os.sep)
    return "vendored" if inside else "interpreter"


def lock(path: str, wait: float = files.LOCK_SECONDS) -> AbstractContextManager[Any]:
    """An exclusive lock on the file `path`, filelock's where it is to be had: `with lock(path): ...`.

    Both take the same lock on the same file, so a process with the package and one without keep each other out. Raises
    TimeoutError when it is still held after `wait` seconds.
    """
    filelock = package("filelock") if _has_flock(path) else None
    if filelock is None:
        return files.Lock(path, wait)
    return filelock.FileLock(path, timeout=wait)  # its Timeout is a TimeoutError


def _has_flock(path: str) -> bool:
    """Whether the disk has the lock that filelock takes. Without it filelock waits for ever or gives up; `files.Lock` has others."""
    if files.fcntl is None:
        return True
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        files.fcntl.flock(fd, files.fcntl.LOCK_EX | files.fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(fd)
    return True


def data_folder(env: Mapping[str, str]) -> str:
    """The folder of a user's installation, as platformdirs' `user_data_path` names it. Raises files.Refused without a HOME."""
    platformdirs = package("platformdirs")
    path = str(platformdirs.user_data_path(home.NAME)) if platformdirs and env is os.environ else ""
    path = path if os.path.isabs(path) else _data_folder(env)
    if not os.path.isabs(path):
        raise files.Refused(0, "set HOME to an absolute path", path)
    return path


def _data_folder(env: Mapping[str, str]) -> str:
    if sys.platform == "win32":
        base = env.get("LOCALAPPDATA", "")
        return base and os.path.join(base, home.NAME, home.NAME)
    user = env.get("HOME", "")
    if sys.platform == "darwin":
        return user and f"{user}/Library/Application Support/{home.NAME}"
    xdg = env.get("XDG_DATA_HOME", "").strip()
    base = xdg if os.path.isabs(xdg) else user and user + "/.local/share"
    return base and f"{base}/{home.NAME}"
