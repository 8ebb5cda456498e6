"""Carry bytes between two sides that nobody looks at any more, where no relay can: inside of opened TLS.

A flow ends when either side does, as one under TLS must: it has no half-closed state that programs rely on.
"""

from __future__ import annotations

import trio

from gmcp_sandbox.net.side import Side, SideIdle, SideLost


async def shuttle(agent: Side, upstream: Side) -> str:
    """Carry both ways until one side ends; return how."""
    how: list[str] = []

    async def carry(source: Side, sink: Side, scope: trio.CancelScope) -> None:
        try:
            data = source.take() or await _receive(source, sink)
            while data:
                await sink.send(data)
                data = await _receive(source, sink)
            how.append("closed")
        except SideLost:
            how.append("reset")
        except SideIdle:
            how.append("idle")
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry, agent, upstream, nursery.cancel_scope)
        nursery.start_soon(carry, upstream, agent, nursery.cancel_scope)
    return how[0]


async def _receive(source: Side, sink: Side) -> bytes:
    """Receive; silence counts only when the other direction is silent, too."""
    while True:
        before = sink.received
        try:
            return await source.receive()
        except SideIdle:
            if sink.received == before:
                raise
