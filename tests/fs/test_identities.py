from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.fs.attributes import Change
from tests.fs.conftest import PID, Begin


async def test_a_hard_link_to_a_secret_of_the_host(begin: Begin, ws: Path, tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "id").write_text("key")
    os.link(tmp_path / "ssh" / "id", ws / "innocent")
    agent = begin(secrets=[str(tmp_path / "ssh"), str(tmp_path / "absent")], deny=[("fs.read", "secret")])
    with pytest.raises(PermissionError):
        await agent.read("/ws/innocent")
    assert agent.calls[-1] == ("fs.read", "/ws/innocent", "secret", False)
    with pytest.raises(PermissionError):
        await agent.link("/ws/innocent", "/ws/other")


async def test_a_hard_link_to_a_secret_name_inside(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    (ws / "d" / ".env").write_text("key")
    os.link(ws / "d" / ".env", ws / "innocent")
    agent = begin(rules={"*/.env": "secret"}, deny=[("fs.read", "secret")])
    with pytest.raises(PermissionError):
        await agent.read("/ws/innocent")


async def test_ordinary_links_stay_readable(begin: Begin, ws: Path) -> None:
    (ws / "a").write_text("x")
    os.link(ws / "a", ws / "b")
    agent = begin(rules={"*/.env": "secret"}, deny=[("fs.read", "secret")])
    assert await agent.read("/ws/b") == b"x"


async def test_a_secret_file_named_by_itself(begin: Begin, ws: Path, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("key")
    os.link(tmp_path / "netrc", ws / "innocent")
    agent = begin(secrets=[str(tmp_path / "netrc")], deny=[("fs.read", "secret")])
    with pytest.raises(PermissionError):
        await agent.read("/ws/innocent")


async def test_what_cannot_be_walked_makes_every_link_a_suspect(begin: Begin, ws: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (ws / "a").write_text("x")
    os.link(ws / "a", ws / "b")
    agent = begin(secrets=[str(tmp_path / "loop")], deny=[("fs.read", "secret")])
    with pytest.raises(PermissionError):
        await agent.read("/ws/b")


async def test_a_second_name_of_git_configuration_takes_no_writes(begin: Begin, ws: Path) -> None:
    (ws / ".git").mkdir()
    (ws / ".git" / "config").write_bytes(b"[core]\n")
    os.link(ws / ".git" / "config", ws / "innocent")
    os.link(ws / ".git" / "config", ws / "also")
    agent = begin(deny=[("fs.[!r]*", "watched")])
    with pytest.raises(PermissionError):
        await agent.write("/ws/innocent", b"[core]\n\tfsmonitor = evil\n")
    assert agent.calls[-1] == ("fs.write", "/ws/innocent", "watched", False)
    with pytest.raises(PermissionError):
        await agent.core.attributes.setattr((await agent.node("/ws/also")).id, Change(size=1), None, PID)
    assert (ws / ".git" / "config").read_bytes() == b"[core]\n"


async def test_copies_of_a_repository_that_share_their_configuration_can_be_configured(begin: Begin, ws: Path) -> None:
    for name in ("one", "two"):
        (ws / name / ".git").mkdir(parents=True)
    (ws / "one" / ".git" / "config").write_bytes(b"[core]\n")
    os.link(ws / "one" / ".git" / "config", ws / "two" / ".git" / "config")
    agent = begin(deny=[("fs.[!r]*", "watched")])
    await agent.write("/ws/two/.git/config", b"[main]\n")


async def test_attributes_of_a_hard_link_to_a_secret_that_was_never_opened(
    begin: Begin, ws: Path, tmp_path: Path
) -> None:
    (tmp_path / "id").write_text("key")
    os.link(tmp_path / "id", ws / "innocent")
    agent = begin(secrets=[str(tmp_path / "id")], deny=[("fs.setattr", "secret"), ("fs.write", "secret")])
    node = await agent.node("/ws/innocent")
    for change in (Change(mode=0o666), Change(size=0), Change(mtime_ns=0)):
        with pytest.raises(PermissionError):
            await agent.core.attributes.setattr(node.id, change, None, PID)
    with pytest.raises(PermissionError):
        await agent.core.xattrs.set((await agent.node("/ws/innocent")).id, b"user.x", b"", PID)
    assert (tmp_path / "id").read_text() == "key"
