"""Is a call that would switch the breaker off seen, and one that only looks like it let go?"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from circuit_breaker.core.guarding import Guarded, concerns
from circuit_breaker.core.tamper import forging, tampering

spec = importlib.util.spec_from_file_location("tamper_cases", Path(__file__).with_name("tamper_cases.py"))
assert spec is not None
assert spec.loader is not None
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

LIB = Path(__file__).resolve().parents[2] / "lib"
TAMPERING = cases.TAMPERING + cases.SECOND_THOUGHTS
GUARDED = Guarded(
    state=cases.STATE,
    home=cases.HOME,
    configs=(cases.CONFIG, cases.HOME + "/circuit_breaker_config.json"),
    settings=(
        cases.USER + "/.claude/settings.json",
        cases.PROJECT + "/.claude/settings.json",
        cases.PROJECT + "/.claude/settings.local.json",
        "/etc/claude-code/managed-settings.json",
    ),
    plugin=cases.PLUGIN,
    project=cases.PROJECT,
    user_home=cases.USER,
    keyword="SUDO BYPASS",
    commands=("reset-circuit", "circuit-breaker:reset-circuit"),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        "rm",
        "-rf",
        "mv",
        "cp",
        "ln",
        "-s",
        "sed",
        "-i",
        "find",
        ".",
        "-exec",
        "{}",
        "\\;",
        "xargs",
        "git",
        "clean",
        "cd",
        "~/.claude",
        "settings.json",
        "$HOME",
        "${HOME}",
        "$(",
        ")",
        "`",
        "'",
        '"',
        "(",
        ")",
        "{",
        "}",
        "[[",
        "]]",
        "((",
        "))",
        "<<",
        "<<<",
        ">",
        ">>",
        "<(",
        "|",
        "||",
        "&&",
        "&",
        ";",
        ";;",
        "if",
        "then",
        "fi",
        "for",
        "f",
        "in",
        "do",
        "done",
        "while",
        "read",
        "case",
        "esac",
        "f()",
        "eval",
        "sh",
        "-c",
        "python3",
        "python3\\",
        "-c",
        "claude",
        "-p",
        "SUDO",
        "BYPASS",
        "plugin",
        "reset",
        "${",
        "${a[",
        "$'",
        "\\",
        "#",
        "*",
        "?",
        "[",
        "]",
        "!a",
        "~",
        "-",
        "--",
        "a=(",
        "a=",
        "END",
    ]
)


def shown(value: Any) -> str:
    text = value.get("command") if isinstance(value, dict) else None
    return (text if isinstance(text, str) else json.dumps(value))[:90]


def bash(command: str, guarded: Guarded = GUARDED, cwd: str = cases.PROJECT) -> str:
    return tampering("Bash", {"command": command}, cwd, guarded)


@pytest.mark.parametrize(
    ("reason", "tool", "tool_input", "cwd"), TAMPERING, ids=[f"{r[1]} {shown(r[2])}" for r in TAMPERING]
)
def test_call_that_would_switch_the_breaker_off_is_seen(
    reason: str, tool: str, tool_input: Any, cwd: str
) -> None:
    assert tampering(tool, tool_input, cwd or cases.PROJECT, GUARDED) == reason


@pytest.mark.parametrize(
    ("tool", "tool_input", "cwd"), cases.INNOCENT, ids=[f"{r[0]} {shown(r[1])}" for r in cases.INNOCENT]
)
def test_call_that_only_looks_like_it_passes(tool: str, tool_input: Any, cwd: str) -> None:
    assert tampering(tool, tool_input, cwd or cases.PROJECT, GUARDED) == ""


@pytest.mark.parametrize(
    ("reason", "tool", "tool_input", "cwd"), TAMPERING, ids=[f"{r[1]} {shown(r[2])}" for r in TAMPERING]
)
def test_call_that_would_switch_the_breaker_off_gets_past_the_first_question(
    reason: str, tool: str, tool_input: Any, cwd: str
) -> None:
    assert concerns(tool, tool_input, cwd or cases.PROJECT, GUARDED)


@given(
    st.sampled_from(["Edit", "Write", "MultiEdit", "NotebookEdit"]),
    st.sampled_from(["file_path", "notebook_path", "path"]),
    st.lists(
        st.sampled_from(
            [*"/.~", "..", *cases.STATE[1:].split("/"), *cases.PLUGIN[1:].split("/"), "Z.z", "hooks"]
        )
        | st.text(max_size=3),
        max_size=9,
    ),
    st.sampled_from(
        [cases.STATE, cases.PLUGIN, "/srv/z.z", "/srv/zz/", "/srv/zz/.", "/srv/zz/..", "/srv/./zz", "/", ""]
    ),
)
def test_what_the_first_question_lets_go_reaches_nothing(
    tool: str, key: str, pieces: list[str], state: str
) -> None:
    guarded = GUARDED.but(state=state)
    for start in ("", "/", state + "/"):
        call = {key: start + "/".join(pieces)}
        assert concerns(tool, call, cases.PROJECT, guarded) or not tampering(
            tool, call, cases.PROJECT, guarded
        )


@pytest.mark.parametrize(
    ("tool", "tool_input"),
    [
        ("Bash", {"command": "python -m pytest -q tests/unit 2>&1 | tail -20", "description": "Run"}),
        ("Bash", {"command": "npm run build && git status", "timeout": 5000, "run_in_background": True}),
        ("Edit", {"file_path": cases.PROJECT + "/src/app.py", "old_string": ".claude", "new_string": "rm"}),
        ("Write", {"file_path": cases.PROJECT + "/docs/index.md", "content": "circuit"}),
        ("Read", {"file_path": cases.STATE + "/errors.log"}),
        ("TodoWrite", {"todos": []}),
    ],
)
def test_ordinary_call_ends_at_the_first_question(tool: str, tool_input: Any) -> None:
    assert not concerns(tool, tool_input, cases.PROJECT, GUARDED)
    assert concerns("mcp__any__" + tool, tool_input, cases.PROJECT, GUARDED)


def test_first_question_is_about_every_parameter_that_can_hold_a_line() -> None:
    """A shell's call with more than the host's own parameters is looked at whatever its `command` says."""
    for more in ({"cmd": "rm -rf ~"}, {"args": ["reset"]}, {"workdir": cases.STATE}, {"script": ""}):
        assert concerns("Bash", {"command": "make", **more}, cases.PROJECT, GUARDED)
    assert concerns("Bash", {"command": ["rm", "-rf", "~"]}, cases.PROJECT, GUARDED)
    assert concerns("Bash", "rm -rf ~", cases.PROJECT, GUARDED)
    assert concerns("Bash", {"command": "make"}, cases.STATE, GUARDED)
    assert concerns("Edit", {"file_path": "src/app.py"}, cases.STATE, GUARDED)


def test_tables_are_long_enough_to_mean_something_and_hold_no_row_twice() -> None:
    for table in (TAMPERING, cases.INNOCENT):
        rows = [repr(row) for row in table]
        assert len(set(rows)) == len(rows) >= 80


@pytest.mark.parametrize(("harmless", "old", "new"), cases.SETTINGS_EDITS)
def test_edit_of_the_settings_passes_only_where_it_proves_itself_harmless(
    harmless: bool, old: str, new: str
) -> None:
    path = cases.USER + "/.claude/settings.json"
    edit = {"old_string": old, "new_string": new}
    expected = "" if harmless else "registration"
    assert tampering("Edit", {"file_path": path, **edit}, cases.PROJECT, GUARDED) == expected
    assert tampering("MultiEdit", {"file_path": path, "edits": [edit]}, cases.PROJECT, GUARDED) == expected
    everywhere = {"file_path": path, **edit, "replace_all": True}
    assert tampering("Edit", everywhere, cases.PROJECT, GUARDED) == "registration"


@pytest.mark.parametrize(("harmless", "old", "new"), [row for row in cases.SETTINGS_EDITS if row[0]])
def test_harmless_edit_leaves_the_settings_readable_and_the_hooks_alone(
    harmless: bool, old: str, new: str
) -> None:
    hooks = {"PreToolUse": [{"matcher": "*", "hooks": [{"type": "command", "command": "x"}]}]}
    if old.startswith('"Bash'):
        text = f'{{"permissions": {{"allow": [{old} "Read(x)"]}}, "hooks": {json.dumps(hooks)}}}'
        text = text if old.endswith(",") else text.replace(f"{old} ", f"{old}, ")
    else:
        text = f'{{{old.rstrip(",")}, "hooks": {json.dumps(hooks)}}}'
    assert json.loads(text)["hooks"] == json.loads(text.replace(old, new))["hooks"] == hooks


@pytest.mark.parametrize("command", ["rm hooks/run", "sed -i s/a/b/ lib/circuit_breaker/core/tamper.py"])
def test_plugin_inside_the_own_project_may_be_mended(command: str) -> None:
    own = GUARDED.but(plugin="", project=cases.PLUGIN)
    assert bash(command, own, cases.PLUGIN) == ""
    assert bash(command, GUARDED, cases.PLUGIN) == "plugin"


@pytest.mark.parametrize(
    "command",
    [
        "python3 plugin reset --all",
        "sh hooks/run command < x",
        "rm -rf .claude/memory",
        "rm ~/.claude/settings.json",
    ],
)
def test_plugin_inside_the_own_project_still_guards_what_is_not_its_code(command: str) -> None:
    assert bash(command, GUARDED.but(plugin="", project=cases.PLUGIN), cases.PLUGIN) != ""


def test_project_inside_the_plugin_folder_is_its_own() -> None:
    inner = GUARDED.but(project=cases.PLUGIN + "/examples/shop")
    assert bash("rm -rf build app.py", inner, inner.project) == ""
    assert bash("rm -rf ../../hooks", inner, inner.project) == "plugin"


def test_home_beside_the_project_guards_the_breakers_own_files_there_and_no_others() -> None:
    beside = GUARDED.but(home=cases.BESIDE)
    assert bash("rm .claude/memory/circuit_breaker_incidents.jsonl", beside) == "state"
    assert bash("rm -rf .claude/memory/archives/telemetry", beside) == "state"
    assert bash("rm .claude/memory/*", beside) == "config"
    assert bash("echo x >> .claude/memory/build_telemetry.jsonl", beside) == ""


def test_folder_with_a_name_of_its_own_is_guarded_too() -> None:
    named = GUARDED.but(state="/srv/zz", home="/srv/zz")
    for command in ("rm -rf /srv/zz", "echo > /srv/zz/errors.log", "cd /srv && rm -rf zz", "rm -rf /srv"):
        assert bash(command, named) == "state"
    assert bash("echo > errors.log", named, "/srv/zz") == "state"
    assert bash("cat /srv/zz/errors.log; rm -rf /srv/z", named) == ""


def test_changed_keyword_is_the_one_that_counts() -> None:
    other = GUARDED.but(keyword="LET ME")
    assert bash("claude -p 'LET ME'", other) == "client"
    assert bash("claude -p 'SUDO BYPASS'", other) == ""
    assert forging("CronCreate", {"prompt": "LET ME"}, other)
    assert not forging("CronCreate", {"prompt": "SUDO BYPASS"}, other)


def test_nothing_known_guards_nothing_and_raises_nothing() -> None:
    for _, tool, tool_input, cwd in TAMPERING:
        assert isinstance(tampering(tool, tool_input, cwd, Guarded()), str)
    assert bash("rm -rf build", Guarded()) == ""
    assert not forging("CronCreate", {"prompt": "x"}, Guarded())


@pytest.mark.parametrize(("forged", "tool", "tool_input"), cases.SCHEDULING)
def test_scheduled_prompt_must_not_carry_the_override(forged: bool, tool: str, tool_input: Any) -> None:
    assert forging(tool, tool_input, GUARDED) is forged


@given(
    st.sampled_from(["CronCreate", "ScheduleWakeup"]), ANYTHING, st.sampled_from([" ", "\n", "\t \u200b", ""])
)
def test_override_is_found_wherever_it_hides_in_a_scheduling_call(tool: str, around: Any, gap: str) -> None:
    hidden = {"a": [around, {"b": f"x\nSUDO{gap}BYPASS y"}]}
    assert forging(tool, hidden, GUARDED)
    assert forging(tool, {"a": [around, f"/reset{gap}-circuit"]}, GUARDED)


@given(
    st.sampled_from(["Bash", "Edit", "Write", "Skill", "apply_patch", "mcp__a__b", "CronCreate", ""]),
    ANYTHING,
)
def test_no_input_raises(tool: str, tool_input: Any) -> None:
    reason = tampering(tool, tool_input, cases.PROJECT, GUARDED)
    assert isinstance(reason, str)
    assert concerns(tool, tool_input, cases.PROJECT, GUARDED) or not reason
    assert isinstance(forging(tool, tool_input, GUARDED), bool)


@given(st.lists(PIECES | st.text(max_size=6), max_size=14), st.sampled_from([" ", "", "\n"]))
@example(["f()", "${"], " ")
@example(["f()", "(("], " ")
def test_no_command_line_raises(pieces: list[str], joint: str) -> None:
    reason = bash(joint.join(pieces))
    assert isinstance(reason, str)
    assert concerns("Bash", {"command": joint.join(pieces)}, cases.PROJECT, GUARDED) or not reason


@given(st.dictionaries(st.sampled_from(["command", "file_path", "path", "edits", "cmd", "args"]), ANYTHING))
def test_parameters_of_a_wrong_kind_do_not_raise(tool_input: dict[str, Any]) -> None:
    for tool in ("Bash", "Edit", "MultiEdit", "mcp__fs__move_file", "shell"):
        assert isinstance(tampering(tool, tool_input, "", GUARDED), str)


@given(st.text(alphabet="\ue000\ue001\ue002\ue003\ue004\ue005\ue006/~.a*", max_size=12))
def test_private_characters_of_a_call_are_no_wildcards_of_ours(text: str) -> None:
    plain = "".join("?" if c >= "\ue000" else c for c in text)
    assert bash(f"rm -rf '{text}'") == bash(f"rm -rf '{plain}'")


@pytest.mark.parametrize(
    "command",
    [
        "$(" * 4000,
        "eval " * 3000 + "x",
        "sudo " * 3000 + "rm x",
        "xargs " * 3000 + "rm x",
        "find . -exec " * 2000 + "rm x",
        'echo "$(' * 500,
        "f() { f; f; }; f",
        "sh -c '" * 300 + "x",
        "{a,b}" * 200,
        "rm " + "{a,{b,c}}" * 60,
        "A=$A$A$A$A; " * 300 + "rm $A",
        "a=x; " + "a=$a$a; " * 64 + "rm $a",
        "echo xx > a; " + "cat a a > b; cat b b > a; " * 40 + "sh a",
        "a=xx; " + "a=${a//x/xxxx}; " * 40 + "rm $a",
        "a=(1 2 3 4); " + "a=(${a[@]} ${a[@]}); " * 40 + "rm ${a[@]}",
        "for i in {1..9}; do " * 40 + "rm $i" + "; done" * 40,
        "echo x | " * 3000 + "sh",
        "((" * 3000,
        "rm " + "*" * 3000 + "/.claude",
        "rm " + "*a" * 400 + "/.claude/x",
        "echo " + "`" * 2001,
        "(" * 3000 + "rm x" + ")" * 3000,
        "if x; then " * 3000,
        "cat <<A\n" * 1500,
        "python3 -c \"import os; os.system('" + "'a' " * 2000 + '")"',
        "rm -rf " + "a/" * 5000,
        "x" * 300_000 + " rm $(*",
        "while read a; do echo $a; done < <(" * 50,
    ],
    ids=lambda command: f"{command[:24]} ({len(command)})",
)
def test_hostile_command_line_ends_soon(command: str) -> None:
    """A process of its own: a walk without an end is killed, whatever it does to the interpreter."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from circuit_breaker.core.guarding import Guarded\n"
        "from circuit_breaker.core.tamper import tampering\n"
        "guarded = Guarded(state='/home/ada/.s/cb', settings=('/home/ada/.claude/settings.json',), project='/p')\n"
        "sys.exit(tampering('Bash', {'command': sys.stdin.read()}, '/p', guarded) not in ('', 'registration', 'state'))"
    )
    started = [sys.executable, "-I", "-c", program, str(LIB)]
    done = subprocess.run(started, input=command.encode(), capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_guard_imports_nothing_that_a_hook_cannot_afford() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from circuit_breaker.core.guarding import Guarded\n"
        "from circuit_breaker.core.tamper import tampering\n"
        "tampering('Bash', {'command': 'rm -rf ~/.claude/*'}, '/p', Guarded(user_home='/h'))\n"
        "bad = {'re', 'os', 'json', 'typing', 'functools', 'collections', 'dataclasses', 'enum'} & set(sys.modules)\n"
        "assert 'circuit_breaker.core.tamper_shell' in sys.modules\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", program, str(LIB)], check=True)
