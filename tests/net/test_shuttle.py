"""Bytes that nobody looks at any more."""

import pytest
import trio

from gmcp_sandbox.net.shuttle import shuttle
from gmcp_sandbox.net.side import Side
from tests.net.talk import pair


@pytest.fixture
async def ends():
    (agent, inner), (outer, server) = pair(), pair()
    yield agent, Side(inner, b"early", idle=5), Side(outer, b"late", idle=5), server
    for stream in (agent, inner, outer, server):
        await stream.aclose()


async def test_both_ways_until_one_side_ends(ends):
    agent, inner, outer, server = ends
    how = []

    async def run():
        how.append(await shuttle(inner, outer))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        assert await agent.receive_some() == b"late"
        assert await server.receive_some() == b"early"
        await server.send_all(b"pong")
        assert await agent.receive_some() == b"pong"
        await agent.send_all(b"ping")
        await agent.send_eof()
        assert await server.receive_some() == b"ping"
    assert how == ["closed"]


async def test_silence_both_ways_ends_it(ends, autojump_clock):
    assert await shuttle(ends[1], ends[2]) == "idle"


async def test_silence_one_way_does_not(ends, autojump_clock):
    _, inner, outer, server = ends
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shuttle, inner, outer)
        for _ in range(10):
            await trio.sleep(4)
            await server.send_all(b"x")
        await server.aclose()
    assert outer.received == 14


async def test_a_reset_is_a_reset(ends):
    agent, inner, outer, server = ends
    await agent.aclose()
    await server.send_all(b"x")
    await outer.fill()
    assert await shuttle(inner, outer) in ("reset", "closed")
