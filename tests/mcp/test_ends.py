"""Messages on lines, from somebody who does not keep to the rules."""

import trio
import trio.testing

from gmcp_sandbox.mcp.ends import Broken, EndLost, Lines
from gmcp_sandbox.mcp.messages import Request, Result

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
LONGEST = 1000


def lines():
    ours, theirs = trio.testing.memory_stream_pair()
    return Lines(ours, ours, LONGEST), theirs


async def test_messages_are_read_however_they_are_cut():
    end, other = lines()
    async with trio.open_nursery() as nursery:

        async def write():
            for byte in (PING * 2)[:-1]:
                await other.send_all(bytes([byte]))
            await other.send_all(b"\r\n\n" + PING[:5])
            await other.send_eof()

        nursery.start_soon(write)
        assert await end.receive() == Request(1, "ping")
        assert await end.receive() == Request(1, "ping")
        assert await end.receive() is None


async def test_a_line_that_is_too_long_passes_by_and_says_what_it_answered():
    end, other = lines()
    async with trio.open_nursery() as nursery:

        async def write():
            await other.send_all(b'{"jsonrpc":"2.0","id":7,"result":{"x":"')
            for _ in range(100):
                await other.send_all(b"y" * 10_000)
                assert len(end._buffer) < 200_000
            await other.send_all(b'"}}\n' + PING)

        nursery.start_soon(write)
        broken = await end.receive()
        assert isinstance(broken, Broken) and broken.id == 7 and "1000 bytes" in broken.why
        assert await end.receive() == Request(1, "ping")


async def test_a_long_line_that_comes_at_once_is_refused_as_well():
    end, other = lines()
    await other.send_all(b'{"jsonrpc":"2.0","id":7,"result":{"x":"' + b"y" * LONGEST + b'"}}\n' + PING)
    broken = await end.receive()
    assert isinstance(broken, Broken) and broken.id == 7
    assert await end.receive() == Request(1, "ping")


async def test_words_that_are_no_message_are_told_from_broken_messages():
    end, other = lines()
    await other.send_all(b"Server is listening\n" + b'{"jsonrpc":"2.0","id":3,"result":\n' + PING)
    words, broken = await end.receive(), await end.receive()
    assert not words.is_message and broken.is_message and broken.id == 3
    assert await end.receive() == Request(1, "ping")


async def test_who_has_gone_cannot_be_told_anything():
    end, other = lines()
    await other.aclose()
    try:
        await end.send(Result(1, b"{}"))
    except EndLost:
        return
    raise AssertionError("nobody was there")
