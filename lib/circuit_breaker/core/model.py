"""What do we talk about? States, verdicts, outcomes, kinds of events, and values with named fields. Pure.

A kind of value is defined where it is made or answered (a turn in turns.py, a prompt in prompting.py): a hook makes each class
that it names anew, and most events need few of them.
Every value is made with keywords (a missing one takes its default), never changed once it is shared.
`step` works on copies, so a caller's memory is as it was.
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
