"""The host's proxy: which one, for whom, and tunnels through it."""

from __future__ import annotations

import errno

import pytest
import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.proxy import Proxy, open_tunnel, proxy_of
from gmcp_sandbox.net.types import DialError

OK = b"HTTP/1.1 200 Connection established\r\nX-Filler: "


def test_the_environment_names_the_proxy():
    assert proxy_of("environment", {}) is None
    found = proxy_of("environment", {"https_proxy": "http://proxy.test:3128", "NO_PROXY": "a.test, .b.test"})
    assert found == Proxy("proxy.test", 3128, None, ("a.test", ".b.test"))
    assert proxy_of("environment", {"HTTP_PROXY": "proxy.test:8080"}) == Proxy("proxy.test", 8080)
    assert proxy_of("none", {"HTTPS_PROXY": "http://proxy.test"}) is None
    assert proxy_of("http://own.test:1", {"HTTPS_PROXY": "http://proxy.test"}) == Proxy("own.test", 1)


def test_a_password_is_sent_and_never_shown():
    found = proxy_of("environment", {"HTTPS_PROXY": "http://me:s%40cret@proxy.test:3128"})
    assert found is not None and found.authorization == "Basic bWU6c0BjcmV0"
    assert "cret" not in repr(found) and "bWU6" not in repr(found)


@pytest.mark.parametrize("text", ["socks5://p:1", "https://p:1", "http://", "http://p:port", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_no_way_around_it(text):
    with pytest.raises(HostError) as caught:
        proxy_of("environment", {"HTTPS_PROXY": text})
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("bypassed", "host", "expected"),
    [
        ((), "a.test", True),
        (("*",), "a.test", False),
        (("a.test",), "a.test", False),
        (("a.test",), "x.a.test", False),
        ((".a.test",), "x.a.test", False),
        (("*.a.test",), "x.a.test", False),
        (("a.test",), "xa.test", True),
        (("10.0.0.0/8",), "10.1.2.3", False),
        (("10.0.0.1",), "10.0.0.2", True),
        (("a.test",), "10.0.0.2", True),
        (("::1",), "::1", False),
    ],
)
def test_hosts_that_need_no_proxy(bypassed, host, expected):
    assert Proxy("p.test", 1, None, bypassed).serves(host) is expected


async def tunnel(answers, host="93.184.215.14", port=443, authorization=None):
    """Open a tunnel through a proxy that says these pieces; return what it heard and what came out of the tunnel."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    heard = bytearray()

    async def serve(stream):
        while b"\r\n\r\n" not in heard:
            heard.extend(await stream.receive_some(65536))
        for piece in answers:
            await stream.send_all(piece)
            await trio.testing.wait_all_tasks_blocked()
        await stream.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        try:
            with trio.fail_after(5):
                proxy = Proxy("127.0.0.1", listeners[0].socket.getsockname()[1], authorization)
                stream = await open_tunnel(proxy, host, port)
                out = b""
                async with stream:
                    while part := await stream.receive_some(65536):
                        out += part
        finally:
            nursery.cancel_scope.cancel()
    return bytes(heard), out


async def test_a_tunnel_begins_with_what_the_upstream_said():
    whole = OK + b"y" * 50 + b"\r\n\r\nSSH-2.0-first"
    heard, out = await tunnel([whole])
    assert heard == b"CONNECT 93.184.215.14:443 HTTP/1.1\r\nHost: 93.184.215.14:443\r\n\r\n"
    assert out == b"SSH-2.0-first"
    for cut in range(1, len(whole), 7):
        assert (await tunnel([whole[:cut], whole[cut:]]))[1] == b"SSH-2.0-first"


async def test_an_address_of_ipv6_stands_in_brackets_and_a_password_goes_along():
    heard, _out = await tunnel([OK + b"\r\n\r\n"], "2606:4700::1", 80, "Basic eA==")
    assert (
        heard.startswith(b"CONNECT [2606:4700::1]:80 HTTP/1.1\r\n")
        and b"\r\nProxy-Authorization: Basic eA==\r\n" in heard
    )


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", errno.EACCES, "proxy_403"),
        (b"HTTP/1.1 407 Who\r\n\r\n", errno.EACCES, "proxy_407"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", errno.ECONNREFUSED, "proxy_502"),
        (b"HTTP/1.1 504 Late\r\n\r\n", errno.ETIMEDOUT, "proxy_504"),
        (b"HTTP/1.1 302 Elsewhere\r\n\r\n", errno.EHOSTUNREACH, "proxy_302"),
        (b"SSH-2.0-x\r\n\r\n", errno.EHOSTUNREACH, "proxy_confused"),
        (b"HTTP/1.1 200 OK\r\n", errno.EHOSTUNREACH, "proxy_confused"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 40000, errno.EHOSTUNREACH, "proxy_confused"),
        (b"", errno.EHOSTUNREACH, "proxy_confused"),
    ],
)
async def test_a_proxy_that_refuses_says_why(answer, code, reason):
    with pytest.raises(DialError) as caught:
        try:
            await tunnel([answer])
        except* DialError as group:
            raise group.exceptions[0] from None
    assert (caught.value.errno, caught.value.reason) == (code, reason)


async def test_a_proxy_that_is_not_there_is_said():
    sock = trio.socket.socket()
    await sock.bind(("127.0.0.1", 0))
    with sock, pytest.raises(DialError) as caught:
        await open_tunnel(Proxy("127.0.0.1", sock.getsockname()[1]), "93.184.215.14", 443)
    assert caught.value.reason == "proxy_unreachable"
