from __future__ import annotations

import os
import socket

import pytest

from gmcp_sandbox.net.passing import receive


@pytest.fixture
def pair():
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with first, second:
        yield first, second


def test_a_message_and_its_descriptors_which_are_not_inherited(pair):
    ours, theirs = pair
    buffer = bytearray(100)
    reader, writer = os.pipe()
    socket.send_fds(theirs, [b"word"], [reader, writer])
    length, fds = receive(ours, buffer)
    assert bytes(buffer[:length]) == b"word"
    assert [os.get_inheritable(fd) for fd in fds] == [False, False]
    for fd in (*fds, reader, writer):
        os.close(fd)


def test_a_message_alone_no_message_and_the_end(pair):
    ours, theirs = pair
    buffer = bytearray(100)
    theirs.send(b"word")
    assert receive(ours, buffer) == (4, ())
    with pytest.raises(BlockingIOError):
        receive(ours, buffer)
    theirs.close()
    assert receive(ours, buffer) == (0, ())


def test_more_descriptors_than_any_message_has_are_closed(pair):
    ours, theirs = pair
    reader, writer = os.pipe()
    socket.send_fds(theirs, [b"word"], [writer] * 9)
    os.close(writer)
    assert receive(ours, bytearray(100)) == (4, ())
    assert os.read(reader, 1) == b""  # nobody has the other end any more
    os.close(reader)
