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
import traceback
from collections.abc import Callable
from typing import Final

import trio
from trio.abc import Stream

from gmcp_sandbox.mcp.asking import Supervisor
from gmcp_sandbox.mcp.endpoint import Endpoint, Refused, Rules
from gmcp_sandbox.mcp.ends import EndLost, Lines
from gmcp_sandbox.mcp.frames import Frames, LineError
from gmcp_sandbox.mcp.line import FromSupervisor, Handed, Ready, Setup, Told
from gmcp_sandbox.mcp.messages import failure
from gmcp_sandbox.mcp.posts import HttpSession
from gmcp_sandbox.mcp.sessions import NoRoom, Remote, Sessions
from gmcp_sandbox.mcp.way import Way

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
        self._endpoint: Endpoint | None = None

    async def prepare(self, supervisor: Supervisor) -> None:
        """Be ready for clients."""
        self._supervisor = supervisor
        self._sessions = Sessions(self._setup.servers, supervisor, await _remote(self._setup))
        rules = Rules(self._setup.hosts, self._setup.origins, self._setup.token)
        self._endpoint = Endpoint(self._sessions.servers, rules, self._begin, self.converse)

    def take(self, handed: Handed, fds: tuple[int, ...]) -> None:
        """Serve a connection; a socket, or pipes from and to a client."""
        self._nursery.start_soon(self._serve, handed, Way(*fds))

    async def _serve(self, handed: Handed, stream: Stream) -> None:
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
            self._bug(handed.server, fault)

    async def _talk(self, handed: Handed, stream: Stream) -> None:
        if handed.kind == "lines":
            await self.converse(handed.server, stream)
        else:
            assert self._endpoint is not None
            await self._endpoint.serve(stream)

    async def _begin(self, name: str, session: HttpSession) -> None:
        """Begin a conversation, which goes on beside. Raises Refused: there is no room for it."""
        began = trio.Event()
        self._nursery.start_soon(self._lead, name, session, began)
        await began.wait()
        if session.is_over.is_set():
            raise Refused(503, "too many sessions of this server")

    async def _lead(self, name: str, session: HttpSession, began: trio.Event) -> None:
        assert self._sessions is not None
        try:
            await self._sessions.converse(name, session, "http", began)
        except NoRoom:
            session.is_over.set()
        except LineError:
            raise
        except Exception as fault:  # noqa: BLE001 - the documented boundary, as below
            self._bug(name, fault)
        finally:
            await session.aclose()
            began.set()

    def _bug(self, name: str, fault: Exception) -> None:
        assert self._supervisor is not None
        what = "".join(traceback.format_exception(fault))[-2000:]
        self._supervisor.say(Told("mcp_broken", name, f"a bug of ours: {what}"))

    async def converse(self, name: str, stream: Stream) -> None:
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


async def _remote(setup: Setup) -> Remote | None:
    """Return what speaks with servers that have a URL; None when there are none."""
    if all(server.url is None for server in setup.servers):
        return None
    import ssl

    from gmcp_sandbox.mcp.remote import opener, rehearse

    trust = ssl.create_default_context()
    await rehearse(trust)
    return opener(trust)
