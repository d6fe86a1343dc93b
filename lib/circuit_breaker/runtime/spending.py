"""What a session spends, by its transcripts, for its budget and its incidents."""

from __future__ import annotations

from circuit_breaker.breaker.config import is_on
from circuit_breaker.breaker.model import MAIN, Prompt, Turn
from circuit_breaker.runtime import store, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.memory import Lane
    from circuit_breaker.breaker.model import Event, Transition
    from circuit_breaker.runtime.protocol import Payload


STREAKS = ("trip", "would_trip", "ending")  # incidents with a streak of calls


def look_up(event: Event, lane: Lane, payload: Payload, config: Config) -> Lane:
    """Read the lane's transcript on and set `event.spent` (Turn, or Prompt: what no turn has counted). -> the lane."""
    limits = is_on("budget", config.rules["budget"])
    path = usage.path_of(payload.transcript, payload.lane)
    position = lane.read
    if isinstance(event, Prompt):
        if not limits or not event.person:
            return lane
        if position:
            event.spent, position = usage.read_on(path, position)
        position = [usage.size_of(path), *(position or usage.start(0))[1:]]
    elif isinstance(event, Turn) and (limits or store.is_live(lane)):
        if not position and (payload.lane == MAIN or lane.n):
            position = usage.start(usage.size_of(path))  # earlier rows are older than our first event
        else:  # all rows of a subagent's file are its own
            event.spent, position = usage.read_on(path, position or usage.start(0))
    return lane if position == lane.read else lane.but(read=position)


def charge(lane: Lane, transitions: list[Transition], payload: Payload, config: Config) -> None:
    """Set the cost so far of trips and stopped turns; later turns add to that of an open circuit."""
    path = usage.path_of(payload.transcript, payload.lane)
    for transition in transitions:
        if transition.event not in STREAKS or transition.tokens or transition.lane != payload.lane:
            continue
        circuit = lane.circuits.get(transition.circuit)
        calls = transition.count
        if circuit is not None and circuit.since >= 0:
            calls = max(calls, lane.n - circuit.since + 1)
        known = circuit.tokens if circuit is not None else []
        transition.tokens = transition.facts.get("tokens") or known or usage.last_calls(path, calls)
        if circuit is not None:
            lane.circuits[circuit.name] = circuit.but(tokens=transition.tokens)
        if not known and not is_on("budget", config.rules["budget"]):
            lane.read = usage.start(usage.size_of(path))
