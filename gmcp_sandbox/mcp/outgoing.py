"""Bytes on their way through a descriptor that never blocks: in the order in which they were given, and never cut.

Invariants:
- Nothing is written before all that was put before it.
- A sender that is cancelled leaves the rest of its bytes behind, and whoever sends next sends them first: a message is
  never followed by another in its middle.
- Above `_MOST_WAITING` bytes that wait, a sender waits before it adds its own.

What goes at once costs one system call and no turn of the event loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import trio

_MOST_WAITING: Final = 256 << 10


class Outgoing:
    """The way out. `fileno` returns the descriptor, or -1 once it is closed."""

    __slots__ = ("_fileno", "_turn", "_waiting")

    def __init__(self, fileno: Callable[[], int]) -> None:
        self._fileno = fileno
        self._waiting = bytearray()
        self._turn = trio.Lock()

    @property
    def is_empty(self) -> bool:
        """True when nothing waits."""
        return not self._waiting

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait until they are out. Raises OSError, trio.ClosedResourceError."""
        while len(self._waiting) > _MOST_WAITING:
            await self.flush()
        self.put(data)
        if self._waiting:
            await self.flush()

    def put(self, data: bytes) -> None:
        """Send what goes at once; the rest waits for `flush`. Raises OSError."""
        if self._waiting:
            self._waiting += data
            return
        sent = self._write(data)
        if sent < len(data):
            self._waiting += memoryview(data)[sent:]

    async def flush(self) -> None:
        """Wait until all that was put is out. Raises OSError, trio.ClosedResourceError."""
        async with self._turn:
            while self._waiting:
                sent = self._write(self._waiting)
                if sent:
                    del self._waiting[:sent]
                else:
                    await trio.lowlevel.wait_writable(self._fileno())

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._fileno(), data)
        except BlockingIOError:
            return 0
