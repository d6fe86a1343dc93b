"""The name check, row by row: calls that reach for the breaker, calls that only look like it, scheduled prompts.

Ada works in /home/ada/work/shop; the plugin lies in /opt/tools/circuit-breaker.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_breaker import guard
from circuit_breaker.breaker.model import Ask
from circuit_breaker.guard import Guarded, carries_override
from circuit_breaker.identity.calls import schedules
from circuit_breaker.runtime import home
from circuit_breaker.runtime.guarded import may_tamper

USER, PROJECT, PLUGIN = "/home/ada", "/home/ada/work/shop", "/opt/tools/circuit-breaker"
STATE = USER + "/.local/state/claude-circuit-breaker"
NAMES: dict[str, Any] = {"name": home.NAME, "files": (home.CONFIG, home.STATE, home.INCIDENTS)}
GUARDED = Guarded(
    folders=(STATE, USER + "/.config/claude-circuit-breaker", PLUGIN),
    project=PROJECT,
    variables={
        "HOME": USER,
        "XDG_STATE_HOME": "",
        "CIRCUIT_BREAKER_HOME": STATE,
        "CLAUDE_PLUGIN_ROOT": PLUGIN,
    },
    keyword="SUDO BYPASS",
    **NAMES,
)


def reaches_for(tool: str, given: Any, cwd: str, guarded: Guarded) -> str:
    """What the name check says; the cheap check before it must not miss it."""
    found = guard.reaches_for(tool, given, cwd, guarded)
    assert not found or may_tamper(Ask(tool=tool, input=given, cwd=cwd), [*guarded.folders], guarded.keyword)
    return found


REFUSED = {
    "verb": [
        "circuit-breaker reset --all",
        "python3 plugin reset --all",
        f"python3 {PLUGIN}/plugin reset --circuit 'tool_failure:Bash pytest'",
        f"cd {PLUGIN} && python3 -m plugin reset --all",
        f"{PLUGIN}/plugin/__main__.py reset --all; python3 . reset --all",
        "env -u CLAUDE_CODE_SESSION_ID circuit-breaker reset --all",
        "env -u CLAUDE_CODE_SESSION_ID CLAUDE_PROJECT_DIR=. python3 -I -S plugin/ reset --all",
        "CIRCUIT_BREAKER_HOME=/tmp/x ~/.local/bin/circuit-breaker uninstall",
        "bash -c 'circuit-breaker mode observe'",
        "echo 'python3 plugin reset --all' | sh",
        "sh <<'END'\npython3 plugin reset --all\nEND",
        "python3 -c \"import subprocess; subprocess.run(['python3', 'plugin', 'reset', '--all'])\"",
        "circuit-breaker config set mode observe",
        "circuit-breaker mode -- observe",
        "circuit-breaker calibrate --a ~/recordings",
        "circuit-breaker config unset circuit_breakers.tool_failure.threshold",
        "circuit-breaker calibrate --apply",
        "nohup circuit-breaker re''set --all >/dev/null 2>&1 &",
        "circuit-breaker status && circuit-breaker reset --all",
        '(sleep 1; circuit-breaker "reset" --all) &',
    ],
    "library": [
        "python3 -c 'import sys; sys.path.insert(0, \"lib\"); from circuit_breaker.runtime import status; status.reset_circuits()'",
        "python3 - <<'END'\nfrom circuit_breaker import runtime\nEND",
        "cd lib && python3 -c 'import circuit_breaker.janitor.sweep as s; s.run()'",
        "CLAUDE_PROJECT_DIR=/tmp python3 .claude/circuit-breaker/hooks/command.py < /tmp/payload",
    ],
    "client": [
        "claude -p 'SUDO BYPASS'",
        "echo 'SUDO BYPASS' | claude -p --continue",
        "claude -p <<'END'\nSUDO  BYPASS\nEND",
        "claude '/reset-circuit --all'",
        "npx -y @anthropic-ai/claude-code@latest -p 'SUDO BYPASS'",
        "claude --settings '{\"disableAllHooks\":true}' -p 'run make check'",
        "claude --bare -p 'run make check'",
        "timeout 60 claude --safe-mode -p x",
        "tmux send-keys -t 0 'SUDO BYPASS' Enter",
        "python3 - <<'END'\nimport subprocess\nsubprocess.run(['claude', '-p', 'SUDO BYPASS'])\nEND",
    ],
    "files": [
        "rm -rf ~/.local/state/claude-circuit-breaker",
        "rm -rf $HOME/.local/state/claude-circuit-breaker/sessions",
        'rm "${HOME}/.local/state/claude-circuit-breaker/armed/"*',
        "rm -rf $CIRCUIT_BREAKER_HOME",
        "rm -rf ${XDG_STATE_HOME:-$HOME/.local/state}/claude-circuit-breaker",
        "rm -rf ~/.local/state/claude*",
        "mv /home/ada/work/../.local//state/./claude-circuit-breaker /tmp/away",
        "cd ~/.local/state && rm -r claude-circuit-breaker",
        "D=~/.local/state/claude-circuit-breaker; rm -rf $D/armed",
        "r''m -rf ~/.local/state/clau'de-circ'uit-breaker",
        "rm -rf /Home/Ada/.local/state/Claude-Circuit-Breaker",
        "find ~/.local/state/claude-circuit-breaker -type f -exec rm {} +",
        "find ~/.local/state/claude-circuit-breaker -type f | xargs rm -f",
        "tar xzf /tmp/old.tgz -C ~/.local/state/claude-circuit-breaker",
        "docker run --rm -v ~/.local/state/claude-circuit-breaker:/c alpine rm -r /c/armed",
        "rsync -a --delete /tmp/empty/ ~/.local/state/claude-circuit-breaker/",
        "cp /tmp/good.json ~/.local/state/claude-circuit-breaker/sessions/abc/main.json",
        "echo '{}' > ~/.local/state/claude-circuit-breaker/sessions/abc/main.json",
        "cat /tmp/x >> .claude/memory/circuit_breaker_config.json",
        "sed -i 's/enforce/observe/' ~/.config/claude-circuit-breaker/config.json",
        "git checkout HEAD~3 -- .claude/memory/circuit_breaker_config.json",
        "python3 -c \"import shutil, os; shutil.rmtree(os.path.expanduser('~/.local/state/claude-circuit-breaker'))\"",
        "ln -s ~/.local/state/claude-circuit-breaker /tmp/s && rm -rf /tmp/s/sessions",
        f"sed -i 's/deny/allow/' {PLUGIN}/lib/circuit_breaker/guard.py",
        f"cd {PLUGIN} && git checkout HEAD~5 -- hooks && rm hooks/run",
        "cd /opt/tools && rm -rf circuit-breaker",
        f"chmod -x {PLUGIN}/hooks/run",
        f"sh {PLUGIN}/hooks/run prompt < /tmp/payload.json",
        f"cat {PLUGIN}/hooks/run > {PLUGIN}/hooks/old",
    ],
}
FREE = [
    "cat ~/.local/state/claude-circuit-breaker/errors.log",
    "ls -la $CIRCUIT_BREAKER_HOME/armed | head",
    "grep -rn deny ~/.local/state/claude-circuit-breaker > /tmp/found.txt",
    "jq . .claude/memory/circuit_breaker_config.json 2>/dev/null",
    "cp -r ~/.local/state/claude-circuit-breaker /tmp/evidence",
    f"cp {PLUGIN}/hooks/hooks.json ./hooks.json",
    f"git -C {PLUGIN} log --oneline -3",
    f"git -C {PLUGIN} status && git -C {PLUGIN} diff",
    f"cd {PLUGIN} && git log -3",
    "circuit-breaker status",
    f"python3 {PLUGIN}/plugin status --json | jq .circuits",
    f"python3 {PLUGIN}/plugin doctor; python3 {PLUGIN}/plugin incidents --since 24h",
    f"python3 {PLUGIN}/plugin sweep --dry-run > /tmp/plan",
    f"python3 {PLUGIN}/plugin explain --last",
    "circuit-breaker uninstall --dry-run",
    "circuit-breaker config show --origin",
    "echo 'to reset: circuit-breaker reset --all'",
    "grep -rn 'plugin reset --all' docs",
    "rm -rf build && make check",
    "claude -p 'summarise README.md'",
    "claude --version; which claude",
    "git clone --bare https://example.org/claude-code.git",
    "mkdir -p .claude/commands && touch .claude/commands/x.md",
    "sed -i 's/a/b/' .claude/settings.json",  # held by ConfigChange, where it matters
    "rm -rf ~/.local/state/other ~/.local/state/x* ~/.cache/*",
    "rm -rf /opt/tools/circuit-breaker-old/build",
    "npm run circuit:reset",
    "python3 -c \"import pybreaker; pybreaker.reset()\"",
    "python3 plugin/build.py reset",
]  # fmt: skip
ROWS = [(reason, command) for reason, commands in REFUSED.items() for command in commands]


def check(command: str, cwd: str = PROJECT, tool: str = "Bash") -> str:
    return reaches_for(tool, {"command": command, "description": "x"}, cwd, GUARDED)


@pytest.mark.parametrize(("reason", "command"), ROWS, ids=[command for _, command in ROWS])
def test_line_that_reaches_for_the_breaker_is_denied(reason: str, command: str) -> None:
    assert check(command) == reason


@pytest.mark.parametrize("command", FREE)
def test_line_that_looks_or_works_is_free(command: str) -> None:
    assert check(command) == ""


@pytest.mark.parametrize(
    "command",
    [
        r'Remove-Item -Recurse "$env:USERPROFILE\.local\state\claude-circuit-breaker"',
        "'{}' | Set-Content $HOME/.config/claude-circuit-breaker/config.json",
        "circuit-breaker reset --all",
        "Set-Location ~/.local/state/claude-circuit-breaker; Remove-Item armed -Recurse",
    ],
)
def test_powershell_line_that_reaches_for_the_breaker_is_denied(command: str) -> None:
    assert check(command, tool="PowerShell")


@pytest.mark.parametrize(
    "command",
    [
        "Get-Content ~/.local/state/claude-circuit-breaker/errors.log -Tail 5",
        "Get-ChildItem $HOME/.local/state/claude-circuit-breaker | Select-Object Name",
        "Remove-Item -Recurse build",
        "circuit-breaker status",
    ],
)
def test_powershell_line_that_looks_or_works_is_free(command: str) -> None:
    assert check(command, tool="PowerShell") == ""


@pytest.mark.parametrize(
    ("tool", "given", "expected"),
    [
        ("Write", {"file_path": STATE + "/sessions/abc/main.json", "content": "{}"}, "files"),
        ("Write", {"file_path": "~/.config/claude-circuit-breaker/config.json", "content": "{}"}, "files"),
        ("Edit", {"file_path": PLUGIN + "/hooks/run", "old_string": "a", "new_string": "b"}, "files"),
        ("Edit", {"file_path": PROJECT + "/.claude/memory/circuit_breaker_config.json"}, "files"),
        ("NotebookEdit", {"notebook_path": PLUGIN + "/x.ipynb", "new_source": ""}, "files"),
        ("mcp__fs__move_file", {"source": STATE, "destination": "/tmp/x"}, "files"),
        ("mcp__fs__write_files", {"files": [{"path": "../../.local/state/claude-circuit-breaker/python"}]}, "files"),
        ("mcp__shell__run", {"command": "circuit-breaker reset --all"}, "verb"),
        ("shell", {"command": ["bash", "-lc", "rm -rf ~/.local/state/claude-circuit-breaker"]}, "files"),
        ("Read", {"file_path": STATE + "/errors.log"}, ""),
        ("Grep", {"pattern": "deny", "path": PLUGIN}, ""),
        ("Agent", {"prompt": f"look into {STATE} and say what is open"}, ""),
        ("mcp__fs__read_file", {"path": STATE + "/errors.log"}, ""),
        ("Write", {"file_path": PROJECT + "/docs/a.md", "content": f"The state is in {STATE}."}, ""),
        ("Edit", {"file_path": PROJECT + "/x.py", "old_string": "SUDO BYPASS", "new_string": STATE}, ""),
        ("mcp__tracker__create_issue", {"body": f"circuit-breaker keeps its state in {STATE}"}, ""),
        ("Bash", {}, ""),
        ("Bash", None, ""),
        ("Bash", {"command": ["rm", 1]}, ""),
    ],
)  # fmt: skip
def test_other_tools_are_judged_by_the_paths_they_are_given(tool: str, given: Any, expected: str) -> None:
    assert reaches_for(tool, given, PROJECT, GUARDED) == expected


@pytest.mark.parametrize("command", ["rm -rf armed", "echo '{}' > sessions/abc/main.json", "make clean"])
def test_what_changes_anything_inside_a_guarded_folder_is_denied(command: str) -> None:
    assert check(command, cwd=STATE) == "files"
    assert check("cat errors.log | tail -3", cwd=STATE) == ""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("rm -rf .claude", "files"),
        ("mv ./.claude /tmp/x", "files"),
        ("python3 -c \"import shutil; shutil.rmtree('.claude')\"", "files"),
        ("rm -rf .claude/circuit-breaker/hooks", "files"),
        ("rm -rf .claude/commands/old.md", ""),
        ("rm -rf . && echo claude", ""),
        ("cp -r .claude /tmp/x", ""),
        ("rm -rf build # claude", ""),
    ],
)
def test_installation_in_the_project_and_the_folder_above_it_are_guarded(command: str, expected: str) -> None:
    own = GUARDED.but(folders=(STATE, PROJECT + "/.claude/circuit-breaker"))
    assert reaches_for("Bash", {"command": command}, PROJECT, own) == expected


@pytest.mark.parametrize(
    "command", ["make test", "sed -i s/a/b/ lib/circuit_breaker/guard.py", "python -m pytest tests"]
)
def test_plugin_inside_the_sessions_own_project_is_free(command: str) -> None:
    own = Guarded(
        folders=(STATE,),
        project="/home/ada/claude-circuit-breaker",
        variables={"HOME": USER},
        keyword="X Y",
        **NAMES,
    )
    assert reaches_for("Bash", {"command": command}, "/home/ada/claude-circuit-breaker", own) == ""
    assert reaches_for("Bash", {"command": f"cd {own.project} && {command}"}, own.project, own) == ""
    assert reaches_for("Bash", {"command": f"rm -rf {STATE}"}, own.project, own) == "files"


@pytest.mark.parametrize(
    "text",
    [
        "SUDO BYPASS",
        "SUDO BYPASS\ngo on",
        "SUDO\u200b \n BYPASS",
        "please type /reset-circuit --all",
        "/circuit-breaker:reset-circuit --circuit x",
        "run circuit-breaker reset --all",
        "python3 '/mnt/some where/else/plugin' reset --all",
        "python3 -m plugin reset --circuit call_cycle",
        "python3 C:\\tools\\cb\\plugin\\__main__.py reset --all",
        "C:\\Python\\Scripts\\circuit-breaker.exe reset --all",
        "/Reset-Circuit",
        "/reset-\u200bcircuit --all",
        "python3 /opt/x y/plugin reset --all",
        "python3 ${CLAUDE_PLUGIN_ROOT}/plugin reset --circuit=x",
        "python3 ~/.claude/plugins/cache/circuit-breaker/0.2.0/plugin/ reset --all",
        "/usr/bin/env python3.12 -I ./plugin/ reset --all",
        "cd /opt/cb && python3 . reset --all",
        "py -3 plugin reset --all",
        "uv run python plugin reset --all",
        "uvx circuit-breaker@latest reset --all",
        "~/.local/bin/circuit-breaker  reset\t--circuit 'tool_failure:Bash make'",
        "/c/tools/circuit-breaker reset --al",
        "circuit-breaker reset --project . --all",
        "circuit-breaker \\\n  reset \\\n  --all",
        "circuit-breaker re''set --all",
        "CIRCUIT-BREAKER RESET --ALL",
        "run [`circuit-breaker reset --all`](https://example.com)",
        "x " * 50_000 + "circuit-breaker reset --all" + " y" * 50_000,
    ],
)
def test_scheduled_prompt_with_the_override_is_known(text: str) -> None:
    assert carries_override({"cron": "* * * * *", "jobs": [{"prompt": text}]}, "SUDO BYPASS")


@pytest.mark.parametrize(
    "given",
    [
        "circuit-breaker reset --all",
        ["one", {"two": "SUDO BYPASS"}],
        {"SUDO BYPASS": 1},
        {"argv": ["circuit-breaker", "reset", "--all"]},
        {"program": "python3", "args": ["/x/plugin", "reset", "--all"]},
        {"delaySeconds": 60, "reason": "wait", "prompt": "/reset-circuit --all"},
    ],
)
def test_override_is_known_in_any_text_of_a_scheduling_call(given: object) -> None:
    assert carries_override(given, "SUDO BYPASS")
    for _ in range(400):
        given = {"jobs": [given, 1.5, None]}
    assert carries_override(given, "SUDO BYPASS")


@pytest.mark.parametrize(
    "text",
    [
        "look at the build",
        "check that the circuit-breaker reset works in payments",
        "sudo apt update",
        "reset the board",
        "sudo bypass the cache",
        "python3 manage.py reset --all",
        "git reset --hard; circuit-breaker status --all",
    ],
)
def test_scheduled_prompt_without_it_is_free(text: str) -> None:
    assert not carries_override({"prompt": text}, "SUDO BYPASS")


def test_scheduling_tools_are_known_by_their_names() -> None:
    assert [
        t for t in ("CronCreate", "ScheduleWakeup", "mcp__x__schedule_task", "Bash", "Agent") if schedules(t)
    ] == [
        "CronCreate",
        "ScheduleWakeup",
        "mcp__x__schedule_task",
    ]


WINDOWS = Guarded(
    folders=("D:/cb", "C:/Users/Ada L/AppData/Local/claude-cb", "C:/tools/cb copy"),
    project="C:/proj",
    variables={"HOME": "C:\\Users\\Ada L", "CIRCUIT_BREAKER_HOME": "D:/cb"},
    keyword="SUDO BYPASS",
    **NAMES,
)


@pytest.mark.parametrize(
    ("tool", "text", "cwd"),
    [
        ("Write", "D:\\cb\\sessions\\x", "C:\\proj"),
        ("Write", "d:\\CB\\sessions\\x", "C:\\proj"),
        ("Edit", "/d/cb/python", "/c/proj"),
        ("Write", "C:\\tools\\cb copy\\hooks\\run", "C:\\proj"),
        ("PowerShell", "Remove-Item D:\\cb\\sessions -Recurse", "C:\\proj"),
        ("PowerShell", "Remove-Item 'd:\\cb' -Recurse", "C:\\proj"),
        ("PowerShell", "Set-Location D:\\cb; Remove-Item sessions -Recurse", "C:\\proj"),
        ("PowerShell", "Remove-Item $env:CIRCUIT_BREAKER_HOME\\sessions -Recurse", "C:\\proj"),
        ("PowerShell", "Remove-Item $HOME\\AppData\\Local\\claude-cb -Recurse", "C:\\proj"),
        ("PowerShell", "Remove-Item sessions -Recurse", "D:\\cb"),
        ("PowerShell", "Remove-Item 'C:\\tools\\cb copy' -Recurse", "C:\\proj"),
        ("Bash", "rm -rf /d/cb/sessions", "C:\\proj"),
        ("Bash", "rm -rf /d/cb/sessions", "/c/proj"),
        ("Bash", "rm -rf 'D:\\cb\\sessions'", "/c/proj"),
        ("Bash", "rm -rf D:\\\\cb\\\\sessions", "/c/proj"),
        ("Bash", "cd /d && rm -rf cb", "/c/proj"),
        ("Bash", "rm -rf sessions", "/d/cb"),
        ("Bash", 'rm -rf "$HOME/AppData/Local/claude-cb"', "/c/proj"),
    ],
)
def test_a_guarded_folder_of_windows_is_known_in_every_spelling(tool: str, text: str, cwd: str) -> None:
    given = {"command": text} if tool in ("Bash", "PowerShell") else {"file_path": text}
    assert reaches_for(tool, given, cwd, WINDOWS) == "files"


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("Write", "C:\\proj\\src\\cb\\x"),
        ("Write", "/d/cbx/y"),
        ("PowerShell", "Remove-Item build -Recurse"),
        ("PowerShell", "Get-Content D:\\cb\\errors.log"),
        ("Bash", "rm -rf C:/proj/build /c/proj/dist"),
        ("Bash", "cat /d/cb/errors.log"),
    ],
)
def test_what_lies_beside_a_guarded_folder_of_windows_is_free(tool: str, text: str) -> None:
    given = {"command": text} if tool in ("Bash", "PowerShell") else {"file_path": text}
    for cwd in ("C:\\proj", "/c/proj", "C:/proj"):
        assert reaches_for(tool, given, cwd, WINDOWS) == ""


@pytest.mark.parametrize(
    "text", ["$HOME/State/x", "${CIRCUIT_BREAKER_HOME}/x", "~/State/x", "/Users/Ada/State/x"]
)
def test_capitals_in_a_guarded_path_hide_nothing(text: str) -> None:
    place = Guarded(
        folders=("/Users/Ada/State",),
        project="/p",
        variables={"HOME": "/Users/Ada", "CIRCUIT_BREAKER_HOME": "/Users/Ada/State"},
        keyword="SUDO BYPASS",
        **NAMES,
    )
    assert reaches_for("Bash", {"command": f"rm -rf {text}"}, "/p", place) == "files"
    assert reaches_for("Write", {"file_path": text}, "/p", place) == "files"


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_line_and_no_directory_ever_raises(command: str, cwd: str) -> None:
    check("rm ~/.local/state/claude-circuit-breaker " + command, cwd=cwd)
    carries_override(command, "SUDO BYPASS")


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf '/home/jo smith/.local/state/claude-circuit-breaker'",
        "rm -rf /home/jo\\ smith/.config/claude-circuit-breaker/config.json",
        'sed -i s/a/b/ "/home/jo smith/.local/share/cb-copy/hooks/hooks.json"',
        'cd "/home/jo smith/.local/share" && rm -r cb-copy',
    ],
)
def test_a_guarded_folder_with_a_blank_in_its_path_is_known(command):
    user = "/home/jo smith"
    folders = (
        f"{user}/.local/state/claude-circuit-breaker",
        f"{user}/.config/claude-circuit-breaker",
        f"{user}/.local/share/cb-copy",
    )
    place = Guarded(
        folders=folders, project=f"{user}/a project", variables={"HOME": user}, keyword="SUDO BYPASS", **NAMES
    )
    assert reaches_for("Bash", {"command": command}, f"{user}/a project", place) == "files"
    assert reaches_for("Bash", {"command": f"make -C '{user}/a project'"}, f"{user}/a project", place) == ""
    assert reaches_for("Write", {"file_path": f"{folders[2]}/x"}, f"{user}/a project", place) == "files"
