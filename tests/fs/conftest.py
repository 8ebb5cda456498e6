"""A filesystem without a mount: requests are made as the kernel would make them, by node id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmcp_sandbox.fs.core import Core
from gmcp_sandbox.fs.nodes import Node
from gmcp_sandbox.fs.stats import Stat
from tests.fs.stage import UnsafeMediator, core_of

PID = 4711


class Agent:
    """Asks a core by paths, as an agent's kernel would: one look-up a component, no symbolic links followed."""

    def __init__(self, core: Core, mediator: UnsafeMediator) -> None:
        self.core = core
        self.mediator = mediator

    @property
    def calls(self) -> list[tuple[str, str, str, bool]]:
        return self.mediator.calls

    async def node(self, path: str) -> Node:
        node: Node = self.core.tree.root
        for name in os.fsencode(path).split(b"/"):
            if name:
                found = await self.core.names.lookup(node.id, name, PID)
                if found is None:
                    raise FileNotFoundError(2, "absent")
                node = found[0]
        return node

    async def parent(self, path: str) -> tuple[int, bytes]:
        directory, _, name = path.rpartition("/")
        return (await self.node(directory)).id, os.fsencode(name)

    async def stat(self, path: str) -> Stat:
        return (await self.core.attributes.getattr((await self.node(path)).id, PID))[1]

    async def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        return (await self.core.files.open((await self.node(path)).id, flags, PID))[0]

    async def read(self, path: str) -> bytes:
        number = await self.open(path)
        try:
            return await self.core.files.read(number, 0, 1 << 20)
        finally:
            self.core.files.release(number)

    async def create(self, path: str, data: bytes = b"", mode: int = 0o644) -> Node:
        parent, name = await self.parent(path)
        number, (node, _) = await self.core.files.create(parent, name, mode, os.O_WRONLY | os.O_CREAT, PID)
        try:
            if data:
                await self.core.files.write(number, 0, data)
        finally:
            self.core.files.release(number)
        return node

    async def write(self, path: str, data: bytes, flags: int = os.O_WRONLY) -> None:
        number = await self.open(path, flags)
        try:
            await self.core.files.write(number, 0, data)
        finally:
            self.core.files.release(number)

    async def mkdir(self, path: str) -> Node:
        parent, name = await self.parent(path)
        return (await self.core.names.mkdir(parent, name, 0o755, PID))[0]

    async def symlink(self, target: bytes, path: str) -> Node:
        parent, name = await self.parent(path)
        return (await self.core.names.symlink(parent, name, target, PID))[0]

    async def link(self, old: str, new: str) -> Node:
        node = await self.node(old)
        parent, name = await self.parent(new)
        return (await self.core.names.link(node.id, parent, name, PID))[0]

    async def unlink(self, path: str) -> None:
        await self.core.names.unlink(*await self.parent(path), PID)

    async def rmdir(self, path: str) -> None:
        await self.core.names.rmdir(*await self.parent(path), PID)

    async def rename(self, old: str, new: str, flags: int = 0) -> None:
        await self.core.renames.rename(*await self.parent(old), *await self.parent(new), flags, PID)

    async def names(self, path: str) -> set[str]:
        number = await self.core.directories.open((await self.node(path)).id, PID)
        found: list[bytes] = []

        def emit(name: bytes, _node: Node, _stat: Stat | None, _following: int, _counted: bool) -> bool:
            found.append(name)
            return True

        await self.core.directories.read(number, 0, emit)
        self.core.directories.release(number)
        assert len(found) == len(set(found))
        return {os.fsdecode(name) for name in found} - {".", ".."}


Begin = Callable[..., Agent]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Return a function that starts a core; without arguments on one writable mount `/ws` of `tmp_path / "ws"`."""
    started: list[Core] = []

    def start(**configuration: object) -> Agent:
        (tmp_path / "ws").mkdir(exist_ok=True)
        configuration.setdefault("mounts", [{"path": "/ws", "source": str(tmp_path / "ws")}])
        deny = configuration.get("deny", [])
        assert isinstance(deny, list)
        mediator = UnsafeMediator(deny)
        core = core_of(configuration, mediator)
        started.append(core)
        return Agent(core, mediator)

    yield start
    for core in started:
        core.close()


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    """Return the host's side of the mount `/ws`."""
    path = tmp_path / "ws"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def mounted(tmp_path: Path) -> Callable[..., dict]:
    """Return a function that runs a shell script or argv in a real mount and returns what happened."""

    def run(command: str | list[str], **configuration: object) -> dict:
        (tmp_path / "ws").mkdir(exist_ok=True)
        configuration.setdefault("mounts", [{"path": "/ws", "source": str(tmp_path / "ws")}])
        configuration["command"] = ["sh", "-euc", command] if isinstance(command, str) else command
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, str(root / "tests/fs/stage.py")],
            input=json.dumps(configuration),
            capture_output=True,
            text=True,
            timeout=90,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert done.returncode == 0, done.stderr
        answer: dict = json.loads(done.stdout)
        assert answer["faults"] == []
        assert done.stderr == ""
        return answer

    return run
