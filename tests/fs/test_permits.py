from __future__ import annotations

import errno

import pytest

from gmcp_sandbox.calls.labels import OUTSIDE, SECRET
from gmcp_sandbox.calls.tools import Tool
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


def test_names_that_are_not_utf_8_are_spelled() -> None:
    assert spell(b"\xff") == "\udcff"
