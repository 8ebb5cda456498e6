"""A client session over streamable HTTP: requests come in POSTs, and each message back goes where it belongs.

An answer goes to the POST of its request; what a server says about a request goes there, too; all else to the one
standing GET, for which at most `_KEPT` messages wait.

Invariants:
- A session ends with DELETE, with its conversation, or when its place is needed; its id is worth nothing after that,
  and never anything to another worker.
- What nobody waits for any more is dropped, and never holds up the others.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import Final

import trio

from gmcp_sandbox.mcp.ends import Broken, EndLost
from gmcp_sandbox.mcp.messages import Failure, Id, Message, Result

_KEPT: Final = 64
_INBOX: Final = 64


class Outlet:
    """Where the messages of one HTTP answer come from: those about a request, or all that are about none."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._changed = trio.Event()
        self.is_over = False

    def put(self, message: Message) -> bool:
        """Take a message; False when too many wait."""
        if len(self._waiting) >= _KEPT or self.is_over:
            return False
        self._waiting.append(message)
        self._changed.set()
        return True

    def end(self) -> None:
        """Nothing more comes."""
        self.is_over = True
        self._changed.set()

    async def next(self) -> Message | None:
        """Return the next message; None at the end."""
        while not self._waiting:
            if self.is_over:
                return None
            self._changed = trio.Event()
            await self._changed.wait()
        return self._waiting.popleft()


class HttpSession:
    """One session; an `End` for its conversation."""

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(24)
        self.is_over = trio.Event()
        self.is_closed = False
        self._inbox, self._received = trio.open_memory_channel[Message](_INBOX)
        self._outlets: dict[Id, Outlet] = {}
        self._standing: Outlet | None = None
        self._kept: deque[Message] = deque(maxlen=_KEPT)

    # ----------------------------------------------------------------------------------------------- for the endpoint

    def expect(self, identity: Id) -> Outlet | None:
        """Return where the answer to a request will come; None when one of this id is under way."""
        if identity in self._outlets:
            return None
        outlet = self._outlets[identity] = Outlet()
        return outlet

    def stand(self) -> Outlet | None:
        """Return where all else will come; None when somebody has that already."""
        if self._standing is not None:
            return None
        self._standing = Outlet()
        while self._kept:
            self._standing.put(self._kept.popleft())
        return self._standing

    def leave(self, outlet: Outlet) -> None:
        """Nobody waits there any more."""
        outlet.end()
        if outlet is self._standing:
            self._standing = None

    async def put(self, message: Message) -> None:
        """Take a message of the client's. Raises EndLost."""
        try:
            await self._inbox.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise EndLost from None

    def close(self) -> None:
        """End the session; nothing is taken any more, and its conversation ends with it."""
        self.is_closed = True
        self._inbox.close()

    # ------------------------------------------------------------------------------------------------------ as an end

    async def receive(self) -> Message | Broken | None:
        try:
            return await self._received.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            return None

    async def send(self, message: Message, about: Id | None = None) -> None:
        if isinstance(message, Result | Failure):
            outlet = self._outlets.pop(message.id, None) if message.id is not None else None
            if outlet is not None:
                outlet.put(message)
                outlet.end()
            return
        outlet = self._outlets.get(about) if about is not None else None
        if outlet is None or outlet.is_over:
            outlet = self._standing
        if outlet is None:
            self._kept.append(message)
        else:
            outlet.put(message)

    async def unanswered(self, identity: Id) -> None:
        outlet = self._outlets.pop(identity, None)
        if outlet is not None:
            outlet.end()

    async def aclose(self) -> None:
        """The conversation has ended."""
        self.is_closed = True
        self.is_over.set()
        self._inbox.close()
        self._received.close()
        for outlet in self._outlets.values():
            outlet.end()
        if self._standing is not None:
            self._standing.end()
