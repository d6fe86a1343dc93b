"""Checks whether state can be written, for messages that say whether a session is protected."""

from __future__ import annotations

from circuit_breaker.runtime import files
from circuit_breaker.runtime.home import NAME, Places

FIX = "set CIRCUIT_BREAKER_HOME to a folder of your own that can be written and locked"


def write_fault(where: Places) -> str:
    """Why state cannot be written to the runtime folder; "" if it can. The fix is `FIX`."""
    try:
        for folder in (where.runtime, where.sessions, where.armed):
            _try_out(folder)
    except OSError as error:
        reason = files.reason(error)
        return f"nothing can be kept in {where.runtime} ({reason[:1].lower()}{reason[1:]})"
    return ""


def _try_out(folder: str) -> None:
    """Create a file and a lock as an event does, and remove them: in a folder, or while that is missing in the nearest one above it,
    since other processes may be making it. Raises OSError."""
    there = folder
    while there and not files.exists(there):
        there = there.rpartition("/")[0]
    if there == folder:
        files.make_folder(folder)
    # after a kill, the janitor clears what has such a name
    path = f"{there}/{NAME}.{files.system.getpid()}.tmp"
    try:
        files.exchange(path, b"1")
        with files.Lock(path + ".lock", 0.0):  # another file: Windows renames no open file
            files.exchange(path, b"2")
    finally:
        for rest in (path, path + ".spare", path + ".last", path + ".lock"):
            files.remove(rest)
