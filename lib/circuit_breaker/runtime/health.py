"""Whether state can be kept here, for whoever says that a session is protected."""

from __future__ import annotations

from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.runtime.home import Places

FIX = "set CIRCUIT_BREAKER_HOME to a folder of your own that can be written"


def kept(where: Places) -> str:
    """Why nothing can be kept in the runtime folder; "" when an event's folders, files and lock can be had there.

    Tries each as an event would and leaves nothing behind. `FIX` is what helps.
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
            _remove_folder(folder)
    return ""


def _missing(folder: str) -> list[str]:
    """The folders that have to be made for `folder`, the outermost first."""
    found: list[str] = []
    while folder and not files.exists(folder):
        found.insert(0, folder)
        folder = folder.rpartition("/")[0]
    return found


def _try_out(path: str) -> None:
    try:
        files.replace(path, b"1")
        with files.Lock(path + ".lock", 0.0):  # a file of its own: on Windows nothing that is open is renamed
            files.exchange(path, b"2")
    finally:
        for rest in (path, path + ".spare", path + ".last", path + ".lock"):
            files.remove(rest)


def _remove_folder(folder: str) -> None:
    try:
        files.system.rmdir(folder)
    except OSError:
        return  # never made, or in use by now
