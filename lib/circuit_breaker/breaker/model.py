"""The types and constants of the breaker: states, outcomes, events, signals, circuits, notices, decisions, transitions.

Records are made with keywords (a missing one takes its default) and are not changed once they are shared.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    Event = Union["Ask", "Reported", "Turn", "Prompt", "StopAsked", "Reset"]

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"  # states of a circuit
ALLOW, WARN, DENY, STOP = (
    "allow",
    "warn",
    "deny",
    "stop",
)  # verdicts, weakest first; WARN, DENY and STOP are kinds of notices too
OPENED, SUBAGENT, FOR_YOU = "opened", "subagent", "for you"  # further kinds of notices
QUESTION = "question"  # a verdict and a kind of notice: you decide on the call
OK, FAILED, INVALID, DENIED = "ok", "failed", "invalid", "denied"  # outcomes of a call (policy 2)
LAUNCHED, INTERRUPTED, OURS = "launched", "interrupted", "ours"
FAILURES = (FAILED, INVALID, DENIED)
SILENT = (LAUNCHED, INTERRUPTED, OURS)  # no rule counts them, and they neither extend nor end a streak
PERSON, MACHINE, UNKNOWN = "person", "machine", "unknown"  # who wrote a prompt
MAIN = ""  # the lane of the main thread; a subagent's lane is its agent id


class Record:
    """A value with named fields: `FIELDS` gives each its default; containers are copied for every new value."""

    FIELDS: dict[str, Any] = {}
    CONTAINERS: tuple[str, ...] = ()  # the fields whose default is a list or a dict

    def __init__(self, **values: Any) -> None:
        fields = self.__dict__
        fields.update(self.FIELDS)
        for name in self.CONTAINERS:
            if name not in values:
                fields[name] = fields[name].copy()
        fields.update(values)

    def but(self, **changes: Any) -> Any:
        """A copy with `changes`; containers are copied one level deep."""
        copy = object.__new__(self.__class__)
        fields = copy.__dict__
        fields.update(self.__dict__)
        fields.update(changes)
        for name in self.CONTAINERS:
            fields[name] = fields[name].copy()
        return copy

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({', '.join(f'{n}={v!r}' for n, v in self.__dict__.items())})"

    __hash__ = None  # type: ignore[assignment]

    if TYPE_CHECKING:  # the fields are what FIELDS names

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


def plus(one: list[int], other: list[int]) -> list[int]:
    """The sum of two counts of tokens (input, output, cache reads, cache writes); an empty one is nothing."""
    return [a + b for a, b in zip(one, other)] if one and other else [*(one or other)]


# --- Events, which `policy.step` takes


class Ask(Record):
    """A call that wants to run. `refused`: a key in words.sentences if it is denied in any state of the circuits."""

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "cwd": "",
        "key": "",  # of the call, if it has been made already
        "prompt": "",
        "lane": MAIN,
        "author": "",  # of the session's last prompt, if it was looked up: PERSON, MACHINE or UNKNOWN
        "refused": "",
        "down": None,  # the services.Service that it calls, if that is down
        "wait": 0.0,  # seconds until that may be tried
        "attended": False,  # you sit at a terminal and can be asked
    }


class Reported(Record):
    """One call's outcome before its batch: a failure (or a success, if a PostToolUse hook is registered).

    `ready`: as in Result.
    """

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "kind": FAILED,
        "text": "",
        "result": "",
        "digits": "",
        "ready": None,
        "cwd": "",
        "prompt": "",
        "lane": MAIN,
        "author": "",
    }


class Turn(Record):
    """One assistant message with tool calls has ended; `cwd` is the directory after it.

    `spent`: tokens in the lane's transcript since it was last read, [] if not counted; `attended`: you sit at a terminal and can
    be asked.
    """

    FIELDS = {
        "results": [],
        "cwd": "",
        "prompt": "",
        "lane": MAIN,
        "author": "",
        "agent": "",
        "spent": [],
        "attended": False,
    }
    CONTAINERS = ("results", "spent")


class Result(Record):
    """One call of a turn as Claude Code reports it. `hint`: the outcome by its text alone.

    `result`, `digits`: keys of its text, if made already; `ready`: (directory, Outcome) if made already, valid for that directory
    of the lane.
    """

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "hint": OK,
        "text": "",
        "result": "",
        "digits": "",
        "ready": None,
    }


class Prompt(Record):
    """A prompt was submitted. `person`: typed by you, as far as the payload shows; `proven`: that is certain; `bypass`: its first
    line is the keyword; `lookalike`: its first line resembles it; `spent`: tokens before it that no turn has counted."""

    FIELDS = {
        "id": "",
        "person": True,
        "proven": True,
        "key": "",  # digest of its text
        "bypass": False,
        "lookalike": False,
        "cwd": "",
        "spent": [],
    }
    CONTAINERS = ("spent",)


class StopAsked(Record):
    """Claude wants to end its turn. `again`: a stop hook has sent it back before."""

    FIELDS = {"again": False, "prompt": "", "lane": MAIN, "author": "", "agent": ""}


class Reset(Record):
    """You close circuits. `which`: a circuit's name or a rule; "" for all."""

    FIELDS = {"which": ""}


# --- Evidence: the outcome of a call, and what a rule found


class Outcome(Record):
    """One call's outcome as the rules see it."""

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "text": "",
        "key": "",
        "kind": OK,
        "label": "",  # made by evidence.label_of if needed: most calls are never shown
        "result": "",  # key of what it returned
        "digits": "",  # the same without digits
        "error": "",  # key of the error, "" unless it failed
        "clip": "",  # its error for people, made by evidence.clip_of if needed
        "empty": False,  # it returned nothing
        "wait": 0,  # when it waits (waits.NONE to ALONE)
        "look": -1,  # what it looks at (looks.NOTHING to LIVE), -1: not known yet
        "poll": False,  # a look after a wait (waiting.py)
        "miss": False,  # a look-up that found nothing
        "change": 0,  # 2 writes a file, 1 changes something, 0 reads
        "step": False,  # a click, key or scroll whose result only confirms it
        "repeats": False,  # the same result as last time
        "attempt": None,  # identity.attempts.Attempt of a shell call, if needed
        "family": "",  # its key
        "failed": False,  # the attempt failed, with any exit code of the call
        "proven": False,  # the attempt certainly succeeded
        "first": False,  # the lane remembers no earlier call like it
        "n": 0,
    }


class Signal(Record):
    """What a rule found. `step`: "warn", "open" or "stop"; `facts`: further values for its sentence."""

    FIELDS = {
        "rule": "",
        "step": "open",
        "subject": "",
        "keys": [],
        "results": {},
        "count": 0,
        "since": -1,
        "clip": "",
        "calls": [],
        "facts": {},
    }
    CONTAINERS = ("keys", "results", "calls", "facts")

    @property
    def name(self) -> str:
        """RULE:SUBJECT, the name of its circuit."""
        return f"{self.rule}:{self.subject}"


# --- Circuits, notices, decisions, transitions


class Circuit(Record):
    """One circuit. `keys`: the calls it gates; `results`: key -> its last result in the loop."""

    FIELDS = {
        "rule": "",
        "subject": "",
        "keys": [],
        "results": {},
        "state": CLOSED,
        "level": 0,
        "trips": 0,
        "retry_at": 0.0,  # epoch seconds; None: until your next prompt
        "cooldown": 0.0,  # length of the running cooldown, seconds
        "probe": "",  # tool_use_id of the running probe
        "probe_turn": -1,
        "lease": 0.0,  # epoch seconds from which another call may become the probe
        "credit": "",  # what earned an unused early probe: "progress" or "prompt"
        "bought": False,  # this level's early probe is used up
        "early": False,  # the running probe is an early one
        "good": 0,  # good probes in a row
        "since": -1,  # n at which its evidence began
        "count": 0,
        "facts": {},  # see Signal
        "clip": "",
        "calls": [],
        "opened_at": 0.0,
        "tokens": [],  # what its streak has cost so far, a lower bound; [] if unknown
    }
    CONTAINERS = ("keys", "results", "facts", "calls", "tokens")

    @property
    def name(self) -> str:
        """RULE:SUBJECT."""
        return f"{self.rule}:{self.subject}"


class Notice(Record):
    """A message. `kind`: WARN and DENY are for Claude; QUESTION, STOP, OPENED and FOR_YOU for you; SUBAGENT for a parent.

    `name`: of the circuit, or that it would have; `reason`: a key in words.sentences, "" to say what the rule found.
    """

    FIELDS = {
        "kind": WARN,
        "name": "",
        "rule": "",
        "subject": "",
        "count": 0,
        "facts": {},
        "clip": "",
        "reason": "",
        "opened": False,
        "wait": 0.0,  # seconds until a probe is allowed
        "agent": "",
    }
    CONTAINERS = ("facts",)


class Decision(Record):
    """The answer of a step. `circuit`: name of what denied, "" if the denial does not count; `retry_in`: seconds; `notices`: why;
    `contacts`: the turn's contacts with services (services.Contact)."""

    FIELDS = {"verdict": ALLOW, "circuit": "", "retry_in": 0.0, "notices": [], "contacts": []}
    CONTAINERS = ("notices", "contacts")


class Transition(Record):
    """A recorded event: trip, would_trip, probe, close, reset, bypass, bypass_refused, asked, ask_allowed, ending, warning, held_back.

    `reason`: a key in words.sentences; "" for what the rule of `circuit` found, as `count` and `facts` say.
    """

    FIELDS = {
        "event": "",
        "circuit": "",
        "before": CLOSED,
        "after": CLOSED,
        "reason": "",
        "count": 0,
        "facts": {},
        "at": 0.0,
        "lane": MAIN,
        "calls": [],
        "cooldown": 0.0,
        "level": 0,
        "tokens": [],  # what the streak has cost so far
    }
    CONTAINERS = ("facts", "calls", "tokens")
