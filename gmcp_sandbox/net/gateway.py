"""The supervisor's end of the pump's line: packets to judge come in, answers and released SYNs go out.

Guarantees:
- Nothing that is sent here waits: what the line does not take at once is dropped, as a network drops it.
- When the pump is gone, `serve` raises, and the session ends.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol

import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.passing import receive
from gmcp_sandbox.net.pumpline import BROKEN, DROPPED, JUDGE, LISTEN, LISTENING, MESSAGE_BYTES, TO_AGENT, TO_GATEWAY
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
    """Both devices, seen from the supervisor."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)  # cut to what the host allows
        self._line = line

    def fileno(self) -> int:
        """Return the descriptor of the line."""
        return self._line.fileno()

    def to_agent(self, packet: bytes) -> None:
        """Give the agent a packet that is complete as it is."""
        self._send(TO_AGENT + NO_OFFLOAD + packet)

    def let_in(self, frame: bytes) -> None:
        """Let a SYN of the agent's meet the gateway's kernel."""
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
        buffer = bytearray(MESSAGE_BYTES)
        view = memoryview(buffer)
        while True:
            await trio.lowlevel.wait_readable(self._line)
            for _ in range(_TURN):
                try:
                    length, fds = receive(self._line, buffer)
                except BlockingIOError:
                    break
                if not length:
                    raise HostError("the network's pump ended", hint="please report this")
                _deliver(bytes(view[:length]), fds, inbox)

    def close(self) -> None:
        """Close the line; the pump ends with it."""
        self._line.close()


def _deliver(message: bytes, fds: tuple[int, ...], inbox: Inbox) -> None:
    word = message[0]
    if word == JUDGE:
        inbox.packet(message[1:])
    elif word == LISTENING and fds:
        inbox.listener(socket.socket(fileno=fds[0]), int.from_bytes(message[1:3], "big"))
    elif word == DROPPED:
        inbox.lost(int.from_bytes(message[1:9], "big"))
    elif word == BROKEN:
        raise HostError(f"the network's pump broke: {message[1:].decode(errors='replace')}", hint="please report this")
