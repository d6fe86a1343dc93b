"""What is remembered between two events: a lane's streaks and circuits, and what a session's lanes share."""

from __future__ import annotations

from circuit_breaker.breaker.model import NO_TOKENS, Circuit, Notice, Outcome, Record, Signal

FLAKY = "flaky"  # mark of a call that failed and succeeded with nothing changed in between


class Streak(Record):
    """What one call (by its key) did lately in one lane."""

    label = ""  # for people
    ok_at = -1  # n of its last success
    failing_since = -1  # n of its first failure since its last success
    fails: list[list[int]] = []  # [n, turn] of its failures that count
    line = ""  # digest of its last failing shell line as written
    error = ""  # what its last error complained about (Outcome.complaint)
    at_lines: list[int] = []  # and where
    same_errors = 0  # times in a row with that error
    invalid = 0  # rejected inputs within this prompt
    result = ""  # key of its last result, success or not
    result_since = -1  # n of the first of the equal results
    repeats_since = -1  # n of the first of them since the last progress
    same_results = 0  # equal results since then
    same_in_a_row = 0  # of them in a row: later ones in turns that brought nothing else
    last_turn = -1  # the last turn it came in
    last_n = -1  # n of its last result
    last_at = 0.0  # epoch seconds of it
    far_apart = 0  # of its equal results: those at least `poll_gap_seconds` after the one before
    digits = ""  # key of the last result without digits
    digit_run = 0  # results in a row that differ only in digits
    marks: list[str] = []  # see Signal.mark


class Family(Record):
    """What one attempt did lately, however it was written. `count` to `marks` are of its current run."""

    count = 0  # failures that share an error line
    since = -1  # n of the first
    n = -1  # n of the last
    turn = -1  # turn of the last
    call = ""  # key of the last call
    varied = False  # the calls differ
    lines: dict[str, int] = {}  # digest of an error line -> failures that had it
    marks: list[str] = []  # as in Streak
    error = ""  # what the last error complained about
    at_lines: list[int] = []  # and where
    same = 0  # times in a row with that error, with any changes in between
    edits: list[str] = []  # keys of what its last lines wrote first


class ErrorRun(Record):
    """A tool's last error, of any call."""

    error = ""  # its key
    complaint = ""  # the same without line numbers
    turns = 0  # turns in a row with the error, without progress in between
    near = 0  # the same, counting the complaint
    turn = 0  # the last of them
    n = 0  # n at its end
    look = False  # only looks failed: a look that succeeds ends the run
    # turns in a row with the error among those in which the tool failed, with any changes in between
    times = 0


# Kinds of calls: RUN acts without writing a file itself, GOTO is a gesture that goes to a URL, WAIT only waits.
PLAIN, POLL, GESTURE, RUN, GOTO, WAIT = 0, 1, 2, 3, 4, 5
GESTURES = (GESTURE, GOTO)


class Past(Record):
    """One of a lane's last calls."""

    n = turn = 0
    key = result = ""
    ok = False  # it succeeded
    kind = PLAIN

    @property
    def call(self) -> tuple[str, str]:
        """What makes two calls equal."""
        return self.key, self.result


class SameShape(Record):
    """Calls of one shape in a row, one per turn, for sequential_tools; none while `length` is 0."""

    shape = ""
    parameters: dict[str, str] = {}  # digests of the last call's
    length = 0
    varying = ""  # the one parameter that differs
    prompts = 0  # of yours in between
    first = 0  # n of the first


class Waits(Record):
    """A lane's waits: a look after one is a poll."""

    last = -1  # n of the last one
    acted = -1  # n of the last call that neither looked nor waited
    prompt = ""  # of the lane's last turn
    prompted = -1  # n of its last call before that prompt
    machine = False  # you did not type that prompt: a wake-up, a notification
    due = 0.0  # epoch seconds at which one in the background ends; 0.0: none is running
    turns = 0  # in a row that only waited
    still = 0  # in a row that waited, or looked after a wait and saw nothing new


class Position(Record):
    """How far a lane's transcript has been read."""

    offset = -1  # bytes; -1: not yet
    messages: dict[str, list[int]] = {}  # id of each of the last ones -> its usage
    last = ""  # time of the last row
    floor = ""  # time up to which rows are copies


# What a rule has done: trips, trips that were only counted, its last count, when it last warned (epoch seconds).
NOTHING_DONE = {"trips": 0, "would": 0, "count": 0, "warned_at": 0.0}


class Lane(Record):
    """One agent's evidence and circuits. `n` numbers its calls, `turn` its batches."""

    MOST = {
        "recent": 40,  # 3 rounds of a ring of 10 calls and a foreign one are 33 calls
        "streaks": 64,
        **dict.fromkeys(("progress", "news", "families", "errors", "warned", "asked"), 16),
        "pending": 64,
        "denied": 48,
        "unread": 4,
    }
    KINDS = {
        "recent": Past, "streaks": Streak, "families": Family, "errors": ErrorRun, "sequence": SameShape, "waits": Waits,
        "circuits": Circuit, "pending": Outcome, "read": Position, "unread": Signal,
    }  # fmt: skip
    # its calls
    n = turn = 0
    cwd = ""
    pending: dict[str, Outcome] = {}  # tool_use_id -> what came before its batch, without input and text
    lossy = False  # the batch of its last failure never came, so more is kept of the next
    seen: list[str] = []  # tool_use_ids whose outcome has been counted
    seen_at = 0.0  # epoch seconds of the last of them
    recent: list[Past] = []
    streaks: dict[str, Streak] = {}  # call key -> Streak; least recently used first
    families: dict[str, Family] = {}  # attempt key -> Family; least recently failed first
    errors: dict[str, ErrorRun] = {}  # tool -> ErrorRun
    sequence = SameShape()
    waits = Waits()
    # progress
    progress: list[list[int]] = []  # [n, n of the same call's success before it or -1] of progress
    news: list[list[int]] = []  # [n, n of the same result before it or -1] of looks at a page or device
    changed = -1  # n of the last call that changed something, new or not
    # n of the last step to another commit or migration: an equal error there is no failed repair
    stepped = -1
    writes = 0  # the session's writes that this lane knows of
    # in a row
    launched = ""  # key of the last launch in the background, nothing new since
    launches = 0  # of it
    failing = 0  # turns in which every call failed
    failing_warned = 0  # warnings about them
    empties = 0  # turns that only searched and found nothing
    stops = 0  # Stops with stop_hook_active since the last new result
    # in this prompt
    prompt = ""
    warned: dict[str, int] = {}  # name of a warning -> the turn it was last given in
    denials = 0
    # circuits
    circuits: dict[str, Circuit] = {}  # name -> Circuit
    denied: dict[str, str] = {}  # tool_use_id -> circuit name, or "" if it does not count against deny_limit
    asked: dict[str, str] = {}  # tool_use_id -> the circuit for which you are asked
    tally: dict[str, dict[str, float]] = {}  # rule -> see NOTHING_DONE
    read = Position()
    unread: list[Signal] = []  # warnings for the next batch: they came up where Claude reads nothing

    def start_over(self) -> None:
        """Count anew what is counted in a row or in this prompt."""
        self.waits = self.waits.but(turns=0)
        self.launches = self.failing = self.failing_warned = self.empties = self.stops = 0
        self.launched, self.warned, self.denials = "", {}, 0

    def forget_successes(self) -> None:
        """Forget repeats and cycles of successes and runs of attempts, at your prompt; other failures are kept."""
        self.families = {name: run.but(count=0, lines={}, marks=[]) for name, run in self.families.items()}
        self.errors = {tool: run.but(times=0) for tool, run in self.errors.items()}
        self.forget_results()
        for key, streak in self.streaks.items():
            if streak.invalid or streak.digit_run:
                self.streaks[key] = streak.but(invalid=0, digit_run=0)

    def forget_results(self) -> None:
        """Forget what successful calls returned, so that none of them repeats another."""
        texts = dict.fromkeys(("result", "digits"), "")
        numbers = dict.fromkeys(("same_results", "same_in_a_row", "digit_run"), 0)
        for key, streak in self.streaks.items():
            known = streak.result_since >= 0 or streak.marks  # else forgotten already
            if known and streak.failing_since < 0:
                marks = [mark for mark in streak.marks if mark == FLAKY]
                changes = {**texts, **numbers, "result_since": -1, "repeats_since": -1}
                self.streaks[key] = streak.but(**changes, marks=marks)
        self.recent = [record for record in self.recent if not record.ok]

    def forget_calls(self, keys: list[str]) -> None:
        """Forget what is known of these calls, and all errors and attempts of the lane."""
        for key in keys:
            self.streaks.pop(key, None)
        self.recent = [record for record in self.recent if record.key not in keys]
        self.errors, self.families = {}, {}


class Budget(Record):
    """What is used of the limits, over all lanes (see budget.py)."""

    since = 0.0  # epoch seconds of the last progress; 0.0: nothing is counted yet
    calls = 0  # since your last prompt
    tools: dict[str, int] = {}  # name -> calls since then
    prompt = [*NO_TOKENS]  # tokens since then
    session = [*NO_TOKENS]  # tokens since the breaker first saw the session
    idle = [*NO_TOKENS]  # tokens since the last progress
    # limit -> highest percentage warned of, or 100 for each full amount allowed; the last field, as hooks/register.js knows
    reached: dict[str, int] = {}


class Session(Record):
    """What a session's lanes share."""

    MOST = {
        **dict.fromkeys(("spawn_ids", "let_through"), 128),
        "written": 32,
        **dict.fromkeys(("services", "service_calls", "scheduled"), 16),
        "notes": 8,
    }
    KINDS = {"notes": Notice, "circuits": Circuit, "budget": Budget}
    home = ""  # folder of its incidents and published state
    project = ""  # its project folder, for people
    frozen: dict[str, object] = {}  # its rules while a circuit is open (runtime.frozen); {} while none is
    held: dict[str, float] = {}  # changes of settings files that were blocked: path -> epoch seconds
    prompt = ""  # id of the last prompt, typed by you or not
    person = ""  # id of your last prompt
    scheduled: list[str] = []  # digests of prompts that Claude scheduled
    unproven = ""  # id of a newer prompt that may be yours: without effect until the transcript says so
    bypass = ""  # id of your last prompt with the keyword; it holds until a prompt of anybody
    passed = 0  # calls allowed by that bypass
    spawns = 0  # Agent calls since your last prompt
    spawn_ids: list[str] = []
    written: list[str] = []  # keys of the last writes of all lanes
    writes = 0  # new writes so far
    services: dict[str, list[float]] = {}  # name of an outside service -> epoch seconds of its last calls
    service_calls: dict[str, int] = {}  # name -> all calls to it
    notes: list[Notice] = []  # of stopped subagents, for their parents
    circuits: dict[str, Circuit] = {}  # name -> Circuit that gates every lane
    tally: dict[str, dict[str, float]] = {}
    budget = Budget()  # if a limit is set
    let_through: list[str] = []  # tool_use_ids of calls allowed by a bypass
