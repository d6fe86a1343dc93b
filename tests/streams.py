"""Invented sessions for tests: a driver that feeds `step` the events a host would send, in its order."""

from __future__ import annotations

from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import (
    ALLOW,
    DENIED,
    DENY,
    FAILED,
    INTERRUPTED,
    INVALID,
    LAUNCHED,
    MAIN,
    OK,
    OPENED,
    Ask,
    Prompt,
    Reported,
    Reset,
    Result,
    StopAsked,
    Turn,
)
from circuit_breaker.breaker.policy import step
from circuit_breaker.words.sentences import sentence_of


def said(decision) -> str:
    """What the model or you read of a decision."""
    return "\n\n".join(
        sentence_of(notice, "SUDO BYPASS") for notice in decision.notices if notice.kind != OPENED
    )


class Stream:
    """One session: `call` asks, reports and ends a turn as Claude Code would; the gate is asked as if it were always awake.

    `pace`: seconds that go by before each turn ends; `attended`: you sit at a terminal.
    """

    def __init__(
        self, now: float = 1_790_000_000.0, pace: float = 0.0, attended: bool = False, **changes
    ) -> None:
        self.config = build([("test", changes)] if changes else [])
        assert not self.config.problems, self.config.problems
        self.session, self.lanes, self.now, self.pace = Session(), {}, now, pace
        self.attended = attended
        self.ids, self.transitions, self.said, self.prompts = 0, [], [], 0
        self.author = ""  # what the transcript says of the last prompt, from the next event on
        self.prompt("go")

    def send(self, event, lane=MAIN):
        memory = self.lanes.get(lane, Lane())
        if self.attended and isinstance(event, (Ask, Turn)):
            event.attended = True
        if self.author and not isinstance(event, Prompt):
            event = event.but(author=self.author)
        self.session, self.lanes[lane], decision = step(
            self.session, memory, event, self.config, self.now, lane
        )
        self.transitions += decision.transitions
        if decision.verdict != ALLOW:
            self.said.append((decision.verdict, said(decision)))
        return decision

    def prompt(
        self, text: str = "", person: bool = True, bypass: bool = False, proven: bool = True, author: str = ""
    ):
        self.prompts += 1
        self.author = author
        return self.send(Prompt(id=f"p{self.prompts}", person=person, bypass=bypass, proven=proven))

    def ask(self, tool, given, lane=MAIN, cwd="/p", call_id=None):
        self.ids += 1
        call_id = call_id or f"t{self.ids}"
        return call_id, self.send(
            Ask(id=call_id, tool=tool, input=given, cwd=cwd, prompt=self.session.prompt), lane
        )

    def call(self, tool, given, text="", kind=OK, lane=MAIN, cwd="/p"):
        """One turn of one call; -> the decision of its turn, or the gate's denial (the turn then says `ours`)."""
        return self.turn([(tool, given, text, kind)], lane, cwd)[-1]

    def turn(self, calls, lane=MAIN, cwd="/p"):
        """One turn: -> [each denial..., the turn's decision]."""
        results, answers = [], []
        self.now += self.pace
        for tool, given, text, kind in calls:
            if kind in (INVALID, INTERRUPTED):  # the gate is not asked
                self.ids += 1
                call_id = f"t{self.ids}"
            else:
                call_id, asked = self.ask(tool, given, lane, cwd)
                if asked.verdict == DENY:
                    results.append(Result(id=call_id, tool=tool, input=given, kind=OK, text=said(asked)))
                    answers.append(asked)
                    continue
            if kind == FAILED:
                self.report(call_id, tool, given, text, lane, cwd)
            seen = kind if kind in (INVALID, INTERRUPTED, DENIED, LAUNCHED) else OK
            results.append(Result(id=call_id, tool=tool, input=given, kind=seen, text=text))
        answers.append(self.send(Turn(results=results, cwd=cwd, prompt=self.session.prompt), lane))
        return answers

    def report(self, call_id, tool, given, text, lane=MAIN, cwd="/p"):
        """A failure before its batch."""
        failure = {"id": call_id, "tool": tool, "input": given, "kind": FAILED, "text": text, "cwd": cwd}
        return self.send(Reported(**failure, prompt=self.session.prompt), lane)

    def lose(self, command, text, lane=MAIN):
        """A shell call that fails and whose batch never comes; -> the gate's answer."""
        call_id, asked = self.ask("Bash", {"command": command}, lane)
        if asked.verdict != DENY:
            self.report(call_id, "Bash", {"command": command}, text, lane)
        return asked

    def bash(self, command, text="", fails=False, **more):
        return self.call("Bash", {"command": command}, text, FAILED if fails else OK, **more)

    def stop(self, again=True, lane=MAIN):
        return self.send(StopAsked(again=again, prompt=self.session.prompt), lane)

    def reset(self, which=""):
        return self.send(Reset(which=which))

    def events(self, kind):
        return [t for t in self.transitions if t.event == kind]

    def states(self, lane=MAIN):
        return {name: circuit.state for name, circuit in self.lanes.get(lane, Lane()).circuits.items()}
