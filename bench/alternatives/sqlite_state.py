"""State in SQLite, for comparison: a transaction in place of a lock; counts failures of a call, denies after three."""

import hashlib
import json
import os
import sqlite3
import sys


def main() -> None:
    payload = json.load(sys.stdin)
    os.makedirs(sys.argv[1], exist_ok=True)
    base = sqlite3.connect(os.path.join(sys.argv[1], "state.db"), timeout=3, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute(
        "CREATE TABLE IF NOT EXISTS calls (session TEXT, key TEXT, failures INT, PRIMARY KEY (session, key))"
    )
    session = payload["session_id"]
    if payload["hook_event_name"] == "PostToolBatch":
        base.execute("BEGIN IMMEDIATE")
        for call in payload["tool_calls"]:
            failed = str(call.get("tool_response", "")).startswith(("Exit code", "<tool_use_error>"))
            base.execute(
                "INSERT INTO calls VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET failures = (failures + 1) * ?",
                (session, key_of(call), int(failed), int(failed)),
            )
        base.execute("COMMIT")
    elif payload["hook_event_name"] == "PreToolUse":
        asked = (session, key_of(payload))
        row = base.execute("SELECT failures FROM calls WHERE session = ? AND key = ?", asked).fetchone()
        if row and row[0] >= 3:
            answer = {"hookEventName": "PreToolUse", "permissionDecision": "deny"}
            print(
                json.dumps({"hookSpecificOutput": {**answer, "permissionDecisionReason": "failed 3 times"}})
            )


def key_of(call: dict) -> str:
    text = json.dumps([call["tool_name"], call["tool_input"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


main()
