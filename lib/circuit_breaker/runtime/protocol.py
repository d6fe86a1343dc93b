"""Turns Claude Code's payloads into events and decisions into answers: the only file with the field names of both.

(But for `started` in hook.py: a session start at which nothing is due loads no more than it needs.)
"""

from __future__ import annotations

from circuit_breaker.breaker import model
from circuit_breaker.breaker.config import Config
from circuit_breaker.breaker.model import Decision, Event
from circuit_breaker.identity.keys import PICTURE, digest, word
from circuit_breaker.runtime import home, json
from circuit_breaker.words import sentences

# Claude Code's own refusals in PostToolBatch: (begins with, contains). Recorded on 2.1.196, 2.1.330 and 2.1.332.
REFUSALS = (
    ("Permission to use ", " has been denied"),
    ("Permission for this ", " denied"),
    ("claude-", ", so auto mode cannot determine the safety of "),
    ("Auto mode is unavailable", " not run"),
    ("Claude requested permissions to ", ""),
    ("Cannot write to ", " while in plan mode"),
    ("WebFetch", " denied access to "),
    ("Execute skill: ", ""),
    ("PreToolUse:", " hook error: "),
    ("The user doesn't want to proceed with this tool use", ""),
    ("The user doesn't want to take this action right now", ""),
    ("User rejected tool use", ""),
    # shell lines where nobody can be asked (`-p`)
    ("This command requires approval", ""),
    ("This command uses shell operators that require approval", ""),
    ("This command ", "Approve only if you trust it"),
    ("Claude Code couldn't finish checking this command", ""),
    ("sed command requires approval", ""),
    ("find with '", " cannot be auto-allowed by "),
    ("awk program contains ", " executes arbitrary commands"),
    ("jq command contains ", " executes arbitrary commands"),
    ("Dangerous ", " operation detected"),
    ("Brace expansion", ""),
    ("Redirect target ", " contains "),
)
# Parts of refusals of one line that begin with the name of a program, a path or a kind of expansion.
REFUSING = (
    " needs approval. The path is ",
    " was blocked. For security, Claude Code may only ",
    " was blocked by a deny rule",
    " command contains multiple operations. The following ",
    " can't be checked before it runs",
    "' evaluates arguments as shell code",
)
_REFUSAL_BEGINNINGS = tuple(beginning for beginning, _ in REFUSALS)
SENTENCE_MAX = 600  # characters at the beginning that are read for LAUNCHES, REFUSING and how REFUSALS begin
TOOL_ERROR = "<tool_use_error>"  # begins what Claude Code refuses to run
# What becomes of a call whose parallel call failed first: it never ran. Seen in transcripts.
CANCELLED = (f"{TOOL_ERROR}Sibling tool call errored", f"{TOOL_ERROR}Cancelled: parallel tool call ")
# Results of calls that continue in the background: (begins with, contains). 2.1.197 to 2.1.332.
LAUNCHES = (
    ("Command running in background with ID:", ""),
    ("Command was manually backgrounded", ""),
    ("Command did not complete within ", " moved to the background"),
    ("Command was moved to the background", ""),
    ("MCP tool ", " moved to the background as task "),
    ("Async agent launched", ""),
    ("Monitor started (task ", ""),
)
# How prompts begin that nobody typed (2.1.196 to 2.1.332).
NOT_TYPED = ("<task-notification>", "<agent-message", "<cross-session-message", "<teammate-message", "<channel source=")  # fmt: skip
SOURCE_FIELD = b"promptSource"  # only a prompt's own row has it; notes of the same promptId are isMeta too
SAVED = ("tool-results",)  # the folder of large outputs, with a new made-up name each time
NAME_MAX, PATH_MAX = 256, 4096  # characters of a name, of a directory


class Payload:
    """A hook payload: `fields`, the whole object; `size` in bytes; the fields that all events have; `command` and its `arguments`, and
    the changed `file`, of the events that have them. Raises ValueError for a field of another type."""

    def __init__(self, fields: dict[str, object], default_session: str = "", size: int = 0) -> None:
        self.fields, self.size = fields, size
        self.event = text_of(fields, "hook_event_name")
        self.session = name_of(fields, "session_id") or default_session
        self.lane = name_of(fields, "agent_id") or model.MAIN
        self.cwd = name_of(fields, "cwd", PATH_MAX)
        self.prompt = name_of(fields, "prompt_id")
        self.transcript = text_of(fields, "transcript_path")
        names = ("command_name", "command_args", "file_path")
        self.command, self.arguments, self.file = (json.only(str, fields.get(name)) for name in names)


def text_of(fields: dict[str, object], name: str) -> str:
    """A field that must be a string; "" when it is missing. Raises ValueError for any other type."""
    value = fields.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a string, got {type(value).__name__}")
    return value


def name_of(fields: dict[str, object], name: str, most: int = NAME_MAX) -> str:
    """A field that is kept in memory; of more than `most` characters only 64 and a digest."""
    text = text_of(fields, name)
    return text if len(text) <= most else f"{text[:64]}~{digest(text)}"


def last_call(payload: Payload) -> str:
    """The tool_use_id of the call of an event's payload, of a batch its last one; "" for none."""
    calls = json.only(list, payload.fields.get("tool_calls")) or [payload.fields]
    return name_of(calls[-1], "tool_use_id")


def event_of(payload: Payload, keyword: str) -> Event | None:
    """The event of a payload; None if no rule needs it. `keyword`: the bypass keyword. Raises ValueError."""
    fields, prompt = payload.fields, payload.prompt
    name = payload.event
    if name == "PostToolBatch":
        return model.Turn(results=_batch(fields), cwd=payload.cwd, prompt=prompt)
    if name == "PreToolUse":
        return model.Ask(**_call(fields), cwd=payload.cwd, prompt=prompt)
    if name in ("PostToolUseFailure", "PostToolUse"):
        return _reported(payload)
    if name == "UserPromptSubmit":
        text = text_of(fields, "prompt")
        return model.Prompt(
            id=prompt,
            person=not text.startswith(NOT_TYPED),
            proven=False,
            key=digest(text),
            bypass=says(text, keyword),
            lookalike=looks_like(text, keyword),
            cwd=payload.cwd,
        )
    if name == "SessionStart" and fields.get("source") == "compact":
        return model.Compacted()
    if name in ("Stop", "SubagentStop"):
        return model.StopAsked(again=fields.get("stop_hook_active") is True, prompt=prompt)
    if not name and "tool_name" in fields:
        return _by_hand(fields)
    return None


def attended(env: home.Environment) -> bool:
    """Whether you sit at a terminal and can be asked (`-p` and the SDK have other entry points)."""
    return env.get("CLAUDE_CODE_ENTRYPOINT") == "cli"


def author_of(row: dict[str, object], prompt_id: str) -> str:
    """Who wrote a prompt, by a row of the transcript; "" if the row is not that prompt's."""
    if row.get("promptId", row.get("prompt_id")) != prompt_id:
        return ""
    return (model.MACHINE if is_machine_row(row) else model.PERSON) if row.get("promptSource") else ""


def is_machine_row(row: dict[str, object]) -> bool:
    """Whether a prompt's row says that you did not type it. (With `-p` it has no origin.)"""
    origin = row.get("origin")
    return (
        row.get("isMeta") is True
        or row.get("promptSource") == "system"
        or row.get("turnOrigin") == "scheduled"
        or (isinstance(origin, dict) and origin.get("kind", "human") != "human")
    )


def says(prompt: str, keyword: str) -> bool:
    """Whether the first line of the prompt is exactly the keyword."""
    return prompt.split("\n", 1)[0].rstrip() == keyword


def looks_like(prompt: str, keyword: str) -> bool:
    """Whether the first line is almost the keyword: another case, other blanks, quotes, or words after it."""
    first = " ".join(prompt[:400].split("\n", 1)[0].lower().split()).lstrip("\"'`*_#>-/!( ")
    return bool(keyword) and first.startswith(" ".join(keyword.lower().split())) and not says(prompt, keyword)


def _batch(fields: dict[str, object]) -> list[model.Result]:
    calls = fields.get("tool_calls")
    if not isinstance(calls, list):
        raise ValueError("tool_calls: expected a list")
    results = []
    for call in calls:
        if not isinstance(call, dict):
            raise ValueError("tool_calls: expected objects")
        response = call.get("tool_response")
        text = response_text(response)
        kind = model.LAUNCHED if is_launched(response) else outcome_by_text(call.get("tool_input"), text)
        results.append(model.Result(**_call(call), text=text, kind=kind))
    return results


def _call(fields: dict[str, object]) -> dict[str, object]:
    """What all events say of a call."""
    return {
        "id": name_of(fields, "tool_use_id"),
        "tool": name_of(fields, "tool_name"),
        "input": fields.get("tool_input"),
    }


def is_launched(response: object) -> bool:
    """Whether a tool's result object says that it continues in the background."""
    return isinstance(response, dict) and bool(
        response.get("backgroundTaskId") or response.get("status") == "async_launched"
    )


def outcome_by_text(given: object, text: str) -> str:
    """The outcome by a result's text alone; one reported before the batch takes precedence."""
    if text.startswith(TOOL_ERROR):
        return model.INTERRUPTED if text.startswith(CANCELLED) else model.INVALID
    start = text[:SENTENCE_MAX]
    if _is_refusal(start, text):
        return model.DENIED
    if isinstance(given, dict) and given.get("run_in_background") is True:
        return model.LAUNCHED
    if any(start.startswith(a) and b in start for a, b in LAUNCHES):
        return model.LAUNCHED
    return model.OK


def _is_refusal(start: str, text: str) -> bool:
    if start.startswith(_REFUSAL_BEGINNINGS) and any(start.startswith(a) and b in text for a, b in REFUSALS):
        return True
    return any(part in start for part in REFUSING) and "\n" not in text


def _reported(payload: Payload) -> model.Reported:
    fields = payload.fields
    if payload.event == "PostToolUseFailure":
        kind = model.INTERRUPTED if fields.get("is_interrupt") is True else model.FAILED
        text = text_of(fields, "error")
        if kind == model.FAILED and text.startswith(TOOL_ERROR):
            kind = outcome_by_text(None, text)
    else:
        response = fields.get("tool_response")
        kind, text = (model.LAUNCHED if is_launched(response) else model.OK), response_text(response)
    return model.Reported(**_call(fields), kind=kind, text=text, cwd=payload.cwd, prompt=payload.prompt)


def _by_hand(fields: dict[str, object]) -> model.Turn:
    """A payload typed by hand for a test, {"tool_name", "tool_result": {"isError"}, "session_id", ...}, as a turn."""
    outcome = fields.get("tool_result")
    failed = isinstance(outcome, dict) and outcome.get("isError") is True
    text = response_text(outcome.get("content") if isinstance(outcome, dict) else outcome)
    result = model.Result(**_call(fields), text=text, kind=model.FAILED if failed else model.OK)
    return model.Turn(results=[result], cwd=name_of(fields, "cwd", PATH_MAX))


def response_text(response: object) -> str:
    """What a tool returned (a string, content blocks, or an object of its own) as text."""
    if isinstance(response, str):
        return response
    if response is None:
        return ""
    if isinstance(response, list):
        return "\n".join(_block_text(block) for block in response)
    if isinstance(response, dict) and isinstance(response.get("stdout"), str):
        errors = response.get("stderr")
        return response["stdout"] + ("\n" + errors if isinstance(errors, str) and errors else "")
    return json.dump(response).decode("ascii")


def _block_text(block: object) -> str:
    if isinstance(block, dict) and isinstance(block.get("text"), str):
        return str(block["text"])
    source = block.get("source", block) if isinstance(block, dict) else None  # MCP has it in the block itself
    if isinstance(source, dict) and isinstance(source.get("data"), str):
        return f"{PICTURE}{word(source['data'])}]"
    return block if isinstance(block, str) else json.dump(block).decode("ascii")


def render(decision: Decision, event: str, config: Config) -> dict[str, object] | None:
    """The answer for stdout; None to print nothing."""
    said: dict[str, list[str]] = {}
    stopped = {notice.name for notice in decision.notices if notice.kind == model.STOP}
    for notice in decision.notices:
        if notice.kind == model.STOP or notice.name not in stopped:  # it would be said twice
            said.setdefault(notice.kind, []).append(sentences.sentence_of(notice, config.bypass_keyword))
    answer: dict[str, object] = {}
    for_you = said.get(model.OPENED, []) + said.get(model.FOR_YOU, [])
    if decision.verdict == model.STOP:
        answer = {"continue": False, "stopReason": "\n".join(said[model.STOP] + for_you)}
    elif for_you:
        answer["systemMessage"] = "\n".join(for_you)
    if config.notify and (decision.verdict == model.STOP or model.OPENED in said):
        answer["terminalSequence"] = notification((said.get(model.STOP) or said[model.OPENED])[0])
    if decision.verdict in (model.DENY, model.QUESTION):
        answer["hookSpecificOutput"] = {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny" if decision.verdict == model.DENY else "ask",
            "permissionDecisionReason": "\n".join(said[decision.verdict]),
        }
    elif decision.verdict == model.WARN and event in ("PreToolUse", "PostToolBatch"):
        warnings = "\n\n".join(said.get(model.WARN, []) + said.get(model.SUBAGENT, []))
        answer["hookSpecificOutput"] = {"hookEventName": event, "additionalContext": warnings}
    return answer or None


def notification(text: str) -> str:
    """The terminal sequence (OSC 9) that most terminals show as a desktop notification."""
    return f"\x1b]9;{''.join([c for c in text if c.isprintable()])}\x07"


def spoken(hook: str, text: str) -> dict[str, object]:
    """The answer of a hook that only speaks to you. A command then makes no request to the model, a session keeps its settings."""
    if hook == "janitor":
        return {"systemMessage": text}
    answer: dict[str, object] = {"decision": "block", "reason": text}
    if hook == "command":
        answer["hookSpecificOutput"] = {
            "hookEventName": "UserPromptExpansion",
            "suppressOriginalPrompt": True,
        }
    return answer
