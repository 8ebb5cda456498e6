"""What is asked before content is delivered and marked before it is written."""

from __future__ import annotations

import os

import pytest

from gmcp_sandbox.calls.labels import SECRET
from gmcp_sandbox.fs.core import TakingBack
from tests.fs.conftest import Begin


class Book:
    """A store in memory that writes down what happens, and may be full."""

    def __init__(self, mask=0):
        self.mask = mask
        self.marked = []
        self.carrying = set()
        self.is_full = False

    def news(self, key):
        return (SECRET,) if key in self.carrying else ()

    def mark(self, key):
        if self.is_full:
            raise OSError(28, "full")
        self.marked.append(key)


@pytest.fixture
def book():
    return Book()


async def test_an_object_that_carries_something_says_so_when_it_is_read(begin: Begin, book, ws):
    (ws / "copy").write_bytes(b"x")
    os.symlink("TOKEN", ws / "link")
    agent = begin(taking_back=TakingBack(derives=book))
    node, link = await agent.node("/ws/copy"), await agent.node("/ws/link")
    book.carrying |= {node.key, link.key}
    await agent.read("/ws/copy")
    await agent.core.attributes.readlink(link.id, 1)
    assert agent.mediator.derived == [("fs.read", "/ws/copy"), ("fs.read", "/ws/copy"), ("fs.stat", "/ws/link")]


async def test_nothing_is_marked_before_anything_was_read(begin: Begin, book):
    agent = begin(taking_back=TakingBack(derives=book))
    await agent.create("/ws/f", b"data")
    assert book.marked == []


async def test_an_object_is_marked_before_it_is_written(begin: Begin, book, ws):
    agent = begin(taking_back=TakingBack(derives=book))
    book.mask = 1
    node = await agent.create("/ws/f", b"data")
    link = await agent.symlink(b"TOKEN", "/ws/link")
    assert book.marked == [node.key, link.key]
    book.is_full = True
    with pytest.raises(OSError, match="full"):
        await agent.write("/ws/f", b"more")
    assert (ws / "f").read_bytes() == b"data"


async def test_what_dies_with_the_session_is_neither_asked_about_nor_marked(begin: Begin, book):
    agent = begin(mounts=[{"path": "/ws", "mode": "scratch"}], taking_back=TakingBack(derives=book))
    book.mask = 1
    node = await agent.create("/ws/f", b"data")
    book.carrying.add(node.key)
    await agent.read("/ws/f")
    assert book.marked == [] and agent.mediator.derived == []
