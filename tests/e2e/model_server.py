"""A model server for agents under test: it speaks the OpenAI protocol and says what the test has written down."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Wish(NamedTuple):
    """One tool call that the model asks for."""

    tool: str
    arguments: dict[str, str]


class ModelServer(ThreadingHTTPServer):
    """Asks for one wish after the other; then it says which were refused. A new user message begins anew."""

    daemon_threads = True

    def __init__(self, wishes: Sequence[Wish]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wishes = wishes
        self.offered: set[str] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def reply_to(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the model's next message."""
        self.offered = {tool["function"]["name"] for tool in question["tools"]}
        messages = question["messages"]
        begun = max(index for index, message in enumerate(messages) if message["role"] == "user")
        results = [message["content"] for message in messages[begun:] if message["role"] == "tool"]
        if len(results) < len(self.wishes):
            wish = self.wishes[len(results)]
            function = {"name": wish.tool, "arguments": json.dumps(wish.arguments)}
            call = {"id": f"call_{len(results)}", "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        refused = [
            json.dumps(wish.arguments)
            for wish, result in zip(self.wishes, results, strict=True)
            if "refused" in result or "denied" in result
        ]
        return {"role": "assistant", "content": f"Done. Refused: {'; '.join(refused) or 'nothing'}"}


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = self.server.reply_to(question)
        ending = "tool_calls" if message.get("tool_calls") else "stop"
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": question["model"],
            "choices": [{"index": 0, "finish_reason": ending, "message": message}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on the tests' terminal."""


@contextmanager
def model_server(*wishes: Wish) -> Iterator[ModelServer]:
    """Serve on a free port of the loopback while in the block."""
    server = ModelServer(wishes)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
