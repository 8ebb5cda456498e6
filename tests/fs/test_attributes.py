from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gmcp_sandbox.fs.attributes import Change
from gmcp_sandbox.fs.ids import IdView
from tests.fs.conftest import PID, Agent, Begin


async def change(agent: Agent, path: str, **what: int) -> None:
    await agent.core.attributes.setattr((await agent.node(path)).id, Change(**what), None, PID)


async def test_each_attribute_changes_alone(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("0123")
    agent = begin()
    await change(agent, "/ws/f", mode=0o600)
    await change(agent, "/ws/f", atime_ns=1_000_000_001)
    await change(agent, "/ws/f", mtime_ns=2_000_000_002)
    await change(agent, "/ws/f", uid=0, gid=0)
    found = (ws / "f").stat()
    assert (found.st_mode & 0o7777, found.st_atime_ns, found.st_mtime_ns) == (0o600, 1_000_000_001, 2_000_000_002)
    await change(agent, "/ws/f", size=2)
    await change(agent, "/ws/f", size=5 << 30)
    assert (ws / "f").stat().st_size == 5 << 30
    tools = [call[0] for call in agent.calls if call[0] != "fs.stat"]
    assert tools == ["fs.setattr"] * 4 + ["fs.write"] * 2


async def test_set_id_bits_are_not_set_on_files(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    (ws / "d").mkdir()
    agent = begin()
    await change(agent, "/ws/f", mode=0o6755)
    await change(agent, "/ws/d", mode=0o1777)
    assert (ws / "f").stat().st_mode & 0o7777 == 0o755
    assert (ws / "d").stat().st_mode & 0o7777 == 0o1777


async def test_another_owner_is_refused_to_an_ordinary_user(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    agent.core.ids = IdView.for_user()
    with pytest.raises(PermissionError):
        await change(agent, "/ws/f", uid=1234)


@pytest.mark.root
async def test_root_changes_owners_as_on_the_host(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    await change(agent, "/ws/f", uid=1234, gid=77)
    assert ((ws / "f").stat().st_uid, (ws / "f").stat().st_gid) == (1234, 77)


async def test_a_change_of_owner_that_is_denied_changes_nothing(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    agent.mediator.deny.append(("fs.setattr", "*"))
    with pytest.raises(PermissionError):
        await change(agent, "/ws/f", uid=1234)
    assert (ws / "f").stat().st_uid == os.geteuid()


async def test_times_of_a_link_itself(begin: Begin, ws: Path) -> None:
    (ws / "target").write_text("x")
    (ws / "l").symlink_to("target")
    agent = begin()
    await change(agent, "/ws/l", mtime_ns=5)
    assert (ws / "l").lstat().st_mtime_ns == 5
    assert (ws / "target").stat().st_mtime_ns != 5
    node = await agent.node("/ws/l")
    assert await agent.core.attributes.readlink(node.id, PID) == b"target"


async def test_links_and_directories_of_the_view(begin: Begin, ws: Path) -> None:
    agent = begin(symlinks=[["/bin", "usr/bin"]], mounts=[{"path": "/ws", "source": str(ws)}])
    link = await agent.node("/bin")
    assert await agent.core.attributes.readlink(link.id, PID) == b"usr/bin"
    assert (await agent.core.attributes.getattr(1, PID))[1].is_dir
    with pytest.raises(OSError) as caught:
        await agent.core.attributes.readlink(1, PID)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError) as caught:
        await agent.core.attributes.setattr(1, Change(mode=0o777), None, PID)
    assert caught.value.errno == errno.EROFS
    assert agent.calls == []


async def test_access_and_statfs(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("x")
    agent = begin()
    node = await agent.node("/ws/f")
    assert await agent.core.attributes.access(node.id, os.R_OK | os.W_OK, PID)
    assert not await agent.core.attributes.access(node.id, os.X_OK, PID)
    agent.mediator.deny.append(("fs.stat", "*"))
    with pytest.raises(PermissionError):
        await agent.core.attributes.access(node.id, os.R_OK, PID)
    assert agent.core.attributes.statfs().f_blocks == os.statvfs(ws).f_blocks


async def test_a_removed_directory_that_is_still_held_has_attributes(begin: Begin, ws: Path) -> None:
    agent = begin()
    node = await agent.mkdir("/ws/d")
    await agent.rmdir("/ws/d")
    assert (await agent.core.attributes.getattr(node.id, PID))[1].nlink == 0
