"""Names of our own that end in this process: a flow to one is dialled by making a pair of sockets.

Such a flow has been judged as a connect like any other; what is said over it is judged by whoever holds the other end.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

import trio

from gmcp_sandbox.net.types import Closing, Converse, Dialer, Dialled, HandOff, Moved, Target

Door = Callable[[], socket.socket]
"""Returns our end of a new connection to what stands behind a name."""


class Inward:
    """Dialer and application layer of a session in one: those of the names here, and the given ones for all others."""

    def __init__(self, doors: Mapping[str, Door], dialer: Dialer, converse: Converse) -> None:
        self._doors = doors
        self._dialer = dialer
        self._converse = converse

    async def dial(self, target: Target) -> Dialled:
        """Return a connection. Raises DialError."""
        door = self._doors.get(target.host)
        if door is None:
            return await self._dialer.dial(target)
        return Dialled(trio.SocketStream(trio.socket.from_stdlib_socket(door())), "inside")

    async def __call__(
        self, target: Target, agent: trio.SocketStream, upstream: trio.SocketStream, moved: Moved
    ) -> Closing | HandOff:
        if target.host in self._doors:
            return HandOff(b"", b"", 0, 0)
        return await self._converse(target, agent, upstream, moved)
