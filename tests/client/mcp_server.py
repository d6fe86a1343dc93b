"""A stdio MCP server for tests: `python3 mcp_server.py FOLDER`. While FOLDER holds a file `down` it cannot be started.

Each start leaves its process id in FOLDER/starts. Its tools: `answer`, `refuse` (an error of the tool's own, by its number), `die`
(the process ends during the call).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[-1])
REASONS = [
    "the disk is full",
    "no such table",
    "syntax near FROM",
    "the key is missing",
    "permission",
    "busy",
]
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The result of one request."""
    if method == "initialize":
        name = {"name": "db", "version": "1.0.0"}
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": name,
        }
    if method == "tools/list":
        tools = ("answer", "refuse", "die")
        return {"tools": [{"name": tool, "description": tool, "inputSchema": SCHEMA} for tool in tools]}
    if method != "tools/call":
        return {}
    if params["name"] == "die":
        os._exit(1)
    text, refuses = params["arguments"]["text"], params["name"] == "refuse"
    return {
        "content": [{"type": "text", "text": REASONS[int(text)] if refuses else text}],
        "isError": refuses,
    }


def main() -> None:
    """Serve until stdin ends."""
    with (FOLDER / "starts").open("a", encoding="ascii") as starts:
        starts.write(f"{os.getpid()}\n")
    if (FOLDER / "down").exists():
        sys.exit(1)
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            result = answer(request["method"], request.get("params", {}))
            print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
