"""May this call go ahead? The gate's half of the policy. Pure."""

from __future__ import annotations

from circuit_breaker.core import breaker, circuits, detectors, identity, verdicts
from circuit_breaker.core.model import ASK, CLOSED, DENY, HALF_OPEN, MAIN, OPEN, Decision, Record
from circuit_breaker.core.work import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.circuits import Circuit
    from circuit_breaker.core.detectors import Signal

DENIED_MAX, SPAWN_IDS_MAX, PASSED_MAX = 48, 128, 20
UNCOUNTED = ""  # a denial that does not count against deny_limit


class Ask(Record):
    """May this call go ahead? `armed`: a circuit of the session is not CLOSED."""

    KIND = ASK
    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "cwd": "",
        "prompt": "",
        "lane": MAIN,
        "origin": "",
        "armed": False,
        "guarded": None,
    }


def ask(work: Work, event: Ask) -> None:
    """Allow (say nothing), tell, or deny. Nothing is counted as an outcome here."""
    if work.config.mode == "observe" and event.tool not in identity.SPAWNING:
        return
    if schedules(event.tool) and event.guarded is not None:
        from circuit_breaker.core import tamper, wording

        if tamper.forging(event.tool, event.input, event.guarded):
            work.say(
                "bypass", "bypass:forgery", f"{event.tool} carried the override; it was denied", [event.tool]
            )
            _deny(work, event, "bypass:forgery", wording.forged(work.config.bypass_keyword))
            return
    if event.tool in identity.SPAWNING and not work.excluded(event.tool):
        _spawn(work, event)
        if work.denial is not None:
            return
    circuit = work.gate_of(event.tool, event.input, identity.call_key(event.tool, event.input, event.cwd))
    if circuit is not None and not work.excluded(event.tool) and work.action(circuit.rule) == "block":
        _gate(work, event, circuit)
        return
    if event.armed and not work.bypassed and event.guarded is not None and work.config.mode != "observe":
        _protect(work, event)


def _gate(work: Work, event: Ask, circuit: Circuit) -> None:
    if work.bypassed:
        _pass(work, event, circuit)
        return
    if circuit.credit == "prompt" and work.session.origin == "system":
        circuit = circuit.but(credit="")  # that prompt was no person's
    lease = max(work.config.probe_lease_seconds, identity.caller_timeout(event.tool, event.input))
    before = circuit.state
    circuit, refusal = breaker.admit(circuit, event.id, work.now, work.lane.turn, lease)
    work.put(circuit)
    if not refusal:
        if before == OPEN and circuit.state == HALF_OPEN:
            work.record("probe", circuit, before, "a trial call is let through")
        return
    from circuit_breaker.core import wording

    wait = max(0.0, circuit.retry_at - work.now)
    text = wording.deny(circuit, refusal, wait, work.config.bypass_keyword)
    _deny(work, event, UNCOUNTED if refusal == breaker.TAKEN else circuit.name, text, wait)


def _pass(work: Work, event: Ask, circuit: Circuit) -> None:
    work.session.passed += 1
    if work.session.passed <= PASSED_MAX:
        from circuit_breaker.core import labels

        label = labels.label(event.tool, event.input)
        work.say("bypass", circuit.name, f"let through by {work.config.bypass_keyword}: {label}", [label])


def _deny(work: Work, event: Ask, counted: str, text: str, wait: float = 0.0) -> None:
    work.lane.denied[event.id] = counted
    while len(work.lane.denied) > DENIED_MAX:
        del work.lane.denied[next(iter(work.lane.denied))]
    work.denial = Decision(verdict=DENY, circuit=counted, retry_in=wait, text=text)


def schedules(tool: str) -> bool:
    """Is it a tool that has the host submit a prompt later?"""
    name = tool.lower()
    return "cron" in name or "schedul" in name or "wakeup" in name


def _protect(work: Work, event: Ask) -> None:
    from circuit_breaker.core import tamper

    reason = tamper.tampering(event.tool, event.input, event.cwd, event.guarded)
    if reason:
        from circuit_breaker.core import labels, wording

        work.say(
            "bypass",
            f"protection:{reason}",
            "a call that would switch the breaker off was denied",
            [labels.label(event.tool, event.input)],
        )
        _deny(work, event, f"protection:{reason}", wording.tampering(reason))


def _spawn(work: Work, event: Ask) -> None:
    """agent_spawn: counted before the call, over the session, from one person's prompt to the next."""
    session, rule, action = work.session, work.rule("agent_spawn"), work.action("agent_spawn")
    if not action or work.excluded(event.tool, "agent_spawn"):
        return
    if event.id not in session.spawn_ids:
        session.spawn_ids.append(event.id)
        del session.spawn_ids[:-SPAWN_IDS_MAX]
        session.spawns += 1
    signal = detectors.Signal(
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
            verdicts.tell(work, signal, opened=False)
    if action == "observe" or not limit or session.spawns <= limit:
        return
    circuit = session.circuits.get(f"agent_spawn:{event.tool}") or _open_spawns(work, signal)
    if work.bypassed:
        _pass(work, event, circuit)
        return
    from circuit_breaker.core import wording

    _deny(work, event, circuit.name, wording.deny(circuit, "", 0.0, work.config.bypass_keyword))


def _open_spawns(work: Work, signal: Signal) -> Circuit:
    """OPEN until a person speaks: no cooldown ends it."""
    from circuit_breaker.core import wording

    circuit: Circuit = circuits.Circuit(
        rule="agent_spawn",
        subject=signal.subject,
        keys=signal.keys,
        state=OPEN,
        trips=1,
        retry_at=None,
        count=signal.count,
        cause=wording.cause(signal),
        calls=signal.calls,
        opened_at=work.now,
    )
    work.put(circuit)
    work.count("agent_spawn", trips=1)
    work.record("trip", circuit, CLOSED)
    return circuit
