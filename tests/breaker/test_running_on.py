"""Edits that are made again, rings of many calls, turns that fail on and on, searches that find nothing, clicks without effect."""

from __future__ import annotations

import pytest
import streams

from circuit_breaker.breaker import cycles
from circuit_breaker.breaker.memory import Past
from circuit_breaker.breaker.model import ALLOW, DENIED, DENY, FAILED, INVALID, LAUNCHED, OPEN, STOP, WARN

MCP = "mcp__chrome-devtools__"


class Stream(streams.Stream):
    """A session in which calls of one kind, one a turn, are nothing to speak of."""

    def __init__(self, circuit_breakers=None, **changes):
        rules = {"sequential_tools": {"enabled": False}, **(circuit_breakers or {})}
        super().__init__(circuit_breakers=rules, **changes)


def trips(stream):
    return [transition.name for transition in stream.events("trip")]


def warnings(stream):
    return [transition.name for transition in stream.events("warning")]


def edit(stream, old, new, text="The file has been updated."):
    return stream.call("Edit", {"file_path": "/p/a.py", "old_string": old, "new_string": new}, text)


def read(stream, name, text=""):
    return stream.call("Read", {"file_path": f"/p/{name}.py"}, text or f"1\t{name}")


# --- The same edit again


AGAIN = {
    "Edit": ("Edit", {"file_path": "/p/a.py", "old_string": "a", "new_string": "aa"}),
    "MultiEdit": ("MultiEdit", {"file_path": "/p/a.py", "edits": [{}]}),
    "Write": ("Write", {"file_path": "/p/a.md", "content": "x"}),
    "NotebookEdit": ("NotebookEdit", {"notebook_path": "/p/a.ipynb", "new_source": "x"}),
    "an MCP editor": ("mcp__filesystem__edit_file", {"path": "a", "edits": [1]}),
    ">>": ("Bash", {"command": "cat >> notes.md <<EOF\nhello\nEOF\nwc -l notes.md"}),
    "tee -a": ("Bash", {"command": "echo x | tee -a f"}),
    "sed -i": ("Bash", {"command": "sed -i 's/a/aa/' f"}),
    "patch": ("Bash", {"command": "patch -p1 < fix.diff"}),
    "Add-Content": ("PowerShell", {"command": "Add-Content f 'x'"}),
}


@pytest.mark.parametrize("call", AGAIN.values(), ids=AGAIN)
def test_the_same_write_with_ever_new_results_is_warned_about_at_the_third_and_open_at_the_fourth(call):
    stream = Stream()
    said = [stream.call(*call, f"{i + 1} line" + "s" * i).verdict for i in range(4)]
    assert said[:3] == [ALLOW, ALLOW, WARN]
    assert [transition.count for transition in stream.events("trip")] == [4]
    assert stream.ask(*call)[1].verdict == DENY


def test_looking_at_the_file_in_between_changes_nothing():
    stream = Stream()
    for i in range(4):
        edit(stream, "a", "aa", "snippet " + "x" * i)
        read(stream, "a", "1\t" + "x" * i)
        stream.bash("git diff", "+" + "x" * i)
    assert trips(stream) == ["repeated_call:Edit a.py"]


def test_toggling_between_two_benchmarks_is_warned_about_and_never_blocked():
    stream = Stream()
    for i in range(6):
        for old, new in (("n = 1", "n = 2"), ("n = 2", "n = 1")):
            edit(stream, old, new)
            stream.bash("./bench", f"{100 + i} ms")
    assert trips(stream) == [] and "repeated_call:Edit a.py" in warnings(stream)


def test_the_same_edit_after_the_file_was_put_back_is_warned_about_and_never_blocked():
    stream = Stream()
    for i in range(6):
        edit(stream, "a", "b")
        stream.bash("make test", "error " + "e" * i)
        stream.bash("git checkout a.py", f"Updated {i} path from 3f2a")
    assert trips(stream) == []


@pytest.mark.parametrize(
    "command", ["git commit -am wip", "npm install", "make", ": > app.log", "echo x > f", "echo x | tee f"]
)
def test_what_does_more_than_write_or_ends_the_same_is_no_edit(command):
    stream = Stream()
    for i in range(8):
        stream.bash(command, "result " + "x" * i)
    assert stream.said == []


def test_the_fourth_edit_after_more_than_twenty_calls_is_no_loop():
    stream = Stream()
    for i in range(4):
        edit(stream, "a", "b", "snippet " + "x" * i)
        for j in range(12):
            read(stream, f"f{i}{j}")
    assert stream.said == []


def test_your_prompt_starts_the_count_of_edits_anew():
    stream = Stream()
    for i in range(6):
        if i == 3:
            stream.prompt("again")
        edit(stream, "a", "aa", "snippet " + "x" * i)
    assert trips(stream) == []


def test_a_probe_that_makes_the_same_edit_again_proves_nothing_unless_something_else_was_changed():
    stream = Stream()
    for i in range(4):
        edit(stream, "a", "aa", "snippet " + "x" * i)
    stream.now += 11
    edit(stream, "a", "aa", "snippet of another length")
    assert stream.states() == {"repeated_call:Edit a.py": OPEN}
    stream.now += 30
    edit(stream, "aaaa", "a")
    edit(stream, "a", "aa", "snippet of yet another length")
    assert OPEN not in stream.states().values()


def test_the_number_of_edits_is_a_key_of_the_configuration():
    for limit, expected in ((0, []), (6, ["repeated_call:Edit a.py"])):
        stream = Stream(circuit_breakers={"repeated_call": {"same_edit": limit}})
        for i in range(7):
            edit(stream, "a", "aa", "snippet " + "x" * i)
        assert trips(stream) == expected


# --- Rings


@pytest.mark.parametrize(("period", "rounds"), [(2, 3), (3, 4), (5, 4), (6, 3), (8, 3), (10, 3)])
def test_a_ring_opens_after_its_rounds_and_is_warned_about_one_round_before(period, rounds):
    stream = Stream()
    for _ in range(rounds):
        for name in "abcdefghij"[:period]:
            read(stream, name)
    warned, opened = stream.events("warning")[0], stream.events("trip")
    assert [transition.count for transition in opened] == [rounds]
    assert (warned.count, warned.facts["period"]) == (rounds - 1, period)


def test_a_ring_of_more_calls_than_max_period_is_none():
    stream = Stream()
    for _ in range(5):
        for name in "abcdefghijk":
            read(stream, name)
    assert stream.said == []


@pytest.mark.parametrize("where", range(1, 8))
def test_one_foreign_call_a_round_hides_no_ring(where):
    stream = Stream()
    for i in range(4):
        for at, name in enumerate("abcdefg"):
            if at == where % 7:
                stream.bash(f"echo {'x' * i}", "x" * i)
            read(stream, name)
    assert len(trips(stream)) == 1


def test_a_call_of_every_round_that_brings_news_each_time_makes_it_no_ring():
    stream = Stream()
    for i in range(6):
        stream.bash("git status", "clean")
        stream.bash("git fetch", "")
        stream.bash("git log -1 origin/main", "commit " + "x" * i)
    assert stream.said == []


def test_two_foreign_calls_side_by_side_are_two():
    stream = Stream()
    for i in range(8):
        for name in "abc":
            read(stream, name)
        stream.bash(f"echo {'x' * i}", "x" * i)
        stream.bash(f"echo {'y' * i}", "y" * i)
    assert stream.said == []


def test_two_foreign_calls_are_two_also_where_one_round_ends_and_the_next_begins():
    calls = [*"abc", "x0", "x1", *"abc", "x2", "x3", *"abc"]
    recent = [Past(n=n, turn=n, key=call, result=call, ok=True) for n, call in enumerate(calls)]
    assert cycles.ring_at(recent, len(recent) - 1, 3)[1] == 1


def test_a_ring_of_another_ring_twice_is_counted_once():
    stream = Stream()
    for _ in range(4):
        for name in "abc":
            read(stream, name)
    assert stream.events("trip")[0].facts["period"] == 3


def test_reading_a_set_of_files_again_between_edits_is_work():
    stream = Stream()
    for i in range(6):
        for name in "abcdefg":
            read(stream, name)
        edit(stream, f"{i}", "x")
    assert stream.said == []


# --- Turns that only talk, or fail, searches that find nothing


def test_talking_on_in_a_shell_is_warned_about_at_the_third_and_open_at_the_fourth():
    stream = Stream()
    said = ["Session concluded.", "Awaiting instructions.", "Goodbye!", "End of session."]
    verdicts = [stream.bash(f'echo "{words}"', words).verdict for words in said]
    assert verdicts == [ALLOW, ALLOW, WARN, ALLOW]
    assert stream.ask("Bash", {"command": "echo 'Thank you.'"})[1].verdict == DENY
    assert "only printed words of its own" in stream.said[0][1]


def test_talk_between_hides_no_look_that_comes_again_and_again():
    stream = Stream()
    for words in ("Checking.", "Checking again.", "Still checking.", "Once more."):
        stream.bash(f"echo '{words}'", words)
        stream.bash("git status", "clean")
    assert [(event.name.partition(":")[0], event.count) for event in stream.events("warning")] == [
        ("call_cycle", 3)
    ]
    assert [event.count for event in stream.events("trip")] == [4]


def test_talking_beside_work_is_no_loop():
    stream = Stream()
    for i in range(12):
        stream.bash(f"echo 'Now part {'x' * i}'", "Now")
        read(stream, f"f{i}")
    for i in range(4):
        stream.bash(f"echo 'Again {'x' * i}'", "Again")
        stream.bash("git status", "clean " + "x" * i)
    assert stream.said == []


def fail_on(stream, turns, start=0):
    return [
        stream.bash(
            f"tool{'x' * (start + i)} arg", f"Exit code 1\n{'y' * (start + i)} went wrong", fails=True
        ).verdict
        for i in range(turns)
    ]


def test_failing_turns_are_warned_about_at_ten_and_fifteen_and_stopped_at_twenty():
    verdicts = fail_on(Stream(), 20)
    assert [i + 1 for i, verdict in enumerate(verdicts) if verdict != ALLOW] == [10, 15, 20]
    assert verdicts[19] == STOP


def test_after_a_stop_failing_turns_are_counted_anew():
    verdicts = fail_on(Stream(), 39)
    assert verdicts.count(STOP) == 1
    assert verdicts[29] == WARN


def test_stop_at_0_never_stops():
    stream = Stream(circuit_breakers={"failing_streak": {"stop_at": 0}})
    assert STOP not in fail_on(stream, 60)


def test_a_stop_comes_after_two_warnings_wherever_it_is_set():
    for at in (1, 10, 11, 12):
        stream = Stream(circuit_breakers={"failing_streak": {"stop_at": at}})
        verdicts = fail_on(stream, 14)
        assert verdicts.index(STOP) > 10 and verdicts[: verdicts.index(STOP)].count(WARN) == 2


def test_observing_never_warns_of_failing_turns_and_never_stops():
    for changes in ({"mode": "observe"}, {"circuit_breakers": {"failing_streak": {"action": "observe"}}}):
        stream = Stream(**changes)
        assert set(fail_on(stream, 30)) == {ALLOW}


def test_any_success_and_your_prompt_end_a_failing_streak():
    stream = Stream()
    assert set(fail_on(stream, 9)) == {ALLOW}
    stream.bash("ls", "a")
    assert set(fail_on(stream, 9, start=9)) == {ALLOW}
    stream.prompt("go on")
    assert set(fail_on(stream, 9, start=18)) == {ALLOW}
    assert fail_on(stream, 1, start=27) == [WARN]


def test_a_notification_ends_no_failing_streak():
    stream = Stream()
    fail_on(stream, 9)
    stream.prompt(person=False)
    assert fail_on(stream, 1, start=9) == [WARN]


@pytest.mark.parametrize("look", ["Read", "Bash", "TaskOutput"])
def test_what_is_launched_again_with_the_same_output_each_time_is_warned_about(look):
    stream = Stream()
    for i in range(6):
        launch(stream)
        path = f"/tmp/claude-1000/-p/s1/tasks/b{i}k7q2x.output"
        given = {
            "Read": {"file_path": path},
            "Bash": {"command": f"cat {path}"},
            "TaskOutput": {"task_id": f"b{i}k7q2x"},
        }
        stream.call(look, given[look], "Error: listen EADDRINUSE :::3000")
        stream.call("KillShell", {"shell_id": f"b{i}k7q2x"}, f"Successfully killed shell: b{i}k7q2x")
    assert warnings(stream) == ["repeated_call:Bash npm run dev"] and not trips(stream)


def test_what_is_launched_again_after_each_change_is_work():
    stream = Stream()
    for i in range(8):
        launch(stream)
        stream.call(
            "Read",
            {"file_path": f"/tmp/claude-1000/-p/s1/tasks/b{i}k7q2x.output"},
            "Error: listen EADDRINUSE :::3000",
        )
        stream.call(
            "Edit", {"file_path": "/p/a.js", "old_string": str(i), "new_string": str(i + 1)}, "updated"
        )
    assert not stream.said


def launch(stream):
    given = {"command": "npm run dev", "run_in_background": True}
    stream.call("Bash", given, "Command running in background with ID: b1", LAUNCHED)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("npm run dev > /tmp/dev.log 2>&1 & echo $!", "{}"),
        ("npm run dev & echo started $!", "started {}"),
        ('npm run dev & echo "as $!, on 3000"', "as {}, on 3000"),
    ],
)
def test_the_process_that_a_line_prints_of_what_it_started_is_no_news(command, text):
    stream = Stream()
    for i in range(4):
        stream.bash(command, text.format(20311 + 7 * i))
    assert warnings(stream) == trips(stream) == ["repeated_call:Bash npm run dev"]


def test_what_a_line_prints_after_the_process_that_it_started_is_news():
    stream = Stream()
    for i in range(8):
        stream.bash("app & echo $!; sleep 1; curl -s localhost/rows", f"{20311 + i}\n{3 + i}")
    assert stream.said == []


def test_refused_permissions_polls_and_launches_neither_feed_nor_end_it():
    stream = Stream()
    fail_on(stream, 9)
    denied = "Permission to use Bash with command x has been denied."
    stream.call("Bash", {"command": "rm x"}, denied, DENIED)
    stream.bash("sleep 5")
    stream.bash("gh pr checks 7", "Exit code 8\npending", fails=True)
    stream.call("Bash", {"command": "make", "run_in_background": True}, "", LAUNCHED)
    assert stream.said == []
    assert fail_on(stream, 1, start=9) == [WARN]


def test_look_ups_that_miss_and_refused_inputs_count_as_failing_turns():
    stream = Stream()
    for i in range(5):
        stream.call("Read", {"file_path": f"/p/{i}"}, "File does not exist.", FAILED)
        stream.call("Edit", {"file_path": f"/p/{i}"}, "<tool_use_error>x" + "y" * i, INVALID)
    assert "failing_streak:failing turns" in warnings(stream)


def test_empty_searches_are_warned_about_at_eight_and_sixteen_and_never_stopped():
    stream = Stream()
    verdicts = []
    for i in range(40):
        word = "w" * (i + 1)
        call = (
            ("Grep", {"pattern": word}, "No matches found"),
            ("Glob", {"pattern": word}, "No files found"),
            (
                "Bash",
                {"command": f"find /{word} -name 'java*' 2>/dev/null"},
                "(Bash completed with no output)",
            ),
            ("Bash", {"command": f"grep -rn {word} src"}, ""),
        )[i % 4]
        verdicts.append(stream.call(*call).verdict)
    assert [i + 1 for i, verdict in enumerate(verdicts) if verdict != ALLOW] == [8, 16]


def test_a_search_that_finds_something_and_a_file_that_is_read_end_the_run():
    stream = Stream()
    for i in range(30):
        if i % 7 == 6:
            read(stream, f"f{i}")
        else:
            stream.call("Grep", {"pattern": "w" * i}, "No matches found")
    assert stream.said == []


def test_a_warning_of_empty_searches_is_not_said_again_for_what_is_no_search():
    stream = Stream()
    for i in range(8):
        stream.call("Grep", {"pattern": "w" * (i + 1)}, "No matches found")
    stream.bash("sleep 5")
    assert warnings(stream) == ["failing_streak:empty searches"]


def test_what_is_waited_for_is_no_empty_search():
    stream = Stream(pace=20.0)
    for _ in range(12):
        stream.bash("sleep 20")
        stream.bash("grep -c DONE build.log", "Exit code 1\n0", fails=True)
    assert stream.said == []


def test_a_build_that_prints_no_error_is_no_empty_search():
    stream = Stream()
    for i in range(12):
        stream.bash(f"make part{'x' * i} 2>&1 | grep error", "")
    assert stream.events("warning") == []


# --- Clicks and what they did


def click(stream, tool="click", given=None, text="Successfully clicked on the element"):
    return stream.call(MCP + tool, given or {"uid": "1_1"}, text)


@pytest.mark.parametrize("clicks", [1, 2, 3])
def test_clicks_whose_looks_bring_news_are_work(clicks):
    stream = Stream()
    for i in range(12):
        for _ in range(clicks):
            click(stream)
        stream.call(MCP + "take_snapshot", {}, "page " + "x" * i)
    assert stream.said == []


ASKED = {
    "a script in the page": (MCP + "evaluate_script", {"function": "() => document.activeElement.id"}),
    "the browser's own program": ("Bash", {"command": "agent-browser snapshot -i"}),
    "a reading tool": (MCP + "get_state", {}),
}


@pytest.mark.parametrize("look", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize(("news", "said"), [(True, False), (False, True)])
def test_whatever_shows_the_page_tells_whether_a_key_did_anything(look, news, said):
    stream = Stream()
    for i in range(12):
        click(stream, "press_key", {"key": "Tab"}, "Pressed Tab")
        stream.call(*look, "field " + "x" * i * news)
    assert bool(trips(stream)) is said and bool(stream.said) is said


def test_going_to_the_same_address_again_is_open_at_the_fourth_and_to_two_in_turn_after_three_rounds():
    stream = Stream()
    for _ in range(4):
        click(stream, "navigate_page", {"url": "https://docs.example/no"}, "404 Not Found")
    assert [transition.count for transition in stream.events("trip")] == [4]
    stream = Stream()
    for _ in range(3):
        for page in "ab":
            click(stream, "navigate_page", {"url": f"https://docs.example/{page}"}, f"Page {page}")
    assert [transition.count for transition in stream.events("trip")] == [3]


@pytest.mark.parametrize("clicks", [1, 2, 3])
def test_the_same_click_on_an_unchanged_page_is_a_loop(clicks):
    stream = Stream()
    for _ in range(6):
        for _ in range(clicks):
            click(stream)
        stream.call(MCP + "take_snapshot", {}, "the same page")
    assert trips(stream)


def test_a_page_that_only_goes_to_and_fro_brings_no_news():
    stream = Stream()
    for i in range(12):
        click(stream)
        stream.call(MCP + "take_snapshot", {}, ("menu open", "menu shut")[i % 2])
    assert warnings(stream) == [f"repeated_call:{MCP}click"]


def test_a_few_keys_without_a_look_are_work_and_many_are_a_loop():
    stream = Stream()
    for _ in range(6):
        click(stream, "press_key", {"key": "Tab"}, "Pressed Tab")
    assert stream.said == []
    for _ in range(2):
        click(stream, "press_key", {"key": "Tab"}, "Pressed Tab")
    assert trips(stream) == [f"repeated_call:{MCP}press_key"]


def test_the_first_look_after_the_first_click_is_news_of_it_too():
    stream = Stream()
    click(stream)
    stream.call(MCP + "take_snapshot", {}, "a page")
    for _ in range(6):
        click(stream)
    assert stream.said == []
    for _ in range(2):
        click(stream)
    assert trips(stream) == [f"repeated_call:{MCP}click"]


def test_a_step_that_returns_the_page_itself_is_compared_by_it():
    stream = Stream()
    for _ in range(4):
        click(stream, text="clicked\n" + "- button\n" * 60)
    assert trips(stream) == [f"repeated_call:{MCP}click"]


@pytest.mark.parametrize(
    "shown",
    ["clicked [picture ghij]", "- link [ref=e4]\n- button [ref=e5]", 'uid=1_5 button "Go"\nuid=1_6 link'],
)
def test_a_step_that_returns_a_picture_or_a_short_page_is_compared_by_it(shown):
    stream = Stream()
    for _ in range(4):
        click(stream, text=shown)
    assert trips(stream) == [f"repeated_call:{MCP}click"]


def test_a_receipt_that_names_what_was_clicked_shows_no_page():
    stream = Stream()
    for i in range(8):
        click(stream, text="Clicked button Next [ref=e5]")
        stream.call(MCP + "take_snapshot", {}, "page " + "x" * i)
    assert not stream.said


def test_pictures_of_a_screen_are_news_of_what_a_shell_did_to_it():
    stream = Stream()
    for i in range(12):
        stream.bash("adb shell input keyevent 20", "")
        stream.bash("adb exec-out screencap -p > s.png", "")
        stream.call("Read", {"file_path": "/p/s.png"}, f"[{'x' * i}]")
    assert stream.said == []


def test_a_file_that_is_read_is_no_news_of_a_click():
    stream = Stream()
    for i in range(12):
        click(stream)
        read(stream, f"f{i}")
    assert warnings(stream)


# --- changes that undo each other


def test_edits_that_undo_each_other_between_equal_failures_are_blocked_after_twice_the_rounds():
    stream = Stream()
    for i in range(32):
        edit(stream, *(("n = 1", "n = 2"), ("n = 2", "n = 1"))[i % 2])
        if i == 15:
            assert trips(stream) == [] and "call_cycle" in {
                name.partition(":")[0] for name in warnings(stream)
            }
        failed = f"Exit code 1\nFAILED t.py::a - assert {(3, 4)[i % 2]} == 5"
        stream.call("Bash", {"command": "pytest"}, failed, FAILED)
    assert trips(stream)[0].startswith("call_cycle:") and stream.said[-1][0] in (DENY, STOP)


def test_both_results_of_a_call_in_a_ring_are_known_to_its_probe():
    stream = Stream(pace=30.0)
    for i in range(40):
        edit(stream, *(("n = 1", "n = 2"), ("n = 2", "n = 1"))[i % 2])
        stream.bash("make show", ("one", "two")[i % 2])
    assert trips(stream) and not stream.events("close")


def test_a_longer_ring_of_changes_is_blocked_within_the_calls_that_are_remembered():
    stream = Stream()
    for i in range(30):
        edit(stream, "abcd"[i % 4], "abcd"[(i + 1) % 4])
        stream.bash("make show", f"version {'abcd'[i % 4]}")
    assert trips(stream)
