"""The agent's name server: every question is a call, every answer a fake address."""

from __future__ import annotations

import ipaddress
import itertools

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.monitor.monitor import Monitor
from gmcp_sandbox.net.dns import NameServer
from gmcp_sandbox.net.names import FakeNames
from gmcp_sandbox.net.types import Endpoint
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.addresses import FAKE_V4, FAKE_V6
from gmcp_sandbox.policy.network import HostRule, Network
from gmcp_sandbox.policy.profile import RateLimit, Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import profile

AGENT, SERVER = Endpoint("192.0.0.2", 5000), Endpoint("192.0.0.1", 53)
WEB = ((80, 80), (443, 443))
SECTION = Network((HostRule(("example.com", "*.example.com", "*.arpa"), WEB),))


class Paper:
    def __init__(self):
        self.records = []
        self.fault = None

    def append(self, decision, latency_ns):
        if self.fault is not None:
            raise self.fault
        self.records.append(decision)

    def event(self, name, **fields):
        pass


class Line:
    """A name server with its monitor, and what was written down."""

    def __init__(self, *, most=100, rates=(), net=SECTION):
        self.paper, ticks = Paper(), itertools.count(1000, 10)
        monitor = Monitor(
            Pipeline(profile(net=net, rates=rates), None),
            SessionState(Tier.STANDARD),
            self.paper,
            session="00000000",
            agent="tester",
            clock=lambda: next(ticks),
        )
        self.names = FakeNames(bytes(32), "tester", most)
        self.server = NameServer(monitor, self.names)

    async def raw(self, payload):
        return await self.server.answer(payload, AGENT, SERVER)

    async def ask(self, name, qtype="A"):
        question = dnslib.DNSRecord.question(name, qtype)
        answer = dnslib.DNSRecord.parse(await self.raw(bytes(question.pack())))
        assert answer.header.id == question.header.id
        return answer

    async def data(self, name, qtype="A"):
        return [str(record.rdata) for record in (await self.ask(name, qtype)).rr]

    @property
    def calls(self):
        return [
            (each.call.tool, each.call.object, each.call.args.qtype, each.is_allowed) for each in self.paper.records
        ]


async def test_an_allowed_name_gets_its_fake_addresses():
    line = Line()
    (v4,), (v6,) = await line.data("example.com"), await line.data("example.com", "AAAA")
    assert ipaddress.ip_address(v4) in FAKE_V4 and ipaddress.ip_address(v6) in FAKE_V6
    assert line.names.name_of(v4) == line.names.name_of(v6) == "example.com"
    assert line.calls == [
        (Tool.DNS_RESOLVE, "example.com", "A", True),
        (Tool.DNS_RESOLVE, "example.com", "AAAA", True),
    ]


async def test_a_denied_name_does_not_exist():
    line = Line()
    answer = await line.ask("evil.test")
    assert answer.header.rcode == dnslib.RCODE.NXDOMAIN and not answer.rr
    assert line.calls == [(Tool.DNS_RESOLVE, "evil.test", "A", False)]
    assert not len(line.names)


async def test_every_question_is_a_call_though_its_answer_is_remembered():
    line = Line(rates=(RateLimit((Tool.DNS_RESOLVE,), 0.001, 3),))
    codes = [(await line.ask("example.com")).header.rcode for _ in range(4)]
    assert codes == [0, 0, 0, 3] and len(line.calls) == 4


async def test_upper_and_lower_case_are_one_name_and_repeated_as_asked():
    line = Line()
    assert await line.data("EXAMPLE.com") == await line.data("example.COM")
    assert str((await line.ask("eXaMpLe.CoM")).q.qname) == "eXaMpLe.CoM."


@pytest.mark.parametrize("qtype", ["HTTPS", "SVCB", "TXT", "MX", "SRV", "CNAME", "ANY", "NS", "SOA"])
async def test_other_types_are_empty(qtype):
    line = Line()
    answer = await line.ask("example.com", qtype)
    assert answer.header.rcode == 0 and not answer.rr
    assert line.calls[0][2] == qtype


async def test_a_fake_address_has_its_name_and_no_other_has():
    line = Line()
    (v4,), (v6,) = await line.data("www.example.com"), await line.data("www.example.com", "AAAA")
    for text in (v4, v6):
        assert await line.data(ipaddress.ip_address(text).reverse_pointer, "PTR") == ["www.example.com."]
    answer = await line.ask("4.3.2.1.in-addr.arpa", "PTR")
    assert answer.header.rcode == dnslib.RCODE.NXDOMAIN
    assert ("www.example.com", "PTR") in [call[1:3] for call in line.calls]


async def test_a_reverse_question_sees_a_later_binding():
    line = Line()
    fake = FakeNames(bytes(32), "tester", 10).bind("example.com")
    pointer = ipaddress.ip_address(fake.v4).reverse_pointer
    assert await line.data(pointer, "PTR") == []
    await line.ask("example.com")
    assert await line.data(pointer, "PTR") == ["example.com."]


async def test_an_exhausted_pool_gives_no_address():
    line = Line(most=1)
    assert await line.data("a.example.com")
    assert (await line.ask("b.example.com")).header.rcode == dnslib.RCODE.SERVFAIL
    assert await line.data("a.example.com")


@pytest.mark.parametrize(
    "name", ["nbswy3dpeb3w64tmmqqho33snrscc5dinfzsa2ltebqsa5dfon2a.example.com", "0x7f.1", "2130706433", "localhost"]
)
async def test_tunnels_and_disguises_do_not_exist(name):
    line = Line(net=Network((HostRule(("*", "*.example.com"), WEB),)))
    assert (await line.ask(name)).header.rcode == dnslib.RCODE.NXDOMAIN
    assert line.calls[0][3] is False


async def test_a_name_that_is_no_host_name_is_recorded_and_does_not_exist():
    line = Line()
    message = bytes(dnslib.DNSRecord.question("example.com").pack()[:12]) + b"\x0bexample.com\0\0\x01\0\x01"
    assert dnslib.DNSRecord.parse(await line.raw(message)).header.rcode == dnslib.RCODE.NXDOMAIN
    assert line.calls == [(Tool.DNS_RESOLVE, "example\\046com", "A", False)]


async def test_what_is_no_question_gets_no_answer_and_no_call():
    line = Line()
    assert await line.raw(b"\0" * 5) is None
    assert dnslib.DNSRecord.parse(await line.raw(b"\0\1" + b"\0" * 10)).header.rcode == dnslib.RCODE.FORMERR
    assert line.calls == []


async def test_no_record_no_answer():
    line = Line()
    line.paper.fault = AuditError("full")
    with pytest.raises(AuditError):
        await line.ask("example.com")


@given(
    st.lists(
        st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda tail: b"\0\1\1\0\0\1" + bytes(6) + tail))
    )
)
async def test_hostile_bytes_never_raise(payloads):
    line = Line(net=Network((HostRule(("*",), WEB),)))
    for payload in payloads:
        answer = await line.raw(payload)
        assert answer is None or answer[:2] == payload[:2]
