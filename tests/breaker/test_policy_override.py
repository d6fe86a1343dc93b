"""The override is yours alone; rules do what their configuration says."""

from __future__ import annotations

import pytest
from streams import Stream, said

from circuit_breaker.breaker.layers import build
from circuit_breaker.breaker.model import (
    ALLOW,
    DENY,
    FAILED,
    HALF_OPEN,
    LAUNCHED,
    MACHINE,
    OK,
    OPEN,
    PERSON,
    STOP,
    UNKNOWN,
    WARN,
    Ask,
    Circuit,
    Prompt,
    Reported,
    Result,
    Turn,
)


def opened(**changes) -> Stream:
    stream = Stream(**changes)
    for _ in range(3):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
    return stream


def test_bypass_lets_the_denied_call_through_and_is_on_record():
    stream = opened()
    assert stream.bash("make test").verdict == DENY or stream.said[-1][0] == DENY
    stream.prompt(bypass=True)
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == ALLOW
    assert [t.name for t in stream.events("bypass")] == ["bypass:granted", "tool_failure:Bash make test"]


def test_bypass_ends_with_the_next_prompt_of_any_kind():
    stream = opened()
    stream.prompt(bypass=True)
    stream.prompt(person=False)
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == DENY


def test_bypass_that_was_queued_while_claude_works_is_none_and_you_are_told():
    stream = opened()
    queued = Prompt(id=stream.session.prompt, bypass=True)  # it comes with the id of the prompt that runs
    told = stream.send(queued)
    assert [notice.reason for notice in told.notices] == ["bypass_queued"]
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == DENY
    assert stream.send(queued.but(person=False)).notices == []


def test_bypass_that_arrives_twice_is_confirmed_once():
    stream = opened()
    prompts = [Prompt(id="new", bypass=True, proven=True)] * 2
    assert [[notice.reason for notice in stream.send(prompt).notices] for prompt in prompts] == [
        ["bypass_received"],
        [],
    ]
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == ALLOW


def test_failure_under_a_bypass_neither_raises_the_level_nor_moves_the_time():
    stream = opened()
    before = stream.lanes[""].circuits["tool_failure:Bash make test"]
    stream.prompt(bypass=True)
    stream.now += 3
    stream.bash("make test", "Exit code 2\nboom", fails=True)
    after = stream.lanes[""].circuits["tool_failure:Bash make test"]
    assert (after.state, after.level, after.retry_at) == (OPEN, before.level, before.retry_at)


def test_good_result_under_a_bypass_closes_the_circuit():
    stream = opened()
    stream.prompt(bypass=True)
    stream.bash("make test", "ok")
    assert stream.states() == {}


def test_nothing_is_told_or_ended_under_a_bypass():
    stream = Stream()
    stream.prompt(bypass=True)
    said = [stream.bash("make test", "Exit code 2\nboom", fails=True).verdict for _ in range(12)]
    said += [stream.stop().verdict for _ in range(8)]
    assert set(said) == {ALLOW}


def asked(stream: Stream, author: str, tool="Bash", **given):
    """The decision on a call that is the first event after a prompt whose author has been looked up."""
    call = Ask(
        id="x", tool=tool, input=given or {"command": "make test"}, cwd="/p", prompt=stream.session.prompt
    )
    return stream.send(call.but(author=author))


def test_bypass_of_a_machine_is_revoked_before_the_first_call():
    stream = opened()
    stream.prompt(bypass=True, proven=False)
    assert asked(stream, MACHINE).verdict == DENY
    assert stream.events("bypass_refused")[-1].name == "bypass:revoked"


@pytest.mark.parametrize(("setting", "verdict"), [("grant", ALLOW), ("refuse", DENY)])
@pytest.mark.parametrize("bypass", [True, False])
def test_prompt_of_an_unknown_author_follows_the_setting(setting, verdict, bypass):
    stream = opened(bypass_unknown=setting)
    stream.prompt(bypass=bypass, proven=False)
    assert asked(stream, UNKNOWN).verdict == verdict


def test_prompt_changes_nothing_until_its_author_is_known():
    stream = opened()
    before = stream.lanes[""]
    stream.prompt(proven=False)
    assert stream.lanes[""] == before
    assert stream.session.person != stream.session.prompt
    assert asked(stream, PERSON).verdict == ALLOW
    assert stream.session.person == stream.session.prompt


@pytest.mark.parametrize(("author", "stopped"), [(MACHINE, True), (PERSON, False)])
def test_only_your_prompt_forgets_how_often_blocked_calls_were_asked_for(author, stopped):
    stream = opened(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    for _ in range(4):
        stream.bash("make test")
    stream.prompt(proven=False)
    asked(stream, author, command="pwd")
    verdicts = [stream.bash("make test").verdict for _ in range(2)]
    assert (STOP in verdicts) == stopped


def test_threshold_of_one_is_said_in_words():
    stream = Stream(circuit_breakers={"tool_failure": {"threshold": 1}})
    decision = stream.bash("make test", "Exit code 2\nboom", fails=True)
    assert "`Bash make test` failed once with nothing changed in between." in said(decision)


def test_denial_promises_an_early_retry_only_while_there_is_one():
    stream = opened()
    _, before = stream.ask("Bash", {"command": "make test"})
    stream.call("Edit", {"file_path": "/p/a.py", "old_string": "a", "new_string": "b"}, "updated")
    stream.bash("make test", "Exit code 2\nboom", fails=True)  # the early retry
    _, after = stream.ask("Bash", {"command": "make test"})
    assert "allowed in 10 s, or at once after a relevant change." in said(before)
    assert said(after).endswith("One retry will be allowed in 20 s.")


def test_persons_prompt_buys_one_early_probe_and_a_bypass_none():
    stream = opened()
    stream.prompt()
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == ALLOW
    other = opened()
    other.prompt(bypass=True)
    assert other.lanes[""].circuits["tool_failure:Bash make test"].early == ""


@pytest.mark.parametrize("lane", ["", "a1"])
def test_a_bypass_buys_no_probe_after_it_has_ended_either(lane):
    stream = Stream()
    for _ in range(3):
        stream.bash("make test", "Exit code 2\nboom", fails=True, lane=lane)
    stream.prompt(bypass=True, proven=False, author=PERSON)  # as in a hook: the transcript tells later
    stream.prompt(person=False, author=PERSON)
    assert stream.ask("Bash", {"command": "make test"}, lane)[1].verdict == DENY


def test_a_call_that_two_installations_ask_about_is_let_through_once():
    stream = opened()
    stream.prompt(bypass=True)
    for _ in range(2):
        stream.ask("Bash", {"command": "make test"}, call_id="twice")
    assert stream.session.passed == 1
    assert len(stream.events("bypass")) == 2  # that it was granted, and this


@pytest.mark.parametrize("refused", ["files", "forgery"])
def test_a_refused_call_that_two_installations_ask_about_is_on_record_once(refused):
    stream = opened()
    for _ in range(2):
        asked = Ask(id="twice", tool="Bash", input={}, refused=refused, prompt=stream.session.prompt)
        assert stream.send(asked).verdict == DENY
    assert len(stream.events("bypass_refused")) == 1


def test_a_turn_stopped_for_calls_against_the_breaker_names_the_circuit_that_is_open():
    stream = opened()
    for number in range(5):
        given = {"command": f"rm -r {number}"}
        asked = Ask(id=f"r{number}", tool="Bash", input=given, refused="files", prompt=stream.session.prompt)
        result = Result(id=asked.id, tool="Bash", input=given, kind=OK, text=said(stream.send(asked)))
        decision = stream.send(Turn(results=[result], cwd="/p", prompt=stream.session.prompt))
    assert decision.verdict == STOP
    assert [ending.name for ending in stream.events("ending")] == ["tool_failure:Bash make test"]


def probing(timeout=600_000):
    """A stream with an open circuit, and its probe that has been asked for."""
    stream = opened()
    stream.now += 11
    return stream, *stream.ask("Bash", {"command": "make test", "timeout": timeout})


def test_a_probe_that_you_interrupted_keeps_no_call_from_being_the_next():
    stream, _, asked = probing()
    assert asked.verdict == ALLOW
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == DENY
    stream.prompt()
    assert stream.bash("make test", "ok").verdict == ALLOW
    assert stream.states() == {}


def test_the_late_result_of_a_probe_counts_after_your_prompt_until_another_one_runs():
    name = "tool_failure:Bash make test"
    for other, states in ((False, {name: OPEN}), (True, {name: HALF_OPEN})):
        stream, call_id, _ = probing()
        stream.prompt()
        if other:
            stream.ask("Bash", {"command": "make test"})
        stream.report(call_id, "Bash", {"command": "make test"}, "Exit code 2\nboom")
        assert stream.states() == states


def test_your_prompt_leaves_the_probe_of_a_subagent_running():
    stream = Stream()
    for _ in range(3):
        stream.bash("make test", "Exit code 2\nboom", fails=True, lane="sub")
    stream.now += 11
    stream.ask("Bash", {"command": "make test"}, "sub")
    stream.prompt()
    assert stream.ask("Bash", {"command": "make test"}, "sub")[1].verdict == DENY


def test_notification_buys_nothing():
    stream = opened()
    stream.prompt(person=False)
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == DENY


def test_machines_prompt_buys_no_probe():
    stream = opened()
    stream.prompt(proven=False)
    assert asked(stream, MACHINE).verdict == DENY
    assert asked(stream, "").verdict == DENY


def test_reset_closes_everything_and_forgets_the_evidence():
    stream = opened()
    stream.reset()
    assert stream.states() == {} and stream.events("reset")
    assert stream.bash("make test", "Exit code 2\nboom", fails=True).verdict == ALLOW


def test_reset_of_another_name_touches_nothing():
    stream = opened()
    stream.reset("repeated_call")
    assert stream.states() == {"tool_failure:Bash make test": OPEN}
    stream.reset("tool_failure:Bash make test")
    assert stream.states() == {}


def observed(stream):
    """The stream, in which nothing is blocked from now on."""
    stream.config = build([("test", {"mode": "observe"})])
    return stream


@pytest.mark.parametrize("agents", [0, 3])
def test_a_circuit_that_is_open_closes_when_nothing_is_blocked_any_more(agents):
    stream = Stream(circuit_breakers={"agent_spawn": {"threshold": 1, "block_at": 2}}) if agents else opened()
    for i in range(agents):
        stream.ask("Agent", {"prompt": f"{i}"})
    assert any(
        circuit.live for circuit in (*stream.lanes[""].circuits.values(), *stream.session.circuits.values())
    )
    assert observed(stream).bash("ls", "a").verdict == ALLOW
    assert (stream.states(), stream.session.circuits) == ({}, {})
    assert [t.reason for t in stream.events("reset")] == ["rule_off"]


def test_a_forgery_is_denied_in_observe_mode_too_and_nothing_else_is():
    stream = observed(Stream())
    asked = {tool: Ask(id=tool, tool=tool, input={"prompt": "x"}) for tool in ("CronCreate", "Agent", "Bash")}
    verdicts = [
        stream.send(event.but(refused="forgery" if tool == "CronCreate" else "files")).verdict
        for tool, event in asked.items()
    ]
    assert verdicts == [DENY, ALLOW, ALLOW]


def test_observe_mode_records_and_blocks_nothing():
    stream = Stream(mode="observe")
    said = [stream.bash("make test", "Exit code 2\nboom", fails=True).verdict for _ in range(9)]
    assert set(said) == {ALLOW} and stream.states() == {}
    assert stream.lanes[""].tally["tool_failure"]["would"] == 1  # would have opened, once a streak


def test_warn_tells_once_a_streak_and_never_opens():
    stream = Stream(
        circuit_breakers={
            "tool_failure": {"action": "warn", "same_error": 0},
            "repeated_call": {"threshold": 0},
        }
    )
    said = [stream.bash("make test", "Exit code 2\nboom", fails=True).verdict for _ in range(9)]
    assert said.count(WARN) == 1 and said[2] == WARN and stream.states() == {}


@pytest.mark.parametrize(
    "off",
    [
        {"exclude": ["Bash"]},
        {"exclude": ["B*"]},
        {
            "circuit_breakers": {
                "tool_failure": {"threshold": 0},
                "repeated_call": {"enabled": False},
                "failing_streak": {"enabled": False},
            }
        },
        {
            "circuit_breakers": {
                "tool_failure": {"exclude": ["Bash"]},
                "repeated_call": {"exclude": ["*"]},
                "failing_streak": {"exclude": ["Bash"]},
            }
        },
    ],
    ids=["excluded", "by a glob", "switched off", "excluded per rule"],
)
def test_what_is_left_out_never_trips(off):
    stream = Stream(**off)
    assert {stream.bash("make test", "Exit code 2\nboom", fails=True).verdict for _ in range(10)} == {ALLOW}


@pytest.mark.parametrize(
    "off", [{"exclude": ["Bash"]}, {"circuit_breakers": {"repeated_call": {"exclude": ["Bash"]}}}]
)
def test_launches_of_a_tool_that_is_left_out_are_not_warned_of(off):
    stream = Stream(**off)
    launch = ("Bash", {"command": "npm start"}, "Command running in background with ID: b1", LAUNCHED)
    assert {stream.call(*launch).verdict for _ in range(8)} == {ALLOW}


@pytest.mark.parametrize("rule", ["", "tool_failure"])
def test_open_circuit_lets_a_tool_go_that_is_left_out_since(rule):
    stream = opened()
    left_out = vars(stream.config) if not rule else stream.config.circuit_breakers[rule]
    left_out["exclude"] = ["Bash"]
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == ALLOW


def test_circuit_of_a_rule_that_is_switched_off_lets_go():
    stream = opened()
    stream.config.circuit_breakers["tool_failure"]["enabled"] = False
    assert stream.ask("Bash", {"command": "make test"})[1].verdict == ALLOW
    assert stream.states() == {}


def test_agents_are_told_after_25_and_denied_after_100_until_a_person_speaks():
    stream = Stream()
    verdicts = [stream.ask("Agent", {"prompt": f"task {i}"})[1].verdict for i in range(102)]
    assert verdicts[:25] == [ALLOW] * 25 and verdicts[25] == WARN
    assert verdicts[26:100] == [ALLOW] * 74 and verdicts[100:] == [DENY, DENY]
    stream.now += 1e6
    assert stream.ask("Agent", {"prompt": "another"})[1].verdict == DENY
    stream.prompt(person=False)
    assert stream.ask("Agent", {"prompt": "another"})[1].verdict == DENY
    stream.prompt()
    assert stream.ask("Agent", {"prompt": "another"})[1].verdict == ALLOW


def test_agents_of_all_lanes_add_up_and_a_call_asked_twice_counts_once():
    stream = Stream()
    for i in range(25):
        stream.ask("Agent", {"prompt": "t"}, lane=f"a{i % 3}", call_id=f"id{i}")
        assert stream.ask("Agent", {"prompt": "t"}, lane=f"a{i % 3}", call_id=f"id{i}")[1].verdict == ALLOW
    assert stream.ask("Agent", {"prompt": "t"})[1].verdict == WARN


def test_machines_prompt_gives_the_agents_no_new_count():
    stream = Stream()
    for i in range(101):
        stream.ask("Agent", {"prompt": f"task {i}"})
    stream.prompt(proven=False)
    assert asked(stream, MACHINE, "Agent", prompt="x").verdict == DENY
    stream.prompt(proven=False)
    assert asked(stream, PERSON, "Agent", prompt="x").verdict == ALLOW


def test_launched_probe_is_released_without_a_verdict():
    stream = opened()
    stream.now += 11
    call_id, asked = stream.ask("Bash", {"command": "make test", "run_in_background": True})
    assert asked.verdict == ALLOW
    result = Result(
        id=call_id,
        tool="Bash",
        input={"command": "make test"},
        kind="launched",
        text="Command running in background with ID: b1",
    )
    stream.send(Turn(results=[result], cwd="/p", prompt=stream.session.prompt))
    circuit = stream.lanes[""].circuits["tool_failure:Bash make test"]
    assert (circuit.state, circuit.level, circuit.probe) == (OPEN, 0, "")


def test_failure_whose_batch_never_came_counts_with_the_next_turn():
    stream = Stream()
    for _ in range(2):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
    stream.send(
        Reported(
            id="lost",
            tool="Bash",
            input={"command": "make test"},
            kind=FAILED,
            text="Exit code 2\nboom",
            cwd="/p",
        )
    )
    stream.bash("ls", "a")
    assert stream.states() == {"tool_failure:Bash make test": OPEN}


def test_other_calls_and_other_lanes_stay_free_while_a_circuit_is_open():
    stream = opened()
    assert stream.ask("Bash", {"command": "make lint"})[1].verdict == ALLOW
    assert stream.ask("Bash", {"command": "make test"}, lane="sub")[1].verdict == ALLOW
    assert stream.ask("Bash", {"command": "make test"}, cwd="/q")[1].verdict == ALLOW


def test_long_error_is_shown_by_its_first_and_its_last_line():
    stream = Stream()
    trace = "\n".join(f'  File "/p/a{i}.py", line {i}, in f' for i in range(40))
    for _ in range(3):
        stream.bash("pytest", f"Exit code 1\nTraceback:\n{trace}\nValueError: no such colour", fails=True)
    assert (
        stream.lanes[""].circuits["tool_failure:Bash pytest"].clip
        == "Exit code 1 … ValueError: no such colour"
    )


def fetches(stream, times):
    return [
        stream.call("WebFetch", {"url": f"https://x.io/{stream.ids}"}, "page").verdict for _ in range(times)
    ]


def test_a_reset_counts_the_calls_to_a_service_anew():
    stream = Stream(circuit_breakers={"external_api": {"action": "block"}}, pace=1.0)
    fetches(stream, 12)
    assert stream.states() == {"external_api:x.io": OPEN}
    stream.reset()
    assert fetches(stream, 10) == [ALLOW] * 10


def test_a_reset_counts_anew_what_stops_a_turn_though_nothing_is_open():
    stream = Stream()
    for i in range(5):
        stream.bash(f"tool{i}", "Exit code 1\nthe same error", fails=True)
    stream.reset()
    assert [
        stream.bash(f"tool{i}", "Exit code 1\nthe same error", fails=True).verdict for i in range(5, 8)
    ] == [
        ALLOW,
        ALLOW,
        WARN,
    ]


def test_calls_denied_while_the_probe_of_their_service_runs_end_no_turn():
    for state, ends in ((HALF_OPEN, ALLOW), (OPEN, STOP)):
        stream = Stream()
        down = Circuit(rule="service_down", subject="db", facts={"since": 1.0}, state=state)
        for i in range(5):
            given = {"tool": "mcp__db__get", "input": {"i": i}}
            asked = Ask(id=f"m{i}", cwd="/p", prompt=stream.session.prompt, down=down, wait=20.0, **given)
            assert stream.send(asked).verdict == DENY
            turn = Turn(results=[Result(id=f"m{i}", text="Blocked", **given)], prompt=stream.session.prompt)
            ended = stream.send(turn).verdict
        assert ended == ends


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_launches_are_warned_of_at_their_number(limit):
    stream = Stream(circuit_breakers={"repeated_call": {"launches": limit}})
    given = {"command": "npm start", "run_in_background": True}
    verdicts = [stream.call("Bash", given, "in the background", LAUNCHED).verdict for _ in range(6)]
    assert verdicts == [WARN if n == limit else ALLOW for n in range(1, 7)]


def test_searches_of_a_tool_that_the_rule_leaves_out_do_not_count():
    off = {"enabled": False}
    stream = Stream(circuit_breakers={"failing_streak": {"exclude": ["Grep"]}, "sequential_tools": off})
    for i in range(20):
        stream.call("Grep", {"pattern": f"x{i}"}, "No matches found")
    assert stream.said == []


def test_too_many_calls_to_a_service_are_told_once_under_the_action_warn():
    stream = Stream(circuit_breakers={"external_api": {"action": "warn"}}, pace=1.0)
    assert [n for n, verdict in enumerate(fetches(stream, 20), 1) if verdict != ALLOW] == [11]


def test_each_good_probe_but_the_last_is_on_record_with_its_number():
    stream = opened(half_open_successes=3)
    for _ in range(3):
        stream.now += 100
        stream.bash("make test", "all is well")
    probes = [probe.facts for probe in stream.events("probe") if probe.reason == "good_probe"]
    assert probes == [{"good": 1}, {"good": 2}]
    assert [closed.reason for closed in stream.events("close")] == ["new_result"]


def test_without_a_number_at_which_agents_are_blocked_none_is():
    stream = Stream(circuit_breakers={"agent_spawn": {"block_at": 0}})
    assert {stream.ask("Agent", {"prompt": f"part {n}"})[1].verdict for n in range(150)} == {ALLOW, WARN}


def test_an_open_circuit_counts_what_turns_cost_since():
    stream = opened()
    for _ in range(2):
        stream.send(Turn(spent=[1, 2, 30, 4], cwd="/p", prompt=stream.session.prompt))
    [circuit] = stream.lanes[""].circuits.values()
    assert circuit.tokens == [2, 4, 60, 8]


def test_only_a_change_that_is_new_since_the_loop_began_earns_an_early_probe():
    stream = Stream()
    for content in "ABAB":
        stream.bash("make", "Exit code 2\nno rule", fails=True)
        stream.call("Write", {"file_path": "/p/a", "content": content}, "ok")
    stream.bash("make", "Exit code 2\nno rule", fails=True)
    assert stream.states() == {"tool_failure:Bash make": OPEN}
    for content, verdict in (("A", DENY), ("B", DENY), ("C", ALLOW)):
        stream.call("Write", {"file_path": "/p/a", "content": content}, "ok")
        assert stream.ask("Bash", {"command": "make"})[1].verdict == verdict
