"""The outcome of one call as the rules see it: the keys of its result and error, whether it waits, what it changes."""

from __future__ import annotations

from circuit_breaker.breaker.model import DENIED, FAILED, FAILURES, INVALID, OK, SILENT, Outcome, Result
from circuit_breaker.identity import acts, calls, errors, labels, looks, results, verdicts
from circuit_breaker.identity.keys import digest, digits_key, shortened, without_stored
from circuit_breaker.shell import shell_line, waits

REFUSED_WAIT = "a wait that Claude Code refuses"  # in place of its text, which names seconds and command
# Parts of lines that go on through a history (see acts): most lines have none.
ONWARD = (
    "bisect ", "--continue", "--skip", "~", "^", "alembic", "migrat", "db", "git checkout ", "git switch ", "git reset ", "git pull",
)  # fmt: skip
LINKS = "Links: ["  # begins a line of links in the result of a web search
TIMED_OUT = "Exit code 124\n"  # by `timeout`: a look like `timeout 20 fly logs` has waited
NO_OUTPUT = "(Bash completed with no output)"  # what Claude sees of an empty result


def prepare(results: list[Result], cwd: str) -> None:
    """Make the outcomes in advance, outside the session's lock: it takes time on long payloads. `cwd`: the lane's directory."""
    for result in results:
        result.ready = (cwd, outcome_of(result, result.kind, cwd))


def outcome_of(result: Result, kind: str, cwd: str) -> Outcome:
    """The outcome of `result` as the rules see it; `cwd` is the lane's directory before the turn."""
    if result.ready and result.ready[0] == cwd and result.ready[1].kind == kind:
        return result.ready[1].but()
    tool, given, text = result.tool, result.input, shortened(result.text)
    key = calls.call_key(tool, given, cwd)
    command = command_written(tool, given)
    if command.startswith("echo "):  # what it says before it does anything may differ each time
        text = text.replace(f"{shell_line.echoed(command)}\n", "", 1)
    outcome = Outcome(id=result.id, tool=tool, input=given, text=text, kind=kind, key=key)
    outcome.wait = looks.wait_of(tool, given)
    if kind in SILENT:
        return outcome
    outcome.digits = digits_key(text)
    outcome.empty = not text or text.isspace() or text == NO_OUTPUT
    if kind in FAILURES:
        _add_error(outcome)
    else:
        _add_result(outcome, result.text)
    return outcome


def _add_error(outcome: Outcome) -> None:
    """Set the keys of a failure's error, and whether the tool is to blame."""
    tool, given, text, kind = outcome.tool, outcome.input, outcome.text, outcome.kind
    outcome.look = looks.look_of(tool, given)  # its input is not kept until the turn ends
    if outcome.look and text.startswith(TIMED_OUT):
        outcome.wait = outcome.wait or waits.BEFORE
    refused = kind == INVALID and outcome.wait and tool in calls.SHELLS
    if refused:  # it never runs, so what it blocks must be no wait or look that could
        outcome.key = digest(f"refused {outcome.key}")
    found = errors.error_keys(kind, REFUSED_WAIT if refused else text, given)
    outcome.error, outcome.complaint, outcome.at_lines = found
    if steps_on(tool, given):
        outcome.error = outcome.complaint = digest(text)
    outcome.result = outcome.error
    of_no_tool = errors.is_your_no(text) if kind == DENIED else errors.says_nothing(text)
    outcome.miss = (of_no_tool and not outcome.empty) or errors.is_lookup_miss(tool, given, text)


def _add_result(outcome: Outcome, whole: str) -> None:
    """Set the key of what a call returned, and what it changed. `whole`: its text, of any length."""
    tool, given, text = outcome.tool, outcome.input, outcome.text
    shows_page = tool.startswith("mcp__") or acts.runs_device(tool, given)
    outcome.result = result_key(tool, whole if tool in calls.VERBATIM else text, shows_page)
    built_in = tool in calls.VERBATIM or tool in calls.SHELLS
    if outcome.kind == OK and not built_in and acts.sends_message(tool, given):
        outcome.result = results.receipt_key(text)
    outcome.change = calls.change_level(tool, given)
    if command_written(tool, given):
        outcome.result = _result_of_line(outcome)


def result_key(tool: str, text: str, shows_page: bool = False) -> str:
    """The key of what a tool returned: of a file's content all of it, of a web search its links (they are retold in other words each
    time), of anything else the blinded text, and what a page shows."""
    lines = text.split("\n") if tool == calls.WEB_SEARCHES[0] else []
    links = [line for line in lines if line.startswith(LINKS)]
    if links:
        return digest("\n".join(links))
    if tool in calls.VERBATIM:
        return digest(without_stored(text))
    return results.text_key(results.with_shown(text) if shows_page else text)


def _result_of_line(outcome: Outcome) -> str:
    """The key of what a shell line returned: of talk that of the call, of a benchmark and of a step through a history the text as it
    is; under other variables another one."""
    command = command_written(outcome.tool, outcome.input)
    if calls.is_idle(command):
        return outcome.key
    known: str = outcome.result
    if "$!" in command:
        known = results.text_key(_without_process(command, outcome.text))
    measured = results.is_benchmark(command) or (outcome.change and results.measures(outcome.text))
    if measured or steps_on(outcome.tool, outcome.input):
        known = digest(outcome.text)
    variables = shell_line.assignments(command) if outcome.change else ""
    return f"{known} {digest(variables)[:8]}" if variables else known


def _without_process(command: str, text: str) -> str:
    """The text without the process that a line prints of what it started: `app & echo "started $!"`."""
    lines = text.split("\n")
    for before in command.split("$!")[:-1]:
        said = before.rpartition("echo ")[2].lstrip("\"'")
        for i, line in enumerate(lines):
            if line.startswith(said) and line[len(said) : len(said) + 1].isdigit():
                lines[i] = said + line[len(said) :].lstrip("0123456789")
                break
    return "\n".join(lines)


def command_written(tool: str, given: object) -> str:
    """The command that a shell is given, as written (`calls.line_of` translates PowerShell); "" for any other tool."""
    if tool in calls.SHELLS and isinstance(given, dict):
        return calls.command_of(given)[1]
    return calls.line_of(tool, given)


def steps_on(tool: str, given: object) -> bool:
    command = command_written(tool, given)[: shell_line.LONGEST]
    return any(sign in command for sign in ONWARD) and acts.steps_through_history(tool, given)


def look_at(outcome: Outcome) -> int:
    """What the call looks at (looks.NOTHING, FILES or LIVE), worked out when first needed: most calls come once."""
    if outcome.look < 0:
        outcome.look = looks.look_of(outcome.tool, outcome.input)
    return int(outcome.look)


def may_await(outcome: Outcome) -> bool:
    """Whether a call of which nothing is known may look at what is waited for: if it succeeds, or says that this is still going on."""
    asks = outcome.kind == OK or errors.says_not_yet(outcome.text)
    return asks and looks.may_look(outcome.tool, outcome.input)


def only_waits(outcome: Outcome) -> bool:
    """Whether it waits and shows nothing."""
    return outcome.wait == waits.ALONE and not looks.reads_output(outcome.tool, outcome.input)


def label_of(outcome: Outcome) -> str:
    """The call's label, made when it is first needed: most calls are never shown."""
    if not outcome.label:
        outcome.label = labels.label(outcome.tool, outcome.input)
    return outcome.label


def complaint_of(outcome: Outcome) -> str:
    """The key of what a failure complains about, also where its exit code is hidden; "" of a success."""
    ran = outcome.kind in (OK, FAILED)
    return str((ran and outcome.tried.error) or outcome.complaint)


def clip_of(outcome: Outcome) -> str:
    """The clip of its error for people, made when it is first needed; "" if it did not fail."""
    if outcome.text and outcome.kind in FAILURES and not outcome.clip:
        outcome.clip = verdicts.error_clip(outcome.text, outcome.input)
    return str(outcome.clip)
