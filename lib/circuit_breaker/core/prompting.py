"""What does a new prompt change? Pure."""

from __future__ import annotations

from circuit_breaker.core import closing
from circuit_breaker.core.model import PROMPT, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.work import Work


class Prompt(Record):
    """Something was submitted: by a `person` as far as the host shows, with the `bypass` keyword or not."""

    KIND = PROMPT
    FIELDS = {"id": "", "person": True, "bypass": False, "cwd": ""}


def prompted(work: Work, event: Prompt) -> None:
    """A new prompt: the last bypass ends; a person's prompt starts the counters anew and may carry the next bypass."""
    session = work.session
    prompt_id = event.id or f"@{work.now}"
    if prompt_id == session.prompt:
        return
    session.prompt, session.bypass = prompt_id, ""
    if event.cwd:
        work.lane.cwd = event.cwd
    if not event.person:
        return
    session.person, session.origin, session.before = prompt_id, "", [session.spawns]
    session.spawns, session.spawn_ids, session.spawn_told = 0, [], False
    for circuit in list(session.circuits.values()):
        closing.close(work, circuit, "a person spoke")
    if event.bypass:
        session.bypass, session.passed = prompt_id, 0
        work.say("bypass", "bypass:granted", f"{work.config.bypass_keyword} for one prompt")


def lane_can_wait(work: Work) -> bool:
    """Does what a prompt changes in this lane matter only to the lane's next event, which makes up for it? (Prompt ids never come again.)"""
    lane = work.lane
    aging = lane.sequence and work.rule("sequential_tools")["window_turns"] > 1
    return not (lane.circuits or lane.pending or aging)
