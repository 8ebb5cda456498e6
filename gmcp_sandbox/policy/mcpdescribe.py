"""An `[mcp]` section in words, a few lines for each server."""

from __future__ import annotations

from collections.abc import Iterator

from gmcp_sandbox.policy.mcp import Mcp, McpServer

_ASKING = ("sampling", "elicitation", "roots", "logging", "completion")


def describe_mcp(mcp: Mcp | None) -> list[str]:
    """Return the lines, in the order of the profile."""
    if mcp is None:
        return ["none"]
    pinning = {
        "first-use": "pinned when they are first seen, if nothing is against them",
        "approve": "approved one by one",
    }
    lines = [f"tools are {pinning[mcp.pin]}"]
    for server in mcp.servers:
        lines += _server(server)
    return lines


def _server(server: McpServer) -> Iterator[str]:
    where = {"sandbox": f"in a sandbox ({server.profile})", "host": "on the host"}[server.where]
    yield f"{server.name}: {server.url or ' '.join(server.command)}" + ("" if server.url else f", {where}")
    yield f"  tools {' '.join(server.tools) or 'none'}, tier {server.tier}"
    for limit in server.limits:
        tier = "" if limit.tier is None else f" tier {limit.tier}"
        yield f"  of these {' '.join(limit.tools)}:{tier}{_deadline(limit.call_seconds)}"
    for word in ("resources", "prompts"):
        if getattr(server, word):
            yield f"  {word} {' '.join(getattr(server, word))}"
    granted = [word for word in _ASKING if getattr(server, word)]
    if granted:
        yield f"  {' '.join(granted)}"
    for name, source in server.credentials:
        yield f"  credential {name} from {source}"
    yield f"  what it returns goes to {' '.join(server.flows_to) or 'no other server'}"


def _deadline(seconds: float | None) -> str:
    return "" if seconds is None else f" at most {seconds:g} s a call"
