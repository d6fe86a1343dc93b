"""What happens at session start, so that what sessions leave behind stays small and nothing is lost?"""

from __future__ import annotations

from circuit_breaker.janitor import stamp
from circuit_breaker.runtime import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.runtime.home import Places


ROOT = __file__.rpartition("/lib/circuit_breaker/")[0]


def session_start(
    payload: Mapping[str, Any], where: Places, env: Mapping[str, str], config: Config, now: float
) -> dict[str, Any] | None:
    """The answer to SessionStart: one short paragraph for the person when something was done, None otherwise."""
    session = payload.get("session_id")
    session = session if isinstance(session, str) else ""
    said: list[str] = []
    errors: list[str] = []
    if payload.get("source") in ("resume", "compact"):
        errors += _tried("marker", lambda: _arm_right(where, session))
    if config.weakened:
        from circuit_breaker.words import memory

        said.append(memory.weakened(config.weakened))
    note = stamp.load(where)
    if not stamp.settled(note, where, config, now, session):
        texts, faults = _due(note, where, config, now, session)
        said += texts
        errors += faults
    complain(errors)
    return {"systemMessage": "\n".join(said)} if said else None


def complain(errors: list[str]) -> None:
    """One line on stderr about what went wrong, if anything did; nothing where even that cannot be written."""
    if not errors:
        return
    from circuit_breaker.words import memory

    try:
        files.write_all(2, (memory.trouble(errors) + "\n").encode("utf-8", "replace"))
    except OSError:
        return


def _due(
    before: Mapping[str, Any], where: Places, config: Config, now: float, session: str
) -> tuple[list[str], list[str]]:
    """Look, do what can be done at once, leave the rest to a child. -> (what to say, what went wrong)."""
    from circuit_breaker.janitor import rounds, upkeep
    from circuit_breaker.words import memory

    errors = _tried("config", lambda: upkeep.config(where))
    pins: list[str] = []
    errors += _tried("interpreter", lambda: pins.append(upkeep.interpreter(where)))
    said = [text for text in [_said_by_child(where)] if text]
    made = rounds.Round(where, config, now)
    if config.enabled:
        made = rounds.go(where, config, now, session, rounds.known_since(before, config, now), stamp.SMALL)
    made.note["pinned"] = bool(pins and pins[0])
    made.note["calm"] = made.note["until"]  # until when nothing will be due once the child has done its work
    if made.task:
        made.note["until"] = min(made.note["until"], now + stamp.SOON)
    errors += made.report.errors
    done = memory.done(made.report.facts(), ROOT + "/plugin")
    if made.finished:
        errors += _tried("note", lambda: stamp.save(where, made.note))
    if made.task:
        errors += _tried("child", lambda: _start_child(where, session, made.task))
    return [*said, *([done] if done else [])], errors + made.report.unreadable


def _said_by_child(where: Places) -> str:
    """What the last child did; said once."""
    path = stamp.report_path(where)
    try:
        data = files.read(path, 1 << 20)
        if data is None:
            return ""
        files.remove(path)
        text = data.decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return text


def _start_child(where: Places, session: str, task: str) -> None:
    from circuit_breaker.janitor import detached

    detached.start(where, session, task)


def _arm_right(where: Places, session: str) -> None:
    from circuit_breaker.janitor import upkeep

    upkeep.arm_right(where, session)


def _tried(what: str, act: Callable[[], object]) -> list[str]:
    """Do it; what went wrong, as a list of at most one sentence."""
    try:
        act()
    except (OSError, ValueError) as error:
        return [f"{what}: {error}"]
    return []
