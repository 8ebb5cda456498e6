from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fs.conftest import Begin


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
