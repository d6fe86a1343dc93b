"""One step's state (Work), and what a step can do with it: act on a signal, open and close circuits, warn, ask, stop the turn."""

from __future__ import annotations

from circuit_breaker.breaker import breaker, failures, model
from circuit_breaker.breaker.config import Config, excludes, is_on
from circuit_breaker.breaker.memory import NOTHING_DONE, Lane, SameShape, Session
from circuit_breaker.breaker.model import Circuit, Decision, Notice, Signal, Transition
from circuit_breaker.identity import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.model import Action, Happening
    from circuit_breaker.breaker.service_down import Contact

CIRCUITS_MAX = 16  # circuits of a lane or session; CLOSED ones are dropped first
STOPPING = ("failing_streak",)  # rules that stop a turn with the action warn too: there is no call to block
SESSION_RULES = ("agent_spawn", "budget")  # rules whose circuits gate every lane


class Work:
    """What one step may change (session, lane), what it is given (config, now, lane name), and the answer it builds."""

    def __init__(self, session: Session, lane: Lane, name: str, config: Config, now: float) -> None:
        self.session, self.lane = session, lane
        self.name, self.config, self.now = name, config, now
        self.bypassed = False
        self.heard = False  # Claude reads what this event is answered
        self.attended = False  # you sit at a terminal and can be asked
        self.transitions: list[Transition] = []
        self.notices: list[Notice] = []
        self.denial: list[Notice] = []  # that the call is denied, or the questions about it
        self.contacts: list[Contact] = []
        self.allowed: set[str] = set()  # calls of this turn that you allowed when you were asked

    # --- The configuration

    def rule(self, name: str) -> dict[str, Any]:
        return self.config.circuit_breakers[name]

    def action(self, name: str) -> Action:
        """block, warn, observe, or "" for a rule that is switched off."""
        rule = self.config.circuit_breakers[name]
        if not is_on(name, rule):
            return ""
        action: Action = "block" if rule["action"] == "ask" else rule["action"]
        return "observe" if self.config.mode == "observe" else action

    def may_stop(self, name: str) -> bool:
        """Whether the rule may block a call or stop a turn."""
        return self.action(name) in (("block", "warn") if name in STOPPING else ("block",))

    def asks(self, name: str) -> bool:
        """Whether the rule asks you instead of blocking: where you can answer, and not about calls of a subagent."""
        here = self.attended and (self.name == model.MAIN or name in SESSION_RULES)
        return here and self.config.circuit_breakers.get(name, {}).get("action") == "ask"

    def excluded(self, tool: str, rule: str) -> bool:
        """Whether the tool is left out of this rule, or of all."""
        return excludes(self.config, tool, rule)

    def pace(self, rule: str) -> tuple[float, list[float]]:
        """(base, steps) of the rule's cooldowns."""
        return self.config.circuit_breakers[rule]["cooldown_base_seconds"], self.config.cooldown_steps

    # --- Circuits

    def circuits(self) -> list[Circuit]:
        """The circuits that gate this lane."""
        return [*self.lane.circuits.values(), *self.session.circuits.values()]

    def gate_of(self, tool: str, tool_input: object, key: str, cwd: str) -> Circuit | None:
        """The circuit that is not CLOSED and gates this call, or None; `cwd`: the directory before the call."""
        family = ""
        for circuit in self.lane.circuits.values():
            if not circuit.live or self.excluded(tool, circuit.rule):
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

    def put(self, circuit: Circuit) -> None:
        """Store a circuit, or forget it if it is CLOSED at level 0."""
        kept = self.session.circuits if circuit.rule in SESSION_RULES else self.lane.circuits
        kept.pop(circuit.name, None)
        if not circuit.live and circuit.level == 0:
            return
        kept[circuit.name] = circuit
        if len(kept) > CIRCUITS_MAX:
            closed = [name for name, known in kept.items() if not known.live]
            del kept[(closed or list(kept))[0]]

    def open(self, signal: Signal) -> None:
        """CLOSED -> OPEN, recorded; with a warning if the rule is tool_failure or has not warned before."""
        gated = {key for circuit in self.lane.circuits.values() if circuit.live for key in circuit.keys}
        keys = [key for key in signal.keys if key not in gated]
        if not keys:
            return
        signal = signal.but(keys=keys)  # a call has one open circuit
        subject, number = signal.subject, 1
        known = self.lane.circuits.get(signal.name)
        while known is not None and known.live:  # of a call with the same label
            number += 1
            signal = signal.but(subject=f"{subject} ({number})")
            known = self.lane.circuits.get(signal.name)
        if known is None or set(known.keys).isdisjoint(keys):
            known = Circuit()
        circuit = breaker.trip(known.but(**signal.__dict__, tokens=[]), self.now, *self.pace(signal.rule))
        self.tripped(circuit)
        self.announce(circuit)
        if signal.rule == "tool_failure" or not self._is_marked(signal, signal.mark):
            self.warn(signal.but(form=[*signal.form, "opened"]))

    def open_until_prompt(self, signal: Signal, tokens: list[int]) -> Circuit:
        """Open a circuit until your next prompt, without a cooldown; recorded."""
        opened = {"state": model.OPEN, "trips": 1, "retry_at": None, "opened_at": self.now, "tokens": tokens}
        circuit = Circuit(**signal.__dict__, **opened)
        self.tripped(circuit)
        return circuit

    def tripped(self, circuit: Circuit) -> None:
        """Store a circuit that has just opened; counted and recorded."""
        self.put(circuit)
        self.tally(circuit.rule)["trips"] += 1
        self.changed("trip", circuit, model.CLOSED)

    def announce(self, circuit: Circuit) -> None:
        """Show you what was opened, unless a bypass is active."""
        if not self.bypassed:
            form = circuit.form + model.form_of(asks=self.asks(circuit.rule))
            self.notices.append(Notice.about(circuit, kind=model.OPENED, form=form))

    def close(self, circuit: Circuit, reason: str, event: Happening = "close") -> None:
        """Close a circuit and forget its calls (one of SESSION_RULES has none); recorded as `event`, "close" or "reset" (level 0)."""
        closed = breaker.close(circuit)
        closed = closed.but(level=0) if event == "reset" else closed
        self.put(closed)
        if circuit.rule not in SESSION_RULES:
            self.lane.forget_calls(circuit.keys)
        if circuit.rule == "sequential_tools":
            self.lane.sequence = SameShape()
        elif circuit.rule == "external_api":
            for kept in (self.session.services, self.session.service_calls):
                kept.pop(circuit.keys[0].partition(":")[2], None)
        self.changed(event, closed, circuit.state, reason)

    def close_recursion(self) -> None:
        """Close hook_recursion circuits, after a new result, your prompt or a plain Stop."""
        for circuit in [*self.lane.circuits.values()]:
            if circuit.rule == "hook_recursion" and circuit.live:
                self.close(circuit, "went_on")

    # --- Records

    def record(self, event: Happening, seen: Signal, reason: str = "", **more: Any) -> None:
        """Record what happened to `seen`; `more`: further fields of the Transition, or others than those of `seen`."""
        what = {"event": event, "reason": reason, "at": self.now, "lane": self.name}
        self.transitions.append(Transition.about(seen, **what, **more))

    def changed(
        self, event: Happening, circuit: Circuit, before: str, reason: str = "", **facts: Any
    ) -> None:
        """Record a change of a circuit; `facts`: others than its own."""
        kept = {name: getattr(circuit, name) for name in ("cooldown", "level", "tokens")}
        self.record(
            event, circuit, reason, before=before, after=circuit.state, facts=facts or circuit.facts, **kept
        )

    def tally(self, rule: str) -> dict[str, float]:
        """What the rule has done, to be counted on."""
        kept = self.session.tally if rule in SESSION_RULES else self.lane.tally
        kept[rule] = {**kept.get(rule, NOTHING_DONE)}
        return kept[rule]

    # --- Signals

    def act(self, signal: Signal) -> None:
        """Do what a signal asks for, as far as its rule's action allows."""
        action = self.action(signal.rule)
        if not action:
            return
        self.tally(signal.rule)["count"] = signal.count
        if signal.wants == model.WARN:
            if action != "observe":
                self.warn(signal)
        elif signal.wants == model.STOP and self.may_stop(signal.rule):
            self.stop(signal)
        elif action == "block":
            self.open(signal)
        else:
            self._only_count(signal, action)

    def _only_count(self, signal: Signal, action: Action) -> None:
        """A trip under the actions warn and observe: counted once per streak. With warn, a warning too, for a stop each time."""
        counted = signal.counted or self._is_marked(signal, f"counted {signal.mark}")
        if not counted:
            self._mark(signal, f"counted {signal.mark}")
            self.tally(signal.rule)["would"] += 1
            if self.config.mode == "observe" and self.rule(signal.rule)["action"] in ("block", "ask"):
                self.record("would_trip", signal)
        told = counted or self._is_marked(signal, signal.mark)
        if action == "warn" and (signal.wants == model.STOP or not told):
            self.warn(signal)

    def warn(self, signal: Signal) -> None:
        """Warn Claude after this turn, unless a bypass is active."""
        if self.bypassed:
            return
        self._mark(signal, signal.mark)
        if not self.heard:
            self.lane.unread.append(signal)
            return
        if not self.may_stop(signal.rule):
            signal = signal.but(form=[*signal.form, "mild"], left=0)
        elif self.asks(signal.rule):
            signal = signal.but(form=[*signal.form, "asks"])
        self.tally(signal.rule)["warned_at"] = round(self.now, 3)
        self.lane.warned.pop(signal.name, None)
        self.lane.warned[signal.name] = self.lane.turn
        self.record("warning", signal)
        self.notices.append(Notice.about(signal))

    def warn_late(self) -> None:
        """Give the warnings that nobody could read when they were due; nor can they be read where the turn is stopped."""
        if self.lane.unread and not self.stops():
            unread, self.lane.unread = self.lane.unread, []
            given = [notice.name for notice in self.notices]
            for signal in unread:
                if signal.name not in given:
                    self.warn(signal)

    def stop(self, signal: Signal) -> None:
        """Stop the turn, counted as a trip, if there was a warning in an earlier turn; else warn."""
        warned = self.lane.warned.get(signal.name)
        if warned is None:
            self.warn(signal.but(left=1))
        elif warned != self.lane.turn and not self.bypassed:
            self.tally(signal.rule)["trips"] += 1
            self.stop_turn(signal)

    def stop_turn(self, seen: Signal, reason: str = "") -> None:
        """Stop this turn, recorded. The parent of a stopped subagent gets a note: it would not notice otherwise."""
        if self.bypassed:
            return
        self.record("ending", seen, reason)
        self.notices.append(Notice.about(seen, kind=model.STOP, reason=reason))
        if self.name != model.MAIN:
            note = {"kind": model.SUBAGENT, "reason": reason, "agent": self.name}
            self.session.notes.append(Notice.about(seen, **note))

    def _is_marked(self, signal: Signal, mark: str) -> bool:
        known = [self._streaks_with(key).get(key) for key in signal.keys]
        return any(mark in streak.marks for streak in known if streak is not None)

    def _mark(self, signal: Signal, mark: str) -> None:
        for key in signal.keys:
            kept = self._streaks_with(key)
            if key in kept and mark not in kept[key].marks:
                kept[key] = kept[key].but(marks=[*kept[key].marks, mark])

    def _streaks_with(self, key: str) -> dict[str, Any]:
        return self.lane.families if key.startswith(failures.FAMILY) else self.lane.streaks

    # --- The answer

    def tell_you(self, reason: str) -> None:
        """Show you a message; `reason` is a key in words.sentences."""
        self.notices.append(Notice(kind=model.FOR_YOU, reason=reason))

    def ask(self, call_id: str, signal: Signal) -> None:
        """Let you decide in Claude Code's permission dialog; further questions join the same dialog."""
        self.denial.append(Notice.about(signal, kind=model.QUESTION))
        if self.lane.asked.get(call_id) != signal.name:
            self.record("asked", signal)
        self.lane.asked[call_id] = signal.name

    def stops(self) -> bool:
        """Whether this step stops the turn."""
        return any(notice.kind == model.STOP for notice in self.notices)

    def answer(self) -> Decision:
        """The decision: a denial or question and what you are shown, else everything that there is to say."""
        said = [note for note in self.notices if not self.denial or note.kind in model.BESIDE]
        return Decision(notices=self.denial + said, transitions=self.transitions, contacts=self.contacts)
