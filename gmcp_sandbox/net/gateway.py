"""The supervisor's end of the pump's line: packets to judge come in, answers and released SYNs go out.

Guarantees:
- Nothing that is sent here waits: what the line does not take at once is dropped, as a network drops it.
- When the pump is gone, `serve` raises, and the session ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import Protocol

import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.passing import receive
from gmcp_sandbox.net.pumpline import (
    BROKEN,
    CROSSED,
    DROPPED,
    JUDGE,
    LISTEN,
    LISTENING,
    MESSAGE_BYTES,
    TO_AGENT,
    TO_GATEWAY,
)
from gmcp_sandbox.net.tun import NO_OFFLOAD

_TURN = 64
"""Messages in a row before other tasks get their turn."""
BUFFER_BYTES = 4 << 20


class Inbox(Protocol):
    """Takes what the pump hands up. Must not wait."""

    def packet(self, frame: bytes) -> None:
        """A packet of the agent's, in its frame, that may not cross by itself."""

    def listener(self, sock: socket.socket, port: int) -> None:
        """A listening socket in the gateway's namespace, which is the inbox's to close."""

    def lost(self, count: int) -> None:
        """So many packets were dropped, because we had too much to do."""


class Gateway:
    """Both devices, seen from the supervisor: through the pump, or, where the kernel carries, its own hands."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)  # cut to what the host allows
        self._line = line
        self._agent = self._gateway = -1
        self._watcher = select.epoll()
        self._watcher.register(line, select.EPOLLIN)
        self._buffer = bytearray(MESSAGE_BYTES)
        self._view = memoryview(self._buffer)

    def fileno(self) -> int:
        """Return a descriptor that can be read when there is something to take."""
        return self._watcher.fileno()

    def to_agent(self, packet: bytes) -> None:
        """Give the agent a packet that is complete as it is."""
        if self._agent >= 0:
            _write(self._agent, NO_OFFLOAD + packet)
        else:
            self._send(TO_AGENT + NO_OFFLOAD + packet)

    def let_in(self, frame: bytes) -> None:
        """Let a SYN of the agent's meet the gateway's kernel."""
        if self._gateway >= 0:
            _write(self._gateway, frame)
        else:
            self._send(TO_GATEWAY + frame)

    def listen_and_let_in(self, port: int, frame: bytes) -> None:
        """Have a listener made, which comes to the inbox, and then let a SYN in."""
        self._send(LISTEN + port.to_bytes(2, "big") + frame)

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):  # full: dropped; gone: met in `serve`
            self._line.send(message)

    async def serve(self, inbox: Inbox) -> None:
        """Hand what comes to the inbox, for as long as the session lasts.

        Raises:
            HostError: The pump is gone.
        """
        while True:
            await trio.lowlevel.wait_readable(self._watcher.fileno())
            for fd, _ in self._watcher.poll(0):
                if fd == self._gateway:
                    self._take_packets(inbox)
                else:
                    self._hear(inbox)

    def _take_packets(self, inbox: Inbox) -> None:
        into = (self._buffer,)
        for _ in range(_TURN):
            try:
                length = os.readv(self._gateway, into)
            except BlockingIOError:
                break
            inbox.packet(bytes(self._view[:length]))

    def _hear(self, inbox: Inbox) -> None:
        for _ in range(_TURN):
            try:
                length, fds = receive(self._line, self._buffer)
            except BlockingIOError:
                break
            if not length:
                raise HostError("the network's pump ended", hint="please report this")
            self._deliver(bytes(self._view[:length]), fds, inbox)

    def _deliver(self, message: bytes, fds: tuple[int, ...], inbox: Inbox) -> None:
        word = message[0]
        if word == JUDGE:
            inbox.packet(message[1:])
        elif word == LISTENING and fds:
            inbox.listener(socket.socket(fileno=fds[0]), int.from_bytes(message[1:3], "big"))
        elif word == DROPPED:
            inbox.lost(int.from_bytes(message[1:9], "big"))
        elif word == CROSSED and len(fds) == 2:
            self._agent, self._gateway = fds
            self._watcher.register(self._gateway, select.EPOLLIN)
        elif word == BROKEN:
            raise HostError(
                f"the network's pump broke: {message[1:].decode(errors='replace')}", hint="please report this"
            )

    def close(self) -> None:
        """Close line and devices; the pump ends with it."""
        self._line.close()
        self._watcher.close()
        for device in (self._agent, self._gateway):
            if device >= 0:
                os.close(device)
        self._agent = self._gateway = -1


def _write(device: int, frame: bytes) -> None:
    """Write a frame; one that the kernel does not take is dropped, as on any link."""
    with contextlib.suppress(OSError):
        os.write(device, frame)
