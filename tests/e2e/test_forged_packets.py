"""Packets that no ordinary program can send, forged on the agent's side of the device by one with every right there.

The device is the end of the way across in the kernel, and, where there is none, the pump's TUN.

The agent of a session has none of these rights (tests/e2e/test_internet_kernel.py); here it has, so that pump and
service are met by what they would be met by if it had.
"""

from __future__ import annotations

import json
import socket
import struct

import pytest
import trio

from gmcp_sandbox.calls.tools import Tool
from tests.net.link import Host, serving

pytestmark = [pytest.mark.trio, pytest.mark.needs("userns", "tun")]

AGENT, AGENT6 = "192.0.0.2", "fd67:6d63:7000::2"
TARGET, TARGET6 = "198.18.0.9", "2001:db8::9"

INJECT = """
import json, socket, sys
DEVICE = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)

def inject(packet):
    protocol = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    DEVICE.sendto(packet, (sys.argv[2], protocol, 0, 0, bytes.fromhex("0267636d7000")))

def connect(address, port=80):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(20)
        return sock.connect_ex((address, port))

for text in json.loads(sys.argv[1]):
    inject(bytes.fromhex(text))
after = connect("198.18.0.9")  # all that came before it is dealt with when this is answered
with open("/proc/net/snmp") as file:
    lines = [line.split() for line in file if line.startswith("Tcp:")]
print(json.dumps([after, dict(zip(*lines))]))
"""


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(payload: bytes, protocol: int = 6, *, source: str = AGENT, options: bytes = b"", fragment: int = 0) -> bytes:
    """Return an IPv4 packet with whatever in it."""
    length = 20 + len(options)
    ends = socket.inet_aton(source) + socket.inet_aton(TARGET)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 7, fragment, 64, protocol, 0) + ends
    return head[:10] + struct.pack("!H", _sum(head + options)) + head[12:] + options + payload


def ip6(payload: bytes, protocol: int = 6, *, source: str = AGENT6) -> bytes:
    """Return an IPv6 packet."""
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, TARGET6)
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload


def tcp(
    flags: int, data: bytes = b"", *, is_6: bool = False, source: str = "", port: int = 80, offset: int = 5
) -> bytes:
    """Return a segment with a right checksum."""
    family = socket.AF_INET6 if is_6 else socket.AF_INET
    ends = [
        socket.inet_pton(family, each) for each in (source or (AGENT6 if is_6 else AGENT), TARGET6 if is_6 else TARGET)
    ]
    body = struct.pack("!HHIIBBHHH", 4321, port, 1000, 1, offset << 4, flags, 65535, 0, 0) + data
    pseudo = b"".join(ends) + struct.pack("!HH", 6, len(body))
    return body[:16] + struct.pack("!H", _sum(pseudo + body)) + body[18:]


FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


@pytest.fixture(params=[True, False], ids=["crossing", "pump"], autouse=True)
def crosses(request):
    """Whether the kernel carries what may cross."""
    CROSSES[:] = [request.param]


CROSSES = [True]


async def _injected(*packets: bytes):
    """Return what the network was asked and noted, and the agent's view of a connect that nobody allows."""
    host = Host(allows=lambda call: False)
    (does_cross,) = CROSSES
    async with serving(host, crosses=does_cross) as (_, agent):
        texts = json.dumps([packet.hex() for packet in packets])
        after, counts = await agent(INJECT, texts, "gmcp2" if does_cross else "gmcp0")
        with trio.fail_after(5):
            while not any(call.tool is Tool.NET_CONNECT for call in host.calls):
                await trio.sleep(0.01)
    assert after == 111  # refused, at once, as ever
    faults = {getattr(call.args, "fault", None) for call in host.calls if call.tool is Tool.NET_SEND}
    connects = [call for call in host.calls if call.tool is Tool.NET_CONNECT]
    counted = next((fields["counts"] for name, fields in host.events if name == "packets_refused"), {})
    assert len(connects) == 1  # the one at the end
    return faults, counted, counts


@pytest.mark.trick("forged segment of no connection", stops="packets are checked before the gateway's kernel sees them")
@pytest.mark.parametrize("flags", [ACK, ACK | PSH, ACK | FIN, RST, RST | ACK, FIN, 0, FIN | PSH | URG, SYN | ACK])
async def test_forged_segment_of_no_connection(flags):
    """Answered by the gateway's kernel with a reset, or not at all; nothing is called, dialled or let in."""
    packets = (ip(tcp(flags, b"GET / HTTP/1.1\r\n\r\n")), ip6(tcp(flags, b"data", is_6=True)))
    faults, _, counts = await _injected(*packets)
    assert faults == set()
    assert int(counts["PassiveOpens"]) == 0


@pytest.mark.trick("syn with data", stops="packets are checked before the gateway's kernel sees them")
async def test_syn_with_data():
    faults, counted, _ = await _injected(ip(tcp(SYN, b"GET /")), ip6(tcp(SYN, b"GET /", is_6=True)))
    assert faults == {"data in syn"}
    assert counted["data in syn"] == 2


@pytest.mark.trick("syn with strange flags", stops="packets are checked before the gateway's kernel sees them")
@pytest.mark.parametrize("flags", [SYN | FIN, SYN | RST, SYN | URG, SYN | PSH, SYN | FIN | PSH | URG])
async def test_syn_with_strange_flags(flags):
    faults, _, _ = await _injected(ip(tcp(flags)))
    assert faults == {"flags of syn"}


@pytest.mark.trick("fragments", stops="packets are checked before the gateway's kernel sees them")
async def test_fragments():
    whole = tcp(SYN)
    first, last = ip(whole[:16], fragment=0x2000), ip(whole[16:], fragment=2)
    header = struct.pack("!BBHI", 6, 0, 1, 7)
    faults, counted, _ = await _injected(first, last, ip6(header + tcp(ACK, is_6=True)[:16], 44))
    assert faults == {"fragment"}
    assert counted["fragment"] == 3


@pytest.mark.trick(
    "a tiny fragment that hides the flags", stops="packets are checked before the gateway's kernel sees them"
)
async def test_a_tiny_fragment_that_hides_the_flags():
    faults, _, _ = await _injected(ip(tcp(ACK)[:8], fragment=0x2000), ip(tcp(SYN)[8:], fragment=1))
    assert faults & {"fragment"}


@pytest.mark.trick("ip options", stops="packets are checked before the gateway's kernel sees them")
@pytest.mark.parametrize(
    "options",
    [
        bytes((7, 7, 4, 0, 0, 0, 0, 0)),
        bytes((131, 7, 4, 127, 0, 0, 1, 0)),
        bytes((137, 7, 4, 203, 0, 113, 7, 0)),
        b"\1\1\1\0",
    ],
    ids=["record route", "loose source route", "strict source route", "padding"],
)
@pytest.mark.parametrize("flags", [SYN, ACK])
async def test_ip_options(options, flags):
    faults, _, _ = await _injected(ip(tcp(flags), options=options))
    assert faults == {"ip options"}


@pytest.mark.trick("ipv6 extension headers", stops="packets are checked before the gateway's kernel sees them")
@pytest.mark.parametrize("protocol", [0, 43, 60, 135, 139, 140])
async def test_ipv6_extension_headers(protocol):
    header = struct.pack("!BB6x", 6, 0)
    faults, _, _ = await _injected(
        ip6(header + tcp(SYN, is_6=True), protocol), ip6(header + tcp(ACK, is_6=True), protocol)
    )
    assert faults == {"ip options"}


@pytest.mark.trick("spoofed source", stops="packets are checked before the gateway's kernel sees them")
@pytest.mark.parametrize("flags", [SYN, ACK])
async def test_spoofed_source(flags):
    theirs, theirs6 = "203.0.113.9", "2001:db8::77"
    faults, counted, _ = await _injected(
        ip(tcp(flags, source=theirs), source=theirs),
        ip6(tcp(flags, is_6=True, source=theirs6), source=theirs6),
        ip(tcp(flags, source="127.0.0.1"), source="127.0.0.1"),
    )
    assert faults == {"spoofed source"}
    assert counted["spoofed source"] == 3


@pytest.mark.trick("protocols that are not spoken", stops="packets are checked before the gateway's kernel sees them")
@pytest.mark.parametrize("protocol", [4, 41, 47, 50, 132, 136, 253])
async def test_protocols_that_are_not_spoken(protocol):
    faults, _, _ = await _injected(ip(ip(tcp(SYN)), protocol), ip6(ip(tcp(SYN)), protocol))
    assert faults and all(fault.startswith(("protocol", "malformed", "ip options")) for fault in faults)


@pytest.mark.trick("packets that cannot be read", stops="packets are checked before the gateway's kernel sees them")
async def test_packets_that_cannot_be_read():
    faults, counted, _ = await _injected(
        b"\x45" + bytes(19),
        ip(tcp(SYN))[:30],
        ip(b"\0" * 4),
        ip(tcp(SYN, offset=15)),
        ip(tcp(SYN, offset=1)),
        ip6(b""),
        struct.pack("!IHBB", 6 << 28, 65535, 6, 64) + bytes(32),
        b"\x90" + bytes(60),
    )
    assert all(fault.startswith(("malformed", "spoofed", "protocol")) for fault in faults), faults
    assert sum(counted.values()) >= 6, counted


@pytest.mark.trick(
    "a flood of forged packets leaves few records and the count",
    stops="packets are checked before the gateway's kernel sees them",
)
async def test_a_flood_of_forged_packets_leaves_few_records_and_the_count():
    packets = [ip(tcp(SYN, source=f"203.0.113.{n % 250}"), source=f"203.0.113.{n % 250}") for n in range(500)]
    faults, counted, _ = await _injected(*packets)
    assert faults == {"spoofed source"}
    assert counted["spoofed source"] + counted.get("dropped under load", 0) >= 500  # and what else was dropped
