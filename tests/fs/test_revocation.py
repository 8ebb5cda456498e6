"""What a new epoch takes back, as a conversation with the kernel. Real mounts are in tests/e2e/test_revocation.py."""

from __future__ import annotations

import errno

import pytest
import trio

from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.core import TakingBack
from tests.fs.conftest import Begin


class Seer:
    """Foresight that is told what the next epoch forbids."""

    def __init__(self):
        self.cells = frozenset()
        self.forbidden = set()
        self.asked = []

    def stand(self):
        return "stand"

    def narrowed(self, since):
        return self.cells

    def permits(self, tool, object, args, *, label):
        self.asked.append((tool.value, object))
        return (tool, object) not in self.forbidden


class Kernel:
    """Remembers what it was told to forget."""

    def __init__(self):
        self.told = []
        self.error = None

    def _hear(self, *what):
        self.told.append(what)
        if self.error is not None:
            raise self.error

    def drop_content(self, number):
        self._hear("content", number)

    def drop_attributes(self, number):
        self._hear("attributes", number)

    def drop_name(self, parent, name):
        self._hear("name", parent, name)


@pytest.fixture
def seer():
    return Seer()


@pytest.fixture
def start(begin: Begin, seer, events):
    def started(**configuration):
        back = TakingBack(seer, record=lambda name, **data: events.append((name, data)))
        return begin(taking_back=back, **configuration)

    return started


@pytest.fixture
def events():
    return []


async def revoke(agent, seer, *forbidden, cells=None):
    """Begin an epoch that forbids this; return what the kernel was told."""
    seer.cells = frozenset((tool, "workspace") for tool, _ in forbidden) if cells is None else cells
    seer.forbidden = set(forbidden)
    kernel = Kernel()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.core.revocation.run, kernel)
        agent.core.revocation.begin()
        await agent.core.revocation.settle()
        nursery.cancel_scope.cancel()
    return kernel.told


READ, STAT = Tool.FS_READ, Tool.FS_STAT


async def test_where_nothing_is_narrowed_nobody_is_asked(start, seer):
    agent = start()
    await agent.create("/ws/f", b"x")
    seer.cells = frozenset({(Tool.NET_CONNECT, "*"), (Tool.FS_WRITE, "workspace")})
    agent.core.revocation.begin()
    assert not agent.core.revocation.is_pending
    assert seer.asked == []


async def test_pages_of_open_files_are_dropped_and_of_closed_ones_need_not_be(start, seer, events):
    agent = start()
    await agent.create("/ws/closed", b"x")
    node = await agent.create("/ws/open", b"x")
    await agent.create("/ws/other", b"x")
    await agent.open("/ws/open")
    await agent.open("/ws/other")
    told = await revoke(agent, seer, (READ, "/ws/open"), (READ, "/ws/closed"))
    assert told == [("content", node.id)]
    assert events == [("revoked", {"files": 1, "names": 0})]


async def test_names_and_attributes_are_dropped_names_last(start, seer):
    agent = start()
    node = await agent.create("/ws/f", b"x")
    await agent.link("/ws/f", "/ws/g")
    told = await revoke(agent, seer, (STAT, agent.core.permits.settle(node)))
    top = (await agent.node("/ws")).id
    assert told[0] == ("attributes", node.id)
    assert sorted(told[1:]) == [("name", top, b"f"), ("name", top, b"g")]


async def test_fixed_nodes_keep_their_names(start, seer):
    agent = start()
    await agent.node("/ws")
    assert await revoke(agent, seer, (STAT, "/ws"), (STAT, "/")) == []


async def test_only_objects_with_a_narrowed_label_are_looked_at(start, seer):
    agent = start(rules={"/ws/.env": "secret"})
    await agent.create("/ws/f")
    await revoke(agent, seer, cells=frozenset({(STAT, "secret")}))
    assert seer.asked == []
    await revoke(agent, seer, cells=frozenset({(STAT, "*")}))
    assert {path for _, path in seer.asked} == {"/ws/f"}


async def test_under_another_profile_everything_is_looked_at(start, seer):
    agent = start()
    node = await agent.create("/ws/f")
    seer.cells, seer.forbidden = None, {(STAT, "/ws/f")}
    kernel = Kernel()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.core.revocation.run, kernel)
        agent.core.revocation.begin()
        await agent.core.revocation.settle()
        nursery.cancel_scope.cancel()
    assert ("attributes", node.id) in kernel.told


async def test_who_cannot_be_waited_for_is_refused(start, seer, autojump_clock):
    agent = start()
    seer.cells = frozenset({(READ, "*")})
    agent.core.revocation.begin()  # and nobody runs it
    with pytest.raises(PermissionError):
        await agent.core.revocation.settle()


async def test_a_read_of_guarded_content_waits_and_any_other_does_not(start, seer, autojump_clock):
    agent = start(rules={"/ws/.env": "secret"})
    await agent.create("/ws/.env", b"TOKEN")
    await agent.create("/ws/f", b"x")
    guarded, plain = await agent.open("/ws/.env"), await agent.open("/ws/f")
    seer.cells = frozenset({(READ, "*")})
    agent.core.revocation.begin()
    assert await agent.core.files.read(plain, 0, 10) == b"x"
    with pytest.raises(PermissionError):
        await agent.core.files.read(guarded, 0, 10)


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ENOTCONN])
async def test_what_the_kernel_does_not_know_is_no_error(start, seer, code):
    agent = start()
    await agent.create("/ws/f", b"x")
    seer.cells, seer.forbidden = frozenset({(STAT, "*")}), {(STAT, "/ws/f")}
    kernel = Kernel()
    kernel.error = OSError(code, "gone")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.core.revocation.run, kernel)
        agent.core.revocation.begin()
        await agent.core.revocation.settle()
        nursery.cancel_scope.cancel()
    assert len(kernel.told) == 2


async def test_a_kernel_that_cannot_forget_ends_the_service(start, seer):
    agent = start()
    await agent.create("/ws/f", b"x")
    seer.cells, seer.forbidden = frozenset({(STAT, "*")}), {(STAT, "/ws/f")}
    kernel = Kernel()
    kernel.error = OSError(errno.ENOSYS, "cannot")
    agent.core.revocation.begin()
    with pytest.raises(OSError, match="cannot"):
        await agent.core.revocation.run(kernel)
