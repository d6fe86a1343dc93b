"""Plays recorded streams of hook events (see ../shared/cases) to the engine as Claude Code would send them."""

from __future__ import annotations

import json
from pathlib import Path

from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.memory import Lane, Session
from circuit_breaker.breaker.model import CLOSED, DENY, STOP, WARN, Prompt
from circuit_breaker.breaker.policy import step
from circuit_breaker.runtime.protocol import Payload, event_of

START = 1_790_000_000.0
CWD = "/p"


class Played:
    """What the breaker did: the indices of events at which it warned, blocked and stopped, and the states after each."""

    def __init__(self) -> None:
        self.warned: list[int] = []
        self.tripped: list[int] = []
        self.stopped: list[int] = []
        self.said: list[str] = []
        self.states: dict[int, set[str]] = {}

    @property
    def told(self) -> list[int]:
        """Where it said or did anything."""
        return sorted(self.warned + self.tripped)


def load(path: Path) -> dict:
    """A case."""
    return json.loads(path.read_text(encoding="utf-8"))


def play(events: list[dict]) -> Played:
    """One session: calls opened before the first result of a group are one message."""
    return _Player(build()).play(events)


class _Player:
    def __init__(self, config) -> None:
        self.config, self.session, self.lanes = config, Session(), {}
        self.played = Played()
        self.open: dict[str, dict[str, dict]] = {}  # lane -> id -> its call, in the order of the message
        self.done: dict[str, list[dict]] = {}
        self.turn = 0

    def play(self, events: list[dict]) -> Played:
        self.unasked = {event["tool_use_id"] for event in events if event.get("validation_error")}
        for at, event in enumerate(events):
            self.at, self.now = at, START + event["t"]
            name = event["hook_event_name"]
            lane = event.get("agent_id", "")
            if name == "PreToolUse":
                if self.done.get(lane) and not self.open.get(lane):
                    self._batch(lane)
                self._ask(event, lane)
            elif name in ("PostToolUse", "PostToolUseFailure", "ToolNotRun"):
                self._result(event, lane)
                if not self.open.get(lane):
                    self._batch(lane)
            elif name in ("UserPromptSubmit", "Stop", "SubagentStop", "SessionStart"):
                for each in [*self.done]:
                    self._batch(each)
                if name == "UserPromptSubmit":
                    self.turn += 1
                if name != "SessionStart":
                    self._send({**event, "prompt_id": f"p{self.turn}"}, lane)
            states = {circuit.state for each in self.lanes.values() for circuit in each.circuits.values()}
            self.played.states[at] = states or {CLOSED}
        for lane in [*self.done]:
            self._batch(lane)
        return self.played

    def _ask(self, event: dict, lane: str) -> None:
        call = {name: event[name] for name in ("tool_name", "tool_input", "tool_use_id")}
        self.open.setdefault(lane, {})[event["tool_use_id"]] = call
        if event["tool_use_id"] not in self.unasked and self._send(event, lane).verdict == DENY:
            self.played.tripped.append(self.at)
            call["tool_response"] = "PreToolUse hook error: blocked"

    def _result(self, event: dict, lane: str) -> None:
        call = self.open.get(lane, {}).pop(event["tool_use_id"], None)
        if call is None:
            return
        self.done.setdefault(lane, []).append(call)
        text = event.get("error", event.get("tool_response", ""))
        if event.get("validation_error"):
            mark = "<tool_use_error>"
            call["tool_response"] = text if str(text).startswith(mark) else f"{mark}{text}</tool_use_error>"
            return
        if "tool_response" in call:
            return  # it was denied
        call["tool_response"] = _seen(text, call["tool_input"])
        if event["hook_event_name"] == "PostToolUseFailure":
            self._send({**event, **call}, lane)

    def _batch(self, lane: str) -> None:
        calls = self.done.pop(lane, [])
        if not calls:
            return
        decision = self._send({"hook_event_name": "PostToolBatch", "tool_calls": calls}, lane)
        if decision.verdict == WARN:
            self.played.warned.append(self.at)
        if decision.verdict == STOP:
            self.played.stopped.append(self.at)
            self.played.tripped.append(self.at)

    def _send(self, fields: dict, lane: str):
        base = {"session_id": "s", "cwd": CWD, "prompt_id": f"p{self.turn}"}
        payload = Payload({**base, **fields, **({"agent_id": lane} if lane else {})})
        event = event_of(payload, self.config.bypass_keyword)
        if isinstance(event, Prompt):
            event.proven = event.person  # no transcript says otherwise
        memory = self.lanes.get(lane, Lane())
        before = {name for name, circuit in memory.circuits.items() if circuit.state != CLOSED}
        self.session, self.lanes[lane], decision = step(
            self.session, memory, event, self.config, self.now, lane
        )
        after = {name for name, circuit in self.lanes[lane].circuits.items() if circuit.state != CLOSED}
        if after - before:
            self.played.tripped.append(self.at)
        self.played.said += [
            f"{self.at} {notice.kind} {notice.name} {notice.count}" for notice in decision.notices
        ]
        return decision


def _seen(response: object, given: dict) -> object:
    """What the model sees of a tool's own object."""
    if not isinstance(response, dict):
        return response
    if response.get("backgroundTaskId"):
        task = response["backgroundTaskId"]
        return f"Command running in background with ID: {task}. Output is being written to: /tmp/tasks/{task}.output"
    if "stdout" in response:
        return "\n".join(part for part in (response["stdout"], response.get("stderr", "")) if part)
    if "filePath" in response:
        return f"The file {response['filePath']} has been updated successfully."
    return json.dumps(response)
