"""Receive messages that may bring descriptors, into a buffer that is used again.

Not `socket.recv_fds`: it drops its flags, so that descriptors would be inherited, and it takes a new buffer for every
message.
"""

from __future__ import annotations

import array
import os
import socket

_INT = array.array("i").itemsize
_ROOM = socket.CMSG_LEN(2 * _INT)


def receive(sock: socket.socket, buffer: bytearray) -> tuple[int, tuple[int, ...]]:
    """Receive one message without waiting; return its length, 0 at the end of the line, and its descriptors.

    Raises:
        BlockingIOError: There is none.
    """
    try:
        length, ancillary, flags, _ = sock.recvmsg_into((buffer,), _ROOM, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
    except ConnectionError:
        return 0, ()
    if not ancillary:
        return length, ()
    fds = array.array("i")
    for level, kind, body in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(body[: len(body) - len(body) % _INT])
    if flags & socket.MSG_CTRUNC:  # out of descriptors: what came is of no use without the rest
        for fd in fds:
            os.close(fd)
        return length, ()
    return length, tuple(fds)
