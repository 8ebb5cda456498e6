"""Bytes leave in their order, and a message is never cut by one that is given up."""

import os
import socket

import pytest
import trio

from gmcp_sandbox.mcp.outgoing import Outgoing

LONG = 3 << 20


def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs


async def read_all(sock):
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    parts = bytearray()
    while data := await stream.receive_some():
        parts += data
    await stream.aclose()
    return bytes(parts)


async def test_what_goes_at_once_is_sent_without_waiting():
    ours, theirs = pair()
    with ours, theirs:
        out = Outgoing(ours.fileno)
        out.put(b"one")
        out.put(b"two")
        assert out.is_empty
        assert theirs.recv(10) == b"onetwo"


async def test_what_was_put_first_leaves_first():
    ours, theirs = pair()
    out = Outgoing(ours.fileno)
    out.put(b"a" * LONG)
    assert not out.is_empty
    out.put(b"b")

    async def send():
        await out.send(b"c")
        ours.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        assert await read_all(theirs) == b"a" * LONG + b"bc"


async def test_a_sender_that_gives_up_cuts_no_message():
    ours, theirs = pair()
    out = Outgoing(ours.fileno)
    with trio.move_on_after(0) as scope:
        await out.send(b"a" * LONG)
    assert scope.cancelled_caught

    async def send():
        await out.send(b"b")
        ours.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        assert await read_all(theirs) == b"a" * LONG + b"b"


async def test_many_senders_at_once_are_each_whole():
    ours, theirs = pair()
    out = Outgoing(ours.fileno)
    pieces = [bytes([number]) * 500_000 for number in range(8)]

    async def send():
        async with trio.open_nursery() as senders:
            for piece in pieces:
                senders.start_soon(out.send, piece)
        ours.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        found = await read_all(theirs)
    assert sorted(found[at : at + 500_000] for at in range(0, len(found), 500_000)) == pieces


async def test_the_other_end_gone_or_this_one_closed_is_an_error():
    ours, theirs = pair()
    out = Outgoing(ours.fileno)
    theirs.close()
    with pytest.raises(OSError, match="pipe"):
        await out.send(b"x")
    ours.close()
    with pytest.raises(OSError, match="descriptor"):
        out.put(b"x")


async def test_a_pipe_will_do():
    reader, writer = os.pipe2(os.O_NONBLOCK)
    out = Outgoing(lambda: writer)
    await out.send(b"x")
    assert os.read(reader, 9) == b"x"
    os.close(reader)
    os.close(writer)
