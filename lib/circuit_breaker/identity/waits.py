"""Which shell lines wait, and where in the line the wait is. Pure."""

from __future__ import annotations

from circuit_breaker.identity import live, reading, shell_line

# Where a wait is: nowhere, before (or between) other commands, after them, or the line only waits.
NONE, BEFORE, AFTER, ALONE = 0, 1, 2, 3
# Every line that waits has one of these: most lines have none and are not read.
_HINTS = (
    "sleep|wait|watch|until |while |--tail|--pid|timeout|ping|read |follow|-f| -w|rollout|--stream|--retry"
).split("|")
_SLEEPERS = frozenset("sleep usleep gsleep start-sleep".split())
# Beside scripts whose name begins with "wait".
_WAITERS = (
    "wait wait-job wait-process wait-event waitpid inotifywait wait-on wait-for-it wait-for dockerize".split()
)
# Programs that follow something until it ends if one of these arguments is there.
_FOLLOWS = {
    "tail": "-f -F --follow --pid -fn -Fn",
    **dict.fromkeys(("journalctl", "tkn"), "-f --follow"),
    **dict.fromkeys(("docker", "podman", "docker-compose"), "wait -f --follow events"),
    **dict.fromkeys(("kubectl", "oc"), "wait -w --watch -f --follow rollout"),
    "gh": "watch --watch -w",
    "glab": "--live -l",
    "aws": "wait --follow",
    **dict.fromkeys(("az", "argocd"), "wait"),
    "gcloud": "--wait wait --stream",
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
    found: list[bool] = []  # for each thing the line does, whether it is a wait
    waits = loops = False
    for segment in shell_line.segments(command):
        kind = _segment_waits(segment, depth)
        if kind == ALONE:
            found.append(True)
        elif kind:
            found += [True, False] if kind == BEFORE else [False, True]
        else:
            words = shell_line.program(segment.words)
            # a harmless builtin beside the wait; `./date` is another program
            beside = words and words[0].lower() in _DECORATION and words[0] in segment.words
            if (words and not beside) or segment.inner or segment.targets:
                found.append(False)
        waits = waits or bool(kind)
        loops = loops or segment.words[:1] in (["until"], ["while"])
    if not waits:
        return NONE
    if len(command) > shell_line.LONGEST:
        found.append(False)  # the end that is not read
    if all(found):
        return ALONE
    return AFTER if found[-1] and not loops else BEFORE


def _segment_waits(segment: shell_line.Segment, depth: int) -> int:
    """Where one simple command waits. BEFORE also means that it waits and looks in one."""
    if segment.joint == "&" or not segment.words:
        return NONE  # it runs in the background
    words = shell_line.program(segment.words)
    if not words:
        return NONE
    words = shell_line.program(reading.behind_runner(words)) or words
    name, rest = words[0].lower(), words[1:]
    if name in _SLEEPERS:
        waits = any(_seconds(word) or word == "infinity" or word[:1] == "$" for word in rest)
        return ALONE if waits else NONE
    if name in _WAITERS:
        return ALONE if name != "wait" or "wait" in segment.words else NONE
    pings = name == "ping" and rest[:1] in (["-n"], ["-c"]) and rest[-1] in ("127.0.0.1", "localhost")
    if pings or name == "timeout" or (name == "read" and "-t" in rest):
        return ALONE  # as one waits on Windows
    if name in ("watch", "viddy", "hwatch"):
        return BEFORE
    if reading.only_sleeps(name, rest) or live.script_of(name, rest).startswith("wait"):
        return ALONE
    line = reading.told(words)[1]
    if line:
        return line_waits(line, depth + 1)
    marks = ["--watch", *_FOLLOWS.get(name, "").split()]
    if name in _FILED and "logs" not in rest:
        marks = [mark for mark in marks if mark != "-f"]  # -f names a file
    if "rollout" in rest and "status" not in rest:
        return NONE
    follows = any(word in marks or (name == "tail" and word.startswith("--pid=")) for word in rest)
    return BEFORE if follows else NONE


def seconds_of(command: str) -> float:
    """The sum of a line's sleeps in seconds; variables count as 0."""
    sleeps = [words for words in shell_line.programs(command) if words[0].lower() in _SLEEPERS]
    return sum(_seconds(word) for words in sleeps for word in words[1:])


def _seconds(word: str) -> float:
    number = word.rstrip("smhd")
    if not number.replace(".", "", 1).isdecimal() or len(number) > 9:
        return 0.0
    return float(number) * {"m": 60, "h": 3600, "d": 86_400}.get(word[len(number) :], 1)
