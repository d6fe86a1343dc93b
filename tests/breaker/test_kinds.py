"""One stream of each known kind, as Claude Code sends it: what is a loop in spite of what changes, what is work in spite of what stays."""

from __future__ import annotations

import cases
import pytest

SHOT = "mcp__claude-in-chrome__computer"


def session(calls, seconds=6.0):
    """The hook events of one prompt and its calls (tool, input, response), one a turn; an `Exit code` in front is a failure."""
    events = [{"hook_event_name": "UserPromptSubmit", "prompt": "go", "t": 0.0}]
    for number, (tool, given, response) in enumerate(calls):
        common = {"tool_name": tool, "tool_input": given, "tool_use_id": f"toolu_{number}"}
        failed = isinstance(response, str) and response.startswith("Exit code")
        said = {"error": response} if failed else {"tool_response": response}
        name = "PostToolUseFailure" if failed else "PostToolUse"
        events.append({**common, "hook_event_name": "PreToolUse", "t": number * seconds + 1})
        events.append({**common, **said, "hook_event_name": name, "t": number * seconds + 2})
    return events


def turns(events):
    """The turns (from 1) at which `cases` says that something happened: a turn's result is its second event."""
    return [event // 2 for event in events if event % 2 == 0]


def printed(text):
    return {"stdout": text, "stderr": "", "interrupted": False, "isImage": False}


def edit(path, old, new):
    given = {"file_path": path, "old_string": old, "new_string": new}
    return "Edit", given, {"filePath": path, "oldString": old, "newString": new}


def shell(command, response, tool="Bash", description="a step"):
    return tool, {"command": command, "description": description}, response


def npm(run):
    log = f"/home/u/.npm/_logs/2026-05-01T08_{run:02d}_11_482Z"
    lines = [
        "code ERESOLVE",
        "ERESOLVE could not resolve",
        'peer vue@"^2.7.0" from old-grid@3.0.2',
        f"For a full report see: {log}-eresolve-report.txt",
        f"A complete log of this run can be found in: {log}-debug-0.log",
    ]
    return "Exit code 1\n" + "\n".join(f"npm error {line}" for line in lines)


def test_one_npm_error_is_blocked_at_the_sixth_time_though_its_log_has_another_name_and_edits_lie_between():
    calls = []
    for run in range(7):
        calls += [shell("npm ci", npm(run)), edit("/p/package.json", f'"{run}"', f'"{run + 1}"')]
    played = cases.play(session(calls))
    assert turns(played.tripped) == [11]  # the sixth of the runs, which are every other turn


def compiled(left):
    errors = "".join(
        f"b.c:{n}:5: error: 'count_{n}' undeclared (first use in this function)\n    {n} |   count_{n}++;\n"
        for n in left
    )
    return f"Exit code 2\ncc -Wall -c b.c -o b.o\n{errors}make: *** [Makefile:4: b.o] Error 1"


def test_a_build_with_one_error_less_each_time_is_work():
    calls = []
    for first in range(3, 14):
        calls.append(shell("make", compiled(range(first, 15))))
        calls.append(edit("/p/b.c", f"count_{first}++", f"total_{first}++"))
    played = cases.play(session(calls))
    assert (played.told, played.said) == ([], [])


def test_run_change_run_in_powershell_is_work():
    calls = []
    for number in range(6):
        text = f"Exit code 1\nFailed!  - Failed: 1, Passed: 12\n  Expected: 9\n  Actual: {number}"
        calls.append(shell("dotnet test", text, "PowerShell"))
        change = f"(Get-Content A.cs) -replace '\\+ {number};', '+ {number + 1};' | Set-Content -Encoding utf8 A.cs"
        calls.append(shell(change, printed(""), "PowerShell"))
    played = cases.play(session(calls))
    assert (played.told, played.said) == ([], [])


@pytest.mark.parametrize("tool", ["PowerShell", "Bash"])
def test_one_command_under_other_descriptions_is_one_call(tool):
    calls = [shell("Get-Process node", printed("412 node"), tool, f"Look {n} times") for n in range(5)]
    played = cases.play(session(calls))
    assert turns(played.warned)[0] == 3 and turns(played.tripped) == [4]


def stored(number, size="212.4KB"):
    head = "\n".join(f"step {line} of the build" for line in range(40))
    where = f"/home/u/.claude/projects/-p/90ab/tool-results/b{number}x{number * 7}q.txt"
    return f"<persisted-output>\nOutput too large ({size}). Full output saved to: {where}\n\nPreview (first 2KB):\n{head}\n...\n</persisted-output>"


def test_one_large_output_is_one_result_whatever_file_it_is_stored_in():
    played = cases.play(session([shell("cat build.log", stored(n)) for n in range(5)]))
    assert turns(played.warned)[0] == 3 and turns(played.tripped) == [4]


def test_a_large_output_that_grows_is_news():
    calls = [shell("cat build.log", stored(n, f"{200 + n * 3}.1KB")) for n in range(12)]
    assert cases.play(session(calls)).tripped == []


def shot(number, picture):
    text = {
        "type": "text",
        "text": f"Successfully captured screenshot (1568x749, jpeg) - ID: ss_{number * 37 + 5200}v{number}k{number * 3 + 10}",
    }
    stored_at = {"type": "text", "text": f"[Image: source: /tmp/claude/mcp-blob-{number * 91}-a{number}.jpg]"}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": picture * 50}}
    return SHOT, {"action": "screenshot", "tabId": 3}, [text, image, stored_at]


def test_one_picture_is_one_result_whatever_its_id_and_file():
    played = cases.play(session([shot(n, "iVBORw0KGgp") for n in range(5)]))
    assert turns(played.warned)[0] == 3 and turns(played.tripped) == [4]


def test_a_picture_that_changes_is_news():
    played = cases.play(session([shot(n, f"iVBORw0KGg{'ABCDEFGHIJKL'[n]}p") for n in range(9)]))
    assert (played.told, played.said) == ([], [])


def steps_read_from_files(steps):
    """Clicks on one button; what the page shows then is in a file that Playwright names for the moment."""
    calls = []
    for number, step in enumerate(steps):
        page = f".playwright-mcp/page-2026-12-01T10-{number:02d}-11-482Z.yml"
        button = {"element": "Next", "ref": "e9"}
        receipt = f"### Page\n- Page URL: http://localhost/setup\n### Snapshot\n- [Snapshot]({page})"
        calls.append(("mcp__playwright__browser_click", button, [{"type": "text", "text": receipt}]))
        calls.append(("Read", {"file_path": f"/p/{page}"}, f'1\t- heading "{step}"'))
    return cases.play(session(calls))


def test_a_page_that_is_read_from_a_file_of_the_browser_is_a_look_at_the_page():
    played = steps_read_from_files(f"Step {number}" for number in range(9))
    assert (played.told, played.said) == ([], [])


def test_a_page_that_stays_as_it_is_is_a_loop_whatever_its_files_are_named():
    played = steps_read_from_files(["Step 1"] * 4)
    assert turns(played.warned) == [4] and turns(played.tripped)[0] == 6


def pages_shown(pages, look=("mcp__playwright__browser_snapshot", {})):
    """Clicks on one button, and what the page shows then beside the time of its clock."""
    calls = []
    for number, page in enumerate(pages):
        button = {"element": "Next", "ref": "e7"}
        clock = f"- text: it is 2026-12-01T10:{number:02d}:30Z, updated {number} minutes ago"
        shown = f'{page}\n{clock}\n- textbox "Search" [ref=s{number}e12]'
        calls.append(("mcp__playwright__browser_click", button, [{"type": "text", "text": "clicked"}]))
        calls.append((*look, [{"type": "text", "text": shown}]))
    return cases.play(session(calls))


PAGES = {
    "a date": "- text: Selected 2026-12-{:02d}",
    "a day after its month": '- heading "December {}, 2026"',
    "a day before its month": "- text: Wed, {} Dec",
    "a textbox": '- textbox "Duration" [ref=e5]: {} minutes',
    "a number to choose": 'uid=1_7 spinbutton "Port" value="80{:02d}"',
    "an option": '- option "{} s" [selected]',
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize(
    "look", [("mcp__playwright__browser_snapshot", {}), ("Bash", {"command": "agent-browser snapshot -i"})]
)
def test_what_a_page_shows_is_news_and_its_clock_is_not(page, look):
    moves_on = pages_shown((page.format(number) for number in range(2, 11)), look)
    stays = pages_shown([page.format(2)] * 4, look)
    assert (moves_on.told, moves_on.said) == ([], [])
    assert turns(stays.warned) == [4] and turns(stays.tripped)[0] == 6


DEBUGGERS = {
    "gdb": "Stepped into\n\nOutput:\n0x00005555555551{:02x} in main () <object at 0x7f00aabb1c{:02x}>",
    "lldb": "Process 4{1:03d} stopped\n->  0x10003f{0:02x} in ?? ()",
}


@pytest.mark.parametrize("stopped", DEBUGGERS.values(), ids=DEBUGGERS)
def test_the_address_at_which_a_program_stands_is_news_of_a_step(stopped):
    def stepped(addresses):
        said = [stopped.format(at, number) for number, at in enumerate(addresses)]
        steps = [
            ("mcp__gdb__gdb_step", {"instructions": True}, [{"type": "text", "text": text}]) for text in said
        ]
        return cases.play(session(steps))

    moves_on, stays = stepped(range(16, 40, 3)), stepped([16] * 8)
    assert (moves_on.told, moves_on.said) == ([], [])
    assert turns(stays.warned) == [7] and turns(stays.tripped) == [8]


def prose(number, words):
    missing, torn = (
        f"line 1: THOUGHT{number}: command not found",
        "line 2: unexpected EOF while looking for matching `'",
    )
    error = missing if number % 3 == 0 else torn
    return shell(f"{words}\nIt looks as if there's a problem", f"Exit code 127\n/bin/bash: {error}")


def test_prose_sent_as_a_command_is_blocked_at_the_sixth_equal_error_though_another_comes_between():
    played = cases.play(session([prose(n, f"Let us look again {n}") for n in range(12)]))
    assert turns(played.warned)[0] == 6 and turns(played.tripped)[0] == 9


def test_prose_that_never_begins_alike_is_warned_about_at_ten_failing_turns_and_stopped_at_twenty():
    played = cases.play(session([prose(n, f"{'x' * (n + 1)} think this is it") for n in range(20)]))
    assert turns(played.warned)[0] <= 10 and turns(played.stopped) == [20]
    assert turns(played.tripped) == [20]


RING = [
    ("Read", {"file_path": "/p/lib/a.py"}, "1\timport b"),
    ("Grep", {"pattern": "total"}, "lib/a.py:7"),
    ("Glob", {"pattern": "**/*.toml"}, "/p/pyproject.toml"),
    ("Read", {"file_path": "/p/pyproject.toml"}, "1\t[project]"),
    shell("ls lib", printed("a.py b.py")),
    ("Read", {"file_path": "/p/lib/b.py"}, "1\tdef total(): ..."),
    ("mcp__docs__search", {"query": "total"}, "no page"),
]


@pytest.mark.parametrize("size", [6, 7])
def test_a_ring_of_calls_of_many_tools_is_warned_about_after_two_rounds_and_blocked_after_three(size):
    played = cases.play(session(RING[:size] * 4))
    assert turns(played.warned)[0] == 2 * size and turns(played.tripped)[0] == 3 * size


def test_a_ring_that_takes_longer_than_a_wait_is_a_ring_though_some_of_its_looks_are_polls_by_then():
    ring = [
        shell("curl -s localhost/health", printed("down")),
        shell("docker compose ps", printed("api Exited")),
    ]
    ring += [("Read", {"file_path": f"/p/{i}.py"}, f"text {i}") for i in range(7)]
    played = cases.play(session(ring * 4, seconds=8.0))
    assert turns(played.warned)[0] <= 18 + 1 and turns(played.tripped)[0] <= 27 + 1


def test_a_watch_a_minute_in_which_half_the_looks_are_polls_is_work():
    look = [shell("gh run view 7", printed("in progress")), shell("gh pr checks 3", printed("pending"))]
    look += [shell("git status", printed("clean")), shell("ls dist", printed("a.js"))]
    played = cases.play(session(look * 4, seconds=30.0))
    assert (played.warned, played.tripped) == ([], [])


def test_two_sides_of_a_change_compared_with_git_stash_are_work():
    calls = []
    for side in range(6):
        failed = f"Exit code 1\n{(2, 5)[side % 2]} failed, {9 - side} passed"
        calls.append(shell("pytest t.py", failed))
        calls.append(shell(("git stash", "git stash pop")[side % 2], printed(("Saved", "Dropped")[side % 2])))
    played = cases.play(session(calls))
    assert played.tripped == []


def test_a_test_that_fails_alike_after_each_edit_is_a_loop_though_its_lines_move():
    calls = []
    for run in range(7):
        place = f"clamp.py:{40 + run}: ValueError"
        failed = f">       raise ValueError(degree)\nE       ValueError: need at least 8 knots\n\n{place}\n1 failed in 0.{run}s"
        calls += [edit("/p/clamp.py", f"a{run}", f"b{run}"), shell("pytest -q", f"Exit code 1\n{failed}")]
    assert turns(cases.play(session(calls)).tripped) == [12]
