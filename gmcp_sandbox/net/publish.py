"""Published ports: connections from the host's loopback to a port of the agent's own.

Guarantees:
- A port is open on the host's loopback only, and only those that the command line names.
- An accepted connection is in the log before a byte passes, and its end with what passed.
- A slow side makes the other wait: at most `_CHUNK` bytes lie here each way.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.door import LOOPBACKS, ask
from gmcp_sandbox.net.passing import receive
from gmcp_sandbox.net.publications import Publication

_CHUNK: Final = 64 << 10
_MOST: Final = 128
_BACKLOG: Final = 64
_CONNECT_SECONDS: Final = 10.0


class Event(Protocol):
    """Writes something down that is no decision."""

    def __call__(self, name: str, **fields: Any) -> None:
        """Raises AuditError when it is not written."""


class Publisher:
    """All published ports of a session. Use as: make, `open`, `run`.

    Args:
        line: Our end of the line to the door.
    """

    def __init__(self, publications: Sequence[Publication], line: socket.socket, event: Event) -> None:
        line.setblocking(False)
        self._publications = publications
        self._line = line
        self._event = event
        self._buffer = bytearray(16)
        self._listeners: list[socket.socket] = []
        self._turn = trio.Lock()
        self._places = trio.CapacityLimiter(_MOST)

    def open(self) -> None:
        """Take the host's ports.

        Raises:
            HostError: One is taken already, or may not be.
        """
        for each in self._publications:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            self._listeners.append(listener)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", each.host_port))
                listener.listen(_BACKLOG)
            except OSError as error:
                self.close()
                cause, hint = error.strerror or str(error), f"--publish OTHER:{each.port}"
                raise HostError(f"cannot publish at 127.0.0.1:{each.host_port}", cause=cause, hint=hint) from None

    def close(self) -> None:
        """Give the ports and the line back."""
        for listener in self._listeners:
            listener.close()
        self._line.close()

    async def run(self) -> None:
        """Serve until cancelled. Raises AuditError."""
        try:
            async with trio.open_nursery() as nursery:
                for listener, publication in zip(self._listeners, self._publications, strict=True):
                    nursery.start_soon(self._listen, listener, publication, nursery)
        finally:
            self.close()

    async def _listen(self, sock: socket.socket, publication: Publication, nursery: trio.Nursery) -> None:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        while True:
            await self._places.acquire_on_behalf_of(place := object())
            try:
                stream = await listener.accept()
            except BaseException:
                self._places.release_on_behalf_of(place)
                raise
            nursery.start_soon(self._serve, stream, publication, place)

    async def _serve(self, outside: trio.SocketStream, publication: Publication, place: object) -> None:
        try:
            async with outside:
                await self._converse(outside, publication)
        finally:
            self._places.release_on_behalf_of(place)

    async def _converse(self, outside: trio.SocketStream, publication: Publication) -> None:
        peer = outside.socket.getpeername()[1]
        self._event("published", port=publication.port, host_port=publication.host_port, peer=peer)
        begun, counts, how = time.monotonic(), [0, 0], "refused"
        try:
            inside = await self._connect(publication.port)
            if inside is not None:
                async with inside:
                    how = await _pass_both_ways(inside, outside, counts)
        except trio.Cancelled:
            how = "ended"
            raise
        finally:
            self._event(
                "flow",
                protocol="published",
                port=publication.port,
                up=counts[0],
                down=counts[1],
                seconds=round(time.monotonic() - begun, 3),
                how=how,
            )

    async def _connect(self, port: int) -> trio.SocketStream | None:
        """Return a connection to a port of the agent's loopback, or None when nobody listens there."""
        for which in range(len(LOOPBACKS)):
            sock = await self._ask(which, port)
            if sock is None:
                continue
            if await _is_through(sock):
                return trio.SocketStream(trio.socket.from_stdlib_socket(sock))
            sock.close()
        return None

    async def _ask(self, which: int, port: int) -> socket.socket | None:
        async with self._turn:
            try:
                self._line.send(ask(which, port))
                with trio.CancelScope(shield=True):  # an answer that nobody takes would be the next one's
                    await trio.lowlevel.wait_readable(self._line)
                length, fds = receive(self._line, self._buffer)
            except OSError:
                length, fds = 0, ()
        if not length:
            raise HostError("the door to published ports is gone", hint="please report this")
        return socket.socket(fileno=fds[0]) if fds else None


async def _is_through(sock: socket.socket) -> bool:
    """Wait for the end of a connect that is under way; return whether it came about."""
    try:
        with trio.move_on_after(_CONNECT_SECONDS) as patience:
            await trio.lowlevel.wait_writable(sock)
        return not patience.cancelled_caught and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except BaseException:
        sock.close()
        raise


async def _pass_both_ways(inside: trio.SocketStream, outside: trio.SocketStream, counts: list[int]) -> str:
    """Copy until both sides have ended; return how, in one word."""
    how = "closed"
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pass, inside, outside, lambda size: _add(counts, 0, size))
            nursery.start_soon(_pass, outside, inside, lambda size: _add(counts, 1, size))
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        how = "reset"
    return how


async def _pass(source: trio.SocketStream, sink: trio.SocketStream, count: Callable[[int], None]) -> None:
    while part := await source.receive_some(_CHUNK):
        await sink.send_all(part)
        count(len(part))
    await sink.send_eof()


def _add(counts: list[int], at: int, size: int) -> None:
    counts[at] += size
