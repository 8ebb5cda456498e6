"""IP packets as values, and the few packets that the network shell sends itself.

Guarantees:
- `parse` returns a value or raises `PacketError`, whatever the bytes are. Every length that a header claims was held
  against the bytes that are there.
- A fragment has no transport part, not even the first one: nobody decides by a header that a later fragment could
  belie. Headers behind IPv4 options or IPv6 extension headers are read, and `options` says that there were some.
- What is built has complete checksums and travels as one piece.

Leaves to others: the virtio header in front of a packet, and what is done with a packet. Checksums of incoming packets
are not looked at: the kernel leaves them to be completed later (offload), and the agent has no raw socket to forge one.
"""

from __future__ import annotations

import socket
import struct
from typing import Final, Literal

import msgspec

from gmcp_sandbox.net.types import Endpoint

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMP6: Final = 58

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

Code = Literal["net", "host", "port", "admin"]
"""Why an ICMP error says that something cannot be reached."""

_UNREACHABLE_V4: Final[dict[Code, int]] = {"net": 0, "host": 1, "port": 3, "admin": 13}  # RFC 1812, 5.2.7.1
_UNREACHABLE_V6: Final[dict[Code, int]] = {"net": 0, "host": 3, "port": 4, "admin": 1}  # RFC 4443, 3.1

_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = frozenset({0, 43, _FRAGMENT, _AUTHENTICATION, 60, 135, 139, 140})
"""IPv6 extension headers with a length of their own (RFC 7045); ESP is opaque and ends the chain."""
_MOST_EXTENSIONS: Final = 8
_TTL: Final = 64
_QUOTED_V4: Final = 576 - 20 - 8  # RFC 1812, 4.3.2.3
_QUOTED_V6: Final = 1280 - 40 - 8  # RFC 4443, 3.1
_LONGEST: Final = 65535

_V4 = struct.Struct("!BBHHHBBH4s4s")
_V6 = struct.Struct("!IHBB16s16s")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_ICMP = struct.Struct("!BBHHH")


class PacketError(ValueError):
    """The bytes are no packet that could be understood; the message is one short reason for the record."""


class Segment(msgspec.Struct, frozen=True, gc=False):
    """The TCP part of a packet. `options` are as they came, `length` counts the bytes of data."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledged: int
    flags: int
    options: bytes
    length: int


class Datagram(msgspec.Struct, frozen=True, gc=False):
    """The UDP part of a packet."""

    source_port: int
    destination_port: int
    payload: bytes


class Control(msgspec.Struct, frozen=True, gc=False):
    """The ICMP part of a packet; identifier and sequence have a meaning for echoes only."""

    type: int
    code: int
    identifier: int
    sequence: int
    payload: bytes

    def is_echo_request(self, version: int) -> bool:
        """True for a ping."""
        return self.type == (8 if version == 4 else 128) and self.code == 0


class Packet(msgspec.Struct, frozen=True, gc=False):
    """One IP packet.

    Attributes:
        version: 4 or 6.
        source: Canonical text, as inet_ntop(3) writes it.
        destination: Likewise.
        protocol: Of the transport part; behind IPv6 extension headers.
        fragment: It is a part of a larger packet, or says that it could be (an atomic fragment, RFC 6946).
        options: It has IPv4 options or IPv6 extension headers.
        tcp: One of these three, or none: a fragment, or another protocol.
    """

    version: int
    source: str
    destination: str
    protocol: int
    fragment: bool
    options: bool
    tcp: Segment | None = None
    udp: Datagram | None = None
    icmp: Control | None = None


def parse(data: bytes | bytearray | memoryview) -> Packet:
    """Return what a packet says; bytes behind its claimed end are left out.

    Raises:
        PacketError: It is cut short or contradicts itself.
    """
    view = memoryview(data)
    if not view:
        raise PacketError("empty")
    version = view[0] >> 4
    if version == 4:
        return _parse_v4(view)
    if version == 6:
        return _parse_v6(view)
    raise PacketError("ip version")


def _parse_v4(view: memoryview) -> Packet:
    if len(view) < 20:
        raise PacketError("short ip header")
    first, _tos, total, _ident, offset, _ttl, protocol, _sum, source, destination = _V4.unpack_from(view)
    header = (first & 15) * 4
    if header < 20 or not header <= total <= len(view):
        raise PacketError("ip length")
    is_fragment = bool(offset & 0x3FFF)  # more fragments, or an offset
    return _with_transport(
        Packet(4, _text(source), _text(destination), protocol, is_fragment, header > 20), view[header:total]
    )


def _parse_v6(view: memoryview) -> Packet:
    if len(view) < 40:
        raise PacketError("short ip header")
    _flow, length, protocol, _hops, source, destination = _V6.unpack_from(view)
    if 40 + length > len(view):
        raise PacketError("ip length")
    body = view[40 : 40 + length]
    is_fragment = has_options = False
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS:
            break
        has_options = True
        is_fragment |= protocol == _FRAGMENT
        size = _extension_length(protocol, body)
        protocol, body = body[0], body[size:]
        if is_fragment:
            break  # what follows may be the middle of something
    else:
        if protocol in _EXTENSIONS:
            raise PacketError("too many extension headers")
    return _with_transport(Packet(6, _text(source), _text(destination), protocol, is_fragment, has_options), body)


def _extension_length(kind: int, body: memoryview) -> int:
    if len(body) < 8:
        raise PacketError("short extension header")
    if kind == _FRAGMENT:
        return 8
    size = (body[1] + 2) * 4 if kind == _AUTHENTICATION else (body[1] + 1) * 8
    if not 8 <= size <= len(body):
        raise PacketError("extension header length")
    return size


def _with_transport(packet: Packet, body: memoryview) -> Packet:
    if packet.fragment:
        return packet
    if packet.protocol == TCP:
        return _replaced(packet, tcp=_segment(body))
    if packet.protocol == UDP:
        return _replaced(packet, udp=_datagram(body))
    if packet.protocol == (ICMP if packet.version == 4 else ICMP6):
        return _replaced(packet, icmp=_control(body))
    return packet


def _replaced(
    packet: Packet, *, tcp: Segment | None = None, udp: Datagram | None = None, icmp: Control | None = None
) -> Packet:
    return Packet(
        packet.version,
        packet.source,
        packet.destination,
        packet.protocol,
        packet.fragment,
        packet.options,
        tcp,
        udp,
        icmp,
    )


def _segment(body: memoryview) -> Segment:
    if len(body) < 20:
        raise PacketError("short tcp header")
    source, destination, sequence, acknowledged, offset, flags, _window, _sum, _urgent = _TCP.unpack_from(body)
    header = (offset >> 4) * 4
    if not 20 <= header <= len(body):
        raise PacketError("tcp header length")
    return Segment(source, destination, sequence, acknowledged, flags, bytes(body[20:header]), len(body) - header)


def _datagram(body: memoryview) -> Datagram:
    if len(body) < 8:
        raise PacketError("short udp header")
    source, destination, length, _sum = _UDP.unpack_from(body)
    if not 8 <= length <= len(body):
        raise PacketError("udp length")  # also jumbograms, whose length is 0 (RFC 2675)
    return Datagram(source, destination, bytes(body[8:length]))


def _control(body: memoryview) -> Control:
    if len(body) < 8:
        raise PacketError("short icmp header")
    kind, code, _sum, identifier, sequence = _ICMP.unpack_from(body)
    return Control(kind, code, identifier, sequence, bytes(body[8:]))


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


# ---------------------------------------------------------------------------------------------------------------- build


def tcp_reset(packet: Packet) -> bytes:
    """Return the reset that answers a segment to a closed port (RFC 9293, 3.10.7.1).

    Raises:
        PacketError: The packet has no TCP part, or is itself a reset, which nobody answers.
    """
    segment = packet.tcp
    if segment is None or segment.flags & RST:
        raise PacketError("no segment to reset")
    if segment.flags & ACK:
        sequence, acknowledged, flags = segment.acknowledged, 0, RST
    else:
        taken = segment.length + bool(segment.flags & SYN) + bool(segment.flags & FIN)
        sequence, acknowledged, flags = 0, (segment.sequence + taken) & 0xFFFFFFFF, RST | ACK
    body = _TCP.pack(segment.destination_port, segment.source_port, sequence, acknowledged, 5 << 4, flags, 0, 0, 0)
    return _built(packet.destination, packet.source, TCP, body, 16)


def udp(source: Endpoint, destination: Endpoint, payload: bytes) -> bytes:
    """Return a datagram.

    Raises:
        PacketError: The payload is longer than one datagram can be.
    """
    room = _LONGEST - (8 if ":" in source.address else 28)
    if len(payload) > room:
        raise PacketError("payload too long")
    body = _UDP.pack(source.port, destination.port, 8 + len(payload), 0) + payload
    return _built(source.address, destination.address, UDP, body, 6)


def echo_reply(packet: Packet, payload: bytes) -> bytes:
    """Return the answer to a ping, with what the answer carries.

    Raises:
        PacketError: The packet is none, or the answer is too long for its family.
    """
    asked = packet.icmp
    if asked is None or not asked.is_echo_request(packet.version):
        raise PacketError("no echo request")
    if len(payload) > _LONGEST - (8 if packet.version == 6 else 28):
        raise PacketError("payload too long")
    body = _ICMP.pack(0 if packet.version == 4 else 129, 0, 0, asked.identifier, asked.sequence) + payload
    return _built(packet.destination, packet.source, ICMP if packet.version == 4 else ICMP6, body, 2)


def unreachable(data: bytes, code: Code, from_address: str) -> bytes:
    """Return the ICMP error that tells the sender of a packet why it went nowhere, quoting its beginning.

    Args:
        data: The packet, as it came; it must have parsed.
        code: Why.
        from_address: Who says so, of the packet's own family.

    Raises:
        PacketError: The packet has no source to answer to, or the families differ.
    """
    is_v4 = bool(data) and data[0] >> 4 == 4
    if len(data) < (20 if is_v4 else 40) or (":" in from_address) is is_v4:
        raise PacketError("nothing to answer")
    if is_v4:
        body = struct.pack("!BBHI", 3, _UNREACHABLE_V4[code], 0, 0) + bytes(data[:_QUOTED_V4])
        return _built(from_address, _text(bytes(data[12:16])), ICMP, body, 2)
    body = struct.pack("!BBHI", 1, _UNREACHABLE_V6[code], 0, 0) + bytes(data[:_QUOTED_V6])
    return _built(from_address, _text(bytes(data[8:24])), ICMP6, body, 2)


def _built(source: str, destination: str, protocol: int, body: bytes, checksum_at: int) -> bytes:
    """Return the packet that carries a transport part whose checksum, at this offset, is still zero."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    sender, receiver = socket.inet_pton(family, source), socket.inet_pton(family, destination)
    covered = b"" if protocol == ICMP else _pseudo_header(sender, receiver, protocol, len(body))
    found = checksum(covered + body)
    if protocol == UDP and found == 0:
        found = 0xFFFF  # zero would mean that there is none (RFC 768)
    body = body[:checksum_at] + found.to_bytes(2, "big") + body[checksum_at + 2 :]
    if family == socket.AF_INET6:
        return _V6.pack(6 << 28, len(body), protocol, _TTL, sender, receiver) + body
    header = _V4.pack(0x45, 0, 20 + len(body), 0, 0x4000, _TTL, protocol, 0, sender, receiver)
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + body


def _pseudo_header(sender: bytes, receiver: bytes, protocol: int, length: int) -> bytes:
    if len(sender) == 4:
        return sender + receiver + struct.pack("!BBH", 0, protocol, length)
    return sender + receiver + struct.pack("!II", length, protocol)


def checksum(data: bytes | bytearray | memoryview) -> int:
    """Return the Internet checksum (RFC 1071) of some bytes.

    One big number modulo 65,535 is the folded one's complement sum of its 16-bit words, at the speed of C.
    """
    number = int.from_bytes(data, "big")
    if len(data) % 2:
        number <<= 8
    if number == 0:
        return 0xFFFF
    return 0xFFFF - (number % 0xFFFF or 0xFFFF)


def complete_checksum(packet: bytearray, start: int, offset: int) -> None:
    """Complete a checksum that the kernel left open (virtio's NEEDS_CSUM: the field holds the pseudo header's sum).

    Raises:
        PacketError: The field does not lie in the packet.
    """
    if start < 0 or offset < 0 or start + offset + 2 > len(packet):
        raise PacketError("checksum place")
    found = checksum(memoryview(packet)[start:]) or 0xFFFF  # both stand for zero; UDP must not say 0
    packet[start + offset : start + offset + 2] = found.to_bytes(2, "big")
