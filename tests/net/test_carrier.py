from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, asynccontextmanager

import pytest
import trio
import trio.testing

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.carrier import Carrier
from gmcp_sandbox.net.relay import Relay
from tests.net.test_relay import tcp_pair


@asynccontextmanager
async def carrying():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    thread = threading.Thread(target=Relay(theirs).run)
    thread.start()
    carrier = Carrier(ours)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(carrier.serve)
            yield carrier
            nursery.cancel_scope.cancel()
    finally:
        carrier.close()
        thread.join(10)
        theirs.close()


async def test_a_flow_comes_back_as_a_report_and_every_byte_is_counted_once():
    counted = []
    async with carrying() as carrier:
        (agent, inner), (upstream, outer) = tcp_pair(), tcp_pair()
        with inner, outer:
            agent.sendall(b"abc")
            agent.close()
            upstream.sendall(b"defgh")
            upstream.close()
            with trio.fail_after(10):
                report = await carrier.carry(inner, outer, idle=60, moved=lambda up, down: counted.append((up, down)))
    assert (report.up, report.down) == (3, 5)
    assert [sum(column) for column in zip(*counted, strict=True)] == [3, 5]


async def test_a_flow_that_is_cancelled_is_reset_on_both_sides():
    counted = []
    async with carrying() as carrier:
        (agent, inner), (upstream, outer) = tcp_pair(), tcp_pair()
        agent.sendall(b"abc")
        with trio.fail_after(10), trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def cancel_when_it_runs():
                    while not counted:
                        await trio.sleep(0.01)
                    scope.cancel()

                nursery.start_soon(cancel_when_it_runs)
                await carrier.carry(inner, outer, idle=60, moved=lambda up, down: counted.append((up, down)))
        inner.close()
        outer.close()
        assert upstream.recv(3) == b"abc"
        for side in (agent, upstream):
            with side, pytest.raises(ConnectionResetError):
                side.recv(1)
    assert counted == [(3, 0)]


async def test_without_a_relay_there_is_no_session():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    carrier = Carrier(ours)
    with pytest.raises(HostError, match="relay ended"):
        await carrier.serve()
    carrier.close()


@asynccontextmanager
async def two_flows():
    """Yield the ends that a carrier gets of two flows."""
    pairs = [tcp_pair() for _ in range(4)]
    with ExitStack() as stack:
        for pair in pairs:
            for sock in pair:
                stack.enter_context(sock)
        yield [(pairs[0][1], pairs[1][1]), (pairs[2][1], pairs[3][1])]


async def _carry(carrier, flow):
    await carrier.carry(*flow, idle=60, moved=lambda up, down: None)


async def test_a_flow_that_is_cancelled_before_the_relay_has_it_is_not_waited_for():
    with trio.fail_after(10):
        async with carrying() as carrier, two_flows() as flows, trio.open_nursery() as nursery:
            for flow in flows:
                nursery.start_soon(_carry, carrier, flow)
            nursery.cancel_scope.cancel()


async def test_flows_and_their_reader_may_be_cancelled_at_one_moment():
    """A session ends so, and must end whoever of them is first."""
    for _ in range(20):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        thread = threading.Thread(target=Relay(theirs).run)
        thread.start()
        carrier = Carrier(ours)
        with trio.fail_after(10):
            async with two_flows() as flows, trio.open_nursery() as nursery:
                nursery.start_soon(carrier.serve)
                for flow in flows:
                    nursery.start_soon(_carry, carrier, flow)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        carrier.close()
        thread.join(10)
        theirs.close()
