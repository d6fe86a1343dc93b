"""A session's memory on disk: read, changed and replaced as one act, and never trusted blindly."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from streams import Stream

from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import INVALID, Circuit, Record
from circuit_breaker.runtime import files, store
from circuit_breaker.runtime.home import Places

SESSION = "aaaaaaaa-bbbb"


@pytest.fixture
def where(tmp_path: Path) -> Places:
    return Places(str(tmp_path / "r"), str(tmp_path / "h"), "/p", "", "/u")


def opened(state: str = "OPEN") -> Circuit:
    return Circuit(rule="tool_failure", subject="x", keys=["k"], state=state, retry_at=1.0, cooldown=10.0)


def keep(where: Places, lane: Lane, name: str = "", session: Any = None) -> Any:
    """Have `lane` (and `session`) written as the outcome of a decision; what the decision was given."""
    seen: list[Any] = []

    def decide(known: Session, memory: Lane) -> tuple[Session, Lane, str]:
        seen.append((known, memory))
        return session or known, lane, "answer"

    answer, faults = store.update(where, SESSION, name, decide)
    assert answer == "answer"
    return seen[0], faults


def filled(kind: type[Record]) -> Any:
    """A record with a value of its own in every field, records in it likewise."""
    values: dict[str, Any] = {}
    for number, (name, default) in enumerate(kind.defaults().items(), 2):
        one = filled(kind.KINDS[name]) if name in kind.KINDS else [number, -1]
        several = {list: [one], dict: {f"key {number}": one}}
        plain = {int: number, float: number + 0.5, str: f"text {number}", bool: not default}
        values[name] = several.get(type(default), plain.get(type(default), one))
    return kind(**values)


def test_first_decision_is_given_empty_memory(where: Places) -> None:
    (session, lane), faults = keep(where, Lane(turn=1))
    assert (session, lane, faults) == (Session(), Lane(), [])


def test_memory_comes_back_as_it_was_kept(where: Places) -> None:
    lane, session = filled(Lane), filled(Session)
    keep(where, lane, session=session)
    (known, memory), _ = keep(where, Lane())
    assert (known, memory) == (session, lane)


def test_unchanged_memory_is_not_written(where: Places) -> None:
    keep(where, Lane(turn=1))
    path = f"{store.session_folder(where, SESSION)}/main.json"
    before = os.stat(path).st_ino
    keep(where, Lane(turn=1))
    assert os.stat(path).st_ino == before


def test_lanes_are_apart_and_share_the_session(where: Places) -> None:
    keep(where, Lane(turn=1), session=Session(prompt="p"))
    keep(where, Lane(turn=2), "agent/../x")
    (session, lane), _ = keep(where, Lane(turn=1))
    assert (session.prompt, lane.turn) == ("p", 1)
    names = os.listdir(store.session_folder(where, SESSION))
    assert sorted(n for n in names if n.endswith(".json"))[1:] == ["main.json", "session.json"]
    assert all("/" not in name and name[:1] != "." for name in names)


def test_session_is_armed_while_a_circuit_lives(where: Places) -> None:
    marker = Path(where.armed) / SESSION
    for state, there in (("OPEN", True), ("HALF_OPEN", True), ("CLOSED", False)):
        keep(where, Lane(circuits={"tool_failure:x": opened(state)}))
        assert marker.exists() is there


def test_marker_stays_while_another_lane_lives(where: Places) -> None:
    live = Lane(circuits={"tool_failure:x": opened()})
    keep(where, live)
    keep(where, live, "helper")
    keep(where, Lane())
    assert store.armed_lanes(where, SESSION) == [f"{SESSION}/agent-helper.json"]
    keep(where, Lane(), "helper")
    assert store.armed_lanes(where, SESSION) == []


def test_marker_is_there_before_the_memory_that_opens(where: Places, mocker: Any) -> None:
    order = []
    for name in ("replace", "exchange"):
        usual = getattr(files, name)
        mocker.patch.object(
            files,
            name,
            side_effect=lambda path, data, usual=usual: (order.append(Path(path).name), usual(path, data))[1],
        )
    keep(where, Lane(circuits={"tool_failure:x": opened()}))
    assert order.index(SESSION) < order.index("main.json")


def test_marker_goes_after_the_memory_that_closes(where: Places, mocker: Any) -> None:
    keep(where, Lane(circuits={"tool_failure:x": opened()}))
    mocker.patch.object(files, "exchange", side_effect=OSError(28, "full"))
    with pytest.raises(OSError, match="full"):
        keep(where, Lane())
    assert store.armed_lanes(where, SESSION) == [f"{SESSION}/main.json"]


def test_memory_that_is_being_written_is_looked_at_again(where: Places, mocker: Any) -> None:
    keep(where, Lane(turn=7))
    usual, torn = files.read, [b'{"v":2,"tur']
    mocker.patch.object(
        files, "read", side_effect=lambda path, limit: torn.pop() if torn else usual(path, limit)
    )
    assert store.peek(where, SESSION)[1][""].turn == 7


def _circuit(**changes: Any) -> bytes:
    """A memory with one circuit, some of whose fields have values that its class would not take."""
    row = list({**Circuit.defaults(), **changes}.values())
    return json.dumps({"v": store.VERSION, "circuits": {"c": row}}).encode()


BAD = [
    b"",
    b"{",
    b"[]",
    b"7",
    b'"x"',
    b"null",
    b"{}",
    b'{"v":1}',
    b'{"v":2,"unknown":1}',
    b'{"v":2,"turn":"1"}',
    b'{"v":2,"turn":true}',
    b'{"v":2,"turn":1.5}',
    b'{"v":2,"recent":{}}',
    b'{"v":2,"recent":[[1,2,3,4,5,6]]}',
    b'{"v":2,"recent":[[1,2,"a","b",5]]}',
    b'{"v":2,"progress":[[1,"2"]]}',
    b'{"v":2,"streaks":{"k":7}}',
    b'{"v":2,"streaks":{"k":[1,2]}}',
    b'{"v":2,"streaks":["k"]}',
    b'{"v":2,"circuits":{"c":7}}',
    b'{"v":2,"circuits":{"c":["rule"]}}',
    _circuit(state=7),
    _circuit(retry_at="soon"),
    _circuit(keys={}),
    b'{"v":2,"seen":[7]}',
    b'{"v":2,"denied":{"x":7}}',
    b'{"v":2,"pending":{"x":["a"]}}',
    b'{"v":2,"errors":{"Bash":["k","1",2,3]}}',
    b'{"v":2,"sequence":[1]}',
    b'{"v":2,"news":[[1]]}',
    b'{"v":2,"launched":["k"]}',
    b'{"v":2,"launched":[1,2]}',
    b'{"v":2,"failing":[1]}',
    b'{"v":2,"failing":[1,true]}',
    b'{"v":2,"read":[1,[["m",1,2,3]],"",""]}',
    b'{"v":2,"asked":{"x":7}}',
    _circuit(keys=[7]),
    b'{"v":2,"warned":{"x":"y"}}',
    b'{"v":2,"ready":"soon"}',
    b'{"v":2,"machine":1}',
    b'{"v":2,"tally":{"x":["y","z"]}}',
    b'{"v":2,"tally":{"x":[1,0]}}',
    b'{"v":2,"sequence":["Bash",null,"3","",0,1]}',
    b'{"v":2,"turn":NaN}',
    b"\xff\xfe",
    b" " * 300_000,
]


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[:40]))
def test_what_is_no_memory_of_ours_is_set_aside_once(where: Places, data: bytes) -> None:
    data = data.replace(b'"v":2', b'"v":%d' % store.VERSION)
    keep(where, Lane(turn=5))
    path = Path(store.session_folder(where, SESSION)) / "main.json"
    path.write_bytes(data)
    (_, lane), faults = keep(where, Lane(turn=6))
    assert (lane, len(faults)) == (Lane(), 1)
    assert [p.read_bytes() for p in path.parent.glob("*.broken")] == [data]
    (_, lane), faults = keep(where, Lane(turn=6))
    assert (lane.turn, faults) == (6, [])


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE])
@pytest.mark.parametrize("trouble", ["open", "read"])
@pytest.mark.parametrize("name", ["main.json", f"armed/{SESSION}"])
def test_what_a_machine_in_trouble_cannot_read_is_kept(
    where: Places, mocker: Any, number: int, trouble: str, name: str
) -> None:
    live = Lane(circuits={"tool_failure:x": opened()})
    keep(where, live)
    keep(where, live, "helper")
    usual = {"open": os.open, "read": files.drain}[trouble]

    def fails(*given: Any) -> Any:
        path = given[0] if trouble == "open" else os.readlink(f"/proc/self/fd/{given[0]}")
        if path.endswith(name):
            raise OSError(number, "trouble")
        return usual(*given)

    mocker.patch.object(*{"open": (files.system, "open"), "read": (files, "drain")}[trouble], fails)
    for act in (lambda: keep(where, live), lambda: store.correct_marker(where, SESSION)):
        with pytest.raises(OSError, match="trouble"):
            act()
    mocker.stopall()
    assert keep(where, live) == ((Session(), live), [])
    assert store.armed_lanes(where, SESSION) == [f"{SESSION}/main.json", f"{SESSION}/agent-helper.json"]


@pytest.mark.parametrize("change", [(b"5", b"6"), (b"turn", b"burn"), (b"}", b" }"), (b"sum", b"SUM")])
def test_memory_that_somebody_else_has_changed_is_refused(change: tuple[bytes, bytes]) -> None:
    data = store.encode(Lane(turn=5, seen=["a"]))
    assert store.decode(data, Lane).turn == 5
    body = data.partition(b",")[2] if change[0] == b"5" else data
    with pytest.raises(ValueError, match="not a memory"):
        store.decode(data.replace(body, body.replace(*change)), Lane)


def test_memory_at_its_bounds_fits_its_file() -> None:
    stream = Stream()
    for number in range(150):
        for _ in range(3):
            stream.bash(f"make {number} " + "y" * 500, f"Exit code 1\n{number} " + "z" * 5000, fails=True)
        stream.call("Grep", {"pattern": f"{number}" * 200}, "w" * 9000)
        stream.call("mcp__x__click", {"uid": "1"}, "clicked")
        stream.call("mcp__x__snapshot", {}, "page" + "x" * number)
        stream.call("Edit", {"file_path": "/p/" + "n" * number}, "<tool_use_error>no", INVALID)
    data = store.encode(stream.lanes[""])
    assert len(data) <= store.MEMORY_MAX
    lane = store.decode(data, Lane)
    assert store.encode(lane) == data
    assert lane == stream.lanes[""]
    assert len(lane.streaks) > 20


def test_memory_with_a_streak_of_another_shape_is_refused() -> None:
    stream = Stream()
    stream.bash("make", "Exit code 2\nno", fails=True)
    document = json.loads(store.encode(stream.lanes[""]))
    document["streaks"]["made up"] = [1]
    with pytest.raises(ValueError, match="not a memory"):
        store.decode(json.dumps(document, separators=(",", ":")).encode(), Lane)


def test_peek_leaves_out_what_cannot_be_read(where: Places) -> None:
    keep(where, Lane(turn=3))
    keep(where, Lane(turn=4), "helper")
    folder = Path(store.session_folder(where, SESSION))
    (folder / "main.json").write_text("{")
    session, lanes = store.peek(where, folder.name)
    assert session == Session()
    assert {name: lane.turn for name, lane in lanes.items()} == {"helper": 4}
