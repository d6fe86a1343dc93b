"""The evidence of tool_failure beyond one call: the same attempt written differently, and the same error of any call.

A run of an attempt counts its failures until progress, a prompt of yours, its success or the failure of another attempt. A failure
counts if it shares an error line with an earlier one of the run.
"""

from __future__ import annotations

from circuit_breaker.breaker.evidence import last_of, leads_on
from circuit_breaker.breaker.memory import ErrorRun, Family, Lane
from circuit_breaker.breaker.model import OK, SILENT, FailedAttempt, Outcome
from circuit_breaker.breaker.outcomes import TIMED_OUT, complaint_of
from circuit_breaker.identity import attempts, errors, line_numbers, verdicts
from circuit_breaker.identity.calls import SHELLS, WRITES, change_level, command_of
from circuit_breaker.shell import programs, shell_line

FAMILY = "family:"  # prefix of an attempt's key, in memory and in circuits
BESIDE = 4  # turns after a failing act in which a failing look is one beside it
LINES_MAX, EDITS_MAX = 96, 8  # error lines and edits kept of a family
_HIDES = "|;&\n`("  # a line hides an exit code only with one of these
_PRINTS = ("$?", "${?}", "PIPESTATUS", "pipestatus", "LASTEXITCODE")  # and prints it only with one of these

# A part of each form of failure in verdicts.py, lower case.
_HINTS = (
    "err|fail|fatal|! [|traceback|panic|***|stopped|exception|unhandled|uncaught|e   |fault|abort|kill|●|✕|✗|✘|✖|×|❌|not ok"
    "|undefined|could not|cannot|unable|yn0|usage|unknown|invalid|sh: |env: |xargs: |sudo: |not recognized|not found|no such"
    "|denied|problem|broken|make[|e: |elifecycle|eresolve|ld: |node.js v|.go:|conflict|can't locate|halted|oh no|issues"
    "|[!]|fata[|svn: e|not mergeable|offense|violation|non-zero|needs merge|refused|curl: (|ssh: |scp: |wget: |lua: |** (|emerg"
    "|illegal instruction|trace/break|terminate called|unreachable|exists|would reformat|sqlstate|no tests|unbound"
    "|successful,|adb: |gh: |⨯|lock file|received signal"
).split("|")


def family_of(tool: str, tool_input: object, cwd: str) -> str:
    """The key of a call's attempt; "" if it has none."""
    attempt = attempts.attempt_of(tool, tool_input, cwd) if tool in SHELLS else None
    return FAMILY + attempt.key if attempt is not None else ""


def judge_attempts(lane: Lane, outcomes: list[Outcome]) -> None:
    """Set the attempt of each shell call that acted, and whether it failed: the exit code may come from another command."""
    for outcome in outcomes:
        if outcome.tried.family:  # judged when it was reported
            outcome.first = outcome.key not in lane.streaks
            continue
        if outcome.tool not in SHELLS or outcome.kind in SILENT or not isinstance(outcome.input, dict):
            continue
        if outcome.kind == OK and not outcome.change:
            continue
        may_have_failed = outcome.kind != OK or _may_have_failed(outcome)
        if not (may_have_failed or lane.families):
            continue
        attempt = attempts.attempt_of(outcome.tool, outcome.input, lane.cwd)
        if attempt is None or leads_on(lane, outcome):
            continue
        outcome.attempt, outcome.family = attempt, FAMILY + attempt.key
        outcome.first = outcome.key not in lane.streaks
        known = [outcome.family, *[FAMILY + step for step in attempt.steps]]
        if may_have_failed or outcome.empty or not lane.families.keys().isdisjoint(known):
            ended = verdicts.verdict(attempt, outcome.text) if outcome.kind == OK else verdicts.FAILED
            if not ended and _fails_again(lane, outcome):
                ended = verdicts.FAILED
            outcome.failed, outcome.proven = ended == verdicts.FAILED, ended == verdicts.SUCCEEDED
        if outcome.failed:
            outcome.tried = _failed_attempt(outcome, attempt)
            outcome.miss = outcome.miss or outcome.tried.silent


def _done(outcome: Outcome) -> list[str]:
    """The attempts that have succeeded as steps of a call's line: those of `a && b` at its end."""
    attempt = outcome.attempt
    told = attempt is not None and (outcome.proven or attempt.told)
    return [FAMILY + step for step in attempt.steps] if told else []


def _failed_attempt(outcome: Outcome, attempt: attempts.Attempt) -> FailedAttempt:
    lines = verdicts.shared_lines(attempt, outcome.text)
    # by the line's own `timeout`
    ended = outcome.text.startswith(TIMED_OUT) and not hints_at_failure(outcome.text)
    may_differ = ended or errors.says_nothing(outcome.text) or verdicts.is_bare(outcome.text, lines)
    text = verdicts.without_exits(attempt, outcome.text)
    error, where = ("", []) if may_differ else errors.error_keys("", text, outcome.input)[1:]
    silent = may_differ and not verdicts.counts_failures(outcome.text)
    said = {"lines": lines, "error": error, "at_lines": where, "silent": silent}
    return FailedAttempt(
        family=outcome.family, label=attempt.label(outcome.tool), edits=attempt.edits, **said
    )


def _fails_again(lane: Lane, outcome: Outcome) -> bool:
    """Whether it prints what an earlier failure of the attempt printed, with no progress since."""
    known = lane.families.get(outcome.family)
    if known is None or outcome.attempt.shows or last_of(lane.progress, known.since) > known.n:
        return False
    text = verdicts.without_exits(outcome.attempt, outcome.text)
    if known.error and known.error == errors.error_keys("", text, outcome.input)[1]:
        return True
    text = "\n".join([line for line in text.split("\n") if "warn" not in line.lower()])
    lines = verdicts.shared_lines(outcome.attempt, text, last=False)
    return any(line in known.lines for line in lines if line[:1] != verdicts.WEAK)


def _may_have_failed(outcome: Outcome) -> bool:
    """A cheap first check: of most calls the exit code is not hidden."""
    command = command_of(outcome.input)[1][: shell_line.LONGEST]
    if not any(sign in command for sign in _HIDES):
        return False
    telling = any(sign in command for sign in (*_PRINTS, *programs.LINTERS))
    return telling or hints_at_failure(outcome.text)


def hints_at_failure(text: str) -> bool:
    """A cheap first check: whether verdicts.py may find a form of failure in an output."""
    low = text.lower()
    return any(hint in low for hint in _HINTS)


def note_families(lane: Lane, outcomes: list[Outcome]) -> None:
    """Count, per attempt, the failures of its current run and how often in a row it had the same whole error."""
    for outcome in outcomes:
        if outcome.proven:
            lane.families.pop(outcome.family, None)
        for key in _done(outcome) if outcome.kind == OK else ():
            _end_run(lane, lane.families.pop(key, None))
        if outcome.failed and not outcome.poll:
            _note_failure(lane, outcome)


def _end_run(lane: Lane, family: Family | None) -> None:
    """Forget how often in a row the last call of an attempt failed alike, which has now succeeded in a longer line."""
    if family is not None and family.call in lane.streaks:
        lane.streaks[family.call] = lane.streaks[family.call].but(same_errors=0)


def _note_failure(lane: Lane, outcome: Outcome) -> None:
    family = lane.families.pop(outcome.family, None) or Family()
    last = next(reversed(lane.families), "")  # each failure ends the run before it, so no other has a run
    if last:
        lane.families[last] = lane.families[last].but(count=0, lines={}, marks=[])
    tried = outcome.tried
    edited = tried.edits and outcome.first and tried.edits not in family.edits
    if not family.count or edited or last_of(lane.progress, family.since) > family.n:
        family = family.but(since=outcome.n, lines={}, marks=[], varied=False)
        if edited:
            family.edits = [*family.edits[1 - EDITS_MAX :], tried.edits]
    else:
        family = family.but(varied=family.varied or family.call != outcome.key)
    if not family.lines or family.turn != lane.turn:  # failures in one turn count once
        _add_lines(family, tried.lines)
    equal = tried.error == family.error and line_numbers.are_near(family.at_lines, tried.at_lines)
    again = family.same > 0 and equal and lane.stepped <= family.n
    same = family.same + (family.turn != lane.turn) if again else 1
    same = same if tried.error else 0
    now = {"n": outcome.n, "turn": lane.turn, "call": outcome.key, "same": same}
    lane.families[outcome.family] = family.but(**now, error=tried.error, at_lines=tried.at_lines)


def _add_lines(family: Family, lines: list[str]) -> None:
    """Count one more failure by its strong lines, or by its weak ones if it has no others."""
    known, only_weak = family.lines, all(line[:1] == verdicts.WEAK for line in lines)
    for line in lines:
        known[line] = known.pop(line, 0) + (only_weak or line[:1] != verdicts.WEAK)
    for line in [*known][:-LINES_MAX]:
        del known[line]
    weak = [count for line, count in known.items() if line[:1] == verdicts.WEAK]
    strong = [count for line, count in known.items() if line[:1] != verdicts.WEAK]
    family.count = max(strong, default=0) + max(weak, default=0)


def note_errors(lane: Lane, outcomes: list[Outcome]) -> None:
    """Count, per tool, turns in a row with the same error, with any arguments."""
    tools: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        tools.setdefault(outcome.tool, []).append(outcome)
    for tool, ours in tools.items():
        failing = [o for o in ours if complaint_of(o) and not o.miss and not o.poll]
        known = lane.errors.pop(tool, None)
        if failing:
            lane.errors[tool] = _error_run(lane, known, failing)
        elif known is not None:
            lane.errors[tool] = _after_successes(known, ours)


def _error_run(lane: Lane, known: ErrorRun | None, failing: list[Outcome]) -> ErrorRun:
    look = not any(change_level(outcome.tool, outcome.input) for outcome in failing)
    again = [outcome for outcome in failing if known is not None and complaint_of(outcome) == known.complaint]
    if known is not None and not again and look and not known.look and lane.turn - known.turn <= BESIDE:
        return known  # another error of a look ends no run of acts
    if known is not None and known.error and not again and not any(outcome.error for outcome in failing):
        return known  # nor does one that is taken for an error by what it says
    if known is None or not again:
        known, again = ErrorRun(complaint=complaint_of(failing[0])), failing[:1]
    goes_on = last_of(lane.progress, known.n) <= known.n
    seen = [outcome.error for outcome in again if outcome.error]  # hidden exit codes only count as `near`
    error = known.error if not seen or known.error in seen else seen[0]
    same = error == known.error
    turns, times = (known.turns if goes_on and same else 0), (known.times if same else 0)
    near = known.near + 1 if goes_on else 1
    run = known.but(error=error, turns=turns + bool(seen), near=near, times=times + bool(seen))
    return run.but(turn=lane.turn, n=lane.n, look=look)


def _after_successes(known: ErrorRun, ours: list[Outcome]) -> ErrorRun:
    """The tool's run after a turn without failures of it. An act ends it, a look ends it if looks failed, and a mere write resets
    only `turns`."""
    done = [outcome for outcome in ours if outcome.kind == OK and not outcome.failed]
    acts = [outcome for outcome in done if outcome.change]
    if any(not _writes(outcome) for outcome in acts) or (known.look and done):
        return known.but(turns=0, near=0, times=0)
    return known.but(turns=0, near=0) if acts else known


def _writes(outcome: Outcome) -> bool:
    """Whether a shell call only wrote a file: what it runs later may still fail."""
    only_edits = outcome.change == WRITES or (outcome.attempt is not None and outcome.attempt.only_edits)
    return outcome.tool in SHELLS and bool(only_edits)
