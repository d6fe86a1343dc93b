"""The sentences of `explain`: when a rule acts, and what each call of the evidence counted as. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

OPENS = {
    "tool_failure": "the same call fails {threshold} times within {window_turns} turns with no progress in between, or "
    "{threshold_with_progress} times with the same error in spite of progress; or one attempt, however written, fails {family_open} times",
    "repeated_call": "the same call returns the same result {threshold} times with no progress in between, or makes the same edit "
    "{same_edit} times",
    "call_cycle": "a cycle of calls repeats {threshold} times ({threshold_long} for 3 to 5 calls) with unchanged results",
    "failing_streak": "every call fails for {threshold} turns (a warning), then for {stop_at} (the turn is stopped)",
    "service_down": "connections to one service fail {threshold} times within {window_seconds} s, over all sessions",
    "sequential_tools": "more than {threshold} similar calls come one after another, one per turn (a warning)",
    "agent_spawn": "more than {threshold} subagents are started in one prompt (a warning), or more than {block_at} (blocked)",
    "external_api": "more than {threshold} calls go to one service within {window_seconds} s, or {session_max} in a session",
    "hook_recursion": "stop hooks make Claude continue more than {threshold} times with nothing new in between",
    "budget": "a limit that you set is used up",
}
NOT_COUNTED = "not counted: it did not run, or its outcome is not known yet"
NOT_CHANGED = "no progress: the same change was made before with the same result, or it failed behind a hidden exit code"


def opens(rule: str, keys: Mapping[str, Any]) -> str:
    """When a rule acts, with the thresholds that apply here."""
    return f"{rule} acts when {OPENS[rule].format(**keys)}." if rule in OPENS else rule


def counted(rule: str, failures: int, times: int, keys: Mapping[str, Any]) -> str:
    """What a call of the circuit itself counted as."""
    if rule == "tool_failure" and failures:
        return f"counts: failure {failures} of {keys['threshold']}"
    if times > 1:
        return (
            f"counts: same result, time {times} of {keys['threshold'] if rule == 'repeated_call' else times}"
        )
    return "counts: the first"


def between(ok: bool, progress: bool, poll: bool, changes: bool) -> str:
    """Whether another call in between was progress, and why not."""
    if progress:
        return "progress: the count starts again"
    if not ok:
        return "no progress: it failed"
    if poll:
        return "no progress: a check after a wait"
    return NOT_CHANGED if changes else "no progress: it only looks"


def verdict(failures: int, times: int, failing: int, repeating: int) -> str:
    """How close an allowed call is to being blocked; `failing` and `repeating` are the two thresholds."""
    said = []
    if failures and failing:
        said.append(f"It failed {failures} of {failing} times with no progress in between.")
    if times > 1 and repeating:
        said.append(f"It returned the same result {times} of {repeating} times.")
    return " ".join(said) or "Nothing counts against it."
