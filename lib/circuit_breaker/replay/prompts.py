"""What each past prompt of yours used (calls and tokens, subagents included), and whether it ended well."""

from __future__ import annotations

from circuit_breaker.replay.rerun import Requests
from circuit_breaker.replay.transcript import INTERRUPTED, REQUEST
from circuit_breaker.runtime.protocol import NOT_TYPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.replay.recording import Record
    from circuit_breaker.replay.rerun import Rerun

GOOD, UNFINISHED, STOPPED, TRIPPED = "good", "unfinished", "interrupted", "tripped"


class PastPrompt:
    """One prompt of yours: `calls`, `tokens` (sum of all four kinds, None if the recording has no usage) and `ending`."""

    __slots__ = ("calls", "tokens", "ending")

    def __init__(self, calls: int, tokens: int | None, ending: str) -> None:
        self.calls, self.tokens, self.ending = calls, tokens, ending


class Prompts:
    """The prompts of one session, beginning with your first one. A machine's prompt counts to the prompt before it.

    Call `take` with each record after `run` has taken it, then `finish`. A trip in `run` marks the prompt it happened in.
    """

    _paid: bool
    _interrupted: bool

    def __init__(self, run: Rerun) -> None:
        self.found: list[PastPrompt] = []
        self._run, self._trips = run, 0
        self._open = False
        self._begin()

    def take(self, record: Record) -> None:
        """Count one record of the session."""
        name = record["hook_event_name"]
        if name == "UserPromptSubmit":
            if _is_yours(record):
                self._close()
                self._begin()
                self._open = True
            else:
                self._answered = False
        elif name == REQUEST:
            self._requests.add(record, [])
            self._paid = self._paid or any(record["usage"])
            if "agent_id" not in record:
                self._answered = record["said"] and not record["calls"] and not record["failed"]
                self._seen = True
        elif name == "PreToolUse":
            self._calls += 1
            self._waiting.add(record.get("tool_use_id"))
        elif name == INTERRUPTED or record.get("user_rejected"):
            self._interrupted = self._interrupted or "agent_id" not in record
        if "tool_use_id" in record and name != "PreToolUse":
            self._waiting.discard(record["tool_use_id"])

    def finish(self) -> list[PastPrompt]:
        """All prompts of the session."""
        self._close()
        return self.found

    def _begin(self) -> None:
        self._calls, self._requests = 0, Requests()
        self._seen, self._answered = False, False
        self._paid = self._interrupted = False
        self._waiting: set[object] = set()

    def _close(self) -> None:
        tripped = len(self._run.trips) > self._trips
        self._trips = len(self._run.trips)
        if not self._open or not (self._calls or self._seen):
            return
        # Hook events do not contain Claude's answer.
        ended = self._answered if self._seen else not self._waiting
        ending = TRIPPED if tripped else STOPPED if self._interrupted else GOOD if ended else UNFINISHED
        tokens = sum(self._requests.total) if self._paid else None
        self.found.append(PastPrompt(self._calls, tokens, ending))


def _is_yours(record: Record) -> bool:
    return not (
        record.get("machine") or record.get("agent_id") or str(record.get("prompt", "")).startswith(NOT_TYPED)
    )
