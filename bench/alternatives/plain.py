"""The obvious hook, for comparison: json, pathlib and a lock from a package; counts failures of a call, denies after three."""

import hashlib
import json
import sys
from pathlib import Path

from filelock import FileLock


def main() -> None:
    payload = json.load(sys.stdin)
    home = Path(sys.argv[1])
    home.mkdir(parents=True, exist_ok=True)
    state_file = home / f"{payload['session_id']}.json"
    with FileLock(str(state_file) + ".lock"):
        state = json.loads(state_file.read_text()) if state_file.exists() else {}
        if payload["hook_event_name"] == "PostToolBatch":
            for call in payload["tool_calls"]:
                failed = str(call.get("tool_response", "")).startswith(("Exit code", "<tool_use_error>"))
                key = key_of(call)
                state[key] = state.get(key, 0) + 1 if failed else 0
            state_file.write_text(json.dumps(state))
        elif payload["hook_event_name"] == "PreToolUse" and state.get(key_of(payload), 0) >= 3:
            answer = {"hookEventName": "PreToolUse", "permissionDecision": "deny"}
            print(
                json.dumps({"hookSpecificOutput": {**answer, "permissionDecisionReason": "failed 3 times"}})
            )


def key_of(call: dict) -> str:
    text = json.dumps([call["tool_name"], call["tool_input"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


main()
