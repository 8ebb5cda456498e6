"""JSON Schemas of the tools' calls (draft 2020-12), generated from the typed arguments.

Each describes one call as records and `decide` spell it: `tool`, `object`, `args`. The number at the end of `$id` rises
when a schema changes so that an older reader would misread it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gmcp_sandbox.calls.arguments import ARGUMENTS
from gmcp_sandbox.calls.tools import Tool

DRAFT = "https://json-schema.org/draft/2020-12/schema"

VERSIONS: dict[Tool, int] = dict.fromkeys(Tool, 1)

_PATH: dict[str, Any] = {
    "type": "string",
    "description": "Absolute normal path in the sandbox; bytes that are not UTF-8 as lone surrogates (PEP 383).",
    "pattern": "^/",
    "maxLength": 4096,
}
_HOST: dict[str, Any] = {
    "type": "string",
    "description": "Host name in lower case, or a literal address.",
    "minLength": 1,
    "maxLength": 253,
}
_MCP: dict[str, Any] = {
    "type": "string",
    "description": "`server/name`, or the server alone.",
    "minLength": 1,
    "maxLength": 641,
}
_OBJECTS: dict[str, dict[str, Any]] = {
    "fs": _PATH,
    "proc": _PATH,
    "dns": _HOST,
    "net": _HOST,
    "tls": _HOST,
    "http": _HOST,
    "mcp": _MCP,
}


def schema_of(tool: Tool) -> dict[str, Any]:
    """Return the JSON Schema of one tool's calls, a value of the caller's own."""
    kind = ARGUMENTS[tool]
    _, components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    arguments = components.pop(kind.__name__)
    description = arguments.pop("description", "")
    schema: dict[str, Any] = {
        "$schema": DRAFT,
        "$id": f"urn:gmcp-sandbox:tool:{tool.value}:{VERSIONS[tool]}",
        "title": tool.value,
        "description": description,
        "type": "object",
        "properties": {
            "tool": {"const": tool.value},
            "object": dict(_OBJECTS[tool.value.partition(".")[0]]),
            "args": arguments,
        },
        "required": ["tool", "object", "args"],
        "additionalProperties": False,
    }
    if components:
        schema["$defs"] = components
    return schema


def all_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas of all tools by name."""
    return {tool.value: schema_of(tool) for tool in Tool}
