"""A client's connection or a server's pipes as a trio stream that waits only where there is something to wait for.

Beside trio's own streams it saves a turn of the event loop for each piece that is there already, and it may be sent to
by several at once: each one's bytes leave whole.

Guarantee: whoever floods it holds nobody up, every `_IN_A_ROW` pieces others have their turn.
"""

from __future__ import annotations

import os
from typing import Final

import trio
from trio.abc import Stream

from gmcp_sandbox.mcp.outgoing import Outgoing

_PIECE: Final = 64 << 10
"""Below what the allocator maps and unmaps each time."""
_IN_A_ROW: Final = 16


class Way(Stream):
    """Owns its descriptors: one socket, or a pipe to read and one to write."""

    def __init__(self, source: int, sink: int | None = None) -> None:
        self._source = source
        self._sink = source if sink is None else sink
        self._out = Outgoing(lambda: self._sink)
        self._in_a_row = 0
        os.set_blocking(self._source, False)
        os.set_blocking(self._sink, False)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._in_a_row >= _IN_A_ROW:
            self._in_a_row = 0
            await trio.lowlevel.checkpoint()
        while True:
            self._check()
            try:
                data = os.read(self._source, _PIECE if max_bytes is None else max_bytes)
            except BlockingIOError:
                self._in_a_row = 0
                await trio.lowlevel.wait_readable(self._source)
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error
            else:
                self._in_a_row += 1
                return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check()
        try:
            await self._out.send(bytes(data))
        except OSError as error:
            self._check()
            raise trio.BrokenResourceError(str(error)) from error

    def put(self, data: bytes) -> bool:
        """Send what goes at once; the rest goes before what is sent next. True when there is no rest."""
        self._check()
        try:
            self._out.put(data)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        return self._out.is_empty

    async def wait_send_all_might_not_block(self) -> None:
        self._check()
        await trio.lowlevel.wait_writable(self._sink)

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once; who waits for it learns of it."""
        descriptors = {self._source, self._sink} - {-1}
        self._source = self._sink = -1
        for fd in descriptors:
            trio.lowlevel.notify_closing(fd)
            os.close(fd)

    def _check(self) -> None:
        if self._source < 0:
            raise trio.ClosedResourceError("this way was closed")
