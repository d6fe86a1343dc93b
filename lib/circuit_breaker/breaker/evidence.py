"""What a turn adds to a lane's evidence: outcomes, streaks, progress, the last calls.

`take` changes the lane, a copy made for the step, but replaces its streaks: they are shared with the original.
"""

from __future__ import annotations

from circuit_breaker.breaker import memory, waiting
from circuit_breaker.breaker.model import DENIED, FAILURES, INVALID, LAUNCHED, OK, SILENT, Outcome, Result
from circuit_breaker.identity import acts, calls, errors, labels, looks, results, shell_line, waits
from circuit_breaker.identity.keys import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from circuit_breaker.breaker.memory import Lane, Moment, SameShape, Session, Streak


FAILS_MAX, SERVICE_TIMES_MAX = 32, 64  # failures kept of a call, times of a service
LAST_EDITS = 20  # calls among which the same edit is counted
RECEIPT_MAX = 300  # characters of a result that only confirms a click; a longer one shows the page
REFUSED_WAIT = "a wait that Claude Code refuses"  # in place of its text, which names seconds and command
ENDING = ("KillShell", "KillBash", "TaskStop")  # tools that end a command in the background
# Parts of the names of tools that send messages, and of lines that go on through a history (see acts): most calls have none.
MESSAGING = "message mail comment sms notif telegram tweet dm issue ticket incident event".split()
ONWARD = ("bisect ", "--continue", "--skip", "~", "^", "alembic", "migrat", "db")
NO_OUTPUT = "(Bash completed with no output)"  # what Claude sees of an empty result


def label_of(outcome: Outcome) -> str:
    """The call's label, made when it is first needed: most calls are never shown."""
    if not outcome.label:
        outcome.label = labels.label(outcome.tool, outcome.input)
    return outcome.label


def clip_of(outcome: Outcome) -> str:
    """The clip of its error, made when it is first needed; "" if it did not fail."""
    if not outcome.clip and outcome.text and outcome.kind in FAILURES:
        outcome.clip = labels.error_clip(outcome.text, outcome.input)
    return outcome.clip


def last_move(lane: Lane, start: int) -> int:
    """n of the last progress for a streak that began at n `start`: by a call without a success since then; -1 if none."""
    return _last_of(lane.moves, start)


def is_no_progress(lane: Lane, outcome: Outcome) -> bool:
    """Whether a call probably succeeded only because its exit code was hidden."""
    if outcome.attempt is None or outcome.proven:
        return False
    family = lane.families.get(outcome.family)
    return bool(outcome.failed or (family is not None and family.count))


def last_news(lane: Lane, start: int) -> int:
    """n of the last look that showed something of a page or device that no look had shown since n `start`; -1 if none."""
    return _last_of(lane.news, start)


def _last_of(found: Sequence[Moment], start: int) -> int:
    for seen in reversed(found if start >= 0 else ()):  # before a first result there is nothing
        if seen.before < start:
            return seen.n
    return -1


def take(lane: Lane, outcomes: Sequence[Outcome], now: float, gap: float) -> None:
    """Add a turn's outcomes: distinct calls, not SILENT, not gated by a circuit. `gap`: poll_gap_seconds."""
    for outcome in outcomes:
        known = lane.streaks.get(outcome.key)
        outcome.repeats = known is not None and known.first >= 0 and known.result == outcome.result
    stale = sum([outcome.empty or outcome.repeats for outcome in outcomes])
    for outcome in outcomes:
        lane.n += 1
        outcome.n = lane.n
        others_stale = stale - (outcome.empty or outcome.repeats) == len(outcomes) - 1
        _take_one(lane, outcome, others_stale, len(outcomes) == 1, now, gap)
    waiting.note_waits(lane, outcomes)
    if any(_is_news(lane, outcome) for outcome in outcomes):
        lane.launched, lane.launches = "", 0
    lane.trim()


def _take_one(lane: Lane, outcome: Outcome, others_stale: bool, alone: bool, now: float, gap: float) -> None:
    known = lane.streaks.pop(outcome.key, None)  # to the end of the row
    streak = memory.Streak() if known is None else known.but()
    if known is not None:  # a repeated call may be shown
        outcome.label = streak.label = streak.label or label_of(outcome)
    waiting.begin(lane, streak, outcome, now, gap)
    shown = results.progress_shown(outcome.text) if outcome.poll else ""
    if shown:  # what blinding hides is news of what is waited for
        outcome.result = f"{outcome.result} {shown}"
        outcome.repeats = streak.first >= 0 and streak.result == outcome.result
    if known is not None and _is_receipt(outcome):  # a click, key or scroll; only for repeated calls
        outcome.gesture = acts.is_gesture(outcome.tool, outcome.input)
    consecutive = streak.turn >= lane.turn - 1 - lane.still
    if outcome.kind == OK:
        _succeed(lane, streak, outcome)
    elif not outcome.poll:
        _fail(lane, streak, outcome)
    elif streak.error != outcome.error:
        streak.error, streak.same = "", 0  # what it failed with is over
    streak.far += outcome.repeats and now - streak.at >= gap
    _repeat(lane, streak, outcome, consecutive, others_stale)
    same_but_digits = consecutive and alone and streak.digits == outcome.digits and not outcome.poll
    streak.run = streak.run + 1 if same_but_digits else 1
    streak.digits = outcome.digits
    streak.turn, streak.last, streak.at = lane.turn, outcome.n, int(now * 10) / 10
    lane.streaks[outcome.key] = streak
    _note_news(lane, outcome, known is not None and known.first >= 0 and not outcome.repeats)
    made = {"key": outcome.key, "result": outcome.result, "ok": outcome.kind == OK}
    lane.recent.append(memory.Past(n=outcome.n, turn=lane.turn, kind=_kind_of(outcome), **made))
    del lane.recent[: -lane.MOST["recent"]]  # here, because each call of a long turn reads it
    waiting.finish(lane, outcome)


def _is_receipt(outcome: Outcome) -> bool:
    """Whether it is an act whose result only confirms it."""
    return outcome.change == calls.ACTS and len(outcome.text) <= RECEIPT_MAX


def _kind_of(outcome: Outcome) -> int:
    if outcome.poll:
        return memory.WAIT if waiting.only_waits(outcome) else memory.POLL
    if outcome.gesture:
        return memory.GOTO if isinstance(outcome.input, dict) and "url" in outcome.input else memory.GESTURE
    failed_run = outcome.kind != OK and outcome.look == looks.NOTHING and outcome.tool not in calls.WRITERS
    return memory.RUN if outcome.change == calls.ACTS or failed_run else memory.PLAIN


def _note_news(lane: Lane, outcome: Outcome, changed: bool) -> None:
    """Note what a look shows after a click, key or scroll: something new means that the step had an effect.

    `changed`: it is an earlier look with another result. After an act of a tool whose words are not known, only that is news.
    """
    if outcome.kind != OK or outcome.empty:
        return
    if any(r.kind in memory.GESTURES for r in lane.recent):
        shows = bool(waiting.look(outcome)) and looks.shows_page(outcome.tool, outcome.input)
        if outcome.change == calls.ACTS and not outcome.gesture:
            shows = acts.asks_page(outcome.tool, outcome.input)
    else:
        shows = changed and outcome.tool.startswith("mcp__") and bool(waiting.look(outcome))
    if shows:
        before = next((r.n for r in reversed(lane.recent) if r.result == outcome.result), -1)
        lane.news.append(memory.Moment(n=outcome.n, turn=lane.turn, before=before))


def _fail(lane: Lane, streak: Streak, outcome: Outcome) -> None:
    if streak.since < 0:
        streak.since = outcome.n
    if leads_on(lane, outcome):  # it stopped at another commit
        lane.stepped = outcome.n
        lane.moves.append(memory.Moment(n=outcome.n, turn=lane.turn))
    moved = last_move(lane, streak.since)
    line = _written(outcome.tool, outcome.input)  # the call's key leaves out variables set before it
    line = digest(line) if line else ""
    if streak.error != outcome.error:  # after a change, or written differently, only the same error counts
        moved = max(moved, lane.changed if line == streak.line else outcome.n - 1)
    streak.fails = [fail for fail in streak.fails if fail.n > moved][-FAILS_MAX:]
    streak.fails.append(memory.Moment(n=outcome.n, turn=lane.turn))
    same = streak.error == outcome.error and lane.stepped <= streak.last
    streak.same = streak.same + 1 if same else 1
    streak.error, streak.line = outcome.error, line
    if outcome.attempt is not None and outcome.attempt.edits:
        lane.changed = outcome.n
    if outcome.kind == INVALID:
        streak.invalid += 1


def _written(tool: str, given: object) -> str:
    """A shell's command as written (`calls.shell_command` would translate PowerShell); "" for any other tool."""
    return calls.command_of(given)[1] if tool in calls.SHELLS and isinstance(given, dict) else ""


def _succeed(lane: Lane, streak: Streak, outcome: Outcome) -> None:
    """A success clears the failures; if it changed something it is progress."""
    if outcome.change and not is_no_progress(lane, outcome):
        lane.changed = outcome.n
        further = leads_on(lane, outcome)
        lane.stepped = outcome.n if further else lane.stepped
        if outcome.change == calls.WRITES or streak.result != outcome.result:
            before = -1 if further else streak.ok_at
            lane.moves.append(memory.Moment(n=outcome.n, turn=lane.turn, before=before))
    elif streak.ok_at < 0 and calls.goes_elsewhere(outcome.tool, outcome.input):
        lane.moves.append(memory.Moment(n=outcome.n, turn=lane.turn))  # what comes next runs in another place
    streak.ok_at = outcome.n
    streak.since, streak.fails, streak.same, streak.error = -1, [], 0, ""


def leads_on(lane: Lane, outcome: Outcome) -> bool:
    """Whether it is a step through a history, and shows what the lane has not seen."""
    if not _steps_on(outcome.tool, outcome.input):
        return False
    return all(r.result != outcome.result for r in lane.recent)


def _steps_on(tool: str, given: object) -> bool:
    command = _written(tool, given)
    return any(sign in command for sign in ONWARD) and acts.steps_through_history(tool, given)


def _repeat(lane: Lane, streak: Streak, outcome: Outcome, consecutive: bool, others_stale: bool) -> None:
    moved = last_move(lane, streak.first)
    confirmed = outcome.repeats and lane.news and outcome.tool.startswith("mcp__") and _is_receipt(outcome)
    if outcome.gesture or (
        confirmed and not acts.makes_more(outcome.tool, outcome.input)
    ):  # a robot that moves on
        moved = max(moved, last_news(lane, streak.first))
    if outcome.repeats and moved <= streak.counted:
        streak.times += 1
        streak.row = streak.row + (not outcome.poll) if consecutive and others_stale else int(others_stale)
        return
    if not outcome.repeats:
        streak.result, streak.first = outcome.result, outcome.n
    kept = streak.marks if outcome.n - streak.last < LAST_EDITS else []
    streak.marks = [mark for mark in kept if mark.endswith("edit")]
    streak.counted, streak.times, streak.row, streak.far = outcome.n, 1, 1, 0


def note_writes(session: Session, lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """Note writes that are new in the session: they are progress for its other lanes (see `learn_writes`)."""
    for outcome in outcomes:
        if outcome.kind == OK and outcome.change == calls.WRITES and outcome.key not in session.written:
            session.written.append(outcome.key)
            session.writes += 1
    lane.writes = session.writes


def learn_writes(session: Session, lane: Lane) -> None:
    """Count what other lanes wrote since this lane's last turn as progress."""
    if session.writes > lane.writes:
        lane.n += 1
        lane.moves.append(memory.Moment(n=lane.n, turn=lane.turn))
        lane.writes = session.writes


def note_sequence(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """For sequential_tools: count calls of one shape in a row, one per turn, without progress."""
    lone = outcomes[0] if len(outcomes) == 1 else None
    if lone is None or lone.poll or (lane.moves and lane.moves[-1].n >= lone.n):
        lane.sequence = memory.SameShape()
        return
    shape, known = calls.shape_key(lone.tool, lone.input)
    parameters = {"line": lone.key} if known is None else known
    run = lane.sequence
    varying = _varying(run, shape, parameters)
    if varying is None:
        run, varying = memory.SameShape(shape=shape, first=lone.n), ""
    elif varying and not run.varying:
        run = run.but(length=1)  # equal calls are none that one call could do
    lane.sequence = run.but(parameters=parameters, length=run.length + 1, varying=varying)


def _varying(run: SameShape, shape: str, parameters: dict[str, str]) -> str | None:
    """The one parameter that varies, "" if none has so far; None if the call has another shape or varies in more."""
    if run.shape != shape or run.parameters.keys() != parameters.keys():
        return None
    changed = [name for name in parameters if parameters[name] != run.parameters[name]]
    if len(changed) > 1 or (changed and run.varying and changed[0] != run.varying):
        return None
    return changed[0] if changed else run.varying


def note_services(session: Session, outcomes: Sequence[Outcome], now: float) -> None:
    """Count this turn's calls to outside services; the times of the last ones are kept."""
    for outcome in outcomes:
        service = calls.service(outcome.tool, outcome.input)
        if not service or (outcome.kind in SILENT and outcome.kind != LAUNCHED):
            continue
        known = session.services.pop(service, None) or memory.ServiceCalls()
        times = [*known.times, round(now, 1)][-SERVICE_TIMES_MAX:]
        session.services[service] = known.but(calls=known.calls + 1, times=times)
    session.trim()


def note_failing(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """Count turns in a row in which every call failed, without polls and denied permissions, for failing_streak."""
    if any(o.kind == OK and o.wait != waits.ALONE for o in outcomes):
        lane.failing = lane.failing_warned = 0
    elif any(o.kind in FAILURES and o.kind != DENIED and not o.poll for o in outcomes):
        lane.failing += 1


def note_searches(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    """Count turns in a row that only searched and found nothing, for failing_streak."""
    if searched_in_vain(outcomes):
        lane.empties += 1
    elif any(o.kind == OK and o.wait != waits.ALONE and not _found_nothing(o) for o in outcomes):
        lane.empties = 0


def searched_in_vain(outcomes: Sequence[Outcome]) -> bool:
    """Whether a turn only searched and found nothing; polls are no searches."""
    return all(_found_nothing(o) and not o.poll for o in outcomes) if outcomes else False


def _found_nothing(outcome: Outcome) -> bool:
    return outcome.input is not None and looks.found_nothing(outcome.tool, outcome.input, outcome.text)


def is_all_new(session: Session, lane: Lane, outcomes: Sequence[Outcome]) -> bool:
    """Whether no rule can act on a turn: every call is new, succeeded and returned something, and no count is running."""
    counting = lane.failing or lane.empties or lane.waits > 1 or lane.sequence.length > 1
    if counting or session.services:
        return False
    for outcome in outcomes:
        streak = lane.streaks.get(outcome.key)
        if outcome.kind != OK or outcome.failed or outcome.empty or streak is None or streak.label:
            return False  # only a repeated call has a label
    return True


def _is_news(lane: Lane, outcome: Outcome) -> bool:
    """Whether it returned something new; what a command in the background printed is compared whatever that command's id is."""
    if outcome.tool not in ENDING and not looks.reads_output(outcome.tool, outcome.input):
        return not outcome.repeats
    return not outcome.repeats and all(r.result != outcome.result for r in lane.recent if r.n < outcome.n)


def prepare(results: Iterable[Result], cwd: str) -> None:
    """Make the outcomes in advance, outside the session's lock: it takes time on long payloads. `cwd`: the lane's directory."""
    for result in results:
        result.ready = (cwd, outcome_of(result, result.kind, cwd))


def outcome_of(result: Result, kind: str, cwd: str) -> Outcome:
    """The outcome of `result` as the rules see it; `cwd` is the lane's directory before the turn."""
    if result.ready and result.ready[0] == cwd and result.ready[1].kind == kind:
        made: Outcome = result.ready[1]
        return made
    tool, given, text = result.tool, result.input, results.shortened(result.text)
    key = calls.call_key(tool, given, cwd)
    command = _written(tool, given)
    if command.startswith("echo "):  # what it says before it does anything may differ each time
        text = text.replace(f"{shell_line.echoed(command)}\n", "", 1)
    outcome = Outcome(id=result.id, tool=tool, input=given, text=text, kind=kind, key=key)
    outcome.wait = looks.wait_of(tool, given)
    if kind in SILENT:
        return outcome
    outcome.digits = results.digits_key(text)
    outcome.empty = not text or text.isspace() or text == NO_OUTPUT
    if kind in FAILURES:
        outcome.look = looks.look_of(tool, given)  # its input is not kept until the turn ends
        refused = kind == INVALID and outcome.wait and tool in calls.SHELLS
        known = errors.error_key(kind, REFUSED_WAIT if refused else text, given)
        outcome.result = outcome.error = digest(text) if _steps_on(tool, given) else known
        outcome.miss = errors.is_bare(text) or errors.is_lookup_miss(tool, given, text)
        return outcome
    outcome.result = results.result_key(tool, result.text if tool in results.VERBATIM else text)
    if kind == OK and any(word in tool.lower() for word in MESSAGING) and acts.sends_message(tool, given):
        outcome.result = results.receipt_key(text)
    outcome.change = calls.change_level(tool, given)
    if tool in calls.SHELLS:
        outcome.result = _result_of_line(outcome)
    return outcome


def _result_of_line(outcome: Outcome) -> str:
    """The key of what a shell line returned: of talk that of the call, of a benchmark and of a step through a history the text as it
    is; under other variables another one."""
    command = _written(outcome.tool, outcome.input)
    if calls.is_idle(command):
        return outcome.key
    known: str = outcome.result
    if results.is_benchmark(command) or _steps_on(outcome.tool, outcome.input):
        known = digest(outcome.text)
    variables = shell_line.assignments(command) if outcome.change else ""
    return f"{known} {digest(variables)[:8]}" if variables else known
