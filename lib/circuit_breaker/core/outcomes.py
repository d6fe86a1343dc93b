"""What became of one call, as the rules see it? Pure."""

from __future__ import annotations

from circuit_breaker.core import errors, identity
from circuit_breaker.core.model import FAILURES, OK, SILENT, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuit_breaker.core.pending import Reported
    from circuit_breaker.core.turns import Result


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
        outcome.error = errors.error_key(kind, text, given)
        outcome.miss = errors.is_bare(text) or errors.is_lookup_miss(tool, given, text)
    else:
        outcome.change = identity.change_level(tool, given)
    return outcome


def result_key(tool: str, text: str) -> str:
    """The identity of what a tool returned: of a file's content every byte, of all else what does not change by itself."""
    return identity.digest(text) if tool in identity.VERBATIM else identity.result_key(text)
