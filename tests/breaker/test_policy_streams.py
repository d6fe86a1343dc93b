"""Loops in disguise, and the good work that looks like them."""

from __future__ import annotations

import pytest
from streams import Stream

from circuit_breaker.breaker.model import ALLOW, DENIED, DENY, FAILED, OK, OPEN, WARN

UUID = "{0:08x}-1111-4222-8333-{0:012x}"
NOISE = {
    "a duration": lambda i: f"1 failed, 4 passed in {i}.{i}3s",
    "a clock": lambda i: f"[12:{i:02d}:01] connect failed",
    "a date": lambda i: f"2026-11-{i + 10}T01:02:0{i % 10}Z connection refused",
    "a process id": lambda i: f"process {4000 + i} died: pid {4000 + i}",
    "a port": lambda i: f"cannot reach localhost:{50000 + i}",
    "a temporary path": lambda i: f"wrote /tmp/tmp{i}x9/out.log and failed",
    "an address": lambda i: f"segfault at 0x7fff12{i:04x}",
    "a uuid": lambda i: f"request {UUID.format(i)} rejected",
    "a colour": lambda i: f"\x1b[3{i % 8}mred\x1b[0m it failed",
    "an epoch": lambda i: f"timestamp={1790000000 + i} boom",
    "milliseconds": lambda i: f"Tests: 1 failed\nTime: {i * 37} ms",
    "a request id": lambda i: f"error: request id 3f{i:02d}a9c7b1e{i:02d} not accepted",
}


def loops(stream):
    return [t.name.partition(":")[0] for t in stream.events("trip")]


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_changing_noise_does_not_hide_a_repeated_result(noise):
    stream = Stream()
    for i in range(1, 5):
        stream.bash("./status.sh", noise(i))
    assert loops(stream) == ["repeated_call"]


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_changing_noise_does_not_hide_the_same_failure_between_edits(noise):
    stream = Stream()
    for i in range(1, 7):
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": f"a{i}", "new_string": f"b{i}"}, "ok")
        stream.bash("./check.sh", "Exit code 1\n" + noise(i), fails=True)
    assert loops(stream) == ["tool_failure"]


SAME_CALL = {
    "waiting first": lambda i: {"command": f"sleep {i}; make deploy"},
    "another time limit": lambda i: {"command": "make deploy", "timeout": 1000 * i},
    "a limit in the command": lambda i: {"command": f"timeout {i * 10} make deploy"},
    "another description": lambda i: {"command": "make deploy", "description": f"try {i}"},
    "more white space": lambda i: {"command": "make" + " " * i + "deploy"},
    "an assignment in front": lambda i: {"command": f"TRY={i} make deploy"},
    "going there first": lambda i: {"command": "cd /p && make deploy" if i % 2 else "make deploy"},
    "going there in two steps": lambda i: {
        "command": "cd / && cd p && make deploy" if i % 2 else "make  deploy"
    },
}


@pytest.mark.parametrize("given", SAME_CALL.values(), ids=SAME_CALL)
def test_disguise_does_not_make_it_another_call(given):
    stream = Stream()
    for i in range(1, 4):
        stream.call("Bash", given(i), "Exit code 2\nno rule to make target", FAILED)
    assert loops(stream) == ["tool_failure"]
    assert stream.ask("Bash", given(4))[1].verdict == DENY


OTHER_CALL = {
    "another directory": lambda i: {"command": f"cd /p{i} && make deploy"},
    "another target": lambda i: {"command": f"make deploy{i}"},
    "another pattern in quotes": lambda i: {"command": f"grep 'a{' ' * i}b' f"},
    "another flag": lambda i: {"command": "make deploy " + "-v" * i},
}


@pytest.mark.parametrize("given", OTHER_CALL.values(), ids=OTHER_CALL)
def test_really_different_calls_are_not_one_loop(given):
    stream = Stream(circuit_breakers={"tool_failure": {"same_error": 0}})
    for i in range(1, 9):
        stream.call("Bash", given(i), f"Exit code 2\nwrong {i}", FAILED)
    assert loops(stream) == []


def test_keys_in_another_order_are_the_same_call():
    stream = Stream()
    for i in range(4):
        given = {"path": "/p", "pattern": "x"} if i % 2 else {"pattern": "x", "path": "/p"}
        stream.call("Grep", given, "a.py:1:x")
    assert loops(stream) == ["repeated_call"]


def test_ls_forty_seven_times_costs_four():
    stream = Stream()
    answers = [stream.turn([("Bash", {"command": "ls"}, "a b c", OK)])[0].verdict for _ in range(47)]
    assert answers[:4] == [ALLOW, ALLOW, WARN, ALLOW]
    assert answers[4:] == [DENY] * 43


def test_two_calls_in_turn_open_after_three_rounds():
    stream = Stream()
    for _ in range(3):
        stream.bash("git status", "clean")
        stream.bash("git diff", "none here")
    assert loops(stream) == ["call_cycle"]
    assert stream.ask("Bash", {"command": "git status"})[1].verdict == DENY
    assert stream.ask("Bash", {"command": "git diff"})[1].verdict == DENY


def test_three_calls_in_turn_open_after_four_rounds():
    stream = Stream()
    for _ in range(4):
        for command in ("git status", "git log", "pwd"):
            stream.bash(command, f"result of {command}")
    assert "call_cycle" in loops(stream)


def test_one_foreign_call_a_round_does_not_hide_a_cycle():
    stream = Stream()
    for i in range(4):
        stream.bash("git status", "clean")
        stream.bash(f"ls d{i}", f"file {i}")
        stream.bash("git diff", "none here")
    assert "call_cycle" in loops(stream)


def test_cycle_of_builds_that_succeed_unchanged_is_a_loop():
    stream = Stream()
    for _ in range(3):
        stream.bash("npm run build", "built")
        stream.bash("npm test", "12 passing")
    assert loops(stream) == ["call_cycle"]


def made_and_unmade(error):
    stream = Stream()
    for i in range(12):
        there = {"file_path": "/p/a.py", "old_string": "a", "new_string": "b"}
        back = {"file_path": "/p/a.py", "old_string": "b", "new_string": "a"}
        stream.call("Edit", there if i % 2 else back, "ok")
        stream.bash("pytest", f"Exit code 1\n{error(i)}", fails=True)
    return stream


def test_the_same_edit_made_and_unmade_is_no_progress_for_ever():
    assert "tool_failure" in loops(made_and_unmade(lambda i: "error: of one kind"))


def test_between_equal_changes_only_equal_errors_count():
    assert "tool_failure" not in loops(made_and_unmade(lambda i: f"error: of kind {'ab'[i % 2]}"))


def test_red_green_work_with_changing_failures_is_never_touched():
    stream = Stream()
    for i in range(10):
        stream.bash("pytest -q", f"Exit code 1\nFAILED test_a.py::test_{i}\n{10 - i} failed", fails=True)
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": f"a{i}", "new_string": f"b{i}"}, "ok")
    stream.bash("pytest -q", "10 passed")
    assert stream.said == []


def test_fewer_failures_each_time_are_work_even_without_another_word():
    stream = Stream()
    for i in range(10, 4, -1):
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": f"a{i}", "new_string": "x"}, "ok")
        stream.bash("make lint", f"Exit code 1\n{i} problems", fails=True)
    assert stream.said == []


@pytest.mark.parametrize(("polls", "trips"), [(19, []), (21, ["repeated_call"])])
def test_polls_may_repeat_up_to_twenty_times(polls, trips):
    stream = Stream()
    for _ in range(polls):
        stream.bash("sleep 30 && gh run view 77", "in progress")
    assert loops(stream) == trips


@pytest.mark.parametrize(
    "command",
    ["sleep 5 && cat build.log", "gh pr checks 3 --watch", "until curl -sf localhost:80; do sleep 1; done"],
)
def test_failing_polls_wait_as_quietly(command):
    stream = Stream()
    for _ in range(10):
        stream.bash(command, "Exit code 1\npending", fails=True)
    assert stream.said == []


def test_output_readers_wait_as_quietly():
    stream = Stream()
    for _ in range(15):
        stream.call("BashOutput", {"bash_id": "b1"}, "still running")
    assert stream.said == []


def test_waiting_before_a_command_that_does_something_is_no_poll():
    stream = Stream()
    for _ in range(3):
        stream.bash("sleep 10 && npm publish", "Exit code 1\nforbidden", fails=True)
    assert loops(stream) == ["tool_failure"]


def test_heartbeat_once_a_prompt_is_never_touched():
    stream = Stream()
    for _ in range(12):
        stream.bash("./heartbeat", "alive")
        stream.prompt("again")
    assert stream.said == []


def test_patrol_with_other_steps_between_is_never_touched():
    stream = Stream()
    for i in range(8):
        stream.bash("bd ready", "nothing ready")
        stream.bash(f"cat notes/{i}", f"note {i}")
        stream.bash(f"ls room{i}", f"things {i}")
    assert loops(stream) == []


def test_reading_a_file_in_windows_is_never_touched():
    stream = Stream()
    for i in range(10):
        stream.call("Read", {"file_path": "/p/big.py", "offset": 100 * i, "limit": 100}, f"lines {i}")
    assert loops(stream) == []


def test_eleven_calls_in_one_message_are_one_turn():
    stream = Stream()
    stream.turn([("Bash", {"command": "ls"}, "a", OK)] * 11)
    stream.turn([("Bash", {"command": "false"}, "Exit code 1\nno", FAILED)] * 11)
    assert stream.said == []


def test_advice_to_write_a_script_names_the_program_and_nothing_made_up():
    lines = {
        "nl a.py | grep {}": "Bash nl a.py",  # what the calls share
        "git show {}": "Bash git show",
    }
    for command, name in lines.items():
        stream = Stream()
        for number in range(12):
            stream.bash(command.format("abcdefghijkl"[number]), f"text {'x' * number}")
        [(_, text)] = stream.said
        assert f"`{name}` was called 11 times" in text


def test_many_different_failing_commands_are_a_search_not_a_loop():
    stream = Stream()
    for i, word in enumerate(("go", "cargo", "npm", "make", "bazel", "ninja")):
        stream.bash(f"{word} build", f"Exit code 127\n{word}: command not found in {word * i}", fails=True)
    assert loops(stream) == []


def test_guessing_addresses_that_are_not_there_is_never_touched():
    stream = Stream()
    for i in range(8):
        stream.call(
            "WebFetch",
            {"url": f"https://docs.example.com/{i}"},
            "Request failed with status code 404",
            FAILED,
        )
    assert stream.said == []


def test_one_error_whatever_the_arguments_is_told_at_the_third_turn():
    stream = Stream()
    for i in range(3):
        stream.call("mcp__db__insert", {"row": i}, "MCP error -32000: Connection closed", FAILED)
    assert len(stream.said) == 1 and "same error" in stream.said[0][1]


def test_permission_that_is_refused_again_and_again_is_a_loop():
    stream = Stream()
    for _ in range(3):
        stream.call(
            "Bash",
            {"command": "curl x.io"},
            "Permission to use Bash with command curl x.io has been denied.",
            DENIED,
        )
    assert loops(stream) == ["tool_failure"]


def test_subagents_do_not_add_up():
    stream = Stream()
    for i in range(8):
        stream.bash("make test", "Exit code 2\nboom", fails=True, lane=f"agent{i}")
    assert loops(stream) == []


WRITING = [
    ("Edit", {"file_path": "/p/a.py", "old_string": "{}", "new_string": "x"}),
    ("mcp__fs__edit_file", {"path": "/p/a.py", "edits": "{}"}),
    ("mcp__fs__write_file", {"path": "/p/a.py", "content": "{}"}),
    ("Bash", {"command": "sed -i s/{}/x/ a.py"}),
    ("Bash", {"command": "cat > a.py <<E\n{}\nE"}),
    ("Bash", {"command": "echo {} | tee a.py"}),
    ("Bash", {"command": "git apply {}.diff && git diff --stat"}),
    ("Bash", {"command": "patch -p1 < {}.diff; pytest -q"}),
    ("PowerShell", {"command": "Set-Content a.py '{}'"}),
]
LOOKING = [
    ("Read", {"file_path": "/p/{}"}),
    ("mcp__fs__read_file", {"path": "/p/{}"}),
    ("Bash", {"command": "cat f{}"}),
    ("Bash", {"command": "pytest t{}"}),
    ("Bash", {"command": "pytest t{} > log 2>&1; tail log"}),
    ("Bash", {"command": "pytest t{} | grep -v skip | tee log"}),
]


def fails_while_a_subagent(tool, given):
    """The circuits of a call that fails beside a subagent's calls, each with another number in the input."""
    stream = Stream()
    for i in range(5):
        stream.bash("make test", f"Exit code 2\nboom {'x' * i}", fails=True)
        now = {name: value.replace("{}", str(i)) for name, value in given.items()}
        stream.call(tool, now, f"{i} passed", lane="helper")
    return loops(stream)


@pytest.mark.parametrize(("tool", "given"), WRITING)
def test_a_write_in_a_subagent_is_progress_for_the_main_thread(tool, given):
    assert fails_while_a_subagent(tool, given) == []


@pytest.mark.parametrize(("tool", "given"), LOOKING)
def test_a_look_or_a_test_in_a_subagent_is_no_progress_for_the_main_thread(tool, given):
    assert fails_while_a_subagent(tool, given) == ["tool_failure"]


@pytest.mark.parametrize(("calls", "trips"), [(19, []), (20, ["repeated_call"])])
def test_results_that_differ_only_in_digits_have_a_long_rope(calls, trips):
    stream = Stream()
    for i in range(calls):
        stream.bash("ls | wc -l", f"{100 + i} files")
    assert loops(stream) == trips


def test_results_that_are_really_new_each_time_have_no_end():
    stream = Stream()
    for i in range(60):
        stream.bash("./next-task", f"task {'abcdefghij'[i % 10]}{'x' * i}")
    assert loops(stream) == []


def test_six_of_the_last_ten_calls_are_a_loop_though_others_lie_between():
    stream = Stream()
    for i in range(6):
        stream.bash("git status", "clean")
        if i % 2:
            stream.bash(f"cat f{i}", f"{i}")
    assert loops(stream) == ["repeated_call"]


def test_six_of_the_last_ten_calls_are_a_loop_though_the_call_returns_something_else_now_and_then():
    stream = Stream()
    for text in "xxyxxyxx":
        stream.bash("tofu output", text)
    assert loops(stream) == ["repeated_call"]
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_two_results_in_turn_are_told_once_and_block_nothing():
    stream = Stream()
    for i in range(30):
        stream.bash("tofu output", "one" if i % 2 else "other")
    assert loops(stream) == []
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_calls_before_your_prompt_keep_their_places_among_the_last_ten():
    stream = Stream(circuit_breakers={"tool_failure": {"enabled": False}})
    for i in range(8):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
        for j in range(3):
            stream.call("Read", {"file_path": f"/p/{i}{j}"}, f"{i} {j}")
        stream.prompt()
    assert stream.said == []


def test_equal_results_with_edits_between_are_work():
    stream = Stream()
    for i in range(10):
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": f"a{i}", "new_string": "x"}, "ok")
        stream.bash("pytest -q", "5 passed")
    assert stream.said == []


def test_failure_outside_its_window_is_forgotten():
    stream = Stream()
    for _ in range(4):
        stream.bash("make test", "Exit code 2\nboom", fails=True)
        for _i in range(5):
            stream.call("Read", {"file_path": f"/p/{stream.ids}"}, f"{stream.ids}")
    assert loops(stream) == []


def test_one_success_clears_the_failures():
    stream = Stream()
    for _ in range(6):
        stream.bash("flaky", "Exit code 1\nno", fails=True)
        stream.bash("flaky", "Exit code 1\nno", fails=True)
        stream.bash("flaky", f"yes {stream.ids * 'x'}")
    assert loops(stream) == []


def test_circuit_closes_when_the_call_brings_something_new():
    stream = Stream()
    for _ in range(4):
        stream.bash("git status", "clean")
    assert stream.states() == {"repeated_call:Bash git status": OPEN}
    stream.call("Edit", {"file_path": "/p/a.py", "old_string": "a", "new_string": "b"}, "ok")
    stream.bash("git status", "modified: a.py")
    assert stream.states() == {}


def test_a_slow_test_that_gets_faster_with_each_edit_is_work():
    stream = Stream()
    for i, took in enumerate((812, 640, 571, 455, 402, 350, 298, 260)):
        stream.bash(
            "vitest run render", f"Exit code 1\nexpected {took} ms to be less than 200 ms", fails=True
        )
        stream.call("Edit", {"file_path": "/p/a.ts", "old_string": f"a{i}", "new_string": f"b{i}"}, "ok")
    assert not stream.said


@pytest.mark.parametrize("tool", ["Bash", "PowerShell", "mcp__desktop-commander__start_process"])
@pytest.mark.parametrize("where", ["{}", "docker compose exec -T web {}", "ssh box 'cd shop && {}'"])
def test_a_bisection_in_which_every_commit_fails_alike_is_work(where, tool):
    stream = Stream()
    for i in range(9):
        failure = "Exit code 1\n● cart › sums\nExpected: 3\nReceived: 2"
        stream.call(tool, {"command": where.format("npm test")}, failure, FAILED)
        said = f"Bisecting: {250 >> i} revisions left to test after this"
        stream.call(tool, {"command": where.format("git bisect bad")}, said)
    assert not stream.said


@pytest.mark.parametrize("go", ["git checkout -q {}", "git switch --detach {}", "git reset -q --hard {}"])
@pytest.mark.parametrize("commits", ["3f0c0d7{} a1b2c3d{}", "v1.{} v2.{}"])
def test_a_walk_through_commits_that_all_fail_alike_is_work(go, commits):
    stream = Stream()
    commits = [commit.format(i) for commit in commits.split() for i in range(5)]
    for commit in commits:
        stream.bash(go.format(commit), "")
        stream.bash("cargo test -q parser", "Exit code 101\ntest parser::nested ... FAILED", fails=True)
    assert not stream.said
    for _ in range(3):
        for commit in commits[-2:]:
            stream.bash(go.format(commit), "")
            stream.bash("cargo test -q parser", "Exit code 101\ntest parser::nested ... FAILED", fails=True)
    assert loops(stream) == ["tool_failure"]


@pytest.mark.parametrize(
    "said",
    [
        "Exit code 124\n",
        "Exit code 124\n> vite\nVITE v5.4.1 ready in 327 ms",
        "Exit code 143\nCommand timed out after 2m 0s",
    ],
)
def test_a_solver_that_is_too_slow_in_another_way_each_time_is_work(said):
    stream = Stream()
    for i in range(9):
        stream.call("Write", {"file_path": "/p/solve.py", "content": f"# idea {i}"}, "ok")
        stream.bash("timeout 60 python3 solve.py", said, fails=True)
    assert not stream.said
    for _ in range(3):
        stream.bash("timeout 60 python3 solve.py", said, fails=True)
    assert loops(stream) == ["tool_failure"]


def test_a_rebase_that_stops_at_another_commit_each_time_is_work():
    stream = Stream()
    for i in range(8):
        stream.bash("git checkout --theirs . && git add -A", "Updated 3 paths from the index")
        stopped = f"Exit code 1\n[detached HEAD {i}a2b3c4] wip\nerror: could not apply {i}f2e3d4... wip"
        stream.bash("git -c core.editor=true rebase --continue", stopped, fails=True)
    assert not stream.said
    for _ in range(4):
        stream.bash("git -c core.editor=true rebase --continue", "Exit code 128\nfatal: unmerged", fails=True)
    assert loops(stream) == ["tool_failure"]


def test_a_rebase_that_stops_at_the_same_commit_behind_a_pipe_is_a_loop():
    stream = Stream()
    for i in range(7):
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": f"a{i}", "new_string": f"b{i}"}, "ok")
        stream.bash(
            "git rebase --continue 2>&1 | tail -3", "a.py: needs merge\nYou must edit all merge conflicts"
        )
    assert loops(stream) == ["tool_failure"]


def test_a_benchmark_that_is_repeated_on_purpose_is_work():
    stream = Stream()
    for i in range(6):
        stream.bash("hyperfine './app data.bin'", f"Time (mean ± σ):  41{i}.3 ms ±  3.{i} ms    10 runs")
    assert not stream.said


def test_one_result_under_other_variables_is_no_repeat():
    stream = Stream()
    for seed in range(8):
        stream.bash(f"PYTHONHASHSEED={seed} pytest -q", "10 passed in 0.31s")
    assert not stream.said
    for _ in range(4):
        stream.bash("PYTHONHASHSEED=7 pytest -q", "10 passed in 0.31s")
    assert loops(stream) == ["repeated_call"]


def test_a_look_is_one_whatever_variables_are_set_before_it():
    stream = Stream()
    for i in range(4):
        stream.bash(f"TRY={i} ls src", "a.py")
    assert loops(stream) == ["repeated_call"]


def test_an_mcp_tool_that_sets_something_is_progress_between_equal_looks():
    stream = Stream()
    for i in range(8):
        stream.call("mcp__ops__set_status", {"service": f"s{i}", "status": "down"}, '{"ok":true}')
        stream.call("mcp__ops__get_alerts", {}, '{"alerts":[]}')
    assert not stream.said


@pytest.mark.parametrize("tool", ["mcp__sequential-thinking__sequentialthinking", "mcp__zen__thinkdeep"])
def test_thinking_aloud_between_equal_failures_is_no_progress(tool):
    stream = Stream()
    for i in range(3):
        stream.bash("pytest t.py", "Exit code 1\nE   assert 1 == 2", fails=True)
        stream.call(tool, {"thought": "x" * i, "thoughtNumber": i}, f'{{"thoughtNumber": {i}}}')
    assert stream.states() == {"tool_failure:Bash pytest t.py": OPEN}


def test_a_page_that_a_script_scrolls_is_looked_at_with_news():
    stream = Stream()
    tool = "mcp__playwright__browser_evaluate"
    for i in range(12):
        stream.call(tool, {"function": "() => window.scrollTo(0, 9e9)"}, "### Result\nundefined")
        stream.call(
            tool, {"function": "() => document.querySelectorAll('li').length"}, f"### Result\n{20 * i}"
        )
    assert not stream.said


def test_calls_that_differ_in_nothing_are_no_batch_that_was_missed():
    stream = Stream()
    for i in range(15):
        stream.call("mcp__job__CheckStatus", {"id": 7}, f'{{"state":"running","done":"{chr(97 + i)}"}}')
    assert not stream.said
    for i in range(12):
        stream.call("mcp__job__CheckStatus", {"id": i}, f'{{"state":"running","of":"{chr(97 + i)}"}}')
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_a_device_of_any_name_that_moves_on_is_work():
    stream = Stream()
    for i in range(8):
        for _ in range(2):
            stream.call("mcp__home__dim_light", {"entity": "lamp", "delta": -5}, "ok")
        stream.call("mcp__home__get_state", {"entity": "lamp"}, f'{{"brightness":{100 - 10 * i}}}')
    assert not stream.said


@pytest.mark.parametrize("moves", [True, False])
def test_a_screen_on_another_machine_is_a_page_too(moves):
    stream = Stream(pace=4.0)
    for i in range(10):
        stream.bash("ssh kiosk 'DISPLAY=:0 xdotool key Down'")
        stream.bash("ssh kiosk 'DISPLAY=:0 import -window root png:- | tesseract - -'", f"item {i * moves}")
    assert (loops(stream) == []) is moves and (stream.said == []) is moves


def test_what_makes_one_more_each_time_is_a_loop_though_the_list_grows():
    stream = Stream()
    for i in range(4):
        for _ in range(2):
            stream.call("mcp__linear__create_issue", {"title": "fix it"}, '{"ok":true}')
        stream.call("mcp__linear__list_issues", {}, f'{{"total":{2 * i}}}')
    assert "repeated_call" in loops(stream)


def test_a_test_that_fails_now_and_then_may_be_repeated_on_purpose_up_to_twenty_times():
    passed, failed = "1 passed in 1.{}s", "Exit code 1\n1 failed in 1.{}s"
    stream = Stream()
    for i, ended in enumerate("PPFPPPPPPFPPPPPP"):
        text = passed if ended == "P" else failed
        stream.bash("pytest -q t.py", text.format(i % 10), fails=ended == "F")
    stream.call("Edit", {"file_path": "/p/t.py", "old_string": "a", "new_string": "b"}, "ok")
    for i in range(10):
        stream.bash("pytest -q t.py", passed.format(i))
    assert not stream.said
    for i in range(12):
        stream.bash("pytest -q t.py", passed.format(i % 10))
    assert loops(stream) == ["repeated_call"]


def test_what_is_set_up_anew_before_each_run_of_such_a_test_is_work_too():
    stream = Stream()
    for ended in "FPPFPPPPFP":
        stream.bash("rm -f test.db")
        stream.bash(
            "pytest t.py", "1 passed" if ended == "P" else "Exit code 1\n1 failed", fails=ended == "F"
        )
    assert not stream.said
    for _ in range(20):
        stream.bash("rm -f test.db")
        stream.bash("pytest t.py", "1 passed")
    assert loops(stream) == ["call_cycle"]


def test_what_is_called_in_a_row_beside_such_a_test_is_a_loop():
    stream = Stream()
    for ended in "PFP":
        stream.bash(
            "pytest t.py", "1 passed" if ended == "P" else "Exit code 1\n1 failed", fails=ended == "F"
        )
    for _ in range(4):
        stream.bash("git status", "clean")
    assert loops(stream) == ["repeated_call"]


@pytest.mark.parametrize("between", ["an edit", "a command"])
def test_a_test_that_was_repaired_is_not_one_that_fails_now_and_then(between):
    stream = Stream()
    stream.bash("pytest -q t.py", "Exit code 1\n1 failed", fails=True)
    if between == "an edit":
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": "a", "new_string": "b"}, "ok")
    else:
        stream.bash("./migrate", "3 tables")
    for _ in range(4):
        stream.bash("pytest -q t.py", "1 passed")
    assert loops(stream) == ["repeated_call"]


STEPS = {
    "rows in a database": (
        "./purge --batch 9",
        "DELETE 9",
        "psql app -c 'select max(t) from log'",
        "{}",
    ),
    "a simulation": ("./step.sh", "ok", "cat state.json", '{{"room":"{}"}}'),
    "a robot and its picture": ("robotctl forward 10", "OK", "/p/cam.txt", "1\troom {}"),
    "a folder that empties": ("python3 take_one.py", "done", "ls in/", "{}.csv z.csv"),
    "a repository": ("./next-patch", "applied", "git diff --stat", "{}.c | 2 +-"),
}


@pytest.mark.parametrize(("step", "receipt", "look", "shown"), STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("steps", [1, 2])
def test_a_command_whose_effect_a_look_shows_is_work(step, receipt, look, shown, steps):
    stream = Stream()
    for room in "abcdefgh":
        for _ in range(steps):
            stream.bash(step, receipt)
        if look.endswith(".txt"):
            stream.call("Read", {"file_path": look}, shown.format(room))
        else:
            stream.bash(look, shown.format(room))
    assert not stream.said
    for _ in range(4):
        stream.bash(step, receipt)
        stream.bash(look, shown.format("z"))
    assert loops(stream)


@pytest.mark.parametrize(
    ("act", "look", "shown"),
    [
        ("gh issue create -t fix -b it", "cat issues.json", "{}"),
        ("echo x >> list.txt", "wc -l list.txt", "{} list.txt"),
        ("curl -s -X POST localhost:3000/items -d @item.json", "cat db.json", "{}"),
        ("npm run build", "tail -3 server.log", "GET /{}"),
    ],
)
def test_what_adds_one_more_or_writes_beside_a_log_is_a_loop_though_looks_differ(act, look, shown):
    stream = Stream()
    for letter in "abcd":
        for _ in range(2):
            stream.bash(act, "ok")
        stream.bash(look, shown.format(letter))
    assert "repeated_call" in loops(stream)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("cargo run --release -- data.bin", "processed 1000000 rows in 1.{}1s (80{} rows/s)"),
        ("python3 load.py --n 1000", "total 81{} ms, p50 0.7{} ms, p99 3.1 ms"),
        ("./run 9", "mean 41{} ms, median 40{} ms"),
        ("node scripts/perf.js", "parse: 1{}.4 ms, print: 3{}.1 ms"),
        ("python3 measure_startup.py", "elapsed: 1.{}{} s"),
    ],
)
def test_what_is_measured_again_and_again_is_work(command, text):
    stream = Stream()
    for i in range(6):
        stream.bash(command, text.format(i, i))
    assert not stream.said
    for _ in range(4):
        stream.bash(command, text.format(7, 7))
    assert loops(stream) == ["repeated_call"]


def test_how_long_a_build_or_a_download_took_is_no_measurement():
    for text in ("built in 1.{}s", "120 MB in 2.{}s, 4{}.1 MB/s", "wrote docs/section{}.md in 3{} ms"):
        stream = Stream()
        for i in range(4):
            stream.bash("./fetch-and-build", text.replace("section{}", "section1").format(*[i] * 3))
        assert loops(stream) == ["repeated_call"], text


def test_builds_that_are_timed_again_and_again_are_work():
    stream = Stream()
    for i in range(5):
        stream.bash("make clean", "rm -rf build")
        stream.bash("time make -j8 > /dev/null", f"real\t0m4{i}.112s\nuser\t4m1{i}.00s\nsys\t0m9.{i}s")
    assert not stream.said


def test_going_to_another_folder_in_a_call_of_its_own_is_progress():
    stream = Stream()
    for i in range(8):
        stream.bash(f"cd ../pkg{i}")
        stream.bash("npm test", "Tests: 4 passed")
        stream.bash("git status --short", "")
    assert not stream.said
    for _ in range(4):
        stream.bash("cd ../pkg7")
        stream.bash("npm test", "Tests: 4 passed")
    assert loops(stream)


def test_a_probe_whose_result_differs_only_in_digits_proves_nothing():
    stream = Stream(pace=15.0)
    for i in range(60):
        stream.bash("cat counter", f"count {i}")
    assert len(stream.events("trip")) == 1 and not stream.events("close")
