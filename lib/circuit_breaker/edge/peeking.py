"""What do all lanes of a session remember, and does the marker name those with a live circuit?"""

from __future__ import annotations

from circuit_breaker.core.memory import Lane, Session
from circuit_breaker.edge import armed, files, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.edge.home import Places
    from circuit_breaker.edge.store import Kind


def peek(where: Places, folder_name: str) -> tuple[Session, dict[str, Lane]]:
    """A session's memory as it stands, for looking at only: (session, lane file name -> lane). What cannot be read is left out."""
    folder = f"{where.sessions}/{folder_name}"
    lanes: dict[str, Lane] = {}
    session = Session()
    for name in files.system.listdir(folder):
        if not name.endswith(".json"):
            continue
        if name == store.SESSION_FILE:
            session = _glance(f"{folder}/{name}", Session) or session
        else:
            lane = _glance(f"{folder}/{name}", Lane)
            if lane is not None:
                lanes[name] = lane
    return session, lanes


def _glance(path: str, kind: type[Kind]) -> Kind | None:
    """The memory at `path` without its lock; None when it cannot be read. Read twice at most: while it is open it may be
    written anew as a spare (see `files.exchange`)."""
    for _ in range(2):
        try:
            return store.read(path, kind)
        except OSError:
            return None
        except ValueError:
            continue
    return None


def mark(where: Places, session_id: str) -> None:
    """Put right a marker that is there: unname lanes whose memory holds no live circuit, name those that do. (Where there is none,
    each lane with a live circuit names itself at its own next event, the main one at this prompt: see `store.update`.)"""
    named = armed.lanes(where, session_id)
    folder = store.session_folder(where, session_id)
    if not named or not files.exists(folder):
        return
    with files.Lock(f"{folder}/{store.LOCK_FILE}"):
        session, lanes = peek(where, folder.rpartition("/")[2])
        for lane_file, memory in lanes.items():
            armed.keep(where, session_id, lane_file, store.is_live(memory))
        armed.keep(where, session_id, armed.SESSION_WIDE, store.is_live(session))
        for line in named:
            lane_file = line.rpartition("/")[2]
            if lane_file != armed.SESSION_WIDE and lane_file not in lanes:
                armed.keep(where, session_id, lane_file, False)
