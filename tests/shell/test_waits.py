"""Where a call waits, by its words: nowhere, before or after what else it does, or nothing but the wait."""

from __future__ import annotations

import pytest

from circuit_breaker.identity import calls, looks
from circuit_breaker.shell.waits import AFTER, ALONE, BEFORE, NONE, line_waits, seconds_of

LINES = {
    ALONE: [
        "sleep 30",
        "sleep 0.5",
        "sleep 2m",
        "sleep 10; sleep 10",
        "sleep 20 && echo done",
        "echo waiting; sleep 5; date",
        "wait",
        "wait $PID",
        "timeout /t 5",
        "ping -n 6 127.0.0.1",
        "python3 -c 'import time; time.sleep(20)'",
        "perl -e 'sleep 5'",
        "bun -e 'await Bun.sleep(5000)'",
        "python3 - <<'EOF'\nimport time\ntime.sleep(5)\nEOF",
        "./scripts/wait-for-db.sh",
        "python scripts/wait_for_ready.py --timeout 20",
        "bash wait.sh 30",
        "cd /p && sleep 5",
        "npx wait-on http://localhost:3000",
        "./wait-for-it.sh db:5432 -t 30",
        "read -t 5",
        "busybox sleep 5",
        "fswatch -1 out.json",
        "timeout 60 bash -c 'sleep 30'",
        "while true; do sleep 5; done",
    ],
    BEFORE: [
        "sleep 5 && gh run view 1",
        "sleep 30; tail log",
        "cd x && sleep 5 && ls",
        "gh run watch 1",
        "gh pr checks --watch",
        "kubectl get pods -w",
        "kubectl rollout status deploy/web",
        "until curl -s x; do sleep 1; done",
        "while ! curl -s x; do sleep 2; done",
        'timeout 60 bash -c "until curl -sf x; do sleep 2; done"',
        "watch -n 5 ls",
        "for i in 1 2; do sleep 5; gh run view; done",
        "kubectl wait --for=x pod/y",
        "tail -f app.log",
        "timeout 20 tail -F app.log",
        "docker logs -f web",
        "docker events",
        "heroku logs -t",
        "glab ci trace -l",
        "journalctl -u web -f",
        "aws ecs wait services-stable",
        "sleep 5 && pytest",
        "sleep 5; echo started > marker",
        f"sleep 5; echo '{'word ' * 900}' > notes.md",
        "sleep 20; echo $(curl -s x)",
        "ssh host 'sleep 5; tail log'",
        "read -t 5; cat f",
        "gcloud builds log --stream 77",
        "curl -s --retry 9 --retry-delay 3 http://localhost:3000",
    ],
    AFTER: ["gh run view 1; sleep 20", "for i in 1 2; do gh run view; sleep 5; done", "curl -s x && sleep 3"],
    NONE: [
        "kubectl apply -f k8s/",
        "kubectl rollout restart deploy/web",
        "docker build -f Dockerfile .",
        "docker compose -f dev.yml up -d",
        "ls",
        "pytest",
        "grep -w watch f",
        "cat wait.txt",
        "cat wait.sh",
        "python test_wait.py",
        "git log",
        "gh pr list",
        "npm run watch",
        "tail -5 log",
        "timeout 30 pytest",
        "ping -c 1 host",
        "sleep 60 &",
        "sleep 0",
        "echo sleep",
        "grep -rn sleep src",
        "python3 -c 'print(1)'",
        "cat > f <<A\nsleep 5\nA",
        "while read x; do echo $x; done < f",
        "",
    ],
}


@pytest.mark.parametrize(
    ("command", "where"), [(line, where) for where, lines in LINES.items() for line in lines]
)
def test_where_a_line_waits(command: str, where: int) -> None:
    assert line_waits(command) == where


@pytest.mark.parametrize("command", [line for line in LINES[ALONE] if not line.startswith("cd")])
def test_waits_alone_are_one_call_however_long_each_is(command: str) -> None:
    assert calls.call_key("Bash", {"command": command}, "/a") == calls.call_key(
        "Bash", {"command": "sleep 7"}, "/b"
    )


def test_a_wait_is_another_call_than_what_it_waits_for() -> None:
    wait, look, both = (
        calls.call_key("Bash", {"command": line})
        for line in ("sleep 9", "gh run view 7", "sleep 9; gh run view 7")
    )
    assert wait != look == both


@pytest.mark.parametrize(
    ("tool", "given", "where"),
    [
        ("Monitor", {"command": "until curl -s x; do sleep 2; done"}, ALONE),
        ("TaskOutput", {"task_id": "b1", "block": True}, ALONE),
        ("TaskOutput", {"task_id": "b1", "block": False}, NONE),
        ("BashOutput", {"bash_id": "1"}, NONE),
        ("ScheduleWakeup", {"delaySeconds": 270, "prompt": "look again"}, ALONE),
        ("write_stdin", {"chars": "", "session_id": 5}, ALONE),
        ("write_stdin", {"chars": "y\n"}, NONE),
        ("PowerShell", {"command": "Start-Sleep -Seconds 20"}, ALONE),
        ("PowerShell", {"command": "Start-Sleep 5; gh run view 7"}, BEFORE),
        ("mcp__chrome-devtools__wait_for", {"text": ["Results"], "timeout": 5000}, ALONE),
        ("mcp__playwright__browser_wait_for", {"time": 3}, ALONE),
        ("mcp__x__waitForTimeout", {}, ALONE),
        ("mcp__claude-in-chrome__computer", {"action": "wait", "duration": 3}, ALONE),
        ("mcp__claude-in-chrome__computer", {"action": "screenshot"}, NONE),
        ("mcp__ci__status", {"id": 4, "wait": True}, BEFORE),
        ("mcp__ci__status", {"id": 4, "wait_seconds": 30}, BEFORE),
        ("mcp__ci__status", {"id": 4, "wait": False}, NONE),
        ("mcp__x__get_waiter", {}, NONE),
        ("Read", {"file_path": "sleep.py"}, NONE),
        ("Bash", None, NONE),
        ("Bash", {"command": 5}, NONE),
    ],
)
def test_where_a_tool_waits(tool: str, given: object, where: int) -> None:
    assert looks.wait_of(tool, given) == where


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        ("sleep 240", 240.0),
        ("sleep 2m", 120.0),
        ("sleep 1.5; sleep 2", 3.5),
        ("sleep $N", 0.0),
        ("sleep infinity", 0.0),
        ("ls", 0.0),
        ("sleep " + "9" * 400, 0.0),
    ],
)
def test_how_long_a_wait_will_take_as_far_as_it_says(command: str, seconds: float) -> None:
    assert seconds_of(command) == seconds
