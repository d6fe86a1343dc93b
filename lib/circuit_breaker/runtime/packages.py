"""filelock and platformdirs, for the command line; hooks do not import them.

From `lib/_vendor` (see `lib/requirements.lock`), else from the interpreter's site-packages, else replaced by our own few lines.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

from circuit_breaker.runtime import files, home

PACKAGES = {"filelock": "FileLock", "platformdirs": "user_data_path"}  # and what is used of each
VENDOR = home.ROOT + "/lib/_vendor"


def package(name: str, vendor: str = VENDOR) -> ModuleType | None:
    """The package `name`, from `vendor` or the interpreter; None if neither has one for this Python with what is used of it."""
    sys.path.insert(0, vendor)
    try:
        found = importlib.import_module(name)
        return found if hasattr(found, PACKAGES[name]) else None
    # missing, damaged, or for another Python
    except (ImportError, SyntaxError, AttributeError, TypeError, ValueError, EOFError):
        return None
    finally:
        sys.path.remove(vendor)


def lock(path: str, wait: float = files.LOCK_SECONDS) -> AbstractContextManager[Any]:
    """An exclusive lock on the file `path`, by filelock if available: `with lock(path): ...`.

    `files.Lock` takes the same lock, so processes with and without filelock exclude each other. Raises TimeoutError if it is
    still held after `wait` seconds.
    """
    filelock = package("filelock") if _has_flock(path) else None
    if filelock is None:
        return files.Lock(path, wait)
    return filelock.FileLock(path, timeout=wait)  # its Timeout is a TimeoutError


def _has_flock(path: str) -> bool:
    """Whether the disk has the lock that filelock takes. Without it filelock hangs or fails; `files.Lock` has others."""
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


def data_folder() -> str:
    """The folder of a user's installation: `user_data_path` of platformdirs. Raises files.Refused without HOME."""
    platformdirs = package("platformdirs")
    path = str(platformdirs.user_data_path(home.NAME)) if platformdirs else ""
    path = path if os.path.isabs(path) else home.base_folder(os.environ, "XDG_DATA_HOME", "/.local/share")
    if not os.path.isabs(path):
        raise files.Refused(0, "set HOME to an absolute path", path)
    return path
