"""Budgets and what a streak costs, through real hook processes and transcripts in Claude Code's own form."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import threading

import pytest
from registrations import ROOT

from circuit_breaker.breaker.memory import Session
from circuit_breaker.runtime import store

SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
USAGE = {"input_tokens": 5, "output_tokens": 300, "cache_read_input_tokens": 101_400}


class Claude:
    """A session at work: rows in its transcript, then the hooks that Claude Code would run."""

    def __init__(self, machine, run_hook, entry="cli", **budget):
        self.machine, self.run_hook, self.entry = machine, run_hook, entry
        self.folder = machine.home / ".claude" / "projects" / "-p"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.transcript = self.folder / f"{SESSION}.jsonl"
        self.calls, self.prompts = 0, 0
        self.limit(**budget)

    def limit(self, **budget):
        path = self.machine.home / ".config" / "claude-circuit-breaker" / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"circuit_breakers": {"budget": budget}}))

    def hook(self, name, event, agent=None, **fields):
        body = {
            "session_id": SESSION,
            "transcript_path": str(self.transcript),
            "cwd": str(self.machine.project),
            "prompt_id": f"p{self.prompts}",
            "hook_event_name": event,
            **({"agent_id": agent} if agent else {}),
            **fields,
        }
        answer = self.run_hook(name, body, CLAUDE_CODE_ENTRYPOINT=self.entry)
        assert answer.code == 0
        assert not (self.machine.runtime / "errors.log").exists(), (
            self.machine.runtime / "errors.log"
        ).read_text()
        return answer.out

    def prompt(self, text="go on", source="typed"):
        self.prompts += 1
        out = self.hook("prompt", "UserPromptSubmit", prompt=text)
        more = {"isMeta": True} if source == "system" else {}
        self.row({"type": "user", "promptId": f"p{self.prompts}", "promptSource": source, **more})
        return out

    def row(self, row, agent=None):
        path = self.transcript
        if agent:
            path = self.folder / SESSION / "subagents" / f"agent-{agent}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")

    def gate(self, call_id, given, agent=None):
        armed = self.machine.runtime / "armed" / SESSION
        if not armed.exists():
            return None
        fields = {"tool_name": "Bash", "tool_input": given, "tool_use_id": call_id}
        return self.hook("gate", "PreToolUse", agent, **fields)

    def call(self, command=None, error="", agent=None, usage=USAGE):
        """One call: -> (the gate's answer, the turn's)."""
        self.calls += 1
        call_id, given = f"t{self.calls}", {"command": command or f"cat f{self.calls}"}
        block = {"type": "tool_use", "id": call_id, "name": "Bash", "input": given}
        for content, said in (({"type": "text", "text": "x"}, {**usage, "output_tokens": 1}), (block, usage)):
            message = {"id": f"m{self.calls}", "content": [content], "usage": said}
            self.row({"type": "assistant", "message": message}, agent)
        asked = self.gate(call_id, given, agent)
        fields = {"tool_name": "Bash", "tool_input": given, "tool_use_id": call_id}
        text = error or f"text {self.calls}"
        decision = (asked or {}).get("hookSpecificOutput", {})
        if decision.get("permissionDecision") == "deny":
            text = decision["permissionDecisionReason"]
        elif error:
            self.hook("monitor", "PostToolUseFailure", agent, error=error, **fields)
        batch = [{**fields, "tool_response": text}]
        return asked, self.hook("monitor", "PostToolBatch", agent, tool_calls=batch)

    def memory(self):
        folder = self.machine.runtime / "sessions" / SESSION
        return store.read_memory(str(folder / "session.json"), Session).budget

    def incidents(self, *events):
        log = self.machine.runtime / "circuit_breaker_incidents.jsonl"
        rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [row for row in rows if row["event"] in events]


@pytest.fixture
def claude(machine, run_hook):
    def start(entry="cli", **budget):
        return Claude(machine, run_hook, entry, **budget)

    return start


def asked(answer):
    output = (answer or {}).get("hookSpecificOutput", {})
    return output.get("permissionDecisionReason") if output.get("permissionDecision") == "ask" else None


def test_at_a_terminal_you_are_asked_before_the_ninth_call_and_the_dialog_is_the_only_message(claude):
    session = claude(calls_per_prompt=8)
    session.prompt()
    answers = [session.call() for _ in range(9)]
    assert [bool(asked(gate)) for gate, _ in answers] == [False] * 8 + [True]
    assert "8 of 8 tool calls in this prompt (Bash 8" in asked(answers[8][0])
    assert set(answers[8][0]) == {"hookSpecificOutput"} and answers[7][1] is None
    warned = [n for n, (_, turn) in enumerate(answers, 1) if turn]
    assert warned == [4, 7]
    for n in warned:
        turn = answers[n - 1][1]
        assert "tool calls in this prompt" in turn["hookSpecificOutput"]["additionalContext"]
        assert "calls_per_prompt" in turn["systemMessage"]
    assert [row["event"] for row in session.incidents("asked", "ask_allowed")] == ["asked", "ask_allowed"]
    assert not (session.machine.runtime / "armed" / SESSION).exists()


def test_in_p_the_turn_is_stopped_at_the_eighth(claude):
    session = claude("sdk-cli", calls_per_prompt=8)
    session.prompt()
    turns = [session.call()[1] for _ in range(8)]
    assert turns[-1]["continue"] is False and "8 of 8 tool calls" in turns[-1]["stopReason"]
    assert not any(turn and "continue" in turn for turn in turns[:-1])
    [ending] = session.incidents("ending")
    assert (ending["circuit"], ending["tokens"]["cache_read"]) == ("budget:calls_per_prompt", 8 * 101_400)


def test_tokens_are_read_on_from_your_prompt_each_message_once(claude):
    session = claude(tokens_per_prompt=10**9)
    session.row({"type": "assistant", "message": {"id": "old", "content": [], "usage": USAGE}})
    session.prompt()
    session.call()
    session.call()
    assert session.memory().prompt == session.memory().session == [10, 600, 202_800, 0]
    session.prompt()
    session.call()
    assert session.memory().prompt == [5, 300, 101_400, 0]
    assert session.memory().session == [15, 900, 304_200, 0]


def test_answer_after_the_last_call_counts_to_the_session_and_not_to_the_next_prompt(claude):
    session = claude(tokens_per_session=10**9)
    session.prompt()
    session.call()
    session.row({"type": "assistant", "message": {"id": "answer", "content": [], "usage": USAGE}})
    session.prompt()
    session.call()
    assert session.memory().session == [15, 900, 304_200, 0]
    assert session.memory().prompt == [5, 300, 101_400, 0]


def test_machine_prompt_starts_nothing_anew(claude):
    session = claude("sdk-cli", calls_per_prompt=4, tokens_per_prompt=10**9)
    session.prompt()
    session.call()
    session.call()
    session.prompt("<task-notification>done</task-notification>", "system")
    session.call()
    session.prompt("look again", "system")  # a cron prompt: only its row in the transcript says so
    assert session.call()[1]["continue"] is False
    assert session.memory().prompt[2] == 4 * 101_400


def test_subagents_file_counts_to_the_session_and_a_subagent_is_stopped(claude):
    session = claude(tokens_per_prompt=400_000)
    session.prompt()
    session.call()
    session.call(agent="a1")
    session.call(agent="a2")
    assert session.memory().prompt[2] == 3 * 101_400
    stopped = session.call(agent="a1")[1]
    assert stopped["continue"] is False and "tokens in this prompt" in stopped["stopReason"]
    gate, turn = session.call()
    assert "405,600 of them cache reads" in asked(gate)
    assert "the subagent a1 was stopped" in turn["hookSpecificOutput"]["additionalContext"]


def test_sudo_bypass_lifts_the_budget_for_its_prompt(claude):
    session = claude("sdk-cli", calls_per_prompt=2)
    session.prompt("SUDO BYPASS\ngo on")
    assert [session.call()[1] for _ in range(4)] == [None] * 4
    session.prompt()
    assert [session.call()[1] for _ in range(2)][-1]["continue"] is False


def test_parallel_lanes_never_lose_a_count(claude):
    session = claude(calls_per_prompt=10**6, tokens_per_prompt=10**9)
    session.prompt()
    lanes = [f"a{n}" for n in range(4)]
    faults = []

    def work(lane):
        own = copy.copy(session)
        own.calls = 100 * (1 + lanes.index(lane))
        try:
            for _ in range(5):
                own.call(agent=lane)
        except AssertionError as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert session.memory().calls == 20 and session.memory().prompt[2] == 20 * 101_400


def test_budget_that_is_set_in_the_middle_counts_from_there(claude):
    session = claude()
    session.prompt()
    session.call()
    session.limit(tokens_per_prompt=10**9)
    session.call()
    session.call()
    assert session.memory().prompt == [5, 300, 101_400, 0]


def test_without_a_limit_nothing_is_read_nor_kept(claude):
    session = claude()
    session.prompt()
    session.call()
    folder = session.machine.runtime / "sessions" / SESSION
    assert "budget" not in json.loads((folder / "session.json").read_text())
    assert "read" not in json.loads((folder / "main.json").read_text())


def test_trip_says_what_its_streak_cost_and_a_stopped_turn_what_it_cost_since(claude):
    session = claude("sdk-cli")
    session.prompt()
    session.call()
    for _ in range(3):
        session.call("make all", "Exit code 2\nno rule")
    [trip] = session.incidents("trip")
    assert trip["tokens"] == {"input": 15, "output": 900, "cache_read": 304_200, "cache_write": 0}
    for _ in range(5):
        gate, turn = session.call("make all", "Exit code 2\nno rule")
        assert gate["hookSpecificOutput"]["permissionDecision"] == "deny"
    [ending] = session.incidents("ending")
    assert turn["continue"] is False
    assert ending["tokens"] == {"input": 40, "output": 2400, "cache_read": 811_200, "cache_write": 0}


def test_status_shows_what_a_circuit_has_cost_and_what_a_budget_asks(claude):
    session = claude(calls_per_prompt=5)
    session.prompt()
    for _ in range(3):
        session.call("make all", "Exit code 2\nno rule")
    session.call()
    session.call()
    command = [sys.executable, str(ROOT / "plugin"), "status", "--json"]
    env = {**session.machine.env, "CLAUDE_PROJECT_DIR": ""}
    done = subprocess.run(
        command, env=env, cwd=session.machine.project, capture_output=True, text=True, check=False
    )
    circuits = json.loads(done.stdout)["circuits"]
    [failing] = circuits["tool_failure"]["subjects"]
    assert failing["tokens"]["cache_read"] == 5 * 101_400  # the streak, and what came after it
    [limit] = circuits["budget"]["subjects"]
    assert (limit["subject"], limit["state"], limit["count"]) == ("calls_per_prompt", "OPEN", 5)
    text = subprocess.run(
        command[:-1], env=env, cwd=session.machine.project, capture_output=True, text=True, check=False
    ).stdout
    assert "cost: at least 508,525 tokens so far, 507,000 of them cache reads" in text
    assert "why: used 5 of 5 tool calls in this prompt" in text
    assert "next: you are asked before the next call" in text


def test_transcript_that_is_lost_or_torn_costs_nothing_but_its_tokens(claude):
    session = claude(tokens_per_prompt=10**9, calls_per_prompt=100)
    session.prompt()
    session.call()
    session.transcript.write_text('{"torn')
    session.call()
    session.transcript.unlink()
    session.call()
    assert session.memory().calls == 3


def test_observe_mode_says_what_a_streak_and_a_budget_would_have_cost(claude):
    session = claude()
    path = session.machine.home / ".config" / "claude-circuit-breaker" / "config.json"
    rules = {"budget": {"calls_per_prompt": 4}}
    path.write_text(json.dumps({"mode": "observe", "circuit_breakers": rules}))
    session.prompt()
    answers = [session.call("make all", "Exit code 2\nno rule") for _ in range(5)]
    assert answers == [(None, None)] * 5
    found = {row["circuit"]: row["tokens"]["cache_read"] for row in session.incidents("would_trip")}
    assert found == {"tool_failure:Bash make all": 3 * 101_400, "budget:calls_per_prompt": 4 * 101_400}


@pytest.mark.parametrize(("entry", "decision"), [("cli", "ask"), ("sdk-cli", "deny"), ("sdk-py", "deny")])
def test_rule_that_asks_asks_at_a_terminal_and_denies_elsewhere(claude, entry, decision):
    session = claude(entry)
    path = session.machine.home / ".config" / "claude-circuit-breaker" / "config.json"
    path.write_text(json.dumps({"circuit_breakers": {"tool_failure": {"action": "ask"}}}))
    session.prompt()
    for _ in range(3):
        session.call("make all", "Exit code 2\nno rule")
    gate, _ = session.call("make all", "Exit code 2\nno rule")
    output = gate["hookSpecificOutput"]
    assert output["permissionDecision"] == decision
    assert "failed 3 times" in output["permissionDecisionReason"]
    assert [row["circuit"] for row in session.incidents("asked")] == ["tool_failure:Bash make all"] * (
        decision == "ask"
    )
