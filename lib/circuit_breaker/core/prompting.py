"""What does a new prompt change? Pure."""

from __future__ import annotations

from circuit_breaker.core import breaker, closing, turns
from circuit_breaker.core.model import OPEN, PROMPT, Record

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


def learn_origin(work: Work, origin: str) -> None:
    """What the transcript says of the person's prompt, told once: `system` takes back what it bought."""
    session = work.session
    session.origin = origin
    refused = origin == "unknown" and work.config.bypass_unknown == "refuse"
    if session.bypass == session.person and session.bypass and (origin == "system" or refused):
        session.bypass = ""
        why = "it was not typed by a person" if origin == "system" else "it cannot be told who typed it"
        work.say("bypass", "bypass:revoked", f"{work.config.bypass_keyword} revoked: {why}")
    if origin == "system" and session.before:
        session.spawns += session.before[0]
        session.spawn_told = session.spawns > work.rule("agent_spawn")["threshold"]


def catch_up(work: Work) -> None:
    """A lane's first event under a person's new prompt: what the last one left is over."""
    session, lane = work.session, work.lane
    if lane.pending:
        turns.flush(work)
    lane.prompt = session.person
    closing.forget_successes(lane)
    lane.denials = lane.stops = 0
    _age_sequence(work)
    closing.close_recursion(work)
    if session.bypass == session.person:
        return
    for circuit in list(lane.circuits.values()):
        if circuit.state == OPEN:
            work.put(breaker.buy(circuit, "prompt"))


def _age_sequence(work: Work) -> None:
    """sequential_tools counts within `window_turns` prompts."""
    run = work.lane.sequence
    if run:
        prompts = run[4] + 1
        window = work.rule("sequential_tools")["window_turns"]
        work.lane.sequence = [*run[:4], prompts, run[5]] if prompts < window else []
