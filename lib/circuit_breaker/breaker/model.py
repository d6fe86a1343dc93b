"""The types and constants of the breaker: states, outcomes, events, signals, circuits, notices, decisions, transitions.

Records are made with keywords (a missing one takes its default) and are not changed once they are shared.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar

    Kind = TypeVar("Kind", bound="Record")
    SomeCircuit = TypeVar("SomeCircuit", bound="Circuit")
    # What a rule does with a signal ("ask" is "block" with a question); "" if it is switched off.
    Action = Literal["block", "warn", "observe", ""]
    Happening = Literal[
        "trip", "would_trip", "probe", "close", "reset", "bypass", "bypass_refused", "asked", "ask_allowed", "ending", "warning",
        "held_back", "",
    ]  # fmt: skip


CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"  # states of a circuit
EARNED, RUNNING, USED = "earned", "running", "used"  # states of an early probe
# verdicts, weakest first; all but ALLOW are notices too
ALLOW, WARN, DENY, STOP = "allow", "warn", "deny", "stop"
QUESTION = "question"  # a verdict and a kind of notice: you decide on the call
TRIP = "trip"  # what a signal wants, if not WARN or STOP
OPENED, SUBAGENT, FOR_YOU = "opened", "subagent", "for you"  # further kinds of notices
BESIDE = {OPENED, FOR_YOU}  # those that you are shown whatever Claude reads
OK, FAILED, INVALID, DENIED = "ok", "failed", "invalid", "denied"  # outcomes of a call
LAUNCHED, INTERRUPTED, OURS = "launched", "interrupted", "ours"
FAILURES = (FAILED, INVALID, DENIED)
SILENT = (LAUNCHED, INTERRUPTED, OURS)  # no rule counts them, and they neither extend nor end a streak
OR = "|"  # between the results that one call of a ring returns in turn
PERSON, MACHINE, UNKNOWN = "person", "machine", "unknown"  # who wrote a prompt
MAIN = ""  # the lane of the main thread; a subagent's lane is its agent id
FORGERY = "forgery"  # why a scheduled prompt that contains the bypass keyword is denied
NO_TOKENS = (0, 0, 0, 0)  # input, output, cache reads, cache writes


_NO_FIELDS = frozenset((property, type(lambda: None), classmethod))
_CONTAINERS = frozenset((list, dict))


class Record:
    """A value whose fields are the lower-case attributes of its class, with their defaults. In memory files it is a row: the list of its
    values, records among them as rows too."""

    FIELDS: dict[str, Any] = {}  # see `defaults`
    KINDS: dict[str, type[Record]] = {}  # the fields that hold records, alone or in a list or a dict
    CONTAINERS: tuple[str, ...] = ()  # the fields that hold a list or a dict: every value gets its own
    MOST: dict[str, int] = {}  # how many items of a list or dict are kept

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The defaults of its fields, worked out with CONTAINERS at the first call: a process needs few of its classes."""
        if "FIELDS" in cls.__dict__:
            return cls.FIELDS
        fields: dict[str, Any] = {}
        for base in cls.__mro__[-3::-1]:  # without `object` and Record
            for name, value in vars(base).items():
                if name >= "a" and type(value) not in _NO_FIELDS:
                    fields[name] = value
        cls.FIELDS = fields
        cls.CONTAINERS = tuple([name for name, value in fields.items() if type(value) in _CONTAINERS])
        return fields

    def __init__(self, **values: Any) -> None:
        fields = self.__dict__
        fields.update(self.defaults())
        for name in self.CONTAINERS:
            if name not in values:
                fields[name] = fields[name].copy()
        fields.update(values)

    def but(self: Kind, **changes: Any) -> Kind:
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

    def trim(self) -> None:
        """Drop the oldest of what is too many."""
        for name, most in self.MOST.items():
            kept = self.__dict__[name]
            for oldest in [*kept][:-most] if kept.__class__ is dict else ():
                del kept[oldest]
            if kept.__class__ is list:
                del kept[:-most]

    def as_row(self) -> list[Any]:
        """The values of its fields; records among them are rows."""
        return [*self.plain({**self.__dict__}).values()]

    @classmethod
    def plain(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Some of its fields, in which records have become rows."""
        for name in cls.KINDS.keys() & fields:
            fields[name] = _each(fields[name], cls.defaults()[name], Record.as_row)
        return fields

    @classmethod
    def of_row(cls: type[Kind], row: list[Any]) -> Kind:
        """The record of such a row."""
        record = object.__new__(cls)
        record.__dict__.update(zip(cls.defaults(), row))
        if cls.KINDS:
            cls.revive(record.__dict__)
        return record

    @classmethod
    def revive(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The reverse of `plain`."""
        for name in cls.KINDS.keys() & fields:
            fields[name] = _each(fields[name], cls.defaults()[name], cls.KINDS[name].of_row)
        return fields


def _each(held: Any, default: object, change: Callable[[Any], Any]) -> Any:
    """`held`, a list, a dict or a single value like `default`, with each value in it changed."""
    if default.__class__ is dict:
        return {key: change(value) for key, value in held.items()}
    return [change(value) for value in held] if default.__class__ is list else change(held)


def form_of(**words: object) -> list[str]:
    """The form of a signal: those of the words that hold."""
    return [word for word, holds in words.items() if holds]


def plus(one: list[int], other: list[int]) -> list[int]:
    """The sum of two counts of tokens (input, output, cache reads, cache writes); an empty one is nothing."""
    return [a + b for a, b in zip(one, other)] if one and other else [*(one or other)]


# --- Events, which `policy.step` takes


class Event(Record):
    """Something that happened in a lane, within a prompt."""

    prompt = ""
    author = ""  # of the session's last prompt, if it was looked up: PERSON, MACHINE or UNKNOWN


class Ask(Event):
    """A call that wants to run."""

    id = tool = cwd = ""
    input: Any = None
    key = ""  # of the call, if it has been made already
    refused = ""  # why it is denied whatever its own circuit says (a key in words.sentences): FORGERY, or tampering while one is open
    down: Any = None  # the circuit of the service that it calls, if that is down
    wait = 0.0  # seconds until that may be tried
    attended = False  # you sit at a terminal and can be asked


class Result(Record):
    """One call of a turn as Claude Code reports it."""

    id = tool = text = ""
    input: Any = None
    kind = OK  # its outcome: in a batch, by its text alone
    ready: Any = None  # (directory, Outcome) if made already, valid for that directory of the lane


class Reported(Event, Result):
    """One call's outcome before its batch: a failure (or a success, if a PostToolUse hook is registered)."""

    cwd = ""
    kind = FAILED


class Turn(Event):
    """One assistant message with tool calls has ended."""

    results: list[Result] = []
    cwd = ""  # the directory after it
    spent: list[int] = []  # tokens in the lane's transcript since it was last read; [] if not counted
    attended = False  # you sit at a terminal and can be asked


class Prompt(Event):
    """A prompt was submitted."""

    id = cwd = ""
    person = True  # typed by you, as far as the payload shows
    proven = True  # that is certain
    key = ""  # digest of its text
    bypass = False  # its first line is the keyword
    lookalike = False  # its first line resembles it
    spent: list[int] = []  # tokens before it that no turn has counted


class Compacted(Event):
    """The context was compacted: Claude no longer sees what earlier calls returned."""


class StopAsked(Event):
    """Claude wants to end its turn."""

    again = False  # a stop hook has sent it back before


class Reset(Event):
    """You close circuits."""

    which = ""  # a circuit's name or a rule; "" for all


# --- Evidence: the outcome of a call, and what a rule found


class FailedAttempt(Record):
    """What a failed attempt of a shell call leaves to compare: the keys of its family, its error lines and its error."""

    family = label = error = ""
    edits = ""  # key of what it writes before the attempt runs
    at_lines: list[int] = []
    lines: list[str] = []
    silent = False  # its output says only that it failed


class Outcome(Record):
    """One call's outcome as the rules see it."""

    KINDS = {"tried": FailedAttempt}
    id = tool = text = key = ""
    input: Any = None
    kind = OK
    label = ""  # made by outcomes.label_of if needed: most calls are never shown
    result = ""  # key of what it returned
    digits = ""  # the same without digits
    error = ""  # key of the error, "" unless it failed
    complaint = ""  # the same without line numbers
    at_lines: list[int] = []  # these
    empty = False  # it returned nothing
    wait = 0  # when it waits (waits.NONE to ALONE)
    look = -1  # what it looks at (looks.NOTHING to LIVE), -1: not known yet
    poll = False  # a look after a wait (evidence.py)
    miss = False  # an error of no tool: a look-up found nothing, it took too long, it names no fault, or you refused it yourself
    change = 0  # what it changes (calls.READS, ACTS or WRITES)
    gesture = False  # a click, key or scroll whose result only confirms it
    repeats = False  # the same result as last time
    attempt: Any = None  # identity.attempts.Attempt of a shell call, if needed
    family = ""  # its key
    failed = False  # the attempt failed, with any exit code of the call
    proven = False  # the attempt certainly succeeded
    first = False  # the lane remembers no earlier call like it
    n = 0
    clip = ""  # of its error, made by outcomes.clip_of if needed
    tried = FailedAttempt()  # if the attempt failed


class Signal(Record):
    """What a rule found about a subject, and what it asks for. Its circuit is named RULE:SUBJECT."""

    rule = subject = ""
    count = 0
    wants = TRIP  # or WARN or STOP
    counted = False  # it was counted before
    left = 0  # how many more stop the turn, if they do
    form: list[str] = []  # words that choose its sentence: "edit", "digits", "poll" ... (see words.sentences)
    facts: dict[str, Any] = {}  # what else its sentence says
    clip = ""  # the last error
    calls: list[str] = []  # labels of the last calls
    # the calls; or what they share behind "family:", "shape:" or "service:" (see Work.gate_of)
    keys: list[str] = []
    results: dict[str, str] = {}  # key -> its last result in the loop, for rules that compare results
    since = -1  # n at which its evidence began

    @property
    def name(self) -> str:
        """The name of its circuit."""
        return f"{self.rule}:{self.subject}"

    @property
    def mark(self) -> str:
        """The mark that its calls get when Claude is warned of it; with "counted " before it, if a trip was only counted."""
        return "edit" if "edit" in self.form else self.rule

    @classmethod
    def about(cls: type[Kind], signal: Signal, **more: Any) -> Kind:
        """A record about what `signal` is about; `more`: further fields, or others than those of `signal`."""
        return cls(**{**{name: getattr(signal, name) for name in Signal.defaults()}, **more})


# --- Circuits, notices, decisions, transitions


class Circuit(Signal):
    """One circuit, with the signal that opened it: it gates the calls in `keys`."""

    state = CLOSED
    level = 0
    trips = 0
    retry_at: Any = 0.0  # epoch seconds; None: until your next prompt
    cooldown = 0.0  # length of the running cooldown, seconds
    probe = ""  # tool_use_id of the running probe
    lease = 0.0  # epoch seconds from which another call may become the probe
    leased = 0.0  # length of that lease, seconds
    early = ""  # this level's early probe; "" if none was earned
    good = 0  # good probes in a row
    opened_at = 0.0
    tokens: list[int] = []  # what its streak has cost so far, a lower bound; [] if unknown

    @property
    def live(self) -> bool:
        return self.state != CLOSED


class Notice(Signal):
    """A message. `kind`: WARN and DENY are for Claude; QUESTION, STOP, OPENED and FOR_YOU for you; SUBAGENT for a parent."""

    kind = WARN
    reason = ""  # a key in words.sentences; "" to say what the rule found
    wait = 0.0  # seconds until a probe is allowed
    agent = ""


class Decision(Record):
    """The answer of a step: what is said, what is recorded, and the turn's contacts with services (service_down.Contact)."""

    notices: list[Notice] = []
    transitions: list[Transition] = []
    contacts: list[Any] = []

    @property
    def verdict(self) -> str:
        """What the strongest notice says: allow, warn, deny or question (Ask), or stop (Turn, StopAsked)."""
        kinds = {notice.kind for notice in self.notices} - BESIDE
        return next((kind for kind in (STOP, QUESTION, DENY) if kind in kinds), WARN if kinds else ALLOW)


class Transition(Signal):
    """Something recorded as an incident."""

    event: Happening = ""
    before = after = CLOSED
    reason = ""  # a key in words.sentences; "" for what the circuit's rule found, as `count`, `form` and `facts` say
    at = 0.0
    lane = MAIN
    cooldown = 0.0
    level = 0
    tokens: list[int] = []  # what the streak has cost so far
