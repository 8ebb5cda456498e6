"""The process that has hostile bytes in hand: clients' HTTP and JSON, servers' answers.

It judges nothing: each message that means something is put to the supervisor, and what comes back is done. It opens no
file, no connection and no program: connections and pipes are handed to it.

Order of a start:
1. Everything is imported, while files can still be read.
2. The set-up comes.
3. What would be imported or read late is used once.
4. It gives up what it does not need (`lock`), for good.
5. It says so, and the first connection comes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

import msgspec
import trio

from gmcp_sandbox.mcp.asking import Supervisor
from gmcp_sandbox.mcp.ends import EndLost, Lines
from gmcp_sandbox.mcp.frames import Frames, LineError
from gmcp_sandbox.mcp.http import Connection
from gmcp_sandbox.mcp.line import FromSupervisor, Handed, Ready, Setup, Told
from gmcp_sandbox.mcp.messages import failure
from gmcp_sandbox.mcp.sessions import NoRoom, Sessions

FRAMES_FD: Final = 3
DOOR_FD: Final = 4
MOST_CLIENTS: Final = 256


def work(lock: Callable[[], None]) -> None:
    """Be the worker, until the supervisor ends the line."""
    frames = socket.socket(fileno=FRAMES_FD)
    door = socket.socket(fileno=DOOR_FD)
    try:
        trio.run(_work, frames, door, lock)
    except* LineError:
        pass  # the supervisor is gone; a traceback would say nothing more


async def _work(frames: socket.socket, door: socket.socket, lock: Callable[[], None]) -> None:
    door.setblocking(False)
    line: Frames[FromSupervisor] = Frames(frames, FromSupervisor)
    setup = await line.receive()
    if not isinstance(setup, Setup):
        raise LineError("no set-up came first")
    async with trio.open_nursery() as nursery:
        clients = Clients(setup, nursery)
        supervisor = Supervisor(line, door, clients.take)
        await clients.prepare(supervisor)
        lock()
        await line.send(Ready())
        await supervisor.serve()


class Clients:
    """Everybody who has been handed in."""

    def __init__(self, setup: Setup, nursery: trio.Nursery) -> None:
        self._setup = setup
        self._nursery = nursery
        self._count = 0
        self._sessions: Sessions | None = None
        self._supervisor: Supervisor | None = None

    async def prepare(self, supervisor: Supervisor) -> None:
        """Be ready for clients."""
        self._supervisor = supervisor
        self._sessions = Sessions(self._setup.servers, supervisor)

    def take(self, handed: Handed, fds: tuple[int, ...]) -> None:
        """Serve a connection; a socket, or pipes from and to a client."""
        if len(fds) == 1:
            sock = socket.socket(fileno=fds[0])
            stream: Any = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        else:
            stream = trio.StapledStream(trio.lowlevel.FdStream(fds[1]), trio.lowlevel.FdStream(fds[0]))
        self._nursery.start_soon(self._serve, handed, stream)

    async def _serve(self, handed: Handed, stream: Any) -> None:
        try:
            async with stream:
                if self._count < MOST_CLIENTS:
                    self._count += 1
                    try:
                        await self._talk(handed, stream)
                    finally:
                        self._count -= 1
        except EndLost:
            pass  # gone before it could be told what is wrong
        except LineError:
            raise
        except Exception as fault:  # noqa: BLE001 - the documented boundary: what hostile bytes break is their own session
            self._supervisor.say(
                Told("mcp_broken", handed.server, f"a bug of ours: {type(fault).__name__}: {fault}"[:500])
            )

    async def _talk(self, handed: Handed, stream: Any) -> None:
        if handed.kind == "lines":
            await self.converse(handed.server, stream)
        else:
            await self._serve_http(Connection(stream), stream)

    async def _serve_http(self, connection: Connection, stream: Any) -> None:
        assert self._sessions is not None
        while (asked := await connection.next()) is not None:
            name = asked.path.strip("/")
            if name not in self._sessions.servers:
                await connection.answer(404, b"gmcp-sandbox: the profile has no such MCP server\n")
            elif asked.header(b"upgrade") == "mcp-lines":
                await connection.body(0)
                await self.converse(name, _Continued(stream, await connection.switch("mcp-lines")))
                return

    async def converse(self, name: str, stream: Any) -> None:
        """Serve a client that speaks bare lines. Raises EndLost."""
        assert self._sessions is not None
        server = self._sessions.servers.get(name)
        client = Lines(stream, stream, server.message_bytes if server is not None else 1 << 16)
        if server is None:
            await client.send(failure(None, -32000, f"gmcp-sandbox: there is no server {name!r}"))
            return
        try:
            await self._sessions.converse(name, client, "lines")
        except NoRoom:
            await client.send(failure(None, -32000, f"gmcp-sandbox: too many sessions of {name}"))


class _Continued:
    """A stream of which some was read before."""

    def __init__(self, stream: Any, first: bytes) -> None:
        self._stream = stream
        self._first = first
        self.send_all = stream.send_all
        self.aclose = stream.aclose

    async def receive_some(self, most: int) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._stream.receive_some(most)  # type: ignore[no-any-return]
