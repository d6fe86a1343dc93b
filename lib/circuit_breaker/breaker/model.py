"""The vocabulary of the breaker: states, outcomes, events, what a rule saw, what is decided, what goes on record.

Values have named fields, are made with keywords (a missing one takes its default) and are not changed once they are shared.
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
)  # verdicts, weakest first; the last three are kinds of notices too
OPENED, SUBAGENT, FOR_YOU = "opened", "subagent", "for you"  # further kinds of notices
QUESTION = "question"  # a verdict and a kind of notice: you decide on the call
OK, FAILED, INVALID, DENIED = "ok", "failed", "invalid", "denied"  # outcomes of a call (policy 2)
LAUNCHED, INTERRUPTED, OURS = "launched", "interrupted", "ours"
FAILURES = (FAILED, INVALID, DENIED)
SILENT = (LAUNCHED, INTERRUPTED, OURS)  # no rule counts them, no streak is fed or broken by them
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


# --- Events: what happened, as `policy.step` takes it


class Ask(Record):
    """A call that wants to run. `refused`: why it is denied whatever the circuits say, a word of words.sentences."""

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "cwd": "",
        "key": "",  # of the call, where it was made before
        "prompt": "",
        "lane": MAIN,
        "author": "",  # of the session's last prompt, where that was looked up: PERSON, MACHINE or UNKNOWN
        "refused": "",
        "down": None,  # the services.Service it may not call now, and `wait`: seconds until it may be tried
        "wait": 0.0,
        "attended": False,  # you sit at a terminal and can be asked
    }


class Reported(Record):
    """One call's outcome before its batch: a failure (or, where a PostToolUse hook is registered, a success).

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

    `spent`: the tokens that its lane's transcript shows since the last look, where they were counted; `attended`: you sit at a
    terminal and can be asked.
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
    """One call of a turn as Claude Code reports it. `hint` is the outcome that its text alone suggests.

    `result` and `digits` are the keys of its text, where they were made before; `ready` the whole outcome, for one directory of
    its lane: (directory, Outcome).
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
    """A prompt was submitted. `person`: typed by you, as far as the payload shows, and `proven` where that is known to be so;
    `bypass`: its first line is the keyword; `lookalike`: its first line only looks like it. `spent`: tokens of before it that
    no turn has counted."""

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
    """You close circuits: all of them, or those of a name or a rule."""

    FIELDS = {"which": ""}


# --- Evidence: what became of a call, and what a rule saw in it


class Outcome(Record):
    """One call's outcome as the rules see it."""

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "text": "",
        "key": "",
        "kind": OK,
        "label": "",  # made late, by evidence.label_of: most calls are never spoken of
        "result": "",  # key of what it returned
        "digits": "",  # the same without any digit
        "error": "",  # key of the error, "" unless it failed
        "clip": "",  # its error for people, made late by evidence.clip_of
        "empty": False,  # it returned nothing
        "wait": 0,  # where it waits (waits.NONE to ALONE)
        "look": -1,  # what it looks at (looks.NOTHING to LIVE), -1: not asked yet
        "poll": False,  # a look after a wait (waiting.py)
        "miss": False,  # a look-up that found nothing
        "change": 0,  # 2 writes a file, 1 changes something, 0 reads
        "step": False,  # a click, a key, a scroll: what it returns is a receipt
        "repeats": False,  # the same result as last time
        "attempt": None,  # what a shell call tries (identity.attempts), where that matters
        "family": "",  # the key of it
        "failed": False,  # it failed, whatever the exit code of the call
        "proven": False,  # it succeeded for sure
        "first": False,  # this call did not come before, as far as is remembered
        "n": 0,
    }


class Signal(Record):
    """What a rule saw. `step`: "warn", "open" or "stop"; `facts`: what a sentence about it needs besides."""

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
        """The name a circuit of it has."""
        return f"{self.rule}:{self.subject}"


# --- What is kept, decided and recorded


class Circuit(Record):
    """One breaker. `keys` are the calls it gates, `results` what each of them returned last while it looped."""

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
        "probe": "",  # tool_use_id of the one probe that is out
        "probe_turn": -1,
        "lease": 0.0,  # epoch seconds from which another asker may take the probe over
        "credit": "",  # an early probe that was earned and not used: "progress" or "prompt"
        "bought": False,  # this level's early probe is spent
        "early": False,  # the probe that is out is an early one
        "good": 0,  # good probes in a row
        "since": -1,  # n at which its evidence began
        "count": 0,
        "facts": {},  # what its rule saw (see Signal)
        "clip": "",
        "calls": [],
        "opened_at": 0.0,
        "tokens": [],  # what its streak has cost so far, a lower bound; [] where nobody looked
    }
    CONTAINERS = ("keys", "results", "facts", "calls", "tokens")

    @property
    def name(self) -> str:
        """RULE:SUBJECT."""
        return f"{self.rule}:{self.subject}"


class Notice(Record):
    """Something to say. `kind`: WARN and DENY are for Claude; STOP, OPENED and FOR_YOU for you; SUBAGENT for a parent.

    `name` is the circuit's, or that which a circuit would have; `reason` is a word of words.sentences, "" for what the rule saw.
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
    """The answer of a step: `notices` say why; `circuit` is what denied, "" where that denial does not count;
    `contacts`: what the turn's calls show of services (services.Contact)."""

    FIELDS = {"verdict": ALLOW, "circuit": "", "retry_in": 0.0, "notices": [], "contacts": []}
    CONTAINERS = ("notices", "contacts")


class Transition(Record):
    """Something worth a record: `event` is trip, probe, close, reset, bypass, asked, ask_allowed, ending or warning.

    `reason`: a word of words.sentences; "" for what the rule of `circuit` saw, which `count` and `facts` say.
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
