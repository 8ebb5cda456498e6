"""Packets that nobody may send: each kind is recorded, and none of them can fill the log.

A kind of packet to a destination is a denied `net.send` call with its fault, the first time; later ones of the same are
counted, and the counts stand in the log when the session ends. Of what the agent's kernel says by itself (multicast
membership, neighbours) only the count is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import trio

from gmcp_sandbox.calls.arguments import NetSend
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.monitor.mediator import Mediator

_RECORDED: Final = 64
"""Different ones that get a record of their own, at most."""
_WAITING: Final = 16
UNREADABLE: Final = "0.0.0.0"
"""What stands for the destination of a packet that cannot be read."""


class Oddities:
    """Takes note of packets that are not passed on."""

    def __init__(self, mediator: Mediator) -> None:
        self._mediator = mediator
        self._seen: set[tuple[str, str]] = set()
        self._counts: Counter[str] = Counter()
        self._sender, self._receiver = trio.open_memory_channel[tuple[str, str]](_WAITING)

    def note(self, kind: str, destination: str) -> None:
        """A packet of this kind was refused. Never waits."""
        self._counts[kind] += 1
        if (kind, destination) in self._seen or len(self._seen) >= _RECORDED:
            return
        try:
            self._sender.send_nowait((kind, destination))
        except trio.WouldBlock:
            return  # the next one of its kind is recorded
        self._seen.add((kind, destination))

    def count(self, kind: str, amount: int = 1) -> None:
        """Something of this kind was dropped that is no attempt at anything."""
        self._counts[kind] += amount

    async def serve(self) -> None:
        """Record what was noted, for as long as the session lasts."""
        async for kind, destination in self._receiver:
            call = self._mediator.call(Tool.NET_SEND, destination, NetSend("other", None, kind), label=NETWORK)
            try:
                decision = await self._mediator.mediate(call)
            except AuditError:
                return  # nothing of it had an effect; the monitor ends the session
            assert not decision.is_allowed, "a packet with a fault is never granted"

    def report(self, event: Callable[..., None]) -> None:
        """Write the counts down, when there are any."""
        if self._counts:
            event("packets_refused", counts=dict(sorted(self._counts.items())))
