"""The whole plumbing with real namespaces, devices and processes; names, policy and upstream are the test's."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import socket
from typing import Any

import pytest
import trio

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.net.types import Closing
from tests.net.link import Host, replace, serving

pytestmark = pytest.mark.needs("userns", "tun")

PRELUDE = """
import errno, hashlib, json, os, socket, sys, time
def attempt(address, port=80, timeout=5):
    began = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout):
            return {"result": "connected", "seconds": time.monotonic() - began}
    except OSError as error:
        return {"result": errno.errorcode.get(error.errno, str(error)), "seconds": time.monotonic() - began}
"""
PATTERN = bytes(range(256)) * 4096


def arguments(call: ToolCall) -> Any:
    """Return the arguments of a call, of the type that its tool has."""
    return call.args


async def _upstream(nursery, handler):
    async def serve(stream):
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await handler(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, listeners)
    return listeners[0].socket.getsockname()


async def _flows(host):
    with trio.fail_after(5):
        while not (found := [fields for name, fields in host.events if name == "flow"]):
            await trio.sleep(0.01)
    return found


async def test_a_judged_flow_reaches_upstream_and_leaves_its_record(nursery):
    async def shout(stream):
        async for part in stream:
            await stream.send_all(part.upper())

    host = Host(upstream=await _upstream(nursery, shout))
    async with serving(host) as (_, agent):
        said = await agent(
            PRELUDE
            + """
with socket.create_connection(("198.18.0.9", 8080), 5) as sock:
    sock.sendall(b"hello")
    peer = sock.getpeername()
    sock.shutdown(socket.SHUT_WR)
    print(json.dumps([sock.makefile().read(), peer]))
"""
        )
        assert said == ["HELLO", ["198.18.0.9", 8080]]
        (call,) = host.calls
        assert (call.tool, call.object, arguments(call).port) == (Tool.NET_CONNECT, "api.example.com", 8080)
        (flow,) = await _flows(host)
        assert (flow["host"], flow["port"], flow["up"], flow["down"], flow["how"]) == (
            "api.example.com", 8080, 5, 5, "closed",
        )  # fmt: skip
        assert flow["address"] == "203.0.113.7"
    assert host.counted == {("net.bytes_up", "api.example.com"): 5, ("net.bytes_down", "api.example.com"): 5}


@pytest.mark.parametrize("crosses", [True, False], ids=["crossing", "pump"])
@pytest.mark.parametrize(
    ("denial", "address", "expected"),
    [
        ("reset", "198.18.0.9", "ECONNREFUSED"),
        ("reset", "2001:db8::1", "ECONNREFUSED"),
        ("prohibited", "198.18.0.9", "EHOSTUNREACH"),
        ("prohibited", "2001:db8::1", "EACCES"),
    ],
)
async def test_a_denied_connect_fails_at_once(denial, address, expected, crosses):
    host = Host(allows=lambda call: False)
    host.policy = replace(host.policy, denial=denial)
    async with serving(host, crosses=crosses) as (_, agent):
        said = await agent(PRELUDE + f"print(json.dumps(attempt({address!r})))")
    assert said["result"] == expected
    assert said["seconds"] < 2  # no SYN was repeated
    assert len(host.calls) == 1


@pytest.mark.parametrize("failure", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH])
@pytest.mark.parametrize("address", ["198.18.0.9", "2001:db8::1"])
async def test_connect_tells_the_true_result_of_upstream(failure, address):
    host = Host(failure=failure)
    async with serving(host) as (_, agent):
        said = await agent(PRELUDE + f"print(json.dumps(attempt({address!r})))")
    assert said["result"] == errno.errorcode[failure]


async def test_upstream_that_does_not_answer_is_silence_and_one_call():
    host = Host(failure=errno.ETIMEDOUT)
    async with serving(host) as (_, agent):
        said = await agent(PRELUDE + 'print(json.dumps(attempt("198.18.0.9", timeout=2.5)))')
    assert said["result"] == "timed out"
    assert len(host.calls) == 1  # though its SYN was repeated once


@pytest.mark.parametrize("crosses", [True, False], ids=["crossing", "pump"])
async def test_large_transfers_arrive_whole_in_both_directions(nursery, crosses):
    async def serve(stream):
        digest = hashlib.sha256()
        async for part in stream:
            digest.update(part)
        await stream.send_all(digest.digest())
        for _ in range(64):
            await stream.send_all(PATTERN)
        await stream.aclose()

    host = Host(upstream=await _upstream(nursery, serve))
    async with serving(host, crosses=crosses) as (_, agent):
        up, down, length = await agent(
            PRELUDE
            + """
pattern = bytes(range(256)) * 4096
with socket.create_connection(("2001:db8::9", 80), 5) as sock:
    for _ in range(64):
        sock.sendall(pattern)
    sock.shutdown(socket.SHUT_WR)
    stream = sock.makefile("rb")
    up = stream.read(32).hex()
    body = stream.read()
    print(json.dumps([up, hashlib.sha256(body).hexdigest(), len(body)]))
"""
        )
        expected = hashlib.sha256(PATTERN * 64).hexdigest()
        assert (up, down, length) == (expected, expected, len(PATTERN) * 64)
        (flow,) = await _flows(host)
        assert (flow["up"], flow["down"]) == (length, length + 32)


async def test_two_hundred_connections_at_a_time(nursery):
    async def echo(stream):
        async for part in stream:
            await stream.send_all(part)

    host = Host(upstream=await _upstream(nursery, echo))
    async with serving(host) as (_, agent):
        answered = await agent(
            PRELUDE
            + """
import selectors
socks = []
for number in range(200):
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(("198.18.0.9", 80))
    socks.append(sock)
for number, sock in enumerate(socks):
    sock.setblocking(True)
    sock.settimeout(20)
    sock.sendall(b"%d" % number)
print(json.dumps([sock.recv(10).decode() for sock in socks]))
"""
        )
    assert answered == [str(number) for number in range(200)]


async def test_a_reset_of_upstream_is_a_reset_for_the_agent(nursery):
    async def abort(stream):
        await stream.receive_some(1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.socket.close()

    host = Host(upstream=await _upstream(nursery, abort))
    async with serving(host) as (_, agent):
        said = await agent(
            PRELUDE
            + """
with socket.create_connection(("198.18.0.9", 80), 5) as sock:
    sock.sendall(b"x")
    try:
        print(json.dumps(sock.recv(1).decode()))
    except OSError as error:
        print(json.dumps(errno.errorcode[error.errno]))
"""
        )
        assert said == "ECONNRESET"
        assert (await _flows(host))[0]["how"] == "reset"


async def test_an_application_layer_that_denies_resets(nursery):
    host = Host(upstream=await _upstream(nursery, trio.aclose_forcefully))

    async def deny(target, agent, upstream, moved):
        await agent.receive_some(1)
        return Closing(up=0, down=0, seconds=0, how="denied")

    host.application = deny
    async with serving(host) as (_, agent):
        said = await agent(
            PRELUDE
            + """
with socket.create_connection(("198.18.0.9", 80), 5) as sock:
    sock.sendall(b"x")
    try:
        print(json.dumps(sock.recv(1).decode()))
    except OSError as error:
        print(json.dumps(errno.errorcode[error.errno]))
"""
        )
    assert said == "ECONNRESET"


async def test_dns_over_udp_and_tcp_to_any_server():
    host = Host(allows=lambda call: False)
    async with serving(host) as (_, agent):
        said = await agent(
            PRELUDE
            + """
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(5)
    sock.sendto(b"q1", ("203.0.113.53", 53))
    udp, server = sock.recvfrom(100)
with socket.create_connection(("2001:db8::53", 53), 5) as sock:
    sock.sendall(b"\\0\\2q2\\0\\2q3")
    sock.shutdown(socket.SHUT_WR)
    tcp = sock.makefile("rb").read()
print(json.dumps([udp.decode(), server, tcp.hex()]))
"""
        )
    assert said == ["answer to q1", ["203.0.113.53", 53], b"\0\14answer to q2\0\14answer to q3".hex()]
    assert host.calls == []  # each question is the service's to judge


async def test_udp_flows_are_relayed_after_one_call():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        host = Host(upstream=("127.0.0.1", 0))
        port = server.getsockname()[1]

        async def echo():
            while True:
                await trio.lowlevel.wait_readable(server)
                data, peer = server.recvfrom(100)
                server.sendto(data.upper(), peer)

        async with serving(host) as (_, agent), trio.open_nursery() as nursery:
            nursery.start_soon(echo)
            said = await agent(
                PRELUDE
                + f"""
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(5)
    sock.connect(("198.18.0.9", {port}))
    answers = []
    for word in (b"one", b"two"):
        sock.send(word)
        answers.append(sock.recv(100).decode())
print(json.dumps(answers))
"""
            )
            nursery.cancel_scope.cancel()
    assert said == ["ONE", "TWO"]
    (call,) = host.calls
    assert (call.tool, call.object, arguments(call).port) == (Tool.NET_SEND, "api.example.com", port)


async def test_quic_multicast_and_denied_datagrams_are_refused_at_once():
    host = Host(allows=lambda call: False)
    async with serving(host) as (_, agent):
        said = await agent(
            PRELUDE
            + """
def ask(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.connect((address, port))
        sock.send(b"x")
        try:
            return sock.recv(10).decode()
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))
print(json.dumps([ask("198.18.0.9", 443), ask("198.18.0.9", 9999)]))
"""
        )
    assert said == ["ECONNREFUSED", "ECONNREFUSED"]
    assert {(arguments(call).protocol, arguments(call).fault) for call in host.calls} == {
        ("other", "quic"),
        ("udp", None),
    }


async def test_another_epoch_ends_the_flows_that_it_does_not_allow(nursery):
    async def echo(stream):
        async for part in stream:
            await stream.send_all(part)

    denied = []
    host = Host(allows=lambda call: call.object not in denied, upstream=await _upstream(nursery, echo))
    host.names = {"198.18.0.9": "api.example.com", "198.18.0.10": "other.example.com"}
    async with serving(host) as (network, agent):

        async def change():
            with trio.fail_after(10):
                while len(host.counted) < 4:
                    await trio.sleep(0.01)
            denied.append("other.example.com")
            network.reconsider()

        nursery.start_soon(change)
        said = await agent(
            PRELUDE
            + """
socks = [socket.create_connection((address, 80), 5) for address in ("198.18.0.9", "198.18.0.10")]
ends = []
for sock in socks:
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
for sock in reversed(socks):
    try:
        while True:
            sock.sendall(b"y")
            if not sock.recv(1): raise OSError(0)
            if ends: break
            time.sleep(0.01)
        ends.append("alive")
    except OSError as error:
        ends.append(errno.errorcode[error.errno])
print(json.dumps(ends))
"""
        )
        assert said == ["ECONNRESET", "alive"]


PING = """
import struct
def ping(address):
    is_v4 = ":" not in address
    family, protocol = (socket.AF_INET, 1) if is_v4 else (socket.AF_INET6, 58)
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as sock:
        sock.settimeout(3)
        sock.setsockopt(*((socket.IPPROTO_IP, 11) if is_v4 else (socket.IPPROTO_IPV6, 25)), 1)  # errors, please
        sock.connect((address, 0))
        sock.send(struct.pack("!BBHHH", 8 if is_v4 else 128, 0, 0, 0, 7) + b"payload")
        try:
            return sock.recv(100)[8:].decode()
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))
print(json.dumps([ping("198.18.0.9"), ping("2001:db8::9")]))
"""


async def test_a_denied_ping_is_refused_at_once():
    host = Host(allows=lambda call: False)
    async with serving(host) as (_, agent):
        said = await agent(PRELUDE + PING)
    assert said == ["ECONNREFUSED", "ECONNREFUSED"]
    assert [(call.tool, arguments(call).protocol) for call in host.calls] == [(Tool.NET_SEND, "icmp")] * 2


async def test_a_udp_answer_that_is_too_long_for_the_agents_family_is_dropped():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::1", 0))
        server.setblocking(False)
        host = Host(upstream=("::1", 0))
        port = server.getsockname()[1]

        async def answer():
            while True:
                await trio.lowlevel.wait_readable(server)
                data, peer = server.recvfrom(100)
                server.sendto(bytes(65520), peer)
                server.sendto(data, peer)

        async with serving(host) as (_, agent), trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            said = await agent(
                PRELUDE
                + f"""
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(5)
    sock.connect(("198.18.0.9", {port}))
    sock.send(b"short")
    print(json.dumps(sock.recv(70000).decode()))
"""
            )
            nursery.cancel_scope.cancel()
    assert said == "short"


async def test_options_and_multicast_are_recorded_and_refused():
    host = Host()
    async with serving(host) as (_, agent):
        said = await agent(
            PRELUDE
            + """
def optioned():
    with socket.socket() as sock:
        sock.settimeout(3)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\\x07\\x07\\x04\\0\\0\\0\\0\\0")  # record route
        try:
            sock.connect(("198.18.0.9", 80))
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.sendto(b"x", ("224.0.0.251", 5353))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.IPPROTO_IP, 10, 0)  # fragment rather than refuse (IP_MTU_DISCOVER)
    sock.sendto(bytes(65507), ("198.18.0.9", 9))
print(json.dumps(optioned()))
"""
        )
        assert said == "ECONNREFUSED"
    assert {arguments(call).fault for call in host.calls} == {"ip options", "multicast", "fragment"}
