"""`[mcp]` below the organisation's ceiling: no server that the ceiling does not have, and each as the ceiling has it.

Invariants (of `bounded_mcp`):
- Without `[mcp]` in the ceiling nobody has a server.
- A server that is kept is one that both describe alike: command or address, variables, headers, credentials and
  where it runs (`McpServer.identity`).
- What it may be called for is asked of both (`pipeline/trust.py`); its bounds are the narrower ones, and what it
  returns flows to those that both name. Pinning, redaction and cross-server flow are the stricter of both.
"""

from __future__ import annotations

import msgspec

from gmcp_sandbox.policy.mcp import EVERY, CrossFlow, Mcp, McpServer, Pinning, Redaction

_PINNING: tuple[Pinning, ...] = ("approve", "first-use")
_REDACTION: tuple[Redaction, ...] = ("instructions", "hidden", "none")
_FLOW: tuple[CrossFlow, ...] = ("deny", "ask")
"""The stricter first."""
_NUMBERS = ("start_seconds", "call_seconds", "result_bytes", "message_bytes", "max_sessions", "restarts")
_GRANTS = ("sampling", "elicitation", "roots", "logging", "completion")


def bounded_mcp(own: Mcp | None, above: Mcp | None) -> Mcp | None:
    """Return the servers of a profile below the ceiling."""
    if own is None or above is None:
        return None
    kept = [
        _bounded(server, bound)
        for server in own.servers
        if (bound := above.server(server.name)) is not None and bound.identity == server.identity
    ]
    if not kept:
        return None
    return Mcp(
        tuple(kept),
        pin=min(own.pin, above.pin, key=_PINNING.index),
        redact=min(own.redact, above.redact, key=_REDACTION.index),
        cross_flow=min(own.cross_flow, above.cross_flow, key=_FLOW.index),
    )


def _bounded(own: McpServer, above: McpServer) -> McpServer:
    numbers = {name: min(getattr(own, name), getattr(above, name)) for name in _NUMBERS}
    granted = {name: getattr(own, name) and getattr(above, name) for name in _GRANTS}
    return msgspec.structs.replace(own, flows_to=_flows(own.flows_to, above.flows_to), **numbers, **granted)


def _flows(own: tuple[str, ...], above: tuple[str, ...]) -> tuple[str, ...]:
    if EVERY in own:
        return above
    return own if EVERY in above else tuple(name for name in own if name in above)
