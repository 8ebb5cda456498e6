from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gmcp_sandbox.fs.backing import Backing
from tests.fs.conftest import PID, Begin


async def test_few_descriptors_serve_many_directories(begin: Begin, ws: Path) -> None:
    for index in range(40):
        (ws / str(index) / "sub").mkdir(parents=True)
        (ws / str(index) / "sub" / "f").write_text(str(index))
    agent = begin()
    agent.core.backing = small = Backing(capacity=4)
    for part in (agent.core.names, agent.core.files, agent.core.attributes):
        part._backing = small
    before = len(os.listdir("/proc/self/fd"))
    nodes = [await agent.node(f"/ws/{index}/sub/f") for index in range(40)]
    assert len(os.listdir("/proc/self/fd")) - before <= 4
    for index in reversed(range(40)):
        number, _ = await agent.core.files.open(nodes[index].id, os.O_RDONLY, PID)
        assert await agent.core.files.read(number, 0, 9) == str(index).encode()
        agent.core.files.release(number)
    assert len(os.listdir("/proc/self/fd")) - before <= 4


async def test_a_directory_that_the_host_replaced_is_stale(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    (ws / "d" / "f").write_text("old")
    agent = begin()
    node, directory = await agent.node("/ws/d/f"), await agent.node("/ws/d")
    os.close(directory.fd)
    directory.fd = -1
    os.rename(ws / "d", ws / "gone")
    (ws / "d").mkdir()
    (ws / "d" / "f").write_text("new")
    with pytest.raises(OSError) as caught:
        agent.core.backing.stat(node)
    assert caught.value.errno == errno.ESTALE
    assert await agent.read("/ws/d/f") == b"new"


async def test_a_fifo_swapped_in_does_not_block(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    node = await agent.node("/ws/f")
    (ws / "f").unlink()
    os.mkfifo(ws / "f")
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
        with pytest.raises(OSError) as caught:
            agent.core.backing.open(node, flags)
        assert caught.value.errno == errno.ESTALE


async def test_deeper_than_any_path(begin: Begin, ws: Path) -> None:
    agent = begin()
    node = await agent.node("/ws")
    with pytest.raises(OSError) as caught:
        for _ in range(400):
            node, _ = await agent.core.names.mkdir(node.id, b"d" * 200, 0o755, PID)
    assert caught.value.errno == errno.ENAMETOOLONG
