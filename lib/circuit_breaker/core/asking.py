"""May this call go ahead? The gate's half of the policy. Pure."""

from __future__ import annotations

from circuit_breaker.core import gating, identity
from circuit_breaker.core.model import ASK, MAIN, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.work import Work


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
    }


def ask(work: Work, event: Ask) -> None:
    """Allow (say nothing), tell, or deny. Nothing is counted as an outcome here."""
    if work.config.mode == "observe" and event.tool not in identity.SPAWNING:
        return
    if event.tool in identity.SPAWNING and not work.excluded(event.tool):
        gating.spawn(work, event)
        if work.denial is not None:
            return
    circuit = work.gate_of(event.tool, event.input, identity.call_key(event.tool, event.input, event.cwd))
    if circuit is not None and not work.excluded(event.tool) and work.action(circuit.rule) == "block":
        gating.gate(work, event, circuit)
        return


def schedules(tool: str) -> bool:
    """Is it a tool that has the host submit a prompt later?"""
    name = tool.lower()
    return "cron" in name or "schedul" in name or "wakeup" in name
