"""A budget warns twice, asks where you can answer, and stops the turn where nobody can."""

from __future__ import annotations

import pytest
from streams import Stream

from circuit_breaker.breaker.memory import Budget, Position
from circuit_breaker.breaker.model import (
    ALLOW,
    DENIED,
    DENY,
    FAILED,
    FOR_YOU,
    MACHINE,
    MAIN,
    OK,
    QUESTION,
    STOP,
    WARN,
    Ask,
    Reported,
    Result,
    Turn,
)
from circuit_breaker.words.sentences import sentence_of

USAGE = [5, 15, 70, 10]  # 100 tokens


class Session(Stream):
    """A session that works: each call is new and reads. `attended`: a terminal."""

    def __init__(self, attended=True, **budget):
        rule = {"action": "ask", **budget}
        super().__init__(circuit_breakers={"budget": rule})
        self.attended = attended

    def ask_first(self, tool="Bash", given=None, lane=MAIN):
        self.ids += 1
        asked = Ask(
            id=f"t{self.ids}",
            tool=tool,
            input=given or {"command": f"cat file{self.ids}"},
            prompt=self.session.prompt,
            attended=self.attended,
        )
        return asked, self.send(asked, lane)

    def work(self, tool="Bash", given=None, lane=MAIN, spent=(), said="", kind=OK):
        """One call, asked for and run; -> (the gate's verdict, the turn's decision)."""
        asked, gate = self.ask_first(tool, given, lane)
        result = Result(id=asked.id, tool=tool, input=asked.input, kind=kind, text=said or asked.id)
        turn = Turn(
            results=[result],
            prompt=self.session.prompt,
            spent=[*spent],
            attended=self.attended,
        )
        return gate.verdict, self.send(turn, lane)

    def write(self, lane=MAIN, spent=()):
        name = f"/p/new{self.ids}.py"
        return self.work("Write", {"file_path": name, "content": name}, lane, spent)


def kinds(decision):
    return [notice.kind for notice in decision.notices]


def text(decision, kind):
    return next(sentence_of(n, "SUDO BYPASS") for n in decision.notices if n.kind == kind)


def test_eight_calls_are_allowed_and_you_are_asked_before_the_ninth():
    session = Session(calls_per_prompt=8)
    verdicts = [session.work()[0] for _ in range(9)]
    assert verdicts == [ALLOW] * 8 + [QUESTION]


def test_where_nobody_can_answer_the_turn_stops_at_the_eighth():
    session = Session(attended=False, calls_per_prompt=8)
    ends = [session.work()[1].verdict for _ in range(8)]
    assert ends[-1] == STOP and STOP not in ends[:-1]
    [ending] = session.events("ending")
    assert (ending.name, ending.count) == ("budget:calls_per_prompt", 8)


def test_half_and_four_fifths_are_warned_of_once_each_to_claude_and_to_you():
    session = Session(calls_per_prompt=10)
    warned = {n: decision for n in range(1, 10) for _, decision in [session.work()] if decision.notices}
    assert sorted(warned) == [5, 8]
    for count, decision in warned.items():
        assert kinds(decision) == [WARN, FOR_YOU]
        assert f"{count} of 10 tool calls in this prompt" in text(decision, WARN)
        assert f"{count}0 % of calls_per_prompt" in text(decision, FOR_YOU)
    assert [t.name for t in session.events("warning")] == ["budget:calls_per_prompt"] * 2


def test_turn_that_jumps_over_both_marks_is_warned_of_once():
    session = Session(tokens_per_prompt=1000)
    assert kinds(session.work(spent=[0, 0, 900, 0])[1]) == [WARN, FOR_YOU]
    assert kinds(session.work(spent=[0, 0, 10, 0])[1]) == []


def test_turn_that_uses_up_everything_at_once_is_warned_of_and_the_next_one_stops():
    session = Session(attended=False, tokens_per_prompt=1000)
    decision = session.work(spent=[0, 0, 1200, 0])[1]
    assert decision.verdict == WARN and "1,200 of 1,000" in text(decision, WARN)
    assert session.work(spent=USAGE)[1].verdict == STOP


def test_question_says_what_was_spent_on_what_and_when_it_comes_again():
    session = Session(calls_per_prompt=3)
    for tool in ("Read", "Bash", "Bash"):
        given = {"file_path": "/p/a"} if tool == "Read" else None
        session.work(tool, given, spent=USAGE)
    session.now += 1300
    session.work(spent=USAGE)
    session.prompt()
    for _ in range(3):
        session.work(spent=USAGE)
    session.now += 700
    asked = session.ask_first()[1]
    said = text(asked, QUESTION)
    assert "3 of 3 tool calls in this prompt (Bash 3; 300 tokens, 210 of them cache reads)" in said
    assert "again at 6" in said


def test_question_says_since_when_nothing_was_achieved():
    session = Session(calls_per_prompt=2)
    session.work()
    session.now += 600
    session.work()
    assert "There was no progress for 10 min" in text(session.ask_first()[1], QUESTION)


def test_after_a_yes_the_next_question_comes_at_the_next_full_amount():
    session = Session(calls_per_prompt=4)
    verdicts = [session.work()[0] for _ in range(13)]
    assert [n for n, verdict in enumerate(verdicts, 1) if verdict == QUESTION] == [5, 9, 13]
    assert [t.name for t in session.events("asked")] == ["budget:calls_per_prompt"] * 3
    assert len(session.events("ask_allowed")) == 3
    assert not session.session.circuits


def test_no_to_the_question_is_no_yes():
    session = Session(calls_per_prompt=1)
    session.work()
    assert (
        session.work(kind=DENIED, said="The user doesn't want to proceed with this tool use.")[0] == QUESTION
    )
    assert session.events("asked") and not session.events("ask_allowed")


def test_gate_is_awake_from_the_limit_to_the_question():
    session = Session(calls_per_prompt=2)
    session.work()
    assert not session.session.circuits
    session.work()
    assert [c.state for c in session.session.circuits.values()] == ["OPEN"]
    assert session.ask_first()[1].verdict == QUESTION
    assert not session.session.circuits and session.ask_first()[1].verdict == ALLOW


def test_call_of_a_tool_that_is_left_out_gets_no_question():
    session = Session(calls_per_prompt=2)
    session.config.exclude = ["Bash"]
    assert [session.work()[0] for _ in range(4)] == [ALLOW] * 4
    assert session.work("Read", {"file_path": "/p/a"})[0] == QUESTION


def test_one_question_for_two_limits_that_are_reached_at_once():
    session = Session(calls_per_prompt=2, tokens_per_prompt=200)
    session.work(spent=USAGE)
    session.work(spent=USAGE)
    asked = session.ask_first()[1]
    assert kinds(asked) == [QUESTION, QUESTION]
    assert session.ask_first()[1].verdict == ALLOW


def test_your_prompt_starts_the_counts_of_a_prompt_anew_and_a_machines_does_not():
    session = Session(calls_per_prompt=3, tokens_per_prompt=10_000)
    session.work(spent=USAGE)
    session.work(spent=USAGE)
    session.prompt(person=False)
    session.work(spent=USAGE)
    assert session.session.budget.calls == 3 and session.session.circuits
    session.prompt()
    assert (session.session.budget.calls, session.session.budget.prompt) == (0, [0, 0, 0, 0])
    assert not session.session.circuits
    assert session.work()[0] == ALLOW


def test_prompt_that_proves_a_machines_starts_nothing_anew():
    session = Session(attended=False, calls_per_prompt=5, tokens_per_prompt=10_000)
    for _ in range(3):
        session.work(spent=USAGE)
    session.prompt(proven=False)  # looks like yours
    first = Ask(
        id="first", tool="Bash", input={"command": "pwd"}, prompt=session.session.prompt, author=MACHINE
    )
    session.send(first)
    session.work(spent=USAGE)
    assert session.work(spent=USAGE)[1].verdict == STOP
    assert session.session.budget.prompt == [5 * n for n in USAGE]


def test_tokens_of_the_session_count_on_over_prompts():
    session = Session(attended=False, tokens_per_session=500)
    for _ in range(2):
        session.work(spent=USAGE)
    session.prompt()
    ends = [session.work(spent=USAGE)[1].verdict for _ in range(3)]
    assert ends[-1] == STOP and STOP not in ends[:-1]
    session.prompt()
    assert session.work()[1].verdict == STOP  # the session's limit stays reached


def test_tokens_since_progress_start_anew_when_something_new_is_achieved():
    session = Session(attended=False, tokens_since_progress=350)
    for _ in range(6):
        session.work(spent=USAGE)
        session.work(spent=USAGE)
        assert session.write(spent=USAGE)[1].verdict != STOP
    ends = [session.work(spent=USAGE)[1].verdict for _ in range(4)]
    assert ends[-1] == STOP


def test_toggling_one_edit_is_no_progress():
    session = Session(attended=False, tokens_since_progress=450)
    ends = []
    for number in range(8):
        given = {"file_path": "/p/a.py", "old_string": f"{number % 2}", "new_string": f"{1 - number % 2}"}
        ends.append(session.work("Edit", given, spent=USAGE, said=f"edited {number}")[1].verdict)
    assert STOP in ends


def test_minutes_since_progress_are_counted_by_the_clock_and_not_over_your_absence():
    session = Session(attended=False, minutes_since_progress=30)
    session.work()
    session.now += 31 * 60
    session.prompt()
    assert session.work()[1].verdict == ALLOW
    session.now += 16 * 60
    assert WARN in kinds(session.work()[1])
    session.now += 15 * 60
    assert session.work()[1].verdict == STOP


def test_clock_that_jumps_back_uses_nothing_up():
    session = Session(attended=False, minutes_since_progress=5)
    session.work()
    session.now -= 10_000
    assert session.work()[1].verdict == ALLOW


def test_subagents_count_to_their_session_and_are_stopped_with_a_note_to_the_parent():
    session = Session(calls_per_prompt=6)
    for lane in ("a1", "a2", "a1", "a2", "a1"):
        assert session.work(lane=lane)[1].verdict != STOP
    assert session.work(lane="a2")[1].verdict == STOP
    assert session.work(lane="a1")[1].verdict == STOP  # until you have said yes, each of them
    verdict, decision = session.work()
    assert verdict == QUESTION
    told = "\n".join(sentence_of(n, "x") for n in decision.notices if n.kind == "subagent")
    assert "the subagent a2 was stopped because the budget is used up" in told
    assert session.work(lane="a1")[1].verdict != STOP


def test_sudo_bypass_lifts_it_for_its_prompt():
    session = Session(attended=False, calls_per_prompt=2)
    session.prompt(bypass=True)
    assert {session.work()[1].verdict for _ in range(6)} == {ALLOW}
    session.prompt()
    assert [session.work()[1].verdict for _ in range(2)][-1] == STOP


def test_reset_takes_it_as_a_yes():
    session = Session(calls_per_prompt=2)
    session.work()
    session.work()
    session.reset("budget:calls_per_prompt")
    verdicts = [session.work()[0] for _ in range(3)]
    assert verdicts == [ALLOW, ALLOW, QUESTION]


@pytest.mark.parametrize(("action", "says"), [("warn", [WARN, WARN, WARN]), ("observe", [])])
def test_warn_and_observe_never_ask_nor_stop(action, says):
    session = Session(attended=False, action=action, calls_per_prompt=5)
    decisions = [session.work() for _ in range(7)]
    assert {verdict for verdict, _ in decisions} == {ALLOW}
    assert [kind for _, d in decisions for kind in kinds(d) if kind != FOR_YOU] == says
    assert not session.session.circuits
    assert session.session.tally["budget"]["would"] == 1


def test_block_stops_the_turn_at_a_terminal_too():
    session = Session(action="block", calls_per_prompt=2)
    session.work()
    assert session.work()[1].verdict == STOP
    assert session.ask_first()[1].verdict == ALLOW


def test_call_delivered_twice_counts_once():
    session = Session(calls_per_prompt=10)
    result = Result(id="one", tool="Bash", input={"command": "ls"}, text="x")
    for _ in range(3):
        session.send(Turn(results=[result], prompt=session.session.prompt))
    assert session.session.budget.calls == 1


def test_without_a_limit_nothing_is_kept():
    session = Session()
    session.work(spent=USAGE)
    assert session.session.budget == Budget() and session.lanes[MAIN].read == Position()


# --- action "ask" of the other rules


def failing(session, attended, times=3):
    for _ in range(times):
        session.ids += 1
        given = {"command": "make all"}
        prompt = session.session.prompt
        asked = Ask(id=f"t{session.ids}", tool="Bash", input=given, prompt=prompt, attended=attended)
        decision = session.send(asked)
        if decision.verdict != ALLOW:
            return decision
        failed = {"tool": "Bash", "input": given, "text": "Exit code 2"}
        session.send(Reported(id=asked.id, kind=FAILED, prompt=prompt, **failed))
        session.send(Turn(results=[Result(id=asked.id, **failed)], prompt=prompt, attended=attended))
    return decision


def asking(**more):
    return Stream(circuit_breakers={"tool_failure": {"action": "ask"}}, **more)


def test_rule_that_asks_opens_its_circuit_and_asks_at_a_terminal():
    session = asking()
    decision = failing(session, attended=True, times=4)
    assert decision.verdict == QUESTION
    said = text(decision, QUESTION)
    assert "`Bash make all` failed 3 times" in said and "Yes lets it run once" in said
    assert session.states() == {"tool_failure:Bash make all": "OPEN"}
    assert [t.event for t in session.transitions if t.event in ("trip", "asked")] == ["trip", "asked"]


def test_rule_that_asks_denies_where_nobody_can_answer():
    session = asking()
    assert failing(session, attended=False, times=4).verdict == DENY


@pytest.mark.parametrize(("outcome", "state"), [("same", "OPEN"), ("good", "CLOSED")])
def test_yes_lets_one_call_through_and_only_a_good_result_closes(outcome, state):
    session = asking()
    failing(session, attended=True, times=4)
    call = {"id": f"t{session.ids}", "tool": "Bash", "input": {"command": "make all"}}
    prompt = session.session.prompt
    if outcome == "same":
        session.send(Reported(kind=FAILED, prompt=prompt, text="Exit code 2", **call))
    session.send(Turn(results=[Result(text="built", **call)], prompt=prompt))
    assert [allowed.calls for allowed in session.events("ask_allowed")] == [["Bash make all"]]
    assert session.states().get("tool_failure:Bash make all", "CLOSED") == state
    if state == "OPEN":
        circuit = session.lanes[MAIN].circuits["tool_failure:Bash make all"]
        assert circuit.level == 0
        assert failing(session, attended=True, times=1).verdict == QUESTION


def test_questions_do_not_count_as_denials():
    session = asking(deny_limit=2)
    failing(session, attended=True)
    for _ in range(4):
        decision = failing(session, attended=True, times=1)
        assert decision.verdict == QUESTION
    assert session.lanes[MAIN].denials == 0


def test_a_turn_that_two_installations_report_is_warned_of_and_not_stopped_by_the_second():
    session = Session(attended=False, calls_per_prompt=1)
    ran = Result(id="t", tool="Read", input={"file_path": "/p/a"}, text="a")
    turns = [session.send(Turn(results=[ran], prompt=session.session.prompt)) for _ in range(2)]
    assert [decision.verdict for decision in turns] == [WARN, ALLOW]
    assert session.work()[1].verdict == STOP


def test_a_question_that_two_installations_ask_is_on_record_once():
    session = Session(calls_per_prompt=1)
    session.work()
    asked, _ = session.ask_first()
    session.send(asked)
    assert len(session.events("asked")) == 1
