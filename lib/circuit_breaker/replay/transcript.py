"""Turns rows of a Claude Code transcript into recorded hook events, with the usage of their requests.

The format is Claude Code's own and undocumented, so unknown rows are skipped. A transcript does not contain what hooks answered, and
only the text of a result shows whether a tool failed or the call was refused (see docs/detection.md).
"""

from __future__ import annotations

from datetime import datetime

from circuit_breaker.breaker.model import DENIED, INVALID, NO_TOKENS
from circuit_breaker.identity.errors import is_your_no
from circuit_breaker.runtime import usage
from circuit_breaker.runtime.protocol import CANCELLED, is_machine_row, outcome_by_text, response_text

Recorded = dict
REQUEST, INTERRUPTED, COMPACTED = "Request", "Interrupted", "Compacted"  # records that are not hook events
_INTERRUPTED = "[Request interrupted by user"
_OURS = ("Circuit breaker", "Blocked by circuit-breaker")  # a hook's reason alone, up to 2.1.197
_NOT_TYPED = ("<command-", "<local-command", "<bash-", "Caveat:")


def is_row(row: object) -> bool:
    """Whether a line's value is a transcript row and not a hook event."""
    return isinstance(row, dict) and "hook_event_name" not in row and isinstance(row.get("type"), str)


def records_in_row(row: Recorded) -> list[Recorded]:
    """The recorded events in one row, in order: a request before its calls."""
    common: Recorded = {"session_id": str(row.get("sessionId") or ""), "t": seconds(row.get("timestamp"))}
    if isinstance(row.get("cwd"), str):
        common["cwd"] = row["cwd"]
    if row.get("isSidechain"):  # older versions do not name the agent, so all of them are one lane
        agent = row.get("agentId")
        common["agent_id"] = agent if isinstance(agent, str) and agent else "sidechain"
    message, kind = row.get("message"), row.get("type")
    if row.get("subtype") == "compact_boundary":
        return [{**common, "hook_event_name": COMPACTED}]
    if kind not in ("user", "assistant") or not isinstance(message, dict) or row.get("isCompactSummary"):
        return []
    return (_assistant if kind == "assistant" else _results)(row, message, common)


def seconds(stamp: object) -> float:
    """Epoch seconds of an ISO time stamp; 0.0 for anything else."""
    if not isinstance(stamp, str):
        return 0.0
    try:
        return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _assistant(row: Recorded, message: Recorded, common: Recorded) -> list[Recorded]:
    turn = str(message.get("id") or row.get("requestId") or row.get("uuid") or "")
    calls = [block for block in _blocks(message) if block.get("type") == "tool_use"]
    found = [
        {
            **common,
            "hook_event_name": "PreToolUse",
            "turn": turn,
            "tool_use_id": str(block.get("id") or ""),
            "tool_name": str(block.get("name") or ""),
            "tool_input": block.get("input"),
        }
        for block in calls
    ]
    message_id, spent = usage.of_row(row) or (turn, [*NO_TOKENS])
    request = {
        **common,
        "hook_event_name": REQUEST,
        "turn": turn,
        "message": message_id,
        "usage": spent,
        "calls": bool(calls),
        "said": any(str(block.get("text") or "").strip() for block in _blocks(message)),
        "failed": row.get("isApiErrorMessage") is True,
    }
    return [request, *found]


def _results(row: Recorded, message: Recorded, common: Recorded) -> list[Recorded]:
    content = message.get("content")
    results = [block for block in _blocks(message) if block.get("type") == "tool_result"]
    if results:
        return [_result(block, common) for block in results]
    text = content if isinstance(content, str) else " ".join(str(b.get("text", "")) for b in _blocks(message))
    if text.startswith(_INTERRUPTED):
        return [{**common, "hook_event_name": INTERRUPTED}]
    # Rows without a source are notes by Claude Code, or old.
    machine = is_machine_row(row if "promptSource" in row else {**row, "isMeta": False})
    note = row.get("isMeta") and not machine  # by Claude Code itself
    if note or "agent_id" in common or not text.strip() or text.startswith(_NOT_TYPED):
        return []
    prompt = {**common, "hook_event_name": "UserPromptSubmit", "prompt": text}
    if isinstance(row.get("promptId"), str):
        prompt["prompt_id"] = row["promptId"]
    if machine:
        prompt["machine"] = True
    return [prompt]


def _result(block: Recorded, common: Recorded) -> Recorded:
    text = response_text(block.get("content"))
    record = {**common, "tool_use_id": str(block.get("tool_use_id") or "")}
    if not block.get("is_error"):
        return {**record, "hook_event_name": "PostToolUse", "tool_response": text}
    outcome = outcome_by_text(None, text)
    if text.startswith(CANCELLED):
        why = "cancelled"
    elif outcome == INVALID:
        why = "validation_error"
    elif is_your_no(text) or _INTERRUPTED in text[:60]:
        why = "user_rejected"
    else:
        why = "permission_denied" if outcome == DENIED or text.startswith(_OURS) else ""
    name = "PostToolUseFailure" if why in ("", "validation_error") else "ToolNotRun"
    return {**record, "hook_event_name": name, "error": text, **({why: True} if why else {})}


def _blocks(message: Recorded) -> list[Recorded]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
