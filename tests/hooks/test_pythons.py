"""The hooks work under every Python from 3.9 up that is installed here. The ids of the tests name it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SESSION = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def test_loop_is_told_denied_and_reset(
    python: str, machine: Any, payload: Callable[..., Any], run_hook: Callable[..., Any]
) -> None:
    def send(hook: str, name: str, **changes: Any) -> Any:
        answer = run_hook(hook, payload(name, **{"session_id": SESSION, "prompt_id": "p", **changes}), python)
        assert (answer.code, answer.stderr) == (0, "")
        return answer.out

    def ask(number: int) -> Any:
        return send("gate", "PreToolUse.bash", tool_use_id=f"toolu_{number}")

    assert send("janitor", "SessionStart.startup.headless", prompt_id=None) is None
    assert send("prompt", "UserPromptSubmit") is None
    said = []
    for number in range(3):
        assert ask(number) is None
        failed = {"tool_use_id": f"toolu_{number}"}
        send("monitor", "PostToolUseFailure.bash-exit-1", **failed)
        call = payload("PostToolBatch.bash-exit-1")["tool_calls"][0]
        said.append(send("monitor", "PostToolBatch.bash-exit-1", tool_calls=[{**call, **failed}]))
    assert said[:2] == [None, None]
    assert "additionalContext" in said[2]["hookSpecificOutput"]
    assert ask(3)["hookSpecificOutput"]["permissionDecision"] == "deny"

    command = {"command_name": "circuit-breaker:reset-circuit", "command_args": "--all"}
    assert "tool_failure" in send("command", "UserPromptExpansion.plugin-command", **command)["reason"]
    assert ask(4) is None
    assert send("stop", "Stop") is None
