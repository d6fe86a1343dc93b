"""What is remembered between two events: streaks and circuits of a lane, and what a session's lanes share."""

from __future__ import annotations

from circuit_breaker.breaker.model import Record


class Streak(Record):
    """What one call (by its key) has done lately in one lane. `n` counts calls in the lane, turns count batches."""

    FIELDS = {
        "label": "",  # what people read
        "ok_at": -1,  # n of its last success
        "since": -1,  # n of its first failure since its last success
        "fails": [],  # [n, turn] of its failures since then, the window's
        "line": "",  # digest of the shell line that failed last, as it was written
        "error": "",  # key of its last error
        "same": 0,  # how many times running that error came
        "invalid": 0,  # validation failures within this prompt
        "result": "",  # key of its last result, success or not
        "first": -1,  # n of the first of the equal results
        "counted": -1,  # n of the first of them since the last progress
        "times": 0,  # equal results since then
        "row": 0,  # of them in a row: later ones in turns that brought nothing else
        "turn": -1,  # the last turn it came in
        "last": -1,  # n of its last result
        "at": 0.0,  # epoch seconds of it
        "far": 0,  # of its equal results, those that came `poll_gap_seconds` after the one before
        "digits": "",  # key of the last result with every digit blinded
        "run": 0,  # unbroken run of results that differ only in digits
        "marks": "",  # what has been done about this streak: see context.MARKS
    }
    CONTAINERS = ("fails",)


class Family(Record):
    """What one attempt has done lately, in whatever words. `count` to `marks` are its present run's."""

    FIELDS = {
        "count": 0,  # failures of the run that have one error line in common
        "since": -1,  # n of the first
        "n": -1,  # n of the last, and its turn
        "turn": -1,
        "call": "",  # key of the last call, and whether others were among them
        "varied": False,
        "lines": {},  # digest of an error line -> failures that had it
        "marks": "",  # see context.MARKS
        "error": "",  # key of the last whole error
        "same": 0,  # how many times running that came, whatever changed in between
    }
    CONTAINERS = ("lines",)


class ErrorRun(Record):
    """A tool's last error, whatever the call."""

    FIELDS = {
        "error": "",  # its key
        "turns": 0,  # how many turns running, with no progress in between
        "turn": 0,  # the last of them, and n then
        "n": 0,
        "look": False,  # a look failed so: a look that succeeds ends the run
        "times": 0,  # how many turns running of those in which the tool failed, whatever changed in between
    }


# Kinds of calls in `Lane.recent`: RUN is what does something and writes no file itself, GOTO a step to an address.
PLAIN, POLL, STEP, RUN, GOTO = 0, 1, 2, 3, 4
STEPS = (STEP, GOTO)


class Lane(Record):
    """One agent's evidence and circuits."""

    FIELDS = {
        "turn": 0,
        "n": 0,
        "cwd": "",
        "recent": [],  # the last calls: [n, turn, key, result, 1 if ok, its kind]
        "streaks": {},  # call key -> Streak; least recently used first
        "moves": [],  # progress: [n, n of the same call's success before it or -1]
        "news": [],  # what looks showed of a page or device: [n, n of the same result before it or -1]
        "waited": -1,  # n of the last wait
        "acted": -1,  # n of the last call that neither looked nor waited
        "woke": "",  # the prompt its last turn was under
        "woken": -1,  # n of its last call before that prompt
        "machine": False,  # nobody typed that prompt: a wake-up, a notification
        "ready": 0.0,  # epoch seconds from which a wait in the background has ended; 0.0: none is out
        "waits": 0,  # turns running that did nothing but wait
        "launched": [],  # what was started in the background last, with nothing new since: [key, times]
        "failing": [],  # turns running in which every call failed, and the warnings about them
        "empties": 0,  # turns running that only searched and found nothing
        "warned": {},  # name of a warning -> the turn it was last given in
        "changed": -1,  # n of the last call that changed something, new or not
        "families": {},  # attempt key -> Family; least recently failed first
        "errors": {},  # tool -> ErrorRun
        "sequence": [],  # sequential_tools: [shape, params, length, varying parameter, prompts, n of the first]
        "circuits": {},  # name -> Circuit
        "pending": {},  # tool_use_id -> an outcome reported before its batch (monitor.KEPT)
        "denied": {},  # tool_use_id -> circuit name, or "" for what does not count against deny_limit
        "seen": [],  # tool_use_ids whose outcome has been counted
        "denials": 0,  # in this prompt
        "stops": 0,  # Stops with stop_hook_active since the last turn that brought anything new
        "writes": 0,  # the session's writes that this lane knows of
        "prompt": "",  # the prompt its per-prompt counters belong to
        "tally": {},  # rule -> [trips, warned_at or 0, would_have_opened, count]
        "read": [],  # how far its transcript is read (runtime.usage.Position)
        "asked": {},  # tool_use_id -> the circuit for which you are asked
    }
    CONTAINERS = (
        "recent",
        "streaks",
        "moves",
        "news",
        "launched",
        "failing",
        "warned",
        "families",
        "errors",
        "sequence",
        "circuits",
        "pending",
        "denied",
        "seen",
        "tally",
        "read",
        "asked",
    )


class Session(Record):
    """What a session's lanes share."""

    FIELDS = {
        "home": "",  # where its incidents and published state belong
        "project": "",  # its folder, for people
        "frozen": {},  # its rules, fixed while a circuit is open (config.opinion); {} while none is
        "held": [],  # changed settings files that were held back: [epoch seconds, path]
        "prompt": "",  # id of the last UserPromptSubmit, yours or a machine's
        "person": "",  # id of your last prompt
        "scheduled": [],  # digests of the prompts that Claude had submitted later
        "unproven": "",  # id of a later prompt that may be yours: it changes nothing until the transcript says so
        "bypass": "",  # prompt_id that SUDO BYPASS covers
        "passed": 0,  # calls that bypass has let through
        "spawns": 0,  # Agent calls in this prompt of yours
        "spawn_ids": [],
        "spawn_warned": False,
        "written": [],  # keys of the last writes of all lanes
        "writes": 0,  # new writes so far
        "services": {},  # outside service -> [calls in the session, epoch seconds of the last ones...]
        "notes": [],  # stopped subagents their parents do not know of yet: [lane, fields of a Notice]
        "circuits": {},  # name -> Circuit that gates every lane
        "tally": {},
        "budget": {},  # what is used of the limits, where one is set (see breaker.budget)
    }
    CONTAINERS = (
        "frozen",
        "held",
        "scheduled",
        "spawn_ids",
        "written",
        "services",
        "notes",
        "circuits",
        "tally",
        "budget",
    )
