from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.fs.conftest import PID, Begin


@pytest.fixture
def supported(ws: Path) -> None:
    (ws / "probe").write_text("")
    try:
        os.setxattr(ws / "probe", "user.probe", b"1")
    except OSError:
        pytest.skip("this host lacks user.* attributes on the temporary directory")


@pytest.mark.usefixtures("supported")
async def test_user_attributes(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    node, xattrs = await agent.node("/ws/f"), agent.core.xattrs
    await xattrs.set(node.id, b"user.a", b"value", PID)
    assert await xattrs.get(node.id, b"user.a", PID) == b"value"
    assert await xattrs.list(node.id, PID) == [b"user.a"]
    assert os.getxattr(ws / "f", "user.a") == b"value"
    await xattrs.remove(node.id, b"user.a", PID)
    with pytest.raises(OSError) as caught:
        await xattrs.get(node.id, b"user.a", PID)
    assert caught.value.errno == errno.ENODATA
    assert [call[0] for call in agent.calls[1:]] == ["fs.setattr", "fs.stat", "fs.stat", "fs.setattr", "fs.stat"]


async def test_other_names_have_constant_answers(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    node, xattrs = await agent.node("/ws/f"), agent.core.xattrs
    asked = len(agent.calls)
    for name, code in ((b"security.capability", errno.ENODATA), (b"system.posix_acl_access", errno.EOPNOTSUPP)):
        with pytest.raises(OSError) as caught:
            await xattrs.get(node.id, name, PID)
        assert caught.value.errno == code
    assert len(agent.calls) == asked
    for name in (b"security.capability", b"trusted.x", b"system.posix_acl_access"):
        with pytest.raises(OSError) as caught:
            await xattrs.set(node.id, name, b"x", PID)
        assert caught.value.errno == errno.EOPNOTSUPP


async def test_read_only_trees_take_none(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin(mounts=[{"path": "/ws", "source": str(ws), "mode": "ro"}])
    node = await agent.node("/ws/f")
    with pytest.raises(OSError) as caught:
        await agent.core.xattrs.set(node.id, b"user.a", b"x", PID)
    assert caught.value.errno == errno.EROFS
