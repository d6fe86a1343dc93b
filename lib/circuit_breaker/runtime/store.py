"""A session's memory on disk: one lock per session, one file per lane, read, changed and replaced under the lock.

The marker `R/armed/SESSION` wakes the gate: it has a line for each lane with a circuit that is not CLOSED, and is changed only under
the session's lock. A line too many costs a start; a line too few is a bug.
"""

from __future__ import annotations

from circuit_breaker.breaker.memory import ErrorRun, Family, Lane, Session, Streak
from circuit_breaker.breaker.model import CLOSED, MAIN, Circuit, Record
from circuit_breaker.runtime import files, json
from circuit_breaker.runtime.home import Places, safe_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Kind = TypeVar("Kind", bound=Record)


VERSION = 6
MEMORY_MAX = 1 << 16  # bytes of a memory file
MAIN_FILE, AGENT_PREFIX, SESSION_FILE, LOCK_FILE = "main.json", "agent-", "session.json", "lock"


def lane_file(lane: str) -> str:
    """The file name of a lane's memory."""
    return MAIN_FILE if not lane else safe_name(lane, AGENT_PREFIX) + ".json"


def agent_of(lane_file: str) -> str:
    """The agent whose lane a file holds; MAIN for the main thread."""
    return MAIN if lane_file == MAIN_FILE else lane_file[len(AGENT_PREFIX) : -len(".json")]


def session_folder(where: Places, session_id: str) -> str:
    """The folder of a session's memory."""
    return f"{where.sessions}/{safe_name(session_id)}"


def update(
    where: Places,
    session_id: str,
    lane_name: str,
    decide: Callable[[Session, Lane], tuple[Session, Lane, Any]],
) -> tuple[Any, list[str]]:
    """Read the session's and the lane's memory, call `decide`, write what it changed, update the marker; all under the lock.

    -> (the third value from `decide`, messages about memory that was not valid and was set aside). Raises OSError.
    """
    return update_folder(where, session_id, lane_file(lane_name), decide)


def update_folder(
    where: Places,
    session_id: str,
    lane_name: str,
    decide: Callable[[Session, Lane], tuple[Session, Lane, Any]],
) -> tuple[Any, list[str]]:
    """`update` by the name of the lane's file."""
    folder = session_folder(where, session_id)
    for needed in (where.runtime, where.sessions, folder):
        files.folder(needed)
    faults: list[str] = []
    with files.Lock(f"{folder}/{LOCK_FILE}"):
        session_path, lane_path = f"{folder}/{SESSION_FILE}", f"{folder}/{lane_name}"
        session = _load(session_path, Session, faults)
        lane = _load(lane_path, Lane, faults)
        new_session, new_lane, answer = decide(session, lane)
        live = is_live(new_lane)
        if (
            live
        ):  # before the memory is written: after a kill in between, an open circuit would not wake the gate
            keep_armed(where, session_id, lane_name, True)
        if is_live(new_session):
            keep_armed(where, session_id, SESSION_WIDE, True)
        if new_lane != lane:
            files.exchange(lane_path, encode(new_lane))
        if new_session != session:
            files.exchange(session_path, encode(new_session))
        keep_armed(where, session_id, lane_name, live)  # removes the line only after writing
        keep_armed(where, session_id, SESSION_WIDE, is_live(new_session))
    return answer, faults


def is_live(memory: Lane | Session) -> bool:
    """Whether a circuit in it is not CLOSED."""
    return any(circuit.state != CLOSED for circuit in memory.circuits.values())


def _load(path: str, kind: type[Kind], faults: list[str]) -> Kind:
    """The memory at `path`, empty if there is none. A file that is not valid is renamed, with a message in `faults`."""
    try:
        return read(path, kind) or kind()
    except (OSError, ValueError) as error:
        faults.append(f"{path}: memory set aside: {error}")
        files.system.rename(path, f"{path}.{files.system.getpid()}.broken")
        return kind()


def read(path: str, kind: type[Kind]) -> Kind | None:
    """The memory at `path`, None if there is none. Raises OSError, ValueError."""
    data = files.read(path, MEMORY_MAX * 4)
    return None if data is None else decode(data, kind)


def encode(memory: Lane | Session) -> bytes:
    """Memory as JSON: fields that differ from their defaults; the records in NESTED as lists of their fields."""
    document = {"v": VERSION, **_bare(memory)}
    for name, kind in NESTED.items():
        if name in document:
            document[name] = {
                key: [getattr(record, field) for field in kind.FIELDS]
                for key, record in document[name].items()
            }
    return json.dump(document)


NESTED: dict[str, type[Record]] = {
    "circuits": Circuit,
    "streaks": Streak,
    "families": Family,
    "errors": ErrorRun,
}


def _bare(record: Record) -> dict[str, Any]:
    defaults = record.FIELDS
    return {name: value for name, value in record.__dict__.items() if value != defaults[name]}


def decode(data: bytes, kind: type[Kind]) -> Kind:
    """Memory from JSON. Raises ValueError if it has another version, an unknown field or a value of the wrong type."""
    document = json.parse(data)
    if not isinstance(document, dict) or document.pop("v", None) != VERSION:
        raise ValueError("not a memory of this version")
    _check(document, kind.FIELDS)
    for name, nested in NESTED.items():
        if name in document:
            document[name] = _records(document[name], nested)
    _check_rows(document)
    return kind(**document)


def _check(document: Any, fields: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("expected an object")
    for name, value in document.items():
        if name not in fields:
            raise ValueError(f"unknown field {name}")
        default = fields[name]
        if value.__class__ is default.__class__ or (name == "retry_at" and value is None):
            continue
        if default.__class__ is not float or value.__class__ is not int:
            raise ValueError(f"{name}: {type(value).__name__} in place of {type(default).__name__}")
    return document


# Fields that are lists of rows: (length of a row, types of its first values).
_ROWS: dict[str, tuple[int, tuple[type, ...]]] = {
    "recent": (6, (int, int, str, str, int, int)),
    "moves": (2, (int, int)),
    "news": (2, (int, int)),
    "held": (2, ()),
    "notes": (2, (str, dict)),
    "pending": (14, (str, str, str, str, str, str, str, str, str, bool, int, int, bool, int)),
}


def _records(rows: dict[str, Any], kind: type[Record]) -> dict[str, Any]:
    """Records from lists of their fields. Raises ValueError for a list of another shape."""
    fields, found = kind.FIELDS, {}
    types = [*map(type, fields.values())]
    for key, row in rows.items():
        if row.__class__ is not list or len(row) != len(types):
            raise ValueError(f"a {kind.__name__} of another shape")
        found[key] = record = object.__new__(kind)
        record.__dict__.update(zip(fields, row))
        if [*map(type, row)] != types:
            _check(record.__dict__, fields)
    return found


def _check_rows(document: dict[str, Any]) -> None:
    for name, (length, types) in _ROWS.items():
        rows = document.get(name, ())
        for row in rows.values() if rows.__class__ is dict else rows:
            if (
                row.__class__ is not list
                or len(row) != length
                or tuple(map(type, row))[: len(types)] != types
            ):
                raise ValueError(f"{name}: a row of another shape")
    for name in ("tally", "services"):
        for row in document.get(name, {}).values():
            if row.__class__ is not list or len(row) < 2 or not {*map(type, row)} <= {int, float}:
                raise ValueError(f"{name}: a row of other types")
    for name in ("seen", "written", "spawn_ids", "scheduled"):
        if not {*map(type, document.get(name, ()))} <= {str}:
            raise ValueError(f"{name}: not a list of names")
    for name, kind in (("denied", str), ("asked", str), ("warned", int)):
        if not {*map(type, document.get(name, {}).values())} <= {kind}:
            raise ValueError(f"{name}: a value of another type")
    for family in document.get("families", {}).values():
        if not {*map(type, family.lines.values())} <= {int}:
            raise ValueError("families: not counts of lines")
    for name, shape in (("launched", [str, int]), ("failing", [int, int])):
        if [*map(type, document.get(name, ()))] not in ([], shape):
            raise ValueError(f"{name}: another shape")
    if document.get("read"):
        _check_position(document["read"])
    if document.get("budget"):
        _check_budget(document["budget"])
    if len(document.get("sequence", ())) not in (0, 6):
        raise ValueError("sequence: another shape")


def _check_position(read: list[Any]) -> None:
    if [*map(type, read)] != [int, list, str, str]:
        raise ValueError("read: another shape")
    if any(row.__class__ is not list or [*map(type, row)] != [str, int, int, int, int] for row in read[1]):
        raise ValueError("read: a row of another shape")


_BUDGET = {
    "calls": int,
    "tools": dict,
    "prompt": list,
    "session": list,
    "idle": list,
    "said": dict,
    "granted": dict,
}


def _check_budget(kept: dict[str, Any]) -> None:
    if kept.get("since").__class__ not in (int, float):
        raise ValueError("budget: another shape")
    for name, kind in _BUDGET.items():
        value: Any = kept.get(name)
        numbers = value.values() if value.__class__ is dict else value if value.__class__ is list else ()
        if value.__class__ is not kind or not {*map(type, numbers)} <= {int}:
            raise ValueError(f"budget: {name} of another type")
        if kind is list and len(value) != 4:
            raise ValueError(f"budget: {name} of another length")


ARMED_ANY = "_any"  # shared marker for ids that are no safe file names, which hooks/run tests too
SESSION_WIDE = "*"  # in a marker, the lane of circuits that gate all lanes


def armed_marker(where: Places, session_id: str) -> str:
    """The path of a session's marker."""
    name = safe_name(session_id)
    return f"{where.armed}/{ARMED_ANY if name[:1] == '~' else name}"


def armed_lanes(where: Places, session_id: str) -> list[str]:
    """The lines of a session's marker, `SESSION/LANE` as file names; [] if it is not armed, [""] if it cannot be read."""
    try:
        data = files.read(armed_marker(where, session_id), 1 << 20)
    except files.Refused:
        return [""]  # something is there, so the gate is awake
    return [] if data is None else data.decode("utf-8", "replace").split("\n")[:-1]


def keep_armed(where: Places, session_id: str, lane: str, live: bool) -> None:
    """Add or remove the line of a lane in its session's marker."""
    line = f"{safe_name(session_id)}/{lane}"
    if safe_name(session_id)[:1] == "~":
        keep_awake(where, line, live)
    else:
        _keep_line(where, session_id, line, live)


def keep_awake(where: Places, line: str, live: bool) -> None:
    """Add or remove a line in the shared marker, which wakes all gates."""
    if not live and not files.exists(f"{where.armed}/{ARMED_ANY}"):
        return
    files.folder(where.armed)
    with files.Lock(f"{where.runtime}/any.lock"):
        _keep_line(where, ARMED_ANY, line, live)


def _keep_line(where: Places, session_id: str, line: str, live: bool) -> None:
    """Add or remove a line of a marker; without lines the marker is removed."""
    before = armed_lanes(where, session_id)
    if live == (line in before) and (live or before):
        return
    after = [known for known in before if known and known != line] + ([line] if live else [])
    path = armed_marker(where, session_id)
    if after:
        files.folder(where.armed)
        files.replace(path, ("\n".join(after) + "\n").encode())
    elif before:
        files.remove(path)


def peek(where: Places, folder_name: str) -> tuple[Session, dict[str, Lane]]:
    """(session, {lane file: lane}) without the lock, for reading only. Files that are not valid are left out. Raises OSError."""
    folder = f"{where.sessions}/{folder_name}"
    lanes: dict[str, Lane] = {}
    session = Session()
    for name in files.system.listdir(folder):
        if not name.endswith(".json"):
            continue
        if name == SESSION_FILE:
            session = glance(f"{folder}/{name}", Session) or session
        else:
            lane = glance(f"{folder}/{name}", Lane)
            if lane is not None:
                lanes[name] = lane
    return session, lanes


def glance(path: str, kind: type[Kind]) -> Kind | None:
    """The memory at `path` without the lock; None if it cannot be read. It may be read twice, because an open file may be
    rewritten as a spare (see `files.exchange`)."""
    for _ in range(2):
        try:
            return read(path, kind)
        except OSError:
            return None
        except ValueError:
            continue
    return None


def correct_marker(where: Places, session_id: str) -> None:
    """Correct an existing marker: one line for each lane with a circuit that is not CLOSED. (If there is none, `update` adds a
    lane's line at its next event, the main lane's at this prompt.)"""
    named = armed_lanes(where, session_id)
    folder = session_folder(where, session_id)
    if not named or not files.exists(folder):
        return
    with files.Lock(f"{folder}/{LOCK_FILE}"):
        session, lanes = peek(where, folder.rpartition("/")[2])
        for lane_file, memory in lanes.items():
            keep_armed(where, session_id, lane_file, is_live(memory))
        keep_armed(where, session_id, SESSION_WIDE, is_live(session))
        for line in named:
            lane_file = line.rpartition("/")[2]
            if lane_file != SESSION_WIDE and lane_file not in lanes:
                keep_armed(where, session_id, lane_file, False)
