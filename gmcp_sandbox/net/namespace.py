"""The agent's network namespace. For now it has a loopback of its own and no way out.

Guarantee: the steps here act on the calling process's network namespace, which must be a new one.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import Protocol

import msgspec

_IFREQ = "16sh14x"  # name and flags, padded to the union's 24 bytes below (netdevice(7))
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 0x1


class _Stage(Protocol):
    root: bytes


class RaiseLoopback(msgspec.Struct, frozen=True):
    """Bring the loopback interface up. By ioctl: a netlink library costs more to import than the rest of a start."""

    def apply(self, stage: _Stage) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as anchor:
            request = struct.pack(_IFREQ, b"lo", 0).ljust(40, b"\0")
            flags = struct.unpack_from("h", fcntl.ioctl(anchor, _SIOCGIFFLAGS, request), 16)[0]
            fcntl.ioctl(anchor, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP).ljust(40, b"\0"))

    def describe(self) -> str:
        return "bring up the agent's own loopback"
