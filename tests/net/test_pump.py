"""What passes by itself and what does not; the packets are carried for real in test_service.py."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net import packets
from gmcp_sandbox.net.addressing import AGENT_V4, AGENT_V4_PACKED, AGENT_V6, AGENT_V6_PACKED
from gmcp_sandbox.net.packets import PacketError
from gmcp_sandbox.net.pump import listen, may_cross, may_return
from gmcp_sandbox.net.tun import FRAME_BYTES, NO_OFFLOAD

SYN, ACK, RST, FIN = 0x02, 0x10, 0x04, 0x01
SERVER_V4 = bytes((203, 0, 113, 9))
SERVER_V6 = bytes.fromhex("20010db8000000000000000000000009")


def v4(flags=ACK, *, source=AGENT_V4_PACKED, target=SERVER_V4, protocol=6, fragment=0x4000, words=5):
    options = bytes(4 * (words - 5))
    tcp = struct.pack("!HHIIBBHHH", 40000, 443, 1, 2, 5 << 4, flags, 1000, 0, 0)
    length = 20 + len(options) + len(tcp)
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, length, 1, fragment, 64, protocol, 0, source, target)
    return NO_OFFLOAD + header + options + tcp


def v6(flags=ACK, *, source=AGENT_V6_PACKED, target=SERVER_V6, protocol=6):
    tcp = struct.pack("!HHIIBBHHH", 40000, 443, 1, 2, 5 << 4, flags, 1000, 0, 0)
    return NO_OFFLOAD + struct.pack("!IHBB16s16s", 6 << 28, len(tcp), protocol, 64, source, target) + tcp


@pytest.mark.parametrize("flags", [ACK, ACK | FIN, RST, RST | ACK, SYN | ACK, 0])
def test_tcp_that_opens_nothing_crosses(flags):
    for frame in (v4(flags), v6(flags), v4(flags, fragment=0)):
        assert may_cross(frame, len(frame))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(v4(SYN), id="syn"),
        pytest.param(v6(SYN), id="syn, IPv6"),
        pytest.param(v4(SYN | FIN), id="syn and fin"),
        pytest.param(v4(SYN | RST), id="syn and reset"),
        pytest.param(v4(source=SERVER_V4), id="spoofed source"),
        pytest.param(v6(source=SERVER_V6), id="spoofed source, IPv6"),
        pytest.param(v4(fragment=0x2000), id="first fragment"),
        pytest.param(v4(fragment=0x0001), id="later fragment"),
        pytest.param(v4(fragment=0x0100), id="far fragment"),
        pytest.param(v4(fragment=0x8000), id="reserved flag"),
        pytest.param(v4(words=6), id="ip options"),
        pytest.param(v4(protocol=17), id="udp"),
        pytest.param(v6(protocol=0), id="hop-by-hop header"),
        pytest.param(v6(protocol=44), id="fragment header"),
        pytest.param(NO_OFFLOAD, id="empty"),
        pytest.param(v4()[:40], id="cut short"),
        pytest.param(v6()[:60], id="cut short, IPv6"),
        pytest.param(NO_OFFLOAD + b"\x55" + bytes(60), id="no IP"),
    ],
)
def test_everything_else_goes_up(frame):
    buffer = bytearray(frame.ljust(FRAME_BYTES, b"\xff"))  # what an earlier packet left behind is not looked at
    assert not may_cross(buffer, len(frame))


def test_only_tcp_to_the_agent_returns():
    there = v4(SYN | ACK, source=SERVER_V4, target=AGENT_V4_PACKED), v6(source=SERVER_V6, target=AGENT_V6_PACKED)
    assert all(may_return(frame, len(frame)) for frame in there)
    elsewhere = v4(), v6(), v4(target=AGENT_V4_PACKED, protocol=1), v6(target=AGENT_V6_PACKED, protocol=58)
    assert not any(may_return(frame, len(frame)) for frame in (*elsewhere, NO_OFFLOAD, v4()[:30]))


@given(st.binary(max_size=120), st.sampled_from([v4(), v6(), b""]), st.integers(0, 90))
def test_what_crosses_is_the_agents_tcp_and_no_syn(noise, base, cut):
    frame = base[:cut] + noise
    if not may_cross(frame, len(frame)):
        return
    try:
        packet = packets.parse(frame[len(NO_OFFLOAD) :])
    except PacketError:
        return  # the gateway's kernel drops it
    assert packet.source in (AGENT_V4, AGENT_V6)
    assert not packet.fragment
    assert not packet.options
    assert packet.tcp is not None
    assert packet.tcp.flags & (SYN | ACK) != SYN


def test_a_listener_takes_both_families():
    with listen(0) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port)):
                listener.accept()[0].close()
        with pytest.raises(OSError, match="in use"):
            listen(port)
