"""The few rtnetlink requests that a session needs: links, addresses, routes.

Written here and not taken from a netlink library, because importing one takes as long as the rest of a launch (190 ms
against 220, measured). The tests read what was made back through such a library.

Guarantee: a request either took effect or raised. It acts on the network namespace in which the object was made.
Sources: rtnetlink(7), netlink(7), Linux include/uapi/linux/rtnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ERROR = struct.Struct("=i")
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst len, src len, tos, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")

_RTM_NEWLINK, _RTM_DELLINK, _RTM_NEWADDR, _RTM_NEWROUTE = 16, 17, 20, 24
_NLMSG_ERROR = 2
_REQUEST, _ACK, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
CREATE_NEW = _CREATE | _EXCLUSIVE
_IFF_UP, _IFF_NOARP = 0x1, 0x80
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_TXQLEN, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 4, 13, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_F_NODAD = 1, 2, 0x02
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7
_RTPROT_STATIC = 4
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_HOST = 0, 253, 254
_UNICAST, _LOCAL = 1, 2

TABLE_MAIN, TABLE_LOCAL = 254, 255


class Link(NamedTuple):
    """One end of a pair that is to be made."""

    name: str
    number: int
    hardware: bytes
    mtu: int

    def pack(self, *more: bytes) -> bytes:
        """Return the request for it, without ARP: what it sends goes to the other end."""
        attributes = [
            attribute(_IFLA_IFNAME, text(self.name)),
            attribute(_IFLA_ADDRESS, self.hardware),
            attribute(_IFLA_MTU, struct.pack("=I", self.mtu)),
        ]
        return _LINK.pack(socket.AF_UNSPEC, 0, self.number, _IFF_NOARP, _IFF_NOARP) + b"".join((*attributes, *more))


class Netlink:
    """A line to the kernel's routing tables. Use as a context manager."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def raise_link(self, index: int, *, mtu: int | None = None, queue: int | None = None) -> None:
        """Bring a link up, with this MTU and this length of its transmit queue."""
        attributes = b""
        if mtu is not None:
            attributes += attribute(_IFLA_MTU, struct.pack("=I", mtu))
        if queue is not None:
            attributes += attribute(_IFLA_TXQLEN, struct.pack("=I", queue))
        body = _LINK.pack(socket.AF_UNSPEC, 0, index, _IFF_UP, _IFF_UP)
        self.ask(_RTM_NEWLINK, 0, body + attributes)

    def add_pair(self, link: Link, peer: Link, namespace: int) -> None:
        """Make a virtual cable: one end here, the other in the network namespace of this descriptor."""
        far = peer.pack(attribute(_IFLA_NET_NS_FD, struct.pack("=I", namespace)))
        information = attribute(_INFO_KIND, text("veth")) + attribute(_INFO_DATA, attribute(_VETH_INFO_PEER, far))
        self.ask(_RTM_NEWLINK, CREATE_NEW, link.pack(attribute(_IFLA_LINKINFO, information)))

    def remove_link(self, index: int) -> None:
        """Remove a link, and the other end of a pair with it."""
        self.ask(_RTM_DELLINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0))

    def add_address(self, index: int, address: str) -> None:
        """Give a link an address of its own, without a network around it and without asking whether it is taken."""
        family, packed = _packed(address)
        body = _ADDRESS.pack(family, len(packed) * 8, _IFA_F_NODAD, _SCOPE_UNIVERSE, index)
        attributes = attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
        self.ask(_RTM_NEWADDR, CREATE_NEW, body + attributes)

    def add_route(self, index: int, address: str, length: int, *, table: int = TABLE_MAIN, source: str = "") -> None:
        """Send `address`/`length` out of a link; `source` is what connections from here get as their address."""
        self._route(CREATE_NEW, index, (address, length), (table, _SCOPE_LINK, _UNICAST), source)

    def move_route(self, index: int, address: str, length: int, *, table: int = TABLE_MAIN, source: str = "") -> None:
        """Send `address`/`length` out of another link than so far."""
        self._route(_CREATE | _REPLACE, index, (address, length), (table, _SCOPE_LINK, _UNICAST), source)

    def add_local_route(self, index: int, address: str, length: int) -> None:
        """Take every address of `address`/`length` for one of our own (AnyIP)."""
        self._route(CREATE_NEW, index, (address, length), (TABLE_LOCAL, _SCOPE_HOST, _LOCAL), "")

    def _route(self, flags: int, index: int, prefix: tuple[str, int], kind: tuple[int, int, int], source: str) -> None:
        family, packed = _packed(prefix[0])
        table, scope, what = kind
        if family == socket.AF_INET6:
            scope = _SCOPE_UNIVERSE  # IPv6 routes have no other
        body = _ROUTE.pack(family, prefix[1], 0, 0, table, _RTPROT_STATIC, scope, what, 0)
        attributes = attribute(_RTA_OIF, struct.pack("=I", index))
        if prefix[1]:
            attributes += attribute(_RTA_DST, packed)
        if source:
            attributes += attribute(_RTA_PREFSRC, _packed(source)[1])
        self.ask(_RTM_NEWROUTE, flags, body + attributes)

    def ask(self, kind: int, flags: int, body: bytes) -> None:
        """Send one request and wait for its acknowledgement. Raises OSError with the kernel's errno."""
        self._sequence += 1
        length = _HEADER.size + len(body)
        self._sock.send(_HEADER.pack(length, kind, _REQUEST | _ACK | flags, self._sequence, 0) + body)
        answer = self._sock.recv(65536)
        if _HEADER.unpack_from(answer)[1] != _NLMSG_ERROR:
            raise OSError("the kernel answered a netlink request with something else than an acknowledgement")
        code = -_ERROR.unpack_from(answer, _HEADER.size)[0]
        if code:
            raise OSError(code, os.strerror(code))


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute of a request; its value may be attributes."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def text(value: str) -> bytes:
    """Return a text as netlink carries it."""
    return value.encode() + b"\0"


def _packed(address: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)
