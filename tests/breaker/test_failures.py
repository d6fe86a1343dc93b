"""Failures: the same attempt in other words, the same error whatever the call, and work that only looks like it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import samples
from streams import Stream

from circuit_breaker.breaker import failures
from circuit_breaker.breaker.model import (
    ALLOW,
    DENIED,
    DENY,
    FAILED,
    INTERRUPTED,
    INVALID,
    MAIN,
    OK,
    OPEN,
    STOP,
    WARN,
    Reported,
    Result,
    Turn,
)
from circuit_breaker.breaker.model import CLOSED as CLOSED_STATE

RUN = """============================= test session starts =============================
platform linux -- Python 3.11.7, pytest-8.3
rootdir: /p
collected 4 items

t.py F...                                                                [100%]

=================================== FAILURES ===================================
____________________________________ test_a ____________________________________

    def test_a():
>       assert total([1, 2]) == 4
E       assert 3 == 4
E        +  where 3 = total([1, 2])

t.py:4: AssertionError
=========================== short test summary info ============================
FAILED t.py::test_a - assert 3 == 4
========================= 1 failed, 3 passed in 0.{}s ========================="""
SHORT = "F...   [100%]\n____ test_a ____\nE       assert 3 == 4\nFAILED t.py::test_a - assert 3 == 4\n1 failed, 3 passed in 0.{}s"
ANY_FORM = "tool_failure:Bash pytest t.py (any form)"


def tail(count):
    return "\n".join(RUN.split("\n")[-count:])


def lines_with(*words):
    return "\n".join(line for line in RUN.split("\n") if any(word in line for word in words))


# ways to run one failing test: (the line, whether the call fails, its output)
VARIANTS = [
    ("pytest t.py", FAILED, RUN),
    ("pytest -q t.py", FAILED, SHORT),
    ("python -m pytest t.py", FAILED, RUN),
    ("python3 -m pytest ./t.py -x", FAILED, RUN),
    ("pytest t.py 2>&1 | tail -5", OK, tail(5)),
    ("pytest t.py | tail -1", OK, tail(1)),
    ("pytest t.py | head -30", OK, RUN),
    ("pytest t.py || true", OK, RUN),
    ("pytest t.py; echo $?", OK, RUN + "\n1"),
    ('pytest t.py; echo "exit=$?"', OK, RUN + "\nexit=1"),
    ("cd /p && pytest t.py", FAILED, RUN),
    ("timeout 60 pytest t.py", FAILED, RUN),
    ('bash -c "pytest t.py"', FAILED, RUN),
    ("pytest t.py > out.txt 2>&1; tail -3 out.txt", OK, tail(3)),
    ("pytest t.py::test_a", FAILED, RUN),
    ('pytest "t.py" --tb=short', FAILED, RUN),
    ("PYTHONPATH=. pytest t.py", FAILED, RUN),
    ('echo "try 3"; pytest t.py', FAILED, "try 3\n" + RUN),
    ('pytest t.py | grep -E "FAILED|passed"', OK, lines_with("FAILED", "passed")),
    ("uv run pytest t.py", FAILED, RUN),
    ("pytest t.py >/dev/null 2>&1", FAILED, ""),
    ("sleep 2; pytest t.py", FAILED, RUN),
    ("git status; pytest t.py", FAILED, "On branch main\n" + RUN),
    ("pytest t.py && echo PASS || echo FAIL", OK, RUN + "\nFAIL"),
]
LOOKS = [
    ("Read", {"file_path": "/p/t.py"}),
    ("Grep", {"pattern": "total"}),
    ("Bash", {"command": "ls"}),
    ("Bash", {"command": "cat t.py | head"}),
]


def run(stream, variant, seconds="03"):
    line, kind, output = variant
    text = output.replace("{}", seconds)
    return stream.bash(line, f"Exit code 1\n{text}" if kind == FAILED else text, fails=kind == FAILED)


def edit(stream, number):
    given = {"file_path": "/p/a.py", "old_string": f"a{number}", "new_string": f"b{number}"}
    return stream.call("Edit", given, "The file was updated.")


def is_open(stream):
    """Whether the failing run is blocked: a form of it, or any. (Its line may begin with another word.)"""
    return any(state != CLOSED_STATE for state in stream.states().values())


def is_blocked(stream, what):
    return any(what in name and state == OPEN for name, state in stream.states().items())


def said(stream):
    """What it said, but for advice to send many calls together."""
    return [text for _, text in stream.said if "one call a turn" not in text]


def are_all_blocked(stream, ways):
    """Whether no form of the run gets through any more."""
    return all(stream.ask("Bash", {"command": line})[1].verdict == DENY for line, _, _ in ways)


@settings(max_examples=40)
@given(st.data())
def test_twenty_ways_to_run_one_failing_test_are_stopped_by_the_tenth_run(data):
    ways = data.draw(st.lists(st.sampled_from(VARIANTS), min_size=20, max_size=20, unique_by=lambda v: v[0]))
    stream = Stream()
    for _ in range(10):
        run(stream, data.draw(st.sampled_from(ways)), str(data.draw(st.integers(10, 99))))
    assert is_open(stream)


@settings(max_examples=40)
@given(st.permutations(range(14)), st.data())
def test_with_a_third_of_the_calls_looks_by_the_fourteenth(order, data):
    stream = Stream()
    for place in order:
        if place < 5:
            tool, given_ = data.draw(st.sampled_from(LOOKS))
            stream.call(tool, given_, f"result {data.draw(st.integers(0, 9))}")
        else:
            run(stream, data.draw(st.sampled_from(VARIANTS[:20])))
    assert is_open(stream)


IN_FRONT = """|cd /p && |timeout 60 |PYTHONPATH=. |time |env CI=1 |echo 'try again'; |set -o pipefail; |sleep 1; |nice |git status && |
export X=1; |source .venv/bin/activate && |stdbuf -oL |date; |(cd /p; """.replace("\n", "").split("|")
RUNNERS = (
    "pytest",
    "python -m pytest",
    "python3.11 -m pytest",
    "uv run pytest",
    ".venv/bin/pytest",
    "poetry run pytest",
    "./.venv/bin/python -m pytest",
    "/usr/bin/env pytest",
    "py.test",
    "coverage run -m pytest",
)
OPTIONS = (
    "",
    "-x",
    "-q",
    "-v",
    "--tb=short",
    "-k test_a",
    "-p no:cacheprovider",
    "--maxfail=1",
    "-n 2",
    "-rA",
    "--lf",
    "-o addopts=''",
)
FILES = ("t.py", "./t.py", "/p/t.py", '"t.py"', "t.py::test_a")
BEHIND = {  # what stands behind the run -> what is seen of it; only the first two show the exit code
    "": lambda n: RUN,
    " 2>/dev/null": lambda n: RUN,
    " 2>&1 | tail -{n}": tail,
    " | tail -n {n} || echo done": tail,
    " > out.txt 2>&1; tail -{n} out.txt": tail,
    " || true": lambda n: RUN,
    "; true": lambda n: RUN,
    " | cat": lambda n: RUN,
    " 2>&1 | tee log.txt": lambda n: RUN,
    "; echo $?": lambda n: RUN + "\n1",
    " && echo PASS || echo FAIL": lambda n: RUN + "\nFAIL",
    ' | grep -E "FAILED|passed|failed"': lambda n: lines_with("FAILED", "passed", "failed"),
}


def way(chance):
    """One of 115,200 ways to run the failing test, and another number of lines each time."""
    behind, count = chance.choice([*BEHIND]), chance.randrange(2, 28)
    words = [chance.choice(RUNNERS), chance.choice(OPTIONS), chance.choice(FILES)]
    if chance.random() < 0.5:
        words[1:] = words[:0:-1]
    front = chance.choice(IN_FRONT)
    line = (
        front
        + " ".join(filter(None, words))
        + ")" * front.startswith("(")
        + behind.replace("{n}", str(count))
    )
    return line, FAILED if behind in ("", " 2>/dev/null") else OK, BEHIND[behind](count)


def calls_until_blocked(seed, looks):
    """How many calls a session makes that mixes twenty ways by chance until none gets through; `looks`: each third call is one."""
    chance, stream = random.Random(seed), Stream()
    ways = [way(chance) for _ in range(20)]
    for number in range(1, 40):
        if looks and number % 3 == 0:
            stream.call(*chance.choice(LOOKS), f"result {chance.randrange(10)}")
        else:
            run(stream, chance.choice(ways), str(chance.randrange(10, 99)))
        if OPEN in stream.states().values() and are_all_blocked(stream, ways):
            return number
    return 40


def test_a_group_whose_output_is_shown_afterwards_does_not_begin_the_run_anew():
    assert calls_until_blocked(374, looks=True) <= 10


@pytest.mark.slow
@pytest.mark.parametrize(("looks", "most"), [(False, 10), (True, 14)])
def test_of_many_sessions_that_mix_any_twenty_ways_none_goes_on_longer(looks, most):
    needed = {seed: calls_until_blocked(seed, looks) for seed in range(samples(here=60, in_ci=500))}
    worst = max(needed, key=needed.__getitem__)
    assert needed[worst] <= most, f"seed {worst}: {needed[worst]}"


@pytest.mark.parametrize(
    "variant",
    [
        lambda i: (f"pytest t.py 2>&1 | tail -{i + 2}", OK, tail(i + 2)),
        lambda i: (f"pytest t.py 2>&1 | head -n {i + 20}", OK, RUN),
        lambda i: (f"echo attempt {i}; pytest t.py", FAILED, f"attempt {i}\n{RUN}"),
        lambda i: (f"# attempt {i}\npytest t.py", FAILED, RUN),
        lambda i: (f"ATTEMPT={i} pytest t.py", FAILED, RUN),
        lambda i: (f"timeout {i * 30} pytest t.py", FAILED, RUN),
        lambda i: (f"sleep {i}; pytest t.py --maxfail {i}", FAILED, RUN),
        lambda i: (f"pytest t.py > /tmp/out{i}.txt 2>&1; tail -5 /tmp/out{i}.txt", OK, tail(5)),
        lambda i: ("pytest t.py " + "-v " * i, FAILED, RUN),
    ],
)
def test_a_number_in_the_line_does_not_hide_the_attempt(variant):
    stream = Stream()
    for i in range(1, 8):
        run(stream, variant(i))
    assert is_open(stream)


ENDINGS = {
    "pytest t.py": RUN.replace("{}", "03"),
    "go test ./...": "    total_test.go:9: total = 3, want 4\n--- FAIL: TestTotal (0.00s)\nFAIL\nFAIL\texample.com/p\t0.004s",
    "cargo test": """    Finished `test` profile [unoptimized] target(s) in 0.3s
test tests::a ... FAILED
thread 'tests::a' panicked at src/lib.rs:12:9:
assertion `left == right` failed
test result: FAILED. 3 passed; 1 failed; 0 ignored

error: test failed, to rerun pass `--lib`""",
    "mvn test": """[ERROR]   TotalTest.adds:9 expected: <4> but was: <3>
[ERROR] Tests run: 4, Failures: 1, Errors: 0, Skipped: 0
[INFO] BUILD FAILURE
[INFO] Total time:  1.2 s
[INFO] Finished at: 2026-05-01T08:20:21Z
[ERROR] Failed to execute goal surefire:test (default-test) on project p: There are test failures.""",
    "make": "b.c:5:12: error: 'totl' undeclared\n    5 |     return totl;\nmake: *** [Makefile:4: b.o] Error 1",
    "node a.js": "ReferenceError: x is not defined\n    at Object.<anonymous> (/p/a.js:3:9)\n\nNode.js v20.11.0",
}


@pytest.mark.parametrize("line", ENDINGS)
@settings(max_examples=30)
@given(lengths=st.lists(st.integers(1, 60), min_size=7, max_size=7, unique=True))
def test_the_end_of_the_output_in_another_length_each_time_is_blocked_by_the_seventh(line, lengths):
    stream = Stream()
    for count in lengths:
        stream.bash(f"{line} 2>&1 | tail -{count}", "\n".join(ENDINGS[line].split("\n")[-count:]))
    for form in (line, f"{line} 2>&1 | tail -99", f"({line}) | head; true"):
        assert stream.ask("Bash", {"command": form})[1].verdict == DENY, form


@pytest.mark.parametrize("line", ENDINGS)
@pytest.mark.parametrize(
    "form", ["echo 'attempt {n}'; {line}", 'echo "=== {n} ===" && {line}; echo "exit: $?"']
)
def test_an_attempt_number_in_front_is_blocked_by_the_seventh(line, form):
    stream = Stream()
    for number in range(1, 8):
        command, text = form.format(n=number, line=line), f"{number}\n{ENDINGS[line]}"
        hidden = "exit:" in command
        stream.bash(command, text + "\nexit: 1" if hidden else f"Exit code 1\n{text}", fails=not hidden)
    assert stream.ask("Bash", {"command": line})[1].verdict == DENY


def test_it_is_warned_at_the_fourth_and_opens_at_the_sixth_failure():
    stream = Stream()
    verdicts = [run(stream, VARIANTS[i]).verdict for i in (0, 1, 2, 3, 4, 7)]
    assert verdicts == [ALLOW, ALLOW, ALLOW, WARN, ALLOW, WARN]
    assert stream.states() == {ANY_FORM: OPEN}
    assert "4 times" in stream.said[0][1] and "6 times" in stream.said[1][1]


def test_the_circuit_gates_every_form_of_the_attempt_and_nothing_else():
    stream = Stream()
    for i in range(6):
        run(stream, VARIANTS[i])
    for line in (
        "pytest -vvv t.py",
        "python -m pytest t.py | tail -40 || true",
        "cd /p; time pytest ./t.py::test_b",
    ):
        assert stream.ask("Bash", {"command": line})[1].verdict == DENY, line
    for line in ("pytest other.py", "cat t.py", "python t.py", "cd sub && pytest t.py"):
        assert stream.ask("Bash", {"command": line})[1].verdict == ALLOW, line


def opened():
    stream = Stream()
    for i in range(6):
        run(stream, VARIANTS[i])
    stream.now += 11
    return stream


@pytest.mark.parametrize(
    "said",
    [
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
        "A.java:3: Fehler: Symbol nicht gefunden\n1 Fehler",
        "Because a depends on foo (9) which doesn't match any versions, version solving failed.",
    ],
)
def test_what_an_earlier_failure_printed_is_a_failure_in_any_language_though_its_code_is_hidden(said):
    stream = Stream()
    for end in ("", " 2>&1 | tail -5", " 2>&1 | head -50", " 2>&1", " | cat", " 2>&1 | tail -20"):
        text = said if "|" in end else f"Exit code 1\n{said}"
        stream.bash(f"tool apply x{end}", text, fails="|" not in end)
    assert stream.states() == {"tool_failure:Bash tool (any form)": OPEN}


def test_an_exit_code_that_the_line_prints_is_no_part_of_the_error():
    stream, said = Stream(), "python: No module named pytest"
    for line in ("pytest a.py", "pytest a.py; echo exit: $?") * 3:
        printed = "echo" in line
        stream.bash(line, f"{said}\nexit: 1" if printed else f"Exit code 1\n{said}", fails=not printed)
    assert "tool_failure:Bash pytest a.py (any form)" in stream.states()


def test_a_warning_that_comes_again_is_no_failure():
    stream = Stream()
    stream.bash("tool apply x", "Exit code 1\nwarning: y is not used\nwent left", fails=True)
    for i in range(6):
        stream.bash(f"tool apply x | tail -{i + 1}", "warning: y is not used\nall went well")
    assert not stream.said


def test_a_probe_that_passes_closes_it():
    stream = opened()
    stream.bash("pytest t.py | tail -1", "4 passed in 0.03s")
    assert stream.states() in ({}, {ANY_FORM: CLOSED_STATE})


def test_a_probe_whose_failure_is_only_hidden_has_failed():
    stream = opened()
    run(stream, VARIANTS[7])
    assert stream.states() == {ANY_FORM: OPEN}
    assert stream.lanes[""].circuits[ANY_FORM].level == 1


def test_a_probe_that_says_nothing_proves_nothing():
    stream = opened()
    stream.bash("pytest t.py >/dev/null 2>&1 || true", "")
    assert stream.states() == {ANY_FORM: OPEN}
    assert stream.lanes[""].circuits[ANY_FORM].level == 0


# --- what starts a run anew


def three(stream):
    for i in (0, 1, 2):
        run(stream, VARIANTS[i])


NEWS = {
    "your prompt": lambda stream: stream.prompt("look again"),
    "an edit": lambda stream: edit(stream, 1),
    "a command that changed something": lambda stream: stream.bash(
        "pip install x", "Successfully installed x-1"
    ),
    "a success of the attempt": lambda stream: stream.bash("pytest t.py -x", "4 passed in 0.2s"),
    "a hidden success of the attempt": lambda stream: stream.bash(
        "pytest t.py | tail -1", "4 passed in 0.2s"
    ),
    "a success as a step of a longer line": lambda stream: stream.bash(
        "docker compose up -d && pytest t.py && git status", "db started\n4 passed in 0.2s"
    ),
    "a failure of another attempt": lambda stream: stream.bash(
        "npm test", "Exit code 1\nError: x", fails=True
    ),
    "a hidden failure of another attempt": lambda stream: stream.bash("npm test | tail", "Error: x"),
    "a write of another lane": lambda stream: stream.call(
        "Write", {"file_path": "/p/b.py", "content": "x"}, "ok", lane="agent"
    ),
    "a finished subagent": lambda stream: stream.call("Agent", {"prompt": "fix it"}, "I fixed it"),
}


@pytest.mark.parametrize("news", NEWS.values(), ids=NEWS)
def test_a_run_starts_anew_at(news):
    stream = Stream()
    three(stream)
    news(stream)
    three(stream)
    assert not [name for name in stream.states() if "any form" in name]
    assert [text for verdict, text in stream.said if "any form" in text] == []


NO_NEWS = {
    "looks": lambda stream: [stream.call(tool, given_, f"news {tool}") for tool, given_ in LOOKS],
    "a look of another lane": lambda stream: stream.bash("ls", "a", lane="agent"),
    "a passing test of another lane": lambda stream: stream.bash("pytest u.py", "3 passed", lane="agent"),
    "a variant that only hid its exit code": lambda stream: run(
        stream, ("pytest t.py --lf || true", OK, RUN)
    ),
    "a variant that counts": lambda stream: stream.bash("pytest t.py | grep -c FAILED", "1"),
    "a variant that says nothing": lambda stream: stream.bash("pytest t.py >/dev/null; true", ""),
    "a change made before": lambda stream: edit(stream, 0),
    "a machine's prompt": lambda stream: stream.prompt("<task-notification>", person=False),
}


@pytest.mark.parametrize("what", NO_NEWS.values(), ids=NO_NEWS)
def test_a_run_goes_on_through(what):
    stream = Stream()
    edit(stream, 0)
    three(stream)
    what(stream)
    for i in (3, 4, 7):
        run(stream, VARIANTS[i])
    assert stream.states().get(ANY_FORM) == OPEN or what is NO_NEWS["a change made before"]


def test_another_variable_in_front_counts_where_the_error_is_the_same_and_only_there():
    same, other = Stream(), Stream()
    for name in "abc":
        same.bash(f"TARGET={name} make flash", "Exit code 2\nno device", fails=True)
        other.bash(f"TARGET={name} make flash", f"Exit code 2\ntarget {name} is unsupported", fails=True)
    assert is_blocked(same, "make flash") and not is_blocked(other, "make flash")


def test_an_edit_buys_the_attempt_one_early_probe_in_any_form():
    stream = Stream()
    for i in range(6):
        run(stream, VARIANTS[i])
    assert stream.ask("Bash", {"command": "pytest t.py -vv"})[1].verdict == DENY
    edit(stream, 1)
    stream.bash("pytest -x t.py", "4 passed in 0.1s")
    assert not is_open(stream)
    assert stream.bash("pytest t.py", "4 passed in 0.1s").verdict == ALLOW


# --- with progress in between


def test_one_whole_error_of_an_attempt_six_times_running_opens_it_whatever_changed():
    stream = Stream()
    for i in range(6):
        run(stream, VARIANTS[(0, 2, 3, 10, 11, 12)[i]])
        edit(stream, i)
    assert stream.states().get(ANY_FORM) == OPEN


REJECTED = "To github.com:o/r.git\n ! [rejected] main -> main (fetch first)\nerror: failed to push some refs to 'github.com:o/r.git'"
REFORMATTED = "ruff-format......Failed\n- hook id: ruff-format\n- files were modified by this hook\n\n1 file reformatted"


@pytest.mark.parametrize(
    ("fails", "error", "succeeds"),
    [
        ("git push", REJECTED, "git pull --rebase && git push"),
        ("git commit -am 'Fix {0}'", REFORMATTED, "git add -u && git commit -m 'Fix {0}'"),
        ("git commit -m 'Fix {0}'", REFORMATTED, "git add -A && git commit -m 'Fix {0}' && git push"),
        ("git commit -m 'Fix {0}'", REFORMATTED, "git add -A; git commit -m 'Fix {0}'"),
        (
            "python s.py",
            "OSError: [Errno 98] Address in use",
            "fuser -k 80/tcp || true; sleep 1; python s.py",
        ),
        ("npm test", "sh: 1: vitest: not found", "npm ci && npm test 2>&1 | tail -3"),
        ("make && make test", "Error: no database", "docker compose up -d && make && make test"),
    ],
)
def test_what_fails_alike_and_then_succeeds_in_a_longer_line_each_time_is_work(fails, error, succeeds):
    stream = Stream()
    for i in range(9):
        edit(stream, i)
        stream.bash(fails.format(i), f"Exit code 1\n{error}", fails=True)
        stream.bash(succeeds.format(i), f"[main {i}abcdef] done\n      Tests  {i + 9} passed ({i + 9})")
    assert said(stream) == []


@pytest.mark.parametrize(
    ("fails", "error", "between", "shows"),
    [
        ("git commit -m 'Fix {0}'", REFORMATTED, "git add -A && git status", ""),
        ("git commit -m 'Fix {0}'", REFORMATTED, "git add -A; git commit -m 'Fix {0}' || true", REFORMATTED),
        ("npm test", "Error: no such table", "npm ci && npm test | tail -3", "Error: no such table"),
        ("npm test", "Error: no such table", "npm ci && npm run lint", "All {0} files pass"),
        ("npm test", "Error: no such table", "npm test; npm run lint", "Error: no such table"),
        ("npm test", "Error: no such table", "npm ci; npm test; echo done", "Error: no such table"),
    ],
)
def test_a_longer_line_in_which_the_attempt_does_not_succeed_ends_no_run(fails, error, between, shows):
    stream = Stream()
    for i in range(6):
        edit(stream, i)
        stream.bash(fails.format(i), f"Exit code 1\n{error}", fails=True)
        stream.bash(between.format(i), shows.format(i))
    assert is_blocked(stream, "git commit" if "git" in fails else fails)


def test_a_part_of_the_tests_that_passes_in_between_ends_no_run_of_the_call():
    stream = Stream()
    for i in range(6):
        edit(stream, i)
        stream.bash("pytest t.py", f"Exit code 1\n{RUN.format(i)}", fails=True)
        stream.bash("pytest t.py -k other", "1 passed, 3 deselected in 0.1s")
    assert is_blocked(stream, "pytest t.py")


def test_a_bare_verdict_that_comes_again_through_edits_says_nothing():
    stream = Stream()
    for i in range(12):
        stream.bash(f"make test 2>&1 | tail -{i % 3 + 1}", "make: *** [Makefile:3: test] Error 1")
        edit(stream, i)
    assert said(stream) == []


@pytest.mark.parametrize(
    "said_each_time",
    [
        "make: *** [Makefile:8: test] Error 1",
        "[build] compiling ...\n[build] FAILED, see build/logs/latest.log",
        "error Command failed with exit code 1.",
        "FAILED",
    ],
)
def test_a_call_that_only_says_that_it_failed_may_fail_for_another_reason_after_each_edit(said_each_time):
    stream = Stream()
    for i in range(12):
        stream.bash("make test > test.log", f"Exit code 2\n{said_each_time}", fails=True)
        stream.bash("grep -n Error test.log", f"{i}: Error in t{i}")
        edit(stream, i)
    assert said(stream) == []
    for _ in range(3):
        stream.bash("make test > test.log", f"Exit code 2\n{said_each_time}", fails=True)
    assert stream.states() == {"tool_failure:Bash make test": OPEN}


def test_a_whole_report_with_no_line_in_a_known_form_but_its_verdict_is_an_error():
    stream = Stream()
    report = "Start 1: ring\n1/2 Test #1: ring ***Failed\nStart 2: util\n2/2 Test #2: util Passed\nThese tests broke:\n  1 - ring (Failed)"
    for i in range(6):
        stream.bash(
            f"ctest --test-dir build | tail -{30 + i}", f"{report}\n50% tests passed, 1 tests failed out of 2"
        )
        edit(stream, i)
    assert stream.states() == {"tool_failure:Bash ctest build (any form)": OPEN}


def test_edit_and_run_in_varying_words_with_changing_errors_is_work():
    stream = Stream()
    for i in range(20):
        line, kind, output = VARIANTS[i % len(VARIANTS)]
        run(
            stream,
            (line, kind, output.replace("3 == 4", f"{i} == {i + 1}").replace("test_a", f"test_{i // 3}")),
        )
        edit(stream, i)
    assert said(stream) == []


@pytest.mark.slow
def test_edit_and_run_in_any_words_with_changing_errors_is_silent_in_every_session():
    for seed in range(samples(here=20, in_ci=100)):
        chance, stream = random.Random(seed), Stream(pace=9.0)
        for number in range(20):
            line, kind, output = way(chance)
            output = output.replace("3 == 4", f"{number} == {number + 1}")
            run(stream, (line, kind, output.replace("test_a", f"test_{'abcdefg'[number // 3]}")))
            edit(stream, number)
        assert stream.said == [], f"seed {seed}"


def test_an_edit_within_the_line_is_an_edit():
    stream = Stream()
    for i in range(9):
        errors = "\n".join(f"b.c:{n}:8: error: 'v{n}' undeclared" for n in range(i, 13))
        stream.bash(
            f"sed -i 's/v{i}/0/' b.c && make", f"Exit code 2\n{errors}\nmake: *** [all] Error 1", fails=True
        )
    assert said(stream) == []


# --- what only looks like a loop


def test_packages_that_fail_one_by_one_are_other_attempts():
    stream = Stream()
    for name in "abcdef":
        stream.bash(
            f"cd packages/{name} && npm test",
            f"Exit code 1\nnpm ERR! Lifecycle script failed\nError: {name}",
            fails=True,
        )
        stream.bash(
            f"npm test -w {name}x 2>&1 | tail -20", "npm ERR! Lifecycle script failed\nnpm ERR! code 1"
        )
    assert said(stream) == []


PACKAGES = "api web core cli store auth".split()
PACKAGE_TESTS = (
    "cd packages/{name} && npm test",
    "npm test -w {name}",
    "npm --prefix packages/{name} test 2>&1 | tail -{count}",
    "(cd packages/{name} && npm test) 2>&1 | tail -{count}",
    "pnpm --filter {name} test",
    "yarn workspace {name} test | tail -{count}",
    "npx jest packages/{name}",
    "cargo test -p {name}",
    "go test ./{name}/...",
    "mvn -pl {name} test | tail -{count}",
    "pytest packages/{name} || true",
    "turbo run test --filter={name}",
    "make -C {name} test",
)


@pytest.mark.parametrize("form", PACKAGE_TESTS)
@pytest.mark.parametrize("pace", [0.0, 90.0])
def test_six_packages_that_fail_one_by_one_are_work_however_they_are_tested(form, pace):
    stream = Stream(pace=pace)
    for number, name in enumerate(PACKAGES):
        text = f"npm error Lifecycle script `test` failed with error:\nnpm error code 1\nError: {name} is not ready\n1 failed"
        hidden = "| tail" in form or "|| true" in form
        line = form.format(name=name, count=number + 5)
        stream.bash(line, text if hidden else f"Exit code 1\n{text}", fails=not hidden)
    assert stream.said == []


def pushed(branch, said):
    return f"Exit code 1\nTo github.com:o/r.git\n{said.format(branch)}\nerror: failed to push some refs to 'github.com:o/r.git'"


BRANCHES = {
    "git push origin {}": " ! [rejected]        {0} -> {0} (fetch first)",
    "git push origin --delete {}": "error: unable to delete '{0}': remote ref does not exist",
}


@pytest.mark.parametrize(("line", "said_of_it"), BRANCHES.items())
def test_branches_that_are_refused_one_by_one_are_work(line, said_of_it):
    stream = Stream()
    for i in range(9):
        stream.bash(line.format(f"b{i}"), pushed(f"b{i}", said_of_it), fails=True)
    assert said(stream) == []


@pytest.mark.parametrize("said_of_it", BRANCHES.values())
def test_one_branch_that_is_refused_however_it_is_pushed_is_a_loop(said_of_it):
    stream = Stream()
    for line in (
        "git push",
        "git push origin b1",
        "git push -u origin b1",
        "git push origin HEAD",
        "git push origin b1 -q",
    ):
        stream.bash(line, pushed("b1", said_of_it), fails=True)
    stream.bash("git push origin b1 2>&1 | tail -3", pushed("b1", said_of_it).partition("\n")[2])
    assert is_blocked(stream, "git push")


def test_pushing_to_a_busy_branch_is_work_as_long_as_each_pull_brings_commits():
    stream = Stream()
    for i in range(6):
        stream.bash("git push", pushed("main", "(fetch first)"), fails=True)
        stream.bash(
            "git pull --rebase", f"   5d6e7f{i}..5d6e7f{i + 1}  main -> origin/main\nSuccessfully rebased."
        )
    assert said(stream) == []
    for _ in range(3):
        stream.bash("git push", pushed("main", "(fetch first)"), fails=True)
        stream.bash("git pull --rebase", "Already up to date.")
    assert is_blocked(stream, "git push")


def test_a_pull_that_reaches_no_server_leads_nowhere():
    stream = Stream()
    for i in range(3):
        error = f"fatal: unable to access: Failed to connect to github.com port 443 after {i * 131} ms"
        stream.bash("git pull", f"Exit code 128\n{error}: Connection refused", fails=True)
    assert is_blocked(stream, "git pull")


def test_triage_of_one_file_is_work():
    stream = Stream()
    tests = [f"FAILED t.py::test_{name} - assert '{name}' == 4" for name in "abcdefgh"]
    run(stream, ("pytest t.py", FAILED, "\n".join(tests) + "\n8 failed in 0.{}s"))
    for name in "abcdefgh":
        text = (
            RUN.replace("test_a", f"test_{name}").replace("3 == 4", f"'{name}' == 4").replace("total", name)
        )
        run(stream, (f"pytest t.py::test_{name}", FAILED, text))
        run(stream, (f"pytest t.py -k test_{name} | tail -1", OK, tail(1)))
    assert [text for _, text in stream.said if "any form" in text] == []


def test_filters_over_one_long_run_are_work():
    stream = Stream()
    for i in range(8):
        stream.bash(
            f"make test 2>&1 | grep -A5 'case {i}'",
            f"case {i}: checking\n  error: value {i * 7} is odd\n  at row {i}",
        )
    assert said(stream) == []


def test_a_passing_suite_whose_tests_speak_of_errors_is_no_failure():
    stream = Stream()
    for i in range(8):
        stream.bash(
            f"npx mocha -g 'part {i}' | tail",
            f"  error handling\n    ✓ Error: {i} is thrown\n\n  {i + 1} passing (2ms)",
        )
    assert stream.lanes[""].families == {}


def test_refused_permissions_in_other_words_are_one_attempt():
    stream = Stream()
    for option in ("", " -v", " --no-verify", " --quiet", " --force", " --progress"):
        text = f"Permission to use Bash with command git push{option} has been denied."
        stream.call("Bash", {"command": f"git push{option}"}, text, DENIED)
    assert stream.states().get("tool_failure:Bash git push (any form)") == OPEN


INSTALLS = (
    "pip install torch==2.{}",
    "uv pip install 'torch==2.{}'",
    "conda install -y tensorflow=2.{}",
    "conda create -y -n e python=3.{} tensorflow",
    "sudo apt-get install -y jq=1.{}",
    "npm install lib@{}",
)


@pytest.mark.parametrize("form", INSTALLS)
def test_a_package_that_fails_in_one_version_after_another_is_no_attempt_again_and_again(form):
    stream = Stream()
    for i in range(5):
        text = f"Exit code 1\nError: version 2.{i} does not fit\nError: unsatisfiable: needs libcuda 11"
        stream.bash(form.format(i), text, fails=True)
    assert stream.said == []
    for option in ("", " -v", " --no-cache", " --debug", " -q", " --quiet"):
        stream.bash(
            form.format(4) + option, "Exit code 1\nError: unsatisfiable: needs libcuda 11", fails=True
        )
    assert "any form" in stream.said[0][1]


# --- the same error, whatever the call


@pytest.mark.parametrize(
    ("tool", "name"), [("Edit", "new_string"), ("Bash", "command"), ("ExitPlanMode", "plan")]
)
@pytest.mark.parametrize(
    "no",
    [
        "The user doesn't want to proceed with this tool use. The tool use was rejected.",
        "The user doesn't want to take this action right now. STOP what you are doing and wait.",
        "User rejected tool use",
    ],
)
def test_what_you_refuse_yourself_is_no_error_of_a_tool(tool, name, no):
    stream = Stream()
    for i in range(8):
        stream.call(tool, {name: f"step{i} x"}, no, DENIED)
    assert stream.said == []
    for _ in range(3):
        stream.call(tool, {name: "the same"}, no, DENIED)
    assert len(stream.events("trip")) == 1


@pytest.mark.parametrize(
    ("tool", "name", "refusal"),
    [
        ("Bash", "command", "Permission to use Bash with command {} has been denied."),
        (
            "Write",
            "file_path",
            "Claude requested permissions to write to {}, but you haven't granted it yet.",
        ),
    ],
)
def test_a_refusal_is_one_error_whatever_call_it_names(tool, name, refusal):
    stream = Stream()
    for what in ("rubocop", "bin/rubocop -a", "ruby -S cop"):
        stream.call(tool, {name: f"/etc/{what}"}, refusal.format(f"/etc/{what}"), DENIED)
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_an_edit_that_finds_nothing_is_one_error_wherever_its_input_holds_the_text():
    stream = Stream()
    for old in ("left()", "right()", "down()"):
        given = {"path": "/p/a.ts", "edits": [{"oldText": old, "newText": "x"}]}
        stream.call("mcp__filesystem__edit_file", given, f"Error: no exact match for edit:\n{old}", FAILED)
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_a_stale_reference_is_one_error_whichever_it_is():
    stream = Stream()
    for i in (40, 51, 62):
        given = {"element": f"Row {i}", "ref": f"e{i}"}
        stream.call(
            "mcp__playwright__browser_click", given, f"Error: Ref e{i} not found in the page.", FAILED
        )
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_a_rejected_name_is_one_error_whichever_it_is():
    stream = Stream()
    for name in ("pdf", "docs", "slides"):
        text = f"<tool_use_error>Unknown skill: {name}</tool_use_error>"
        stream.call("Skill", {"skill": name}, text, INVALID)
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_seconds_until_a_retry_are_no_measured_value():
    stream = Stream()
    for i in (37, 12, 41):
        stream.call(
            "mcp__jira__create_issue", {"title": f"t{i}"}, f"Rate limit exceeded. Retry after {i} s", FAILED
        )
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_input_that_is_no_json_is_one_error_whatever_it_begins_with():
    stream = Stream()
    for size in (15, 4012, 90):
        text = f"InputValidationError: Write could not be parsed as JSON.\nYou sent (first {size} of {size} bytes): {'x' * size}"
        stream.call("Write", {"__unparsedToolInput": {"len": size}}, f"{text}\nCommon causes: x", INVALID)
    assert [verdict for verdict, _ in stream.said] == [WARN]


def test_a_word_that_changes_in_front_of_a_look_does_not_make_it_another():
    stream = Stream()
    for word in ("hexagon", "sphere", "cube", "torus"):
        stream.bash(f"echo '{word}'; cat status.txt", f"{word}\npending")
    assert stream.events("trip")


def test_a_look_that_succeeds_between_two_failing_acts_ends_no_run():
    stream = Stream(circuit_breakers={"tool_failure": {"family_warn": 0, "family_open": 0}})
    verdicts = []
    for i in range(6):
        verdicts.append(
            stream.bash(f"deploy{i} --try {i}", "Exit code 1\nno route to the host", fails=True).verdict
        )
        for j in range(4):
            stream.bash(f"ls dir{i}{j}", f"f{i}{j}")
    assert verdicts == [ALLOW, ALLOW, WARN, WARN, WARN, STOP]


def test_a_look_that_succeeds_ends_a_run_of_failing_looks():
    stream = Stream()
    for i in range(12):
        stream.call("mcp__db__get_row", {"id": i}, "Error: timeout", FAILED)
        stream.call("mcp__db__get_row", {"id": 100 + i}, f"row {i}")
    assert said(stream) == []


def test_one_whole_error_through_ever_new_calls_and_writes_is_warned_about_and_never_blocked():
    stream = Stream()
    verdicts = []
    for i in range(12):
        edit(stream, i)
        verdicts.append(
            stream.bash(
                f"javac A{i}.java", "Exit code 127\nbash: line 1: javac: command not found", fails=True
            ).verdict
        )
    assert verdicts.count(WARN) == 2 and verdicts[5] == verdicts[11] == WARN and stream.states() == {}


def test_an_error_of_an_editor_that_works_in_between_is_no_loop():
    stream = Stream()
    for i in range(14):
        given = {"file_path": f"/p/{i}.py", "old_string": "a", "new_string": "b"}
        stream.call("Edit", given, "<tool_use_error>File has not been read yet.</tool_use_error>", INVALID)
        stream.call("Read", {"file_path": f"/p/{i}.py"}, f"{i}")
        stream.call("Edit", given, "The file was updated.")
    assert said(stream) == []


def test_errors_that_differ_in_the_middle_are_never_one():
    stream = Stream()
    for i in range(12):
        edit(stream, i)
        text = f"Exit code 1\n[INFO] Scanning\n[INFO] Building\n[INFO] x\n[ERROR] A.java:[{i},5] bad\n[INFO] ---\n[ERROR] BUILD FAILURE"
        stream.bash(f"mvn -pl m{i} test", text, fails=True)
    assert said(stream) == []


def test_a_call_that_a_hook_rewrote_is_known_by_what_claude_sent():
    stream = Stream()
    for _ in range(3):
        call_id = stream.ask("Bash", {"command": "git push"})[0]
        ran = {"command": "rtk git push"}
        stream.send(
            Reported(id=call_id, tool="Bash", input=ran, kind=FAILED, text="Exit code 1\nrejected", cwd="/p")
        )
        result = Result(id=call_id, tool="Bash", input={"command": "git push"}, text="Exit code 1\nrejected")
        stream.send(Turn(results=[result], cwd="/p", prompt=stream.session.prompt))
    assert stream.ask("Bash", {"command": "git push"})[1].verdict == DENY


def test_what_a_filter_reads_is_no_attempt_of_the_filter():
    stream = Stream()
    for i in range(8):
        url, bad = f"curl -s localhost/api/e{i} | python3 -m json.tool", i % 2 == 0
        text = "Exit code 1\nExpecting value: line 1 column 1 (char 0)" if bad else f'{{"e": {i}}}'
        stream.bash(url, text, fails=bad)
    assert not stream.said


# --- places: line numbers move with each edit


MOVING = {
    "javac": (
        "javac A.java",
        "A.java:{0}: error: cannot find symbol\n    foo(x);\n    ^\n  symbol: method foo",
    ),
    "jest": (
        "npx jest a",
        "TypeError: x\n> {0} |   expect(3)\n    at Object.<anonymous> (src/a.test.ts:{0}:13)",
    ),
    "python": (
        "python app.py",
        'Traceback (most recent call last):\n  File "/p/app.py", line {0}, in <module>\nKeyError: 1',
    ),
    "gcc | tail": (
        "make 2>&1 | tail -5",
        "a.c:{0}:5: error: x undeclared\n  {0} |   x = 1;\nmake: *** [a.o] Error 1",
    ),
    "cargo": ("cargo check", "error[E0502]: cannot borrow x\n  --> src/main.rs:{0}:9\n{0} |   x.push(1);"),
}


@pytest.mark.parametrize(("command", "error"), MOVING.values(), ids=MOVING)
def test_one_error_at_another_line_after_each_edit_is_blocked_at_the_sixth(command, error):
    stream = Stream()
    for i in range(6):
        edit(stream, i)
        assert not stream.said
        stream.bash(command, error.format(12 + 2 * i), fails="|" not in command)
    assert OPEN in stream.states().values()


def test_one_error_at_each_of_many_places_is_work():
    stream = Stream()
    for left in range(8, 0, -1):
        places = [f"src/a.ts({10 * n},5): error TS2304: Cannot find name 'x'." for n in range(left)]
        stream.bash("npx tsc --noEmit", "\n".join(places), fails=True)
        edit(stream, left)
    assert not stream.said


LISTS = {
    "tsc": ("npx tsc --noEmit | head -1", "src/a.ts({0},5): error TS2304: Cannot find name 'x'."),
    "eslint": ("npx eslint src", "/p/src/a.js\n  {0}:5  error  'x' is not defined  no-undef\n\n✖ 1 problem"),
    "go": ("go build ./...", "# app\n./a.go:{0}:9: undefined: x"),
    "mypy": ("mypy app | head -3", 'app/a.py:{0}: error: Name "x" is not defined  [name-defined]'),
    "dotnet": ("dotnet build -v q", "A.cs({0},5): error CS0103: The name 'x' does not exist"),
    "yaml": ("yamllint a.yml", "mapping values are not allowed here\n  in a.yml, line {0}, column 5"),
    "json": ("jq . a.json", "parse error: Expected separator between values at line {0}, column 17"),
}


@pytest.mark.parametrize(("command", "error"), LISTS.values(), ids=LISTS)
def test_equal_errors_fixed_one_after_the_other_are_work_as_their_places_tell(command, error):
    stream = Stream()
    for i in range(12):
        stream.bash(command, "Exit code 1\n" + error.format(12 + 7 * i), fails=True)
        edit(stream, i)
    assert not stream.said
    for i in range(6):  # edits that move nothing on
        stream.bash(command, "Exit code 1\n" + error.format(99), fails=True)
        edit(stream, 20 + i)
    assert OPEN in stream.states().values()


@pytest.mark.parametrize(("command", "error"), MOVING.values(), ids=MOVING)
def test_one_error_at_each_of_many_places_far_apart_is_work(command, error):
    stream = Stream()
    for i in range(12):
        edit(stream, i)
        stream.bash(command, error.format(12 + 15 * i), fails="|" not in command)
    assert not stream.said


def test_errors_of_one_tool_that_differ_in_line_numbers_are_warned_about_at_the_fifth_and_stopped_at_the_tenth():
    stream = Stream()
    said = []
    for i in range(10):
        error = f'Traceback (most recent call last):\n  File "<stdin>", line {i}, in <module>\nImportError: x'
        said.append(stream.bash(f"python - <<EOF\n{i}\nEOF", error, fails=True).verdict)
    assert said == [ALLOW] * 4 + [WARN] * 5 + [STOP]


BUILD = "src/a.c: In function 'f':\nsrc/a.c:9:5: error: 'x' undeclared\nmake: *** [a.o] Error 1"


def test_an_error_in_any_words_whose_exit_code_is_hidden_is_warned_about_at_the_fifth_and_stopped_at_the_tenth():
    stream = Stream()
    said = []
    for i in range(10):
        stream.call("Read", {"file_path": f"/p/{i}.c"}, f"{i} text")
        said.append(stream.bash(f"make part{i} 2>&1 | tail -20", BUILD).verdict)
    assert said == [ALLOW] * 4 + [WARN] * 5 + [STOP]


def test_the_same_text_written_before_each_run_is_no_new_edit():
    error = "Error: Cannot find module 'pg'\nNode.js v22"
    for written, warns in (("aaaa", True), ("abcd", False)):
        stream = Stream()
        for way, code in zip(("| tail -5", "| head -40", "|| true", "| cat"), written):
            stream.bash(f"cat > /tmp/p.js <<'E'\n{code}()\nE\nnode /tmp/p.js {way}", error)
        assert bool(stream.events("warning")) is warns


def test_an_attempt_that_reaches_nothing_fails_alike_whichever_address_it_tried():
    stream = Stream()
    for i, way in enumerate(("", "-q", "2>&1 | tail -3", "|| true", "2>&1 | cat", "--debug")):
        error = f"Error: Get https://registry.example/v2/: dial tcp 34.226.69.{100 + i}:443: i/o timeout"
        stream.bash(f"skopeo copy a b {way}", error, fails="|" not in way)
    assert len(stream.events("trip")) == 1


def test_a_line_that_shows_where_it_is_or_what_it_runs_fails_alike():
    error = "src/a.c:9:5: error: x"
    stream = Stream()
    for i, (line, shown) in enumerate(
        [("make", ""), ("pwd && make", "/p\n"), ("set -x; make", "+ make\n"), ("cd /p; pwd; make", "/p\n")]
        * 2
    ):
        stream.bash(line, shown + error, fails=True)
        stream.call("Edit", {"file_path": "/p/a.c", "old_string": str(i), "new_string": "x"}, "edited")
    assert [t.name for t in stream.events("trip")] == ["tool_failure:Bash make (any form)"]


def test_a_hidden_exit_code_between_ends_no_run_of_one_error():
    for between in (BUILD, "lib.c:3:1: error: y\nmake: *** [lib.o] Error 1"):
        stream = Stream()
        for i in range(2):
            stream.bash(f"make part{i}", BUILD, fails=True)
        stream.bash("make lib 2>&1 | tail -20", between)
        assert stream.said == []
        assert stream.bash("make part3", BUILD, fails=True).verdict == WARN


@pytest.mark.parametrize(
    "between",
    [
        ("Edit", {"file_path": "/p/a.c", "old_string": "x", "new_string": "y"}, "edited"),
        ("Bash", {"command": "make lib 2>&1 | tail -20"}, "cc lib.c\nBuild succeeded"),
    ],
    ids=["an edit", "another build that succeeds"],
)
def test_a_change_that_succeeds_ends_a_run_of_one_hidden_error(between):
    stream = Stream()
    for i in range(8):
        stream.bash(f"make part{i} 2>&1 | tail -20", BUILD)
        tool, given, text = between
        stream.call(tool, {**given, "n": i}, f"{text} {i}")
    assert stream.said == []


def test_edits_that_miss_with_indented_text_are_warned_about_at_the_fifth_whatever_is_read_in_between():
    stream = Stream()
    for i in range(5):
        stream.call("Read", {"file_path": "/p/a.py", "offset": i}, f"{i} x")
        old = f"{'  ' * i}if a:\n{'  ' * i}  b{i}()"
        text = f"<tool_use_error>String to replace not found in file.\nString: {old}</tool_use_error>"
        given = {"file_path": "/p/a.py", "old_string": old, "new_string": "x"}
        verdict = stream.call("Edit", given, text, INVALID).verdict
        assert verdict == (WARN if i == 4 else ALLOW)


@pytest.mark.parametrize("edits", [1, 3])
def test_a_rejected_edit_ends_the_turn_at_the_sixth_time_however_much_is_read_in_between(edits):
    missing = "<tool_use_error>String to replace not found in file.\nString: nope</tool_use_error>"
    calls = [("Edit", {"file_path": f"/p/{i}", "old_string": "nope"}, missing, INVALID) for i in range(edits)]
    stream = Stream()
    for i in range(6):
        last = stream.turn(calls)[-1]
        for j in range(2):
            stream.call("Read", {"file_path": f"/p/{i}.{j}"}, f"{i} {j}")
    assert [notice.kind for notice in last.notices].count(STOP) == 1
    assert len(stream.events("ending")) == 1


def test_one_answer_that_means_no_to_ever_new_questions_is_no_error():
    stream = Stream()
    for key in (".a", ".b", ".c", ".d", ".e", ".f", ".g"):
        stream.bash(f"jq -e '{key}' package.json", "Exit code 1\nnull", fails=True)
    assert said(stream) == []
    for _ in range(3):
        stream.bash("jq -e .g package.json", "Exit code 1\nnull", fails=True)
    assert stream.states() == {"tool_failure:Bash jq": OPEN}


def test_a_script_named_as_a_builtin_of_the_shell_is_an_attempt():
    stream = Stream()
    for i in range(6):
        stream.bash(
            f"{'script/test' if i % 2 else 'cd script && ./test'} 2>&1 | tail -{i + 3}", "E   assert 1 == 2"
        )
    assert stream.states() == {"tool_failure:Bash test (any form)": OPEN}


def test_a_missing_program_is_no_look_up_that_missed():
    stream = Stream()
    said = []
    for words in ("rg a", "rg -n a src", "rg --files"):
        said.append(stream.bash(words, "/bin/bash: line 1: rg: command not found", fails=True).verdict)
    assert said == [ALLOW, ALLOW, WARN]


def test_a_name_in_the_middle_of_a_word_is_one_that_the_call_gave():
    stream = Stream()
    for i in range(3):
        error = f"TimeoutError: Timeout 5000ms exceeded.\n  - waiting for locator('aria-ref=e{15 + i}')"
        given = {"element": "Login", "ref": f"e{15 + i}"}
        verdict = stream.call("mcp__playwright__browser_click", given, error, FAILED).verdict
    assert verdict == WARN


def test_a_look_that_fails_with_another_error_ends_no_run_of_failing_acts():
    stream = Stream()
    for i in range(3):
        verdict = stream.bash(f"apt-get install -y p{i}", "E: Unable to locate package", fails=True).verdict
        stream.bash(f"rg -n p{i}", "/bin/bash: line 1: rg: command not found", fails=True)
    assert verdict == WARN


def test_a_failure_whose_batch_never_came_keeps_its_name_and_its_error():
    stream = Stream()
    for letter in "abcd":
        stream.lose("pytest -q t.py", f"Exit code 1\nboom {letter} password=hunter2")
        stream.bash(f"ls {letter}", letter)
    assert stream.states() == {"tool_failure:Bash pytest": "OPEN"}
    assert "boom" in stream.events("trip")[0].clip
    assert "hunter2" not in repr(stream.lanes[MAIN])


def test_attempts_whose_batches_never_came_are_a_run_of_one_attempt():
    stream = Stream(circuit_breakers={"tool_failure": {"same_error": 0}})
    for form in ("", "-x", "-q", "-v", "-s", "-l", "-vv"):
        stream.lose(f"pytest t.py {form}", "Exit code 1\nFAILED t.py::a - boom")
        stream.call("Read", {"file_path": f"/p/{form}"}, form)
    assert stream.states() == {"tool_failure:Bash pytest t.py (any form)": "OPEN"}


def test_a_call_that_a_hook_has_rewritten_is_judged_by_what_ran():
    stream = Stream()
    call_id, _ = stream.ask("Bash", {"command": "pytest t.py"})
    stream.report(call_id, "Bash", {"command": "pytest t.py"}, "Exit code 1\nboom")
    ran = Result(id=call_id, tool="Bash", input={"command": "make"}, text="Exit code 1\nboom")
    stream.send(Turn(results=[ran], cwd="/p", prompt=stream.session.prompt))
    assert failures.family_of("Bash", {"command": "make"}, "/p") in stream.lanes[MAIN].families
    assert [streak.label for streak in stream.lanes[MAIN].streaks.values()] == [""]


def test_what_a_line_says_itself_and_how_long_it_took_is_no_other_error():
    ways = [
        ("make 2>&1 | tail -9", "{}"),
        ("echo try {n}; make 2>&1 | tail -9", "try {n}\n{}"),
        ("time make 2>&1 | tail -9", "{}\n\nreal\t0m{n}.12s\nuser\t0m1.0{n}s\nsys\t0m0.1s"),
        ("make || true; echo done", "{}\ndone"),
    ]
    stream = Stream()
    for n in range(6):
        stream.call("Edit", {"file_path": "/p/a.c", "old_string": f"a{n}", "new_string": f"b{n}"}, "ok")
        line, text = ways[n % len(ways)]
        stream.bash(
            line.format(n=n), text.format("a.c:3:5: error: x is undeclared\nmake: *** [a.o] Error 1", n=n)
        )
    assert stream.states() == {"tool_failure:Bash make (any form)": OPEN}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("make a && echo A; make b && echo B; make c && echo C; make d && echo D", "{reached}\nerror: x"),
        ("make; echo left: $(wc -l < todo)", "error: x\nleft: {n}"),
        ("echo start; make 2>&1 | tail", "start\nerror: x of file {letter}"),
    ],
)
def test_how_far_a_line_came_and_what_it_counts_is_news(line, text):
    stream = Stream()
    for n in range(8):
        stream.call("Edit", {"file_path": "/p/a.c", "old_string": f"a{n}", "new_string": f"b{n}"}, "ok")
        reached = "\n".join("ABCD"[: n % 5])
        stream.bash(line, text.format(n=n, reached=reached, letter="abcdefgh"[n]))
    assert stream.said == []


def test_calls_that_are_dropped_because_a_parallel_call_failed_are_nothing_at_all():
    stream = Stream()
    dropped = "<tool_use_error>Sibling tool call errored</tool_use_error>"
    for file in "abcdefg":
        stream.turn(
            [
                ("Bash", {"command": f"pytest {file}.py"}, f"Exit code 1\nE   {file} is wrong", FAILED),
                ("Bash", {"command": "npm test"}, dropped, INTERRUPTED),
            ]
        )
        stream.call("Edit", {"file_path": f"/p/{file}.py", "old_string": "1", "new_string": "2"}, "ok")
    assert stream.said == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "mkdir build; cd build && cmake .. && make 2>&1 | tail -3",
            "mkdir: cannot create directory 'build': File exists",
        ),
        ("rm out/app; make 2>&1 | tail -3", "rm: cannot remove 'out/app': No such file or directory"),
        ("source .env; make | tail -1", "bash: line 1: .env: No such file or directory"),
    ],
)
def test_a_build_that_succeeds_behind_a_preparation_that_complains_is_no_failure(line, complaint):
    stream = Stream()
    for n in range(9):
        stream.call("Edit", {"file_path": "/p/a.c", "old_string": f"a{n}", "new_string": f"b{n}"}, "ok")
        stream.bash(line, f"{complaint}\ncc -o app a.c")
    assert stream.said == []


def test_two_errors_of_an_act_in_turn_are_a_run_of_neither():
    stream = Stream()
    for n in range(12):
        error = "the lamp is broken" if n % 2 else "no such colour"
        stream.call("mcp__lamp__set_colour", {"n": n, "colour": n * 7}, error, FAILED)
    assert [told for told in stream.transitions if told.rule == "tool_failure"] == []


def test_two_forms_of_an_attempt_in_turn_are_blocked_together_at_the_sixth():
    stream = Stream()
    for n in range(6):
        stream.bash(
            "pytest t.py" if n % 2 else "pytest -x t.py", "Exit code 1\nE   ValueError: boom", fails=True
        )
    assert "tool_failure:Bash pytest t.py (any form)" in stream.states()
