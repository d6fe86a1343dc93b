"""More loops in disguise, in other shapes and from subagents, and the good work that looks like them."""

from __future__ import annotations

import pytest
from streams import Stream

from circuit_breaker.breaker.model import (
    ALLOW,
    DENIED,
    DENY,
    FAILED,
    INVALID,
    LAUNCHED,
    OK,
    STOP,
    WARN,
    Compacted,
)


def loops(stream):
    return [t.name.partition(":")[0] for t in stream.events("trip")]


def bash(command, text, kind=OK):
    return ("Bash", {"command": command}, text, kind)


def edit(i, path="/p/a.py"):
    return ("Edit", {"file_path": path, "old_string": f"a{i}", "new_string": f"b{i}"}, "done", OK)


# loops


def test_same_batch_of_calls_again_and_again_is_a_loop():
    stream = Stream()
    for _ in range(4):
        stream.turn([bash("git status", "clean"), bash("ls", "a b")])
    assert "repeated_call" in loops(stream)


def test_repeats_beside_calls_that_return_nothing_are_in_a_row():
    stream = Stream()
    for i in range(4):
        stream.turn([bash("pwd", "/p"), bash(f"true {i}", "")])
    assert loops(stream) == ["repeated_call"]


@pytest.mark.parametrize(
    ("tool", "nothing"),
    [("Grep", "No matches found"), ("Glob", "No files found"), ("Grep", "No files found")],
)
def test_repeats_beside_searches_that_find_nothing_are_in_a_row(tool, nothing):
    stream = Stream()
    for i in range(4):
        stream.turn([bash("terraform output", "host = a"), (tool, {"pattern": f"*{i}"}, nothing, OK)])
    assert loops(stream) == ["repeated_call"]


def test_repeats_beside_searches_that_find_something_new_are_not_in_a_row():
    stream = Stream()
    for i in range(4):
        stream.turn([bash("terraform output", "host = a"), ("Glob", {"pattern": f"*{i}"}, f"a{i}.tf", OK)])
    assert loops(stream) == []


def test_rewriting_the_same_file_with_the_same_content_is_a_loop():
    stream = Stream()
    for _ in range(4):
        stream.call("Write", {"file_path": "/p/a.txt", "content": "x"}, "written")
    assert loops(stream) == ["repeated_call"]


def test_making_and_undoing_one_edit_is_a_loop():
    stream = Stream()
    for i in range(6):
        old, new = ("a", "b") if i % 2 else ("b", "a")
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": old, "new_string": new}, "done")
    assert loops(stream) == ["call_cycle"]


def test_starting_the_same_agent_for_the_same_answer_is_a_loop():
    stream = Stream()
    for _ in range(4):
        stream.call("Agent", {"prompt": "look", "subagent_type": "Explore"}, "there is nothing here")
    assert loops(stream) == ["repeated_call"]


def test_one_failing_call_among_reading_others_is_a_loop():
    stream = Stream()
    for i in range(3):
        stream.bash("make", "Exit code 2\nno rule", fails=True)
        stream.call("Read", {"file_path": f"/p/{i}"}, f"text {i}")
    assert loops(stream) == ["tool_failure"]


def test_failures_that_differ_each_time_still_are_one_failing_call():
    stream = Stream()
    for word in ("left", "right", "down"):
        stream.bash("make", f"Exit code 2\nwent {word}", fails=True)
    assert loops(stream) == ["tool_failure"]


def test_ring_of_three_failing_calls_is_a_loop_though_each_is_outside_its_window():
    stream = Stream()
    for _ in range(4):
        for i in range(5):
            stream.bash(f"make t{i}", f"Exit code 2\nno rule t{i}", fails=True)
    assert "call_cycle" in loops(stream)


@pytest.mark.parametrize("period", [2, 3, 4, 5])
@pytest.mark.parametrize("noise", [False, True], ids=["alone", "one foreign call a round"])
def test_ring_of_any_period_up_to_five_is_a_loop(period, noise):
    stream = Stream(circuit_breakers={"repeated_call": {"enabled": False}})
    rounds = 3 if period == 2 else 4
    for i in range(rounds):
        for member in range(period):
            stream.call("Read", {"file_path": f"/p/{member}"}, f"text {member}")
            if noise and member == i % period:
                stream.call("Read", {"file_path": f"/p/other{i}"}, f"other {i}")
    assert loops(stream) == ["call_cycle"]


def test_ring_with_volatile_results_is_a_loop():
    stream = Stream()
    for i in range(3):
        stream.bash("./a", f"took {i}.5s, pid {100 + i}")
        stream.bash("./b", f"[12:00:0{i}] idle on port {5000 + i}")
    assert loops(stream) == ["call_cycle"]


@pytest.mark.parametrize(
    "receipt", ['{{"ok":true,"messageId":"om_{}","runId":"run_{}"}}', '{{"message_id":40{},"date":1790{}}}']
)
def test_sending_one_message_again_and_again_is_a_loop_whatever_number_each_receipt_has(receipt):
    stream = Stream()
    for i in range(5):
        stream.call("mcp__chat__send_message", {"to": "a", "text": "ping"}, receipt.format(i, i))
    assert loops(stream) == ["repeated_call"]


def test_messages_that_are_read_are_news():
    stream = Stream()
    for i in range(9):
        stream.call("mcp__chat__get_messages", {"of": "a"}, f'[{{"message_id":{i}}}]')
    assert not stream.said


def test_refused_permission_asked_for_in_other_words_is_known_by_its_call():
    stream = Stream()
    for i in range(3):
        given = {"command": "curl x.io", "description": f"fetch it, try {i}"}
        stream.call("Bash", given, "Permission to use Bash with command curl x.io has been denied.", DENIED)
    assert loops(stream) == ["tool_failure"]


def test_call_that_never_reaches_the_gate_is_told_and_then_ends_the_turn():
    stream = Stream()
    given = {"file_path": "/p/a.py", "old_string": "gone", "new_string": "x"}
    text = "<tool_use_error>String to replace not found in file.\nString: gone</tool_use_error>"
    said = [stream.call("Edit", given, text, INVALID).verdict for _ in range(6)]
    assert said[2:5] == [WARN] * 3 and said[5] == STOP


def test_edit_that_misses_with_another_string_each_time_is_the_same_error():
    stream = Stream()
    for i in range(3):
        given = {"file_path": "/p/a.py", "old_string": f"line {i}\n  more", "new_string": "x"}
        text = (
            f"<tool_use_error>String to replace not found in file.\nString: line {i}\n  more</tool_use_error>"
        )
        said = stream.call("Edit", given, text, INVALID).verdict
    assert said == WARN


def test_same_error_whatever_the_arguments_ends_the_turn_at_the_sixth():
    stream = Stream()
    said = [
        stream.call("mcp__db__put", {"row": i}, "MCP error -32000: Connection closed", FAILED).verdict
        for i in range(6)
    ]
    assert said[2:5] == [WARN] * 3 and said[5] == STOP


def test_loop_goes_on_counting_across_a_notification():
    stream = Stream()
    for _ in range(3):
        stream.bash("pwd", "/p")
        stream.bash("pwd", "/p")
        stream.prompt(person=False)
    assert loops(stream) == ["repeated_call"]


def test_failures_go_on_counting_across_prompts():
    stream = Stream()
    for _ in range(3):
        stream.bash("make", "Exit code 2\nno rule", fails=True)
        stream.prompt("try again")
    assert loops(stream) == ["tool_failure"]


@pytest.mark.parametrize("prompts", [True, False])
def test_another_failure_after_your_prompt_is_none_of_the_old_ones(prompts):
    stream = Stream()
    for module in "abcde":
        stream.bash("npm start", f"Exit code 1\nError: Cannot find module '{module}'", fails=True)
        if prompts:
            stream.prompt("that one is installed now, again")
    assert bool(loops(stream)) is not prompts


def test_pieces_of_output_numbered_by_chance_do_not_hide_a_loop():
    stream = Stream()
    for chunk in ("739aca", "abcdef", "024020", "a1a042"):
        text = f"Chunk ID: {chunk}\nWall time: 0.0{len(stream.said)}1 seconds\nProcess exited with code 0\nOutput:\n M a.py"
        stream.call("exec_command", {"cmd": "git status --short", "workdir": "/p"}, text)
    assert loops(stream) == ["repeated_call"]


def test_shell_of_another_agent_is_a_shell():
    stream = Stream()
    for i in range(3):
        given = {"command": "make" + " " * i, "workdir": "/p", "timeout_ms": 1000}
        stream.call(
            "shell_command", given, f"Exit code: 2\nWall time: {i}.1 seconds\nOutput:\nno rule", FAILED
        )
    assert loops(stream) == ["tool_failure"]


def test_denied_again_and_again_ends_the_turn():
    stream = Stream()
    for _ in range(4):
        stream.bash("pwd", "/p")
    said = [stream.turn([bash("pwd", "/p")])[-1].verdict for _ in range(5)]
    assert said[-1] == STOP and STOP not in said[:-1]


# good work


def test_building_again_after_each_real_change_is_work():
    stream = Stream()
    for i in range(12):
        stream.turn([edit(i)])
        stream.bash("make", "built")
        stream.bash("git status --short", " M a.py")
    assert stream.said == []


def test_edit_and_test_in_one_message_is_work():
    stream = Stream()
    for i in range(8):
        stream.turn([edit(i), bash("pytest -q", "5 passed")])
    assert stream.said == []


def test_checking_the_same_thing_before_each_of_many_steps_is_work():
    stream = Stream()
    for i in range(8):
        stream.bash("git status --short", f" M {chr(97 + i)}.py")
        stream.bash(f"git add {chr(97 + i)}.py", "")
        stream.bash(f"git commit -m {chr(97 + i)}", f"[main {i}a4b5c6] {chr(97 + i)}")
    assert stream.said == []


def test_two_failures_and_a_repair_again_and_again_are_work():
    stream = Stream()
    for i in range(6):
        stream.bash("make", f"Exit code 2\nerror in {chr(97 + i)}.c", fails=True)
        stream.bash("make", f"Exit code 2\nerror in {chr(97 + i)}.c", fails=True)
        stream.turn([edit(i)])
    assert loops(stream) == []


def test_waiting_for_a_server_to_come_up_is_no_loop():
    stream = Stream()
    for _ in range(12):
        stream.bash("sleep 2; curl -s localhost:3000/health", "Exit code 7\n", fails=True)
    assert stream.said == []


def test_watching_a_count_rise_in_a_log_is_no_loop():
    stream = Stream()
    for i in range(15):
        stream.bash("sleep 60 && tail -1 train.log", f"step {i * 100} loss {1 / (i + 1):.3f}")
    assert stream.said == []


def test_launching_in_the_background_is_neither_success_nor_failure():
    stream = Stream()
    given = {"command": "npm start", "run_in_background": True}
    said = [
        stream.call("Bash", given, "Command running in background with ID: b1", LAUNCHED).verdict
        for _ in range(8)
    ]
    assert said == [ALLOW] * 4 + [WARN] + [ALLOW] * 3 and stream.states() == {}


def test_looking_for_a_file_in_many_places_is_no_loop():
    stream = Stream()
    for i in range(8):
        stream.call("Read", {"file_path": f"/p/{i}/setup.cfg"}, "File does not exist.", FAILED)
    assert stream.said == []


def test_another_agent_in_each_lane_doing_the_same_reading_is_no_loop():
    stream = Stream()
    for lane in ("a", "b", "c", "d", "e", "f"):
        stream.call("Read", {"file_path": "/p/README"}, "read me", lane=lane)
        stream.bash("git log --oneline", "one", lane=lane)
    assert stream.said == []


def test_person_who_asks_the_same_thing_again_gets_it_again():
    stream = Stream()
    for _ in range(10):
        stream.bash("git status", "clean")
        stream.bash("git log -1", "one")
        stream.prompt("and now?")
    assert stream.said == []


def test_same_command_in_many_directories_is_no_loop():
    stream = Stream()
    for i in range(10):
        stream.bash(f"cd /p/pkg{i} && npm test", "5 passing")
    assert loops(stream) == []


def test_paging_through_results_is_no_loop():
    stream = Stream()
    for i in range(9):
        stream.call("mcp__tracker__list_issues", {"page": i}, f"issues of page {i}")
    assert stream.said == []


def test_one_denial_is_no_loop_and_no_reason_to_deny_others():
    stream = Stream()
    for _ in range(2):
        stream.call("Bash", {"command": "curl x.io"}, "Permission to use Bash has been denied.", DENIED)
    assert stream.ask("Bash", {"command": "curl y.io"})[1].verdict != DENY


def test_interrupted_calls_count_nothing():
    stream = Stream()
    for _ in range(5):
        stream.bash("make", "Exit code 137\n[Request interrupted by user for tool use]", fails=True)
        stream.turn([edit(stream.ids)])
    assert loops(stream) == []


def test_a_refused_probe_counts_like_a_blocked_call_so_asking_on_ends_the_turn():
    stream = Stream(pace=15.0)
    for _ in range(8):
        decision = stream.call(
            "Bash", {"command": "rm -rf b"}, "Permission to use Bash has been denied.", DENIED
        )
    ending = stream.events("ending")[0]
    assert (decision.verdict, ending.reason, ending.calls) == (STOP, "kept_asking", ["Bash rm"])


def test_a_web_search_is_compared_by_its_links():
    stream = Stream()
    links = 'Web search results for query: "x"\n\nLinks: [{"title":"A","url":"https://a.io"}]\n\n'
    for told in ("It is a bug.", "It seems to be a bug.", "The cause is a bug.", "I found a bug."):
        stream.call("WebSearch", {"query": "x"}, links + told)
    assert loops(stream) == ["repeated_call"]
    other = Stream()
    for i in range(9):
        other.call("WebSearch", {"query": "x"}, links.replace("a.io", f"{i}.io") + "It is a bug.")
    assert not other.said


def test_what_was_read_before_compaction_may_be_read_again():
    stream = Stream()
    for _ in range(4):
        for name in ("model", "view", "routes", "util"):
            stream.call("Read", {"file_path": f"/p/{name}.py"}, f"what {name} holds")
        stream.send(Compacted())
    assert stream.said == []


def test_compaction_forgets_no_failure():
    stream = Stream()
    for _ in range(2):
        stream.bash("make", "Exit code 2\nno rule", fails=True)
    stream.send(Compacted())
    stream.bash("make", "Exit code 2\nno rule", fails=True)
    assert loops(stream) == ["tool_failure"]
