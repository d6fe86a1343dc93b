"""Which shell lines wait, and where in the line the wait is. Pure."""

from __future__ import annotations

from circuit_breaker.shell import live, reading, shell_line, snippets

# Where a wait is: nowhere, before (or between) other commands, after them, or the line only waits.
NONE, BEFORE, AFTER, ALONE = 0, 1, 2, 3
# Every line that waits has one of these: most lines have none and are not read.
_HINTS = (
    "sleep|wait|watch|until |while |--tail|--pid|timeout|ping|read |follow|-f| -w|rollout|--stream|--retry|events|glab|heroku"
).split("|")
_IN_ORDER = {NONE: [], BEFORE: [True, False], AFTER: [False, True], ALONE: [True]}
_WATCHERS = ("watch", "viddy", "hwatch")
_SLEEPERS = frozenset("sleep usleep gsleep start-sleep".split())
# Beside scripts whose name begins with "wait".
_WAITERS = "wait wait-job wait-process wait-event waitpid inotifywait fswatch wait-on wait-for-it wait-for dockerize".split()
# Programs that follow something until it ends if one of these arguments is there.
_FOLLOWS = {
    "tail": "-f -F --pid -fn -Fn",
    **dict.fromkeys(("journalctl", "tkn"), "-f -fu"),
    **dict.fromkeys(("docker", "podman", "docker-compose"), "wait -f events"),
    **dict.fromkeys(("kubectl", "oc"), "wait -w -f rollout"),
    "gh": "watch -w",
    "glab": "--live -l",
    "aws": "wait",
    **dict.fromkeys(("az", "argocd"), "wait"),
    "gcloud": "wait --stream",
    "curl": "--retry --retry-delay",
    "heroku": "--tail -t",
    **dict.fromkeys(("get-content", "gc"), "-Wait -wait"),
}
_FILED = frozenset("docker podman docker-compose kubectl oc".split())
_DECORATION = frozenset("echo printf true : date cd export set local clear write-host write-output".split())


def line_waits(command: str, depth: int = 0) -> int:
    """NONE, BEFORE, AFTER or ALONE."""
    low = command[: shell_line.LONGEST].lower()
    if not any(hint in low for hint in _HINTS) or depth > shell_line.DEPTH:
        return NONE
    done: list[bool] = []  # for each thing the line does, whether it is a wait
    loops = False
    for segment in shell_line.segments(command):
        done += _IN_ORDER[_segment_waits(segment, depth)] or [False] * _acts(segment)
        loops = loops or segment.words[:1] in (["until"], ["while"])
    if len(command) > shell_line.LONGEST:
        done.append(False)  # the end that is not read
    if True not in done:
        return NONE
    if all(done):
        return ALONE
    return AFTER if done[-1] and not loops else BEFORE


def _acts(segment: shell_line.Segment) -> bool:
    """Whether a simple command does more than harmless builtins (`./date` is another program than `date`)."""
    words = shell_line.program(segment.words)
    harmless = not words or (words[0].lower() in _DECORATION and words[0] in segment.words)
    return not harmless or bool(segment.inner or segment.targets)


def _segment_waits(segment: shell_line.Segment, depth: int) -> int:
    """Where one simple command waits. BEFORE also means that it waits and looks in one."""
    words = shell_line.program(segment.words)
    if segment.joint == "&" or not words:
        return NONE  # it runs in the background
    words = shell_line.program(reading.behind_runner(words)) or words
    name, rest = words[0].lower(), words[1:]
    if _only_waits(name, rest, segment):
        return ALONE
    line = reading.inner_line(words)[1]
    if line and name not in _WATCHERS:
        return line_waits(line, depth + 1)
    return BEFORE if name in _WATCHERS or _follows(name, rest) else NONE


def _only_waits(name: str, rest: list[str], segment: shell_line.Segment) -> bool:
    if name in _SLEEPERS:
        return any(_seconds(word) or word == "infinity" or word[:1] == "$" for word in rest)
    if name in _WAITERS or rest == ["wait-for-device"]:
        return name != "wait" or "wait" in segment.words
    if name == "ping":  # so one waits on Windows, and with `timeout`
        return rest[:1] in (["-n"], ["-c"]) and rest[-1] in ("127.0.0.1", "localhost")
    if name == "timeout" or (name == "read" and "-t" in rest):
        return True
    code = ["-c", segment.given] if segment.given and rest in ([], ["-"]) else rest  # python3 - <<EOF
    return snippets.only_sleeps(name, code) or live.script_of(name, rest).startswith("wait")


def _follows(name: str, rest: list[str]) -> bool:
    """Whether a program with these arguments follows something until it ends."""
    if name == "git" or ("rollout" in rest and "status" not in rest):
        return False  # git log --follow
    marks = ["--watch", "--wait", "--follow", *_FOLLOWS.get(name, "").split()]
    if name in _FILED and "logs" not in rest:
        marks = [mark for mark in marks if mark != "-f"]  # -f names a file
    return any(word in marks or (name == "tail" and word.startswith("--pid=")) for word in rest)


def seconds_of(command: str) -> float:
    """The sum of a line's sleeps in seconds; variables count as 0."""
    sleeps = [words for words in shell_line.programs(command) if words[0].lower() in _SLEEPERS]
    return sum(_seconds(word) for words in sleeps for word in words[1:])


def _seconds(word: str) -> float:
    number = word.rstrip("smhd")
    if not number.replace(".", "", 1).isdecimal() or len(number) > 9:
        return 0.0
    return float(number) * {"m": 60, "h": 3600, "d": 86_400}.get(word[len(number) :], 1)
