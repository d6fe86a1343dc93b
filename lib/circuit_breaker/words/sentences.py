"""What does a person or the model read? Every sentence of the breaker. Pure."""

from __future__ import annotations

from circuit_breaker.breaker.model import CLOSED, HALF_OPEN, OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.breaker.model import Circuit, Signal


MARKS = {
    OPEN: "\N{POLICE CARS REVOLVING LIGHT}",
    HALF_OPEN: "\N{WARNING SIGN}\ufe0f",
    CLOSED: "\N{WHITE HEAVY CHECK MARK}",
}
TITLE = "CIRCUIT BREAKER STATUS"
NONE_ACTIVE = "Active Breakers: None (all systems operational)"
PREFIX = "[circuit_breaker]"


def cause(signal: Signal) -> str:
    """What was seen, as a clause: stands in the state file, the incident log, `status` and every telling."""
    facts = signal.facts
    count = signal.count
    if signal.rule == "tool_failure" and facts.get("same_error"):
        return f"{facts['tool']} returned the same error {count} turns running, whatever its arguments"
    if signal.rule == "tool_failure" and facts.get("stubborn"):
        return f"it failed {count} times running with exactly the same error, in spite of the changes made in between"
    if signal.rule == "tool_failure":
        return f"it failed {count} times and nothing was changed in between"
    if signal.rule == "repeated_call" and facts.get("digits"):
        return f"it ran {count} times running with results that differ only in digits"
    if signal.rule == "repeated_call":
        return f"it returned the same result {count} times and nothing was changed in between"
    if signal.rule == "call_cycle":
        return (
            f"{facts['period']} calls went round {count} times with the same results and nothing was changed"
        )
    if signal.rule == "sequential_tools":
        return f"{count} calls of one kind came one after another, one a turn"
    if signal.rule == "external_api" and facts.get("total"):
        return f"{count} calls went to this service in one session"
    if signal.rule == "external_api":
        return f"{count} calls went to this service within {facts['seconds']:g} s"
    if signal.rule == "agent_spawn":
        return f"{count} agents were started within one prompt"
    return f"the turn was sent on by a stop hook {count} times and nothing new came of it"


def tell(signal: Signal, opened: bool) -> str:
    """What the model reads after a turn: the call, the count, that nothing changed, two next steps."""
    facts = signal.facts
    evidence = f" Last error: {signal.clip}" if signal.clip else ""
    what = f"Circuit breaker: {signal.subject}: {cause(signal)}.{evidence}"
    if facts.get("same_error"):
        left = facts["left"]
        return (
            f"{what} Changing the arguments does not help. Find out what the error itself says is missing or wrong, or use "
            f"another tool for this. The turn is ended if it comes {left} more time{'s' * (left != 1)}."
        )
    if facts.get("invalid"):
        left = facts.get("left", 0)
        end = f" The turn is ended if it comes {left} more time{'s' * (left != 1)}." if left > 0 else ""
        return (
            f"{what} Sending it again cannot work. Read the file (or the tool's parameters) again and copy the exact text from "
            f"what you see, or reach the goal another way.{end}"
        )
    if signal.rule == "tool_failure":
        state = " This call is now blocked for a while; everything else is free." if opened else ""
        return (
            f"{what}{state} Read the error and the code or configuration it names before anything else; then change "
            "something this call depends on, or take another approach and say what you found."
        )
    if signal.rule == "call_cycle":
        return (
            f"{what} Going round again will bring nothing new. Decide with what these results already say, or change something; "
            "if you are waiting for something, wait with one sleeping command. The next round is blocked."
        )
    if signal.rule == "repeated_call":
        return (
            f"{what} Its answer is already above: use it. Take the next step of the task, or look somewhere else; if you are "
            "waiting for something, wait with one sleeping command. Further repetitions are blocked."
        )
    if signal.rule == "sequential_tools":
        return f"{what} Send independent calls together in one message, or write a small script that does them all."
    if signal.rule == "external_api":
        return f"{what} Slow down: fetch in batches, keep what you have fetched in a file, and use it from there."
    return f"{what} Check that so many are needed: finish with the agents that are running and collect their results first."


def deny(circuit: Circuit, why: str, wait: float, keyword: str) -> str:
    """Why a call is denied: what happened, the evidence, what to do instead, how long, how a person lifts it."""
    evidence = f" Last error: {circuit.clip}" if circuit.clip else ""
    lift = f'A person can lift it: /reset-circuit --circuit "{circuit.name}", or Esc, then {keyword} as the first line of a prompt.'
    if circuit.rule == "agent_spawn":
        return (
            f"Circuit breaker OPEN for {circuit.subject}: {circuit.cause}. No further agents until a person speaks. Work with "
            f"the results of those that ran, or do the rest yourself, and tell the person what is left. {lift}"
        )
    until = f"It may be tried again in {duration(wait)}."
    if why == "a probe is running":
        until = "One trial of it is running right now: wait for its result."
    return (
        f"Circuit breaker OPEN for {circuit.subject}: {circuit.cause}.{evidence} This call was not run. Do something else: "
        f"{_instead(circuit.rule)} {until} Other calls are free. {lift}"
    )


def _instead(rule: str) -> str:
    if rule == "tool_failure":
        return "look at what the error names (file, line, setting) and change it, which earns one early trial; or go another way."
    if rule == "call_cycle":
        return "decide with the results you already have, or change something they depend on."
    if rule == "sequential_tools":
        return "batch the rest into one command or a script, or work with what you have read."
    if rule == "external_api":
        return "work with what you have already fetched, or wait."
    return "use the result you already have and take the next step, or change something it depends on."


def ending(subject: str, why: str) -> str:
    """The stopReason when a turn is ended: for the person."""
    return (
        f"{PREFIX} turn ended: {subject}: {why}. Tell the agent how to go on; /circuit-status shows the circuits, "
        "/reset-circuit closes them."
    )


def hammering(denials: int) -> str:
    """Why a turn is ended whose agent keeps asking for blocked calls."""
    return f"the agent asked {denials} times in one prompt for calls that are blocked"


def ended_agent(agent: str, why: str) -> str:
    """What the parent of an ended subagent reads."""
    return (
        f"Circuit breaker: the subagent {agent} was ended because it was in a loop: {why}. Its task is not done and its report is "
        "missing. Do not start the same task again unchanged: give it what it lacked, or do it another way."
    )


def forged(keyword: str) -> str:
    """The denial of a scheduled prompt that carries the override."""
    return (
        f"Circuit breaker: a scheduled prompt must not carry {keyword} or the reset command. The override belongs to the person; "
        "schedule the work itself, without it."
    )


def tampering(reason: str) -> str:
    """Why a call that would switch the breaker off is denied; `reason` is the word of core.tamper."""
    what = {
        "reset": "run the reset",
        "mode": "switch the breaker's mode",
        "uninstall": "uninstall the breaker",
        "disable": "disable the plugin",
        "client": "start another client with the override",
        "state": "change the breaker's state",
        "config": "change the breaker's configuration",
        "registration": "change the host's settings that hold the hooks",
        "plugin": "change the plugin's files",
    }.get(reason, "switch the breaker off")
    return (
        f"Circuit breaker: this call would {what} while a circuit is open. That is for the person to do (/reset-circuit, or in a "
        "terminal of their own). Reading is free. Deal with the cause instead: see /circuit-status, or say what you need."
    )


def duration(seconds: float) -> str:
    """5 s, 2 min, 1 h 5 min: rounded up, never 0."""
    whole = max(1, int(seconds + 0.999))
    if whole < 120:
        return f"{whole} s"
    minutes = (whole + 59) // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
