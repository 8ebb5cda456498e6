"""What is dialled is what was checked: real sockets on this machine's loopback, resolvers that lie."""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import asynccontextmanager

import pytest
import trio

from gmcp_sandbox.net.dial import Dial, interleaved, race
from gmcp_sandbox.net.proxy import Proxy
from gmcp_sandbox.net.resolve import Resolver
from gmcp_sandbox.net.types import DialError, Target
from gmcp_sandbox.policy.hostrules import HostRules
from gmcp_sandbox.policy.network import HostRule, Network, Service

ANY = ((1, 65535),)
PUBLIC = HostRule(("*", "*.test"), ANY)
NAMED = HostRule(("named.test", "*.named.test"), ANY, addresses=("127.0.0.1", "10.0.0.0/8", "::1"))


def dial(*answers, allow=(PUBLIC, NAMED), proxy=None, own=lambda address: address.is_loopback, **section):
    """Return a dialer whose resolver gives these answers, one after the other, and the last one for good."""
    said = list(answers)

    def lookup(name):
        return said.pop(0) if len(said) > 1 else said[0]

    return Dial(HostRules(Network(allow, **section)), Resolver(lookup), own, proxy)


def target(host="named.test", port=443, address="198.18.0.7"):
    is_literal = host[0].isdigit() or ":" in host
    return Target(host, port, host if is_literal else address, is_literal)


async def failure(dialer, to, method="dial"):
    with pytest.raises(DialError) as caught:
        await getattr(dialer, method)(to)
    return caught.value.errno, caught.value.reason


@asynccontextmanager
async def server(host="127.0.0.1"):
    """Serve a greeting; yield the port."""

    async def greet(stream):
        await stream.send_all(b"hello")

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
        nursery.start_soon(trio.serve_listeners, greet, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_a_named_address_is_dialled():
    async with server() as port:
        dialled = await dial(["127.0.0.1"]).dial(target(port=port))
        assert dialled.address == "127.0.0.1"
        assert await dialled.stream.receive_some(10) == b"hello"
        await dialled.stream.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "198.18.0.1",
    ],
)
async def test_rebinding_to_a_special_address_is_refused(answer):
    assert await failure(dial([answer]), target("evil.test")) == (errno.EACCES, "refused_address")
    assert await failure(dial([answer]), target("evil.test"), "locate") == (errno.EACCES, "refused_address")


async def test_an_address_of_this_machine_is_refused_though_its_range_is_named():
    own = {ipaddress.ip_address("10.0.0.5"), ipaddress.ip_address("93.184.215.14")}
    dialer = dial(["10.0.0.5", "93.184.215.14"], own=own.__contains__)
    assert await failure(dialer, target()) == (errno.EACCES, "refused_address")
    assert await failure(dial([""], own=own.__contains__), target("93.184.215.14")) == (errno.EACCES, "refused_address")


async def test_an_answer_that_changes_is_checked_again(mock_clock):
    async with server() as port:
        rule = HostRule(("flip.test",), ANY, addresses=("127.0.0.1",))
        dialer = dial(["127.0.0.1"], ["169.254.169.254"], allow=(rule,))
        await (await dialer.dial(target("flip.test", port))).stream.aclose()
        mock_clock.jump(60)
        assert await failure(dialer, target("flip.test", port)) == (errno.EACCES, "refused_address")


async def test_of_a_mixed_answer_only_what_may_be_is_dialled():
    async with server() as port:
        dialled = await dial(["169.254.169.254", "192.168.0.1", "127.0.0.1"]).dial(target(port=port))
        assert dialled.address == "127.0.0.1"
        await dialled.stream.aclose()


async def test_a_literal_that_claims_to_be_a_name_is_refused():
    lying = Target("127.0.0.1", 80, "198.18.0.1", False)
    assert await failure(dial([""]), lying) == (errno.EACCES, "refused_address")
    assert await failure(dial([""]), Target("a.test", 80, "198.18.0.1", True)) == (errno.EACCES, "refused_address")


async def test_the_true_result_is_told():
    with trio.socket.socket() as closed:
        await closed.bind(("127.0.0.1", 0))
        assert await failure(dial(["127.0.0.1"]), target(port=closed.getsockname()[1])) == (
            errno.ECONNREFUSED,
            "refused",
        )
        both = dial(["127.0.0.1", "::1"])
        assert await failure(both, target(port=closed.getsockname()[1])) == (errno.ECONNREFUSED, "refused")


async def test_an_upstream_that_is_silent_times_out(autojump_clock):
    class Silent(Resolver):
        async def addresses(self, name):
            await trio.sleep_forever()

    dialer = Dial(HostRules(Network((PUBLIC,), connect_seconds=5)), Silent(), lambda address: False)
    assert await failure(dialer, target("slow.test")) == (errno.ETIMEDOUT, "timeout")
    assert await failure(dialer, target("slow.test"), "locate") == (errno.ETIMEDOUT, "timeout")


async def test_the_first_connection_wins():
    async with server() as port:
        dialled = await race(["127.0.0.2", "127.0.0.1", "127.0.0.3"], port)
        assert dialled.address == "127.0.0.1"
        await dialled.stream.aclose()


async def test_an_address_that_refused_is_tried_last_for_a_while_and_still_dialled_when_the_other_goes(mock_clock):
    rule = HostRule(("both.test",), ANY, addresses=("127.0.0.1", "127.0.0.2"))
    dialer = dial(["127.0.0.2", "127.0.0.1"], allow=(rule,))
    async with server("127.0.0.1") as port:
        for _ in range(2):
            dialled = await dialer.dial(target("both.test", port))
            assert dialled.address == "127.0.0.1"
            await dialled.stream.aclose()
        assert [port] == [number for _, number in dialer._refused]
    with socket.create_server(("127.0.0.2", port)):
        dialled = await dialer.dial(target("both.test", port))
        assert dialled.address == "127.0.0.2"
        await dialled.stream.aclose()


async def test_a_service_leads_to_its_port_of_the_loopback_and_nowhere_else():
    async with server() as port:
        dialer = dial([""], services=(Service(80, port),))
        dialled = await dialer.dial(target("host.gmcp.internal", 80))
        assert dialled.address == "127.0.0.1"
        await dialled.stream.aclose()
        assert await failure(dialer, target("host.gmcp.internal", port)) == (errno.EACCES, "refused_address")
        assert await failure(dialer, target("host.gmcp.internal", 80), "locate") == (errno.EACCES, "refused_address")


@asynccontextmanager
async def proxy_server(heard, answer=b"HTTP/1.1 200 OK\r\n\r\nhello"):
    async def serve(stream):
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some(4096)
        heard.append(head.split(b" ")[1])
        await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_a_proxy_is_told_the_checked_address():
    heard = []
    async with proxy_server(heard) as port:
        dialer = dial(["192.168.0.1", "93.184.215.14"], proxy=Proxy("127.0.0.1", port))
        dialled = await dialer.dial(target("www.test"))
        assert (heard, dialled.address) == ([b"93.184.215.14:443"], "93.184.215.14, proxy")
        assert await dialled.stream.receive_some(10) == b"hello"
        await dialled.stream.aclose()
        assert await failure(dial(["10.0.0.1"], proxy=Proxy("127.0.0.1", port)), target("www.test")) == (
            errno.EACCES,
            "refused_address",
        )
        assert len(heard) == 1


async def test_a_proxy_that_resolves_is_told_the_name_and_it_is_said():
    heard = []
    async with proxy_server(heard) as port:
        dialer = dial([""], proxy=Proxy("127.0.0.1", port), proxy_resolves=True)
        dialled = await dialer.dial(target("www.test"))
        assert (heard, dialled.address) == ([b"www.test:443"], "proxy, delegated")
        await dialled.stream.aclose()


async def test_a_proxy_tries_the_next_address_and_stops_at_a_refusal():
    heard = []
    async with proxy_server(heard, b"HTTP/1.1 502 Bad\r\n\r\n") as port:
        dialer = dial(["1.1.1.1", "2606:4700::1"], proxy=Proxy("127.0.0.1", port))
        assert await failure(dialer, target("www.test")) == (errno.ECONNREFUSED, "proxy_502")
        assert heard == [b"1.1.1.1:443", b"[2606:4700::1]:443"]
    heard.clear()
    async with proxy_server(heard, b"HTTP/1.1 403 No\r\n\r\n") as port:
        dialer = dial(["1.1.1.1", "2606:4700::1"], proxy=Proxy("127.0.0.1", port))
        assert await failure(dialer, target("www.test")) == (errno.EACCES, "proxy_403")
        assert len(heard) == 1


async def test_datagrams_go_to_a_checked_address():
    assert await dial(["192.168.0.1", "93.184.215.14"]).locate(target("time.test")) == "93.184.215.14"
    assert (
        await dial([""], allow=(HostRule(("93.184.215.0/24",), ANY),)).locate(target("93.184.215.1")) == "93.184.215.1"
    )


def test_families_take_turns():
    texts = ["2606:4700::1", "2606:4700::2", "1.1.1.1", "2606:4700::3", "1.1.1.2"]
    found = interleaved([ipaddress.ip_address(text) for text in texts])
    assert found == ["2606:4700::1", "1.1.1.1", "2606:4700::2", "1.1.1.2", "2606:4700::3"]
