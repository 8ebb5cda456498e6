"""One TCP flow of the agent's, from its SYN to its end.

Invariant: while a flow is frozen, nothing that the agent sends is taken in; what came before may go on.
"""

from __future__ import annotations

import contextlib
import socket

import trio

from gmcp_sandbox.net import sockets
from gmcp_sandbox.net.flows import FlowKey
from gmcp_sandbox.net.types import Target


class Flow:
    """Owned by the task that lives its life; the others freeze, thaw and revoke it."""

    def __init__(self, key: FlowKey, target: Target) -> None:
        self.key = key
        self.target = target
        self.scope = trio.CancelScope()
        """Cancelled when the flow is revoked."""
        self.agent: socket.socket | None = None
        self.taken_up = trio.Event()
        self.is_revoked = False
        self._thawed: trio.Event | None = None

    def take_up(self, sock: socket.socket) -> None:
        """The agent's connection has come."""
        self.agent = sock
        self.taken_up.set()

    def freeze(self) -> None:
        """Let nothing more in, from the moment that this returns."""
        if self._thawed is None:
            self._thawed = trio.Event()
        if self.agent is not None:
            try:
                sockets.freeze(self.agent)
            except OSError:
                self.revoke()

    @property
    def is_frozen(self) -> bool:
        """True from `freeze` to `thaw`."""
        return self._thawed is not None

    def thaw(self) -> None:
        """Go on."""
        if self._thawed is not None:
            self._thawed.set()
            self._thawed = None
        if self.agent is not None:
            sockets.thaw(self.agent)

    def revoke(self) -> None:
        """End the flow: the policy does not allow it any more."""
        self.is_revoked = True
        self.scope.cancel()

    async def until_thawed(self) -> None:
        """Wait while the flow is frozen."""
        while self._thawed is not None:
            await self._thawed.wait()

    def close(self, *, with_reset: bool) -> None:
        """Close the agent's connection, when there is one."""
        if self.agent is not None:
            with contextlib.suppress(OSError):
                sockets.thaw(self.agent)  # the end has still to be acknowledged
            if with_reset:
                sockets.reset_on_close(self.agent)
            self.agent.close()
            self.agent = None
