from __future__ import annotations

import errno

import pytest

from gmcp_sandbox.net import packets
from gmcp_sandbox.net.addressing import AGENT_V4, AGENT_V6, GATEWAY_V4, GATEWAY_V6
from gmcp_sandbox.net.gateway import Gateway
from gmcp_sandbox.net.packets import ACK, RST, SYN, parse
from gmcp_sandbox.net.refusals import Refusals
from gmcp_sandbox.net.types import Endpoint
from tests.net.test_pump import v4, v6


class Kept(Gateway):
    """Keeps what would go to the agent."""

    def __init__(self):
        self.sent = []

    def to_agent(self, packet):
        self.sent.append(parse(packet))


def syns():
    return [frame[10:] for frame in (v4(SYN), v6(SYN))]


def datagrams():
    return [
        packets.udp(Endpoint(agent, 5000), Endpoint(server, 9), b"x")
        for agent, server in ((AGENT_V4, "203.0.113.9"), (AGENT_V6, "2001:db8::9"))
    ]


def answers(denial, data, *, code=None):
    gateway = Kept()
    refusals = Refusals(gateway, denial)
    if code is None:
        refusals.denied(parse(data), data)
    else:
        refusals.failed(parse(data), data, code)
    return gateway.sent


@pytest.mark.parametrize("data", syns())
@pytest.mark.parametrize("code", [None, errno.EACCES, errno.ECONNREFUSED, errno.ECONNRESET])
def test_a_refused_connect_is_reset(data, code):
    (answer,) = answers("reset", data, code=code)
    asked = parse(data)
    assert answer.tcp.flags == RST | ACK
    assert answer.tcp.acknowledged == asked.tcp.sequence + 1
    assert (answer.source, answer.destination) == (asked.destination, asked.source)


@pytest.mark.parametrize("data", [*syns(), *datagrams()])
def test_icmp_says_that_it_is_prohibited_where_the_profile_wants_it(data):
    (answer,) = answers("prohibited", data)
    is_v4 = answer.version == 4
    assert answer.source == (GATEWAY_V4 if is_v4 else GATEWAY_V6)
    assert (answer.icmp.type, answer.icmp.code) == ((3, 13) if is_v4 else (1, 1))
    assert answer.icmp.payload[:20] == data[:20]


@pytest.mark.parametrize(
    ("code", "v4_code", "v6_code"),
    [(errno.EHOSTUNREACH, 1, 3), (errno.ENETUNREACH, 0, 0), (errno.EMFILE, 1, 3), (errno.ECONNREFUSED, 3, 4)],
)
def test_other_failures_are_told_as_they_are(code, v4_code, v6_code):
    for data in datagrams():
        (answer,) = answers("reset", data, code=code)
        assert answer.icmp.code == (v4_code if answer.version == 4 else v6_code)


def test_a_datagram_has_no_reset():
    for data in datagrams():
        (answer,) = answers("reset", data)
        assert answer.icmp.code == (3 if answer.version == 4 else 4)  # port unreachable


def test_silence_is_answered_by_silence_and_a_reset_by_nothing():
    assert answers("reset", syns()[0], code=errno.ETIMEDOUT) == []
    assert answers("reset", v4(RST)[10:]) == []
