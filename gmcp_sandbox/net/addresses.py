"""Which addresses are this machine's own, as its kernel routes them now.

Guarantees: an address that the kernel would deliver to this machine itself, or to more than one host, is its own,
whatever interface, range or rule makes it so. When the kernel does not say, it is taken to be.

The kernel is asked each time (15 µs): addresses come and go while a session runs.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Final

from gmcp_sandbox.policy.addresses import Address

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port; netlink(7)
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, dst len, src len, tos, table, protocol, scope, type, flags
_ATTRIBUTE: Final = struct.Struct("=HH")
_RTM_NEWROUTE, _RTM_GETROUTE, _NLMSG_ERROR = 24, 26, 2
_REQUEST: Final = 0x1
_RTA_DST: Final = 1
_UNICAST: Final = 1
_DEAD_ENDS: Final = frozenset({6, 7, 8})  # blackhole, unreachable, prohibit
_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EAFNOSUPPORT})
"""How the kernel says that nothing leads there: dialling fails as well."""
_SECONDS: Final = 1.0


class OwnAddresses:
    """Asks the kernel of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sock.settimeout(_SECONDS)  # the kernel answers before send returns
        self._sequence = 0

    def __call__(self, address: Address) -> bool:
        """True when packets to an address would not go to one other host."""
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        try:
            self._sock.send(_question(address, self._sequence))
            return _is_own(self._sock.recv(65536), self._sequence)
        except OSError:
            return True

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()


def _question(address: Address, sequence: int) -> bytes:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    packed = address.packed
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), _RTA_DST) + packed
    body = _ROUTE.pack(family, len(packed) * 8, 0, 0, 0, 0, 0, 0, 0) + attribute
    return _HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, _REQUEST, sequence, 0) + body


def _is_own(answer: bytes, sequence: int) -> bool:
    try:
        _length, kind, _flags, answered, _port = _HEADER.unpack_from(answer)
        if answered != sequence:
            return True
        if kind == _NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", answer, _HEADER.size)
            return -code not in _NO_ROUTE
        route_type = _ROUTE.unpack_from(answer, _HEADER.size)[7]
    except struct.error:
        return True
    return kind != _RTM_NEWROUTE or (route_type != _UNICAST and route_type not in _DEAD_ENDS)
