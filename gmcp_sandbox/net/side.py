"""One end of a flow while the application layer holds it: reads ahead by one piece, counts, never waits for ever.

Invariants:
- At most one read is buffered beyond what a parser asked to see, so that a slow reader at the other end stops this one.
- Every wait has a deadline. What a peer does to its connection is `SideLost` or `SideIdle`, never another exception.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import trio
from trio.abc import HalfCloseableStream, Stream

PIECE = 128 << 10
"""Most bytes that one read takes: what a flow with a slow reader costs, a few times over."""
PIECE_NOW = 16 << 10
"""Most bytes of a read that is tried without waiting: what a head and a small body need."""
LINGER = 2.0
"""Seconds for which a peer is listened to after our last word, so that the word is not lost in a reset."""
LINGER_BYTES = 1 << 20


class SideLost(Exception):
    """The connection was reset or is gone, or what comes over it cannot be followed any more."""


class SideIdle(Exception):
    """Nothing moved before the deadline."""


class Side:
    """A stream with what was already read from it.

    Attributes:
        received: Bytes taken off the stream, those that are still buffered and those given at the start included.
        sent: Bytes put into it.
        is_ended: The peer has said its last byte, or is gone.
        is_lost: It is gone.
    """

    def __init__(
        self, stream: Stream, buffered: bytes = b"", *, idle: float = 3600.0, count: Callable[[int], None] | None = None
    ) -> None:
        self._stream = stream
        self._buffer = buffered
        self._idle = idle
        self._count = count
        self.received = len(buffered)
        self.sent = 0
        self.is_ended = False
        self.is_lost = False

    @property
    def fd(self) -> int:
        """The descriptor of a plain socket; -1 where a layer such as TLS lies between."""
        return self._stream.socket.fileno() if isinstance(self._stream, trio.SocketStream) else -1

    def receive_now(self, size: int = PIECE_NOW) -> bytes | None:
        """Return what is there of a plain socket; None when nothing is, nothing at the end of the stream.

        Raises:
            SideLost: The peer is gone.
        """
        try:
            data = os.read(self.fd, size)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._lost() from error
        self.received += len(data)
        self.is_ended = not data
        return data

    def send_now(self, data: bytes) -> int:
        """Send what a plain socket takes at once, and return how much that was.

        Raises:
            SideLost: The peer is gone.
        """
        try:
            size = os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost() from error
        self.sent += size
        if self._count is not None and size:
            self._count(size)
        return size

    def over(self, stream: Stream) -> Side:
        """Return the same end through another layer, such as TLS: with the same deadline, counted there."""
        return Side(stream, idle=self._idle, count=self._count)

    @property
    def idle(self) -> float:
        """Seconds after which it counts as idle."""
        return self._idle

    @property
    def buffered(self) -> bytes:
        """What is read and not taken."""
        return self._buffer

    def take(self, size: int | None = None) -> bytes:
        """Return the first bytes of the buffer, or all of it."""
        if size is None:
            taken, self._buffer = self._buffer, b""
        else:
            taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def put_back(self, data: bytes) -> None:
        """Put bytes before what is buffered."""
        self._buffer = data + self._buffer

    async def fill(self, within: float | None = None) -> bool:
        """Read once more into the buffer; False at the end of the stream.

        Raises:
            SideLost: The peer is gone.
            SideIdle: Nothing came within so many seconds.
        """
        data = await self.receive(within)
        self._buffer = self._buffer + data if self._buffer else data
        return bool(data)

    async def receive(self, within: float | None = None) -> bytes:
        """Return the next bytes past the buffer; none at the end of the stream.

        Raises:
            SideLost: The peer is gone.
            SideIdle: Nothing came within so many seconds.
        """
        with trio.move_on_after(self._idle if within is None else within):
            try:
                data = bytes(await self._stream.receive_some(PIECE))
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise self._lost() from error
            self.received += len(data)
            self.is_ended = not data
            return data
        raise SideIdle

    async def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            SideLost: The peer is gone.
            SideIdle: It did not take it in time.
        """
        if not data:
            return
        with trio.move_on_after(self._idle):
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise self._lost() from error
            self.sent += len(data)
            if self._count is not None:
                self._count(len(data))
            return
        raise SideIdle

    async def say_last(self, data: bytes) -> None:
        """Send our last word, and listen a little while, so that it is heard. Never fails: nothing depends on it."""
        with trio.move_on_after(LINGER):
            try:
                await self.send(data)
                if isinstance(self._stream, HalfCloseableStream):
                    await self._stream.send_eof()
                heard = 0
                while heard < LINGER_BYTES and (more := len(await self.receive())):
                    heard += more
            except (SideLost, SideIdle, trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # who does not listen need not be told

    def _lost(self) -> SideLost:
        self.is_ended = self.is_lost = True
        return SideLost()
