"""The rule `tool_failure` and its evidence: the same call, the same attempt written differently, the same error of any call.

A run is the failures of an attempt since the last progress, your last prompt, its last success or the last failure of another
attempt. A failure counts if it shares an error line with an earlier one of the run.
"""

from __future__ import annotations

from circuit_breaker.breaker.evidence import clip_of, label_of, last_move
from circuit_breaker.breaker.memory import ErrorRun, Family, Lane
from circuit_breaker.breaker.model import FAILURES, INVALID, OK, SILENT, Signal
from circuit_breaker.identity import errors
from circuit_breaker.identity.calls import SHELLS, change_level, command_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from circuit_breaker.breaker.memory import Session
    from circuit_breaker.breaker.model import Outcome

FAMILY = "family:"  # prefix of an attempt's key, in memory and in circuits
EVERYWHERE = 6  # times the same whole error of a tool, with any calls and changes in between (policy 5, e)
ERRORS_MAX, FAMILIES_MAX, LINES_MAX = 16, 16, 96
_HIDES = "|;&\n`("  # a line hides an exit code only with one of these
_PRINTS = ("$?", "${?}", "PIPESTATUS", "pipestatus", "LASTEXITCODE")  # and prints it only with one of these


def family_of(tool: str, tool_input: object, cwd: str) -> str:
    """The key of a call's attempt; "" if it has none."""
    if tool not in SHELLS:
        return ""
    from circuit_breaker.identity.attempts import attempt_of

    attempt = attempt_of(tool, tool_input, cwd)
    return FAMILY + attempt.key if attempt is not None else ""


def judge(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """Set the attempt of each shell call that acted, and whether it failed: the exit code may come from another command."""
    for outcome in outcomes:
        if outcome.tool not in SHELLS or outcome.kind in SILENT or not isinstance(outcome.input, dict):
            continue
        may_have_failed = outcome.kind != OK or _may_have_failed(outcome)
        if outcome.kind == OK and not (outcome.change and (lane.families or may_have_failed)):
            continue
        from circuit_breaker.identity.attempts import attempt_of

        attempt = attempt_of(outcome.tool, outcome.input, lane.cwd)
        if attempt is None:
            continue
        outcome.attempt, outcome.family = attempt, FAMILY + attempt.key
        outcome.first = outcome.key not in lane.streaks
        if not (may_have_failed or outcome.empty or outcome.family in lane.families):
            continue
        from circuit_breaker.identity import verdicts

        ended = verdicts.verdict(attempt, outcome.text) if outcome.kind == OK else verdicts.FAILED
        if not ended and _fails_again(lane, outcome):
            ended = verdicts.FAILED
        outcome.failed, outcome.proven = ended == verdicts.FAILED, ended == verdicts.SUCCEEDED


def _fails_again(lane: Lane, outcome: Outcome) -> bool:
    """Whether it prints what an earlier failure of the attempt printed, with no progress since."""
    from circuit_breaker.identity import verdicts

    known = lane.families.get(outcome.family)
    if known is None or last_move(lane, known.since) > known.n:
        return False
    if known.error and known.error == errors.error_key("", outcome.text, outcome.input):
        return True
    return verdicts.fails_again(outcome.attempt, outcome.text, known.lines)


def _may_have_failed(outcome: Outcome) -> bool:
    """A cheap first check: of most calls the exit code is not hidden."""
    command = command_of(outcome.input)[1]
    if not any(sign in command for sign in _HIDES):
        return False
    return any(sign in command for sign in _PRINTS) or errors.hints_at_failure(outcome.text)


def note_families(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """Count, per attempt, the failures of its current run and how often in a row it had the same whole error."""
    for outcome in outcomes:
        if outcome.proven:
            lane.families.pop(outcome.family, None)
        elif outcome.failed and not outcome.poll:
            _note_failure(lane, outcome)
    while len(lane.families) > FAMILIES_MAX:
        del lane.families[next(iter(lane.families))]


def _note_failure(lane: Lane, outcome: Outcome) -> None:
    from circuit_breaker.identity import verdicts

    family = lane.families.pop(outcome.family, None) or Family()
    for name, other in lane.families.items():
        if other.count:
            lane.families[name] = other.but(count=0, lines={}, marks="")
    lines = verdicts.shared_lines(outcome.attempt, outcome.text)
    edited = outcome.attempt.edits and outcome.first
    if not family.count or edited or last_move(lane, family.since) > family.n:
        family = family.but(since=outcome.n, lines={}, marks="", varied=False)
    elif family.call != outcome.key:
        family = family.but(varied=True)
    if not family.lines or family.turn != lane.turn:  # failures in one turn count once
        _add_lines(family, lines)
    error = errors.error_key("", verdicts.without_exit_code(outcome.text), outcome.input)
    if all(line[:1] == verdicts.WEAK for line in lines):
        error = ""  # only a verdict: the errors may differ
    again = family.same > 0 and error == family.error
    same = family.same + (family.turn != lane.turn) if again else 1
    lane.families[outcome.family] = family.but(
        n=outcome.n, turn=lane.turn, call=outcome.key, error=error, same=same if error else 0
    )


def _add_lines(family: Family, lines: Sequence[str]) -> None:
    """Count one more failure by its strong lines, or by its weak ones if it has no others."""
    from circuit_breaker.identity.verdicts import WEAK

    known: dict[str, int] = family.lines
    weak = all(line[:1] == WEAK for line in lines)
    for line in lines:
        known[line] = known.pop(line, 0) + (weak or line[:1] != WEAK)
    for line in [*known][:-LINES_MAX]:
        del known[line]
    strongest = max([count for line, count in known.items() if line[:1] != WEAK], default=0)
    family.count = strongest + max([count for line, count in known.items() if line[:1] == WEAK], default=0)


def note_errors(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """Count, per tool, turns in a row with the same error, with any arguments (policy 5, tool_failure b and e)."""
    tools: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        tools.setdefault(outcome.tool, []).append(outcome)
    for tool, ours in tools.items():
        failing = [o for o in ours if o.kind in FAILURES and not o.miss and not o.poll]
        known = lane.errors.pop(tool, None)
        if failing:
            lane.errors[tool] = _error_run(lane, known, failing)
        elif known is not None:
            lane.errors[tool] = _after_successes(known, ours)
    while len(lane.errors) > ERRORS_MAX:
        del lane.errors[next(iter(lane.errors))]


def _error_run(lane: Lane, known: ErrorRun | None, failing: Sequence[Outcome]) -> ErrorRun:
    found = [outcome.error for outcome in failing]
    look = not any(change_level(outcome.tool, outcome.input) for outcome in failing)
    if known is None or known.error not in found:
        return ErrorRun(error=found[0], turns=1, turn=lane.turn, n=lane.n, look=look, times=1)
    goes_on = known.turns and last_move(lane, known.n) <= known.n
    turns = known.turns + 1 if goes_on else 1
    return ErrorRun(
        error=known.error, turns=turns, turn=lane.turn, n=lane.n, look=look, times=known.times + 1
    )


def _after_successes(known: ErrorRun, ours: Sequence[Outcome]) -> ErrorRun:
    """The tool's run after a turn without failures of it. An act ends it, a look ends it if looks failed, and a mere write resets
    only `turns`."""
    done = [outcome for outcome in ours if outcome.kind == OK and not outcome.failed]
    acts = [outcome for outcome in done if outcome.change]
    if any(not _writes(outcome) for outcome in acts) or (known.look and done):
        return known.but(turns=0, times=0)
    return known.but(turns=0) if acts else known


def _writes(outcome: Outcome) -> bool:
    """Whether a shell call only wrote a file: what it runs later may still fail."""
    if outcome.tool not in SHELLS:
        return False
    return bool(outcome.change == 2 or (outcome.attempt is not None and outcome.attempt.only_edits))


def tool_failure(
    session: Session, lane: Lane, outcomes: Sequence[Outcome], rule: Mapping[str, Any], now: float
) -> list[Signal]:
    """(a) and (c) the same call, (d) and (c) the same attempt, (b) and (e) the same error: see policy 5."""
    signals = []
    for outcome in outcomes:
        signal = _call_signal(lane, outcome, rule)
        family = lane.families.get(outcome.family)
        if signal is None or (family is not None and family.varied):
            other = _family_signal(lane, outcome, rule)
            signal = other if signal is None or (other is not None and other.step == "open") else signal
        if signal is not None:
            signals.append(signal)
    spoken = {signal.facts["tool"] for signal in signals}
    for outcome in outcomes:
        run = lane.errors.get(outcome.tool)
        if run is None or run.turn != lane.turn or run.error != outcome.error or outcome.tool in spoken:
            continue  # there is a warning about this call already
        signal = _error_signal(run, outcome, rule)
        if signal is not None:
            spoken.add(outcome.tool)
            signals.append(signal)
    return signals


def _call_signal(lane: Lane, outcome: Outcome, rule: Mapping[str, Any]) -> Signal | None:
    streak = lane.streaks.get(outcome.key)
    if outcome.kind not in FAILURES or outcome.poll or streak is None:
        return None  # no streak: the turn had more calls than a lane remembers
    in_window = [fail for fail in streak.fails if fail[1] > lane.turn - rule["window_turns"]]
    stubborn = rule["threshold_with_progress"] and streak.same >= rule["threshold_with_progress"]
    if len(in_window) < rule["threshold"] and not stubborn:
        return None
    count = streak.same if stubborn else len(in_window)
    facts = {"stubborn": bool(stubborn), "invalid": outcome.kind == INVALID, "tool": outcome.tool}
    facts["waits"] = bool(outcome.wait)
    if outcome.kind == INVALID:
        facts["left"] = 2 * rule["threshold"] - streak.invalid
    return signal_of(outcome, "tool_failure", count, since=streak.since, facts=facts)


def _family_signal(lane: Lane, outcome: Outcome, rule: Mapping[str, Any]) -> Signal | None:
    family = lane.families.get(outcome.family) if outcome.failed else None
    if family is None or family.turn != lane.turn:
        return None
    limit = rule["threshold_with_progress"]
    stubborn = bool(limit) and family.same >= limit
    opens = stubborn or 0 < rule["family_open"] <= family.count
    warns = 0 < rule["family_warn"] <= family.count and "f" not in family.marks
    if not opens and not warns:
        return None
    count = family.same if stubborn else family.count
    return signal_of(
        outcome,
        "tool_failure",
        count,
        step="open" if opens else "warn",
        subject=outcome.attempt.label(outcome.tool),
        keys=[outcome.family],
        results={},
        since=family.since,
        facts={"family": True, "stubborn": stubborn, "tool": outcome.tool},
    )


def _error_signal(run: ErrorRun, outcome: Outcome, rule: Mapping[str, Any]) -> Signal | None:
    limit = rule["same_error"]
    if not limit:
        return None
    everywhere = run.turns < limit and run.times % EVERYWHERE == 0
    if run.turns < limit and not everywhere:
        return None
    facts = {"same_error": True, "tool": outcome.tool, "everywhere": everywhere}
    if not everywhere:
        facts.update(left=2 * limit - run.turns, once=run.turns > 2 * limit)
    return signal_of(
        outcome,
        "tool_failure",
        run.times if everywhere else run.turns,
        step="stop" if run.turns >= 2 * limit else "warn",
        subject=f"{outcome.tool} error",
        keys=[],
        results={},
        since=outcome.n,
        calls=[outcome.tool],
        facts=facts,
    )


def signal_of(outcome: Outcome, rule: str, count: int, **more: Any) -> Signal:
    """A signal about one call; `more`: fields that replace those taken from the outcome."""
    seen: dict[str, Any] = {
        "subject": label_of(outcome),
        "keys": [outcome.key],
        "results": {outcome.key: outcome.result},
        "clip": clip_of(outcome),
        "calls": [label_of(outcome)] * count,
    }
    return Signal(rule=rule, count=count, **{**seen, **more})
