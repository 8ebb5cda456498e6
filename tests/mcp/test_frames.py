"""The lines between supervisor, worker and starter."""

import os
import socket
import struct

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.mcp.answers import At
from gmcp_sandbox.mcp.frames import LONGEST, Frames, LineError, receive_packet, send_packet
from gmcp_sandbox.mcp.line import FromWorker, Handed, Over, Ready, Want


def pair():
    ours, theirs = socket.socketpair()
    return Frames(ours, FromWorker), theirs


async def test_frames_arrive_whole_and_in_order():
    ours, theirs = socket.socketpair()
    sender, receiver = Frames(ours, FromWorker), Frames(theirs, FromWorker)
    said = [Ready(), Want(1, At(1, "s" * 300_000)), Over(At(1, "s"))]
    async with trio.open_nursery() as nursery:

        async def send():
            for message in said:
                await sender.send(message)
            sender.close()

        nursery.start_soon(send)
        assert [await receiver.receive() for _ in said] == said
        assert await receiver.receive() is None
    receiver.close()


async def test_a_frame_that_is_too_long_fails_the_line():
    frames, other = pair()
    other.sendall(struct.pack("=I", LONGEST + 1))
    with pytest.raises(LineError, match="too long"):
        await frames.receive()
    frames.close()
    other.close()


async def test_a_frame_cut_short_fails_the_line():
    frames, other = pair()
    other.sendall(struct.pack("=I", 10) + b"abc")
    other.close()
    with pytest.raises(LineError, match="cut short"):
        await frames.receive()
    frames.close()


@given(st.binary(max_size=100) | st.sampled_from([b'{"type":"want"}', b'{"type":"setup"}', b"[]", b'{"type":"ready"}']))
def test_any_frame_is_a_declared_struct_or_fails_the_line(body):
    async def main():
        frames, other = pair()
        try:
            other.sendall(struct.pack("=I", len(body)) + body)
            try:
                assert isinstance(await frames.receive(), msgspec.Struct)
            except LineError:
                pass
        finally:
            frames.close()
            other.close()

    trio.run(main)


def test_descriptors_come_with_their_packet_and_are_not_inherited():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    with ours, theirs:
        send_packet(ours, Handed("pipes", 3), (reader, writer))
        data, fds = receive_packet(theirs)
        assert msgspec.json.decode(data, type=Handed) == Handed("pipes", 3)
        assert len(fds) == 2 and not any(os.get_inheritable(fd) for fd in fds)
        ours.close()
        assert receive_packet(theirs) == (b"", ())
    for fd in (reader, writer, *fds):
        os.close(fd)


def test_a_packet_that_does_not_fit_leaves_no_descriptor_behind():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, open(os.devnull) as file:
        before = len(os.listdir("/proc/self/fd"))
        socket.send_fds(ours, [b"x" * 5000], [file.fileno()])
        with pytest.raises(OSError, match="fit"):
            receive_packet(theirs)
        assert len(os.listdir("/proc/self/fd")) == before


async def test_what_is_said_first_is_heard_first():
    """A session that is begun with one word and asked about with the next is known when the question comes."""
    ours, theirs = socket.socketpair()
    sender, receiver = Frames(ours, FromWorker), Frames(theirs, FromWorker)
    said = [Want(1, At(1, "s" * 900_000)), Ready(), Over(At(1, "s"))]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.send, said[0])
        await trio.testing.wait_all_tasks_blocked()
        assert not sender.put(said[1])
        nursery.start_soon(sender.send, said[2])
        assert [await receiver.receive() for _ in said] == said
    sender.close()
    receiver.close()
