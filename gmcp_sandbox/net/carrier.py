"""The supervisor's end of the relay's line: flows are handed over, and come back as a report of their bytes.

Invariant: every flow that was handed over ends with one report; when the relay is gone, `serve` raises, and the session
ends with all of them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

import msgspec
import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.relayline import CLOSE, ENDED, ENDINGS, OPEN, OPENING, REPORT

_MESSAGE_BYTES = 4096
_LAST_SECONDS = 1.0
"""For so long the last reports are waited for when the session ends."""
Moved = Callable[[int, int], None]
"""Told of more bytes up and down."""


class HasDescriptor(Protocol):
    """A socket of the standard library or of trio."""

    def fileno(self) -> int:
        """Return the descriptor."""


class Report(msgspec.Struct, frozen=True, gc=False):
    """How a flow ended in the relay."""

    up: int
    down: int
    how: str


class _Flow:
    __slots__ = ("done", "down", "moved", "report", "up")

    def __init__(self, moved: Moved) -> None:
        self.moved = moved
        self.done = trio.Event()
        self.report: Report | None = None
        self.up = self.down = 0

    def advance(self, up: int, down: int) -> None:
        if (up, down) != (self.up, self.down):
            self.moved(up - self.up, down - self.down)
            self.up, self.down = up, down


class Carrier:
    """All flows that the relay carries."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._flows: dict[int, _Flow] = {}
        self._last = 0
        self._sending = trio.Lock()
        self._is_served = True

    async def carry(self, agent: HasDescriptor, upstream: HasDescriptor, *, idle: float, moved: Moved) -> Report:
        """Let the relay carry a flow to its end. The caller keeps its own descriptors and closes them.

        When it is cancelled, both sides are reset.

        Raises:
            OSError: The relay is gone.
        """
        self._last = number = self._last + 1
        flow = self._flows[number] = _Flow(moved)
        try:
            await self._send(OPENING.pack(OPEN, number, idle), (agent.fileno(), upstream.fileno()))
            try:
                await flow.done.wait()
            except trio.Cancelled:
                await self._cut_off(number, flow)
                raise
        finally:
            del self._flows[number]
        if flow.report is None:
            raise ConnectionResetError("the relay is gone")
        return flow.report

    async def _cut_off(self, number: int, flow: _Flow) -> None:
        """Have the relay end a flow that it has; wait for its last figures, as long as anybody reads them."""
        with trio.CancelScope(shield=True):
            await self._send(OPENING.pack(CLOSE, number, 0.0), ())
            if self._is_served:
                await flow.done.wait()

    async def _send(self, message: bytes, fds: tuple[int, ...]) -> None:
        async with self._sending:
            while True:
                try:
                    socket.send_fds(self._line, [message], fds)
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._line)
                else:
                    return

    async def serve(self) -> None:
        """Take the relay's reports, for as long as the session lasts.

        Raises:
            HostError: The relay is gone.
        """
        try:
            while True:
                await self._take_reports()
        except trio.Cancelled:
            with trio.move_on_after(_LAST_SECONDS, shield=True):
                while not all(flow.done.is_set() for flow in self._flows.values()):
                    await self._take_reports()
            raise
        finally:
            self._is_served = False
            for flow in self._flows.values():
                flow.done.set()

    async def _take_reports(self) -> None:
        """Wait for reports; take all that are there."""
        await trio.lowlevel.wait_readable(self._line)
        while True:
            try:
                message = self._line.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                message = b""
            if len(message) != REPORT.size:
                why = message[1:].decode(errors="replace")
                raise HostError(f"the network's relay ended {why}".strip(), hint="please report this")
            self._take(message)

    def _take(self, message: bytes) -> None:
        word, number, up, down, how = REPORT.unpack(message)
        flow = self._flows.get(number)
        if flow is None:
            return
        flow.advance(up, down)
        if word == ENDED:
            flow.report = Report(up, down, ENDINGS[how])
            flow.done.set()

    def close(self) -> None:
        """Close the line; the relay ends with it, and resets what it carried."""
        self._line.close()
