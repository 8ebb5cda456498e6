"""Messages between gate and supervisor, of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.proc.startline import ANNOUNCED, BEGIN, Line, Message


@pytest.fixture
def ends():
    ours, theirs = Line.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@given(st.lists(st.binary(max_size=50).filter(lambda word: b"\0" not in word), max_size=10))
def test_words_arrive_as_they_were_sent(words):
    ours, theirs = Line.pair()
    ours.send(Message(ANNOUNCED, 7, tuple(words)))
    assert theirs.receive() == Message(ANNOUNCED, 7, tuple(words))
    ours.close()
    theirs.close()


def test_long_words_arrive_whole(ends):
    ours, theirs = ends
    message = Message(ANNOUNCED, 7, (b"x" * 2_000_000, b"", b"y"))
    ours.send(message)
    assert theirs.receive() == message


def test_nobody_waits(ends):
    ours, theirs = ends
    assert theirs.receive() is None
    with pytest.raises(BlockingIOError):
        for _ in range(100_000):
            ours.send(Message(ANNOUNCED, 7, (b"x" * 1000,)))
    assert theirs.receive() is not None


def test_the_end_of_the_other_side(ends):
    ours, theirs = ends
    ours.send(Message(BEGIN, 1))
    ours.close()
    assert theirs.receive() == Message(BEGIN, 1)
    with pytest.raises(EOFError):
        theirs.receive()
    with pytest.raises(BrokenPipeError):
        theirs.send(Message(BEGIN, 1))
