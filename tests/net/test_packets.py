import socket
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gmcp_sandbox.net import packets
from gmcp_sandbox.net.packets import ACK, FIN, RST, SYN, PacketError, checksum, parse
from gmcp_sandbox.net.types import Endpoint

V4, V6 = "192.0.2.7", "2001:db8::7"
AGENT4, AGENT6 = "192.0.0.2", "fd00::2"


def ipv4(body: bytes, *, protocol: int, options: bytes = b"", offset: int = 0, total: int | None = None) -> bytes:
    header = 20 + len(options)
    first = 0x40 | header // 4
    length = header + len(body) if total is None else total
    addresses = socket.inet_aton(AGENT4) + socket.inet_aton(V4)
    return struct.pack("!BBHHHBBH", first, 0, length, 1, offset, 64, protocol, 0) + addresses + options + body


def ipv6(body: bytes, *, protocol: int) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, AGENT6) + socket.inet_pton(socket.AF_INET6, V6)
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + addresses + body


def tcp(flags: int = SYN, *, sequence: int = 1000, acknowledged: int = 0, data: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", 40000, 443, sequence, acknowledged, 0x50, flags, 1024, 0, 0) + data


def udp(payload: bytes = b"hello", length: int | None = None) -> bytes:
    return struct.pack("!HHHH", 5000, 53, 8 + len(payload) if length is None else length, 0) + payload


def is_sound(packet: bytes) -> bool:
    """Check every checksum of a built packet the slow way."""
    found = parse(packet)
    if found.version == 4:
        assert slow_checksum(packet[:20]) == 0
        pseudo, body = packet[12:20] + struct.pack("!BBH", 0, found.protocol, len(packet) - 20), packet[20:]
    else:
        pseudo, body = packet[8:40] + struct.pack("!II", len(packet) - 40, found.protocol), packet[40:]
    return slow_checksum((b"" if found.protocol == packets.ICMP else pseudo) + body) == 0


def slow_checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def test_a_syn_is_read():
    found = parse(ipv4(tcp(data=b"early"), protocol=6))
    assert (found.version, found.source, found.destination) == (4, AGENT4, V4)
    assert not found.fragment and not found.options
    assert (found.tcp.source_port, found.tcp.destination_port, found.tcp.sequence) == (40000, 443, 1000)
    assert (found.tcp.flags, found.tcp.length) == (SYN, 5)


def test_a_datagram_is_read_in_both_families():
    for packet in (ipv4(udp(), protocol=17), ipv6(udp(), protocol=17)):
        assert parse(packet).udp == packets.Datagram(5000, 53, b"hello")


def test_bytes_behind_the_claimed_end_are_left_out():
    assert parse(ipv4(udp(), protocol=17) + b"trailer").udp.payload == b"hello"
    assert parse(ipv4(udp(b"hello!", length=12), protocol=17)).udp.payload == b"hell"


def test_options_are_noticed():
    found = parse(ipv4(tcp(), protocol=6, options=b"\x01" * 4))
    assert found.options and found.tcp is not None


@pytest.mark.parametrize("offset", [0x2000, 0x0001, 0x1FFF])
def test_a_fragment_has_no_transport_part(offset):
    found = parse(ipv4(tcp(), protocol=6, offset=offset))
    assert found.fragment and found.tcp is None


def test_dont_fragment_is_no_fragment():
    assert not parse(ipv4(tcp(), protocol=6, offset=0x4000)).fragment


def test_extension_headers_are_walked():
    chain = b"\x3c\x00" + b"\0" * 6 + b"\x06\x00" + b"\0" * 6 + tcp()
    found = parse(ipv6(chain, protocol=0))
    assert found.options and found.protocol == 6 and found.tcp.destination_port == 443


def test_an_atomic_fragment_of_ipv6_is_a_fragment():
    found = parse(ipv6(b"\x11\0" + b"\0" * 6 + udp(), protocol=44))
    assert found.fragment and found.udp is None and found.protocol == 17


def test_a_chain_of_extension_headers_ends():
    with pytest.raises(PacketError, match="too many"):
        parse(ipv6((b"\0\0" + b"\0" * 6) * 20 + tcp(), protocol=0))


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x50" + b"\0" * 40,
        b"\x45" + b"\0" * 10,
        b"\x60" + b"\0" * 30,
        ipv4(tcp(), protocol=6, total=200),
        ipv4(tcp(), protocol=6, total=19),
        b"\x44" + ipv4(tcp(), protocol=6)[1:],
        ipv4(b"\0" * 19, protocol=6),
        ipv4(tcp()[:12] + b"\x40" + tcp()[13:], protocol=6),
        ipv4(tcp()[:12] + b"\xf0" + tcp()[13:], protocol=6),
        ipv4(udp(length=7), protocol=17),
        ipv4(udp(length=99), protocol=17),
        ipv6(udp(length=0), protocol=17),
        ipv4(b"\x08\0\0", protocol=1),
        ipv6(b"\x06\xff" + b"\0" * 6 + tcp(), protocol=60),
        ipv6(b"\x06", protocol=60),
        ipv6(b"\x06\0" + b"\0" * 10, protocol=51)[:-1],
    ],
)
def test_lengths_that_lie_are_refused(packet):
    with pytest.raises(PacketError):
        parse(packet)


def test_icmp_of_the_other_family_is_none():
    assert parse(ipv4(b"\x80\0" + b"\0" * 6, protocol=58)).icmp is None
    assert parse(ipv6(b"\x08\0" + b"\0" * 6, protocol=1)).icmp is None


@pytest.mark.parametrize("wrap", [ipv4, ipv6])
def test_a_syn_is_answered_by_a_reset(wrap):
    reset = packets.tcp_reset(parse(wrap(tcp(data=b"xyz"), protocol=6)))
    found = parse(reset)
    assert (found.tcp.source_port, found.tcp.destination_port) == (443, 40000)
    assert (found.tcp.flags, found.tcp.sequence, found.tcp.acknowledged) == (RST | ACK, 0, 1004)
    assert is_sound(reset)


def test_a_reset_takes_its_number_from_an_acknowledgement():
    found = parse(packets.tcp_reset(parse(ipv4(tcp(ACK | FIN, acknowledged=77), protocol=6))))
    assert (found.tcp.flags, found.tcp.sequence) == (RST, 77)


def test_sequence_numbers_wrap():
    found = parse(packets.tcp_reset(parse(ipv4(tcp(sequence=0xFFFFFFFF), protocol=6))))
    assert found.tcp.acknowledged == 0


def test_a_reset_is_not_answered():
    with pytest.raises(PacketError):
        packets.tcp_reset(parse(ipv4(tcp(RST), protocol=6)))


@pytest.mark.parametrize(("wrap", "kind", "answer"), [(ipv4, 8, 0), (ipv6, 128, 129)])
def test_a_ping_is_answered(wrap, kind, answer):
    protocol = 1 if wrap is ipv4 else 58
    asked = parse(wrap(struct.pack("!BBHHH", kind, 0, 0, 7, 3) + b"payload", protocol=protocol))
    reply = packets.echo_reply(asked, b"what came back")
    assert parse(reply).icmp == packets.Control(answer, 0, 7, 3, b"what came back")
    assert is_sound(reply)
    with pytest.raises(PacketError):
        packets.echo_reply(parse(reply), b"")
    with pytest.raises(PacketError):
        packets.echo_reply(asked, bytes(65528))


@pytest.mark.parametrize(("code", "in_v4", "in_v6"), [("port", 3, 4), ("host", 1, 3), ("admin", 13, 1), ("net", 0, 0)])
def test_unreachable_quotes_the_packet(code, in_v4, in_v6):
    for packet, gateway, number, kind in (
        (ipv4(udp(b"x" * 2000), protocol=17), "192.0.0.1", in_v4, 3),
        (ipv6(udp(b"x" * 2000), protocol=17), "fd00::1", in_v6, 1),
    ):
        error = packets.unreachable(packet, code, gateway)
        found = parse(error)
        assert (found.icmp.type, found.icmp.code) == (kind, number)
        assert found.destination == parse(packet).source and found.source == gateway
        assert packet.startswith(found.icmp.payload)
        assert len(error) in (576, 1280)
        assert is_sound(error)


def test_unreachable_needs_one_family():
    with pytest.raises(PacketError):
        packets.unreachable(ipv4(udp(), protocol=17), "port", "fd00::1")


def test_a_datagram_has_its_longest():
    source, destination = Endpoint(V4, 53), Endpoint(AGENT4, 5000)
    assert is_sound(packets.udp(source, destination, b"x" * 65507))
    with pytest.raises(PacketError):
        packets.udp(source, destination, b"x" * 65508)


@given(st.binary(max_size=600), st.booleans())
def test_a_built_datagram_reads_back(payload, is_v4):
    source, destination = (
        (Endpoint(V4, 53), Endpoint(AGENT4, 5000)) if is_v4 else (Endpoint(V6, 53), Endpoint(AGENT6, 1))
    )
    packet = packets.udp(source, destination, payload)
    found = parse(packet)
    assert (found.source, found.destination, found.udp.payload) == (source.address, destination.address, payload)
    assert is_sound(packet)


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xff\xff")
@example(b"\0\0\0")
def test_the_checksum_is_that_of_the_standard(data):
    assert checksum(data) == slow_checksum(data)


@given(st.binary(min_size=8, max_size=100))
def test_a_checksum_left_open_is_completed(payload):
    packet = bytearray(packets.udp(Endpoint(V4, 53), Endpoint(AGENT4, 5000), payload))
    pseudo = bytes(packet[12:20]) + struct.pack("!BBH", 0, 17, len(packet) - 20)
    packet[26:28] = (0xFFFF - slow_checksum(pseudo)).to_bytes(2, "big")
    packets.complete_checksum(packet, 20, 6)
    assert is_sound(bytes(packet))


@pytest.mark.parametrize(("start", "offset"), [(20, 7), (21, 6), (-1, 0), (0, 60000)])
def test_a_checksum_outside_of_the_packet_is_refused(start, offset):
    with pytest.raises(PacketError):
        packets.complete_checksum(bytearray(28), start, offset)


HEADERS = st.sampled_from(
    [ipv4(tcp(), protocol=6), ipv6(tcp(), protocol=0), ipv4(udp(), protocol=17), ipv6(udp(), protocol=44)]
)


@given(st.one_of(st.binary(max_size=120), st.tuples(HEADERS, st.integers(0, 100), st.binary(max_size=8))))
def test_hostile_bytes_give_a_packet_or_the_error(made):
    if isinstance(made, tuple):
        base, at, patch = made
        made = base[:at] + patch + base[at + len(patch) :]
    try:
        found = parse(made)
    except PacketError:
        return
    for answer in (packets.tcp_reset, lambda packet: packets.echo_reply(packet, b"x")):
        try:
            parse(answer(found))
        except PacketError:
            continue
    parse(packets.unreachable(bytes(made), "admin", "192.0.0.1" if found.version == 4 else "fd00::1"))
