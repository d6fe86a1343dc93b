"""Checks whether state can be written, for messages that say whether a session is protected."""

from __future__ import annotations

from circuit_breaker.runtime import files
from circuit_breaker.runtime.home import Places

FIX = "set CIRCUIT_BREAKER_HOME to a folder of your own that can be written and locked"


def write_fault(where: Places) -> str:
    """Why state cannot be written to the runtime folder; "" if it can. The fix is `FIX`.

    Creates folders, files and a lock as an event does, and removes them again.
    """
    made: list[str] = []
    try:
        for folder in (where.runtime, where.sessions, where.armed):
            made += _missing(folder)
            files.folder(folder)
            _try_out(f"{folder}/probe.{files.system.getpid()}.tmp")
    except OSError as error:
        reason = files.why(error)
        return f"nothing can be kept in {where.runtime} ({reason[:1].lower()}{reason[1:]})"
    finally:
        for folder in reversed(made):
            try:
                files.system.rmdir(folder)
            except OSError:
                continue  # not created, or in use
    return ""


def _missing(folder: str) -> list[str]:
    """The folders to create for `folder`, the outermost first."""
    found: list[str] = []
    while folder and not files.exists(folder):
        found.insert(0, folder)
        folder = folder.rpartition("/")[0]
    return found


def _try_out(path: str) -> None:
    try:
        files.replace(path, b"1")
        with files.Lock(path + ".lock", 0.0):  # another file: Windows renames no open file
            files.exchange(path, b"2")
    finally:
        for rest in (path, path + ".spare", path + ".last", path + ".lock"):
            files.remove(rest)
