"""What do we talk about? States, outcomes, verdicts, events, memory. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"
ALLOW, TELL, DENY, END = "allow", "tell", "deny", "end"
OK, FAILED, INVALID, DENIED = "ok", "failed", "invalid", "denied"
LAUNCHED, INTERRUPTED, OURS = "launched", "interrupted", "ours"
FAILURES = (FAILED, INVALID, DENIED)
SILENT = (LAUNCHED, INTERRUPTED, OURS)  # no rule counts them, no streak is fed or broken by them


class Record:
    """A value with named slots: made with keywords (missing ones take `DEFAULTS`), compared by content, changed by `but`."""

    __slots__ = ()
    DEFAULTS: dict[str, Any] = {}

    def __init__(self, **values: Any) -> None:
        for name in self.__slots__:
            setattr(self, name, values[name] if name in values else self.DEFAULTS[name])

    def but(self, **changes: Any) -> Any:
        """A copy with `changes`."""
        copy = object.__new__(type(self))
        for name in self.__slots__:
            setattr(copy, name, changes[name] if name in changes else getattr(self, name))
        return copy

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self.__slots__)})"

    __hash__ = None  # type: ignore[assignment]
