"""The smallest MCP server that there is: one tool, over pipes, nothing but the standard library."""

from __future__ import annotations

import json
import sys

TOOL = {
    "name": "echo",
    "description": "Says what it is told.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["text"],
    },
}


def result_of(method: str, params: dict) -> dict:  # type: ignore[type-arg]
    """Return the answer to a request."""
    if method == "initialize":
        info = {"name": "echo", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [TOOL]}
    return {"content": [{"type": "text", "text": params["arguments"]["text"]}]}


for line in sys.stdin.buffer:
    asked = json.loads(line)
    if "id" in asked:
        result = result_of(asked["method"], asked.get("params", {}))
        sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode() + b"\n")
        sys.stdout.buffer.flush()
