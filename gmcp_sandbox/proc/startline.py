"""The lines between the exec gate and the supervisor: one message is one packet, a long one goes in memory.

Two lines: on one the gate announces starts, which the supervisor reads when a program is opened, so that nobody has to
wake up for an announcement; on the other they talk.
"""

from __future__ import annotations

import array
import os
import select
import socket
import struct
from typing import NamedTuple

ANNOUNCED = b"a"
"""A thread is about to exec: name of the file, working directory (empty: not known), words."""
RAN = b"r"
"""A program stands before its first instruction with other words than were announced: the words."""
UNTRACED = b"u"
"""A thread execs that another process of the agent's traces: what it will run cannot be compared."""
REFUSED = b"x"
"""A system call was refused: its number, its arguments, the errno."""
ATTEMPTED = b"t"
"""A system call was refused that is an attempt: its name, its arguments."""
FULL = b"f"
"""Announcements wait to be read."""
BROKEN = b"b"
"""The gate ends: why."""
BEGIN, KILL = b"g", b"k"
"""The supervisor's answers to `RAN`."""

_HEAD = struct.Struct("=cI?")
_PACKET = 60_000
_MOST_BYTES = 16 << 20
_BUFFER = 1 << 20


class Message(NamedTuple):
    """What is said of a thread."""

    kind: bytes
    tid: int
    words: tuple[bytes, ...] = ()


class Line:
    """One end of a line. Not shared between threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    def pair(cls) -> tuple[Line, Line]:
        """Return the two ends of a new line."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)  # as much of it as the host allows
        return cls(ours), cls(theirs)

    @classmethod
    def of(cls, fd: int) -> Line:
        """Return the end that a descriptor is."""
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        """Return the descriptor, to wait on it."""
        return self._sock.fileno()

    def detach(self) -> int:
        """Return the descriptor, which is the caller's from now on."""
        return self._sock.detach()

    def send(self, message: Message) -> None:
        """Send a message. Raises OSError: BlockingIOError when there is no room; EPIPE when the other end is gone."""
        body = b"".join([word + b"\0" for word in message.words])
        if len(body) <= _PACKET:
            packet = _HEAD.pack(message.kind, message.tid, False) + body
            self._sock.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            return
        fd = _memory(body)
        try:
            packet = _HEAD.pack(message.kind, message.tid, True)
            socket.send_fds(self._sock, [packet], [fd], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        finally:
            os.close(fd)

    def wait_for_room(self) -> None:
        """Wait until a message can be sent."""
        poller = select.poll()
        poller.register(self._sock.fileno(), select.POLLOUT)
        poller.poll()

    def receive(self) -> Message | None:
        """Take a message; None when there is none now.

        Raises:
            EOFError: The other end is gone.
        """
        room = socket.CMSG_LEN(array.array("i").itemsize)
        try:
            flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            packet, ancillary, _, _ = self._sock.recvmsg(_PACKET + _HEAD.size, room, flags)
        except BlockingIOError:
            return None
        except ConnectionError:
            packet, ancillary = b"", []
        if not packet:
            raise EOFError
        kind, tid, is_long = _HEAD.unpack_from(packet)
        body = _content(ancillary[0][2]) if is_long else packet[_HEAD.size :]
        return Message(kind, tid, tuple(body.split(b"\0")[:-1]))

    def close(self) -> None:
        """Close this end."""
        self._sock.close()


def _memory(body: bytes) -> int:
    fd = os.memfd_create("words", os.MFD_CLOEXEC)
    view = memoryview(body)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def _content(data: bytes) -> bytes:
    (fd,) = struct.unpack("=i", data)
    try:
        return os.pread(fd, _MOST_BYTES, 0)
    finally:
        os.close(fd)
