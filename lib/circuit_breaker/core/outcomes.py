"""What became of one call, as the rules see it? Pure."""

from __future__ import annotations

from circuit_breaker.core import identity
from circuit_breaker.core.model import FAILURES, OK, SILENT, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.pending import Reported
    from circuit_breaker.core.turns import Result

CLIP_MAX, HEAD_MAX = 160, 60  # characters of an error that people read, and of its first line in them


class Outcome(Record):
    """One call's outcome as the rules see it."""

    FIELDS = {
        "id": "",
        "tool": "",
        "input": None,
        "text": "",
        "key": "",
        "kind": OK,
        "label": "",  # and clip: made when somebody is to read them, by outcomes.label_of and clip_of
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


def outcome_of(result: Result | Reported, kind: str, cwd: str) -> Outcome:
    """The outcome of `result` as the rules see it; `cwd` is the lane's directory before the turn."""
    tool, given, text = result.tool, result.input, result.text
    key = identity.call_key(tool, given, cwd)
    outcome = Outcome(id=result.id, tool=tool, input=given, text=text, kind=kind, key=key)
    if kind in SILENT:
        return outcome
    outcome.result = result.result or result_key(tool, text)
    outcome.digits = result.digits or identity.digits_key(text)
    outcome.empty = not text.strip()
    outcome.poll = identity.is_poll(tool, given)
    if kind in FAILURES:
        outcome.error = identity.error_key(kind, text, given)
        outcome.miss = identity.is_bare(text) or identity.is_lookup_miss(tool, given, text)
    else:
        outcome.change = identity.change_level(tool, given)
    return outcome


def result_key(tool: str, text: str) -> str:
    """The identity of what a tool returned: of a file's content every byte, of all else what does not change by itself."""
    return identity.digest(text) if tool in identity.VERBATIM else identity.result_key(text)


def label_of(outcome: Outcome) -> str:
    """What people read of the call. Made late: most calls are never spoken of."""
    if not outcome.label:
        from circuit_breaker.core import labels

        outcome.label = labels.label(outcome.tool, outcome.input)
    return str(outcome.label)


def clip_of(outcome: Outcome) -> str:
    """What people read of its error ("" when it did not fail), made late too."""
    if not outcome.clip and outcome.text and outcome.kind in FAILURES:
        from circuit_breaker.core import labels

        first, last = _telling_lines(outcome.text)
        outcome.clip = labels.clip(first, HEAD_MAX if last else CLIP_MAX, outcome.input)
        if last:
            outcome.clip += " … " + labels.clip(last, CLIP_MAX - HEAD_MAX, outcome.input)
    return str(outcome.clip)


def _telling_lines(text: str) -> tuple[str, str]:
    """The lines of a long error that say most: its first, and its last, where a traceback or a test run names what broke."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 3 or len(text) < CLIP_MAX:
        return text, ""
    return lines[0], lines[-1]
