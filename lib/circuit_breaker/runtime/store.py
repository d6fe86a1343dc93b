"""A session's memory on disk: one lock per session, one file per lane, read, changed and replaced under the lock.

The marker `R/armed/SESSION` wakes the gate: it has a line for each lane with a circuit that is not CLOSED, and is changed only under
the session's lock. A line too many costs a start; a line too few is a bug.
"""

from __future__ import annotations

from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import MAIN
from circuit_breaker.runtime import files, json
from circuit_breaker.runtime.home import Places, safe_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from circuit_breaker.breaker.model import Kind, Record

    Item = TypeVar("Item")
    Decide = Callable[[Session, Lane], tuple[Session, Lane, Item]]


VERSION = 21  # goes up whenever what a record holds changes: what carries our checksum is trusted
MEMORY_MAX = 1 << 16  # bytes of a memory file
MAIN_FILE, AGENT_PREFIX, SESSION_FILE, LOCK_FILE = "main.json", "agent-", "session.json", "lock"


def lane_file(lane: str) -> str:
    """The file name of a lane's memory."""
    return f"{AGENT_PREFIX}{safe_name(lane)}.json" if lane else MAIN_FILE


def session_folder(where: Places, session_id: str) -> str:
    """The folder of a session's memory."""
    return f"{where.sessions}/{safe_name(session_id)}"


def update(where: Places, session_id: str, lane_name: str, decide: Decide[Item]) -> tuple[Item, list[str]]:
    """Read the session's and the lane's memory, call `decide`, write what it changed, update the marker; all under the lock.

    -> (the third value from `decide`, messages about memory that was not valid and was set aside). Raises OSError.
    """
    folder, file = session_folder(where, session_id), lane_file(lane_name)
    files.make_folder(where.runtime, where.sessions, folder)
    faults: list[str] = []
    with files.Lock(f"{folder}/{LOCK_FILE}"):
        session_path, lane_path = f"{folder}/{SESSION_FILE}", f"{folder}/{file}"
        session = _load(session_path, Session, faults)
        lane = _load(lane_path, Lane, faults)
        new_session, new_lane, answer = decide(session, lane)
        live = {file: has_live_circuit(new_lane), SESSION_WIDE: has_live_circuit(new_session)}
        # Before the memory is written: after a kill in between, an open circuit would not wake the gate.
        keep_armed(where, session_id, {name: True for name in live if live[name]})
        if new_lane != lane:
            files.exchange(lane_path, encode(new_lane))
        if new_session != session:
            files.exchange(session_path, encode(new_session))
        keep_armed(where, session_id, {name: False for name in live if not live[name]})
    return answer, faults


def amend(where: Places, session_id: str, lane_name: str, decide: Decide[Item]) -> Item:
    """`update` on your behalf: the files keep their times, which say when hooks last ran. -> the third value from `decide`."""
    folder = session_folder(where, session_id)
    paths = [f"{folder}/{name}" for name in (SESSION_FILE, lane_file(lane_name))]
    before = [(path, files.system.stat(path).st_mtime_ns) for path in paths if files.exists(path)]
    answer, _ = update(where, session_id, lane_name, decide)
    for path, at in before:
        files.system.utime(path, ns=(at, at))
    return answer


def has_live_circuit(memory: Lane | Session) -> bool:
    """Whether a circuit in it is not CLOSED."""
    return any(circuit.live for circuit in memory.circuits.values())


def _load(path: str, kind: type[Kind], faults: list[str]) -> Kind:
    """The memory at `path`, empty if there is none. A file that is not valid is renamed, with a message in `faults`. Raises OSError."""
    try:
        return read_memory(path, kind) or kind()
    except (files.Refused, ValueError) as error:
        faults.append(f"{path}: memory set aside: {error}")
        files.system.rename(path, f"{path}.{files.system.getpid()}.broken")
        return kind()


def read_memory(path: str, kind: type[Kind]) -> Kind | None:
    """The memory at `path`, None if there is none. Raises ValueError or files.Refused if it is not valid, OSError."""
    data = files.read(path, MEMORY_MAX * 4)
    return None if data is None else decode(data, kind)


def valid_memory(path: str, kind: type[Kind]) -> Kind | None:
    """The memory at `path`; None if it is missing or not valid. Raises OSError."""
    try:
        return read_memory(path, kind)
    except (files.Refused, ValueError):
        return None


def encode(memory: Record) -> bytes:
    """Memory as JSON: the fields that differ from their defaults, behind a checksum that only we write."""
    defaults = memory.defaults()
    changed = {name: value for name, value in memory.__dict__.items() if value != defaults[name]}
    body = json.dump({"v": VERSION, **memory.plain(changed)})
    return _front(body) + body[1:]


def decode(data: bytes, kind: type[Kind]) -> Kind:
    """Memory from JSON. Raises ValueError if another version or anybody else wrote it: what we wrote has the right types."""
    front, comma, rest = data.partition(b",")
    if front + comma == _front(b"{" + rest):
        fields = json.parse(b"{" + rest)
        if fields.pop("v") == VERSION:
            return kind(**kind.revive(fields))
    raise ValueError("not a memory of this version")


def _front(body: bytes) -> bytes:
    """The beginning of a memory file: the bytes of the rest as one number modulo a prime, the same on every Python."""
    return b'{"sum":%d,' % (int.from_bytes(body, "little") % (2**30 - 35))


ARMED_ANY = "_any"  # shared marker for ids that are no safe file names, which hooks/run tests too
SESSION_WIDE = "*"  # in a marker, the lane of circuits that gate all lanes


def armed_marker(where: Places, session_id: str) -> str:
    """The path of a session's marker."""
    name = safe_name(session_id)
    return f"{where.armed}/{ARMED_ANY if name[:1] == '~' else name}"


def armed_lanes(where: Places, session_id: str) -> list[str]:
    """The lines of a session's marker, `SESSION/LANE` as file names; [] if it is not armed, [""] if it cannot be read."""
    return marker_lines(armed_marker(where, session_id))


def marker_lines(marker: str) -> list[str]:
    """The lines of the marker at this path; [] if there is none, [""] if it cannot be read: the gate is awake."""
    try:
        data = files.read(marker, 1 << 20)
    except files.Refused:
        return [""]
    return [] if data is None else data.decode("utf-8", "replace").split("\n")[:-1]


def armed_sessions(where: Places, most: int | None = None) -> set[str]:
    """The folders of the sessions that (the first `most`) markers name."""
    markers = [marker_lines(f"{where.armed}/{name}") for name in files.names(where.armed)[:most]]
    return {line.partition("/")[0] for lines in markers for line in lines if "/" in line}


def keep_armed(where: Places, session_id: str, live: dict[str, bool]) -> None:
    """Add or remove the lines of lanes in their session's marker."""
    name = safe_name(session_id)
    lines = {f"{name}/{lane}": alive for lane, alive in live.items()}
    if name[:1] == "~":
        keep_awake(where, lines)
    else:
        _keep_lines(where, session_id, lines)


def keep_awake(where: Places, live: dict[str, bool]) -> None:
    """Add or remove lines in the shared marker, which wakes all gates."""
    if not any(live.values()) and not files.exists(f"{where.armed}/{ARMED_ANY}"):
        return
    files.make_folder(where.armed)
    with files.Lock(f"{where.runtime}/any.lock"):
        _keep_lines(where, ARMED_ANY, live)


def _keep_lines(where: Places, session_id: str, live: dict[str, bool]) -> None:
    """Add or remove lines of a marker; without lines the marker is removed."""
    if not live:
        return
    before = [line for line in armed_lanes(where, session_id) if line]
    after = [line for line in before if live.get(line, True)]
    after += [line for line, alive in live.items() if alive and line not in before]
    if after == before:
        return
    path = armed_marker(where, session_id)
    if after:
        files.make_folder(where.armed)
        files.replace(path, ("\n".join(after) + "\n").encode())
    else:
        files.remove(path)


def peek(where: Places, session_id: str) -> tuple[Session, dict[str, Lane]]:
    """(session, {agent: lane}) without the lock, for reading only. Files that are not valid are left out. Raises OSError."""
    folder = session_folder(where, session_id)
    lanes: dict[str, Lane] = {}
    for name in _lane_files(folder):
        lane = glance(where, session_id, name, Lane)
        if lane is not None:
            lanes[MAIN if name == MAIN_FILE else name[len(AGENT_PREFIX) : -len(".json")]] = lane
    return glance(where, session_id, SESSION_FILE, Session) or Session(), lanes


def _lane_files(folder: str) -> list[str]:
    names = files.system.listdir(folder)
    return [name for name in names if name == MAIN_FILE or name[:6] == AGENT_PREFIX and name[-5:] == ".json"]


def memories(session: Session, lanes: dict[str, Lane]) -> list[tuple[str, Lane | Session]]:
    """(agent, memory) of a session (as MAIN) and of each of its lanes."""
    return [(MAIN, session), *lanes.items()]


def glance(where: Places, session_id: str, file: str, kind: type[Kind]) -> Kind | None:
    """A session's memory in `file` without the lock; None if it cannot be read. It may be read twice, because an open file may be
    rewritten as a spare (see `files.exchange`)."""
    for _ in range(2):
        try:
            return read_memory(f"{session_folder(where, session_id)}/{file}", kind)
        except OSError:
            return None
        except ValueError:
            continue
    return None


def correct_marker(where: Places, session_id: str) -> None:
    """Make a session's marker match its memory: one line for each lane with a circuit that is not CLOSED."""
    folder = session_folder(where, session_id)
    if not files.exists(folder):
        return
    with files.Lock(f"{folder}/{LOCK_FILE}"):
        live = {line.rpartition("/")[2]: False for line in armed_lanes(where, session_id)}
        live.update({name: _is_live(f"{folder}/{name}", Lane) for name in _lane_files(folder)})
        keep_armed(where, session_id, {**live, SESSION_WIDE: _is_live(f"{folder}/{SESSION_FILE}", Session)})


def _is_live(path: str, kind: type[Lane] | type[Session]) -> bool:
    """`has_live_circuit` of the memory at `path`; False if it is missing or not valid. Raises OSError."""
    return has_live_circuit(valid_memory(path, kind) or kind())
