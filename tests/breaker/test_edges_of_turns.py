"""Where turns, prompts, circuits and rules meet: lost batches, equal calls in one batch, calls in two circuits, tools left out."""

from __future__ import annotations

import pytest
from streams import Stream

from circuit_breaker.breaker.model import (
    ALLOW,
    DENY,
    FAILED,
    INVALID,
    OK,
    OPEN,
    OPENED,
    STOP,
    WARN,
    Ask,
    Compacted,
    Reported,
    Result,
    Turn,
)

MAKE = {"command": "make"}
BOOM = "Exit code 2\nboom"


def lost(stream: Stream, tool: str, given: object, text: str) -> None:
    """A failure whose batch never comes: you pressed Esc."""
    call_id, _ = stream.ask(tool, given)
    common = {"id": call_id, "tool": tool, "input": given, "text": text, "prompt": stream.session.prompt}
    stream.send(Reported(**common, kind=FAILED, cwd="/p"))


def prompted_unproven(stream: Stream) -> None:
    """A prompt as a hook sees it: the first event after it says who wrote it."""
    stream.prompt(proven=False)


def first_turn(stream: Stream, author: str = "person"):
    result = Result(id="first", tool="Bash", input={"command": "ls"}, kind=OK, text="a")
    turn = Turn(results=[result], cwd="/p", prompt=stream.session.prompt, author=author)
    return stream.send(turn)


def test_failure_lost_before_your_prompt_does_not_stop_the_turn_after_it():
    stream = Stream()
    for number in range(5):
        stream.call("Grep", {"pattern": f"{number}", "path": "/p"}, "ripgrep: unknown option", FAILED)
    assert stream.said[-1][0] == WARN
    lost(stream, "Grep", {"pattern": "6", "path": "/p"}, "ripgrep: unknown option")
    prompted_unproven(stream)
    assert first_turn(stream).verdict != STOP


@pytest.mark.parametrize("person", [True, False])
def test_prompt_closes_what_was_lost_before_it(person):
    stream = Stream()
    for _ in range(2):
        stream.call("Bash", MAKE, BOOM, FAILED)
    lost(stream, "Bash", MAKE, BOOM)
    told = stream.prompt(person=person, proven=False)
    assert [notice.kind for notice in told.notices] == [OPENED]
    assert list(stream.states().values()) == [OPEN]  # so the gate is awake at the first call


def test_failing_turns_before_your_prompt_do_not_stop_the_turn_after_it():
    stream = Stream()
    for number in range(19):
        stream.call("Bash", {"command": f"tool{number} --go"}, f"Exit code 1\nno {number}x{number}", FAILED)
    lost(stream, "Bash", {"command": "tool19 --go"}, "Exit code 1\nno way")
    prompted_unproven(stream)
    assert first_turn(stream).verdict != STOP
    assert stream.lanes[""].failing == 0


@pytest.mark.parametrize("after", ["sleep 5", "gh run view 7", "sleep 60"])
def test_waits_that_are_refused_block_no_wait_or_look_that_can_run(after):
    stream = Stream()
    refused = "<tool_use_error>Blocked: sleep 60 is too long</tool_use_error>"
    for seconds in (60, 45, 30):
        for line in (f"sleep {seconds}", f"sleep {seconds} && gh run view 7"):
            stream.call("Bash", {"command": line}, refused, INVALID)
    assert WARN in [verdict for verdict, _ in stream.said]
    assert stream.ask("Bash", {"command": after})[1].verdict == ALLOW


@pytest.mark.parametrize(
    ("pace", "verdicts"), [(6, [ALLOW, ALLOW, WARN]), (1, [ALLOW] * 3), (-1, [ALLOW] * 3)]
)
def test_id_of_an_earlier_call_is_known_only_as_long_as_that_may_be_delivered_again(pace, verdicts):
    stream = Stream(pace=pace)
    answers = []
    for _ in verdicts:
        stream.now += stream.pace
        failure = {"id": "call_0", "tool": "Bash", "input": MAKE, "kind": FAILED, "text": BOOM}
        stream.send(Reported(**failure, cwd="/p", prompt="p1"))
        result = Result(**{**failure, "kind": OK})
        answers.append(stream.send(Turn(results=[result], cwd="/p", prompt="p1")).verdict)
    assert answers == verdicts
    assert stream.states() == ({"tool_failure:Bash make": OPEN} if pace > 5 else {})


def test_equal_failing_checks_in_one_batch_are_polls_all_of_them():
    stream = Stream()
    for _ in range(16):
        stream.bash("sleep 5")
        checks = ("Bash", {"command": "gh pr checks 7"}, "Exit code 8\npending", FAILED)
        assert {answer.verdict for answer in stream.turn([checks, checks])} == {ALLOW}
    assert stream.lanes[""].failing == 0


def test_failure_lost_beside_a_running_probe_leaves_the_probe_its_result():
    stream = Stream()
    for _ in range(3):
        stream.bash("make", BOOM, fails=True)
    lost(stream, "Bash", {"command": "curl x"}, "Exit code 7")
    stream.prompt(person=False)
    stream.now += 11
    assert stream.bash("make", "built").verdict == ALLOW
    assert stream.states() == {}


def test_call_that_is_blocked_is_gated_by_one_circuit_though_a_ring_holds_it_too():
    stream = Stream(circuit_breakers={"tool_failure": {"cooldown_base_seconds": 600}})
    for _ in range(3):
        stream.bash("make", BOOM, fails=True)
        stream.bash("cat build.log", "the same")
    for _ in range(4):
        stream.bash("cat build.log", "the same")
    gating = [circuit.name for circuit in stream.lanes[""].circuits.values() if circuit.live]
    assert gating.count("tool_failure:Bash make") == 1
    stream.reset("tool_failure:Bash make")
    assert stream.ask("Bash", MAKE)[1].verdict == ALLOW


def test_call_with_the_label_of_an_earlier_loop_starts_at_its_own_level():
    stream = Stream(cooldown_steps=[1, 6, 60])
    lines = [
        f"curl {host}/a/very/long/path/that/does/not/fit/into/a/label/of/sixty" for host in ("a.io", "b.io")
    ]
    first, second = (
        {"command": f"deploy --verbose --target production --region eu {line}"} for line in lines
    )
    for _ in range(3):
        stream.call("Bash", first, BOOM, FAILED)
    for _ in range(2):
        stream.now += 700
        stream.call("Bash", first, BOOM, FAILED)
    stream.now += 700
    stream.call("Bash", first, "done", OK)
    names = set(stream.states())
    for _ in range(3):
        stream.call("Bash", second, BOOM, FAILED)
    opened = next(circuit for circuit in stream.lanes[""].circuits.values() if circuit.live)
    assert opened.name in names and (opened.level, opened.cooldown) == (0, 10.0)


def test_call_that_tampers_is_no_probe_of_its_own_circuit():
    stream = Stream()
    given = {"command": "rm -r ~/.local/state/x"}
    for _ in range(3):
        stream.call("Bash", given, BOOM, FAILED)
    stream.now += 60
    asked = Ask(id="again", tool="Bash", input=given, cwd="/p", prompt=stream.session.prompt, refused="files")
    assert stream.send(asked).verdict == DENY


def test_circuit_that_opens_under_a_bypass_is_not_said_to_block():
    stream = Stream()
    stream.prompt(bypass=True)
    answers = [stream.bash("make", BOOM, fails=True) for _ in range(4)]
    assert not [notice for answer in answers for notice in answer.notices if notice.kind == OPENED]
    assert stream.states() == {"tool_failure:Bash make": OPEN}


def test_what_was_not_said_under_a_bypass_is_said_after_it():
    stream = Stream()
    stream.prompt(bypass=True)
    for _ in range(3):
        assert stream.bash("cat a", "same").verdict == ALLOW
    assert not any("repeated_call" in streak.marks for streak in stream.lanes[""].streaks.values())


@pytest.mark.parametrize(
    ("excluded", "tool", "given"),
    [
        ("Edit", "Edit", lambda n: {"file_path": "/p/a", "old_string": f"{n}", "new_string": f"{n + 1}"}),
        ("mcp__db__*", "mcp__db__update_row", lambda n: {"id": n}),
    ],
)
def test_call_of_a_tool_that_is_left_out_is_progress_all_the_same(excluded, tool, given):
    stream = Stream(exclude=[excluded])
    for number in range(5):
        stream.call(tool, given(number), f"done {number}")
        stream.bash("pytest", f"Exit code 1\nFAILED t.py::test_{'abcde'[number]} - assert no", fails=True)
    assert stream.states() == {} and stream.said == []


def test_wait_of_a_tool_that_is_left_out_makes_a_look_a_poll_all_the_same():
    stream = Stream(exclude=["mcp__b__*"])
    for _ in range(8):
        stream.call("mcp__b__wait_for", {"time": 5}, "waited")
        assert stream.bash("gh run view 7", "in progress").verdict == ALLOW


def test_longest_period_of_a_ring_that_is_huge_takes_no_time():
    stream = Stream(circuit_breakers={"call_cycle": {"max_period": 10**12 - 1}})
    for _ in range(3):
        for name in "abc":
            stream.bash(f"cat {name}", name)
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_polls_without_a_gap_end_at_their_limit_all_the_same():
    stream = Stream(poll_gap_seconds=0, pace=1.0)
    for _ in range(25):
        stream.bash("sleep 5")
        stream.bash("gh run view 7", "in progress")
    assert stream.states() == {"repeated_call:Bash gh run view": OPEN}


def test_reset_of_another_circuit_leaves_the_counts_of_a_lane():
    stream = Stream()
    for number in range(16):
        stream.call("Bash", {"command": f"tool{number} --go"}, f"Exit code 1\nno {number}x{number}", FAILED)
    before = stream.lanes[""]
    stream.reset("tool_failure:Bash elsewhere")
    after = stream.lanes[""]
    assert (after.failing, after.failing_warned) == (before.failing, before.failing_warned) == (16, 2)
    stream.reset()
    assert stream.lanes[""].failing == 0


def test_warning_about_what_your_prompt_ended_is_not_given_after_it():
    stream = Stream()
    for number in range(5):
        stream.call("Grep", {"pattern": f"{number}", "path": "/p"}, "ripgrep: unknown option", FAILED)
    lost(stream, "Grep", {"pattern": "6", "path": "/p"}, "ripgrep: unknown option")
    prompted_unproven(stream)
    assert first_turn(stream).verdict == ALLOW


@pytest.mark.parametrize(
    "line",
    [
        "sleep 10 && curl -sf https://api.example/tasks/42/r.output",
        "sleep 20; tail -3 /data/tasks/run.output",
    ],
)
def test_failing_look_after_a_wait_is_a_poll_whatever_it_looks_at(line):
    stream = Stream()
    for _ in range(6):
        assert stream.bash(line, "Exit code 1\nnot yet", fails=True).verdict == ALLOW


def test_file_that_only_looks_like_an_output_may_not_be_read_for_ever():
    stream = Stream()
    given = {"file_path": "/repo/tasks/web/.output/nitro.json"}
    verdicts = [stream.call("Read", given, "{}").verdict for _ in range(4)]
    assert verdicts[2] == WARN and OPEN in stream.states().values()


@pytest.mark.parametrize(
    "failure",
    ["ValueError: value was refused by validator", "breakpoint was not reached", "TypeError: fetch failed"],
)
def test_failing_test_after_a_wait_is_no_server_that_is_not_there_yet(failure):
    stream = Stream()
    for _ in range(3):
        stream.bash("sleep 2; pytest t.py", f"Exit code 1\nFAILED t.py::test_a - {failure}", fails=True)
    assert stream.states() == {"tool_failure:Bash pytest t.py": OPEN}


@pytest.mark.parametrize("line", ["grep -c x a.txt > /p/out.txt", "date | tee /p/out.txt", "ls > /p/out.txt"])
def test_look_of_a_helper_that_keeps_what_it_sees_is_no_progress_of_yours(line):
    stream = Stream()
    for _ in range(4):
        stream.bash(line, "", lane="helper")
        stream.bash("pwd", "/p")
    assert OPEN in stream.states().values()


def test_tool_whose_name_only_holds_the_word_think_acts():
    stream = Stream()
    for number in range(3):
        stream.bash("./check", f"Exit code 1\nno row {number}x", fails=True)
        stream.call("mcp__db__rethinkdb_insert", {"row": number}, f"inserted {number}")
    assert stream.states() == {}


def test_each_stop_counts_though_the_transcript_stays_as_it_is():
    stream = Stream()
    assert [stream.stop().verdict for _ in range(6)] == [ALLOW] * 5 + [STOP]


def test_check_after_a_wait_that_succeeds_ends_a_failing_streak():
    stream = Stream()
    for number in range(9):
        stream.call("Bash", {"command": f"tool{number} --go"}, f"Exit code 1\nno {number}x{number}", FAILED)
    assert stream.lanes[""].failing == 9
    stream.bash("sleep 5 && gh run view 7", "in progress")
    assert stream.lanes[""].failing == 0


OUTPUT = "/tmp/claude-1000/-home-u-p/3b5a9bec/tasks/b1x.output"
NOT_FOUND = "Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\nModuleNotFoundError: No module named 'x'"


@pytest.mark.parametrize(
    "line", [f"sleep 20; grep -q DONE {OUTPUT}", f"sleep 8; cat {OUTPUT}; ls -la /tmp/shot.png"]
)
def test_failing_look_at_an_output_after_a_wait_is_a_poll(line):
    stream = Stream()
    for _ in range(7):
        assert stream.bash(line, "Exit code 1", fails=True).verdict == ALLOW


@pytest.mark.parametrize(
    "error",
    [
        NOT_FOUND,
        "src/a.ts(429,12): error TS2304: Cannot find name 'x'.",
        "NullInjectorError: No provider for DatePipe!",
        "FAIL src/throttle.test.ts",
        "error: 50 tests failed",
        "error: no matching overloaded function found",
    ],
)
def test_program_that_fails_after_a_wait_is_blocked_as_early_as_any(error):
    stream = Stream()
    for _ in range(3):
        stream.bash("sleep 5; ./run.sh", f"Exit code 1\n{error}", fails=True)
    assert list(stream.states().values()) == [OPEN]


def test_script_that_clicks_shows_the_page_all_the_same():
    stream = Stream()
    click = {"function": "() => { document.querySelector('#more').click(); return document.body.innerText }"}
    rows = "\n".join(f"- row {number} of the table in the page" for number in range(20))
    for number in range(14):
        for _ in range(2):
            stream.call("mcp__playwright__browser_press_key", {"key": "PageDown"}, "pressed")
        stream.call("mcp__playwright__browser_evaluate", click, f"- page\n{rows}\n- item {chr(97 + number)}")
    assert stream.said == []


def test_value_in_brackets_that_changes_is_news():
    stream = Stream()
    for number in range(6):
        stream.bash("./eval.sh", f"loss [0.{693147 - 7 * number}]")
    assert stream.said == []


def test_talk_through_another_shell_is_one_call_too():
    stream = Stream()
    for text in ("Session closed.", "Goodbye!", "End of session.", "Thank you."):
        stream.call("mcp__shell__run_command", {"command": f'echo "{text}"'}, text)
    assert list(stream.states().values()) == [OPEN]


def test_flaky_test_stays_one_over_a_compaction():
    stream = Stream()
    stream.bash("python a.py", "Exit code 1\n1 failed", fails=True)
    stream.bash("python a.py", "3 passed")
    stream.send(Compacted())
    for _ in range(4):
        assert stream.bash("python a.py", "3 passed").verdict == ALLOW


def test_count_without_end_is_told_alone_and_not_beside_other_calls():
    for alone in (True, False):
        stream = Stream()
        for n in range(22):
            beside = [] if alone else [("Read", {"file_path": f"/p/{n}"}, f"{n} is x", OK)]
            stream.turn([("Bash", {"command": "./status"}, f"{n} jobs done", OK), *beside])
        assert bool(stream.said) is alone


@pytest.mark.parametrize("between", [[], ["touch a"]])
def test_failing_look_is_a_poll_from_the_first_only_if_nothing_was_done_since_the_wait(between):
    stream = Stream()
    for line in ("sleep 5", *between):
        stream.bash(line)
    for _ in range(3):
        stream.bash("kubectl get pod x", "Exit code 1\nError from server: x is broken", fails=True)
    assert stream.states() == ({"tool_failure:Bash kubectl get pod": OPEN} if between else {})


def test_look_that_shows_what_it_showed_before_is_no_news_of_an_act():
    stream = Stream()
    stream.call("Read", {"file_path": "/p/lamp.md"}, "how to switch it on")
    stream.call("mcp__lamp__get_state", {}, "off")
    for n in range(7):
        stream.call("mcp__lamp__switch_on", {"lamp": 1}, "ok")
        if n % 2:
            stream.call("mcp__lamp__get_state", {}, "off")
    assert stream.states() == {"repeated_call:mcp__lamp__switch_on": OPEN}
