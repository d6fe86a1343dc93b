"""What a turn adds to a lane's evidence: streaks, progress, waits, the last calls.

A lane here is a copy made for the step, but its streaks are shared with the original: they are replaced, not changed.

A call is a poll if a wait came before it: in its own line, as a call of its own, in the background, or as the time up to a prompt
that you did not type. A look at something live is also one if enough time has passed since its last result.
"""

from __future__ import annotations

from circuit_breaker.breaker import memory
from circuit_breaker.breaker.memory import FLAKY, Lane, Past, SameShape, Session, Streak
from circuit_breaker.breaker.model import DENIED, FAILED, FAILURES, INVALID, LAUNCHED, OK, SILENT, Outcome
from circuit_breaker.breaker.outcomes import (
    command_written,
    label_of,
    look_at,
    may_await,
    only_waits,
    steps_on,
)
from circuit_breaker.identity import acts, calls, errors, line_numbers, looks, results
from circuit_breaker.identity.keys import PICTURE, digest
from circuit_breaker.shell import reading, waits

FAILS_MAX, SERVICE_TIMES_MAX = 32, 64  # failures kept of a call, times of a service
LAST_CALLS, LAST_EDITS = 10, 20  # calls among which equal ones, and the same edit, are counted
RECEIPT_MAX = 300  # characters of a result that only confirms a click; a longer one shows the page
LOOKS_MAX = 10  # calls after a wait among which a first look is a poll


def take(lane: Lane, outcomes: list[Outcome], now: float, gap: float) -> None:
    """Add a turn's outcomes: distinct calls, not SILENT, not gated by a circuit. `gap`: poll_gap_seconds."""
    for outcome in outcomes:
        known = lane.streaks.get(outcome.key)
        outcome.repeats = known is not None and known.result_since >= 0 and known.result == outcome.result
    news = [one for one in outcomes if not (one.empty or one.repeats or _found_nothing(one))]
    for outcome in outcomes:
        lane.n += 1
        outcome.n = lane.n
        others_stale = news in ([], [outcome])
        _take_one(lane, outcome, others_stale, len(outcomes) == 1, now, gap)
    _note_waits(lane, outcomes)
    if any(_is_news(lane, outcome) for outcome in outcomes):
        lane.launched, lane.launches = "", 0


def _take_one(lane: Lane, outcome: Outcome, others_stale: bool, alone: bool, now: float, gap: float) -> None:
    known = lane.streaks.pop(outcome.key, None)  # to the end of the row
    streak = Streak() if known is None else known.but()
    if known is not None:  # a repeated call may be shown
        outcome.label = streak.label = streak.label or label_of(outcome)
    outcome.gesture = _is_receipt(outcome) and acts.is_gesture(outcome.tool, outcome.input)
    _judge_wait(lane, streak, outcome, now, gap)
    consecutive = streak.last_turn >= lane.turn - 1 - lane.waits.still
    if streak.result_since >= 0 and FLAKY not in streak.marks and _is_flaky(lane, streak, outcome):
        streak.marks = [*streak.marks, FLAKY]
    if outcome.kind == OK:
        _succeed(lane, streak, outcome)
    elif not outcome.poll:
        _fail(lane, streak, outcome)
    elif streak.error != outcome.complaint:
        streak.error, streak.same_errors, streak.fails = "", 0, []  # what it failed with is over
    streak.far_apart += outcome.repeats and _passed(streak, now, gap)
    _repeat(lane, streak, outcome, consecutive, others_stale)
    same_but_digits = consecutive and alone and streak.digits == outcome.digits and not outcome.poll
    streak.digit_run = streak.digit_run + 1 if same_but_digits else 1
    streak.digits = outcome.digits
    streak.last_turn, streak.last_n, streak.last_at = lane.turn, outcome.n, int(now * 10) / 10
    lane.streaks[outcome.key] = streak
    _note_news(lane, outcome, known is not None and known.result_since >= 0 and not outcome.repeats)
    made = {"key": outcome.key, "result": outcome.result, "ok": outcome.kind == OK}
    lane.recent.append(Past(n=outcome.n, turn=lane.turn, kind=_kind_of(outcome), **made))
    del lane.recent[: -lane.MOST["recent"]]  # here, because each call of a long turn reads it


def _is_flaky(lane: Lane, streak: Streak, outcome: Outcome) -> bool:
    """Whether an act ended otherwise than the last time, although nothing was changed: it is repeated to see how often it fails."""
    otherwise = (outcome.kind == OK) == (streak.failing_since >= 0)
    if not otherwise or outcome.kind not in (OK, FAILED) or outcome.poll:
        return False
    unchanged = not lane.progress or lane.progress[-1][0] <= streak.last_n
    return unchanged and look_at(outcome) == looks.NOTHING


def _fail(lane: Lane, streak: Streak, outcome: Outcome) -> None:
    if streak.failing_since < 0:
        streak.failing_since = outcome.n
    if leads_on(lane, outcome):  # it stopped at another commit
        lane.stepped = outcome.n
        lane.progress.append([outcome.n, -1])
    moved = last_of(lane.progress, streak.failing_since)
    # as written: the key leaves out variables set before the call
    line = digest(command_written(outcome.tool, outcome.input))
    same = streak.error == outcome.complaint and lane.stepped <= streak.last_n
    if same and moved > streak.last_n:
        near = line_numbers.are_near(streak.at_lines, outcome.at_lines)
        silent = outcome.tried.silent if outcome.tried.family else errors.says_nothing(outcome.text)
        same = near and not silent
    if streak.error != outcome.complaint:
        # after a change, after your prompt, or written differently, only the same error counts
        moved = max(moved, lane.changed if line == streak.line else outcome.n - 1)
        moved = moved if lane.waits.machine else max(moved, lane.waits.prompted)
    streak.fails = [[n, turn] for n, turn in streak.fails if n > moved][-FAILS_MAX:]
    streak.fails.append([outcome.n, lane.turn])
    streak.same_errors = streak.same_errors + 1 if same else 1
    streak.error, streak.at_lines, streak.line = outcome.complaint, outcome.at_lines, line
    if outcome.tried.edits:
        lane.changed = outcome.n
    if outcome.kind == INVALID:
        streak.invalid += 1


def _succeed(lane: Lane, streak: Streak, outcome: Outcome) -> None:
    """A success clears the failures; if it changed something it is progress."""
    if outcome.change and not _hides_failure(lane, outcome):
        lane.changed = outcome.n
        further = leads_on(lane, outcome)
        lane.stepped = outcome.n if further else lane.stepped
        if outcome.change == calls.WRITES or streak.result != outcome.result:
            lane.progress.append([outcome.n, -1 if further else streak.ok_at])
    elif streak.ok_at < 0 and calls.goes_elsewhere(outcome.tool, outcome.input):
        lane.progress.append([outcome.n, -1])  # what comes next runs in another place
    streak.ok_at = outcome.n
    streak.failing_since, streak.fails, streak.same_errors, streak.error = -1, [], 0, ""


def _hides_failure(lane: Lane, outcome: Outcome) -> bool:
    """Whether a call probably succeeded only because its exit code was hidden."""
    if outcome.attempt is None or outcome.proven:
        return False
    family = lane.families.get(outcome.family)
    return bool(outcome.failed or (family is not None and family.count))


def leads_on(lane: Lane, outcome: Outcome) -> bool:
    """Whether a call steps to a commit or migration that the lane has not seen: by its result, or by its key if it prints nothing."""
    if not steps_on(outcome.tool, outcome.input) or (
        outcome.kind != OK and errors.says_unreached(outcome.text)
    ):
        return False
    if outcome.empty:
        return all(r.key != outcome.key for r in lane.recent)
    return all(r.result != outcome.result for r in lane.recent)


def _repeat(lane: Lane, streak: Streak, outcome: Outcome, consecutive: bool, others_stale: bool) -> None:
    moved = last_of(lane.progress, streak.result_since)
    confirmed = outcome.repeats and lane.news and _is_receipt(outcome)
    if outcome.gesture or (confirmed and not acts.makes_more(outcome.tool, outcome.input)):
        moved = max(moved, last_of(lane.news, streak.result_since))  # a robot that moves on
    if outcome.repeats and moved <= streak.repeats_since:
        streak.same_results += 1
        in_a_row = streak.same_in_a_row + (not outcome.poll) if consecutive else 1
        streak.same_in_a_row = in_a_row if others_stale else 0
        return
    if not outcome.repeats:
        streak.result, streak.result_since = outcome.result, outcome.n
    if outcome.repeats or not equal_calls(lane, outcome):  # else it returns one of two results in turn
        recent = outcome.n - streak.last_n < LAST_EDITS
        streak.marks = [one for one in streak.marks if one == FLAKY or (recent and one.endswith("edit"))]
    streak.repeats_since, streak.same_results, streak.same_in_a_row, streak.far_apart = outcome.n, 1, 1, 0


def equal_calls(lane: Lane, outcome: Outcome) -> list[Past]:
    """The same call with the same result among the lane's last calls, polls left out, since the last progress."""
    lately = [r for r in lane.recent[-LAST_CALLS:] if r.n > outcome.n - LAST_CALLS and r.kind != memory.POLL]
    same = [r for r in lately if r.call == (outcome.key, outcome.result)]
    moved = last_of(lane.progress, same[0].n) if same else -1
    return [r for r in same if r.n > moved]


def _is_receipt(outcome: Outcome) -> bool:
    """Whether it is an act whose result only confirms it, and shows neither a page nor a picture. (It may name the node that was clicked.)"""
    short = outcome.change == calls.ACTS and len(outcome.text) <= RECEIPT_MAX
    nodes = outcome.text.count("[ref=") + outcome.text.count("uid=")
    return short and nodes < 2 and PICTURE not in outcome.text


def _kind_of(outcome: Outcome) -> int:
    if outcome.poll:
        return memory.WAIT if only_waits(outcome) else memory.POLL
    if outcome.gesture:
        return memory.GOTO if isinstance(outcome.input, dict) and "url" in outcome.input else memory.GESTURE
    failed_run = outcome.kind != OK and outcome.look == looks.NOTHING and outcome.tool not in calls.WRITERS
    return memory.RUN if outcome.change == calls.ACTS or failed_run else memory.PLAIN


def _note_news(lane: Lane, outcome: Outcome, changed: bool) -> None:
    """Note what a look shows after a click, key or scroll: something new means that the step had an effect. `changed`: it is an earlier
    look with another result. After any other act only that is news, and in a shell not if what it looks at changes by itself."""
    if outcome.kind != OK or outcome.empty:
        return
    if any(r.kind in memory.GESTURES for r in lane.recent):
        shows = bool(look_at(outcome)) and looks.shows_page(outcome.tool, outcome.input)
        if outcome.change == calls.ACTS and not outcome.gesture:
            shows = acts.asks_page(outcome.tool, outcome.input)
    else:
        looked = look_at(outcome) if changed else looks.NOTHING
        shows = looked == looks.FILES or (
            bool(looked)
            and (outcome.tool.startswith("mcp__") or acts.asks_database(outcome.tool, outcome.input))
        )
    if shows:
        before = next((r.n for r in reversed(lane.recent) if r.result == outcome.result), -1)
        lane.news.append([outcome.n, before])


def _is_news(lane: Lane, outcome: Outcome) -> bool:
    """Whether it brought something new; what a command in the background printed is compared whatever that command's id is."""
    if outcome.repeats or outcome.tool in calls.ENDERS:
        return False
    seen = [r.result for r in lane.recent if r.n < outcome.n]
    return not looks.reads_output(outcome.tool, outcome.input) or outcome.result not in seen


def last_of(found: list[list[int]], start: int) -> int:
    """n of the last of a lane's `progress` or `news` for a streak that began at n `start`: what had not come before since; -1 if none."""
    for n, before in reversed(found if start >= 0 else ()):  # before a first result there is nothing
        if before < start:
            return n
    return -1


# --- Waits and polls


def wake(session: Session, lane: Lane, prompt: str, now: float) -> None:
    """Note a wait before a turn: one in the background that has ended, or the time until another prompt. It makes looks polls, and all
    calls if you did not type the prompt."""
    if lane.waits.due and now >= lane.waits.due:
        lane.waits.last, lane.waits.due = lane.n, 0.0
    current = prompt or session.prompt
    if not current or current == lane.waits.prompt:
        return
    lane.waits.prompt, lane.waits.prompted = current, lane.n
    lane.waits.machine = current != session.person


def note_launches(lane: Lane, outcomes: list[Outcome], now: float) -> Outcome | None:
    """Count launches in the background, and note when a wait there will end. -> the last one that counts, or None."""
    last = None
    for outcome in {outcome.key: outcome for outcome in outcomes if outcome.kind == LAUNCHED}.values():
        if outcome.tool == calls.MONITOR:
            lane.waits.last = lane.n
            continue
        waited = outcome.wait and (outcome.wait == waits.ALONE or look_at(outcome))
        if waited:
            lane.waits.due = now + waits.seconds_of(calls.shell_command(outcome.tool, outcome.input))
        if not waited or outcome.wait == waits.ALONE:
            lane.launches = lane.launches + 1 if lane.launched == outcome.key else 1
            lane.launched, last = outcome.key, outcome
    return last


def _judge_wait(lane: Lane, streak: Streak, outcome: Outcome, now: float, gap: float) -> None:
    """Note whether it waits or acts, and whether it is a poll: then what blinding hides is news of what is waited for."""
    if outcome.wait == waits.BEFORE:
        lane.waits.last = outcome.n - 1
    outcome.poll = _is_poll(lane, streak, outcome, now, gap)
    shown = results.progress_shown(outcome.text) if outcome.poll else ""
    if shown:
        outcome.result += shown
        outcome.repeats = streak.result_since >= 0 and streak.result == outcome.result
    if outcome.wait in (waits.AFTER, waits.ALONE):
        lane.waits.last = outcome.n
    elif outcome.change or (outcome.kind in FAILURES and outcome.look == looks.NOTHING):
        lane.waits.acted = outcome.n


def _is_poll(lane: Lane, streak: Streak, outcome: Outcome, now: float, gap: float) -> bool:
    if outcome.kind in (INVALID, DENIED):
        return False
    reads = looks.reads_output(outcome.tool, outcome.input)
    if reads and outcome.kind == FAILED and not command_written(outcome.tool, outcome.input):
        return False  # there is no such output, and waiting will not help
    if outcome.wait == waits.ALONE:
        return True
    known = streak.result_since >= 0 or streak.failing_since >= 0  # your prompt forgets successes
    if known and lane.waits.machine and lane.waits.prompted >= streak.last_n:
        return True
    if known:
        waited = max(lane.waits.last, lane.waits.prompted) >= streak.last_n
    else:
        waited = lane.waits.last >= max(lane.waits.acted, 0) and outcome.n - lane.waits.last <= LOOKS_MAX
    waited = waited or outcome.wait != waits.NONE
    passed = known and _passed(streak, now, gap)
    if (waited or passed) and errors.says_later(outcome.text):
        return True
    if waited:
        if outcome.kind == FAILED and errors.says_unreached(outcome.text):
            return True
        return bool(look_at(outcome)) or may_await(outcome)
    fails_anew = outcome.kind == FAILED and all(r.call != (outcome.key, outcome.result) for r in lane.recent)
    return (passed or (fails_anew and streak.result_since >= 0) or reads) and look_at(outcome) == looks.LIVE


def _passed(streak: Streak, now: float, gap: float) -> bool:
    """Whether `gap` seconds have passed since the last result; never with a `gap` of 0."""
    return 0 < gap <= now - streak.last_at


def _note_waits(lane: Lane, outcomes: list[Outcome]) -> None:
    """Count turns in a row that only waited and returned nothing new, and those that also looked and saw nothing new."""
    alone = bool(outcomes) and all(map(only_waits, outcomes))
    nothing_new = all(outcome.empty or outcome.repeats for outcome in outcomes)
    lane.waits.turns = lane.waits.turns * nothing_new + 1 if alone else 0
    still = all(outcome.poll and (outcome.repeats or only_waits(outcome)) for outcome in outcomes)
    lane.waits.still = lane.waits.still + 1 if still and outcomes else 0


# --- Counts in a row


def note_sequence(lane: Lane, outcomes: list[Outcome]) -> None:
    """For sequential_tools: count calls of one shape in a row, one per turn, without progress."""
    lone = outcomes[0] if len(outcomes) == 1 else None
    if lone is None or lone.poll or (lane.progress and lane.progress[-1][0] >= lone.n):
        lane.sequence = SameShape()
        return
    shape, known = calls.shape_key(lone.tool, lone.input)
    parameters = {"line": lone.key} if known is None else known
    run = lane.sequence
    varying = {name for name in parameters if parameters[name] != run.parameters.get(name)}
    varying |= {run.varying} - {""}
    if run.shape != shape or run.parameters.keys() != parameters.keys() or len(varying) > 1:
        run, varying = SameShape(shape=shape, first=lone.n), set()
    elif varying and not run.varying:
        run = run.but(length=1)  # equal calls are none that one call could do
    lane.sequence = run.but(parameters=parameters, length=run.length + 1, varying="".join(varying))


def note_failing(lane: Lane, outcomes: list[Outcome]) -> None:
    """Count turns in a row in which every call failed, without polls and denied permissions, for failing_streak."""
    if any(o.kind == OK and o.wait != waits.ALONE for o in outcomes):
        lane.failing = lane.failing_warned = 0
    elif any(o.kind in FAILURES and o.kind != DENIED and not o.poll for o in outcomes):
        lane.failing += 1


def note_searches(lane: Lane, outcomes: list[Outcome]) -> None:
    """Count turns in a row that only searched and found nothing, for failing_streak."""
    if searched_in_vain(outcomes):
        lane.empties += 1
    elif any(o.kind == OK and o.wait != waits.ALONE and not _found_nothing(o) for o in outcomes):
        lane.empties = 0


def searched_in_vain(outcomes: list[Outcome]) -> bool:
    """Whether a turn only searched and found nothing; polls are no searches."""
    return all(_found_nothing(o) and not o.poll for o in outcomes) if outcomes else False


def _found_nothing(outcome: Outcome) -> bool:
    return outcome.input is not None and looks.found_nothing(outcome.tool, outcome.input, outcome.text)


def is_all_new(session: Session, lane: Lane, outcomes: list[Outcome]) -> bool:
    """Whether no rule can act on a turn: every call is new, succeeded and returned something, and no count is running."""
    counting = lane.failing or lane.empties or lane.waits.turns > 1 or lane.sequence.length > 1
    if counting or session.services:
        return False
    repeated = any(lane.streaks[outcome.key].label for outcome in outcomes)  # only such a call has one
    return not repeated and all(o.kind == OK and not o.failed and not o.empty for o in outcomes)


# --- What a session's lanes share


def note_writes(session: Session, lane: Lane, outcomes: list[Outcome]) -> None:
    """Note writes that are new in the session: they are progress for its other lanes (see `learn_writes`)."""
    for outcome in outcomes:
        if outcome.kind != OK or outcome.change == calls.READS or outcome.key in session.written:
            continue
        line = calls.line_of(outcome.tool, outcome.input)
        edits = outcome.change == calls.WRITES or (not line and acts.adds_again(outcome.tool, outcome.input))
        if edits or reading.writes_file(line):
            session.written.append(outcome.key)
            session.writes += 1
    lane.writes = session.writes


def learn_writes(session: Session, lane: Lane) -> None:
    """Count what other lanes wrote since this lane's last turn as progress."""
    if session.writes > lane.writes:
        lane.n += 1
        lane.progress.append([lane.n, -1])
        lane.writes = session.writes


def note_services(session: Session, outcomes: list[Outcome], now: float) -> None:
    """Count this turn's calls to outside services; the times of the last ones are kept."""
    for outcome in outcomes:
        service = calls.service(outcome.tool, outcome.input)
        if not service or (outcome.kind in SILENT and outcome.kind != LAUNCHED):
            continue
        times = [*session.services.pop(service, ()), round(now, 1)]
        session.services[service] = times[-SERVICE_TIMES_MAX:]
        session.service_calls[service] = session.service_calls.pop(service, 0) + 1


def note_scheduled(session: Session, outcomes: list[Outcome]) -> None:
    """Remember prompts that Claude schedules: they are not yours when they come."""
    for outcome in outcomes:
        if calls.schedules(outcome.tool) and isinstance(outcome.input, dict):
            text = outcome.input.get("prompt")
            if isinstance(text, str) and text and digest(text) not in session.scheduled:
                session.scheduled.append(digest(text))
