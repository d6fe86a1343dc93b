"""Turns decisions into Claude Code's answers: the only file with their field names."""

from __future__ import annotations

from circuit_breaker.breaker import model
from circuit_breaker.words.sentences import sentence_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circuit_breaker.breaker.config import Config
    from circuit_breaker.breaker.model import Decision


def render(decision: Decision, event: str, config: Config) -> dict[str, Any] | None:
    """The answer for stdout; None to print nothing."""
    said: dict[str, list[str]] = {}
    for notice in decision.notices:
        said.setdefault(notice.kind, []).append(sentence_of(notice, config.bypass_keyword))
    if decision.verdict == model.QUESTION:  # the dialog is the message
        return {"hookSpecificOutput": _permission("ask", said[model.QUESTION])}
    answer: dict[str, Any] = {}
    for_you = said.get(model.OPENED, []) + said.get(model.FOR_YOU, [])
    if decision.verdict == model.STOP:  # a systemMessage would say it twice
        answer = {"continue": False, "stopReason": "\n".join(said[model.STOP])}
    elif for_you:
        answer["systemMessage"] = "\n".join(for_you)
    if config.notify and (decision.verdict == model.STOP or model.OPENED in said):
        answer["terminalSequence"] = notification((said.get(model.STOP) or said[model.OPENED])[0])
    if decision.verdict == model.DENY:
        answer["hookSpecificOutput"] = _permission("deny", said[model.DENY])
    elif decision.verdict == model.WARN and event in ("PreToolUse", "PostToolBatch"):
        warnings = "\n\n".join(said.get(model.WARN, []) + said.get(model.SUBAGENT, []))
        answer["hookSpecificOutput"] = {"hookEventName": event, "additionalContext": warnings}
    return answer or None


def _permission(decision: str, reasons: list[str]) -> dict[str, str]:
    return {
        "hookEventName": "PreToolUse",
        "permissionDecision": decision,
        "permissionDecisionReason": "\n".join(reasons),
    }


def notification(text: str) -> str:
    """The terminal sequence (OSC 9) that most terminals show as a desktop notification."""
    return f"\x1b]9;{''.join([c for c in text if c.isprintable()])}\x07"


def system_message(text: str) -> dict[str, Any]:
    """An answer that only you see."""
    return {"systemMessage": text}


def command_answer(text: str) -> dict[str, Any] | None:
    """The answer to one of our slash commands, which you are shown; no request goes to the model. None for no text."""
    quiet = {"hookEventName": "UserPromptExpansion", "suppressOriginalPrompt": True}
    return {"decision": "block", "reason": text, "hookSpecificOutput": quiet} if text else None


def held_back(reason: str) -> dict[str, Any] | None:
    """The answer that makes a session keep its settings; None without a reason."""
    return {"decision": "block", "reason": reason} if reason else None
