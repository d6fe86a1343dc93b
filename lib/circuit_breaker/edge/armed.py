"""Which sessions is the gate awake for? The marker `R/armed/SESSION`, one line for each lane with a live circuit.

Changed under the session's lock only. Arming too much costs one start; arming too little is a fault.
"""

from __future__ import annotations

from circuit_breaker.edge import files
from circuit_breaker.edge.home import Places, safe_name

ANY = "_any"  # where the marker of an id goes that is no safe file name; the registered line tests it too
SESSION_WIDE = "*"


def marker(where: Places, session_id: str) -> str:
    """The marker's path."""
    name = safe_name(session_id)
    return f"{where.armed}/{ANY if name[:1] == '~' else name}"


def lanes(where: Places, session_id: str) -> list[str]:
    """The lanes the marker names, as `SESSION/LANE` file names; empty when the session is not armed."""
    try:
        data = files.read(marker(where, session_id), 1 << 20)
    except files.Refused:
        return [""]  # something stands there: the gate is awake, whatever it is
    return [] if data is None else data.decode("utf-8", "replace").split("\n")[:-1]


def keep(where: Places, session_id: str, lane: str, live: bool) -> None:
    """Name or unname one lane of a session; the marker goes with its last line."""
    line = f"{safe_name(session_id)}/{lane}"
    before = lanes(where, session_id)
    if live == (line in before) and (live or before):
        return
    after = [known for known in before if known and known != line] + ([line] if live else [])
    path = marker(where, session_id)
    if after:
        files.folder(where.armed)
        files.replace(path, ("\n".join(after) + "\n").encode())
    elif before:
        files.remove(path)
