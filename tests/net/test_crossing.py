"""The rule of the kernel's way across, run by the kernel, against the pump's; and a kernel that lacks the way."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox import kernel
from gmcp_sandbox.net import crossing, namespace, packets, tun
from gmcp_sandbox.net.addressing import AGENT_CROSSING, AGENT_V4, AGENT_V6
from gmcp_sandbox.net.pump import may_cross
from gmcp_sandbox.net.tun import HEADER_BYTES
from tests.net.namespaces import in_new_namespace
from tests.net.test_pump import ACK, FIN, RST, SYN, v4, v6

_SO_ATTACH_FILTER = 26


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


@contextlib.contextmanager
def _kernel():
    """Yield a function that says whether the kernel, asked by the rule, lets a frame cross."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    code = crossing.rule()
    far.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_Program(len(code) // 8, code)))

    def crosses(frame: bytes) -> bool:
        packet = frame[HEADER_BYTES:]
        kind = b"\x86\xdd" if packet[:1] and packet[0] >> 4 == 6 else b"\x08\x00"
        near.send(bytes(12) + kind + packet)
        try:
            far.recv(1 << 17)
        except BlockingIOError:
            return False
        return True

    with near, far:
        yield crosses


@pytest.mark.parametrize("flags", [ACK, ACK | FIN, RST, RST | ACK, SYN | ACK, 0, SYN, SYN | FIN, SYN | RST])
def test_the_kernel_lets_cross_what_the_pump_would(flags):
    with _kernel() as crosses:
        for frame in (v4(flags), v6(flags), v4(flags, fragment=0)):
            assert crosses(frame) == may_cross(frame, len(frame)) == (flags & (SYN | ACK) != SYN)


_BYTE = st.tuples(st.integers(0, 80), st.integers(0, 255))


@given(
    st.sampled_from([v4(), v6(), v4(SYN), v6(SYN)]),
    st.lists(_BYTE, max_size=3),
    st.integers(0, 90),
    st.binary(max_size=8),
)
def test_no_frame_crosses_in_the_kernel_that_the_pump_would_judge(base, changes, cut, more):
    frame = bytearray(base + more)
    for at, value in changes:
        if HEADER_BYTES + at < len(frame):
            frame[HEADER_BYTES + at] = value
    short = bytes(frame[: HEADER_BYTES + cut])
    with _kernel() as crosses:
        for each in (bytes(frame), short):
            assert crosses(each) == may_cross(each, len(each))


def test_what_is_no_ip_never_crosses():
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    code = crossing.rule()
    far.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_Program(len(code) // 8, code)))
    with near, far:
        for kind in (b"\x08\x06", b"\x81\x00", b"\0\0"):
            near.send(bytes(12) + kind + v4()[HEADER_BYTES:])
        near.send(b"short")
        with pytest.raises(BlockingIOError):
            far.recv(1 << 17)


def _sides(is_taken: bool):
    namespace.raise_loopback()
    taken = tun.create(AGENT_CROSSING) if is_taken else -1
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    agent, gateway, crosses = namespace.make_sides((0, 0))
    kernel.setns(here, kernel.CLONE_NEWNET)
    for family, address in ((socket.AF_INET, "203.0.113.9"), (socket.AF_INET6, "2001:db8::9")):
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
            with contextlib.suppress(BlockingIOError):
                sock.connect((address, 443))
    found = {}
    for name, device in (("agent", agent), ("gateway", gateway)):
        found[name] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = packets.parse(os.read(device, 1 << 17)[HEADER_BYTES:])
                if packet.tcp is not None:
                    found[name].append((packet.source, packet.destination, packet.tcp.flags))
    return [crosses, found["agent"], found["gateway"], taken >= 0]


@pytest.mark.needs("userns", "tun")
@pytest.mark.parametrize("is_taken", [False, True])
def test_a_syn_is_diverted_to_be_judged_and_goes_to_the_pump_where_the_kernel_lacks_the_way(is_taken):
    crosses, agent, gateway, _ = in_new_namespace(lambda: _sides(is_taken))
    syns = [[AGENT_V4, "203.0.113.9", SYN], [AGENT_V6, "2001:db8::9", SYN]]
    assert crosses is not is_taken
    assert (agent, gateway) == ((syns, []) if is_taken else ([], syns))
