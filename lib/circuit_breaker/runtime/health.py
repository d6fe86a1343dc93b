"""Checks whether state can be written, for messages that say whether a session is protected."""

from __future__ import annotations

from circuit_breaker.runtime import files
from circuit_breaker.runtime.home import Places

FIX = "set CIRCUIT_BREAKER_HOME to a folder of your own that can be written and locked"


def write_fault(where: Places) -> str:
    """Why state cannot be written to the runtime folder; "" if it can. The fix is `FIX`."""
    try:
        for folder in (where.runtime, where.sessions, where.armed):
            _try_out(folder)
    except OSError as error:
        reason = files.why(error)
        return f"nothing can be kept in {where.runtime} ({reason[:1].lower()}{reason[1:]})"
    return ""


def _try_out(folder: str) -> None:
    """Create a file and a lock in a folder as an event does, and remove them; if it is missing, in a folder of our own beside it, since
    other processes may be making it. Raises OSError."""
    mine, above = folder, folder
    while above and not files.exists(above):
        mine, above = f"{above}.{files.system.getpid()}.tmp", above.rpartition("/")[0]
    files.folder(mine)
    path = f"{mine}/probe.{files.system.getpid()}.tmp"
    try:
        files.replace(path, b"1")
        with files.Lock(path + ".lock", 0.0):  # another file: Windows renames no open file
            files.exchange(path, b"2")
    finally:
        for rest in (path, path + ".spare", path + ".last", path + ".lock"):
            files.remove(rest)
        if mine != folder:
            files.system.rmdir(mine)
