"""Steps on a page or a device return receipts; writes that add again are not sent twice."""

from __future__ import annotations

import pytest

from circuit_breaker.identity.acts import (
    adds_again,
    is_gesture,
    makes_more,
    sends_message,
    steps_through_history,
)

GESTURES = [
    ("mcp__chrome-devtools__click", {"uid": "1_1"}),
    ("mcp__playwright__browser_click", {"ref": "e5"}),
    ("mcp__playwright__browser_press_key", {"key": "ArrowDown"}),
    ("mcp__playwright__browser_type", {"text": "x"}),
    ("mcp__playwright__browser_navigate_back", {}),
    ("mcp__claude-in-chrome__computer", {"action": "left_click", "coordinate": [1, 2]}),
    ("mcp__claude-in-chrome__computer", {"action": "scroll"}),
    ("mcp__mobile__tap", {}),
    ("mcp__mobile__swipeUp", {}),
    ("mcp__pdf__next_page", {}),
    ("mcp__figma__undo", {}),
    ("mcp__iterm__write_to_terminal", {"command": "n"}),
    ("mcp__terminal__send_input", {"text": "y"}),
    ("mcp__godot__run_frame", {}),
    ("mcp__debugger__continue", {"session": "s1"}),
    (
        "mcp__playwright__browser_evaluate",
        {"function": "() => window.scrollTo(0, document.body.scrollHeight)"},
    ),
    ("mcp__chrome-devtools__evaluate_script", {"function": "() => document.querySelector('.next').click()"}),
    ("Bash", {"command": "tmux send-keys -t dbg 'next' Enter"}),
    ("Bash", {"command": "screen -S g -X stuff 'n\\n'"}),
    ("Bash", {"command": "xdotool key Down"}),
    ("Bash", {"command": "adb shell input tap 10 20"}),
    ("Bash", {"command": "agent-browser click @e5"}),
    ("Bash", {"command": "cliclick c:100,200"}),
    ("Bash", {"command": "adb shell 'input tap 10 20'"}),
    ("Bash", {"command": "docker exec -e DISPLAY=:1 desktop xdotool key Down"}),
    ("Bash", {"command": "ssh kiosk 'DISPLAY=:0 xdotool key Down; sleep 1'"}),
    ("Bash", {"command": "axe tap -x 10 -y 20 --udid B1"}),
    ("mcp__desktop-commander__start_process", {"command": "adb shell input tap 10 20", "timeout_ms": 5000}),
    ("Bash", {"command": "osascript -e 'tell application \"System Events\" to key code 124'"}),
]
NO_GESTURES = [
    ("mcp__chrome-devtools__take_snapshot", {}),
    ("mcp__claude-in-chrome__computer", {"action": "screenshot"}),
    ("mcp__github__create_issue", {}),
    ("mcp__db__execute", {"sql": "x"}),
    ("mcp__playwright__browser_evaluate", {"function": "() => document.title"}),
    ("mcp__x__get_next_page", {}),
    ("Edit", {"file_path": "click.py"}),
    ("Read", {"file_path": "scroll.py"}),
    ("Bash", {"command": "npm test"}),
    ("Bash", {"command": "adb logcat -d"}),
    ("Bash", {"command": "agent-browser snapshot"}),
    ("Bash", {"command": "axe describe-ui --udid B1"}),
    ("Bash", {"command": "ssh kiosk 'DISPLAY=:0 import -window root png:- | tesseract - -'"}),
    ("Bash", {"command": "tmux new-session -d -s dbg"}),
    ("mcp__iterm__read_terminal_output", {}),
    ("Bash", None),
]
ADDS = [
    "cat >> notes.md <<EOF\nhello\nEOF",
    "cat >> notes.md <<EOF\nhello\nEOF\nwc -l notes.md",
    "echo 'x' >> .gitignore",
    "printf 'a\\n' >> f && tail -1 f",
    "echo x | tee -a f",
    "sed -i 's/a/aa/' f",
    "sed -i.bak 's/a/aa/' f",
    "sed -Ei 's/a/aa/' f",
    "gsed --in-place 's/a/aa/' f",
    "perl -pi -e 's/a/aa/' f",
    "patch -p1 < fix.diff",
    "yq -i '.n += 1' f.yml",
    "cd x && echo y >> f",
]
ADDS_NOT = [
    "echo x > f",
    ": > f",
    "truncate -s 0 f",
    "echo x | tee f",
    "cat f",
    "sed -n 's/a/b/p' f",
    "sed 'i # generated' f",
    "pytest >> log.txt",
    "npm test 2>&1 | tee -a log",
    "git commit -am x",
    "git apply fix.diff",
    "npm install x",
    "make && echo done >> log",
    "echo $(make) >> log",
    "echo x >> a > b",
    "echo x >> /dev/null",
    "patch --dry-run -p1 < fix.diff",
    "rm f; echo x >> f",
    "perl -e 'print 1'",
    "",
]


@pytest.mark.parametrize(("tool", "given"), GESTURES)
def test_a_step_on_a_page_or_a_device(tool: str, given: object) -> None:
    assert is_gesture(tool, given)


@pytest.mark.parametrize(("tool", "given"), NO_GESTURES)
def test_no_step(tool: str, given: object) -> None:
    assert not is_gesture(tool, given)


@pytest.mark.parametrize("command", ADDS)
def test_a_line_that_only_writes_and_adds_again(command: str) -> None:
    assert adds_again("Bash", {"command": command})


@pytest.mark.parametrize("command", ADDS_NOT)
def test_a_line_that_does_more_or_ends_the_same_however_often(command: str) -> None:
    assert not adds_again("Bash", {"command": command})


@pytest.mark.parametrize(
    ("tool", "given", "adds"),
    [
        ("Edit", {"file_path": "a", "old_string": "x", "new_string": "xx"}, True),
        ("MultiEdit", {}, True),
        ("Write", {}, True),
        ("NotebookEdit", {}, True),
        ("apply_patch", {}, True),
        ("str_replace_editor", {"command": "str_replace"}, True),
        ("str_replace_editor", {"command": "view"}, False),
        ("mcp__filesystem__edit_file", {}, True),
        ("mcp__serena__insert_after_symbol", {}, True),
        ("mcp__x__str_replace_based_edit_tool", {"command": "insert", "path": "a"}, True),
        ("mcp__x__str_replace_based_edit_tool", {"command": "view", "path": "a"}, False),
        ("mcp__filesystem__read_file", {}, False),
        ("mcp__serena__replace_regex", {"relative_path": "a.py", "regex": "x", "repl": "y"}, True),
        ("mcp__vscode__edit", {"file": "a.py", "new": "y"}, True),
        ("mcp__crm__update_profile", {"profile": "a"}, False),
        ("mcp__github__create_issue", {}, False),
        ("PowerShell", {"command": "Add-Content f 'x'"}, True),
        ("PowerShell", {"command": "'x' | Out-File -Append f"}, True),
        ("PowerShell", {"command": "Set-Content f 'x'"}, False),
        ("Read", {}, False),
        ("Bash", None, False),
    ],
)
def test_tools_that_write_what_is_not_sent_twice(tool: str, given: object, adds: bool) -> None:
    assert adds_again(tool, given) is adds


@pytest.mark.parametrize(
    ("command", "leads_on"),
    [
        ("git bisect bad", True),
        ("make test; git bisect good", True),
        ("git rebase --continue", True),
        ("GIT_EDITOR=true git cherry-pick --skip", True),
        ("git checkout HEAD~1", True),
        ("git reset --hard HEAD^", True),
        ("git -c core.editor=true rebase --continue", True),
        ("git -C lib bisect skip", True),
        ("alembic downgrade -1", True),
        ("bin/rails db:rollback", True),
        ("alembic upgrade head", False),
        ("alembic current", False),
        ("git checkout -q 4f0c0d7", True),
        ("git switch --detach origin/old", True),
        ("git checkout v2.1.0", True),
        ("git pull --rebase origin main", True),
        ("git reset --hard 4f0c0d7a81c5", True),
        ("git checkout 4f0c0d7 -- a.py", False),
        ("git checkout feature", False),
        ("git checkout defaced", False),
        ("git reset --hard", False),
        ("git checkout main", False),
        ("git checkout 12", False),
        ("git stash pop", False),
        ("make test", False),
    ],
)
def test_going_on_through_a_history_leads_on_in_the_same_words(command, leads_on):
    assert steps_through_history("Bash", {"command": command}) is leads_on


@pytest.mark.parametrize(
    ("tool", "given", "sends"),
    [
        ("mcp__slack__post_message", {"text": "x"}, True),
        ("mcp__telegram__send", {"text": "x"}, True),
        ("mcp__github__add_issue_comment", {"body": "x"}, True),
        ("message", {"action": "broadcast", "text": "x"}, True),
        ("mcp__linear__create_issue", {"title": "x"}, True),
        ("mcp__calendar__create-event", {"title": "x"}, True),
        ("mcp__github__list_issues", {}, False),
        ("mcp__github__update_issue", {}, False),
        ("mcp__slack__get_channel_messages", {}, False),
        ("mcp__gmail__search_emails", {"query": "x"}, False),
        ("message", {"action": "read"}, False),
        ("mcp__terminal__send_keys", {"keys": "x"}, False),
        ("mcp__http__send_request", {"url": "x"}, False),
    ],
)
def test_sending_a_message_is_known_by_the_names_of_tool_and_action(tool, given, sends):
    assert sends_message(tool, given) is sends


@pytest.mark.parametrize(
    ("tool", "makes"),
    [
        ("mcp__linear__create_issue", True),
        ("mcp__slack__post_message", True),
        ("mcp__fs__write_file", True),
        ("mcp__home__dim_light", False),
        ("mcp__printer__jog_axis", False),
        ("mcp__bank__send_transaction", True),
        ("mcp__serial__send_command", False),
        ("mcp__pdb__send_pdb_command", False),
    ],
)
def test_what_makes_one_more_each_time(tool, makes):
    assert makes_more(tool, {"x": 1}) is makes
