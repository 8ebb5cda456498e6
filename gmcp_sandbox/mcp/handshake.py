"""`initialize`, from both sides: what is not granted is not spoken of.

A client does not learn of what its server is not granted, a server not of what it may not ask for; nobody learns who
the client says that it is. Extensions and experiments, which nobody here could judge, are left out on both sides.

Guarantees: pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gmcp_sandbox.policy.mcp import McpServer

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NAMES = ("name", "title", "version")
_NAME_CHARS = 128


def client_side(params: Mapping[str, Any], server: McpServer, version: str) -> dict[str, Any] | None:
    """Return what a server is told; None when the client's message is no handshake."""
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str) or _VERSION.fullmatch(wanted) is None:
        return None
    had = params.get("capabilities")
    had = had if isinstance(had, Mapping) else {}
    capabilities: dict[str, Any] = {
        name: {}
        for name, is_granted in (("sampling", server.sampling), ("elicitation", server.elicitation))
        if is_granted and isinstance(had.get(name), Mapping)
    }
    if server.roots and isinstance(had.get("roots"), Mapping):
        capabilities["roots"] = {"listChanged": True} if had["roots"].get("listChanged") is True else {}
    client = {"name": "gmcp-sandbox", "version": version}
    return {"protocolVersion": wanted, "capabilities": capabilities, "clientInfo": client}


def server_side(result: Mapping[str, Any], server: McpServer) -> dict[str, Any]:
    """Return what a client is told."""
    had = result.get("capabilities")
    had = had if isinstance(had, Mapping) else {}
    granted = {
        "tools": bool(server.tools),
        "resources": bool(server.resources),
        "prompts": bool(server.prompts),
        "logging": server.logging,
        "completions": server.completion,
    }
    kept: dict[str, Any] = {
        "protocolVersion": _text(result.get("protocolVersion")),
        "capabilities": {name: _flags(had[name]) for name, is_granted in granted.items() if is_granted and name in had},
        "serverInfo": _info(result.get("serverInfo"), server),
    }
    if isinstance(result.get("instructions"), str) and result["instructions"]:
        kept["instructions"] = result["instructions"]
    return kept


def _flags(value: object) -> dict[str, bool]:
    names = ("listChanged", "subscribe")
    return {name: True for name in names if isinstance(value, Mapping) and value.get(name) is True}


def _info(value: object, server: McpServer) -> dict[str, str]:
    info = {name: _text(value.get(name)) for name in _NAMES} if isinstance(value, Mapping) else {}
    found = {name: text for name, text in info.items() if text}
    return {"name": server.name, "version": "0", **found}


def _text(value: object) -> str:
    return value[:_NAME_CHARS] if isinstance(value, str) else ""
