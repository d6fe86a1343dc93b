"""How does a Claude Code transcript become recorded hook events?

The format is the host's own and undocumented: what is not understood is passed over. A transcript does not say what a hook
answered, and it does not tell a tool that failed from one that was refused but by its text (see docs/detection.md).
"""

from __future__ import annotations

from datetime import datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Record = dict[str, Any]


_INTERRUPTED = "[Request interrupted by user"
_NOT_TYPED = ("<command-", "<local-command", "<bash-", "Caveat:", _INTERRUPTED)
_USAGE = ("input_tokens", "output_tokens", "cache_creation_input_tokens")


def is_row(row: Record) -> bool:
    """Is this line a transcript's (and not a hook event)?"""
    return "hook_event_name" not in row and isinstance(row.get("type"), str)


def records(row: Record) -> list[Record]:
    """The recorded events one row stands for, in order; its usage rides on its first call as `tokens` (each row of a message repeats it)."""
    message = row.get("message")
    if (
        row.get("type") not in ("user", "assistant")
        or not isinstance(message, dict)
        or row.get("isCompactSummary")
    ):
        return []
    common: Record = {"session_id": str(row.get("sessionId") or ""), "t": seconds(row.get("timestamp"))}
    if isinstance(row.get("cwd"), str):
        common["cwd"] = row["cwd"]
    if row.get(
        "isSidechain"
    ):  # older clients name no agent: then all of them are one lane, but never the main thread
        agent = row.get("agentId")
        common["agent_id"] = agent if isinstance(agent, str) and agent else "sidechain"
    if row["type"] == "assistant":
        return _calls(message, common)
    return _results(row, message, common)


def seconds(stamp: object) -> float:
    """Epoch seconds of an ISO timestamp; 0.0 when it is none."""
    if not isinstance(stamp, str):
        return 0.0
    try:
        return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _calls(message: Record, common: Record) -> list[Record]:
    usage = message.get("usage")
    tokens = (
        sum(usage[name] for name in _USAGE if isinstance(usage.get(name), int))
        if isinstance(usage, dict)
        else 0
    )
    found: list[Record] = []
    for block in _blocks(message):
        if block.get("type") != "tool_use":
            continue
        found.append(
            {
                **common,
                "hook_event_name": "PreToolUse",
                "turn": str(message.get("id") or ""),
                "tool_use_id": str(block.get("id") or ""),
                "tool_name": str(block.get("name") or ""),
                "tool_input": block.get("input"),
                "tokens": 0 if found else tokens,
            }
        )
    return found


def _results(row: Record, message: Record, common: Record) -> list[Record]:
    content = message.get("content")
    results = [block for block in _blocks(message) if block.get("type") == "tool_result"]
    if results:
        return [_result(block, common) for block in results]
    text = content if isinstance(content, str) else " ".join(str(b.get("text", "")) for b in _blocks(message))
    if row.get("isMeta") or "agent_id" in common or not text.strip() or text.startswith(_NOT_TYPED):
        return []
    prompt = {**common, "hook_event_name": "UserPromptSubmit", "prompt": text}
    if isinstance(row.get("promptId"), str):
        prompt["prompt_id"] = row["promptId"]
    if row.get("promptSource") == "system":
        prompt["system"] = True
    return [prompt]


def _result(block: Record, common: Record) -> Record:
    text = _text(block.get("content"))
    record = {**common, "tool_use_id": str(block.get("tool_use_id") or "")}
    if not block.get("is_error"):
        return {**record, "hook_event_name": "PostToolUse", "tool_response": text}
    if text.startswith("<tool_use_error>") and (
        "Sibling tool call errored" in text or ">Cancelled: " in text
    ):
        return {**record, "hook_event_name": "ToolNotRun", "cancelled": True, "error": text}
    if text.startswith("<tool_use_error>"):
        return {**record, "hook_event_name": "PostToolUseFailure", "validation_error": True, "error": text}
    if text.startswith(("The user doesn't want", _INTERRUPTED)) or _INTERRUPTED in text[:60]:
        return {**record, "hook_event_name": "ToolNotRun", "user_rejected": True, "error": text}
    if text.startswith(
        ("Permission to use ", "Claude requested permissions ", "PreToolUse:", "Circuit breaker")
    ):
        return {**record, "hook_event_name": "ToolNotRun", "permission_denied": True, "error": text}
    return {**record, "hook_event_name": "PostToolUseFailure", "error": text}


def _blocks(message: Record) -> list[Record]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return ""
