"""The sentences of the breaker: warnings, denials, questions, stopped turns, and why a circuit changed. Pure."""

from __future__ import annotations

from circuit_breaker.breaker import model
from circuit_breaker.breaker.model import CLOSED, FOR_YOU, HALF_OPEN, NO_TOKENS, OPEN
from circuit_breaker.words.texts import PLUGIN

MARKS = {
    OPEN: "\N{POLICE CARS REVOLVING LIGHT}",
    HALF_OPEN: "\N{WARNING SIGN}\ufe0f",
    CLOSED: "\N{WHITE HEAVY CHECK MARK}",
}
TITLE = "CIRCUIT BREAKER STATUS"
NONE_ACTIVE = "Active Breakers: None (all systems operational)"
# Why something happened, by the code that breaker/ gives; {keyword}, {count} and the facts are filled in.
REASONS = {
    "rule_off": "its rule no longer blocks",
    "reset": "you reset it",
    "prompt": "you sent a new prompt",
    "went_on": "the session went on",
    "new_result": "the probe returned something new",
    "allowed_result": "the call that you allowed returned something new",
    "allowed": "you allowed the call",
    "bypass_result": "a call under the bypass returned something new",
    "good_probe": "good probe {good}",
    "probe_allowed": "one probe is allowed",
    "probe_failed": "the probe failed",
    "probe_unchanged": "the probe changed nothing",
    "sent_on": "a stop hook made Claude continue again",
    "may_go_on": "the turn can continue once",
    "kept_asking": "Claude asked {count} times in one prompt for calls that are blocked",
    "granted": "{keyword} for one prompt",
    "not_typed": "{keyword} refused: that prompt was not typed by you",
    "unknown_source": "{keyword} refused: who typed that prompt is unknown",
    "answered": "it answered",
    "let_through": "let through by {keyword}",
    "held_back": "a change of {file} would have switched the hooks off; it was held back",
    "forgery": "a scheduled prompt carried the override; it was denied",
}
# What only you are shown, by the code that breaker/ gives.
FOR_YOUR_EYES = {
    "bypass_received": "{name}: {keyword} received: nothing is blocked until your next prompt.",
    "bypass_refused": "{name}: {keyword} was not granted: this prompt was not typed by you.",
    "held_back": "{name}: settings changed at {at} were held back ({file}): save the file again or restart Claude Code.",
    "bypass_queued": "{name}: no bypass: Claude was at work. Press Esc first, then submit {keyword} again.",
    "bypass_lookalike": "{name}: no bypass. To get one, type exactly {keyword} alone on the first line.",
    "budget": "{name}: {percent} % of {limit}: {cause}. To change it: circuit-breaker config set budget.{limit} N",
}
PROTECTED = {
    "verb": "reset, reconfigure or remove the breaker",
    "library": "use the breaker's own code on its memory",
    "client": "start another Claude Code with the override or without hooks",
    "files": "change the breaker's own files",
}
# What a rule saw, as a clause that follows the call's name. Of the next four tables the first row fits whose words all apply.
CAUSES = {
    "tool_failure everywhere": "returned the same error {times}, whatever its arguments and the changes in between",
    "tool_failure same_error": "returned the same error {count} turns in a row, whatever its arguments",
    "tool_failure stubborn": "failed {times} in a row with exactly the same error, whatever was changed in between",
    "tool_failure family": "failed {times} in one form or another with the same error, with nothing changed in between",
    "tool_failure": "failed {times} with nothing changed in between",
    "failing_streak empty": "every search of {count} turns in a row found nothing",
    "failing_streak": "every call of {count} turns in a row failed",
    "repeated_call edit": "was made {times} with the same input",
    "repeated_call launches": "was started in the background {times} with nothing new in between",
    "repeated_call waits": "was all that happened for {count} turns: nothing but waiting",
    "repeated_call idle": "only printed words of its own, {times} with nothing else in between",
    "repeated_call digits": "ran {times} in a row with results that differ only in digits",
    "repeated_call": "returned the same result {times} with nothing changed in between",
    "call_cycle": "was repeated {times} (a cycle of {period} calls) with the same results",
    "sequential_tools": "was called {times}, one call a turn",
    "external_api total": "was called {times} in one session",
    "external_api": "was called {times} within {seconds:g} s",
    "agent_spawn": "was started {times} within one prompt",
    "budget": "used {count:,} of {of:,} {what}",
    "service_down": "does not answer (its connection failed {times})",
    "protection": "would have switched the breaker off",
    "": "made Claude continue {times} with nothing new in between",
}
_READ_ERROR = (
    "Read the error and the code or configuration it names first; then change something this call "
    "depends on, or try a different approach and say what you found."
)
_UNCHANGED = (
    "What you are waiting for has not changed in all these checks. Find out why (its log, its configuration, whether it runs at all), "
    "or wait for it in the background or with Monitor, or say what you are waiting for and end the turn."
)
_WAIT = (
    "If you are waiting for something, wait in the background or with one short sleep before the next look."
)
# What Claude should do after a warning; {left} says when the turn will be stopped, {then} what will happen (see THEN).
ADVICE = {
    "same_error": "Changing the arguments does not help. Find out what the error itself says is missing or wrong, or use "
    "another tool for this.{left}",
    "invalid waits": "Claude Code never runs a wait like this one. Wait in the background (run_in_background), with Monitor, or with "
    "one short sleep before the next look.{left}",
    "invalid": "Sending it again cannot work. Check the tool's name and parameters; to edit, read the file again and copy the exact "
    "text from what you see. Or reach the goal another way.{left}",
    "tool_failure opened asks": f"The user is asked before this call runs again; other calls still work. {_READ_ERROR}",
    "tool_failure opened": f"This call is now blocked for a while; other calls still work. {_READ_ERROR}",
    "tool_failure family": "Other options, pipes or wrappers do not change what it does. Read the error and what it names, and change "
    "that, or try a different approach.{then}",
    "tool_failure": _READ_ERROR,
    "failing_streak empty": "What you search for is probably not there, or has another name. List a folder, read what uses it, or ask "
    "the user; searching for other words or in other folders is unlikely to help.{left}",
    "failing_streak": "Stop and look at what these calls have in common: the directory, the environment, what the errors name. Run one "
    "small call that must work and continue from there, or say what is missing.{left}",
    "edit": "Each one makes the same change again. Read the file as it is now and check whether the first one did what you wanted; "
    "do not send it again.{then}",
    "launches": "Each start runs beside the others. See whether the first one is running (its output, its port), stop the others, "
    "and use it.",
    "poll": f"{_UNCHANGED}{{then}}",
    "waits": "Look at what you are waiting for: its status, its log. If it should be done by now, find out why, or say what you "
    "are waiting for and end the turn.",
    "call_cycle": "Another round will show nothing new. Decide from the results you have, or change something. "
    f"{_WAIT}{{then}}",
    "repeated_call": "Its result is already above: use it. Take the next step of the task, or look somewhere else. "
    f"{_WAIT}{{then}}",
    "sequential_tools": "Send independent calls together in one message, or write a small script that does them all.",
    "service_down": "Its calls fail in every session now. Go on without it, or say what is missing; it is retried automatically.",
    "external_api": "Slow down: fetch in batches, keep what you have fetched in a file, and use it from there.",
    "agent_spawn": "Check that so many are needed: finish with the subagents that are running and collect their results first.",
    "": "Read again what the stop hook asks for: do it another way, or say why it cannot be done.",
}
# What will happen then. "mild": nothing will be blocked, or not yet; "asks": you are asked instead.
THEN = {
    "mild": "",
    "budget over": " The turn is stopped after the next calls.",
    "budget asks": " At 100 % the user will be asked whether to go on, or the turn is stopped where nobody can answer.",
    "budget": " At 100 % the turn is stopped.",
    "asks": " If it goes on, the user is asked before it runs again.",
    "edit": " The next one is blocked unless something else is changed before.",
    "tool_failure": " After a few more failures every form of it is blocked.",
    "poll": " Further checks are blocked for a while.",
    "call_cycle": " The next round is blocked.",
    "": " Further repetitions are blocked.",
}
# What Claude should do in place of a denied call.
INSTEAD = {
    "tool_failure": "Fix what the error names (file, line, setting), or try a different approach.",
    "call_cycle": "Decide from the results you already have, or change something they depend on.",
    "sequential_tools": "Put the rest into one command or a script, or work with what you have read.",
    "external_api": "Work with what you have already fetched, or wait.",
    "repeated_call edit": "Read the file as it is now. If more must change, make that change instead.",
    "repeated_call waits": "Look at what you are waiting for (its status, its log), or say what it is and end the turn.",
    "repeated_call poll": "Find out why nothing changes (its log, its configuration), or say what you are waiting for and end the turn.",
    "": "Use the result you already have and take the next step, or change something it depends on.",
}
LIMITS = {
    "calls_per_prompt": "tool calls in this prompt",
    "tokens_per_prompt": "tokens in this prompt",
    "tokens_per_session": "tokens in this session",
    "tokens_since_progress": "tokens since the last progress",
    "minutes_since_progress": "minutes since the last progress",
}
_BLOCKED = "Blocked by {name} (not a hook failure; the user can unblock it: /reset-circuit --all, or Esc, then {keyword}): `{subject}` "
_RETRY = _BLOCKED + "{cause}.{error} {instead} Other calls still work. One retry "
# A notice as a paragraph, by its kind, rule and reason: what Claude reads (warn, deny, subagent) or you (stop, question, opened). In a
# denial the first 170 characters say who blocks the call and how you unblock it; what you read ends with the command that does.
SENTENCES = {
    "budget warn": "Warning from {name}: you {cause} ({percent} %).{idle}{then} Finish what matters most first, and say what is left.",
    "budget question": "{name}: Claude {cause}{spent}.{idle} Yes continues and asks again at {again:,}; No interrupts Claude.",
    "budget stop": "{name} stopped this turn: {limit}: {cause}{spent}.{idle} To go on: send a new prompt, or circuit-breaker config set "
    "budget.{limit} N",
    "budget subagent": "Warning from {name}: the subagent {agent} was stopped because the budget is used up: the session {cause}. Its "
    "task is not done. Do not start another; finish with what you have, and say what is left.",
    "warn": "Warning from {name}: {call}{cause}.{error} {advice}",
    "protection config_changed deny": "The configuration was changed. It applies when this circuit closes; /reset-circuit applies it now.",
    "protection forgery deny": "Blocked by {name} (not a hook failure): a scheduled prompt must not carry {keyword} or the reset command. "
    "The override is the user's; schedule the work itself, without it.",
    "protection deny": "Blocked by {name} (not a hook failure): this call would {protected} while a circuit is open. Only the user can do "
    "that (/reset-circuit, or another terminal). Reading is allowed. Fix the cause instead: see /circuit-status, or say what you need.",
    "agent_spawn deny": _BLOCKED
    + "{cause}. No further subagents until the user's next prompt. Work with the results of those that ran, "
    "or do the rest yourself, and say what is left.",
    "service_down deny": _BLOCKED
    + "does not answer, since {since}, in any session of this machine. Go on without it, or say what is "
    "missing. Other calls still work. One call to it will be allowed in {wait}.",
    "probe_running deny": _RETRY + "of it is running right now: wait for its result.",
    "early_used deny": _RETRY + "will be allowed in {wait}.",
    "deny": _RETRY + "will be allowed in {wait}, or at once after a relevant change.",
    "protection stop": "{name} stopped this turn: {cause}. Say how to go on; /circuit-status says more.",
    "kept_asking stop": "{name} stopped this turn: `{subject}` {cause}. Say how to go on. To unblock it: /reset-circuit --circuit "
    '"{circuit}"',
    "stop": "{name} stopped this turn: {call}{cause}. Say how to go on; /circuit-status says more.",
    "subagent": "Warning from {name}: the subagent {agent} was stopped because it was in a loop: {call}{cause}. Its task is not done "
    "and its report is missing. Do not start the same task again unchanged: give it what it lacked, or do it another way.",
    "question": "{name} would block this call: `{subject}` {cause}.{error} Yes lets it run once; No interrupts Claude. To unblock it: "
    '/reset-circuit --circuit "{circuit}"',
    "opened asks": '{name} asks you before `{subject}` runs again: it {cause}. To unblock: /reset-circuit --circuit "{circuit}"',
    "opened": '{name} blocked `{subject}`: it {cause}. To unblock: /reset-circuit --circuit "{circuit}"',
}


def cause(signal: model.Signal) -> str:
    """What a rule saw, as a clause that follows the call's name in incidents, `status`, warnings and denials."""
    what = LIMITS.get(signal.subject, signal.subject)
    known = {"period": "several", "seconds": 60, "of": 0, **signal.facts, "what": what}
    counts = {"count": signal.count, "times": "once" if signal.count == 1 else f"{signal.count} times"}
    return _fitting(CAUSES, signal.rule, *signal.form).format_map({**known, **counts})


def _fitting(table: dict[str, str], *holds: str) -> str:
    """The first text in a table whose key has no other words than those that hold."""
    return next(text for words, text in table.items() if {*holds}.issuperset(words.split()))


def why(transition: model.Transition, keyword: str) -> str:
    """Why a recorded change happened, as a clause."""
    if not transition.reason:
        return cause(transition)
    if transition.rule == "protection" and transition.reason in PROTECTED:
        return f"a call that would {PROTECTED[transition.reason]} was denied"
    text = REASONS.get(transition.reason, transition.reason)
    return text.format(keyword=keyword, count=transition.count, **transition.facts)


def sentence_of(notice: model.Notice, keyword: str) -> str:
    """A notice as a paragraph: for Claude (warnings, denials, stopped subagents) or for you."""
    rule, reason, form, what = notice.rule, notice.reason, notice.form, cause(notice)
    called = notice.subject.removesuffix(" error") if "same_error" in form else notice.subject
    if reason == "kept_asking" and rule != "budget":
        asked = f"Claude asked {notice.count} times in one prompt for blocked calls"
        what = (
            f"{asked}, some to get round the breaker" if rule == "protection" else f"is blocked, and {asked}"
        )
    over = "over" if rule == "budget" and notice.count >= notice.facts.get("of", notice.count + 1) else ""
    known = {
        **notice.facts,
        "name": PLUGIN,
        "keyword": keyword,
        "subject": notice.subject,
        "call": {"failing_streak": "", "protection": "", "hook_recursion": f"a `{called}` hook "}.get(
            rule, f"`{called}` "
        ),
        "circuit": notice.name,
        "agent": notice.agent,
        "cause": what,
        "error": f' Last error: "{notice.clip}".' if notice.clip else "",
        "wait": duration(notice.wait),
        "since": clock(notice.facts.get("since", 0.0)),
        "instead": _fitting(INSTEAD, rule, *form),
        "then": _fitting(THEN, rule, over, *form),
        "protected": PROTECTED.get(notice.subject, ""),
        **(_of_budget(notice) if rule == "budget" else {}),
    }
    if notice.kind == FOR_YOU:
        return FOR_YOUR_EYES[reason or rule].format_map(known)
    asks = "asks" if "asks" in form else ""
    text = _fitting(
        SENTENCES, notice.kind, rule, reason, asks, notice.subject if rule == "protection" else ""
    )
    if "{advice}" in text:
        known["advice"] = _advice(notice, known["then"])
    return text.format_map(known)


def _advice(notice: model.Notice, then: str) -> str:
    """What Claude should do next, and how often this can happen until the turn is stopped."""
    times = "once more" if notice.left == 1 else f"{notice.left} more times"
    stops = f" If this happens {times}, the turn will be stopped." if notice.left > 0 else ""
    return _fitting(ADVICE, notice.rule, *notice.form).format(left=stops, then=then)


def _of_budget(notice: model.Notice) -> dict[str, object]:
    """What a sentence about a budget says besides: the share used, the tools called most and the tokens, the time without progress."""
    facts = notice.facts
    tools = ", ".join(f"{tool} {calls}" for tool, calls in facts.get("tools", ()))
    tokens = facts.get("tokens") or NO_TOKENS
    reads = f", {tokens[2]:,} of them cache reads" if tokens[2] else ""
    cost = f"{sum(tokens):,} tokens{reads}" if any(tokens) else ""
    spent = "; ".join(part for part in (tools, cost) if part)
    minutes = facts.get("idle", 0) // 60
    return {
        "percent": int(100 * notice.count // max(1, facts.get("of", 1))),
        "limit": notice.subject,
        "again": facts.get("again", 0),
        "spent": f" ({spent})" if spent else "",
        "idle": f" There was no progress for {minutes} min."
        if minutes and "minutes" not in notice.subject
        else "",
    }


def own_shell(what: str) -> str:
    """Why a verb refuses in Claude's own shell; `what` is the verb as typed."""
    return (
        f"Blocked by circuit-breaker: `{what}` does not run in Claude's own shell while a circuit of this session is open. "
        "Type `/reset-circuit --all` in the session, or use another terminal."
    )


def holding_back(path: str) -> str:
    """Why a change of a settings file is held back."""
    return (
        f"{PLUGIN} held back the change of {path}: it would switch the hooks off while a circuit is open. This session keeps the "
        "settings it has, without the other edits in that file. When the circuit has closed, save the file again or restart Claude Code."
    )


def held_back(at: float, path: str) -> str:
    """What you read about it after the circuit has closed, and in `status`."""
    return FOR_YOUR_EYES["held_back"].format(name=PLUGIN, at=clock(at), file=path)


def config_changed(session: str) -> str:
    """What `status` says about a session whose config files were edited while a circuit is open."""
    return f"Config changed: session {session} uses it once its open circuits close; /reset-circuit applies it now."


def clock(at: float) -> str:
    """Epoch seconds as a time of day in UTC."""
    whole = int(at) % 86400
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d} UTC"


def duration(seconds: float) -> str:
    """Seconds as "5 s", "2 min" or "1 h 5 min": rounded up, never 0."""
    whole = max(1, int(seconds + 0.999))
    if whole < 120:
        return f"{whole} s"
    minutes = (whole + 59) // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
