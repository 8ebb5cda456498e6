"""Which hosts are in reach, for each tool."""

from __future__ import annotations

import pytest
from hypothesis import given

from gmcp_sandbox.calls.arguments import Arguments, DnsResolve, HttpRequest, NetConnect, NetSend, TlsHello
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import NETWORK_TOOLS, Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.pipeline.reach import Reach
from gmcp_sandbox.policy.network import HostDenial, HostRule, Network, Service
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import CALLS, call

WEB = ((80, 80), (443, 443))
SECTION = Network(
    allow=(
        HostRule(("example.com", "*.example.com"), WEB),
        HostRule(("api.example.net",), ((80, 80),), methods=("GET",), paths=("/v1/**",)),
        HostRule(("open.example.net",), ((443, 443),), methods=("GET",), intercept=True),
        HostRule(("git.example.org",), ((22, 22),), raw=True),
        HostRule(("time.example.org",), ((123, 123),), protocols=("udp",)),
        HostRule(("ping.example.org",), (), protocols=("icmp",)),
        HostRule(("198.51.100.0/24", "93.184.215.0/24", "0.0.0.0/0"), ((443, 443),)),
    ),
    deny=(
        HostDenial(("bad.example.com", "93.184.215.14")),
        HostDenial(("example.com",), ((80, 80),), methods=("DELETE",)),
        HostDenial(("part.example.com",), ((8443, 8443), (443, 443))),
    ),
    services=(Service(11434, 11434),),
)
REACH = Reach(SECTION)
STATE = SessionState(Tier.STANDARD)


def reason(tool: Tool, host: str, args: Arguments, state: SessionState = STATE, reach: Reach = REACH) -> str:
    return reach.judge(call(tool, host, args, NETWORK), state).reason.removeprefix("trust.")


def resolve(host: str) -> str:
    return reason(Tool.DNS_RESOLVE, host, DnsResolve("A"))


def connect(host: str, port: int = 443, raw: str | None = None) -> str:
    return reason(Tool.NET_CONNECT, host, NetConnect(port, None, raw))  # type: ignore[arg-type]


def hello(host: str, server_name: str | None, port: int = 443) -> str:
    return reason(Tool.TLS_HELLO, host, TlsHello(server_name, port))


def request(host: str, method: str = "GET", path: str = "/", port: int = 80, authority: str | None = None) -> str:
    return reason(Tool.HTTP_REQUEST, host, HttpRequest(method, path, port, (), "http", authority))


def test_what_a_grant_covers_is_in_reach():
    assert resolve("example.com") == resolve("a.b.example.com") == "ok"
    assert connect("example.com") == connect("www.example.com", 80) == "ok"


@pytest.mark.parametrize("host", ["example.org", "example.com.evil.test", "notexample.com", "com", "localhost"])
def test_what_no_grant_covers_is_not(host):
    assert resolve(host) == connect(host) == "no_host"


def test_ports_are_part_of_the_grant():
    assert connect("example.com", 22) == "port"
    assert connect("git.example.org", 22) == "ok"
    assert connect("time.example.org", 123) == "port"


def test_a_denial_beats_every_grant():
    assert resolve("bad.example.com") == connect("bad.example.com") == "denied_host"
    assert connect("93.184.215.14") == "denied_host"
    assert connect("93.184.215.15") == "ok"
    assert connect("part.example.com") == "denied_host"
    assert connect("part.example.com", 80) == resolve("part.example.com") == "ok"


def test_a_literal_address_is_a_decision_of_its_own():
    assert connect("198.51.100.7") == "ok"
    only_names = Reach(Network((HostRule(("*",), WEB),)))
    assert reason(Tool.NET_CONNECT, "1.1.1.1", NetConnect(443), reach=only_names) == "literal_address"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe"],
)
def test_no_wide_network_names_a_special_address(address):
    assert connect(address) == "special_address"


@pytest.mark.parametrize("name", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "evil.0x7f"])
def test_a_name_that_reads_like_an_address_is_refused_under_a_star(name):
    star = Reach(Network((HostRule(("*",), WEB),)))
    assert reason(Tool.DNS_RESOLVE, name, DnsResolve("A"), reach=star) == "numeric_name"
    assert reason(Tool.NET_CONNECT, name, NetConnect(443), reach=star) == "numeric_name"


def test_names_that_could_carry_data_are_odd_under_a_star():
    noise = "nbswy3dpeb3w64tmmqqho33snrscc5dinfzsa2ltebqsa5dfon2a"
    assert resolve(noise + ".example.com") == "odd_name"
    assert resolve(".".join([noise[:12], noise[12:24]] * 6) + ".example.com") == "odd_name"
    assert resolve("files.cdn-7.example.com") == "ok"


def test_raw_flows_need_their_right():
    assert connect("example.com", 443, "unknown") == connect("example.com", 80, "upgrade") == "raw"
    assert connect("git.example.org", 22, "server_first") == "ok"


def test_udp_and_echo_are_granted_by_name():
    assert reason(Tool.NET_SEND, "time.example.org", NetSend("udp", 123)) == "ok"
    assert reason(Tool.NET_SEND, "example.com", NetSend("udp", 443)) == "port"
    assert reason(Tool.NET_SEND, "ping.example.org", NetSend("icmp")) == "ok"
    assert reason(Tool.NET_SEND, "example.com", NetSend("icmp")) == "port"
    assert reason(Tool.NET_SEND, "example.com", NetSend("other", None, "fragment")) == "packet"


def test_the_name_in_a_hello_is_the_bound_one():
    assert hello("example.com", "example.com") == "ok"
    assert hello("example.com", "www.example.com") == hello("example.com", None) == "name_mismatch"
    assert hello("198.51.100.7", None) == "ok"
    assert hello("198.51.100.7", "example.com") == "name_mismatch"


def test_tls_hides_no_requests_that_are_ruled():
    assert hello("api.example.net", "api.example.net", 80) == "unseen_requests"
    assert hello("open.example.net", "open.example.net") == "ok"


def test_requests_are_ruled_by_method_and_path():
    assert request("api.example.net", path="/v1/items") == "ok"
    assert request("api.example.net", path="/v2/items") == request("api.example.net", path="/v1/../admin") == "request"
    assert request("api.example.net", "POST", "/v1/items") == "request"
    assert request("example.com", "POST") == "ok"
    assert request("example.com", "DELETE") == "denied_request"
    assert request("www.example.com", "DELETE") == "ok"


def test_the_host_of_a_request_is_the_bound_one():
    assert request("example.com", authority="example.com") == "ok"
    assert request("example.com", authority="www.example.com") == "name_mismatch"


def test_a_tunnel_is_a_raw_flow():
    assert request("example.com", "CONNECT", "www.example.com:443", authority="www.example.com") == "raw"


def test_the_host_is_reached_through_its_services_only():
    assert connect("host.gmcp.internal", 11434) == "ok"
    assert connect("host.gmcp.internal", 22) == "port"
    star = Reach(Network((HostRule(("*",), ((1, 65535),)),)))
    for name in ("host.gmcp.internal", "gmcp.internal", "x.gmcp.internal"):
        assert reason(Tool.NET_CONNECT, name, NetConnect(22), reach=star) == "no_host"


def test_a_spent_budget_ends_the_reach():
    state = SessionState(Tier.STANDARD)
    assert state.exhaust("example.com")
    assert reason(Tool.NET_CONNECT, "example.com", NetConnect(443), state) == "budget"
    assert reason(Tool.NET_CONNECT, "www.example.com", NetConnect(443), state) == "ok"
    state.exhaust("*")
    assert reason(Tool.NET_CONNECT, "www.example.com", NetConnect(443), state) == "budget"


def test_without_the_section_there_is_no_network():
    assert reason(Tool.NET_CONNECT, "example.com", NetConnect(443), reach=Reach(None)) == "no_network"


@given(CALLS)
def test_an_empty_section_grants_nothing(asked):
    if asked.tool in NETWORK_TOOLS:
        assert Reach(Network()).judge(asked, STATE).outcome is Outcome.DENY
