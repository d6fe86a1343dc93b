"""The verb `explain`: why the last call was blocked, or whether a call would be, with the evidence call by call."""

from __future__ import annotations

import argparse
import copy
import os
import subprocess
import sys
import time
from typing import NamedTuple

import incidents
from operate import chosen_sessions
from report import past
from shared import Refusal, moment, places_here, remembered, run_program, say, with_tilde

from circuit_breaker.breaker import model
from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.failures import family_of
from circuit_breaker.breaker.memory import POLL, Lane, Past, Streak
from circuit_breaker.breaker.policy import advance, step
from circuit_breaker.breaker.rules import failures_in_window
from circuit_breaker.identity import calls, labels
from circuit_breaker.identity.attempts import ANY_FORM
from circuit_breaker.identity.keys import digest
from circuit_breaker.replay import recording
from circuit_breaker.replay.rerun import Rerun
from circuit_breaker.runtime import files, frozen, guarded, home, services, status, store
from circuit_breaker.runtime.json import parse
from circuit_breaker.words.sentences import sentence_of
from circuit_breaker.words.status import ID

SHOWN = 30  # calls shown of the evidence
SLACK = 10.0  # seconds between a call's result in a transcript and its incident, at most
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
    "protection": "Claude tries to change or get round the breaker while a circuit is open",
}
# Circuits whose count goes on whatever is changed meanwhile.
GO_ON = ("agent_spawn:", "external_api:", "service_down:", "budget:calls_", "budget:tokens_per_")
NOT_COUNTED = "not counted: it did not run, or its outcome is not known yet"
NOT_CHANGED = "no progress: the same change was made before with the same result, or it failed behind a hidden exit code"


class Counts(NamedTuple):
    """What counts against a call: failures in the window, failures in any form, failures running with the same error, equal results."""

    failures: int
    in_any_form: int
    same_error: int
    times: int


class Step(NamedTuple):
    """One call of the evidence: its keys, and what it counted as for a circuit that has one of them, or has not."""

    at: str
    label: str
    outcome: str
    keys: tuple[str, ...]
    own: str
    other: str


def explain(args: argparse.Namespace) -> int:
    """Explain the last block or the given call. Exit code 1 if there is nothing to explain, 2 for an input that is not JSON."""
    where = places_here()
    config = home.configuration(where, os.environ)
    if args.last or args.tool is None:
        return _last(where, config, args.session or "")
    try:
        given = parse(args.input or "{}")
    except ValueError:
        given = {"command": args.input} if args.tool in calls.SHELLS else None
    if not isinstance(given, dict):
        raise Refusal(f"{args.input[:60]!r} is not a JSON object with the input of {args.tool}.", 2)
    other = _other_python(where)
    if other:
        return subprocess.run([other, "-I", os.path.dirname(__file__), *sys.argv[1:]], check=False).returncode
    return _call(args, where, config, given)


def _other_python(where: home.Places) -> str:
    """The Python that hooks run under, if this one cannot read the keys that it makes; else ""."""
    pinned = (files.read(where.runtime + "/python", 1 << 14) or b"").partition(b"\n")[0]
    command = [os.fsdecode(pinned), "-I", "-S", "-c", "import _imp; print(_imp.source_hash(0, b'').hex())"]
    key = run_program(command).stdout[:12] if pinned else ""
    return command[0] if key and key != digest("") else ""


# --- The last block


def _last(where: home.Places, config: Config, session: str) -> int:
    found = incidents.incidents_since(where, 0.0, bool(session), session)
    stops = [one for one in found if one.event in incidents.STOPS]
    if not stops:
        whose = f"session {session}" if session else "this project"
        there = "" if session else "; to explain one, add --session ID"
        raise Refusal(f"nothing was blocked in {whose} yet. `incidents` lists all projects{there}.")
    last = stops[-1]
    rule = last.circuit.partition(":")[0]
    did = {"trip": "was blocked", "ending": "stopped the turn", "asked": "was asked about"}
    print(f"{last.circuit} {did.get(last.event, 'would have been blocked')} at {moment(last.t)}")
    print(f"in {last.place}.")
    print(f"Why: {'' if last.cause.startswith(('Claude ', 'every ')) else 'it '}{last.cause}.")
    _print_rule(rule, config)
    run = _traced(last, config, [one for one in found if one.event == "reset"])
    if run and run.steps:
        counted = " (* counted)" if run.keys else ""
        _print_steps(f"The calls before it, of the same thread{counted}:", run.steps, run.keys)
    elif last.calls:
        print(f"\nThe last calls: {', '.join(last.calls)}. (There is no transcript of them.)")
    return 0


def _print_rule(rule: str, config: Config) -> None:
    """When a rule acts, with the thresholds that apply here."""
    text = OPENS.get(rule, "").format(**config.circuit_breakers.get(rule, {}))
    print(f"Rule: {rule} acts when {text}." if text else f"Rule: {rule}")


def _print_steps(title: str, steps: list[Step], counted: set[str]) -> None:
    steps = steps[-SHOWN:]
    width = min(40, max((len(one.label) for one in steps), default=0))
    if steps:
        print(f"\n{title}")
    for one in steps:
        mark, note = ("*", one.own) if not counted.isdisjoint(one.keys) else (" ", one.other)
        print(f"{mark} {one.at}  {one.label[:40]:<{width}}  {one.outcome:<6}  {note}".rstrip())


def _traced(last: incidents.Incident, config: Config, resets: list[incidents.Incident]) -> _Traced | None:
    """The calls up to an incident, found by running the session's transcript, and your resets, through the same engine; None without
    one."""
    paths = sorted(past.transcripts_folder().glob(f"*/{last.session}.jsonl"))
    if not paths:
        return None
    config = copy.copy(config)
    config.mode = "enforce"  # so that an incident of observe mode trips here
    of_it = [one.t for one in resets if (one.session, one.circuit) == (last.session, last.circuit)]
    run = _Traced(last, config, of_it)
    for record in recording.records(recording.recordings([str(paths[0])])[0], recording.skip, set()):
        if record["t"] > last.t + SLACK or run.over:
            break
        run.take(record)
    run.finish()
    return run


class _Traced(Rerun):
    """A session run again that records what each call of one lane counted as, up to an incident. keys: those of its circuit."""

    def __init__(self, last: incidents.Incident, config: Config, resets: list[float]) -> None:
        super().__init__(last.session, config)
        self.circuit, self.lane, self.over, self.resets = last.circuit, last.agent, False, resets
        self.since, self.stopped = last.t - SLACK, last.event == "ending"
        self.any_form = self.circuit.endswith(ANY_FORM)
        self.steps: list[Step] = []
        self.keys: set[str] = set()

    def feed(self, fields: dict) -> None:
        """Process one payload and record what it added to the lane's evidence."""
        if self.over:
            return
        lane, trips = self.lanes[self.lane], len(self.trips)
        while self.resets and self.resets[0] < fields["t"]:
            reset = model.Reset(which=self.circuit)
            advance(self.session, lane, reset, self.config, self.resets.pop(0), self.lane)
        n, cwd, count = lane.n, lane.cwd, self._count
        super().feed(fields)
        if fields["hook_event_name"] == "PostToolBatch" and (fields.get("agent_id") or "") == self.lane:
            self._trace(lane, fields, n, cwd, self._count > count)
        for trip in self.trips[trips:]:
            if f"{trip['rule']}:{trip['subject']}" == self.circuit and (trip["agent"] or "") == self.lane:
                self.over = trip["t"] >= self.since and trip["stopped"] == self.stopped
                circuit = lane.circuits.get(self.circuit)
                self.keys.update(circuit.keys if circuit else ())

    @property
    def _count(self) -> int:
        circuit = self.lanes[self.lane].circuits.get(self.circuit)
        return circuit.count if circuit else 0

    def _trace(self, lane: Lane, batch: dict, n: int, cwd: str, grown: bool) -> None:
        """grown: what the gate never saw, and so could not deny, was counted by the open circuit."""
        made = {one.key: one for one in lane.recent if one.n > n}
        rule = self.circuit.partition(":")[0]
        limits = self.config.circuit_breakers.get(rule, {})
        for call in batch["tool_calls"]:
            tool, given = call["tool_name"], call["tool_input"]
            keys = key, family = calls.call_key(tool, given, cwd), family_of(tool, given, cwd)
            outcome, own, other = "-", NOT_COUNTED, NOT_COUNTED
            if key in made:
                own = _counted(rule, _counts(lane, key, family, self.config), self.any_form, limits)
                outcome, other = _between(lane, made[key], bool(calls.change_level(tool, given)))
                other = "" if self.circuit.startswith(GO_ON) else other
            elif grown and key in self.keys:
                outcome, own = "failed", f"counts: failure {self._count}"
            at = moment(batch["t"], "%H:%M:%S")
            self.steps.append(Step(at, labels.label(tool, given), outcome, keys, own, other))


def _counted(rule: str, counts: Counts, any_form: bool, keys: dict) -> str:
    """What a call of the circuit itself counted as."""
    if rule == "tool_failure" and any_form:
        return f"counts: failure {counts.in_any_form} of {keys['family_open']}"
    if rule == "tool_failure" and counts.failures:
        most = keys["threshold_with_progress"]
        if most and most - counts.same_error < keys["threshold"] - counts.failures:  # whichever is nearer
            return f"counts: same error, time {counts.same_error} of {most}"
        return f"counts: failure {counts.failures} of {keys['threshold']}"
    if counts.times > 1:
        threshold = keys["threshold"] if rule == "repeated_call" else counts.times
        return f"counts: same result, time {counts.times} of {threshold}"
    return "counts: the first"


def _counts(lane: Lane, key: str, family: str, config: Config) -> Counts:
    streak, run = lane.streaks.get(key, Streak()), lane.families.get(family)
    failures = failures_in_window(streak, lane.turn, config.circuit_breakers["tool_failure"])
    return Counts(failures, run.count if run else failures, streak.same_errors, streak.same_results)


# --- A call that has not been made


def _call(args: argparse.Namespace, where: home.Places, config: Config, given: dict) -> int:
    tool, kept = args.tool, remembered(where)
    kept = chosen_sessions(args, where, kept)[0] if args.session else status.of_project(kept, where)
    if not kept:
        raise Refusal("no session of this project is remembered, so every call would run.")
    one = max(kept, key=lambda each: each.seen)
    lane = one.lanes.get(model.MAIN, Lane())
    ask = model.Ask(id="explain", tool=tool, input=given, cwd=lane.cwd, prompt=one.session.prompt)
    now = time.time()
    own = status.places_of(one, where)
    armed = bool(store.armed_lanes(own, one.name))
    config = frozen.rules(own, one.name, config) if armed else config
    ask.refused = guarded.call_refusal(ask, own, config.bypass_keyword, armed, os.environ)
    ask.down, ask.wait = services.question(own, ask, config, now, claim=False)
    _, _, decision = step(one.session, lane, ask, config, now)
    blocked = decision.verdict in (model.DENY, model.QUESTION)
    retry = " as the one retry" if any(change.event == "probe" for change in decision.transitions) else ""
    label, would = labels.label(tool, given), "would be blocked" if blocked else f"would run{retry}"
    say(f"{label} {would} in session {one.name[:ID]} ({with_tilde(one.session.project)}).")
    for notice in decision.notices if blocked else ():
        print(sentence_of(notice, config.bypass_keyword))
        _print_rule(notice.rule, config)
    key = calls.call_key(tool, given, lane.cwd)
    if not blocked:
        print(_verdict(_counts(lane, key, family_of(tool, given, lane.cwd), config), config))
    steps = [_remembered(lane, call, label if call.key == key else "") for call in lane.recent]
    _print_steps("The last calls of the main thread, by number (* this one):", steps, {key})
    return 0


def _verdict(known: Counts, config: Config) -> str:
    """How close an allowed call is to being blocked."""
    failing, repeating = config.circuit_breakers["tool_failure"], config.circuit_breakers["repeated_call"]
    counts = (
        (known.failures, 1, failing["threshold"], "It failed {} of {} times with no progress in between."),
        (known.in_any_form, known.failures + 1, failing["family_open"], "In one form or another it failed {} of {} times."),
        (known.same_error, known.failures + 1, failing["threshold_with_progress"], "It failed {} of {} times with the same error."),
        (known.times, 2, repeating["threshold"], "It returned the same result {} of {} times."),
    )  # fmt: skip
    said = [text.format(count, limit) for count, least, limit, text in counts if limit and count >= least]
    return " ".join(said) or "Nothing counts against it."


def _remembered(lane: Lane, call: Past, label: str) -> Step:
    streak = lane.streaks.get(call.key)
    name = labels.plain(label or (streak.label if streak else "") or "another call")
    outcome, note = _between(lane, call, changes=False)
    return Step(f"{call.n:>5}", name, outcome, (call.key,), "", note)


def _between(lane: Lane, call: Past, changes: bool) -> tuple[str, str]:
    """(outcome of a call, whether it was progress and why not)."""
    if any(n == call.n for n, _ in lane.progress):
        note = "progress: the count starts again"
    elif not call.ok:
        note = "no progress: it failed"
    elif call.kind == POLL:
        note = "no progress: a check after a wait"
    else:
        note = NOT_CHANGED if changes else "no progress: it only looks"
    return "ok" if call.ok else "failed", note
