"""Small things that sockets of flows need."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Protocol

from gmcp_sandbox import kernel

_RESET = struct.pack("ii", 1, 0)  # linger for no time: close with a reset (socket(7))
_MAPPED = "::ffff:"
_SO_DETACH_FILTER = 27


class HasOptions(Protocol):
    """A socket of the standard library or of trio."""

    def setsockopt(self, level: int, optname: int, value: bytes) -> None:
        """Set an option."""


def reset(sock: socket.socket) -> None:
    """Close a connection so that its other side takes what it got for cut short."""
    reset_on_close(sock)
    sock.close()


def reset_on_close(sock: HasOptions) -> None:
    """Let the last close of a connection be a reset."""
    with contextlib.suppress(OSError):  # broken already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def ends(sock: socket.socket) -> tuple[int, str, int]:
    """Return of an accepted connection the port that it came from, and the address and port that it went to.

    Raises:
        OSError: It has ended already.
    """
    _, source_port = sock.getpeername()[:2]
    address, port = sock.getsockname()[:2]
    return source_port, plain(address), port


def plain(address: str) -> str:
    """Return the IPv4 address of a mapped one, as a listener for both families names it; others as they are."""
    return address[len(_MAPPED) :] if address.startswith(_MAPPED) and "." in address else address


def freeze(sock: socket.socket) -> None:
    """Let the kernel take in nothing more for a connection. Its peer sends it again, until it thaws.

    Whatever had arrived before can still be read.
    """
    kernel.refuse_input(sock.fileno())


def thaw(sock: socket.socket) -> None:
    """Take in again what comes for a frozen connection."""
    with contextlib.suppress(OSError):  # never frozen, or broken
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
