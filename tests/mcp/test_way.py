"""Sockets and pipes as streams."""

import os
import socket

import pytest
import trio
import trio.testing

from gmcp_sandbox.mcp.way import Way


def pair():
    return tuple(Way(sock.detach()) for sock in socket.socketpair())


async def test_what_is_sent_arrives_and_the_end_is_the_end():
    ours, theirs = pair()
    async with ours, theirs:
        await ours.send_all(b"hello")
        assert await theirs.receive_some() == b"hello"
        await ours.send_all(bytearray(b"again"))
        assert await theirs.receive_some(2) == b"ag"
        assert await theirs.receive_some() == b"ain"
        await ours.aclose()
        assert await theirs.receive_some() == b""


async def test_pipes():
    inward, outward = os.pipe(), os.pipe()
    async with Way(inward[0], outward[1]) as ours, Way(outward[0], inward[1]) as theirs:
        await ours.send_all(b"up")
        assert await theirs.receive_some() == b"up"
        await theirs.send_all(b"down")
        assert await ours.receive_some() == b"down"


async def test_closing_wakes_whoever_reads_and_nothing_is_used_after_it():
    ours, theirs = pair()

    async def read():
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive_some()

    async with theirs, trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await ours.aclose()
        await ours.aclose()
        for use in (ours.receive_some, lambda: ours.send_all(b"x"), ours.wait_send_all_might_not_block):
            with pytest.raises(trio.ClosedResourceError):
                await use()


async def test_the_other_end_gone_is_broken():
    ours, theirs = pair()
    await theirs.aclose()
    async with ours:
        with pytest.raises(trio.BrokenResourceError):
            await ours.send_all(b"x")


async def test_who_is_flooded_lets_others_have_their_turn():
    ours, theirs = pair()
    turns = []

    async def other():
        while True:
            turns.append(1)
            await trio.lowlevel.checkpoint()

    async with ours, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(other)
        ours.put(b"x" * 1000)
        for _ in range(1000):
            await theirs.receive_some(1)
        nursery.cancel_scope.cancel()
    assert len(turns) > 20


async def test_a_reader_can_be_cancelled_and_loses_nothing():
    ours, theirs = pair()
    async with ours, theirs:
        with trio.move_on_after(0):
            await theirs.receive_some()
        ours.put(b"x")
        assert await theirs.receive_some() == b"x"
