from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gmcp_sandbox.fs.directories import Directories
from gmcp_sandbox.fs.nodes import Node
from gmcp_sandbox.fs.stats import Stat
from tests.fs.conftest import PID, Agent, Begin


class Page:
    """A reply with room for a number of entries."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.entries: list[tuple[bytes, bool]] = []
        self.following = 0

    def emit(self, name: bytes, _node: Node, _stat: Stat | None, following: int, counted: bool) -> bool:
        if len(self.entries) == self.room:
            return False
        self.entries.append((name, counted))
        self.following = following
        return True


async def page(agent: Agent, number: int, start: int, room: int) -> Page:
    reply = Page(room)
    await agent.core.directories.read(number, start, reply.emit)
    return reply


async def test_pages_tell_every_name_once_while_entries_come_and_go(begin: Begin, ws: Path) -> None:
    for index in range(20):
        (ws / f"f{index}").write_text("")
    agent = begin()
    number = await agent.core.directories.open((await agent.node("/ws")).id, PID)
    seen: list[bytes] = []
    start = 0
    for _ in range(4):
        reply = await page(agent, number, start, 7)
        seen += [name for name, _ in reply.entries]
        start = reply.following
        (ws / f"new{start}").write_text("")
        (ws / "f19").unlink(missing_ok=True)
    assert len(seen) == len(set(seen))
    assert {b".", b"..", *(b"f%d" % index for index in range(19))} <= set(seen)
    assert b"new7" not in seen
    again = await page(agent, number, 0, 100)
    assert b"new7" in dict(again.entries)


async def test_lookups_are_counted_exactly_with_the_entries_that_went_out(begin: Begin, ws: Path) -> None:
    for index in range(5):
        (ws / f"f{index}").write_text("")
    agent = begin()
    before = len(agent.core.table)
    number = await agent.core.directories.open((await agent.node("/ws")).id, PID)
    reply = await page(agent, number, 0, 4)
    assert [counted for _, counted in reply.entries] == [False, False, True, True]
    assert len(agent.core.table) == before + 2
    (await page(agent, number, 2, 2)).entries  # noqa: B018 - told twice, counted twice
    node = agent.core.table.get(max(node for node in range(1, 20) if _knows(agent, node)))
    assert node.lookups == 2


def _knows(agent: Agent, number: int) -> bool:
    try:
        agent.core.table.get(number)
    except OSError:
        return False
    return True


async def test_an_entry_with_a_higher_label_comes_without_attributes(begin: Begin, ws: Path) -> None:
    (ws / ".env").write_text("")
    (ws / "plain").write_text("")
    agent = begin(rules={"*/.env": "secret"})
    number = await agent.core.directories.open((await agent.node("/ws")).id, PID)
    reply = await page(agent, number, 0, 100)
    assert dict(reply.entries) == {b".": False, b"..": False, b".env": False, b"plain": True}


async def test_fixed_names_and_the_hosts_names_are_one_listing(begin: Begin, ws: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (ws / "own").write_text("")
    agent = begin(
        mounts=[{"path": "/ws", "source": str(ws)}, {"path": "/ws/in", "source": str(tmp_path / "inner")}],
        symlinks=[["/ws/l", "own"]],
    )
    assert await agent.names("/ws") == {"own", "in", "l"}
    assert await agent.names("/") == {"ws", "dev", "proc"}


async def test_a_refused_listing(begin: Begin, ws: Path) -> None:
    agent = begin(deny=[("fs.list", "*")])
    with pytest.raises(PermissionError):
        await agent.names("/ws")


async def test_what_is_no_directory_and_what_is_no_handle(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("")
    agent = begin()
    with pytest.raises(NotADirectoryError):
        await agent.core.directories.open((await agent.node("/ws/f")).id, PID)
    with pytest.raises(OSError) as caught:
        await page(agent, 99, 0, 1)
    assert caught.value.errno == errno.EBADF


async def test_fsync_of_a_directory(begin: Begin, ws: Path) -> None:
    agent = begin()
    number = await agent.core.directories.open((await agent.node("/ws")).id, PID)
    await agent.core.directories.fsync(number)


async def test_many_open_directories_hold_a_bounded_amount_of_names(begin: Begin, ws: Path) -> None:
    for index in range(50):
        (ws / f"{index:0100d}").write_text("")
    agent = begin()
    node = await agent.node("/ws")
    directories = Directories(agent.core, most_bytes=3 * 50 * 200)
    numbers = [await directories.open(node.id, PID) for _ in range(40)]
    full = 0
    for number in numbers:
        try:
            await directories.read(number, 0, Page(3).emit)
        except OSError as error:
            assert error.errno == errno.ENFILE
            full += 1
    assert 0 < full < 40
    for number in numbers:
        directories.release(number)
    alone = Directories(agent.core, most_bytes=1)
    number = await alone.open(node.id, PID)
    for _ in range(2):
        await alone.read(number, 0, Page(3).emit)
