"""A stand-in of the model's API on loopback, which records what Claude Code sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Union

Body = dict[str, Any]


class Use(NamedTuple):
    """One tool call of an assistant message."""

    tool: str
    input: Mapping[str, Any]


class Say(NamedTuple):
    """An assistant message of text only, which ends the turn."""

    text: str


Message = Union[Say, Use, list[Use]]
Step = Union[Message, Callable[[Body], Message]]


def bash(command: str) -> Use:
    """A Bash call."""
    return Use("Bash", {"command": command})


def edit(path: object, old: str, new: str) -> Use:
    """An Edit call."""
    return Use("Edit", {"file_path": str(path), "old_string": old, "new_string": new})


def sent(body: Body) -> str:
    """All that a request newly brought to the model: the text of every message after the last assistant's."""
    fresh: list[str] = []
    for message in reversed(body["messages"]):
        if message["role"] == "assistant":
            break
        fresh.append(_text(message["content"]))
    return "\n".join(reversed(fresh))


def results(body: Body) -> list[str]:
    """The texts of all tool results in a request, oldest first."""
    blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
    return [_text(block.get("content", "")) for block in blocks if block.get("type") == "tool_result"]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(
        _text(block.get("content", "")) if block.get("type") == "tool_result" else str(block.get("text", ""))
        for block in content
    )


class Standin:
    """The API, scripted. `script` maps words that the first user message of a conversation holds to the steps of that
    conversation; the steps under "" serve every other one. A step is a message or a function that makes one from the request
    body. A script that has run out says "done". Titles and warm-ups take no step and are not kept.

    `requests` holds the bodies in the order they came, `url` is what ANTHROPIC_BASE_URL needs. Each answer says that it cost `usage`.
    """

    def __init__(self, script: Mapping[str, Iterable[Step]], usage: Mapping[str, int] | None = None) -> None:
        self.usage = dict(usage or {"input_tokens": 1, "output_tokens": 1})
        self.requests: list[Body] = []
        self.problems: list[str] = []
        self._script = {words: iter(steps) for words, steps in script.items()}
        self._calls = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Standin:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, words: str) -> list[Body]:
        """The requests of one conversation."""
        return [body for body in self.requests if self._conversation(body) == words]

    def answer(self, body: Body) -> list[tuple[str, Body]]:
        """The events that answer one request."""
        if not body.get("tools") or body.get("max_tokens") == 1:
            return _stream("title", [{"type": "text", "text": "word"}])
        with self._lock:
            self.requests.append(body)
            name = f"msg_{len(self.requests):04}"  # the client takes messages of one name for one message
            step = next(self._script[self._conversation(body)], Say("done"))
            message = step if isinstance(step, (tuple, list)) else step(body)
            if isinstance(message, Say):
                return _stream(name, [{"type": "text", "text": message.text}], self.usage)
            uses = message if isinstance(message, list) else [message]
            return _stream(name, [self._block(use) for use in uses], self.usage)

    def _block(self, use: Use) -> Body:
        self._calls += 1
        return {"type": "tool_use", "id": f"toolu_{self._calls:04}", "name": use.tool, "input": use.input}

    def _conversation(self, body: Body) -> str:
        first = _text(body["messages"][0]["content"])
        return next((words for words in self._script if words and words in first), "")


def _stream(name: str, blocks: list[Body], cost: Mapping[str, int] | None = None) -> list[tuple[str, Body]]:
    usage = dict(cost or {"input_tokens": 1, "output_tokens": 1})
    begun = {**usage, "output_tokens": min(1, usage["output_tokens"])}
    start = {"id": name, "type": "message", "role": "assistant", "model": "stand-in", "content": []}
    message = {**start, "stop_reason": None, "usage": begun}
    events: list[tuple[str, Body]] = [("message_start", {"message": message})]
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty, delta = (
                {**block, "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(block["input"])},
            )
        events.append(("content_block_start", {"index": index, "content_block": empty}))
        events.append(("content_block_delta", {"index": index, "delta": delta}))
        events.append(("content_block_stop", {"index": index}))
    reason = "tool_use" if blocks[-1]["type"] == "tool_use" else "end_turn"
    events.append(
        ("message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage})
    )
    return [*events, ("message_stop", {})]


def _handler(api: Standin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            path = self.path.partition("?")[0]
            if path == "/v1/messages/count_tokens":
                self._send("application/json", b'{"input_tokens": 1}')
            elif path == "/v1/messages":
                try:
                    events = api.answer(body)
                except Exception as error:  # noqa: BLE001 - a step's failed assertion must reach the test, not this thread
                    api.problems.append(f"{type(error).__name__}: {error}")
                    events = _stream("failed", [{"type": "text", "text": "the script failed"}])
                lines = [
                    f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n" for kind, data in events
                ]
                self._send("text/event-stream", "".join(lines).encode())
            else:
                self.send_error(404)

        def _send(self, kind: str, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing: the test says what went wrong."""

    return Handler
