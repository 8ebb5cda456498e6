"""One end of a flow: reads ahead, counts, never waits for ever."""

import pytest
import trio

from gmcp_sandbox.net.side import LINGER, Side, SideIdle, SideLost
from tests.net.talk import pair, read_all


@pytest.fixture
async def ends():
    here, there = pair()
    yield here, there
    await here.aclose()
    await there.aclose()


async def test_what_is_read_ahead_is_taken_and_put_back(ends):
    here, there = ends
    side = Side(here, b"ab")
    await there.send_all(b"cd")
    assert await side.fill()
    assert side.take(3) == b"abc"
    side.put_back(b"bc")
    assert (side.buffered, side.take(), side.take()) == (b"bcd", b"bcd", b"")
    assert side.received == 4


async def test_what_is_sent_is_counted(ends):
    here, there = ends
    counted = []
    side = Side(here, count=counted.append)
    await side.send(b"abc")
    await side.send(b"")
    assert await there.receive_some() == b"abc"
    assert (counted, side.sent) == ([3], 3)


async def test_an_end_is_an_end(ends):
    here, there = ends
    side = Side(here)
    await there.send_eof()
    assert not await side.fill()
    assert side.is_ended
    assert not side.is_lost


async def test_a_peer_that_is_gone_is_lost(ends):
    here, there = ends
    side = Side(here)
    await there.aclose()
    with pytest.raises(SideLost):
        while True:
            await side.send(bytes(1 << 16))
    assert side.is_lost


async def test_every_wait_has_a_deadline(ends, autojump_clock):
    side = Side(ends[0], idle=5)
    with pytest.raises(SideIdle):
        await side.receive()
    with pytest.raises(SideIdle):
        await side.fill(1)
    with pytest.raises(SideIdle):
        while True:
            await side.send(bytes(1 << 16))
    assert trio.current_time() > 10


async def test_a_last_word_is_heard_before_the_end(ends):
    here, there = ends
    await there.send_all(b"a request that nobody read")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Side(here).say_last, b"no")
        assert await read_all(there) == b"no"
        await there.aclose()


async def test_a_last_word_does_not_wait_for_ever(ends, autojump_clock):
    started = trio.current_time()
    await Side(ends[0]).say_last(b"no")
    assert trio.current_time() - started == pytest.approx(LINGER, abs=0.5)
    await ends[1].aclose()
    await Side(ends[0]).say_last(b"no")


async def test_the_same_end_through_another_layer_is_counted_there(ends):
    counted = []
    inner, outer = pair()
    side = Side(ends[0], count=counted.append).over(inner)
    await side.send(b"ab")
    assert await outer.receive_some() == b"ab"
    assert counted == [2]
    await inner.aclose()
    await outer.aclose()
