"""May this call go ahead? The gate's half of the policy. Pure.

What stands against a call: a live circuit, too many agents, an attempt on the breaker itself? Pure.

The gate asks at once, in asking.py, and finds nothing most of the time.
"""

from __future__ import annotations

from circuit_breaker.breaker import breaker, context, model
from circuit_breaker.breaker.model import CLOSED, DENY, HALF_OPEN, OPEN, Ask, Decision
from circuit_breaker.identity import calls, labels
from circuit_breaker.words import sentences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.breaker.context import Work
    from circuit_breaker.breaker.model import Circuit, Signal


def ask(work: Work, event: Ask) -> None:
    """Allow (say nothing), tell, or deny. Nothing is counted as an outcome here."""
    if work.config.mode == "observe" and event.tool not in calls.SPAWNING:
        return
    if event.tool in calls.SPAWNING and not work.excluded(event.tool):
        spawn(work, event)
        if work.denial is not None:
            return
    circuit = work.gate_of(event.tool, event.input, calls.call_key(event.tool, event.input, event.cwd))
    if circuit is not None and not work.excluded(event.tool) and work.action(circuit.rule) == "block":
        gate(work, event, circuit)
        return


def schedules(tool: str) -> bool:
    """Is it a tool that has the host submit a prompt later?"""
    name = tool.lower()
    return "cron" in name or "schedul" in name or "wakeup" in name


DENIED_MAX, SPAWN_IDS_MAX, PASSED_MAX = 48, 128, 20
UNCOUNTED = ""  # a denial that does not count against deny_limit


def gate(work: Work, event: Ask, circuit: Circuit) -> None:
    """A call that a live circuit gates: a trial call or a bypass passes, any other is denied."""
    if work.bypassed:
        _pass(work, event, circuit)
        return
    if circuit.credit == "prompt" and work.session.origin == "system":
        circuit = circuit.but(credit="")  # that prompt was no person's
    lease = max(work.config.probe_lease_seconds, caller_timeout(event.tool, event.input))
    before = circuit.state
    circuit, refusal = breaker.admit(circuit, event.id, work.now, work.lane.turn, lease)
    work.put(circuit)
    if not refusal:
        if before == OPEN and circuit.state == HALF_OPEN:
            work.record("probe", circuit, before, "a trial call is let through")
        return
    wait = max(0.0, circuit.retry_at - work.now)
    text = sentences.deny(circuit, refusal, wait, work.config.bypass_keyword)
    _deny(work, event, UNCOUNTED if refusal == breaker.TAKEN else circuit.name, text, wait)


def caller_timeout(tool: str, tool_input: object) -> float:
    """Seconds a call asked for itself, 0.0 for none; at most an hour."""
    if not isinstance(tool_input, dict):
        return 0.0
    value = tool_input.get("timeout")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        return 0.0
    return min(value / 1000.0, 3600.0)


def spawn(work: Work, event: Ask) -> None:
    """agent_spawn: counted before the call, over the session, from one person's prompt to the next."""
    session, rule, action = work.session, work.rule("agent_spawn"), work.action("agent_spawn")
    if not action or work.excluded(event.tool, "agent_spawn"):
        return
    if event.id not in session.spawn_ids:
        session.spawn_ids.append(event.id)
        del session.spawn_ids[:-SPAWN_IDS_MAX]
        session.spawns += 1
    signal = model.Signal(
        rule="agent_spawn",
        subject=event.tool,
        keys=["spawn"],
        count=session.spawns,
        calls=[event.tool],
        since=0,
    )
    work.count("agent_spawn", seen=session.spawns)
    limit = rule["threshold"] if action == "block" else rule["block_at"]
    if session.spawns > rule["threshold"] and not session.spawn_told:
        session.spawn_told = True
        work.count("agent_spawn", would=0 if action == "block" else 1)
        if action != "observe":
            context.tell(work, signal, opened=False)
    if action == "observe" or not limit or session.spawns <= limit:
        return
    circuit = session.circuits.get(f"agent_spawn:{event.tool}") or _open_spawns(work, signal)
    if work.bypassed:
        _pass(work, event, circuit)
        return
    _deny(work, event, circuit.name, sentences.deny(circuit, "", 0.0, work.config.bypass_keyword))


def _open_spawns(work: Work, signal: Signal) -> Circuit:
    """OPEN until a person speaks: no cooldown ends it."""
    circuit: Circuit = model.Circuit(
        rule="agent_spawn",
        subject=signal.subject,
        keys=signal.keys,
        state=OPEN,
        trips=1,
        retry_at=None,
        count=signal.count,
        cause=sentences.cause(signal),
        calls=signal.calls,
        opened_at=work.now,
    )
    work.put(circuit)
    work.count("agent_spawn", trips=1)
    work.record("trip", circuit, CLOSED)
    return circuit


def forged(work: Work, event: Ask) -> None:
    """A prompt for later that carries the override."""
    work.say("bypass", "bypass:forgery", f"{event.tool} carried the override; it was denied", [event.tool])
    _deny(work, event, "bypass:forgery", sentences.forged(work.config.bypass_keyword))


def tampered(work: Work, event: Ask, reason: str) -> None:
    """A call that would switch the breaker off."""
    work.say(
        "bypass",
        f"protection:{reason}",
        "a call that would switch the breaker off was denied",
        [labels.label(event.tool, event.input)],
    )
    _deny(work, event, f"protection:{reason}", sentences.tampering(reason))


def _pass(work: Work, event: Ask, circuit: Circuit) -> None:
    work.session.passed += 1
    if work.session.passed <= PASSED_MAX:
        label = labels.label(event.tool, event.input)
        work.say("bypass", circuit.name, f"let through by {work.config.bypass_keyword}: {label}", [label])


def _deny(work: Work, event: Ask, counted: str, text: str, wait: float = 0.0) -> None:
    work.lane.denied[event.id] = counted
    while len(work.lane.denied) > DENIED_MAX:
        del work.lane.denied[next(iter(work.lane.denied))]
    work.denial = Decision(verdict=DENY, circuit=counted, retry_in=wait, text=text)
