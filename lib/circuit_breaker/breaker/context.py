"""The state of one step (Work), and what it can do: act on a signal, open and close circuits, warn, stop the turn."""

from __future__ import annotations

from circuit_breaker.breaker import breaker, failures
from circuit_breaker.breaker.config import is_on
from circuit_breaker.breaker.model import (
    ALLOW,
    CLOSED,
    DENIED,
    DENY,
    FOR_YOU,
    MAIN,
    OPEN,
    OPENED,
    QUESTION,
    STOP,
    SUBAGENT,
    WARN,
    Circuit,
    Decision,
    Notice,
    Transition,
)
from circuit_breaker.identity import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.memory import Lane, Session
    from circuit_breaker.breaker.model import Signal, Turn
    from circuit_breaker.breaker.services import Contact

CALLS_MAX = 8  # labels of the last calls in a record
CIRCUITS_MAX = 16  # circuits of a lane or session; CLOSED ones are dropped first
NOTES_MAX, WARNED_MAX = 8, 16
ASKED_MAX = 16  # calls that wait for your answer
STOPPING = ("failing_streak",)  # rules that stop a turn with the action warn too: there is no call to block
SESSION_RULES = ("agent_spawn", "budget")  # rules whose circuits gate every lane
# Marks on a streak, a letter each: warned of, counted as would-have-opened.
WARNED, COUNTED = "warned", "counted"
MARKS = {
    "tool_failure": {WARNED: "f", COUNTED: "g"},
    "call_cycle": {WARNED: "c", COUNTED: "o"},  # a ring's calls have marks of their own too
}
OTHER_MARKS = {WARNED: "t", COUNTED: "w"}


class Work:
    """What one step may change (session, lane), what it is given (config, now, lane name), and the answer it builds."""

    __slots__ = (
        "session",
        "lane",
        "config",
        "now",
        "name",
        "bypassed",
        "transitions",
        "notices",
        "denial",
        "contacts",
        "let_through",
    )

    def __init__(self, session: Session, lane: Lane, name: str, config: Config, now: float) -> None:
        self.session, self.lane = session, lane
        self.name, self.config, self.now = name, config, now
        self.bypassed = False
        self.transitions: list[Transition] = []
        self.notices: list[Notice] = []
        self.denial: Decision | None = None
        self.contacts: list[Contact] = []
        self.let_through: set[str] = set()  # calls of this turn that you allowed when you were asked

    def rule(self, name: str) -> dict[str, Any]:
        """The rule's configuration."""
        return self.config.rules[name]

    def action(self, name: str) -> str:
        """block, warn, observe, or "" for a rule that is switched off."""
        rule = self.config.rules[name]
        if not is_on(name, rule):
            return ""
        action = "block" if rule["action"] == "ask" else str(rule["action"])
        return "observe" if self.config.mode == "observe" else action

    def asks(self, name: str) -> bool:
        """Whether the rule asks you instead of blocking, if you can answer."""
        return name in self.config.rules and self.config.rules[name]["action"] == "ask"

    def excluded(self, tool: str, rule: str = "") -> bool:
        """Whether the tool is left out of all rules, or of this one."""
        globs = self.config.rules[rule].get("exclude", ()) if rule else self.config.exclude
        return bool(globs) and any(matches(tool, glob) for glob in globs)

    def record(self, event: str, circuit: Circuit, before: str, reason: str = "", **facts: Any) -> None:
        """Record a change of a circuit."""
        self.transitions.append(
            Transition(
                event=event,
                circuit=circuit.name,
                before=before,
                after=circuit.state,
                reason=reason,
                count=circuit.count,
                facts=facts or circuit.facts,
                at=self.now,
                lane=self.name,
                calls=circuit.calls[-CALLS_MAX:],
                cooldown=circuit.cooldown,
                level=circuit.level,
                tokens=circuit.tokens,
            )
        )

    def say(
        self, event: str, name: str, reason: str = "", calls: Sequence[str] = (), count: int = 0, **facts: Any
    ) -> None:
        """Record what is no change of a circuit: a warning, a stopped turn, a bypass."""
        self.transitions.append(
            Transition(
                event=event,
                circuit=name,
                reason=reason,
                count=count,
                facts=facts,
                at=self.now,
                lane=self.name,
                calls=list(calls)[-CALLS_MAX:],
            )
        )

    def count(
        self, rule: str, trips: int = 0, would: int = 0, warned: bool = False, seen: int | None = None
    ) -> None:
        """Update a rule's tally: [trips, warned_at (epoch seconds), would_have_opened, last count]."""
        tally = self.session.tally if rule in SESSION_RULES else self.lane.tally
        old = tally.get(rule) or [0, 0, 0, 0]
        tally[rule] = [
            old[0] + trips,
            round(self.now, 3) if warned else old[1],
            old[2] + would,
            old[3] if seen is None else seen,
        ]

    def put(self, circuit: Circuit) -> None:
        """Store a circuit, or forget it if it is CLOSED at level 0."""
        kept = self.session.circuits if circuit.rule in SESSION_RULES else self.lane.circuits
        kept.pop(circuit.name, None)
        if circuit.state == CLOSED and circuit.level == 0:
            return
        kept[circuit.name] = circuit
        if len(kept) > CIRCUITS_MAX:
            closed = [name for name, known in kept.items() if known.state == CLOSED]
            del kept[(closed or list(kept))[0]]

    def gate_of(self, tool: str, tool_input: object, key: str, cwd: str) -> Circuit | None:
        """The circuit that is not CLOSED and gates this call, or None; `cwd`: the directory before the call."""
        family = ""
        for circuit in self.lane.circuits.values():
            if circuit.state == CLOSED:
                continue
            if key in circuit.keys:
                return circuit
            kind, _, subject = circuit.keys[0].partition(":") if circuit.keys else ("", "", "")
            if kind == "family":
                family = family or failures.family_of(tool, tool_input, cwd) or "none"
                if family == circuit.keys[0]:
                    return circuit
            if kind == "shape" and calls.shape_key(tool, tool_input)[0] == subject:
                return circuit
            if kind == "service" and calls.service(tool, tool_input) == subject:
                return circuit
        return None

    def tell_you(self, reason: str) -> None:
        """Show you a message; `reason` is a key in words.sentences."""
        self.notices.append(Notice(kind=FOR_YOU, reason=reason))

    def stops(self) -> bool:
        """Whether this step stops the turn."""
        return any(notice.kind == STOP for notice in self.notices)

    def answer(self) -> Decision:
        """The decision: a denial or question, else the strongest notice."""
        if self.denial is not None:
            return self.denial
        kinds = {notice.kind for notice in self.notices}
        verdict = STOP if STOP in kinds else WARN if kinds - {OPENED, FOR_YOU} else ALLOW
        return Decision(verdict=verdict, notices=self.notices, contacts=self.contacts)


def matches(name: str, glob: str) -> bool:
    """Whether `name` matches a glob of `*` and `?`. (`fnmatch` would import `re`.)"""
    at = mark = 0
    star = -1
    while at < len(name):
        if mark < len(glob) and glob[mark] != "*" and glob[mark] in ("?", name[at]):
            at, mark = at + 1, mark + 1
        elif mark < len(glob) and glob[mark] == "*":
            star, resume, mark = mark, at, mark + 1
        elif star >= 0:
            resume += 1
            at, mark = resume, star + 1
        else:
            return False
    return not glob[mark:].strip("*")


def act(work: Work, signal: Signal) -> None:
    """Do what a signal asks for, as far as its rule's action allows."""
    action = work.action(signal.rule)
    if not action:
        return
    work.count(signal.rule, seen=signal.count)
    if signal.step == "warn":
        if action != "observe":
            warn(work, signal)
    elif signal.step == "stop" and (action == "block" or (action == "warn" and signal.rule in STOPPING)):
        stop(work, signal)
    elif action != "block":
        _only_count(work, signal, action)
    else:
        _open(work, signal)


def _only_count(work: Work, signal: Signal, action: str) -> None:
    """A trip under the actions warn and observe: counted once per streak, with a warning if the action is warn."""
    if signal.facts.get("once") or _is_marked(work, signal, COUNTED):
        return
    _mark(work, signal, COUNTED)
    work.count(signal.rule, would=1)
    if work.config.mode == "observe" and work.rule(signal.rule)["action"] in ("block", "ask"):
        work.say("would_trip", signal.name, calls=signal.calls, count=signal.count, **signal.facts)
    if action == "warn" and not _is_marked(work, signal, WARNED):
        warn(work, signal)


def _open(work: Work, signal: Signal) -> None:
    """CLOSED -> OPEN, recorded; with a warning if the rule is tool_failure or has not warned before."""
    signal = _named_apart(work, signal)
    known = work.lane.circuits.get(signal.name)
    if known is not None and known.state != CLOSED:
        return
    rule = work.rule(signal.rule)
    fresh = known if known is not None else Circuit(rule=signal.rule, subject=signal.subject)
    circuit = breaker.trip(
        fresh.but(
            keys=signal.keys,
            results=signal.results,
            since=signal.since,
            count=signal.count,
            facts=signal.facts,
            clip=signal.clip,
            calls=signal.calls[-CALLS_MAX:],
            tokens=[],
        ),
        work.now,
        rule["cooldown_base_seconds"],
        work.config.cooldown_steps,
    )
    work.put(circuit)
    work.count(signal.rule, trips=1)
    work.record("trip", circuit, CLOSED)
    work.notices.append(_notice(OPENED, circuit))
    if signal.rule == "tool_failure" or not _is_marked(work, signal, WARNED):
        warn(work, signal, opened=True)


def open_until_prompt(work: Work, signal: Signal, tokens: Sequence[int] = ()) -> Circuit:
    """Open a circuit until your next prompt, without a cooldown; recorded."""
    circuit = Circuit(
        rule=signal.rule,
        subject=signal.subject,
        keys=signal.keys,
        state=OPEN,
        trips=1,
        retry_at=None,
        count=signal.count,
        facts=signal.facts,
        calls=signal.calls,
        opened_at=work.now,
        tokens=[*tokens],
    )
    work.put(circuit)
    work.count(signal.rule, trips=1)
    work.record("trip", circuit, CLOSED)
    return circuit


def _named_apart(work: Work, signal: Signal) -> Signal:
    """The signal, with a number in its subject if a call with the same label is blocked already."""
    subject, number = signal.subject, 2
    while True:
        known = work.lane.circuits.get(signal.name)
        if known is None or known.state == CLOSED or not set(known.keys).isdisjoint(signal.keys):
            return signal
        signal = signal.but(subject=f"{subject} ({number})")
        number += 1


def warn(work: Work, signal: Signal, opened: bool = False) -> None:
    """Warn Claude after this turn, unless a bypass is active."""
    _mark(work, signal, WARNED)
    if work.bypassed:
        return
    work.count(signal.rule, warned=True)
    work.lane.warned.pop(signal.name, None)
    work.lane.warned[signal.name] = work.lane.turn
    while len(work.lane.warned) > WARNED_MAX:
        del work.lane.warned[next(iter(work.lane.warned))]
    work.say("warning", signal.name, calls=signal.calls, count=signal.count, **signal.facts)
    work.notices.append(_notice(WARN, signal, opened=opened))


def _notice(kind: str, seen: Signal | Circuit, **more: Any) -> Notice:
    return Notice(
        kind=kind,
        name=seen.name,
        rule=seen.rule,
        subject=seen.subject,
        count=seen.count,
        facts=seen.facts,
        clip=seen.clip,
        **more,
    )


def stop(work: Work, signal: Signal, reason: str = "") -> None:
    """Stop the turn, counted as a trip, if there was a warning in an earlier turn; else warn."""
    warned = work.lane.warned.get(signal.name)
    if warned is None:
        warn(work, signal.but(facts={**signal.facts, "left": 1}))
    if warned is None or warned == work.lane.turn:
        return
    if not work.bypassed:
        work.count(signal.rule, trips=1)
    stop_turn(work, signal, reason)


def stop_turn(work: Work, seen: Signal | Circuit, reason: str = "") -> None:
    """Stop this turn, recorded. The parent of a stopped subagent gets a note: it would not notice otherwise."""
    if work.bypassed:
        return
    work.say("ending", seen.name, reason, seen.calls, seen.count, **seen.facts)
    work.notices.append(_notice(STOP, seen, reason=reason))
    if work.name != MAIN:
        note = _notice(SUBAGENT, seen, reason=reason, agent=work.name)
        work.session.notes.append([work.name, note.__dict__])
        del work.session.notes[:-NOTES_MAX]


def deny(work: Work, circuit: Circuit, reason: str, wait: float, counted: str) -> None:
    """Deny the call; `counted`: the name that counts against `deny_limit`, "" for none; `wait`: seconds."""
    notice = _notice(DENY, circuit, reason=reason, wait=wait)
    work.denial = Decision(verdict=DENY, circuit=counted, retry_in=wait, notices=[notice])


def ask(work: Work, call_id: str, circuit: Circuit) -> None:
    """Let you decide in Claude Code's permission dialog; further questions join the same dialog."""
    work.lane.asked[call_id] = circuit.name
    while len(work.lane.asked) > ASKED_MAX:
        del work.lane.asked[next(iter(work.lane.asked))]
    before = work.denial.notices if work.denial is not None else []
    work.denial = Decision(verdict=QUESTION, notices=[*before, _notice(QUESTION, circuit)])
    work.say("asked", circuit.name, calls=circuit.calls, count=circuit.count, **circuit.facts)


def answered(work: Work, event: Turn) -> None:
    """Record the calls that ran after you were asked: you allowed them."""
    for result in event.results:
        name = work.lane.asked.pop(result.id, None)
        if name is not None and result.hint != DENIED:
            work.let_through.add(result.id)
            work.say("ask_allowed", name, "allowed", [result.tool])


def _letter(signal: Signal, mark: str) -> str:
    if signal.facts.get("edit"):
        return "e" if mark == WARNED else "x"  # new results do not clear these
    return MARKS.get(signal.rule, OTHER_MARKS)[mark]


def _is_marked(work: Work, signal: Signal, mark: str) -> bool:
    letter = _letter(signal, mark)
    known = [work.lane.streaks.get(key) or work.lane.families.get(key) for key in signal.keys]
    return any(letter in streak.marks for streak in known if streak is not None)


def _mark(work: Work, signal: Signal, mark: str) -> None:
    letter = _letter(signal, mark)
    for key in signal.keys:
        for known in (work.lane.streaks, work.lane.families):
            kept: dict[str, Any] = known
            streak = kept.get(key)
            if streak is not None and letter not in streak.marks:
                kept[key] = streak.but(marks=streak.marks + letter)


def close(work: Work, circuit: Circuit, reason: str, event: str = "close") -> None:
    """Close a circuit and forget its calls; recorded as `event`, "close" or "reset" (level 0)."""
    closed = breaker.close(circuit)
    if event == "reset":
        closed = closed.but(level=0)
    work.put(closed)
    forget_calls(work.lane, circuit.keys)
    if circuit.rule == "sequential_tools":
        work.lane.sequence = []
    work.record(event, closed, circuit.state, reason)


def close_recursion(work: Work) -> None:
    """Close hook_recursion circuits, after a new result, your prompt or a plain Stop."""
    for circuit in list(work.lane.circuits.values()):
        if circuit.rule == "hook_recursion" and circuit.state != CLOSED:
            close(work, circuit, "went_on")


def forget_successes(lane: Lane) -> None:
    """Forget repeats and cycles of successes and runs of attempts, at your prompt; other failures are kept."""
    for name, family in list(lane.families.items()):
        lane.families[name] = family.but(count=0, lines={}, marks="")
    for tool, run in list(lane.errors.items()):
        lane.errors[tool] = run.but(times=0)
    for key, streak in list(lane.streaks.items()):
        if streak.since < 0:
            if streak.first < 0 and not streak.invalid and not streak.marks:
                continue  # forgotten at an earlier prompt
            lane.streaks[key] = streak.but(
                first=-1, counted=-1, times=0, row=0, run=0, result="", digits="", marks="", invalid=0
            )
        elif streak.invalid or streak.run:
            lane.streaks[key] = streak.but(invalid=0, run=0)
    lane.recent = [record for record in lane.recent if not record[4]]


def forget_calls(lane: Lane, keys: Sequence[str]) -> None:
    """Forget what is known of these calls, and all errors and attempts of the lane."""
    for key in keys:
        lane.streaks.pop(key, None)
    lane.recent = [record for record in lane.recent if record[2] not in keys]
    lane.errors, lane.families = {}, {}
