from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gmcp_sandbox import kernel
from tests.fs.conftest import PID, Agent, Begin
from tests.fs.stage import UnsafeMediator, core_of


async def test_inode_numbers_are_real_on_the_workspaces_device_and_tagged_elsewhere(begin: Begin, ws: Path) -> None:
    (ws / "f").write_text("")
    agent = begin()
    core = agent.core
    device = (await agent.stat("/ws/f")).key[0]
    assert core.shown_number(device, 77) == 77
    assert (
        len({core.shown_number(device, 77), core.shown_number(device + 1, 77), core.shown_number(device + 2, 77)}) == 3
    )
    assert core.shown_number(device + 1, 77) == core.shown_number(device + 1, 77)


async def test_prospective_content(begin: Begin, ws: Path) -> None:
    (ws / "f").write_bytes(b"0123456789")
    agent = begin()
    node = await agent.node("/ws/f")
    assert agent.core.prospective(node, 3, b"XY") == b"012XY56789"
    assert agent.core.prospective(node, 12, b"Z") == b"0123456789\0\0Z"
    assert agent.core.resized(node, 3) == b"012"
    assert agent.core.resized(node, 12) == b"0123456789\0\0"
    with pytest.raises(PermissionError):
        agent.core.resized(node, 1 << 30)


async def test_what_a_file_says_now_is_told_for_the_person_who_is_asked(begin: Begin, ws: Path) -> None:
    (ws / "f").write_bytes(b"now")
    (ws / "config").write_bytes(b"[core]\n")
    agent = begin()
    assert agent.core.present("/ws/f") is None  # nothing that the kernel knows
    await agent.open("/ws/f")
    await agent.open("/ws/config")
    assert agent.core.present("/ws/f") == (b"now", False)
    assert agent.core.present("/ws/config") == (b"[core]\n", agent.core.permits.guard_for("/ws/config") is not None)
    (ws / "f").write_bytes(b"x" * (2 << 20))
    assert agent.core.present("/ws/f") is None


async def test_a_decoy_in_the_place_of_an_open_file_is_not_shown_for_it(begin: Begin, ws: Path) -> None:
    """The agent holds one file open, takes its name away, and puts a harmless one there: which one is written to?"""
    (ws / "f").write_bytes(b"the one that is open")
    agent = begin()
    await agent.open("/ws/f", os.O_RDWR)
    await agent.unlink("/ws/f")
    await agent.create("/ws/f", b"decoy")
    await agent.open("/ws/f")
    assert agent.core.present("/ws/f") is None


async def test_closing_gives_every_descriptor_back(begin: Begin, ws: Path) -> None:
    (ws / "d").mkdir()
    (ws / "d" / "f").write_text("")
    before = len(os.listdir("/proc/self/fd"))
    agent = begin()
    await agent.open("/ws/d/f")
    await agent.unlink("/ws/d/f")
    agent.core.close()
    assert len(os.listdir("/proc/self/fd")) == before


NAMES = ("a", "b", "c")
PATHS = [*NAMES, *(f"{one}/{two}" for one in NAMES for two in NAMES)]


class SameAsTheHost(RuleBasedStateMachine):
    """Does everything twice, through the operations and on a plain directory, and compares outcomes and trees."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="same-"))
        for side in ("ws", "plain"):
            (self.top / side).mkdir()
        mediator = UnsafeMediator()
        self.agent = Agent(core_of({"mounts": [{"path": "/ws", "source": str(self.top / "ws")}]}, mediator), mediator)
        self.held: dict[int, int] = {}

    def teardown(self) -> None:
        self.agent.core.close()
        for fd in self.held.values():
            os.close(fd)
        shutil.rmtree(self.top)

    def plain(self, path: str) -> Path:
        return self.top / "plain" / path

    def both(self, through: Coroutine[Any, Any, object], direct: Callable[[], object]) -> tuple[object, object]:
        """Do one thing on both sides; both succeed, or both fail with the same error."""
        answers: list[object] = []
        try:
            answers.append(finish(through))
        except OSError as error:
            answers.append(error.errno)
            with pytest.raises(OSError) as caught:
                direct()
            assert caught.value.errno == error.errno
            return None, None
        answers.append(direct())
        return answers[0], answers[1]

    @rule(path=st.sampled_from(PATHS), data=st.binary(max_size=8))
    def create(self, path: str, data: bytes) -> None:
        async def through() -> None:
            await self.agent.create(f"/ws/{path}", data)

        def direct() -> None:
            fd = os.open(self.plain(path), os.O_WRONLY | os.O_CREAT, 0o644)
            os.pwrite(fd, data, 0)
            os.close(fd)

        self.both(through(), direct)

    @rule(path=st.sampled_from(PATHS))
    def mkdir(self, path: str) -> None:
        self.both(self.agent.mkdir(f"/ws/{path}"), lambda: self.plain(path).mkdir())

    @rule(old=st.sampled_from(PATHS), new=st.sampled_from(PATHS))
    def link(self, old: str, new: str) -> None:
        if self.plain(old).is_file() and self.plain(new).parent.is_dir():
            self.both(self.agent.link(f"/ws/{old}", f"/ws/{new}"), lambda: os.link(self.plain(old), self.plain(new)))

    @rule(old=st.sampled_from(PATHS), new=st.sampled_from(PATHS), flags=st.sampled_from([0, 0, 1, 2]))
    def rename(self, old: str, new: str, flags: int) -> None:
        def direct() -> None:
            kernel.renameat2(-100, os.fsencode(self.plain(old)), -100, os.fsencode(self.plain(new)), flags)

        if self.plain(old).parent.is_dir() and self.plain(new).parent.is_dir():  # else which error comes first is open
            self.both(self.agent.rename(f"/ws/{old}", f"/ws/{new}", flags), direct)

    @rule(path=st.sampled_from(PATHS))
    def unlink(self, path: str) -> None:
        if not self.plain(path).is_dir():
            self.both(self.agent.unlink(f"/ws/{path}"), lambda: self.plain(path).unlink())

    @rule(path=st.sampled_from(PATHS))
    def rmdir(self, path: str) -> None:
        if not self.plain(path).is_file():
            self.both(self.agent.rmdir(f"/ws/{path}"), lambda: self.plain(path).rmdir())

    @rule(path=st.sampled_from(PATHS))
    def hold(self, path: str) -> None:
        """Keep a file open on both sides, whatever becomes of its names."""
        if self.plain(path).is_file() and len(self.held) < 4:
            number, fd = self.both(
                self.agent.open(f"/ws/{path}", os.O_RDWR), lambda: os.open(self.plain(path), os.O_RDWR)
            )
            assert isinstance(number, int)
            assert isinstance(fd, int)
            self.held[number] = fd

    @precondition(lambda self: self.held)
    @rule(pick=st.integers(0, 3), offset=st.integers(0, 12), data=st.binary(max_size=5))
    def write(self, pick: int, offset: int, data: bytes) -> None:
        number = sorted(self.held)[pick % len(self.held)]
        self.both(self.agent.core.files.write(number, offset, data), lambda: os.pwrite(self.held[number], data, offset))

    @precondition(lambda self: self.held)
    @rule(pick=st.integers(0, 3), size=st.integers(0, 12))
    def truncate(self, pick: int, size: int) -> None:
        number = sorted(self.held)[pick % len(self.held)]
        node = self.agent.core.files.handle(number).node
        self.both(self.agent.core.files.truncate(node, size, None, PID), lambda: os.ftruncate(self.held[number], size))

    @precondition(lambda self: self.held)
    @rule(pick=st.integers(0, 3))
    def let_go(self, pick: int) -> None:
        number = sorted(self.held)[pick % len(self.held)]
        self.agent.core.files.release(number)
        os.close(self.held.pop(number))

    @invariant()
    def open_files_say_the_same(self) -> None:
        for number, fd in self.held.items():
            assert finish(self.agent.core.files.read(number, 0, 99)) == os.pread(fd, 99, 0)

    @invariant()
    def trees_are_equal(self) -> None:
        ours, theirs = tree(self.top / "ws"), tree(self.top / "plain")
        assert ours == theirs

    @invariant()
    def every_known_node_is_where_it_is_said_to_be(self) -> None:
        place = self.agent.core.tree.places["/ws"]
        for node in list(place.nodes.values()):
            for parent, name in node.names():
                assert self.agent.core.backing.name_stat(parent, name).key == node.key


def tree(top: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return path → (type, links, content) of all below a directory."""
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(top))] = (status.st_mode, status.st_nlink, content)
    return found


def finish(coroutine: Coroutine[Any, Any, object]) -> object:
    """Run one operation."""

    async def run() -> object:
        return await coroutine

    return trio.run(run)


SameAsTheHost.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSameAsTheHost = SameAsTheHost.TestCase
