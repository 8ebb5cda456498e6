"""A private line between two of our own processes: whole JSON messages with descriptors.

One message is one packet of a `SOCK_SEQPACKET` pair, so a reader never sees half of one, and the end of either
process is an end-of-file for the other.
"""

from __future__ import annotations

import array
import json
import socket
from typing import Any

MAX_BYTES = 65536
"""More than the longest message: 6,000 characters of a traceback or 4,096 of a notice, at most 12 bytes each."""
MAX_DESCRIPTORS = 8


class Channel:
    """One end of the line. Not shared between threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return the two ends of a new line, both close-on-exec."""
        first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(first), cls(second)

    @classmethod
    def of(cls, fd: int) -> Channel:
        """Return the end that a received descriptor is."""
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        """Return the descriptor, to wait on it."""
        return self._sock.fileno()

    def send(self, kind: str, *, fds: tuple[int, ...] = (), **fields: Any) -> None:
        """Send one message. Raises OSError (EPIPE, ECONNRESET) when the other end is gone."""
        data = json.dumps({"kind": kind, **fields}).encode()
        socket.send_fds(self._sock, [data], list(fds), socket.MSG_NOSIGNAL)

    def offer(self, kind: str, **fields: Any) -> bool:
        """Send one message if that takes no waiting; return whether it went."""
        data = json.dumps({"kind": kind, **fields}).encode()
        try:
            self._sock.send(data, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except OSError:
            return False
        return True

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Wait for one message; return it with its descriptors, or None when the other end is closed."""
        fds = array.array("i")
        room = socket.CMSG_LEN(MAX_DESCRIPTORS * fds.itemsize)
        try:
            # Not socket.recv_fds: it drops its flags, and descriptors would be inherited by programs.
            data, ancillary, flags, _ = self._sock.recvmsg(MAX_BYTES, room, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return None
        for level, kind, body in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
        if flags & socket.MSG_TRUNC:
            raise ConnectionError(f"a message is longer than {MAX_BYTES} bytes")
        return (json.loads(data), list(fds)) if data else None

    def expect(self, kind: str) -> tuple[dict[str, Any], list[int]]:
        """Wait for a message of this kind. Raises ConnectionError on the end or on anything else."""
        received = self.receive()
        if received is None:
            raise ConnectionError(f"the other process ended before it said {kind!r}")
        message, fds = received
        if message["kind"] != kind:
            raise ConnectionError(f"expected {kind!r}, got {message['kind']!r}")
        return message, fds

    def close(self) -> None:
        """Close this end."""
        self._sock.close()
