"""The two lines between our processes: frames over a `SOCK_STREAM` pair, for messages that may be long, and packets
with descriptors over a `SOCK_SEQPACKET` pair.

Guarantee, for either end against the other: a frame has at most `LONGEST` bytes and is one of the structs that were
agreed on, or the line has failed (LineError); there is no third thing.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from typing import Any, Final, Generic, TypeVar

import msgspec
import trio

from gmcp_sandbox.mcp.way import Way

LONGEST: Final = 48 << 20
"""Bytes of a frame: a result of the longest that a profile may grant, and the request that it is for."""
_HEAD: Final = struct.Struct("=I")
_PACKET: Final = 4096
_MOST_FDS: Final = 4


class LineError(Exception):
    """The other end is gone, or does not keep to what was agreed."""


T = TypeVar("T")


class Frames(Generic[T]):
    """One end of the stream of frames; reads structs of type `T`, owns the socket.

    Frames leave in the order of `put` and `send`.
    """

    def __init__(self, sock: socket.socket, kind: Any) -> None:
        self._way = Way(sock.detach())
        self._decode = msgspec.json.Decoder(kind).decode
        self._encode = msgspec.json.Encoder().encode
        self._buffer = bytearray()

    async def send(self, message: msgspec.Struct) -> None:
        """Send one frame, and wait until it is out. Raises LineError."""
        try:
            await self._way.send_all(self._framed(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise LineError("the other end is gone") from None

    def put(self, message: msgspec.Struct) -> bool:
        """Send one frame as far as it goes at once; False when something waits for `flush`. Raises LineError."""
        try:
            return self._way.put(self._framed(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise LineError("the other end is gone") from None

    async def flush(self) -> None:
        """Wait until all that was put is out. Raises LineError."""
        try:
            await self._way.send_all(b"")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise LineError("the other end is gone") from None

    def _framed(self, message: msgspec.Struct) -> bytes:
        body = self._encode(message)
        if len(body) > LONGEST:
            raise LineError("a frame too long to be sent")
        return _HEAD.pack(len(body)) + body

    async def receive(self) -> T | None:
        """Return the next frame; None at the end of the line. Raises LineError."""
        if not await self._fill(_HEAD.size):
            return None
        (length,) = _HEAD.unpack_from(self._buffer)
        if length > LONGEST:
            raise LineError("a frame that is too long")
        end = _HEAD.size + length
        if not await self._fill(end):
            raise LineError("a frame cut short")
        body = bytes(memoryview(self._buffer)[_HEAD.size : end])
        del self._buffer[:end]
        try:
            return self._decode(body)  # type: ignore[no-any-return]
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise LineError(f"a frame that says nothing: {error}") from None

    async def _fill(self, size: int) -> bool:
        while len(self._buffer) < size:
            try:
                data = await self._way.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            if not data:
                return False
            self._buffer += data
        return True

    def close(self) -> None:
        """Close this end."""
        self._way.close()


def send_packet(sock: socket.socket, message: msgspec.Struct, fds: tuple[int, ...] = ()) -> None:
    """Send one packet with descriptors, which stay the caller's. Raises OSError."""
    socket.send_fds(sock, [msgspec.json.encode(message)], list(fds), socket.MSG_NOSIGNAL)


def receive_packet(sock: socket.socket, longest: int = _PACKET) -> tuple[bytes, tuple[int, ...]]:
    """Return a packet and its descriptors; no bytes at the end of the line. Raises OSError, BlockingIOError too."""
    fds = array.array("i")
    room = socket.CMSG_LEN(_MOST_FDS * fds.itemsize)
    # Not socket.recv_fds: it drops its flags, and descriptors would be inherited by programs.
    data, ancillary, flags, _ = sock.recvmsg(longest, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, body in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
    if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
        for fd in fds:
            os.close(fd)
        raise OSError("a packet that did not fit")
    return data, tuple(fds)
