"""Waits are waits wherever they stand, and a look after one is a poll; what goes on without a wait is a loop."""

from __future__ import annotations

import pytest
from streams import Stream

from circuit_breaker.breaker.model import ALLOW, DENY, FAILED, INVALID, LAUNCHED, OK, WARN, Prompt
from circuit_breaker.identity.keys import digest

PENDING = "Exit code 8\nbuild\tpending\t0\thttps://ci.example/runs/71/job/1"
REFUSED = "Exit code 7\ncurl: (7) Failed to connect to localhost port 3000"
LATER = "<tool_use_error>Blocked: sleep 60. To wait for a condition, use Monitor with an until-loop.</tool_use_error>"
MCP = "mcp__chrome-devtools__"


def sh(command, text=""):
    return ("Bash", {"command": command}, text, OK)


def fails(command, text):
    return ("Bash", {"command": command}, text, FAILED)


def launch(command):
    given = {"command": command, "run_in_background": True}
    return ("Bash", given, "Command running in background with ID: b1", LAUNCHED)


def powershell(command, text="", kind=OK):
    return ("PowerShell", {"command": command}, text, kind)


def play(calls, rounds, pace=5.0, between=None):
    """`rounds` times the calls, one a turn."""
    stream = Stream(pace=pace)
    for _ in range(rounds):
        for call in calls:
            stream.call(*call)
        if between:
            between(stream)
    return stream


def trips(stream):
    return [transition.name for transition in stream.events("trip")]


# --- Polls are work


POLLS = {
    "CI that fails while it is pending, a wait in a call of its own": [
        sh("sleep 20"),
        fails("gh pr checks 7", PENDING),
    ],
    "the wait in the same line": [fails("sleep 20 && gh pr checks 7", PENDING)],
    "the wait behind the look": [sh("gh run view 7; sleep 20", "in progress")],
    "a server that comes up": [sh("sleep 3"), fails("curl -sf localhost:3000", REFUSED)],
    "until loops that run into their limit": [
        fails(
            "until curl -sf localhost:3000; do sleep 2; done", "Exit code 143\nCommand timed out after 2m 0s"
        )
    ],
    "a script that sleeps": [sh("python3 -c 'import time; time.sleep(9)'; gh run view 7", "in progress")],
    "pods, their events and their logs": [
        sh("sleep 15"),
        sh("kubectl get pods", "web-1 0/1 Pending"),
        sh("kubectl get events", "none"),
        sh("kubectl logs web-1", "starting"),
    ],
    "a log that is followed for a while": [
        fails("timeout 20 tail -f build.log", "Exit code 124\nstep 3 of 9")
    ],
    "the end of a log": [sh("sleep 20; tail -3 train.log", "epoch 3/90")],
    "a file after a wait": [sh("sleep 20"), sh("ls out/", "a b")],
    "a file that is not there yet": [
        sh("sleep 20"),
        fails("cat out.json", "Exit code 1\ncat: out.json: No such file or directory"),
    ],
    "a Read after a wait": [sh("sleep 20"), ("Read", {"file_path": "/p/out.json"}, "1\t{}", OK)],
    "Monitor": [
        ("Monitor", {"command": "until gh run view 7 | grep done; do sleep 9; done"}, "timed out", OK),
        sh("gh run view 7", "in progress"),
    ],
    "PowerShell": [powershell("Start-Sleep -Seconds 20"), powershell("Get-Service web", "Stopped web")],
    "a condition in PowerShell": [
        powershell(
            "while (-not (Test-NetConnection localhost -Port 5432).TcpTestSucceeded) { Start-Sleep 2 }"
        )
    ],
    "a log that PowerShell follows": [powershell("Get-Content b.log -Wait | Select-Object -First 5", "x")],
    "Windows' own wait": [powershell("timeout /t 20 /nobreak; gh pr checks 7", "pending")],
    "PowerShell, failing": [
        powershell("Start-Sleep 5"),
        powershell("Invoke-WebRequest http://localhost:5000", "Exit code 1\nUnable to connect", FAILED),
    ],
    "an MCP tool that waits for a text in vain": [
        (MCP + "wait_for", {"text": ["Results"]}, "Timed out after waiting 5000ms", FAILED),
        (MCP + "take_snapshot", {}, "Searching", OK),
    ],
    "an MCP tool that waits while it looks": [("mcp__ci__status", {"id": 7, "wait": True}, "running", OK)],
    "the output of a command in the background": [("BashOutput", {"bash_id": "b1"}, "running", OK)],
    "a task that is waited for": [("TaskOutput", {"task_id": "b1", "block": True}, "running", OK)],
    "a database that comes up": [
        sh("sleep 2"),
        fails("psql -h localhost -c 'select 1'", "Exit code 2\npsql: error: connection refused"),
    ],
    "two waits and two looks at once": [sh("sleep 10; gh pr checks 7; gh run list -L 3", "pending")],
    "an answer that code in the pipe reads": [
        sh(
            "sleep 20; curl -s x/jobs/7 | python3 -c 'import sys, json; print(json.load(sys.stdin)[\"state\"])'",
            "running",
        )
    ],
    "a file that code reads": [
        sh("sleep 20"),
        sh("python3 -c 'print(len(open(\"out.csv\").read()))'", "120"),
    ],
    "a file that a script on stdin reads": [
        sh("sleep 20; python3 - <<'EOF'\nimport json\nprint(json.load(open('m.json'))['epoch'])\nEOF", "4")
    ],
    "what others push": [sh("sleep 20; git pull --ff-only", "Already up to date.")],
    "what others push, the wait a call of its own": [sh("sleep 20"), sh("svn update", "At revision 12.")],
    "a program behind npx": [sh("sleep 20; npx vercel inspect x", "Building")],
    "a shell that is an MCP tool": [
        ("mcp__ssh__exec", {"command": "sleep 15; tail -1 /srv/build.out"}, "[1200/4000] CXX", OK)
    ],
    "a program of which nothing is known": [sh("sleep 20; mailq | tail -1", "-- 3 Kbytes in 1 Request.")],
    "a script of one's own that is named for a look": [
        sh("sleep 20; python scripts/check_job.py --id 7", "PENDING")
    ],
    "a script of a shell, the wait a call of its own": [sh("sleep 20"), sh("bash ci/get-run.sh 7", "queued")],
    "a hosted log that is followed for a while": [
        fails("timeout 20 fly logs -a web", "Exit code 124\napp started")
    ],
    "a device that is read for a while": [fails("timeout 5 cat /dev/ttyUSB0", "Exit code 124\nboot ok")],
    "messages that may come": [
        fails("timeout 20 redis-cli subscribe jobs", "Exit code 124\nsubscribe jobs 1")
    ],
    "a look that waits": [sh("cloud-init status --wait", "...")],
    "a device that boots": [fails("timeout 20 adb wait-for-device", "Exit code 124\n")],
    "a program that says it shows something": [sh("sleep 20; acmectl job show 7", "queued")],
    "a wait in the background that has ended": [launch("sleep 30"), sh("cat status.txt", "pending")],
}


@pytest.mark.parametrize("calls", POLLS.values(), ids=POLLS)
def test_looking_at_what_is_waited_for_is_work(calls):
    stream = play(calls, rounds=12, pace=20.0)
    assert stream.said == [] and trips(stream) == []


BY_THE_CLOCK = {
    "CI": sh("gh run view 7", "in progress"),
    "CI, failing": fails("gh pr checks 7", PENDING),
    "a queue": sh("squeue -u me", "123 PD"),
    "another machine": sh("ssh gpu 'tail -2 train.log'", "step 100"),
    "a URL": fails("curl -sf localhost:3000", REFUSED),
    "a log": ("Read", {"file_path": "/p/train.log"}, "1\tstep 1", OK),
    "an MCP tool": ("mcp__jenkins__get_build_status", {"id": 4}, "running", OK),
    "an MCP tool whose name ends with what it gives": ("mcp__eas__build_info", {"id": 4}, "in queue", OK),
}


@pytest.mark.parametrize("call", BY_THE_CLOCK.values(), ids=BY_THE_CLOCK)
def test_a_look_a_minute_at_what_changes_by_itself_is_warned_about_at_twenty_and_never_blocked(call):
    stream = Stream(pace=60.0)
    verdicts = [stream.call(*call).verdict for _ in range(60)]
    assert verdicts.index(WARN) == 19 and verdicts.count(WARN) == 1
    assert set(verdicts) == {ALLOW, WARN} and trips(stream) == []


@pytest.mark.parametrize("gap", [30, 120])
def test_the_gap_is_a_key_of_the_configuration(gap):
    stream = Stream(pace=60.0, poll_gap_seconds=gap)
    for _ in range(10):
        stream.call(*BY_THE_CLOCK["CI"])
    assert bool(trips(stream)) is (gap > 60)


@pytest.mark.parametrize(
    "call",
    [
        sh("ls", "a"),
        sh("pwd", "/p"),
        sh("git status", "clean"),
        ("Read", {"file_path": "/p/a.py"}, "1\tx", OK),
    ],
    ids=["ls", "pwd", "git status", "Read"],
)
def test_time_alone_is_no_wait_for_files_and_folders(call):
    stream = play([call], rounds=4, pace=300.0)
    assert len(trips(stream)) == 1


def test_without_a_wait_looking_again_and_again_is_a_loop():
    stream = play([sh("gh run view 7", "in progress")], rounds=4)
    assert len(trips(stream)) == 1


def test_only_the_look_after_a_wait_is_a_poll_not_the_next_one():
    look = sh("gh run view 7", "in progress")
    stream = play([sh("sleep 20"), look, look, look, look], rounds=1)
    assert [event.name for event in stream.events("warning")] == ["repeated_call:Bash gh run view"]


def test_a_program_that_fails_is_no_look_unless_its_words_say_so():
    unknown = play([sh("sleep 5"), fails("acmectl rollout 7", "Exit code 1\nno such rollout")], rounds=3)
    assert trips(unknown) == ["tool_failure:Bash acmectl"]
    shows = play([sh("sleep 5"), fails("acmectl rollout status", "Exit code 1\npending")], rounds=3)
    assert not shows.said


@pytest.mark.parametrize(
    "call",
    [
        fails("sleep 20; python jobs/check_job.py 7", "Exit code 1\njob 7: RUNNING"),
        fails("sleep 20; ./scripts/check_deploy.sh web", "Exit code 1\nnot ready (1/3 instances)"),
        fails("sleep 20; acmectl rollout 7", "Exit code 1\nstate: PENDING"),
    ],
)
def test_a_program_of_the_project_that_fails_until_something_is_done_is_a_poll(call):
    stream = play([call], rounds=18)
    assert not stream.said
    assert trips(play([call], rounds=20)) != []


@pytest.mark.parametrize(
    "command", ["sleep 20; npm run e2e", "sleep 20; ./deploy.sh", "sleep 20; make check"]
)
def test_what_acts_and_fails_after_a_wait_is_no_poll_though_it_names_a_state(command):
    assert len(trips(play([fails(command, "Exit code 1\nserver not ready")], rounds=4))) == 1


@pytest.mark.parametrize(
    "call",
    [
        sh("sleep 5; python train.py", "done"),
        sh("sleep 5; bash deploy.sh", "done"),
        sh("python scripts/check_job.py --id 7", "PENDING"),
        fails("sleep 5; ./check.sh", "Exit code 1\nE assert 1 == 2"),
        fails("timeout 20 node server.js", "Exit code 124\nlistening"),
        fails("timeout 20 fly logs -a web", "Exit code 1\nno such app"),
        sh("git log --follow a.py", "abc1234 Fix"),
    ],
)
def test_what_acts_or_fails_or_comes_after_no_wait_is_no_poll(call):
    assert len(trips(play([call], rounds=4))) == 1


def test_an_act_after_a_wait_is_no_poll():
    stream = play([sh("sleep 5"), fails("npm test", "Exit code 1\nE assert 1 == 2")], rounds=3)
    assert trips(stream) == ["tool_failure:Bash npm test"]


LATER_ON = {
    "a registry that allows fewer calls": ("docker pull node:22", "toomanyrequests: You have reached your pull rate limit."),
    "another page each time": ("python3 import.py --page {}", "imported 100 rows\nHTTP 429 Too Many Requests"),
    "an overloaded service": ("python3 eval.py --resume", "resuming at {}0\nError code: 529 - overloaded_error"),
    "a lock of another process": ("sudo apt-get install -y jq", "E: Could not get lock /var/lib/dpkg/lock-frontend."),
    "a lock that a pipe hides": ("terraform apply | tail -3", "Error acquiring the state lock"),
    "a build beside this one": ("timeout 30 cargo build", "    Blocking waiting for file lock on build directory"),
    "an update of the same thing": ("aws lambda update-function-code --function-name f", "ResourceConflictException: An update is in progress"),
    "another release": ("helm upgrade app ./chart", "Error: another operation (install/upgrade/rollback) is in progress"),
    "a busy mount": ("sudo umount /mnt", "umount: /mnt: target is busy."),
    "a push through a bad network": ("git push -u origin main", "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502"),
    "a name that is not resolved": ("git push", "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com"),
    "a server that comes up": ("node smoke.js", "Error: connect ECONNREFUSED 127.0.0.1:3000"),
    "a migration before its database": ("alembic upgrade head", "OperationalError: connection to server failed: Connection refused"),
    "a database server that is not there yet": ("npx prisma migrate deploy", "Error: P1001: Can't reach database server at `localhost:5432`"),
    "a socket that is not there yet": ("mysql -e 'create database d'", "ERROR 2002 (HY000): Can't connect to local MySQL server through socket"),
    "a port that nobody listens on": ("curl -X POST localhost:3000/seed", "curl: (7) Failed to connect to localhost port 3000 after 0 ms: Couldn't connect to server"),
    "a daemon that starts": ("docker compose up -d", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
    "a cluster that starts": ("kubectl apply -f app.yaml", "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"),
    "an emulator that starts": ("adb install app.apk", "adb: no devices/emulators found"),
    "a database that starts": ("make integration", "psycopg2.OperationalError: FATAL:  the database system is starting up"),
}  # fmt: skip


@pytest.mark.parametrize(("command", "text"), LATER_ON.values(), ids=LATER_ON)
@pytest.mark.parametrize("wait", ["in the line", "as a call", "in the background"])
def test_what_is_asked_to_come_back_later_and_waits_is_work_up_to_eight_times(command, text, wait):
    stream = Stream(pace=10.0)
    hidden = "|" in command
    for i in range(6):
        line, said = command.format(i), text.format(i)
        line = f"sleep 20; {line}" if wait == "in the line" else line
        stream.bash(line, said if hidden else f"Exit code 1\n{said}", fails=not hidden)
        if wait == "as a call":
            stream.bash("sleep 20")
        elif wait == "in the background":
            stream.call(*launch("sleep 10"))
    assert stream.said == []
    for _ in range(8):
        stream.bash("sleep 20")
        stream.bash("docker pull a:1", "Exit code 1\ntoomanyrequests", fails=True)
    warned, opened = stream.events("warning")[0], stream.events("trip")[0]
    assert (warned.count, opened.count, opened.name) == (7, 8, "repeated_call:Bash docker pull")


@pytest.mark.parametrize(("command", "text"), LATER_ON.values(), ids=LATER_ON)
def test_what_is_asked_to_come_back_later_and_does_not_wait_is_a_loop(command, text):
    stream = Stream(pace=5.0)
    for i in range(6):
        stream.bash(command.format(i), f"Exit code 1\n{text.format(i)}", fails=True)
    assert len(trips(stream)) == 1


def test_an_mcp_tool_that_is_asked_to_come_back_later_may_wait_too():
    later = ("mcp__notion__create_page", {"title": "x"}, "Rate limited: retry after 15 seconds", FAILED)
    assert not play([later, sh("sleep 15")], rounds=6).said
    assert not play([later], rounds=6, pace=61.0).said
    assert trips(play([later, sh("sleep 90")], rounds=9, pace=91.0))
    assert play([later], rounds=3).said


def test_a_browser_may_wait_for_a_server_too():
    refused = "page.goto: net::ERR_CONNECTION_REFUSED at http://localhost:3000/"
    opens = ("mcp__playwright__browser_navigate", {"url": "http://localhost:3000"}, refused, FAILED)
    assert not play([opens, sh("sleep 3")], rounds=6).said
    assert trips(play([opens], rounds=3))


def test_a_look_whose_failures_only_alternate_brings_no_news():
    stream = Stream(pace=5.0)
    for i in range(6):
        stream.bash("curl -sf localhost:3000", f"Exit code {7 if i % 2 else 22}\n{'ab'[i % 2]}", fails=True)
    assert trips(stream) == ["tool_failure:Bash curl"]


def test_a_look_that_fails_with_something_new_each_time_has_brought_news():
    stream = Stream(pace=15.0)
    jobs = "lint unit docs e2e wheel sdist".split()
    for done in range(len(jobs)):
        rows = [f"{job}\t{'pass' if i < done else 'pending'}\t0" for i, job in enumerate(jobs)]
        stream.bash("gh pr checks 7", "Exit code 8\n" + "\n".join(rows), fails=True)
        stream.bash("gh pr checks 7", "Exit code 8\n" + "\n".join(rows), fails=True)
    assert stream.said == []
    for _ in range(4):
        stream.bash("gh pr checks 7", PENDING, fails=True)
    assert trips(stream) == ["tool_failure:Bash gh pr checks"]


def test_unchanged_polls_end_at_twenty_warned_about_one_before():
    stream = Stream(pace=20.0)
    for _ in range(25):
        stream.bash("sleep 20")
        stream.bash("gh run view 7", "in progress")
    warned, opened = stream.events("warning")[0], stream.events("trip")[0]
    assert (warned.count, opened.count, opened.name) == (19, 20, "repeated_call:Bash gh run view")


def test_polls_whose_answer_changes_have_no_end():
    stream = Stream(pace=20.0)
    for i in range(60):
        stream.bash("sleep 20")
        stream.bash("gh run view 7", f"step {i} of 60")
    assert stream.said == []


def test_looks_between_that_bring_news_keep_the_waits_from_being_alone():
    stream = Stream(pace=5.0)
    for i in range(40):
        stream.bash("sleep 5")
        stream.bash(f"cat part{i}.txt", "text " + "x" * i)
    assert stream.said == []


@pytest.mark.parametrize("shell", ["Bash", "PowerShell"])
def test_waits_alone_are_twenty_too_however_long_each_is(shell):
    stream = Stream(pace=9.0)
    for i in range(20):
        stream.call(shell, {"command": f"sleep {5 + i}"})
    assert [event.count for event in stream.events("warning")] == [19]
    assert [event.count for event in stream.events("trip")] == [20]
    assert stream.ask(shell, {"command": "sleep 3"})[1].verdict == DENY


def test_waits_that_say_something_are_twenty_too():
    stream = Stream(pace=9.0)
    for _ in range(20):
        stream.call("mcp__playwright__browser_wait_for", {"text": "Done"}, "TimeoutError: no Done", FAILED)
    assert [event.count for event in stream.events("warning")] == [19]
    assert [event.count for event in stream.events("trip")] == [20]


# --- Prompts of machines


def notified(stream):
    stream.stop(again=False)
    stream.now += 240
    stream.prompt(person=False)


def test_a_background_wait_that_ended_comes_before_the_look():
    stream = play([launch("sleep 240"), fails("gh pr checks 7", PENDING)], rounds=15, between=notified)
    assert stream.said == []


def test_a_wake_up_is_a_wait_before_every_call_of_its_prompt():
    calls = [
        sh("git pull", "Already up to date."),
        fails("npm test", "Exit code 1\n1 failed"),
        sh("cat notes.md", "x"),
        ("ScheduleWakeup", {"delaySeconds": 600, "prompt": "again"}, "Wakeup scheduled in 600s", OK),
    ]
    assert play(calls, rounds=12, between=notified).said == []


def test_what_comes_twice_under_one_wake_up_is_no_poll_the_second_time():
    stream = play([sh("cat a", "x"), sh("cat a", "x"), sh("cat a", "x")], rounds=2, between=notified)
    assert stream.events("warning") and trips(stream)


def test_scheduling_the_next_wake_up_is_never_refused():
    schedule = ("ScheduleWakeup", {"delaySeconds": 600, "prompt": "again"}, "Wakeup scheduled in 600s", OK)
    stream = play([schedule], rounds=30, between=notified)
    assert trips(stream) == [] and len(stream.events("warning")) == 1


# --- What Claude Code refuses


def test_a_refused_wait_is_no_wait_and_is_warned_about_before_the_turn_is_stopped():
    stream = Stream(pace=5.0)
    given = {"command": "sleep 60 && gh run view 7119"}
    verdicts = [stream.call("Bash", given, LATER, INVALID).verdict for _ in range(7)]
    assert verdicts[2] == WARN and "stop" in verdicts
    assert verdicts.index(WARN) < verdicts.index("stop")


@pytest.mark.parametrize("after", ["", " && gh run view 7", "; cat part{}.txt"])
def test_refused_waits_of_other_lengths_are_one_error(after):
    stream = Stream(pace=5.0)
    verdicts = []
    for i in range(8):
        line = f"sleep {60 + i}{after.format(i)}"
        text = LATER.replace("sleep 60", line)
        verdicts.append(stream.call("Bash", {"command": line}, text, INVALID).verdict)
    assert verdicts[:3] == [ALLOW, ALLOW, WARN] and "stop" in verdicts


def test_a_server_that_sleeps_first_is_a_launch_all_the_same():
    stream = Stream(pace=5.0)
    for _ in range(5):
        stream.call(*launch("sleep 2; npm run dev"))
    assert [event.count for event in stream.events("warning")] == [5]


def test_no_warning_advises_a_wait_that_is_refused():
    streams = [
        play(calls, rounds=30, pace=5.0) for calls in ([sh("pwd", "/p")], [sh("sleep 5")], *POLLS.values())
    ]
    said = " ".join(text for stream in streams for _, text in stream.said)
    assert "waiting" in said and "sleeping command" not in said
    assert "one short sleep" in said or "in the background" in said


# --- Launches


def test_the_same_start_in_the_background_is_warned_about_at_the_fifth_and_never_blocked():
    stream = Stream(pace=5.0)
    verdicts = [stream.call(*launch("npm run dev")).verdict for _ in range(30)]
    assert verdicts.count(WARN) == 1 and verdicts[4] == WARN and trips(stream) == []


def test_starting_again_after_a_change_is_work():
    stream = Stream(pace=5.0)
    for i in range(12):
        stream.call("Edit", {"file_path": "/p/a.py", "old_string": f"{i}", "new_string": "x"}, "ok")
        stream.call(*launch("npm run dev"))
        stream.bash("sleep 3")
        stream.bash("curl -s localhost:3000", "error " + "e" * i)
    assert stream.said == []


def test_starting_again_with_the_same_failing_look_between_is_warned_about():
    stream = play([launch("npm run dev"), fails("curl -s localhost:3000", REFUSED)], rounds=7, pace=1.0)
    assert "repeated_call:Bash npm run dev" in [event.name for event in stream.events("warning")]


def test_launched_waits_are_no_launches():
    assert play([launch("sleep 240")], rounds=12, between=notified).said == []


def test_twenty_waits_in_the_background_and_nothing_else_are_warned_about_once_whatever_their_length():
    stream = Stream(pace=150.0)
    verdicts = []
    for i in range(30):
        verdicts.append(stream.call(*launch(f"sleep {150 + i}; echo ok")).verdict)
        stream.stop(again=False)
        stream.prompt("<task-notification>", person=False)
    assert verdicts.count(WARN) == 1 and verdicts[19] == WARN and trips(stream) == []


# --- Prompts that Claude had submitted later


def test_a_prompt_that_claude_scheduled_is_a_machines_whatever_the_payload_says():
    stream = Stream(pace=5.0)
    stream.call("CronCreate", {"cron": "*/10 * * * *", "prompt": "run the tests"}, "Scheduled job 1")
    for _ in range(12):
        stream.stop(again=False)
        stream.now += 600
        stream.send(Prompt(id=f"cron{stream.now}", key=digest("run the tests")))
        stream.bash("npm test", "Exit code 1\n1 failed", fails=True)
    assert stream.said == [] and stream.session.person == "p1"


def test_a_prompt_of_your_own_beside_a_schedule_is_yours():
    stream = Stream()
    stream.call("CronCreate", {"cron": "*/10 * * * *", "prompt": "run the tests"}, "Scheduled job 1")
    stream.send(Prompt(id="mine", key=digest("run the tests again")))
    assert stream.session.person == "mine"


# --- Output readers


def test_output_that_is_not_there_does_not_come_by_waiting():
    stream = Stream(pace=5.0)
    for _ in range(3):
        stream.call("TaskOutput", {"task_id": "b9", "block": True}, "No task found with ID: b9", FAILED)
    assert trips(stream) == ["tool_failure:TaskOutput"]


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("mcp__desktop-commander__read_process_output", {"pid": 5}),
        ("mcp__shell__poll", {"id": 5}),
        ("mcp__x__process", {"action": "poll", "id": 5}),
        ("process", {"action": "poll", "id": 5}),
        ("Read", {"file_path": "/tmp/claude-1000/-p/5f1c/tasks/bp8ix4ea4.output"}),
        ("Read", {"file_path": r"C:\Temp\claude\p\tasks\bp8ix4ea4.output", "offset": 40}),
        ("Bash", {"command": "tail -5 /tmp/claude-1000/-p/5f1c/tasks/bp8ix4ea4.output"}),
    ],
)
def test_readers_of_output_may_look_again_and_again_to_twenty(tool, given):
    stream = Stream(pace=5.0)
    verdicts = [stream.call(tool, given, "still running").verdict for _ in range(20)]
    assert verdicts.index(WARN) == 18 and len(trips(stream)) == 1


def test_waits_between_hide_no_act_that_comes_again_and_again():
    push = sh("git push", "Everything up-to-date")
    assert trips(play([sh("sleep 10"), push], rounds=4)) == ["repeated_call:Bash git push"]
    ring = trips(play([sh("sleep 10"), push, sh("sleep 5"), sh("make tag", "v1")], rounds=3))
    assert ring == ["call_cycle:Bash git push + Bash make tag"]


@pytest.mark.parametrize(
    ("line", "stuck"),
    [
        ("{}%|███      | {}00/10000 [01:2{}<12:3{}, 1{}.3it/s]", False),
        ("30%|███      | 3000/10000 [01:2{}<12:3{}, 1{}.3it/s]", True),
        ("[ {}%] Building CXX object", False),
        ("step {}00 loss 2.13 1{}.3 it/s", False),
    ],
)
def test_a_bar_that_moves_is_news_for_who_waits_for_it(line, stuck):
    stream = Stream(pace=5.0)
    for i in range(30):
        digits = [str(i + 1)] * 2 + [str(i % 10)] * 3 if line[0] == "{" else [str(i)] + [str(i % 10)] * 3
        digits = [str(i % 10)] * 3 if stuck else digits
        stream.bash("sleep 20; tail -1 train.log", line.format(*digits))
    assert bool(stream.said) is stuck


def test_each_step_of_a_bisection_that_leads_on_is_progress():
    stream = Stream(pace=5.0)
    for i in range(5):
        stream.bash("make test", "Exit code 2\ntest x FAILED", fails=True)
        stream.bash("git bisect bad", f"Bisecting: {200 >> i} revisions left to test after this")
    assert not stream.said
    for _ in range(3):
        stream.bash("make test", "Exit code 2\ntest x FAILED", fails=True)
        stream.bash("git bisect bad", "Bisecting: 12 revisions left to test after this")
    assert trips(stream)


def test_looks_between_that_see_nothing_new_hide_no_act_either():
    restart, look = sh("docker restart web", "web"), fails("curl -sf localhost:3000", REFUSED)
    assert trips(play([restart, sh("sleep 5"), look], rounds=5)) == ["repeated_call:Bash docker restart"]
    stream = Stream(pace=5.0)
    for i in range(8):
        for call in (restart, sh("sleep 5"), sh("docker logs web", f"step {'abcdefgh'[i]}")):
            stream.call(*call)
    assert not stream.said


def test_waits_between_make_no_fewer_clicks_without_a_look():
    clicks = [
        ("mcp__browser__click", {"ref": "next"}, "clicked"),
        ("mcp__browser__wait_for", {"time": 1}, "ok"),
    ]
    assert not play(clicks, rounds=6).said
    assert trips(play(clicks, rounds=9))


def test_starting_again_after_its_output_said_the_same_is_warned_about():
    stream = Stream(pace=5.0)
    for i in range(6):
        stream.call("Bash", {"command": "npm run dev", "run_in_background": True}, "started", LAUNCHED)
        stream.call("BashOutput", {"bash_id": f"b{i}"}, "Error: address already in use")
        stream.call("KillShell", {"shell_id": f"b{i}"}, "Shell is not running")
    assert stream.events("warning")[0].name.startswith("repeated_call:Bash npm run") and not trips(stream)


# --- What is said


def text_of(stream):
    return " ".join(text for _, text in stream.said)


def test_a_warning_about_polls_says_what_to_do_about_waiting():
    near = play([sh("sleep 20"), sh("gh run view 7", "in progress")], rounds=19)
    assert "has not changed in all these checks" in text_of(near) and "blocked" in text_of(near)
    far = play([sh("gh run view 7", "in progress")], rounds=20, pace=60.0)
    assert "has not changed in all these checks" in text_of(far) and "blocked" not in text_of(far)


def test_a_warning_about_a_refused_wait_says_how_to_wait():
    stream = Stream(pace=5.0)
    for _ in range(3):
        stream.call("Bash", {"command": "sleep 60"}, LATER, INVALID)
    assert "Monitor" in text_of(stream) and "Read the file" not in text_of(stream)


def test_ci_that_fails_alike_after_each_push_is_no_error_that_stays():
    stream = Stream(pace=5.0)
    pending, failed = "Exit code 8\nbuild\tpending\t0", "Exit code 1\nbuild\tfail\t3m1s"
    for i in range(8):
        stream.call("Edit", {"file_path": "/p/a.ts", "old_string": f"a{i}", "new_string": f"b{i}"}, "ok")
        stream.bash(f"git commit -qam 'fix {i}' && git push -q")
        stream.bash("sleep 20")
        stream.bash("gh pr checks 12", pending, fails=True)
        stream.bash("gh pr checks 12", failed, fails=True)
    assert not stream.said


@pytest.mark.parametrize("shown", ["[####      ] 40%", "40%|████      | 4/10"])
def test_a_probe_of_polls_knows_the_bar_that_stands_still(shown):
    stream = Stream(pace=15.0)
    for _ in range(40):
        stream.bash("sleep 10; curl -s localhost/up", shown)
    assert len(stream.events("trip")) == 1 and not stream.events("close")


def test_a_heading_is_no_progress_bar():
    stream = Stream(pace=15.0)
    for i in range(40):
        stream.bash("sleep 10; cat notes.md", f"### Result\nasked in {i}.5 s")
    assert [transition.count for transition in stream.events("trip")] == [20]


def test_a_service_that_is_not_reached_at_any_of_its_addresses_is_one_that_is_not_reached():
    stream = Stream()
    for i in range(20):
        error = (
            f"Exit code 1\nnpm error network request failed, reason: connect ETIMEDOUT 104.16.{i % 7}.34:443"
        )
        stream.bash("sleep 5; npm install", error, fails=True)
    assert stream.said and [transition.count for transition in stream.events("trip")][:1] == [8]
