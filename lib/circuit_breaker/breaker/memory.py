"""What is remembered between two events: a lane's streaks and circuits, and what a session's lanes share."""

from __future__ import annotations

from circuit_breaker.breaker.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.model import Circuit


# Marks of a streak or a family by what was found: Claude was warned of it, or a trip was only counted.
WARNED = {"tool_failure": "f", "repeated_call": "t", "call_cycle": "c", "edit": "e"}
COUNTED = {"tool_failure": "g", "repeated_call": "w", "call_cycle": "o", "edit": "x"}


class Streak(Record):
    """What one call (by its key) did lately in one lane. `n` numbers the calls of a lane, `turn` its batches."""

    label = ""  # for people
    ok_at = -1  # n of its last success
    since = -1  # n of its first failure since its last success
    fails: list[list[int]] = []  # [n, turn] of its failures that count
    line = ""  # digest of its last failing shell line as written
    error = ""  # key of its last error
    same = 0  # times in a row with that error
    invalid = 0  # rejected inputs within this prompt
    result = ""  # key of its last result, success or not
    first = -1  # n of the first of the equal results
    counted = -1  # n of the first of them since the last progress
    times = 0  # equal results since then
    row = 0  # of them in a row: later ones in turns that brought nothing else
    turn = -1  # the last turn it came in
    last = -1  # n of its last result
    at = 0.0  # epoch seconds of it
    far = 0  # of its equal results: those at least `poll_gap_seconds` after the one before
    digits = ""  # key of the last result without digits
    run = 0  # results in a row that differ only in digits
    marks = ""  # values of WARNED and COUNTED


class Family(Record):
    """What one attempt did lately, however it was written. `count` to `marks` are of its current run."""

    count = 0  # failures that share an error line
    since = -1  # n of the first
    n = -1  # n of the last
    turn = -1  # turn of the last
    call = ""  # key of the last call
    varied = False  # the calls differ
    lines: dict[str, int] = {}  # digest of an error line -> failures that had it
    marks = ""  # as in Streak
    error = ""  # key of the last whole error
    same = 0  # times in a row with that error, with any changes in between


class ErrorRun(Record):
    """A tool's last error, of any call."""

    error = ""  # its key
    turns = 0  # turns in a row with it, without progress in between
    turn = 0  # the last of them
    n = 0  # n at its end
    look = False  # only looks failed: a look that succeeds ends the run
    times = 0  # turns in a row with it among those in which the tool failed, with any changes in between


class Memory(Record):
    """What is kept between two events: of each field in MOST the last ones."""

    MOST: dict[str, int] = {}

    def trim(self) -> None:
        """Drop the oldest of what is too many."""
        for name, most in self.MOST.items():
            kept = self.__dict__[name]
            for oldest in [*kept][:-most] if kept.__class__ is dict else ():
                del kept[oldest]
            if kept.__class__ is list:
                del kept[:-most]


# A row of `Lane.recent`: n, turn, key and result of a call, 1 if it succeeded, its kind; CALL: the part that makes two calls equal.
N, TURN, KEY, RESULT, DONE, KIND = range(6)
CALL = slice(KEY, DONE)
# Kinds of calls: RUN acts without writing a file itself, GOTO is a gesture that goes to a URL, WAIT only waits.
PLAIN, POLL, GESTURE, RUN, GOTO, WAIT = 0, 1, 2, 3, 4, 5
GESTURES = (GESTURE, GOTO)


class Lane(Memory):
    """One agent's evidence and circuits."""

    MOST = {
        "recent": 40,  # 3 rounds of a ring of 10 calls and a foreign one are 33 calls
        "streaks": 64,
        **dict.fromkeys(("moves", "news", "families", "errors", "warned", "asked"), 16),
        "pending": 64,
        "denied": 48,
    }
    turn = 0
    n = 0
    cwd = ""
    recent: list[list[Any]] = []  # the last calls: rows of N to KIND
    streaks: dict[str, Streak] = {}  # call key -> Streak; least recently used first
    moves: list[list[int]] = []  # progress: [n, n of the same call's success before it or -1]
    news: list[list[int]] = []  # looks at a page or device: [n, n of the same result before it or -1]
    waited = -1  # n of the last wait
    acted = -1  # n of the last call that neither looked nor waited
    woke = ""  # the prompt of its last turn
    woken = -1  # n of its last call before that prompt
    machine = False  # you did not type that prompt: a wake-up, a notification
    ready = 0.0  # epoch seconds at which a wait in the background ends; 0.0: none is running
    waits = 0  # turns in a row that only waited
    still = 0  # turns in a row that waited, or looked after a wait and saw nothing new
    launched: list[Any] = []  # the last launch in the background, nothing new since: [key, times]
    failing: list[int] = []  # [turns in a row in which every call failed, warnings about them]
    empties = 0  # turns in a row that only searched and found nothing
    warned: dict[str, int] = {}  # name of a warning -> the turn it was last given in
    changed = -1  # n of the last call that changed something, new or not
    stepped = (
        -1
    )  # n of the last step to another commit or migration: an equal error there is no failed repair
    families: dict[str, Family] = {}  # attempt key -> Family; least recently failed first
    errors: dict[str, ErrorRun] = {}  # tool -> ErrorRun
    # for sequential_tools: [shape, params, length, varying parameter, prompts, n of the first]
    sequence: list[Any] = []
    circuits: dict[str, Circuit] = {}  # name -> Circuit
    pending: dict[str, list[Any]] = {}  # tool_use_id -> an outcome reported before its batch (monitor.KEPT)
    denied: dict[str, str] = {}  # tool_use_id -> circuit name, or "" if it does not count against deny_limit
    seen: list[str] = []  # tool_use_ids whose outcome has been counted
    denials = 0  # in this prompt
    stops = 0  # Stops with stop_hook_active since the last new result
    writes = 0  # the session's writes that this lane knows of
    prompt = ""  # the prompt its per-prompt counters belong to
    tally: dict[str, list[float]] = {}  # rule -> [trips, warned_at or 0, would_have_opened, count]
    read: list[Any] = []  # how far its transcript has been read (runtime.usage.Position)
    asked: dict[str, str] = {}  # tool_use_id -> the circuit for which you are asked

    def forget_successes(self) -> None:
        """Forget repeats and cycles of successes and runs of attempts, at your prompt; other failures are kept."""
        for name, family in self.families.items():
            self.families[name] = family.but(count=0, lines={}, marks="")
        for tool, run in self.errors.items():
            self.errors[tool] = run.but(times=0)
        for key, streak in self.streaks.items():
            if streak.since >= 0:
                self.streaks[key] = streak.but(invalid=0, run=0)
            elif streak.first >= 0 or streak.invalid or streak.marks:  # else forgotten at an earlier prompt
                self.streaks[key] = streak.but(
                    first=-1, counted=-1, times=0, row=0, run=0, result="", digits="", marks="", invalid=0
                )
        self.recent = [record for record in self.recent if not record[DONE]]

    def forget_calls(self, keys: list[str]) -> None:
        """Forget what is known of these calls, and all errors and attempts of the lane."""
        for key in keys:
            self.streaks.pop(key, None)
        self.recent = [record for record in self.recent if record[KEY] not in keys]
        self.errors, self.families = {}, {}


class Session(Memory):
    """What a session's lanes share."""

    MOST = {"spawn_ids": 128, "written": 32, "services": 16, "scheduled": 16, "notes": 8}
    home = ""  # folder of its incidents and published state
    project = ""  # its project folder, for people
    frozen: dict[str, Any] = {}  # its rules while a circuit is open (runtime.frozen); {} while none is
    held: list[list[Any]] = []  # changes of settings files that were blocked: [epoch seconds, path]
    prompt = ""  # id of the last prompt, typed by you or not
    person = ""  # id of your last prompt
    scheduled: list[str] = []  # digests of prompts that Claude scheduled
    unproven = ""  # id of a newer prompt that may be yours: without effect until the transcript says so
    bypass = ""  # id of the prompt with an active bypass
    passed = 0  # calls allowed by that bypass
    spawns = 0  # Agent calls since your last prompt
    spawn_ids: list[str] = []
    spawn_warned = False
    written: list[str] = []  # keys of the last writes of all lanes
    writes = 0  # new writes so far
    # outside service -> [calls in the session, how many when it was last said, epoch seconds of the last ones...]
    services: dict[str, list[float]] = {}
    # stopped subagents whose parents do not know yet: [lane, fields of a Notice]
    notes: list[list[Any]] = []
    circuits: dict[str, Circuit] = {}  # name -> Circuit that gates every lane
    tally: dict[str, list[float]] = {}
    budget: dict[str, Any] = {}  # what is used, if a limit is set (see breaker.budget)
