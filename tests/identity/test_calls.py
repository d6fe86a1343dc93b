"""When two calls, two results or two errors are the same, whatever their spelling."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from circuit_breaker.breaker import gate, outcomes
from circuit_breaker.identity import acts, calls, errors, keys, labels, looks
from circuit_breaker.shell import shell_line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TOOLS = st.sampled_from(
    ["Bash", "Edit", "Read", "Grep", "Agent", "exec_command", "mcp__a__get_b", "write_stdin", ""]
)
WORD = st.text("abcdefgXYZ0123456789./-_", min_size=1, max_size=8).filter(
    lambda w: w not in ("cd", "sleep", "timeout", "env") and not w.startswith("-") and w.strip(".")
)
QUOTED = st.tuples(st.sampled_from("'\""), st.text("ab  \t\n;&|#", max_size=8)).map(
    lambda t: t[0] + t[1] + t[0]
)
PIECES = st.lists(WORD | QUOTED | st.sampled_from(["&&", "|", ";"]), min_size=1, max_size=8)
BLANKS = st.text(" \t", min_size=1, max_size=3)
NAME = st.text("abcdefgh", min_size=1, max_size=6)


def bash(command: str, cwd: str = "/p", **more: Any) -> str:
    return calls.call_key("Bash", {"command": command, **more}, cwd)


def error_key(kind: str, text: str, given: object = None) -> str:
    return errors.error_keys(kind, text, given)[0]


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(TOOLS, JSON)
def test_the_order_of_keys_never_changes_a_call(tool: str, value: Any) -> None:
    assert calls.call_key(tool, value, "/p") == calls.call_key(tool, shuffled(value), "/p")


@given(PIECES, st.lists(BLANKS, min_size=9, max_size=9), BLANKS)
def test_white_space_outside_quotes_never_changes_a_command(
    pieces: list[str], blanks: list[str], edge: str
) -> None:
    plain = " ".join(pieces)
    spaced = edge + "".join(piece + blank for piece, blank in zip(pieces, blanks)) + edge
    assert bash(plain) == bash(spaced)


@given(PIECES, st.text(max_size=20), st.integers(), st.booleans())
def test_cosmetic_parameters_never_change_a_command(
    pieces: list[str], told: str, limit: int, behind: bool
) -> None:
    command = " ".join(pieces)
    assert bash(command) == bash(command, description=told, timeout=limit, run_in_background=behind)


@given(NAME, st.integers(0, 999), st.sampled_from(["&&", ";", " && ", " ; ", "\n"]))
def test_waiting_first_limits_and_plain_assignments_make_no_other_call(word: str, n: int, joint: str) -> None:
    command = f"./{word} --all"
    assert bash(command) == bash(f"sleep {n}{joint}{command}")
    assert bash(command) == bash(f"timeout {n} {command}")
    assert bash(command) == bash(f"{word.upper()}={n} {command}")
    assert bash(command) == bash(f"sleep {n}{joint}timeout -k 5 {n} {command}")


@given(st.lists(NAME, min_size=1, max_size=3), st.sampled_from(["&&", ";", "|| exit 1;"]))
def test_going_to_a_directory_first_is_being_there(parts: list[str], joint: str) -> None:
    there = "/p/" + "/".join(parts)
    assert bash("make all", there) == bash(f"cd {'/'.join(parts)} {joint} make all", "/p")
    assert bash("make all", there) == bash(f"cd {there} {joint} make all", "/elsewhere")
    assert bash("make all", there) == bash(f"(cd './{'/'.join(parts)}' && make all)", "/p")
    assert bash("make all", "/p") == bash(f"cd {there}/{'../' * len(parts)} {joint} make all", "/q")


@given(NAME, NAME)
def test_a_changed_directory_path_or_pattern_is_another_call(a: str, b: str) -> None:
    assume(a != b)
    assert bash("make", "/" + a) != bash("make", "/" + b)
    assert bash(f"cd {a} && make") != bash(f"cd {b} && make")
    assert bash(f"cat {a}.py") != bash(f"cat {b}.py")
    assert bash(f"grep '{a}  x' f") != bash(f"grep '{b}  x' f")
    for tool, parameter in (
        ("Read", "file_path"),
        ("Grep", "pattern"),
        ("Write", "content"),
        ("Edit", "new_string"),
    ):
        one, other = {"file_path": "/x", parameter: a}, {"file_path": "/x", parameter: b}
        assert calls.call_key(tool, one) != calls.call_key(tool, other)


@given(st.text("ab \t\n", max_size=8), st.text("ab \t\n", max_size=8), st.sampled_from("'\""))
def test_white_space_inside_quotes_is_content(a: str, b: str, quote: str) -> None:
    assume(a != b)
    assert bash(f"say {quote}{a}{quote}") != bash(f"say {quote}{b}{quote}")


@pytest.mark.parametrize(
    "line",
    [
        "echo 'All done.'",
        'echo "Session closed."',
        "true",
        "printf 'Goodbye!'",
        "echo 'a' && echo 'b'",
        'echo "I have completed all 5 tasks and wait for you (now)."',
        "echo '**Summary**: step 3 of the work is done'",
        "cat <<'EOF'\nAll 5 tasks are complete.\n- tests pass\nEOF",
    ],
)
def test_lines_that_only_talk_are_one_call_whatever_the_words(line: str) -> None:
    assert bash(line) == bash("echo 'Thank you and goodbye.'")


@pytest.mark.parametrize(
    "line",
    ["echo '42'", 'echo "$HOME is where all of my files are"', "cat <<E | sh\nls\nE", "cat a <<E\nx\nE"],
)
def test_a_line_that_prints_a_number_or_a_value_or_is_read_by_another_does_more_than_talk(line: str) -> None:
    assert bash(line) != bash("echo 'Thank you and goodbye.'")


@given(st.text("ab #;'\"\t", max_size=12), st.text("ab #;'\"\t", max_size=12))
def test_the_body_of_a_here_document_is_content(a: str, b: str) -> None:
    assume(a != b)
    assert bash(f"cat > f <<'EOF'\n{a}\nEOF") != bash(f"cat > f <<'EOF'\n{b}\nEOF")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("curl $X", "X=5; curl $X"),
        ("X=4; curl $X", "X=5; curl $X"),
        ("make", "make &"),
        ("make", "make -k"),
        ("a | b", "a || b"),
        ("cd x && make", "cd x & make"),
        ("cd x && make", "cd $X && make"),
        ("echo a#b", "echo a"),
        ("say '# a'", "say"),
        ("echo 'Done.'", "echo 'Done.' > f"),
        ("echo 'Done.'", f"echo '{'Done. ' * 800}' && make"),
        ("echo 'Done.'", "echo 'Done 1.'"),
        ("echo 'Done.'", 'echo "Done $X"'),
        ("echo 'Done.'", "echo 'Done.' && make"),
        ("echo a", "echo b"),
        ("make", "`which sleep` 5; make"),
    ],
)
def test_these_are_two_calls(one: str, other: str) -> None:
    assert bash(one) != bash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("make  # again", "make"),
        ("# once more\nmake", "make"),
        ("make \\\n  -k", "make -k"),
        ('FOO="a b" make', "make"),
        ("env FOO=1 make", "make"),
        ("make;", "make"),
        ("a&&b", "a && b"),
        ("sleep 2 ; timeout -k 5 30 make", "make"),
        ('cd "C:\\Users\\x" && dir', "cd C:/Users/x; dir"),
        ("cd 'my dir' && ls", "cd my\\ dir && ls"),
        ("cd x 2>/dev/null; make", "cd x && make"),
    ],
)
def test_these_are_one_call(one: str, other: str) -> None:
    assert bash(one) == bash(other)


def test_an_edit_that_says_its_default_is_the_same_edit() -> None:
    given = {"file_path": "/a", "old_string": "x", "new_string": "y"}
    assert calls.call_key("Edit", given) == calls.call_key("Edit", {**given, "replace_all": False})
    assert calls.call_key("Edit", given) != calls.call_key("Edit", {**given, "replace_all": True})


def test_the_tool_is_part_of_a_call() -> None:
    assert calls.call_key("Read", {"path": "a"}) != calls.call_key("LS", {"path": "a"})


@pytest.mark.parametrize("value", [1, 1.0, "1", True, None, [1], {"a": 1}])
def test_values_of_another_kind_are_other_values(value: Any) -> None:
    others = [1, 1.5, "1", True, None, [1], {"a": 1}]
    keys = {calls.call_key("mcp__t__x", {"x": other}) for other in others if type(other) is not type(value)}
    assert calls.call_key("mcp__t__x", {"x": value}) not in keys


@pytest.mark.parametrize(
    ("tool", "written", "run"),
    [
        ("Write", {"file_path": "a.txt", "content": "x"}, {"file_path": "/p/a.txt", "content": "x"}),
        ("Read", {"file_path": "./b/../a.txt"}, {"file_path": "/p/a.txt"}),
        ("Read", {"file_path": "/p//a.txt", "limit": "5"}, {"file_path": "/p/a.txt", "limit": 5}),
        ("NotebookEdit", {"notebook_path": "n.ipynb"}, {"notebook_path": "/p/n.ipynb"}),
        ("Grep", {"pattern": "x", "-n": "true"}, {"pattern": "x", "-n": True}),
        ("Monitor", {"command": "x"}, {"command": "x", "timeout_ms": 300000}),
        ("ToolSearch", {"query": "x"}, {"query": "x", "max_results": 5}),
        (
            "SendMessage",
            {"to": "x", "message": "y"},
            {"to": "x", "message": "y", "summary": "y", "type": "message", "recipient": "x", "content": "y"},
        ),
    ],
)
def test_a_call_is_the_same_as_claude_wrote_it_and_as_claude_code_runs_it(
    tool: str, written: dict[str, Any], run: dict[str, Any]
) -> None:
    assert calls.call_key(tool, written, "/p") == calls.call_key(tool, run, "/p")


def test_a_relative_path_belongs_to_the_directory() -> None:
    given = {"file_path": "a.txt"}
    assert calls.call_key("Read", given, "/p") != calls.call_key("Read", given, "/q")
    windows = {"file_path": "C:\\p\\a.txt"}
    assert calls.call_key("Read", given, "C:\\p") == calls.call_key("Read", windows, "C:\\p")


def test_an_older_message_to_another_agent_is_another_call() -> None:
    one, other = ({"type": "message", "recipient": name, "content": "x"} for name in "ab")
    assert calls.call_key("SendMessage", one) != calls.call_key("SendMessage", other)


def test_the_tool_that_starts_an_agent_has_two_names() -> None:
    assert calls.call_key("Task", {"prompt": "x"}) == calls.call_key("Agent", {"prompt": "x"})


@given(TOOLS, JSON, st.text(max_size=30))
@example("Bash", {"command": ["bash", "-lc", "ls"]}, "")
@example("Bash", {"command": "((((", "timeout": float("nan")}, "\x1b[")
@example("exec_command", {"cmd": "'", "workdir": 5}, "\ud800")
def test_arbitrary_input_is_answered(tool: str, value: Any, text: str) -> None:
    assert len(calls.call_key(tool, value, text)) == 12
    assert len(outcomes.result_key("Bash", text)) == len(keys.digits_key(text)) == 12
    assert len(error_key("failed", text, value)) == 12
    assert calls.change_level(tool, value) in (calls.READS, calls.ACTS, calls.WRITES)
    assert looks.wait_of(tool, value) in (0, 1, 2, 3)
    assert looks.look_of(tool, value) in (calls.READS, calls.ACTS, calls.WRITES)
    assert isinstance(looks.found_nothing(tool, value, text), bool)
    assert isinstance(acts.is_gesture(tool, value), bool)
    assert isinstance(acts.adds_again(tool, value), bool)
    assert isinstance(errors.is_lookup_miss(tool, value, text), bool)
    assert 0.0 <= gate.caller_timeout(value) <= 3600.0
    assert isinstance(calls.service(tool, value), str)
    assert isinstance(calls.shape_key(tool, value)[0], str)


@given(st.text("cdslep timou=ab'\"\\ \n;&|()$`#<>{}!12/.", max_size=60))
def test_arbitrary_commands_are_answered(command: str) -> None:
    for name in ("command", "cmd"):
        assert len(calls.call_key("Bash", {name: command}, "/p")) == 12
        assert calls.change_level("Bash", {name: command}) in (calls.READS, calls.ACTS)
        assert looks.wait_of("Bash", {name: "sleep 1;" + command}) in (0, 1, 2, 3)
        assert looks.look_of("Bash", {name: command}) in (calls.READS, calls.ACTS, calls.WRITES)
        assert acts.adds_again("Bash", {name: command}) in (True, False)
        assert calls.shape_key("Bash", {name: command})[1] is None


@given(
    st.lists(
        PIECES | st.sampled_from([["(", "a", ";", ")"], ["> f"], ["2>&1"], ["# b\n"], ["\\\n"]]), max_size=5
    )
)
def test_a_normalised_command_stays_as_it_is(pieces: list[list[str]]) -> None:
    once, cwd = shell_line.normalise(" ".join(piece for some in pieces for piece in some), "/p")
    assert shell_line.normalise(once, cwd) == (once, cwd)


@pytest.mark.parametrize(
    ("tool", "given", "host"),
    [
        ("WebFetch", {"url": "https://user:pw@docs.example.org:8443/a?b#c"}, "docs.example.org"),
        ("WebSearch", {"query": "x"}, "WebSearch"),
        ("mcp__github__get_issue", {}, "github"),
        ("Bash", {"command": "curl -s https://api.example.org/x | jq ."}, "api.example.org"),
        ("Bash", {"command": "cd x && timeout 5 wget https://a.example.org/f"}, "a.example.org"),
        ("Bash", {"command": "gh api repos/x"}, "api.github.com"),
        ("Bash", {"command": "curl http://localhost:3000/health"}, ""),
        ("Bash", {"command": "curl http://127.0.0.1:3000/health"}, ""),
        ("Bash", {"command": "echo curl https://a.example.org"}, ""),
        ("Read", {"file_path": "https://a.example.org"}, ""),
        ("WebFetch", {"url": 5}, ""),
    ],
)
def test_the_outside_service_of_a_call(tool: str, given: dict[str, Any], host: str) -> None:
    assert calls.service(tool, given) == host


@pytest.mark.parametrize(
    ("tool", "given", "level"),
    [
        ("Edit", {}, calls.WRITES),
        ("Write", {}, calls.WRITES),
        ("NotebookEdit", {}, calls.WRITES),
        ("apply_patch", {}, calls.WRITES),
        ("exec_command", {"cmd": "apply_patch <<'EOF'\n*** Begin\nEOF"}, calls.WRITES),
        ("Bash", {"command": "grep apply_patch f"}, calls.READS),
        ("Agent", {}, calls.ACTS),
        ("mcp__x__create_issue", {}, calls.ACTS),
        ("mcp__x__get_issue", {}, calls.READS),
        ("mcp__x__listFiles", {}, calls.READS),
        ("mcp__git__git_log", {}, calls.READS),
        ("mcp__git__git_diff_unstaged", {}, calls.READS),
        ("mcp__x__log_event", {}, calls.ACTS),
        ("mcp__x__apply_diff", {}, calls.ACTS),
        ("mcp__ci__stage_logs", {}, calls.READS),
        ("mcp__docs__find_and_replace", {}, calls.ACTS),
        ("mcp__crm__findOrCreateContact", {}, calls.ACTS),
        ("mcp__x__search_and_rank", {}, calls.READS),
        ("mcp__github__resolve_review_thread", {}, calls.ACTS),
        ("mcp__sentry__resolve_issue", {}, calls.ACTS),
        ("mcp__context7__resolve-library-id", {}, calls.READS),
        ("mcp__hasura__graphql_query", {"query": "mutation($id: ID!) { close(id: $id) { id } }"}, calls.ACTS),
        ("mcp__hasura__graphql_query", {"query": "query { open { id } }"}, calls.READS),
        ("mcp__x__clear", {}, calls.ACTS),
        ("mcp__x__browser_snapshot", {}, calls.READS),
        ("Read", {}, calls.READS),
        ("Grep", {}, calls.READS),
        ("TodoWrite", {}, calls.READS),
        ("Bash", {"command": "ls"}, calls.READS),
        ("Bash", {"command": "pytest -q"}, calls.ACTS),
        ("Bash", {}, calls.READS),
    ],
)
def test_what_a_call_changes(tool: str, given: dict[str, Any], level: int) -> None:
    assert calls.change_level(tool, given) == level


@pytest.mark.parametrize(
    ("tool", "given", "text", "miss"),
    [
        ("Read", {}, "File does not exist.", True),
        ("Read", {}, "This tool cannot read binary files.", True),
        (
            "Bash",
            {"command": "curl -fLO https://a.example/x.tgz"},
            "Exit code 22\ncurl: (22) error: 404",
            True,
        ),
        ("Bash", {"command": "wget https://a.example/x.tgz"}, "Exit code 8\nERROR 404: Not Found.", True),
        ("Bash", {"command": "npm publish"}, "Exit code 1\nnpm error code E404", False),
        ("Read", {}, "EISDIR: illegal operation on a directory", True),
        ("WebFetch", {}, "Request failed with status code 404", True),
        ("WebFetch", {}, "maxContentLength size of 10485760 exceeded", True),
        ("WebFetch", {}, "unable to verify the first certificate", False),
        ("Read", {}, "File content (30000 tokens) exceeds maximum allowed tokens", True),
        ("Bash", {"command": "cat x"}, "Exit code 1\ncat: x: No such file or directory", True),
        ("Bash", {"command": "pytest x"}, "Exit code 4\nERROR: file or directory not found: x", False),
        ("Edit", {}, "<tool_use_error>String to replace not found in file.", False),
        ("Grep", {}, "ENOENT: no such file or directory, posix_spawn '/opt/rg'", False),
        ("Read", {}, "permission denied", False),
        ("ReadMcpResourceTool", {"uri": "doc://a"}, "Resource not found", True),
        ("Bash", {"command": "docker inspect web"}, "Exit code 1\nError: No such object: web", True),
        ("Bash", {"command": "gh pr view 9"}, "Exit code 1\nCould not resolve to a PullRequest", True),
        ("mcp__crm__get_lead", {}, "<tool_use_error>Error: No such tool available: x", False),
        ("mcp__notion__get_page", {}, "Could not find page with ID: 7. Make sure it is shared.", True),
        ("mcp__slack__conversations_history", {}, "channel_not_found", True),
        ("mcp__discord__get_channel", {}, "Unknown Channel", True),
        ("mcp__discord__get_channel", {}, "Unknown tool: get_channel", False),
        ("mcp__youtube__get_transcript", {}, "No transcripts were found for this video", True),
        ("mcp__stripe__retrieve_customer", {}, "No such customer: 'cus_7'", True),
        ("mcp__stripe__create_invoice", {}, "No such customer: 'cus_7'", False),
        ("Bash", {"command": "aws ssm get-parameter --name /a"}, "Exit code 254\n(ParameterNotFound)", True),
        (
            "Bash",
            {"command": "gsutil ls gs://b/a/"},
            "Exit code 1\nOne or more URLs matched no objects.",
            True,
        ),
        ("Bash", {"command": "npm ls lodash"}, "Exit code 1\nshop@1.0.0 /p\n└── (empty)", True),
        ("Bash", {"command": "systemctl is-active nginx"}, "Exit code 3\ninactive", True),
        ("Bash", {"command": "kubectl auth can-i get pods"}, "Exit code 1\nno", True),
        ("Bash", {"command": "./deploy.sh web"}, "Exit code 1\nunauthorized", False),
        ("Bash", {"command": "winget list --id X"}, "Exit code 20\nNo installed package found.", True),
        ("Bash", {"command": "git log --foo"}, "Exit code 2\nerror: no such option: --foo", False),
        ("WebFetch", {}, "Request failed with status code 401", True),
        ("WebFetch", {}, "Request failed with status code 502", False),
        ("mcp__jira__get_issue", {}, "Request failed with status code 401", False),
    ],
)
def test_a_look_that_found_nothing_is_no_sign_of_a_loop(
    tool: str, given: dict[str, Any], text: str, miss: bool
) -> None:
    assert errors.is_lookup_miss(tool, given, text) is miss


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (120000, 120.0),
        (1, 0.001),
        (1e9, 3600.0),
        (-5, 0.0),
        (True, 0.0),
        ("9", 0.0),
        (None, 0.0),
        (float("nan"), 0.0),
    ],
)
def test_the_timeout_that_a_call_asks_for(value: Any, seconds: float) -> None:
    assert gate.caller_timeout({"timeout": value}) == seconds


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cd x && sudo git log -3", "git log"),
        ("A=1 make", "make"),
        ("# x\nls", "ls"),
        ("set -euo pipefail\nexport A=1; . env.sh && make test", "make test"),
        ("kill -9 $(lsof -ti:3000)", "kill -9"),
        ("ssh box 'docker exec web bash -c \"npm test\"'", "npm test"),
        ("set -e", "set -e"),
        ("", ""),
        ("(((", ""),
    ],
)
def test_the_program_that_a_line_is_there_for(command: str, words: str) -> None:
    assert " ".join(calls.main_program("Bash", {"command": command})[:2]) == words


def test_a_shape_of_a_command_is_its_first_two_words_and_holds_no_value() -> None:
    log, again, show = ({"command": line} for line in ("cd x && git log -3", "git log --all", "git show"))
    assert calls.shape_key("Bash", log) == calls.shape_key("Bash", again) != calls.shape_key("Bash", show)
    assert labels.shape("Bash", log) == "Bash git log"
    one, other = (calls.shape_key("mcp__host__run_command", given)[0] for given in (log, show))
    assert one != other
    assert labels.shape("mcp__host__run_command", log) == "mcp__host__run_command git log"
    carried = ["ssh -p 22 box 'cd x; {}'", "docker compose exec -T app bash -c '{}'", "uv run bash -lc '{}'"]
    for line in (*carried, "set -e; date; {}", "out=$({}); echo $out"):
        one, other = ({"command": line.format(what)} for what in ("git log -3", "git show 'a'"))
        assert calls.shape_key("Bash", one)[0] == calls.shape_key("Bash", log)[0]
        assert labels.shape("Bash", other) == "Bash git show"
    one, other = (
        calls.shape_key("Bash", {"command": f"mysql {word}"})[0] for word in ("-phunter", "-pother")
    )
    assert one != other
    assert "hunter" not in one


def test_a_shape_of_other_tools_is_their_parameters() -> None:
    a = calls.shape_key("Read", {"file_path": "/a", "limit": 5})
    b = calls.shape_key("Read", {"file_path": "/b", "limit": 5})
    assert a[0] == b[0] == "Read"
    assert a[1] is not None
    assert b[1] is not None
    assert {name for name in a[1] if a[1][name] != b[1][name]} == {"file_path"}


@pytest.mark.parametrize(
    "line",
    [
        "→ expected {} ms to be less than 200 ms",
        "AssertionError [ERR_ASSERTION]: heapUsed {} MB exceeds limit 512 MB",
        "p95 latency {}ms > 200ms",
    ],
)
def test_a_measured_value_that_is_compared_with_a_limit_is_news(line: str) -> None:
    assert error_key("failed", line.format(812)) != error_key("failed", line.format(640))


@pytest.mark.parametrize(
    "line", ["✕ fails when the limit is exceeded ({} ms)", "Duration {}s", "at 12:00:{} the budget was spent"]
)
def test_how_long_a_run_took_is_no_news(line: str) -> None:
    assert error_key("failed", line.format(12)) == error_key("failed", line.format(14))


def test_an_error_is_its_whole_text_without_what_it_echoes() -> None:
    def key(old: str) -> str:
        text = f"<tool_use_error>String to replace not found in file.\nString: {old}</tool_use_error>"
        return error_key("invalid", text, {"old_string": old})

    assert key("def a():\n    return 1") == key("x = 5") == key("x = 5   ") == key("x = 5\n")
    assert error_key("failed", "boom") != error_key("invalid", "boom")
    assert error_key("failed", "no such table a") != error_key("failed", "no such table b")
    build = "make all\ncc -c a.c\ncc -c b.c\n{}\ncompilation stopped\nmake: 1\nmake: 2\nmake: 3\nmake: *** Error 1"
    one, other = (
        error_key("failed", build.format(f"b.c: error: {name} undeclared"), {"command": "make"})
        for name in "xy"
    )
    assert one != other


def test_an_echo_behind_a_line_number_is_an_echo() -> None:
    refused = "<tool_use_error>syntax error\n1:{}\n2:pass"
    one, other = (error_key("invalid", refused.format(x), {"new_string": f"{x}\npass"}) for x in ("a(", "b("))
    assert one == other


def test_an_argument_that_a_validator_repeats_is_no_part_of_the_error() -> None:
    def key(word: str, lacks: str = "query") -> str:
        told = f"{lacks}\n  Field required [type=missing, input_value={{'q': '{word}'}}, input_type=dict]"
        return error_key("failed", told, {"q": word})

    assert key("alpha") == key("bravo") != key("bravo", "tags")


def test_how_long_the_input_is_says_nothing_of_the_error() -> None:
    def key(new: str, said: int) -> str:
        text = f"<tool_use_error>syntax error\n[File: a.py ({said} lines total)]</tool_use_error>"
        return error_key("invalid", text, {"new_string": new})

    assert key("a\nb\nc", 3) == key("a\nb", 2)
    assert key("a\nb\nc", 7) != key("a\nb\nc", 8)
    one, other = (
        error_key("failed", f"{n} lines of 13 lines are new", {"new_string": "a\n" * (n - 1)}) for n in (2, 3)
    )
    assert one == other


def test_a_line_number_of_the_shell_is_a_place_only_within_the_command() -> None:
    def key(number: int, command: str) -> str:
        return error_key(
            "failed", f"/bin/bash: line {number}: javac: command not found", {"command": command}
        )

    assert key(288, "javac A.java") == key(1462, "javac A.java")
    assert key(1, "x\ny\nz") != key(3, "x\ny\nz")


def test_a_node_of_a_page_is_the_same_in_the_next_snapshot_of_it() -> None:
    def key(uid: str) -> str:
        return calls.call_key("mcp__browser__click", {"uid": uid})

    assert key("1_5") == key("12_5") != key("1_6")
    assert key("s1e5") == key("s2e5") != key("s1e6")


def test_a_progress_note_makes_no_other_call() -> None:
    one, other = (
        calls.call_key("read_file", {"path": "/a", "task_progress": note}) for note in ("1 of 3", "2 of 3")
    )
    assert one == other


def test_what_only_tells_two_requests_apart_makes_no_other_call() -> None:
    def key(tool: str, **given: str) -> str:
        return calls.call_key(tool, given)

    refund = "mcp__pay__create_refund"
    assert key(refund, order="7", idempotency_key="a1") == key(refund, order="7", idempotency_key="b2")
    assert key(refund, order="7", request_id="a1") != key(refund, order="7", request_id="b2")
    assert key("Agent", prompt="x", description="first") == key("Agent", prompt="x", description="again")


def test_the_stored_result_of_a_call_is_the_same_whatever_name_was_made_up_for_it() -> None:
    def key(name: str) -> str:
        return calls.call_key("Read", {"file_path": f"/h/.claude/projects/-p/tool-results/{name}.txt"})

    assert key("b1x") == key("b2y")
    paths = ("cat /h/tool-results/b1x.txt", "cat /h/tool-results/b2y.txt", "cat /h/other/b2y.txt")
    shell = [calls.call_key("Bash", {"command": path}) for path in paths]
    assert shell[0] == shell[1] != shell[2]


def test_digits_key_forgets_digits_alone() -> None:
    assert keys.digits_key("5 of 10 é") == keys.digits_key("6 of 999 é")
    assert keys.digits_key("5 of 10") != keys.digits_key("5 in 10")


@pytest.mark.parametrize(
    "error",
    [
        "a.c:{0}:5: error: x undeclared\n {0} |   x = 1;",
        'File "/p/a.py", line {0}, in main\nKeyError: 1',
        "error[E0502]: x\n  --> src/main.rs:{0}:9",
        "> {0} |   expect(3)\n at Object.<anonymous> (src/a.test.ts:{0}:13)",
        "A.java:{0}: error: cannot find symbol\n    foo(x);\n    ^",
        "at Cart.total (file:///p/cart.js:{0}:4)",
        "a.rb:{0}:in `total'",
        ">       assert total() == 4\nE       assert 3 == 4\n\ntests/test_a.py:{0}: AssertionError",
        "tests/test_a.py:{0}: in test_a\n    assert total() == 4\nE   assert 3 == 4",
        "location: '/p/a.test.js:{0}:3'\nerror: '3 == 4'",
        "thread 'a' panicked at src/lib.rs:{0}:9:\nassertion `left == right` failed",
        "panic: boom\n\ngoroutine 1 [running]:\nmain.run(...)\n\t/p/main.go:{0} +0x1d",
        "PHP Fatal error:  Uncaught Error: x in /p/a.php:{0}\n#0 /p/a.php({0}): f()\n  thrown in /p/a.php on line {0}",
        "#0  main () at a.c:{0}",
        "error: '3 == 4'\n  TestContext.<anonymous> (/p/a.test.js:{0}:9)",
        "at tests/ATest.php:{0}\n ➜ {0}▕  $this->assertSame(4, $x);",
        "src/App.vue:{0}:9 - error TS2339: x\n\n{0}   foo.x\n       ~~~",
        " ❯ src/a.test.ts:{0}:17\n  {0}|   expect(x)",
        '│   on main.tf line {0}, in resource "b":\n│   {0}:   foo = 1',
        "C:\\p\\a.ps1:{0}\nLine |\n  {0} |  Get-Foo",
    ],
)
def test_what_an_error_complains_about_is_the_same_wherever_it_stands(error: str) -> None:
    (one, here, at), (other, there, then) = (errors.error_keys("failed", error.format(n)) for n in (12, 147))
    assert at[0] == 12 and then[0] == 147
    assert one != other and here == there


@pytest.mark.parametrize(
    "error",
    [
        "expected {0}",
        "{0} failed",
        "row {0} of t",
        "E   ParseError: unexpected token at line {0}",
        "#8 0.512 a.ts({0},5): error TS2345: no number",
        "f({0})",
        "a.ts({0},5): error TS2345: no number",
        "/p/a.ts\n  {0}:7  error  x is never used",
        "in a.yml, line {0}, column 5",
    ],
)
def test_other_numbers_in_an_error_are_news_and_so_is_a_place_without_its_code(error: str) -> None:
    assert (
        errors.error_keys("failed", error.format(12))[1] != errors.error_keys("failed", error.format(13))[1]
    )


@pytest.mark.parametrize(
    "error",
    [
        "Copy-Item : Access is denied.\nAt line:1 char:1\n+ {0}\n+ {1}\n    + CategoryInfo : PermissionDenied",
        "Copy-Item : Access is denied.\nAt line:1 char:1\n+ ... {0}\n+ {1}\n    + CategoryInfo : PermissionDenied",
        "Copy-Item: \nLine |\n   1 |  {0}\n     |  {1}\n     | Access is denied.",
    ],
)
def test_what_powershell_quotes_of_the_command_is_not_its_error(error: str) -> None:
    def keys_of(text: str, command: str, mark: str) -> tuple[str, str]:
        return errors.error_keys("failed", text.format(command, mark), {"command": f"cd a; {command}"})[:2]

    assert keys_of(error, "Copy-Item a b", "~~~~") == keys_of(error, "Copy-Item long c", "~~~~~~~~")
    assert keys_of(error, "Copy-Item a b", "~") != keys_of(
        error.replace("Access is", "Path is"), "Copy-Item a b", "~"
    )


def test_indented_text_of_an_edit_that_is_not_found_is_not_what_the_error_complains_about() -> None:
    def complaint(old: str) -> str:
        text = f"<tool_use_error>String to replace not found in file.\nString: {old}</tool_use_error>"
        return errors.error_keys("invalid", text, {"old_string": old})[1]

    assert complaint("\t\tif a:\n\t\t\tb()") == complaint("    x = 1") == complaint("y = 1")


def test_code_of_the_call_itself_and_the_mark_below_it_are_no_part_of_its_error() -> None:
    def error(code: str, shown: str, mark: str) -> str:
        text = f'  File "<string>", line 1\n    {shown}\n    {mark}\nSyntaxError: invalid syntax'
        return errors.error_keys("failed", text, {"command": f"python3 -c '{code}'"})[0]

    assert error("a b", "a b", "^") == error("print(c d)", "print(c d)", "    ^^^")
    assert error("a b", "x y", "^") != error("a b", "y z", "^") != error("a b", "y z", "^^")


def test_equal_errors_complain_about_the_same() -> None:
    line = "E1130 {}   {} memcache.go:265] connection refused\nhttp://localhost:{}/api"
    one, other = (
        errors.error_keys("failed", line.format(*told))
        for told in (("10:11:12.5", 4711, 80), ("10:11:13.7", 98, 81))
    )
    assert one == other
