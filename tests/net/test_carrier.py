from __future__ import annotations

import socket
import threading
from contextlib import asynccontextmanager

import pytest
import trio

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
