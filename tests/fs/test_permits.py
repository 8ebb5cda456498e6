from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from gmcp_sandbox.calls.labels import OUTSIDE, SECRET, Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.nodes import STALE
from gmcp_sandbox.fs.permits import refusal, spell
from tests.fs.conftest import Begin


async def test_how_refusals_look(begin: Begin) -> None:
    agent = begin()
    writable, synthetic = await agent.node("/ws"), agent.core.tree.root
    assert refusal(Tool.FS_READ, SECRET, writable).errno == errno.EACCES
    assert refusal(Tool.FS_READ, OUTSIDE, writable).errno == errno.ENOENT
    assert refusal(Tool.FS_WRITE, SECRET, writable).errno == errno.EACCES
    assert refusal(Tool.FS_WRITE, SECRET, synthetic).errno == errno.EROFS


async def test_a_label_once_carried_is_not_lowered(begin: Begin) -> None:
    agent = begin()
    node = await agent.create("/ws/f")
    node.sticky = SECRET
    node.generation = -1
    agent.core.permits.settle(node)
    assert node.label is SECRET
    with pytest.raises(PermissionError):
        await agent.rename("/ws/f", "/ws/g")


async def test_the_strictest_of_several_names_speaks(begin: Begin) -> None:
    agent = begin(rules={"/ws/a": "watched"})
    await agent.create("/ws/b")
    node = await agent.link("/ws/b", "/ws/a")
    await agent.node("/ws/b")
    assert agent.core.permits.settle(node) == "/ws/a"
    assert node.label.name == "watched"


async def test_names_that_come_one_by_one_weigh_as_all_at_once(begin: Begin) -> None:
    agent = begin(rules={"/ws/d3": "watched", "/ws/d5": "secret", "/ws/d8": "secret"})
    table, permits = agent.core.table, agent.core.permits
    node, parent = await agent.create("/ws/d0"), await agent.node("/ws")
    permits.settle(node)
    for number in [4, 1, 3, 0, 2, 3, 7, 5, 6, 8, 5, 9]:
        table.add_name(node, parent, b"d%d" % number)
        if number == 6:
            table.drop_name(node, parent, b"d5")
        one_by_one = permits.settle(node), node.label, node.sticky, node.guard
        node.generation = STALE
        assert (permits.settle(node), node.label, node.sticky, node.guard) == one_by_one


async def test_one_more_name_costs_the_same_however_many_there_are(begin: Begin) -> None:
    agent = begin()
    table, permits = agent.core.table, agent.core.permits
    node, parent = await agent.create("/ws/f"), await agent.node("/ws")
    permits.settle(node)
    asked: list[str] = []
    of = permits.labels.of

    def counted(path: str) -> Label:
        asked.append(path)
        return of(path)

    permits.labels = SimpleNamespace(of=counted)
    for number in range(300):
        table.add_name(node, parent, b"%d" % number)
        permits.settle(node)
    assert len(asked) <= 2 * 300


def test_names_that_are_not_utf_8_are_spelled() -> None:
    assert spell(b"\xff") == "\udcff"
