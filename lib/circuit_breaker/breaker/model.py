"""What do we talk about? States, verdicts, outcomes, kinds of events, and values with named fields. Pure.

A kind of value is defined where it is made or answered (a turn in turns.py, a prompt in prompting.py): a hook makes each class
that it names anew, and most events need few of them.
Every value is made with keywords (a missing one takes its default), never changed once it is shared.
`step` works on copies, so a caller's memory is as it was.

What is a circuit, and what is told of its changes? Pure.

Memory of an open circuit is read at every event of its session; how one lives (breaker.py) matters to few of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"
ALLOW, TELL, DENY, END = "allow", "tell", "deny", "end"  # verdicts, weakest first
OK, FAILED, INVALID, DENIED = "ok", "failed", "invalid", "denied"
LAUNCHED, INTERRUPTED, OURS = "launched", "interrupted", "ours"
FAILURES = (FAILED, INVALID, DENIED)
SILENT = (LAUNCHED, INTERRUPTED, OURS)  # no rule counts them, no streak is fed or broken by them
ASK, REPORTED, TURN, PROMPT, STOPPED, RESET = (
    "ask",
    "reported",
    "turn",
    "prompt",
    "stopped",
    "reset",
)  # events
MAIN = ""  # the lane of the main thread; a subagent's lane is its agent id


class Record:
    """A value with named fields: `FIELDS` gives each its default; containers are copied for every new value.

    Plain attributes, no slots: that makes a class in a third of the time, and a hook makes each of them at every start.
    """

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


class Decision(Record):
    """The answer. `text` is for the model (tell, deny) or the person (end)."""

    FIELDS = {"verdict": ALLOW, "circuit": "", "retry_in": 0.0, "text": ""}


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
        "retry_at": 0.0,  # epoch seconds; None: until a person speaks
        "cooldown": 0.0,  # length of the running cooldown, seconds
        "probe": "",  # tool_use_id of the one probe that is out
        "probe_turn": -1,
        "lease": 0.0,  # epoch seconds from which another asker may take the probe over
        "credit": "",  # an early probe that was bought and not used: progress or prompt
        "bought": False,  # this level's early probe is spent
        "early": False,  # the probe that is out was bought
        "good": 0,  # good probes in a row
        "since": -1,  # n at which its evidence began
        "count": 0,
        "cause": "",
        "clip": "",
        "calls": [],
        "opened_at": 0.0,
    }
    CONTAINERS = ("keys", "results", "calls")

    @property
    def name(self) -> str:
        return f"{self.rule}:{self.subject}"


class Transition(Record):
    """Something worth a record. `event`: trip, probe, close, reset, bypass, ending (incidents), or warning (a telling)."""

    FIELDS = {
        "event": "",
        "circuit": "",
        "before": CLOSED,
        "after": CLOSED,
        "cause": "",
        "at": 0.0,
        "lane": MAIN,
        "calls": [],
        "cooldown": 0.0,
        "level": 0,
    }
    CONTAINERS = ("calls",)


class Reset(Record):
    """A person closes circuits: all, or those of a name or rule."""

    KIND = RESET
    FIELDS = {"which": ""}


class Signal(Record):
    """What a detector saw. `step`: tell, open or end."""

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
        "facts": {},  # what wording needs besides
    }
    CONTAINERS = ("keys", "results", "calls", "facts")


class Outcome(Record):
    """One call's outcome as the rules see it."""

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "text": "",
        "key": "",
        "kind": OK,
        "label": "",  # and clip: made when somebody is to read them, by labels.label_of and clip_of
        "result": "",  # key of what it returned
        "digits": "",
        "error": "",  # key of the error, "" unless it failed
        "clip": "",
        "empty": False,  # it returned nothing
        "poll": False,
        "miss": False,  # a look-up that found nothing
        "change": 0,  # 2 writes a file, 1 changes something, 0 reads
        "repeats": False,  # the same result as last time
        "n": 0,
    }


class Turn(Record):
    """One assistant message with tool calls has ended; `cwd` is the directory after it."""

    KIND = TURN
    FIELDS = {"results": [], "cwd": "", "prompt": "", "lane": MAIN, "origin": "", "agent": ""}
    CONTAINERS = ("results",)


class Result(Record):
    """One call of a turn as the host reports it. `hint` is the kind its text alone suggests.

    `result` and `digits`: the keys of its text, for whom they are made elsewhere (or later: see rerun).
    """

    FIELDS = {"id": "", "tool": "", "input": None, "hint": OK, "text": "", "result": "", "digits": ""}


class Reported(Record):
    """One call's outcome before its batch: a failure (or, where somebody registers it, a success)."""

    KIND = REPORTED
    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "kind": FAILED,
        "text": "",
        "result": "",
        "digits": "",
        "cwd": "",
        "prompt": "",
        "lane": MAIN,
    }


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


class Prompt(Record):
    """Something was submitted: by a `person` as far as the host shows, with the `bypass` keyword or not."""

    KIND = PROMPT
    FIELDS = {"id": "", "person": True, "bypass": False, "cwd": ""}


class Stopped(Record):
    """The agent wants to end its turn; `again`: a hook has already sent it back."""

    KIND = STOPPED
    FIELDS = {"again": False, "prompt": "", "lane": MAIN, "agent": ""}
