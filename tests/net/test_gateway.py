from __future__ import annotations

import socket

import pytest
import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.gateway import Gateway
from gmcp_sandbox.net.pumpline import BROKEN, CROSSED, DROPPED, JUDGE, LISTEN, LISTENING, TO_AGENT, TO_GATEWAY
from gmcp_sandbox.net.tun import NO_OFFLOAD


class Inbox:
    def __init__(self):
        self.said = []

    def packet(self, frame):
        self.said.append(frame)

    def listener(self, sock, port):
        sock.close()
        self.said.append(port)

    def lost(self, count):
        self.said.append(f"{count} lost")


@pytest.fixture
def line():
    ours, pump = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gateway = Gateway(ours)
    yield gateway, pump
    gateway.close()
    pump.close()


async def test_what_the_pump_hands_up_comes_to_the_inbox_in_order(line):
    gateway, pump = line
    inbox = Inbox()
    pump.send(bytes((JUDGE,)) + b"one")
    with socket.socket() as listener:
        socket.send_fds(pump, [bytes((LISTENING,)) + (443).to_bytes(2, "big")], [listener.fileno()])
    pump.send(bytes((LISTENING,)) + (80).to_bytes(2, "big"))  # without its socket: nothing
    pump.send(bytes((DROPPED,)) + (7).to_bytes(8, "big"))
    pump.close()
    with pytest.raises(HostError, match="pump ended"):
        await gateway.serve(inbox)
    assert inbox.said == [b"one", 443, "7 lost"]


async def test_a_pump_that_breaks_says_why(line):
    gateway, pump = line
    pump.send(bytes((BROKEN,)) + b"the reason")
    with pytest.raises(HostError, match="the reason"):
        await gateway.serve(Inbox())


async def test_where_the_kernel_carries_both_devices_are_the_supervisors_own(line):
    gateway, pump = line
    (agent, far_agent), (device, far_device) = (
        socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(2)
    )
    inbox = Inbox()
    socket.send_fds(pump, [bytes((CROSSED,))], [agent.fileno(), device.fileno()])
    far_device.send(b"one")
    far_device.send(b"two")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.serve, inbox)
        with trio.fail_after(5):
            while len(inbox.said) < 2:
                await trio.sleep(0)
        nursery.cancel_scope.cancel()
    gateway.to_agent(b"packet")
    gateway.let_in(b"frame")
    gateway.listen_and_let_in(443, b"frame")
    assert inbox.said == [b"one", b"two"]
    assert far_agent.recv(100) == NO_OFFLOAD + b"packet"
    assert far_device.recv(100) == b"frame"
    assert pump.recv(100) == LISTEN + b"\x01\xbb" + b"frame"
    for each in (agent, far_agent, device, far_device):
        each.close()


def test_words_to_the_pump(line):
    gateway, pump = line
    gateway.to_agent(b"packet")
    gateway.let_in(b"frame")
    gateway.listen_and_let_in(443, b"frame")
    assert pump.recv(100) == TO_AGENT + NO_OFFLOAD + b"packet"
    assert pump.recv(100) == TO_GATEWAY + b"frame"
    assert pump.recv(100) == LISTEN + b"\x01\xbb" + b"frame"


async def test_nothing_waits_for_a_pump_that_does_not_read(line):
    gateway, pump = line
    for _ in range(10_000):
        gateway.to_agent(bytes(1000))
    pump.close()
    gateway.to_agent(b"nobody")
    with trio.fail_after(5), pytest.raises(HostError):
        await gateway.serve(Inbox())
